"""Figures that compare human and synthetic data: columns, quantiles, regions, and the calibration of predictions. Losses are shaded."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from outcross.data.columns import moment
from outcross.escapes import RULE, shortened
from outcross.report.characters import cut, visible
from outcross.report.charts import COLOURS, INK, canvas
from outcross.report.drawing import Specification
from outcross.report.figure import Figure, table
from outcross.report.numerals import number, percent
from outcross.report.shapes import HUMAN, SYNTHETIC, file_word
from outcross.statistics.portraits import Portrait, Reliability

WIDTH, HEIGHT = 268, 110
"""Size of a chart without its axes, in pixels. It fits into a card of an audit's page."""
BAR_WIDTH, LINE = 190, 18
"""Length of the longest bar of a category, and height of a bar, in pixels."""
NAMES_WIDTH = 104
"""Width of the names of categories, in pixels."""
SQUARE = 140
"""Side of a square chart, in pixels."""
FILLED, LOST = "#8fa9c9", "#e39a62"
"""The colours of synthetic data, and of losses: the human share above the synthetic one."""
SIDES: Mapping[str, str] = {"human": HUMAN, "synthetic": FILLED, "lost": LOST}
SEVERAL_DAYS, SEVERAL_MONTHS = 5, 120
"""Minimum numbers of days between the first and the last value for which times are written as dates, and as months."""
DWARFS = 5
"""A bin that is this many times as high as the highest of the others is cut off, so that the others can be seen."""
FAR = 0.05
"""Quantiles closer than this to either end of the data are drawn in another colour."""
RULE_LINE, RULE_LINES = 46, 4
"""Maximum length of a line of a region's rule in characters, and maximum number of lines."""
SHARES_WIDTH = 84
"""Width of the space for the two shares at the right of a region's bar, in pixels."""


def column_figure(column: str, portrait: Portrait) -> Figure:
    """A figure of a column on both sides: a histogram of numbers, or one bar per category.

    The data have one row per side and bin: the number of records in it, and their share of all records of that side with a value.
    """
    column = shortened(column, RULE)
    totals = {"human": sum(portrait.human) or 1, "synthetic": sum(portrait.synthetic) or 1}
    if portrait.kind == "number":
        words = [_written(place, portrait) for place in portrait.places]
        names = [_bin(low, high) for low, high in pairwise([None, *words, None])]
    else:
        names = list(portrait.names)
    counts = {"human": portrait.human, "synthetic": portrait.synthetic}
    data = table(
        [
            (column, place, name, side, count, count / totals[side])
            for side in counts
            for place, (name, count) in enumerate(zip(names, counts[side], strict=True))
        ],
        {"column": str, "place": int, "value": str, "side": str, "records": int, "share": float},
    )
    human, synthetic = ([count / totals[side] for count in counts[side]] for side in counts)
    spec = _histogram(column, portrait, human, synthetic) if portrait.kind == "number" else _bars(names, human, synthetic)
    caption = (
        f"{totals['synthetic']:,} synthetic and {totals['human']:,} human records; missing: {portrait.missing[1]:,} and {portrait.missing[0]:,}. "
        f"The {'outline' if portrait.kind == 'number' else 'mark'} is human, the filled area is synthetic, and the shaded area between them is a loss. "
        "Counts have no interval."
    )
    return Figure(f"column-{file_word(column)}", column, _spoken(spec, f"{column}: {caption}"), data, caption)


def _written(value: float, portrait: Portrait, digits: int = 4) -> str:
    """A value of a column of numbers as people write it: a time as a date if the bins span several days."""
    if not portrait.unit:
        return number(value, digits)
    are_dates = portrait.unit == "day" and portrait.places[-1] - portrait.places[0] >= SEVERAL_DAYS
    return moment(math.floor(value) if are_dates else value, portrait.unit)


def _bin(low: str | None, high: str | None) -> str:
    if low is None:
        return f"≤ {high}"
    return f"> {low}" if high is None else f"{low} to {high}"


