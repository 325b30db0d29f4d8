"""Estimates of the share of a set's records that come from the second of two sources, if a sample of each source is known.

A set is a mixture (1 − α) H + α A. All estimators use one number per record. The naive estimator counts the records above a threshold. It is biased,
because it counts the false alarms of the first source and does not count the misses of the second. The other estimators correct for that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from outcross.errors import BadInput
from outcross.estimate import NORMAL_QUANTILE, Estimate, NotApplicable, without_interval
from outcross.statistics.clusters import covariance_of_means
from outcross.statistics.rates import exact_ends

INSIDE = 0.02
"""Minimum distance from 0 and 1 of the share for which the moments are most efficient."""


@dataclass(frozen=True, eq=False)
class ScoredSample:
    """A score of each record of a sample, and the group of each record. Records of one group are not independent."""

    values: np.ndarray
    """The scores, (n,)."""
    groups: np.ndarray
    """(n,), whole numbers. Records of two samples of sources that have the same number belong to one group."""


def independent(*values: np.ndarray) -> list[ScoredSample]:
    """Return samples in which every record is a group of its own. values: (n,) each.

    >>> [sample.groups.tolist() for sample in independent(np.zeros(2), np.zeros(3))]
    [[0, 1], [2, 3, 4]]
    """
    starts = np.cumsum([0, *(own.size for own in values)])
    return [ScoredSample(own, np.arange(own.size) + start) for own, start in zip(values, starts, strict=False)]


def count_and_classify(chances: np.ndarray) -> float:
    """Return the share of records with a probability above a half: the naive estimate, which is biased."""
    return float((chances > 0.5).mean())


def expected_share(chances: np.ndarray, prior: float) -> float:
    """Return the share of the second source with the largest likelihood of the mixture (Saerens et al., Neural Computation 14:21, 2002).

    chances: the probability of the second source for each record, (n,), calibrated on data in which that source had the share `prior`.

    >>> round(expected_share(np.repeat([0.9, 0.1], [30, 70]), 0.5), 4)
    0.25
    """
    if not 0 < prior < 1:
        raise BadInput(f"the share of the second source among the calibration records must be in (0, 1), got {prior:g}")
    if not chances.size:
        raise NotApplicable("a share needs records, but there are none")
    with np.errstate(divide="ignore"):
        ratio = chances / np.maximum(1 - chances, 1e-300) * (1 - prior) / prior
    return most_likely_share(ratio)


def most_likely_share(ratio: np.ndarray) -> float:
    """Return the α that maximises Σ log(1 − α + α r) with r = A(x)/H(x) of each record, (n,), by bisection of the derivative, which decreases in α.

    >>> round(most_likely_share(np.array([0.0, np.inf])), 4)
    0.5
    """
    finite = np.minimum(ratio, 1e12) - 1

    def slope(share: float) -> float:
        return float((finite / (1 + share * finite)).sum())

    low, high = 0.0, 1.0
    if slope(0.0) <= 0:
        return 0.0
    if not (ratio == 0).any() and slope(1.0) >= 0:
        return 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return (low + high) / 2


def adjusted_count(flagged: float, false_alarms: float, hits: float) -> float:
    """Return α = (flagged − false alarms)/(hits − false alarms), cut to [0, 1] (Forman, Data Min. Knowl. Discov. 17:164, 2008).

    Raises NotApplicable if hits do not exceed false alarms.

    >>> round(adjusted_count(0.275, 0.2477, 0.7523), 3)
    0.054
    """
    if hits <= false_alarms:
        raise NotApplicable(
            f"the classifier flags {hits:.3g} of the second source and {false_alarms:.3g} of the first, so a count has no information"
        )
    return float(np.clip((flagged - false_alarms) / (hits - false_alarms), 0.0, 1.0))


def efficient_moment(log_ratio: np.ndarray, share: float) -> np.ndarray:
    """Return h(x) = (r − 1)/(1 + α (r − 1)) with r = exp(log_ratio): the score function of the mixture at the share α, which is most efficient near
    α.

    α is limited to [.02, .98], so that |h| is at most 50.
    """
    inside = float(np.clip(share, INSIDE, 1 - INSIDE))
    with np.errstate(over="ignore"):
        excess = np.expm1(np.minimum(log_ratio, 700.0))
    return excess / (1 + inside * excess)


def share_by_moments(mixed: ScoredSample, first: ScoredSample, second: ScoredSample, method: str) -> Estimate:
    """Return α = (M − H)/(A − H) from the means of one moment over the set and over a sample of each source.

    Its interval is Fieller's 95 % interval (1954), cut to [0, 1] and widened by `inside_unit`. The estimate is consistent for any moment, because all three means
    are of the same function. With `efficient_moment` it has the variance of the maximum likelihood estimate if the densities in that function are
    correct. The interval includes the sampling error of all three samples over their groups, and the covariance of the samples of the sources if
    these have groups in common (human texts and their rewrites). The groups of the set are numbered on their own. Raises NotApplicable if the
    sources do not differ by more than their error.
    """
    m, h, a = (float(sample.values.mean()) for sample in (mixed, first, second))
    var_m = float(covariance_of_means([mixed.values[:, None]], [mixed.groups])[0, 0, 0, 0])
    between = covariance_of_means([sample.values[:, None] for sample in (first, second)], [first.groups, second.groups])
    (var_h, both), (_, var_a) = between[:, :, 0, 0]
    top, bottom = m - h, a - h
    var_top, var_bottom, shared = var_m + var_h, var_a + var_h - 2 * both, var_h - both
    q2 = NORMAL_QUANTILE**2
    square = bottom**2 - q2 * var_bottom
    if bottom <= 0 or square <= 0:
        raise NotApplicable(f"the two calibration samples do not differ by more than their error ({a:.3g} and {h:.3g})")
    middle = (top * bottom - q2 * shared) / square
    inside = middle**2 - (top**2 - q2 * var_top) / square
    half = math.sqrt(max(inside, 0.0))
    return inside_unit(top / bottom, middle - half, middle + half, method, mixed)


def inside_unit(value: float, low: float, high: float, method: str, mixed: ScoredSample) -> Estimate:
    """Return a share of the records of `mixed` with its interval, cut to [0, 1].

    If the estimate lies beyond an end, the cut interval has at least half of its original length. It also includes the exact interval of this share of
    as many records as the set has groups (Clopper and Pearson), since no scores tell more than the authors themselves. Otherwise it could have length
    0, as if the share were known without error. The interval only becomes longer, so its coverage does not fall.

    >>> (records,) = independent(np.zeros(100))
    >>> cut = inside_unit(-0.05, -0.09, -0.01, "", records)
    >>> print(cut.value, cut.low, f"{cut.high:.2f}")
    0.0 0.0 0.04
    >>> print(f"{inside_unit(0.0, 0.0, 0.0, '', records).high:.4f}")
    0.0362
    """
    groups = np.unique(mixed.groups).size
    half = min(1.0, (high - low) / 2)
    inside = min(1.0, max(0.0, value))
    first, last = min(inside, max(0.0, low)), max(inside, min(1.0, high))
    if last - first < half:
        first, last = (first, first + half) if inside <= 0.5 else (last - half, last)
    lowest, highest = exact_ends(inside * groups, groups, 0.025)
    return Estimate(inside, max(0.0, min(first, lowest)), min(1.0, max(last, highest)), method, len(mixed.values))


def at_least(mixed: ScoredSample, human: ScoredSample, bins: int = 10) -> Estimate:
    """Return the smallest share of a set that one known source cannot explain, if nothing is known about the other source.

    It is 1 − min over regions of M(region)/H(region), cut at 0. For every region R of the scores, the share of H is at most M(R)/H(R), whatever the
    other source is. The regions are the tails of the known source's scores. The lower end is simultaneous over all regions (Bonferroni; exact
    binomial limits, in which a group counts as one record). The upper end is 1, because the other source may look like the first. The scores of `mixed`
    are (n,), or (n, scorers) if several scorers scored each record; then the memberships in a region are averaged.
    """
    n, groups = np.unique(mixed.groups).size, np.unique(human.groups).size
    levels = np.arange(1, bins) / bins
    edges = np.quantile(human.values, levels)
    alpha = 0.05 / (4 * edges.size)
    value, low = 0.0, 0.0
    for edge in edges:
        for in_mixed, in_human in ((mixed.values <= edge, human.values <= edge), (mixed.values > edge, human.values > edge)):
            own, share = float(in_mixed.mean()), float(in_human.mean())
            upper = exact_ends(own * n, n, alpha)[1]
            lower = exact_ends(share * groups, groups, alpha)[0]
            value = max(value, 1 - own / share) if share > 0 else value
            low = max(low, 1 - upper / lower) if lower > 0 else low
    return Estimate(max(value, low), low, 1.0, "regions of the human score, Bonferroni", len(mixed.values))


def effective_size(weights: np.ndarray) -> float:
    """Return Kish's effective sample size (Σ w)² / Σ w² (1965). Raises NotApplicable if all weights are 0.

    >>> effective_size(np.array([1.0, 1.0, 0.0])), effective_size(np.array([1e-300, 1e-300]))
    (2.0, 2.0)
    """
    largest = float(weights.max(initial=0.0))
    if largest <= 0:
        raise NotApplicable("every weight is 0")
    relative = weights / largest  # squares of tiny weights would be 0
    return float(relative.sum()) ** 2 / float((relative**2).sum())


def naive(chances: np.ndarray) -> Estimate:
    """Return the naive count as an estimate. It has no interval, because it is biased."""
    return without_interval(count_and_classify(chances), "classify and count is biased: no interval", chances.size)
