"""Regions that are planted in tables: rules of three columns that hold a given share of the records and leave no trace in any one column.

A region is removed from one of two disjoint halves, which is then filled up with honest records from outside of the region. Every other column and
category thus stays the same, except for its records inside the region. A rule is taken only where every share of a category stays above four fifths
of its former value, and every number moves by less than a tenth of a standard deviation (probability of superiority .472 to .528).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

LEAST_RATIO = 0.8
SUPERIORITY = 0.472, 0.528
SMALLEST_CATEGORY = 0.01
FEW = 20
"""Distinct values up to which whole numbers are categories, as an audit takes them."""
NEAR = 0.003
"""How near the share of a region is to the share wanted."""
TRIES = 20_000
NAMES = 3
"""Categories that a rule names, or leaves out, at most."""


@dataclass(frozen=True, eq=False)
class Planted:
    """A rule and the records that meet it."""

    name: str
    inside: np.ndarray
    """(records,)"""


def planted(frame: pl.DataFrame, columns: Sequence[str], share: float, seed: int) -> Planted:
    """The first rule of these columns, drawn at random, that holds such a share and stays within tolerance in every column."""
    rng = np.random.default_rng(seed)
    every = {column: _Column(frame[column]) for column in frame.columns}
    for _ in range(TRIES):
        drawn = [_condition(frame[column], every[column], rng) for column in columns]
        inside = np.logical_and.reduce([mask for _, mask in drawn])
        if abs(inside.mean() - share) <= NEAR and all(column.is_kept(inside) for column in every.values()):
            return Planted(" and ".join(words for words, _ in drawn), inside)
    raise SystemExit(f"no rule of {', '.join(columns)} holds {share:.0%} within tolerance")


def is_near(numbers: np.ndarray, inside: np.ndarray) -> bool:
    """Whether a number is within tolerance without these records."""
    return _Column(pl.Series(numbers.astype(float))).is_kept(inside)


class _Column:
    """One column, so that a set without some of its records is quickly held against the whole."""

    def __init__(self, values: pl.Series):
        self.is_category = not values.dtype.is_numeric() or (values.dtype.is_integer() and values.n_unique() <= FEW)
        if self.is_category:
            self.places = values.cast(pl.String).rank("dense").fill_null(0).to_numpy().astype(np.int64)
            self.counts = np.bincount(self.places)
            self.names = values.cast(pl.String).drop_nulls().unique().sort().to_list()
            return
        self.numbers = numbers = values.cast(pl.Float64).to_numpy()
        self.sorted = np.sort(numbers[np.isfinite(numbers)])
        self.is_there = np.isfinite(numbers)
        # P(below) + ½ P(equal) among all records, whose mean over a set is its probability of superiority.
        self.places = np.where(
            self.is_there, values.cast(pl.Float64).fill_nan(None).rank("average").fill_null(0).to_numpy() - 0.5, 0
        )
        self.places = self.places / max(1, self.is_there.sum())

    def is_kept(self, inside: np.ndarray) -> bool:
        if not self.is_category:
            left = ~inside & self.is_there
            return SUPERIORITY[0] <= self.places[left].mean() <= SUPERIORITY[1]
        gone = np.bincount(self.places[inside], minlength=self.counts.size)
        large = self.counts >= max(1, SMALLEST_CATEGORY * self.counts.sum())
        left = (self.counts - gone)[large] / self.counts[large]
        return bool(left.min() >= LEAST_RATIO * (1 - inside.mean()))


def _condition(values: pl.Series, column: _Column, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """A random interval of a number, or a random set of categories, that holds 25 to 75 % of the records."""
    if not column.is_category:
        width = rng.uniform(0.3, 0.7)
        start = rng.uniform(0, 1 - width)
        low, high = (column.sorted[int(at * (column.sorted.size - 1))] for at in (start, start + width))
        return f"{low:g} <= {values.name} < {high:g}", (column.numbers >= low) & (column.numbers < high)
    names = column.names
    for _ in range(100):
        few = rng.choice(len(names), size=min(len(names) - 1, int(rng.integers(1, NAMES + 1))), replace=False)
        is_outside = rng.random() < 0.5
        is_in = np.zeros(column.counts.size, bool)
        is_in[few + 1] = True
        is_in = ~is_in if is_outside else is_in
        if 0.25 <= column.counts[is_in].sum() / column.counts.sum() <= 0.75:
            listed = ", ".join(sorted(names[i] for i in few))
            return f"{values.name} {'not in' if is_outside else 'in'} ({listed})", is_in[column.places]
    return f"any {values.name}", np.ones(len(values), bool)
