"""A table: one set of typed records, from any source and of any size.

`table` reads a table from a file, a glob, or an object in memory. `alike` makes several tables comparable.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.data.bits import pseudo_random
from outcross.data.columns import Column, Given, TimeUnit, check_given, time_unit, understood
from outcross.data.values import Side
from outcross.data.written import MISSING
from outcross.errors import BadInput
from outcross.files import kinds as of_values
from outcross.files.chats import unfolded
from outcross.files.forms import PLAIN, Form
from outcross.files.kinds import KINDS, Kind
from outcross.files.reading import read
from outcross.files.source import BATCH, TableSource
from outcross.recipe import nearest
from outcross.wording import amount

if TYPE_CHECKING:
    import polars

__all__ = ["KINDS", "SAMPLE", "Absent", "Alike", "Kind", "Table", "alike", "table", "table_of"]

SAMPLE = 200_000
"""The maximum number of rows of a table in memory."""
BYTES = 1 << 30
"""The approximate maximum size of these rows as read, in bytes. If rows have long texts or large vectors, fewer are in memory."""


@dataclass(frozen=True, eq=False)
class Coded:
    """The strings of a column as numbers."""

    names: tuple[str, ...]
    """The different strings, in ascending order. Some of them may occur in no record."""
    codes: np.ndarray
    """The index of the name of each record, -1 if it is missing, (rows,) of integers."""


@dataclass(frozen=True, eq=False)
class Table:
    """Records with one kind for each column. `frame` contains all records if there are at most 200,000, otherwise a uniform sample of that size.

    In `frame` a number is Float64 (values that are not finite are missing), a category and a text are String, a vector is
    Array(Float32, d), and a series is List(Float64). Missing values are null. The rows are ordered by their content, so that the order of
    reading has no effect.
    """

    name: str
    rows: int
    """The number of all rows, of which `frame` may contain a sample."""
    kinds: Mapping[str, Kind]
    """{column: kind} of the columns that are compared."""
    frame: polars.DataFrame
    notes: tuple[str, ...]
    """Notes on values that were read as missing, and on columns that were left out or sampled, in words."""
    records: polars.DataFrame = field(repr=False)
    """The rows of `frame` as they were read, with every column, including provenance such as `_id`."""
    places: np.ndarray = field(repr=False)
    """The position of each row of `frame` among all rows in reading order, from 0, (rows in frame,)."""
    _read: Callable[[Sequence[str] | None], Iterator[polars.DataFrame]] = field(repr=False)
    unread: tuple[str, ...] = ()
    """The columns that were not read, because there are too many."""
    forms: Mapping[str, Form] = field(default_factory=dict, repr=False)
    """The notation in `records` of the columns that are compared."""
    columns: Mapping[str, Column] = field(default_factory=dict, repr=False)
    """The inferred kind and notation of every column, including those that are left out."""
    given: Given = field(default_factory=Given, repr=False)
    """The user's statements about columns."""
    facts: tuple[str, ...] = ()
    """Notes on the file itself."""
    _parent: tuple[Table, np.ndarray | slice] | None = field(init=False, default=None, repr=False)
    """The table that the rows were taken from, and their numbers there. None if the table was made in another way."""
    _coded: dict[str, Coded] = field(init=False, default_factory=dict, repr=False)

    @property
    def is_whole(self) -> bool:
        """Whether `frame` contains every row."""
        return self.frame.height == self.rows

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[polars.DataFrame]:
        """Yield every row, about 100,000 at a time, typed as in `frame`. Each call reads the source again, with memory that does not depend on the rows."""
        wanted = self._known(self.kinds if columns is None else columns)
        if self.is_whole:
            return self.frame.select(wanted).iter_slices(BATCH)
        kinds: dict[str, Kind] = {column: self.kinds[column] for column in wanted}
        widths = _widths(self.frame)
        return (of_values.typed(batch, kinds, widths, self.forms) for batch in self._read(wanted))

    def numbers(self, column: str) -> np.ndarray:
        """Return the values of a numeric column in `frame`, NaN if missing, (rows in frame,). The array must not be changed."""
        (column,) = self._known([column])
        if self.kinds[column] != "number":
            raise BadInput(
                f"column {column!r} of {self.name} must be a number, got a {self.kinds[column]}; pass kinds={{{column!r}: 'number'}}"
            )
        return self.frame[column].to_numpy()

    def known_numbers(self, column: str) -> np.ndarray:
        """Return the values of a numeric column in `frame` that are not missing, (known values,)."""
        numbers = self.numbers(column)
        return numbers[np.isfinite(numbers)]

    def coded(self, column: str) -> Coded:
        """Return the strings of a column of categories or text in `frame` as numbers. It is read once for all tables that are taken from one table."""
        if column not in self._coded:
            if self._parent is None:
                self._coded[column] = _coded(self.frame[column])
            else:
                parent, rows = self._parent
                whole = parent.coded(column)
                self._coded[column] = Coded(whole.names, whole.codes[rows])
        return self._coded[column]

    def unit(self, column: str) -> TimeUnit:
        """Return the unit of a numeric column: "day" for moments in days since 1970, "clock" for times of day in parts of a day, else ""."""
        raw = self.records.get_column(column, default=None)
        return "" if raw is None else time_unit(raw.dtype, self.forms.get(column, PLAIN))

    def counts(self, column: str) -> dict[str, int]:
        """Return the number of records in `frame` with each category of a column, the commonest first, equally common ones in ascending order."""
        coded = self.coded(column)
        counts = np.bincount(coded.codes + 1, minlength=len(coded.names) + 1)[1:]
        order = np.argsort(-counts, kind="stable")
        return {coded.names[i]: count for i, count in zip(order.tolist(), counts[order].tolist(), strict=True) if count}

    def places_of(self, column: str, names: Sequence[str]) -> np.ndarray:
        """Return the index in `names` of the category of each record in `frame`, (rows in frame,); -1 if it is missing or not in `names`."""
        coded, index = self.coded(column), {name: place for place, name in enumerate(names)}
        return np.array([*(index.get(name, -1) for name in coded.names), -1], dtype=np.int64)[coded.codes]

    def of_kind(self, *kinds: Kind) -> list[str]:
        """Return the columns of these kinds, in order."""
        return [column for column, kind in self.kinds.items() if kind in kinds]

    def where(self, mask: np.ndarray) -> Table:
        """Return a table with the rows of `frame` for which the mask is true. mask: (rows in frame,) of bool."""
        return self.take(np.flatnonzero(mask))

    def take(self, rows: np.ndarray) -> Table:
        """Return a table with these rows of `frame`, by number. A row may be taken more than once."""
        rows = np.asarray(rows, dtype=np.int64)
        records = self.records[rows]
        taken = replace(
            self, rows=rows.size, frame=self.frame[rows], records=records, places=self.places[rows], _read=_slices(records)
        )
        object.__setattr__(taken, "_parent", (self, rows))
        return taken

    def select(self, columns: Sequence[str]) -> Table:
        """Return the same rows with only these columns to compare."""
        wanted = self._known(columns)
        selected = replace(self, kinds={column: self.kinds[column] for column in wanted}, frame=self.frame.select(wanted))
        object.__setattr__(selected, "_parent", (self, slice(None)))
        return selected

    def _known(self, columns: Sequence[str] | Mapping[str, Kind]) -> list[str]:
        for column in columns:
            if column not in self.kinds:
                raise BadInput(
                    f"{self.name} has no column {column!r} to compare{nearest(column, self.kinds)}; it has {', '.join(self.kinds)[:200]}"
                )
        return list(columns)


