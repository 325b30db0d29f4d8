"""Curves from readings: one arm, one measure and one place over the generations, averaged over seeds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from outcross.estimate import NORMAL_QUANTILE, error_behind, mean, rounding
from outcross.measures import Page
from outcross.report.study import ShownReading, Study
from outcross.wording import amount

FEW_SEEDS = 3
"""Maximum number of seeds whose lines are drawn in addition to their mean. More lines would hide it."""


@dataclass(frozen=True)
class CurvePoint:
    """A curve at one generation. `value` is None if it could not be computed or is not finite."""

    generation: int
    value: float | None
    low: float | None = None
    high: float | None = None
    method: str = ""
    n: int | None = None
    whole_error: float | None = None
    """The standard error behind the interval before it was cut to the possible values (`within_range`). None if it was not cut."""


@dataclass(frozen=True)
class Curve:
    """An arm over the generations, with a thread for each seed if there are several."""

    arm: str
    points: tuple[CurvePoint, ...]
    threads: tuple[tuple[CurvePoint, ...], ...] = ()
    seeds: tuple[int, ...] = ()
    """The seed of each thread."""

    @property
    def known(self) -> tuple[CurvePoint, ...]:
        """The points that have a value, by generation."""
        return tuple(point for point in self.points if point.value is not None)

    def at(self, generation: int) -> CurvePoint | None:
        return next((point for point in self.known if point.generation == generation), None)

    @property
    def end(self) -> CurvePoint:
        """The point of the last generation that every seed has reached. Its value is None if no seed has a value there."""
        reached = min(thread[-1].generation for thread in self.threads) if self.threads else self.points[-1].generation
        return next(point for point in self.points if point.generation == reached)


@dataclass(frozen=True)
class Measured:
    """One place of one measure: the curve and the floor of each arm that has a value. The floor is the reading of other human data."""

    measure: str
    at: str
    curves: Mapping[str, Curve]
    floors: Mapping[str, Curve]

    @property
    def floor(self) -> Curve | None:
        """The common floor of all arms: the mean of their floors at each generation."""
        return _common(self.floors.values()) if self.floors else None


def measured(study: Study) -> list[Measured]:
    """Every measure and place that has at least one value, in the order of the readings."""
    readings: dict[tuple[str, str], dict[tuple[str, bool], list[ShownReading]]] = defaultdict(lambda: defaultdict(list))
    for reading in study.readings:
        readings[reading.measure, reading.at][reading.arm, reading.is_floor].append(reading)
    every = []
    for (measure, at), of_arms in readings.items():
        page = study.pages.get(measure)
        curves = {arm: curve(arm, of_arms[arm, False], page) for arm in study.arms if (arm, False) in of_arms}
        floors = {arm: curve(arm, of_arms[arm, True], page) for arm in study.arms if (arm, True) in of_arms}
        curves = {arm: line for arm, line in curves.items() if line.known}
        if curves:
            every.append(Measured(measure, at, curves, {arm: line for arm, line in floors.items() if line.known}))
    return every


def pooled(curve: Measured) -> Measured:
    """The same curves, but arms with more than three seeds keep only the mean and its interval."""
    curves = {
        arm: line if len(line.threads) <= FEW_SEEDS else replace(line, threads=(), seeds=()) for arm, line in curve.curves.items()
    }
    return replace(curve, curves=curves)


def curve(arm: str, readings: Iterable[ShownReading], page: Page | None) -> Curve:
    """The curve of one arm's readings of one place. Several seeds are averaged. Every interval is cut to the possible values of the page."""
    ordered = sorted(readings, key=lambda reading: (reading.seed, reading.generation))
    by_seed = {
        seed: tuple(within_range(_point(reading), page) for reading in group)
        for seed, group in groupby(ordered, lambda reading: reading.seed)
    }
    threads = tuple(by_seed.values())
    if len(threads) == 1:
        return Curve(arm, threads[0])
    by_generation: dict[int, list[CurvePoint]] = defaultdict(list)
    for point in (point for thread in threads for point in thread):
        by_generation[point.generation].append(point)
    return Curve(arm, tuple(mean_over_seeds(by_generation[g], page) for g in sorted(by_generation)), threads, tuple(by_seed))


