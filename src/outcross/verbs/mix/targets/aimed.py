"""The training rows of a mix with targets: the amount of each cell, and the rows within each cell that give the requested means and distributions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from outcross.data.order import even_order
from outcross.data.shares import exact, largest_remainder
from outcross.errors import BadInput
from outcross.verbs.mix.asked import AtLeast, MixRecipe
from outcross.verbs.mix.draws import Draws, PoolDraws, arranged
from outcross.verbs.mix.plan import MixPlan, Supply, plan_of, split_of
from outcross.verbs.mix.pools import ScannedPool
from outcross.verbs.mix.targets.cells import MOST_CELLS, CellProblem, Demand, Need, refusal
from outcross.verbs.mix.targets.chosen import ChosenRows, Entries, chosen
from outcross.verbs.mix.targets.judged import OTHER, JudgedRows, RowGroups
from outcross.verbs.mix.targets.settings import Between


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The rows of the pools that may be used for training."""

    asked: MixRecipe
    scans: tuple[ScannedPool, ...]
    rows: tuple[np.ndarray, ...]
    """For each pool the indices of these rows among all its rows."""
    judged: JudgedRows
    budget: int | None

    @cached_property
    def amounts(self) -> np.ndarray:
        """The amount of each row in the budget's unit, pool after pool, (rows,)."""
        unit = self.asked.unit
        return np.concatenate([np.ones(scan.rows, np.int64) if unit == "rows" else scan.amounts[unit] for scan in self.scans])

    @cached_property
    def pool(self) -> np.ndarray:
        """The pool of each row, (rows,)."""
        return np.repeat(np.arange(len(self.scans)), [scan.rows for scan in self.scans])

    @cached_property
    def supplies(self) -> list[Supply]:
        available = np.bincount(self.pool, self.amounts, minlength=len(self.scans)).astype(np.int64).tolist()
        return [Supply(scan.rows, amount) for scan, amount in zip(self.scans, available, strict=True)]

    @cached_property
    def is_human(self) -> np.ndarray:
        """The mask of rows that are known to be human, (rows,) of bool."""
        by_pool = [
            np.array([label["_origin"] == "human" for label in scan.labels], dtype=bool)[scan.strata]
            for scan in self.scans
            if scan.rows
        ]
        return np.concatenate([np.zeros(0, bool), *by_pool])

    def of(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Return the values of these rows from the values of all rows of each pool, (rows, …)."""
        return np.concatenate([own[rows] for own, rows in zip(values, self.rows, strict=True)])

    @cached_property
    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """The cell of each row, (rows,), and the index of one row of each cell, (cells,)."""
        keys = [self.pool, self.is_human, *(self.of(group.codes) - OTHER for group in self.judged.groups)]
        keys += [column for need in self.judged.needs for column in self.of(need.inside).T]
        cell = np.zeros(len(self.pool), np.int64)
        for key in keys:
            crossed = cell * (int(key.max(initial=0)) + 1) + key
            _, first, cell = np.unique(crossed, return_index=True, return_inverse=True)
            if len(first) > MOST_CELLS:
                raise BadInput(f"the targets give more than {MOST_CELLS:,} combinations of values; name columns with fewer values")
        return cell, np.unique(cell, return_index=True)[1]

    @cached_property
    def problem(self) -> CellProblem:
        """The supply of each cell, and the requests for cells."""
        cell, row = self.cells
        pool = self.pool[row]
        repeats = np.array([self.asked.repeats_of(recipe) for recipe in self.asked.pools], dtype=np.int64)
        return CellProblem(
            pool=pool,
            available=np.bincount(cell, self.amounts, minlength=len(row)).astype(np.int64),
            repeats=repeats[pool],
            fixed=tuple(self._fixed(pool)),
            demands=tuple(demand for group in self.judged.groups for demand in self._demands(group)),
            needs=(),
            unit=self.asked.unit,
            names=tuple(recipe.name for recipe in self.asked.pools),
        )

    def _fixed(self, pool: np.ndarray) -> Iterator[Demand]:
        """Yield the requests of the human share and of the weights of pools. If a pool of a side has no weight, targets may change its amount."""
        split, wanted = split_of(self.asked, self.supplies)
        every = np.ones(len(pool), bool)
        people = np.array([recipe.is_human for recipe in self.asked.pools])[pool]
        if wanted is not None:
            share, largest = exact(wanted), Fraction(1) if isinstance(self.asked.human_share, AtLeast) else exact(wanted)
            yield Demand("human_share", "human", people, every, share, largest)
            if share == largest:
                yield Demand("human_share", "other", ~people, every, 1 - share, 1 - share)
        for side in split.sides:
            if any(self.asked.pools[place].weight is None for place in side.pools) or len(side.pools) < 2:
                continue
            among = np.isin(pool, side.pools)
            for place, weight in zip(side.pools, side.weights, strict=True):
                share = weight / sum(side.weights)
                yield Demand(
                    f"weights of {self.asked.pools[side.pools[0]].name} and others",
                    self.asked.pools[place].name,
                    pool == place,
                    among,
                    share,
                    share,
                )

    def _demands(self, groups: RowGroups) -> Iterator[Demand]:
        """Yield the request of a target for each value of its column."""
        row, target = self.cells[1], groups.target
        code = self.of(groups.codes)[row]
        among = {None: np.ones(len(row), bool), "human": self.is_human[row], "synthetic": ~self.is_human[row]}[target.among]
        total = Fraction(0)
        for place, value in enumerate(groups.values):
            share = Fraction(1, len(groups.values)) if target.parity else target.shares[value]
            if isinstance(share, Between):
                low, high = (
                    Fraction(0) if share.at_least is None else exact(share.at_least),
                    Fraction(1) if share.at_most is None else exact(share.at_most),
                )
            else:
                low = high = share if isinstance(share, Fraction) else exact(share)
            total += low if low == high else 2  # bounds do not determine the share of the other values
            yield Demand(target.name, value, (code == place) & among, among, low, high)
        if total == 1 and (code == OTHER).any():
            yield Demand(target.name, "any other", (code == OTHER) & among, among, Fraction(0), Fraction(0))

    def usual(self, total: int) -> np.ndarray:
        """Return the amount of each cell in a mix without targets, which draws the cells of a pool in proportion to their supply, (cells,)."""
        shares = np.array([float(share) for share in split_of(self.asked, self.supplies)[0].shares]) * total
        problem = self.problem
        whole = np.array([supply.available for supply in self.supplies])
        return shares[problem.pool] * problem.available / np.maximum(whole[problem.pool], 1)


@dataclass(frozen=True, eq=False)
class Aimed:
    """The amount that is drawn of each cell, and the drawn rows."""

    training: TrainingRows
    plan: MixPlan
    counts: np.ndarray
    """The amount that is drawn of each cell, in the budget's unit, (cells,)."""
    lacking: np.ndarray
    """The amount that each need lacks."""
    problem: CellProblem

    @cached_property
    def rows(self) -> ChosenRows:
        """The drawn rows. Raises BadInput if no rows have the requested means."""
        return chosen(self._entries)

    @property
    def at_random(self) -> ChosenRows:
        """The same number of rows of each cell, drawn without any preference."""
        return chosen(replace(self._entries, log_weights=None, means=()))

    @cached_property
    def _entries(self) -> Entries:
        training, judged = self.training, self.training.judged
        return Entries(
            asked=training.asked,
            scans=training.scans,
            cell=training.cells[0],
            pool=training.pool,
            amounts=training.amounts,
            counts=self.counts,
            log_weights=sum((training.of(likeness.log_weights) for likeness in judged.likenesses), np.zeros(len(training.pool)))
            if judged.likenesses
            else None,
            means=tuple(
                (number.target.quantity, number.target.mean, training.of(number.values))
                for number in judged.numbers
                if number.target.mean is not None
            ),
        )

    @cached_property
    def draws(self) -> Draws:
        """The drawn rows, as indices among the training rows, in the requested order."""
        return arranged(self.training.asked, [self._merged(pool, own) for pool, own in enumerate(self.rows.of_pools)], "order")

    def _merged(self, pool: int, draws: PoolDraws) -> PoolDraws:
        """Return the draws of a pool with its cells merged evenly."""
        own = self.training.cells[0][self.training.pool == pool]
        cells = np.unique(own[draws.rows], return_inverse=True)[1]
        counts = np.bincount(cells).tolist()
        if len(counts) < 2:
            return draws
        by_cell = np.argsort(cells, kind="stable")
        order = np.empty_like(by_cell)
        order[np.argsort(even_order(counts), kind="stable")] = by_cell
        rows, passes = draws.rows[order], draws.passes[order]
        return PoolDraws(rows, passes)

    @cached_property
    def facts(self) -> list[dict[str, Any]]:
        """The requested and the realised values of each target, as plain data."""
        from outcross.verbs.mix.targets.facts import facts_of

        return facts_of(self)


def aimed(training: TrainingRows) -> Aimed:
    """Compute how much is drawn of each cell.

    Raises BadInput if targets contradict each other, or if there are too few rows for them, with the nearest possible requests.
    """
    if not len(training.pool):
        raise BadInput("no row of the pools lies within the bounds of the targets; widen the bounds")
    total = _as_many_as_there_are(training) if training.budget is None else training.budget
    problem = replace(training.problem, needs=tuple(_needs(training, total)))
    usual = training.usual(total)
    solved = problem.solved(total, usual)
    if solved is None:
        raise refusal(problem, total, usual)
    return _aimed(training, problem, *solved)


def aimed_or_none(training: TrainingRows, total: int) -> Aimed | None:
    """Compute how much is drawn of each cell for this total. Returns None if it is impossible, without a search for possible requests."""
    if not len(training.pool):
        return None
    problem = replace(training.problem, needs=tuple(_needs(training, total)))
    solved = problem.solved(total, training.usual(total))
    return None if solved is None else _aimed(training, problem, *solved)


def _aimed(training: TrainingRows, problem: CellProblem, counts: np.ndarray, lacking: np.ndarray) -> Aimed:
    targets = np.bincount(problem.pool, counts, minlength=len(training.scans)).astype(np.int64)
    return Aimed(training, plan_of(training.asked, training.supplies, targets), counts, lacking, problem)


def _as_many_as_there_are(training: TrainingRows) -> int:
    """Return the largest total for which no row repeats."""
    once = replace(training.problem, repeats=np.ones_like(training.problem.repeats))
    largest = once.largest() or 0
    for slacks in ((0,), (0, 1)):
        for total in range(largest + ROUNDING, max(0, largest - TRIED), -1):
            if once.solved(total, training.usual(total), slacks) is not None:
                return total
    raise refusal(training.problem, 1, training.usual(1))


ROUNDING = 4
"""The number of totals that are tried above the largest total for unrounded shares."""
TRIED = 50
"""The number of totals that are tried below it."""


def _needs(training: TrainingRows, total: int) -> Iterator[Need]:
    """Yield the number of additional rows for each rule of an audit, within the rows to be spent on needs."""
    row = training.cells[1]
    for need in training.judged.needs:
        wanted = sum(need.missing)
        spent = min(wanted, total if need.target.rows is None else need.target.rows)
        more = largest_remainder(need.missing, [spent])[0].tolist() if wanted else [0] * len(need.missing)
        inside = training.of(need.inside)[row]
        for place, rule in enumerate(need.rules):
            yield Need(rule, inside[:, place], more[place])
