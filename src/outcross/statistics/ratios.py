"""Ratios of estimates, of shares and of paired means, with their intervals and nulls."""

from __future__ import annotations

import math

import numpy as np

from outcross.estimate import Estimate, NotApplicable, Null, around, share
from outcross.statistics.floors import Worse, normal

WIDEST = 10.0
"""Largest standard error of the logarithm of a ratio. Above it, the ratio has no information."""
LARGEST = 700.0
"""The largest logarithm of a ratio; larger ones are cut to it. e^700 is near the largest floating-point number."""


def ratio_of_estimates(top: Estimate, bottom: Estimate, worse: Worse) -> tuple[Estimate, Null]:
    """Return the ratio of two estimates over independent things, and its null of equality.

    To first order, the logarithm of the ratio is normal, and its variance is the sum of the squares of both relative errors. The interval is
    computed for the logarithm. For two shares of few things use `ratio_of_shares`; for two losses over the same records, whose errors are
    correlated, use `trials.ratio`.

    Raises NotApplicable if an estimate is not above 0 or has no interval, or if the interval of the ratio would have no information.

    >>> ratio, null = ratio_of_estimates(around(1.0, 0.03, "documents", 50), around(2.0, 0.08, "documents", 50), "smaller")
    >>> print(f"{ratio.value:.1f} [{ratio.low:.3f}, {ratio.high:.3f}], {null.floor:.3f} by chance")
    0.5 [0.453, 0.551], 0.921 by chance
    """
    if min(top.value, bottom.value) <= 0:
        raise NotApplicable(f"{top.value:.3g} divided by {bottom.value:.3g}: a ratio needs both numbers above 0")
    error = math.hypot(top.standard_error / top.value, bottom.standard_error / bottom.value)
    if error > WIDEST:
        raise NotApplicable(f"{top.n} and {bottom.n} independent things are too few for an interval of a ratio; give more data")
    difference = math.log(top.value / bottom.value)
    return from_logarithms(around(difference, error, top.method, top.n), normal(difference, error, worse, top.method))


def from_logarithms(difference: Estimate, null: Null) -> tuple[Estimate, Null]:
    """Return a ratio and its null from the difference of logarithms and its null."""
    return difference.on_scale(_exponential), null.on_scale(_exponential)


def _exponential(logarithm: float) -> float:
    return math.exp(min(LARGEST, logarithm))


def ratio_of_shares(count: float, rows: int, reference_count: float, reference_rows: int) -> tuple[float, float, float]:
    """Return (count / rows) / (reference_count / reference_rows) with its 95 % interval from Wilson's interval of each share (MOVER-R; Donner and
    Zou, Stat. Methods Med. Res. 21:347, 2012). It is accurate for small counts and at 0. The upper end is infinite if the reference's share may be 0.

    >>> value, low, high = ratio_of_shares(300, 20_000, 600, 20_000)
    >>> print(f"{value} [{low:.3f}, {high:.3f}]")
    0.5 [0.436, 0.574]
    >>> value, low, high = ratio_of_shares(2, 60, 6, 60)
    >>> print(f"{value:.2f} [{low:.2f}, {high:.2f}]")
    0.33 [0.05, 1.45]
    """
    top, bottom = share(count, rows), share(reference_count, reference_rows)
    if bottom.value == 0:
        return math.inf, 0.0, math.inf
    product = top.value * bottom.value
    (top_low, top_high), (bottom_low, bottom_high) = top.interval, bottom.interval
    tops = top_low * (2 * top.value - top_low), top_high * (2 * top.value - top_high)
    bottoms = bottom_high * (2 * bottom.value - bottom_high), bottom_low * (2 * bottom.value - bottom_low)
    # The root is in the denominator of the lower end, because the upper end of a share of few records may exceed twice the share. Then bottoms[0] is
    # below 0.
    low = tops[0] / (product + math.sqrt(max(0.0, product**2 - tops[0] * bottoms[0]))) if product else 0.0
    high = math.inf if bottoms[1] <= 0 else (product + math.sqrt(max(0.0, product**2 - tops[1] * bottoms[1]))) / bottoms[1]
    return top.value / bottom.value, max(0.0, low), high


def ratio_of_paired_means(top: np.ndarray, bottom: np.ndarray, unit: str) -> Estimate:
    """Return the ratio of the means of two numbers of the same independent things, (n,) each, with Fieller's 95 % interval (1954), exact for normal
    numbers.

    Raises NotApplicable if the 95 % interval of the mean of `bottom` includes 0, because then every ratio is possible.

    >>> ratio = ratio_of_paired_means(np.array([0.9, 1.1, 1.0, 1.2]), np.array([2.0, 2.2, 1.9, 2.3]), "seeds")
    >>> print(f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]")
    0.500 [0.444, 0.552]
    """
    from scipy.stats import t

    n = len(top)
    if n < 2:
        raise NotApplicable(f"a ratio needs at least two {unit}, got {n}")
    a, b = float(np.mean(top)), float(np.mean(bottom))
    (aa, ab), (_, bb) = np.cov(top, bottom) / n
    q = float(t.ppf(0.975, n - 1)) ** 2
    scale = b * b - q * bb
    if scale <= 0:
        raise NotApplicable(f"the interval of the denominator includes 0 ({b:.3g} over {n} {unit}), so the ratio is not defined")
    middle = a * b - q * ab
    width = math.sqrt(max(0.0, middle**2 - scale * (a * a - q * aa)))
    return Estimate(a / b, (middle - width) / scale, (middle + width) / scale, f"Fieller over {unit}", n)
