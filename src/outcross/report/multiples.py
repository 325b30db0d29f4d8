"""Small multiples: one chart for each combination of settings, all on the same axes, with a line for each level of the remaining setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from outcross.experiment.settings import Level, Setting, is_crossed, settings
from outcross.report.charts import Look, Size, looks
from outcross.report.curves import Measured
from outcross.report.sections import (
    Canvas,
    Panel,
    Pen,
    Rows,
    Section,
    SectionTable,
    axis_of,
    bands_of,
    curves_figure,
    interval_cells,
    laws_of,
    named_laws,
    place_words,
)
from outcross.report.study import Page, Study

SMALL = Size(250, 150)
MOST = 24
"""Maximum number of charts in a grid."""
BY_ITSELF = ("policy", "learner")
"""Settings that become lines if arms differ in them, so that each chart shows the same choices."""


@dataclass(frozen=True)
class Multiples:
    """The grid of a measure: a figure with its number of columns, and the looks of its lines."""

    figure: Section
    columns: int
    lines: tuple[tuple[str, Look], ...]
    run: str = ""
    """The name of the run, if several runs are on the page and each has its own grid."""
    left_out: int = 0


@dataclass(frozen=True)
class Cell:
    """One chart of the grid: the common settings of its arms as a title, and the arm of each line."""

    title: str
    arms: tuple[str, ...]


def multiples(study: Study, main: Measured, page: Page, pen: Pen) -> list[Multiples]:
    """The grid of a measure over the arms that have it. If several runs are on the page and are not fully crossed, one grid per run."""
    arms = [arm for arm in main.curves if arm in study.settings]
    together = settings({arm: study.settings[arm] for arm in arms})
    if is_crossed(together):
        return [_grid(study, _some(main, arms), page, pen, together)]
    by_run: dict[str, list[str]] = {}
    for arm in arms:
        by_run.setdefault(str(study.settings[arm].get("run", "")), []).append(arm)
    apart = {run: settings({arm: study.settings[arm] for arm in own}) for run, own in by_run.items() if len(by_run) > 1}
    return [
        replace(_grid(study, _some(main, by_run[run]), page, pen, differing), run=run)
        for run, differing in apart.items()
        if is_crossed(differing)
    ]


def _some(main: Measured, arms: Sequence[str]) -> Measured:
    def those(curves):
        return {arm: curves[arm] for arm in arms if arm in curves}

    return replace(main, curves=those(main.curves), floors=those(main.floors))


def _grid(study: Study, main: Measured, page: Page, pen: Pen, differing: Sequence[Setting]) -> Multiples:
    lines = next((setting for key in BY_ITSELF for setting in differing if setting.key == key), None) or _fewest(differing)
    panels = sorted(
        (setting for setting in differing if setting is not lines), key=lambda setting: len(setting.values), reverse=True
    )
    cells = _cells(panels, lines, list(main.curves))
    shared = looks([lines.in_words(level) for level in lines.values])
    drawn_as = {arm: shared[lines.in_words(level)] for arm, level in lines.levels.items()}
    laws = laws_of(study, main)
    over = axis_of([main], page, laws)
    canvas = Canvas(drawn_as, over, SMALL, pen.law_names, pen.human)
    shown_panels = tuple(
        Panel(
            cell.title,
            pen.draw(curves_figure(_some(main, cell.arms), page, canvas, {arm: laws[arm] for arm in cell.arms if arm in laws})),
        )
        for cell in cells[:MOST]
    )
    figure = Section(
        main.measure,
        place_words(main),
        page,
        shown_panels,
        _table(cells, lines, main),
        bands=bands_of([main], pen.human),
        laws=named_laws(study, [main]),
    )
    columns = len(panels[-1].values) if len(panels) > 1 else min(len(cells), 4)
    return Multiples(figure, columns, tuple(shared.items()), left_out=max(0, len(cells) - MOST))


def _fewest(differing: Sequence[Setting]) -> Setting:
    """The setting with the fewest levels, so that the grid has few lines and many charts. If there are several, the last of them."""
    return min(reversed(differing), key=lambda setting: len(setting.values))


def _cells(panels: Sequence[Setting], lines: Setting, arms: Sequence[str]) -> list[Cell]:
    """The charts in the order of the levels. The last setting, that of the columns, changes fastest."""
    by_levels: dict[tuple[Level, ...], list[str]] = {}
    for arm in arms:
        by_levels.setdefault(tuple(panel.levels[arm] for panel in panels), []).append(arm)
    places = sorted(by_levels, key=lambda levels: [panel.values.index(level) for panel, level in zip(panels, levels, strict=True)])
    return [
        Cell(
            ", ".join(panel.in_words(level) for panel, level in zip(panels, levels, strict=True)),
            tuple(sorted(by_levels[levels], key=lambda arm: lines.values.index(lines.levels[arm]))),
        )
        for levels in places
    ]


def _table(cells: Sequence[Cell], lines: Setting, main: Measured) -> SectionTable:
    """The table of the first and the last value of each line."""
    columns = (lines.name, "generation", "value", "low", "high", "method", "n")
    return SectionTable(columns, tuple(Rows(cell.title, tuple(_ends(cell, lines, main))) for cell in cells))


def _ends(cell: Cell, lines: Setting, main: Measured):
    for arm in cell.arms:
        known = main.curves[arm].known
        for point in dict.fromkeys((known[0], known[-1])):
            count = "" if point.n is None else f"{point.n:,}"
            level = lines.in_words(lines.levels[arm]).removeprefix(f"{lines.name} = ")
            yield (level, str(point.generation), *interval_cells(point), point.method, count)
