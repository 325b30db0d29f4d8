"""Statistics of any number of rows in bounded memory. They are updated batch by batch and merged over shards, in any order.

The merged sketches of two tables are the sketch of all their rows. `gather` updates several sketches in one pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from outcross.data.bits import hashes_of
from outcross.data.tables import Table

if TYPE_CHECKING:
    import polars

CAP = 1_000_000
"""Maximum number of distinct things that a sketch keeps."""


class Sketch(Protocol):
    """A statistic of some columns over the rows seen so far. `result` may be called at any time."""

    columns: tuple[str, ...]

    def update(self, frame: polars.DataFrame) -> None:
        """Add these rows."""
        ...

    def merge(self, other: Self) -> None:
        """Add the rows of another sketch of the same columns. The other sketch is not changed."""
        ...

    def result(self) -> Any:
        """Return the statistic of all rows seen."""
        ...


def gather(table: Table, sketches: Mapping[str, Sketch]) -> dict[str, Any]:
    """Return the result of each sketch over every row of a table, in one pass over the columns that they need. Equal tallies are counted once."""
    different: dict[Any, Sketch] = {}
    for sketch in sketches.values():
        different.setdefault(_counted_by(sketch), sketch)
    columns = list(dict.fromkeys(column for sketch in different.values() for column in sketch.columns))
    for batch in table.batches(columns):
        for sketch in different.values():
            sketch.update(batch)
    results = {what: sketch.result() for what, sketch in different.items()}
    return {name: results[_counted_by(sketch)] for name, sketch in sketches.items()}


def _counted_by(sketch: Sketch) -> Any:
    """Return a key that is equal for sketches that count the same, because several measures need the same tallies."""
    return (Tally, sketch.columns, sketch.cap) if isinstance(sketch, Tally) else id(sketch)


@dataclass(frozen=True, eq=False)
class CentralMoments:
    """The number of values of each column, their mean, and the sums of powers 2 to 4 of their distances from it, (columns,) each."""

    count: np.ndarray
    mean: np.ndarray
    m2: np.ndarray
    m3: np.ndarray
    m4: np.ndarray

    @property
    def variance(self) -> np.ndarray:
        """The unbiased variance, (columns,). NaN for fewer than two values."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.count > 1, self.m2 / (self.count - 1), np.nan)

    @property
    def kurtosis(self) -> np.ndarray:
        """The kurtosis: the mean fourth power divided by the square of the mean second power, 3 for a normal law, (columns,).

        NaN for a constant column.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.m2 > 0, self.count * (self.m4 / self.m2) / self.m2, np.nan)


class MomentSketch:
    """The first four moments of columns of numbers, without missing values.

    They are merged by the updates of Chan, Golub and LeVeque (1979) and Pébay (Sandia report SAND2008-6212, 2008), which keep
    digits that plain sums of powers lose. The last digits depend on the order of rows.
    """

    def __init__(self, columns: Sequence[str]):
        self.columns = tuple(columns)
        self._seen = np.zeros((5, len(self.columns)))  # count, mean, m2, m3, m4

    def update(self, frame: polars.DataFrame) -> None:
        self._add(np.array([_moments(frame[column].drop_nulls().to_numpy()) for column in self.columns]).reshape(-1, 5).T)

    def merge(self, other: Self) -> None:
        self._add(other._seen)

    def result(self) -> CentralMoments:
        return CentralMoments(*self._seen.copy())

    def _add(self, other: np.ndarray) -> None:
        """Merge two sets by Pébay's update, for powers 2, 3 and 4. other: (5, columns)."""
        n, mean, m2, m3, m4 = self._seen
        k, other_mean, o2, o3, o4 = other
        both = np.maximum(n + k, 1)
        d = np.where(n == 0, 0, other_mean - mean)
        s = d / both
        a, b = n / both, k / both  # shares of the rows
        self._seen = np.array(
            [
                n + k,
                np.where(n == 0, other_mean, np.where(k == 0, mean, mean + d * b)),
                m2 + o2 + d * s * n * k,
                m3 + o3 + d**2 * s * n * k * (a - b) + 3 * s * (n * o2 - k * m2),
                m4
                + o4
                + d**3 * s * n * k * (a * a - a * b + b * b)
                + 6 * s**2 * (n * n * o2 + k * k * m2)
                + 4 * s * (n * o3 - k * m3),
            ]
        )


