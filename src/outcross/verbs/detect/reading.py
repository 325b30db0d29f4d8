"""Reading and judging of the data, batch by batch and file by file, in this process, in several, or on a cluster, with the same bytes.

Every file is judged separately, one batch at a time, by the calibrated detectors. The results are joined in the order of the files, so neither the
number of workers nor their speed changes the result.
"""

from __future__ import annotations

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
from outcross.detectors.samples import LEAST, batches, digest_of_text, digests_of, opened, text_column
from outcross.errors import BadInput, first_words
from outcross.files import kinds as of_values
from outcross.files.chats import unfolded
from outcross.files.formats import from_file
from outcross.files.reading import files_of
from outcross.files.source import TableSource
from outcross.runtime import Emit, Where
from outcross.text.normalised import normalised
from outcross.verbs.detect.origins import COLUMNS, Declarations, Declaring
from outcross.verbs.detect.slicing import Coded, CodedColumns, check_columns, values_of
from outcross.verbs.detect.unlike import common_shares
from outcross.verbs.detect.work import ENOUGH_WORDS, Calibration, Judging

if TYPE_CHECKING:
    import polars

    from outcross.files.forms import Form
    from outcross.files.kinds import Kind

TOGETHER = 1 << 20
"""Number of characters of texts that are judged together."""
MOST_TOGETHER = 20_000
"""Maximum number of records that are judged together."""
MOST_NOTES = 10
"""Maximum number of remarks on files that are shown."""
MOST_PLAIN = 10_000
"""Approximate number of texts of the data whose plain features are stored, for the test whether the data are of the calibrated kind. If there are
more texts, those whose digests are divisible by a power of two are used."""


@dataclass(frozen=True, eq=False)
class JudgedData:
    """The judged data, one row per text or record."""

    words: np.ndarray
    """Number of words of each text, (n,); `USUAL` for records."""
    ratios: np.ndarray
    """Log-ratios, (n, detectors, folds); NaN if the text is too short or the detector abstains."""
    chance: np.ndarray
    """Share of human excerpts that look at least as much like a model's as the judged excerpt, (n,); NaN if the text cannot be judged."""
    values: Coded
    """The values of the columns of --by."""
    plain_rows: np.ndarray
    """Rows whose plain features are stored, (m,)."""
    plain: np.ndarray
    """(m, features)"""
    groups: np.ndarray
    """Group numbers, (n,), equal for rows that are not independent: equal texts, or texts with the same value of the column of --group."""
    invisible: int
    lookalikes: int
    in_samples: int = 0
    """Number of rows that can be judged and are equal to a text, an image or a series of a sample."""
    declared: Declarations | None = None
    """The declarations of the columns `_origin` and `_model`; None if the data have neither."""
    is_foreign: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    """Whether each text has at least `ENOUGH_WORDS` words and hardly any frequent word of the calibration samples, (n,). This indicates another
    language or vocabulary."""

    def __len__(self) -> int:
        return self.words.size

    @property
    def is_judged(self) -> np.ndarray:
        """Whether each row is long enough and the detector does not abstain, (n,)."""
        return np.asarray(np.isfinite(self.ratios).all(axis=(1, 2)))


@dataclass(frozen=True)
class TypedAs:
    """Column types of the data, taken from the samples."""

    kinds: Mapping[str, Kind]
    empty: polars.DataFrame
    """A frame with the typed columns and no rows."""
    widths: Mapping[str, int]
    """Widths of the vector columns."""
    forms: Mapping[str, Form]
    """The form in which the data write each column."""

    def __call__(self, frame: polars.DataFrame) -> TypedRecords:
        """Return the records of a batch. A column that the batch lacks is empty."""
        import polars as pl

        lacking = [pl.lit(None).alias(name) for name in self.kinds if name not in frame.columns]
        columns = of_values.typed(frame.with_columns(lacking), self.kinds, self.widths, self.forms)
        return typed(columns.select(list(self.kinds)).cast(dict(self.empty.schema)), self.kinds)  # type: ignore[arg-type]


@dataclass(frozen=True)
class JudgedColumns:
    """The columns of the data that are read, by their purpose."""

    text: str | None
    """The column of texts; None for records."""
    by: tuple[str, ...]
    group: str | None
    origins: tuple[str, ...]
    """The columns of `origins.COLUMNS` that the data have."""
    typed: TypedAs | None = None
    """The converter of rows to records; None for texts."""


@dataclass(frozen=True)
class ShardOfData:
    """A file of the data, or data in memory."""

    number: int
    path: str | None
    source: TableSource | None = None
    """The source of data in memory, which cannot be sent to another machine; None for a file."""

    def opened(self) -> TableSource:
        """Its rows."""
        if self.path is not None:
            return unfolded(from_file(Path(self.path)))
        assert self.source is not None
        return self.source


@dataclass(frozen=True)
class AskedData:
    """The data that are to be judged."""

    shards: tuple[ShardOfData, ...]
    columns: JudgedColumns
    notes: tuple[str, ...] = ()
    """Remarks on files of texts, such as columns that they lack."""


