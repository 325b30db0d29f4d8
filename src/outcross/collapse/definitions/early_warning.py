"""How many generations an early signal moves before held-out loss rises, and whether it comes first more often than by chance.

One early signal is chosen in advance: the first of the early signals, in the order of `SIGNALS`, for which the arm has readings. With m early
signals and one late signal, an early one would be first in m of m + 1 cases by chance. With one early signal, it is first in half of them.

Each signal has two dates. It is *detected* when it has surely moved (`signals.moved`), which happens sooner for a precise reading than for a coarse
one. It has *crossed* when the value itself is beyond a material change, from that generation to the end: for the early signal a loss of a tenth of
its value at generation 0, and for the late signal a rise of held-out loss by 5 %. The second date does not depend on the precision of a reading, so
the order is judged by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from outcross.collapse.course import Course, Readings
from outcross.collapse.definitions import Answer, Thresholds, since
from outcross.collapse.definitions.signals import LATE, SIGNALS, Followed, moved
from outcross.estimate import NotApplicable, student_quantile
from outcross.measures import pages_of_runs
from outcross.statistics.sign_flip import MOST, sign_flip

WARNING = "early warning"
"""The name of the answer."""
MATERIAL = 0.1
"""Share of its value at generation 0 that the early signal must have lost to have crossed."""
RISE = 0.05
"""Relative rise of held-out loss at which it has crossed. For another risk, it is a rise in the units of the risk."""
LOGARITHMIC = ("less variety is written", "next-token distributions narrow", "groups drift apart")
"""Early signals on a logarithmic scale, on which a loss of a tenth is a difference of ln 0.9."""


@dataclass(frozen=True)
class Crossings:
    """The generations in which the early and the late signal crossed, by seed. A signal that did not cross has the number of generations."""

    early: np.ndarray  # (seeds,)
    late: np.ndarray  # (seeds,)
    generations: int

    @property
    def leads(self) -> np.ndarray:
        """Number of generations from the crossing of the early signal to that of the late one, (seeds,).

        If the late signal did not cross, it is a lower bound.
        """
        return self.late - self.early

    @property
    def crossed(self) -> np.ndarray:
        """Whether at least one of the signals crossed in each seed, (seeds,)."""
        return np.minimum(self.early, self.late) < self.generations

    def counted(self) -> str:
        """Return a sentence with the numbers of seeds in which each signal was first."""
        leads, neither = self.leads[self.crossed], int((~self.crossed).sum())
        counts = {
            "the early signal was first": int((leads > 0).sum()),
            "both came in the same generation": int((leads == 0).sum()),
            "the late signal was first": int((leads < 0).sum()),
            "neither came": neither,
        }
        said = ", ".join(f"{what} in {count}" for what, count in counts.items() if count)
        return f"{said[:1].upper()}{said[1:]}"


def early_warning(readings: Readings, limits: Thresholds) -> Answer:
    """Answer whether the chosen early signal has lost a tenth before held-out loss has risen by 5 %, and how many generations before.

    The answer is "yes" if it has, and if swapping the two signals within seeds gives a lead as long with a probability of at most 5 %, which needs at
    least six seeds. It is "no" if the late signal was first by the same test, or if neither signal crossed. Otherwise it is "cannot_tell". `value` is
    the mean lead in generations, with Student's interval over the seeds in which at least one signal crossed. A signal that did not cross counts as
    crossing after the last generation.
    """
    name, early = _named(readings)
    late, rise = SIGNALS[LATE](readings), _rise(readings)
    first = _crossings(name, early, late, readings)
    leads = first.leads.astype(float)
    dates = f"{_dated('the early signal', early, limits)}, and {_dated(_words_of(late.name), late, limits)}"
    detected = f"By their 95 % intervals, {dates}."
    if not first.crossed.any():
        return Answer(
            WARNING,
            "no",
            None,
            None,
            None,
            None,
            f"By the values alone, the early signal ({name}) had not lost a tenth, and {rise('not ')}. {detected}",
        )
    when = int(first.early.min()) if (first.early < first.generations).any() else None
    apart = leads[first.crossed]
    mean, half = float(apart.mean()), _half(apart)
    lead = f"By the values alone, the early signal ({name}) {_order(first, mean, rise)}. {detected}"
    if half is None:
        note = f"{lead} One seed cannot distinguish this from chance, by which either signal is first in half of such runs. Several seeds can."
        return Answer(WARNING, "cannot_tell", mean, None, None, when, note)
    chance = sign_flip(leads[:MOST].tolist())
    note = (
        f"{lead} {first.counted()} of {len(leads)} seeds. The mean lead is {mean:.3g} [{mean - half:.3g}, {mean + half:.3g}] generations. "
        f"If the two signals were exchangeable within each seed, a mean lead at least as far from 0 would have a probability of {chance:.2g}."
    )
    answer = "cannot_tell" if chance > 0.05 else "yes" if mean > 0 else "no"
    return Answer(WARNING, answer, mean, mean - half, mean + half, when, note)


def _order(first: Crossings, mean: float, rise: Callable[[str], str]) -> str:
    """Return in words which signal came first, and by how many generations."""
    early, late = first.early[first.crossed], first.late[first.crossed]
    if (late == first.generations).all():
        return f"had lost a tenth from generation {early.min()} on, and {rise('not ')} by the last generation"
    if (early == first.generations).all():
        return f"had not lost a tenth by the last generation, and {rise('')} from generation {late.min()} on"
    if mean == 0:
        return f"had lost a tenth in the generation in which {rise('')}"
    is_open = ((late if mean > 0 else early) == first.generations).any()
    generations = f"{'at least ' * bool(is_open)}{abs(mean):.3g} generation{'s' * (abs(mean) != 1)}"
    return f"had lost a tenth {generations} {'before' if mean > 0 else 'after'} {rise('')}"


def _half(leads: np.ndarray) -> float | None:
    """Return half of Student's 95 % interval of the mean lead. None for one seed."""
    return None if len(leads) < 2 else student_quantile(len(leads) - 1) * float(leads.std(ddof=1)) / math.sqrt(len(leads))