def table(
    data: Any,
    name: str = "",
    kinds: Mapping[str, str] | None = None,
    text_column: str | None = None,
    columns: Collection[str] | None = None,
    most_columns: int | None = None,
    keys: Collection[str] = (),
    ignored: Collection[str] = (),
    kept: Collection[str] = (),
    options: Mapping[str, str] | None = None,
) -> Table:
    """Read the records of `data` as a table. `data` may be files, globs, lists of them, frames, arrays, or dicts of columns.

    The kind of a column is inferred. `kinds` overrides it: {column: "number", "category", "text", "vector", "series"}, or the notation of a number or a
    time: "time", "time:dmy", "time:mdy", "number:comma", "number:point". `text_column` names a text column. `keys` and `ignored` name columns that are
    left out, and `kept` names columns that are never read as keys. `options` holds the option that gave a column its kind, if it is not --kinds. Columns whose names start with `_` are provenance and are not compared. Raises
    BadInput if there is no record, or no column to compare.

    If the caller compares at most `most_columns` columns, a table with more than twice as many is not read completely. Only the columns that `kinds`
    and `columns` name are read, and the first of the others up to twice `most_columns`.

    Of more than 200,000 rows the frame contains those whose row numbers (from 0) have the smallest keys. The key of a row number is a fixed
    pseudo-random number. Therefore all sets of 200,000 rows are equally likely, whatever their content, and the same rows are drawn from the same file
    in any format. In this case the order of the rows decides which are drawn; with at most 200,000 rows it has no effect. Kinds are inferred, and values
    for notes are counted, in the frame.

    >>> table({"age": [31.5, 47.0, None], "sex": ["f", "m", "f"]}).kinds
    {'age': 'number', 'sex': 'category'}
    """
    source = unfolded(read(data))
    there = source.columns
    if most_columns is not None:
        source = _narrowed(
            source, [*(kinds or {}), *([text_column] if text_column else []), *(columns or ()), *keys, *ignored], most_columns
        )
    read_columns = set(source.columns)
    texts = source.texts if text_column is None else (*source.texts, text_column)
    given = Given(dict(kinds or {}), tuple(texts), tuple(keys), tuple(ignored), tuple(kept), dict(options or {}))
    result = table_of(source, name or source.name or type(data).__name__, given)
    return replace(result, unread=tuple(column for column in there if column not in read_columns))