@dataclass(frozen=True, eq=False)
class ShardReader:
    """A function that judges a shard in any process."""

    judging: Judging
    columns: JudgedColumns
    lengths: tuple[int, ...]
    """Lengths in words at which the human sample allows a threshold."""

    def __call__(self, shard: ShardOfData, emit: Emit) -> None:
        every, digests = 1, np.zeros(0, np.int64)
        for frame, content in _parts(shard.opened(), self.columns):
            part = _judged(content, frame, self, every)
            every, digests = _thinned(every, np.concatenate((digests, part.plain_digests)))
            emit((shard.number, part))


def _thinned(every: int, digests: np.ndarray) -> tuple[int, np.ndarray]:
    """Return the smallest power of two, from `every` on, that divides at most 2 × `MOST_PLAIN` of the digests, and these digests."""
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
    """For each column of --by: the value of each row."""
    groups: np.ndarray
    plain_rows: np.ndarray
    plain_digests: np.ndarray
    plain: np.ndarray
    invisible: int
    lookalikes: int
    in_samples: int
    is_foreign: np.ndarray
    declaring: Declaring | None


def asked_texts(data: Any, text: str | None, by: Sequence[str] = (), group: str | None = None) -> AskedData:
    """Return the data as texts to judge. `text` is their column, if it is named.

    If the data have the column `group`, texts with the same value form a group. Raises BadInput if the data cannot be read or lack a column.
    """
    source = opened(data, "data")
    return AskedData(
        tuple(shards_of(data, source)), _columns(source, text_column(source, text, "data"), by, group), source.notes[:MOST_NOTES]
    )


def asked_records(
    shards: Sequence[ShardOfData], there: Sequence[str], typed: TypedAs, by: Sequence[str], group: str | None
) -> AskedData:
    """Return the data as records to judge, like `asked_texts`. `there` are the columns of the data."""
    return AskedData(tuple(shards), _columns(there, None, by, group, typed))


def judged_data(asked: AskedData, calibrated: Calibration, rate: float, where: Where = Where()) -> JudgedData:  # noqa: B008
    """Judge every text or record of the data, batch by batch. Raises BadInput if a file cannot be read."""
    return _joined(judged_parts(asked.shards, calibrated, asked.columns, rate, where), asked.columns)


def _columns(
    source: TableSource | Sequence[str], text: str | None, by: Sequence[str], group: str | None, typed: TypedAs | None = None
) -> JudgedColumns:
    there = source.columns if isinstance(source, TableSource) else source
    check_columns(by, there)
    origins = tuple(name for name in COLUMNS if name in there)
    return JudgedColumns(text, tuple(by), group if group in there else None, origins, typed)


def shards_of(data: Any, source: TableSource) -> list[ShardOfData]:
    """Return the files of the data in their order; for data in memory a single shard."""
    given = [data] if isinstance(data, str | Path) else list(data) if isinstance(data, list | tuple) else []
    if not given or not all(isinstance(path, str | Path) for path in given):
        return [ShardOfData(0, None, source)]
    return [ShardOfData(number, str(path)) for number, path in enumerate(path for name in given for path in files_of(str(name)))]


def judged_parts(
    shards: Sequence[ShardOfData], calibrated: Calibration, columns: JudgedColumns, rate: float, where: Where
) -> Iterator[_Part]:
    """Judge the shards and return the results in their order. Raises BadInput for data in memory together with a cluster."""
    if where.ray is not None and any(shard.path is None for shard in shards):
        raise BadInput("--ray reads files, but the data are in memory; write them to files, or leave --ray out")
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
        raise BadInput(f"the data are empty; give data with at least one {'text' if columns.typed is None else 'record'}")
    return (part for number in sorted(parts) for part in parts[number])


def _check_can_be_sent(reader: ShardReader) -> None:
    """Raise BadInput if the detector cannot be sent to another process, for example a function that is defined inside another."""
    try:
        pickle.dumps(reader)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise BadInput(
            f"the detector cannot be sent to another process ({first_words(error)}); define it at the top of a module, or leave --workers and --ray out"
        ) from None


def _parts(source: TableSource, columns: JudgedColumns) -> Iterator[tuple[polars.DataFrame, list[str] | TypedRecords]]:
    """Yield batches of rows: their other columns, and their texts (not normalised) or records."""
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
    """Return the frame with an empty column for each of these names that it lacks."""
    import polars as pl

    return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in names if name not in frame.columns)


