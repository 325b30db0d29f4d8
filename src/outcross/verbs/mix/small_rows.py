"""The rows that small mixes are drawn from: those that the mix itself may train on, after its filters, bounds and splits; and the human rows that losses are measured on."""

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
from outcross.verbs.mix.judged import JudgedRows, Needs
from outcross.verbs.mix.pools import ScannedPool, fitted
from outcross.verbs.mix.search_asked import MixSearch
from outcross.verbs.mix.targets import TrainingRows, aimed, aimed_or_none
from outcross.verbs.mix.weights import weights_of_pools
from outcross.verbs.mix.work import Mixing

if TYPE_CHECKING:
    import polars

TESTED = 0.1
"""Share of the human rows that losses are measured on where no file is named and no validation split is cut."""
MOST_TESTED = 2_000
"""Records that they are measured on, at most, a domain."""
MILLION = 1_000_000
"""Parts in which shares are written as weights of pools."""
REPEATS = 20
"""How often a small mix may repeat a row of a group that is rare in a pool, beyond what the size of the pool asks."""


@dataclass(frozen=True, eq=False)
class PoolRecords:
    """Rows of pools that small mixes are drawn from."""

    mixing: Mixing
    is_cross_fitted: bool = False
    """Whether losses are measured on the rows that a fit has left out, so that none are held out beforehand."""

    @property
    def asked(self) -> MixRecipe:
        return self.mixing.asked

    @property
    def search(self) -> MixSearch:
        assert self.asked.search is not None
        return self.asked.search

    @cached_property
    def scans(self) -> tuple[ScannedPool, ...]:
        """What is known of the rows of each pool that may be trained on."""
        return self.mixing.training[0]

    @cached_property
    def rows(self) -> tuple[np.ndarray, ...]:
        """Which rows these are, in the order in which each pool was read; one that a filter keeps several times stands there as often. (n,)"""
        return tuple(read[own] for read, own in zip(self.mixing.read_rows, self.mixing.training[1], strict=True))

    @cached_property
    def tested(self) -> dict[int, np.ndarray]:
        """The rows of human pools that losses are measured on, in the order in which each pool was read, by the pool: (n,)."""
        if self.search.domains or self.is_cross_fitted:
            return {}
        rows_by_pool = {place: self._tested(place) for place, pool in enumerate(self.asked.pools) if pool.is_human}
        return {place: rows for place, rows in rows_by_pool.items() if rows.size}

    def _tested(self, place: int) -> np.ndarray:
        mixing, name = self.mixing, f"{self.asked.pools[place].name} validation"
        if mixing.cut is None:  # of all rows, before any filter: what a filter takes away shows in the loss
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
        """Which of the rows that may be trained on no small mix may hold: those that losses are measured on, with their families where these are known. (n,) of bool."""
        mixing = self.mixing
        is_tested = [np.isin(rows, self.tested.get(place, np.zeros(0, np.int64))) for place, rows in enumerate(self.rows)]
        if mixing.cut is None or not self.tested:
            return tuple(is_tested)
        families = [own[eligible] for own, eligible in zip(mixing.families.of_rows, mixing.cut.eligible["train"], strict=True)]
        tested = np.unique(np.concatenate([own[out] for own, out in zip(families, is_tested, strict=True)]))
        return tuple(np.isin(own, tested) for own in families)

    @property
    def held_out(self) -> str:
        """What losses are measured on, and what no small mix holds, in words."""
        search, mixing = self.search, self.mixing
        if search.domains:
            said = "the human records that search.validation names"
        elif self.is_cross_fitted:
            said = "the human records that a fit has left out, each part in turn"
        elif mixing.cut is None:
            said = "a tenth of the human pools, before any filter; no small mix holds these rows"
        elif "validation" in mixing.cut.eligible:
            said = "the human rows of the validation split; no small mix holds a row of their families"
        else:
            said = "a tenth of the human training rows; no small mix holds a row of their families"
        if mixing.cut is not None and "test" in mixing.cut.eligible:
            said += "; neither they nor a small mix hold a row of the test split"
        return said + (
            "; targets and weights are of the small mixes, not of these" if self.asked.targets or self.asked.weights else ""
        )

    @cached_property
    def loudness(self) -> np.ndarray:
        """The mean weight that filters give the rows of each pool: (pools,)."""
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
        """Shares of rows as the shares of what is learned from, where the rows of pools have weights. rows: (pools,), summing to 1; returns the same."""
        counts = np.round(rows * MILLION).astype(np.int64).tolist()
        weighted = rows * np.array(weights_of_pools(self.asked, counts)) * self.loudness
        return weighted / weighted.sum() if weighted.sum() else rows

    @property
    def has_weights(self) -> bool:
        return self.asked.weights is not None or any(own is not None for own in self._weights)

    def sample_of(self, pool: int, rows: int) -> np.ndarray:
        """About so many random rows of a pool, by their numbers among those that may be trained on, as often as their weight says; fewer where it has fewer. (n,)"""
        out, name = self.kept_out[pool], self.asked.pools[pool].name
        count = min(self.scans[pool].rows, rows + int(out.sum()))
        drawn = sequence(self.scans[pool], count, self.asked.seed, f"{name} search").rows
        drawn = drawn[~out[drawn]][:rows]
        weights = self._weights[pool]
        if weights is None or not drawn.size or not weights[drawn].sum():
            return drawn
        # Row after row, so that each comes as often as its weight says, to within one.
        reached = np.floor(np.cumsum(weights[drawn]) * len(drawn) / weights[drawn].sum() + 0.5).astype(np.int64)
        return np.repeat(drawn, np.diff(reached, prepend=0))

    def frame_of(self, pool: int, wanted: np.ndarray, columns: Sequence[str]) -> polars.DataFrame:
        """Rows of a pool by their numbers among those that may be trained on, in this order. wanted: (n,)"""
        return self.read_frame(pool, self.rows[pool][wanted], columns)

    def read_frame(self, pool: int, wanted: np.ndarray, columns: Sequence[str]) -> polars.DataFrame:
        """Rows of a pool by their numbers as they were read, in this order. wanted: (n,)"""
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
    """Chooses the rows of a small mix as the mix itself chooses its own: by the same targets, among a sample of each pool."""

    records: PoolRecords
    samples: tuple[np.ndarray, ...]
    """The sample of each pool, by the numbers of its rows among those that may be trained on: (n,)."""

    @cached_property
    def _scans(self) -> tuple[ScannedPool, ...]:
        return tuple(scan.take(own) for scan, own in zip(self.records.scans, self.samples, strict=True))

    @cached_property
    def _rows(self) -> tuple[np.ndarray, ...]:
        return tuple(rows[own] for rows, own in zip(self.records.rows, self.samples, strict=True))

    def __call__(self, shares: np.ndarray, budget: int, seed: int) -> list[tuple[int, int]]:
        """The pool and the place in its sample of each row of a small mix, in its order. BadInput where targets and shares contradict each other.

        shares: of the mix's budget, (pools,); budget: in its unit.
        """
        draws = aimed(self._training(shares, budget, seed)).draws
        places = np.empty(len(draws), np.int64)
        for place, own in enumerate(draws.pools):
            places[draws.places(place)] = own.rows
        return list(zip(draws.order.tolist(), places.tolist(), strict=True))

    def can(self, shares: np.ndarray, budget: int) -> bool:
        """Whether a small mix of these shares can meet the targets."""
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
        """What targets read of every row; what an audit found missing, in proportion to the size of the small mix."""
        judged, whole = self.records.mixing.judged, self.records.mixing.training_budget
        if not judged.needs or not whole:
            return judged
        return replace(judged, needs=tuple(_scaled(need, budget / whole) for need in judged.needs))


def _scaled(needs: Needs, by: float) -> Needs:
    rows = needs.target.rows
    target = needs.target if rows is None else replace(needs.target, rows=max(1, round(rows * by)))
    return replace(needs, target=target, missing=tuple(round(count * by) for count in needs.missing))
