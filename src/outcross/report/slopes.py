"""Slopes of the speed of collapse: for every number in which arms differ, one chart per quantity, and a table of the slopes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from outcross.collapse import slopes
from outcross.collapse.slopes import CHANGE, Slope
from outcross.estimate import Estimate
from outcross.report.axes import Axis, across, axis, vertical
from outcross.report.characters import visible
from outcross.report.charts import FONT_SIZE, Look, Size, canvas, looks
from outcross.report.curves import CurvePoint
from outcross.report.drawing import Specification
from outcross.report.figure import Figure, table
from outcross.report.numerals import decimal, estimated, number
from outcross.report.sections import Panel, Pen, Rows, SectionTable
from outcross.report.study import Study

SIZE = Size(250, 170)


@dataclass(frozen=True)
class SlopeRow:
    """One slope, in words."""

    quantity: str
    among: str
    look: Look
    slope: str
    closed_form: str
    bend: str
    n: int
    note: str


@dataclass(frozen=True)
class SettingSlopes:
    """All slopes against one setting: the panels, the looks of the lines if there are several, and every number."""

    title: str
    panels: tuple[Panel, ...]
    lines: tuple[tuple[str, Look], ...]
    rows: tuple[SlopeRow, ...]
    methods: tuple[str, ...]
    table: SectionTable


def slopes_of(study: Study, leads: Iterable[str], pen: Pen) -> tuple[SettingSlopes, ...]:
    """The slopes of the start, the speed and the narrowing, and of the changes of the leading measures, by setting."""
    shown = shown_slopes(study, leads)
    return tuple(
        _setting(key, [slope for slope in shown if slope.setting == key], pen)
        for key in dict.fromkeys(slope.setting for slope in shown)
    )


def shown_slopes(study: Study, leads: Iterable[str]) -> list[Slope]:
    """The slopes that the page shows. Slopes of changes are shown only for the leading measures."""
    return [slope for slope in study.slopes if slope.quantity != CHANGE or slope.measure.removeprefix("log ") in set(leads)]


def _setting(key: str, chosen: Sequence[Slope], pen: Pen) -> SettingSlopes:
    styles = looks(list(dict.fromkeys(slope.among for slope in chosen)))
    chosen = sorted(chosen, key=lambda slope: list(dict.fromkeys(map(_kind, chosen))).index(_kind(slope)))
    panels = tuple(_panel(list(group), styles, pen) for _, group in groupby(chosen, _kind))
    return SettingSlopes(
        key,
        tuple(panel for panel in panels if panel.svg),
        tuple((among or "all", look) for among, look in styles.items()) if len(styles) > 1 else (),
        tuple(_row(slope, styles[slope.among]) for slope in chosen),
        tuple(dict.fromkeys(slope.slope.method for slope in chosen if slope.slope)),
        _table(chosen),
    )


def _kind(slope: Slope) -> tuple[str, str]:
    """The quantity and the measure of a slope, which identify its chart."""
    return slope.quantity, slope.measure


def _panel(chosen: Sequence[Slope], styles: dict[str, Look], pen: Pen) -> Panel:
    """The slopes of one quantity in one chart."""
    chart_slopes = drawn_slopes(chosen)
    title = f"{chosen[0].quantity} of {chosen[0].measure}"
    if len(chosen) == 1 and chosen[0].slope:
        title = f"{title}: {_interval(chosen[0].slope)}"
    return Panel(title, pen.draw(slope_figure(chart_slopes, styles, SIZE)) if chart_slopes else "")


def slope_figure(chart_slopes: Sequence[Slope], styles: Mapping[str, Look], size: Size, title: str = "") -> Figure:
    """A figure of the points, the fitted lines and the closed forms of one quantity. `title` is that of the vertical axis, if there is no heading."""
    first = chart_slopes[0]
    caption = " ".join(["Bars: 95 % intervals.", *dict.fromkeys(slope.slope.method for slope in chart_slopes if slope.slope)])
    spec = chart(chart_slopes, [styles[curve.among] for curve in chart_slopes], size, title)
    name = f"{first.quantity}-{first.measure}-against-{first.setting}"
    return Figure(name, f"{first.quantity} of {first.measure} against {first.setting}", spec, _data(chart_slopes), caption)


def drawn_slopes(chosen: Sequence[Slope]) -> list[Slope]:
    """The slopes of one quantity that share a chart: the exponents on logarithmic axes, or else the first slope."""
    fitted = [slope for slope in chosen if slope.slope]
    return [slope for slope in fitted if slope.is_exponent] or fitted[:1]


DATA_COLUMNS = {
    "quantity": str, "measure": str, "among": str, "arm": str, "setting": float, "value": float, "low": float, "high": float, "closed_form": float,
    "slope": float, "slope_low": float, "slope_high": float,
}  # fmt: skip


def _data(chart_slopes: Sequence[Slope]) -> Any:
    """The points to which lines are fitted, each with the slope of its line (polars). The column of the setting has the name of the setting."""
    rows = [
        (
            *(
                curve.quantity,
                curve.measure,
                curve.among,
                point.arm,
                point.setting,
                point.value,
                point.low,
                point.high,
                point.closed_form,
            ),
            *((curve.slope.value, curve.slope.low, curve.slope.high) if curve.slope else (None,) * 3),
        )
        for curve in chart_slopes
        for point in curve.points
    ]
    return table(rows, DATA_COLUMNS).rename({"setting": chart_slopes[0].setting})


def _row(slope: Slope, look: Look) -> SlopeRow:
    quantity = f"{slope.relation.partition(' against ')[0] or slope.quantity} of {slope.measure}"
    closed_form = "" if slope.closed_form is None else decimal(slope.closed_form)
    n = slope.slope.n if slope.slope else len(slope.points)
    return SlopeRow(quantity, slope.among or "all", look, _interval(slope.slope), closed_form, _interval(slope.bend), n, slope.note)


def _interval(estimate: Estimate | None) -> str:
    return number(None) if estimate is None else estimated(estimate.value, *estimate.interval)


def _table(chosen: Iterable[Slope]) -> SectionTable:
    """The table of the points to which lines are fitted."""
    groups = tuple(
        Rows(
            ", ".join(filter(None, (slope.among, slope.measure, slope.relation or slope.quantity))),
            tuple(
                (visible(point.arm), number(point.setting), *map(number, (point.value, point.low, point.high, point.closed_form)))
                for point in slope.points
            ),
        )
        for slope in chosen
    )
    return SectionTable(("arm", "setting", "value", "low", "high", "closed form"), groups)


def chart(chosen: Sequence[Slope], styles: Sequence[Look], size: Size = SIZE, title: str = "") -> Specification:
    """Points with their intervals, fitted lines with their slopes, and dotted closed forms, on scales on which the lines are straight."""
    is_log = chosen[0].relation.startswith("ln ")
    upright = replace(axis([point for slope in chosen for point in _sizes(slope)], is_log=is_log), title=title)
    names = [visible(slope.among) for slope in chosen]
    colours = {"scale": {"domain": names, "range": [look.colour for look in styles]}, "legend": None}
    dashes = {"scale": {"domain": names, "range": [list(look.dashes) for look in styles]}, "legend": None}
    return {
        **canvas(size.width, size.height, right=8),
        "layer": [*_closed_forms(chosen, upright), *_lines(chosen, upright, dashes), *_points(chosen, upright)],
        "encoding": {
            "x": across(sorted({point.setting for slope in chosen for point in slope.points}), chosen[0].setting),
            "color": {"field": "among", "type": "nominal", **colours},
        },
    }


def _size(slope: Slope, value: float) -> float:
    """The value that is drawn: the absolute value for a change on a logarithmic axis."""
    return abs(value) if slope.quantity == CHANGE and slope.is_exponent else value


def _sizes(slope: Slope) -> list[CurvePoint]:
    return [CurvePoint(0, _size(slope, point.value), *_ends(slope, point)) for point in slope.points]


def _ends(slope: Slope, point: slopes.Point) -> tuple[float, float]:
    assert (
        point.low is not None and point.high is not None
    )  # only points with intervals are fitted, and only fitted points are drawn
    low, high = sorted((_size(slope, point.low), _size(slope, point.high)))
    return low, high


def _points(chosen: Sequence[Slope], upright: Axis) -> list[Specification]:
    rows = [
        {"among": visible(slope.among), "setting": point.setting, "value": upright.hold(size.value or 0.0)}
        | {"low": upright.hold(size.low or 0.0), "high": upright.hold(size.high or 0.0)}
        for slope in chosen
        for point, size in zip(slope.points, _sizes(slope), strict=True)
    ]
    whisker = {"y": {"field": "low", **vertical(upright)}, "y2": {"field": "high"}, "description": {"field": "among"}}
    dot = {"y": {"field": "value", **vertical(upright)}, "description": {"field": "among"}}
    return [
        {"data": {"values": rows}, "mark": {"type": "rule", "strokeWidth": 1.6, "opacity": 0.7}, "encoding": whisker},
        {"data": {"values": rows}, "mark": {"type": "point", "filled": True, "size": 30, "opacity": 1}, "encoding": dot},
    ]


def _lines(chosen: Sequence[Slope], upright: Axis, dashes: Specification) -> list[Specification]:
    """The fitted lines, each labelled with its slope at the right end."""
    rows = [row for slope in chosen for row in _fitted(slope, upright)]
    labels = {(row["slope"], f"{row['value']:.2g}"): row for row in rows if row["slope"]}  # lines that coincide share a label
    line = {
        "y": {"field": "value", **vertical(upright)},
        "description": {"field": "among"},
        "strokeDash": {"field": "among", "type": "nominal", **dashes},
    }
    label = {"y": {"field": "value", **vertical(upright)}, "text": {"field": "slope"}, "color": {"value": "#1c1c1a"}}
    text = {"type": "text", "align": "right", "dy": -9, "fontSize": FONT_SIZE, "aria": False}
    return [
        {"data": {"values": rows}, "mark": {"type": "line", "strokeWidth": 1.6}, "encoding": line},
        {"data": {"values": list(labels.values())}, "mark": text, "encoding": label},
    ]


def _fitted(slope: Slope, upright: Axis) -> list[Specification]:
    """The two ends of a fitted line, at the smallest and the largest setting. It is straight on the scales of the chart."""
    assert slope.slope is not None
    is_log_setting, is_log_value = min(point.setting for point in slope.points) > 0, slope.relation.startswith("ln ")
    settings = np.array([point.setting for point in slope.points])
    values = np.array([_size(slope, point.value) for point in slope.points])
    at, heights = np.log(settings) if is_log_setting else settings, np.log(values) if is_log_value else values
    rows = []
    for index, label in ((0, ""), (-1, decimal(slope.slope.value))):
        height = float(heights.mean() + slope.slope.value * (at[index] - at.mean()))
        value = upright.hold(float(np.exp(height)) if is_log_value else height)
        rows.append({"among": visible(slope.among), "setting": float(settings[index]), "value": value, "slope": label})
    return rows


def _closed_forms(chosen: Sequence[Slope], upright: Axis) -> list[Specification]:
    rows = [
        {"among": visible(slope.among), "setting": point.setting, "value": upright.hold(_size(slope, point.closed_form))}
        for slope in chosen
        if slope.closed_form is not None
        for point in slope.points
        if point.closed_form is not None
    ]
    fixed = {"color": {"value": "#111"}, "strokeDash": {"value": [1, 3]}, "detail": {"field": "among"}}
    line = {"type": "line", "strokeWidth": 1.4, "aria": False}
    encoding = {"y": {"field": "value", **vertical(upright)}, **fixed}
    return [{"data": {"values": rows}, "mark": line, "encoding": encoding}] if rows else []
