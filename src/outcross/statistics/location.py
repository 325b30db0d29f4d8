"""Comparison of the location of two sets of numbers: the probability of superiority, and the difference of medians."""

from __future__ import annotations

import functools
import math

import numpy as np

from outcross.estimate import Estimate, NotApplicable, Null, share, student_quantile
from outcross.statistics.beyond import ranks_of_quantile
from outcross.statistics.floors import SMALLEST
from outcross.wording import amount

FEWEST = 20
"""Minimum number of values per side. With fewer, the interval would be too narrow."""


def superiority(synthetic: np.ndarray, human: np.ndarray) -> tuple[Estimate, Null]:
    """Return P(S > H) + P(S = H) / 2 of two sets of numbers, with the interval of Brunner and Munzel (Biom. J. 42:17, 2000), and its two-sided null.

    It does not depend on the scale, and ties count half. If every synthetic number lies on the same side of all human numbers, the variance cannot be
    estimated. The interval is then Wilson's over as many pairs as the smaller set has numbers.

    Raises NotApplicable if a set has fewer than twenty numbers, or if all numbers of both sets are equal.

    >>> rng = np.random.default_rng(0)
    >>> estimate, null = superiority(rng.normal(0.5, 1, 400), rng.normal(0, 1, 400))
    >>> print(f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}], p = {null.p:.1e}")
    0.630 [0.592, 0.669], p = 4.4e-11
    """
    from scipy.stats import t as student

    n, m = synthetic.size, human.size
    if min(n, m) < FEWEST:
        raise NotApplicable(f"{amount(min(n, m), 'value')}, but comparing locations needs at least {FEWEST} on each side")
    value, error, freedom = _superiority(synthetic, human)
    if error == 0 and value == 0.5:
        raise NotApplicable("all values of both sets are equal")
    method = "Brunner-Munzel"
    if error == 0:
        k = min(n, m)
        low, high = share(round(value * k), k).interval
        return Estimate(value, low, high, f"{method}; Wilson, as the sets do not overlap", n), Null(
            0.5, p=_apart(n, m), floor=value, method=method
        )
    reach = student_quantile(freedom) * error
    estimate = Estimate(value, max(0.0, value - reach), min(1.0, value + reach), method, n)
    p = 2 * float(student.sf(abs(value - 0.5) / error, freedom))
    return estimate, Null(0.5, floor=0.5 + math.copysign(reach, value - 0.5), p=min(1.0, max(SMALLEST, p)), method=method)


def _superiority(synthetic: np.ndarray, human: np.ndarray) -> tuple[float, float, float]:
    """Return the probability, its standard error and its degrees of freedom."""
    from scipy.stats import rankdata

    n, m = synthetic.size, human.size
    both = rankdata(np.concatenate([synthetic, human]))
    # Each number's rank among the numbers of the other set, from 0 to their number.
    above_human, above_synthetic = both[:n] - rankdata(synthetic), both[n:] - rankdata(human)
    value = float(above_human.mean()) / m
    parts = float(above_human.var(ddof=1)) / m**2 / n, float(above_synthetic.var(ddof=1)) / n**2 / m
    variance = sum(parts)
    freedom = variance**2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (m - 1)) if variance > 0 else 1.0
    return value, math.sqrt(variance), freedom


def _apart(n: int, m: int) -> float:
    """Return the probability that two sets of the same law, without ties, do not overlap: 2 of all C(n + m, n) ways to divide n + m numbers."""
    return max(SMALLEST, min(1.0, 2 * math.exp(math.lgamma(n + 1) + math.lgamma(m + 1) - math.lgamma(n + m + 1))))


def median_shift(synthetic: np.ndarray, human: np.ndarray) -> tuple[float, float, Estimate]:
    """Return the medians of two sets, and the first less the second in the unit of the numbers.

    The interval combines the intervals of both medians, whose ends are order statistics. Their squared widths add up (Zou and Donner, Stat. Med.
    27:1693, 2008).
    """
    (ours, ours_low, ours_high), (theirs, theirs_low, theirs_high) = _median(synthetic), _median(human)
    below, above = math.hypot(ours - ours_low, theirs_high - theirs), math.hypot(ours_high - ours, theirs - theirs_low)
    return ours, theirs, Estimate(ours - theirs, ours - theirs - below, ours - theirs + above, "order statistics", synthetic.size)


def _median(values: np.ndarray) -> tuple[float, float, float]:
    """Return the median with its 95 % interval."""
    ordered = np.sort(values)
    low, high = np.interp(np.array(_ranks_of_median(values.size)) - 1, np.arange(values.size), ordered)
    return float(np.median(ordered)), float(low), float(high)


@functools.lru_cache(1024)
def _ranks_of_median(n: int) -> tuple[float, float]:
    return ranks_of_quantile(n, 0.5)


def records_for_power(effect: float, power: float = 0.9, error: float = 0.05) -> int:
    """Return the number of records per side that detect a probability of superiority `effect` away from one half, two-sided, for numbers without
    ties.

    Its variance is 1 / 6n under the null. Means of normal numbers need 3 / π as many records: 2,101 per side for a shift of a tenth of a standard
    deviation.

    >>> records_for_power(0.0282)
    2203
    """
    from scipy.special import ndtri

    return math.ceil((float(ndtri(1 - error / 2)) + float(ndtri(power))) ** 2 / (6 * effect**2))
