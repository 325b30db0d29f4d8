"""The plan of a mix, which compares the request with the supply before a row is drawn.

An impossible request is refused, and the error names the nearest possible requests.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from outcross.data.order import even_order
from outcross.data.shares import exact, largest_remainder, largest_total, smallest_total
from outcross.errors import BadInput
from outcross.estimate import Estimate
from outcross.verbs.mix.asked import AtLeast, MixRecipe, Unit

HUMAN_ALONE, MIXTURE = 4, 15
"""The numbers of repeats above which a warning is given: in a set of human rows alone, and in a mixture."""
GUIDE = "a rule of thumb from the pre-training of language models"
ORDERED = 2_000_000
"""Up to this number of rows the plan computes where each pool ends. For more rows it gives a lower and an upper bound."""


@dataclass(frozen=True)
class Supply:
    """The supply of a pool: its rows, and their amount in the budget's unit."""

    rows: int
    available: int
    copies: int = 1
    """The maximum number of copies of one row among them."""


@dataclass(frozen=True)
class OriginSide:
    """A side of the mix: the human pools, or all other pools. If no human share is requested, all pools form one side."""

    share: Fraction
    """The share of the side in the mix, in [0, 1]."""
    pools: tuple[int, ...]
    """The numbers of its pools."""
    weights: tuple[Fraction, ...]
    """The weights of its pools, relative to each other."""


@dataclass(frozen=True)
class Split:
    """The division of a mix of any size between the pools."""

    sides: tuple[OriginSide, ...]
    count: int
    """The number of all pools."""

    @property
    def shares(self) -> tuple[Fraction, ...]:
        """The share of each pool, in [0, 1]."""
        shares = [Fraction(0)] * self.count
        for side in self.sides:
            for pool, weight in zip(side.pools, side.weights, strict=True):
                shares[pool] = side.share * weight / (sum(side.weights) or 1)
        return tuple(shares)

    def quotas(self, totals: np.ndarray) -> np.ndarray:
        """Return the amount of every pool for each total, (m, pools), by largest remainders, first between the sides and then within each."""
        quotas = np.zeros((len(totals), self.count), dtype=np.int64)
        of_sides = largest_remainder([side.share for side in self.sides], totals)
        for place, side in enumerate(self.sides):
            if any(side.weights):
                quotas[:, list(side.pools)] = largest_remainder(side.weights, of_sides[:, place])
        return quotas


@dataclass(frozen=True)
class PoolPlan:
    """The amount that a mix draws from one pool, in the budget's unit."""

    name: str
    origin: str
    share: Fraction
    """The requested share of the mix, in [0, 1]."""
    target: int
    """The amount to draw."""
    available: int
    repeats: int
    """The maximum number of times that one row is drawn."""
    ends: tuple[int, int] | None
    """Bounds of the position of the pool's last row in the mix, from 1; None if they are not known before rows are drawn."""

    @property
    def unique(self) -> int:
        return min(self.target, self.available)

    @property
    def unused(self) -> int:
        return self.available - self.unique

    def plain(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "origin": self.origin,
            "requested_share": float(self.share),
            "available": self.available,
            "used": self.target,
            "unique": self.unique,
            "repeated": self.target - self.unique,
            "max_repeats": self.repeats,
            "unused": self.unused,
            "ends": None if self.ends is None else list(self.ends),
        }


@dataclass(frozen=True)
class FilterPlan:
    """The numbers of rows that a filter sees and keeps."""

    step: str
    prefers: str
    seen: int
    """The maximum number of rows that it sees."""
    low: int
    """The minimum number of rows that it keeps."""
    high: int
    """The maximum number of rows that it keeps. It equals `low` if the filter was applied."""
    estimate: Estimate | None = None
    """The estimate of the kept rows from a sample; None if the filter was applied, or if a sample cannot tell."""


def plain_filter(plan: FilterPlan) -> dict[str, Any]:
    """Return the plan of a filter as plain data."""
    described = {"filter": plan.step, "prefers": plan.prefers, "seen": plan.seen, "low": plan.low, "high": plan.high}
    if plan.estimate is None:
        return described
    low, high = plan.estimate.interval
    own = {"value": round(plan.estimate.value), "low": round(low), "high": round(high)}
    return described | {"estimate": own | {"n": plan.estimate.n, "method": plan.estimate.method}}


