"""The choice of the rows of each cell: at random, or with the weakest preference that meets the request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from outcross.errors import BadInput
from outcross.ledger import stream
from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.draws import PoolDraws, nearest_amount, scrambled, sequence
from outcross.verbs.mix.pools import ScannedPool

STEPS = 80
"""The maximum number of steps of the search for the strength of a preference."""
ROUNDS = 30
"""The maximum number of rounds over several means."""
STRONGEST = 2.0**40
"""The maximum strength of a preference, per standard deviation of its number."""


@dataclass(frozen=True, eq=False)
class Entries:
    """The rows of all pools that may be drawn, and the requests for them."""

    asked: MixRecipe
    scans: tuple[ScannedPool, ...]
    cell: np.ndarray
    """The cell of each row, (rows,)."""
    pool: np.ndarray
    """The pool of each row, (rows,)."""
    amounts: np.ndarray
    """The amount of each row, in the budget's unit, (rows,)."""
    counts: np.ndarray
    """The amount to draw of each cell, (cells,)."""
    log_weights: np.ndarray | None
    """The logarithm of the factor by which each row should be more likely than usual, in nats, (rows,); None if no row is preferred."""
    means: tuple[tuple[str, float, np.ndarray], ...]
    """The names, goals and numbers (rows,) of the requested means."""

    @property
    def repeats(self) -> tuple[np.ndarray, np.ndarray]:
        """The number of draws of each row that fill its cell, and the maximum that is allowed, (rows,) each."""
        limit = np.array([self.asked.repeats_of(pool) for pool in self.asked.pools], dtype=np.int64)[self.pool]
        there = np.bincount(self.cell, self.amounts, minlength=len(self.counts))
        needed = np.ceil(self.counts / np.maximum(there, 1)).astype(np.int64)
        return np.clip(needed[self.cell], 1, limit), limit

    @property
    def starts(self) -> np.ndarray:
        """The index of the first row of each pool, with the number of all rows at the end, (pools + 1,)."""
        return np.concatenate([[0], np.cumsum([scan.rows for scan in self.scans])])


@dataclass(frozen=True, eq=False)
class ChosenRows:
    """The drawn rows of each pool."""

    of_pools: tuple[PoolDraws, ...]

    def rows(self, entries_start: np.ndarray) -> np.ndarray:
        """Return the index of the row of every draw among the rows of all pools, (draws,)."""
        return np.concatenate(
            [np.zeros(0, np.int64), *(own.rows + start for own, start in zip(self.of_pools, entries_start[:-1], strict=True))]
        )


def chosen(entries: Entries) -> ChosenRows:
    """Return the drawn rows of each cell.

    If no row is preferred, they are the beginning of the cell's own random sequence. Otherwise each row gets a Gumbel-distributed random number, which depends on
    its content, plus the logarithm of its weight. The rows with the largest sums are drawn. This is a random sample without replacement in proportion to the
    weights (Efraimidis & Spirakis, Inf. Process. Lett. 97:181, 2006). A mean is reached by weights exp(λ·number). Of all weights that reach it, these change the
    distribution least (minimum Kullback–Leibler divergence). λ is searched with fixed random numbers, for which the mean never decreases with λ.
    """
    if entries.log_weights is None and not entries.means:
        return ChosenRows(tuple(_at_random(entries)))
    fewest, largest = entries.repeats
    try:
        return _Preferred(entries, fewest).chosen_rows()
    except BadInput:
        if (fewest == largest).all():
            raise
        return _Preferred(entries, largest).chosen_rows()


