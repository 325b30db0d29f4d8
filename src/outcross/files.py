"""Files of human data: text (plain, csv, jsonl, parquet, also gzipped) and arrays (npy, npz). Input is hostile, never executed."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from outcross.documents import Document
from outcross.errors import BadInput, MachineGaveOut

LARGEST = 1 << 30
"""Bytes of text read from one file, unpacked: 1 GiB."""
DOCUMENT = 2000
"""Characters at which gathered paragraphs or short texts make a document."""


def read_documents(path: Path, text_column: str | None, group_column: str | None) -> list[Document]:
    """The documents of a file; BadInput with the byte or the column where it is not text."""
    content = _content(path)
    suffix = Path(path.stem if path.suffix == ".gz" else path.name).suffix.lower()
    if suffix not in (".csv", ".jsonl", ".ndjson", ".parquet"):
        if text_column is not None:
            raise BadInput(
                f"{path} is read as plain text, which has no column {text_column!r}; leave text_column out, or give .csv, .jsonl or .parquet"
            )
        return gather_documents(re.split(r"\n[ \t]*\n", _decoded(content, path)), None)
    frame = _table(content, suffix, path)
    texts = _column(frame, text_column, "text_column", path)
    return gather_documents(texts, None if group_column is None else _column(frame, group_column, "group_column", path))


def gather_documents(texts: Sequence[str], groups: Sequence[str] | None) -> list[Document]:
    """Documents of at least 2,000 characters out of consecutive texts of one group; a longer text stays one, a very long one is cut."""
    gathered: dict[str, list[str]] = {}
    documents: list[Document] = []
    for i, text in enumerate(texts):
        group = "" if groups is None else groups[i]
        for piece in _pieces(text):
            waiting = gathered.setdefault(group, [])
            waiting.append(piece)
            if sum(map(len, waiting)) >= DOCUMENT:
                documents.append(Document("\n".join(waiting), group))
                waiting.clear()
    return documents + [Document("\n".join(waiting), group) for group, waiting in gathered.items() if "".join(waiting).strip()]


def _pieces(text: str) -> list[str]:
    return [text[i : i + 10 * DOCUMENT] for i in range(0, len(text), 10 * DOCUMENT)]


def _content(path: Path) -> bytes:
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                content = file.read(LARGEST + 1)
        else:
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise BadInput(f"no file {path}; check the path") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{path} is not a whole gzip file ({error}); fetch it again") from None
    except OSError as error:
        raise (BadInput if path.is_dir() else MachineGaveOut)(f"{path} cannot be read: {error.strerror or error}") from None
    if len(content) > LARGEST:
        raise BadInput(f"{path} holds more than {LARGEST >> 30} GiB of text; give a part of it")
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

    try:
        if suffix == ".parquet":
            return polars.read_parquet(io.BytesIO(content))
        _decoded(content, path)
        if suffix == ".csv":
            return polars.read_csv(io.BytesIO(content), infer_schema=False)
        return polars.read_ndjson(io.BytesIO(content), infer_schema_length=None)
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(f"{path} is not a whole {suffix} file: {' '.join(str(error).split())[:160]}") from None


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
    return values.fill_null("").to_list()


def read_array(path: Path) -> np.ndarray:
    """The array of a .npy file, or the only one of a .npz file, as floats (n, d); BadInput where it is not finite numbers."""
    try:
        stored = np.load(path, allow_pickle=False)
        if isinstance(stored, np.lib.npyio.NpzFile):
            with stored:
                names = stored.files
                if len(names) != 1:
                    raise BadInput(f"{path} holds {len(names)} arrays; give a file with one")
                stored = stored[names[0]]
    except FileNotFoundError:
        raise BadInput(f"no file {path}; check the path") from None
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error, KeyError, MemoryError, SyntaxError) as error:
        raise BadInput(f"{path} is not a whole .npy or .npz file of numbers: {' '.join(str(error).split())[:120]}") from None
    if not isinstance(stored, np.ndarray) or stored.dtype.kind not in "fiub" or stored.ndim not in (1, 2) or 0 in stored.shape:
        raise BadInput(f"{path} must hold numbers of shape (n, d), got {getattr(stored, 'dtype', '?')} {getattr(stored, 'shape', '?')}")
    points = stored.astype(float).reshape(len(stored), -1)
    if not np.isfinite(points).all():
        row, column = np.argwhere(~np.isfinite(points))[0]
        raise BadInput(f"{path} holds {points[row, column]} at row {row}, column {column}; give finite numbers")
    return points
