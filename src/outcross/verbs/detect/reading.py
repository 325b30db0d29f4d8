"""The data, judged as they are read: batch by batch, file by file, in this process, in several, or on a cluster; the bytes are the same.

A file is judged by itself, with what the calibration gave, and a batch of it at a time. What comes of the files is joined in their order, so that neither the number of workers nor their speed changes the result.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross import runtime
from outcross.detectors.calibrated import FOLDS, USUAL, Content
from outcross.detectors.lengths import cut_words, words_of
from outcross.detectors.pieces import in_runs
from outcross.detectors.records import TypedRecords, typed
from outcross.detectors.samples import LEAST, batches, opened, text_column
from outcross.errors import BadInput, first_words
from outcross.files import kinds as of_values
from outcross.files.chats import unfolded
from outcross.files.formats import from_file
from outcross.files.reading import files_of
from outcross.files.source import TableSource
from outcross.recipe import nearest
from outcross.runtime import Emit, Where
from outcross.text.normalised import normalised
from outcross.verbs.detect.origins import COLUMNS, Declarations, Declaring
from outcross.verbs.detect.unlike import common_shares
from outcross.verbs.detect.work import ENOUGH_WORDS, Calibration, Judging

if TYPE_CHECKING:
    import polars

    from outcross.files.forms import Form
    from outcross.files.kinds import Kind

TOGETHER = 1 << 20
"""Characters of texts that are judged together."""
MOST_TOGETHER = 20_000
"""Records that are judged together, at most."""
MOST_PLAIN = 10_000
"""Texts of the data whose plain features are kept, about, for the test that they are of the calibrated kind; of more those whose digest a power of two divides."""
MOST_VALUES = 200
"""Different values of a column of --by."""


@dataclass(frozen=True, eq=False)
class JudgedData:
    """What was read of the data: a row a text or record."""

    words: np.ndarray
    """(n,); of records `USUAL`."""
    ratios: np.ndarray
    """(n, detectors, folds) of log-ratios; NaN where the text is too short or the detector abstains."""
    chance: np.ndarray
    """(n,): of the excerpt that is judged, the share of human ones that look at least as much like a model's; NaN where it cannot be told."""
    values: dict[str, tuple[np.ndarray, list[str]]]
    """By column of --by: the code of each row's value, and the values."""
    plain_rows: np.ndarray
    """Rows whose plain features were read, (m,)."""
    plain: np.ndarray
    """(m, features)"""
    groups: np.ndarray
    """(n,): equal for rows that are not independent: equal texts, or those of one value of the column of --group."""
    invisible: int
    lookalikes: int
    declared: Declarations | None = None
    """What the columns `_origin` and `_model` say; None where the data have neither."""
    is_foreign: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    """Whether each text has `ENOUGH_WORDS` words or more and hardly any frequent word of the calibration samples, (n,): another language, or another vocabulary."""

    def __len__(self) -> int:
        return self.words.size

    @property
    def is_judged(self) -> np.ndarray:
        """Whether each row is long enough, and the detector does not abstain, (n,)."""
        return np.asarray(np.isfinite(self.ratios).all(axis=(1, 2)))


@dataclass(frozen=True)
class TypedAs:
    """How the columns of the data are typed, as those of the samples are."""

    kinds: Mapping[str, Kind]
    empty: polars.DataFrame
    """Their columns, of no rows."""
    widths: Mapping[str, int]
    """Of the vectors."""
    forms: Mapping[str, Form]
    """How the data write them."""

    def __call__(self, frame: polars.DataFrame) -> TypedRecords:
        """The records of a batch as it was read; a column that is missing there holds nothing."""
        import polars as pl

        lacking = [pl.lit(None).alias(name) for name in self.kinds if name not in frame.columns]
        columns = of_values.typed(frame.with_columns(lacking), self.kinds, self.widths, self.forms)
        return typed(columns.select(list(self.kinds)).cast(dict(self.empty.schema)), self.kinds)  # type: ignore[arg-type]


@dataclass(frozen=True)
class JudgedColumns:
    """Which columns of the data are read, and for what."""

    text: str | None
    """The column of text; None where records are judged."""
    by: tuple[str, ...]
    group: str | None
    origins: tuple[str, ...]
    """Those of `origins.COLUMNS` that are there."""
    typed: TypedAs | None = None
    """What makes records of rows; None where there is text."""


