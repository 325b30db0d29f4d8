"""Trace a row of a mix back to the file that it was read from and to its parents, also through earlier mixes. Where the chain ends, the reason is given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from outcross.errors import BadInput, OutcrossError
from outcross.files import names
from outcross.files.inputs import digest as digest_of_file
from outcross.files.names import literal, read_parquet
from outcross.verbs.mix import work
from outcross.verbs.mix.asked import MixPool, MixRecipe
from outcross.verbs.mix.canonical import canonical, digests, ids
from outcross.verbs.mix.pools import OpenPool, opened
from outcross.verbs.mix.provenance import PROVENANCE
from outcross.verbs.mix.result import is_stored, read_manifest, shards
from outcross.verbs.results import WIDTH, Result
from outcross.wording import amount

SHORTEST = 4
"""The minimum number of characters of the beginning of an `_id`."""
DEEPEST = 50
"""The maximum number of steps that are followed."""
MOST_PARENTS = 20
"""The maximum number of parents of a row that are followed. The others are only named."""
SHOWN = 5
"""The number of ids that an error names."""


@dataclass(frozen=True)
class FileRow:
    """A row of a file that a pool was read from."""

    file: str
    """The present path of the file."""
    row: int
    """The number of the row in the file, from 1. A header is not counted."""
    sha256: str
    """The SHA-256 of the file, from the manifest of the mix."""


@dataclass(frozen=True, repr=False)
class Trace(Result):
    """A record and the records that it comes from. Unknown values are None."""

    id: str
    mix: str | None = None
    """The folder of the mix that contains the record; None for a parent that is in no mix."""
    shard: str | None = None
    """The file of the mix that contains the record; None if the record was not drawn."""
    row: int | None = None
    """The number of the row in that file, from 1."""
    pool: str | None = None
    source: str | None = None
    """The value of its column `_source`: the pool, followed by its pool in an earlier mix."""
    digest: str | None = None
    """The digest of its content and the name of its pool, which is the `_id` of the first record with that content."""
    origin: str | None = None
    model: str | None = None
    generation: int | None = None
    decoding: str | None = None
    file: FileRow | None = None
    """The file row that it was read from; None if it is unknown, as `ends` explains."""
    parents: tuple[Trace, ...] = ()
    """The records that it was made from, or the same record in an earlier mix, the nearest first."""
    ends: str = ""
    """The reason why the chain ends here; empty if a parent continues it."""

    @property
    def short(self) -> str:
        """The id and the origin of the record, and the number of records that it comes from, in one line."""
        back = sum(1 for _ in self._records()) - 1
        return f"Trace of {self.id}: {self.origin or 'origin unknown'}{f', {self.model}' if self.model else ''}, back over {amount(back, 'record')}"

    def _records(self) -> Iterator[tuple[int, Trace]]:
        """Yield the record and all records that it comes from, each with its number of steps back."""
        yield 0, self
        for parent in self.parents:
            yield from ((depth + 1, record) for depth, record in parent._records())

    def frame(self) -> Any:
        """Return a polars frame with one row per record: its number of steps back, and its properties."""
        import polars

        names = [name for name in self.__dataclass_fields__ if name not in ("file", "parents")]
        rows = [
            {"back": depth} | {name: getattr(record, name) for name in names} | {"file": record.file.file if record.file else None}
            for depth, record in self._records()
        ]
        return polars.DataFrame(rows, infer_schema_length=None)

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return the lines for a terminal."""
        from outcross.verbs.mix.screen import trace_lines

        return list(trace_lines(self, width))

    def plain(self) -> dict[str, Any]:
        """Return the trace as plain data."""
        return {"schema": 1, **self._plain()}

    def _plain(self) -> dict[str, Any]:
        own = {key: getattr(self, key) for key in self.__dataclass_fields__ if key not in ("file", "parents")}
        file = None if self.file is None else {"file": self.file.file, "row": self.file.row, "sha256": self.file.sha256}
        return own | {"file": file, "parents": [parent._plain() for parent in self.parents]}


def traced(folder: Path, beginning: str) -> Trace:
    """Trace the record whose `_id` starts with `beginning`. Raises BadInput if there is no such record, or more than one."""
    if not re.fullmatch("[0-9a-f]{1,32}", beginning):
        raise BadInput(
            f"--id must be an _id or the beginning of one: up to 32 of the characters 0-9 and a-f, got {beginning!r:.80}"
        )
    if len(beginning) < SHORTEST:
        raise BadInput(f"--id {beginning} is too short to identify a row; give at least {SHORTEST} characters")
    mix = _Mix(folder)
    ids = mix.beginning_with(beginning)
    if not ids:
        raise BadInput(
            f"{folder} has no row, drawn or not, whose _id starts with {beginning}; see the column _id in {folder / work.DATA}"
        )
    if len(ids) > 1:
        more = f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
        raise BadInput(
            f"the _id of {amount(len(ids), 'row')} starts with {beginning}: {', '.join(ids[:SHOWN])}{more}; give more characters"
        )
    trace = mix.trace(ids[0], DEEPEST)
    assert trace is not None
    return trace


