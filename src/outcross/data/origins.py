"""The origins of records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Origin:
    """The origin of the records of a part."""

    author: Literal["human", "model", "edited", "translated", "unknown"]
    model: str | None = None
    """The digest or the name of the model that wrote them."""
    generation: int | None = None
    """The generation of the model that wrote them."""
    decoding: str | None = None
    """The sampling settings, as canonical JSON of the Draw."""


HUMAN = Origin("human")
UNKNOWN = Origin("unknown")