def _histogram(column: str, portrait: Portrait, human: Sequence[float], synthetic: Sequence[float]) -> Specification:
    top = _top([*human, *synthetic])
    rows = [
        {"place": place, "end": place + 1, "human": min(theirs, top), "synthetic": min(ours, top)}
        for place, (theirs, ours) in enumerate(zip(human, synthetic, strict=True))
    ]
    filled = [{**row, "foot": 0, "height": row["synthetic"], "side": "synthetic"} for row in rows if row["synthetic"] > 0]
    lost = [
        {**row, "foot": row["synthetic"], "height": row["human"], "side": "lost"} for row in rows if row["human"] > row["synthetic"]
    ]
    outline = [{"place": row["place"], "height": row["human"], "side": "human"} for row in rows]
    outline.append({**outline[-1], "place": len(rows)})
    cut_off = [
        {"place": place + (place < len(rows) / 2), "height": top, "words": percent(share)}
        for place, share in enumerate(human)
        if share > top
    ]
    across = {
        "type": "quantitative",
        "title": cut(visible(column), 32),
        "axis": {**_edges(portrait), "grid": False},
        "scale": {"domain": [0, len(rows)], "nice": False},
    }
    upward = {
        "type": "quantitative",
        "title": "share of records",
        "axis": {"format": ".3~%", "tickCount": 4},
        "scale": {"domain": [0, top], "nice": False},
    }
    return {
        **canvas(WIDTH, HEIGHT, right=4),
        "layer": [
            {
                "data": {"values": [*filled, *lost]},
                "mark": {"type": "rect", "aria": False},
                "encoding": {
                    "x": {"field": "place", **across},
                    "x2": {"field": "end"},
                    "y": {"field": "foot", **upward},
                    "y2": {"field": "height"},
                    "color": _sides(),
                },
            },
            {
                "data": {"values": outline},
                "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.5, "aria": False},
                "encoding": {"x": {"field": "place", **across}, "y": {"field": "height", **upward}, "color": _sides()},
            },
            *(
                {
                    "data": {"values": [row]},
                    "mark": {
                        "type": "text",
                        "align": "left" if row["place"] <= len(rows) / 2 else "right",
                        "baseline": "top",
                        "dx": 3 if row["place"] <= len(rows) / 2 else -3,
                        "color": INK,
                    },
                    "encoding": {
                        "x": {"field": "place", **across},
                        "y": {"field": "height", **upward},
                        "text": {"field": "words"},
                    },
                }
                for row in cut_off
            ),
        ],
    }


def _edges(portrait: Portrait) -> Specification:
    """The axis of a histogram. It names some edges between bins; the first and the last bin are open."""
    places = portrait.places
    if not places:
        return {"values": [], "labels": False}
    step = max(1, round((len(places) - 1) / (3 if portrait.unit else 4)))
    ticks = list(range(1, len(places) + 1, step))
    words = " : ".join(f"datum.value == {tick} ? '{_written(places[tick - 1], portrait, 3)}'" for tick in ticks)
    return {"values": ticks, "labelExpr": f"{words} : ''"}


def _top(shares: Sequence[float]) -> float:
    """The share at the top of a histogram: the largest share, unless one or two bins are much higher than all others and are cut off.

    >>> _top([0.9, 0.04, 0.06]), _top([0.5, 0.3])
    (0.12, 0.5)
    """
    ordered = sorted(shares, reverse=True)
    others = [share for share in ordered if share < ordered[0] / DWARFS]
    if others and others[0] > 0 and len(ordered) - len(others) <= 2:
        return 2 * others[0]
    return max(ordered[0], 1e-9)


def _bars(names: Sequence[str], human: Sequence[float], synthetic: Sequence[float]) -> Specification:
    """One line per category: the synthetic share as a bar, the human share as a mark, and the loss between them."""
    rows = [
        {"place": place, "name": cut(visible(name), 32), "human": theirs, "synthetic": ours}
        for place, (name, theirs, ours) in enumerate(zip(names, human, synthetic, strict=True))
    ]
    filled = [{**row, "first": 0, "last": row["synthetic"], "side": "synthetic"} for row in rows if row["synthetic"] > 0]
    lost = [
        {**row, "first": row["synthetic"], "last": row["human"], "side": "lost"} for row in rows if row["human"] > row["synthetic"]
    ]
    # Shortened names may be equal, so lines are identified by number, and the axis looks up the name.
    words = [row["name"] for row in rows]
    upright = {
        "field": "place",
        "type": "ordinal",
        "title": None,
        "axis": {"labelExpr": f"{_literals(words)}[datum.value]", "labelLimit": NAMES_WIDTH, "minExtent": NAMES_WIDTH, "ticks": False, "domain": False},
        "scale": {"domain": list(range(len(rows))), "paddingInner": 0.33, "paddingOuter": 0.16},
    }  # fmt: skip
    across = {"type": "quantitative", "title": "share of records", "axis": {"format": ".3~%", "tickCount": 4}}
    return {
        **canvas(BAR_WIDTH, LINE * len(rows), right=4),
        "layer": [
            {
                "data": {"values": [*filled, *lost]},
                "mark": {"type": "bar", "opacity": 1, "aria": False},
                "encoding": {"y": upright, "x": {"field": "first", **across}, "x2": {"field": "last"}, "color": _sides()},
            },
            {
                "data": {"values": [{**row, "side": "human"} for row in rows]},
                "mark": {"type": "tick", "thickness": 1.5, "height": LINE - 2, "opacity": 1, "aria": False},
                "encoding": {"y": upright, "x": {"field": "human", **across}, "color": _sides()},
            },
        ],
    }


