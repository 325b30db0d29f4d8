"""How an audit reads its columns. It can be shown before anything is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outcross.escapes import escaped
from outcross.verbs.results import WIDTH, Result
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.data.tables import Absent, Table


@dataclass(frozen=True)
class ReadColumn:
    """How a column is read, in words."""

    column: str
    kind: str
    """number, time, category, boolean, text, vector or series; for a column that is left out, key, ignored, empty …"""
    why: str
    example: str
    """A value as written, and as it is read if that differs."""
    change: str
    """The option that changes how the column is read. Empty if there is none."""
    is_compared: bool
    is_guess: bool
    """Whether the type is a guess that the user should check."""
    is_missing: bool = False
    """Whether the synthetic data lack the column of the human data, or have no value of its kind in it."""


@dataclass(frozen=True, repr=False)
class ColumnPlan(Result):
    """How the columns of each set and of the human data are read."""

    rows: Mapping[str, Mapping[str, int]]
    """Number of records of each side, by set."""
    columns: Mapping[str, Sequence[ReadColumn]]
    notes: Mapping[str, Sequence[str]]

    @property
    def short(self) -> str:
        """The number of columns of each set (of the first two), and how many of them are guesses."""
        counts = [
            f"{name}: {amount(len(columns), 'column')}, {sum(column.is_guess for column in columns)} worth a look"
            for name, columns in self.columns.items()
        ]
        return "\n".join(["How columns are read", *counts[:2]])

    def frame(self) -> Any:
        """Return a polars frame with one row per column of each set."""
        import polars

        return polars.DataFrame([{"set": name, **vars(column)} for name, columns in self.columns.items() for column in columns])

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return one line per column."""
        lines = []
        for name, columns in self.columns.items():
            lines.append(escaped(name))
            lines += [
                escaped(f"  {column.column}: {column.kind} ({column.why})" if column.why else f"  {column.column}: {column.kind}")
                for column in columns
            ]
        return lines

    def plain(self) -> dict[str, Any]:
        """Return the plan as plain data."""
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


def read_columns(tables: Sequence[Table], absent: Iterable[Absent] = ()) -> tuple[ReadColumn, ...]:
    """Return how each column is read in tables with the same types. The first table is the reference; `absent` are its columns that the second lacks."""
    missing = {absent_column.column: absent_column.why for absent_column in absent}
    first = tables[0]
    known = [*first.given.others, *first.columns.values()]
    there = [(table.name, set(table.records.columns)) for table in tables]
    rows = []
    for column in known:
        is_made = column in first.given.others
        lacking = [name for name, columns in there if not is_made and column.name not in columns]
        is_compared = column.name in first.kinds and not is_made
        why = [column.why, *(f"{name} lacks it" for name in lacking)]
        if column.kind is not None and not is_compared and not lacking:
            why.append(missing.get(column.name, "not compared"))
        rows.append(
            ReadColumn(
                column.name,
                column.shown,
                "; ".join(why),
                column.example,
                column.change,
                is_compared,
                column.is_said or column.shown == "key",
                column.name in missing,
            )
        )
    return tuple(rows)
