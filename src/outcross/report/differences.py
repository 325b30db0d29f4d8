"""Differences between two values of curves, with the interval of the difference itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outcross.estimate import NORMAL_QUANTILE, error_behind, mean, rounding
from outcross.report.curves import Curve, CurvePoint, error_of
from outcross.report.numerals import number, times

INDEPENDENT = "as if the two were independent"


@dataclass(frozen=True)
class CurveDifference:
    """A second value minus a first one, or divided by it if values are compared by ratios."""

    value: float
    low: float
    high: float
    how: str
    """The basis of the interval: `over 3 paired seeds`, or `as if the two were independent`."""
    is_ratio: bool = False

    @property
    def none(self) -> float:
        """The value that means no difference: 1 for a ratio, otherwise 0."""
        return 1.0 if self.is_ratio else 0.0

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes no difference."""
        return not self.low <= self.none <= self.high

    @property
    def words(self) -> str:
        """The value with its interval.

        >>> CurveDifference(1.5, 1.2, 1.9, "", is_ratio=True).words, CurveDifference(-0.25, -0.5, 0.01, "").words
        ('×1.5 [1.2, 1.9]', '-0.25 [-0.5, 0.01]')
        """
        if self.is_ratio:
            return f"{times(self.value)} [{number(self.low, 3)}, {number(self.high, 3)}]"
        return f"{number(self.value, 3)} [{number(self.low, 3)}, {number(self.high, 3)}]"


def over_time(line: Curve, is_ratio: bool) -> CurveDifference | None:
    """The change of an arm from its first generation with a value to its last; None if the change has no interval."""
    first, last = line.known[0].generation, line.known[-1].generation
    pairs = [(_at(thread, first), _at(thread, last)) for thread in line.threads]
    return _difference(pairs, line.known[0], line.known[-1], is_ratio)


def between(line: Curve, reference: Curve, generation: int, is_ratio: bool) -> CurveDifference | None:
    """The difference of an arm from a reference arm at one generation.

    The seeds that both arms have are paired, since arms with the same seed share human data and random numbers. None if one of them has no
    value there, or if the difference has no interval.
    """
    first, second = reference.at(generation), line.at(generation)
    if first is None or second is None:
        return None
    threads = dict(zip(reference.seeds, reference.threads, strict=False))  # a curve may have seeds but no threads
    pairs = [
        (_at(threads[seed], generation), _at(thread, generation))
        for seed, thread in zip(line.seeds, line.threads, strict=False)
        if seed in threads
    ]
    return _difference(pairs, first, second, is_ratio)


def _at(points: Sequence[CurvePoint], generation: int) -> float | None:
    return next((point.value for point in points if point.generation == generation), None)


def _difference(
    pairs: Sequence[tuple[float | None, float | None]], first: CurvePoint, second: CurvePoint, is_ratio: bool
) -> CurveDifference | None:
    """The difference over pairs if there are at least two; otherwise from the two intervals."""
    known = [(a, b) for a, b in pairs if a is not None and b is not None and (not is_ratio or (a > 0 and b > 0))]
    if len(known) >= 2:
        apart = np.array([math.log(b / a) if is_ratio else b - a for a, b in known])
        if np.ptp(apart) <= rounding(*apart):
            return None
        estimate = mean(apart, "seeds")
        return _of(estimate.value, *estimate.interval, f"over {len(known)} paired seeds", is_ratio)
    errors = [_error(point, is_ratio) for point in (first, second)]
    if first.value is None or second.value is None or errors[0] is None or errors[1] is None:
        return None
    apart_by = math.log(second.value) - math.log(first.value) if is_ratio else second.value - first.value
    half = NORMAL_QUANTILE * math.hypot(errors[0], errors[1])
    return _of(apart_by, apart_by - half, apart_by + half, INDEPENDENT, is_ratio)


def _error(point: CurvePoint, is_ratio: bool) -> float | None:
    """The standard error of a value, or of its logarithm for a ratio; None if it is unknown."""
    if not is_ratio or point.value is None or point.low is None or point.high is None:
        return error_of(point)
    if min(point.value, point.low) <= 0:
        return None
    # The ends of an interval that was cut do not tell the error of the logarithm, so it is computed to first order.
    return error_behind(math.log(point.low), math.log(point.high)) if point.whole_error is None else point.whole_error / point.value


def _of(value: float, low: float, high: float, how: str, is_ratio: bool) -> CurveDifference:
    back = math.exp if is_ratio else float
    return CurveDifference(back(value), back(low), back(high), how, is_ratio)
