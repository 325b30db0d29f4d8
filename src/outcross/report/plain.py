"""Any result as a plain page: what a terminal shows, its figures, and its numbers in a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outcross.files.outputs import write_page
from outcross.report.charts import draw
from outcross.report.figure import Figure
from outcross.report.numerals import number
from outcross.report.templates import environment, resource

ROWS = 500
"""Rows of the table that are shown."""


def write_plain(path: Path, heading: str, lines: Sequence[str], figures: Sequence[Figure], frame: Any) -> Path:
    """Write the page. Returns the path."""
    rows = [[_cell(value) for value in row] for row in frame.head(ROWS).iter_rows()]
    text = (
        environment()
        .from_string(resource("result.html"))
        .render(
            heading=heading,
            lines="\n".join(lines),
            figures=[(figure, _svg(figure, place)) for place, figure in enumerate(figures)],
            columns=frame.columns,
            rows=rows,
            more=max(0, frame.height - ROWS),
            style=resource("page.css"),
        )
    )
    return write_page(path, text.encode("utf-8", "replace"))


def _svg(figure: Figure, place: int) -> str:
    try:
        return draw(figure.spec, f"c{place}")
    except ModuleNotFoundError:
        return ""


def _cell(value: Any) -> str:
    return "" if value is None else number(value) if isinstance(value, float) else str(value)
