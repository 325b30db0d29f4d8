"""A mix whose files are read by several processes, or by the machines of a cluster. Each reads whole files, and the result has the same bytes.

The digest, the label and the amounts of each row are computed file by file and joined in the order of the files. The drawn rows of a file are written to temporary
files, one for each shard. This process then assembles each shard. The machines must share the folder of the mix and the paths of the pools.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from outcross import runtime
from outcross.files.formats import from_file
from outcross.runtime import Emit, Where
from outcross.verbs.mix.asked import MixPool, MixRecipe
from outcross.verbs.mix.pools import ContentSize, OpenPool, ScannedPool, Schema, occurrences_of, scanned, tokenizer_of
from outcross.verbs.mix.rows import RowSet, Waiting, drawn_rows, wanted


def is_apart(where: Where, pools: Sequence[OpenPool]) -> bool:
    """Whether other processes read the files: several workers or a cluster are requested, and every pool consists of files."""
    asked = where.ray is not None or where.workers > 1
    return asked and all(Path(source.name).is_file() for pool in pools for source in pool.sources)


@dataclass(frozen=True)
class FileOfPool:
    """One file of a pool, in a form that another process can open."""

    recipe: MixPool
    path: str
    schema: Schema
    """The schema of the pool."""

    def opened(self) -> OpenPool:
        return OpenPool(self.recipe, (from_file(Path(self.path)),), self.schema)


@dataclass(frozen=True)
class ScanItem:
    """A file to scan."""

    number: int
    file: FileOfPool
    asked: MixRecipe
    schema: Schema
    """The schema of the mix."""


def scan_file(item: ScanItem, emit: Emit) -> None:
    """Scan a file and emit its number with the digests, labels and amounts of its rows."""
    tokenizer = tokenizer_of(item.asked.tokenizer) if "tokens" in item.asked.counted else None
    emit((item.number, scanned(item.file.opened(), item.asked, item.schema, tokenizer)))


def scanned_apart(pools: Sequence[OpenPool], asked: MixRecipe, schema: Schema, where: Where) -> tuple[ScannedPool, ...]:
    """Return the scan of every pool, with each file scanned separately. `schema` is that of the mix."""
    items: list[ScanItem] = []
    for pool in pools:
        for source in pool.sources:
            items.append(ScanItem(len(items), FileOfPool(pool.recipe, source.name, pool.schema), asked, schema))
    by_pool: dict[int, ScannedPool] = {}
    runtime.map(scan_file, items, lambda numbered_scan: by_pool.__setitem__(*numbered_scan), where)
    scans, number = [], 0
    for pool in pools:
        scans.append(_joined([by_pool[number + place] for place in range(len(pool.sources))], asked))
        number += len(pool.sources)
    return tuple(scans)


def _joined(scans: Sequence[ScannedPool], asked: MixRecipe) -> ScannedPool:
    """Join the scans of the files of a pool into the scan of the pool."""
    labels = {name: label for scan in scans for name, label in zip(_names(scan), scan.labels, strict=True)}
    order = {name: place for place, name in enumerate(sorted(labels))}
    strata = [np.zeros(0, np.int32)]
    for scan in scans:
        own = [order[name] for name in _names(scan)]
        strata.append(np.array(own, dtype=np.int32)[scan.strata] if own else scan.strata)
    of_rows = np.concatenate([np.zeros((0, 2), np.uint64), *(scan.of_rows for scan in scans)])
    occurrences, alike = occurrences_of(of_rows)
    return ScannedPool(
        of_rows=of_rows,
        occurrences=occurrences,
        alike=alike,
        strata=np.concatenate(strata),
        labels=tuple(labels[name] for name in sorted(labels)),
        amounts={unit: np.concatenate([np.zeros(0, np.int64), *(scan.amounts[unit] for scan in scans)]) for unit in asked.counted},
        content=ContentSize(sum(scan.content.rows for scan in scans), sum(scan.content.bytes for scan in scans)),
    )


def _names(scan: ScannedPool) -> list[str]:
    """Return the labels of a scan as JSON text from polars, by which they are sorted."""
    import polars as pl

    if not scan.labels:
        return []
    frame = pl.DataFrame(list(scan.labels), infer_schema_length=None)
    return frame.select(pl.struct(pl.all()).struct.json_encode()).to_series().to_list()


@dataclass(frozen=True, eq=False)
class RowsItem:
    """A file whose drawn rows are written to temporary files for their shards."""

    pool: int
    """The number of its pool."""
    file: FileOfPool
    columns: tuple[str, ...]
    rows: np.ndarray
    """The indices in the file of its drawn rows, (n,)."""
    at: np.ndarray
    """The number of the draw of each row, (n,)."""
    bounds: np.ndarray
    """The first draw of each shard, and the number of draws of the pool, (shards + 1,)."""
    aside: str
    """The folder for the temporary files."""


def put_rows_aside(item: RowsItem, emit: Emit) -> None:
    """Write the drawn rows of a file into one temporary file per shard, and emit their paths."""
    waiting = Waiting(Path(item.aside))
    for rows in drawn_rows(item.file.opened(), item.rows, item.at, item.columns):
        waiting.add(item.pool, rows, item.bounds)
    waiting.put_aside()
    emit((item.aside, waiting.files))


def placed_apart(rows: RowSet, skip: Sequence[bool], aside: Path, where: Where) -> dict[tuple[int, int], list[Path]]:
    """Return the temporary files with the rows for each shard and pool, in the order of the pool's files."""
    items = []
    for place, (pool, draws, bounds) in enumerate(zip(rows.pools, rows.draws.pools, rows.bounds, strict=True)):
        draws_wanted, start = wanted(bounds, skip), 0
        of_draws = draws.rows[draws_wanted]
        for source, size in zip(pool.sources, pool.sizes, strict=True):
            chosen = np.flatnonzero((of_draws >= start) & (of_draws < start + size))
            items.append(
                RowsItem(
                    pool=place,
                    file=FileOfPool(pool.recipe, source.name, pool.schema),
                    columns=tuple(rows.columns_of(place)),
                    rows=of_draws[chosen] - start,
                    at=draws_wanted[chosen],
                    bounds=bounds,
                    aside=str(aside / f"{len(items):05}"),
                )
            )
            start += size
    by_item: dict[str, dict[tuple[int, int], list[Path]]] = {}
    runtime.map(put_rows_aside, items, lambda named_files: by_item.__setitem__(*named_files), where)
    files: dict[tuple[int, int], list[Path]] = {}
    for item in items:
        for shard_and_pool, own in by_item[item.aside].items():
            files.setdefault(shard_and_pool, []).extend(own)
    return files