def _moments(values: np.ndarray) -> tuple[float, float, float, float, float]:
    """Return the count, the mean and the sums of powers 2 to 4 of the distances from it. values: (n,)."""
    if values.size == 0:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    mean = float(values.mean())
    centred = values - mean
    squares = centred * centred
    # NumPy's pairwise sums, not products of vectors: they are accurate to the last digits and use no threads.
    return float(values.size), mean, float(squares.sum()), float((squares * centred).sum()), float((squares * squares).sum())


@dataclass(frozen=True, eq=False)
class TailCounts:
    """The number of values of a column strictly above and strictly below each threshold, (thresholds,) each, and the number of all values."""

    thresholds: np.ndarray
    above: np.ndarray
    below: np.ndarray
    count: int

    def at(self, threshold: float) -> tuple[int, int]:
        """Return the number of values strictly below one of the thresholds, and strictly above it."""
        place = int(np.flatnonzero(self.thresholds == threshold)[0])
        return int(self.below[place]), int(self.above[place])


class Beyond:
    """A sketch that counts the values of each column of numbers strictly above and strictly below given thresholds, without missing values."""

    def __init__(self, thresholds: Mapping[str, np.ndarray]):
        self.columns = tuple(thresholds)
        self._thresholds = {column: np.asarray(values, dtype=float) for column, values in thresholds.items()}
        self._order = {column: np.argsort(values) for column, values in self._thresholds.items()}
        self._above = {column: np.zeros(values.size, dtype=np.int64) for column, values in self._thresholds.items()}
        self._below = {column: np.zeros(values.size, dtype=np.int64) for column, values in self._thresholds.items()}
        self._count = dict.fromkeys(thresholds, 0)

    def update(self, frame: polars.DataFrame) -> None:
        for column, thresholds in self._thresholds.items():
            values = frame[column].drop_nulls().to_numpy()
            ordered = thresholds[self._order[column]]
            self._count[column] += values.size
            self._above[column][self._order[column]] += _over(values, ordered, "left")
            self._below[column][self._order[column]] += values.size - _over(values, ordered, "right")

    def merge(self, other: Self) -> None:
        for column in self.columns:
            self._count[column] += other._count[column]
            self._above[column] += other._above[column]
            self._below[column] += other._below[column]

    def result(self) -> dict[str, TailCounts]:
        return {
            column: TailCounts(
                self._thresholds[column], self._above[column].copy(), self._below[column].copy(), self._count[column]
            )
            for column in self.columns
        }


def _over(values: np.ndarray, ordered: np.ndarray, side: str) -> np.ndarray:
    """Count the values above each of the ordered thresholds, or at or above it for side "right", (thresholds,)."""
    places = np.searchsorted(ordered, values, side=side)  # type: ignore[call-overload]
    return np.cumsum(np.bincount(places, minlength=ordered.size + 1)[:0:-1])[::-1]


@dataclass(frozen=True, eq=False)
class CategoryCounts:
    """The number of rows of each category or combination of categories: a frame of the columns and `count`, the commonest first.

    If there are more than a million, `is_capped` is true. The frame then has a uniform sample of a million of them, independent of their counts
    (those with the smallest hashes), each with its exact count. `others` is the number of rows of all others.
    """

    frame: polars.DataFrame
    is_capped: bool
    others: int


