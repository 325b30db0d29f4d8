"""The trials of a search: the allowed shares, and the small mixes that are tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from outcross.errors import BadInput
from outcross.ledger import External, Ledger
from outcross.ledger.digests import digest_of
from outcross.ledger.external import external
from outcross.recipe import nearest, plain
from outcross.statistics.simplex import ShareRegion
from outcross.verbs.mix.asked import AtLeast, MixRecipe
from outcross.verbs.mix.mixing import Mixing
from outcross.verbs.mix.plan import Supply, split_of
from outcross.verbs.mix.pools import text_column
from outcross.verbs.mix.search.settings import Searched
from outcross.verbs.mix.search.small_mixes import SmallMix, SmallPools, TextPools, counts_of, domain_frame, small_mix
from outcross.verbs.mix.search.small_rows import MILLION, RowPlanner

SMALLEST = 1e-3
"""Smaller shares are set to 0."""


@dataclass(frozen=True, eq=False)
class TriedMix:
    """The result of a small mix that was tried."""

    role: str
    """fit, held out, or the name of a rival of the proposal."""
    shares: np.ndarray
    """The shares of the pools in what the learner reads, (pools,)."""
    losses: np.ndarray
    """The loss for each sample and domain, (seeds, domains)."""


@dataclass(frozen=True, eq=False)
class MixTrial:
    """The trials of a search for a mix."""

    mixing: Mixing
    ledger: Ledger

    @property
    def asked(self) -> MixRecipe:
        return self.mixing.asked

    @property
    def search(self) -> Any:
        assert self.asked.search is not None
        return self.asked.search

    @cached_property
    def names(self) -> list[str]:
        return [pool.name for pool in self.asked.pools]

    @cached_property
    def pools(self) -> External[SmallPools]:
        """The pools of small mixes as an input of steps. The digest covers their content and the settings that affect the samples."""
        asked, mixing = self.asked, self.mixing
        files = [external(path) for _, path in self.search.validation] if self.search.domains else []
        settings = [plain(replace(asked.identity, search=None, order="even", shards=None, match=None, audit=())), self.has_a_curve]
        digest = digest_of([mixing.external.digest, [file.digest for file in files], settings])
        reads = [*mixing.external.reads, *(path for file in files for path in file.reads)]
        names = dict(mixing.external.names) | {name: value for file in files for name, value in file.names.items()}
        return External(digest, lambda: self.small, reads, names)

    @cached_property
    def small(self) -> SmallPools:
        mixing, search = self.mixing, self.search
        if not mixing.schema:
            raise BadInput("search: the pools have no records; give some")
        if search.column is not None:
            if search.column not in mixing.schema:
                raise BadInput(
                    f"search.column {search.column!r} is not a column of the mix{nearest(search.column, mixing.schema)}; it has {', '.join(mixing.schema)[:200]}"
                )
            if self.asked.unit != "rows":
                raise BadInput(f"search.column needs a budget in rows, and the budget is in {self.asked.unit}; write rows instead")
            text = None
        else:
            try:
                text = text_column(self.asked, mixing.schema)
            except BadInput as error:
                raise BadInput(f"search needs a text column, or search.column for a table: {error}") from None
        columns = [text[0]] if text else list(mixing.schema)
        domains = {
            name: domain_frame(path, mixing.schema, columns, self.asked.seed)
            for name, path in (search.validation if search.domains else ())
        }
        return SmallPools(mixing, text, domains, self.is_cross_fitted)

    @property
    def has_a_curve(self) -> bool:
        """Whether there is only one share to search and only one loss to measure, so that the share curve of an audit can be used."""
        validation = self.search.validation
        domains = (
            len(validation)
            if isinstance(validation, tuple)
            else 1
            if validation is None
            else sum(pool.is_human for pool in self.asked.pools)
        )
        return len(self.asked.pools) == 2 and not self.asked.targets and domains == 1

    @property
    def is_cross_fitted(self) -> bool:
        """Whether a curve is tested on the human records that each fit leaves out.

        This is so for one human pool without a validation file, filters and splits.
        """
        asked = self.asked
        are_human = [pool.is_human for pool in asked.pools]
        return self.has_a_curve and sum(are_human) == 1 and not (self.search.domains or asked.filters or asked.splits)

    @cached_property
    def a_unit(self) -> np.ndarray:
        """The amount that a learner reads in one unit of the budget (row, character or token) of each pool, (pools,)."""
        small_pools = self.small.encoded
        return small_pools.a_unit if isinstance(small_pools, TextPools) else np.ones(len(self.names))

    def in_units(self, shares: np.ndarray) -> np.ndarray:
        """Convert shares of what a learner reads to shares of the mix's budget. shares: (…, pools)."""
        amounts = shares / self.a_unit
        return amounts / amounts.sum(axis=-1, keepdims=True)

    def as_read(self, shares: np.ndarray) -> np.ndarray:
        """Convert shares of the mix's budget to shares of what a learner reads, (pools,)."""
        amounts = shares * self.a_unit
        return amounts / amounts.sum()

    @cached_property
    def supplies(self) -> list[Supply]:
        unit = self.asked.unit
        scans = self.mixing.training[0]
        return [Supply(scan.rows, scan.rows if unit == "rows" else int(scan.amounts[unit].sum())) for scan in scans]

    @cached_property
    def region(self) -> ShareRegion:
        """The region of shares, of what a learner reads, with the requested human share."""
        share = self.asked.human_share
        if share is None:
            return ShareRegion(len(self.names))
        wanted = share.at_least if isinstance(share, AtLeast) else share
        is_human = np.array([pool.is_human for pool in self.asked.pools])
        floor = np.where(is_human, 1 - wanted, -wanted) / self.a_unit
        return ShareRegion(len(self.names), floor / np.abs(floor).max(), not isinstance(share, AtLeast))

    @cached_property
    def capped(self) -> ShareRegion:
        """The part of `region` that the pools can supply within the bound on repeats."""
        budget = self.mixing.training_budget
        if budget is None:
            return self.region
        caps = []
        for place, (supply, pool) in enumerate(zip(self.supplies, self.asked.pools, strict=True)):
            limit = supply.available * self.asked.repeats_of(pool) / budget
            if limit < 1:
                limit = max(0.0, math.floor(limit * MILLION - len(self.names) - 1) / MILLION)  # room for rounding
                caps.append(limit / self.a_unit - np.eye(len(self.names))[place] / self.a_unit[place])
        return ShareRegion(self.region.pools, self.region.floor, self.region.is_exact, np.array(caps) if caps else None)

    @cached_property
    def natural(self) -> np.ndarray:
        """The shares, of what a learner reads, that the mix would have without a search, (pools,)."""
        if self.mixing.aimed is not None:  # targets change the amounts of pools without a weight
            plan = self.mixing.aimed.plan
            return self.as_read(np.array([pool.target / plan.total for pool in plan.pools]))
        return self.as_read(np.array([float(share) for share in split_of(self.asked, self.supplies)[0].shares]))

    @property
    def planner(self) -> RowPlanner | None:
        """The planner that chooses the rows of small mixes by targets; None if there are no targets."""
        return self.small.encoded.planner

    def reachable(self, shares: np.ndarray) -> np.ndarray:
        """Return the nearest shares with which a small mix can meet the targets, on the line to the shares of the mix without a search, (pools,)."""
        planner, small_pools = self.planner, self.small.encoded
        if planner is None:
            return shares

        def can(shares: np.ndarray) -> bool:
            units = self.in_units(shares)
            return planner.can(units, small_pools.budget(units) if isinstance(small_pools, TextPools) else small_pools.size)

        return _nearest(shares, self.natural, can)

    def affordable(self, shares: np.ndarray) -> tuple[int, ...]:
        """Return the possible weights of the pools nearest to these shares, in millionths of the mix's budget, (pools,)."""
        weights = in_millionths(self, shares)
        if not self.asked.targets:
            return weights

        def can(shares: np.ndarray) -> bool:
            try:
                _ = self.mixing.with_shares(Searched({}, in_millionths(self, shares), ())).plan
            except BadInput:
                return False
            return True

        return in_millionths(self, _nearest(shares, self.natural, can))

    def measured(self, role: str, shares: np.ndarray, first_seed: int = 0) -> tuple[TriedMix, list[str]]:
        """Train a learner on each sample of a small mix with these shares. Returns its losses, and the keys of the steps."""
        counts = counts_of(shares, self.small.encoded.size)
        exact = tuple(round(float(share), 9) for share in shares) if self.planner is not None else ()
        steps = self.ledger.steps(self.asked.seed)
        measurements = [
            steps(
                small_mix,
                SmallMix(search=self.search.identity, counts=counts, seed=seed, shares=exact),
                self.pools,
                part=f"search {seed} {counts} {exact or ''}".strip(),
            )
            for seed in range(first_seed, first_seed + self.search.seeds)
        ]
        losses = np.array([list(measurement.value.by_domain.values()) for measurement in measurements])
        return TriedMix(role, np.array(counts) / sum(counts), losses), [measurement.key for measurement in measurements]

    @cached_property
    def domains(self) -> tuple[str, ...]:
        small_pools = self.small.encoded
        return tuple(small_pools.tests)

    @cached_property
    def weights(self) -> np.ndarray:
        """The weight of each domain, (domains,), with sum 1."""
        for name in self.search.weights:
            if name not in self.domains:
                raise BadInput(
                    f"search.weights names the domain {name!r}{nearest(name, self.domains)}; there are {', '.join(self.domains)[:200]}"
                )
        weights = np.array([self.search.weights.get(name, 1.0 if not self.search.weights else 0.0) for name in self.domains])
        if not weights.sum():
            raise BadInput("search.weights are all 0; give a domain a weight")
        return weights / weights.sum()

    def loss(self, measured: Sequence[TriedMix]) -> np.ndarray:
        """Return the loss of each mix in each of its samples, weighted over domains, (mixes, seeds)."""
        return np.array([reading.losses for reading in measured]) @ self.weights