def _judged(content: list[str] | TypedRecords, frame: polars.DataFrame, reader: ShardReader, every: int) -> _Part:
    """Judge some rows, and keep their other columns. Plain features are computed for rows whose digests are divisible by `every`."""
    judging, columns = reader.judging, reader.columns
    if isinstance(content, TypedRecords):
        form, words = content, np.full(len(content), USUAL)
        digests, invisible, lookalikes = content.digests, 0, 0
        own_groups = digests if content.are_continuous else None
    else:
        as_read = normalised(content)
        form, words = as_read.strings, words_of(as_read.strings)
        digests = digests_of(form)
        invisible, lookalikes, own_groups = int(as_read.has_invisible.sum()), int(as_read.has_lookalikes.sum()), digests
    n, own_fold = len(words), judging.seen.fold_of(digests)
    long = np.flatnonzero(words >= LEAST)
    ratios = np.full((n, len(judging.detectors), FOLDS), np.nan, np.float32)
    chance = np.full(n, np.nan, np.float32)
    if long.size:
        some = _taken(form, long)
        for number, detector in enumerate(judging.detectors):
            ratios[long, number] = _by_unseen(detector.log_ratios(some), own_fold[long])
        reach = np.searchsorted(reader.lengths, words[long], side="right") - 1
        for at, length in enumerate(reader.lengths):
            rows = np.flatnonzero(reach == at)
            if rows.size:
                own = _by_unseen(_excerpt_ratios(some, ratios[long, 0], rows, length, judging), own_fold[long[rows]])
                chance[long[rows]] = judging.chances(own, length)
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
        words=words.astype(np.int32), ratios=ratios, chance=chance, values=values_of(frame, columns.by),
        groups=_groups(frame, columns.group, own_groups, n), plain_rows=plain_rows, plain_digests=digests[plain_rows],
        plain=judging.plain(_taken(form, plain_rows)), invisible=invisible, lookalikes=lookalikes, in_samples=int((own_fold[long] >= 0).sum()), is_foreign=is_foreign, declaring=declaring,
    )  # fmt: skip


def _taken(content: Content, rows: np.ndarray) -> Content:
    return content[rows] if isinstance(content, TypedRecords) else [content[row] for row in rows.tolist()]


def _by_unseen(ratios: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the log-ratios (n, folds). A text that a sample has gets that of the only detector that did not see it, which `folds` names, (n,); -1 for others."""
    seen = np.flatnonzero(folds >= 0)
    ratios[seen] = ratios[seen, folds[seen]][:, None]
    return ratios


def _excerpt_ratios(content: Content, whole: np.ndarray, rows: np.ndarray, length: int, judging: Judging) -> np.ndarray:
    """Return the log-ratios of the first `length` words of these texts, (rows, folds); for records those of the whole record."""
    if isinstance(content, TypedRecords):
        return whole[rows].astype(np.float64)
    return judging.detectors[0].log_ratios(cut_words([content[row] for row in rows.tolist()], length))


def _groups(frame: polars.DataFrame, column: str | None, own: np.ndarray | None, n: int) -> np.ndarray:
    """Return the group number of each row, from the values of the column of groups.

    Rows without a value are grouped only with equal texts, images or series. The number is 0 if every row is a separate group.
    """
    if column is None:
        return np.zeros(n, np.int64) if own is None else own
    values = frame[column].to_list()
    single = np.zeros(n, np.int64) if own is None else own
    return np.array(
        [
            number if value is None else -1 - digest_of_text(str(value))
            for value, number in zip(values, single.tolist(), strict=True)
        ],
        np.int64,
    )


@dataclass
class _Kept:
    """Plain features of some rows, which are chosen by their digests, so that the order of the rows has no influence."""

    rows: int = 0
    """Number of rows read so far."""
    every: int = 1
    at: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    digests: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    features: list[np.ndarray] = field(default_factory=list)

    def add(self, part: _Part) -> None:
        """Add the plain features of the next rows of the data."""
        self.at = np.concatenate((self.at, self.rows + part.plain_rows))
        self.digests = np.concatenate((self.digests, part.plain_digests))
        self.features.append(part.plain)
        self.rows += len(part.words)
        every, _ = _thinned(self.every, self.digests)
        if every > self.every:
            self.every, stays = every, self.digests % every == 0
            self.at, self.digests, self.features = self.at[stays], self.digests[stays], [np.concatenate(self.features)[stays]]


def _joined(parts: Iterator[_Part], columns: JudgedColumns) -> JudgedData:
    """Join the parts in their order."""
    kept, values = _Kept(), CodedColumns(columns.by)
    arrays: dict[str, list[np.ndarray]] = {name: [] for name in ("words", "ratios", "chance", "groups", "is_foreign")}
    declaring, invisible, lookalikes, in_samples = Declaring(), 0, 0, 0
    for part in parts:
        kept.add(part)
        values.add(part.values)
        for name, own in arrays.items():
            own.append(getattr(part, name))
        if part.declaring is not None:
            declaring.authors += part.declaring.authors
            declaring.models.update(part.declaring.models)
        invisible, lookalikes, in_samples = invisible + part.invisible, lookalikes + part.lookalikes, in_samples + part.in_samples
    joined = {}
    for name in list(arrays):
        joined[name] = np.concatenate(arrays.pop(name))
    groups = joined.pop("groups")
    alone = np.flatnonzero(groups == 0)
    groups[alone] = alone - 2**62  # outside the range of digests of either sign
    return JudgedData(
        values=values.coded,
        plain_rows=kept.at, plain=np.concatenate(kept.features), groups=groups, invisible=invisible,
        lookalikes=lookalikes, in_samples=in_samples, declared=declaring.whole if columns.origins else None, **joined,
    )  # fmt: skip