class Tally:
    """A sketch that counts the rows of each category of a column, or of each combination of several columns. A missing value (null) is also a
    category.

    Above the cap it keeps a uniform sample of the categories, as in distinct sampling (Gibbons, VLDB 2001).
    """

    def __init__(self, columns: Sequence[str], cap: int = CAP):
        self.columns = tuple(columns)
        self.cap = cap
        self._counts: list[polars.DataFrame] = []
        self._waiting = 0
        self._rows = 0
        self._largest: int | None = None

    def update(self, frame: polars.DataFrame) -> None:
        import polars as pl

        self._rows += frame.height
        self._add(frame.group_by(self.columns).agg(count=pl.len().cast(pl.Int64)))

    def merge(self, other: Self) -> None:
        self._rows += other._rows
        for counts in other._counts:
            self._add(counts)
        if other._largest is not None:
            self._largest = min(other._largest, other._largest if self._largest is None else self._largest)
        self._gather()

    def result(self) -> CategoryCounts:
        import polars as pl

        self._gather()
        frame = self._counts[0] if self._counts else pl.DataFrame({**{column: [] for column in self.columns}, "count": []})
        frame = frame.sort("count", *self.columns, descending=[True] + [False] * len(self.columns))
        return CategoryCounts(frame, self._largest is not None, self._rows - int(frame["count"].sum()))

    def _add(self, counts: polars.DataFrame) -> None:
        self._counts.append(counts)
        self._waiting += counts.height
        if self._waiting > 2 * self.cap:
            self._gather()

    def _gather(self) -> None:
        """Add up the counts of each category, and keep only the categories with the smallest hashes if there are too many."""
        import polars as pl

        if not self._counts:
            return
        counts = pl.concat(self._counts).group_by(self.columns).agg(pl.col("count").sum())
        if self._largest is not None or counts.height > self.cap:
            hashes = hashes_of(counts, self.columns)
            if self._largest is not None:
                counts, hashes = counts.filter(hashes <= self._largest), hashes[hashes <= self._largest]
            if counts.height > self.cap:
                self._largest = int(np.partition(hashes, self.cap - 1)[self.cap - 1])
                counts = counts.filter(hashes <= self._largest)
        self._counts, self._waiting = [counts], counts.height


@dataclass(frozen=True)
class DistinctRows:
    """The number of distinct rows and the number of all rows.

    It is exact up to a million distinct rows, and an estimate with a standard error above.
    """

    value: float
    standard_error: float
    is_exact: bool
    rows: int


class Distinct:
    """A sketch that counts the distinct rows of the columns. All missing values count as equal.

    Up to the cap it is exact, except for collisions of 64-bit hashes (one pair is expected in six billion distinct rows). Above the cap it uses the k
    minimum values of Bar-Yossef et al. (RANDOM 2002) with the unbiased estimator of Beyer et al. (SIGMOD 2007), (k - 1) / U_(k), whose relative
    standard error is 1 / sqrt(k - 2): 0.1 % at a million.
    """

    def __init__(self, columns: Sequence[str], cap: int = CAP):
        self.columns = tuple(columns)
        self._cap = cap
        self._kept: list[np.ndarray] = []
        self._waiting = 0
        self._rows = 0
        self._largest: int | None = None

    def update(self, frame: polars.DataFrame) -> None:
        self._rows += frame.height
        self._add(hashes_of(frame, self.columns))

    def merge(self, other: Self) -> None:
        self._rows += other._rows
        if other._largest is not None:
            self._largest = min(other._largest, other._largest if self._largest is None else self._largest)
        for hashes in other._kept:
            self._add(hashes)
        self._gather()

    def result(self) -> DistinctRows:
        self._gather()
        if self._largest is None:
            return DistinctRows(float(sum(hashes.size for hashes in self._kept)), 0.0, True, self._rows)
        value = (self._cap - 1) / ((self._largest + 1) / 2**64)
        return DistinctRows(value, value / math.sqrt(self._cap - 2), False, self._rows)

    def _add(self, hashes: np.ndarray) -> None:
        hashes = hashes if self._largest is None else hashes[hashes <= self._largest]
        self._kept.append(hashes)
        self._waiting += hashes.size
        if self._waiting > 2 * self._cap:
            self._gather()

    def _gather(self) -> None:
        """Keep each hash once, and only the smallest hashes if there are too many."""
        if not self._kept:
            return
        hashes = np.sort(np.concatenate(self._kept))
        hashes = hashes[np.diff(hashes, prepend=~hashes[:1]) != 0]
        if self._largest is not None:
            hashes = hashes[hashes <= self._largest]
        if hashes.size > self._cap:
            hashes = hashes[: self._cap]
            self._largest = int(hashes[-1])
        self._kept, self._waiting = [hashes], hashes.size


class Missing:
    """A sketch that counts the missing values of each column."""

    def __init__(self, columns: Sequence[str]):
        self.columns = tuple(columns)
        self._missing = dict.fromkeys(columns, 0)

    def update(self, frame: polars.DataFrame) -> None:
        for column in self.columns:
            self._missing[column] += frame[column].null_count()

    def merge(self, other: Self) -> None:
        for column in self.columns:
            self._missing[column] += other._missing[column]

    def result(self) -> dict[str, int]:
        return dict(self._missing)
