"""Families of rows that are related by lineage. All rows of a family go into the same split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.errors import BadInput
from outcross.text.near import near_twins
from outcross.verbs.mix.asked import MixPool, MixRecipe
from outcross.verbs.mix.canonical import canonical, ids
from outcross.verbs.mix.pools import OpenPool, ScannedPool, Schema, contents, fitted, text_column
from outcross.verbs.mix.provenance import parents_of, prompt_of

if TYPE_CHECKING:
    import polars

Pairs = tuple[np.ndarray, np.ndarray]
"""Pairs as two arrays: rows, and the rows or names that they are joined with."""


@dataclass(frozen=True, eq=False)
class Families:
    """The family of every row of the pools. The number of a family depends on the content of its rows, never on the files that they come from."""

    of_rows: tuple[np.ndarray, ...]
    """For each pool the family of each of its rows, (rows,)."""
    keys: np.ndarray
    """A key of each family that depends only on its content, (families,)."""
    joined: dict[str, int]
    """The number of joined pairs for each reason."""
    notes: tuple[str, ...] = ()
    """Remarks about relations that were not examined, and about repeated ids."""

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: Sequence[np.ndarray]) -> Families:
        """Return the families of some rows of each pool."""
        return replace(self, of_rows=tuple(own[some] for own, some in zip(self.of_rows, rows, strict=True)))

    @property
    def sizes(self) -> np.ndarray:
        """The number of rows of each family, (families,)."""
        return sum((np.bincount(rows, minlength=len(self)) for rows in self.of_rows), np.zeros(len(self), np.int64))


def families(asked: MixRecipe, pools: Sequence[OpenPool], scans: Sequence[ScannedPool], schema: Schema) -> Families:
    """Return the families of all rows. Rows are joined transitively by parents, equal text, nearly equal text and, on request, equal prompts."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    reading = _reading(asked, pools, scans, schema)
    rows, lineage = sum(scan.rows for scan in scans), asked.lineage
    joined: dict[str, Pairs] = {}
    if lineage.parents:
        joined["parents"] = _by_parents(reading)
        if reading.same_id[0].size:
            joined["ids"] = reading.same_id
    if lineage.twins:
        joined["twins"] = _by_value(reading.contents)
    if lineage.near is not None and reading.text is not None:
        joined["near"] = _by_nearness(_batches_of_texts(pools, reading.text), scans, lineage.near)
    if lineage.prompts:
        joined["prompts"] = _by_value(reading.prompts)
    first, second = (
        (np.concatenate([np.zeros(0, np.int64), *parts]) for parts in zip(*joined.values(), strict=True)) if joined else ([], [])
    )
    nodes = rows + len(reading.parents)
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(nodes, nodes))
    label = connected_components(graph, directed=False)[1][:rows]
    keys, of_rows = _keyed(label, np.concatenate([np.zeros((0, 2), np.uint64), *(scan.of_rows for scan in scans)]))
    bounds = np.cumsum([scan.rows for scan in scans])[:-1]
    counts = {reason: len(pairs[0]) for reason, pairs in joined.items()}
    return Families(tuple(np.split(of_rows, bounds)), keys, counts, reading.notes)


