"""Definitions (1) to (3): changes of the population risk."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from outcross.collapse.course import Course, Interval, Readings
from outcross.collapse.definitions import Answer, Thresholds, answer, first_that_applies, since, without_end
from outcross.estimate import NotApplicable
from outcross.measures import pages_of_runs, standing_for
from outcross.wording import amount

NATS, VARIANCES, SQUARED_PROBABILITY = "nats a token", "true variances", "probability squared"


@dataclass(frozen=True)
class Risk:
    """The population risk over generations, with its unit."""

    measure: str
    course: Course
    unit: str

    @property
    def is_loss(self) -> bool:
        return self.unit == NATS

    @property
    def logs(self) -> Course:
        """The course whose differences are logarithms of risk ratios. A loss is used unchanged, because it is the logarithm of a perplexity."""
        return self.course if self.is_loss else self.course.logged()

    def over_generation_0(self) -> list[Interval]:
        """Return the ratio of the risk of every later generation to that of generation 0, within each seed and then over seeds."""
        if self.course.generations < 2:
            raise NotApplicable(f"{self.measure} has only one generation, so there is no change yet")
        return [change.exponential() for change in self.logs.changes()]

    def __str__(self) -> str:
        kind = "a ratio of perplexities" if self.is_loss else "a ratio of excess risks"
        first, last = self.course.at(0).value, self.course.at(-1).value
        return f"{kind}; {self.measure} {first:.4g} → {last:.4g} {self.unit}"


def risk_of(readings: Readings) -> Risk:
    """Return the preferred risk among those that were measured, by the preference on their pages. Raises NotApplicable if there is none.

    The loss above that of generation 0, paired by document, comes first, because its change has the narrowest interval.
    """
    names = standing_for("risk")
    makers = [lambda name=name: _risk(name, readings.course(name)) for name in names]
    return first_that_applies(makers, f"no reading of a population risk: {', '.join(names[:-1])} or {names[-1]}")


def _risk(name: str, course: Course) -> Risk:
    """Return a risk in nats, in probability squared, or else in variances.

    A risk that is drawn on a logarithmic axis is a perplexity, and its logarithm is used.
    """
    page = pages_of_runs()[name]
    if page.log:
        return Risk(f"log {name}", course.logged(), NATS)
    return Risk(name, course, page.unit if page.unit in (NATS, SQUARED_PROBABILITY) else VARIANCES)


def catastrophe(readings: Readings, limits: Thresholds) -> Answer:
    """The population risk becomes many times that of generation 0.

    The largest risk ratio is compared with a threshold. The rise must also be more than nearly flat: a rise of an excess risk from 0.001 to 0.003 is
    not a catastrophe.
    """
    risk = risk_of(readings)
    ratios, rises = risk.over_generation_0(), risk.course.changes()
    pairs = list(zip(ratios, rises, strict=True))
    peak = int(np.argmax([ratio.value for ratio in ratios]))
    when = since([ratio.low > limits.catastrophe and rise.low > limits.flat for ratio, rise in pairs])
    is_safe = all(ratio.high < limits.catastrophe or rise.high < limits.flat for ratio, rise in pairs)
    note = (
        f"Largest risk ratio to generation 0 {ratios[peak]} at generation {1 + peak}, threshold {limits.catastrophe:g} "
        f"with a rise of {limits.flat:g} {risk.unit}; {risk}."
    )
    return answer("yes" if when is not None else "no" if is_safe else "cannot_tell", ratios[peak], when, note)


def increase(readings: Readings, limits: Thresholds) -> Answer:
    """The population risk rises significantly, by any amount."""
    risk = risk_of(readings)
    ratios, rises = risk.over_generation_0(), risk.course.changes()
    when = since([ratio.low > 1 for ratio in ratios])
    small = 1 + limits.margin
    is_level = all(ratio.high < small or rise.high < limits.margin for ratio, rise in zip(ratios, rises, strict=True))
    note = (
        f"Risk ratio of the last generation to generation 0 {ratios[-1]}: yes if surely above 1, no if every generation is "
        f"surely below {small:g} or {limits.margin:g} {risk.unit} more; {risk}."
    )
    if when is None and any(ratio.low > 1 for ratio in ratios):
        return answer("cannot_tell", ratios[-1], None, f"{note} It was higher in between and then fell back.")
    return answer("yes" if when is not None else "no" if is_level else "cannot_tell", ratios[-1], when, note)


def divergence(readings: Readings, limits: Thresholds) -> Answer:
    """The population risk still rises in the last third of the run, without levelling off.

    No finite run shows a limit. "yes" means that the risk rises at the end and that each doubling of the fits adds more than the one before. "no"
    means that the risk is level, or that each doubling adds less. Both assume that the trend continues. A risk that has reached its maximum levels
    off too, so the risk ratio must be read as well.
    """
    risk = risk_of(readings)
    course, size = risk.course, risk.course.generations
    if size < 2:
        raise NotApplicable(f"{risk.measure} has only one generation, so it has no slope")
    third = math.ceil(size / 3)
    slope = course.slope(size - max(third, 2))
    rate = f"Slope over the last third {slope} {risk.unit} per generation"
    if third < limits.enough:
        note = f"{rate}, but that is {amount(third, 'generation')} and {limits.enough} are needed to predict how it continues."
        return answer("cannot_tell", slope, None, note)
    if slope.low > 0:
        verdict, why = without_end(course.bend())
        return answer(verdict, slope, size - third, f"{rate}: still rising; {why}.")
    rise = course.last_doubling()
    if slope.high <= 0 or rise.high < limits.margin:
        note = f"{rate}: level; the last doubling of the fits added {rise} {risk.unit}, and less than {limits.margin:g} counts as small."
        return answer("no", slope, None, note)
    return answer("cannot_tell", slope, None, f"{rate}: neither a rise nor its absence is sure.")
