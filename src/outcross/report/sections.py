"""Sections of the page of a study: for each measure its charts, an explanation, and every number in a table. `plots` has figures on their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from outcross.experiment.teachers import TEACHER
from outcross.measures import standing_for
from outcross.report.axes import Axis, axis
from outcross.report.charts import FEW_LAWS, Look, Size, chart
from outcross.report.curves import FEW_SEEDS, Curve, CurvePoint, Measured, curve, half_width, within_range
from outcross.report.drawing import draw
from outcross.report.figure import Figure, table
from outcross.report.headline import words_of
from outcross.report.numerals import number
from outcross.report.study import Page, ShownReading, Study

WIDE = Size(690, 360, labels=190)
NARROW = Size(330, 300, labels=124)
SMALL = Size(280, 160)
TINY = Size(206, 140)  # for a measure with several places
MOST_ARMS = 24  # maximum number of arms whose single seeds are drawn
PANELS = 12  # if a measure has more places than this, only the first are drawn; its table has all of them
APART = 4.0  # if the largest values of shares differ by more than this factor, each chart has its own axis
CROWDED = 16  # if there are more generations than this, a page over its limit leaves some out of its tables


@dataclass(frozen=True)
class Panel:
    """A chart as SVG. `narrow` is the same chart for a phone. Both are empty if no chart could be drawn."""

    title: str
    svg: str = ""
    narrow: str = ""


@dataclass(frozen=True)
class Rows:
    """The numbers of one arm and place, with a tuple of cells per row."""

    title: str
    rows: tuple[tuple[str, ...], ...]
    is_floor: bool = False


@dataclass(frozen=True)
class SectionTable:
    """The numbers of a section, with one group of rows for each arm and place."""

    columns: tuple[str, ...]
    groups: tuple[Rows, ...]
    every: int = 1  # the step between the generations that it shows; 1 means all


@dataclass(frozen=True)
class NamedLaw:
    """A closed form that is drawn: its name, its source, and its arms."""

    name: str
    citation: str
    arms: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A measure on the page."""

    measure: str
    at: str  # the place, if it shows only one
    page: Page
    panels: tuple[Panel, ...]
    table: SectionTable
    remarks: tuple[str, ...] = ()
    bands: str = ""
    """An explanation of the bands, and of the dashed line if there is one."""
    laws: tuple[NamedLaw, ...] = ()
    agreement: str = ""
    """A sentence with the numbers of generations that agree with the closed forms."""
    each: tuple[Panel, ...] = ()
    """One chart per arm, if there are too many closed forms to distinguish them in one chart."""


EXPLAINED = (
    "Dotted: the closed form. Grey: the closed form plus and minus half the width of the measured value's 95 % interval. If the closed form "
    "holds, about 95 % of the values lie in the grey band, less than one half width from the closed form. Each generation inherits the error of the one before it, so several values in a row outside the band are "
    "weaker evidence against the formula than the same number of independent values."
)


@dataclass(frozen=True)
class EverySeed:
    """The lines of single seeds, with one chart per arm."""

    panels: tuple[Panel, ...]
    left_out: int
    """Number of arms without a chart."""


@dataclass
class Pen:
    """Draws charts until its ink, in bytes of SVG, is used up, or until the library turns out to be missing."""

    looks: Mapping[str, Look]
    ink: int
    human: str = "human data"
    """The human data in words; human text if they are text."""
    law_names: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The names of closed forms, by measure and arm."""
    is_missing: bool = False
    left_out: int = 0
    drawn: int = field(default=0, init=False)
    early: dict[tuple[str, str], str] = field(default_factory=dict, init=False)
    """Charts that were drawn before their turn, by measure and place, so that the size limit of the page does not exclude them."""

    def draw_early(self, reading: Measured, figure: Figure) -> None:
        """Draw the chart of a reading now. `draw_of` returns it later."""
        self.early[reading.measure, reading.at] = self.draw(figure)

    def draw_of(self, reading: Measured, figure: Figure) -> str:
        """The chart of a reading. It is drawn now unless it was drawn early."""
        return self.early.pop((reading.measure, reading.at), None) or self.draw(figure)

    def draw(self, figure: Figure) -> str:
        """Return a figure as SVG. Return an empty text if the page has reached its limit of bytes for charts, or if the library that draws is not installed."""
        if self.is_missing:
            return ""
        if self.ink <= 0:
            self.left_out += 1
            return ""
        try:
            svg = draw(figure.spec, f"c{self.drawn}")
        except ModuleNotFoundError:
            self.is_missing = True
            return ""
        self.drawn += 1
        self.ink -= len(svg.encode())
        return svg


Laws = Mapping[str, Mapping[int, float]]
"""The values of closed forms, by arm and generation."""


@dataclass(frozen=True)
class Canvas:
    """The looks of curves, and the axis and size of their chart."""

    looks: Mapping[str, Look]
    over: Axis
    size: Size
    law_names: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The names of closed forms, by measure and arm."""
    human: str = "human data"
    """The human data in words."""


