"""Vega-Lite specifications of curves, and the style of all charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from outcross.escapes import shortened
from outcross.report.axes import Axis, vertical
from outcross.report.characters import visible
from outcross.report.curves import Curve, CurvePoint, half_width
from outcross.report.drawing import Specification
from outcross.report.headline import is_baseline
from outcross.report.numerals import number, percent

# The colours of Okabe and Ito without yellow, which is hard to see in print. The human baseline is grey.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#332288", "#882255", "#808000")
BASELINE = "#5b5b5b"
DASHES: tuple[tuple[int, ...], ...] = ((1, 0), (7, 3), (2, 2), (9, 3, 2, 3), (4, 4))
FONT_SIZE = 11.5
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
INK, FAINT = "#3a3a38", "#e9e8e4"
LABEL_HEIGHT = 14  # pixels
LABEL_INDENT, LETTER = 20, 6  # pixels before the name of a line, and per letter of the name
LEADER = 15  # pixels of the thin line from the end of a line to its name
CLEAR_BANDS = 5  # if there are more bands, each is paler, so that lines stay visible under all of them
CROWD = 25  # a line has no dots if there are more generations than this …
DOTS = 120  # … or if the chart would have more dots than this
NARROWEST = 0.58  # minimum share of a chart's width for its lines, however long their names are
FEW_LAWS = 3  # maximum number of closed forms that are named at their ends; if there are more, the name of each arm has the value
CLEAR_LAWS = 3  # if there are more closed forms, their bands are paler


@dataclass(frozen=True)
class Look:
    """The colour and dashes of an arm in every chart."""

    colour: str
    dashes: tuple[int, ...]


@dataclass(frozen=True)
class Size:
    """The size of a chart in pixels. `labels` is the width of the margin at the right for the names of lines, or 0."""

    width: int
    height: int
    labels: int = 0


def looks(arms: Sequence[str]) -> dict[str, Look]:
    """A colour and dashes for each arm. They are distinct for up to 45 arms."""
    styles, colours_used = {}, 0
    for arm in arms:
        if is_baseline(arm) and not any(look.colour == BASELINE for look in styles.values()):
            styles[arm] = Look(BASELINE, (14, 3))
        else:
            styles[arm] = Look(COLOURS[colours_used % len(COLOURS)], DASHES[colours_used % len(DASHES)])
            colours_used += 1
    return styles


def canvas(width: int, height: int, *, right: int) -> Specification:
    """The common parts of all charts: the size, the padding (labels may be in the `right` one) and the style."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": width,
        "height": height,
        "padding": {"left": 2, "top": 6, "bottom": 2, "right": right},
        "background": None,
        "config": STYLE,
    }


def chart(
    curves: Sequence[Curve],
    looks: Mapping[str, Look],
    axis: Axis,
    size: Size,
    floor: Curve | None = None,
    laws: Mapping[str, Mapping[int, float]] | None = None,
    law_names: Mapping[str, str] | None = None,
    human: str = "human data",
) -> Specification:
    """Curves over the generations with their intervals, drawn on top of the closed forms and the reading of other human data."""
    closed_forms, names = laws or {}, law_names or {}
    size = _with_room_for_names(curves, axis, size, closed_forms, names) if size.labels else size
    layers = [
        *_floor_layers(floor, curves, axis, f"other {human}" if size.labels else ""),
        *_law_layers(curves, closed_forms, axis),
        *_interval_layers(curves, axis),
        *_thread_layers(curves, axis),
        *_line_layers(curves, axis),
        *(_label_layers(curves, axis, size, closed_forms, names) if size.labels else ()),
    ]
    arms = [curve.arm for curve in curves]
    ticks = _generation_ticks(curves, size)
    return {
        **canvas(size.width - size.labels, size.height, right=4),
        "layer": layers,
        "encoding": {
            "x": {
                "field": "generation",
                "type": "quantitative",
                "title": "generation",
                "scale": {"domain": _span(curves), "nice": False, "zero": False},
                "axis": {"values": ticks, "tickCount": len(ticks), "format": "d", "grid": False, "labelFlush": False},
            },
            "color": {
                "field": "arm",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": _shown(arms), "range": [looks[arm].colour for arm in arms]},
            },
            "strokeDash": {
                "field": "arm",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": _shown(arms), "range": [list(looks[arm].dashes) for arm in arms]},
            },
        },
    }


STYLE: Specification = {
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "titleFontWeight": "normal",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "tickColor": "#b8b6b0",
        "domainColor": "#b8b6b0",
        "gridColor": FAINT,
    },
    "legend": {"labelColor": INK, "titleColor": INK},
    "title": {"color": INK},
}


def _span(curves: Sequence[Curve]) -> list[float]:
    generations = [point.generation for curve in curves for point in curve.points]
    first, last = min(generations), max(generations)
    return [first, last] if first < last else [first - 0.5, last + 0.5]


