"""How an audit reads its columns, shown before anything is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outcross.data.tables import Table


@dataclass(frozen=True)
class ReadColumn:
    """A column as it is read, in words."""

    column: str
    kind: str
    """number, time, category, truth, text, vector, series; key, ignored, empty … where it is left out."""
    why: str
    example: str
    """A value as it stands, and as it is read where that differs."""
    change: str
    """The option that would read it otherwise; empty where none would."""
    is_compared: bool
    is_guess: bool
    """Whether the reading may be wrong: worth a look."""


@dataclass(frozen=True)
class ColumnPlan:
    """How the columns of each set are read beside the human data."""

    rows: Mapping[str, Mapping[str, int]]
    """By set: records of each side."""
    columns: Mapping[str, Sequence[ReadColumn]]
    notes: Mapping[str, Sequence[str]]

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        sets = [
            {
                "name": name,
                "n": dict(self.rows[name]),
                "columns": [vars(column) for column in columns],
                "notes": list(self.notes[name]),
            }
            for name, columns in self.columns.items()
        ]
        return {"schema": 1, "plan": sets}


def read_columns(tables: Sequence[Table]) -> tuple[ReadColumn, ...]:
    """How each column of tables that were made alike is read; the first is the reference."""
    first = tables[0]
    known = [*first.given.others, *first.columns.values()]
    there = [(table.name, set(table.records.columns)) for table in tables]
    rows = []
    for column in known:
        is_made = column in first.given.others
        lacking = [name for name, columns in there if not is_made and column.name not in columns]
        is_compared = column.name in first.kinds and not is_made
        why = [column.why, *(f"{name} has it not" for name in lacking)]
        if column.kind is not None and not is_compared and not lacking:
            why.append("not looked at")
        rows.append(
            ReadColumn(
                column.name,
                column.shown,
                "; ".join(why),
                column.example,
                column.change,
                is_compared,
                column.is_said or column.shown == "key",
            )
        )
    return tuple(rows)