@dataclass(frozen=True, eq=False)
class _Mix:
    """A mix in a folder, in which rows are traced."""

    folder: Path
    digests: dict[str, list[np.ndarray]] = field(default_factory=dict)
    """The digests of the rows of each file, by pool, as far as they have been computed."""

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return read_manifest(self.folder)

    @cached_property
    def shards(self) -> list[Path]:
        splits = self.manifest.get("splits")
        held_back = (
            [split for split in splits.values() if isinstance(split, dict) and "shards" in split]
            if isinstance(splits, dict)
            else []
        )
        return [path for manifest in (self.manifest, *held_back) for path in shards(self.folder, manifest)]

    @cached_property
    def recipe(self) -> MixRecipe | None:
        """The recipe of the mix; None if the manifest does not contain a valid one."""
        try:
            return MixRecipe(**self.manifest["requested"])
        except (OutcrossError, TypeError):
            return None

    @cached_property
    def pools(self) -> dict[str, tuple[OpenPool, dict[str, str]] | str]:
        """For each pool the opened pool with the digest of each of its files by path, or the reason why it cannot be read again."""
        pools: dict[str, tuple[OpenPool, dict[str, str]] | str] = {}
        for recipe in self.recipe.pools if self.recipe else ():
            pools[recipe.name] = self._opened(recipe)
        return pools

    def _opened(self, recipe: MixPool) -> tuple[OpenPool, dict[str, str]] | str:
        read = self.manifest.get("read", {})
        recorded = read.get(recipe.name) if isinstance(read, dict) else None
        files = recorded.get("files") if isinstance(recorded, dict) else None
        if not isinstance(files, dict) or not files:
            if isinstance(recorded, dict) and "memory" in recorded:
                return f"pool {recipe.name!r} was given in memory, as {', '.join(map(str, recorded['memory']))}, and not as a file"
            return f"the manifest does not say which files pool {recipe.name!r} was read from"
        places: dict[str, str] = {}
        for name, sha256 in files.items():
            place = self._place(str(name), str(sha256))
            if isinstance(place, str):
                return place
            places[str(place)] = str(sha256)
        try:
            return opened(recipe, list(places)), places
        except OutcrossError as error:
            return str(error)

    def _place(self, name: str, sha256: str) -> Path | str:
        """Return the path of the file with this content, searched from the working folder and the folders around the mix, or the reason why it is not found."""
        is_there = False
        for around in ("", self.folder.resolve(), *self.folder.resolve().parents):
            place = Path(around, name)
            if names.kind_at(place) == "file":
                is_there = True
                if digest_of_file([place]) == sha256:
                    return place
        if is_there:
            return f"{name} has been changed since the mix was made (its SHA-256 is not {sha256[:16]}…)"
        return f"{name} is no longer there; it was searched from the working folder and from the folders around {self.folder}"

    def beginning_with(self, beginning: str) -> list[str]:
        """Return the ids with this beginning: those of rows in the mix, or if there are none those of rows that were not drawn."""
        import polars as pl

        ids: list[str] = []
        for path in [*self.shards, *self._draws]:
            if path in self._draws and ids:
                break
            column = pl.scan_parquet(literal(path), glob=False, hive_partitioning=False).select("_id").collect()["_id"]
            ids += column.filter(column.str.starts_with(beginning)).to_list()
        return sorted(set(ids))

    @property
    def _draws(self) -> list[Path]:
        path = self.folder / work.DRAWS
        return [path] if names.kind_at(path) == "file" else []

    def row(self, record: str) -> tuple[str, int, dict[str, Any]] | None:
        """Return the file of a row of the mix, its number in it from 1, and its columns of provenance; None if it was not drawn."""
        import polars as pl

        for path in self.shards:
            query = pl.scan_parquet(literal(path), glob=False, hive_partitioning=False).select(PROVENANCE).with_row_index("row", 1)
            rows = query.filter(pl.col("_id") == record).collect()
            if rows.height:
                own = rows.row(0, named=True)
                return str(path.relative_to(self.folder)), own.pop("row"), own
        return None

    def undrawn(self, record: str) -> str | None:
        """Return the pool of a row that was not drawn; None if no pool has it."""
        import polars as pl

        for path in self._draws:
            rows = read_parquet(path).filter(pl.col("_id") == record)
            if rows.height:
                return rows["_source"][0]
        return None

    def trace(self, record: str, depth: int) -> Trace | None:
        """Return the trace of a record; None if the mix does not contain it."""
        place = self.row(record)
        if place is None:
            pool = self.undrawn(record)
            if pool is None:
                return None
            trace = Trace(record, str(self.folder), pool=pool, source=pool)
            return replace(self._read(trace, [pool], None, depth), shard=None, row=None)
        shard, row, own = place
        trace = Trace(
            id=record,
            mix=str(self.folder),
            shard=shard,
            row=row,
            source=own["_source"],
            origin=own["_origin"],
            model=own["_model"],
            generation=own["_generation"],
            decoding=own["_decoding"],
        )
        pools = [pool["name"] for pool in self.manifest["pools"]]
        of_source = [name for name in pools if own["_source"] == name or str(own["_source"]).startswith(f"{name}/")]
        return self._read(trace, sorted(of_source, key=len, reverse=True), own["_parents"] or [], depth)

    def _read(self, trace: Trace, pools: Sequence[str], parents: Sequence[str] | None, depth: int) -> Trace:
        """Add to a trace the file that the record was read from, and its parents."""
        why = f"the manifest has no pool with the name in _source ({trace.source})"
        for name in pools:
            opened = self.pools.get(name, f"the manifest does not say how pool {name!r} was read")
            if isinstance(opened, str):
                why, trace = opened, replace(trace, pool=name)
                continue
            try:
                row = _row_of_pool(*opened, self._digests(name), trace.id, self._repeats(name))
            except OutcrossError as error:
                why = str(error)
                continue
            if row is not None:
                file, digest, own = row
                trace = replace(trace, pool=name, file=file, digest=digest)
                return self._with_parents(trace, own, parents, depth)
            why = f"the files of pool {name!r}, as they are read now, contain no row with this _id"
        return self._with_parents(replace(trace, ends=why), {}, parents, depth)

    def _digests(self, name: str) -> list[np.ndarray]:
        """Return the digests of the rows of each file of a pool. They are computed once."""
        opened = self.pools[name]
        assert not isinstance(opened, str)
        if name not in self.digests:
            self.digests[name] = [_digests(opened[0], number) for number in range(len(opened[0].sources))]
        return self.digests[name]

    @cached_property
    def earlier(self) -> list[_Mix]:
        """The mixes from which pools of this mix were read, as far as they still exist."""
        folders = [_folder_of(file) for opened in self.pools.values() if not isinstance(opened, str) for file in opened[1]]
        return [
            _Mix(folder) for folder in dict.fromkeys(folders) if folder is not None and folder.resolve() != self.folder.resolve()
        ]

    def parent(self, record: str, depth: int) -> Trace:
        """Return the trace of a parent, from this mix or from a mix that a pool was read from."""
        if depth <= 1:
            return Trace(record, ends=f"only {DEEPEST} steps are followed")
        for mix in (self, *self.earlier):
            try:
                trace = mix.trace(record, depth - 1)
            except OutcrossError:  # the content of a damaged mix cannot be trusted
                continue
            if trace is not None:
                return trace
        return Trace(record, ends="it names a record that is in none of the files of this mix")

    def _repeats(self, pool: str) -> int:
        """Return the maximum number of times that a row of a pool was drawn."""
        times = next((pool_facts.get("max_repeats") for pool_facts in self.manifest["pools"] if pool_facts["name"] == pool), 1)
        return times if isinstance(times, int) and times > 0 else 1

    def _with_parents(self, trace: Trace, own: Mapping[str, Any], parents: Sequence[str] | None, depth: int) -> Trace:
        """Add the parents to a trace: first the same record in an earlier mix, then the records that it was made from."""
        traces: list[Trace] = []
        rest = list(parents or [])
        former = own.get("_id")
        if isinstance(former, str) and former:
            earlier = _earlier(former, trace.file, depth)
            traces.append(earlier)
            rest = rest[1 + len(own.get("_parents") or []) :]
        elif trace.ends and rest and trace.pool is not None and trace.source not in (None, trace.pool):
            pool = str(trace.source).removeprefix(f"{trace.pool}/")
            traces.append(
                Trace(rest.pop(0), source=pool, ends=f"it was a record of pool {pool} in an earlier mix, whose files are missing")
            )
        traces += [
            self.parent(parent, depth) if parent != trace.id else Trace(parent, ends="it names itself")
            for parent in rest[:MOST_PARENTS]
        ]
        traces += [Trace(parent, ends=f"only the first {MOST_PARENTS} parents are followed") for parent in rest[MOST_PARENTS:]]
        if trace.ends:
            return replace(trace, parents=tuple(traces))
        return replace(trace, parents=tuple(traces), ends="" if traces else _end(trace, parents is not None))


