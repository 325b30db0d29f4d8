"""Sentences about studies of students of several sizes: the smallest student that equals the largest one on random data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from outcross.estimate import Estimate, NotApplicable
from outcross.report.curves import Curve, Measured
from outcross.report.numerals import number
from outcross.statistics.frontier import JudgedStudent, equal_size, judged_students

RANDOM = "random"
"""The name of arms whose data were chosen at random."""
JUDGED = ("goal", "held_out_loss", "sums_right")
Kinds = Mapping[str, Sequence[tuple[float, str]]]
"""The arms of each kind with their setting, the smallest first."""


def frontier_sentences(kinds: Kinds, readings: Sequence[Measured]) -> tuple[str, ...]:
    """One sentence for each way to choose data. Empty if there are no random arms, or if a reading is missing."""
    by_measure = {reading.measure: reading for reading in readings if not reading.at}
    if RANDOM not in kinds or not {*JUDGED, "parameters"} <= by_measure.keys():
        return ()
    try:
        return tuple(_sentence(name, kinds[name], kinds[RANDOM][-1][1], by_measure) for name in kinds if name != RANDOM)
    except NotApplicable:
        return ()


def _sentence(name: str, arms: Sequence[tuple[float, str]], largest: str, readings: Mapping[str, Measured]) -> str:
    goal, loss, skill, sizes = (
        np.stack([_seeds(readings[measure].curves[arm]) for _, arm in arms], axis=1) for measure in (*JUDGED, "parameters")
    )
    reference = tuple(_seeds(readings[measure].curves[largest]) for measure in JUDGED)
    parameters = sizes.mean(axis=0)
    same = equal_size(parameters, goal, reference[0])
    reaches = same.note if same.size is None else f"a student of {_interval(same.size)} parameters reaches it"
    students = judged_students(parameters, goal, loss, skill, reference)  # type: ignore[arg-type]
    smallest = next((student for student in students if not student.not_shown), None)
    holds = (
        "no size satisfies goal, held-out loss (at most 2 % worse) and sums together"
        if smallest is None
        else _words_of_smallest(smallest)
    )
    each = "; ".join(f"size {_size(value)} {_shown(student)}" for (value, _), student in zip(arms, students, strict=True))
    return f"{name}, against the largest student on random data: on the goal alone, {reaches}. By all three, {holds} ({each})."


def _words_of_smallest(student: JudgedStudent) -> str:
    return (
        f"the smallest is that of {student.size:,.0f} parameters (goal {_interval(student.goal)}, loss {_interval(student.loss, 100)} %, "
        f"sums {_interval(student.skill)} against the largest)"
    )


def _shown(student: JudgedStudent) -> str:
    return f"not shown: {' and '.join(student.not_shown)}" if student.not_shown else "holds all"


def _size(value: float) -> str:
    return f"{value:g}"


def _interval(estimate: Estimate, times: float = 1) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{number(estimate.value * times)} ({estimate.method})"
    return f"{number(estimate.value * times)} [{number(estimate.low * times)}, {number(estimate.high * times)}]"


def _seeds(curve: Curve) -> np.ndarray:
    """The value of every seed at the last generation that all have reached, (seeds,). Raises NotApplicable if a seed has no value there."""
    end = curve.end.generation
    threads = curve.threads or (curve.points,)
    values = [next((point.value for point in thread if point.generation == end), None) for thread in threads]
    if None in values:
        raise NotApplicable("a seed has no value")
    return np.array(values, dtype=float)
