"""The recipe of the step that audits one set. Together with the data it determines all numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Asked:
    """The settings of an audit with every aspect written out, and the name and note of the set."""

    name: str
    """Name of the set, which notes mention."""
    note: str
    """The first note of the audit. Empty if there is none."""
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
    """The attributes that aspects read by name, as parts, so that the key of the step covers their source."""
    margins: Mapping[str, float]
    rate: float
    seed: int
    most_columns: int
    most_seconds: float | None
    """None without a limit."""
    records: bool
    """Whether every record is scored."""
    shares: tuple[float, ...]
    """Shares of synthetic training records to try. Empty if `shares` was not given."""
    allow_missing: tuple[str, ...]
    """Columns that may be missing or not compared."""
