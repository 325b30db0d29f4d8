"""Figures of shares, changes and checks for audits and mixes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from outcross.report.characters import cut, visible
from outcross.report.charts import COLOURS, INK, canvas
from outcross.report.drawing import Specification
from outcross.report.figure import Figure
from outcross.report.numerals import number, percent
from outcross.statistics.share_curves import ShareDesign
from outcross.wording import amount

WIDTH, HEIGHT = 380, 220
LINE = 20
"""Height of a bar, in pixels."""
CELL = 44
"""Width of a cell of a matrix, in pixels."""
NAMES = 48
"""Maximum length of the name of a bar, in characters."""
HUMAN, SYNTHETIC = INK, COLOURS[1]


def file_word(text: str) -> str:
    """A text in a form that is valid in a file name.

    >>> file_word("hours per week / £")
    'hours-per-week'
    """
    return re.sub(r"[^\w.=+]+", "-", text).strip("-.")[:80] or "unnamed"


def _bars(names: Sequence[str], data: Any, by: str, colours: Mapping[str, str], value: str, title: str) -> Specification:
    """One line per name, with one bar per side."""
    rows = [{**row, "shown": cut(visible(str(row["value"])), NAMES)} for row in data.to_dicts()]
    colour = {
        "field": by,
        "type": "nominal",
        "scale": {"domain": [*colours], "range": [*colours.values()]},
        "legend": {"title": None, "orient": "top"},
    }
    return {
        **canvas(WIDTH, LINE * max(2, len(names)), right=4),
        "data": {"values": rows},
        "mark": {"type": "bar", "opacity": 0.8},
        "encoding": {
            "y": {"field": "shown", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 260}},
            "yOffset": {"field": by, "sort": [*colours]},
            "x": {"field": value, "type": "quantitative", "title": title, "axis": {"format": ".3~%", "tickCount": 5}},
            "color": colour,
        },
    }


def share_curve_figure(design: ShareDesign, loss: str) -> Figure:
    """A figure of the loss on human records over the share of synthetic training records, for all records and for the worst group."""
    import polars

    lines = {
        "all records": [(point, point.loss) for point in design.points],
        "worst group": [(point, point.worst_loss) for point in design.points if point.worst_loss],
    }
    rows = [
        (
            design.fixed,
            point.share,
            line,
            point.worst_group if line == "worst group" else "",
            sentence.value,
            sentence.low,
            sentence.high,
            sentence.method,
            sentence.n,
        )
        for line, points in lines.items()
        for point, sentence in points
        if sentence is not None
    ]
    data = polars.DataFrame(rows, schema=["fixed", "share", "records", "group", "loss", "low", "high", "method", "n"], orient="row")
    colour = {
        "field": "records",
        "type": "nominal",
        "scale": {"domain": [*lines], "range": [COLOURS[1], COLOURS[0]]},
        "legend": {"title": None, "orient": "top"},
    }
    across = {
        "field": "share",
        "type": "quantitative",
        "title": "share of training records that are synthetic",
        "axis": {"format": ".3~%", "grid": False, "values": [point.share for point in design.points], "labelOverlap": True},
        "scale": {"padding": 12},
    }

    def upward(field: str) -> Specification:
        return {"field": field, "type": "quantitative", "title": visible(loss), "scale": {"zero": False}}

    first, last = design.interval
    apart = {"all records": -0.005, "worst group": 0.005}  # so that the intervals of the two lines do not overlap
    reach = max(point.share for point in design.points) or 1.0
    shown = [{**row, "share": row["share"] + apart[row["records"]] * reach} for row in data.to_dicts()]
    spec = {
        **canvas(WIDTH, HEIGHT, right=4),
        "data": {"values": shown},
        "layer": [
            {
                "data": {"values": [{"first": first, "last": last}]},
                "mark": {"type": "rect" if last > first else "rule", "color": "#8a8880", "opacity": 0.22},
                "encoding": {
                    "x": {"field": "first", "type": "quantitative"},
                    **({"x2": {"field": "last"}} if last > first else {}),
                },
            },
            {
                "data": {"values": [{"loss": design.points[0].loss.value}]},
                "mark": {"type": "rule", "strokeDash": [4, 3], "color": INK},
                "encoding": {"y": upward("loss")},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 1.6},
                "encoding": {"x": across, "y": upward("low"), "y2": {"field": "high"}, "color": colour},
            },
            {
                "mark": {"type": "line", "point": True, "strokeWidth": 1.8},
                "encoding": {"x": across, "y": upward("loss"), "color": colour},
            },
        ],
    }
    caption = f"Bars: 95 % intervals; those of the worst group hold for all groups together. Dashed: human records alone. Grey: shares that may be the best, {percent(first)} to {percent(last)}."
    return Figure(f"share-curve-{design.fixed}", f"{loss}, {title_of_design(design)}", spec, data, caption)


def title_of_design(design: ShareDesign) -> str:
    """The title of the design of a share curve.

    >>> title_of_design(ShareDesign("human", 1200, (), 0.0, (0.0,), (), ()))
    'synthetic records added to all 1,200 human ones'
    """
    if design.fixed == "human":
        return f"synthetic records added to all {design.size:,} human ones"
    return f"{amount(design.size, 'record')} in all, synthetic ones in the place of human ones"


def counts_figure(name: str, title: str, counts: Mapping[str, int]) -> Figure:
    """A figure of the number of rows with each value. All rows are counted, so the numbers have no intervals."""
    import polars

    total = sum(counts.values()) or 1
    rows = [(value, "rows", rows, rows / total) for value, rows in counts.items()]
    data = polars.DataFrame(rows, schema=["value", "series", "rows", "share"], orient="row")
    spec = _bars(list(counts), data, "series", {"rows": SYNTHETIC}, "share", "share of rows")
    spec = {**spec, "encoding": {**spec["encoding"], "color": {"value": SYNTHETIC}}}
    return Figure(
        file_word(name),
        title,
        spec,
        data.drop("series"),
        f"All {total:,} rows are counted, so the numbers are exact and have no interval.",
    )


BEFORE = {"before": "#8a8880", "after": SYNTHETIC}
"""The colours of the two mixes of a comparison."""


def changes_figure(name: str, title: str, rows: Sequence[tuple[str, int, int, float, float]], caption: str) -> Figure:
    """A figure of shares before and after. A row has the value, the numbers of rows before and after, and their shares."""
    import polars

    records = [
        (value, side, count, share) for value, *both in rows for side, count, share in zip(BEFORE, both[:2], both[2:], strict=True)
    ]
    data = polars.DataFrame(records, schema=["value", "side", "rows", "share"], orient="row")
    spec = _bars([value for value, *_ in rows], data, "side", BEFORE, "share", "share of records")
    return Figure(file_word(name), title, spec, data, caption)


def checks_figure(name: str, title: str, rows: Sequence[Mapping[str, Any]], caption: str) -> Figure:
    """A figure of checks on a common scale, on which 0 is the healthy value and 1 the tolerance.

    A row has check, verdict, depth, low and high (on that scale), and further columns of the data.
    """
    import polars

    data = polars.DataFrame(rows)
    colours = {"lost": "#9a3b00", "invented": "#6b3fa0", "cannot tell": "#63625d", "kept": "#2f6b3c"}
    shown = [
        {
            **{end: min(4.0, max(-1.0, row[end])) for end in ("depth", "low", "high")},
            "check": row["check"],
            "verdict": row["verdict"].replace("_", " "),
        }
        for row in rows
    ]
    across = {
        "type": "quantitative",
        "scale": {"domain": [-1, 4], "nice": False},
        "title": "0: same as human data, 1: the tolerance",
        "axis": {"values": [-1, 0, 1, 2, 3, 4], "grid": False},
    }
    line = {"y": {"field": "check", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 320}}}
    colour = {
        "field": "verdict",
        "type": "nominal",
        "scale": {"domain": [*colours], "range": [*colours.values()]},
        "legend": {"title": None, "orient": "top"},
    }
    marks = [{"at": 0, "dash": "human"}, {"at": 1, "dash": "tolerance"}]
    spec = {
        **canvas(WIDTH, LINE * max(2, len(rows)), right=4),
        "layer": [
            {
                "data": {"values": marks},
                "mark": {"type": "rule", "color": INK, "strokeDash": [4, 3]},
                "encoding": {"x": {"field": "at", **across}},
            },
            {
                "data": {"values": shown},
                "mark": {"type": "rule", "strokeWidth": 2, "clip": True},
                "encoding": {"x": {"field": "low", **across}, "x2": {"field": "high"}, **line, "color": colour},
            },
            {
                "data": {"values": shown},
                "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1},
                "encoding": {"x": {"field": "depth", **across}, **line, "color": colour},
            },
        ],
    }
    return Figure(name, title, spec, data, caption)


def lines_figure(name: str, title: str, rows: Sequence[Mapping[str, Any]], across: str, by: str, value: str) -> Figure:
    """A figure of shares over whole numbers, with one line per name."""
    import polars

    places = sorted({row[across] for row in rows})
    spec = {
        **canvas(2 * HEIGHT, HEIGHT, right=4),
        "data": {"values": list(rows)},
        "mark": {"type": "line", "point": True, "strokeWidth": 2},
        "encoding": {
            "x": {"field": across, "type": "quantitative", "axis": {"values": places, "format": "d", "grid": False}},
            "y": {"field": value, "type": "quantitative", "axis": {"format": "%"}, "title": title},
            "color": {"field": by, "type": "nominal", "title": None, "scale": {"range": [*COLOURS]}},
            "strokeDash": {"field": by, "type": "nominal", "title": None},
        },
    }
    return Figure(name, title, spec, polars.DataFrame(rows), "Means over checks, with no interval.")


def matrix_figure(name: str, title: str, rows: Sequence[Mapping[str, Any]], caption: str, value: str, *, is_signed: bool) -> Figure:
    """A figure with a number for each pair of names (`one` and `other`). Darker cells have larger numbers."""
    import polars

    largest = max((abs(row[value]) for row in rows), default=0.0) or 1.0
    scale = (
        {"domain": [-largest, 0, largest], "range": [COLOURS[0], "#f3f2ee", COLOURS[1]], "interpolate": "rgb"}
        if is_signed
        else {"domain": [0, largest], "range": ["#f3f2ee", COLOURS[0]], "interpolate": "rgb"}
    )
    names = [list(dict.fromkeys(str(row[side]) for row in rows)) for side in ("one", "other")]
    shown = [
        {
            "one": cut(visible(str(row["one"])), NAMES),
            "other": cut(visible(str(row["other"])), NAMES),
            "size": row[value],
            "text": number(row[value], 2),
        }
        for row in rows
    ]
    place = {
        "x": {
            "field": "other",
            "type": "nominal",
            "sort": None,
            "title": None,
            "axis": {"labelAngle": -50, "orient": "top", "labelLimit": 160},
        },
        "y": {"field": "one", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 200}},
    }
    spec = {
        **canvas(CELL * max(2, len(names[1])), LINE * max(2, len(names[0])), right=40),
        "data": {"values": shown},
        "layer": [
            {
                "mark": {"type": "rect"},
                "encoding": {**place, "color": {"field": "size", "type": "quantitative", "scale": scale, "legend": None}},
            },
            {"mark": {"type": "text", "fontSize": 10, "color": "#1c1c19"}, "encoding": {**place, "text": {"field": "text"}}},
        ],
    }
    return Figure(name, title, spec, polars.DataFrame(rows), caption)


__all__ = [
    "changes_figure", "checks_figure", "counts_figure", "file_word", "lines_figure", "matrix_figure", "share_curve_figure", "title_of_design",
]  # fmt: skip
