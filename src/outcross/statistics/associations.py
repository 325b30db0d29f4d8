"""Association of two columns, computed from a table of counts of their classes.

Every column is divided into classes that both sets share: the class of a number is its tenth of all values, the class of a category is the category.
A pair of columns is then a small table of counts, whatever the number of rows.
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
"""Number of categories with a class of their own. All others share one class."""
SCREENED = 4_000
"""Number of rows on which the association of all pairs is computed, if there are more pairs than are compared."""
TOGETHER = 32
"""Number of columns whose pairs with all others are counted at a time."""

Strength = Callable[[np.ndarray], np.ndarray]
"""A measure of association: takes counts (…, classes of the first column, classes of the second column) and returns the association (…)."""


@dataclass(frozen=True, eq=False)
class Classes:
    """One column of both sets as class indices, -1 for missing values."""

    column: str
    is_number: bool
    size: int
    synthetic: np.ndarray
    """The class of each row of the synthetic table, (rows,)."""
    reference: np.ndarray
    """The class of each row of the reference, (rows,)."""


def classes(column: str, synthetic: Table, reference: Table) -> Classes:
    """Return the classes of a column of numbers or categories. They come from the values of both sets together, so that they favour neither."""
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
    # A category that no human record has gets no class of its own; it belongs to the class of all others.
    human = counted.filter(counted[column].is_in(reference.frame[column].drop_nulls().unique().implode()))
    number = {name: i for i, name in enumerate(human[column].head(COMMONEST).to_list())}
    codes = (
        values.replace_strict(number, default=COMMONEST, return_dtype=polars.Int64)
        if number
        else values.is_null().cast(polars.Int64)
    )
    return np.where(values.is_null().to_numpy(), -1, codes.to_numpy())


def strongest(columns: list[Classes], limit: int, rng: np.random.Generator) -> tuple[list[tuple[Classes, Classes]], int]:
    """Return the pairs of columns with the strongest association, and the number of pairs left out.

    The association is that in both sets together. A choice by the human set alone would select associations that are large by chance in the human
    set.
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
    """Return the columns with the strongest association with the target, in their given order, by both sets together, as for `strongest`."""
    if len(columns) <= limit:
        return columns
    strength = np.array([float(cramer(crossed(target, column).sum(axis=0))) for column in columns])
    return [columns[i] for i in sorted(np.argsort(-strength, kind="stable")[:limit].tolist())]


def _strengths(codes: np.ndarray) -> np.ndarray:
    """Return Cramér's V of every pair of columns, in the order of `combinations`, (pairs,), for codes (columns, rows), -1 for missing values.

    The tables of all pairs come from products of one matrix of indicators, which is fast for thousands of pairs.
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
    """Count the rows of both sets by the classes of both columns, (synthetic and reference, classes, classes).

    Rows with a missing value are left out.
    """
    sides = (first.synthetic, second.synthetic), (first.reference, second.reference)
    return np.stack([_crossed(*codes, first.size, second.size) for codes in sides])


def _crossed(first: np.ndarray, second: np.ndarray, rows: int, columns: int) -> np.ndarray:
    there = (first >= 0) & (second >= 0)
    return np.bincount(first[there] * columns + second[there], minlength=rows * columns).reshape(rows, columns)


def rank_correlation(counts: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of two columns of ordered classes, with mid-ranks for ties, in [-1, 1]. It is 0 if one column is constant."""
    counts = counts.astype(float)
    row_scores, column_scores = _scores(counts.sum(axis=-1)), _scores(counts.sum(axis=-2))
    together = (counts * row_scores[..., :, None] * column_scores[..., None, :]).sum(axis=(-2, -1))
    apart = (counts.sum(axis=-1) * row_scores**2).sum(axis=-1) * (counts.sum(axis=-2) * column_scores**2).sum(axis=-1)
    return together / np.sqrt(np.where(apart > 0, apart, np.inf))


def correlation_ratio(counts: np.ndarray) -> np.ndarray:
    """Return the square root of the share of the variance of ranks (first axis) that lies between categories (second axis), in [0, 1].

    It is bias-corrected: ε² = 1 - (1 - η²)(n - 1) / (n - k) for k categories (Kelley, PNAS 21:554, 1935).
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
    """Return the bias-corrected Cramér's V, Ṽ of Bergsma (J. Korean Stat. Soc. 42:323, 2013), in [0, 1]. It is 0 if one column is constant.

    `categories` are the numbers of categories of the first and of the second column, (…) each. If they are not given, they are those that occur in
    the table. Two sets are compared on the categories of one of them (`on_human_categories`), because otherwise a category that vanished would change
    the scale.

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
    """Return the number of categories of the first and of the second column that occur in a table (…, categories, categories), (…) each."""
    return (counts.sum(axis=-1) > 0).sum(axis=-1), (counts.sum(axis=-2) > 0).sum(axis=-1)


