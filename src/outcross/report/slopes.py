"""What the speed of collapse depends on: a chart and a row for every slope over the arms of one run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from outcross.arms import arms
from outcross.errors import BadInput
from outcross.estimate import Estimate
from outcross.experiment import parse
from outcross.report.charts import INK, STYLE, Axis, Specification, axis, draw, vertical
from outcross.report.curves import Point
from outcross.report.figures import TINY, Panel, Pen
from outcross.report.numerals import number
from outcross.report.study import Study
from outcross.run_folder import READINGS
from outcross.slopes import Slope, settings_of, slopes

COLOUR = "#0072b2"


@dataclass(frozen=True)
class Row:
    """One slope, in words."""

    of: str
    metric: str
    slope: str
    bend: str
    arms: int
    method: str
    note: str
    points: tuple[tuple[str, str, str, str], ...]
    """Arm, setting, value, interval."""


@dataclass(frozen=True)
class Setting:
    """All slopes against one setting: `panels` is empty where no charts can be drawn."""

    title: str
    panels: tuple[Panel, ...]
    rows: tuple[Row, ...]


def slopes_of(study: Study, pen: Pen) -> tuple[Setting, ...]:
    """The slopes of a study of one run, by setting; none where no three of its arms differ in one number alone."""
    grouped = groupby(_found(study), lambda one: (one.setting, one.held))
    return tuple(
        Setting(f"{setting} ({held})" if held else setting, _panels(own := list(of), pen), tuple(map(_row, own)))
        for (setting, held), of in grouped
    )


def _found(study: Study) -> tuple[Slope, ...]:
    import polars

    if len(study.runs) != 1 or not study.runs[0].experiment.strip():
        return ()
    try:
        settings = settings_of(arms(parse(study.runs[0].experiment, "the experiment")))
    except BadInput:  # the page shows what is there, the command line refuses
        return ()
    rows = [
        (study.name, one.arm, one.seed, one.generation, one.metric, one.aspect, one.value, one.low, one.high, one.method, one.n, one.note)
        for one in study.readings
        if not one.is_floor
    ]  # fmt: skip
    return slopes(polars.DataFrame(rows, schema=READINGS, orient="row"), settings)


def _row(one: Slope) -> Row:
    points = tuple(
        (point.arm, number(point.setting), number(point.value), f"[{number(point.low)}, {number(point.high)}]")
        for point in one.points
    )
    of = one.of or f"{one.quantity} against {one.setting}"
    method = f"{one.slope.method}, n = {one.slope.n}" if one.slope else ""
    return Row(of, one.metric, _interval(one.slope), _interval(one.bend), len(points), method, one.note, points)


def _interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return number(None)
    return f"{number(estimate.value, 3)} [{number(estimate.low, 3)}, {number(estimate.high, 3)}]"


def _panels(many: Sequence[Slope], pen: Pen) -> tuple[Panel, ...]:
    return tuple(Panel(f"{one.quantity}: {_interval(one.slope)}", _drawn(one, pen)) for one in many if one.slope)


def _drawn(one: Slope, pen: Pen) -> str:
    """The chart of a slope as SVG, while the pen has ink."""
    if pen.is_missing:
        return ""
    if pen.ink <= 0:
        pen.left_out += 1
        return ""
    try:
        svg = draw(chart(one), f"s{pen.drawn}")
    except ImportError:
        pen.is_missing = True
        return ""
    pen.drawn += 1
    pen.ink -= len(svg.encode())
    return svg


def chart(one: Slope) -> Specification:
    """The values at each setting with their intervals, and the line that was fitted, on the scales on which it is straight."""
    is_log = one.of.startswith("ln ")
    line = _line(one, is_log)
    read = [Point(0, point.value, point.low, point.high) for point in one.points] + [Point(0, row["value"]) for row in line]
    upright = axis(read, is_log=is_log)
    values = [_held(point, upright) for point in one.points]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": TINY.width,
        "height": TINY.height,
        "padding": {"left": 2, "top": 6, "bottom": 2, "right": 4},
        "background": None,
        "config": STYLE,
        "encoding": {"x": _across(one), "y": {"field": "value", **vertical(upright)}},
        "layer": [
            {"data": {"values": line}, "mark": {"type": "line", "color": INK, "strokeWidth": 1.2, "strokeDash": [5, 4]}},
            {"data": {"values": values}, "mark": {"type": "rule", "color": COLOUR}, "encoding": _ENDS},
            {"data": {"values": values}, "mark": {"type": "point", "filled": True, "size": 30, "opacity": 1, "color": COLOUR}},
        ],
    }


_ENDS = {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}


def _across(one: Slope) -> Specification:
    settings = [point.setting for point in one.points]
    scale = {
        "type": "log" if min(settings) > 0 else "linear",
        "domain": [min(settings), max(settings)],
        "nice": False,
        "zero": False,
    }
    ticks = {"values": settings, "format": ",.4~g", "grid": False, "labelOverlap": True}
    return {"field": "setting", "type": "quantitative", "title": one.setting, "scale": scale, "axis": ticks}


def _held(point, upright: Axis) -> dict[str, float]:
    ends = {"low": upright.hold(point.low), "high": upright.hold(point.high)}
    return {"setting": point.setting, "value": upright.hold(point.value), **ends}


def _line(one: Slope, is_log: bool) -> list[dict[str, float]]:
    """The fitted line from the smallest setting to the largest; straight on the chart's scales."""
    assert one.slope is not None
    settings = [point.setting for point in one.points]
    places = [math.log(setting) if min(settings) > 0 else setting for setting in settings]
    values = [math.log(point.value) if is_log else point.value for point in one.points]
    middle, height = math.fsum(places) / len(places), math.fsum(values) / len(values)
    ends = [height + one.slope.value * (places[index] - middle) for index in (0, -1)]
    return [
        {"setting": setting, "value": math.exp(end) if is_log else end}
        for setting, end in zip((settings[0], settings[-1]), ends, strict=True)
    ]