def curves_figure(curve: Measured, page: Page, canvas: Canvas, laws: Laws) -> Figure:
    """A figure of the curves of one place of a measure, with the readings of other human data and the closed forms."""
    names = {arm: canvas.law_names.get((curve.measure, arm)) or "closed form" for arm in laws}
    spec = chart(tuple(curve.curves.values()), canvas.looks, canvas.over, canvas.size, curve.floor, laws, names, canvas.human)
    return Figure(curve.measure, page.title, spec, curve_data(curve, laws), bands_of([curve], canvas.human))


CURVE_COLUMNS = {
    "measure": str, "at": str, "arm": str, "seed": int, "generation": int, "value": float, "low": float, "high": float, "method": str, "n": int,
    "closed_form": float, "other_human": float, "other_human_low": float, "other_human_high": float,
}  # fmt: skip
"""The columns of the data of curves. `seed` is null for the mean of several seeds. `other_human` is the reading of fresh human data of the same size."""


def curve_data(curve: Measured, laws: Laws) -> Any:
    """All numbers of curves, with one row per generation of an arm. The rows of single seeds that are drawn follow those of their mean (polars)."""
    rows = []
    for arm, line in curve.curves.items():
        for seed, points in ((None, line.points), *zip(line.seeds, line.threads, strict=True)):
            for point in points:
                human = curve.floors[arm].at(point.generation) if arm in curve.floors else None
                of_human = (None,) * 3 if human is None else (human.value, human.low, human.high)
                law = laws.get(arm, {}).get(point.generation)
                place = (curve.measure, curve.at, arm, seed, point.generation)
                rows.append((*place, point.value, point.low, point.high, point.method, point.n, law, *of_human))
    return table(rows, CURVE_COLUMNS)


def page_of(study: Study, measure: str, curves: Iterable[Measured]) -> Page:
    """The page of a measure in the study. If there is none, a page with its name, and a logarithmic axis if the values span decades."""
    if measure in study.pages:
        return study.pages[measure]
    values = [
        point.value or 0.0 for curve in curves if curve.measure == measure for line in curve.curves.values() for point in line.known
    ]
    spans_decades = bool(values) and min(values) > 0 and max(values) / min(values) > 20
    title = measure.replace("_", " ").capitalize()
    return Page("", title, "", unit="", healthy="", collapsed="", role="quality", paper="", log=spans_decades)


def main_section(study: Study, main: Measured, page: Page, pen: Pen, every: int) -> Section:
    """The section of the leading measure, with a wide chart and one for a phone."""
    laws = laws_of(study, main)
    over = axis_of([main], page, laws)
    wide, narrow = (
        pen.draw(curves_figure(main, page, Canvas(pen.looks, over, size, pen.law_names, pen.human), laws))
        for size in (WIDE, NARROW)
    )
    panel = Panel("", wide, narrow)
    return Section(
        main.measure,
        main.at,
        page,
        (panel,),
        table_of(study, main.measure, every),
        (),
        bands_of([main], pen.human),
        named_laws(study, [main]),
        _agreements(main, laws),
        _each_law(main, page, pen, over, laws),
    )


def _each_law(main: Measured, page: Page, pen: Pen, over: Axis, laws: Laws) -> tuple[Panel, ...]:
    """One chart for each arm with a closed form, all on the same axis. Empty if a single chart can show all of them."""
    if len(laws) <= FEW_LAWS:
        return ()
    canvas = Canvas(pen.looks, over, TINY, pen.law_names, pen.human)
    return tuple(
        Panel(arm, pen.draw(curves_figure(replace(main, curves={arm: main.curves[arm]}), page, canvas, {arm: law})))
        for arm, law in laws.items()
    )


def every_seed(curve: Measured, page: Page, pen: Pen) -> EverySeed | None:
    """The lines of single seeds that `curves.pooled` leaves out: one chart per arm, all on the same axis."""
    crowded = {arm: line for arm, line in curve.curves.items() if len(line.threads) > FEW_SEEDS}
    over = axis_of([curve], page)
    shown = list(crowded)[:MOST_ARMS]
    canvas = Canvas(pen.looks, over, SMALL, pen.law_names, pen.human)
    alone = {arm: curves_figure(replace(curve, curves={arm: crowded[arm]}), page, canvas, {}) for arm in shown}
    panels = tuple(Panel(arm, pen.draw(chart_of_arm)) for arm, chart_of_arm in alone.items())
    return EverySeed(panels, len(crowded) - len(shown)) if any(panel.svg for panel in panels) else None


