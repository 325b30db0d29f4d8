"""How the speed of collapse goes with a setting: the exponent b of |speed| = c x^b, as with the number of records."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.course import Course, Interval, Readings, student
from outcross.estimate import Estimate, NotApplicable
from outcross.settings import ROWS, Setting, word

if TYPE_CHECKING:
    import polars as pl

FEWEST = 3
"""Values of the setting: through two of them any line goes."""


@dataclass(frozen=True)
class Place:
    """One arm: the setting's value, the mean change of the reading a generation, and what the closed form gives for it."""

    arm: str
    at: float
    speed: Interval
    closed_form: float | None = None


@dataclass(frozen=True)
class Exponent:
    """The exponent of the speed of one reading in one setting, over arms that are otherwise alike, or why there is none.

    `among` says what these arms have in common where others differ (`replace`). `closed_form` is the same fit through the
    values of a closed form at the same settings, None where none is known.
    """

    metric: str
    setting: str
    among: str
    is_log: bool
    """Whether the speed is that of the reading's logarithm."""
    places: tuple[Place, ...]
    estimate: Estimate | None
    closed_form: float | None = None
    note: str = ""

    def plain(self) -> dict[str, Any]:
        """As plain data: the exponent with its interval, method and n, the closed form's, and the points."""
        one = self.estimate
        numbers = {"value": one.value, "low": one.low, "high": one.high, "method": one.method, "n": one.n} if one else {}
        points = [
            {"arm": place.arm, "at": place.at, "value": place.speed.value}
            | {"low": _finite(place.speed.low), "high": _finite(place.speed.high), "closed_form": place.closed_form}
            for place in self.places
        ]
        told = {"metric": self.metric, "setting": self.setting, "among": self.among, "of_logarithm": self.is_log}
        absent = dict.fromkeys(("value", "low", "high", "method", "n"))
        return told | absent | numbers | {"closed_form": self.closed_form, "note": self.note, "points": points}


def power(at: Sequence[float], sizes: Sequence[Interval], method: str = "") -> Estimate:
    """The exponent b of |size| = c at^b, by least squares of logs on logs; n is the number of points.

    With a `method` ("seeds", "chains") the intervals speak of independent repeats, and the exponent's follows from them, to
    first order. Without one it is the wider of that and of what the scatter about the line gives by Student's t: an interval
    over documents does not know of another training run.

    Raises NotApplicable under three values, or where a size has no logarithm: it may be 0, or signs differ.

    >>> estimate = power([10, 100, 1000], [Interval(1 / n, 0.9 / n, 1.1 / n) for n in (10, 100, 1000)], "chains")
    >>> print(f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}] n={estimate.n}")
    -1.000 [-1.031, -0.969] n=3
    """
    if (values := len(set(at))) < FEWEST:
        raise NotApplicable(f"{values} value{'s' * (values != 1)} of the setting, an exponent needs {FEWEST}; sweep over more")
    if min(at) <= 0:
        raise NotApplicable(f"the setting's value {min(at):g} has no logarithm; sweep over values above 0")
    signs = {math.copysign(1, size.value) for size in sizes}
    if unsure := [where for where, size in zip(at, sizes, strict=True) if not _is_sure(size)]:
        raise NotApplicable(f"the change at {', '.join(map(word, unsure))} may be 0, which has no logarithm; {MORE}")
    if len(signs) > 1:
        raise NotApplicable(f"the reading rises at some values and falls at others, so no power law fits; {MORE}")
    logs, heights = np.log(at), np.log([abs(size.value) for size in sizes])
    weights = (logs - logs.mean()) / np.sum((logs - logs.mean()) ** 2)
    slope = float(weights @ heights)
    scatter = heights - heights.mean() - slope * (logs - logs.mean())
    spread = math.sqrt(float(scatter @ scatter) / (len(logs) - 2)) * float(np.linalg.norm(weights)) * student(len(logs) - 2)
    halves = np.array([(size.high - size.low) / 2 / abs(size.value) for size in sizes])
    own = float(np.linalg.norm(weights * halves)) if np.isfinite(halves).all() else math.inf
    if not math.isfinite(own):
        half, method = spread, "scatter about the line"
    elif method:
        half = own
    else:
        half, method = max(own, spread), "readings' intervals or scatter about the line, the wider"
    return Estimate(slope, slope - half, slope + half, method, len(logs))