def _generation_ticks(curves: Sequence[Curve], size: Size) -> list[int]:
    generations = sorted({point.generation for curve in curves for point in curve.points})
    room = max(2, (size.width - size.labels) // 34)
    rough = (generations[-1] - generations[0]) / room
    step = next(step for power in range(12) for step in (10**power, 2 * 10**power, 5 * 10**power) if step >= rough)
    return [generation for generation in generations if (generation - generations[0]) % step == 0]


def _shown(arms: Sequence[str]) -> list[str]:
    return [visible(arm) for arm in arms]


def _segments(points: Sequence[CurvePoint], arm: str, key: str = "") -> list[Specification]:
    """The known points of a curve. A generation without a value breaks the line."""
    rows, segment = [], 0
    for point in points:
        if point.value is None:
            segment += 1
        else:
            rows.append({"arm": visible(arm), "generation": point.generation, "value": point.value, "segment": f"{key}{segment}"})
    return rows


def _interval_layers(curves: Sequence[Curve], axis: Axis) -> list[Specification]:
    rows = [
        {**row, "low": axis.hold(point.low), "high": axis.hold(point.high)}
        for curve in curves
        for row, point in zip(_segments(curve.points, curve.arm), curve.known, strict=True)
        if point.low is not None and point.high is not None
    ]
    is_single = len({row["generation"] for row in rows}) == 1
    opacity = round(0.14 * min(1.0, CLEAR_BANDS / max(1, len({row["arm"] for row in rows}))), 3)
    mark = (
        {"type": "rule", "strokeWidth": 2, "opacity": 0.5} if is_single else {"type": "area", "opacity": opacity, "strokeWidth": 0}
    )
    return [_band(rows, mark, axis)] if rows else []


def _band(rows: Sequence[Specification], mark: Specification, axis: Axis, *, is_of_arm: bool = True) -> Specification:
    encoding: Specification = {
        "y": {"field": "low", **vertical(axis)},
        "y2": {"field": "high"},
        "detail": [{"field": "arm"}, {"field": "segment"}],
        "strokeDash": {"value": [1, 0]},
    }
    encoding |= {"description": {"field": "arm"}} if is_of_arm else {"color": {"value": mark["color"]}}
    return {"data": {"values": list(rows)}, "mark": {**mark, "aria": is_of_arm}, "encoding": encoding}


def _thread_layers(curves: Sequence[Curve], axis: Axis) -> list[Specification]:
    rows = [
        row
        for curve in curves
        for index, thread in enumerate(curve.threads)
        for row in _segments(thread, curve.arm, key=f"{index}-")
    ]
    return [_lines(rows, {"strokeWidth": 0.8, "opacity": 0.5}, axis)] if rows else []


def _line_layers(curves: Sequence[Curve], axis: Axis) -> list[Specification]:
    rows = [row for curve in curves for row in _segments(curve.points, curve.arm)]
    layers = [_lines(rows, {"strokeWidth": 2}, axis)]
    if len({row["generation"] for row in rows}) <= CROWD and len(rows) <= DOTS:
        layers.append(_dots(rows, axis))
    return layers


def _dots(rows: Sequence[Specification], axis: Axis) -> Specification:
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "point", "filled": True, "size": 24, "opacity": 1},
        "encoding": {
            "y": {"field": "value", **vertical(axis)},
            "description": {"field": "arm"},
            "strokeDash": {"value": [1, 0]},
        },
    }


def _lines(rows: Sequence[Specification], mark: Specification, axis: Axis) -> Specification:
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "line", **mark},
        "encoding": {
            "y": {"field": "value", **vertical(axis)},
            "detail": {"field": "segment"},
            "description": {"field": "arm"},
        },
    }


def _floor_layers(floor: Curve | None, curves: Sequence[Curve], axis: Axis, name: str) -> list[Specification]:
    """The reading of other human data as a dashed line with its band. If the name is empty, there is no label; in a small chart it would cover the curves."""
    if floor is None:
        return []
    points = floor.known
    if len(points) == 1:
        first, last = _span(curves)
        rows = [_floor_row(points[0], generation, axis) for generation in (first, last)]
    else:
        rows = [_floor_row(point, point.generation, axis) for point in points]
    line = {"type": "line", "color": INK, "strokeWidth": 1.3, "strokeDash": [5, 4], "aria": False}
    level = {"y": {"field": "value", **vertical(axis)}, "color": {"value": INK}, "strokeDash": {"value": [5, 4]}}
    banded = [row for row in rows if "low" in row]
    area = {"type": "area", "color": "#8a8880", "opacity": 0.22, "strokeWidth": 0}
    return [
        *([_band(banded, area, axis, is_of_arm=False)] if banded else []),
        {"data": {"values": rows}, "mark": line, "encoding": level},
        *([_floor_name(rows[-1], name, axis)] if name else []),
    ]


