"""(4): what becomes of the variance."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from outcross.collapse.course import Course, Readings
from outcross.collapse.definitions import Answer, Thresholds, answer, first_that_applies, since, without_end
from outcross.estimate import NotApplicable


@dataclass(frozen=True)
class Spread:
    """The log of how much records vary, over generations; `gone` is the first generation where nothing varies."""

    name: str
    course: Course
    gone: int | None = None
    caveat: str = ""
    clears: bool = True
    """Whether a run is cleared where it is level."""


def spread_of(readings: Readings) -> Spread:
    """The first variance that was read, or what stands in for it; NotApplicable if none."""

    def of_states() -> Spread:
        concentration = readings.course("concentration")
        left = replace(concentration, values=1 - concentration.values)
        return _logged("log (1 - concentration), the variance of a state", left)

    def of_trace() -> Spread:
        caveat = "a mean over chains that rare chains carry, so that it is level says nothing: read log_variance"
        return replace(_logged("log spread_ratio", readings.course("spread_ratio"), caveat), clears=False)

    def of_text() -> Spread:
        caveat = "text has no variance: the share of distinct word pairs stands in for it"
        return _logged("log distinct_2", readings.course("distinct_2"), caveat)

    makers = (lambda: Spread("log_variance", readings.course("log_variance")), of_states, of_trace, of_text)
    names = "log_variance, concentration, spread_ratio, or distinct_2 in its place"
    return first_that_applies(makers, f"no reading of a variance: {names}")


def _logged(name: str, course: Course, caveat: str = "") -> Spread:
    """The log up to the generation at which nothing is left in some seed."""
    dead = np.flatnonzero((course.values <= 0).any(axis=0))
    if dead.size == 0:
        return Spread(name, course.logged(), None, caveat)
    if dead[0] == 0:
        raise NotApplicable(f"{name}: nothing varied at generation 0")
    return Spread(name, course.until(dead[0]).logged(), int(dead[0]), caveat)


def collapsing_variance(readings: Readings, limits: Thresholds) -> Answer:
    """What models write varies less and less, and as if it would not stop, or little of it is left already."""
    spread = spread_of(readings)
    course, caveat = spread.course, f" ({spread.caveat})" if spread.caveat else ""
    if course.generations < 2:
        if spread.gone is not None:
            return answer("yes", None, spread.gone, f"Nothing varies from generation {spread.gone} on; {spread.name}{caveat}.")
        raise NotApplicable(f"{spread.name} has one generation, so it has no slope")
    slope, changes = course.slope(), course.changes()
    when = since([change.high < 0 for change in changes])
    rate = f"Slope of {spread.name}{caveat} {slope} a generation"
    if spread.gone is not None:
        note = f"{rate}; nothing varies from generation {spread.gone} on."
        return answer("yes", slope, spread.gone if when is None else when, note)
    if changes[-1].high < math.log(limits.remains):
        return answer("yes", slope, when, f"{rate}: less than {limits.remains:g} of generation 0's is left.")
    is_kept = changes[-1].low > math.log(1 - limits.margin)
    if slope.high < 0 and when is not None:
        verdict, why = without_end(replace(course, values=-course.values).bend())
        if verdict != "cannot_tell" or not is_kept:
            return answer(verdict, slope, when, f"{rate}: falling; {why}.")
    if is_kept:
        note = f"{rate}: the last generation surely keeps {1 - limits.margin:g} of generation 0's."
        return answer("no" if spread.clears else "cannot_tell", slope, None, note)
    return answer("cannot_tell", slope, None, f"{rate}: neither a fall nor its absence is sure.")
