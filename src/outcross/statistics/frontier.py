"""The size at which a small model on selected data equals a large model on random data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outcross.estimate import Estimate, NotApplicable, mean, without_interval


@dataclass(frozen=True)
class EqualSize:
    """The smallest size of a model on selected data that reaches the reading of the largest model on random data."""

    size: Estimate | None
    """The size, as a geometric mean over seeds, from linear interpolation over the logarithm of the size. None if there is no such size."""
    note: str
    """The reason if there is no size: the smallest model already reaches the reading, or the largest does not."""
    differences: tuple[Estimate, ...]
    """The reading on selected data at each size less that of the largest model on random data, paired over seeds, the smallest size first."""


def equal_size(sizes: Sequence[float], chosen: np.ndarray, largest: np.ndarray) -> EqualSize:
    """Return the size at which a reading on selected data, (seeds, sizes), reaches that of the largest model on random data, (seeds,).

    A larger reading is better, and the sizes are in ascending order. The size of a seed is where its curve first reaches the value of its own largest
    model. Raises NotApplicable for fewer than two sizes, or if a seed lacks a size.

    >>> reached = equal_size([10, 100], np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([0.5, 0.5]))
    >>> round(reached.size.value, 3), [difference.value for difference in reached.differences]
    (31.623, [-0.5, 0.5])
    """
    if len(sizes) < 2 or chosen.shape != (len(largest), len(sizes)):
        raise NotApplicable("needs at least two sizes, and every size in every seed")
    differences = tuple(_over_seeds(chosen[:, place] - largest) for place in range(len(sizes)))
    places = [_reached(np.log(np.asarray(sizes, dtype=float)), row - target) for row, target in zip(chosen, largest, strict=True)]
    if all(place == -np.inf for place in places):
        return EqualSize(None, f"the smallest model, {sizes[0]:,.0f}, already reaches it", differences)
    if any(place == np.inf for place in places):
        missed = sum(place == np.inf for place in places)
        return EqualSize(None, f"in {missed} of {len(places)} seeds not even the largest model reaches it", differences)
    if any(place == -np.inf for place in places):
        already = sum(place == -np.inf for place in places)
        return EqualSize(None, f"in {already} of {len(places)} seeds the smallest model already reaches it", differences)
    logs = _over_seeds(np.array(places))
    low, high = (None if end is None else float(np.exp(end)) for end in (logs.low, logs.high))
    return EqualSize(Estimate(float(np.exp(logs.value)), low, high, logs.method, logs.n), "", differences)


def _over_seeds(values: np.ndarray) -> Estimate:
    """Return the mean over seeds with its interval, or without an interval if there is only one seed."""
    try:
        return mean(values, "seeds")
    except NotApplicable as why:
        return without_interval(float(values.mean()), str(why), len(values))


def _reached(sizes: np.ndarray, above: np.ndarray) -> float:
    """Return the size at which the values first reach 0. It is minus infinity if the first value is at least 0, and infinity if no value is."""
    if above[0] >= 0:
        return -np.inf
    there = np.flatnonzero(above >= 0)
    if not there.size:
        return np.inf
    at = int(there[0])
    share = -above[at - 1] / (above[at] - above[at - 1])
    return float(sizes[at - 1] + share * (sizes[at] - sizes[at - 1]))


MOST_LOSS = 0.02
"""Largest accepted increase of the held-out loss of a smaller student, as a fraction of the loss of the largest model."""


@dataclass(frozen=True)
class JudgedStudent:
    """A student on selected data compared with the largest student on random data. Each difference is paired over seeds."""

    size: float
    goal: Estimate
    """The goal attribute of the student less that of the largest student, in the direction of the goal."""
    loss: Estimate
    """The held-out loss of the student divided by that of the largest student, less 1."""
    skill: Estimate
    """The student's share of correct answers less that of the largest student."""

    @property
    def not_shown(self) -> tuple[str, ...]:
        """The requirements that the intervals do not show: a goal as high, a held-out loss at most 2 % worse, as many correct answers."""
        unshown = []
        if _low(self.goal) < 0:
            unshown.append("goal")
        if _high(self.loss) > MOST_LOSS:
            unshown.append("held-out loss")
        if _low(self.skill) < 0:
            unshown.append("sums")
        return tuple(unshown)


def judged_students(
    sizes: Sequence[float],
    goal: np.ndarray,
    loss: np.ndarray,
    skill: np.ndarray,
    largest: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> tuple[JudgedStudent, ...]:
    """Compare each size on selected data, with three readings (seeds, sizes), with the largest model on random data, (seeds,) each.

    >>> ones = np.ones((2, 1))
    >>> judged_students([10], ones, 1.05 * ones, ones, (np.zeros(2), np.ones(2), np.ones(2)))[0].not_shown
    ('held-out loss',)
    """
    of_goal, of_loss, of_skill = (values[:, None] for values in largest)
    differences = goal - of_goal, loss / of_loss - 1, skill - of_skill
    return tuple(
        JudgedStudent(size, *(_over_seeds(np.round(difference[:, place], 12)) for difference in differences))
        for place, size in enumerate(sizes)
    )


def _low(estimate: Estimate) -> float:
    return estimate.value if estimate.low is None else estimate.low


def _high(estimate: Estimate) -> float:
    return estimate.value if estimate.high is None else estimate.high
