"""Conversion of records of any kind into a table, for measures that read tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from outcross.data.columns import Given
from outcross.data.framed import EntitySeries, TableRows
from outcross.data.labelled import LabelledPoints
from outcross.data.records import Blocks, Counts, Vectors
from outcross.data.tables import Kind, Table, table_of
from outcross.estimate import NotApplicable
from outcross.files.source import in_memory
from outcross.runtime.remembered import remembered
from outcross.statistics.clusters import prompts_of
from outcross.text.words import inner

STATE = "state"
"""The column with the state of each record, for records that are counts of states."""
GROUP = "group"
"""The column of the group that wrote a block of text."""
PROMPT = "_prompt"
"""The column with the prompt of each text. An empty prompt means that there was none."""
DOCUMENT = "_document"
"""The column with the document that each text was cut from. A text with a missing value or -1 is a document by itself."""


@remembered
def as_table(records: Any) -> Table:
    """Return the records of one chain as a table. Raises NotApplicable if there are several chains or no records.

    Points have one column of numbers per dimension (x0, x1, …); labelled points also have the columns `label` and `group`. Counts have one column of
    categories, `state` (state 0, state 1, …). Blocks of text have a column `text`, a column `group` if they have groups, and `_document`. That is the
    document that a block was cut from, or the prompt that it continues, so that blocks of one prompt count as one document. Blocks are cut at tokens,
    so their first and last words may be incomplete and are left out. Rows of a table and series keep their columns.
    """
    return _table(records, _with_documents)


@remembered
def as_dealt_table(records: Any) -> Table:
    """Return `as_table` for records that were assigned to the compared sets one by one, so that blocks of one document are independent.

    Only continuations of the same prompt count as one document.
    """
    return _table(records, _with_prompts)


def as_prompted_table(records: Any, prompts: Sequence[str]) -> Table:
    """Return `as_dealt_table` with the prompt of each block of text, (n,)."""
    import polars as pl

    return _table(records, lambda blocks: _with_prompts(blocks).with_columns(pl.Series(PROMPT, list(prompts), dtype=pl.String)))


def _table(records: Any, text_of: Any) -> Table:
    if records.chains:
        raise NotApplicable(f"a table needs a single chain, got {int(np.prod(records.chains))}; write chains: 1")
    frame, kinds = _of_blocks(text_of(records)) if isinstance(records, Blocks) else _frame(records)
    if not frame.height:
        raise NotApplicable("a table needs records, but there are none")
    return table_of(in_memory(frame), records.kind, Given(dict(kinds)))


def _frame(records: Any) -> tuple[Any, dict[str, Kind]]:
    """Return the records as a polars frame, and the kind of each column that is compared."""
    import polars as pl

    if isinstance(records, Counts):
        counts = records.array
        names = pl.Series([f"state {i}" for i in range(counts.size)], dtype=pl.String)
        return pl.DataFrame({STATE: names[np.repeat(np.arange(counts.size), counts)]}), {STATE: "category"}
    if isinstance(records, TableRows):
        return records.frame, dict(records.kinds)
    if isinstance(records, EntitySeries):
        lists = [name for name in records.columns if name != records.entity]
        return records.frame, {records.entity: "category", **dict.fromkeys(lists, "series")}
    if isinstance(records, LabelledPoints):
        frame = records.frame
        return frame, {name: "category" if name in ("label", GROUP) else "number" for name in frame.columns}
    array = records.array
    assert isinstance(records, Vectors)
    columns: list[str] = [f"x{i}" for i in range(records.dimensions)]
    return pl.DataFrame(array, schema=columns), dict.fromkeys(columns, "number")


def _with_documents(blocks: Blocks) -> Any:
    """Return the text and the group of each block, and its document or prompt."""
    import polars as pl

    document, prompt = pl.col("_document"), pl.col("_prompt")
    cluster = (
        pl.when(document >= 0)
        .then(document.cast(pl.String))
        .when(prompt >= 0)
        .then(pl.format("prompt {}", prompt))
        .otherwise(pl.lit("-1"))
    )
    return _whole_words(blocks, cluster)


def _with_prompts(blocks: Blocks) -> Any:
    """Return the text and the group of each block, and its prompt if some blocks share a prompt."""
    import polars as pl

    prompts, prompt_of = prompts_of(blocks)
    return _whole_words(blocks, pl.Series(prompts).cast(pl.String) if prompt_of == "prompts" else None)


def _whole_words(blocks: Blocks, document: Any) -> Any:
    import polars as pl

    text = pl.Series("text", [inner(text) for text in blocks.texts], dtype=pl.String)
    own = [] if document is None else [document.alias(DOCUMENT)]
    return blocks.frame.with_columns(text).select("text", *own, pl.col("_group").alias(GROUP))


def _of_blocks(frame: Any) -> tuple[Any, dict[str, Kind]]:
    if (frame[GROUP] == "").all():
        return frame.drop(GROUP), {"text": "text"}
    return frame, {"text": "text", GROUP: "category"}


__all__ = ["DOCUMENT", "GROUP", "PROMPT", "STATE", "as_dealt_table", "as_prompted_table", "as_table"]