def table_of(source: TableSource, called: str, given: Given = Given()) -> Table:  # noqa: B008
    """Read the records of a source as a table with this name (see `table`)."""
    import polars

    records, places, rows = _sample(source)
    if rows == 0:
        raise BadInput(f"{called} has no rows; give a table with records")
    check_given(given, records.columns, called)
    columns = understood([Side(records, places)], given)
    chosen, forms, notes = _chosen(columns, records.columns)
    if not chosen:
        raise BadInput(f"{called} has no column to compare: {'; '.join(notes)[:300] or 'it has no columns'}")
    frame, lost = _typed(records, chosen, {}, forms)
    for column in (column for column in given.kinds if chosen.get(column) == "number"):
        words = records[column]
        if words.dtype == polars.String and frame[column].null_count() == frame.height > words.null_count():
            raise BadInput(
                f"{called}: no value of {column!r} is a {given.kinds[column]}; leave its kind out, or write another kind"
            )
    order = frame.hash_rows(seed=0).arg_sort().to_numpy() if frame.height == rows else np.arange(frame.height)
    facts = source.notes
    if frame.height < rows:
        facts = (*facts, f"a uniform sample of {frame.height:,} of {rows:,} rows is used")
    notes = (*facts, *notes, *lost)
    return Table(
        called,
        rows,
        chosen,
        frame[order],
        notes,
        records[order],
        places[order],
        source.batches,
        forms=forms,
        columns=columns,
        given=given,
        facts=facts,
    )