def _end(trace: Trace, is_drawn: bool) -> str:
    """Return the reason why the chain ends at a record whose file was found."""
    if not is_drawn:
        return "the record was not drawn; this is the file that contains it"
    if trace.origin == "human":
        return "people wrote it, according to its pool; this is the file that it was read from"
    if trace.origin == "unknown":
        return "its origin is unknown; this is the file that it was read from"
    by = trace.model or "an unnamed model"
    what = {"edited": f"it was edited by {by}", "translated": f"it was translated by {by}"}.get(str(trace.origin), f"{by} wrote it")
    return f"{what}, and its parents are unknown (parents_column); this is the file that it was read from"


def _earlier(former: str, file: FileRow | None, depth: int) -> Trace:
    """Return the trace of a record in the earlier mix that it comes from."""
    if depth <= 1:
        return Trace(former, ends=f"only {DEEPEST} steps are followed")
    assert file is not None
    folder = _folder_of(file.file)
    if folder is None:
        return Trace(former, ends=f"{file.file} contains this _id from an earlier mix, and is not in the folder of a mix")
    try:
        trace = _Mix(folder).trace(former, depth - 1)
    except OutcrossError as error:
        return Trace(former, str(folder), ends=str(error))
    return trace or Trace(former, str(folder), ends=f"the mix in {folder} does not contain this record")


