"""The axes of charts: their range, their ticks, and their encoding in Vega-Lite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from outcross.report.characters import visible
from outcross.report.curves import CurvePoint
from outcross.report.drawing import Specification

LARGEST = 700.0  # largest natural logarithm whose exponential is finite
LARGE_SHARE = 0.5  # above this value, the axis of a share goes from 0 to 1
REACH = 0.06  # margin of an axis on either side, as a share of the span of the settings (in logarithms on a logarithmic axis)


@dataclass(frozen=True)
class Axis:
    """The vertical axis: its range, its ticks, and whether it is logarithmic or in percent.

    Ticks are set here because those of Vega are too few on a short logarithmic axis (a single label, 100, for 50 to 600, although four fit), and because Vega
    labels a generation twice if there are only two.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    is_log: bool = False
    is_fraction: bool = False
    title: str = ""
    """The title of the axis; empty if the words above the chart name the quantity."""

    def pixel(self, value: float, height: int) -> float:
        """The distance of a value from the top of a chart, in pixels."""

        def scaled(level: float) -> float:
            return math.log(level) if self.is_log else level

        share = (scaled(value) - scaled(self.low)) / (scaled(self.high) - scaled(self.low))
        return height * (1 - share)

    def hold(self, value: float) -> float:
        return min(max(value, self.low), self.high)


def axis(points: Sequence[CurvePoint], *, is_log: bool = False, is_fraction: bool = False) -> Axis:
    """An axis that includes every value. Intervals are included up to the span of the values on either side."""
    values = [point.value for point in points if point.value is not None]
    is_log = is_log and min(values) > 0
    reach = [math.log(value) for value in values] if is_log else values
    low, high = min(reach), max(reach)
    bounds = [bound for point in points for bound in (point.low, point.high) if bound is not None and (bound > 0 or not is_log)]
    bounds = [math.log(bound) for bound in bounds] if is_log else bounds
    slack = high - low if high > low else math.inf
    low = max(min([low, *bounds]), low - slack)
    high = min(max([high, *bounds]), high + slack)
    if low == high:
        around = 0.1 if is_log else 0.1 * abs(high) or 1.0
        low, high = low - around, high + around
    if is_log:
        margin = 0.04 * (high - low)
        return _log_axis(math.exp(max(low - margin, -LARGEST)), math.exp(min(high + margin, LARGEST)))
    if is_fraction and min(values) >= 0 and max(values) <= 1:
        return _share_axis(max(values), high)
    return _linear_axis(low, high, is_fraction)


def _log_axis(low: float, high: float) -> Axis:
    decades = math.log10(high) - math.log10(low)
    steps = (1, 2, 5) if decades < 4 else (1,)
    every = max(1, math.ceil(decades / 6)) if decades >= 4 else 1
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = tuple(step * 10.0**power for power in powers if power % every == 0 for step in steps)
    inside = tuple(tick for tick in ticks if low <= tick <= high)
    if len(inside) < 2:  # less than a factor of two
        inside = tuple(tick for tick in _linear_axis(low, high, is_fraction=False).ticks if low <= tick <= high)
    return Axis(low, high, inside if len(inside) > 1 else (low, high), is_log=True)


def _linear_axis(low: float, high: float, is_fraction: bool) -> Axis:
    slack = 0.04 * (high - low)
    low, high = low - slack, high + slack
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return Axis(low, high, tuple(index * step for index in range(first, last + 1)), is_fraction=is_fraction)


def _share_axis(largest: float, high: float) -> Axis:
    """An axis from 0: to 1 if a share is large, otherwise to the largest value or interval."""
    if largest > LARGE_SHARE:
        return Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0), is_fraction=True)
    own = _linear_axis(0.0, min(high, 1.0), is_fraction=True)
    return replace(own, low=0.0)


def vertical(axis: Axis) -> Specification:
    """The encoding of a vertical channel on an axis, without its field."""
    labels = {"labelExpr": "format(datum.value * 100, '.3~g') + ' %'"} if axis.is_fraction else {"format": ",.4~g"}
    if not axis.is_fraction and max(abs(axis.low), abs(axis.high)) >= 1e6:
        labels = {"format": ".1~e"}
    scale = {"type": "log" if axis.is_log else "linear", "domain": [axis.low, axis.high], "nice": False, "zero": False}
    ticks = {"values": list(axis.ticks), "tickCount": len(axis.ticks)}  # without a count, Vega leaves out some of the values
    return {"type": "quantitative", "title": visible(axis.title) or None, "scale": scale, "axis": {**ticks, **labels}}


def across(settings: Sequence[float], title: str, *, is_even: bool = False) -> Specification:
    """The encoding of a horizontal channel over the values of a setting, with the field `setting`.

    It is logarithmic if all values are above 0, unless `is_even`. `settings` are at least two different numbers, smallest first.
    """
    is_log = settings[0] > 0 and not is_even
    low, high = (math.log(end) if is_log else end for end in (settings[0], settings[-1]))
    reach = (low - REACH * (high - low), high + REACH * (high - low))
    scale = {
        "type": "log" if is_log else "linear",
        "domain": [math.exp(end) for end in reach] if is_log else list(reach),
        "nice": False,
        "zero": False,
    }
    ticks = {"values": list(settings), "tickCount": len(settings), "format": ",.4~g", "grid": False, "labelOverlap": True}
    return {"field": "setting", "type": "quantitative", "title": visible(title), "scale": scale, "axis": ticks}