@dataclass(frozen=True)
class ShardOfData:
    """A file of the data, or data in memory."""

    number: int
    path: str | None
    source: TableSource | None = None
    """Of data in memory; it cannot be sent to another machine."""

    def opened(self) -> TableSource:
        """Its rows."""
        if self.path is not None:
            return unfolded(from_file(Path(self.path)))
        assert self.source is not None
        return self.source


@dataclass(frozen=True, eq=False)
class ShardReader:
    """What judges a shard, wherever it is called."""

    judging: Judging
    columns: JudgedColumns
    lengths: tuple[int, ...]
    """Words at which the human sample allows a threshold."""

    def __call__(self, shard: ShardOfData, emit: Emit) -> None:
        every, digests = 1, np.zeros(0, np.int64)
        for frame, content in _parts(shard.opened(), self.columns):
            part = _judged(content, frame, self, every)
            every, digests = _thinned(every, np.concatenate((digests, part.plain_digests)))
            emit((shard.number, part))


def _thinned(every: int, digests: np.ndarray) -> tuple[int, np.ndarray]:
    """The least power of two, from `every` on, that divides at most twice `MOST_PLAIN` of the digests, and those."""
    while digests.size > 2 * MOST_PLAIN:
        every *= 2
        digests = digests[digests % every == 0]
    return every, digests


@dataclass
class _Part:
    words: np.ndarray
    ratios: np.ndarray
    chance: np.ndarray
    values: dict[str, list[str]]
    """By column of --by: the value of each row."""
    groups: np.ndarray
    plain_rows: np.ndarray
    plain_digests: np.ndarray
    plain: np.ndarray
    invisible: int
    lookalikes: int
    is_foreign: np.ndarray
    declaring: Declaring | None


def judged_texts(
    data: Any,
    calibrated: Calibration,
    asked: str | None,
    by: Sequence[str],
    rate: float,
    group: str | None = None,
    where: Where = Where(),  # noqa: B008
) -> JudgedData:
    """Every text of the data, batch by batch; where they have the column `group`, texts of one value of it are one group. BadInput where the data cannot be read, or lack a column."""
    source = opened(data, "data")
    columns = _columns(source, text_column(source, asked, "data"), by, group)
    return _joined(judged_parts(shards_of(data, source), calibrated, columns, rate, where), columns)


def judged_records(
    shards: Sequence[ShardOfData], there: Sequence[str], calibrated: Calibration, typed: TypedAs, by: Sequence[str], rate: float, group: str | None, where: Where
) -> JudgedData:  # fmt: skip
    """Every record of the data, as `judged_texts`. there: the columns of the data."""
    columns = _columns(there, None, by, group, typed)
    return _joined(judged_parts(shards, calibrated, columns, rate, where), columns)


def _columns(
    source: TableSource | Sequence[str], text: str | None, by: Sequence[str], group: str | None, typed: TypedAs | None = None
) -> JudgedColumns:
    there = source.columns if isinstance(source, TableSource) else source
    for name in by:
        if name not in there:
            raise BadInput(f"--by: the data have no column {name!r}{nearest(name, there)}; they have {', '.join(there)[:200]}")
    origins = tuple(name for name in COLUMNS if name in there)
    return JudgedColumns(text, tuple(by), group if group in there else None, origins, typed)


def shards_of(data: Any, source: TableSource) -> list[ShardOfData]:
    """The files of the data in their order; of data in memory the one source."""
    given = [data] if isinstance(data, str | Path) else list(data) if isinstance(data, list | tuple) else []
    if not given or not all(isinstance(path, str | Path) for path in given):
        return [ShardOfData(0, None, source)]
    return [ShardOfData(number, str(path)) for number, path in enumerate(path for name in given for path in files_of(str(name)))]


