"""Estimates: numbers with their intervals, and the readings of measures."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from outcross.errors import BadInput

Number = TypeVar("Number", float, np.ndarray)

NORMAL_QUANTILE = 1.959963984540054
"""The 97.5 % quantile of the normal law: half the width of a 95 % interval, in standard errors."""


class NotApplicable(Exception):
    """A measure cannot be computed here; the message says why. Never 0, NaN or an empty list instead."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, the method of the interval, and the number of units that it rests on.

    `low` and `high` are both numbers or both None. If they are None, `method` gives the reason ("one chain: no interval"), and reading
    `interval` or `standard_error` raises NotApplicable with that reason. A missing interval means that the uncertainty is unknown, never
    that it is 0. Otherwise `method` names the source of the interval ("skewness-corrected t over documents", "chains", "seeds", "Wilson").
    The method "exact" means that the value is known without error and the interval has no width.
    `n` is the number of units that were resampled or averaged over: documents, chains, seeds or records.

    Raises NotApplicable if a number is not finite. Raises BadInput if only one end is given, or if there is neither an interval nor a reason.
    """

    value: float
    low: float | None
    high: float | None
    method: str
    n: int

    def __post_init__(self):
        if not all(math.isfinite(number) for number in (self.value, self.low, self.high) if number is not None):
            raise NotApplicable(f"not a finite number: {self.value} [{self.low}, {self.high}]")
        if (self.low is None) != (self.high is None):
            raise BadInput(
                f"an interval has two ends, got [{self.low}, {self.high}]; give both, or None for both and the reason as the method"
            )
        if self.low is None and not self.method:
            raise BadInput(f"the value {self.value} has no interval and no reason; give the reason as its method")

    @property
    def interval(self) -> tuple[float, float]:
        """The two ends, low and high. Raises NotApplicable with the reason if there is no interval."""
        if self.low is None or self.high is None:
            raise NotApplicable(self.method)
        return self.low, self.high

    @property
    def standard_error(self) -> float:
        """The standard error whose normal 95 % interval has the width of this one.

        Raises NotApplicable with the reason if there is no interval.
        """
        return error_behind(*self.interval)

    def plain(self) -> dict[str, Any]:
        """The estimate as plain data for JSON, with rounded numbers (`rounded`).

        >>> Estimate(1 / 3, None, None, "one chain: no interval", 1).plain()
        {'value': 0.3333333333, 'low': None, 'high': None, 'method': 'one chain: no interval', 'n': 1}
        """
        return {
            "value": rounded(self.value),
            "low": rounded(self.low),
            "high": rounded(self.high),
            "method": self.method,
            "n": self.n,
        }

    def on_scale(self, scale: Callable[[float], float]) -> Estimate:
        """The estimate on another scale: the increasing function `scale` is applied to the value and both ends.

        Raises NotApplicable if a result is not finite.
        """
        value, low, high = (None if number is None else float(scale(number)) for number in (self.value, self.low, self.high))
        return replace(self, value=value, low=low, high=high)


@dataclass(frozen=True)
class Null:
    """The null of an estimate: the values that real data of the same size show when they are compared with real data."""

    typical: float
    """The typical value: the median over real samples, or the value of a single real sample."""
    low: float | None = None
    """The lower end of the 95 % interval of `typical`. `low` and `high` are None if there is no interval."""
    high: float | None = None
    floor: float | None = None
    """The value that 5 % of real samples of this size reach or exceed, on the side of a loss; None if it is not known."""
    p: float | None = None
    """One-sided p-value: the probability that a real sample is at least as bad, in (0, 1]; None if it is not known."""
    method: str = ""

    def on_scale(self, scale: Callable[[float], float]) -> Null:
        """The null on another scale: the function is applied to each value."""
        values = (None if value is None else scale(value) for value in (self.typical, self.low, self.high, self.floor))
        return Null(*values, self.p, self.method)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Reading:
    """The number that a measure gives for one place, one column and one group ("" means all), or a note that says why there is none."""

    measure: str
    """The name of the page that describes the measure."""
    estimate: Estimate | None
    null: Null | None = None
    """The null of real data of this size; None if it is not known."""
    at: str = ""
    """The place: an end and a depth ("upper 1 %"), a frequency band, a lag, a direction, or the other column of a pair."""
    column: str = ""
    group: str = ""
    note: str = ""
    """Why there is no number. Beside a number: a remark, such as the names of missing categories or why there is no null."""
    about: float = 1.0
    """The share of human records that the reading concerns, in [0, 1]: the share of a category, of the tail beyond a quantile, or of a group. 1 if it
    concerns all records."""
    range: tuple[float, float] | None = None
    """The minimum and maximum possible value here, if they are narrower than the range on the page. Example: if 1 % of human values are missing, that
    share can fall by 0.01 at most."""
    before: float | None = None
    """The value of the human data in plain units (a median, an association, an area, a number of categories), if it says more than the estimate; otherwise
    None."""
    after: float | None = None
    """The value of the evaluated data in the same units."""
    unit: str = ""
    """The unit of `before` and `after`: "" for that of the column, "day" for moments in days since 1970, "clock" for times of day in parts of a day."""
    change: Callable[[float, float], float] | None = None
    """A function of a value and a limit. It returns the minimum share of the records that the reading concerns that would have to change to
    bring the value to the limit. Set if these records determine that share exactly (`statistics.variety`). None if the rule of the page does."""
    explained_by: str = ""
    """The column whose own change explains the reading, if it is known. Another reading of that column states the change more directly."""


def read_off(
    measure: str, estimate: Callable[[], Estimate], *, null: Callable[[], Estimate] | None = None, at: str = "", group: str = ""
) -> Reading:
    """The reading of an estimate, with the estimate on real data as its null. If one cannot be computed, the note gives the reason."""
    value, why = _tried(estimate)
    real, why_not = (None, "") if null is None else _tried(null)
    note = why or (f"no null: {why_not}" if why_not else "")
    return Reading(measure, value, None if real is None else null_of(real), at, group=group, note=note)


def null_of(real: Estimate) -> Null:
    """The null that consists of the estimate on one real sample."""
    return Null(real.value, real.low, real.high, method=real.method)


def _tried(estimate: Callable[[], Estimate]) -> tuple[Estimate | None, str]:
    try:
        return estimate(), ""
    except NotApplicable as why:
        return None, str(why)


def exact(value: float, n: int = 1) -> Estimate:
    """A value that is known without error: a property of a known law, or a count over a whole population. A reading of one chain is not exact."""
    return Estimate(float(value), float(value), float(value), "exact", n)


def without_interval(value: float, why: str, n: int = 1) -> Estimate:
    """A value without an interval. `why` gives the reason, such as "one chain: no interval"."""
    return Estimate(float(value), None, None, why, n)


@functools.lru_cache(1024)
def student_quantile(degrees: float) -> float:
    """The 97.5 % quantile of Student's t. It replaces `NORMAL_QUANTILE` if the standard error is estimated with this number of degrees of freedom.

    >>> round(student_quantile(2), 4), round(student_quantile(1e9), 6) == round(NORMAL_QUANTILE, 6)
    (4.3027, True)
    """
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975))


def student_quantile_over(n: int, unit: str) -> float:
    """`student_quantile` for the variance between n units, whose plural noun is `unit`. Raises NotApplicable if n < 2."""
    if n < 2:
        raise NotApplicable(f"an interval over {unit} needs at least 2 of them, there is {n}")
    return student_quantile(n - 1)


def error_behind(low: Number, high: Number) -> Number:
    """The standard error whose normal 95 % interval is [low, high].

    >>> error_behind(0.0, 2 * NORMAL_QUANTILE)
    1.0
    """
    return (high - low) / (2 * NORMAL_QUANTILE)


def around(
    value: float, standard_error: float, method: str, n: int, *, minimum: float = -math.inf, maximum: float = math.inf
) -> Estimate:
    """A value with the normal interval of its standard error, cut to the possible range [minimum, maximum].

    >>> estimate = around(0.9, 0.1, "normal", 10, maximum=1.0)
    >>> print(f"{estimate.low:.3f} {estimate.high}")
    0.704 1.0
    """
    half = NORMAL_QUANTILE * standard_error
    return Estimate(value, max(minimum, value - half), min(maximum, value + half), method, n)


LAST_BITS = 64
"""Maximum difference between two results of the same sum, in units in the last place (see `rounding`)."""


def rounding(*magnitudes: float) -> float:
    """The maximum rounding difference of a sum: two processors may differ by this much on a sum of terms of the size `magnitudes`.

    It is 64 units in the last place of Σ |magnitude|, relatively 1.4e-14. The error of a sum of n terms is at most n - 1 half units of
    Σ |terms|, and about log₂ n of them if the terms are added pairwise, as in NumPy and BLAS (Higham, Accuracy and Stability of Numerical
    Algorithms, 2002, §4.2). A logarithm or an exponential adds up to four. Processors differ in the order of the sum and in whether a product
    is rounded before it is added. Sixty-four units leave room for about ten such operations in sequence.

    A narrower interval would describe the arithmetic and not the data. So an interval that is computed from scatter must be at least this wide, and a
    comparison with a closed form must tolerate this difference.

    >>> rounding(1.0) == 64 * 2.0**-52, rounding(-1.0, 3.0) == 4 * rounding(1.0), rounding(0.0)
    (True, True, 0.0)
    """
    return LAST_BITS * sys.float_info.epsilon * math.fsum(abs(float(magnitude)) for magnitude in magnitudes)


DIGITS = 10
"""Significant digits in which all processors agree, with room to spare.