def _literals(words: Sequence[str]) -> str:
    """Texts as a list in Vega's expression language, which accepts JSON."""
    import json

    return json.dumps(list(words))


def _sides() -> Specification:
    return {
        "field": "side",
        "type": "nominal",
        "scale": {"domain": [*SIDES], "range": [*SIDES.values()]},
        "legend": {"title": None, "orient": "top", "offset": 4, "symbolType": "square", "symbolSize": 60, "aria": False},
    }


def quantile_figure(column: str, portrait: Portrait) -> Figure | None:
    """A figure of synthetic against human quantiles of the same depth; None if there are fewer than three, or if all values are equal."""
    ends = [*portrait.human_quantiles, *portrait.synthetic_quantiles]
    if len(portrait.depths) < 3 or min(ends) == max(ends):
        return None
    column = shortened(column, RULE)
    data = table(
        zip(portrait.depths, portrait.human_quantiles, portrait.synthetic_quantiles, strict=True),
        {"depth": float, "human": float, "synthetic": float},
    )
    is_log = not portrait.unit and min(ends) > 0 and max(ends) / min(ends) > 100
    times = {"": "", "clock": "%H:%M", "day": "%Y-%m" if max(ends) - min(ends) >= SEVERAL_MONTHS else "%m-%d"}[portrait.unit]
    encoding = _square("human", "synthetic", {"type": "log" if is_log else "linear", "zero": False}, times)
    spec = {
        **canvas(SQUARE, SQUARE, right=4),
        "layer": [
            _diagonal("human", "synthetic", ends, encoding),
            {
                "data": {"values": data.to_dicts()},
                "mark": {"type": "point", "filled": True, "size": 36, "opacity": 1, "aria": False},
                "encoding": {
                    **encoding,
                    "color": {
                        "condition": {"test": f"datum.depth < {FAR} || datum.depth > {1 - FAR}", "value": COLOURS[0]},
                        "value": SYNTHETIC,
                    },
                },
            },
        ],
    }
    caption = f"Quantiles of the same depth on both sides. Orange: the outer {percent(FAR)} at either end. On the dashed line nothing is lost."
    return Figure(f"quantiles-{file_word(column)}", f"Quantiles of {column}", _spoken(spec, f"{column}: {caption}"), data, caption)


def _square(across: str, upward: str, scale: Specification, times: str = "") -> Specification:
    """The axes of a square chart. `times`: the notation of times that are numbers of days, if both axes have times."""
    axis: dict[str, Any] = {"tickCount": 4, "format": "~s"} if scale["type"] == "linear" else {"tickCount": 4}
    if times:
        axis = {"tickCount": 3, "labelExpr": f"utcFormat(datum.value * 86400000, '{times}')"}
    return {
        "x": {"field": across, "type": "quantitative", "title": across, "scale": scale, "axis": {**axis, "grid": False}},
        "y": {"field": upward, "type": "quantitative", "title": upward, "scale": scale, "axis": axis},
    }


def _diagonal(across: str, upward: str, values: Sequence[float], encoding: Specification) -> Specification:
    return {
        "data": {"values": [{across: end, upward: end} for end in (min(values), max(values))]},
        "mark": {"type": "line", "color": INK, "strokeDash": [4, 3], "strokeWidth": 1.2, "aria": False},
        "encoding": encoding,
    }


ShownRegion = tuple[str, float, float]
"""A region of the data: its rule, its human and its synthetic share."""


def regions_figure(regions: Sequence[ShownRegion]) -> Figure:
    """A figure of regions of the data, with the share of each side in each region."""
    data = table(
        [(rule, side, share) for rule, *shares in regions for side, share in zip(("human", "synthetic"), shares, strict=True)],
        {"value": str, "side": str, "share": float},
    )
    caption = "The share of the records of each side in the region: human, then synthetic. The human share is a count of all human records. The synthetic share is the human share times a ratio that is estimated on one third of the records, which was not used to find the region; a count of all records would exaggerate the loss. The mark is human, the filled area is synthetic, and the shaded area between them is a loss."
    return Figure("regions", "Regions of the data that are lost", _spoken(_regions_drawn(regions), caption), data, caption)