def _floor_name(row: Specification, name: str, axis: Axis) -> Specification:
    return {
        "data": {"values": [row]},
        "mark": {"type": "text", "text": name, "align": "right", "dy": -6, "fontSize": 10, "color": INK, "aria": False},
        "encoding": {"y": {"field": "value", **vertical(axis)}, "color": {"value": INK}, "strokeDash": {"value": [1, 0]}},
    }


def _floor_row(point: CurvePoint, generation: float, axis: Axis) -> Specification:
    assert point.value is not None
    row = {"generation": generation, "arm": "", "segment": "0", "value": axis.hold(point.value)}
    if point.low is None or point.high is None:
        return row
    return row | {"low": axis.hold(point.low), "high": axis.hold(point.high)}


def _law_layers(curves: Sequence[Curve], laws: Mapping[str, Mapping[int, float]], axis: Axis) -> list[Specification]:
    """Closed forms as dark dotted lines, each with a band of half the width of the measured intervals on either side."""
    rows = [_law_row(curve, generation, value, axis) for curve in curves for generation, value in laws.get(curve.arm, {}).items()]
    banded = [row for row in rows if "low" in row]
    if not rows:
        return []
    line = {"type": "line", "strokeWidth": 1.4, "aria": False}
    fixed = {"color": {"value": "#111"}, "strokeDash": {"value": [1, 3]}, "detail": {"field": "arm"}}
    opacity = round(0.25 * min(1.0, CLEAR_LAWS / len({row["arm"] for row in rows})), 3)
    area = {"type": "area", "color": "#8a8880", "opacity": opacity, "strokeWidth": 0}
    return [
        *([_band(banded, area, axis, is_of_arm=False)] if banded else []),
        {"data": {"values": rows}, "mark": line, "encoding": {"y": {"field": "value", **vertical(axis)}, **fixed}},
    ]


def _law_row(curve: Curve, generation: int, value: float, axis: Axis) -> Specification:
    """A value of a closed form. If the measured value has an interval, with a band of half the width of that interval on either side."""
    point = curve.at(generation)
    row = {"generation": generation, "arm": visible(curve.arm), "segment": "0", "value": axis.hold(value)}
    if (half := half_width(point) if point else None) is None:
        return row
    return row | {"low": axis.hold(value - half), "high": axis.hold(value + half)}


def _law_ends(laws: Mapping[str, Mapping[int, float]], names: Mapping[str, str], axis: Axis, size: Size) -> list[tuple[float, str]]:
    """The ends of closed forms, in pixels below the top, with their names.

    Closed forms that end together share one name. If a name occurs at several places, it includes the arms.
    """
    ends: dict[tuple[str, int], float] = {}
    arms: dict[tuple[str, int], list[str]] = {}
    for arm, values in laws.items():
        if values:
            end = axis.pixel(axis.hold(values[max(values)]), size.height)
            place = names.get(arm, "closed form"), round(end / LABEL_HEIGHT)
            ends.setdefault(place, end)
            arms.setdefault(place, []).append(arm)
    often = Counter(name for name, _ in ends)
    return [
        (end, f"theory: {place[0]}" if often[place[0]] == 1 else f"theory of {', '.join(arms[place])}: {place[0]}")
        for place, end in ends.items()
    ]


@dataclass(frozen=True)
class _Label:
    """The name of a line, with the positions of the end of the line and of the name, in pixels from the left and from the top."""

    end: float
    arm: str
    text: str
    x: float
    right: float


def _label_layers(
    curves: Sequence[Curve], axis: Axis, size: Size, laws: Mapping[str, Mapping[int, float]], law_names: Mapping[str, str]
) -> list[Specification]:
    """The names of lines and of closed forms at their ends. They are moved apart, and thin lines connect them with the ends."""
    if len(curves) * LABEL_HEIGHT > _room(size):
        return []
    theory = _law_ends(laws, law_names, axis, size)
    is_named = len(laws) <= FEW_LAWS and (len(curves) + len(theory)) * LABEL_HEIGHT <= _room(size)
    labels = [_label(curve, curves, axis, size, {} if is_named else laws.get(curve.arm, {})) for curve in curves]
    if is_named:
        x = size.width - size.labels + 3
        labels += [_Label(end, "", shortened(visible(name), _longest(size)), x, x + LEADER) for end, name in theory]
    margin = size.width - size.labels
    rows = []
    for beside in ([label for label in labels if label.right > margin], [label for label in labels if label.right <= margin]):
        ordered = sorted(beside, key=lambda label: (label.end, label.arm, label.text))
        for label, place in zip(ordered, _apart([label.end for label in ordered], size.height), strict=True):
            rows.append(
                {"arm": label.arm, "end": label.end, "place": place, "right": label.right, "text": label.text, "x": label.x}
            )
    return [*_leaders(rows), *_names(rows)]


