from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outcross.recipe import recipe
from outcross.targets import Target


@recipe
class Csv(Target):
    """Tables as CSV in UTF-8: the readings, texts, profile and closed forms of a run, the checks of an audit, the rows of a mix, or the comparisons of a reproduction. An empty field is a missing value."""

    takes = ("run", "audit", "mix", "reproduction")

    def files(self, handed, place, out) -> Mapping[str, Any]:
        return {f"{name}.csv": flat(table).write_csv(None, quote_style="non_numeric") for name, table in handed.tables.items()}


def flat(table: Any) -> Any:
    """Return a table with its lists and records as JSON text, since CSV has no nested values."""
    import json

    import polars as pl

    nested = [name for name, dtype in table.schema.items() if dtype.is_nested()]
    written = [
        pl.Series(
            name,
            [None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in table[name].to_list()],
            pl.String,
        )
        for name in nested
    ]
    return table.with_columns(*written) if written else table
