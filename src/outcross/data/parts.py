"""Records by reference: what made them, which of its rows they are, and who wrote them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np

from outcross.data.origins import Origin
from outcross.data.records import Reference, Subcounts, composed, digest_of_arrays, size_of
from outcross.errors import BadInput
from outcross.estimate import NotApplicable

T = TypeVar("T")


class Made(Generic[T]):
    """What a step made: its digest and size (records per chain; 0 for what holds none) at once, its value when touched.

    Without a digest, which only what no step made lacks, the digest is that of the value's content.
    """

    def __init__(self, digest: str, size: int, load: Callable[[], T], key: str = ""):
        self._digest = digest
        self.key = key
        """The step that made it."""
        self.size = size
        self._load: Callable[[], T] | None = load

    @classmethod
    def at_hand(cls, value: T, digest: str = "") -> Made[T]:
        """A value that is there already. It can be pickled where the value can."""
        ready = cls(digest, len(value), lambda: value)  # type: ignore[arg-type]
        ready._value, ready._load = value, None
        return ready

    @property
    def is_named(self) -> bool:
        """Whether a step made it, so that others can refer to it by its digest."""
        return bool(self._digest)

    @property
    def digest(self) -> str:
        if not self._digest:
            return self.value.digest  # type: ignore[attr-defined]
        return self._digest

    @property
    def value(self) -> T:
        if self._load is not None:
            self._value, self._load = self._load(), None  # let go of what the loader holds
        return self._value


@dataclass(frozen=True, eq=False)
class Part:
    """Records of one origin, by reference: what made them, which of its rows (None: all) and their weights. Loaded when touched."""

    origin: Origin
    source: Made[Any]
    size: int
    """Records of a chain."""
    rows: Reference | None = None
    """Row numbers, (n,) for all chains alike or (chains…, n) for each chain its own; of counts, Subcounts."""
    weights: np.ndarray | None = None
    """The weight of each record in the fit, (n,); None where the policy does not weigh."""

    def __len__(self) -> int:
        return self.size

    @property
    def origins(self) -> tuple[Origin, ...]:
        return (self.origin,)

    @property
    def leaves(self) -> tuple[Part, ...]:
        """The parts of one origin of which it consists: itself."""
        return (self,)

    @cached_property
    def records(self) -> Any:
        return self.source.value.take(self.rows)

    @cached_property
    def digest(self) -> str:
        """Of the origin, the step, the rows and the weights; of records that no step made, their content stands for step and rows."""
        if not self.source.is_named:
            return _digest_of([str(self.origin), self.records.digest], None, self.weights)
        return _digest_of([str(self.origin), self.source.digest], self.rows, self.weights)

    def by_origin(self) -> dict[Origin, float]:
        """Records of a chain by who wrote them."""
        return {self.origin: float(self.size)}

    def some(self, n: int, rng: np.random.Generator) -> Part:
        """n of its records, drawn without replacement, in every chain on its own."""
        _check_there(n, self.size)
        return self if n == self.size else self.take(self.records.some(n, rng))

    def take(self, rows: Reference) -> Part:
        """These of its records: to take of what was taken is to take the composition."""
        taken = composed(self.rows, rows)
        return replace(self, rows=taken, size=size_of(rows), weights=_weights_at(self.weights, rows))

    def weighted(self, each: float) -> Part:
        """The same records, each of this weight."""
        return replace(self, weights=np.broadcast_to(np.float64(each), (self.size,)))


@dataclass(frozen=True, eq=False)
class Subsample:
    """Records drawn from several parts in every chain on its own, so that chains differ in who wrote their records.

    `rows` count through the parts, one after the other: (chains…, n). States of counts do not say which part a record came from. There
    the parts are drawn afterwards, given the states: multivariate hypergeometric, from the stream of `seed`.
    """

    parts: tuple[Part | Subsample, ...]
    rows: Reference
    seed: int = 0
    """The stream that tells the authors of equal states apart."""
    weights: np.ndarray | None = None
    """The weight of each record in the fit, (n,)."""

    def __len__(self) -> int:
        return self.size

    @property
    def size(self) -> int:
        """Records of a chain."""
        return size_of(self.rows)

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Who wrote its records, in some chain or other."""
        return tuple(dict.fromkeys(origin for part in self.parts for origin in part.origins))

    @property
    def origin(self) -> Origin:
        """The one origin of all its records; NotApplicable where there are several."""
        first, *others = self.origins
        if others:
            raise NotApplicable(f"has no single origin: its records have {1 + len(others)} origins, which differ between chains")
        return first

    @property
    def leaves(self) -> tuple[Part, ...]:
        """The parts of one origin from which it was drawn."""
        return tuple(leaf for part in self.parts for leaf in part.leaves)

    @cached_property
    def records(self) -> Any:
        return joined(self.parts).take(self.rows)

    @cached_property
    def digest(self) -> str:
        return _digest_of([*(part.digest for part in self.parts), str(self.seed)], self.rows, self.weights)

    @cached_property
    def authors(self) -> np.ndarray:
        """Which of `origins` wrote each record, (chains…, n). NotApplicable for counts, which have no rows."""
        if isinstance(self.rows, Subcounts):
            raise NotApplicable("counts have no rows, so that no row has an author; ask by_origin() how many records each wrote")
        number = {origin: i for i, origin in enumerate(self.origins)}
        ends = np.cumsum([len(part) for part in self.parts])
        part_of_row = np.searchsorted(ends, self.rows, side="right")
        authors = np.array([number[part.origins[0]] for part in self.parts])[part_of_row]
        for i, part in enumerate(self.parts):
            if isinstance(part, Subsample) and len(part.origins) > 1:
                places = np.where(part_of_row == i, self.rows - (ends[i] - len(part)), 0)
                inner = np.array([number[origin] for origin in part.origins])[part.authors]
                authors = np.where(part_of_row == i, np.take_along_axis(inner, places, axis=-1), authors)
        return authors

    def by_origin(self) -> dict[Origin, float]:
        """Records of a chain by who wrote them, averaged over the chains."""
        if isinstance(self.rows, Subcounts):
            counted: dict[Origin, float] = {}
            for origin, counts in self.counts:
                counted[origin] = counted.get(origin, 0.0) + float(counts.sum(axis=-1).mean())
            return counted
        occurring = np.bincount(self.authors.ravel(), minlength=len(self.origins))
        return {origin: self.size * int(n) / self.authors.size for origin, n in zip(self.origins, occurring, strict=True)}

    @cached_property
    def counts(self) -> tuple[tuple[Origin, np.ndarray], ...]:
        """Of counts: how many records of every state each part wrote, (chains…, K)."""
        assert isinstance(self.rows, Subcounts)
        written = [pair for part in self.parts for pair in _counts(part)]
        return tuple(
            zip((origin for origin, _ in written), split_counts([n for _, n in written], self.rows.array, self.seed), strict=True)
        )

    def some(self, n: int, rng: np.random.Generator) -> Subsample:
        """n of its records, drawn without replacement, in every chain on its own."""
        _check_there(n, self.size)
        return self if n == self.size else self.take(self.records.some(n, rng))

    def take(self, rows: Reference) -> Subsample:
        """These of its records: to take of what was taken is to take the composition."""
        if isinstance(rows, Subcounts) and isinstance(self.rows, Subcounts):
            return Subsample((self,), rows, self.seed + 1, _weights_at(self.weights, rows))  # the authors that are known stay so
        return replace(self, rows=composed(self.rows, rows), weights=_weights_at(self.weights, rows))

    def weighted(self, each: float) -> Subsample:
        """The same records, each of this weight."""
        return replace(self, weights=np.broadcast_to(np.float64(each), (self.size,)))