An audit of 20,000 rows was run on two kinds of processor (with and without AVX2) and with one and four threads. A third of its numbers differed in the last
bits, relatively by up to 1.4e-13, and no number differed in its first ten digits. Such a difference is far below the width of an interval, but results
must also be the same byte for byte.
"""


def rounded(value: float | None) -> float | None:
    """The number rounded to `DIGITS` significant digits, so that its text is the same on every processor; None if it is not finite.

    >>> rounded(1 / 3), rounded(0.1 + 0.2), rounded(math.inf)
    (0.3333333333, 0.3, None)
    """
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")


def mean(values: np.ndarray, method: str) -> Estimate:
    """The mean of independent values with Student's t-interval, which is never narrower than the mean's rounding.

    It misleads if a few of the values dominate the mean: after many generations under replace, no interval over chains covers E s².

    Raises NotApplicable if there are fewer than two values.

    >>> estimate = mean(np.array([1.0, 2.0, 3.0]), "seeds")
    >>> print(f"{estimate.value} [{estimate.low:.4f}, {estimate.high:.4f}] {estimate.method} n={estimate.n}")
    2.0 [-0.4841, 4.4841] seeds n=3
    """
    n = values.size
    t = student_quantile_over(n, method)
    value = float(np.mean(values))
    half = max(t * float(np.std(values, ddof=1)) / math.sqrt(n), rounding(np.abs(values).max()))
    return Estimate(value, value - half, value + half, method, n)


ONE_CHAIN = "one chain: no interval"


def over_chains(values: np.ndarray) -> Estimate:
    """The mean over independent chains (any leading axes) with its t-interval. A single chain gives a value without an interval."""
    return without_interval(values.item(), ONE_CHAIN) if values.size == 1 else mean(np.ravel(values), "chains")


def share(count: float, n: int) -> Estimate:
    """The share of n independent units with Wilson's score interval (Wilson 1927), in [0, 1].

    For units in clusters use `statistics.clusters.share`, which is the same if each cluster holds one unit. For units that depend on each
    other in another way use `share_within`.

    If there are one to three hits or misses (one or two if n ≤ 50), the bound on that side comes from Poisson counts (Brown, Cai and DasGupta,
    Stat. Sci. 16:101, 2001, modified Wilson). Wilson's interval alone covers only 84 to 91 % of shares with about 0.2 expected hits.

    >>> share(0, 10).high > 0.2
    True
    >>> print(f"{share(1, 100).low:.4f} {share(99, 100).high:.4f}")
    0.0005 0.9995
    """
    if n == 0:
        raise NotApplicable("a share of nothing")
    z2 = NORMAL_QUANTILE**2
    centre = (count + z2 / 2) / (n + z2)
    half = math.sqrt(z2 * (count * (n - count) / n + z2 / 4)) / (n + z2)
    return Estimate(count / n, _few(count, n, centre - half), 1 - _few(n - count, n, 1 - centre - half), "Wilson", n)


def share_within(value: float, half: float, n: int, method: str) -> Estimate:
    """The share of n units that depend on each other, plus or minus `half`, in [0, 1]. Its interval is at least that of independent units.

    If all units agree, there is no scatter, and Wilson's interval is used.

    >>> estimate = share_within(1.0, 0.0, 100, "subsets of points")
    >>> print(f"{estimate.low:.3f} {estimate.high} {estimate.method}")
    0.963 1.0 subsets of points, at least Wilson
    """
    wilson_low, wilson_high = share(round(value * n), n).interval
    low, high = min(wilson_low, max(0.0, value - half)), max(wilson_high, min(1.0, value + half))
    return Estimate(value, low, high, f"{method}, at least Wilson", n)


def _few(hits: float, n: int, low: float) -> float:
    """The lower end of the interval of a share. If there are few hits, it comes from Poisson counts."""
    from scipy.special import gammaincinv

    if 1 <= hits <= (2 if n <= 50 else 3) and 2 * hits < n:
        return float(gammaincinv(hits, 0.05)) / n
    return max(0.0, low) if hits else 0.0
