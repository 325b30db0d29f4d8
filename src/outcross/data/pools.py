"""Pools of parts, grouped by generation: the available records, and the training sets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from outcross.data.origins import UNKNOWN, Origin
from outcross.data.parts import Made, Part, Subsample, equal_weight, joined, part_of, split_counts
from outcross.data.records import Counts, Reference, Subcounts, load_records, row_numbers
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.files import packed

AnyPart = Part | Subsample


@dataclass(frozen=True, eq=False)
class Pool:
    """Parts, oldest first: the available records, or the records of a training set."""

    parts: tuple[AnyPart, ...]
    generation: int = 0
    """The number of generations of models that have written into it."""

    def __len__(self) -> int:
        return self._size

    @cached_property
    def _size(self) -> int:
        return sum(map(len, self.parts))

    def __add__(self, written: Part | Pool) -> Pool:
        """Return the pool after one more generation, in which one model wrote a part, or several models wrote one part each."""
        parts = (written,) if isinstance(written, Part) else written.parts
        return Pool((*self.parts, *(_stamped(part, self.generation) for part in parts)), self.generation + 1)

    @cached_property
    def human(self) -> Pool:
        """The parts that people wrote: the original human records."""
        return self._of(part for part in self.parts if _author(part) == "human")

    @cached_property
    def models(self) -> Pool:
        """The parts that are not human, of all generations."""
        return self._of(part for part in self.parts if _author(part) != "human")

    @property
    def newest(self) -> Pool:
        """The parts of the last generation of models, one for each teacher; before any model wrote, the human records."""
        return self.back(1) if self.models.parts else self.human

    def back(self, generations: int | None) -> Pool:
        """Return the parts that the last `generations` generations of models wrote; None for all generations."""
        if generations is None or generations >= self.generation:
            return self.models
        oldest = self.generation - generations
        return self._of(part for part in self.models.parts if (part.origin.generation or 0) >= oldest)

    def newest_only(self, reach: int | None) -> Pool:
        """Return the pool without the parts of models that a policy with this reach will not read again (None: all stay)."""
        if reach is None or reach >= self.generation:
            return self
        oldest = self.generation - reach
        return self._of(part for part in self.parts if _author(part) == "human" or (part.origin.generation or 0) >= oldest)

    def _of(self, parts: Iterable[AnyPart]) -> Pool:
        return Pool(tuple(parts), self.generation)

    @cached_property
    def by_author(self) -> dict[str, float]:
        """The fraction of records that each kind of author wrote, in [0, 1], averaged over chains.

        Raises NotApplicable if the author of a record is unknown, or if there is no record.
        """
        if len(self) == 0:
            raise NotApplicable("needs records, and the pool is empty")
        records: dict[str, float] = {}
        for part in self.parts:
            for origin, n in part.by_origin().items():
                records[origin.author] = records.get(origin.author, 0.0) + n
        if unknown := records.get("unknown"):
            raise NotApplicable(f"needs the author of every record, and the author of {unknown:,.0f} of {len(self):,} is unknown")
        return {author: n / len(self) for author, n in records.items()}

    @property
    def synthetic_share(self) -> float:
        """The fraction of records that a model wrote, in [0, 1]. Raises NotApplicable if an author is unknown."""
        return self.by_author.get("model", 0.0)

    @property
    def human_share(self) -> float:
        """The fraction of records that people wrote, in [0, 1]. Raises NotApplicable if an author is unknown."""
        return self.by_author.get("human", 0.0)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(" ".join([part.digest for part in self.parts]).encode()).hexdigest()

    def take(self, rows: Reference) -> Pool:
        """Return a pool with these records. `rows` number the records of all parts, (n,), and are the same for all chains. Parts keep their origin.

        The records are sorted by part, and within a part they have the order of `rows`.
        """
        rows = row_numbers(rows, "records of a pool")
        ends = np.cumsum([len(part) for part in self.parts])
        part_of_row = np.searchsorted(ends, rows, side="right")
        taken = [
            (part, rows[part_of_row == i] - (end - len(part))) for i, (part, end) in enumerate(zip(self.parts, ends, strict=True))
        ]
        return self._of(part.take(own) for part, own in taken if len(own))

    def some(self, n: int, rng: np.random.Generator) -> Pool:
        """Draw n records of the pool, uniformly and without replacement. Every record keeps its origin.

        Without chains the result has the parts of the pool, with ascending rows. With several chains every chain draws separately, so that
        the origins of a row differ between chains. The result is then one Subsample.
        """
        if n > len(self):
            raise BadInput(f"{n} records were requested of a pool of {len(self)}; lower the rows or add data")
        records = joined(self.parts)
        rows = records.some(n, rng)
        if records.chains:
            seed = int(rng.integers(2**62)) if isinstance(rows, Subcounts) else 0
            drawn = Subsample(self.parts, rows, seed)
            drawn.__dict__["records"] = records.take(rows)  # avoids joining the parts a second time
            return self._of((drawn,))
        if isinstance(rows, Subcounts):
            split = split_counts([part.records.array for part in self.parts], rows.array, int(rng.integers(2**62)))
            taken = (part.take(Subcounts(own)) for part, own in zip(self.parts, split, strict=True))
            return self._of(part for part in taken if len(part))
        return self.take(np.sort(rows))

    @property
    def records(self) -> Any:
        """All records, oldest first. Weights of counts are included in them: each part's counts are multiplied by its weight."""
        if not self.parts:
            raise BadInput("the pool has no part, so that the kind of its records is unknown; add a part")
        many = [part.records for part in self.parts]
        if self.is_weighted and isinstance(many[0], Counts):
            weights = [_weight_of_counts(part) for part in self.parts]
            return Counts(np.sum([counts.array * weight for counts, weight in zip(many, weights, strict=True)], axis=0))
        return type(many[0]).concat(many)

    @cached_property
    def is_weighted(self) -> bool:
        return any(part.weights is not None for part in self.parts)

    @property
    def weights(self) -> np.ndarray | None:
        """The weight of every record, (n,), with mean 1; None if no part is weighted, or if the records are counts."""
        if not self.is_weighted or isinstance(self.parts[-1].records, Counts):
            return None
        weights = np.concatenate([np.ones(len(part)) if part.weights is None else part.weights for part in self.parts])
        return weights / weights.mean()

    def blind(self) -> Pool:
        """Return the same records as one part of unknown origin, in an order that depends only on their content.

        Nothing shows any more who wrote a record: no origin, no reference to a step, no border between parts, no column of
        provenance. Raises BadInput if records are weighted, since weights distinguish the parts.
        """
        if self.is_weighted:
            raise BadInput(
                "a weighted pool cannot be blind, because its weights show who wrote a record; use a policy without weights"
            )
        many = sorted((part.records for part in self.parts), key=lambda records: records.digest)
        return Pool((part_of(UNKNOWN, type(many[0]).concat(many).blinded()),))


