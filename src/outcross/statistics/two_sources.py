"""How many of a set's records come from the second of two sources, where a sample of each is known.

A set is a mixture (1 − α) H + α A. All estimators see one number a record. The naive one counts those on the far side of a threshold; it is wrong by
construction, since it counts the first source's false alarms and not the second's misses. The others correct for that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from outcross.errors import BadInput
from outcross.estimate import NORMAL_QUANTILE, Estimate, NotApplicable, without_interval
from outcross.statistics.clusters import covariance_of_means

STEPS = 200
"""Steps of EM, at most."""
ENOUGH = 1e-7
"""A change of the share that ends EM."""
INSIDE = 0.02
"""How near to 0 and 1 the share may be for which the moments are the most efficient ones."""


@dataclass(frozen=True, eq=False)
class ScoredSample:
    """A number of each record of a sample, and the group that each belongs to (records of one group are not independent)."""

    values: np.ndarray
    """(n,)"""
    groups: np.ndarray
    """(n,), whole numbers. Records of two samples of sources that have the same number belong to one group."""


def independent(*values: np.ndarray) -> list[ScoredSample]:
    """Return samples in which every record is a group of its own. values: (n,) each.

    >>> [sample.groups.tolist() for sample in independent(np.zeros(2), np.zeros(3))]
    [[0, 1], [2, 3, 4]]
    """
    starts = np.cumsum([0, *(own.size for own in values)])
    return [ScoredSample(own, np.arange(own.size) + start) for own, start in zip(values, starts, strict=False)]


def count_and_classify(chances: np.ndarray, threshold: float = 0.5) -> float:
    """The share of records whose chance is above the threshold: the naive estimate, which is biased."""
    return float((chances > threshold).mean())


def expected_share(chances: np.ndarray, prior: float) -> float:
    """The share of the second source by expectation and maximisation (Saerens et al., Neural Computation 14:21, 2002). chances: (n,), of the second source, calibrated where
    it had the share `prior`. It is the maximum of the likelihood of the mixture.

    >>> round(expected_share(np.repeat([0.9, 0.1], [30, 70]), 0.5), 4)
    0.25
    """
    if not 0 < prior < 1:
        raise BadInput(f"the share of the second source among the calibration records must be in (0, 1), got {prior:g}")
    if not chances.size:
        raise NotApplicable("a share of nothing")
    with np.errstate(divide="ignore"):
        ratio = chances / np.maximum(1 - chances, 1e-300) * (1 - prior) / prior
    return most_likely_share(ratio)


def most_likely_share(ratio: np.ndarray) -> float:
    """α that maximises Σ log(1 − α + α r), r = A(x)/H(x) of each record, (n,): bisection of the derivative, which falls in α.

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
    """α = (flagged − false alarms)/(hits − false alarms), cut to [0, 1] (Forman, Data Min. Knowl. Discov. 17:164, 2008). NotApplicable where hits do not exceed false alarms.

    >>> round(adjusted_count(0.275, 0.2477, 0.7523), 3)
    0.054
    """
    if hits <= false_alarms:
        raise NotApplicable(
            f"the classifier flags {hits:.3g} of the second source and {false_alarms:.3g} of the first, so that a count says nothing"
        )
    return float(np.clip((flagged - false_alarms) / (hits - false_alarms), 0.0, 1.0))


def efficient_moment(log_ratio: np.ndarray, share: float) -> np.ndarray:
    """h(x) = (r − 1)/(1 + α (r − 1)) with r = exp(log_ratio): the score of the mixture at the share α, whose mean says the most about shares near it.

    α is kept inside [.02, .98], so that h has no value beyond 50 in size.
    """
    inside = float(np.clip(share, INSIDE, 1 - INSIDE))
    with np.errstate(over="ignore"):
        excess = np.expm1(np.minimum(log_ratio, 700.0))
    return excess / (1 + inside * excess)


