"""File locks, so that several processes may work in one folder.

They call `flock` themselves, as the package filelock would. In both ways the system frees a lock when its process ends, by `kill -9` too. But
filelock asks again every 50 ms, where the system wakes the process that waits (a lock passes on after 12 ms instead of 0.3, medians of twelve), and it
takes eight times as long for a free lock (0.13 ms, and every step that is stored takes one). Where a file system has no `flock`, filelock makes do with
the presence of a file, which stays behind when another machine fails; we refuse such a file system.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from outcross.errors import BadInput, MachineGaveOut


@contextlib.contextmanager
def lock(path: Path, meanwhile: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a file lock; where another process holds it, do `meanwhile` and then wait. The system lets go of it when the process ends."""
    import fcntl

    with _opened(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            meanwhile()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a run folder; BadInput where another process runs into it, MachineGaveOut where its file system has no locks."""
    import fcntl

    with _opened(folder / ".run.lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"another process is running into {folder}; wait for it, or choose another --out") from None
        except OSError as error:
            raise MachineGaveOut(
                f"{folder} cannot be locked: {error.strerror}; choose another --out, on a file system that has flock"
            ) from None
        yield


def _opened(path: Path) -> BinaryIO:
    """The file of a lock. A link in its place is not followed: it may lead anywhere."""
    return open(path, "ab", opener=_without_link)


def _without_link(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW, 0o666)
