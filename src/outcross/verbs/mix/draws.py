"""Which rows of each pool a mix draws, and where each stands: numbers alone, no row is read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from outcross import runtime
from outcross.data.order import even_order
from outcross.data.shares import largest_remainder
from outcross.errors import BadInput
from outcross.ledger import stream
from outcross.verbs.mix.asked import MixRecipe, Unit
from outcross.verbs.mix.canonical import order_of_digests, scrambled
from outcross.verbs.mix.plan import MixPlan
from outcross.verbs.mix.pools import ScannedPool


def number_type(count: int) -> type[np.signedinteger]:
    """The smaller type of whole numbers that holds the numbers of so many rows: a mix of ten million rows holds several such arrays."""
    return np.int32 if count < 2**31 else np.int64


@dataclass(frozen=True, eq=False)
class PoolDraws:
    """The rows that are drawn of one pool, in the order in which they come."""

    rows: np.ndarray
    """Numbers of rows, in the order in which the pool was read: (n,)."""
    passes: np.ndarray
    """How many times each was drawn before: (n,)."""

    def __len__(self) -> int:
        return len(self.rows)

    def first(self, count: int) -> PoolDraws:
        return PoolDraws(self.rows[:count], self.passes[:count])


@dataclass(frozen=True, eq=False)
class Draws:
    """All that a set is made of, and its order."""

    pools: tuple[PoolDraws, ...]
    order: np.ndarray
    """The pool of each row of the set: (rows,)."""

    def __len__(self) -> int:
        return len(self.order)

    def of(self, rows: Sequence[np.ndarray]) -> Draws:
        """The same draws by other numbers: rows says for each pool which of more rows its rows are, (rows,)."""
        return Draws(
            tuple(PoolDraws(own[pool_draws.rows], pool_draws.passes) for own, pool_draws in zip(rows, self.pools, strict=True)),
            self.order,
        )

    def places(self, pool: int) -> np.ndarray:
        """Where in the set each draw of a pool stands. (n,)"""
        return np.flatnonzero(self.order == pool).astype(number_type(len(self)))


def drawn(asked: MixRecipe, plan: MixPlan, scans: Sequence[ScannedPool]) -> Draws:
    """The rows of a mix. BadInput where a positive share of characters or tokens would receive no record."""
    return sampled(asked, scans, [pool.target for pool in plan.pools], "order")


def sampled(asked: MixRecipe, scans: Sequence[ScannedPool], targets: Sequence[int], name: str) -> Draws:
    """So much of each pool, in the budget's unit, in the order that is asked for; `name` is that of its random stream."""
    return arranged(asked, _up_to(asked, scans, asked.unit, targets), name)


def twin(asked: MixRecipe, plan: MixPlan, scans: Sequence[ScannedPool], mix: Draws) -> Draws | None:
    """A set of human rows alone of the size of the mix, which begins each pool as the mix does. BadInput where people wrote too little."""
    if asked.match is None:
        return None
    unit: Unit = asked.match
    if plan.twin is not None:
        targets = list(plan.twin)
    else:
        total = (
            len(mix) if unit == "rows" else sum(_amount(scan, unit, draws) for scan, draws in zip(scans, mix.pools, strict=True))
        )
        targets = _human_targets(asked, scans, unit, total)
    return arranged(asked, _up_to(asked, scans, unit, targets), "human-only")


def _human_targets(asked: MixRecipe, scans: Sequence[ScannedPool], unit: Unit, total: int) -> list[int]:
    """How much of each human pool makes the total. BadInput where that is more than there is."""
    people = [place for place, pool in enumerate(asked.pools) if pool.is_human]
    available = [scan.rows if unit == "rows" else int(scan.amounts[unit].sum()) for scan in scans]
    weights = [asked.pools[place].weight for place in people]
    parts = [
        Fraction(available[place]) if weight is None else Fraction(repr(weight))
        for place, weight in zip(people, weights, strict=True)
    ]
    targets = [0] * len(scans)
    if any(parts):
        for place, target in zip(people, largest_remainder(parts, [total])[0].tolist(), strict=True):
            targets[place] = target
    for place in people:
        if targets[place] > available[place] * asked.repeats_of(asked.pools[place]) or not any(parts):
            needed = math.ceil(Fraction(targets[place], available[place])) if available[place] else "more"
            raise BadInput(
                f"match: {unit} needs {targets[place]:,} {unit} of pool {asked.pools[place].name!r}, it has {available[place]:,} and max_repeats is "
                f"{asked.repeats_of(asked.pools[place])}. Nearest: max_repeats: {needed}; or a smaller budget; or leave match out"
            )
    return targets


