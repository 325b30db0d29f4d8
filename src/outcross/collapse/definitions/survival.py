"""Definitions (6) and (7): the survival of modes and tails of the human data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcross.collapse.course import Course, Interval, Readings, named
from outcross.collapse.definitions import Answer, Thresholds, answer, first_that_applies, since
from outcross.estimate import NotApplicable
from outcross.measures import standing_for


@dataclass(frozen=True)
class ShareKept:
    """A reading as a share of its floor in human data, or of generation 0 if there is no floor."""

    name: str
    share: Course
    has_floor: bool

    @property
    def compared_with(self) -> str:
        return "the value of other human data" if self.has_floor else "generation 0, so losses of the first fit are not counted"

    def parts(self) -> tuple[int, list[Interval]]:
        """Return the generation of the first share (0 with a floor, else 1), and the shares to compare with 1."""
        if self.has_floor:
            return 0, [self.share.at(generation) for generation in range(self.share.generations)]
        if self.share.generations < 2:
            raise NotApplicable("there is only one generation and no floor, so there is nothing to compare with")
        return 1, [change.plus(1.0) for change in self.share.changes()]


def _kept(readings: Readings, measure: str, at: str, course: Course) -> ShareKept:
    floor = readings.healthy(measure, at, course)
    if floor is not None and floor.values.min() > 0:
        return ShareKept(at or measure, course.over(floor), has_floor=True)
    if course.values[:, 0].min() <= 0:
        raise NotApplicable(f"{named(measure, at)} was 0 at generation 0 and has no floor")
    start = np.broadcast_to(course.values[:, :1], course.values.shape)
    return ShareKept(at or measure, course.over(Course(start, np.zeros(start.shape))), has_floor=False)


def lost_modes(readings: Readings, limits: Thresholds) -> Answer:
    """Modes of the human data disappear: groups, modes of a density or states that are no longer written."""
    makers = [lambda name=name: _kept(readings, name, "", readings.course(name)) for name in standing_for("modes")]
    names = standing_for("modes")
    kept: ShareKept = first_that_applies(makers, f"no reading of {', '.join(names[:-1])} or {names[-1]}")
    first, parts = kept.parts()
    when = since([part.high < 1 for part in parts], first)
    is_whole = all(part.low > 1 - limits.margin for part in parts)
    note = (
        f"{kept.name} of the last generation is {parts[-1]} of {kept.compared_with}: yes if surely below 1, "
        f"no if every generation is surely above {1 - limits.margin:g}."
    )
    return answer("yes" if when is not None else "no" if is_whole else "cannot_tell", parts[-1], when, note)


def lost_tails(readings: Readings, limits: Thresholds) -> Answer:
    """Rare human data disappear: the rare words of the human text are written less often, as a mean over frequency bands."""
    bands = _bands(readings)
    kept = _mean(tail_of(readings), bands)
    first, parts = kept.parts()
    when = since([part.high < 1 for part in parts], first)
    is_kept = all(part.low > 1 - limits.margin for part in parts)
    each = ", ".join(f"{band.name}: {band.share.at(kept.share.generations - 1).value:.2f}" for band in bands)
    note = (
        f"{kept.name} of the last generation is {parts[-1]} of {kept.compared_with}, mean of the bands ({each}): "
        f"no if every generation is surely above {1 - limits.margin:g}, else yes if surely below 1."
    )
    return answer("no" if is_kept else "yes" if when is not None else "cannot_tell", parts[-1], when, note)


def tails_of(readings: Readings) -> Course:
    """Return the share of the tails that is kept, as a mean over frequency bands. Raises NotApplicable if there are none."""
    return _mean(tail_of(readings), _bands(readings)).share


def _bands(readings: Readings) -> list[ShareKept]:
    """Return the share that is kept of every frequency band that can be compared."""
    bands, reasons, tail = [], [], tail_of(readings)
    for band in readings.places(tail):
        try:
            bands.append(_kept(readings, tail, band, readings.course(tail, band)))
        except NotApplicable as reason:
            reasons.append(str(reason))
    if not bands:
        raise NotApplicable(reasons[0] if reasons else f"no reading of {tail}")
    with_floor = [band for band in bands if band.has_floor]
    return with_floor or bands


def tail_of(readings: Readings) -> str:
    """Return the reading of the tails: the preferred one among those that were measured and have a number."""
    names = standing_for("tail")
    read = [name for name in names if readings.places(name)]
    return next((name for name in read if readings.has_number(name)), (read or names)[0])


def _mean(tail: str, bands: list[ShareKept]) -> ShareKept:
    generations = min(band.share.generations for band in bands)
    courses = [band.share.until(generations) for band in bands]
    values = np.mean([course.values for course in courses], axis=0)
    errors = np.mean([course.errors for course in courses], axis=0)  # bands share their text, so errors count as fully correlated
    why = next((course.why for course in courses if course.why), "")
    return ShareKept(tail, Course(values, errors, why), bands[0].has_floor)