def part_of(origin: Origin, records: Any, digest: str = "") -> Part:
    """A part whose records are at hand. Without a digest it is known by its content."""
    return Part(origin, Made.at_hand(records, digest), len(records))


def joined(parts: tuple[Part | Subsample, ...]) -> Any:
    """The records of the parts, one part after the other."""
    many = [part.records for part in parts]
    return type(many[0]).concat(many)


def split_counts(written: list[np.ndarray], taken: np.ndarray, seed: int) -> list[np.ndarray]:
    """How many of the records `taken` from counts came from each of the counts in `written`: multivariate hypergeometric, state by state.

    `taken` and each of `written` are (chains…, K).
    """
    rng = np.random.Generator(np.random.SFC64(seed))
    left, wanted, split = np.sum(written, axis=0), taken, []
    for counts in written[:-1]:
        left = left - counts
        split.append(rng.hypergeometric(counts, left, wanted))
        wanted = wanted - split[-1]
    return [*split, wanted]


def _counts(part: Part | Subsample) -> tuple[tuple[Origin, np.ndarray], ...]:
    if isinstance(part, Subsample) and isinstance(part.rows, Subcounts):
        return part.counts
    return ((part.origin, part.records.array),)


def _check_there(n: int, size: int) -> None:
    if n > size:
        raise BadInput(f"{n} records were asked of a part of {size}; lower the share or add data")


def _weights_at(weights: np.ndarray | None, rows: Reference) -> np.ndarray | None:
    """The weights of these records. Where each chain or state has its own rows, only equal weights can be had for all chains."""
    if weights is None:
        return None
    if not isinstance(rows, Subcounts) and rows.ndim == 1:
        return weights[rows]
    if weights.size and equal_weight(weights) is None:
        raise BadInput(
            "records whose weights differ were taken in each chain on its own; give a part's records one weight, or take first"
        )
    return np.broadcast_to(weights[:1] if weights.size else np.float64(1.0), (size_of(rows),))


def equal_weight(weights: np.ndarray) -> float | None:
    """The weight of every record where all have the same, without a look at each where they are one number repeated; None elsewhere."""
    if weights.size and (weights.strides == (0,) or (weights == weights[0]).all()):
        return float(weights[0])
    return None


def _digest_of(sources: list[str], rows: Reference | None, weights: np.ndarray | None) -> str:
    content = hashlib.sha256(" ".join(sources).encode())
    if rows is not None:
        content.update(digest_of_arrays(type(rows).__name__, rows.array if isinstance(rows, Subcounts) else rows).encode())
    if weights is not None:
        equal = equal_weight(weights)
        content.update((digest_of_arrays("weights", weights) if equal is None else f"weight {equal!r}").encode())
    return content.hexdigest()