def _up_to(asked: MixRecipe, scans: Sequence[ScannedPool], unit: Unit, targets: Sequence[int]) -> list[PoolDraws]:
    """Of each pool as many rows as make its target, to the nearest record; what one pool gives too much the next gives less."""
    if unit == "rows":
        wanted_rows = [*zip(scans, targets, (recipe.name for recipe in asked.pools), strict=True)]
        return runtime.side_by_side(lambda of_pool: sequence(of_pool[0], of_pool[1], asked.seed, of_pool[2]), wanted_rows)
    parts, surplus = [], 0
    for recipe, scan, target in zip(asked.pools, scans, targets, strict=True):
        if target == 0:
            parts.append(sequence(scan, target, asked.seed, recipe.name))
            continue
        amounts, wanted = scan.amounts[unit], target - surplus
        passes = min(asked.repeats_of(recipe), max(wanted, target) // max(int(amounts.sum()), 1) + 1)
        draws = sequence(scan, scan.rows * passes, asked.seed, recipe.name)
        reached = np.concatenate([[0], np.cumsum(amounts[draws.rows])])
        count = max(1, nearest_amount(reached, wanted))
        if nearest_amount(reached, target) == 0:
            fewest = math.ceil(int(reached[1]) / Fraction(target, sum(targets)))
            raise BadInput(
                f"pool {recipe.name!r} would receive no record: {target:,} {unit} are asked of it, and its first record has {int(reached[1]):,}; "
                f"the smallest that serves it is {unit}: {fewest}, or write weight: 0 for it"
            )
        surplus += int(reached[count]) - target
        parts.append(draws.first(count))
    return parts


def nearest_amount(reached: np.ndarray, wanted: int) -> int:
    """How many records come nearest to an amount. reached: the amount of the first 0, 1, 2, … records."""
    above = min(int(np.searchsorted(reached, wanted)), len(reached) - 1)
    return above - 1 if above and wanted - reached[above - 1] < reached[above] - wanted else above


def _amount(scan: ScannedPool, unit: Unit, draws: PoolDraws) -> int:
    return int(scan.amounts[unit][draws.rows].sum())


def arranged(asked: MixRecipe, sequences: Sequence[PoolDraws], name: str) -> Draws:
    """The draws of all pools in the order that is asked for; `name` is that of its random stream."""
    counts = [len(draws) for draws in sequences]
    if asked.order == "even":
        return Draws(tuple(sequences), even_order(counts))
    # Where equal marks of pools stand is as likely as any other arrangement of them, and within a pool the order is random already.
    order = np.repeat(np.arange(len(counts), dtype=np.min_scalar_type(len(counts))), counts)
    return Draws(tuple(sequences), stream(asked.seed, "mix", name).permutation(order))


def sequence(scan: ScannedPool, count: int, seed: int, pool: str) -> PoolDraws:
    """The first so many rows of a pool's endless sequence: pass after pass over all its rows, each in a random order of its own.

    A row's place follows from its digest and the seed, never from where it was read. In each pass the strata are merged
    evenly, so every beginning holds each in proportion, to within one row.
    """
    rows, passes = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for number, size in enumerate(_passes(count, scan.rows)):
        order = _pass(scan, int(stream(seed, "mix", pool, number).integers(2**64, dtype=np.uint64)))
        rows.append(order[:size].astype(number_type(scan.rows)))
        passes.append(np.full(size, number, np.int32))
    return PoolDraws(np.concatenate(rows), np.concatenate(passes))


def _passes(count: int, rows: int) -> Iterator[int]:
    while count > 0 and rows:
        yield min(count, rows)
        count -= rows


def _pass(scan: ScannedPool, salt: int) -> np.ndarray:
    """A random order of all rows of a pool. (rows,)"""
    keys = scrambled(scan.of_rows[:, 0] ^ np.uint64(salt))
    again = np.flatnonzero(scan.occurrences)
    keys[again] = scrambled(keys[again] + scrambled(scan.occurrences[again].astype(np.uint64)))
    order = order_of_digests(keys, scan.of_rows[:, 1], scan.occurrences)
    if len(scan.labels) < 2:
        return order
    by_stratum = order[np.argsort(scan.strata[order], kind="stable")]
    merged = even_order(np.bincount(scan.strata, minlength=len(scan.labels)).tolist())
    places = np.empty_like(by_stratum)
    places[np.argsort(merged, kind="stable")] = by_stratum
    return places
