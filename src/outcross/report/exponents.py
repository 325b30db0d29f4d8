"""How the speed of collapse goes with a number that arms differ in: one chart with logarithmic axes, and its exponents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from outcross.exponent import Exponent
from outcross.report.characters import visible
from outcross.report.charts import FONT_SIZE, STYLE, Axis, Look, Specification, axis, looks, vertical
from outcross.report.curves import Measured, Point
from outcross.report.figures import Panel, Pen, Rows, Table, page_of
from outcross.report.numerals import decimal, number
from outcross.report.study import Page, Study

WIDTH, HEIGHT = 380, 250  # pixels


@dataclass(frozen=True)
class Line:
    """One row of the exponents' table."""

    look: Look
    among: str
    exponent: str
    interval: str
    closed_form: str
    n: int
    method: str
    note: str


@dataclass(frozen=True)
class ExponentFigure:
    """One metric's speed against one setting."""

    setting: str
    page: Page
    is_log: bool
    panel: Panel
    lines: tuple[Line, ...]
    table: Table


def exponent_figures(study: Study, leads: Sequence[Measured], pen: Pen) -> list[ExponentFigure]:
    """A figure a setting for each metric that leads the page."""
    found = []
    for metric in dict.fromkeys(one.metric for one in leads if not one.aspect):
        of_metric = [one for one in study.exponents if one.metric == metric]
        for setting in dict.fromkeys(one.setting for one in of_metric):
            found.append(_figure(study, metric, [one for one in of_metric if one.setting == setting], pen))
    return found


def _figure(study: Study, metric: str, of: Sequence[Exponent], pen: Pen) -> ExponentFigure:
    styles = looks([one.among for one in of])
    fitted = [one for one in of if one.estimate]
    svg = pen.draw_specification(_chart(fitted, [styles[one.among] for one in fitted])) if fitted else ""
    lines = tuple(_line(one, styles[one.among]) for one in of)
    page = page_of(study, metric, ())
    return ExponentFigure(of[0].setting, page, of[0].is_log, Panel("", svg), lines, _table(of))


def _line(one: Exponent, look: Look) -> Line:
    closed_form = "" if one.closed_form is None else decimal(one.closed_form)
    if one.estimate is None:
        return Line(look, one.among, "–", "", closed_form, len(one.places), "", one.note)
    interval = f"[{decimal(one.estimate.low)}, {decimal(one.estimate.high)}]"
    return Line(look, one.among, decimal(one.estimate.value), interval, closed_form, one.estimate.n, one.estimate.method, one.note)


def _table(of: Iterable[Exponent]) -> Table:
    """The points that the exponents are fitted to."""
    groups = tuple(
        Rows(
            one.among,
            tuple(
                (number(place.at), number(place.speed.value), *_ends(place.speed.low, place.speed.high), number(place.closed_form))
                for place in one.places
            ),
        )
        for one in of
    )
    return Table((next(one.setting for one in of), "change a generation", "low", "high", "closed form"), groups)


def _ends(low: float, high: float) -> tuple[str, str]:
    return number(low if np.isfinite(low) else None), number(high if np.isfinite(high) else None)


def _chart(of: Sequence[Exponent], styles: Sequence[Look]) -> Specification:
    """Points with their intervals, the fitted lines, and dotted the closed forms."""
    over = axis([point for one in of for point in _sizes(one)], is_log=True)
    at = sorted({place.at for one in of for place in one.places})
    names = [visible(one.among) for one in of]
    shown = {"scale": {"domain": names, "range": [look.colour for look in styles]}, "legend": None}
    dashes = {"scale": {"domain": names, "range": [list(look.dashes) for look in styles]}, "legend": None}
    reach = [at[0] / (at[-1] / at[0]) ** 0.06, at[-1] * (at[-1] / at[0]) ** 0.06]
    across = {
        "field": "at",
        "type": "quantitative",
        "title": visible(of[0].setting),
        "scale": {"type": "log", "domain": reach, "nice": False},
        "axis": {"values": at, "tickCount": len(at), "format": ",.4~g", "grid": False, "labelOverlap": True},
    }
    colour = {"field": "arm", "type": "nominal", **shown}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDTH,
        "height": HEIGHT,
        "padding": {"left": 2, "top": 6, "bottom": 2, "right": 8},
        "background": None,
        "config": STYLE,
        "layer": [*_closed_forms(of, over), *_lines(of, over, dashes), *_points(of, over)],
        "encoding": {"x": across, "color": colour},
    }


