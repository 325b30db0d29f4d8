"""Divide the pools of a mix into splits, by whole families of rows, before any row is drawn or repeated."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from outcross.data.shares import exact, largest_remainder, smallest_total
from outcross.errors import BadInput
from outcross.ledger import stream
from outcross.ledger.digests import digest_of
from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.canonical import scrambled
from outcross.verbs.mix.draws import Draws, sampled
from outcross.verbs.mix.plan import MixPlan, Supply, planned, split_of
from outcross.verbs.mix.pools import ScannedPool
from outcross.verbs.mix.splits.families import Families
from outcross.verbs.mix.splits.settings import SPLITS

TRAIN, VALIDATION, TEST = range(len(SPLITS))
TRIED = 48
"""The maximum number of sizes that are tried to find the nearest possible size."""


@dataclass(frozen=True, eq=False)
class Cut:
    """The rows that each split may draw, and the amount that it draws from each pool."""

    split: np.ndarray
    """The number of the split of each family, (families,)."""
    eligible: dict[str, tuple[np.ndarray, ...]]
    """For each split and pool the indices of the rows that may be drawn, in the reading order of the pool."""
    targets: dict[str, tuple[int, ...]]
    """For each split other than train the amount that is drawn from each pool, in the budget's unit."""
    plan: MixPlan
    """The plan of the training rows."""
    total: int
    """The amount of all splits together, in the budget's unit."""
    left_out: int
    """The number of rows that no split may draw: synthetic rows of families that are in a split of human rows alone."""

    @cached_property
    def digest(self) -> str:
        """The digest of the splits, the eligible rows and the amounts."""
        content = hashlib.sha256(self.split.tobytes())
        for rows in self.eligible.values():
            content.update(b"".join(own.tobytes() for own in rows))
        return digest_of([content.hexdigest(), [[*target] for target in self.targets.values()], self.total])

    def scans(self, split: str, scans: Sequence[ScannedPool]) -> tuple[ScannedPool, ...]:
        """Return the scans of the pools, limited to the rows that a split may draw."""
        return tuple(scan.take(rows) for scan, rows in zip(scans, self.eligible[split], strict=True))

    def draws(self, split: str, asked: MixRecipe, scans: Sequence[ScannedPool]) -> Draws:
        """Draw the rows of a split other than train, as indices in the pools."""
        once = replace(asked, max_repeats=1, pools=tuple(replace(pool, max_repeats=None) for pool in asked.pools))
        return sampled(once, self.scans(split, scans), self.targets[split], split).of(self.eligible[split])


def cut(asked: MixRecipe, families: Families, scans: Sequence[ScannedPool]) -> Cut:
    """Divide the pools into splits. Raises BadInput if this is impossible, with the nearest possible requests.

    Families are taken in a random order, which depends on their content and the seed, first for the test split and then for the validation split.
    A family that would give a split more of a pool than it needs is skipped. All remaining families are for training.
    """
    cutter = _Cutter(asked, families, scans)
    if asked.budget is not None:
        try:
            return cutter(asked.budget)
        except BadInput as error:
            raise BadInput(_with_nearest(str(error), asked, cutter)) from None
    whole = sum(cutter.available)
    largest = cutter.largest(whole)
    return cutter(whole) if largest is None else cutter(largest)  # cutter(whole) raises the error that says why


def replanned(part: Cut, asked: MixRecipe, scans: Sequence[ScannedPool]) -> Cut:
    """Return the same cut with a new plan of the training rows, for other shares. Raises BadInput if these are impossible."""
    return replace(part, plan=_training_plan(asked, _amounts(asked, scans), part.plan.total, part.eligible["train"]))


def _with_nearest(said: str, asked: MixRecipe, cutter: _Cutter) -> str:
    assert asked.budget is not None
    why, _, options = said.partition(" Nearest: ")
    nearest = cutter.largest(asked.budget)
    kept = [
        option
        for option in options.split("; or ")
        if option and not option.startswith((f"{asked.unit}:", "human_share:", "weight by"))
    ]
    listed = ([f"{asked.unit}: {nearest}"] if nearest else []) + kept
    return f"{why} Nearest: {'; or '.join(listed)}" if listed else why


