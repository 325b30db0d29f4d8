"""A watcher of the work of a verb that prints nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any


class Silence(AbstractContextManager):
    """Ignores all events."""

    def __call__(self, event: Any) -> None: ...

    def __exit__(self, *error: object) -> None: ...
