"""Records on disk: a folder of shards and a manifest, which is written shard by shard and may be larger than memory.

`manifest.json` contains the kind of the records, the rows, bytes and SHA-256 of every shard, and its own digest, which covers all of this. A store
exists once its manifest exists, which is written last.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from outcross.data.records import Reference, record_type, row_numbers
from outcross.errors import BadInput
from outcross.files.names import literal, read_parquet
from outcross.files.whole import read_text, write_whole

if TYPE_CHECKING:
    import polars

MANIFEST = "manifest.json"
FORMAT = 1
STORED = ("text", "rows", "series")
"""The kinds of records that a store can contain: those in a frame."""


@dataclass(frozen=True)
class Shard:
    """One file of a store."""

    file: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, eq=False)
class Store:
    """The records of a folder of shards. Opening it reads only the manifest. A shard is read, and its digest is checked, on first use."""

    folder: Path
    kind: str
    """The kind of its records: text, rows or series."""
    described: dict[str, Any]
    """The description of the records that their frame does not contain."""
    shards: tuple[Shard, ...]
    digest: str
    """The SHA-256 of the manifest, which covers every shard."""
    _checked: set[str] = field(default_factory=set, repr=False)

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open the store in a folder. Raises BadInput if there is none, if its manifest is damaged, or if a shard is missing or truncated."""
        path = Path(folder) / MANIFEST
        if not path.exists():
            raise BadInput(
                f"{folder} is not a store, because it has no {MANIFEST}; name a folder that outcross wrote, or write the store again"
            )
        try:
            manifest = json.loads(read_text(path))
            digest, content = manifest["sha256"], {name: value for name, value in manifest.items() if name != "sha256"}
            is_whole = digest == _digest_of(content) and content["format"] == FORMAT and content["records"] in STORED
            shards = tuple(Shard(**shard) for shard in content["shards"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            is_whole = False
        if not is_whole:
            raise BadInput(f"{path} is damaged: it does not match its own digest; restore the file, or write the store again")
        for shard in shards:
            file = Path(folder) / shard.file
            if Path(shard.file).name != shard.file or not file.is_file() or file.is_symlink() or file.stat().st_size != shard.bytes:
                raise BadInput(
                    f"{file} is missing or does not have {shard.bytes:,} bytes, as {path} says; restore the file, or write the store again"
                )
        return cls(Path(folder), content["records"], content["described"], shards, digest)

    def __len__(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @property
    def chains(self) -> tuple[int, ...]:
        return ()

    def scan(self) -> polars.LazyFrame:
        """Return all records as a lazy polars frame, which loads only what a query needs. The digest of every shard is checked first."""
        import polars as pl

        return pl.scan_parquet([literal(self._whole(shard)) for shard in self.shards], glob=False, hive_partitioning=False)

    def batches(self) -> Iterator[Any]:
        """Return an iterator over the records of the shards, one shard at a time."""
        return (self._records(shard) for shard in self.shards)

    def some(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(len(self))[:n]

    def take(self, rows: Reference | None) -> Any:
        """Load these records into memory, as records of the store's kind. Only the shards that contain them are read. None: all records."""
        if rows is None:
            return self._joined(list(self.batches()))
        rows = row_numbers(rows, self.kind)
        ends = np.cumsum([shard.rows for shard in self.shards])
        if rows.size and not -1 < rows.min() <= rows.max() < len(self):
            raise BadInput(f"rows of {self.folder} must be from 0 to {len(self) - 1}, got {rows.min()} to {rows.max()}")
        shard_of_row = np.searchsorted(ends, rows, side="right")
        read = np.unique(shard_of_row) if rows.size else np.zeros(1, dtype=int)
        taken, places = [], []
        for i in read.tolist():
            own = np.flatnonzero(shard_of_row == i)
            taken.append(self._records(self.shards[i]).take(rows[own] - (ends[i] - self.shards[i].rows)))
            places.append(own)
        return self._joined(taken).take(np.argsort(np.concatenate(places)))

    def blinded(self) -> Any:
        """Load the records into memory, without provenance."""
        return self.take(None).blinded()

    @classmethod
    def concat(cls, many: Sequence[Any]) -> Any:
        """Load and join the records of stores, and of other records of the same kind, one after the other."""
        records = [part.take(None) for part in many]
        return type(records[0]).concat(records)

    def save(self, folder: Path) -> None:
        """Write the same store into an empty folder."""
        with StoreWriter(folder) as writer:
            for batch in self.batches():
                writer.write(batch)

    load = open

    def _records(self, shard: Shard) -> Any:
        return record_type(self.kind).of_frame(read_parquet(self._whole(shard)), self.described)

    def _joined(self, many: list[Any]) -> Any:
        return record_type(self.kind).concat(many)

    def _whole(self, shard: Shard) -> Path:
        """Return the file of a shard, after its digest was checked. Raises BadInput if it is damaged."""
        path = self.folder / shard.file
        if shard.file not in self._checked:
            try:
                with path.open("rb") as file:
                    is_whole = hashlib.file_digest(file, "sha256").hexdigest() == shard.sha256
            except OSError as error:
                raise BadInput(
                    f"{path} cannot be read: {error.strerror or error}; restore the file, or write the store again"
                ) from None
            if not is_whole:
                raise BadInput(
                    f"{path} is damaged: its digest differs from that in {MANIFEST}; restore the file, or write the store again"
                )
            self._checked.add(shard.file)
        return path


class StoreWriter:
    """Writes a store shard by shard: `with StoreWriter(folder) as writer: writer.write(records)`. The manifest is written at the end.

    Raises BadInput if the folder is not empty, if the records are not in a frame, or if those of two shards cannot be joined.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.shards: list[Shard] = []
        self._first: Any = None
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise BadInput(f"{self.folder} is not empty; choose another folder for the store, or delete it")
        self.folder.mkdir(parents=True, exist_ok=True)

    def write(self, records: Any) -> None:
        """Write these records as one shard."""
        if records.kind not in STORED:
            raise BadInput(f"a store can contain {', '.join(STORED)}, got {records.kind}; keep these records in memory")
        none = records.take(np.zeros(0, dtype=np.int64))
        if self._first is None:
            self._first = none
        elif type(none) is not type(self._first):
            raise BadInput(f"a store of {self._first.kind} cannot take {records.kind}; write another store")
        type(none).concat([self._first, none])  # raises an error if they cannot be joined
        content = io.BytesIO()
        records.frame.write_parquet(content, compression="zstd", statistics=True)
        file = f"shard-{len(self.shards):05}.parquet"
        write_whole(self.folder / file, content.getvalue())
        self.shards.append(Shard(file, len(records), len(content.getvalue()), hashlib.sha256(content.getvalue()).hexdigest()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            return
        if self._first is None:
            raise BadInput(f"no records were written to {self.folder}; write at least one shard")
        content = {
            "format": FORMAT,
            "records": self._first.kind,
            "described": self._first.described,
            "rows": sum(shard.rows for shard in self.shards),
            "shards": [vars(shard) for shard in self.shards],
        }
        write_whole(self.folder / MANIFEST, json.dumps(content | {"sha256": _digest_of(content)}, indent=1, sort_keys=True))


def _digest_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
