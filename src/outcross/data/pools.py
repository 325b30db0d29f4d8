"""Parts, grouped by generation: what there is to train on, and what is trained on."""

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
    """Parts, oldest first: what there is to train on, and also what is trained on."""

    parts: tuple[AnyPart, ...]
    generation: int = 0
    """How many generations of models have written into it."""

    def __len__(self) -> int:
        return self._size

    @cached_property
    def _size(self) -> int:
        return sum(map(len, self.parts))

    def __add__(self, written: Part | Pool) -> Pool:
        """The pool after one more generation, in which one model wrote a part, or several models a part each."""
        parts = (written,) if isinstance(written, Part) else written.parts
        return Pool((*self.parts, *(_stamped(part, self.generation) for part in parts)), self.generation + 1)

    @cached_property
    def human(self) -> Pool:
        """What people wrote: the original human records."""
        return self._of(part for part in self.parts if _author(part) == "human")

    @cached_property
    def models(self) -> Pool:
        """What models wrote, in all generations."""
        return self._of(part for part in self.parts if _author(part) != "human")

    @property
    def newest(self) -> Pool:
        """Every part of the last generation that wrote: one of each teacher. Before any model wrote, the human records."""
        return self.back(1) if self.models.parts else self.human

    def back(self, generations: int | None) -> Pool:
        """What the last so many generations of models wrote; None for all of them."""
        if generations is None or generations >= self.generation:
            return self.models
        oldest = self.generation - generations
        return self._of(part for part in self.models.parts if (part.origin.generation or 0) >= oldest)

    def newest_only(self, reach: int | None) -> Pool:
        """The pool without the model-written parts that no policy of this reach will read again (None: all stay)."""
        if reach is None or reach >= self.generation:
            return self
        oldest = self.generation - reach
        return self._of(part for part in self.parts if _author(part) == "human" or (part.origin.generation or 0) >= oldest)

    def _of(self, parts: Iterable[AnyPart]) -> Pool:
        return Pool(tuple(parts), self.generation)

    @cached_property
    def by_author(self) -> dict[str, float]:
        """The fraction of records that each kind of author wrote, in [0, 1], averaged over chains where they differ.

        NotApplicable where the author of a record is unknown, or there is no record.
        """
        if len(self) == 0:
            raise NotApplicable("needs records, the pool is empty")
        records: dict[str, float] = {}
        for part in self.parts:
            for origin, n in part.by_origin().items():
                records[origin.author] = records.get(origin.author, 0.0) + n
        if unknown := records.get("unknown"):
            raise NotApplicable(f"needs to know who wrote every record, the author of {unknown:,.0f} of {len(self):,} is unknown")
        return {author: n / len(self) for author, n in records.items()}

    @property
    def synthetic_share(self) -> float:
        """Fraction of records that a model wrote, in [0, 1]; NotApplicable where an author is unknown."""
        return self.by_author.get("model", 0.0)

    @property
    def human_share(self) -> float:
        """Fraction of records that people wrote, in [0, 1]; NotApplicable where an author is unknown."""
        return self.by_author.get("human", 0.0)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(" ".join([part.digest for part in self.parts]).encode()).hexdigest()

    def take(self, rows: Reference) -> Pool:
        """These records of the pool, whose rows count through the parts: (n,) for all chains alike. Parts keep their origin.

        They stand part after part, within a part in the order of `rows`.
        """
        rows = row_numbers(rows, "records of a pool")
        ends = np.cumsum([len(part) for part in self.parts])
        part_of_row = np.searchsorted(ends, rows, side="right")
        taken = [
            (part, rows[part_of_row == i] - (end - len(part))) for i, (part, end) in enumerate(zip(self.parts, ends, strict=True))
        ]
        return self._of(part.take(own) for part, own in taken if len(own))

    def some(self, n: int, rng: np.random.Generator) -> Pool:
        """n records of the pool, uniformly and without replacement; every record keeps its origin.

        One chain gets a part of each origin, its rows in rising order. In several chains every chain draws on its own, so that the
        origins of a row differ: one Subsample.
        """
        if n > len(self):
            raise BadInput(f"{n} records were asked of a pool of {len(self)}; lower the rows or add data")
        records = joined(self.parts)
        rows = records.some(n, rng)
        if records.chains:
            seed = int(rng.integers(2**62)) if isinstance(rows, Subcounts) else 0
            drawn = Subsample(self.parts, rows, seed)
            drawn.__dict__["records"] = records.take(rows)  # so that the parts are not joined a second time
            return self._of((drawn,))
        if isinstance(rows, Subcounts):
            split = split_counts([part.records.array for part in self.parts], rows.array, int(rng.integers(2**62)))
            taken = (part.take(Subcounts(own)) for part, own in zip(self.parts, split, strict=True))
            return self._of(part for part in taken if len(part))
        return self.take(np.sort(rows))

    @property
    def records(self) -> Any:
        """All records, oldest first. Weighted counts hold their weights themselves: each part's counts times its weight."""
        if not self.parts:
            raise BadInput("the pool holds no part, so that its records are of no kind; add a part")
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
        """The weight of every record, (n,), with mean 1; None where no part is weighted or the records are counts."""
        if not self.is_weighted or isinstance(self.parts[-1].records, Counts):
            return None
        weights = np.concatenate([np.ones(len(part)) if part.weights is None else part.weights for part in self.parts])
        return weights / weights.mean()

    def blind(self) -> Pool:
        """The same records as one part of unknown origin, in an order that their content alone decides.

        Nothing that tells who wrote a record is left: no origin, no reference to a step, no border between parts, no column of
        provenance. BadInput where records are weighted, since weights tell the parts apart.
        """
        if self.is_weighted:
            raise BadInput("a weighted pool cannot be blind, its weights tell who wrote a record; use a policy that does not weigh")
        many = sorted((part.records for part in self.parts), key=lambda records: records.digest)
        return Pool((part_of(UNKNOWN, type(many[0]).concat(many).blinded()),))


