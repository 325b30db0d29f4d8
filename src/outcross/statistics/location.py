"""Whether one set of numbers lies higher than another: the probability of superiority, and the difference of medians."""

from __future__ import annotations

import functools
import math

import numpy as np

from outcross.estimate import Estimate, NotApplicable, Null, share, student_quantile
from outcross.statistics.beyond import ranks_of_quantile
from outcross.statistics.floors import SMALLEST
from outcross.wording import amount

FEWEST = 20
"""Values a side, below which the interval would be too narrow."""


def superiority(synthetic: np.ndarray, human: np.ndarray) -> tuple[Estimate, Null]:
    """P(S > H) + P(S = H) / 2 of two sets of numbers, with the interval of Brunner and Munzel (Biom. J. 42:17, 2000), and its two-sided null.

    It has no scale and reads ties as they are. Where every synthetic number lies on one side of every human one its variance cannot be had, and the
    interval is Wilson's over as many pairs as the smaller set has numbers.

    NotApplicable where a set has fewer than twenty numbers, or all numbers of both sets are the same.

    >>> rng = np.random.default_rng(0)
    >>> estimate, null = superiority(rng.normal(0.5, 1, 400), rng.normal(0, 1, 400))
    >>> print(f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}], p = {null.p:.1e}")
    0.630 [0.592, 0.669], p = 4.4e-11
    """
    from scipy.stats import t as student

    n, m = synthetic.size, human.size
    if min(n, m) < FEWEST:
        raise NotApplicable(f"{amount(min(n, m), 'value')}, a location needs at least {FEWEST}")
    value, error, freedom = _superiority(synthetic, human)
    if error == 0 and value == 0.5:
        raise NotApplicable("one value in both sets")
    method = "Brunner-Munzel"
    if error == 0:
        k = min(n, m)
        low, high = share(round(value * k), k).interval
        return Estimate(value, low, high, f"{method}; Wilson where the sets do not meet", n), Null(
            0.5, p=_apart(n, m), floor=value, method=method
        )
    reach = student_quantile(freedom) * error
    estimate = Estimate(value, max(0.0, value - reach), min(1.0, value + reach), method, n)
    p = 2 * float(student.sf(abs(value - 0.5) / error, freedom))
    return estimate, Null(0.5, floor=0.5 + math.copysign(reach, value - 0.5), p=min(1.0, max(SMALLEST, p)), method=method)


def _superiority(synthetic: np.ndarray, human: np.ndarray) -> tuple[float, float, float]:
    """The probability, its standard error and its degrees of freedom."""
    from scipy.stats import rankdata

    n, m = synthetic.size, human.size
    both = rankdata(np.concatenate([synthetic, human]))
    # Each number's place among those of the other set, from 0 to as many as that has.
    above_human, above_synthetic = both[:n] - rankdata(synthetic), both[n:] - rankdata(human)
    value = float(above_human.mean()) / m
    parts = float(above_human.var(ddof=1)) / m**2 / n, float(above_synthetic.var(ddof=1)) / n**2 / m
    variance = sum(parts)
    freedom = variance**2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (m - 1)) if variance > 0 else 1.0
    return value, math.sqrt(variance), freedom


def _apart(n: int, m: int) -> float:
    """The chance that two honest sets without ties do not meet: two of all ways to deal n + m numbers."""
    return max(SMALLEST, min(1.0, 2 * math.exp(math.lgamma(n + 1) + math.lgamma(m + 1) - math.lgamma(n + m + 1))))


def median_shift(synthetic: np.ndarray, human: np.ndarray) -> tuple[float, float, Estimate]:
    """The medians of two sets, and the first less the second in the unit of the numbers.

    The interval joins those of both medians, which are order statistics; squared reaches add up (Zou and Donner, Stat. Med. 27:1693, 2008).
    """
    (ours, ours_low, ours_high), (theirs, theirs_low, theirs_high) = _median(synthetic), _median(human)
    below, above = math.hypot(ours - ours_low, theirs_high - theirs), math.hypot(ours_high - ours, theirs - theirs_low)
    return ours, theirs, Estimate(ours - theirs, ours - theirs - below, ours - theirs + above, "order statistics", synthetic.size)


def _median(values: np.ndarray) -> tuple[float, float, float]:
    """The median with its 95 % interval."""
    ordered = np.sort(values)
    low, high = np.interp(np.array(_ranks_of_median(values.size)) - 1, np.arange(values.size), ordered)
    return float(np.median(ordered)), float(low), float(high)


@functools.lru_cache(1024)
def _ranks_of_median(n: int) -> tuple[float, float]:
    return ranks_of_quantile(n, 0.5)


def records_that_tell(effect: float, power: float = 0.9, error: float = 0.05) -> int:
    """How many records a side see a probability of superiority that is `effect` away from a half: numbers without ties, two-sided.

    Its variance is 1 / 6n where nothing moved. Means of normal numbers need 3 / π as many: 2,101 a side for a shift of a tenth of a standard deviation.

    >>> records_that_tell(0.0282)
    2203
    """
    from scipy.special import ndtri

    return math.ceil((float(ndtri(1 - error / 2)) + float(ndtri(power))) ** 2 / (6 * effect**2))
