"""The indices of the rows that a mix draws of each pool, and their order. No row is read here."""

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
    """Return the smallest integer type for the indices of this many rows. A mix of ten million rows has several such arrays in memory."""
    return np.int32 if count < 2**31 else np.int64


@dataclass(frozen=True, eq=False)
class PoolDraws:
    """The drawn rows of one pool, in the order of the mix."""

    rows: np.ndarray
    """The index of each drawn row in the reading order of the pool, (n,)."""
    passes: np.ndarray
    """The number of times that the row was drawn before, (n,)."""

    def __len__(self) -> int:
        return len(self.rows)

    def first(self, count: int) -> PoolDraws:
        return PoolDraws(self.rows[:count], self.passes[:count])


@dataclass(frozen=True, eq=False)
class Draws:
    """The draws of all pools that make up a set, and their order."""

    pools: tuple[PoolDraws, ...]
    order: np.ndarray
    """The pool of each row of the set, (rows,)."""

    def __len__(self) -> int:
        return len(self.order)

    def of(self, rows: Sequence[np.ndarray]) -> Draws:
        """Return the same draws with other indices. rows: for each pool, the new index of each of its rows, (rows,)."""
        return Draws(
            tuple(PoolDraws(own[pool_draws.rows], pool_draws.passes) for own, pool_draws in zip(rows, self.pools, strict=True)),
            self.order,
        )

    def places(self, pool: int) -> np.ndarray:
        """Return the position in the set of each draw of a pool, (n,)."""
        return np.flatnonzero(self.order == pool).astype(number_type(len(self)))


def drawn(asked: MixRecipe, plan: MixPlan, scans: Sequence[ScannedPool]) -> Draws:
    """Draw the rows of a mix. Raises BadInput if a pool with a positive share of characters or tokens would receive no record."""
    return sampled(asked, scans, [pool.target for pool in plan.pools], "order")


def sampled(asked: MixRecipe, scans: Sequence[ScannedPool], targets: Sequence[int], name: str) -> Draws:
    """Draw the target amount of each pool, in the budget's unit, in the requested order. name: the name of the random stream."""
    return arranged(asked, _up_to(asked, scans, asked.unit, targets), name)


def twin(asked: MixRecipe, plan: MixPlan, scans: Sequence[ScannedPool], mix: Draws) -> Draws | None:
    """Draw a set of human rows alone of the size of the mix, with the same first rows of each pool. Raises BadInput if there are too few human rows."""
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
    """Return the amount of each human pool that adds up to the total. Raises BadInput if a pool has too little."""
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
                f"match: {unit} needs {targets[place]:,} {unit} of pool {asked.pools[place].name!r}, which has {available[place]:,}, and max_repeats is "
                f"{asked.repeats_of(asked.pools[place])}. Nearest: max_repeats: {needed}; or a smaller budget; or leave match out"
            )
    return targets


def _up_to(asked: MixRecipe, scans: Sequence[ScannedPool], unit: Unit, targets: Sequence[int]) -> list[PoolDraws]:
    """Draw the rows of each pool up to its target, to the nearest record. The excess of one pool is subtracted from the next."""
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
                f"pool {recipe.name!r} would contribute no record: its target is {target:,} {unit}, and its first record has {int(reached[1]):,}; "
                f"write at least {unit}: {fewest}, or weight: 0 for this pool"
            )
        surplus += int(reached[count]) - target
        parts.append(draws.first(count))
    return parts


def nearest_amount(reached: np.ndarray, wanted: int) -> int:
    """Return the number of records whose total is nearest to an amount. reached: the total of the first 0, 1, 2, … records."""
    above = min(int(np.searchsorted(reached, wanted)), len(reached) - 1)
    return above - 1 if above and wanted - reached[above - 1] < reached[above] - wanted else above


def _amount(scan: ScannedPool, unit: Unit, draws: PoolDraws) -> int:
    return int(scan.amounts[unit][draws.rows].sum())


def arranged(asked: MixRecipe, sequences: Sequence[PoolDraws], name: str) -> Draws:
    """Return the draws of all pools in the requested order. name: the name of the random stream."""
    counts = [len(draws) for draws in sequences]
    if asked.order == "even":
        return Draws(tuple(sequences), even_order(counts))
    # All arrangements of the pools are equally likely. Within a pool the order is already random.
    order = np.repeat(np.arange(len(counts), dtype=np.min_scalar_type(len(counts))), counts)
    return Draws(tuple(sequences), stream(asked.seed, "mix", name).permutation(order))


def sequence(scan: ScannedPool, count: int, seed: int, pool: str) -> PoolDraws:
    """Return the first `count` rows of a pool's endless sequence: repeated passes over all its rows, each in another random order.

    The position of a row depends on its digest and the seed, never on the file that it was read from. In each pass the strata are merged
    evenly, so that every beginning has each stratum in proportion, to within one row.
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
    """Return a random order of all rows of a pool, (rows,)."""
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
