"""What a person sees of a run in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from outcross.verbs.terminal import slope_lines, summary_lines, wrapped

if TYPE_CHECKING:
    from outcross.verbs.run.result import Run


def run_lines(run: Run, width: int) -> Iterator[str]:
    """The last generation of every arm and seed, reading by reading, with intervals; then the slopes that the arms give."""
    yield from wrapped(run.unfinished, width)
    yield from summary_lines(run.readings, width)
    yield from slope_lines(run.slopes, width)
