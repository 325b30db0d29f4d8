"""Records by reference: the source that made them, the rows of the source, and their origin."""

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
    """The output of a step. Its digest and size (records per chain; 0 without records) are known at once, and its value is loaded on first use.

    A value that no step made has no digest of its own. Its digest is then that of its content.
    """

    def __init__(self, digest: str, size: int, load: Callable[[], T], key: str = ""):
        self._digest = digest
        self.key = key
        """The key of the step that made it."""
        self.size = size
        self._load: Callable[[], T] | None = load

    @classmethod
    def at_hand(cls, value: T, digest: str = "") -> Made[T]:
        """Wrap a value that is already in memory. The result can be pickled if the value can."""
        ready = cls(digest, len(value), lambda: value)  # type: ignore[arg-type]
        ready._value, ready._load = value, None
        return ready

    @property
    def is_named(self) -> bool:
        """Whether a step made it, so that other steps can refer to it by its digest."""
        return bool(self._digest)

    @property
    def digest(self) -> str:
        if not self._digest:
            return self.value.digest  # type: ignore[attr-defined]
        return self._digest

    @property
    def value(self) -> T:
        if self._load is not None:
            self._value, self._load = self._load(), None  # releases the memory of the loader
        return self._value


@dataclass(frozen=True, eq=False)
class Part:
    """Records of one origin, by reference: their source, its rows (None: all) and their weights. They are loaded on first use."""

    origin: Origin
    source: Made[Any]
    size: int
    """The number of records per chain."""
    rows: Reference | None = None
    """Row numbers: (n,) for the same rows in all chains, or (chains…, n) for different rows. Subcounts for counts."""
    weights: np.ndarray | None = None
    """The weight of each record in the fit, (n,); None if the policy gives no weights."""

    def __len__(self) -> int:
        return self.size

    @property
    def origins(self) -> tuple[Origin, ...]:
        return (self.origin,)

    @property
    def leaves(self) -> tuple[Part, ...]:
        """The parts of one origin that it consists of, which is only itself."""
        return (self,)

    @cached_property
    def records(self) -> Any:
        return self.source.value.take(self.rows)

    @cached_property
    def digest(self) -> str:
        """The digest of the origin, the step, the rows and the weights. For records that no step made, their content replaces the step and the rows."""
        if not self.source.is_named:
            return _digest_of([str(self.origin), self.records.digest], None, self.weights)
        return _digest_of([str(self.origin), self.source.digest], self.rows, self.weights)

    def by_origin(self) -> dict[Origin, float]:
        """Return the number of records per chain, by origin."""
        return {self.origin: float(self.size)}

    def some(self, n: int, rng: np.random.Generator) -> Part:
        """Draw n of its records without replacement, in every chain separately."""
        _check_there(n, self.size)
        return self if n == self.size else self.take(self.records.some(n, rng))

    def take(self, rows: Reference) -> Part:
        """Return a part with these of its records. The rows of the result refer directly to the source."""
        taken = composed(self.rows, rows)
        return replace(self, rows=taken, size=size_of(rows), weights=_weights_at(self.weights, rows))

    def weighted(self, each: float) -> Part:
        """Return the same records, each with this weight."""
        return replace(self, weights=np.broadcast_to(np.float64(each), (self.size,)))