def _sizes(one: Exponent) -> list[Point]:
    """What is drawn of each arm: how much it changes a generation, whichever way."""
    found = []
    for place in one.places:
        ends = sorted(abs(end) for end in place.speed[1:] if np.isfinite(end))
        low, high = ends if len(ends) == 2 else (None, None)
        found.append(Point(0, abs(place.speed.value), low, high))
    return found


def _points(of: Sequence[Exponent], over: Axis) -> list[Specification]:
    rows = [
        {"arm": visible(one.among), "at": place.at, "value": point.value, "low": over.hold(low), "high": over.hold(high)}
        for one in of
        for place, point in zip(one.places, _sizes(one), strict=True)
        for low, high in [(point.low or point.value or 0.0, point.high or point.value or 0.0)]
    ]
    whisker = {"y": {"field": "low", **vertical(over)}, "y2": {"field": "high"}, "description": {"field": "arm"}}
    dot = {"y": {"field": "value", **vertical(over)}, "description": {"field": "arm"}}
    return [
        {"data": {"values": rows}, "mark": {"type": "rule", "strokeWidth": 1.6, "opacity": 0.7}, "encoding": whisker},
        {"data": {"values": rows}, "mark": {"type": "point", "filled": True, "size": 34, "opacity": 1}, "encoding": dot},
    ]


def _lines(of: Sequence[Exponent], over: Axis, dashes: Specification) -> list[Specification]:
    """The fitted lines, each with its exponent at its right end."""
    rows = [row for one in of for row in _fitted(one, over)]
    line = {
        "y": {"field": "value", **vertical(over)},
        "description": {"field": "arm"},
        "strokeDash": {"field": "arm", "type": "nominal", **dashes},
    }
    label = {"y": {"field": "value", **vertical(over)}, "text": {"field": "exponent"}, "color": {"value": "#1c1c1a"}}
    text = {"type": "text", "align": "right", "dy": -9, "fontSize": FONT_SIZE, "aria": False}
    return [
        {"data": {"values": rows}, "mark": {"type": "line", "strokeWidth": 2}, "encoding": line},
        {"data": {"values": [row for row in rows if row["exponent"]]}, "mark": text, "encoding": label},
    ]


def _fitted(one: Exponent, over: Axis) -> list[Specification]:
    assert one.estimate is not None
    at = np.log([place.at for place in one.places])
    sizes = np.log([abs(place.speed.value) for place in one.places])
    rows = []
    for end, label in ((at.min(), ""), (at.max(), decimal(one.estimate.value))):
        value = float(np.exp(sizes.mean() + one.estimate.value * (end - at.mean())))
        rows.append({"arm": visible(one.among), "at": float(np.exp(end)), "value": over.hold(value), "exponent": label})
    return rows


def _closed_forms(of: Sequence[Exponent], over: Axis) -> list[Specification]:
    rows = [
        {"arm": visible(one.among), "at": place.at, "value": over.hold(abs(place.closed_form))}
        for one in of
        if one.closed_form is not None
        for place in one.places
        if place.closed_form
    ]
    fixed = {"color": {"value": "#111"}, "strokeDash": {"value": [1, 3]}, "detail": {"field": "arm"}}
    line = {"type": "line", "strokeWidth": 1.4, "aria": False}
    return (
        [{"data": {"values": rows}, "mark": line, "encoding": {"y": {"field": "value", **vertical(over)}, **fixed}}] if rows else []
    )
