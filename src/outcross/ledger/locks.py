"""File locks, so that several processes may work in one folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from outcross.errors import BadInput


@contextlib.contextmanager
def lock(path: Path, meanwhile: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a file lock; where another process holds it, do `meanwhile` and then wait. The system lets go of it when the process ends."""
    import fcntl

    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            meanwhile()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a run folder; BadInput where another process runs into it."""
    import fcntl

    with (folder / ".run.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadInput(f"another process is running into {folder}; wait for it, or choose another --out") from None
        yield
