"""What decides the numbers of one audit beside the data: the recipe of the step that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Asked:
    """The question, every aspect written out, and the words in which an audit speaks of its data."""

    name: str
    """Of the set, which notes say."""
    note: str
    """What the audit says first among its notes; empty where nothing."""
    groups: tuple[str, ...]
    target: str | None
    text_column: str | None
    kinds: Mapping[str, str]
    key: tuple[str, ...]
    ignore: tuple[str, ...]
    entity: str | None
    time: str | None
    aspects: tuple[Any, ...]
    attributes: tuple[Any, ...]
    """What aspects read by name, here as parts, so that the step covers their source."""
    margins: Mapping[str, float]
    rate: float
    seed: int
    most_columns: int
    most_seconds: float | None
    """None where there is no bound."""
    records: bool
    """Whether every record is scored."""
    shares: tuple[float, ...]
    """Shares of synthetic training records to try; none where nobody asked how much to train on."""
    allow_missing: tuple[str, ...]
    """Columns that may be absent, or not looked at."""
