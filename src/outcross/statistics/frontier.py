"""The size at which one way to choose data makes a small model equal a large one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outcross.estimate import Estimate, NotApplicable, mean, without_interval


@dataclass(frozen=True)
class EqualSize:
    """How small a model on chosen data may be to reach what the largest reaches on random data."""

    size: Estimate | None
    """In the unit of the sizes: a geometric mean over seeds, on straight lines over the logarithm of the size; None with a reason."""
    note: str
    """Why there is none: the smallest reaches it already, or the largest does not."""
    differences: tuple[Estimate, ...]
    """Chosen data at each size less random data at the largest, paired over seeds, the smallest size first."""


def equal_size(sizes: Sequence[float], chosen: np.ndarray, largest: np.ndarray) -> EqualSize:
    """Where a reading that is better the larger it is, on chosen data (seeds, sizes), reaches that of the largest model on random data (seeds,).

    Sizes rise. A seed's size is where its curve first comes to the value of its own largest model. NotApplicable where no size is known.

    >>> reached = equal_size([10, 100], np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([0.5, 0.5]))
    >>> round(reached.size.value, 3), [difference.value for difference in reached.differences]
    (31.623, [-0.5, 0.5])
    """
    if len(sizes) < 2 or chosen.shape != (len(largest), len(sizes)):
        raise NotApplicable("needs two sizes at least, and every size in every seed")
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
    """The mean over seeds with its interval; without one where there is one seed."""
    try:
        return mean(values, "seeds")
    except NotApplicable as why:
        return without_interval(float(values.mean()), str(why), len(values))


def _reached(sizes: np.ndarray, above: np.ndarray) -> float:
    """Where values that rise first come to 0; minus infinity where the first is there already, infinity where none is."""
    if above[0] >= 0:
        return -np.inf
    there = np.flatnonzero(above >= 0)
    if not there.size:
        return np.inf
    at = int(there[0])
    share = -above[at - 1] / (above[at] - above[at - 1])
    return float(sizes[at - 1] + share * (sizes[at] - sizes[at - 1]))


MOST_LOSS = 0.02
"""How much worse the held-out loss of a smaller student may be, as a fraction of the largest model's."""


@dataclass(frozen=True)
class JudgedStudent:
    """A student on chosen data beside the largest one on random data, each difference paired over seeds."""

    size: float
    goal: Estimate
    """Its goal attribute less the other's, in the direction that was chosen."""
    loss: Estimate
    """Its held-out loss over the other's, less 1."""
    skill: Estimate
    """Its share of right answers less the other's."""

    @property
    def not_shown(self) -> tuple[str, ...]:
        """What it is not shown to hold, by the ends of the intervals: a goal as high, a loss at most 2 % worse, answers as often right."""
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
    """Each size on chosen data, its three readings (seeds, sizes), beside those of the largest model on random data, (seeds,) each.

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
