"""Separate figures of readings, for a paper, a notebook or a folder of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from outcross.errors import BadInput
from outcross.experiment.settings import Level, families, settings, word
from outcross.measures import Page
from outcross.recipe import nearest
from outcross.report.characters import visible
from outcross.report.charts import LABEL_HEIGHT, Look, Size, looks
from outcross.report.curves import Measured, measured, pooled
from outcross.report.drawing import Specification
from outcross.report.figure import Figure, together
from outcross.report.headline import chiefs
from outcross.report.histograms import HISTOGRAMS, histogram_figures
from outcross.report.response import response_figure, responses, responses_of
from outcross.report.sections import Canvas, axes_of, axis_of, bands_of, curves_figure, laws_of, named_laws, page_of, place_words
from outcross.report.shapes import file_word
from outcross.report.slopes import drawn_slopes, shown_slopes, slope_figure
from outcross.report.study import Study

ALONE = Size(470, 270, labels=120)
"""Size of a single chart in points. The text on a page is 470 points wide."""
PANEL = Size(190, 140)
COLUMNS = 3
MOST_PANELS = 24
DOSES = ("share", "weight")
"""Settings that are the dose of a part. For example, `human_share` means the share of arms with that policy."""


@dataclass(frozen=True)
class ArmLines:
    """The distribution of arms over the charts and lines of a figure."""

    key: str
    """The setting that distinguishes the lines; empty if every arm is a line."""
    levels: Mapping[str, Level]
    """The level of every arm that is drawn."""
    lines: Mapping[str, str]
    """The name of the line of each arm."""
    panels: Mapping[str, str]
    """The title of the chart of each arm."""
    left_out: tuple[str, ...] = ()
    """Arms that do not have the setting."""


@dataclass(frozen=True)
class Chart:
    """One chart of a figure: its title, its curves and closed forms by the names of their lines, and the arm of each line."""

    heading: str
    reading: Measured
    laws: Mapping[str, Mapping[int, float]]
    arms: Mapping[str, str]


def plot(study: Study, measure: str = "", *, by: str = "", at: str = "") -> Figure:
    """Plot a measure over the generations, with one line per arm, or per level of the setting `by`.

    If the measure has a reading as a whole, that is drawn; otherwise there is one chart per place. `at` selects one place. `measure` is the leading
    measure of the page if left out. `by` is a key of the experiment (`policy.share`), the end of a key (`share`), or the name of a part whose dose
    differs between arms (`human_share`). Raises BadInput with the nearest name for an unknown reading, place or setting.
    """
    return _figure(study, _places(study, measure, at), by, at)


def _figure(study: Study, places: Sequence[Measured], by: str = "", at: str = "") -> Figure:
    """A figure of places of one measure: one chart per place, and per combination of the settings other than `by` in which arms differ."""
    page = page_of(study, places[0].measure, places)
    if places[0].measure in HISTOGRAMS and not by and not at:
        return _histograms(study, places, page)
    split = _split(study, by, list(dict.fromkeys(arm for place in places for arm in place.curves)))
    charts = [chart for place in places for chart in _charts(study, place, split)]
    shown_charts = charts[:MOST_PANELS]
    names = list(dict.fromkeys(split.lines.values()))
    styles = looks(names)
    axes, is_apart = axes_of([chart.reading for chart in shown_charts], page, [chart.laws for chart in shown_charts])
    size = ALONE if len(shown_charts) == 1 else PANEL
    canvases = [Canvas(styles, replace(over, title=_axis_title(page)), size) for over in axes]
    figures = [
        (chart.heading if len(shown_charts) > 1 else "", _drawn(chart, page, canvas, split))
        for chart, canvas in zip(shown_charts, canvases, strict=True)
    ]
    if len(shown_charts) > 1 or len(names) * LABEL_HEIGHT > ALONE.height:
        figures = [(heading, replace(drawing, spec=_with_legend(drawing.spec, styles))) for heading, drawing in figures]
    name = "-".join(filter(None, (places[0].measure, at and file_word(at), by and f"by-{file_word(by)}")))
    title = f"{page.title}{f', {at}' if at else ''}{f' by {split.key}' if split.key else ''}"
    return together(
        name,
        title,
        figures,
        _caption(
            study, [chart.reading for chart in shown_charts], split, left_out=len(charts) - len(shown_charts), is_apart=is_apart
        ),
        COLUMNS,
    )


def plot_against(study: Study, setting: str, measure: str = "", *, at: str = "") -> Figure:
    """Plot the last value of a measure in every arm against a number in which the arms differ.

    Raises BadInput with the nearest name for an unknown reading, place or setting.
    """
    places = _places(study, measure, at)
    if len(places) > 1:
        raise BadInput(
            f"{places[0].measure} has {len(places)} places; name one with at=: {', '.join(place.at for place in places)[:300]}"
        )
    flat = {arm: study.settings[arm] for arm in places[0].curves if arm in study.settings}
    every = families(flat)
    known = list(dict.fromkeys(curve.setting for curve in every))
    keys = [key for key in known if key == setting or key.endswith(f".{setting}")] or _dosed(setting, flat, known)
    page = page_of(study, places[0].measure, places)
    answers = (
        []
        if len(keys) != 1
        else responses_of(
            [family for family in every if family.setting == keys[0]],
            places,
            {(places[0].measure, arm): closed_forms for arm, closed_forms in laws_of(study, places[0]).items()},
        )
    )
    if not answers:
        raise BadInput(
            f"no arms differ only in the number {setting!r:.80}{nearest(setting, known)}; numbers in which arms differ: {', '.join(known)[:300] or 'none'}"
        )
    return _response(answers, page)


def figures(study: Study) -> Iterator[Figure]:
    """Yield every figure of the page separately: responses, every measure, single seeds, and slopes."""
    every = measured(study)
    laws = {(curve.measure, arm): closed_forms for curve in every for arm, closed_forms in laws_of(study, curve).items()}
    groups: dict[tuple[str, str, str], list[Any]] = {}
    for response in responses(study.settings, every, laws):
        groups.setdefault((response.setting, response.measured.measure, response.measured.at), []).append(response)
    for (_, measure, _), group in groups.items():
        yield _response(group, page_of(study, measure, every))
    by_measure: dict[str, list[Measured]] = {}
    for reading in map(pooled, every):
        by_measure.setdefault(reading.measure, []).append(reading)
    for places in by_measure.values():
        whole, parts = [place for place in places if not place.at], [place for place in places if place.at]
        if whole:
            yield _figure(study, whole)
        if parts:
            yield _figure(study, parts, at="places" if whole else "")
    for lead in chiefs(every, study.closed_forms):
        yield from _seeds(lead, page_of(study, lead.measure, every))
    shown = shown_slopes(study, [chief.measure for chief in chiefs(every, study.closed_forms)])
    for _, group in groupby(
        sorted(shown, key=lambda slope: (slope.setting, slope.quantity, slope.measure)),
        lambda slope: (slope.setting, slope.quantity, slope.measure),
    ):
        if chart_slopes := drawn_slopes(list(group)):
            title = f"{chart_slopes[0].quantity} of {chart_slopes[0].measure}"
            yield _named(
                slope_figure(
                    chart_slopes, looks(list(dict.fromkeys(slope.among for slope in chart_slopes))), replace(ALONE, labels=0), title
                )
            )


def _places(study: Study, measure: str, at: str) -> list[Measured]:
    """The places of a measure that have values. If there are none, raises BadInput with the nearest name or with the reason."""
    every = [pooled(reading) for reading in measured(study)]
    known = list(dict.fromkeys(reading.measure for reading in every))
    if not known:
        raise BadInput(f"{study.name} contains no reading with a value, so there is nothing to plot; run it further or add metrics")
    measure = measure or chiefs(every, study.closed_forms)[0].measure
    places = [curve for curve in every if curve.measure == measure]
    if not places:
        notes = [reading.note for reading in study.readings if reading.measure == measure]
        if notes:
            raise BadInput(f"{measure} has no value in {study.name}: {next(filter(None, notes), 'not applicable')[:200]}")
        raise BadInput(f"{study.name} holds no reading {measure!r:.80}{nearest(measure, known)}; it holds {', '.join(known)[:600]}")
    if not at:
        return [place for place in places if not place.at] or places
    known_places = [place.at for place in places]
    if at not in known_places:
        raise BadInput(
            f"{measure} has no place {at!r:.80}{nearest(at, known_places)}; it has {', '.join(filter(None, known_places))[:300] or 'none'}"
        )
    return [place for place in places if place.at == at]


def _split(study: Study, by: str, arms: Sequence[str]) -> ArmLines:
    if not by:
        return ArmLines("", {}, {arm: arm for arm in arms}, dict.fromkeys(arms, ""))
    flat = {arm: study.settings[arm] for arm in arms if arm in study.settings}
    key, levels = _levels(by, flat)
    own = {arm: flat[arm] for arm in levels}
    rest = settings(
        {
            arm: {name: value for name, value in choices.items() if name != key and not name.startswith(f"{key}.")}
            for arm, choices in own.items()
        }
    )
    panels = {arm: ", ".join(setting.in_words(setting.levels[arm]) for setting in rest) for arm in own}
    are_numbers = all(isinstance(level, int | float) for level in levels.values())
    ordered = sorted(levels, key=lambda arm: levels[arm]) if are_numbers else list(levels)  # type: ignore[arg-type, return-value]
    lines = {arm: f"{by} = {word(levels[arm])}" if are_numbers else str(levels[arm]) for arm in ordered}
    return ArmLines(key, {arm: levels[arm] for arm in ordered}, lines, panels, tuple(arm for arm in arms if arm not in levels))


def _levels(by: str, flat: Mapping[str, Mapping[str, Any]]) -> tuple[str, dict[str, Level]]:
    """The key that `by` means, and its level in every arm that has one. Raises BadInput with the nearest setting if there is none."""
    whole = {setting.key: setting for setting in settings(flat)}
    if by in whole:
        return by, dict(whole[by].levels)
    keys = list(dict.fromkeys(name for choices in flat.values() for name in choices))
    ends = [key for key in keys if key == by or key.endswith(f".{by}")]
    dosed = _dosed(by, flat, keys)
    for candidates in (ends, dosed):
        differing = [
            key for key in candidates if len({repr(choices[key]) for choices in flat.values() if choices.get(key) is not None}) > 1
        ]
        if len(differing) == 1:
            key = differing[0]
            kinds = {
                arm: by in (choices.get(f"{key.rpartition('.')[0]}.kind"), *([by] if candidates is ends else []))
                for arm, choices in flat.items()
            }
            return key, {arm: choices[key] for arm, choices in flat.items() if choices.get(key) is not None and kinds[arm]}
        if len(differing) > 1:
            raise BadInput(f"{by!r:.80} may mean {' or '.join(differing)[:200]}; name one of them")
    if one_sided := next((key for key in (*ends, *dosed) if any(choices.get(key) is None for choices in flat.values())), ""):
        having = [arm for arm, choices in flat.items() if choices.get(one_sided) is not None]
        raise BadInput(
            f"{by!r:.80} is set only in {', '.join(having)[:300]}, to one value; name a setting that differs between arms"
        )
    known = list(
        dict.fromkeys(
            [*whole, *(key for key in keys if len({repr(choices.get(key)) for choices in flat.values()}) > 1 and key != "name")]
        )
    )
    why = f"the arms do not differ in {by!r:.80}" if ends or dosed else f"there is no setting {by!r:.80}"
    raise BadInput(f"{why}{nearest(by, known)}; they differ in {', '.join(known)[:300] or 'nothing'}")


def _dosed(kind: str, flat: Mapping[str, Mapping[str, Any]], keys: Iterable[str]) -> list[str]:
    """The keys of the dose of a part that some arms have: `policy.share` for `human_share`."""
    known = {*keys}
    heads = {
        name.removesuffix(".kind")
        for settings in flat.values()
        for name, value in settings.items()
        if name.endswith(".kind") and value == kind
    }
    return [f"{head}.{dose}" for head in sorted(heads) for dose in DOSES if f"{head}.{dose}" in known]


def _charts(study: Study, curve: Measured, split: ArmLines) -> Iterator[Chart]:
    """The charts of one place."""
    laws = laws_of(study, curve)
    for panel in dict.fromkeys(split.panels[arm] for arm in split.lines):
        arms = {split.lines[arm]: arm for arm in split.lines if split.panels[arm] == panel and arm in curve.curves}
        if arms:
            curves = {line: replace(curve.curves[arm], arm=line) for line, arm in arms.items()}
            floors = {line: curve.floors[arm] for line, arm in arms.items() if arm in curve.floors}
            heading = ", ".join(filter(None, (place_words(curve), panel)))
            yield Chart(
                heading,
                replace(curve, curves=curves, floors=floors),
                {line: laws[arm] for line, arm in arms.items() if arm in laws},
                arms,
            )


def _drawn(chart: Chart, page: Page, canvas: Canvas, split: ArmLines) -> Figure:
    """The figure of a chart. Its data have the arms' own names and, if a setting distinguishes the lines, its level."""
    import polars

    figure = curves_figure(chart.reading, page, canvas, chart.laws)
    lines = figure.data["arm"]
    arms = {visible(line): visible(arm) for line, arm in chart.arms.items()}
    data = figure.data.with_columns(lines.replace_strict(arms, return_dtype=polars.String).alias("arm"))
    if split.key:
        levels = {visible(line): split.levels[arm] for line, arm in chart.arms.items()}
        values = polars.Series(split.key, [levels[line] for line in lines], strict=False)
        data = data.insert_column(data.columns.index("arm") + 1, values)
    return replace(figure, data=data)


