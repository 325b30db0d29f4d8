"""The rows of a set, written shard by shard: a second pass over the pools, in memory that their size does not change."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.errors import MachineGaveOut
from outcross.files.names import read_parquet
from outcross.files.whole import write_whole
from outcross.runtime import Where
from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.canonical import id_column, order_of_digests, update
from outcross.verbs.mix.draws import Draws
from outcross.verbs.mix.filtering import FilteredPools
from outcross.verbs.mix.pools import OpenPool, ScannedPool, Schema, fitted
from outcross.verbs.mix.provenance import PROVENANCE, with_provenance

if TYPE_CHECKING:
    import polars

ROWS = 500_000
"""Rows of a shard where nothing is said."""
MEMORY = 1 << 28
"""Bytes of rows that wait for their shard in memory; beyond them all that wait are put aside in files."""
IDS = 500_000
"""Ids that are made at a time."""
PLACE = "_place"
"""The column of a row's number in the set, while it waits."""
ASIDE = "aside"
"""The folder of rows that wait in files."""


@dataclass(frozen=True, eq=False)
class RowSet:
    """A set that is to be written: the mix, or its twin."""

    asked: MixRecipe
    pools: tuple[OpenPool, ...]
    scans: tuple[ScannedPool, ...]
    draws: Draws
    schema: Schema
    """Of the mix, without the columns of provenance."""
    split: str = "train"
    filtered: FilteredPools | None = None
    """What filters left of the pools; None where none was asked for."""
    factors: tuple[float, ...] = ()
    """By what the weight of each pool's rows is multiplied; nothing where there are none."""
    passed_over: tuple[tuple[str, tuple[np.ndarray, ...]], ...] = ()
    """Rows that filters leave and that are not drawn all the same: why, and which of each pool."""

    @property
    def ends(self) -> list[int]:
        """The number of the row behind the last of each shard; an empty shard is not written."""
        shards = self.asked.shards or max(1, -(-len(self.draws) // ROWS))
        return sorted({(number + 1) * len(self.draws) // shards for number in range(shards)} - {0})

    @property
    def names(self) -> list[str]:
        """The files of the shards, as Hugging Face datasets finds them."""
        return [f"{self.split}-{number:05}-of-{len(self.ends):05}.parquet" for number in range(len(self.ends))]

    def frames(
        self,
        skip: Sequence[bool] = (),
        aside: Path | None = None,
        where: Where = Where(),  # noqa: B008
    ) -> Iterator[polars.DataFrame | None]:
        """The rows of each shard, in order; None for those to be skipped, whose rows are not read."""
        from outcross.verbs.mix.apart import is_apart, placed_apart

        waiting = Waiting(self.ends, skip or [False] * len(self.ends), aside)
        # What filters and weights do to a row is known here alone.
        is_plain = self.filtered is None and set(self.factors) <= {1.0}
        if aside is not None and is_plain and is_apart(where, self.pools):
            waiting.files = placed_apart(self, waiting.skip, aside, where)
        else:
            for pool in range(len(self.pools)):
                for rows in self.rows_of(pool, waiting.wanted):
                    waiting.add(rows)
        yield from waiting.shards()

    def rows_of(self, pool: int, wanted: Callable[[np.ndarray], np.ndarray]) -> Iterator[polars.DataFrame]:
        """The drawn rows of a pool with their places, batch by batch as they are read."""
        import polars as pl

        opened, scan, draws, places = self.pools[pool], self.scans[pool], self.draws.pools[pool], self.draws.places(pool)
        keep = np.flatnonzero(wanted(places))
        order = keep[np.argsort(draws.rows[keep], kind="stable")]
        rows, places, passes = draws.rows[order], places[order], draws.passes[order]
        if not rows.size:
            return
        start, weights = 0, None if self.filtered is None else self.filtered.weights_of(pool)
        for batch in opened.batches():
            low, high = np.searchsorted(rows, [start, start + batch.height])
            if low < high:
                own = rows[low:high]
                # A row that is drawn again follows all rows of its content, so that every record has an occurrence of its own.
                occurrences = scan.occurrences[own] + passes[low:high] * (1 if scan.alike is None else scan.alike[own])
                frame = with_provenance(batch[own - start], opened.recipe, id_column(scan.of_rows[own], occurrences))
                if self.factors and self.factors[pool] != 1.0:
                    frame = frame.with_columns(pl.col("_weight") * self.factors[pool])
                if weights is not None:
                    frame = frame.with_columns(_weight=pl.col("_weight") * pl.Series(weights[own]))
                yield fitted(frame, self.schema | {name: frame.schema[name] for name in PROVENANCE}).with_columns(
                    pl.Series(PLACE, places[low:high], dtype=pl.Int64)
                )
            start += batch.height
            if high == len(rows):
                return


@dataclass(eq=False)
class Waiting:
    """Rows that have been read and wait for their shard."""

    ends: list[int]
    skip: Sequence[bool]
    aside: Path | None
    """A folder for them where memory is not enough; None where all stay in memory."""
    waiting: dict[int, list[Any]] = field(default_factory=dict)
    size: int = 0
    files: dict[int, list[Path]] = field(default_factory=dict)

    def wanted(self, places: np.ndarray) -> np.ndarray:
        """Which places are of shards that are not skipped."""
        return ~np.asarray(self.skip, dtype=bool)[np.searchsorted(self.ends, places, side="right")]

    def add(self, rows: polars.DataFrame) -> None:
        rows = rows.sort(PLACE)
        bounds = np.searchsorted(rows[PLACE].to_numpy(), [0, *self.ends])
        for shard, (low, high) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
            if low < high:
                self.waiting.setdefault(shard, []).append(rows[low:high])
        self.size += int(rows.estimated_size())
        if self.size > MEMORY and self.aside is not None:
            self.put_aside()

    def put_aside(self) -> None:
        """Write the rows that wait in memory into files."""
        import polars as pl

        folder = self.aside
        assert folder is not None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for shard, frames in self.waiting.items():
                files = self.files.setdefault(shard, [])
                path = folder / f"{shard:05}-{len(files):05}.arrow"
                packed = io.BytesIO()  # polars itself would not say that the disk is full, but that it could not compute
                pl.concat(frames).write_ipc(packed, compression="lz4")
                path.write_bytes(packed.getbuffer())
                files.append(path)
        except OSError as error:
            raise MachineGaveOut(f"{folder} could not be written: {error.strerror or error}; free space and run again") from None
        self.waiting, self.size = {}, 0

    def shards(self) -> Iterator[polars.DataFrame | None]:
        import polars as pl

        for shard, is_skipped in enumerate(self.skip):
            if is_skipped:
                yield None
                continue
            files = self.files.pop(shard, [])
            frames = [pl.read_ipc(io.BytesIO(path.read_bytes())) for path in files] + self.waiting.pop(shard, [])
            for path in files:
                path.unlink()
            yield pl.concat(frames).sort(PLACE).drop(PLACE).rechunk()


def write_shards(rows: RowSet, folder: Path, where: Where = Where()) -> str:  # noqa: B008
    """Write the shards of a set into a folder, those that are there already left as they are; returns the SHA-256 of its canonical rows.

    Each shard is written whole or not at all, so that a killed process leaves whole shards, and the next goes on from them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f"{ASIDE}-{rows.split}"
    shutil.rmtree(aside, ignore_errors=True)  # of a killed process
    paths = [folder / name for name in rows.names]
    there = [path.is_file() for path in paths]
    content = hashlib.sha256()
    with ThreadPoolExecutor(1) as beside:  # rows are digested while the next shard is put together
        under_way: Future[None] | None = None
        for path, frame in zip(paths, rows.frames(there, aside, where) if not all(there) else [None] * len(paths), strict=True):
            if frame is None:
                frame = read_parquet(path)
            else:
                write_whole(path, frame)
            if under_way is not None:
                under_way.result()
            under_way = beside.submit(update, content, frame)
        if under_way is not None:
            under_way.result()
    shutil.rmtree(aside, ignore_errors=True)
    return content.hexdigest()


def draws_frame(sets: Sequence[RowSet], splits: Sequence[np.ndarray] | None = None) -> polars.DataFrame:
    """How often each row of each pool was drawn, by the `_id` that it has where it is drawn first; in the order of pools and ids.

    `sets` are the splits of one mix. splits: for each pool the name of the split that each of its rows belongs to, (rows,) of words.
    """
    import polars as pl

    is_cut = {"split": pl.String} if splits is not None else {}
    frames = [pl.DataFrame(schema={"_id": pl.String, "_source": pl.String, "drawn": pl.UInt32} | is_cut)]
    for place, (opened, scan) in enumerate(zip(sets[0].pools, sets[0].scans, strict=True)):
        counts = np.bincount(np.concatenate([rows.draws.pools[place].rows for rows in sets]), minlength=scan.rows)
        order = order_of_digests(scan.of_rows[:, 0], scan.of_rows[:, 1], scan.occurrences)
        for start in range(0, len(order), IDS):
            part = order[start : start + IDS]
            names = id_column(scan.of_rows[part], scan.occurrences[part])
            columns = {"_source": pl.lit(opened.recipe.name), "drawn": pl.Series(counts[part], dtype=pl.UInt32)}
            if splits is not None:
                columns["split"] = pl.Series(splits[place][part].tolist(), dtype=pl.String)
            frames.append(names.to_frame().with_columns(**columns))
    return pl.concat(frames)
