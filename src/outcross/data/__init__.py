"""Records that know where they came from: Origin, Part, Pool and Human."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

import numpy as np

from outcross.data.records import Blocks, Counts, load_records
from outcross.errors import BadInput
from outcross.estimate import NotApplicable

T = TypeVar("T")


@dataclass(frozen=True)
class Origin:
    """Who wrote the records of a part.

    `mixed` stands only where independent chains differ in the origin of the same row.
    """

    author: Literal["human", "model", "edited", "translated", "unknown", "mixed"]
    model: str | None = None
    """The digest or the name of the model that wrote them."""
    generation: int | None = None
    decoding: str | None = None
    """How they were sampled, as canonical JSON of the Draw."""


HUMAN = Origin("human")


class Made(Generic[T]):
    """What a step made: its digest and size (records per chain; 0 for what holds none) at once, its value when touched."""

    def __init__(self, digest: str, size: int, load: Callable[[], T], key: str = ""):
        self.digest = digest
        self.key = key
        """The step that made it."""
        self.size = size
        self._load: Callable[[], T] | None = load

    @property
    def value(self) -> T:
        if self._load is not None:
            self._value, self._load = self._load(), None  # let go of what the loader holds
        return self._value


@dataclass(frozen=True)
class Part:
    """Records of one origin, by reference: what made them, and which of its rows (None: all). Loaded when touched."""

    origin: Origin
    source: Made[Any]
    size: int
    rows: np.ndarray | None = None
    weight: float | None = None
    """Weight of each record in the fit; None where the policy does not weigh."""

    def __len__(self) -> int:
        return self.size

    @cached_property
    def records(self) -> Any:
        return self.source.value.take(self.rows)

    @cached_property
    def digest(self) -> str:
        told = hashlib.sha256(f"{self.origin} {self.source.digest} {self.weight}".encode())
        if self.rows is not None:
            told.update(np.ascontiguousarray(self.rows).tobytes())
        return told.hexdigest()

    def some(self, n: int, rng: np.random.Generator) -> Part:
        """n of its records, drawn without replacement."""
        if n > self.size:
            raise BadInput(f"{n} records were asked of a part of {self.size}; lower the share or add data")
        if n == self.size:
            return self
        rows = self.records.some(n, rng)
        return replace(self, rows=rows, size=n) if self.rows is None else part_of(self.origin, self.records.take(rows))

    def take(self, rows: np.ndarray) -> Part:
        """The records at these rows of a whole part of text or vectors."""
        if self.rows is not None:
            rows = self.rows[rows]
        return replace(self, rows=rows, size=rows.shape[-1])


def part_of(origin: Origin, records: Any, digest: str | None = None) -> Part:
    """A part whose records are at hand."""
    return Part(origin, Made(digest or f"at hand {id(records)}", len(records), lambda: records), len(records))


@dataclass(frozen=True)
class Pool:
    """Parts, oldest first: what there is to train on, and also what is trained on."""

    parts: tuple[Part, ...]
    generation: int = 0
    """How many generations of models have written into it."""

    def __len__(self) -> int:
        return self._size

    @cached_property
    def _size(self) -> int:
        return sum(map(len, self.parts))

    def __add__(self, part: Part) -> Pool:
        return Pool((*self.parts, part), self.generation + 1)

    @property
    def human(self) -> Part:
        """The first human part: the training set of generation 0."""
        return next(part for part in self.parts if part.origin.author == "human")

    @property
    def newest(self) -> Part:
        return self.parts[-1]

    @property
    def synthetic_share(self) -> float:
        """Fraction of records that a model wrote, in [0, 1]."""
        return sum(len(part) for part in self.parts if part.origin.author == "model") / len(self)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(" ".join([part.digest for part in self.parts]).encode()).hexdigest()

    def newest_only(self, reach: int | None) -> Pool:
        """The pool without the model-written parts that no policy of this reach will read again (None: all stay)."""
        if reach is None:
            return self
        written = [part for part in self.parts if part.origin.author != "human"]
        forgotten = written[: len(written) - reach] if reach else written
        return replace(self, parts=tuple(part for part in self.parts if not any(part is gone for gone in forgotten)))

    def some(self, n: int, rng: np.random.Generator) -> Pool:
        """n records of the pool, uniformly and without replacement, as parts that keep their origin.

        In chains every chain draws on its own, so that the origins of a row differ: one part of mixed origin.
        """
        if n > len(self):
            raise BadInput(f"{n} records were asked of a pool of {len(self)}")
        if isinstance(self.newest.records, Blocks):
            rows = np.sort(rng.permutation(len(self))[:n])
            ends = np.cumsum([len(part) for part in self.parts])
            starts = ends - [len(part) for part in self.parts]
            picked = [
                (part, rows[(rows >= start) & (rows < end)] - start)
                for part, start, end in zip(self.parts, starts, ends, strict=True)
            ]
            return replace(self, parts=tuple(part.take(own) for part, own in picked if len(own)))
        records = self.records()
        return replace(self, parts=(part_of(Origin("mixed"), records.take(records.some(n, rng))),))

    def records(self) -> Any:
        """All records, oldest first. Weighted counts hold their weights themselves: each part's counts times its weight."""
        many = [part.records for part in self.parts]
        if self.is_weighted and isinstance(many[0], Counts):
            weights = [1.0 if part.weight is None else part.weight for part in self.parts]
            return Counts(np.sum([one.array * weight for one, weight in zip(many, weights, strict=True)], axis=0))
        return type(many[0]).concat(many)

    @cached_property
    def is_weighted(self) -> bool:
        return any(part.weight is not None for part in self.parts)

    def weights(self) -> np.ndarray | None:
        """The weight of every record, (n,), with mean 1; None where no part is weighted or the records are counts."""
        if not self.is_weighted or isinstance(self.newest.records, Counts):
            return None
        weights = np.concatenate([np.full(len(part), 1.0 if part.weight is None else part.weight) for part in self.parts])
        return weights / weights.mean()


