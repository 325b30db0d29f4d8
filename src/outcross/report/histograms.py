"""Histograms of measures that are read in bins: one chart per arm, with human text and some generations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from outcross.measures.likelihood import BINS, named_bin
from outcross.report.axes import axis, vertical
from outcross.report.charts import INK, Look, Size, canvas
from outcross.report.curves import Curve, Measured
from outcross.report.drawing import Specification
from outcross.report.figure import Figure
from outcross.report.sections import Panel, Pen, Section, curve_data, table_of
from outcross.report.study import Page, Study

HISTOGRAMS = ("perplexity_histogram",)
"""Measures that are drawn as histograms. Each of their places is a bin, in order."""
SIZE = Size(280, 170)
LINES = "Dashed: human text that no model saw. The paler a line, the earlier its generation: the first, the middle and the last."
WEIGHTS = {"first": 0.4, "middle": 0.7, "last": 1.0}
"""The opacity of the first, the middle and the last generation of an arm."""


def histogram(study: Study, measure: str, bins: Sequence[Measured], page: Page, pen: Pen, every: int) -> Section:
    """The section of a histogram: a chart for each arm, and every number in a table."""
    charts = histogram_figures(study, bins, page, pen.looks)
    panels = tuple(Panel(arm, pen.draw(drawing)) for arm, drawing in charts.items())
    remarks = (f"{LINES} The table has the intervals.",)
    return Section(measure, "", page, panels, table_of(study, measure, every), remarks)


def histogram_figures(study: Study, bins: Sequence[Measured], page: Page, looks: Mapping[str, Look]) -> dict[str, Figure]:
    """One chart per arm."""
    return {
        arm: Figure(bins[0].measure, page.title, _chart(arm, bins, looks[arm]), _data(arm, bins), LINES)
        for arm in study.arms
        if _is_read(arm, bins)
    }


def _data(arm: str, bins: Sequence[Measured]) -> Any:
    """Every number of an arm's bins (polars)."""
    import polars

    return polars.concat([curve_data(replace(level, curves={arm: level.curves[arm]}), {}) for level in bins if arm in level.curves])


def _is_read(arm: str, bins: Sequence[Measured]) -> bool:
    return any(arm in level.curves for level in bins)


def _chart(arm: str, bins: Sequence[Measured], look: Look) -> Specification:
    """A chart of steps over the bins, with a line for each generation that is drawn and one for human text."""
    lines = {
        name: _steps({level.at: _value(level.curves.get(arm), generation) for level in bins})
        for name, generation in _drawn(arm, bins).items()
    }
    human = _steps({level.at: _end(level.floors.get(arm)) for level in bins})
    points = [point for level in bins for line in (level.curves.get(arm), level.floors.get(arm)) if line for point in line.known]
    over = axis(points, is_fraction=True)
    marks = [(human, INK, 1.0, [5, 4]), *((steps, look.colour, WEIGHTS[name], [1, 0]) for name, steps in lines.items())]
    return {
        **canvas(SIZE.width, SIZE.height, right=4),
        "layer": [
            {
                "data": {"values": steps},
                "mark": {
                    "type": "line",
                    "interpolate": "step-after",
                    "color": colour,
                    "opacity": opacity,
                    "strokeDash": dash,
                    "strokeWidth": 2,
                },
                "encoding": {"y": {"field": "share", **vertical(over)}},
            }
            for steps, colour, opacity, dash in marks
            if steps
        ],
        "encoding": {
            "x": {
                "field": "edge",
                "type": "quantitative",
                "title": "perplexity under generation 0",
                "scale": {"type": "log", "domain": [BINS[0] / 2, BINS[-1] * 2], "nice": False},
                "axis": {"values": list(BINS), "tickCount": len(BINS), "format": "d", "grid": False, "labelOverlap": True},
            }
        },
    }


def _drawn(arm: str, bins: Sequence[Measured]) -> dict[str, int]:
    """The generations that are drawn: the first, the middle and the last. A generation that is two of them occurs once."""
    generations = sorted({point.generation for level in bins if arm in level.curves for point in level.curves[arm].known})
    chosen = {"last": generations[-1], "first": generations[0], "middle": generations[(len(generations) - 1) // 2]}
    by_generation = {generation: name for name, generation in reversed(chosen.items())}
    return {name: generation for generation, name in sorted(by_generation.items())}


def _steps(shares: dict[str, float | None]) -> list[Specification]:
    """One row at the lower edge of each bin, and one at the end of the last bin. Empty if a bin has no value."""
    values = [shares.get(named_bin(low, high)) for low, high in pairwise((0.0, *map(float, BINS), math.inf))]
    if any(value is None or not math.isfinite(value) for value in values):
        return []
    edges = [BINS[0] / 2, *BINS, BINS[-1] * 2]
    return [{"edge": edge, "share": value} for edge, value in zip(edges, [*values, values[-1]], strict=True)]


def _value(line: Curve | None, generation: int) -> float | None:
    point = None if line is None else line.at(generation)
    return None if point is None else point.value


def _end(line: Curve | None) -> float | None:
    return line.known[-1].value if line is not None and line.known else None