def _folder_of(file: str) -> Path | None:
    """Return the folder of the mix that a file belongs to; None if there is none."""
    return next((folder for folder in [*Path(file).parents][:2] if is_stored(folder)), None)


def _row_of_pool(
    pool: OpenPool, files: Mapping[str, str], by_file: Sequence[np.ndarray], record: str, repeats: int
) -> tuple[FileRow, str, dict[str, Any]] | None:
    """Find the row of a pool's files that became a record. Returns the row, the digest of its content and its own provenance; None if there is no such row.

    by_file: the digests of the rows of each file, (n, 2).
    """
    whole = np.concatenate([np.zeros((0, 2), np.uint64), *by_file])
    wanted = _occurrence(whole, record, repeats)
    if wanted is None:
        return None
    digest, occurrence = wanted
    alike = np.flatnonzero((whole == digest).all(axis=1))
    place = int(alike[occurrence % len(alike)])  # the occurrence of a repeated draw comes after all rows with the same content
    ends = np.cumsum([len(part) for part in by_file])
    number = int(np.searchsorted(ends, place, side="right"))
    row = place - int(ends[number] - len(by_file[number]))
    name = pool.sources[number].name
    return FileRow(name, row + 1, files.get(name, "")), ids(digest[None], np.zeros(1, int))[0], _cells(pool, number, row)


def _digests(pool: OpenPool, number: int) -> np.ndarray:
    digests_by_batch = [
        digests(canonical(batch), pool.recipe.name) for batch in replace(pool, sources=(pool.sources[number],)).batches()
    ]
    return np.concatenate([np.zeros((0, 2), np.uint64), *digests_by_batch])


def _occurrence(whole: np.ndarray, record: str, repeats: int) -> tuple[np.ndarray, int] | None:
    """Return the digest of a record and the number of its occurrence, from 0; None if the pool has no such record.

    whole: the digest of each row of a pool, (n, 2).
    """
    own = np.frombuffer(bytes.fromhex(record), dtype=">u8").astype(np.uint64)
    if len(own) == 2 and (whole == own).all(axis=1).any():
        return own, 0
    contents, counts = np.unique(whole, axis=0, return_counts=True)
    for occurrence in range(1, int(counts.max(initial=0)) * repeats):
        there = contents[counts * repeats > occurrence]
        named = ids(there, np.full(len(there), occurrence))
        if record in named:
            return there[named.index(record)], occurrence
    return None


def _cells(pool: OpenPool, number: int, row: int) -> dict[str, Any]:
    """Return the values of `_id` and `_parents` of a row in its file, as far as the file has these columns."""
    start = 0
    for batch in replace(pool, sources=(pool.sources[number],)).batches():
        if row < start + batch.height:
            own = [name for name in ("_id", "_parents") if name in batch.columns]
            return batch[row - start].select(own).row(0, named=True) if own else {}
        start += batch.height
    return {}
