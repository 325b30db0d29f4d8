"""Files of human data: text (plain, csv, jsonl, parquet, also gzipped) and arrays (npy, npz). Input is hostile, never executed."""

from __future__ import annotations

import hashlib
import io
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from outcross.errors import BadInput, MachineGaveOut, OutcrossError, first_words, is_of_the_machine
from outcross.files import arrays, inputs
from outcross.files.documents import Document

LARGEST_NUMBER = 1e50
"""Size of a number in an array: fourth powers of much larger ones overflow."""
DOCUMENT = 2000
"""Characters at which gathered paragraphs or short texts make a document."""
SHORT_DOCUMENT = 400
"""The same at least, in a group that holds little text: a few blocks, so that cutting them loses little."""
DOCUMENTS = 20
"""Documents that a group is given where it holds text enough for short ones: some to learn from, some held out."""


def read_documents(path: Path, text_column: str | None, group_column: str | None, heading: str | None = None) -> list[Document]:
    """The documents of a file; BadInput with the byte or the column where it is not text, or where no line is a heading."""
    content = read_bytes(path)
    suffix = Path(path.stem if path.suffix == ".gz" else path.name).suffix.lower()
    if suffix not in (".csv", ".jsonl", ".ndjson", ".parquet"):
        if text_column is not None:
            raise BadInput(
                f"{path} is read as plain text, which has no column {text_column!r}; leave text_column out, or give .csv, .jsonl or .parquet"
            )
        return gather_documents(re.split(r"\n[ \t]*\n", _decoded(content, path)), None, heading)
    frame = _table(content, suffix, path)
    texts = _column(frame, text_column, "text_column", path)
    groups = None if group_column is None else _column(frame, group_column, "group_column", path)
    return gather_documents(texts, groups, heading)


def gather_documents(texts: Sequence[str], groups: Sequence[str] | None, heading: str | None = None) -> list[Document]:
    """Documents out of consecutive texts of one group: articles where a heading opens each, else texts put together till they are long.

    Put together they hold at least 2,000 characters; a longer text stays one, a very long one is cut. The texts of a small group (under
    40,000 characters) make shorter documents, a twentieth of it or 400 characters, so that it too has some on either side of the split.
    """
    by_group: dict[str, list[str]] = {}
    for i, text in enumerate(texts):
        by_group.setdefault("" if groups is None else groups[i], []).append(text)
    if heading is not None:
        cut = partial(_articles, heading=heading)
    else:
        cut = partial(_gathered, shortest=DOCUMENT if groups is None else SHORT_DOCUMENT)
    return [Document(text, group) for group, own in by_group.items() for text in cut(own)]


