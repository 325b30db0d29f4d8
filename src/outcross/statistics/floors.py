"""Floors: what real data show against real data of the same size, and how often they look as bad as this.

A floor answers the question that a bare number leaves open: how far below 1 does a variance ratio fall by chance? Every way of
making one gives a `Null`; all p-values are one-sided and never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from outcross.estimate import NotApplicable, Null

Worse = Literal["smaller", "larger"]
"""Which way a statistic moves where something is lost."""

LEVEL = 0.05
"""One in twenty real sets reaches the floor or passes it."""
PERMUTATIONS = 999
FEWEST_PERMUTATIONS, MOST_COUNTS = 249, 5_000_000
"""Of more than 5,000 categories fewer labellings are counted: of 20,000 a thousand would take 320 MB and seconds, and say hardly more."""
BLOCKS, DEALS = 512, 8
FEW_A_CATEGORY = 8
"""Records of the smaller set a category, below which drawing the records is faster than drawing the number of each category."""
SMALLEST = 1e-12
"""No p-value is smaller: no simulation and no normal tail is known farther out."""


def from_draws(value: float, draws: np.ndarray, worse: Worse, method: str) -> Null:
    """The null that draws of the statistic (draws,) from real against real make.

    p is (1 + draws at least as bad) / (1 + draws), the value itself among them (Phipson and Smyth 2010). Where fewer than ten draws are as
    bad, the tail beyond the worst twentieth is taken to fall off exponentially from there, as a generalised Pareto law of shape 0 does
    (Knijnenburg et al., Bioinformatics 25:i161, 2009, whose fitted shape is below 0 for statistics such as these, so that this p is the larger one).

    >>> from_draws(0.5, np.linspace(0.8, 1.2, 999), "smaller", "permutation").p < 0.001
    True
    """
    sign = -1.0 if worse == "smaller" else 1.0
    badness, drawn = sign * value, np.sort(sign * draws)
    as_bad = int(drawn.size - np.searchsorted(drawn, badness - 1e-12 * abs(badness), side="left"))
    p = (1 + as_bad) / (1 + drawn.size)
    if as_bad < 10 and drawn.size >= 200:
        p = min(p, _beyond(badness, drawn)) if as_bad == 0 else p
    floor = float(np.quantile(draws, LEVEL if worse == "smaller" else 1 - LEVEL))
    return Null(typical=float(np.median(draws)), floor=floor, p=max(SMALLEST, p), method=method)


def percentile_interval(draws: np.ndarray) -> tuple[float, float]:
    """The 2.5 % and the 97.5 % quantile of draws, between which 95 % of them lie.

    >>> low, high = percentile_interval(np.linspace(0, 1, 1001))
    >>> print(f"{low:.3f} {high:.3f}")
    0.025 0.975
    """
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _beyond(badness: float, drawn: np.ndarray) -> float:
    """P(a draw beyond `badness`), which lies beyond all of them."""
    far = drawn.size // 20
    threshold = drawn[-far - 1]
    excess = float(np.mean(drawn[-far:] - threshold))
    return 0.0 if excess <= 0 else far / drawn.size * math.exp(-(badness - threshold) / excess)


def normal(value: float, standard_error: float, worse: Worse, method: str, typical: float = 0.0) -> Null:
    """The null of a statistic that is normal about its typical value where nothing is lost."""
    from scipy.special import ndtr, ndtri

    if standard_error <= 0:
        return Null(typical=typical, floor=typical, p=1.0 if value == typical else SMALLEST, method=method)
    sign = 1.0 if worse == "smaller" else -1.0
    p = float(ndtr(sign * (value - typical) / standard_error))
    return Null(typical=typical, floor=typical + sign * float(ndtri(LEVEL)) * standard_error, p=max(SMALLEST, p), method=method)


def fewer(count: int, rows: int, reference_count: int, reference_rows: int) -> Null:
    """The null of a ratio of shares (count / rows) / (reference_count / reference_rows): Fisher's exact test of a smaller one.

    Where nothing is lost, the labels of all rows are exchangeable and the count is hypergeometric. Also right where a threshold is the
    reference's own order statistic, as for the mass beyond a real quantile: the exact law is then negative hypergeometric, whose
    p is at most this one. The floor is what the human share alone predicts, whatever the count is.
    """
    if rows == 0 or reference_rows == 0:
        raise NotApplicable("a share of no records")
    p = chance_of_at_most(count, rows + reference_rows, count + reference_count, rows)
    expected = rows * reference_count / reference_rows
    floor = _fewest(rows + reference_rows, round(expected) + reference_count, rows) / expected if expected else 1.0
    return Null(typical=1.0, floor=floor, p=min(1.0, max(SMALLEST, p)), method="Fisher's exact test")


@lru_cache(1 << 16)
def chance_of_at_most(count: int, rows: int, marked: int, drawn: int) -> float:
    """P(at most so many of the rows drawn are marked), hypergeometric. Each is worked out once: thousands of pairs of columns ask for few different ones."""
    from scipy.stats import hypergeom

    return _number(float(hypergeom.cdf(count, rows, marked, drawn)))


@lru_cache(1 << 16)
def chance_of_more(count: int, rows: int, marked: int, drawn: int) -> float:
    """P(more than so many of the rows drawn are marked), hypergeometric."""
    from scipy.stats import hypergeom

    return _number(float(hypergeom.sf(count, rows, marked, drawn)))


def _number(chance: float) -> float:
    """A chance that SciPy works out; it has none for what is below the smallest number, which is 0."""
    return 0.0 if math.isnan(chance) else chance


@lru_cache(1 << 16)
def _fewest(rows: int, marked: int, drawn: int) -> float:
    """The number of marked rows among those drawn that one in twenty draws reaches or falls below, hypergeometric."""
    from scipy.stats import hypergeom

    return float(hypergeom.ppf(LEVEL, rows, marked, drawn))


def larger_share(count: int, rows: int, reference_count: int, reference_rows: int) -> Null:
    """The null of a share count / rows, not of a ratio, against a human one: Fisher's exact test of a larger one.

    The floor is what the human share alone predicts, whatever the count is.
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
    """Sums of row features (rows, features) over the first set under random labels, (permutations, features).

    Rows are dealt at random into 512 blocks and labels permuted over blocks, with eight deals: every labelling is a uniformly random one, at a
    hundredth of the cost of labelling rows one by one. Blocks differ by a row, so the first set by a few: divide by the count that the
    same labels give. A smaller table has a block a row.
    """
    rows = len(features)
    sums = []
    for some in np.array_split(np.arange(permutations), DEALS):
        starts = np.linspace(0, rows, min(BLOCKS, rows) + 1).astype(np.int64)[:-1]
        blocks = np.add.reduceat(features[rng.permutation(rows)], starts, axis=0)
        sums.append(random_labels(some.size, len(blocks), first / rows, rng).astype(float) @ blocks)
    return np.concatenate(sums)


