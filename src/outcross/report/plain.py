"""A plain page for any result: the lines of the terminal, the figures, and the numbers in a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outcross.files.outputs import write_page
from outcross.report.figure import Figure
from outcross.report.numerals import number
from outcross.report.templates import template

ROWS = 500
"""Maximum number of rows of the table that are shown."""


def write_plain(path: Path, heading: str, lines: Sequence[str], figures: Sequence[Figure], frame: Any) -> Path:
    """Write the page. Returns the path."""
    rows = [[_cell(value) for value in row] for row in frame.head(ROWS).iter_rows()]
    text = template("result.html").render(
        heading=heading,
        lines="\n".join(lines),
        figures=[(figure, figure.svg(f"c{place}")) for place, figure in enumerate(figures)],
        columns=frame.columns,
        rows=rows,
        more=max(0, frame.height - ROWS),
    )
    return write_page(path, text.encode("utf-8", "replace"))


def _cell(value: Any) -> str:
    return "" if value is None else number(value) if isinstance(value, float) else str(value)
