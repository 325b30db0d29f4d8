"""Ratios: how many times one number is another, and what that is where nothing is lost."""

from __future__ import annotations

import math

import numpy as np

from outcross.estimate import Estimate, NotApplicable, Null, around, share
from outcross.statistics.floors import Worse, normal

WIDEST = 10.0
"""Standard error of the logarithm of a ratio from which it says nothing."""
LARGEST = 700.0
"""The largest logarithm of a ratio: e^700 is nearly the largest number. A larger one is cut to it."""


def ratio_of_estimates(top: Estimate, bottom: Estimate, worse: Worse) -> tuple[Estimate, Null]:
    """The ratio of two estimates over independent things, and its null where both are equal.

    The logarithm of the ratio is normal with the squares of both relative errors as its variance (to first order), so the interval is
    e to the power of a normal one. Two shares of few things have `ratio_of_shares`; two losses over the same records, whose errors go
    together, have `trials.ratio_of_losses`.

    NotApplicable where an estimate is not above 0 or has no interval, or where the interval of the ratio would say nothing.

    >>> ratio, null = ratio_of_estimates(around(1.0, 0.03, "documents", 50), around(2.0, 0.08, "documents", 50), "smaller")
    >>> print(f"{ratio.value:.1f} [{ratio.low:.3f}, {ratio.high:.3f}], {null.floor:.3f} by chance")
    0.5 [0.453, 0.551], 0.921 by chance
    """
    if min(top.value, bottom.value) <= 0:
        raise NotApplicable(f"{top.value:.3g} against {bottom.value:.3g}: a ratio needs both above 0")
    error = math.hypot(top.standard_error / top.value, bottom.standard_error / bottom.value)
    if error > WIDEST:
        raise NotApplicable(f"{top.n} and {bottom.n} independent things give no interval of a ratio; give more data")
    difference = math.log(top.value / bottom.value)
    return from_logarithms(around(difference, error, top.method, top.n), normal(difference, error, worse, top.method))


def from_logarithms(difference: Estimate, null: Null) -> tuple[Estimate, Null]:
    """The ratio of which these are the difference of logarithms and its null."""
    return difference.on_scale(_exponential), null.on_scale(_exponential)


def _exponential(logarithm: float) -> float:
    return math.exp(min(LARGEST, logarithm))


def ratio_of_shares(count: float, rows: int, reference_count: float, reference_rows: int) -> tuple[float, float, float]:
    """(count / rows) / (reference_count / reference_rows) with its 95 % interval from Wilson's for each share (MOVER-R; Donner and Zou,
    Stat. Methods Med. Res. 21:347, 2012), good for small counts and at 0. The upper end is infinite where the reference's share may be 0.

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
    # The root stands in the denominator of the lower end, because the upper end of a share of few records may be more than twice the share: then bottoms[0] is below 0.
    low = tops[0] / (product + math.sqrt(max(0.0, product**2 - tops[0] * bottoms[0]))) if product else 0.0
    high = math.inf if bottoms[1] <= 0 else (product + math.sqrt(max(0.0, product**2 - tops[1] * bottoms[1]))) / bottoms[1]
    return top.value / bottom.value, max(0.0, low), high


def ratio_of_paired_means(top: np.ndarray, bottom: np.ndarray, unit: str) -> Estimate:
    """The mean of one number over that of another, both of the same independent things, (n,) each, with Fieller's 95 % interval (1954), exact for normal numbers.

    NotApplicable where the 95 % interval of the mean below meets 0: then every ratio is possible, and none is estimated.

    >>> ratio = ratio_of_paired_means(np.array([0.9, 1.1, 1.0, 1.2]), np.array([2.0, 2.2, 1.9, 2.3]), "seeds")
    >>> print(f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]")
    0.500 [0.444, 0.552]
    """
    from scipy.stats import t

    n = len(top)
    if n < 2:
        raise NotApplicable(f"a ratio needs two {unit} or more, got {n}")
    a, b = float(np.mean(top)), float(np.mean(bottom))
    (aa, ab), (_, bb) = np.cov(top, bottom) / n
    q = float(t.ppf(0.975, n - 1)) ** 2
    scale = b * b - q * bb
    if scale <= 0:
        raise NotApplicable(
            f"the interval of what is divided by meets 0 ({b:.3g} over {n} {unit}), so that the ratio is not defined"
        )
    middle = a * b - q * ab
    width = math.sqrt(max(0.0, middle**2 - scale * (a * a - q * aa)))
    return Estimate(a / b, (middle - width) / scale, (middle + width) / scale, f"Fieller over {unit}", n)