def _regions_drawn(regions: Sequence[ShownRegion]) -> Specification:
    """The bars of the regions, one below the other, on one scale of shares."""
    largest = max(share for *_, human, synthetic in regions for share in (human, synthetic)) or 1.0
    words, bars, height = _regions_laid_out(regions)
    room = WIDTH + 40 - SHARES_WIDTH
    across = {"type": "quantitative", "axis": None, "scale": {"domain": [0, largest], "range": [0, room], "nice": False}}
    upright = {"type": "quantitative", "axis": None, "scale": {"domain": [0, height], "range": [0, height], "nice": False}}
    human = [row for row in bars if row["side"] == "human"]
    return {
        **canvas(WIDTH + 40, max(1, round(height)), right=4),
        "layer": [
            {
                "data": {"values": [row for row in bars if row["side"] != "human"]},
                "mark": {"type": "rect", "aria": False},
                "encoding": {
                    "x": {"field": "first", **across},
                    "x2": {"field": "last"},
                    "y": {"field": "y", **upright},
                    "y2": {"field": "foot"},
                    "color": _sides(),
                },
            },
            {
                "data": {"values": human},
                "mark": {"type": "rule", "strokeWidth": 1.5, "aria": False},
                "encoding": {
                    "x": {"field": "human", **across},
                    "y": {"field": "y", **upright},
                    "y2": {"field": "foot"},
                    "color": _sides(),
                },
            },
            {
                "data": {"values": words},
                "mark": {"type": "text", "align": "left", "baseline": "alphabetic", "color": INK},
                "encoding": {"x": {"value": 0}, "y": {"field": "y", **upright}, "text": {"field": "words"}},
            },
            {
                "data": {"values": human},
                "mark": {"type": "text", "align": "right", "baseline": "middle", "color": INK},
                "encoding": {"x": {"value": WIDTH + 40}, "y": {"field": "middle", **upright}, "text": {"field": "words"}},
            },
        ],
    }


def _regions_laid_out(regions: Sequence[ShownRegion]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], float]:
    """The lines of words and the bars with their places in pixels below the top, and the height of all of them."""
    words: list[dict[str, Any]] = []
    bars: list[dict[str, Any]] = []
    y = 0.0
    for rule, human, synthetic in regions:
        for line in textwrap.wrap(visible(rule), RULE_LINE, break_on_hyphens=False)[:RULE_LINES]:
            y += 13
            words.append({"y": y, "words": line})
        shares = {"human": human, "words": f"{percent(human)} → {percent(synthetic)}", "middle": y + 4 + LINE / 2}
        for side, first, last in (("synthetic", 0.0, synthetic), ("lost", synthetic, human)):
            if last > first:
                bars.append({**shares, "side": side, "first": first, "last": last, "y": y + 6, "foot": y + LINE})
        bars.append({**shares, "side": "human", "y": y + 3, "foot": y + LINE + 3})
        y += LINE + 10
    return words, bars, y


def calibration_figure(reliability: Reliability) -> Figure:
    """A figure of predictions against outcomes on human records, for models that learned from either side."""
    target = shortened(reliability.target, RULE)
    rows = [
        (side, *point) for side, points in (("human", reliability.human), ("synthetic", reliability.synthetic)) for point in points
    ]
    data = table(rows, {"side": str, "predicted": float, "came_true": float})
    ends = [value for _, *point in rows for value in point]
    encoding = _square("predicted", "came_true", {"type": "linear", "zero": False})
    encoding["x"]["title"], encoding["y"]["title"] = f"predicted: {cut(visible(reliability.predicted), 32)}", "observed"
    sides = _sides()
    sides["scale"] = {"domain": ["human", "synthetic"], "range": [HUMAN, SYNTHETIC]}
    spec = {
        **canvas(SQUARE + 30, SQUARE, right=4),
        "layer": [
            _diagonal("predicted", "came_true", ends, encoding),
            {
                "data": {"values": data.to_dicts()},
                "mark": {"type": "line", "point": True, "strokeWidth": 1.8, "aria": False},
                "encoding": {**encoding, "color": sides},
            },
        ],
    }
    caption = f"{reliability.learner}: models that learned from human and from synthetic records, tested on the same human records. On the dashed line, predictions agree with the observed values."
    return Figure(
        f"calibration-{file_word(target)}-{file_word(reliability.learner)}",
        f"Predictions of {target}",
        _spoken(spec, f"{target}: {caption}"),
        data,
        caption,
    )


def _spoken(spec: Specification, words: str) -> Specification:
    """A specification with a description for screen readers."""
    return {**spec, "description": cut(visible(words), 300)}


__all__ = ["calibration_figure", "column_figure", "quantile_figure", "regions_figure"]
