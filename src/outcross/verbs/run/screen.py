"""What a person sees of a run in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from outcross.verbs.run.tables import read_readings, read_slopes
from outcross.verbs.terminal import slope_lines, summary_lines


def run_lines(folder: Path, width: int) -> Iterator[str]:
    """The last generation of every arm and seed, reading by reading, with intervals; then the slopes that the arms give."""
    yield from summary_lines(read_readings(folder), width)
    yield from slope_lines(read_slopes(folder), width)
