"""Sources of tables: records that can be read repeatedly in batches, without conversion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from outcross.errors import OutcrossError

if TYPE_CHECKING:
    import polars

BATCH = 100_000
"""Maximum number of rows in a batch."""
BYTES = 1 << 26
"""Approximate maximum size of a batch with long rows, in bytes."""


@dataclass(frozen=True, eq=False)
class TableSource:
    """Records that can be read repeatedly. `batches(columns)` starts from the beginning each time; None means all columns."""

    name: str
    columns: tuple[str, ...]
    batches: Callable[[Sequence[str] | None], Iterator[polars.DataFrame]]
    notes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    """Columns that the format defines as text."""
    record: tuple[int, ...] = ()
    """Shape of a record if records are arrays; empty if they are rows of columns."""


def in_memory(frame: polars.DataFrame, name: str = "", notes: Sequence[str] = ()) -> TableSource:
    """A source of records in memory."""

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        return (frame if wanted is None else frame.select(wanted)).iter_slices(BATCH)

    return TableSource(name, tuple(frame.columns), batches, tuple(notes))


def lazy(query: polars.LazyFrame, name: str, notes: Sequence[str] = ()) -> TableSource:
    """A source of records that polars reads when they are requested."""

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        asked = query if wanted is None else query.select(wanted)
        first = asked.head(1_000).collect()
        return iter(asked.collect_batches(chunk_size=rows_of(first.estimated_size() / max(first.height, 1)), lazy=True))

    return TableSource(name, tuple(query.collect_schema().names()), batches, tuple(notes))


def rows_of(width: float) -> int:
    """Number of rows in a batch if each has `width` bytes."""
    return int(min(BATCH, max(1.0, BYTES / max(width, 1.0))))


def joined(sources: Sequence[TableSource], name: str) -> TableSource:
    """Concatenate shards into one source. A column that a shard lacks is missing in its rows."""
    if len(sources) == 1:
        return replace(sources[0], name=name)
    columns = tuple(dict.fromkeys(column for source in sources for column in source.columns))
    lacking = [
        f"{source.name} has no column {', '.join(map(repr, missing[:5]))}: missing there"
        for source in sources
        if (missing := [column for column in columns if column not in source.columns])
    ]

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        for source in sources:
            present = [column for column in source.columns if wanted is None or column in wanted]
            yield from source.batches(present or source.columns[:1])  # rows count even if they have none of these columns

    notes = dict.fromkeys([*lacking, *(note for source in sources for note in source.notes)])
    texts = dict.fromkeys(text for source in sources for text in source.texts)
    records = {source.record for source in sources}
    return TableSource(name, columns, batches, tuple(notes), tuple(texts), records.pop() if len(records) == 1 else ())


def guarded(make: Callable[[], TableSource], refusal: Callable[[BaseException], Exception]) -> TableSource:
    """A source that turns every error of its reader, now and later, into an error with one line."""
    from polars.exceptions import PanicException

    try:
        source = make()
    except OutcrossError:
        raise
    except (Exception, PanicException) as error:  # a panic in polars is a BaseException
        raise refusal(error) from None

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        try:
            yield from source.batches(wanted)
        except OutcrossError:
            raise
        except (Exception, PanicException) as error:
            raise refusal(error) from None

    return replace(source, batches=batches)