def places_section(study: Study, measure: str, places: Sequence[Measured], page: Page, pen: Pen, every: int) -> Section:
    """The section of a measure with one small chart per place, all on the same axis. Shares of very different sizes have their own axes."""
    shown_places = places[:PANELS]
    charts, is_apart = _place_charts(study, shown_places, page, pen)
    panels = tuple(Panel(place_title(reading, places), pen.draw_of(reading, drawing)) for reading, drawing in charts)
    remarks: tuple[str, ...] = ()
    if is_apart:
        remarks += ("Each chart has its own axis.",)
    if len(places) > PANELS:
        remarks += (f"{len(places) - PANELS} more places are in the table.",)
    return Section(
        measure,
        "",
        page,
        panels,
        table_of(study, measure, every),
        remarks,
        bands_of(shown_places, pen.human),
        named_laws(study, shown_places),
        " ".join(filter(None, (_agreements(reading, laws_of(study, reading)) for reading in shown_places))),
    )


def draw_whole(study: Study, places: Sequence[Measured], page: Page, pen: Pen) -> None:
    """Draw the chart of the whole of a measure before the charts of its other places use up the size limit of the page."""
    charts, _ = _place_charts(study, places[:PANELS], page, pen)
    for reading, drawing in charts:
        if not reading.at and len(charts) > 1:
            pen.draw_early(reading, drawing)


def _place_charts(study: Study, places: Sequence[Measured], page: Page, pen: Pen) -> tuple[list[tuple[Measured, Figure]], bool]:
    """The chart of each place of a measure, and whether each has an axis of its own."""
    laws = [laws_of(study, curve) for curve in places]
    axes, is_apart = axes_of(places, page, laws)
    size = TINY if len(places) > 1 else SMALL
    charts = [
        (reading, curves_figure(reading, page, Canvas(pen.looks, over, size, pen.law_names, pen.human), closed_forms))
        for reading, over, closed_forms in zip(places, axes, laws, strict=True)
    ]
    return charts, is_apart


def axes_of(readings: Sequence[Measured], page: Page, laws: Sequence[Laws]) -> tuple[list[Axis], bool]:
    """The axis of each chart, and whether each has its own. Only shares of very different sizes have their own axes."""
    is_apart = page.unit == "fraction" and _largest(readings) > APART * min(_largest([curve]) for curve in readings)
    if is_apart:
        return [axis_of([reading], page, closed_forms) for reading, closed_forms in zip(readings, laws, strict=True)], True
    return [axis_of(readings, page, *laws)] * len(readings), False


def _largest(several: Sequence[Measured]) -> float:
    return max(point.value or 0.0 for curve in several for line in curve.curves.values() for point in line.known)


def laws_of(study: Study, curve: Measured) -> dict[str, dict[int, float]]:
    """The closed forms of a measure as a whole, by arm and generation."""
    by_arm: dict[str, dict[int, float]] = {}
    for law in study.laws:
        if law.measure == curve.measure and law.arm in curve.curves and not curve.at:
            by_arm.setdefault(law.arm, {})[law.generation] = law.value
    return by_arm


def named_laws(study: Study, several: Iterable[Measured]) -> tuple[NamedLaw, ...]:
    """The closed forms that are drawn in these charts, each once with its arms."""
    arms: dict[tuple[str, str], dict[str, None]] = {}
    whole = {curve.measure: curve for curve in several if not curve.at}
    for law in study.laws:
        if law.measure in whole and law.arm in whole[law.measure].curves:
            arms.setdefault((law.name or "closed form", law.citation), {})[law.arm] = None
    return tuple(NamedLaw(name, citation, tuple(own)) for (name, citation), own in arms.items())


def bands_of(several: Sequence[Measured], human: str = "human data") -> str:
    """An explanation of the bands of these charts, with the unit and the method of their intervals, and of the dashed line.

    >>> line = Curve("replace", (CurvePoint(0, 1.0, 0.9, 1.1, "chains", 2000),))
    >>> bands_of([Measured("spread_ratio", "", {"replace": line}, {})])
    'Bands: 95 % intervals over 2,000 chains.'
    """
    words = interval_words(
        (point for reading in several for line in reading.curves.values() for point in line.known), _is_held_out(several)
    )
    sentence = f"Bands: 95 % intervals {words}." if words else "No bands: no value here has an interval."
    floors = [line for curve in several for line in (curve.floor, *curve.floors.values()) if line]
    if floors:
        has_interval = any(point.low is not None for line in floors for point in line.known)
        sentence += f" Dashed: what other {human} of the same size {'show' if human.endswith('data') else 'shows'}{'; grey: the interval of that' * has_interval}."
    if any(line.threads for reading in several for line in reading.curves.values()):
        sentence += " Thin lines: single seeds."
    return sentence