@dataclass(frozen=True, eq=False)
class Training:
    """The training set of one fit: a pool of row references, with weights if the policy gives any."""

    pool: Pool

    def __len__(self) -> int:
        return len(self.pool)

    @property
    def records(self) -> Any:
        return self.pool.records

    @property
    def weights(self) -> np.ndarray | None:
        return self.pool.weights

    @property
    def human_share(self) -> float:
        """The fraction of records that people wrote, in [0, 1], averaged over chains. Raises NotApplicable if an author is unknown."""
        return self.pool.human_share

    @property
    def synthetic_share(self) -> float:
        """The fraction of records that a model wrote, in [0, 1], averaged over chains. Raises NotApplicable if an author is unknown."""
        return self.pool.synthetic_share

    def save(self, folder: Path) -> None:
        """Write one file with the rows by reference and the description of the parts as JSON. Records that no step made are written to folders."""
        arrays: dict[str, np.ndarray] = {}
        parts = [_saved(part, f"{i}", folder, arrays) for i, part in enumerate(self.pool.parts)]
        description = json.dumps({"generation": self.pool.generation, "parts": parts}, separators=(",", ":"))
        packed.save(folder / "training.npz", description=np.frombuffer(description.encode(), dtype=np.uint8), **arrays)

    @classmethod
    def load(cls, folder: Path, sources: dict[str, Made[Any]]) -> Training:
        """Load the training set in a folder. sources: the steps that it may refer to, by digest."""
        arrays = packed.load(folder / "training.npz")
        stored = json.loads(arrays["description"].tobytes())
        parts = [_loaded(part, f"{i}", folder, arrays, sources) for i, part in enumerate(stored["parts"])]
        return cls(Pool(tuple(parts), stored["generation"]))


