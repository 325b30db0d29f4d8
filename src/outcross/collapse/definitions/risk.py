"""(1) to (3): what becomes of the population risk."""

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
    """The population risk over generations, and what makes two of them comparable."""

    measure: str
    course: Course
    unit: str

    @property
    def is_loss(self) -> bool:
        return self.unit == NATS

    @property
    def logs(self) -> Course:
        """A course whose differences are logs of risk ratios: a loss is one already (its perplexity's log)."""
        return self.course if self.is_loss else self.course.logged()

    def over_generation_0(self) -> list[Interval]:
        """The risk of every later generation over that of generation 0: within each seed, whose errors go together, then over seeds."""
        if self.course.generations < 2:
            raise NotApplicable(f"{self.measure} has one generation, so nothing has changed yet")
        return [change.exponential() for change in self.logs.changes()]

    def __str__(self) -> str:
        kind = "a ratio of perplexities" if self.is_loss else "a ratio of excess risks"
        first, last = self.course.at(0).value, self.course.at(-1).value
        return f"{kind}; {self.measure} {first:.4g} → {last:.4g} {self.unit}"


def risk_of(readings: Readings) -> Risk:
    """The first risk that was read, by the preference on the pages of risks; NotApplicable if none.

    A loss over that of generation 0, paired by document, comes first: it has the narrowest interval of a change.
    """
    names = standing_for("risk")
    makers = [lambda name=name: _risk(name, readings.course(name)) for name in names]
    return first_that_applies(makers, f"no reading of a population risk: {', '.join(names[:-1])} or {names[-1]}")


def _risk(name: str, course: Course) -> Risk:
    """A risk in nats, in units of probability squared, or else in variances; one that is drawn on a logarithmic axis is a perplexity."""
    page = pages_of_runs()[name]
    if page.log:
        return Risk(f"log {name}", course.logged(), NATS)
    return Risk(name, course, page.unit if page.unit in (NATS, SQUARED_PROBABILITY) else VARIANCES)


def catastrophe(readings: Readings, limits: Thresholds) -> Answer:
    """The population risk becomes many times that of generation 0.

    The largest risk ratio, against a threshold. The rise must also be more than nearly flat: an excess risk of 0.001
    that has become 0.003 is no catastrophe.
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
    """The population risk rises at all, as far as its interval tells from none."""
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
        return answer("cannot_tell", ratios[-1], None, f"{note} It was higher in between and came back.")
    return answer("yes" if when is not None else "no" if is_level else "cannot_tell", ratios[-1], when, note)


def divergence(readings: Readings, limits: Thresholds) -> Answer:
    """The population risk still rises in the last third of the run, and as if it would not stop.

    No finite run shows a limit. "yes" says that it rises at the end and that doublings of the fits bring ever more, "no"
    that it is level or that doublings bring ever less; both hold if it goes on as it went. A risk that has reached its
    worst levels off too: read the ratio beside it.
    """
    risk = risk_of(readings)
    course, size = risk.course, risk.course.generations
    if size < 2:
        raise NotApplicable(f"{risk.measure} has one generation, so it has no slope")
    third = math.ceil(size / 3)
    slope = course.slope(size - max(third, 2))
    rate = f"Slope over the last third {slope} {risk.unit} a generation"
    if third < limits.enough:
        note = f"{rate}, but that is {amount(third, 'generation')} and {limits.enough} are needed to say how it goes on."
        return answer("cannot_tell", slope, None, note)
    if slope.low > 0:
        verdict, why = without_end(course.bend())
        return answer(verdict, slope, size - third, f"{rate}: still rising; {why}.")
    rise = course.last_doubling()
    if slope.high <= 0 or rise.high < limits.margin:
        note = f"{rate}: level; the last doubling of the fits brought {rise} {risk.unit}, small below {limits.margin:g}."
        return answer("no", slope, None, note)
    return answer("cannot_tell", slope, None, f"{rate}: neither a rise nor its absence is sure.")
