"""How long before held-out loss rises an early signal moves, and whether it comes first by more than chance.

One early signal is named before anything is read off: the first of the early signals, in the order of `SIGNALS`, that the arm has readings of. Of m early signals
against one late signal an early one would be first in m of m + 1 cases by chance; one against one is first in half of them.

Each signal has two dates. It is *detected* when it has surely moved (`signals.moved`), which an exact reading does sooner than a coarse one. It has *crossed*
when the reading itself is beyond a material change in its own units, from that generation to the end: a tenth of generation 0's for the early
signal, and for the late one a rise of held-out loss by 5 %. The second date does not depend on how exact a reading is, so the order is judged by it.
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
"""The part of generation 0's that the early signal must have lost to have crossed."""
RISE = 0.05
"""The part by which held-out loss must have risen to have crossed; for a risk that is no loss, the rise in its own units."""
LOGARITHMIC = ("less variety is written", "next-token distributions narrow", "groups drift apart")
"""Early signals that are followed on a logarithmic scale, so that a tenth is a difference of ln 0.9."""


@dataclass(frozen=True)
class Crossings:
    """When the early and the late signal crossed, seed by seed; the number of generations where one did not."""

    early: np.ndarray  # (seeds,)
    late: np.ndarray  # (seeds,)
    generations: int

    @property
    def leads(self) -> np.ndarray:
        """Generations by which the early signal crossed before the late one, (seeds,); at least so many where the late one did not."""
        return self.late - self.early

    @property
    def crossed(self) -> np.ndarray:
        """The seeds in which one of them crossed, (seeds,)."""
        return np.minimum(self.early, self.late) < self.generations

    def counted(self) -> str:
        """Of how many seeds which was first, ties apart."""
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
    """Whether the named early signal has lost a tenth before held-out loss has risen by 5 %, and how many generations before.

    yes: it has, and swapping the two signals within seeds gives so long a lead with a chance of at most 5 %, for which six seeds are needed at least;
    no: the late signal was first, as surely, or neither was lost; else cannot tell. `value` is the mean lead in generations, with Student's interval over
    the seeds in which one of them was lost; a signal that was not lost counts as lost after the last generation.
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
        note = (
            f"{lead} One seed cannot tell this from chance, which puts either signal first in half of such runs; several seeds can."
        )
        return Answer(WARNING, "cannot_tell", mean, None, None, when, note)
    chance = sign_flip(leads[:MOST].tolist())
    note = (
        f"{lead} {first.counted()} of {len(leads)} seeds. The mean lead is {mean:.3g} [{mean - half:.3g}, {mean + half:.3g}] generations. "
        f"If the two signals of each seed could be swapped, a mean lead as far from 0 would have a chance of {chance:.2g}."
    )
    answer = "cannot_tell" if chance > 0.05 else "yes" if mean > 0 else "no"
    return Answer(WARNING, answer, mean, mean - half, mean + half, when, note)


def _order(first: Crossings, mean: float, rise: Callable[[str], str]) -> str:
    """Which came first, and by how many generations, in words."""
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
    """Half of Student's 95 % interval of the mean lead; None for one seed."""
    return None if len(leads) < 2 else student_quantile(len(leads) - 1) * float(leads.std(ddof=1)) / math.sqrt(len(leads))


def _named(readings: Readings) -> tuple[str, Followed]:
    """The early signal that is named beforehand: the first that was read over two generations."""
    for name, follow in SIGNALS.items():
        if name != LATE:
            try:
                followed = follow(readings)
            except NotApplicable:
                continue
            if followed.course.generations > 1:
                return name, followed
    raise NotApplicable("no early signal was read over two generations")


def _dated(name: str, followed: Followed, limits: Thresholds) -> str:
    """When a signal has surely moved, in words."""
    when = moved(followed, limits).when
    return f"{name} had surely moved from generation {when} on" if when is not None else f"{name} had not surely moved"


def _crossings(name: str, early: Followed, late: Followed, readings: Readings) -> Crossings:
    """The generations from which each signal is beyond its material change, seed by seed, and how many generations both have."""
    generations = min(early.course.generations, late.course.generations)
    if generations < 2:
        raise NotApplicable("the signals have one generation in common, so nothing has changed yet")
    worsening = early.worsening.until(generations).values
    if name in LOGARITHMIC:
        has_lost = worsening - worsening[:, :1] <= math.log(1 - MATERIAL)
    else:
        has_lost = worsening <= (1 - MATERIAL) * worsening[:, :1]
    has_risen = _risen(late.course.until(generations), _loss(readings, generations))
    return Crossings(_since(has_lost), _since(has_risen), generations)


def _loss(readings: Readings, generations: int) -> Course | None:
    """Held-out loss over these generations; None where it was not read."""
    try:
        loss = readings.course("held_out_loss")
    except NotApplicable:
        return None
    return loss.until(generations) if loss.generations >= generations else None


def _risen(risk: Course, loss: Course | None) -> np.ndarray:
    """Whether held-out loss has risen by 5 %, or the risk by 0.05 in its own units where there is no loss, (seeds, generations)."""
    if loss is not None:
        return loss.values >= (1 + RISE) * loss.values[:, :1]
    return risk.values - risk.values[:, :1] >= RISE


def _rise(readings: Readings) -> Callable[[str], str]:
    """What the early signal is to come before, in words, given `not ` or nothing."""
    try:
        readings.course("held_out_loss")
    except NotApplicable:
        name, by = SIGNALS[LATE](readings).name, f"{RISE:g}"
    else:
        name, by = "held_out_loss", "5 %"
    return lambda negation: f"{_words_of(name)} had {negation}risen by {by}"


def _words_of(measure: str) -> str:
    """A reading as people call it, within a sentence; its name where it has no page.

    >>> _words_of("held_out_loss"), _words_of("w2"), _words_of("my_own")
    ('held-out loss', 'the squared 2-Wasserstein distance', 'my_own')
    """
    page = pages_of_runs().get(measure)
    if page is None:
        return measure
    return page.title if measure.endswith("loss") else f"the {page.title}"


def _since(holds: np.ndarray) -> np.ndarray:
    """The generation from which each row holds to the end, (seeds,); the number of generations where it does not at the end."""
    return np.array([when if (when := since(row[1:])) is not None else len(row) for row in holds.tolist()])


__all__ = ["MATERIAL", "RISE", "WARNING", "Crossings", "early_warning"]
