"""Progress of the fit and calibration of a detector: a bar on a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from outcross import runtime

WORDS = "fitting and calibrating the detector"


@contextmanager
def fit_shown() -> Iterator[None]:
    """Show the progress of the detector's fit within this context."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(None), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(WORDS, total=1.0)
        before = runtime.telling.set(
            lambda share: bar.update(task, completed=share, description=WORDS if share < 1 else "reading the data")
        )
        try:
            yield
        finally:
            runtime.telling.reset(before)