@dataclass(frozen=True)
class MixPlan:
    """The planned content of a mix, in the budget's unit."""

    unit: Unit
    total: int
    order: str
    human_share: float | None
    """The requested human share, in [0, 1]; None if none was requested."""
    human: Fraction
    """The share of the human pools, in [0, 1]."""
    unknown: Fraction
    """The share of the pools of unknown origin, in [0, 1]."""
    pools: tuple[PoolPlan, ...]
    max_repeats: int
    twin: tuple[int, ...] | None
    """The rows of each pool in the set of human rows alone of equal size; None if no such set was requested."""
    warnings: tuple[str, ...]
    samples: tuple[Any, ...] = ()
    """The estimate of each pool's amount from a sample; empty if every text was read."""
    targets: Sequence[Mapping[str, Any]] = ()
    """The requested and the planned values of each target, as plain data."""
    splits: Mapping[str, Any] | None = None
    """The division into splits, as plain data; None if no splits are requested. All other numbers of the plan are of the training rows."""
    read_as_numbers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """For each pool of .csv files, the columns whose fields are read as numbers because they are numbers in the other pools."""
    filters: tuple[FilterPlan, ...] = ()
    """The number of rows that each filter keeps."""

    def plain(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        return {
            "schema": 1,
            "plan": True,
            "unit": self.unit,
            self.unit: self.total,
            "order": self.order,
            "requested": {"human_share": self.human_share, "max_repeats": self.max_repeats},
            "feasible": {"human_share": float(self.human), "unknown_share": float(self.unknown)},
            "pools": [pool.plain() for pool in self.pools],
            "teachers": self.teachers,
            "filters": [plain_filter(mix_filter) for mix_filter in self.filters],
            "match": None if self.twin is None else {"rows": sum(self.twin)},
            "warnings": list(self.warnings),
            "read_as_numbers": dict(self.read_as_numbers),
            "targets": list(self.targets),
        } | self._splits_and_sample

    @property
    def _splits_and_sample(self) -> dict[str, Any]:
        """The division into splits and the estimated amount of each pool, as far as the plan has them."""
        described = {} if self.splits is None else {"splits": dict(self.splits)}
        if self.samples:
            described["sample"] = {}
        for pool, sample in zip(self.pools, self.samples, strict=bool(self.samples)):
            low, high = sample.amount.interval
            own = {"available": round(sample.amount.value), "low": round(low), "high": round(high), "method": sample.amount.method}
            described["sample"][pool.name] = own | {"rows_read": sample.read, "rows": sample.rows}
        return described

    @property
    def teachers(self) -> dict[str, dict[str, float]]:
        """The amount and the share of each origin in the mix, by the origin's name."""
        amounts: dict[str, int] = {}
        for pool in self.pools:
            amounts[pool.origin] = amounts.get(pool.origin, 0) + pool.target
        return {name: {self.unit: amount, "share": amount / self.total} for name, amount in amounts.items()}


def planned(asked: MixRecipe, supplies: Sequence[Supply]) -> MixPlan:
    """Return the plan of a mix from pools with these supplies. Raises BadInput if it is impossible, with the nearest possible requests."""
    split, _ = split_of(asked, supplies)
    caps = np.array([supply.available * asked.repeats_of(pool) for supply, pool in zip(supplies, asked.pools, strict=True)])
    total = asked.budget or _as_many_as_there_are(asked, split, supplies)
    targets = split.quotas(np.array([total]))[0]
    _check_served(asked, split, supplies, targets, total)
    if (targets > caps).any():
        raise BadInput(_infeasible(asked, split, supplies, caps, total))
    return plan_of(asked, supplies, targets)


def plan_of(asked: MixRecipe, supplies: Sequence[Supply], targets: np.ndarray) -> MixPlan:
    """Return the plan of a mix with a given amount of each pool. targets: the amounts, (pools,)."""
    split, human_share = split_of(asked, supplies)
    total = int(targets.sum())
    pools = tuple(
        PoolPlan(
            name=pool.name,
            origin=origin_word(pool),
            share=share,
            target=int(target),
            available=supply.available,
            repeats=math.ceil(Fraction(int(target), supply.available)) * supply.copies if supply.available else 0,
            ends=ends,
        )
        for pool, share, target, supply, ends in zip(
            asked.pools, split.shares, targets, supplies, _ends(asked, targets.tolist()), strict=True
        )
    )
    written = sum(plan.target for plan, pool in zip(pools, asked.pools, strict=True) if pool.is_human)
    unsaid = sum(plan.target for plan, pool in zip(pools, asked.pools, strict=True) if plan.origin == "unknown")
    return MixPlan(
        unit=asked.unit,
        total=total,
        order=asked.order,
        human_share=human_share,
        human=Fraction(written, total),
        unknown=Fraction(unsaid, total),
        pools=pools,
        max_repeats=asked.max_repeats,
        twin=_twin(asked, supplies, total) if asked.match == "rows" and asked.unit == "rows" else None,
        warnings=tuple(_warnings(asked, pools)),
    )


def origin_word(pool: Any) -> str:
    """Return the origin of a pool in a word: the name of the model, or the author."""
    if pool.origin is None:
        return "unknown"
    return pool.origin.name or pool.origin.author


def split_of(asked: MixRecipe, supplies: Sequence[Supply]) -> tuple[Split, float | None]:
    """Return the requested division between the pools, and the requested human share. Raises BadInput if the requests contradict each other."""
    every = tuple(range(len(supplies)))
    people = tuple(pool for pool in every if asked.pools[pool].is_human)
    others = tuple(pool for pool in every if pool not in people)
    floor = asked.human_share.at_least if isinstance(asked.human_share, AtLeast) else None
    wanted = floor if isinstance(asked.human_share, AtLeast) else asked.human_share
    if wanted is None:
        return Split((_side(asked, supplies, Fraction(1), every),), len(every)), None
    share = exact(wanted)
    if share and not people:
        raise BadInput(f"human_share is {wanted:g}, and no pool has origin: human; name one, or leave human_share out")
    if floor is not None:
        natural = Split((_side(asked, supplies, Fraction(1), every),), len(every))
        if sum(natural.shares[pool] for pool in people) >= share:
            return natural, wanted
    if share < 1 and not others:
        raise BadInput(f"human_share is {wanted:g}, and every pool has origin: human; add another pool, or write human_share: 1")
    sides = [(share, people), (1 - share, others)]
    return Split(tuple(_side(asked, supplies, part, pools) for part, pools in sides if part), len(every)), wanted


def _side(asked: MixRecipe, supplies: Sequence[Supply], share: Fraction, pools: tuple[int, ...]) -> OriginSide:
    """Return a side with the weights of its pools. If no pool has a weight, the weight of each is its amount in the budget's unit."""
    given = [asked.pools[pool].weight for pool in pools]
    lacking = [asked.pools[pool].name for pool, weight in zip(pools, given, strict=True) if weight is None]
    if 0 < len(lacking) < len(pools):
        raise BadInput(f"pool {lacking[0]!r} has no weight, and other pools of its side have one; give each a weight, or none")
    weights = [
        Fraction(supplies[pool].available) if weight is None else exact(weight) for pool, weight in zip(pools, given, strict=True)
    ]
    if not any(weights):
        names = ", ".join(repr(asked.pools[pool].name) for pool in pools)[:200]
        raise BadInput(
            f"no record can be drawn from {names}: {'every weight is 0' if not lacking else 'there are no records'}; give records or a weight"
        )
    return OriginSide(share, pools, tuple(weights))


def _as_many_as_there_are(asked: MixRecipe, split: Split, supplies: Sequence[Supply]) -> int:
    """Return the largest total for which no row repeats; 1 if there is none."""
    caps = np.array([supply.available for supply in supplies])
    total = _largest(split, caps)
    if total is None:
        total = 1  # the checks that follow say why even one row is impossible
    return total


def _largest(split: Split, caps: np.ndarray, limit: int | None = None) -> int | None:
    """Return the largest total, up to `limit`, that gives a record to every positive share and stays within the caps; None if there is none."""
    positive = [(pool, share) for pool, share in enumerate(split.shares) if share]
    high = min(math.floor((int(caps[pool]) + 2) / share) for pool, share in positive)
    high = high if limit is None else min(high, limit)
    wanted = [pool for pool, _ in positive]
    return largest_total(split.quotas, lambda counts: ((counts <= caps) & _served(counts, wanted)).all(axis=1), 1, high)


def _served(counts: np.ndarray, wanted: list[int]) -> np.ndarray:
    """Return for each quota whether it is positive, or its pool is not in `wanted`, (m, pools) of bool."""
    served = np.ones(counts.shape, dtype=bool)
    served[:, wanted] = counts[:, wanted] > 0
    return served


def _check_served(asked: MixRecipe, split: Split, supplies: Sequence[Supply], targets: np.ndarray, total: int) -> None:
    """Raise BadInput if a pool with a positive share would get no record. The message names the smallest total that gives it one."""
    positive = [pool for pool, share in enumerate(split.shares) if share]
    for pool in positive:
        if supplies[pool].available == 0:
            raise BadInput(
                f"pool {asked.pools[pool].name!r} has no records, and its share is {float(split.shares[pool]):.3g}; give it records, or weight: 0"
            )
    lacking = [pool for pool in positive if targets[pool] == 0]
    if not lacking:
        return
    smallest = min(split.shares[pool] for pool in positive)
    low, high = math.ceil(1 / (len(positive) * smallest)), math.ceil(2 / smallest)
    enough = smallest_total(split.quotas, lambda counts: _served(counts, positive).all(axis=1), max(1, low), high) or high
    name, share = asked.pools[lacking[0]].name, split.shares[lacking[0]]
    raise BadInput(
        f"pool {name!r} would contribute no record: its share of {total:,} {asked.unit} is {float(share * total):.3g}; write at least "
        f"{asked.unit}: {enough}, so that every pool contributes, or weight: 0 for this pool"
    )


def _infeasible(asked: MixRecipe, split: Split, supplies: Sequence[Supply], caps: np.ndarray, total: int) -> str:
    """Return the message for an impossible request: which pools have too little, and the nearest possible requests."""
    targets = split.quotas(np.array([total]))[0]
    short = [pool for pool in range(len(caps)) if targets[pool] > caps[pool]]
    said = []
    for pool in short[:3]:
        recipe, supply = asked.pools[pool], supplies[pool]
        said.append(
            f"pool {recipe.name!r} must give {targets[pool]:,} {asked.unit}, but has {supply.available:,}, and max_repeats is {asked.repeats_of(recipe)}"
        )
    options = "; or ".join(_options(asked, split, supplies, caps, total, targets, short))
    return f"{'; '.join(said)}. No row is repeated more often than max_repeats, so that this mix is impossible. Nearest: {options}"


def _options(
    asked: MixRecipe, split: Split, supplies: Sequence[Supply], caps: np.ndarray, total: int, targets: np.ndarray, short: list[int]
) -> Iterator[str]:
    fewer = _largest(split, caps, total)
    if fewer is not None:
        yield f"{asked.unit}: {fewer}"
    needed = {pool: math.ceil(Fraction(int(targets[pool]), supplies[pool].available)) for pool in short}
    if any(asked.pools[pool].max_repeats is not None for pool in short):
        yield "max_repeats by pool: " + ", ".join(f"{asked.pools[pool].name} {times}" for pool, times in needed.items())
    else:
        yield f"max_repeats: {max(needed.values())}"
    if isinstance(asked.human_share, float) and (share := _nearest_share(asked, split, caps, total)) is not None:
        yield f"human_share: {share}"
    filled = _filled(split, caps, total)
    if filled is not None:
        weights = ", ".join(f"{pool.name} {weight}" for pool, weight in zip(asked.pools, filled, strict=True))
        yield f"weight by pool, with the same total{' and human_share' if len(split.sides) > 1 else ''}: {weights}"
    yield "add " + " and ".join(
        f"{math.ceil(Fraction(int(targets[pool]), asked.repeats_of(asked.pools[pool]))) - supplies[pool].available:,} {asked.unit} to {asked.pools[pool].name!r}"
        for pool in short[:3]
    )


def _nearest_share(asked: MixRecipe, split: Split, caps: np.ndarray, total: int) -> str | None:
    """Return the possible human share nearest to the requested one, for these weights of pools, as a decimal number; None if there is none."""
    people = [pool for pool in range(split.count) if asked.pools[pool].is_human]
    both = split.sides
    if len(both) < 2:
        return None
    wanted = both[0].share
    largest = [
        min(
            Fraction(int(caps[pool])) * sum(side.weights) / weight
            for pool, weight in zip(side.pools, side.weights, strict=True)
            if weight
        )
        for side in both
    ]
    low, high = max(Fraction(0), 1 - largest[1] / total), min(Fraction(1), largest[0] / total)
    if low > high or not people:
        return None
    for decimals in range(2, 13):
        scale = 10**decimals
        near = Fraction(math.floor(high * scale) if wanted > high else math.ceil(low * scale), scale)
        if not (low <= near <= high) or near in (0, 1):
            continue
        other = Split(
            (OriginSide(near, both[0].pools, both[0].weights), OriginSide(1 - near, both[1].pools, both[1].weights)), split.count
        )
        if (other.quotas(np.array([total]))[0] <= caps).all():
            return f"{float(near):.12g}"
    return None


def _filled(split: Split, caps: np.ndarray, total: int) -> list[int] | None:
    """Return amounts close to the requested ones that respect the caps. If a pool has too little, the other pools of its side supply the rest.

    Returns None if a side as a whole has too little.
    """
    filled = [0] * split.count
    of_sides = largest_remainder([side.share for side in split.sides], [total])[0]
    for side, wanted in zip(split.sides, of_sides.tolist(), strict=True):
        open_pools = {pool: weight for pool, weight in zip(side.pools, side.weights, strict=True) if weight}
        if sum(int(caps[pool]) for pool in open_pools) < wanted:
            return None
        left = wanted
        while open_pools:
            parts = largest_remainder(list(open_pools.values()), [left])[0].tolist()
            full = [pool for pool, part in zip(open_pools, parts, strict=True) if part > caps[pool]]
            for pool, part in zip(list(open_pools), parts, strict=True):
                if pool in full or not full:
                    filled[pool] = int(min(part, caps[pool]))
                    left -= filled[pool]
                    del open_pools[pool]
    return filled


def _ends(asked: MixRecipe, targets: list[int]) -> list[tuple[int, int] | None]:
    """Return for each pool the bounds of the position of its last row in the mix, from 1."""
    if asked.unit != "rows":
        return [None] * len(targets)
    total = sum(targets)
    if asked.order == "shuffled":
        return [(target, total) if target else None for target in targets]
    if total <= ORDERED:
        order = even_order(targets)
        places = [int(np.flatnonzero(order == pool).max(initial=-1)) + 1 for pool in range(len(targets))]
        return [(place, place) if place else None for place in places]
    step = max(2, 2 * sum(target > 0 for target in targets) - 2)
    return [(-(-total * (step * (target - 1) + 1) // (step * target)), total) if target else None for target in targets]


def _twin(asked: MixRecipe, supplies: Sequence[Supply], total: int) -> tuple[int, ...]:
    """Return the number of rows of each pool in the set of human rows alone. Raises BadInput if there are too few human rows."""
    people = tuple(pool for pool in range(len(supplies)) if asked.pools[pool].is_human)
    split = Split((_side(asked, supplies, Fraction(1), people),), len(supplies))
    caps = np.array([supply.available * asked.repeats_of(pool) for supply, pool in zip(supplies, asked.pools, strict=True)])
    targets = split.quotas(np.array([total]))[0]
    if (targets > caps).any():
        needed = max(math.ceil(Fraction(int(targets[pool]), supplies[pool].available)) for pool in people if targets[pool])
        fewer = _largest(split, caps)
        raise BadInput(
            f"match: rows needs {total:,} human rows, there are {sum(supplies[pool].rows for pool in people):,}, and max_repeats is {asked.max_repeats}. "
            f"Nearest: {f'rows: {fewer}; or ' if fewer else ''}max_repeats: {needed}; or leave match out"
        )
    return tuple(targets.tolist())


def _warnings(asked: MixRecipe, pools: Sequence[PoolPlan]) -> Iterator[str]:
    is_human_alone = all(asked.pools[place].is_human for place, plan in enumerate(pools) if plan.target)
    limit = HUMAN_ALONE if is_human_alone else MIXTURE
    for plan in pools:
        if plan.repeats > limit:
            kind = "a set of human rows alone" if is_human_alone else "a mixture"
            yield f"rows of {plan.name} are drawn up to {plan.repeats:,} times; in {kind} repeating more than {limit} times adds little ({GUIDE})"
    for plan in pools:
        if plan.target == 0 and plan.available:
            yield f"no row of {plan.name} is used (its share is 0)"
    if asked.human_share is not None and (unsaid := [plan.name for plan in pools if plan.origin == "unknown" and plan.target]):
        yield f"the origin of {', '.join(unsaid)[:200]} is unknown; the human share counts only records that are known to be human"
