"""Statistics of any number of rows in bounded memory: fed batch by batch, merged over shards, in any order.

A sketch of the rows of two tables is the sketch of one merged with that of the other. `gather` feeds several in one pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from outcross.data.tables import Table, mixed

if TYPE_CHECKING:
    import polars

CAP = 1_000_000
"""Distinct things that a sketch keeps, at most."""


class Sketch(Protocol):
    """What has been seen of some columns; `result` may be asked for at any time."""

    columns: tuple[str, ...]

    def update(self, frame: polars.DataFrame) -> None:
        """See these rows."""
        ...

    def merge(self, other: Self) -> None:
        """See what another sketch of the same columns saw; the other stays as it is."""
        ...

    def result(self) -> Any:
        """The statistic of all rows seen."""
        ...


def gather(table: Table, sketches: Mapping[str, Sketch]) -> dict[str, Any]:
    """The result of each sketch over every row of a table, in one pass over the columns that they need. Tallies of the same columns count once."""
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
    """What two sketches that count the same have in common; tallies are wanted by several measures."""
    return (Tally, sketch.columns, sketch.cap) if isinstance(sketch, Tally) else id(sketch)


@dataclass(frozen=True, eq=False)
class CentralMoments:
    """How many values each column has, their mean, and the sums of powers 2 to 4 of their distances from it. (columns,) each"""

    count: np.ndarray
    mean: np.ndarray
    m2: np.ndarray
    m3: np.ndarray
    m4: np.ndarray

    @property
    def variance(self) -> np.ndarray:
        """The unbiased variance; NaN where there are fewer than two values. (columns,)"""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.count > 1, self.m2 / (self.count - 1), np.nan)

    @property
    def kurtosis(self) -> np.ndarray:
        """The mean fourth power over the squared mean second one (3 for a normal distribution); NaN for a constant. (columns,)"""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.m2 > 0, self.count * (self.m4 / self.m2) / self.m2, np.nan)


class MomentSketch:
    """The first four moments of columns of numbers, missing values left out.

    Merged by the updates of Chan, Golub and LeVeque (1979) and Pébay (Sandia report SAND2008-6212, 2008), which keep
    the digits that sums of powers lose. The floating-point sums depend on the order of rows in their last digits.
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
        """Pébay's update of two sets into one, for powers 2, 3 and 4. other: (5, columns)"""
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
    """Count, mean and the sums of powers 2 to 4 of the distances from it. values: (n,)"""
    if values.size == 0:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    mean = float(values.mean())
    centred = values - mean
    squares = centred * centred
    # sums in pairs, not products of vectors: exact to the last digits, and no threads that wait for busy cores
    return float(values.size), mean, float(squares.sum()), float((squares * centred).sum()), float((squares * squares).sum())


@dataclass(frozen=True, eq=False)
class TailCounts:
    """How many values of a column lie strictly above, and strictly below, each threshold, and how many it has. (thresholds,) each"""

    thresholds: np.ndarray
    above: np.ndarray
    below: np.ndarray
    count: int

    def at(self, threshold: float) -> tuple[int, int]:
        """Values strictly below one of the thresholds, and strictly above it."""
        place = int(np.flatnonzero(self.thresholds == threshold)[0])
        return int(self.below[place]), int(self.above[place])


class Beyond:
    """How many values of each column of numbers lie strictly above and strictly below given thresholds, missing ones left out."""

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
    """How many values lie above each of the ordered thresholds; at or above it for side "right". (thresholds,)"""
    places = np.searchsorted(ordered, values, side=side)  # type: ignore[call-overload]
    return np.cumsum(np.bincount(places, minlength=ordered.size + 1)[:0:-1])[::-1]


@dataclass(frozen=True, eq=False)
class CategoryCounts:
    """The rows of each category, or combination: a frame of the columns and `count`, the commonest first.

    Where there are more than a million, `is_capped`: the frame holds a million of them, drawn uniformly whatever their counts
    (those of the smallest hashes), each with its exact count, and `others` counts the rows of all the rest.
    """

    frame: polars.DataFrame
    is_capped: bool
    others: int


class Tally:
    """How many rows have each category of a column, or each combination of several; missing (null) is a category too.

    Above the cap a uniform sample of the categories, as in distinct sampling (Gibbons, VLDB 2001).
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
        """Add up the counts of each category, and keep those of the smallest hashes where there are too many."""
        import polars as pl

        if not self._counts:
            return
        counts = pl.concat(self._counts).group_by(self.columns).agg(pl.col("count").sum())
        if self._largest is not None or counts.height > self.cap:
            hashes = _hashes(counts, self.columns)
            if self._largest is not None:
                counts, hashes = counts.filter(hashes <= self._largest), hashes[hashes <= self._largest]
            if counts.height > self.cap:
                self._largest = int(np.partition(hashes, self.cap - 1)[self.cap - 1])
                counts = counts.filter(hashes <= self._largest)
        self._counts, self._waiting = [counts], counts.height


@dataclass(frozen=True)
class DistinctRows:
    """How many distinct rows there are, of how many; estimated with a standard error above a million, else exact."""

    value: float
    standard_error: float
    is_exact: bool
    rows: int


class Distinct:
    """How many distinct rows the columns have, missing values alike.

    Exact (but for 64-bit hashes that collide, one pair expected in six billion distinct rows) up to the cap; above it the k minimum
    values of Bar-Yossef et al. (RANDOM 2002) with the unbiased estimator of Beyer et al. (SIGMOD 2007), (k - 1) / U_(k), whose
    standard error is 1 / sqrt(k - 2) of it: 0.1 % at a million.
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
        self._add(_hashes(frame, self.columns))

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
        """Keep each hash once, and the smallest where there are too many."""
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
    """How many values of each column are missing."""

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


def _hashes(frame: polars.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """A uniform 64-bit hash of each row, the same for the same values wherever they stand. (n,)"""
    return mixed(frame.select(columns).hash_rows(seed=0).to_numpy())