def mean_over_seeds(points: Sequence[CurvePoint], page: Page | None) -> CurvePoint:
    """The mean of one generation's seeds with a 95 % t-interval. A single seed keeps its own interval, and seeds that agree have none.

    If every seed reads 0, there is no scatter to compute an interval from. This does not mean certainty: 0 of 50 records may be 1 of 100.
    With the page of the reading, the interval is cut to its possible values, since Student's interval of a few shares may reach below 0 or above 1.

    >>> point = mean_over_seeds([CurvePoint(0, 1.0), CurvePoint(0, 2.0), CurvePoint(0, 3.0)], None)
    >>> point.value, round(point.low, 3), round(point.high, 3), point.method, point.n
    (2.0, -0.484, 4.484, 'seeds', 3)
    """
    known = [point for point in points if point.value is not None]
    if not known:
        return CurvePoint(points[0].generation, None)
    if len(known) == 1:
        return within_range(known[0], page)
    values = [point.value for point in known if point.value is not None]
    if max(values) - min(values) <= rounding(*values) / len(values):
        return _alike(known, math.fsum(values) / len(values))
    seeds = mean(np.array(values), "seeds")
    return within_range(CurvePoint(known[0].generation, seeds.value, seeds.low, seeds.high, seeds.method, seeds.n), page)


def within_range(point: CurvePoint, page: Page | None) -> CurvePoint:
    """The point with its interval cut to the possible values of its reading, such as 0 to 1 for a share.

    The value stays as it is, and so does the coverage: the true value is a possible one, so the cut interval contains it whenever the whole one does.
    The half width stays that of the whole interval. A point without an interval, or of a reading without a page, is unchanged.

    >>> page = Page("X1", "share", "A share.", unit="fraction", healthy=1.0, collapsed="0", role="support", paper="")
    >>> point = within_range(CurvePoint(0, 0.2, -0.1, 0.5), page)
    >>> point.value, point.low, point.high, round(half_width(point), 3)
    (0.2, 0.0, 0.5, 0.3)
    """
    if page is None or point.value is None or point.low is None or point.high is None:
        return point
    lowest, highest = page.values
    low, high = min(max(point.low, lowest), point.value), max(min(point.high, highest), point.value)
    if (low, high) == (point.low, point.high):
        return point
    return replace(point, low=low, high=high, whole_error=error_of(point))


def _alike(known: Sequence[CurvePoint], value: float) -> CurvePoint:
    """The mean of seeds that agree to the last bits. It is exact if each of them is exact; otherwise it has no interval."""
    if all(point.method == "exact" for point in known):
        return replace(known[0], value=value)
    return CurvePoint(known[0].generation, value, None, None, f"{amount(len(known), 'seed')} agree: no interval", len(known))


def error_of(point: CurvePoint) -> float | None:
    """The standard error behind a 95 % interval, before it was cut to the possible values; None if there is no interval."""
    if point.whole_error is not None:
        return point.whole_error
    return None if point.low is None or point.high is None else error_behind(point.low, point.high)


def half_width(point: CurvePoint) -> float | None:
    """Half the width of the 95 % interval before it was cut to the possible values; None if there is no interval, or if it is no wider than rounding.

    It is not a multiple of the standard error of the mean over seeds, since Student's quantile over three seeds is 4.3 and over many chains 1.96.
    """
    error = error_of(point)
    if error is None or point.value is None:
        return None
    half = NORMAL_QUANTILE * error
    return half if half > rounding(point.value) else None


def _point(reading: ShownReading) -> CurvePoint:
    value = _finite(reading.value)
    if value is None:
        return CurvePoint(reading.generation, None)
    low, high = _finite(reading.low), _finite(reading.high)
    return CurvePoint(reading.generation, value, low, high, reading.method, reading.n)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _common(floors: Iterable[Curve]) -> Curve:
    by_generation: dict[int, list[CurvePoint]] = defaultdict(list)
    for point in (point for floor in floors for point in floor.known):
        by_generation[point.generation].append(point)
    return Curve("", tuple(_mean(by_generation[generation]) for generation in sorted(by_generation)))


def _mean(points: Sequence[CurvePoint]) -> CurvePoint:
    def mean(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return math.fsum(known) / len(known) if known else None

    return CurvePoint(
        points[0].generation,
        mean([point.value for point in points]),
        mean([point.low for point in points]),
        mean([point.high for point in points]),
    )