@dataclass(frozen=True)
class Training:
    """What one fit learns from: a pool of row references, with weights where the policy weighs."""

    pool: Pool

    def __len__(self) -> int:
        return len(self.pool)

    @property
    def records(self) -> Any:
        return self.pool.records()

    @property
    def weights(self) -> np.ndarray | None:
        return self.pool.weights()

    @property
    def human_share(self) -> float:
        """Fraction of records that people wrote, in [0, 1]."""
        return sum(len(part) for part in self.pool.parts if part.origin.author == "human") / len(self)

    def save(self, folder: Path) -> None:
        """Rows by reference; records only where no step made them."""
        parts, arrays = [], {}
        for i, part in enumerate(self.pool.parts):
            at_hand = part.source.digest.startswith("at hand")
            if at_hand:
                (folder / f"part-{i}").mkdir()
                part.records.save(folder / f"part-{i}")
            elif part.rows is not None:
                arrays[f"rows_{i}"] = part.rows
            parts.append(
                {
                    "origin": asdict(part.origin),
                    "source": None if at_hand else part.source.digest,
                    "size": len(part),
                    "weight": part.weight,
                }
            )
        np.savez(folder / "rows.npz", **arrays)
        (folder / "training.json").write_text(json.dumps({"generation": self.pool.generation, "parts": parts}, indent=1))

    @classmethod
    def load(cls, folder: Path, sources: dict[str, Made[Any]]) -> Training:
        """The training set stored in a folder; `sources` are the steps it may refer to, by digest."""
        stored = json.loads((folder / "training.json").read_text())
        with np.load(folder / "rows.npz", allow_pickle=False) as rows:
            parts = []
            for i, told in enumerate(stored["parts"]):
                if told["source"] is None:
                    part = part_of(Origin(**told["origin"]), load_records(folder / f"part-{i}"))
                else:
                    own = rows[f"rows_{i}"] if f"rows_{i}" in rows else None
                    part = Part(Origin(**told["origin"]), sources[told["source"]], told["size"], own)
                parts.append(replace(part, weight=told["weight"]))
        return cls(Pool(tuple(parts), stored["generation"]))


class Truth(Protocol):
    """A distribution that is known, from which human records are drawn. `draw` returns (chains…, n) records."""

    def draw(self, n: int, chains: tuple[int, ...], rng: np.random.Generator) -> Any: ...


HUMAN_PARTS = ("training", "reference", "holdout", "validation", "reserve", "continuations")


