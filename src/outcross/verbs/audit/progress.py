"""The progress of an audit: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from outcross.verbs.silence import Silence


@dataclass(frozen=True)
class Looked:
    """The progress of the audit of a set."""

    place: int
    """Position of the set among all sets, from 0."""
    name: str
    share: float
    """Share of the measures that have been taken, in [0, 1]."""


Watch = Callable[[Looked], None]
"""A function that receives the progress of the audits."""


def watcher(sets: int) -> Any:
    """Return a progress bar if standard error is a terminal, and a silent watcher otherwise."""
    return AuditBar(sets) if sys.stderr.isatty() else Silence()


class AuditBar(AbstractContextManager):
    """A bar that shows the share of the measures that have been taken, over all sets, and the remaining time."""

    def __init__(self, sets: int):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(None),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self.task = self.bar.add_task("reading", total=float(sets))
        self.shares = [0.0] * sets

    def __enter__(self):
        self.bar.start()
        return self

    def __call__(self, looked: Looked) -> None:
        from outcross.escapes import escaped, shortened

        self.shares[looked.place] = looked.share
        self.bar.update(self.task, completed=sum(self.shares), description=f"looking at {shortened(escaped(looked.name), 24)}")

    def __exit__(self, *error: object) -> None:
        self.bar.stop()