def _at_random(entries: Entries) -> list[PoolDraws]:
    parts, surplus = [], 0
    unit, starts = entries.asked.unit, entries.starts
    for place, (recipe, scan) in enumerate(zip(entries.asked.pools, entries.scans, strict=True)):
        cell, amounts = (values[starts[place] : starts[place + 1]] for values in (entries.cell, entries.amounts))
        order = np.argsort(cell, kind="stable")
        numbers, firsts = np.unique(cell[order], return_index=True)
        rows, passes = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
        for number, own in zip(numbers.tolist(), np.split(order, firsts[1:]) if len(order) else [], strict=True):
            wanted = int(entries.counts[number])
            if not wanted:
                continue
            part = scan.take(own)
            if unit == "rows":
                draws = sequence(part, wanted, entries.asked.seed, recipe.name)
            else:
                times = min(entries.asked.repeats_of(recipe), wanted // max(int(amounts[own].sum()), 1) + 1)
                draws = sequence(part, part.rows * times, entries.asked.seed, recipe.name)
                reached = np.concatenate([[0], np.cumsum(amounts[own][draws.rows])])
                draws = draws.first(nearest_amount(reached, wanted - surplus))
                surplus += int(reached[len(draws)]) - wanted
            rows.append(own[draws.rows])
            passes.append(draws.passes)
        parts.append(PoolDraws(np.concatenate(rows), np.concatenate(passes)))
    return parts


EXACT = 4
"""The search for the strength of a mean stops when the mean is known to this fraction (1/4) of the change that one record can cause."""


class _Preferred:
    """Draws rows with a preference. Each row has one entry for each time that it may be drawn."""

    def __init__(self, entries: Entries, repeats: np.ndarray):
        self.entries = entries
        self.row = np.repeat(np.arange(len(repeats)), repeats)
        copy = np.arange(len(self.row)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        digests = np.concatenate([scan.of_rows[:, 0] for scan in entries.scans])
        occurrences = np.concatenate([scan.occurrences for scan in entries.scans]).astype(np.uint64)
        again = scrambled(occurrences[self.row] + (copy.astype(np.uint64) << np.uint64(32)))
        self.bits = scrambled(scrambled(digests ^ self._salt("weights"))[self.row] + again)
        uniform = ((self.bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        noise = -np.log(-np.log(uniform))
        self.base = noise if entries.log_weights is None else noise + entries.log_weights[self.row]
        self.cell = entries.cell[self.row]
        self.amounts = entries.amounts[self.row]
        self.values = [values[self.row] for _, _, values in entries.means]

    def _salt(self, name: str) -> np.uint64:
        return stream(self.entries.asked.seed, "mix", name).integers(2**64, dtype=np.uint64)

    def chosen_rows(self) -> ChosenRows:
        return self._draws(self._taken(self._strengths()))

    def _taken(self, strengths: Sequence[float], only: tuple[int, float] | None = None) -> np.ndarray:
        """Return which entries are drawn at these strengths of the means, (entries,) of bool. only: sort by this number alone, with this sign."""
        keys = self.base + sum(
            (strength * values for strength, values in zip(strengths, self.values, strict=True)), np.zeros(len(self.base))
        )
        first = keys if only is None else only[1] * self.values[only[0]]
        if self.is_in_rows:
            return self._largest(first)
        order = np.lexsort((-keys, -first, self.cell)) if only is not None else np.lexsort((-keys, self.cell))
        cell, amounts = self.cell[order], self.amounts[order]
        reached = np.cumsum(amounts)
        is_first = np.ones(len(cell), bool)
        is_first[1:] = cell[1:] != cell[:-1]
        before = (reached - amounts)[is_first]
        inside = reached - np.repeat(before, np.diff(np.flatnonzero(is_first), append=len(cell)))
        taken = np.zeros(len(cell), bool)
        taken[order] = inside - amounts / 2 <= self.entries.counts[cell] - 0.25  # to the nearest record
        return taken

    @cached_property
    def is_in_rows(self) -> bool:
        """Whether every entry has the amount 1, so that entries need not be sorted to reach an amount."""
        return bool((self.amounts == 1).all())

    @cached_property
    def _cells(self) -> list[tuple[int, np.ndarray]]:
        """The number of entries to draw of each cell, and the indices of its entries."""
        order = np.argsort(self.cell, kind="stable")
        bounds = np.searchsorted(self.cell[order], np.arange(len(self.entries.counts) + 1))
        return [
            (int(wanted), order[low:high])
            for wanted, low, high in zip(self.entries.counts.tolist(), bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        ]

    def _largest(self, keys: np.ndarray) -> np.ndarray:
        """Return a mask of the entries with the largest keys in each cell, as many as are to be drawn, (entries,) of bool."""
        taken = np.zeros(len(keys), bool)
        for wanted, own in self._cells:
            if wanted >= len(own):
                taken[own] = True
            elif wanted > 0:
                taken[own[np.argpartition(-keys[own], wanted - 1)[:wanted]]] = True
        return taken

    def _mean(self, taken: np.ndarray, number: int) -> float:
        return float(self.values[number][taken].mean()) if taken.any() else 0.0

    @cached_property
    def scales(self) -> list[float]:
        """The standard deviation of each number."""
        return [float(values.std()) or 1.0 for values in self.values]

    def _strengths(self) -> list[float]:
        """Return the strengths at which every mean has the requested value, to within one record. Raises BadInput if there are none."""
        means = self.entries.means
        strengths = [0.0] * len(means)
        for number, (name, goal, _) in enumerate(means):
            low, high = (self._mean(self._taken(strengths, (number, sign)), number) for sign in (-1.0, 1.0))
            if not low - 1e-9 * abs(low) <= goal <= high + 1e-9 * abs(high):
                raise BadInput(
                    f"the mean of {name} cannot be {goal:.6g}: with the requested shares it can be from {low:.6g} to {high:.6g}; write a mean between them, "
                    "fewer rows, or a larger max_repeats"
                )
        for _ in range(ROUNDS if len(means) > 1 else 1):
            for number in range(len(means)):
                strengths[number] = self._search(strengths, number)
            if all(self._is_met(self._taken(strengths), number) for number in range(len(means))):
                break
        taken = self._taken(strengths)
        if not all(self._is_met(taken, number) for number in range(len(means))):
            nearest = ", ".join(f"{name} {self._mean(taken, number):.6g}" for number, (name, _, _) in enumerate(means))
            raise BadInput(
                f"the means of {' and '.join(name for name, _, _ in means)} cannot be reached together with these rows; write other means, the nearest found are {nearest}"
            )
        return strengths

    def _is_met(self, taken: np.ndarray, number: int) -> bool:
        """Whether a mean differs from its goal by no more than one record can change it."""
        values = self.values[number]
        return (
            abs(self._mean(taken, number) - self.entries.means[number][1])
            <= (float(values.max()) - float(values.min())) / max(int(taken.sum()), 1) + 1e-12
        )

    def _search(self, strengths: Sequence[float], number: int) -> float:
        """Return the strength of one number at which its mean is nearest to its goal, with the other strengths fixed."""
        goal, scale = self.entries.means[number][1], self.scales[number]

        def mean(strength: float) -> float:
            return self._mean(self._taken([*strengths[:number], strength, *strengths[number + 1 :]]), number)

        start = strengths[number]
        here = mean(start)
        if here == goal:
            return start
        sign, step = (1.0 if here < goal else -1.0), 1.0 / scale
        near, at_near, far = start, here, start + sign * step
        at_far = mean(far)
        while (at_far < goal if sign > 0 else at_far > goal) and step * scale < STRONGEST:
            near, at_near, step = far, at_far, step * 4
            far = start + sign * step
            at_far = mean(far)
        tried = [(abs(here - goal), abs(start), start), (abs(at_near - goal), abs(near), near), (abs(at_far - goal), abs(far), far)]
        values = self.values[number]
        a_record = (float(values.max()) - float(values.min())) / max(int(self._taken(strengths).sum()), 1)
        is_straight = True  # the mean is nearly linear over a short interval, where bisection would take four times as many trials
        for _ in range(STEPS):
            if abs(at_far - at_near) <= a_record / EXACT:
                break
            part = min(max((goal - at_near) / (at_far - at_near), 0.02), 0.98) if is_straight else 0.5
            middle = near + part * (far - near)
            if middle in (near, far):
                break
            estimate = mean(middle)
            tried.append((abs(estimate - goal), abs(middle), middle))
            if estimate == goal:
                break
            before = abs(far - near)
            if (estimate < goal) == (sign > 0):
                near, at_near = middle, estimate
            else:
                far, at_far = middle, estimate
            is_straight = abs(far - near) < before / 2 or not is_straight
        return min(tried)[2]

    def _draws(self, taken: np.ndarray) -> ChosenRows:
        """Return the drawn entries of each pool, in a random order."""
        starts = self.entries.starts
        at = np.flatnonzero(taken)
        order = at[np.argsort(scrambled(self.bits[at] ^ self._salt("order of weighted rows")), kind="stable")]
        row, pool = self.row[order], self.entries.pool[self.row[order]]
        draws = []
        for place in range(len(self.entries.scans)):
            rows = row[pool == place] - starts[place]
            draws.append(PoolDraws(rows, _times_before(rows)))
        return ChosenRows(tuple(draws))


def _times_before(rows: np.ndarray) -> np.ndarray:
    """Return how often each number occurred earlier in the array, (n,)."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    is_first = np.ones(len(rows), bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    firsts = np.flatnonzero(is_first)
    times = np.zeros(len(rows), np.int32)
    times[order] = np.arange(len(rows)) - np.repeat(firsts, np.diff(firsts, append=len(rows)))
    return times