MORE = "more chains, seeds or generations may tell"


def exponents(
    readings: pl.DataFrame,
    settings: Sequence[Setting],
    laws: Mapping[tuple[str, str], Mapping[int, float]],
    logarithmic: frozenset[str] = frozenset(),
) -> list[Exponent]:
    """The exponent of every reading's speed in every number that three or more arms differ in, or that counts records.

    The speed is the mean change a generation from generation 0 to the last one that all of these arms have; of the logarithm
    for the readings that are called `logarithmic`. `readings` is a run's table, `laws` its closed forms by arm and reading.
    """
    whole = readings.filter(aspect="").drop_nulls("value")
    asked = [one for one in settings if one.is_number and (len(one.values) >= FEWEST or one.key in ROWS)]
    return [
        _exponent(whole, metric, setting, among, arms, laws, metric in logarithmic)
        for setting in asked
        for metric in whole["metric"].unique(maintain_order=True).to_list()
        for among, arms in _alike(setting, settings, set(whole.filter(metric=metric)["arm"].to_list()))
    ]


def _alike(setting: Setting, every: Sequence[Setting], there: set[str]) -> Iterator[tuple[str, list[str]]]:
    """Arms that differ in this setting alone, with what they have in common."""
    others = [one for one in every if one is not setting]
    groups: dict[tuple, list[str]] = {}
    for arm in setting.levels:
        if arm in there:
            groups.setdefault(tuple(one.levels[arm] for one in others), []).append(arm)
    for levels, arms in groups.items():
        if len(arms) > 1:
            yield (
                ", ".join(one.told(level) for one, level in zip(others, levels, strict=True)),
                sorted(arms, key=lambda arm: float(setting.levels[arm])),
            )


def _exponent(readings, metric: str, setting: Setting, among: str, arms: list[str], laws, is_log: bool) -> Exponent:
    own = readings.filter((readings["metric"] == metric) & readings["arm"].is_in(arms))
    try:
        courses = {arm: Readings(own, arm).course(metric) for arm in arms}
        courses = {arm: course.logged() for arm, course in courses.items()} if is_log else courses
        last = min(course.generations for course in courses.values()) - 1
        if last < 1:
            raise NotApplicable("one generation only, so nothing changes yet")
    except NotApplicable as why:
        return Exponent(metric, setting.name, among, is_log, (), None, note=str(why))
    places = tuple(
        Place(arm, float(setting.levels[arm]), _speed(course, last), _law_speed(laws.get((arm, metric), {}), last, is_log))
        for arm, course in courses.items()
    )
    at = [place.at for place in places]
    note = ""
    try:
        estimate = power(at, [place.speed for place in places], _repeats(own, courses))
    except NotApplicable as why:
        estimate, note = None, str(why)
    return Exponent(metric, setting.name, among, is_log, places, estimate, _closed_form(places), note)


def _speed(course: Course, last: int) -> Interval:
    return course.until(last + 1).slope()


def _repeats(own: pl.DataFrame, courses: Mapping[str, Course]) -> str:
    """What the intervals are over, where that is independent repeats; else nothing."""
    if all(len(course.values) > 1 for course in courses.values()):
        return "seeds"
    return "chains" if set(own["method"].to_list()) == {"chains"} else ""


def _law_speed(law: Mapping[int, float], last: int, is_log: bool) -> float | None:
    if 0 not in law or last not in law:
        return None
    first, end = (math.log(law[g]) if is_log else law[g] for g in (0, last))
    return (end - first) / last


def _closed_form(places: Sequence[Place]) -> float | None:
    known = [Interval(place.closed_form, place.closed_form, place.closed_form) for place in places if place.closed_form is not None]
    if len(known) < len(places):
        return None
    try:
        return power([place.at for place in places], known, "exact").value
    except NotApplicable:
        return None


def _is_sure(size: Interval) -> bool:
    """Surely not 0; where nothing says how far to trust it, its value must do."""
    return size.value != 0 and (not math.isfinite(size.low) or size.low * size.high > 0)


def _finite(end: float) -> float | None:
    return end if math.isfinite(end) else None