def _is_held_out(several: Sequence[Measured]) -> bool:
    return all(curve.measure.startswith("held_out") for curve in several)


def interval_words(points: Iterable[CurvePoint], is_held_out: bool = False) -> str:
    """The units and methods of the intervals of these points: `over 5 seeds`. Empty if there are no intervals."""
    counts: dict[str, list[int]] = {}
    for point in points:
        if point.low is not None and point.high is not None and point.low < point.high:
            counts.setdefault(point.method, []).append(point.n or 0)
    return "; ".join(_method_words(method, min(n), max(n), is_held_out) for method, n in counts.items())


def _method_words(method: str, fewest: int, largest: int, is_held_out: bool = False) -> str:
    """The number and unit of an interval, and its method.

    >>> _method_words("skewness-corrected t over documents", 40, 40, is_held_out=True)
    'over 40 held-out documents (skewness-corrected t)'
    """
    count = f"{largest:,}" if fewest == largest else f"{fewest:,} to {largest:,}"
    if method in ("chains", "seeds"):
        return f"over {count} {method}"
    how, over, what = method.rpartition(" over ")
    if over and largest:
        unit = f"held-out {what}" if is_held_out and what in ("documents", "blocks") else what
        return f"over {count} {unit}" + (f" ({how})" if how else "")
    words = f"by {method}" if method else "by a method that the readings do not name"
    return f"{words}, n = {count}" if largest else words


def table_of(study: Study, measure: str, every: int) -> SectionTable:
    """The table of all readings of a measure: seeds and their mean, other human data, and closed forms."""
    readings = [reading for reading in study.readings if reading.measure == measure]
    last = {arm: max(reading.generation for reading in group) for arm, group in _by_arm(readings)}
    shown = [reading for reading in readings if reading.generation % every == 0 or reading.generation == last[reading.arm]]
    seeds = {reading.seed for reading in readings}
    laws = {(law.arm, law.generation): law.value for law in study.laws if law.measure == measure}
    page = study.pages.get(measure)
    groups = tuple(_group(key, list(group), laws, page, is_seeded=len(seeds) > 1) for key, group in _by_kind(study, shown))
    return _without_empty(SectionTable(_COLUMNS, _merged(groups), every))


_COLUMNS = ("generation", "seed", "value", "low", "high", "closed form", "half widths away", "method", "n", "note")
_KEPT = {"generation", "value", "low", "high", "method", "n"}


def axis_of(panels: Sequence[Measured], page: Page, *laws: Mapping[str, Mapping[int, float]]) -> Axis:
    curves = [line for panel in panels for line in panel.curves.values()]
    points = [point for line in curves for points in (line.points, *line.threads) for point in points if point.value is not None]
    points += [point for panel in panels if panel.floor for point in panel.floor.known]
    points += [
        CurvePoint(generation, value) for closed_forms in laws for arm in closed_forms.values() for generation, value in arm.items()
    ]
    return axis(points, is_log=page.log, is_fraction=page.unit == "fraction")


def place_title(curve: Measured, places: Sequence[Measured]) -> str:
    """The title of the chart of a place. If there are charts of single teachers, that of the whole is called "all teachers together"."""
    is_community = any(place.at.startswith(TEACHER) for place in places)
    return "all teachers together" if is_community and not curve.at else place_words(curve)


def place_words(curve: Measured) -> str:
    """A place in words."""
    return words_of(curve.at) if curve.measure in (*standing_for("tail"), *standing_for("decoding")) else curve.at


def _agreements(curve: Measured, laws: Laws) -> str:
    """A sentence with the number of generations of each arm that agree with its closed form."""
    arms: dict[str, list[str]] = {}
    for arm, closed_form in laws.items():
        if agreement := _agreement(curve.curves[arm], closed_form):
            arms.setdefault(agreement, []).append(arm)
    if not arms:
        return ""
    counts = "; ".join(f"{agreement} ({', '.join(own)})" for agreement, own in arms.items())
    return f"Generations whose value lies in the grey band: {counts}."