def _nearest(shares: np.ndarray, natural: np.ndarray, can: Callable[[np.ndarray], bool]) -> np.ndarray:
    """Return the last possible point on the line from `natural`, which is possible, to `shares`, by bisection. The set of possible shares is convex."""
    if can(shares):
        return shares
    low, high = 0.0, 1.0
    for _ in range(HALVED):
        middle = (low + high) / 2
        low, high = (middle, high) if can(natural + middle * (shares - natural)) else (low, middle)
    return natural + low * (shares - natural)


HALVED = 6
"""The number of bisection steps towards shares that are impossible."""


def in_millionths(trial: MixTrial, shares: np.ndarray) -> tuple[int, ...]:
    """Convert shares of what a learner reads to whole millionths of the mix's budget. A share too small for a row becomes 0, and the human share is kept."""
    units = trial.in_units(shares)
    budget = trial.mixing.training_budget
    smallest = max(SMALLEST, 2 / budget) if budget else SMALLEST
    units = np.where(units < smallest, 0.0, units)
    is_human = np.array([pool.is_human for pool in trial.asked.pools])
    before = trial.in_units(shares)
    for side in (is_human, ~is_human) if trial.asked.human_share is not None else (np.ones(len(units), bool),):
        if units[side].sum() > 0:
            units[side] *= before[side].sum() / units[side].sum()
    parts = np.floor(units / units.sum() * MILLION).astype(np.int64)
    parts[int(np.argmax(np.where(is_human if is_human.any() and units[is_human].sum() else units > 0, units, -1)))] += (
        MILLION - parts.sum()
    )
    return tuple(parts.tolist())
