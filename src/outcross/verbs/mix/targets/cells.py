"""The number of rows that a mix draws of each cell. Cells are the combinations of pools and of the column values that targets name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from outcross.data.shares import exact, largest_remainder
from outcross.errors import BadInput

MOST_CELLS = 20_000
"""The maximum number of cells."""
ROUNDS = 200
"""The maximum number of rounds of proportional fitting."""
DEAR = 1e4
"""The cost of one row that a need lacks, in units of one moved row."""
CLOSE = 1e-9
"""The relative error up to which a sum of cells counts as met."""


@dataclass(frozen=True, eq=False)
class Demand:
    """A requested share: some cells together, as a fraction of other cells."""

    target: str
    """The name of the target that requests it."""
    value: str
    """The value of the target's column."""
    cells: np.ndarray
    """The cells that count, (cells,) of bool."""
    among: np.ndarray
    """The cells that the share refers to, (cells,) of bool."""
    low: Fraction
    """The minimum share, in [0, 1]."""
    high: Fraction
    """The maximum share, in [0, 1]."""

    @property
    def is_exact(self) -> bool:
        return self.low == self.high


@dataclass(frozen=True, eq=False)
class Need:
    """Cells of which the mix should have a given number of rows more than usual."""

    rule: str
    cells: np.ndarray
    more: int


