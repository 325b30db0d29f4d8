"""Readings followed over the generations of an arm, and how far each comparison of them can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from outcross.errors import BadInput
from outcross.estimate import NORMAL_QUANTILE, NotApplicable, error_behind, rounding, student_quantile
from outcross.measures import pages_of_runs

if TYPE_CHECKING:
    import polars as pl

    from outcross.experiment.settings import ArmFamily

NO_INTERVAL = "no interval"


class Interval(NamedTuple):
    """A number and its 95 % interval; the ends are infinite where nothing says how far to trust it, and `why` is the reason."""

    value: float
    low: float
    high: float
    why: str = ""

    @classmethod
    def around(cls, value: float, half: float, why: str = "") -> Interval:
        """The number, give or take `half`; NaN or infinity where that is not known, for the reason `why`."""
        return cls(value, value - half, value + half) if math.isfinite(half) else cls(value, -math.inf, math.inf, why)

    @property
    def is_known(self) -> bool:
        """Whether something says how far to trust the number."""
        return math.isfinite(self.low)

    def exponential(self) -> Interval:
        """The ratio of which this is the log; ends that say nothing still say nothing."""
        with np.errstate(over="ignore"):
            value, low, high = np.exp(self[:3]).tolist()
        return Interval(value, low if self.is_known else -math.inf, high, self.why)

    def plus(self, number: float) -> Interval:
        """The number and its ends, moved by a constant."""
        return Interval(self.value + number, self.low + number, self.high + number, self.why)

    def __str__(self) -> str:
        if not self.is_known:
            return f"{self.value:.3g} ({self.why or NO_INTERVAL})"
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True, eq=False)
class Course:
    """A reading over generations 0, 1, 2 …, a row a seed. Whatever is asked of it is a weighted sum over its generations."""

    values: np.ndarray  # (seeds, generations)
    errors: np.ndarray  # (seeds, generations) standard errors; NaN where a reading has no interval
    why: str = ""
    """Why readings have no interval, where they have none."""
    min_magnitude: float = 0.0
    """The smallest magnitude that rounding errors are computed for: 1 after a logarithm, because its argument was rounded."""

    @property
    def generations(self) -> int:
        """How many generations there are, generation 0 among them."""
        return self.values.shape[1]

    def sum(self, weights: np.ndarray) -> Interval:
        """The weighted sum over generations: within each seed, then over seeds. Its interval is never narrower than its rounding."""
        seeds = len(self.values)
        sums = self.values @ weights
        rounded = self.rounding(weights)
        if seeds > 1:
            half = student_quantile(seeds - 1) * float(sums.std(ddof=1)) / math.sqrt(seeds)
        else:
            used = weights != 0
            half = NORMAL_QUANTILE * math.sqrt(float(weights[used] ** 2 @ self.errors[0, used] ** 2))
        return Interval.around(float(sums.mean()), half if math.isnan(half) else max(half, rounded), self.why)

    def rounding(self, weights: np.ndarray) -> float:
        """The width of rounding of a weighted sum over generations."""
        return rounding(*(np.abs(weights) * np.maximum(np.abs(self.values).max(axis=0), self.min_magnitude)).tolist())

    def at(self, generation: int) -> Interval:
        """The reading of one generation; -1 is the last."""
        return self.sum(self._only(generation))

    def changes(self) -> list[Interval]:
        """How far each generation is from generation 0, for generation 1 and all after it."""
        return [self.sum(self._only(generation) - self._only(0)) for generation in range(1, self.generations)]

    def slope(self, first: int = 0) -> Interval:
        """The mean step a generation from the generation `first` to the last.

        Generations inherit each other's error, so the steps are averaged and no line is fitted to the levels. One seed:
        the wider of the readings' own error and that of the steps' scatter, which training noise adds to.
        """
        span = self.generations - 1 - first
        slope = self.sum((self._only(-1) - self._only(first)) / span)
        steps = np.diff(self.values[0, first:])
        if len(self.values) > 1 or steps.size < 2:
            return slope
        return _no_narrower(slope, student_quantile(steps.size - 1) * float(steps.std(ddof=1)) / math.sqrt(span))

    def bend(self) -> Interval | None:
        """The change over the last doubling of the fits less the change over the doubling before; None under four fits.

        R(T) - 2 R(T/2) + R(T/4), T = g + 1, read between generations along straight lines. By Cauchy's condensation,
        steps that shrink as a power of 1/T add up to a limit exactly where doublings bring less and less: negative for a
        rise that levels off, 0 for a logarithm, positive for a line.

        One seed: as for a slope, the steps' scatter, read from how they differ from the next. It covers 93 to 97 % where training
        noise rules, and up to all where the test data's does: a level that scatters looks like steps that scatter, and
        one seed does not tell which.
        """
        fits = self.generations
        if fits < 4:
            return None
        weights = self._after(fits) - 2 * self._after(fits / 2) + self._after(fits / 4)
        bend = self.sum(weights)
        return bend if len(self.values) > 1 else _no_narrower(bend, self._scatter(weights))

    def last_doubling(self) -> Interval:
        """The change from half the fits to all of them, T = g + 1."""
        return self.sum(self._after(self.generations) - self._after(self.generations / 2))

    def logged(self) -> Course:
        """The natural logarithm; NotApplicable where a value is not above 0."""
        if self.values.min() <= 0:
            raise NotApplicable(f"a value of {self.values.min():g} has no logarithm")
        return replace(self, values=np.log(self.values), errors=self.errors / self.values, min_magnitude=1.0)

    def over(self, other: Course) -> Course:
        """The ratio to another course, errors to first order."""
        ratio = self.values / other.values
        return replace(
            self, values=ratio, errors=np.hypot(self.errors, ratio * other.errors) / other.values, why=self.why or other.why
        )

    def minus(self, other: Course) -> Course:
        """The difference from another course, errors added as if independent; it is rounded as its larger term is."""
        larger = max(self.min_magnitude, float(np.abs(self.values).max()), float(np.abs(other.values).max()))
        return Course(self.values - other.values, np.hypot(self.errors, other.errors), self.why or other.why, larger)

    def until(self, generation: int) -> Course:
        """What came before a generation."""
        return replace(self, values=self.values[:, :generation], errors=self.errors[:, :generation])

    def _scatter(self, weights: np.ndarray) -> float:
        """Half the 95 % interval of one seed's bend, from how its steps differ from the next within each doubling.

        Half their mean square is the variance of steps however slowly their mean moves (von Neumann et al., Ann. Math. Statist.
        12:153, 1941), and the bend is independent of it; its degrees of freedom are Satterthwaite's.
        """
        of_steps = weights[::-1].cumsum()[-2::-1]  # how often each step is in the weighted sum, below 0 before half the fits
        steps = np.diff(self.values[0])
        doublings = [steps[of_steps < -1e-9], steps[of_steps > 1e-9]]
        squares = sum(float(np.square(np.diff(each)).sum()) for each in doublings)
        count = sum(2 * (each.size - 1) for each in doublings)
        freedom = count**2 / sum(6 * each.size - 8 for each in doublings if each.size > 1)
        return student_quantile(freedom) * math.sqrt(squares / count * float(np.square(of_steps).sum()))

    def _only(self, generation: int) -> np.ndarray:
        """The weights that pick one generation."""
        weights = np.zeros(self.generations)
        weights[generation] = 1.0
        return weights

    def _after(self, fits: float) -> np.ndarray:
        """The weights that read the course after so many fits, along straight lines."""
        all_fits = np.arange(1, self.generations + 1)
        return np.array([np.interp(fits, all_fits, self._only(generation)) for generation in range(self.generations)])


def _no_narrower(number: Interval, half: float) -> Interval:
    """The number, with an interval that reaches at least so far; without one it stays without one."""
    return Interval.around(number.value, max(number.high - number.value, half), number.why)


@dataclass(frozen=True, eq=False)
class Readings:
    """The readings of one arm, of all seeds unless `seed` says which one.

    `every` holds the rows of readings.parquet, other arms' too. BadInput where the arm or the seed is not there, or the
    arm is in several runs.
    """

    every: pl.DataFrame
    arm: str
    seed: int | None = None
    families: tuple[ArmFamily, ...] = ()
    """The arms that one number alone tells apart; none where what they were told is not known."""

    @cached_property
    def rows(self) -> pl.DataFrame:
        """This arm's rows."""
        rows = self.every.filter(arm=self.arm)
        if rows.is_empty():
            raise BadInput(f"no arm {self.arm!r} in the readings; there are: {_listed(self.every['arm'])}")
        if (runs := rows["run"].n_unique()) > 1:
            raise BadInput(f"arm {self.arm!r} is in {runs} runs; filter the readings to one run")
        if self.seed is None:
            return rows
        if self.seed not in rows["seed"]:
            raise BadInput(f"arm {self.arm!r} has no seed {self.seed}; there are: {_listed(rows['seed'])}")
        return rows.filter(seed=self.seed)

    @cached_property
    def _places(self) -> dict[tuple[str, str], pl.DataFrame]:
        """The rows of each place of each measure of whole records: of no column and no group."""
        whole = self.rows.filter(column="", group="")
        return whole.partition_by("measure", "at", maintain_order=True, as_dict=True)  # type: ignore[return-value]

    def course(self, measure: str, at: str = "") -> Course:
        """One place of a measure from generation 0 until a seed lacks it; NotApplicable with the reason if none."""
        return self._followed(measure, at, "value", "low", "high")

    def null(self, measure: str, at: str, like: Course) -> Course | None:
        """What real data of the same size show, along `like`; None where it is not read to the end."""
        try:
            real = self._followed(measure, at, "null", "null_low", "null_high")
        except NotApplicable:
            return None
        if real.generations < like.generations:
            return None
        return replace(real, values=real.values[:, : like.generations], errors=real.errors[:, : like.generations])

    def healthy(self, measure: str, at: str, like: Course) -> Course | None:
        """What is healthy, along `like`: the number that the page of the reading says, or else what real data show; None where neither is known."""
        page = pages_of_runs().get(measure)
        if page is None or isinstance(page.healthy, str):
            return self.null(measure, at, like)
        return Course(np.full(like.values.shape, page.healthy), np.zeros(like.values.shape))

    def _followed(self, measure: str, at: str, value: str, low: str, high: str) -> Course:
        """A number of a reading with its ends, columns of these names, over the generations that all seeds have."""
        rows, name = self._places.get((measure, at)), named(measure, at)
        if rows is None or rows[value].null_count() == rows.height:
            notes = [note for note in ([] if rows is None else rows["note"].to_list()) if note]
            raise NotApplicable(f"{measure}: {notes[0]}" if notes else f"no reading of {name}")
        values = rows.drop_nulls(value)
        seeds: dict[int, set[int]] = {seed: set() for seed in rows["seed"].to_list()}
        for seed, generation in values.select("seed", "generation").rows():
            seeds[seed].add(generation)
        if sum(map(len, seeds.values())) < values.height:
            raise BadInput(f"{name} is read more than once in a generation of a seed; filter the readings to one run")
        generations = 0
        while all(generations in read for read in seeds.values()):
            generations += 1
        if generations == 0:
            raise NotApplicable(f"{name} was not read at generation 0, so nothing compares with it")
        return _course(values.filter(values["generation"] < generations), len(seeds), (value, low, high))

    def places(self, measure: str) -> list[str]:
        """The places of a measure that were read."""
        return [at for name, at in self._places if name == measure]

    def has_number(self, measure: str) -> bool:
        """Whether there is a number of a measure at any place and generation."""
        return any(rows["value"].null_count() < rows.height for (name, _), rows in self._places.items() if name == measure)


def named(measure: str, at: str) -> str:
    return f"{measure} ({at})" if at else measure


def _listed(column: pl.Series) -> str:
    return ", ".join(map(str, column.unique().sort()))


def _course(rows: pl.DataFrame, seeds: int, columns: tuple[str, str, str]) -> Course:
    """The course of rows whose value and ends stand in these columns."""
    ordered = rows.sort("seed", "generation")
    value, low, high = (ordered[column].cast(float).to_numpy().reshape(seeds, -1) for column in columns)
    return Course(value, error_behind(low, high), _why_bare(rows, columns[1]))


def _why_bare(rows: pl.DataFrame, low: str) -> str:
    """Why numbers have no interval: what the methods of those without one say; nothing where all have one."""
    bare = rows.filter(rows[low].is_null())
    methods = [method for method in bare["method"].unique(maintain_order=True).to_list() if method]
    reasons = [method if NO_INTERVAL in method else f"{method}: {NO_INTERVAL}" for method in methods]
    return "; ".join(reasons) or NO_INTERVAL * bool(len(bare))