def _label(curve: Curve, curves: Sequence[Curve], axis: Axis, size: Size, law: Mapping[int, float]) -> _Label:
    """The name of an arm. If its line ends before the others and there is room, the name is at that end; otherwise it is in the margin."""
    point = curve.known[-1]
    end = axis.pixel(point.value or 0.0, size.height)
    text = _end_label(curve, axis, _longest(size), law.get(point.generation))
    width = size.width - size.labels
    first, last = _span(curves)
    x = (point.generation - first) / (last - first) * width
    ends_early = x + LABEL_INDENT + LETTER * len(text) < width
    if point.generation < last and ends_early:
        return _Label(end, visible(curve.arm), text, x + 3, x + 3 + LEADER)
    return _Label(end, visible(curve.arm), text, min(x, width) + 3, width + 3 + LEADER)


def _leaders(rows: Sequence[Specification]) -> list[Specification]:
    """The thin lines from the ends of lines to their names."""
    return [
        {
            "data": {"values": list(rows)},
            "mark": {"type": "rule", "strokeWidth": 1.2, "opacity": 0.75},
            "encoding": {
                "x": {"field": "x", **_PIXELS},
                "x2": {"field": "right"},
                "y": {"field": "end", **_PIXELS},
                "y2": {"field": "place"},
                **_SOLID,
            },
        }
    ]


def _names(rows: Sequence[Specification]) -> list[Specification]:
    return [
        {
            "data": {"values": list(rows)},
            "mark": {"type": "text", "align": "left", "baseline": "middle", "dx": 3, "fontSize": FONT_SIZE, "color": "#1c1c1a"},
            "encoding": {
                "x": {"field": "right", **_PIXELS},
                "y": {"field": "place", **_PIXELS},
                "text": {"field": "text"},
                "color": {"value": "#1c1c1a"},
                **_SOLID,
            },
        }
    ]


_PIXELS: Specification = {"type": "quantitative", "scale": None, "axis": None}
_SOLID: Specification = {"strokeDash": {"value": [1, 0]}, "description": {"field": "arm"}}


def _room(size: Size) -> int:
    """The maximum total height of the names of a chart, in pixels."""
    return size.height + 2 * LABEL_HEIGHT


def _longest(size: Size) -> int:
    """The number of letters of a name that fit into the margin."""
    return max(8, (size.labels - LABEL_INDENT) // LETTER)


def _with_room_for_names(
    curves: Sequence[Curve], axis: Axis, size: Size, laws: Mapping[str, Mapping[int, float]], law_names: Mapping[str, str]
) -> Size:
    """The size with a margin that is wide enough for the longest name, as long as enough width is left for the lines."""
    theory = [name for _, name in _law_ends(laws, law_names, axis, size)]
    is_named = len(laws) <= FEW_LAWS
    names = [
        _whole_label(curve, axis, None if is_named else laws.get(curve.arm, {}).get(curve.known[-1].generation)) for curve in curves
    ]
    longest = max(len(name) for name in [*names, *(map(visible, theory) if is_named else ())])
    needed = LABEL_INDENT + LETTER * longest
    return replace(size, labels=max(size.labels, min(needed, round((1 - NARROWEST) * size.width))))


def _whole_label(curve: Curve, axis: Axis, law: float | None) -> str:
    return f"{visible(curve.arm)}: {_end_value(curve, axis)}" + _law_value(law, axis)


def _end_label(curve: Curve, axis: Axis, longest: int, law: float | None = None) -> str:
    """The name of an arm and its last value. The value of its closed form is added if there is one and it fits."""
    whole = _whole_label(curve, axis, law)
    if len(whole) <= longest:
        return whole
    value = _end_value(curve, axis)
    return f"{shortened(visible(curve.arm), max(4, longest - len(value) - 2))}: {value}"


def _law_value(law: float | None, axis: Axis) -> str:
    return "" if law is None else f" (theory {_in_words(law, axis)})"


def _end_value(curve: Curve, axis: Axis) -> str:
    return _in_words(curve.known[-1].value or 0.0, axis)


def _in_words(value: float, axis: Axis) -> str:
    return percent(value) if axis.is_fraction else number(value, 3)


def _apart(ends: Sequence[float], height: int) -> list[float]:
    """Sorted places, moved apart as little as possible until no two are closer than the height of a label."""
    places = list(ends)
    for _ in range(60):
        for index in range(len(places) - 1):
            overlap = LABEL_HEIGHT - (places[index + 1] - places[index])
            if overlap > 0:
                places[index] -= overlap / 2
                places[index + 1] += overlap / 2
        lift = max(0.0, places[-1] - height - 4) if places else 0.0
        places = [place - lift if place > height + 4 else place for place in places]
    return places