@dataclass(frozen=True, eq=False)
class Human:
    """Human data: a finite set shuffled once and split into disjoint parts, or a distribution.

    The g-th fresh slice of a finite set is taken from `reserve`, of a distribution drawn from `truth`.
    """

    training: Part
    """What generation 0 is fitted on; the `original human records` of the policies."""
    reference: Part | None = None
    """Held-out documents: loss and likeness are measured on them."""
    holdout: Part | None = None
    """More human records, as many as the training set and drawn as it was: what real-against-real shows (floors)."""
    validation: Part | None = None
    reserve: Part | None = None
    continuations: Part | None = None
    """What people wrote after each training block that has a next one; `_prompt` names the training row."""
    windows: np.ndarray | None = None
    """All human training text as windows of two blocks, (m, 2 block) token ids: what a base is pretrained on."""
    vocabulary: Any = None
    truth: Any = None
    chains: tuple[int, ...] = ()
    note: dict[str, Any] = field(default_factory=dict)
    """What was read: digest, documents, bytes, tokens."""
    spent: int = 0
    """Fresh records that earlier generations have used up."""

    def save(self, folder: Path) -> None:
        for name in HUMAN_PARTS:
            if (part := getattr(self, name)) is not None:
                (folder / name).mkdir()
                part.records.save(folder / name)
        if self.windows is not None:
            np.savez(folder / "windows.npz", windows=self.windows)
        if self.vocabulary is not None:
            self.vocabulary.save(folder / "vocabulary.json")
        sizes = {name: len(part) for name in HUMAN_PARTS if (part := getattr(self, name)) is not None}
        told = {"chains": list(self.chains), "note": self.note, "sizes": sizes}
        (folder / "human.json").write_text(json.dumps(told, indent=1, sort_keys=True))

    @classmethod
    def load(cls, folder: Path, truth: Any, load_vocabulary: Callable[[Path], Any] | None) -> Human:
        """The human data that a step stored; `truth` comes from the recipe, which is written down elsewhere."""
        stored = json.loads((folder / "human.json").read_text())
        parts: dict[str, Any] = {
            name: Part(HUMAN, Made("", size, lambda name=name: load_records(folder / name)), size)
            for name, size in stored["sizes"].items()
        }
        windows = vocabulary = None
        if (folder / "windows.npz").exists():
            with np.load(folder / "windows.npz", allow_pickle=False) as file:
                windows = file["windows"]
        if load_vocabulary is not None and (folder / "vocabulary.json").exists():
            vocabulary = load_vocabulary(folder / "vocabulary.json")
        return cls(
            **parts, windows=windows, vocabulary=vocabulary, truth=truth, chains=tuple(stored["chains"]), note=stored["note"]
        )

    def named(self, digest: str) -> Human:
        """The same, its parts named after the step that gathered them, so that training sets can refer to them."""
        parts = {name: getattr(self, name) for name in HUMAN_PARTS if getattr(self, name) is not None}
        sources = {name: Made(f"{digest}/{name}", len(part), lambda part=part: part.source.value) for name, part in parts.items()}
        return replace(self, **{name: replace(part, source=sources[name]) for name, part in parts.items()})

    @property
    def sources(self) -> dict[str, Made[Any]]:
        """What made its parts, by digest."""
        parts = [getattr(self, name) for name in HUMAN_PARTS]
        return {part.source.digest: part.source for part in parts if part is not None}

    @property
    def kind(self) -> str:
        return self.training.records.kind

    def fixed(self, n: int) -> Part:
        """The same n of the original human records at every generation."""
        return self.training.some(n, np.random.default_rng(0x0C))

    def redrawn(self, n: int, rng: np.random.Generator) -> Part:
        """n of the original human records, another choice at every generation."""
        return self.training.some(n, rng)

    def fresh(self, n: int, rng: np.random.Generator) -> Part:
        """n human records that no generation has seen; BadInput with the count where the reserve runs out."""
        if self.truth is not None:
            return part_of(HUMAN, self.truth.draw(n, self.chains, rng))
        there = 0 if self.reserve is None else len(self.reserve)
        if self.reserve is None or self.spent + n > there:
            raise BadInput(
                f"fresh human records run out: {n} more were asked for, {there - self.spent} of {there} in reserve are left; "
                "lower human.rows, the share or the generations"
            )
        return self.reserve.take(np.arange(self.spent, self.spent + n))

    def aligned(self, synthetic: Part, n: int, rng: np.random.Generator) -> tuple[Part, Part]:
        """What people wrote in place of n synthetic records, and the other synthetic records."""
        if self.continuations is None:
            raise BadInput("align: true needs text sampled from human prompts; leave align out")
        prompts, places = synthetic.records.column("_prompt"), self.continuations.records.column("_prompt")
        replaceable = np.flatnonzero(np.isin(prompts, places))
        if not len(replaceable):
            raise BadInput("align: true needs draw.prompts: human; leave align out")
        if n > len(replaceable):
            raise BadInput(f"align: true can place {len(replaceable)} human continuations, {n} were asked for; lower the share")
        chosen = np.sort(rng.permutation(replaceable)[:n])
        written = self.continuations.take(np.searchsorted(places, prompts[chosen]))  # places rise
        return written, synthetic.take(np.setdiff1d(np.arange(len(prompts)), chosen))

    def known(self, what: str) -> Any:
        """The distribution that the human records are drawn from, or NotApplicable."""
        if self.truth is None:
            raise NotApplicable(f"{what} needs a known distribution, the human data are a finite set")
        return self.truth