@dataclass(frozen=True)
class Absent:
    """A column of human data that another table lacks, or of which no value in that table has the kind."""

    column: str
    kind: Kind
    filled: int
    """The number of human records in memory with a value of it."""
    rows: int
    """The number of human records in memory."""
    why: str

    @property
    def share(self) -> float:
        """The share of human records with a value, in [0, 1]."""
        return self.filled / self.rows if self.rows else 0.0


@dataclass(frozen=True, eq=False)
class Alike:
    """Several tables with the same columns and kinds, and the columns that were left out."""

    tables: list[Table]
    notes: list[str]
    absent: tuple[Absent, ...]
    """The columns of the first table that the second lacks."""
    uncompared: Mapping[str, str]
    """The columns that the first two tables have and another lacks, with the reason."""


def alike(tables: Sequence[Table]) -> Alike:
    """Return the tables with their common columns, each with the kind that the first table gives it, and the columns that were left out, with reasons.

    The first table is the reference, and the second is compared with it. The kind of a column and its notation in each table are inferred from all
    tables at once. A value of another table that does not have the kind becomes missing and is counted in the notes. A column without any such value
    is left out. Raises BadInput if no column is left.
    """
    tables = _jointly(tables)
    first, others = tables[0], tables[1:]
    notes: list[str] = []
    widths = _widths(first.frame)
    typed = [_as_kinds(other, first.kinds, widths) for other in others]
    lacking = [_lacking(other, frame, first.kinds, widths) for other, frame in zip(others, typed, strict=True)]
    absent = tuple(_absent(first, column, why) for column, why in (lacking[0] if lacking else {}).items())
    left_out: dict[str, str] = {}
    for lacks in lacking:
        left_out |= {column: why for column, why in lacks.items() if column not in left_out}
    notes += [f"column {column!r} is left out: {why}" for column, why in left_out.items()]
    kept: dict[str, Kind] = {column: kind for column, kind in first.kinds.items() if column not in left_out}
    for other in others:
        if extra := [column for column in other.kinds if column not in first.kinds]:
            notes.append(f"{other.name} has columns that {first.name} does not have: {', '.join(map(repr, extra))[:300]}")
    if not kept:
        names = ", ".join(other.name for other in others)
        raise BadInput(f"no column of {first.name} ({', '.join(first.kinds)[:120]}) is in all of {names[:120]}; check their names")
    tables_alike = [first.select(list(kept))]
    for other, frame in zip(others, typed, strict=True):
        lost = _lost_values(other.records, frame, kept, other.forms)
        notes += [f"{other.name}: {note}" for note in lost]
        others_notes = tuple(note for note in other.notes if note not in lost)
        tables_alike.append(replace(other, kinds=kept, frame=frame.select(list(kept)), notes=others_notes))
    known = {absent_column.column for absent_column in absent}
    return Alike(tables_alike, notes, absent, {column: why for column, why in left_out.items() if column not in known})


def _as_kinds(other: Table, kinds: Mapping[str, Kind], widths: Mapping[str, int]) -> polars.DataFrame:
    """Return the columns of a table that are named in `kinds`, converted to these kinds."""
    columns = set(other.records.columns)
    return of_values.typed(
        other.records, {column: kind for column, kind in kinds.items() if column in columns}, widths, other.forms
    )


def _absent(first: Table, column: str, why: str) -> Absent:
    return Absent(column, first.kinds[column], first.frame.height - first.frame[column].null_count(), first.frame.height, why)


def _lacking(other: Table, frame: polars.DataFrame, kinds: Mapping[str, Kind], widths: Mapping[str, int]) -> dict[str, str]:
    """Return the columns that a table lacks, or of which it has no value of the kind (as in `frame`), each with the reason."""
    lacking: dict[str, str] = {}
    of_frame = {series.name: series for series in frame}
    for column, kind in kinds.items():
        if column not in of_frame:
            lacking[column] = f"{other.name} does not have it{nearest(column, other.kinds)}"
        elif (
            of_frame[column].null_count() == frame.height
            and not _is_missing(raw := other.records[column], other.forms.get(column)).all()
        ):
            of_numbers = f" of {widths[column]} numbers" if kind == "vector" else ""
            lacking[column] = f"none of its values in {other.name} ({raw.dtype}) is a {kind}{of_numbers}"
    return lacking


