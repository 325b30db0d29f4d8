"""Who wrote a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Origin:
    """Who wrote the records of a part."""

    author: Literal["human", "model", "edited", "translated", "unknown"]
    model: str | None = None
    """The digest or the name of the model that wrote them."""
    generation: int | None = None
    """The generation of models in which they were written."""
    decoding: str | None = None
    """How they were sampled, as canonical JSON of the Draw."""


HUMAN = Origin("human")
UNKNOWN = Origin("unknown")