def _author(part: AnyPart) -> str:
    """Return the author of a part; `unknown` if its records have several authors."""
    if isinstance(part, Part):
        return part.origin.author
    authors = {origin.author for origin in part.origins}
    return authors.pop() if len(authors) == 1 else "unknown"


def _stamped(part: AnyPart, generation: int) -> AnyPart:
    """Return the part with this generation, if it is not human and has no generation yet."""
    if isinstance(part, Part) and part.origin.author != "human" and part.origin.generation is None:
        return replace(part, origin=replace(part.origin, generation=generation))
    return part


def _weight_of_counts(part: AnyPart) -> float:
    """Return the common weight of the records of a part of counts. Raises BadInput if their weights differ, since counts have no rows."""
    if part.weights is None:
        return 1.0
    if (weight := equal_weight(part.weights)) is None:
        raise BadInput("counts have no rows, so that their weights cannot differ; give all records of a part one weight")
    return weight


def _saved(part: AnyPart, name: str, folder: Path, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return a part as plain data. Its rows and weights are added to `arrays`. Records that no step made are written to a folder."""
    rows, weights = part.rows, part.weights
    stored: dict[str, Any] = {"size": len(part), "counts": isinstance(rows, Subcounts), "weight": None}
    if weights is not None:
        stored["weight"] = equal_weight(weights)
        if stored["weight"] is None:
            arrays[f"weights_{name}"] = weights
    if isinstance(part, Part) and not part.source.is_named:
        (folder / f"part-{name}").mkdir()
        part.records.save(folder / f"part-{name}")
        return stored | {"origin": asdict(part.origin), "source": None}
    if rows is not None:
        arrays[f"rows_{name}"] = rows.array if isinstance(rows, Subcounts) else rows
    if isinstance(part, Part):
        return stored | {"origin": asdict(part.origin), "source": part.source.digest}
    parts = [_saved(inner, f"{name}-{i}", folder, arrays) for i, inner in enumerate(part.parts)]
    return stored | {"parts": parts, "seed": part.seed}


def _loaded(
    stored: dict[str, Any], name: str, folder: Path, arrays: dict[str, np.ndarray], sources: dict[str, Made[Any]]
) -> AnyPart:
    rows: Reference | None = arrays.get(f"rows_{name}")
    if rows is not None and stored["counts"]:
        rows = Subcounts(rows)  # type: ignore[arg-type]
    weights = arrays.get(f"weights_{name}")
    if stored["weight"] is not None:
        weights = np.broadcast_to(np.float64(stored["weight"]), (stored["size"],))
    if "parts" in stored:
        parts = (_loaded(inner, f"{name}-{i}", folder, arrays, sources) for i, inner in enumerate(stored["parts"]))
        assert rows is not None
        return Subsample(tuple(parts), rows, stored["seed"], weights)
    origin = Origin(**stored["origin"])
    if stored["source"] is None:
        return replace(part_of(origin, load_records(folder / f"part-{name}")), weights=weights)
    return Part(origin, sources[stored["source"]], stored["size"], rows, weights)