@dataclass(frozen=True, eq=False)
class Subsample:
    """Records drawn from several parts in every chain separately, so that chains differ in the origins of their records.

    `rows` number the records of all parts, one part after the other, (chains…, n). For counts the states do not show from which part a record comes.
    Then the parts are drawn afterwards, given the states, from a multivariate hypergeometric distribution with the stream of `seed`.
    """

    parts: tuple[Part | Subsample, ...]
    rows: Reference
    seed: int = 0
    """The random stream that assigns records of equal states to authors."""
    weights: np.ndarray | None = None
    """The weight of each record in the fit, (n,)."""

    def __len__(self) -> int:
        return self.size

    @property
    def size(self) -> int:
        """The number of records per chain."""
        return size_of(self.rows)

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The origins of its records in any chain."""
        return tuple(dict.fromkeys(origin for part in self.parts for origin in part.origins))

    @property
    def origin(self) -> Origin:
        """The origin of all its records. Raises NotApplicable if there are several."""
        first, *others = self.origins
        if others:
            raise NotApplicable(f"has no single origin: its records have {1 + len(others)} origins, which differ between chains")
        return first

    @property
    def leaves(self) -> tuple[Part, ...]:
        """The parts of one origin that it was drawn from."""
        return tuple(leaf for part in self.parts for leaf in part.leaves)

    @cached_property
    def records(self) -> Any:
        return joined(self.parts).take(self.rows)

    @cached_property
    def digest(self) -> str:
        return _digest_of([*(part.digest for part in self.parts), str(self.seed)], self.rows, self.weights)

    @cached_property
    def authors(self) -> np.ndarray:
        """The index in `origins` of the origin of each record, (chains…, n). Raises NotApplicable for counts, which have no rows."""
        if isinstance(self.rows, Subcounts):
            raise NotApplicable(
                "counts have no rows, so that no row has an author; by_origin() gives the number of records of each origin"
            )
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
        """Return the number of records per chain, by origin, averaged over the chains."""
        if isinstance(self.rows, Subcounts):
            counted: dict[Origin, float] = {}
            for origin, counts in self.counts:
                counted[origin] = counted.get(origin, 0.0) + float(counts.sum(axis=-1).mean())
            return counted
        occurring = np.bincount(self.authors.ravel(), minlength=len(self.origins))
        return {origin: self.size * int(n) / self.authors.size for origin, n in zip(self.origins, occurring, strict=True)}

    @cached_property
    def counts(self) -> tuple[tuple[Origin, np.ndarray], ...]:
        """For counts: the number of records of every state from each part, with its origin, (chains…, K)."""
        assert isinstance(self.rows, Subcounts)
        written = [pair for part in self.parts for pair in _counts(part)]
        return tuple(
            zip((origin for origin, _ in written), split_counts([n for _, n in written], self.rows.array, self.seed), strict=True)
        )

    def some(self, n: int, rng: np.random.Generator) -> Subsample:
        """Draw n of its records without replacement, in every chain separately."""
        _check_there(n, self.size)
        return self if n == self.size else self.take(self.records.some(n, rng))

    def take(self, rows: Reference) -> Subsample:
        """Return a subsample with these of its records."""
        if isinstance(rows, Subcounts) and isinstance(self.rows, Subcounts):
            return Subsample(
                (self,), rows, self.seed + 1, _weights_at(self.weights, rows)
            )  # keeps the authors that are already drawn
        return replace(self, rows=composed(self.rows, rows), weights=_weights_at(self.weights, rows))

    def weighted(self, each: float) -> Subsample:
        """Return the same records, each with this weight."""
        return replace(self, weights=np.broadcast_to(np.float64(each), (self.size,)))


def part_of(origin: Origin, records: Any, digest: str = "") -> Part:
    """Return a part whose records are in memory. Without a digest it is identified by its content."""
    return Part(origin, Made.at_hand(records, digest), len(records))


def joined(parts: tuple[Part | Subsample, ...]) -> Any:
    """Return the records of the parts, one part after the other."""
    many = [part.records for part in parts]
    return type(many[0]).concat(many)


def split_counts(written: list[np.ndarray], taken: np.ndarray, seed: int) -> list[np.ndarray]:
    """Draw how many of the records `taken` came from each of the counts in `written`: multivariate hypergeometric, state by state.

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
        raise BadInput(f"{n} records were requested of a part of {size}; lower the share or add data")


def _weights_at(weights: np.ndarray | None, rows: Reference) -> np.ndarray | None:
    """Return the weights of these records. If each chain or state has its own rows, all weights must be equal."""
    if weights is None:
        return None
    if not isinstance(rows, Subcounts) and rows.ndim == 1:
        return weights[rows]
    if weights.size and equal_weight(weights) is None:
        raise BadInput(
            "records with different weights cannot be taken in each chain separately; give all records of a part one weight, or take records before weighting"
        )
    return np.broadcast_to(weights[:1] if weights.size else np.float64(1.0), (size_of(rows),))


def equal_weight(weights: np.ndarray) -> float | None:
    """Return the common weight of all records; None if weights differ. A broadcast number is recognised without a comparison of all records."""
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
