"""Data that a step reads and that no step of its ledger made, identified by the digest of their content."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from outcross.data import Made
from outcross.files import inputs
from outcross.files.formats import PICTURES
from outcross.files.reading import files_of, read
from outcross.files.refusals import suffix
from outcross.ledger.digests import digest_of

T = TypeVar("T")


class External(Made[T]):
    """Data from outside of a ledger: data of the user, or the output of a step of another ledger.

    `reads` are the digests of the contained data, and `names` the digests of the user's data by the names that the user gave.
    """

    def __init__(self, digest: str, load: Callable[[], T], reads: Iterable[str], names: Mapping[str, str]):
        super().__init__(digest, 0, load)
        self.reads = tuple(reads)
        self.names = dict(names)


def external(data: Any) -> External[Any]:
    """Return data with the digest of their content, for a step. Raises BadInput if a file cannot be read.

    A file is identified by its SHA-256 and the suffix of its name, which says how it is read. Several files are identified by their SHA-256, in
    order, and by their whole names, because notes about missing columns quote these. Data in memory are identified by their columns, types and values.
    """
    if isinstance(data, External):
        return data
    if isinstance(data, str | Path):
        given: list[str | Path] = [data]
    elif isinstance(data, list | tuple) and data and all(isinstance(item, str | Path) for item in data):
        given = list(data)
    else:
        digest = _content(data)
        return External(digest, lambda: data, [digest], {type(data).__name__: digest})
    files = [file for location in given for path in files_of(str(location)) for file in _files(path)]
    digests = [_digest(file) for file in files]
    marks = ["".join(suffix(file)) if len(files) == 1 else str(file) for file in files]
    names = {str(file): digest for file, digest in zip(files, digests, strict=True)}
    return External(digest_of([*zip(marks, digests, strict=True)]), lambda: data, digests, names)


def _files(path: Path) -> list[Path]:
    """Return a file itself, or the pictures in a folder."""
    return sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES) if path.is_dir() else [path]


def _digest(path: Path) -> str:
    with inputs.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]


def _content(data: Any) -> str:
    """Return the digest of records in memory. Equal records may have different digests, because the bytes under a missing value are included."""
    source = read(data)
    content = hashlib.sha256(digest_of([*source.columns]).encode())
    for batch in source.batches(None):
        written = io.BytesIO()
        batch.rechunk().write_ipc(written, compression="uncompressed")
        content.update(written.getbuffer())
    return content.hexdigest()
