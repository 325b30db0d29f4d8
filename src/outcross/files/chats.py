"""Chats as texts by role: a column of lists of messages becomes one column of texts for each role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from outcross.files.source import TableSource

if TYPE_CHECKING:
    import polars

WHO = ("role", "from")
"""Names of fields that hold the author of a message."""
WHAT = ("content", "value", "text")
"""Names of fields that hold the text of a message."""


def unfolded(source: TableSource) -> TableSource:
    """The source with its chats split by role: `messages` becomes `messages: user` and `messages: assistant`. Other columns stay."""

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        if wanted is None:
            yield from map(by_role, source.batches(None))
            return
        known = set(source.columns)
        raw = dict.fromkeys(name if name in known else name.rpartition(": ")[0] for name in wanted)
        present = [name for name in raw if name in known]
        for batch in source.batches(present or source.columns[:1]):  # rows count even if they have none of these columns
            frame = by_role(batch)
            there = set(frame.columns)
            yield frame.select([name for name in wanted if name in there] or frame.columns[:1])

    return replace(source, batches=batches)


def by_role(frame: polars.DataFrame) -> polars.DataFrame:
    """A frame whose chats are split by role. The messages of a role are joined by line breaks. The text is missing if a role has no message."""
    import polars as pl

    columns: list[polars.Series] = []
    for column in frame.get_columns():
        fields = _fields(column.dtype)
        columns += [column] if fields is None else _roles(column, *fields)
    return pl.DataFrame(columns)


def _fields(dtype: polars.DataType) -> tuple[str, str] | None:
    """The names of the fields with the author and with the text of a message; None if a column holds no chats."""
    import polars as pl

    if not isinstance(dtype, pl.List) or not isinstance(dtype.inner, pl.Struct):
        return None
    fields = {field.name: field.dtype for field in dtype.inner.fields}
    who, what = (next((name for name in names if fields.get(name) == pl.String), None) for names in (WHO, WHAT))
    return None if who is None or what is None else (who, what)


def _roles(chats: polars.Series, who: str, what: str) -> list[polars.Series]:
    import polars as pl

    messages = chats.explode().drop_nulls()
    roles = messages.struct.field(who).drop_nulls().unique().sort().to_list()

    def said(role: str) -> polars.Series:
        texts = chats.list.eval(pl.element().struct.field(what).filter(pl.element().struct.field(who) == role))
        return texts.list.join("\n", ignore_nulls=True).set(texts.list.len().fill_null(0) == 0, None).alias(f"{chats.name}: {role}")

    return [said(role) for role in roles] or [pl.Series(chats.name, [None] * len(chats), dtype=pl.String)]
