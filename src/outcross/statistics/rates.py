"""Rates of groups and the gaps between them, with intervals that are valid at 0, exact intervals of shares, and the null distribution of a gap."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from outcross.estimate import NORMAL_QUANTILE, Estimate, NotApplicable, Null, share

DRAWS = 4000
"""Number of simulated sets of groups for the null distribution of a gap between several groups."""


def difference(first: tuple[int, int], second: tuple[int, int], pairs: int = 1) -> Estimate:
    """Return the rate of one group less that of another, (count, n) each, with Newcombe's interval from two Wilson intervals.

    `pairs`: the number of differences that are compared together. The error rate of the interval is divided by it (Bonferroni).

    Source: Newcombe, Statistics in Medicine 17:873 (1998), method 10.

    >>> estimate = difference((56, 70), (48, 80))
    >>> print(f"{estimate.value:.4f} {estimate.low:.4f} {estimate.high:.4f}")
    0.2000 0.0524 0.3339
    """
    (a, n), (b, m) = first, second
    if n == 0 or m == 0:
        raise NotApplicable("one of the two groups has no record of this kind")
    z = _quantile(pairs)
    (p, low_p, high_p), (q, low_q, high_q) = _wilson(a, n, z), _wilson(b, m, z)
    low = p - q - math.hypot(p - low_p, high_q - q)
    high = p - q + math.hypot(high_p - p, q - low_q)
    return Estimate(p - q, max(-1.0, low), min(1.0, high), "Newcombe", n + m)


def gap(rates: Sequence[tuple[int, int]], among: int = 1) -> Estimate:
    """Return the largest rate of groups (count, n) less the smallest, with an interval that is valid at 0.

    The largest of several differences is never negative, so a percentile bootstrap never covers a true gap of 0. The interval comes from simultaneous
    intervals of all signed differences (Newcombe, Bonferroni): its ends are the largest lower and the largest upper bound of their sizes. `among`:
    the number of gaps that are compared together.

    >>> estimate = gap([(50, 100), (50, 100)])
    >>> print(f"{estimate.value} {estimate.low} {estimate.high:.3f}")
    0.0 0.0 0.136
    """
    if len(rates) < 2:
        raise NotApplicable("a gap needs two groups")
    pairs = math.comb(len(rates), 2) * among
    differences = [difference(rate, other, pairs) for rate, other in itertools.combinations(rates, 2)]
    low = max(max(0.0, estimate.low or 0.0, -(estimate.high or 0.0)) for estimate in differences)
    high = max(max(estimate.high or 0.0, -(estimate.low or 0.0)) for estimate in differences)
    value = max(abs(estimate.value) for estimate in differences)
    return Estimate(value, low, high, "Newcombe over signed differences", sum(n for _, n in rates))


def larger(first: Estimate, second: Estimate) -> Estimate:
    """Return the larger of two gaps. Each must have been computed with `among` = 2."""
    ends = (max(first.low or 0.0, second.low or 0.0), max(first.high or 0.0, second.high or 0.0))
    return Estimate(max(first.value, second.value), *ends, first.method, first.n + second.n)


def gap_null(sizes: Sequence[Sequence[int]], rates: Sequence[float]) -> Null:
    """Return the null of the largest of some gaps if no groups differ: its mean, and the value that 5 % of samples reach.

    sizes: the numbers of records of the groups, one row per gap. rates: the common rate of each gap. For two groups and one gap the mean is
    √(2/π) √(p(1 − p)(1/n₁ + 1/n₀)). In all other cases it is simulated from the normal law of rates with a fixed random stream.

    >>> round(gap_null([[5000, 5000]], [0.5]).typical, 4)
    0.008
    """
    if min(min(row) for row in sizes) == 0:
        raise NotApplicable("one of the groups has no record of this kind")
    errors = [np.sqrt(rate * (1 - rate) / np.array(row)) for row, rate in zip(sizes, rates, strict=True)]
    if len(errors) == 1 and len(errors[0]) == 2:
        error = float(np.hypot(*errors[0]))
        return Null(math.sqrt(2 / math.pi) * error, floor=NORMAL_QUANTILE * error, method="mean if groups do not differ")
    rng = np.random.default_rng(0x6A9)
    drawn = np.max([np.ptp(rng.standard_normal((DRAWS, len(own))) * own, axis=1) for own in errors], axis=0)
    return Null(float(drawn.mean()), floor=float(np.quantile(drawn, 0.95)), method=f"mean of {DRAWS} draws if groups do not differ")


def rate(count: int, n: int) -> Estimate:
    """Return the rate of one group. Raises NotApplicable if it has no record."""
    if n == 0:
        raise NotApplicable("the group has no record of this kind")
    return share(count, n)


def clopper_pearson(count: int, n: int) -> Estimate | None:
    """Return a share with Clopper and Pearson's interval, whose coverage is at least 95 %. Returns None if n is 0.

    >>> print(f"{clopper_pearson(0, 59).high:.4f}")
    0.0606
    """
    return None if n == 0 else Estimate(count / n, *exact_ends(count, n, 0.025), "Clopper-Pearson", n)


def exact_ends(count: float, n: int, error: float) -> tuple[float, float]:
    """Return the ends of Clopper and Pearson's interval of a share (Biometrika 26:404, 1934). Each end is wrong in at most the share `error` of samples.

    >>> low, high = exact_ends(0, 100, 0.025)
    >>> print(f"{low:.4f} {high:.4f}")
    0.0000 0.0362
    """
    from scipy.special import betaincinv

    low = float(betaincinv(count, n - count + 1, error)) if count > 0 else 0.0
    high = float(betaincinv(count + 1, n - count, 1 - error)) if count < n else 1.0
    return low, high


def _quantile(pairs: int) -> float:
    """Return the normal quantile of a two-sided interval with confidence 1 − .05/pairs."""
    from scipy.special import ndtri

    return NORMAL_QUANTILE if pairs == 1 else float(ndtri(1 - 0.025 / pairs))


def _wilson(count: int, n: int, z: float) -> tuple[float, float, float]:
    """Return a share and the ends of its Wilson interval."""
    centre = (count + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(count * (n - count) / n + z * z / 4)
    return count / n, max(0.0, centre - half), min(1.0, centre + half)
