"""Write the rows of a set shard by shard, in a second pass over the pools. The memory needed does not depend on the size of the pools."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.errors import MachineGaveOut
from outcross.files.names import read_parquet
from outcross.files.whole import write_whole
from outcross.runtime import Where
from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.canonical import id_column, order_of_digests, update
from outcross.verbs.mix.draws import Draws, number_type
from outcross.verbs.mix.filtering.filtered import FilteredPools
from outcross.verbs.mix.pools import OpenPool, ScannedPool, Schema, fitted
from outcross.verbs.mix.provenance import PROVENANCE, columns_read, with_provenance

if TYPE_CHECKING:
    import polars

ROWS = 500_000
"""The default maximum number of rows of a shard."""
BYTES = 1 << 28
"""The default approximate maximum size of a shard, in bytes of canonical text. A whole shard is in memory at once."""
MEMORY = 1 << 27
"""The maximum size of rows that wait in memory for their shard, in bytes. Beyond it all waiting rows are written to temporary files."""
IDS = 100_000
"""The number of ids that are computed at a time."""
DRAW = "\0draw"
"""The temporary column with the number of a row's draw in its pool. No column of a file has this name."""
ASIDE = "aside"
"""The name of the folder of temporary files."""


@dataclass(frozen=True, eq=False)
class RowSet:
    """A set of rows to write: a split of the mix, or the set of human rows alone."""

    asked: MixRecipe
    pools: tuple[OpenPool, ...]
    scans: tuple[ScannedPool, ...]
    draws: Draws
    schema: Schema
    """The schema of the mix, without the columns of provenance."""
    split: str = "train"
    filtered: FilteredPools | None = None
    """The pools after the filters; None if there are no filters."""
    factors: tuple[float, ...] = ()
    """The factor for the weights of each pool's rows; empty if there are no weights."""
    passed_over: tuple[tuple[str, tuple[np.ndarray, ...]], ...] = ()
    """The reasons for which rows that passed the filters are not drawn, with the indices of these rows in each pool."""

    @property
    def ends(self) -> list[int]:
        """The position after the last row of each shard. An empty shard is not written."""
        size = sum(scan.content.of(len(own)) for scan, own in zip(self.scans, self.draws.pools, strict=True))
        shards = self.asked.shards or max(1, -(-len(self.draws) // ROWS), -(-size // BYTES))
        return sorted({(number + 1) * len(self.draws) // shards for number in range(shards)} - {0})

    @property
    def names(self) -> list[str]:
        """The file names of the shards, in the pattern that Hugging Face datasets recognises."""
        return [f"{self.split}-{number:05}-of-{len(self.ends):05}.parquet" for number in range(len(self.ends))]

    @cached_property
    def places(self) -> tuple[np.ndarray, ...]:
        """The ascending positions in the set of the draws of each pool, (n,) each."""
        return tuple(self.draws.places(pool) for pool in range(len(self.pools)))

    @property
    def bounds(self) -> tuple[np.ndarray, ...]:
        """For each pool the number of its first draw in each shard, and the number of its draws, (shards + 1,) each."""
        return tuple(np.searchsorted(places, [0, *self.ends]) for places in self.places)

    @cached_property
    def weights(self) -> tuple[np.ndarray | None, ...]:
        """The weight that filters give each row of each pool, (rows,) each; None if they give none."""
        return tuple(None if self.filtered is None else self.filtered.weights_of(pool) for pool in range(len(self.pools)))

    def columns_of(self, pool: int) -> list[str]:
        """Return the columns of a pool that the set needs: those of the mix, and those from which provenance is read."""
        opened = self.pools[pool]
        needed = {*self.schema, *columns_read(opened.recipe)}
        return [name for name in opened.schema if name in needed] or [*opened.schema][:1]

    def frames(
        self,
        skip: Sequence[bool] = (),
        aside: Path | None = None,
        where: Where = Where(),  # noqa: B008
    ) -> Iterator[polars.DataFrame | None]:
        """Yield the rows of each shard, in order. A skipped shard gives None, and its rows are not read."""
        from outcross.verbs.mix.apart import is_apart, placed_apart

        skip = skip or [False] * len(self.ends)
        waiting = Waiting(aside)
        if aside is not None and is_apart(where, self.pools):
            waiting.files = placed_apart(self, skip, aside, where)
        else:
            for place, (pool, draws, bounds) in enumerate(zip(self.pools, self.draws.pools, self.bounds, strict=True)):
                at = wanted(bounds, skip)
                for rows in drawn_rows(pool, draws.rows[at], at, self.columns_of(place)):
                    waiting.add(place, rows, bounds)
        for shard, is_skipped in enumerate(skip):
            yield None if is_skipped else self._put_together(shard, waiting)

    def _put_together(self, shard: int, waiting: Waiting) -> polars.DataFrame:
        """Return the rows of a shard, with provenance and in the order of the set."""
        import polars as pl

        frames, places = [], []
        for pool in range(len(self.pools)):
            rows = waiting.taken(shard, pool)
            if rows is not None:
                at = rows[DRAW].to_numpy()
                frames.append(self._finished(pool, rows.drop(DRAW), at))
                places.append(self.places[pool][at])
        whole = pl.concat(frames, rechunk=True)
        frames.clear()  # at most three copies of the rows are in memory
        order = np.empty(whole.height, dtype=np.int64)
        order[np.concatenate(places) - [0, *self.ends][shard]] = np.arange(whole.height)
        return whole[order]

    def _finished(self, pool: int, rows: polars.DataFrame, at: np.ndarray) -> polars.DataFrame:
        """Return rows of a pool with the columns of the set. at: the number of the draw of each row, (n,)."""
        import polars as pl

        scan, draws, weights = self.scans[pool], self.draws.pools[pool], self.weights[pool]
        own = draws.rows[at]
        # The occurrence of a row that is drawn again comes after all rows with the same content, so that every record has its own occurrence.
        occurrences = scan.occurrences[own] + draws.passes[at] * (1 if scan.alike is None else scan.alike[own])
        frame = with_provenance(rows, self.pools[pool].recipe, id_column(scan.of_rows[own], occurrences))
        if self.factors and self.factors[pool] != 1.0:
            frame = frame.with_columns(pl.col("_weight") * self.factors[pool])
        if weights is not None:
            frame = frame.with_columns(_weight=pl.col("_weight") * pl.Series(weights[own]))
        return fitted(frame, self.schema | {name: frame.schema[name] for name in PROVENANCE})


def wanted(bounds: np.ndarray, skip: Sequence[bool]) -> np.ndarray:
    """Return the numbers of the draws of a pool in shards that are not skipped. bounds: (shards + 1,)."""
    is_wanted = np.repeat(~np.asarray(skip, dtype=bool), np.diff(bounds))
    return np.flatnonzero(is_wanted).astype(number_type(len(is_wanted)))


def drawn_rows(pool: OpenPool, rows: np.ndarray, at: np.ndarray, columns: Sequence[str]) -> Iterator[polars.DataFrame]:
    """Yield rows of a pool with the numbers of their draws, in the batches in which they are read. Each batch is sorted by the number of the draw.

    rows: the index of each row in reading order, (n,). at: the number of its draw, (n,).
    """
    import polars as pl

    order = np.argsort(rows, kind="stable").astype(number_type(len(rows)))
    rows, at, start = rows[order], at[order], 0
    del order
    for batch in pool.batches(columns) if rows.size else ():
        low, high = np.searchsorted(rows, [start, start + batch.height])
        if low < high:
            own = low + np.argsort(at[low:high])
            yield batch[rows[own] - start].with_columns(pl.Series(DRAW, at[own], dtype=pl.Int64))
        start += batch.height
        if high == len(rows):
            return


@dataclass(eq=False)
class Waiting:
    """Rows that have been read and wait for their shard, by the numbers of shard and pool."""

    aside: Path | None
    """The folder for temporary files if memory is not sufficient; None if all rows stay in memory."""
    frames: dict[tuple[int, int], list[Any]] = field(default_factory=dict)
    size: int = 0
    files: dict[tuple[int, int], list[Path]] = field(default_factory=dict)

    def add(self, pool: int, rows: polars.DataFrame, bounds: np.ndarray) -> None:
        """Add rows of a pool, sorted by the number of their draw. bounds: the first draw of each shard, and the number of draws, (shards + 1,)."""
        places = np.searchsorted(rows[DRAW].to_numpy(), bounds)
        for shard, (low, high) in enumerate(pairwise(places.tolist())):
            if low < high:
                self.frames.setdefault((shard, pool), []).append(rows[low:high])
        self.size += int(rows.estimated_size())
        if self.size > MEMORY and self.aside is not None:
            self.put_aside()

    def put_aside(self) -> None:
        """Write the rows that wait in memory to temporary files."""
        import polars as pl

        folder = self.aside
        assert folder is not None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for (shard, pool), frames in self.frames.items():
                files = self.files.setdefault((shard, pool), [])
                path = folder / f"{shard:05}-{pool:05}-{len(files):05}.arrow"
                packed = io.BytesIO()  # if polars wrote the file, a full disk would be reported as a ComputeError
                pl.concat(frames).write_ipc(packed, compression="lz4")
                path.write_bytes(packed.getbuffer())
                files.append(path)
        except OSError as error:
            raise MachineGaveOut(f"{folder} could not be written: {error.strerror or error}; free space and run again") from None
        self.frames, self.size = {}, 0

    def taken(self, shard: int, pool: int) -> polars.DataFrame | None:
        """Remove and return the rows of a pool that wait for a shard; None if there are none."""
        import polars as pl

        files = self.files.pop((shard, pool), [])
        frames = [pl.read_ipc(io.BytesIO(path.read_bytes())) for path in files] + self.frames.pop((shard, pool), [])
        for path in files:
            path.unlink()
        return pl.concat(frames) if frames else None


def write_shards(rows: RowSet, folder: Path, where: Where, beside: Executor) -> Callable[[], str]:
    """Write the shards of a set into a folder, except those that exist. Returns a function that waits for the SHA-256 of all canonical rows.

    Each shard is written atomically, so that a killed process leaves complete shards, and the next process resumes from them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f"{ASIDE}-{rows.split}"
    shutil.rmtree(aside, ignore_errors=True)  # left by a killed process
    paths = [folder / name for name in rows.names]
    there = [path.is_file() for path in paths]
    content = hashlib.sha256()
    under_way: Future[None] | None = None
    for path, frame in zip(paths, rows.frames(there, aside, where) if not all(there) else [None] * len(paths), strict=True):
        if frame is None:
            frame = read_parquet(path)
        else:
            write_whole(path, frame)
        if under_way is not None:
            under_way.result()
        under_way = beside.submit(update, content, frame)  # rows are digested while the next shard is assembled
    shutil.rmtree(aside, ignore_errors=True)

    def finished() -> str:
        if under_way is not None:
            under_way.result()
        return content.hexdigest()

    return finished


def draws_of_rows(sets: Sequence[RowSet], splits: Sequence[np.ndarray] | None = None) -> polars.LazyFrame:
    """Return a frame of how often each row of each pool was drawn, with the `_id` of its first draw, sorted by pool and id.

    The frame is lazy and is computed piece by piece as it is written.
    sets: the splits of one mix. splits: for each pool the name of the split of each row, (rows,) of words.
    """
    import polars as pl
    from polars.io.plugins import register_io_source

    is_cut = {"split": pl.String} if splits is not None else {}

    def pieces(*_: object) -> Iterator[polars.DataFrame]:
        for place, (opened, scan) in enumerate(zip(sets[0].pools, sets[0].scans, strict=True)):
            counts = np.zeros(scan.rows, dtype=np.uint32)
            for rows in sets:
                counts += np.bincount(rows.draws.pools[place].rows, minlength=scan.rows).astype(np.uint32)
            order = order_of_digests(scan.of_rows[:, 0], scan.of_rows[:, 1], scan.occurrences).astype(number_type(scan.rows))
            for start in range(0, len(order), IDS):
                part = order[start : start + IDS]
                names = id_column(scan.of_rows[part], scan.occurrences[part])
                columns = {"_source": pl.lit(opened.recipe.name), "drawn": pl.Series(counts[part], dtype=pl.UInt32)}
                if splits is not None:
                    columns["split"] = pl.Series(splits[place][part].tolist(), dtype=pl.String)
                yield names.to_frame().with_columns(**columns)

    return register_io_source(pieces, schema={"_id": pl.String, "_source": pl.String, "drawn": pl.UInt32} | is_cut)
