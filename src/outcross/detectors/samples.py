"""Reading of texts from files: calibration samples as a whole, and data batch by batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.detectors.calibrated import LENGTHS, Content
from outcross.detectors.lengths import words_of
from outcross.detectors.records import TypedRecords, together
from outcross.errors import BadInput
from outcross.files.chats import unfolded
from outcross.files.reading import read
from outcross.files.source import TableSource
from outcross.recipe import nearest
from outcross.text.near import near_twins
from outcross.text.normalised import normalised

if TYPE_CHECKING:
    import polars

LEAST = LENGTHS[0]
"""Minimum number of words of a text that is judged."""
MOST = 50_000
"""Maximum number of texts in a calibration sample."""
USUAL = ("text", "content", "document", "body", "response", "output", "completion", "answer", "messages: assistant")
"""Usual names of text columns, in the order of the search."""


@dataclass(frozen=True, eq=False)
class CalibrationSample:
    """A calibration sample of texts or records of one author."""

    author: str
    """The author: human, model or edited."""
    raw: Sequence[str]
    """Texts without normalisation; empty for records."""
    content: Content
    """Normalised texts, or records."""
    words: np.ndarray
    """Number of words of each text, (n,); see `calibrated.sizes_of`."""
    table: polars.DataFrame
    """The other columns of texts, or all columns of records as they were read."""
    too_short: int
    """Number of texts that were dropped because they are too short to be judged."""
    beyond: int
    """Number of texts that were dropped because a sample of `MOST` is enough."""
    groups: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """Group numbers, (n,), which are common to all samples."""


def opened(data: Any, what: str) -> TableSource:
    """Open the data of a user as tables, with chats split into one column per role. Raises BadInput if the data cannot be read."""
    if data is None or (isinstance(data, str | tuple | list) and not data):
        raise BadInput(f"{what} is missing")
    return unfolded(read(list(data) if isinstance(data, tuple) else data))


def text_column(source: TableSource, asked: str | None, what: str) -> str:
    """Return the column of texts. Raises BadInput if it does not exist or is ambiguous."""
    import polars as pl

    if asked is not None:
        if asked not in source.columns:
            raise BadInput(
                f"{what} has no column {asked!r}{nearest(asked, source.columns)}; it has {', '.join(source.columns)[:200]}"
            )
        return asked
    if len(source.texts) == 1:
        return source.texts[0]
    first = next(iter(source.batches(None)), None)
    if first is None or not first.height:
        raise BadInput(f"{what} has no row; give at least one text")
    strings = [name for name, dtype in first.schema.items() if dtype == pl.String and not name.startswith("_")]
    if usual := next((name for name in USUAL if name in strings), None):
        return usual
    if len(strings) == 1:
        return strings[0]
    said = f"the text could be in any of the columns {', '.join(strings)[:200]}" if strings else "no column holds text"
    raise BadInput(f"{what}: {said}; name it with --text-column")


def words_of_column(column: polars.Series) -> list[str | None]:
    """Return the values of a column of any type as words; None where a value is missing."""
    return [None if value is None else str(value) for value in column.to_list()]


def batches(source: TableSource, column: str, columns: Sequence[str]) -> Iterator[polars.DataFrame]:
    """Yield the text column and other columns of a source in batches. A missing text, also of a file without the column, becomes an empty text."""
    import polars as pl

    for batch in source.batches(list(dict.fromkeys((column, *columns)))):
        lacking = [pl.lit(None, pl.String).alias(name) for name in dict.fromkeys((column, *columns)) if name not in batch.columns]
        whole = batch.with_columns(lacking)
        yield whole.with_columns(_as_text(whole, column))


def _as_text(frame: polars.DataFrame, column: str) -> polars.Series:
    """Return a column as texts; a missing text is an empty text. Raises BadInput if it holds lists, structures or bytes."""
    import polars as pl

    dtype = frame.schema[column]
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        raise BadInput(f"column {column!r} holds values of the type {dtype} and not text; name a column of text with --text-column")
    return frame[column].cast(pl.String).fill_null("")


def calibration(author: str, data: Any, flag: str, asked: str | None, seed: int, *, is_of_data: bool = False) -> CalibrationSample:
    """Return a sample of one author's texts in their order; a random sample if there are more than 50,000.

    With `is_of_data` the requested column is a column of other data. If the sample lacks it, its own text column is searched for.
    """
    import polars as pl

    source = opened(data, flag)
    asked = None if is_of_data and asked not in source.columns else asked
    column = text_column(source, asked, flag)
    whole = pl.concat(list(source.batches(None)) or [pl.DataFrame({column: []}, {column: pl.String})], how="diagonal_relaxed")
    beyond = max(0, whole.height - MOST)
    if beyond:
        rows = np.sort(np.random.default_rng([seed, len(author)]).choice(whole.height, MOST, replace=False))
        whole = whole[rows]
    whole = whole.with_columns(_as_text(whole, column))
    return _long_enough(author, whole[column].to_list(), whole.drop(column), beyond, flag)


def sample_of_texts(author: str, texts: Sequence[str]) -> CalibrationSample:
    """Return a sample of the given texts."""
    import polars as pl

    return _long_enough(author, list(texts), pl.DataFrame({"row": np.arange(len(texts))}), 0, f"the sample of the author {author}")


def _long_enough(author: str, raw: list[str], table: polars.DataFrame, beyond: int, flag: str) -> CalibrationSample:
    """Return the sample of the texts that are long enough to be judged. Raises BadInput if there are none."""
    texts = normalised(raw).strings
    words = words_of(texts)
    kept = np.flatnonzero(words >= LEAST)
    if not kept.size:
        raise BadInput(
            f"{flag} has no text of at least {LEAST} words, which are counted by the white space between them; give longer texts, and insert spaces between the words of a language that is written without them"
        )
    return CalibrationSample(
        author, [raw[row] for row in kept.tolist()], [texts[row] for row in kept.tolist()], words[kept],
        table[kept], table.height - kept.size, beyond,
    )  # fmt: skip


def grouped(samples: Sequence[CalibrationSample], column: str | None) -> np.ndarray:
    """Return the group of every text or record of the concatenated samples, numbered from 0.

    Texts with the same value of the column, equal texts and near duplicates are in the same group. Records of a table are independent unless a column
    says otherwise, because a row of few categories can occur twice by chance. Equal vectors, images and series are in the same group. Raises BadInput
    if no sample has the column.
    """
    total = sum(len(sample.content) for sample in samples)
    links: list[tuple[np.ndarray, np.ndarray]] = []
    if column is not None:
        if not any(column in sample.table.columns for sample in samples):
            known = sorted({name for sample in samples for name in sample.table.columns})
            raise BadInput(
                f"--group: no sample has a column {column!r}{nearest(column, known)}; they have {', '.join(known)[:200]}"
            )
        values = [
            value
            for sample in samples
            for value in (words_of_column(sample.table[column]) if column in sample.table.columns else [None] * len(sample.content))
        ]
        links.append(_runs(values))
    every = all_of(samples)
    if isinstance(every, TypedRecords):
        links.append(_runs(every.digests.tolist()) if every.are_continuous else _runs([]))
    else:
        links.append(_runs(every))
        twins = near_twins(every)
        links.append((twins.first, twins.second))
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second = (np.concatenate([link[side] for link in links]) for side in (0, 1))
    _, group = connected_components(coo_array((np.ones(first.size, bool), (first, second)), shape=(total, total)), directed=False)
    return group.astype(np.int64)


def all_of(samples: Sequence[CalibrationSample]) -> list[str] | TypedRecords:
    """Return the texts or records of all samples, one sample after another."""
    contents = [sample.content for sample in samples]
    if isinstance(contents[0], TypedRecords):
        return together(*contents)  # type: ignore[arg-type]  # if one is records, all are
    return [text for content in contents for text in content]  # type: ignore[return-value]  # if one is not records, none are


def digests_of(content: Content) -> np.ndarray:
    """Return a number for each text or record, (n,), above 0, which is the same for equal ones."""
    if isinstance(content, TypedRecords):
        return content.digests
    return np.fromiter((digest_of_text(text) for text in content), np.int64, len(content))


def digest_of_text(text: str) -> int:
    """Return a whole number above 0 for a text."""
    return 1 + int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")


def _runs(values: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each row with a value, the first row with the same value, and the row itself."""
    seen: dict[str, int] = {}
    pairs = [(seen.setdefault(value, row), row) for row, value in enumerate(values) if value is not None]
    return np.array([pair[0] for pair in pairs], np.int64), np.array([pair[1] for pair in pairs], np.int64)