def judged_parts(
    shards: Sequence[ShardOfData], calibrated: Calibration, columns: JudgedColumns, rate: float, where: Where
) -> Iterator[_Part]:
    """What comes of the shards, in their order. BadInput where data in memory were to be sent to a cluster."""
    if where.ray is not None and any(shard.path is None for shard in shards):
        raise BadInput("--ray reads files, and the data are in memory; write them to files, or leave --ray out")
    reader = ShardReader(calibrated.judging, columns, calibrated.lengths(rate))
    if where.ray is not None or (where.workers > 1 and len(shards) > 1):
        _check_can_be_sent(reader)
    parts: dict[int, list[_Part]] = {shard.number: [] for shard in shards}
    rows = 0

    def add(numbered: tuple[int, _Part]) -> None:
        nonlocal rows
        number, part = numbered
        parts[number].append(part)
        rows += len(part.words)

    runtime.map(reader, shards, add, where)
    if not rows:
        raise BadInput(f"data hold no {'text' if columns.typed is None else 'record'}; they are empty")
    return (part for number in sorted(parts) for part in parts[number])


def _check_can_be_sent(reader: ShardReader) -> None:
    """BadInput where another process cannot have the detector, as one that is a function inside of another."""
    try:
        pickle.dumps(reader)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise BadInput(
            f"the detector cannot be sent to another process ({first_words(error)}); define it at the top of a module, or leave --workers and --ray out"
        ) from None


def _parts(source: TableSource, columns: JudgedColumns) -> Iterator[tuple[polars.DataFrame, list[str] | TypedRecords]]:
    """Runs of rows: their other columns, and their texts as given or their records."""
    others = [*columns.by, *columns.origins, *([columns.group] if columns.group else [])]
    if columns.typed is not None:
        for batch in source.batches(None):
            for chunk in batch.iter_slices(MOST_TOGETHER):
                yield _with(chunk, others), columns.typed(chunk)
        return
    assert columns.text is not None
    for batch in batches(source, columns.text, others):
        for first, end in in_runs(batch[columns.text].to_list(), TOGETHER):
            chunk = batch.slice(first, end - first)
            yield chunk, chunk[columns.text].to_list()


def _with(frame: polars.DataFrame, names: Sequence[str]) -> polars.DataFrame:
    """A frame in which a column of these that it lacks is there and empty."""
    import polars as pl

    return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in names if name not in frame.columns)


def _judged(content: list[str] | TypedRecords, frame: polars.DataFrame, reader: ShardReader, every: int) -> _Part:
    """What the detectors say of some rows, and their other columns. every: which plain features are read, those of digests that it divides."""
    judging, columns = reader.judging, reader.columns
    if isinstance(content, TypedRecords):
        form, words = content, np.full(len(content), USUAL)
        digests, invisible, lookalikes = content.digests, 0, 0
        own_groups = digests if content.are_continuous else None
    else:
        as_read = normalised(content)
        form, words = as_read.strings, words_of(as_read.strings)
        digests = np.fromiter((_digest(text) for text in form), np.int64, len(form))
        invisible, lookalikes, own_groups = int(as_read.has_invisible.sum()), int(as_read.has_lookalikes.sum()), digests
    n = len(words)
    long = np.flatnonzero(words >= LEAST)
    ratios = np.full((n, len(judging.detectors), FOLDS), np.nan, np.float32)
    chance = np.full(n, np.nan, np.float32)
    if long.size:
        some = _taken(form, long)
        for number, detector in enumerate(judging.detectors):
            ratios[long, number] = detector.log_ratios(some)
        reach = np.searchsorted(reader.lengths, words[long], side="right") - 1
        for at, length in enumerate(reader.lengths):
            rows = np.flatnonzero(reach == at)
            if rows.size:
                chance[long[rows]] = judging.chances(_excerpt_ratios(some, ratios[long, 0], rows, length, judging), length)
    is_foreign = np.zeros(n, bool)
    if not isinstance(form, TypedRecords):
        able = np.flatnonzero(words >= ENOUGH_WORDS)
        is_foreign[able] = common_shares([form[row] for row in able.tolist()], judging.frequent) < judging.least_common
    plain_rows = long[digests[long] % every == 0]
    declaring = None
    if columns.origins:
        declaring = Declaring()
        declaring.add(frame)
    return _Part(
        words=words.astype(np.int32), ratios=ratios, chance=chance, values={name: _as_words(frame[name]) for name in columns.by},
        groups=_groups(frame, columns.group, own_groups, n), plain_rows=plain_rows, plain_digests=digests[plain_rows],
        plain=judging.plain(_taken(form, plain_rows)), invisible=invisible, lookalikes=lookalikes, is_foreign=is_foreign, declaring=declaring,
    )  # fmt: skip


