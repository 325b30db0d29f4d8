"""The values of a setting at which a reading changes its sign, compared with those of theory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from outcross.estimate import Estimate, NotApplicable, mean, without_interval
from outcross.report.curves import Curve
from outcross.report.numerals import number
from outcross.wording import amount

ROUNDING = 1e-12
"""Absolute values below this count as 0, since differences of shares have a rounding error of a few units in the last place."""
CHANGES = ("student_gain",)
"""Readings whose change of sign is reported."""


@dataclass(frozen=True)
class Crossing:
    """The value of a setting at which a reading changes from above 0 to below 0."""

    among: str
    measured: Estimate | None
    """The mean crossing over seeds, each interpolated linearly between neighbouring values of the setting; None if there is no crossing."""
    bracket: tuple[float, float] | None
    """The interval of values of the setting that contains the crossing of every seed."""
    note: str
    """Why there is no crossing; otherwise empty."""
    threshold: float | None
    """The crossing in the limit of many records according to a closed form; None if none is known."""
    closed_form: float | None = None
    """The crossing of the closed form, interpolated in the same way."""

    @property
    def words(self) -> str:
        """The crossing in one sentence."""
        name = self.among or "all arms"
        if self.measured is None:
            text = self.note
        elif self.measured.low is None or self.measured.high is None:
            text = f"measured crossing {number(self.measured.value)} ({self.measured.method})"
        else:
            text = f"measured crossing {number(self.measured.value)} [{number(self.measured.low)}, {number(self.measured.high)}], {amount(self.measured.n, 'seed')}"
        if self.bracket is not None:
            text += f", on straight lines between {self.bracket[0]:g} and {self.bracket[1]:g}"
        if self.closed_form is not None:
            text += f"; the closed form crosses at {number(self.closed_form)} on the same lines"
        limit = "" if self.threshold is None else f"; threshold p* = {number(self.threshold)} in the limit of many records"
        return f"{name}: {text}{limit}."


def crossed(charts: Iterable[Sequence[Crossing]]) -> list[str]:
    """The first sentences of a page with crossings: up to which error of the teachers a student beats its best teacher.

    If there is one chart, for each kind of arm in it; if there are several, for the first kind in each.
    """
    shown = [chart for chart in charts if chart]
    firsts = [*shown[0]] if len(shown) == 1 else [chart[0] for chart in shown]
    if not firsts:
        return []
    limits = [
        f"{number(first.measured.value)}{_interval(first.measured)} ({first.among or 'all arms'})"
        for first in firsts
        if first.measured is not None
    ]
    never = [first.among or "all arms" for first in firsts if first.measured is None]
    sentences = (
        [f"A student beats its best teacher if the error rate of the teachers is below {', '.join(limits)}."] if limits else []
    )
    return sentences + ([f"No such crossing was measured for {', '.join(never)}."] if never else [])


def _interval(estimate: Estimate) -> str:
    return "" if estimate.low is None or estimate.high is None else f" [{number(estimate.low)}, {number(estimate.high)}]"


def crossing(
    among: str, curves: Sequence[tuple[float, Curve]], thresholds: Mapping[str, float], closed_form: Sequence[float | None] = ()
) -> Crossing:
    """The crossing of one kind of arm at the last generation that every seed has. `curves` are those of each value of the setting, the smallest first.

    `closed_form` has the value of the closed form at each of them.
    """
    settings = [setting for setting, _ in curves]
    known = [value for value in closed_form if value is not None]
    of_law = _place(settings, known) if len(known) == len(settings) else None
    seeds = _seeds([curve for _, curve in curves])
    threshold = next((thresholds[curve.arm] for _, curve in curves if curve.arm in thresholds), None)
    places = [_place(settings, values) for values in seeds]
    reached = [reached for reached in places if reached is not None]
    if not seeds or not reached:
        is_above = any(value > ROUNDING for values in seeds for value in values)
        signs = "never below 0 after it was above" if is_above else "never above 0"
        return Crossing(
            among, None, None, f"{signs} between {settings[0]:g} and {settings[-1]:g}, so no crossing was measured", threshold
        )
    if len(reached) < len(places):
        return Crossing(
            among, None, None, f"only {len(reached)} of {len(places)} seeds cross 0, so no mean crossing is given", threshold
        )
    values = np.array([value for value, _ in reached])
    bracket = min(low for _, (low, _) in reached), max(high for _, (_, high) in reached)
    try:
        estimate = mean(values, "seeds")
    except NotApplicable as why:
        estimate = without_interval(float(values.mean()), str(why), len(values))
    return Crossing(among, estimate, bracket, "", threshold, None if of_law is None else of_law[0])


def _seeds(curves: Sequence[Curve]) -> list[list[float]]:
    """The values of each seed along the setting. Seeds without a value at some setting are left out."""
    columns = []
    for curve in curves:
        end = curve.end.generation
        threads = curve.threads or (curve.points,)
        columns.append([next((point.value for point in thread if point.generation == end), None) for thread in threads])
    if len({len(column) for column in columns}) != 1:
        return []
    seeds = [list(values) for values in zip(*columns, strict=True)]
    return [[value for value in values if value is not None] for values in seeds if None not in values]


def _place(settings: Sequence[float], values: Sequence[float]) -> tuple[float, tuple[float, float]] | None:
    """The first place at which one seed's values fall below 0, and the neighbouring values of the setting; None if they do not.

    >>> _place([0.4, 0.6], [0.1, -0.3])
    (0.45, (0.4, 0.6))
    """
    for at in range(1, len(settings)):
        before, after = values[at - 1], values[at]
        if before >= -ROUNDING and after < -ROUNDING and max(values[:at]) > ROUNDING:
            share = before / (before - after)
            return settings[at - 1] + share * (settings[at] - settings[at - 1]), (settings[at - 1], settings[at])
    return None
