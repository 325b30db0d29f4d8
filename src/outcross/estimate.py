"""A number and how far to trust it."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from outcross.errors import BadInput

Number = TypeVar("Number", float, np.ndarray)

NORMAL_QUANTILE = 1.959963984540054
"""The 97.5 % quantile of the normal law: half the width of a 95 % interval, in standard errors."""


class NotApplicable(Exception):
    """A measure cannot be computed here; the message says why. Never 0, NaN or an empty list instead."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, how that was made, and the number of things it rests on.

    `low` and `high` are both numbers or both None. Where they are None, `method` says why there is no interval ("one chain: no
    interval"), and whoever asks for the interval or for the standard error gets NotApplicable with that reason: a missing
    interval means that the uncertainty is unknown, and never that it is 0. Otherwise `method` names the source of the interval ("skewness-corrected t over documents",
    "chains", "seeds", "Wilson"; "exact" where the value is known without error and the interval has no width).
    `n` counts what was resampled or averaged over: documents, chains, seeds, records.

    Raises NotApplicable where a number is not finite, BadInput where one end is missing or the reason is.
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
            raise BadInput(f"the value {self.value} has no interval and no reason; say as its method why there is none")

    @property
    def interval(self) -> tuple[float, float]:
        """The two ends, low and high; NotApplicable with the reason where there is no interval."""
        if self.low is None or self.high is None:
            raise NotApplicable(self.method)
        return self.low, self.high

    @property
    def standard_error(self) -> float:
        """The standard error of which the interval is the normal one.

        Raises NotApplicable with the reason where there is no interval.
        """
        return error_behind(*self.interval)

    def on_scale(self, scale: Callable[[float], float]) -> Estimate:
        """The same on another scale: the rising function `scale` of the value and its ends. NotApplicable where one is not finite there."""
        value, low, high = (None if number is None else float(scale(number)) for number in (self.value, self.low, self.high))
        return replace(self, value=value, low=low, high=high)


@dataclass(frozen=True)
class Null:
    """What real data of the same size show against real data: the number beside which an estimate is read."""

    typical: float
    """What they show in the middle: the median over real sets, or what one of them shows."""
    low: float | None = None
    """The lower end of the 95 % interval of `typical`; None, as `high`, where it has none."""
    high: float | None = None
    floor: float | None = None
    """The value that 5 % of real samples of this size reach or exceed, on the side of a loss; None where that is not known."""
    p: float | None = None
    """P(real against real is at least as bad), one-sided, in (0, 1]; None where that is not known."""
    method: str = ""

    def on_scale(self, scale: Callable[[float], float]) -> Null:
        """The same on another scale, on which the function puts each of its values."""
        values = (None if value is None else scale(value) for value in (self.typical, self.low, self.high, self.floor))
        return Null(*values, self.p, self.method)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Reading:
    """One number about one place, one column and one group ("" is the whole), or the note that says why there is none."""

    measure: str
    """The name of its page."""
    estimate: Estimate | None
    null: Null | None = None
    """What real data of this size show; None where that is not known."""
    at: str = ""
    """Where: an end and a depth ("upper 1 %"), a frequency band, a lag, a direction, the other column of a pair."""
    column: str = ""
    group: str = ""
    note: str = ""
    """Why there is no number; or what a reader should know of it, as the names of what is missing, or why it has no null."""
    about: float = 1.0
    """The share of human records that it is about, in [0, 1]: that of a category, of the tail beyond a quantile, of a group; 1 where it is about all."""
    range: tuple[float, float] | None = None
    """The least and the greatest value that it can take here, where that is less than its page says: a share of missing values that people leave in 1 % of
    records can fall by .01 at most."""
    before: float | None = None
    """What human data show in plain units (a median, an association, an area, a number of categories), where that says more than the estimate; None where it does not."""
    after: float | None = None
    """What these data show of it."""
    change: Callable[[float, float], float] | None = None
    """From a value and the limit to the least share of records that would have to change to bring it there, among those that the reading is about, where these records say it
    exactly (`statistics.variety`); None where the rule of the page does."""
    explained_by: str = ""
    """The column whose own change explains the reading, where that is known: another reading of that column says it more plainly."""


def read_off(
    measure: str, estimate: Callable[[], Estimate], *, null: Callable[[], Estimate] | None = None, at: str = "", group: str = ""
) -> Reading:
    """The reading of an estimate beside what real data show, which is an estimate too; or of the reasons why they cannot be had."""
    value, why = _tried(estimate)
    real, why_not = (None, "") if null is None else _tried(null)
    note = why or (f"no null: {why_not}" if why_not else "")
    return Reading(measure, value, None if real is None else null_of(real), at, group=group, note=note)


def null_of(real: Estimate) -> Null:
    """What one real set shows, as the null of an estimate."""
    return Null(real.value, real.low, real.high, method=real.method)


def _tried(estimate: Callable[[], Estimate]) -> tuple[Estimate | None, str]:
    try:
        return estimate(), ""
    except NotApplicable as why:
        return None, str(why)


def exact(value: float, n: int = 1) -> Estimate:
    """A value that is known without error: a property of a known law, or a count over a whole population. No reading of one chain is."""
    return Estimate(float(value), float(value), float(value), "exact", n)


def without_interval(value: float, why: str, n: int = 1) -> Estimate:
    """A value of which nothing says how far to trust it; `why` says so, as in "one chain: no interval"."""
    return Estimate(float(value), None, None, why, n)


@functools.lru_cache(1024)
def student_quantile(degrees: float) -> float:
    """The 97.5 % quantile of Student's t: `NORMAL_QUANTILE` where the standard error is estimated with so many degrees of freedom.

    >>> round(student_quantile(2), 4), round(student_quantile(1e9), 6) == round(NORMAL_QUANTILE, 6)
    (4.3027, True)
    """
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975))