def _named(readings: Readings) -> tuple[str, Followed]:
    """Return the early signal that is chosen in advance: the first with readings in at least two generations."""
    for name, follow in SIGNALS.items():
        if name != LATE:
            try:
                followed = follow(readings)
            except NotApplicable:
                continue
            if followed.course.generations > 1:
                return name, followed
    raise NotApplicable("no early signal has readings in two generations")


def _dated(name: str, followed: Followed, limits: Thresholds) -> str:
    """Return in words when a signal has surely moved."""
    when = moved(followed, limits).when
    return f"{name} had surely moved from generation {when} on" if when is not None else f"{name} had not surely moved"


def _crossings(name: str, early: Followed, late: Followed, readings: Readings) -> Crossings:
    """Return the generations from which each signal is beyond its material change, by seed, and the number of generations that both have."""
    generations = min(early.course.generations, late.course.generations)
    if generations < 2:
        raise NotApplicable("the signals have only one generation in common, so there is no change yet")
    worsening = early.worsening.until(generations).values
    if name in LOGARITHMIC:
        has_lost = worsening - worsening[:, :1] <= math.log(1 - MATERIAL)
    else:
        has_lost = worsening <= (1 - MATERIAL) * worsening[:, :1]
    has_risen = _risen(late.course.until(generations), _loss(readings, generations))
    return Crossings(_since(has_lost), _since(has_risen), generations)


def _loss(readings: Readings, generations: int) -> Course | None:
    """Return held-out loss over these generations, or None if it was not measured."""
    try:
        loss = readings.course("held_out_loss")
    except NotApplicable:
        return None
    return loss.until(generations) if loss.generations >= generations else None


def _risen(risk: Course, loss: Course | None) -> np.ndarray:
    """Return whether held-out loss has risen by 5 %, or without a loss whether the risk has risen by 0.05 in its own units, (seeds, generations)."""
    if loss is not None:
        return loss.values >= (1 + RISE) * loss.values[:, :1]
    return risk.values - risk.values[:, :1] >= RISE


def _rise(readings: Readings) -> Callable[[str], str]:
    """Return a function that describes the rise of the late signal in words. Its argument is `not ` or an empty text."""
    try:
        readings.course("held_out_loss")
    except NotApplicable:
        name, by = SIGNALS[LATE](readings).name, f"{RISE:g}"
    else:
        name, by = "held_out_loss", "5 %"
    return lambda negation: f"{_words_of(name)} had {negation}risen by {by}"


def _words_of(measure: str) -> str:
    """Return the title of a reading within a sentence, or its name if it has no page.

    >>> _words_of("held_out_loss"), _words_of("w2"), _words_of("my_own")
    ('held-out loss', 'the squared 2-Wasserstein distance', 'my_own')
    """
    page = pages_of_runs().get(measure)
    if page is None:
        return measure
    return page.title if measure.endswith("loss") else f"the {page.title}"


def _since(holds: np.ndarray) -> np.ndarray:
    """Return the generation from which each row holds to the end, (seeds,). It is the number of generations if a row does not hold at the end."""
    return np.array([when if (when := since(row[1:])) is not None else len(row) for row in holds.tolist()])


__all__ = ["MATERIAL", "RISE", "WARNING", "Crossings", "early_warning"]