class _Cutter:
    """Makes cuts for a mix of any size. The parts that do not depend on the size are computed once."""

    def __init__(self, asked: MixRecipe, families: Families, scans: Sequence[ScannedPool]):
        assert asked.splits is not None
        self.asked, self.families, self.scans, self.splits = asked, families, scans, asked.splits
        self.amounts = _amounts(asked, scans)
        self.available = [int(amounts.sum()) for amounts in self.amounts]
        self.is_human = [_are_human(scan) for scan in scans]
        keys = families.keys ^ np.uint64(int(stream(asked.seed, "mix", "splits").integers(2**64, dtype=np.uint64)))
        self.order = np.argsort(scrambled(keys), kind="stable")

    def largest(self, limit: int) -> int | None:
        """Return the largest size up to `limit` that can be cut, found by bisection; None if no size can be cut."""
        low, high = 0, limit + 1
        for _ in range(TRIED):
            if high - low <= 1:
                break
            middle = limit if high == limit + 1 and low == 0 else (low + high) // 2
            low, high = (middle, high) if self._fits(middle) else (low, middle)
        return low or None

    def _fits(self, total: int) -> bool:
        try:
            self(total)
        except BadInput:
            return False
        return True

    def __call__(self, total: int) -> Cut:
        names = [name for name, split in self.splits.each.items() if split.share > 0]
        shares = [exact(self.splits.each[name].share) for name in names]
        sizes = dict(zip(names, largest_remainder(shares, [total])[0].tolist(), strict=True))
        for name, size in sizes.items():
            if size == 0:
                smallest = smallest_total(
                    lambda sizes: largest_remainder(shares, sizes),
                    lambda counts: (counts > 0).all(axis=1),
                    1,
                    math.ceil(2 / min(shares)),
                )
                raise BadInput(
                    f"splits.{name} would have no record of {total:,} {self.asked.unit}; write at least {self.asked.unit}: {smallest}"
                )
        split = np.zeros(len(self.families), np.int8)
        targets: dict[str, tuple[int, ...]] = {}
        for number in (TEST, VALIDATION):
            name = SPLITS[number]
            if name in sizes and name != "train":
                quotas, is_allowed = self._quotas(name, sizes[name])
                self._assign(number, quotas, is_allowed, split)
                targets[name] = tuple(quotas)
        eligible, left_out = self._eligible(split, names)
        return Cut(
            split, eligible, targets, _training_plan(self.asked, self.amounts, sizes["train"], eligible["train"]), total, left_out
        )

    def _quotas(self, name: str, size: int) -> tuple[list[int], list[np.ndarray]]:
        """Return the amount that a split draws from each pool, and the masks of the rows that it may draw."""
        asked = replace(self.asked, max_repeats=1)
        if self.splits.each[name].synthetic:
            shares, _ = split_of(
                asked, [Supply(scan.rows, amount) for scan, amount in zip(self.scans, self.available, strict=True)]
            )
            return shares.quotas(np.array([size]))[0].tolist(), [np.ones(scan.rows, bool) for scan in self.scans]
        human = [int(amounts[mask].sum()) for amounts, mask in zip(self.amounts, self.is_human, strict=True)]
        said = [pool.is_human for pool in asked.pools]
        served = [place for place, amount in enumerate(human) if amount and (said[place] or not any(said))]
        weights = [Fraction(human[place]) if (weight := asked.pools[place].weight) is None else exact(weight) for place in served]
        if not any(weights):
            raise BadInput(
                f"the {name} split needs human rows, and no pool has any; give a pool of origin: human, or write {name}: {{share: "
                f"{self.splits.each[name].share:g}, synthetic: true}}"
            )
        quotas = [0] * len(self.scans)
        for place, quota in zip(served, largest_remainder(weights, [size])[0].tolist(), strict=True):
            quotas[place] = quota
        return quotas, self.is_human

    def _assign(self, number: int, quotas: list[int], is_allowed: list[np.ndarray], split: np.ndarray) -> None:
        """Assign free families to a split until it has its quotas. Raises BadInput if there are too few rows."""
        brings = np.stack(
            [
                np.bincount(rows, np.where(mask, amounts, 0), minlength=len(split)).astype(np.int64)
                for rows, mask, amounts in zip(self.families.of_rows, is_allowed, self.amounts, strict=True)
            ],
            axis=1,
        )
        free = self.order[split[self.order] == TRAIN]
        wanted = np.array(quotas, dtype=np.int64)
        chosen, left = first_fit(brings[free], wanted)
        split[free[chosen]] = number
        for pool in np.flatnonzero(left > 0).tolist():  # no family fits exactly: take the one with the smallest surplus
            rest = free[(split[free] == TRAIN) & (brings[free, pool] > 0)]
            while left[pool] > 0 and rest.size:
                surplus = np.maximum(brings[rest] - np.maximum(left, 0), 0).sum(axis=1)
                best = int(surplus.argmin())
                split[rest[best]], left, rest = number, left - brings[rest[best]], np.delete(rest, best)
            if left[pool] > 0:
                name = self.asked.pools[pool].name
                raise BadInput(
                    f"the {SPLITS[number]} split needs {quotas[pool]:,} {self.asked.unit} of pool {name!r}, and only "
                    f"{quotas[pool] - int(left[pool]):,} are available for it."
                )

    def _eligible(self, split: np.ndarray, names: Sequence[str]) -> tuple[dict[str, tuple[np.ndarray, ...]], int]:
        eligible, served = {}, 0
        for name in names:
            number, is_mixed = SPLITS.index(name), self.splits.each[name].synthetic
            masks = [
                (split[rows] == number) & (is_mixed | human)
                for rows, human in zip(self.families.of_rows, self.is_human, strict=True)
            ]
            eligible[name] = tuple(map(np.flatnonzero, masks))
            served += sum(int(mask.sum()) for mask in masks)
        return eligible, sum(scan.rows for scan in self.scans) - served