def _keyed(label: np.ndarray, digests: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the key of each family, in the order of the families' smallest digests, and the family of each row. digests: (rows, 2)."""
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    place = np.empty(len(label), np.int64)
    place[order] = np.arange(len(label))
    first_row = np.full(int(label.max(initial=-1)) + 1, len(label))
    np.minimum.at(first_row, label, place)
    ranked = np.argsort(first_row)
    number = np.empty(len(first_row), np.int64)
    number[ranked] = np.arange(len(first_row))
    return digests[order[first_row[ranked]], 0], number[label]


@dataclass(frozen=True, eq=False)
class _Reading:
    """Linkage keys of the rows of all pools, pool after pool. Two rows have the same key if they have the same content, prompt or name."""

    contents: np.ndarray
    """The key of the content of each row, (rows,)."""
    prompts: np.ndarray
    """The key of the prompt of each row, (rows,). Each row without a prompt has a key of its own."""
    text: tuple[str, Any] | None
    """The text column and its type. Texts are read again for near twins, so that they need not stay in memory. None if there is no text column."""
    names: Pairs
    """Pairs of a row that is a parent and the key of its name."""
    same_id: Pairs
    """Pairs of rows of one pool with equal ids."""
    children: Pairs
    """Pairs of a row and the key of the name of its parent."""
    parents: np.ndarray
    """The keys of the names of parents, ascending."""
    notes: tuple[str, ...]


def _reading(asked: MixRecipe, pools: Sequence[OpenPool], scans: Sequence[ScannedPool], schema: Schema) -> _Reading:
    text, notes = _text(asked, schema)
    apart = {column for pool in asked.pools for column in (pool.id_column, pool.parents_column)}
    compared = dict([text]) if text else {name: dtype for name, dtype in schema.items() if name not in apart}
    contents_of, prompts = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    names, children, same_id, start = [_no_pairs()], [_no_pairs()], [_no_pairs()], 0
    for pool in pools:
        ids_of_pool = [_no_pairs()]
        for batch in pool.batches(_named(pool, compared)):
            rows = fitted(batch, compared)
            said = contents(rows.to_series()) if text else None
            contents_of.append(_numbers_or_own(canonical(rows) if said is None else said, start))
            if asked.lineage.prompts:
                prompts.append(_prompts(batch, pool.recipe, start))
            names.append(_names(batch, ("_id", pool.recipe.id_column), start))
            ids_of_pool.append(_names(batch, (pool.recipe.id_column,), start))
            children.append(_parents(batch, pool.recipe, start))
            start += batch.height
        row, own_id = (np.concatenate(parts) for parts in zip(*ids_of_pool, strict=True))
        first, second = _by_value(own_id)
        same_id.append((row[first], row[second]))
        if first.size:
            notes += (
                f"pool {pool.recipe.name!r}: {first.size:,} rows repeat an earlier id in {pool.recipe.id_column!r}; rows with the same id form one family",
            )
    child, parent = (np.concatenate(parts) for parts in zip(*children, strict=True))
    if parent.size:  # a parent may be named by the _id that an earlier mix gave to it
        names += _given_names(scans)
    named, name = (np.concatenate(parts) for parts in zip(*names, strict=True))
    known = np.unique(parent)
    is_parent = np.isin(name, known)
    return _Reading(
        contents=np.concatenate(contents_of),
        prompts=np.concatenate(prompts),
        text=text,
        names=(named[is_parent], name[is_parent]),
        same_id=(np.concatenate([rows for rows, _ in same_id]), np.concatenate([rows for _, rows in same_id])),
        children=(child, parent),
        parents=known,
        notes=notes,
    )


def _named(pool: OpenPool, compared: Schema) -> list[str] | None:
    """Return the columns of a pool that link rows. No other column is read. None if the pool has no columns."""
    recipe = pool.recipe
    names = [*compared, recipe.prompt_column, recipe.id_column, recipe.parents_column, "_prompt", "_id", "_parents"]
    return [name for name in dict.fromkeys(names) if name in pool.schema] or [*pool.schema][:1] or None


def _text(asked: MixRecipe, schema: Schema) -> tuple[tuple[str, Any] | None, tuple[str, ...]]:
    """Return the text column in which twins are searched, and notes that explain why there is none."""
    import polars as pl

    try:
        return text_column(asked, schema), ()
    except BadInput:
        if asked.text_column is not None:
            raise
    texts = [name for name, dtype in schema.items() if dtype == pl.String]
    if not texts or asked.lineage.near is None:
        return None, ()
    return None, ("near twins were not looked for: it is not clear which column is the text; name it as text_column",)


def _no_pairs() -> Pairs:
    return np.zeros(0, np.int64), np.zeros(0, np.uint64)


def _numbers(words: polars.Series) -> np.ndarray:
    """Return a hash of each word. Equal words have equal hashes; two different words share a hash with probability 2⁻⁶⁴."""
    return words.hash(seed=0).to_numpy()


def _prompts(batch: polars.DataFrame, pool: MixPool, start: int) -> np.ndarray:
    return _numbers_or_own(batch.select(prompt_of(batch, pool).alias("prompt")).to_series(), start)


def _numbers_or_own(words: polars.Series, start: int) -> np.ndarray:
    """Return a hash of each word (see `_numbers`). An empty or missing word gets a number of its own, so that it has no twin."""
    numbers = _numbers(words).copy()
    empty = words.is_null().to_numpy() | (words == "").fill_null(False).to_numpy()
    numbers[empty] = np.arange(start, start + words.len(), dtype=np.uint64)[empty]
    return numbers


def _names(batch: polars.DataFrame, columns: Sequence[str | None], start: int) -> Pairs:
    """Return pairs of a row and the hash of a name that it has in one of these columns (`_id` of another mix, or the pool's id_column)."""
    import polars as pl

    rows, names = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
    for column in dict.fromkeys(columns):
        if column is not None and column in batch.columns:
            said = batch[column].cast(pl.String)
            there = said.is_not_null().to_numpy()
            rows.append(start + np.flatnonzero(there))
            names.append(_numbers(said)[there])
    return np.concatenate(rows), np.concatenate(names)


def _parents(batch: polars.DataFrame, pool: MixPool, start: int) -> Pairs:
    """Return pairs of a row and the hash of the name of one of its parents."""
    import polars as pl

    said = batch.select(parents_of(batch, pool).alias("parents")).to_series()
    many = said.list.len().fill_null(0).to_numpy().astype(np.int64)
    if not many.any():
        return _no_pairs()
    names = said.explode().drop_nulls().cast(pl.String)
    return start + np.repeat(np.arange(batch.height), many), _numbers(names)


def _given_names(scans: Sequence[ScannedPool]) -> Iterator[Pairs]:
    """Yield pairs of each row and the hash of its `_id` in this mix. It had the same `_id` in every earlier mix of the same pool."""
    import polars as pl

    start = 0
    for scan in scans:
        names = pl.Series("_id", ids(scan.of_rows, scan.occurrences), dtype=pl.String)
        yield start + np.arange(scan.rows), _numbers(names)
        start += scan.rows


def _by_parents(reading: _Reading) -> Pairs:
    """Return pairs of each child and each parent row with a node for the parent's name. These nodes are numbered after all rows."""
    rows = len(reading.contents)
    owner, name = (np.concatenate(parts) for parts in zip(reading.children, reading.names, strict=True))
    return owner, rows + np.searchsorted(reading.parents, name)


def _by_value(numbers: np.ndarray) -> Pairs:
    """Return pairs of neighbouring rows with the same number, the earlier row first."""
    order = np.argsort(numbers, kind="stable")
    same = np.flatnonzero(numbers[order][1:] == numbers[order][:-1])
    return order[same], order[same + 1]


def _batches_of_texts(pools: Sequence[OpenPool], text: tuple[str, Any]) -> Iterator[list[str]]:
    """Yield the texts of all pools, batch by batch."""
    name, dtype = text
    for pool in pools:
        names = [name] if name in pool.schema else [*pool.schema][:1]
        for batch in pool.batches(names) if pool.schema else ():
            yield contents(fitted(batch, {name: dtype}).to_series()).to_list()


def _by_nearness(texts: Iterator[list[str]], scans: Sequence[ScannedPool], threshold: float) -> Pairs:
    """Return pairs of near twins. They are searched in an order that depends only on the content of the rows."""
    digests = np.concatenate([scan.of_rows for scan in scans])
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    twins = near_twins(texts, threshold, order=order)
    return order[twins.first], order[twins.second]
