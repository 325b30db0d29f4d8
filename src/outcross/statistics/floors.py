"""Floors: null distributions of statistics, from comparisons of real data with real data of the same size.

A floor answers a question that a number alone leaves open: how far below 1 does a variance ratio fall by chance? Every function that computes
a floor returns a `Null`. All p-values are one-sided and never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np

from outcross.estimate import Null

Worse = Literal["smaller", "larger"]
"""The direction in which a statistic moves if something is lost."""

LEVEL = 0.05
"""The share of real sets that reach the floor or exceed it: one in twenty."""
PERMUTATIONS = 999
FEWEST_PERMUTATIONS, MOST_COUNTS = 249, 5_000_000
"""With more than 5,000 categories there are fewer permutations: for 20,000 categories, a thousand would take 320 MB and seconds, with hardly any
gain."""
BLOCKS, DEALS = 512, 8
FEW_A_CATEGORY = 8
"""Number of records of the smaller set per category below which drawing single records is faster than drawing the count of each category."""
SMALLEST = 1e-12
"""The smallest p-value. Neither simulations nor normal tails are reliable farther out."""


def from_draws(value: float, draws: np.ndarray, worse: Worse, method: str) -> Null:
    """Return the null from draws of the statistic, (draws,), in comparisons of real with real data.

    p is (1 + number of draws at least as bad) / (1 + draws), which counts the value itself (Phipson and Smyth 2010). If no draw is as
    bad, the tail beyond the worst twentieth is extrapolated exponentially, as a generalised Pareto law of shape 0
    (Knijnenburg et al., Bioinformatics 25:i161, 2009, whose fitted shape is below 0 for statistics such as these, so this p is larger than theirs).

    >>> from_draws(0.5, np.linspace(0.8, 1.2, 999), "smaller", "permutation").p < 0.001
    True
    """
    sign = -1.0 if worse == "smaller" else 1.0
    ordered = np.sort(draws)
    badness, drawn = sign * value, ordered if worse == "larger" else -ordered[::-1]
    as_bad = int(drawn.size - np.searchsorted(drawn, badness - 1e-12 * abs(badness), side="left"))
    p = (1 + as_bad) / (1 + drawn.size)
    if as_bad < 10 and drawn.size >= 200:
        p = min(p, _beyond(badness, drawn)) if as_bad == 0 else p
    floor = quantile_of_ordered(ordered, LEVEL if worse == "smaller" else 1 - LEVEL)
    return Null(typical=quantile_of_ordered(ordered, 0.5), floor=floor, p=max(SMALLEST, p), method=method)


def quantile_of_ordered(ordered: np.ndarray, share: float) -> float:
    """Return a quantile of at least one number in ascending order, as `np.quantile` computes it to the bit. NaN if one of the numbers is NaN.

    NumPy looks for the order again, which takes most of the time for a thousand draws.

    >>> quantile_of_ordered(np.array([1.0, 2.0, 4.0]), 0.75)
    3.0
    """
    if np.isnan(ordered[-1]):
        return math.nan
    place = share * (ordered.size - 1)
    below = int(place)
    part = place - below
    low, high = float(ordered[below]), float(ordered[min(below + 1, ordered.size - 1)])
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)


def percentile_interval(draws: np.ndarray) -> tuple[float, float]:
    """Return the 2.5 % and the 97.5 % quantile of draws.

    >>> low, high = percentile_interval(np.linspace(0, 1, 1001))
    >>> print(f"{low:.3f} {high:.3f}")
    0.025 0.975
    """
    ordered = np.sort(draws)
    return quantile_of_ordered(ordered, 0.025), quantile_of_ordered(ordered, 0.975)


def _beyond(badness: float, drawn: np.ndarray) -> float:
    """Return P(a draw is at least as bad as `badness`), which is worse than all draws, from an exponential tail."""
    far = drawn.size // 20
    threshold = drawn[-far - 1]
    excess = float(np.mean(drawn[-far:] - threshold))
    return 0.0 if excess <= 0 else far / drawn.size * math.exp(-(badness - threshold) / excess)


def normal(value: float, standard_error: float, worse: Worse, method: str, typical: float = 0.0) -> Null:
    """Return the null of a statistic that is normal around its typical value if nothing is lost."""
    from scipy.special import ndtr, ndtri

    if standard_error <= 0:
        return Null(typical=typical, floor=typical, p=1.0 if value == typical else SMALLEST, method=method)
    sign = 1.0 if worse == "smaller" else -1.0
    p = float(ndtr(sign * (value - typical) / standard_error))
    return Null(typical=typical, floor=typical + sign * float(ndtri(LEVEL)) * standard_error, p=max(SMALLEST, p), method=method)


@lru_cache(1 << 16)
def chance_of_at_most(count: int, rows: int, marked: int, drawn: int) -> float:
    """Return the hypergeometric P(at most `count` of the drawn rows are marked).

    Results are cached, because thousands of pairs of columns need few different values.
    """
    from scipy.stats import hypergeom

    return _number(float(hypergeom.cdf(count, rows, marked, drawn)))


@lru_cache(1 << 16)
def chance_of_more(count: int, rows: int, marked: int, drawn: int) -> float:
    """Return the hypergeometric P(more than `count` of the drawn rows are marked)."""
    from scipy.stats import hypergeom

    return _number(float(hypergeom.sf(count, rows, marked, drawn)))


def _number(chance: float) -> float:
    """Return a probability from SciPy, with 0 in place of NaN. SciPy returns NaN if a probability is below the smallest number."""
    return 0.0 if math.isnan(chance) else chance


def larger_share(count: int, rows: int, reference_count: int, reference_rows: int) -> Null:
    """Return the null of a share count / rows, not of a ratio, compared with a human share: Fisher's exact test for a larger share.

    The floor depends only on the human share, not on the count.
    """
    from scipy.special import ndtri

    p = chance_of_more(count - 1, rows + reference_rows, count + reference_count, rows)
    share = (reference_count + 0.5) / (reference_rows + 1)
    reach = float(ndtri(1 - LEVEL)) * math.sqrt(share * (1 - share) * (1 / rows + 1 / reference_rows))
    return Null(
        typical=reference_count / reference_rows,
        floor=min(1.0, share + reach),
        p=min(1.0, max(SMALLEST, p)),
        method="Fisher's exact test",
    )


def permuted_sums(features: np.ndarray, first: int, rng: np.random.Generator, permutations: int = PERMUTATIONS) -> np.ndarray:
    """Return sums of row features (rows, features) over the first set under permuted labels, (permutations, features).

    Rows are divided at random into 512 blocks and the labels of blocks are permuted, for eight random divisions. Every labelling is uniformly random,
    at a hundredth of the cost of labelling single rows. Block sizes differ by one row, so the size of the first set differs by a few rows: divide by
    the count under the same labels. A table with fewer rows has one block per row.
    """
    rows = len(features)
    sums = []
    for some in np.array_split(np.arange(permutations), DEALS):
        starts = np.linspace(0, rows, min(BLOCKS, rows) + 1).astype(np.int64)[:-1]
        blocks = np.add.reduceat(features[rng.permutation(rows)], starts, axis=0)
        sums.append(random_labels(some.size, len(blocks), first / rows, rng).astype(float) @ blocks)
    return np.concatenate(sums)


def random_labels(permutations: int, things: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return which things are in the first set under random labels, (permutations, things). Each set has at least one thing.

    The first set has the number of things nearest to its share: those with the smallest random numbers, which is three times as fast as shuffling
    labels. The numbers have 24 bits. In one labelling of 30,000 two are equal at the limit, and the first set has one more thing.
    """
    chosen = min(max(1, round(share * things)), things - 1)
    numbers = rng.random((permutations, things), dtype=np.float32)
    return numbers <= np.partition(numbers, chosen - 1, axis=1)[:, chosen - 1 : chosen]