@dataclass(frozen=True, eq=False)
class CellProblem:
    """The cells, the supply of each, and the requests for them."""

    pool: np.ndarray
    """The pool of each cell, (cells,)."""
    available: np.ndarray
    """The supply of each cell, in the budget's unit, (cells,)."""
    repeats: np.ndarray
    """The maximum number of times that a row of each cell is drawn, (cells,)."""
    fixed: tuple[Demand, ...]
    """The requested shares of pools and of human records."""
    demands: tuple[Demand, ...]
    """The requests of the targets, one for each value."""
    needs: tuple[Need, ...]
    unit: str
    names: tuple[str, ...]
    """The names of the pools."""

    @property
    def caps(self) -> np.ndarray:
        return self.available * self.repeats

    def solved(self, total: int, usual: np.ndarray, slacks: Sequence[int] = (0, 1)) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the amount to draw of each cell, close to the usual amounts, and the amount that each need lacks; None if there is no solution.

        The counts are whole numbers that meet every demand exactly, rounded by largest remainders. If more than two columns are crossed and no such
        numbers exist, a positive count may differ by one record. slacks: the differences that are allowed, tried in this order.
        """
        rows, low, high = self._constraints(total)
        wanted = [int(usual @ need.cells) + need.more for need in self.needs]
        near = _fitted(
            usual,
            self.caps.astype(float),
            rows,
            low,
            high,
            [(need.cells, goal) for need, goal in zip(self.needs, wanted, strict=True)],
        )
        for slack in slacks:
            loose = np.where((low == high) & (high > 0), slack, 0)
            loose[0] = 0
            counts = _nearest_whole(near, self.caps, rows, low - loose, high + loose, self.needs, wanted, self.unit == "rows")
            if counts is not None:
                lacking = np.array(
                    [max(0, goal - int(counts @ need.cells)) for need, goal in zip(self.needs, wanted, strict=True)], dtype=np.int64
                )
                return counts, lacking
        return None

    def largest(self, high: int | None = None, repeats: np.ndarray | None = None) -> int | None:
        """Return the largest total, at most `high`, that the supply allows; None if there is none."""
        rows, low, up = self._ratios()
        caps = (self.available * (self.repeats if repeats is None else repeats)).astype(float)
        counts = _linear(-np.ones(len(caps)), rows, low, up, caps)
        if counts is None:
            return None
        total = int(np.floor(counts.sum() + 1e-6))
        return min(total, high) if high is not None and total > 0 else total or None

    def contradiction(self) -> tuple[str, ...]:
        """Return a smallest set of targets that contradict each other, however many rows each cell has; empty if they do not contradict."""
        every = list(dict.fromkeys([demand.target for demand in (*self.fixed, *self.demands)]))
        if self._can_be_of_any_supply(every):
            return ()
        for name in list(every):
            rest = [other for other in every if other != name]
            if not self._can_be_of_any_supply(rest):
                every = rest
        return tuple(every)

    def _can_be_of_any_supply(self, names: Sequence[str]) -> bool:
        kept = replace(
            self,
            fixed=tuple(demand for demand in self.fixed if demand.target in names),
            demands=tuple(demand for demand in self.demands if demand.target in names),
        )
        rows, low, high = kept._ratios()
        whole = np.ones((1, len(self.available)))
        return (
            _linear(
                np.zeros(len(self.available)),
                np.concatenate([whole, rows]),
                np.concatenate([[1.0], low]),
                np.concatenate([[1.0], high]),
                np.where(self.available > 0, np.inf, 0.0),
            )
            is not None
        )

    def nearest_shares(self, total: int) -> dict[str, dict[str, float]] | None:
        """Return the shares nearest to the requested ones that the supply allows, by target and value; None if no shares are possible."""
        asked = [demand for demand in self.demands if demand.is_exact]
        fixed = replace(self, demands=tuple(demand for demand in self.demands if not demand.is_exact))
        rows, low, high = fixed._constraints(total)
        cells, extra = len(self.available), 2 * len(asked)
        whole = np.concatenate([rows, np.zeros((len(rows), extra))], axis=1)
        soft = np.zeros((len(asked), cells + extra))
        for place, demand in enumerate(asked):
            soft[place, :cells] = demand.cells - float(demand.low) * demand.among
            soft[place, cells + 2 * place], soft[place, cells + 2 * place + 1] = 1, -1
        cost = np.concatenate([np.zeros(cells), np.ones(extra)])
        upper = np.concatenate([self.caps.astype(float), np.full(extra, np.inf)])
        solution = _linear(
            cost,
            np.concatenate([whole, soft]),
            np.concatenate([low, np.zeros(len(asked))]),
            np.concatenate([high, np.zeros(len(asked))]),
            upper,
        )
        if solution is None:
            return None
        shares: dict[str, dict[str, float]] = {}
        for demand in asked:
            demanded = float(solution[:cells] @ demand.among)
            shares.setdefault(demand.target, {})[demand.value] = (
                float(solution[:cells] @ demand.cells) / demanded if demanded else 0.0
            )
        return shares

    def with_shares(self, shares: dict[str, dict[str, float]]) -> CellProblem:
        """Return the same problem with other requested shares."""
        asked = [
            replace(demand, low=exact(share), high=exact(share))
            if (share := shares.get(demand.target, {}).get(demand.value)) is not None
            else demand
            for demand in self.demands
        ]
        return replace(self, demands=tuple(asked))

    def _ratios(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return every demand as bounds of a weighted sum of cells that do not depend on the total."""
        rows, low, high = [np.zeros((0, len(self.available)))], [], []
        for demand in (*self.fixed, *self.demands):
            for share, ends in ((demand.low, (0.0, np.inf)), (demand.high, (-np.inf, 0.0))):
                rows.append((demand.cells - float(share) * demand.among)[None, :])
                low.append(ends[0])
                high.append(ends[1])
        return np.concatenate(rows), np.array(low), np.array(high)

    def _constraints(self, total: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the total and every demand, in the budget's unit: rows of a matrix over the cells, and the lower and upper bound of each."""
        cells = len(self.available)
        rows, low, high = [np.ones(cells)], [float(total)], [float(total)]
        known = {}
        for group in _by_target((*self.fixed, *self.demands)):
            base = group[0].among
            whole = total if base.all() else known.get(base.tobytes())
            parts = [demand.low for demand in group if demand.is_exact]
            rest = 1 - sum(parts)
            counts = largest_remainder([*parts, rest], [whole])[0].tolist() if whole is not None and parts else []
            for demand in group:
                if demand.is_exact and whole is not None:
                    count = counts.pop(0)
                    rows.append(demand.cells.astype(float))
                    low.append(float(count))
                    high.append(float(count))
                    if group[0] in self.fixed:
                        known[demand.cells.tobytes()] = count
                    continue
                slack = 1.0 if demand.is_exact else 0.0
                if demand.low > 0 or demand.is_exact:
                    rows.append(demand.cells - float(demand.low) * demand.among)
                    low.append(-slack)
                    high.append(np.inf)
                if demand.high < 1 or demand.is_exact:
                    rows.append(demand.cells - float(demand.high) * demand.among)
                    low.append(-np.inf)
                    high.append(slack)
        return np.array(rows), np.array(low), np.array(high)


def refusal(problem: CellProblem, total: int, usual: np.ndarray) -> BadInput:
    """Return the error that says why the request is impossible and names the nearest possible ones. Each of these is tried before it is named."""
    if names := problem.contradiction():
        listed = " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
        why = "contradict each other" if len(names) > 1 else "is impossible with these pools"
        return BadInput(
            f"{listed} {why}: no selection of rows meets {'all of them' if len(names) > 1 else 'it'}; change {'one of them' if len(names) > 1 else 'it'}, or give other pools"
        )
    options = [*_options(problem, total, usual)]
    short = "; ".join(_lacking(problem, total))
    return BadInput(
        f"there are too few rows for the targets{f': {short}' if short else ''}. No row is repeated more often than max_repeats, so that this mix is impossible."
        + (f" Nearest: {'; or '.join(options)}" if options else "")
    )


def _lacking(problem: CellProblem, total: int) -> Iterator[str]:
    """Yield the values of which more is requested than the pools have, at most three."""
    said = 0
    for demand in problem.demands:
        needed = float(demand.low) * total if demand.among.all() else 0.0
        there = int(problem.available[demand.cells].sum())
        if needed > int(problem.caps[demand.cells].sum()) and said < 3:
            said += 1
            yield f"{demand.target.split(' of ', 1)[1]} = {demand.value} must give {int(np.ceil(needed)):,} {problem.unit}, and there are {there:,}"


def _options(problem: CellProblem, total: int, usual: np.ndarray) -> Iterator[str]:
    largest = problem.largest(total)
    while largest and problem.solved(largest, usual * largest / total) is None:
        largest = largest - max(1, largest // 1000)
    if largest:
        yield f"{problem.unit}: {largest}"
    repeats = _smallest(lambda times: problem.largest(repeats=np.full(len(problem.repeats), times)), total)
    if repeats is not None and replace(problem, repeats=np.full(len(problem.repeats), repeats)).solved(total, usual) is not None:
        yield f"max_repeats: {repeats}"
    shares = problem.nearest_shares(total)
    if shares is not None:
        for decimals in (2, 3, 4, 6, 9):
            rounded = {name: _rounded(shares_of_column, decimals) for name, shares_of_column in shares.items()}
            if problem.with_shares(rounded).solved(total, usual) is not None:
                changed = {
                    name: shares_of_column
                    for name, shares_of_column in rounded.items()
                    if shares_of_column != _asked(problem, name)
                }
                yield "; ".join(
                    f"{name}: {', '.join(f'{value} {share:.12g}' for value, share in shares_of_column.items())}"
                    for name, shares_of_column in changed.items()
                )
                return


def _asked(problem: CellProblem, name: str) -> dict[str, float]:
    return {demand.value: float(demand.low) for demand in problem.demands if demand.target == name and demand.is_exact}


def _rounded(shares: dict[str, float], decimals: int) -> dict[str, float]:
    """Round shares to this number of decimals so that their sum stays the same, rounded to as many decimals."""
    scale = 10**decimals
    whole = round(sum(shares.values()) * scale)
    parts = (
        largest_remainder([Fraction(max(share, 0.0)).limit_denominator(10**12) for share in shares.values()], [whole])[0].tolist()
        if whole
        else [0] * len(shares)
    )
    return {value: part / scale for value, part in zip(shares, parts, strict=True)}


def _smallest(largest: Callable[[int], int | None], total: int) -> int | None:
    """Return the smallest number of repeats for which the supply is sufficient, up to 10,000; None if there is none."""
    low, high = 0, 10_000
    if (largest(high) or 0) < total:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if (largest(middle) or 0) >= total else (middle, high)
    return high


def _by_target(demands: Sequence[Demand]) -> Iterator[list[Demand]]:
    for name in dict.fromkeys(demand.target for demand in demands):
        yield [demand for demand in demands if demand.target == name]


def _fitted(
    usual: np.ndarray,
    caps: np.ndarray,
    rows: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    needs: Sequence[tuple[np.ndarray, int]],
) -> np.ndarray:
    """Scale the usual amounts until the sums of cells meet the requests, as far as the supply allows (iterative proportional fitting).

    If the supply is sufficient, the result has the smallest Kullback–Leibler divergence from the usual amounts (Csiszár, Ann. Probab. 3:146, 1975).
    """
    counts = np.minimum(np.where((usual <= 0) & (caps > 0), 1e-6, usual), caps)
    sums = [(row > 0, bottom, top) for row, bottom, top in zip(rows, low, high, strict=True) if ((row == 0) | (row == 1)).all()]
    sums += [(cells, float(goal), np.inf) for cells, goal in needs]
    for _ in range(ROUNDS):
        worst = 0.0
        for cells, bottom, top in sums:
            now = float(counts[cells].sum())
            goal = min(max(now, bottom), top)
            if abs(goal - now) > CLOSE * max(goal, 1.0):
                worst = max(worst, abs(goal - now))
                counts[cells] = _scaled(counts[cells], caps[cells], goal)
        if worst < 1e-6:
            break
    return counts


def _scaled(values: np.ndarray, caps: np.ndarray, goal: float) -> np.ndarray:
    """Multiply values by one factor, each limited by its cap, so that their sum is the goal, or as close to it as the caps allow."""
    if goal >= caps.sum():
        return caps.copy()
    low, high = 0.0, 1.0
    while np.minimum(values * high, caps).sum() < goal and high < 1e18:
        high *= 4
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(values * middle, caps).sum() < goal else (low, middle)
    return np.minimum(values * high, caps)


def _linear(cost: np.ndarray, rows: np.ndarray, low: np.ndarray, high: np.ndarray, upper: np.ndarray) -> Any:
    """Return the amounts from 0 to `upper` with the lowest cost whose sums lie between the bounds; None if there are none."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    constraints = [LinearConstraint(rows, low, high)] if len(rows) else []  # pyright: ignore[reportArgumentType]
    solution = milp(cost, constraints=constraints, bounds=Bounds(0.0, upper))  # pyright: ignore[reportArgumentType]
    return solution.x if solution.success else None


def _nearest_whole(
    near: np.ndarray,
    caps: np.ndarray,
    rows: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    needs: Sequence[Need],
    wanted: Sequence[int],
    is_whole: bool,
) -> np.ndarray | None:
    """Return whole numbers close to `near` whose sums lie between the bounds, with the needs met as far as possible; None if there are none.

    For two-way tables such whole numbers exist whenever fractions do (controlled rounding; Cox, J. Am. Stat. Assoc. 82:520, 1987).
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import block_array, csr_array, eye_array

    cells, lacking = len(near), len(needs)
    blocks = [
        [csr_array(rows), None, None],
        [eye_array(cells), -eye_array(cells), None],
        [-eye_array(cells), -eye_array(cells), None],
    ]
    bottom, top = [low, np.full(2 * cells, -np.inf)], [high, near, -near]
    if lacking:
        blocks.append([csr_array(np.array([need.cells for need in needs], dtype=float)), None, eye_array(lacking)])
        bottom.append(np.array(wanted, dtype=float))
        top.append(np.full(lacking, np.inf))
        matrix = block_array(blocks)
    else:
        matrix = block_array([block[:2] for block in blocks])
    cost = np.concatenate([np.zeros(cells), np.ones(cells), np.full(lacking, DEAR)])
    upper = np.concatenate([caps.astype(float), np.full(cells + lacking, np.inf)])
    kinds = np.concatenate([np.full(cells, int(is_whole)), np.zeros(cells + lacking)])
    bounds = LinearConstraint(matrix, np.concatenate(bottom), np.concatenate(top))  # pyright: ignore[reportArgumentType]
    solution = milp(cost, constraints=[bounds], bounds=Bounds(0.0, upper), integrality=kinds)  # pyright: ignore[reportArgumentType]
    return np.rint(solution.x[:cells]).astype(np.int64) if solution.success else None