def _gathered(texts: Sequence[str], shortest: int) -> Iterator[str]:
    enough = min(DOCUMENT, max(shortest, sum(map(len, texts)) // DOCUMENTS))
    waiting: list[str] = []
    for piece in itertools.chain.from_iterable(map(_pieces, texts)):
        waiting.append(piece)
        if sum(map(len, waiting)) >= enough:
            yield "\n".join(waiting)
            waiting.clear()
    if "".join(waiting).strip():
        yield "\n".join(waiting)


def _articles(texts: Sequence[str], heading: str) -> Iterator[str]:
    """The lines from each heading to the next, and those before the first; blank lines are dropped."""
    lines = [line for text in texts for line in text.split("\n") if line.strip()]
    starts = headings(lines, heading)
    if not starts:
        raise BadInput(
            f"human.heading {heading!r} fits no line of the text; leave it out (human.heading=null), or write what a line that opens a document looks like"
        )
    ends: list[int] = [*([0] if starts[0] else []), *starts, len(lines)]
    for first, end in itertools.pairwise(ends):
        yield "\n".join(lines[first:end])


def headings(lines: Sequence[str], heading: str) -> list[int]:
    """Which lines a heading fits, the space around them aside; ValueError where it is no regular expression of this kind.

    Matched in time that is linear in the text (Rust's regex crate, which polars brings): Python's own engine backtracks, and on
    `(a+)+$` a line of thirty letters takes it over a minute. The price: no look-around, no back-references.
    """
    import polars

    stripped = polars.Series([line.strip() for line in lines], dtype=polars.String)
    try:
        stripped.head(0).str.contains(heading)  # by itself: `a)|(b` is whole only inside the brackets
        return stripped.str.contains(rf"\A(?:{heading})\z").arg_true().to_list()
    except (polars.exceptions.ComputeError, UnicodeEncodeError) as error:
        told = str(error).split("This error occurred")[0].rpartition("error: ")[2]
        raise ValueError(" ".join(told.split())[:160]) from None


def _pieces(text: str) -> list[str]:
    return [text[i : i + 10 * DOCUMENT] for i in range(0, len(text), 10 * DOCUMENT)]


def read_bytes(path: Path) -> bytes:
    """What a file holds, unpacked where it is gzip, within the bound of `inputs`; BadInput where it is empty."""
    content = inputs.read(path)
    if not content.strip():
        raise BadInput(f"{path} is empty; give a file with text")
    return content


def _decoded(content: bytes, path: Path) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadInput(f"{path} is not UTF-8 text (byte {error.start}, line {line}); convert it, as with iconv -t UTF-8") from None
    if "\0" in text:
        raise BadInput(f"{path} is not text (a zero byte at {text.index(chr(0))}); give a text file")
    return text.replace("\r\n", "\n")


def _table(content: bytes, suffix: str, path: Path):
    import polars
    from polars.exceptions import PanicException

    try:
        if suffix == ".parquet":
            return polars.read_parquet(io.BytesIO(content))
        _decoded(content, path)
        if suffix == ".csv":
            return polars.read_csv(io.BytesIO(content), infer_schema=False)
        return polars.read_ndjson(io.BytesIO(content), infer_schema_length=None)
    except BadInput:
        raise
    except (Exception, PanicException) as error:  # a panic of polars is no Exception
        if is_of_the_machine(error):
            raise MachineGaveOut(f"{path} cannot be read: {first_words(error)}") from None
        raise BadInput(f"{path} is not a whole {suffix} file: {first_words(error)}") from None


def _column(frame, column: str | None, field: str, path: Path) -> list[str]:
    from outcross.recipe import nearest

    if column is None:
        raise BadInput(f"{path} is a table; write human.{field}=NAME, one of {', '.join(frame.columns[:12])}")
    if column not in frame.columns:
        raise BadInput(f"{path} has no column {column!r}{nearest(column, frame.columns)}; it has {', '.join(frame.columns[:12])}")
    import polars

    try:
        values = frame[column].cast(polars.String)
    except polars.exceptions.PolarsError:
        raise BadInput(f"{path}: the column {column!r} holds {frame[column].dtype}, not text; choose another {field}") from None
    # A file may say a long text once and name it in a million rows.
    inputs.check_memory(path, int(values.str.len_bytes().sum()), f"in its column {column!r} unfolds to")
    return values.fill_null("").to_list()


def read_array(path: Path) -> np.ndarray:
    """The array of a .npy file, or the only one of a .npz file, as floats (n, d); BadInput where it is not finite numbers."""
    several = arrays.load(path)
    if len(several) != 1:
        raise BadInput(f"{path} holds {len(several)} arrays; give a file with one")
    (stored,) = several.values()
    if stored.dtype.kind not in "fiub" or stored.ndim not in (1, 2) or 0 in stored.shape:
        raise BadInput(f"{path} must hold numbers of shape (n, d), got {stored.dtype} {stored.shape}")
    inputs.check_memory(path, math.prod(stored.shape) * np.dtype(float).itemsize, "holds numbers that take")
    with np.errstate(over="ignore"):
        points = np.asarray(stored[:]).astype(float).reshape(len(stored), -1)
    if not np.isfinite(points).all():
        row, column = np.argwhere(~np.isfinite(points))[0]
        raise BadInput(f"{path} holds {points[row, column]} at row {row}, column {column}; give finite numbers")
    if (largest := np.abs(points).max()) > LARGEST_NUMBER:
        raise BadInput(
            f"{path} holds numbers of size {largest:.3g}, at most {LARGEST_NUMBER:g} can be squared and added; change the unit"
        )
    return points


def digest(path: Path) -> str:
    """SHA-256 of a file; empty where it cannot be read."""
    try:
        with inputs.opened(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]
    except (OutcrossError, OSError):
        return ""