def _taken(content: Content, rows: np.ndarray) -> Content:
    return content[rows] if isinstance(content, TypedRecords) else [content[row] for row in rows.tolist()]


def _excerpt_ratios(content: Content, whole: np.ndarray, rows: np.ndarray, length: int, judging: Judging) -> np.ndarray:
    """The log-ratios of the first words of some texts, (rows, folds); of records those of the whole ones."""
    if isinstance(content, TypedRecords):
        return whole[rows].astype(np.float64)
    return judging.detectors[0].log_ratios(cut_words([content[row] for row in rows.tolist()], length))


def _as_words(column: polars.Series) -> list[str]:
    return ["missing" if value is None else str(value) for value in column.to_list()]


def _groups(frame: polars.DataFrame, column: str | None, own: np.ndarray | None, n: int) -> np.ndarray:
    """A number for each value of the column of groups; a row without a value is of its own group, which equal texts, images and series share. 0 where every row is its own."""
    if column is None:
        return np.zeros(n, np.int64) if own is None else own
    values = frame[column].to_list()
    single = np.zeros(n, np.int64) if own is None else own
    return np.array(
        [number if value is None else -1 - _digest(str(value)) for value, number in zip(values, single.tolist(), strict=True)],
        np.int64,
    )


def _digest(text: str) -> int:
    return 1 + int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")


@dataclass
class _Values:
    """The values of a column as numbers, in the order in which they come."""

    column: str
    names: list[str] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=dict)

    def codes(self, values: Sequence[str]) -> np.ndarray:
        for value in values:
            if value not in self.known:
                if len(self.names) == MOST_VALUES:
                    raise BadInput(
                        f"--by {self.column}: the column has more than {MOST_VALUES} different values; give one with fewer"
                    )
                self.known[value] = len(self.names)
                self.names.append(value)
        return np.array([self.known[value] for value in values], np.int32)


@dataclass
class _Kept:
    """Plain features of some rows, chosen by their digests, so that neither order nor number decides which."""

    rows: int = 0
    """Rows read so far."""
    every: int = 1
    at: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    digests: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    features: list[np.ndarray] = field(default_factory=list)

    def add(self, part: _Part) -> None:
        """The plain features of the next rows of the data."""
        self.at = np.concatenate((self.at, self.rows + part.plain_rows))
        self.digests = np.concatenate((self.digests, part.plain_digests))
        self.features.append(part.plain)
        self.rows += len(part.words)
        every, _ = _thinned(self.every, self.digests)
        if every > self.every:
            self.every, stays = every, self.digests % every == 0
            self.at, self.digests, self.features = self.at[stays], self.digests[stays], [np.concatenate(self.features)[stays]]


def _joined(parts: Iterator[_Part], columns: JudgedColumns) -> JudgedData:
    """The parts as one, in their order."""
    kept, values = _Kept(), {name: _Values(name) for name in columns.by}
    codes: dict[str, list[np.ndarray]] = {name: [] for name in columns.by}
    arrays: dict[str, list[np.ndarray]] = {name: [] for name in ("words", "ratios", "chance", "groups", "is_foreign")}
    declaring, invisible, lookalikes = Declaring(), 0, 0
    for part in parts:
        kept.add(part)
        for name in columns.by:
            codes[name].append(values[name].codes(part.values[name]))
        for name, own in arrays.items():
            own.append(getattr(part, name))
        if part.declaring is not None:
            declaring.authors += part.declaring.authors
            declaring.models.update(part.declaring.models)
        invisible, lookalikes = invisible + part.invisible, lookalikes + part.lookalikes
    joined = {}
    for name in list(arrays):
        joined[name] = np.concatenate(arrays.pop(name))
    groups = joined.pop("groups")
    alone = np.flatnonzero(groups == 0)
    groups[alone] = alone - 2**62  # beyond every digest, of either sign
    return JudgedData(
        values={name: (np.concatenate(codes[name]), values[name].names) for name in columns.by},
        plain_rows=kept.at, plain=np.concatenate(kept.features), groups=groups, invisible=invisible,
        lookalikes=lookalikes, declared=declaring.whole if columns.origins else None, **joined,
    )  # fmt: skip
