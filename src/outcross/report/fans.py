"""Charts of forecasts: the observed readings, the fan of the predicted ones, the budget, and the generations that stay within it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from outcross.report.axes import Axis, axis, vertical
from outcross.report.characters import visible
from outcross.report.charts import COLOURS, FAINT, INK, Size, canvas
from outcross.report.curves import CurvePoint
from outcross.report.drawing import Specification
from outcross.report.figure import Figure, table, together
from outcross.report.shapes import file_word

PANEL = Size(300, 190)
COLUMNS = 3
MOST_PANELS = 12
FAN, SAFE, LIMIT = COLOURS[1], COLOURS[2], COLOURS[0]


@dataclass(frozen=True)
class Fan:
    """The observed and predicted values of a reading in one arm."""

    arm: str
    observed: Sequence[CurvePoint]
    ahead: Sequence[CurvePoint]
    """The predicted values with their 95 % intervals."""
    inner: Sequence[tuple[float, float]]
    """The 80 % interval of each predicted generation."""
    limit: float | None
    safe: tuple[int | None, int | None, int | None] | None
    """The lower end, the median and the upper end of the number of generations within the budget. None means beyond the chart."""


def fan_panels(
    name: str, title: str, fans: Sequence[Fan], *, is_log: bool, is_fraction: bool
) -> tuple[list[tuple[str, Figure]], str]:
    """A chart for each arm, all with the same vertical axis, and their common caption."""
    shown_fans = fans[:MOST_PANELS]
    reached = [point for fan in shown_fans for point in (*fan.observed, *fan.ahead)]
    limits = [CurvePoint(0, fan.limit) for fan in shown_fans if fan.limit is not None]
    upright = axis([*reached, *limits], is_log=is_log, is_fraction=is_fraction)
    size = PANEL if len(shown_fans) > 1 else replace(PANEL, width=460, height=240)
    panels = [(fan.arm, Figure(name, title, _spec(fan, upright, size), _data(fan))) for fan in shown_fans]
    caption = "Up to the last observed generation the line is the mean of the readings over the runs. The blue line after it is the median of the forecast, and the bands are its 80 % and 95 % intervals."
    if limits:
        caption += (
            " The orange line is the budget. The green bar shows the generations within the budget: it is full up to the lower end of the 95 % interval and pale up to the upper end, "
            "and the tick is the median."
        )
    if len(fans) > len(shown_fans):
        caption += f" {len(fans) - len(shown_fans)} more arms are only in the data."
    return panels, caption


def fan_figure(name: str, title: str, fans: Sequence[Fan], *, is_log: bool, is_fraction: bool) -> Figure:
    """The charts of `fan_panels` as one figure."""
    panels, caption = fan_panels(name, title, fans, is_log=is_log, is_fraction=is_fraction)
    return together(name, title, panels, caption, COLUMNS)


DATA = {"arm": str, "generation": int, "is_ahead": bool, "value": float, "low": float, "high": float, "limit": float}


def _data(fan: Fan) -> Any:
    """Every number that is drawn (polars)."""
    rows = [
        (fan.arm, point.generation, is_ahead, point.value, point.low, point.high, fan.limit)
        for points, is_ahead in ((fan.observed, False), (fan.ahead, True))
        for point in points
    ]
    return table(rows, DATA)


def _spec(fan: Fan, upright: Axis, size: Size) -> Specification:
    last = fan.observed[-1]
    joined = [CurvePoint(last.generation, last.value, last.value, last.value), *fan.ahead]
    inner = [(last.value, last.value), *fan.inner]
    first, end = fan.observed[0].generation, fan.ahead[-1].generation
    outer_rows = [_band(point.generation, point.low, point.high, upright) for point in joined]
    inner_rows = [_band(point.generation, low, high, upright) for point, (low, high) in zip(joined, inner, strict=True)]
    layers = [
        _area(outer_rows, 0.16, upright),
        _area(inner_rows, 0.22, upright),
        _line([(point.generation, point.value) for point in joined], FAN, 1.8, upright),
        _line([(point.generation, point.value) for point in fan.observed], INK, 2.2, upright),
        *_safe_layers(fan, upright, first, end),
    ]
    across = {"type": "quantitative", "scale": {"domain": [first, end], "nice": False, "zero": False}, "title": "generation"}
    return {
        **canvas(size.width, size.height, right=8),
        "layer": layers,
        "encoding": {"x": {"field": "generation", **across, "axis": {"format": "d", "tickMinStep": 1, "grid": False}}},
    }


def _band(generation: int, low: float | None, high: float | None, upright: Axis) -> dict[str, Any]:
    return {"generation": generation, "low": upright.hold(low or 0.0), "high": upright.hold(high or 0.0)}


def _area(rows: Sequence[dict[str, Any]], opacity: float, upright: Axis) -> Specification:
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "area", "color": FAN, "opacity": opacity, "aria": False},
        "encoding": {"y": {"field": "low", **vertical(upright)}, "y2": {"field": "high"}},
    }


def _line(places: Sequence[tuple[int, float | None]], colour: str, width: float, upright: Axis) -> Specification:
    rows = [{"generation": g, "value": upright.hold(value)} for g, value in places if value is not None]
    return {
        "data": {"values": rows},
        "mark": {
            "type": "line",
            "color": colour,
            "strokeWidth": width,
            "point": {"color": colour, "size": 14} if len(rows) <= 12 else False,
        },
        "encoding": {"y": {"field": "value", **vertical(upright)}},
    }


def _safe_layers(fan: Fan, upright: Axis, first: int, end: int) -> list[Specification]:
    """The line of the budget, and a bar at the bottom of the chart for the generations within it."""
    if fan.limit is None or fan.safe is None:
        return []
    level = {"y": {"field": "value", **vertical(upright)}}
    limit = [{"generation": g, "value": upright.hold(fan.limit)} for g in (first, end)]
    low, median, high = (end if generation is None else max(first, generation) for generation in fan.safe)
    foot = upright.low
    bar = [{"generation": low, "until": high, "value": foot}]
    mark = [{"generation": median, "value": foot}]
    return [
        {
            "data": {"values": limit},
            "mark": {"type": "line", "color": LIMIT, "strokeWidth": 1.3, "strokeDash": [5, 3]},
            "encoding": level,
        },
        {
            "data": {"values": [{"generation": first, "until": low, "value": foot}]},
            "mark": {"type": "rule", "color": SAFE, "strokeWidth": 5, "opacity": 0.9},
            "encoding": {"x2": {"field": "until"}, **level},
        },
        {
            "data": {"values": bar},
            "mark": {"type": "rule", "color": SAFE, "strokeWidth": 5, "opacity": 0.4},
            "encoding": {"x2": {"field": "until"}, **level},
        },
        {
            "data": {"values": mark},
            "mark": {"type": "tick", "color": SAFE, "thickness": 3, "size": 16, "orient": "vertical"},
            "encoding": level,
        },
    ]


@dataclass(frozen=True)
class ShareOfHuman:
    """One arm of a share curve: the human share, and the worst value of the reading as a ratio to generation 0, with its 95 % interval."""

    share: float
    arm: str
    value: float
    low: float
    high: float


def share_figure(
    name: str,
    title: str,
    places: Sequence[ShareOfHuman],
    budget: float,
    least_share: tuple[float | None, float | None, float | None],
) -> Figure:
    """The worst value of a reading over the human share, the budget, and the interval of the minimum share that keeps it."""
    is_log = min(place.low for place in places) > 0
    upright = axis([CurvePoint(0, place.value, place.low, place.high) for place in places] + [CurvePoint(0, budget)], is_log=is_log)
    upright = replace(upright, title="ratio to generation 0")
    rows = [
        {
            "share": 100 * place.share,
            "value": upright.hold(place.value),
            "low": upright.hold(place.low),
            "high": upright.hold(place.high),
        }
        for place in places
    ]
    largest = max(row["share"] for row in rows)
    first = min(row["share"] for row in rows)
    low, value, high = (largest if share is None else 100 * share for share in least_share)
    level = {"y": {"field": "value", **vertical(upright)}}
    layers = [
        {
            "data": {"values": [{"share": low, "until": high, "low": upright.low, "high": upright.high}]},
            "mark": {"type": "rect", "color": SAFE, "opacity": 0.18},
            "encoding": {"x2": {"field": "until"}, "y": {"field": "low", **vertical(upright)}, "y2": {"field": "high"}},
        },
        {
            "data": {"values": [{"share": value}]},
            "mark": {"type": "rule", "color": SAFE, "strokeWidth": 2},
            "encoding": {},
        },
        {
            "data": {"values": [{"share": share, "value": upright.hold(budget)} for share in (first, largest)]},
            "mark": {"type": "line", "color": LIMIT, "strokeWidth": 1.3, "strokeDash": [5, 3]},
            "encoding": level,
        },
        {
            "data": {"values": rows},
            "mark": {"type": "rule", "color": FAN, "strokeWidth": 1.5},
            "encoding": {"y": {"field": "low", **vertical(upright)}, "y2": {"field": "high"}},
        },
        {
            "data": {"values": rows},
            "mark": {"type": "line", "color": FAN, "strokeWidth": 1.8, "point": {"color": FAN, "size": 30}},
            "encoding": level,
        },
    ]
    reach = 0.04 * (largest - first)
    scale = {"domain": [max(0.0, first - reach) if first else -reach, largest + reach], "nice": False, "zero": False}
    ticks = {
        "grid": False,
        "format": ".3~g",
        "values": sorted({row["share"] for row in rows}),
        "labelOverlap": True,
        "gridColor": FAINT,
    }
    spec = {
        **canvas(PANEL.width, PANEL.height, right=8),
        "layer": layers,
        "encoding": {
            "x": {
                "field": "share",
                "type": "quantitative",
                "title": "human share of the training records, %",
                "scale": scale,
                "axis": ticks,
            }
        },
    }
    data = table(
        [(place.share, place.arm, place.value, place.low, place.high, budget) for place in places],
        {"share": float, "arm": str, "value": float, "low": float, "high": float, "budget": float},
    )
    caption = (
        "A dot is an arm: its worst value up to the last generation of the forecast, as a ratio to generation 0, with its 95 % interval. The orange line is the budget. "
        "The green line is the minimum share that keeps the budget, and the green band is its 95 % interval."
    )
    return Figure(name, title, spec, data, caption)


def named(*words: str) -> str:
    """The name of a figure's file, made of several words."""
    return "-".join(file_word(visible(word)) for word in words if word)


__all__ = ["Fan", "ShareOfHuman", "fan_figure", "fan_panels", "named", "share_figure"]