def _with_legend(spec: Specification, styles: Mapping[str, Look]) -> Specification:
    names = [visible(name) for name in styles]
    legend = {
        "title": None,
        "orient": "bottom",
        "symbolType": "stroke",
        "symbolSize": 300,
        "symbolOpacity": 1,
        "symbolStrokeWidth": 2,
        "labelLimit": 260,
        "columns": 3,
        "values": names,
    }
    colour = {"domain": names, "range": [look.colour for look in styles.values()]}
    dashes = {"domain": names, "range": [list(look.dashes) for look in styles.values()]}
    encoding = spec["encoding"]
    return {
        **spec,
        "encoding": {
            **encoding,
            "color": {**encoding["color"], "scale": colour, "legend": legend},
            "strokeDash": {**encoding["strokeDash"], "scale": dashes, "legend": legend},
        },
    }


def _histograms(study: Study, places: Sequence[Measured], page: Page) -> Figure:
    """A figure of histograms, with one chart per arm."""
    charts = histogram_figures(study, places, page, looks(study.arms))
    return together(places[0].measure, page.title, list(charts.items()), next(iter(charts.values())).caption, COLUMNS)


def _response(group: Sequence[Any], page: Page) -> Figure:
    styles = looks([response.among for response in group])
    chart = response_figure(group, page, styles, replace(ALONE, labels=0), _axis_title(page))
    if len(group) > 1:
        chart = replace(chart, spec=_keyed(chart.spec, styles))
    return _named(chart)


