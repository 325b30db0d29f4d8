"""Regions to plant in tables: rules of three columns that hold a given share of the records and leave no trace in any one column.

A region is removed from one of two disjoint halves, which is filled up with honest records from outside of it. So every other column and category is as
it was but for what the region held of it: a rule is taken only where every share of a category stays above four fifths of what it was, and every number within a tenth of a standard deviation
(probability of superiority .472 to .528).
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
    for _ in range(TRIES):
        drawn = [_condition(frame[column], rng) for column in columns]
        inside = np.logical_and.reduce([mask for _, mask in drawn])
        if abs(inside.mean() - share) <= NEAR and is_within_tolerance(frame, inside):
            return Planted(" and ".join(words for words, _ in drawn), inside)
    raise SystemExit(f"no rule of {', '.join(columns)} holds {share:.0%} within tolerance")


def is_within_tolerance(frame: pl.DataFrame, inside: np.ndarray) -> bool:
    """Whether a set without these records is within tolerance of the whole in every single column."""
    return all(_is_kept(frame[column], inside) for column in frame.columns)


def _is_kept(values: pl.Series, inside: np.ndarray) -> bool:
    if _is_category(values):
        places = values.cast(pl.String).rank("dense").fill_null(0).to_numpy().astype(np.int64)
        counts = np.bincount(places)
        left = np.bincount(places[~inside], minlength=counts.size)
        large = counts >= max(1, SMALLEST_CATEGORY * counts.sum())
        return bool(((left / left.sum()) / (counts / counts.sum()))[large].min() >= LEAST_RATIO)
    numbers = values.cast(pl.Float64).to_numpy()
    whole, left = np.sort(numbers[np.isfinite(numbers)]), numbers[~inside]
    left = left[np.isfinite(left)]
    below = (np.searchsorted(whole, left, "left") + np.searchsorted(whole, left, "right")) / 2
    return SUPERIORITY[0] <= below.mean() / whole.size <= SUPERIORITY[1]


def _is_category(values: pl.Series) -> bool:
    return not values.dtype.is_numeric() or (values.dtype.is_integer() and values.n_unique() <= FEW)


def _condition(values: pl.Series, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """A random interval of a number, or a random set of categories, that holds 25 to 75 % of the records."""
    if not _is_category(values):
        numbers = values.cast(pl.Float64).to_numpy()
        held = rng.uniform(0.3, 0.7)
        start = rng.uniform(0, 1 - held)
        low, high = np.nanquantile(numbers, [start, start + held])
        return f"{low:g} <= {values.name} < {high:g}", (numbers >= low) & (numbers < high)
    texts = values.cast(pl.String).fill_null("missing")
    names = sorted(texts.unique().to_list())
    for _ in range(100):
        few = rng.choice(names, size=min(len(names) - 1, int(rng.integers(1, NAMES + 1))), replace=False).tolist()
        chosen = sorted(few if rng.random() < 0.5 else set(names) - set(few))
        mask = texts.is_in(chosen).to_numpy()
        if 0.25 <= mask.mean() <= 0.75:
            return f"{values.name} in {chosen}", mask
    return f"any {values.name}", np.ones(len(values), bool)
