"""Work done once for the same objects, for as long as they live in this process."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def remembered(work: Callable[..., T]) -> Callable[..., T]:
    """Do `work(*objects)` once for these very objects (by identity, so their values need no hash).

    What was found is let go with the first of the objects that dies. It must not hold one of them, or none would.
    Human text is counted and scored once in a process, though every generation and several metrics ask for it.
    """
    known: dict[tuple[int, ...], Any] = {}

    @functools.wraps(work)
    def recall(*objects: Any) -> T:
        key = tuple(map(id, objects))
        if key not in known:
            result = work(*objects)
            for argument in objects:
                weakref.finalize(argument, known.pop, key, None).atexit = False
            known[key] = result
        return known[key]

    return recall
