"""Definition (8): data appear that are unlike any human data."""

from __future__ import annotations

import numpy as np

from outcross.collapse.course import Course, Readings
from outcross.collapse.definitions import Answer, Thresholds, answer, since

MEASURE, AT, HUMAN_SHARE = "beyond_human", "above human 99.9 %", 0.001


def hallucination(readings: Readings, limits: Thresholds) -> Answer:
    """Data appear that are unlike any human data: blocks less likely than almost any human block are more frequent than in human data."""
    course = readings.course(MEASURE, AT)
    floor, source = readings.null(MEASURE, AT, course), "the floor in human data"
    if floor is None:  # without a floor, the human share beyond the limit is known, because the limit is a quantile
        shape = course.values.shape
        floor, source = Course(np.full(shape, HUMAN_SHARE), np.zeros(shape)), f"{HUMAN_SHARE} by definition"
    excess = course.minus(floor)
    parts = [excess.at(generation) for generation in range(excess.generations)]
    when = since([part.low > 0 for part in parts], first=0)
    is_human = all(part.high < limits.excess_share for part in parts)
    note = (
        f"Share of generated blocks above the human 99.9th percentile of perplexity under generation 0 is "
        f"{course.at(-1).value:.3g}, {parts[-1]} beyond {source} ({floor.at(-1).value:.3g}): "
        f"no if every generation is surely below {limits.excess_share:g}, else yes if surely above 0."
    )
    return answer("no" if is_human else "yes" if when is not None else "cannot_tell", parts[-1], when, note)
