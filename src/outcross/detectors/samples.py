"""Texts as files hold them: the calibration samples whole, the data batch by batch."""

from __future__ import annotations

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
"""Words of a text from which on it is judged."""
MOST = 50_000
"""Texts of a calibration sample, at most."""
USUAL = ("text", "content", "document", "body", "response", "output", "completion", "answer", "messages: assistant")
"""Names of columns of text, in the order in which they are looked for."""


@dataclass(frozen=True, eq=False)
class CalibrationSample:
    """Texts or records of one author."""

    author: str
    """human, model or edited."""
    raw: Sequence[str]
    """Texts as they were given; none where there are records."""
    content: Content
    """Texts, normalised, or records."""
    words: np.ndarray
    """Of each text, (n,); see `calibrated.sizes_of`."""
    table: polars.DataFrame
    """Their other columns; of records all columns as they were read."""
    too_short: int
    """Texts of fewer words than are judged, left out."""
    beyond: int
    """Texts that were left out because a sample of `MOST` is enough."""
    groups: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """(n,), numbers that all samples share."""


def opened(data: Any, what: str) -> TableSource:
    """Whatever a user gives, as tables whose chats stand by role. BadInput where it cannot be read."""
    if data is None or (isinstance(data, str | tuple | list) and not data):
        raise BadInput(f"{what} is missing")
    return unfolded(read(list(data) if isinstance(data, tuple) else data))


def text_column(source: TableSource, asked: str | None, what: str) -> str:
    """The column that holds text. BadInput where it is not there, or where several may be meant."""
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
        raise BadInput(f"{what} holds no text; it is empty")
    strings = [name for name, dtype in first.schema.items() if dtype == pl.String and not name.startswith("_")]
    if usual := next((name for name in USUAL if name in strings), None):
        return usual
    if len(strings) == 1:
        return strings[0]
    said = f"which of {', '.join(strings)[:200]} holds the text is not clear" if strings else "no column holds text"
    raise BadInput(f"{what}: {said}; name it with --text-column")


def batches(source: TableSource, column: str, columns: Sequence[str]) -> Iterator[polars.DataFrame]:
    """The text and other columns of a source. A missing text is an empty one."""
    import polars as pl

    for batch in source.batches(list(dict.fromkeys((column, *columns)))):
        lacking = [name for name in columns if name not in batch.columns]
        yield batch.with_columns(
            pl.col(column).cast(pl.String).fill_null(""), *(pl.lit(None, pl.String).alias(name) for name in lacking)
        )


def calibration(author: str, data: Any, flag: str, asked: str | None, seed: int, *, is_of_data: bool = False) -> CalibrationSample:
    """A sample of one author's texts, in their order; of more than 50,000 a random sample of them. is_of_data: the column that was asked for is that of other
    data, so that a sample without it is searched for its own."""
    import polars as pl

    source = opened(data, flag)
    asked = None if is_of_data and asked not in source.columns else asked
    column = text_column(source, asked, flag)
    whole = pl.concat(list(source.batches(None)) or [pl.DataFrame({column: []}, {column: pl.String})], how="diagonal_relaxed")
    beyond = max(0, whole.height - MOST)
    if beyond:
        rows = np.sort(np.random.default_rng([seed, len(author)]).choice(whole.height, MOST, replace=False))
        whole = whole[rows]
    whole = whole.with_columns(pl.col(column).cast(pl.String).fill_null(""))
    return _long_enough(author, whole[column].to_list(), whole.drop(column), beyond, flag)


def sample_of_texts(author: str, texts: Sequence[str]) -> CalibrationSample:
    """A sample of texts that are at hand."""
    import polars as pl

    return _long_enough(author, list(texts), pl.DataFrame({"row": np.arange(len(texts))}), 0, f"the sample of the author {author}")


def _long_enough(author: str, raw: list[str], table: polars.DataFrame, beyond: int, flag: str) -> CalibrationSample:
    """The texts of a sample that are long enough to be judged. BadInput where there is none."""
    texts = normalised(raw).strings
    words = words_of(texts)
    kept = np.flatnonzero(words >= LEAST)
    if not kept.size:
        raise BadInput(f"{flag} has no text of {LEAST} words or more; give longer texts")
    return CalibrationSample(
        author, [raw[row] for row in kept.tolist()], [texts[row] for row in kept.tolist()], words[kept],
        table[kept], table.height - kept.size, beyond,
    )  # fmt: skip


def grouped(samples: Sequence[CalibrationSample], column: str | None) -> np.ndarray:
    """The group of every text or record of the samples one after another, numbers from 0: texts with one value of the column, equal texts and near twins are one group.

    Records of a table are independent where no column says otherwise: a row of few categories may well occur twice. Equal vectors, images and series are one group.
    BadInput where no sample has the column.
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
            for value in (
                sample.table[column].cast(str).to_list() if column in sample.table.columns else [None] * len(sample.content)
            )
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
    """The texts or records of all samples, one sample after another."""
    contents = [sample.content for sample in samples]
    if isinstance(contents[0], TypedRecords):
        return together(*contents)  # type: ignore[arg-type]  # all are records where one is
    return [text for content in contents for text in content]  # type: ignore[return-value]  # none are records where one is not


def _runs(values: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Each row that has a value, and the first row of the same value."""
    seen: dict[str, int] = {}
    pairs = [(seen.setdefault(value, row), row) for row, value in enumerate(values) if value is not None]
    return np.array([pair[0] for pair in pairs], np.int64), np.array([pair[1] for pair in pairs], np.int64)


def telling_columns(samples: Sequence[CalibrationSample]) -> list[str]:
    """Columns of both samples that have no value in common: each tells the author perfectly, so that nothing should learn from it."""
    first, second = samples[0].table, samples[1].table
    telling = []
    for name in _shared_columns(first, second):
        sides = [set(table[name].cast(str, strict=False).drop_nulls().unique().to_list()) for table in (first, second)]
        few = all(0 < len(values) < table.height / 5 for values, table in zip(sides, (first, second), strict=True))
        if few and not sides[0] & sides[1]:
            telling.append(name)
    return telling


def _shared_columns(first: polars.DataFrame, second: polars.DataFrame) -> list[str]:
    """Columns of single values that both tables have; those of lists and arrays, and of provenance, are left out."""
    nested = {name for table in (first, second) for name, dtype in table.schema.items() if dtype.is_nested()}
    return [name for name in first.columns if name in second.columns and not name.startswith("_") and name not in nested]


def linking_column(samples: Sequence[CalibrationSample]) -> str:
    """A column that seems to say which texts of two samples belong together: most texts of the first have a value of their own, and half of the second's have one of these. Empty where there is none."""
    first, second = samples[0].table, samples[1].table
    for name in _shared_columns(first, second):
        values, others = (table[name].cast(str, strict=False).drop_nulls() for table in (first, second))
        own = set(values.to_list())
        if len(own) > first.height / 2 and sum(value in own for value in others.to_list()) > second.height / 2:
            return name
    return ""
