"""How strongly two columns go together, read off a table of counts of their classes.

Every column becomes classes that both sets share: a number the tenth of all values that it lies in, a category itself. Then a pair of
columns is a small table of counts, whatever the number of rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from outcross.data.tables import Table
from outcross.statistics.beyond import farthest
from outcross.statistics.floors import BLOCKS, DEALS, PERMUTATIONS, random_labels

TENTHS = 10
COMMONEST = 12
"""Categories kept apart; the rest are one class."""
SCREENED = 4_000
"""Rows on which the strength of all pairs is looked at, where there are more pairs than are compared."""
TOGETHER = 32
"""Columns whose pairs with all others are counted at a time."""

Strength = Callable[[np.ndarray], np.ndarray]
"""Counts (…, classes of one, classes of the other) → association (…)."""


@dataclass(frozen=True, eq=False)
class Classes:
    """One column of both sets as numbers of classes, -1 where missing."""

    column: str
    is_number: bool
    size: int
    synthetic: np.ndarray
    """(rows of the synthetic frame,)"""
    reference: np.ndarray
    """(rows of the reference's frame,)"""


def classes(column: str, synthetic: Table, reference: Table) -> Classes:
    """The classes of a column of numbers or categories; made of the values of both sets together, so that they favour neither."""
    is_number = reference.kinds[column] == "number"
    codes = _tenths(column, synthetic, reference) if is_number else _commonest(column, synthetic, reference)
    met, codes = np.unique(codes, return_inverse=True)
    has_missing = bool(met.size and met[0] < 0)
    codes = codes - has_missing
    n = synthetic.frame.height
    return Classes(column, is_number, met.size - has_missing, codes[:n], codes[n:])


def _tenths(column: str, synthetic: Table, reference: Table) -> np.ndarray:
    values = np.concatenate([synthetic.numbers(column), reference.numbers(column)])
    there = np.isfinite(values)
    if not there.any():
        return np.full(values.size, -1)
    edges = np.unique(np.quantile(values[there], np.arange(1, TENTHS) / TENTHS, method="inverted_cdf"))
    return np.where(there, np.searchsorted(edges, values), -1)


def _commonest(column: str, synthetic: Table, reference: Table) -> np.ndarray:
    import polars

    values = polars.concat([synthetic.frame[column], reference.frame[column]])
    counted = values.drop_nulls().value_counts(name="_count").sort(["_count", column], descending=[True, False])
    # A category that no human record has is no category of its own: it stands among the rest.
    human = counted.filter(counted[column].is_in(reference.frame[column].drop_nulls().unique().implode()))
    number = {name: i for i, name in enumerate(human[column].head(COMMONEST).to_list())}
    codes = (
        values.replace_strict(number, default=COMMONEST, return_dtype=polars.Int64)
        if number
        else values.is_null().cast(polars.Int64)
    )
    return np.where(values.is_null().to_numpy(), -1, codes.to_numpy())


def strongest(columns: list[Classes], limit: int, rng: np.random.Generator) -> tuple[list[tuple[Classes, Classes]], int]:
    """The pairs of columns that go together most, and how many are left out.

    Strength is that in both sets together: to choose by the human one alone would compare human associations at their luckiest.
    """
    pairs = list(combinations(columns, 2))
    if len(pairs) <= limit:
        return pairs, 0
    sides = [column.synthetic.size for column in columns[:1]] + [column.reference.size for column in columns[:1]]
    rows = rng.choice(sum(sides), min(SCREENED, sum(sides)), replace=False)
    codes = np.stack([np.concatenate([column.synthetic, column.reference])[rows] for column in columns])
    strength = _strengths(codes)
    order = np.lexsort((np.arange(strength.size), -strength))[:limit]
    return [pairs[i] for i in sorted(order.tolist())], len(pairs) - limit


def strongest_with(target: Classes, columns: list[Classes], limit: int) -> list[Classes]:
    """The columns that go together most with one, in their own order; by their strength in both sets together, as for `strongest`."""
    if len(columns) <= limit:
        return columns
    strength = np.array([float(cramer(crossed(target, column).sum(axis=0))) for column in columns])
    return [columns[i] for i in sorted(np.argsort(-strength, kind="stable")[:limit].tolist())]


def _strengths(codes: np.ndarray) -> np.ndarray:
    """Cramér's V of every two columns, the first before the second, (pairs,), for codes (columns, rows), -1 where missing.

    The tables of all pairs are products of one matrix of indicators, so that thousands of them take as long as a few of their own.
    """
    columns, rows = codes.shape
    width = int(codes.max(initial=0)) + 1
    indicators = (codes[:, None, :] == np.arange(width)[:, None]).astype(np.float32).reshape(columns * width, rows)
    strengths = []
    for start in range(0, columns, TOGETHER):
        some = min(TOGETHER, columns - start)
        counts = indicators[start * width : (start + some) * width] @ indicators[start * width :].T
        every = cramer(counts.reshape(some, width, columns - start, width).transpose(0, 2, 1, 3))
        strengths += [every[i, i + 1 :] for i in range(some)]
    return np.concatenate(strengths)


def crossed(first: Classes, second: Classes) -> np.ndarray:
    """Counts of both sets by both columns' classes, rows with either missing left out; (synthetic and reference, classes, classes)."""
    sides = (first.synthetic, second.synthetic), (first.reference, second.reference)
    return np.stack([_crossed(*codes, first.size, second.size) for codes in sides])


def _crossed(first: np.ndarray, second: np.ndarray, rows: int, columns: int) -> np.ndarray:
    there = (first >= 0) & (second >= 0)
    return np.bincount(first[there] * columns + second[there], minlength=rows * columns).reshape(rows, columns)


def rank_correlation(counts: np.ndarray) -> np.ndarray:
    """Spearman's correlation of two ordered classes, ties at their mid-ranks, in [-1, 1]; 0 where one of them is constant."""
    counts = counts.astype(float)
    row_scores, column_scores = _scores(counts.sum(axis=-1)), _scores(counts.sum(axis=-2))
    together = (counts * row_scores[..., :, None] * column_scores[..., None, :]).sum(axis=(-2, -1))
    apart = (counts.sum(axis=-1) * row_scores**2).sum(axis=-1) * (counts.sum(axis=-2) * column_scores**2).sum(axis=-1)
    return together / np.sqrt(np.where(apart > 0, apart, np.inf))


def correlation_ratio(counts: np.ndarray) -> np.ndarray:
    """Square root of the share of the variance of ranks (first axis) that lies between categories (second axis), in [0, 1].

    Freed of what chance adds: ε² = 1 - (1 - η²)(n - 1) / (n - k) for k categories (Kelley, PNAS 21:554, 1935).
    """
    counts = counts.astype(float)
    ranks = _scores(counts.sum(axis=-1))
    size = counts.sum(axis=-2)
    n, k = size.sum(axis=-1), (size > 0).sum(axis=-1)
    between = (np.square((counts * ranks[..., :, None]).sum(axis=-2)) / np.where(size > 0, size, 1.0)).sum(axis=-1)
    whole = (counts.sum(axis=-1) * ranks**2).sum(axis=-1)
    within = 1 - between / np.where(whole > 0, whole, np.inf)
    return np.where(whole > 0, np.sqrt(np.maximum(0.0, 1 - within * (n - 1) / np.maximum(1, n - k))), 0.0)


def cramer(counts: np.ndarray, categories: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """Cramér's V freed of what chance adds, Ṽ of Bergsma (J. Korean Stat. Soc. 42:323, 2013), in [0, 1]; 0 where one column is constant.

    `categories` are the numbers of categories of the first and of the second column, (…) each; those that the table itself holds where they
    are not given. Two sets are compared on the categories of one of them (`on_human_categories`), or a category that vanished changes the scale.

    >>> print(f"{float(cramer(np.array([[30, 10], [10, 30]]))):.6f}")
    0.490290
    """
    counts = counts.astype(float)
    rows, columns = counts.sum(axis=-1), counts.sum(axis=-2)
    n = rows.sum(axis=-1)
    expected = rows[..., :, None] * columns[..., None, :]
    square = (counts**2 / np.where(expected > 0, expected, 1.0)).sum(axis=(-2, -1)) - 1
    r, c = _categories(counts) if categories is None else categories
    fewer = np.maximum(1.0, n - 1)
    chance = (r - 1) * (c - 1) / fewer
    shape = np.minimum(*(size - 1 - (size - 1) ** 2 / fewer for size in (r, c)))
    return np.sqrt(np.maximum(0.0, square - chance) / np.where(shape > 0, shape, np.inf))


def _categories(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many categories of the first and of the second column a table (…, categories, categories) holds, (…) each."""
    return (counts.sum(axis=-1) > 0).sum(axis=-1), (counts.sum(axis=-2) > 0).sum(axis=-1)


def on_human_categories(counts: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """The counts of both sets without the categories that the human one lacks, and how many of either column are left.

    counts: (synthetic and human, …, categories, categories). The numbers of categories are (…) each, the human set's for both.
    """
    human = counts[1]
    is_human = (human.sum(axis=-1) > 0)[..., :, None] & (human.sum(axis=-2) > 0)[..., None, :]
    return np.where(is_human, counts, 0), _categories(human)


def outermost(values: np.ndarray, share: float) -> np.ndarray:
    """How surely each value lies among the lowest and among the highest `share` of its set where ties are dealt at random, (rows, 2) in [0, 1].

    A value beyond the tied ones at the border is 1, one of these the same part of what is left. The product of two columns' numbers, summed
    over records, is the mean over all deals of the records in a corner of both, which is the checkerboard copula there (Genest, Nešlehová and Rémillard, J. Multivariate Anal. 159:82, 2017).
    A missing value lies nowhere.

    >>> outermost(np.array([1.0, 2.0, 2.0, 3.0]), 0.4).tolist()
    [[1.0, 0.0], [0.5, 0.5], [0.5, 0.5], [0.0, 1.0]]
    """
    ordered = np.sort(values[np.isfinite(values)])
    far = farthest(share, ordered.size)
    if far == 0:
        return np.zeros((values.size, 2))
    return np.stack(
        [_among_lowest(side, border, far) for side, border in ((values, ordered[far - 1]), (-values, -ordered[-far]))], axis=1
    )


def _among_lowest(values: np.ndarray, border: float, far: int) -> np.ndarray:
    tied = values == border
    beyond = values < border
    return beyond + tied * (far - int(beyond.sum())) / int(tied.sum())


def _scores(counts: np.ndarray) -> np.ndarray:
    """Centred mid-ranks of ordered classes (…, classes), in (-½, ½)."""
    n = counts.sum(axis=-1, keepdims=True)
    return (np.cumsum(counts, axis=-1) - counts / 2) / np.where(n > 0, n, 1.0) - 0.5


def standard_error(measure: Strength, counts: np.ndarray) -> float:
    """The jackknife's standard error of an association, a row left out in turn: all rows of a cell leave the same table."""
    cells = np.flatnonzero(counts)
    without = np.repeat(counts[None], cells.size, axis=0).reshape(cells.size, -1)
    without[np.arange(cells.size), cells] -= 1
    values, weights = measure(without.reshape(cells.size, *counts.shape)), counts.ravel()[cells]
    n = weights.sum()
    middle = (weights * values).sum() / n
    return math.sqrt((n - 1) / n * float((weights * (values - middle) ** 2).sum()))


def relabelled(pairs: list[tuple[Classes, Classes]], rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The table of every pair under random labels of all rows, (synthetic and reference, permutations, classes of one, classes of the other).

    As in `floors.permuted_sums`, rows are dealt at random into 512 blocks, eight times, and labels are permuted over blocks; all pairs share the labels.
    """
    n, m = pairs[0][0].synthetic.size, pairs[0][0].reference.size
    ends = np.cumsum([0, *(column.size * other.size for column, other in pairs)])
    first = np.concatenate([_dealt(pairs, ends, n, n + m, rng) for _ in range(DEALS)])
    for (column, other), start, end in zip(pairs, ends[:-1], ends[1:], strict=True):
        labels, whole = first[:, start:end], crossed(column, other).sum(axis=0).ravel()
        yield np.stack([labels, whole - labels]).reshape(2, len(labels), column.size, other.size)


def _dealt(
    pairs: list[tuple[Classes, Classes]], ends: np.ndarray, synthetic_rows: int, rows: int, rng: np.random.Generator
) -> np.ndarray:
    """Counts of the first set in the cells of all pairs, (permutations, cells), of one deal of the rows into blocks."""
    blocks = min(BLOCKS, rows)
    block = rng.permutation(rows) * blocks // rows
    counts = np.empty((blocks, int(ends[-1])), dtype=np.float32)
    for (column, other), start, end in zip(pairs, ends[:-1], ends[1:], strict=True):
        cell, there = _cells(column, other)
        counts[:, start:end] = np.bincount(block[there] * (end - start) + cell, minlength=blocks * (end - start)).reshape(
            blocks, -1
        )
    return random_labels(PERMUTATIONS // DEALS + 1, blocks, synthetic_rows / rows, rng).astype(np.float32) @ counts


def _cells(rows_by: Classes, columns_by: Classes) -> tuple[np.ndarray, np.ndarray]:
    """The cell of each row that has both values, and which rows those are; the synthetic rows stand first."""
    first, second = (np.concatenate([classes.synthetic, classes.reference]) for classes in (rows_by, columns_by))
    there = np.flatnonzero((first >= 0) & (second >= 0))
    return first[there] * columns_by.size + second[there], there
