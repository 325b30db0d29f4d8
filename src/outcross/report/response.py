"""Responses of the leading readings to a setting: the arms that differ only in one number, by that number."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from outcross.experiment.settings import ArmFamily, families, word
from outcross.report.axes import Axis, across, axis, vertical
from outcross.report.characters import visible
from outcross.report.charts import Look, Size, canvas, looks
from outcross.report.crossings import CHANGES, Crossing, crossing
from outcross.report.curves import CurvePoint, Measured
from outcross.report.drawing import Specification
from outcross.report.figure import Figure, table
from outcross.report.frontier import frontier_sentences
from outcross.report.headline import chiefs, tail_band
from outcross.report.numerals import number
from outcross.report.sections import (
    NARROW,
    WIDE,
    NamedLaw,
    Panel,
    Pen,
    Rows,
    SectionTable,
    interval_cells,
    interval_words,
    laws_of,
    named_laws,
    page_of,
    place_words,
)
from outcross.report.study import Page, Study

GOAL = "goal"
"""The reading for which data were chosen."""
LINES = 6
"""Maximum number of kinds of arms in one chart."""
LEAST = 3
"""Minimum number of values of a sweep if there are other arms. If every arm belongs to it, two values are enough."""
SMALL = Size(330, 210)
Laws = Mapping[tuple[str, str], Mapping[int, float]]
"""The values of closed forms by measure and arm, and then by generation."""


@dataclass(frozen=True)
class ArmResponse:
    """An arm at one value of the setting: the last generation that every seed has reached, and the closed form there."""

    setting: float
    arm: str
    point: CurvePoint
    closed_form: float | None = None


@dataclass(frozen=True)
class Response:
    """One place of one measure against one setting, over the arms that differ in nothing else."""

    setting: str
    """The key of the setting in the experiment."""
    among: str
    """What distinguishes these arms from others that differ in the same setting (`replace`); empty if there are no others."""
    measured: Measured
    answers: tuple[ArmResponse, ...]
    """The responses ordered by the setting, the smallest first."""


@dataclass(frozen=True)
class ResponseSection:
    """The section of one measure against one setting: a chart (wide if it is the only one), its explanation and its numbers."""

    title: str
    page: Page
    panel: Panel
    lines: tuple[tuple[str, Look], ...]
    """The looks of the lines, if there are several."""
    table: SectionTable
    bars: str
    laws: tuple[NamedLaw, ...]
    crossings: tuple[Crossing, ...] = ()
    """The crossings of 0 along the setting, one for each kind of arm."""
    conclusions: tuple[str, ...] = ()
    """For students of several sizes: the smallest one that equals the largest one on random data."""


def leads(readings: Sequence[Measured], closed_forms: Collection[tuple[str, str]] = ()) -> list[Measured]:
    """The leading readings: the leading measure of every arm, and the tails, which may show otherwise. `closed_forms` is as in `headline.chief`."""
    first = chiefs(readings, closed_forms)
    band = tail_band(readings)
    return first if band is None or band in first else [*first, band]


def responses(
    settings: Mapping[str, Mapping[str, Any]], readings: Sequence[Measured], laws: Laws | None = None
) -> tuple[Response, ...]:
    """The responses of the leading readings to every number that is swept, setting by setting.

    `settings` holds the settings of each arm (`settings.flat_settings`), and `laws` the closed forms by measure and arm. A number counts as swept if
    at least three of its values are compared, or if every arm belongs to the comparison.
    """
    every_arm = {arm for reading in readings for arm in reading.curves}
    every = families({arm: choices for arm, choices in settings.items() if arm in every_arm})
    swept = []
    for key in dict.fromkeys(family.setting for family in every):
        own = [family for family in every if family.setting == key]
        holds_every_arm = {arm for family in own for _, arm in family.arms} >= every_arm
        swept += [family for family in own if holds_every_arm or len({value for value, _ in family.arms}) >= LEAST]
    return responses_of(swept, leads(readings, laws or {}), laws or {})


def responses_of(swept: Sequence[ArmFamily], readings: Sequence[Measured], laws: Laws) -> tuple[Response, ...]:
    """The responses of these readings to the numbers in which families of arms differ, if at least two values are known."""
    candidates = [
        Response(
            family.setting,
            family.among,
            reading,
            tuple(_answer(reading, value, arm, laws) for value, arm in family.arms if arm in reading.curves),
        )
        for family in swept
        for reading in readings
    ]
    return tuple(
        response
        for response in candidates
        if len({answer.setting for answer in response.answers if answer.point.value is not None}) > 1
    )


def _answer(reading: Measured, setting: float, arm: str, laws: Laws) -> ArmResponse:
    end = reading.curves[arm].end
    return ArmResponse(setting, arm, end, laws.get((reading.measure, arm), {}).get(end.generation))


def response_sections(study: Study, readings: Sequence[Measured], pen: Pen) -> tuple[ResponseSection, ...]:
    """One section for each setting and measure. If there is only one, its chart is wide."""
    laws = {(reading.measure, arm): closed_forms for reading in readings for arm, closed_forms in laws_of(study, reading).items()}
    groups: dict[tuple[str, str, str], list[Response]] = {}
    for response in responses(study.settings, readings, laws):
        groups.setdefault((response.setting, response.measured.measure, response.measured.at), []).append(response)
    dealt = [(measure, kinds) for (_, measure, _), group in groups.items() for kinds in dealt_to_charts(group)]
    return tuple(
        _section(study, kinds, page_of(study, measure, readings), pen, readings, is_alone=len(groups) == 1)
        for measure, kinds in dealt
    )


def dealt_to_charts(group: Sequence[Response]) -> list[list[Response]]:
    """The kinds of arms of each chart: all in one chart if there are few, otherwise grouped by the first word of their names.

    For example, `random-routed` and `random,φ=0.9,ψ=0.3` begin with the same word.
    """
    if len(group) <= LINES:
        return [[*group]]
    by_word: dict[str, list[Response]] = {}
    for response in group:
        by_word.setdefault(_first_word(response.among), []).append(response)
    return [*by_word.values()]


def _section(
    study: Study, group: Sequence[Response], page: Page, pen: Pen, every: Sequence[Measured], *, is_alone: bool
) -> ResponseSection:
    styles = looks([response.among for response in group])
    first = group[0].measured
    sizes = (replace(WIDE, labels=0), replace(NARROW, labels=0)) if is_alone else (SMALL,)
    pictures = [pen.draw(response_figure(group, page, styles, size, thresholds=study.thresholds)) for size in sizes]
    curves = {answer.arm: first.curves[answer.arm] for response in group for answer in response.answers}
    return ResponseSection(
        title_of(group, page) + (f": {shared}" if (shared := _shared_word(group)) else ""),
        page,
        Panel("", pictures[0], pictures[1] if is_alone else ""),
        tuple((response.among or "all", styles[response.among]) for response in group) if len(group) > 1 else (),
        _table(group),
        bars_of(group),
        _laws_of_kinds(named_laws(study, [replace(first, curves=curves)]), group),
        crossings_of(group, study.thresholds),
        frontier_sentences(
            {response.among: [(answer.setting, answer.arm) for answer in response.answers] for response in group}, every
        )
        if first.measure == GOAL
        else (),
    )


def _laws_of_kinds(laws: Sequence[NamedLaw], group: Sequence[Response]) -> tuple[NamedLaw, ...]:
    """Closed forms that list kinds of arms instead of single arms, if the kinds have names."""
    kind_of = {answer.arm: response.among for response in group for answer in response.answers}
    return tuple(
        replace(law, arms=tuple(dict.fromkeys(kind_of.get(arm) or arm for arm in law.arms))) if len(group) > 1 else law
        for law in laws
    )


def _first_word(name: str) -> str:
    """The part of a name before a hyphen, or before a comma without a space after it. Names that the page composed (`replace, rows = 50`) are not split."""
    return re.split(r"-|,(?! )", name, maxsplit=1)[0]


def _shared_word(group: Sequence[Response]) -> str:
    """The common first word of the names of several kinds of arms; empty if there is none."""
    words = {_first_word(response.among) for response in group}
    return words.pop() if len(words) == 1 and len(group) > 1 else ""


def crossings_of(group: Sequence[Response], thresholds: Mapping[str, float]) -> tuple[Crossing, ...]:
    """The crossings of 0 for each kind of arm. Empty for readings whose sign has no special meaning."""
    return tuple(
        crossing(
            response.among,
            [(answer.setting, response.measured.curves[answer.arm]) for answer in response.answers],
            thresholds,
            [answer.closed_form for answer in response.answers],
        )
        for response in group
        if response.measured.measure in CHANGES and len(response.answers) > 1
    )


def title_of(group: Sequence[Response], page: Page) -> str:
    """A title with the reading and the setting of these responses."""
    first = group[0].measured
    return f"{page.title}{f' ({place_words(first)})' if first.at else ''} against {group[0].setting}"


def response_figure(
    group: Sequence[Response],
    page: Page,
    styles: Mapping[str, Look],
    size: Size,
    title: str = "",
    *,
    thresholds: Mapping[str, float] | None = None,
) -> Figure:
    """A figure of the responses of one reading to one setting. `title` is that of the vertical axis, if there is no heading above the chart."""
    first = group[0]
    name = "-".join(filter(None, (first.measured.measure, first.measured.at, "against", first.setting)))
    spec = chart(group, page, styles, size, title, _limits(group, thresholds or {}))
    return Figure(name, title_of(group, page), spec, _data(group), bars_of(group))


def _limits(group: Sequence[Response], thresholds: Mapping[str, float]) -> list[Specification]:
    """A row with the threshold of each kind of arm, for readings whose sign matters."""
    return [
        {"among": visible(response.among), "setting": value}
        for response in group
        if response.measured.measure in CHANGES
        and (value := next((thresholds[answer.arm] for answer in response.answers if answer.arm in thresholds), None)) is not None
    ]


DATA_COLUMNS = {
    "measure": str, "at": str, "setting": float, "among": str, "arm": str, "generation": int, "value": float, "low": float, "high": float,
    "method": str, "n": int, "closed_form": float,
}  # fmt: skip


def _data(group: Sequence[Response]) -> Any:
    """All numbers of responses (polars). The column of the setting has the name of the setting."""
    rows = [
        (
            *(response.measured.measure, response.measured.at, answer.setting, response.among, answer.arm, point.generation),
            *(point.value, point.low, point.high, point.method, point.n, answer.closed_form),
        )
        for response in group
        for answer in response.answers
        for point in (answer.point,)
    ]
    return table(rows, DATA_COLUMNS).rename({"setting": group[0].setting})


def bars_of(group: Sequence[Response]) -> str:
    """An explanation of the bars of these charts, with the generations in which the arms are compared."""
    points = [answer.point for response in group for answer in response.answers if answer.point.value is not None]
    generations = sorted({point.generation for point in points})
    when = (
        f"generation {generations[0]}"
        if len(generations) == 1
        else f"generations {generations[0]} to {generations[-1]}, at which the arms end"
    )
    words = interval_words(points)
    bars = f"Bars: 95 % intervals {words}." if words else f"No bars: {_why_none(points)}."
    return f"At {when}. {bars}" + (
        " Dotted: the closed form."
        if any(answer.closed_form is not None for response in group for answer in response.answers)
        else ""
    )


def _why_none(points: Sequence[CurvePoint]) -> str:
    return next((point.method for point in points if point.method), "no value here has an interval")


def _table(group: Sequence[Response]) -> SectionTable:
    columns = ("setting", "arm", "generation", "value", "low", "high", "closed form", "method", "n")
    return SectionTable(
        columns, tuple(Rows(response.among or response.setting, tuple(map(_cells, response.answers))) for response in group)
    )


def _cells(answer: ArmResponse) -> tuple[str, ...]:
    count = "" if answer.point.n is None else f"{answer.point.n:,}"
    law = "" if answer.closed_form is None else number(answer.closed_form)
    return (
        word(answer.setting),
        visible(answer.arm),
        str(answer.point.generation),
        *interval_cells(answer.point),
        law,
        answer.point.method,
        count,
    )


def chart(
    group: Sequence[Response],
    page: Page,
    styles: Mapping[str, Look],
    size: Size,
    title: str = "",
    limits: Sequence[Specification] = (),
) -> Specification:
    """Values with their intervals over the setting, with a thin line for each kind of arm and dotted closed forms.

    If the sign of the reading matters, there are also a line at 0 and a dashed vertical line at the threshold of each kind of arm (`limits`).
    """
    answers = [answer for response in group for answer in response.answers if answer.point.value is not None]
    known = [answer.point for answer in answers]
    forms = [CurvePoint(0, answer.closed_form) for answer in answers if answer.closed_form is not None]
    upright = replace(axis([*known, *forms], is_log=page.log, is_fraction=page.unit == "fraction"), title=title)
    names = [visible(response.among) for response in group]
    colour = {"domain": names, "range": [styles[response.among].colour for response in group]}
    dashes = {"domain": names, "range": [list(styles[response.among].dashes) for response in group]}
    return {
        **canvas(size.width, size.height, right=8),
        "layer": [*_signs(group, limits, upright), *_closed_forms(group, upright), *_values(group, upright, dashes)],
        "encoding": {
            "x": across(
                sorted({answer.setting for answer in answers}), group[0].setting, is_even=group[0].measured.measure in CHANGES
            ),
            "color": {"field": "among", "type": "nominal", "scale": colour, "legend": None},
        },
    }


def _signs(group: Sequence[Response], limits: Sequence[Specification], upright: Axis) -> list[Specification]:
    """The line at 0, and vertical lines at thresholds. Empty if the sign of the reading does not matter."""
    if group[0].measured.measure not in CHANGES:
        return []
    zero = {"mark": {"type": "rule", "strokeWidth": 1, "color": "#888"}, "data": {"values": [{"zero": 0.0}]}}
    layers = [zero | {"encoding": {"x": None, "color": None, "y": {"field": "zero", **vertical(upright)}}}]
    if limits:
        mark = {"type": "rule", "strokeWidth": 1.4, "strokeDash": [6, 4], "opacity": 0.8}
        layers.append({"mark": mark, "data": {"values": [*limits]}})
    return layers


def _values(group: Sequence[Response], upright: Axis, dashes: Specification) -> list[Specification]:
    rows = [
        {"among": visible(response.among), "arm": visible(answer.arm), "setting": answer.setting, "value": answer.point.value}
        | _ends(answer, upright)
        for response in group
        for answer in response.answers
        if answer.point.value is not None
    ]
    barred = [row for row in rows if "low" in row]
    upward = {"field": "value", **vertical(upright)}
    line = {"y": upward, "strokeDash": {"field": "among", "type": "nominal", "scale": dashes, "legend": None}}
    bar = {"y": {"field": "low", **vertical(upright)}, "y2": {"field": "high"}, "description": {"field": "arm"}}
    dot = {"y": upward, "description": {"field": "arm"}}
    return [
        {"data": {"values": rows}, "mark": {"type": "line", "strokeWidth": 1.2, "opacity": 0.6, "aria": False}, "encoding": line},
        *(
            [{"data": {"values": barred}, "mark": {"type": "rule", "strokeWidth": 1.8, "opacity": 0.7}, "encoding": bar}]
            if barred
            else []
        ),
        {"data": {"values": rows}, "mark": {"type": "point", "filled": True, "size": 36, "opacity": 1}, "encoding": dot},
    ]


def _ends(answer: ArmResponse, upright: Axis) -> dict[str, float]:
    low, high = answer.point.low, answer.point.high
    return {} if low is None or high is None else {"low": upright.hold(low), "high": upright.hold(high)}


def _closed_forms(group: Sequence[Response], upright: Axis) -> list[Specification]:
    rows = [
        {"among": visible(response.among), "setting": answer.setting, "value": upright.hold(answer.closed_form)}
        for response in group
        for answer in response.answers
        if answer.closed_form is not None
    ]
    fixed = {"color": {"value": "#111"}, "strokeDash": {"value": [1, 3]}, "detail": {"field": "among"}}
    encoding = {"y": {"field": "value", **vertical(upright)}, **fixed}
    return (
        [{"data": {"values": rows}, "mark": {"type": "line", "strokeWidth": 1.4, "aria": False}, "encoding": encoding}]
        if rows
        else []
    )
