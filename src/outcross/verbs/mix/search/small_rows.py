"""The rows of small mixes: those that the mix itself may train on, after filters, bounds and splits, and the human rows on which losses are measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from outcross.errors import BadInput
from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.draws import sequence
from outcross.verbs.mix.mixing import Mixing
from outcross.verbs.mix.pools import ScannedPool, fitted
from outcross.verbs.mix.search.settings import MixSearch
from outcross.verbs.mix.targets.aimed import TrainingRows, aimed, aimed_or_none
from outcross.verbs.mix.targets.judged import JudgedRows, Needs
from outcross.verbs.mix.weights import weights_of_pools

if TYPE_CHECKING:
    import polars

TESTED = 0.1
"""The share of the human rows on which losses are measured if there is no validation file and no validation split, in [0, 1]."""
MOST_TESTED = 2_000
"""The maximum number of records on which losses are measured, for each domain."""
MILLION = 1_000_000
"""The denominator of shares that are written as weights of pools."""
REPEATS = 20
"""The factor by which a small mix may repeat a row more often than the size of its pool requires, for groups that are rare in a pool."""


@dataclass(frozen=True, eq=False)
class PoolRecords:
    """The rows of the pools from which small mixes are drawn."""

    mixing: Mixing
    is_cross_fitted: bool = False
    """Whether losses are measured on the rows that each fit leaves out, so that no rows are held out beforehand."""

    @property
    def asked(self) -> MixRecipe:
        return self.mixing.asked

    @property
    def search(self) -> MixSearch:
        assert self.asked.search is not None
        return self.asked.search

    @cached_property
    def scans(self) -> tuple[ScannedPool, ...]:
        """The scan of the rows of each pool that may be trained on."""
        return self.mixing.training[0]

    @cached_property
    def rows(self) -> tuple[np.ndarray, ...]:
        """The indices of these rows in the reading order of each pool, (n,) each. A row that a filter keeps several times is repeated."""
        return tuple(read[own] for read, own in zip(self.mixing.read_rows, self.mixing.training[1], strict=True))

    @cached_property
    def tested(self) -> dict[int, np.ndarray]:
        """For each human pool the indices in reading order of the rows on which losses are measured, (n,) each."""
        if self.search.domains or self.is_cross_fitted:
            return {}
        rows_by_pool = {place: self._tested(place) for place, pool in enumerate(self.asked.pools) if pool.is_human}
        return {place: rows for place, rows in rows_by_pool.items() if rows.size}

    def _tested(self, place: int) -> np.ndarray:
        mixing, name = self.mixing, f"{self.asked.pools[place].name} validation"
        if mixing.cut is None:  # from all rows, before any filter, so that the loss shows what a filter removes
            every = mixing.scans[place]
            return sequence(every, self._tenth(every.rows), self.asked.seed, name).rows
        if "validation" in mixing.cut.eligible:
            rows = mixing.cut.eligible["validation"][place]
            own = mixing.admitted_scans[place].take(rows)
            chosen = sequence(own, min(MOST_TESTED, own.rows), self.asked.seed, name).rows
            return mixing.read_rows[place][mixing.admitted[place][rows[chosen]]]
        own = self.scans[place]
        return self.rows[place][sequence(own, self._tenth(own.rows), self.asked.seed, name).rows]

    @staticmethod
    def _tenth(rows: int) -> int:
        return 0 if rows < 2 else min(MOST_TESTED, max(1, int(rows * TESTED)))

    @cached_property
    def kept_out(self) -> tuple[np.ndarray, ...]:
        """The masks of the rows that no small mix may contain: those on which losses are measured, and their families if known, (n,) of bool each."""
        mixing = self.mixing
        is_tested = [np.isin(rows, self.tested.get(place, np.zeros(0, np.int64))) for place, rows in enumerate(self.rows)]
        if mixing.cut is None or not self.tested:
            return tuple(is_tested)
        families = [own[eligible] for own, eligible in zip(mixing.families.of_rows, mixing.cut.eligible["train"], strict=True)]
        tested = np.unique(np.concatenate([own[out] for own, out in zip(families, is_tested, strict=True)]))
        return tuple(np.isin(own, tested) for own in families)

    @property
    def held_out(self) -> str:
        """The records on which losses are measured and the rows that no small mix contains, in words."""
        search, mixing = self.search, self.mixing
        if search.domains:
            said = "the human records that search.validation names"
        elif self.is_cross_fitted:
            said = "the human records that each fit leaves out"
        elif mixing.cut is None:
            said = "a tenth of the human pools, before any filter; no small mix contains these rows"
        elif "validation" in mixing.cut.eligible:
            said = "the human rows of the validation split; no small mix contains a row of their families"
        else:
            said = "a tenth of the human training rows; no small mix contains a row of their families"
        if mixing.cut is not None and "test" in mixing.cut.eligible:
            said += "; no row of the test split is used"
        return said + (
            "; targets and weights apply to the small mixes, not to these rows" if self.asked.targets or self.asked.weights else ""
        )

    @cached_property
    def loudness(self) -> np.ndarray:
        """The mean weight that filters give the rows of each pool, (pools,)."""
        return np.array([1.0 if own is None or not own.size else float(own.mean()) for own in self._weights])

    @cached_property
    def _weights(self) -> tuple[np.ndarray | None, ...]:
        filtered = self.mixing.filtered
        if filtered is None or filtered.weights is None:
            return (None,) * len(self.rows)
        by_pool = []
        for place, rows in enumerate(self.rows):
            weights = filtered.weights_of(place)
            assert weights is not None
            by_pool.append(weights[rows])
        return tuple(by_pool)

    def weighed(self, rows: np.ndarray) -> np.ndarray:
        """Convert shares of rows to shares of the training weight. rows: the shares of rows, (pools,), with sum 1. The result has the same form."""
        counts = np.round(rows * MILLION).astype(np.int64).tolist()
        weighted = rows * np.array(weights_of_pools(self.asked, counts)) * self.loudness
        return weighted / weighted.sum() if weighted.sum() else rows

    @property
    def has_weights(self) -> bool:
        return self.asked.weights is not None or any(own is not None for own in self._weights)

    def sample_of(self, pool: int, rows: int) -> np.ndarray:
        """Return about this number of random rows of a pool, as indices among those that may be trained on, (n,).

        Each row is repeated in proportion to its weight. There are fewer rows if the pool has fewer.
        """
        out, name = self.kept_out[pool], self.asked.pools[pool].name
        count = min(self.scans[pool].rows, rows + int(out.sum()))
        drawn = sequence(self.scans[pool], count, self.asked.seed, f"{name} search").rows
        drawn = drawn[~out[drawn]][:rows]
        weights = self._weights[pool]
        if weights is None or not drawn.size or not weights[drawn].sum():
            return drawn
        # The number of copies of each row is proportional to its weight, to within one.
        reached = np.floor(np.cumsum(weights[drawn]) * len(drawn) / weights[drawn].sum() + 0.5).astype(np.int64)
        return np.repeat(drawn, np.diff(reached, prepend=0))

    def frame_of(self, pool: int, wanted: np.ndarray, columns: Sequence[str]) -> polars.DataFrame:
        """Return rows of a pool in this order. wanted: their indices among those that may be trained on, (n,)."""
        return self.read_frame(pool, self.rows[pool][wanted], columns)

    def read_frame(self, pool: int, wanted: np.ndarray, columns: Sequence[str]) -> polars.DataFrame:
        """Return rows of a pool in this order. wanted: their indices in reading order, (n,)."""
        import polars as pl

        opened = self.mixing.pools[pool]
        schema = {name: self.mixing.schema[name] for name in columns}
        order = np.argsort(wanted, kind="stable")
        ascending, frames, start = wanted[order], [pl.DataFrame(schema=schema)], 0
        for batch in opened.batches([name for name in columns if name in opened.schema]):
            low, high = np.searchsorted(ascending, [start, start + batch.height])
            if low < high:
                frames.append(fitted(batch[ascending[low:high] - start], schema))
            start += batch.height
        return pl.concat(frames)[np.argsort(order, kind="stable")]


@dataclass(frozen=True, eq=False)
class RowPlanner:
    """Chooses the rows of a small mix from a sample of each pool, by the targets of the mix and in the same way as the mix itself."""

    records: PoolRecords
    samples: tuple[np.ndarray, ...]
    """The sample of each pool, as indices among the rows that may be trained on, (n,) each."""

    @cached_property
    def _scans(self) -> tuple[ScannedPool, ...]:
        return tuple(scan.take(own) for scan, own in zip(self.records.scans, self.samples, strict=True))

    @cached_property
    def _rows(self) -> tuple[np.ndarray, ...]:
        return tuple(rows[own] for rows, own in zip(self.records.rows, self.samples, strict=True))

    def __call__(self, shares: np.ndarray, budget: int, seed: int) -> list[tuple[int, int]]:
        """Return the pool and the index in its sample of each row of a small mix, in order. Raises BadInput if targets and shares contradict each other.

        shares: the share of each pool in the budget, (pools,). budget: the budget in the mix's unit.
        """
        draws = aimed(self._training(shares, budget, seed)).draws
        places = np.empty(len(draws), np.int64)
        for place, own in enumerate(draws.pools):
            places[draws.places(place)] = own.rows
        return list(zip(draws.order.tolist(), places.tolist(), strict=True))

    def can(self, shares: np.ndarray, budget: int) -> bool:
        """Whether a small mix with these shares can meet the targets."""
        training = aimed_or_none(self._training(shares, budget, 0), budget)
        if training is None:
            return False
        try:
            _ = training.rows
        except BadInput:
            return False
        return True

    def _training(self, shares: np.ndarray, budget: int, seed: int) -> TrainingRows:
        records = self.records
        weights = np.floor(shares * MILLION + 0.5).astype(np.int64).tolist()
        available = [
            scan.rows if records.asked.unit == "rows" else int(scan.amounts[records.asked.unit].sum()) for scan in self._scans
        ]
        pools = tuple(
            replace(pool, weight=float(weight), max_repeats=REPEATS * math.ceil(1 + budget * weight / (MILLION * max(amount, 1))))
            for pool, weight, amount in zip(records.asked.pools, weights, available, strict=True)
        )
        asked = replace(records.asked, pools=pools, human_share=None, search=None, splits=None, order="even", seed=seed)
        return TrainingRows(asked, self._scans, self._rows, self._judged(budget), budget)

    def _judged(self, budget: int) -> JudgedRows:
        """Return the properties of every row, with the missing records of needs scaled to the size of the small mix."""
        judged, whole = self.records.mixing.judged, self.records.mixing.training_budget
        if not judged.needs or not whole:
            return judged
        return replace(judged, needs=tuple(_scaled(need, budget / whole) for need in judged.needs))


def _scaled(needs: Needs, by: float) -> Needs:
    rows = needs.target.rows
    target = needs.target if rows is None else replace(needs.target, rows=max(1, round(rows * by)))
    return replace(needs, target=target, missing=tuple(round(count * by) for count in needs.missing))