def _agreement(line: Curve, law: Mapping[int, float]) -> str:
    tested = [(point, half) for point in line.known if point.generation in law and (half := half_width(point))]
    inside = sum(abs((point.value or 0.0) - law[point.generation]) <= half for point, half in tested)
    return f"{inside} of {len(tested)}" if tested else ""


def _by_arm(readings: Iterable[ShownReading]) -> Iterator[tuple[str, list[ShownReading]]]:
    for arm, group in groupby(sorted(readings, key=lambda reading: reading.arm), lambda reading: reading.arm):
        yield arm, list(group)


def _by_kind(study: Study, readings: Sequence[ShownReading]) -> Iterator[tuple[tuple[str, bool, str], list[ShownReading]]]:
    """Yield the readings by place, by whether they are of other human data, and by arm, in the order of the study."""
    kinds = dict.fromkeys((reading.at, reading.is_floor) for reading in readings)
    index: dict[tuple[str, bool, str], list[ShownReading]] = {}
    for reading in readings:
        index.setdefault((reading.at, reading.is_floor, reading.arm), []).append(reading)
    for at, is_floor in kinds:
        for arm in study.arms:
            if (at, is_floor, arm) in index:
                yield (at, is_floor, arm), index[at, is_floor, arm]


def _group(
    key: tuple[str, bool, str],
    readings: Sequence[ShownReading],
    laws: Mapping[tuple[str, int], float],
    page: Page | None,
    *,
    is_seeded: bool,
) -> Rows:
    at, is_floor, arm = key
    ordered = sorted(readings, key=lambda reading: (reading.generation, reading.seed))
    rows = []
    for generation, group in groupby(ordered, lambda reading: reading.generation):
        of_seeds = list(group)
        law = None if is_floor or at else laws.get((arm, generation))
        if len(of_seeds) > 1:
            rows.append(_mean_row(curve(arm, of_seeds, page).points[0], law))
        rows += [_row(reading, law if len(of_seeds) == 1 else None, page, is_seeded=is_seeded) for reading in of_seeds]
    title = " · ".join(
        part
        for part in (("other human data, " if is_floor and at else "other human data" if is_floor else "") + at, arm)
        if part.strip()
    )
    return Rows(title, tuple(rows), is_floor)


def _mean_row(point: CurvePoint, law: float | None) -> tuple[str, ...]:
    if point.value is None:
        return (str(point.generation), "mean", number(None), *[""] * 7)
    return (
        str(point.generation),
        "mean",
        *interval_cells(point),
        *_away(point, law),
        point.method,
        _count(point.n),
        "",
    )


def _row(reading: ShownReading, law: float | None, page: Page | None, *, is_seeded: bool) -> tuple[str, ...]:
    point = within_range(CurvePoint(reading.generation, reading.value, reading.low, reading.high), page)
    seed = str(reading.seed) if is_seeded else ""
    why = "" if reading.value is not None else "not applicable" + (": " if reading.note else "")
    method, n = reading.method, _count(reading.n)
    return (str(reading.generation), seed, *interval_cells(point), *_away(point, law), method, n, why + reading.note)


def interval_cells(point: CurvePoint) -> tuple[str, str, str]:
    return number(point.value), number(point.low), number(point.high)


def _away(point: CurvePoint, law: float | None) -> tuple[str, str]:
    if law is None:
        return "", ""
    half = half_width(point)
    if half is None or point.value is None:
        return number(law), ""
    return number(law), f"{round((point.value - law) / half, 1) + 0.0:+.1f}"  # never -0.0, since its sign depends on the last bit


def _count(n: int | None) -> str:
    return "" if n is None else f"{n:,}"


def _merged(groups: Sequence[Rows]) -> tuple[Rows, ...]:
    """Merge groups of other human data that are the same for several arms."""
    merged: list[Rows] = []
    for group in groups:
        before = merged[-1] if merged else None
        if before and group.is_floor and before.is_floor and before.rows == group.rows:
            merged[-1] = replace(before, title=f"{before.title}, {group.title.split(' · ', 1)[-1]}")
        else:
            merged.append(group)
    return tuple(merged)


def _without_empty(table: SectionTable) -> SectionTable:
    """The table without columns that are empty in every row."""
    rows = [row for group in table.groups for row in group.rows]
    kept_columns = [index for index, name in enumerate(table.columns) if name in _KEPT or any(row[index] for row in rows)]
    groups = tuple(replace(group, rows=tuple(tuple(row[i] for i in kept_columns) for row in group.rows)) for group in table.groups)
    return replace(table, columns=tuple(table.columns[index] for index in kept_columns), groups=groups)