def _narrowed(source: TableSource, named: Collection[str], limit: int) -> TableSource:
    """Limit a table that has far more columns than are compared. Twice `limit` columns are read, since some may be empty."""
    if len(source.columns) <= 2 * limit:
        return source
    there = set(source.columns)
    chosen = set(list(dict.fromkeys([*(column for column in named if column in there), *source.columns]))[: 2 * limit])
    columns = tuple(column for column in source.columns if column in chosen)
    return replace(
        source,
        columns=columns,
        batches=lambda wanted: source.batches(columns if wanted is None else wanted),
        notes=(
            *source.notes,
            f"{len(source.columns) - len(columns):,} of {len(source.columns):,} columns are not read, because at most {limit} are compared",
        ),
        texts=tuple(column for column in source.texts if column in chosen),
    )


def _jointly(tables: Sequence[Table]) -> list[Table]:
    """Return the tables with each column read according to its values in all tables."""
    columns = understood([Side(table.records, table.places) for table in tables], tables[0].given)
    read = []
    for i, table in enumerate(tables):
        there = set(table.records.columns)
        own = {name: column for name, column in columns.items() if name in there}
        chosen, forms, notes = _chosen(own, table.records.columns, i)
        if not chosen:
            raise BadInput(f"{table.name} has no column to compare: {'; '.join(notes)[:300]}")
        widths = {column: width for column, width in _widths(tables[0].frame).items() if chosen.get(column) == "vector"}
        frame, lost = (
            (table.frame, []) if (chosen, forms) == (table.kinds, table.forms) else _typed(table.records, chosen, widths, forms)
        )
        said = (*table.facts, *notes, *(table.notes[len(table.facts) + len(notes) :] if frame is table.frame else lost))
        read.append(replace(table, kinds=chosen, forms=forms, frame=frame, columns=columns, notes=said))
    return read


def _chosen(
    columns: Mapping[str, Column], names: Sequence[str], side: int = 0
) -> tuple[dict[str, Kind], dict[str, Form], list[str]]:
    """Return the kind of each column that is compared, its notation on this side, and the notes on columns."""
    provenance = [name for name in names if columns[name].shown == "provenance"]
    notes = [f"not compared, because their names start with _: {', '.join(provenance)[:200]}"] if provenance else []
    notes += [note for name in names if name not in provenance and (note := columns[name].note)]
    chosen: dict[str, Kind] = {name: kind for name in names if (kind := columns[name].kind) is not None}
    return chosen, {name: columns[name].forms[side] for name in chosen if columns[name].forms}, notes


def _typed(
    records: polars.DataFrame, kinds: Mapping[str, Kind], widths: Mapping[str, int], forms: Mapping[str, Form]
) -> tuple[polars.DataFrame, list[str]]:
    """Return the records converted to these kinds, and notes on the values that could not be converted."""
    widths = {column: widths.get(column) or of_values.width(records[column]) for column, kind in kinds.items() if kind == "vector"}
    frame = of_values.typed(records, kinds, widths, forms)
    return frame, _lost_values(records, frame, kinds, forms)


def _lost_values(
    records: polars.DataFrame, frame: polars.DataFrame, kinds: Mapping[str, Kind], forms: Mapping[str, Form]
) -> list[str]:
    """Return notes on the number of values of each column that could not be converted to its kind."""
    with_missing = [column for column in kinds if frame[column].null_count()]
    counted = ((column, frame[column].is_null() & ~_is_missing(records[column], forms.get(column))) for column in with_missing)
    return [_lost(records[column], lost, kinds[column]) for column, lost in counted if lost.any()]