def random_labels(permutations: int, things: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Which things are of the first set under random labels: as many as its share is nearest to, and one at least of each set. (permutations, things)

    They are the things with the smallest of random numbers, which is three times as fast as to shuffle labels. The numbers have 24 bits: in one
    labelling of 30,000 two are equal at the limit, and the first set has a thing more.
    """
    chosen = min(max(1, round(share * things)), things - 1)
    numbers = rng.random((permutations, things), dtype=np.float32)
    return numbers <= np.partition(numbers, chosen - 1, axis=1)[:, chosen - 1 : chosen]


def relabelled(counts: np.ndarray, rng: np.random.Generator, permutations: int = PERMUTATIONS) -> np.ndarray:
    """Counts (2, categories) under random labels, (2, permutations, categories): multivariate hypergeometric."""
    pooled = counts.sum(axis=0)
    permutations = int(min(permutations, max(FEWEST_PERMUTATIONS, MOST_COUNTS // pooled.size)))
    first_size, second_size = map(int, counts.sum(axis=1))
    # Records are drawn one by one where they are few for each category, and else one category after another.
    method: Literal["count", "marginals"] = "count" if min(first_size, second_size) < FEW_A_CATEGORY * pooled.size else "marginals"
    first = rng.multivariate_hypergeometric(pooled, first_size, size=permutations, method=method)
    return np.stack([first, pooled - first])


def permuted_ranks(
    shares: tuple[float, ...], first: int, second: int, rng: np.random.Generator, permutations: int = 499
) -> np.ndarray:
    """Where the quantiles of two sets lie among the ranks of both together under random labels, (2, permutations, quantiles); columns without missing values share them."""
    wanted = np.array([[int(share * (size - 1) + 0.5) for share in shares] for size in (first, second)])
    return permuted_cells(np.arange(first + second + 1), wanted, first, rng, permutations).cell


@dataclass(frozen=True, eq=False)
class PermutedCells:
    """Where things of two sets lie under random labels, (2 sets, permutations, things) each."""

    cell: np.ndarray
    """The cell that the thing lies in."""
    left: np.ndarray
    """Its place among the things of its set in that cell, from 0."""
    inside: np.ndarray
    """How many things of its set the cell holds."""


def permuted_cells(ends: np.ndarray, wanted: np.ndarray, first: int, rng: np.random.Generator, permutations: int) -> PermutedCells:
    """In which cells of both sets together the things of some places of each set lie under random labels.

    ends: how many things of both sets lie before each cell, and how many in all, (cells + 1,); wanted: places in the order of the first and of the second set, from 0, (2, things); first: the size of the first set.
    Cells are halved until a half is one cell, and how many things of a half are of the first set is hypergeometric, given how many of the whole are. Only halves that hold a thing that is asked for are drawn, and nothing is sorted.
    """
    cells = ends.size - 1
    place = np.tile(wanted.ravel(), (permutations, 1))  # of the thing among the things of its set in the stretch, from 0
    is_second = np.arange(place.shape[1]) >= wanted.shape[1]
    labelling = np.broadcast_to(np.arange(permutations)[:, None], place.shape)
    start, stop, firsts = np.zeros_like(place), np.full_like(place, cells), np.full_like(place, first)  # of the stretch of cells
    while (stop - start > 1).any():
        middle = (start + stop + 1) // 2
        # Things of one labelling that lie in one stretch share its draw.
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