def telling_columns(samples: Sequence[CalibrationSample]) -> list[str]:
    """Return the columns of both samples that have no value in common. Each reveals the author perfectly, so nothing should learn from it."""
    first, second = samples[0].table, samples[1].table
    telling = []
    for name in _shared_columns(first, second):
        sides = [set(table[name].cast(str, strict=False).drop_nulls().unique().to_list()) for table in (first, second)]
        few = all(0 < len(values) < table.height / 5 for values, table in zip(sides, (first, second), strict=True))
        if few and not sides[0] & sides[1]:
            telling.append(name)
    return telling


def _shared_columns(first: polars.DataFrame, second: polars.DataFrame) -> list[str]:
    """Return the columns that both tables have, without columns of lists and arrays and without columns of provenance."""
    nested = {name for table in (first, second) for name, dtype in table.schema.items() if dtype.is_nested()}
    return [name for name in first.columns if name in second.columns and not name.startswith("_") and name not in nested]


def linking_column(samples: Sequence[CalibrationSample]) -> str:
    """Return a column that seems to link texts of two samples; empty if there is none.

    Most texts of the first sample have different values in it, and half of the second sample's values occur in the first.
    """
    first, second = samples[0].table, samples[1].table
    for name in _shared_columns(first, second):
        values, others = (table[name].cast(str, strict=False).drop_nulls() for table in (first, second))
        own = set(values.to_list())
        if len(own) > first.height / 2 and sum(value in own for value in others.to_list()) > second.height / 2:
            return name
    return ""