def share_by_moments(mixed: ScoredSample, first: ScoredSample, second: ScoredSample, method: str) -> Estimate:
    """α = (M − H)/(A − H) from the means of one moment over the set and over a sample of each source, with Fieller's 95 % interval (1954), inside [0, 1] (`inside_unit`).

    It is consistent whatever the moment, since all three means are of the same function; with `efficient_moment` it has the variance of the maximum of the
    likelihood where that function's densities are right. The interval includes the scatter of all three samples over their groups, and the covariance
    of the samples of the sources if they have groups in common (human texts and their rewrites). The groups of the set are numbered on their own.
    Raises NotApplicable if the sources do not differ by more than their error.
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
    return inside_unit(top / bottom, middle - half, middle + half, method, mixed.values.size)


def inside_unit(value: float, low: float, high: float, method: str, n: int) -> Estimate:
    """A share with its interval, cut to [0, 1].

    Where chance puts the estimate beyond an end, the interval is at least half as long as before it was cut: cut alone, it could have no length, as if the share
    were known without error. That only makes it longer, so that it holds the share at least as often.

    >>> cut = inside_unit(-0.05, -0.09, -0.01, "", 100)
    >>> print(cut.value, cut.low, f"{cut.high:.2f}")
    0.0 0.0 0.04
    """
    half = min(1.0, (high - low) / 2)
    inside = min(1.0, max(0.0, value))
    first, last = min(inside, max(0.0, low)), max(inside, min(1.0, high))
    if last - first < half:
        first, last = (first, first + half) if inside <= 0.5 else (last - half, last)
    return Estimate(inside, max(0.0, first), min(1.0, last), method, n)


def at_least(mixed: np.ndarray, human: ScoredSample, bins: int = 10) -> Estimate:
    """The least share of a set that one known source cannot explain, where nothing is known of the other: 1 − min over regions of M(region)/H(region), cut at 0.
    mixed: (n,), or (n, scorers) where several scored each record, over which its place is averaged.

    Whatever the other source is, H's share is at most M(R)/H(R) for every region R of a record's number. The regions are the tails of the known source's
    own numbers. The lower end holds for all of them together (Bonferroni; exact binomial limits); there is no upper end below 1, since the other source may look like the first.
    """
    from scipy.special import betaincinv

    n, groups = len(mixed), int(human.groups.max()) + 1
    levels = np.arange(1, bins) / bins
    edges = np.quantile(human.values, levels)
    alpha = 0.05 / (4 * edges.size)
    value, low = 0.0, 0.0
    for edge in edges:
        for in_mixed, in_human in ((mixed <= edge, human.values <= edge), (mixed > edge, human.values > edge)):
            k, share = float(in_mixed.reshape(n, -1).mean(axis=1).sum()), float(in_human.mean())
            hits = share * groups
            upper = float(betaincinv(k + 1, n - k, 1 - alpha)) if k < n else 1.0
            lower = float(betaincinv(hits, groups - hits + 1, alpha)) if hits > 0 else 0.0
            value = max(value, 1 - k / n / share) if share > 0 else value
            low = max(low, 1 - upper / lower) if lower > 0 else low
    return Estimate(max(value, low), low, 1.0, "regions of the human score, Bonferroni", n)


def effective_size(weights: np.ndarray) -> float:
    """(Σ w)² / Σ w² (Kish 1965): the number of equal weights that a mean with these weights is worth. NotApplicable where all are 0.

    >>> effective_size(np.array([1.0, 1.0, 0.0]))
    2.0
    """
    total = float(weights.sum())
    if total <= 0:
        raise NotApplicable("every weight is 0")
    return total**2 / float((weights**2).sum())


def naive(chances: np.ndarray) -> Estimate:
    """The naive count as an estimate, which has no interval because it is biased."""
    return without_interval(count_and_classify(chances), "classify and count is biased: no interval", chances.size)