def on_human_categories(counts: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return the counts of both sets without the categories that the human set lacks, and the numbers of remaining categories of both columns.

    counts: (synthetic and human, …, categories, categories). The numbers of categories are (…) each; they are those of the human set, for both sets.
    """
    human = counts[1]
    is_human = (human.sum(axis=-1) > 0)[..., :, None] & (human.sum(axis=-2) > 0)[..., None, :]
    return np.where(is_human, counts, 0), _categories(human)


def outermost(values: np.ndarray, share: float) -> np.ndarray:
    """Return the probability that each value is among the lowest, and among the highest, `share` of its set if ties are broken at random, (rows, 2)
    in [0, 1].

    It is 1 for values beyond the border. Values tied at the border share the remaining places equally. The product of the probabilities of two
    columns, summed over records, is the expected number of records in a corner of both, which is that of the checkerboard copula (Genest, Nešlehová
    and Rémillard, J. Multivariate Anal. 159:82, 2017). It is 0 for a missing value.

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
    """Return centred mid-ranks of ordered classes (…, classes), in (-½, ½)."""
    n = counts.sum(axis=-1, keepdims=True)
    return (np.cumsum(counts, axis=-1) - counts / 2) / np.where(n > 0, n, 1.0) - 0.5


def standard_error(measure: Strength, counts: np.ndarray) -> float:
    """Return the jackknife standard error of an association over rows.

    Leaving out any row of a cell gives the same table, so each cell is computed once.
    """
    cells = np.flatnonzero(counts)
    without = np.repeat(counts[None], cells.size, axis=0).reshape(cells.size, -1)
    without[np.arange(cells.size), cells] -= 1
    values, weights = measure(without.reshape(cells.size, *counts.shape)), counts.ravel()[cells]
    n = weights.sum()
    middle = (weights * values).sum() / n
    return math.sqrt((n - 1) / n * float((weights * (values - middle) ** 2).sum()))


def relabelled(pairs: list[tuple[Classes, Classes]], rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the table of every pair under permuted labels, (synthetic and reference, permutations, classes of the first, classes of the second).

    As in `floors.permuted_sums`, rows are divided at random into 512 blocks, eight times, and the labels of blocks are permuted. All pairs share the
    labels. The permutations of a cell stand together in memory, so that sums over classes are fast.
    """
    n, m = pairs[0][0].synthetic.size, pairs[0][0].reference.size
    ends = np.cumsum([0, *(column.size * other.size for column, other in pairs)])
    first = np.concatenate([_dealt(pairs, ends, n, n + m, rng) for _ in range(DEALS)], axis=1)
    for (column, other), start, end in zip(pairs, ends[:-1], ends[1:], strict=True):
        labels, whole = first[start:end], crossed(column, other).sum(axis=0).reshape(-1, 1)
        yield np.stack([labels, whole - labels]).reshape(2, column.size, other.size, -1).transpose(0, 3, 1, 2)


def _dealt(
    pairs: list[tuple[Classes, Classes]], ends: np.ndarray, synthetic_rows: int, rows: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the counts of the first set in the cells of all pairs, (cells, permutations), for one random division of the rows into blocks."""
    blocks = min(BLOCKS, rows)
    block = rng.permutation(rows) * blocks // rows
    counts = np.empty((blocks, int(ends[-1])), dtype=np.float32)
    for (column, other), start, end in zip(pairs, ends[:-1], ends[1:], strict=True):
        cell, there = _cells(column, other)
        counts[:, start:end] = np.bincount(block[there] * (end - start) + cell, minlength=blocks * (end - start)).reshape(
            blocks, -1
        )
    return counts.T @ random_labels(PERMUTATIONS // DEALS + 1, blocks, synthetic_rows / rows, rng).astype(np.float32).T


def _cells(rows_by: Classes, columns_by: Classes) -> tuple[np.ndarray, np.ndarray]:
    """Return the cell of each row that has both values, and these rows. The synthetic rows come first."""
    first, second = (np.concatenate([classes.synthetic, classes.reference]) for classes in (rows_by, columns_by))
    there = np.flatnonzero((first >= 0) & (second >= 0))
    return first[there] * columns_by.size + second[there], there
