"""Results that are remembered for the same objects, as long as these live in this process."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def remembered(work: Callable[..., T]) -> Callable[..., T]:
    """Return a function that calls `work(*objects)` only once for the same objects (by identity, so they need no hash).

    A result is forgotten when one of its objects is deleted. It must not refer to one of them, because then none would ever be deleted. For example,
    human text is counted and scored once per process, although every generation and several metrics need the result.
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