def relabelled(counts: np.ndarray, rng: np.random.Generator, permutations: int = PERMUTATIONS) -> np.ndarray:
    """Return counts (2, categories) under permuted labels, (2, permutations, categories). They are multivariate hypergeometric."""
    pooled = counts.sum(axis=0)
    permutations = int(min(permutations, max(FEWEST_PERMUTATIONS, MOST_COUNTS // pooled.size)))
    first_size, second_size = map(int, counts.sum(axis=1))
    # If there are few records per category, single records are drawn, otherwise the count of one category after another.
    method: Literal["count", "marginals"] = "count" if min(first_size, second_size) < FEW_A_CATEGORY * pooled.size else "marginals"
    first = rng.multivariate_hypergeometric(pooled, first_size, size=permutations, method=method)
    return np.stack([first, pooled - first])


def relabelled_together(codes: np.ndarray, first: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return counts of several columns of categories under the same permuted labels, [(2, permutations, categories)], in whole numbers.

    codes: the category of each record of the first set and then of the second in each column, from 0, (columns, records). first: the size of the
    first set. Each column alone has the distribution of `relabelled`. For few records, one product of matrices for all columns takes a fifth of the
    time of a draw for each count.
    """
    rows = codes.shape[1]
    ends = np.cumsum([0, *(codes.max(axis=1) + 1).tolist()])
    indicators = np.zeros((rows, int(ends[-1])), dtype=np.float32)
    indicators[np.arange(rows), codes + ends[:-1, None]] = 1.0
    labels = random_labels(PERMUTATIONS, rows, first / rows, rng)
    counts = (indicators.T @ labels.astype(np.float32).T).astype(np.int32)  # (categories, permutations)
    whole = indicators.sum(axis=0).astype(np.int32)[:, None]
    both = np.stack([counts, whole - counts]).transpose(0, 2, 1)
    return [both[:, :, start:stop] for start, stop in pairwise(ends.tolist())]


def permuted_ranks(
    shares: tuple[float, ...], first: int, second: int, rng: np.random.Generator, permutations: int = 499
) -> np.ndarray:
    """Return the ranks, among both sets together, of the quantiles of two sets under permuted labels, (2, permutations, quantiles).

    Columns without missing values share these ranks.
    """
    wanted = np.array([[int(share * (size - 1) + 0.5) for share in shares] for size in (first, second)])
    return permuted_cells(np.arange(first + second + 1), wanted, first, rng, permutations).cell


@dataclass(frozen=True, eq=False)
class PermutedCells:
    """The cells of things of two sets under permuted labels, (2 sets, permutations, things) each."""

    cell: np.ndarray
    """The cell in which the thing lies."""
    left: np.ndarray
    """Its position among the things of its set in that cell, from 0."""
    inside: np.ndarray
    """The number of things of its set in the cell."""


def permuted_cells(ends: np.ndarray, wanted: np.ndarray, first: int, rng: np.random.Generator, permutations: int) -> PermutedCells:
    """Find the cells in which the things at some positions of each set lie under permuted labels.

    ends: the number of things of both sets before each cell, and their total, (cells + 1,). wanted: positions in the order of the first and of the
    second set, from 0, (2, things). first: the size of the first set. The range of cells is halved until a half is a single cell. The number of
    things of the first set in a half is hypergeometric, given their number in the whole. Only halves with a wanted thing are drawn, and nothing is
    sorted.
    """
    cells = ends.size - 1
    place = np.tile(wanted.ravel(), (permutations, 1))  # position among the things of its set in the range, from 0
    is_second = np.arange(place.shape[1]) >= wanted.shape[1]
    labelling = np.broadcast_to(np.arange(permutations)[:, None], place.shape)
    start, stop, firsts = np.zeros_like(place), np.full_like(place, cells), np.full_like(place, first)  # of the range of cells
    while (stop - start > 1).any():
        middle = (start + stop + 1) // 2
        # Things of one labelling in the same range share its draw.
        _, representative, each = np.unique(labelling * cells + start, return_index=True, return_inverse=True)
        before, between, behind, of_first = (
            values.ravel()[representative] for values in (ends[start], ends[middle], ends[stop], firsts)
        )
        drawn = rng.hypergeometric(of_first, behind - before - of_first, between - before)
        below = drawn[each].reshape(place.shape)
        passed = np.where(is_second, ends[middle] - ends[start] - below, below)
        is_above = place >= passed
        place = np.where(is_above, place - passed, place)
        firsts = np.where(is_above, firsts - below, below)
        start, stop = np.where(is_above, middle, start), np.where(is_above, stop, middle)
    inside = np.where(is_second, ends[stop] - ends[start] - firsts, firsts)
    return PermutedCells(*(values.reshape(permutations, 2, -1).transpose(1, 0, 2) for values in (start, place, inside)))