def _keyed(spec: Specification, styles: Mapping[str, Look]) -> Specification:
    """The chart with a legend for the colours of its lines."""
    colour = {**spec["encoding"]["color"], "legend": {"title": None, "orient": "bottom", "labelLimit": 260, "columns": 3}}
    return {**spec, "encoding": {**spec["encoding"], "color": colour}}


def _seeds(lead: Measured, page: Page) -> Iterator[Figure]:
    """Yield a figure of the lines of single seeds that pooling leaves out: one chart per arm, all on the same axis."""
    crowded = {arm: line for arm, line in lead.curves.items() if line.threads and not pooled(lead).curves[arm].threads}
    if crowded:
        over, styles = replace(axis_of([lead], page), title=_axis_title(page)), looks(list(lead.curves))
        charts = [
            (arm, curves_figure(replace(lead, curves={arm: line}), page, Canvas(styles, over, PANEL), {}))
            for arm, line in [*crowded.items()][:MOST_PANELS]
        ]
        yield together(f"{lead.measure}-every-seed", f"{page.title}, every seed", charts, bands_of([lead]), COLUMNS)


def _axis_title(page: Page) -> str:
    return page.title if page.unit in ("", "fraction") else f"{page.title} ({page.unit})"


def _caption(study: Study, readings: Sequence[Measured], split: ArmLines, *, left_out: int, is_apart: bool) -> str:
    sentences = [bands_of(readings)]
    if not split.key:
        sentences += [f"Dotted: the closed form {law.name}." for law in named_laws(study, readings)]
    elif any(curve.measure == law.measure for curve in readings for law in study.laws):
        sentences.append("Dotted: the closed form.")
    if split.left_out:
        sentences.append(f"These arms are left out because they have no {split.key}: {', '.join(split.left_out)}.")
    if is_apart:
        sentences.append("Each chart has its own axis.")
    if left_out:
        sentences.append(f"{left_out} more charts are left out; name a place with at=.")
    return " ".join(sentences)


def _named(figure: Figure) -> Figure:
    """The figure with a name that is valid for a file."""
    return replace(figure, name=file_word(figure.name))


__all__ = ["figures", "plot", "plot_against"]
