"""What a step reads and no step of its ledger made, told apart by what it holds."""

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
    """What comes from outside of a ledger: what people gave, or what a step of another ledger made.

    `reads` are the digests of what it is made of, `names` the digest of each thing that people gave by the name that they gave it.
    """

    def __init__(self, digest: str, load: Callable[[], T], reads: Iterable[str], names: Mapping[str, str]):
        super().__init__(digest, 0, load)
        self.reads = tuple(reads)
        self.names = dict(names)


def external(data: Any) -> External[Any]:
    """Data as a step reads them, with the digest of their content. BadInput where a file cannot be read.

    Files are told apart by the SHA-256 of each, in order, and by the ends of their names, which say how they are read; several by their
    whole names, which notes of missing columns quote. What is in memory is told apart by its columns, their types and their values.
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
    """A file itself, or the pictures of a folder."""
    return sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES) if path.is_dir() else [path]


def _digest(path: Path) -> str:
    with inputs.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]


def _content(data: Any) -> str:
    """The digest of records in memory. What is equal may have several, because what stands under a missing value is in it."""
    source = read(data)
    content = hashlib.sha256(digest_of([*source.columns]).encode())
    for batch in source.batches(None):
        written = io.BytesIO()
        batch.rechunk().write_ipc(written, compression="uncompressed")
        content.update(written.getbuffer())
    return content.hexdigest()
