"""Nobody watches the work of a verb."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any


class Silence(AbstractContextManager):
    """Nobody."""

    def __call__(self, event: Any) -> None: ...

    def __exit__(self, *error: object) -> None: ...