def _is_missing(values: polars.Series, form: Form | None) -> polars.Series:
    """Return the mask of values that are empty, or a word that means a missing value in this notation."""
    is_empty = of_values.is_empty(values)
    if form is None or not form.missing or values.dtype.is_nested():
        return is_empty
    words = of_values.as_category(values).str.to_lowercase()
    return is_empty | words.is_in(list(form.missing)).fill_null(False)


def _lost(values: polars.Series, lost: polars.Series, kind: Kind) -> str:
    count = int(lost.sum())
    said = f"column {values.name!r}: {amount(count, 'value')} cannot be read as a {kind} and {'counts' if count == 1 else 'count'} as missing"
    if values.dtype.is_nested() or (distinct := values.filter(lost).unique()).len() > 3:
        return said
    words = sorted(map(str, distinct.to_list()))
    written = ", ".join(map(repr, words))[:100]
    if all(word.strip().lower() in MISSING for word in words):
        return f"column {values.name!r}: {amount(count, 'value')} {'is' if count == 1 else 'are'} missing, written as {written}"
    return f"{said} ({written})"


def _widths(frame: polars.DataFrame) -> dict[str, int]:
    import polars as pl

    return {column: dtype.shape[0] for column, dtype in frame.schema.items() if isinstance(dtype, pl.Array)}


def _coded(values: polars.Series) -> Coded:
    import polars as pl

    names = values.drop_nulls().unique().sort()
    codes = values.cast(pl.Enum(names)).to_physical().cast(pl.Int32).fill_null(-1)
    return Coded(tuple(names.to_list()), codes.to_numpy())


def _slices(records: polars.DataFrame) -> Callable[[Sequence[str] | None], Iterator[polars.DataFrame]]:
    return lambda wanted: (records if wanted is None else records.select(wanted)).iter_slices(BATCH)


def _sample(source: TableSource) -> tuple[polars.DataFrame, np.ndarray, int]:
    """Return the rows with the smallest keys in reading order, their positions, and the number of all rows."""
    import polars as pl

    wanted, largest, rows, waiting, size = SAMPLE, np.uint64(2**64 - 1), 0, 0, 0
    batches: list[polars.DataFrame] = []
    places: list[np.ndarray] = []
    for batch in source.batches(None):
        place = np.arange(rows, rows + batch.height)
        rows += batch.height
        chosen = np.flatnonzero(_keys(place) <= largest)
        if chosen.size:
            batches.append(batch if chosen.size == batch.height else batch[chosen])
            places.append(place[chosen])
            waiting, size = waiting + chosen.size, size + batches[-1].estimated_size()
        if waiting > 2 * wanted or size > 2 * BYTES:
            frame, place = _smallest(batches, places, wanted)
            batches, places, wanted = [frame], [place], min(wanted, place.size)
            largest, waiting, size = _keys(place).max(), place.size, frame.estimated_size()
    if not batches:
        return pl.DataFrame(), np.zeros(0, np.int64), rows
    return *_smallest(batches, places, wanted), rows


def _smallest(
    batches: Sequence[polars.DataFrame], places: Sequence[np.ndarray], wanted: int
) -> tuple[polars.DataFrame, np.ndarray]:
    """Return the rows with the smallest keys, at most `wanted` and at most as many as the limit of bytes allows, but at least one."""
    frame, place = of_values.stacked(batches), np.concatenate(places)
    wanted = min(wanted, max(1, int(place.size * min(1.0, BYTES / max(frame.estimated_size(), 1)))))
    if place.size > wanted:
        chosen = np.sort(np.argpartition(_keys(place), wanted)[:wanted])
        frame, place = frame[chosen], place[chosen]
    return frame, place


def _keys(places: np.ndarray) -> np.ndarray:
    return pseudo_random(places.astype(np.uint64))
