"""Definition (4): collapsing variance."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from outcross.collapse.course import Course, Readings
from outcross.collapse.definitions import Answer, Thresholds, answer, first_that_applies, since, without_end
from outcross.estimate import NotApplicable
from outcross.measures import pages_of_runs, standing_for


@dataclass(frozen=True)
class SpreadCourse:
    """The logarithm of a variance over generations. `gone` is the first generation in which nothing varies."""

    name: str
    course: Course
    gone: int | None = None
    caveat: str = ""
    clears: bool = True
    """Whether a level course is evidence against collapse."""


def spread_of(readings: Readings) -> SpreadCourse:
    """Return the preferred variance among those that were measured, or a diversity in its place. Raises NotApplicable if there is none."""
    names, instead = standing_for("spread"), standing_for("diversity")
    makers = [
        *(lambda name=name: _spread(name, readings.course(name)) for name in names),
        *(lambda name=name: _stand_in(name, readings.course(name)) for name in instead),
    ]
    return first_that_applies(makers, f"no reading of a variance: {', '.join(names)}, or {', '.join(instead)} in its place")


def _spread(name: str, course: Course) -> SpreadCourse:
    """Return a variance as its logarithm. For a reading that goes to 1 under collapse, 1 minus the reading is the variance of a state."""
    page = pages_of_runs()[name]
    if page.unit == "nats":
        return SpreadCourse(name, course)
    if page.collapsed == "1":
        return _logged(f"log (1 - {name}), the variance of a state", replace(course, values=1 - course.values))
    if page.unit != "ratio":
        return _logged(f"log {name}", course)
    caveat = "a mean over chains that rare chains dominate, so a level course proves nothing: see log_variance"
    return replace(_logged(f"log {name}", course, caveat), clears=False)


def _stand_in(name: str, course: Course) -> SpreadCourse:
    title = pages_of_runs()[name].title
    return _logged(f"log {name}", course, f"text has no variance, so the share of {title} is used instead")


def _logged(name: str, course: Course, caveat: str = "") -> SpreadCourse:
    """Return the logarithm of a course, up to the generation in which a seed has no variance left."""
    dead = np.flatnonzero((course.values <= 0).any(axis=0))
    if dead.size == 0:
        return SpreadCourse(name, course.logged(), None, caveat)
    if dead[0] == 0:
        raise NotApplicable(f"{name}: nothing varied at generation 0")
    return SpreadCourse(name, course.until(dead[0]).logged(), int(dead[0]), caveat)


def collapsing_variance(readings: Readings, limits: Thresholds) -> Answer:
    """The variance of what models write falls without levelling off, or little of it is left."""
    spread = spread_of(readings)
    course, caveat = spread.course, f" ({spread.caveat})" if spread.caveat else ""
    if course.generations < 2:
        if spread.gone is not None:
            return answer("yes", None, spread.gone, f"Nothing varies from generation {spread.gone} on; {spread.name}{caveat}.")
        raise NotApplicable(f"{spread.name} has only one generation, so it has no slope")
    slope, changes = course.slope(), course.changes()
    when = since([change.high < 0 for change in changes])
    rate = f"Slope of {spread.name}{caveat} {slope} per generation"
    if spread.gone is not None:
        note = f"{rate}; nothing varies from generation {spread.gone} on."
        return answer("yes", slope, spread.gone if when is None else when, note)
    if changes[-1].high < math.log(limits.remains):
        return answer("yes", slope, when, f"{rate}: less than {limits.remains:g} of the spread of generation 0 is left.")
    is_kept = changes[-1].low > math.log(1 - limits.margin)
    if slope.high < 0 and when is not None:
        verdict, why = without_end(replace(course, values=-course.values).bend())
        if verdict != "cannot_tell" or not is_kept:
            return answer(verdict, slope, when, f"{rate}: falling; {why}.")
    if is_kept:
        note = f"{rate}: the last generation surely keeps {1 - limits.margin:g} of the spread of generation 0."
        return answer("no" if spread.clears else "cannot_tell", slope, None, note)
    return answer("cannot_tell", slope, None, f"{rate}: neither a fall nor its absence is sure.")