def _amounts(asked: MixRecipe, scans: Sequence[ScannedPool]) -> list[np.ndarray]:
    """Return the amount of each row of each pool, in the budget's unit."""
    return [scan.amounts[asked.unit] if asked.unit != "rows" else np.ones(scan.rows, np.int64) for scan in scans]


def _training_plan(asked: MixRecipe, amounts: Sequence[np.ndarray], size: int, rows: Sequence[np.ndarray]) -> MixPlan:
    supplies = [Supply(len(own), int(of_pool[own].sum())) for own, of_pool in zip(rows, amounts, strict=True)]
    try:
        return planned(replace(asked, **{asked.unit: size}), supplies)
    except BadInput as error:
        raise BadInput(f"in the training rows that remain, {error}") from None


def first_fit(brings: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take families one after the other, each if it gives no pool more than is still wanted. Returns the taken families and the remaining amounts.

    brings: the amount of each pool in each family, (families, pools). wanted: the amounts to reach, (pools,). Returns the ascending indices of the
    taken families, and the remaining amounts, (pools,).

    >>> first_fit(np.array([[2, 0], [3, 1], [1, 1], [0, 0], [0, 1]]), np.array([3, 2]))
    (array([0, 2, 4]), array([0, 0]))
    """
    left, taken = wanted.copy(), [np.zeros(0, np.int64)]
    rest = np.flatnonzero((brings <= left).all(axis=1) & brings.any(axis=1))
    while rest.size and left.any():
        part = rest[:WINDOW]
        sums = np.cumsum(brings[part], axis=0)
        over = (sums > left).any(axis=1)
        stop = int(over.argmax()) if over.any() else part.size
        taken.append(part[:stop])
        if stop:
            left = left - sums[stop - 1]
        rest = rest[stop:] if stop == part.size else rest[stop + 1 :]
        if stop < part.size:
            rest = rest[(brings[rest] <= left).all(axis=1)]
    return np.concatenate(taken), left


WINDOW = 1 << 16
"""The number of families that are examined together."""


def _are_human(scan: ScannedPool) -> np.ndarray:
    """Return the mask of rows that are known to be human, (rows,) of bool."""
    of_labels = np.array([label["_origin"] == "human" for label in scan.labels], dtype=bool)
    return of_labels[scan.strata] if scan.rows else np.zeros(0, bool)


def described(part: Cut, families: Families, asked: MixRecipe, scans: Sequence[ScannedPool]) -> dict[str, Any]:
    """Return the division into splits as plain data for the plan and the manifest."""
    assert asked.splits is not None
    sizes = families.sizes
    of_rows = [part.split[rows] for rows in families.of_rows]
    facts: dict[str, Any] = {
        "unit": asked.unit,
        asked.unit: part.total,
        "families": {"count": int((sizes > 0).sum()), "largest": int(sizes.max(initial=0)), "pairs": families.joined},
        "left_out": part.left_out,
        "notes": [*families.notes],
    }
    for name, split in asked.splits.each.items():
        number = SPLITS.index(name)
        size = part.plan.total if name == "train" else sum(part.targets.get(name, ()))
        facts[name] = {
            "requested_share": split.share,
            "share": size / part.total,
            asked.unit: size,
            "synthetic": split.synthetic,
            "families": int(((part.split == number) & (sizes > 0)).sum()),
            "rows_of_its_families": sum(int((own == number).sum()) for own in of_rows),
            "available": {
                pool.name: len(rows)
                for pool, rows in zip(asked.pools, part.eligible.get(name, [()] * len(asked.pools)), strict=True)
            },
        }
    return facts
