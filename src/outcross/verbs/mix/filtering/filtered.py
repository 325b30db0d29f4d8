"""Apply the filters to the pools, between the first reading and the plan. Each filter sees the rows that the filters before it kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.filters import Selection
from outcross.filters.selecting import check_selection
from outcross.ledger import stream
from outcross.verbs.mix.asked import MixFilter, MixRecipe
from outcross.verbs.mix.canonical import ids
from outcross.verbs.mix.draws import Draws, PoolDraws
from outcross.verbs.mix.filtering.candidates import CandidateStore, PoolCandidates
from outcross.verbs.mix.filtering.steps import FilterSteps
from outcross.verbs.mix.pools import ScannedPool

if TYPE_CHECKING:
    import polars

MOST_TIMES = 1000
"""The maximum number of times that a filter keeps one row."""


@dataclass(frozen=True, eq=False)
class FilterOutcome:
    """The result of one filter."""

    number: int
    """The number of the filter in the mix, from 1."""
    recipe: MixFilter
    at: np.ndarray
    """The ascending indices of its candidates among all rows, (n,)."""
    selection: Selection

    @property
    def step(self) -> str:
        return f"{self.number} {self.recipe.name}"

    @property
    def kept(self) -> np.ndarray:
        """The indices of the kept candidates among all rows."""
        return self.at[self.selection.kept]

    @property
    def rejected(self) -> np.ndarray:
        return self.at[~self.selection.kept]

    @cached_property
    def reasons(self) -> np.ndarray:
        """The index in `selection.reasons` of the reason for each rejected candidate."""
        reason = self.selection.reason
        gone = ~self.selection.kept
        return np.zeros(int(gone.sum()), np.int64) if reason is None else np.asarray(reason)[gone]


@dataclass(frozen=True, eq=False)
class FilteredPools:
    """The pools after all filters."""

    store: CandidateStore
    outcomes: tuple[FilterOutcome, ...]
    times: np.ndarray
    """How often each row is kept, (rows of all pools,)."""
    weights: np.ndarray | None
    """The weight that filters give each row, (rows of all pools,); None if they give none."""
    keys: tuple[str, ...] = ()
    """The keys of the ledger steps with the selection of each filter."""

    def times_of(self, pool: int) -> np.ndarray:
        """Return how often each row of a pool is kept, in the reading order of the pool."""
        return self._as_read(pool, self.times)

    def weights_of(self, pool: int) -> np.ndarray | None:
        return None if self.weights is None else self._as_read(pool, self.weights)

    def _as_read(self, pool: int, values: np.ndarray) -> np.ndarray:
        of_pool = self.store.pool == pool
        values_of_pool = np.empty(int(of_pool.sum()), values.dtype)
        values_of_pool[self.store.row[of_pool]] = values[of_pool]
        return values_of_pool

    @cached_property
    def kept(self) -> tuple[tuple[np.ndarray, ScannedPool], ...]:
        """The kept rows of each pool, repeated as often as they are kept, and their scan."""
        return tuple(scan.kept(self.times_of(pool)) for pool, scan in enumerate(self.store.scans))

    def as_read(self, draws: Draws) -> Draws:
        """Convert draws from the kept rows into draws from all rows of the pools."""
        pools = []
        for own, (rows, _), pool in zip(draws.pools, self.kept, range(len(draws.pools)), strict=True):
            rows_read = rows[own.rows]
            is_copied = bool((self.times_of(pool) > 1).any())
            pools.append(PoolDraws(rows_read, _earlier(rows_read) if is_copied else own.passes))
        return Draws(tuple(pools), draws.order)

    @cached_property
    def digest(self) -> str:
        """The digest of the result of the filters: the kept rows, how often each is kept, and their weights."""
        content = hashlib.sha256()
        for values in (self.store.pool, self.row_digests, self.times, *([] if self.weights is None else [self.weights])):
            content.update(np.ascontiguousarray(values).tobytes())
        return content.hexdigest()

    @cached_property
    def row_digests(self) -> np.ndarray:
        parts = [scan.of_rows[self.store.row[self.store.pool == pool]] for pool, scan in enumerate(self.store.scans)]
        return np.concatenate([np.zeros((0, 2), np.uint64), *parts])

    def ids(self, at: np.ndarray) -> list[str]:
        """Return the `_id` of some rows, which is that of their first draw."""
        occurrences = [scan.occurrences[self.store.row[self.store.pool == pool]] for pool, scan in enumerate(self.store.scans)]
        return ids(self.row_digests[at], np.concatenate([np.zeros(0, np.uint32), *occurrences])[at])

    def rejected(self) -> polars.DataFrame:
        """Return a frame of all rejected rows: id, pool, filter, reason, the number by which the row was judged, and the id of the kept row that it matches."""
        import polars as pl

        words = {
            "_id": pl.String,
            "_source": pl.String,
            "filter": pl.String,
            "reason": pl.String,
            "value": pl.Float64,
            "match": pl.String,
        }
        frames = [pl.DataFrame(schema=words)]
        names = np.array([pool.name for pool in self.store.asked.pools], dtype=object)
        for outcome in self.outcomes:
            gone, chosen = outcome.rejected, ~outcome.selection.kept
            value, match = outcome.selection.value, outcome.selection.match
            matched = np.full(gone.size, -1) if match is None else np.asarray(match)[chosen]
            of_match = iter(self.ids(outcome.at[matched[matched >= 0]]))
            frames.append(
                pl.DataFrame(
                    {
                        "_id": self.ids(gone),
                        "_source": names[self.store.pool[gone]].tolist(),
                        "filter": [outcome.step] * gone.size,
                        "reason": [outcome.selection.reasons[number] for number in outcome.reasons.tolist()],
                        "value": pl.Series(np.full(gone.size, np.nan) if value is None else np.asarray(value, float)[chosen]).fill_nan(None),
                        "match": [next(of_match) if place >= 0 else None for place in matched.tolist()],
                    },
                    schema=words,
                )
            )  # fmt: skip
        return pl.concat(frames)


def filter_pools(store: CandidateStore, steps: FilterSteps | None = None) -> FilteredPools:
    """Apply all filters to the pools. With `steps` each selection is stored in the ledger. Raises BadInput if a filter cannot judge the rows or keeps none."""
    check_columns(store)
    times, outcomes, weights = np.ones(len(store), np.int64), [], None
    for number, recipe in enumerate(store.asked.filters, 1):
        at = np.flatnonzero((times > 0) & _of_pools(store, recipe))
        outcome = FilterOutcome(number, recipe, at, _selected(store, number, recipe, at, steps))
        times[at] *= outcome.selection.times
        if outcome.selection.weights is not None:
            weights = np.ones(len(store)) if weights is None else weights
            weights[at] *= outcome.selection.weights
        outcomes.append(outcome)
        if len(store) and not times.any():
            reasons = ", ".join(f"{reason} ({count:,})" for reason, count in reasons_of(outcome).items())
            raise BadInput(f"filter {outcome.step} leaves no row: {reasons}; change it, or leave it out")
    return FilteredPools(store, tuple(outcomes), times, weights, tuple(steps.keys) if steps is not None else ())


def check_columns(store: CandidateStore) -> None:
    """Raise BadInput if a filter names a column that no pool has."""
    for number, recipe in enumerate(store.asked.filters, 1):
        try:
            recipe.filter.reads(tuple(store.schemas))
        except BadInput as error:
            raise BadInput(f"filter {number} {recipe.name}: {error}") from None


def reasons_of(outcome: FilterOutcome) -> dict[str, int]:
    """Return the number of candidates that a filter rejected for each of its reasons."""
    counts = np.bincount(outcome.reasons, minlength=len(outcome.selection.reasons)).tolist()
    return {reason: count for reason, count in zip(outcome.selection.reasons, counts, strict=True) if count}


def _of_pools(store: CandidateStore, recipe: MixFilter) -> np.ndarray:
    """Return the mask of the rows in pools that a filter is applied to, (rows of all pools,) of bool."""
    looks = np.array([not recipe.pools or pool.name in recipe.pools for pool in store.asked.pools], dtype=bool)
    return looks[store.pool]


def _selected(store: CandidateStore, number: int, recipe: MixFilter, at: np.ndarray, steps: FilterSteps | None) -> Selection:
    def judge(detectors: Sequence[Any]) -> Selection:
        fitted = dict(zip(recipe.filter.detectors, detectors, strict=False))
        return recipe.filter.select(PoolCandidates(store, at, fitted), stream(store.asked.seed, "mix", "filter", number))

    try:
        selection = judge(()) if steps is None else steps(number, recipe, at, judge)
        check_selection(recipe.filter, selection, at.shape)
    except (BadInput, NotApplicable) as error:
        raise BadInput(f"filter {number} {recipe.name}: {error}") from None
    largest_times = int(selection.times.max(initial=0))
    if selection.times.shape != at.shape or largest_times > MOST_TIMES or (selection.times < 0).any():
        raise BadInput(
            f"filter {number} {recipe.name} must return how often each of {len(at):,} rows is kept, from 0 to {MOST_TIMES:,}, "
            f"got an array of shape {selection.times.shape} with values up to {largest_times:,}"
        )
    return selection


def bounds_of(asked: MixRecipe, rows: Sequence[int]) -> Iterator[tuple[MixFilter, int, int, int]]:
    """Yield each filter with the maximum number of rows that it can see, and the minimum and maximum that it keeps. rows: the rows of each pool."""
    low, high = list(rows), list(rows)
    for recipe in asked.filters:
        looks = [place for place, pool in enumerate(asked.pools) if not recipe.pools or pool.name in recipe.pools]
        seen = sum(high[place] for place in looks)
        fewest_left, most_left = recipe.filter.bounds(sum(low[place] for place in looks))[0], recipe.filter.bounds(seen)[1]
        yield recipe, seen, fewest_left, most_left
        for place in looks:
            low[place] = 0 if len(looks) > 1 else fewest_left
            high[place] = min(most_left, max(high[place], most_left - seen + high[place]))


def _earlier(rows: np.ndarray) -> np.ndarray:
    """Return how often each row occurs earlier in the sequence, (n,)."""
    order = np.argsort(rows, kind="stable")
    starts = np.flatnonzero(np.diff(rows[order], prepend=-1))
    earlier = np.empty(len(rows), np.int32)
    earlier[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
    return earlier