@dataclass(frozen=True, eq=False)
class Training:
    """What one fit learns from: a pool of row references, with weights where the policy weighs."""

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
        """Fraction of records that people wrote, in [0, 1], averaged over chains; NotApplicable where an author is unknown."""
        return self.pool.human_share

    @property
    def synthetic_share(self) -> float:
        """Fraction of records that a model wrote, in [0, 1], averaged over chains; NotApplicable where an author is unknown."""
        return self.pool.synthetic_share

    def save(self, folder: Path) -> None:
        """One file: rows by reference, and the rest of the description of the parts as JSON. Records have files only where no step made them."""
        arrays: dict[str, np.ndarray] = {}
        parts = [_saved(part, f"{i}", folder, arrays) for i, part in enumerate(self.pool.parts)]
        description = json.dumps({"generation": self.pool.generation, "parts": parts}, separators=(",", ":"))
        packed.save(folder / "training.npz", description=np.frombuffer(description.encode(), dtype=np.uint8), **arrays)

    @classmethod
    def load(cls, folder: Path, sources: dict[str, Made[Any]]) -> Training:
        """The training set stored in a folder; `sources` are the steps it may refer to, by digest."""
        arrays = packed.load(folder / "training.npz")
        stored = json.loads(arrays["description"].tobytes())
        parts = [_loaded(part, f"{i}", folder, arrays, sources) for i, part in enumerate(stored["parts"])]
        return cls(Pool(tuple(parts), stored["generation"]))


def _author(part: AnyPart) -> str:
    """Who wrote a part; `unknown` where chains differ in it."""
    if isinstance(part, Part):
        return part.origin.author
    authors = {origin.author for origin in part.origins}
    return authors.pop() if len(authors) == 1 else "unknown"


def _stamped(part: AnyPart, generation: int) -> AnyPart:
    """The part with its generation, where a model wrote it and it does not say in which."""
    if isinstance(part, Part) and part.origin.author != "human" and part.origin.generation is None:
        return replace(part, origin=replace(part.origin, generation=generation))
    return part


def _weight_of_counts(part: AnyPart) -> float:
    """The weight of every record of a part of counts, which have no rows to weigh one by one."""
    if part.weights is None:
        return 1.0
    if (weight := equal_weight(part.weights)) is None:
        raise BadInput("counts have no rows to weigh one by one; give all records of a part one weight")
    return weight


def _saved(part: AnyPart, name: str, folder: Path, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """A part as plain data; its rows and weights go into `arrays`, its records into a folder where no step made them."""
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