def student_quantile_over(n: int, unit: str) -> float:
    """`student_quantile` for the variance between n things, which `unit` names; NotApplicable where there are fewer than two."""
    if n < 2:
        raise NotApplicable(f"an interval over {unit} needs at least 2 of them, there is {n}")
    return student_quantile(n - 1)


def error_behind(low: Number, high: Number) -> Number:
    """The standard error of which [low, high] is the normal 95 % interval.

    >>> error_behind(0.0, 2 * NORMAL_QUANTILE)
    1.0
    """
    return (high - low) / (2 * NORMAL_QUANTILE)


def around(
    value: float, standard_error: float, method: str, n: int, *, minimum: float = -math.inf, maximum: float = math.inf
) -> Estimate:
    """A value with the normal interval of its standard error, cut to the range [minimum, maximum] that the value can have.

    >>> estimate = around(0.9, 0.1, "normal", 10, maximum=1.0)
    >>> print(f"{estimate.low:.3f} {estimate.high}")
    0.704 1.0
    """
    half = NORMAL_QUANTILE * standard_error
    return Estimate(value, max(minimum, value - half), min(maximum, value + half), method, n)


LAST_BITS = 64
"""Units in the last place by which `rounding` lets the results of one sum differ."""


def rounding(*magnitudes: float) -> float:
    """The width of rounding: how far apart two processors may leave a sum of terms that are as large as `magnitudes`.

    It is 64 units in the last place of Σ |magnitude|, relatively 1.4e-14. A sum of n terms errs by at most n - 1 half units of
    Σ |terms|, and by about log₂ n where it is added pairwise, as NumPy and BLAS do (Higham, Accuracy and Stability of Numerical Algorithms,
    2002, §4.2); a logarithm or an exponential adds up to four. Processors differ in the order of the sum and in whether a product is
    rounded before it is added. Sixty-four leaves room for some ten such operations one after the other.

    An interval that is narrower is no interval: it says how the arithmetic was done. Who makes an interval from scatter
    makes it at least so wide, and who compares a number with a closed form allows for as much.

    >>> rounding(1.0) == 64 * 2.0**-52, rounding(-1.0, 3.0) == 4 * rounding(1.0), rounding(0.0)
    (True, True, 0.0)
    """
    return LAST_BITS * sys.float_info.epsilon * math.fsum(abs(float(magnitude)) for magnitude in magnitudes)


DIGITS = 10
"""Digits of a number that two processors agree on, with room to spare.

An audit of 20,000 rows on two kinds of processor and numbers of threads (with and without AVX2, one and four) gave a third of its numbers differently in
the last bits, by up to 1.4e-13 of them, and none differently in ten digits. An interval's width hides such a difference, but the same bytes need it gone.
"""


def rounded(value: float | None) -> float | None:
    """The number to `DIGITS` digits, so that it is the same bytes on every processor; None where it is not finite.

    >>> rounded(1 / 3), rounded(0.1 + 0.2), rounded(math.inf)
    (0.3333333333, 0.3, None)
    """
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")


def mean(values: np.ndarray, method: str) -> Estimate:
    """The mean of independent values with Student's t-interval, which is never narrower than the mean's rounding.

    It misleads where few of the values carry the mean: no interval over chains holds E s² under replace after many generations.

    Raises NotApplicable where fewer than two values give no interval.

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
    """The mean over independent chains (any leading axes) with its t-interval; one chain has a value, and says that it has no interval."""
    return without_interval(values.item(), ONE_CHAIN) if values.size == 1 else mean(np.ravel(values), "chains")


def share(count: float, n: int) -> Estimate:
    """A share of n independent things with Wilson's score interval (Wilson 1927), in [0, 1].

    Things that come in clusters have `statistics.clusters.share`, which is this one where each cluster holds one thing; those
    that depend on one another in another way have `share_within`.

    One to three hits or misses (two of up to fifty things) bound the share as Poisson counts do (Brown, Cai and DasGupta, Stat. Sci.
    16:101, 2001, modified Wilson): by Wilson's alone 84 to 91 % of intervals hold a share of which about a fifth of one hit is expected.

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
    """A share of n things that depend on one another, give or take `half`, in [0, 1]; at least as wide as that of independent ones.

    Where all of them agree their scatter says nothing, and Wilson's interval is what is left.

    >>> estimate = share_within(1.0, 0.0, 100, "subsets of points")
    >>> print(f"{estimate.low:.3f} {estimate.high} {estimate.method}")
    0.963 1.0 subsets of points, at least Wilson
    """
    wilson_low, wilson_high = share(round(value * n), n).interval
    low, high = min(wilson_low, max(0.0, value - half)), max(wilson_high, min(1.0, value + half))
    return Estimate(value, low, high, f"{method}, at least Wilson", n)


def _few(hits: float, n: int, low: float) -> float:
    """The lower end of a share, that of Poisson counts where they are few."""
    from scipy.special import gammaincinv

    if 1 <= hits <= (2 if n <= 50 else 3) and 2 * hits < n:
        return float(gammaincinv(hits, 0.05)) / n
    return max(0.0, low) if hits else 0.0
