"""Readings over the generations of an arm, with the interval of each comparison between generations."""

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
    """A number with its 95 % interval. If the error is unknown, the ends are infinite and `why` is the reason."""

    value: float
    low: float
    high: float
    why: str = ""

    @classmethod
    def around(cls, value: float, half: float, why: str = "") -> Interval:
        """Return the interval of a number ± `half`. If `half` is NaN or infinite, the error is unknown for the reason `why`."""
        return cls(value, value - half, value + half) if math.isfinite(half) else cls(value, -math.inf, math.inf, why)

    @property
    def is_known(self) -> bool:
        """Whether the error of the number is known."""
        return math.isfinite(self.low)

    def exponential(self) -> Interval:
        """Return the exponential of the number and its ends. An unknown error stays unknown."""
        with np.errstate(over="ignore"):
            value, low, high = np.exp(self[:3]).tolist()
        return Interval(value, low if self.is_known else -math.inf, high, self.why)

    def plus(self, number: float) -> Interval:
        """Return the number and its ends plus a constant."""
        return Interval(self.value + number, self.low + number, self.high + number, self.why)

    def __str__(self) -> str:
        if not self.is_known:
            return f"{self.value:.3g} ({self.why or NO_INTERVAL})"
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True, eq=False)
class Course:
    """A reading over generations 0, 1, 2 …, with one row per seed. All results are weighted sums over its generations."""

    values: np.ndarray  # (seeds, generations)
    errors: np.ndarray  # (seeds, generations) standard errors; NaN where a reading has no interval
    why: str = ""
    """The reason if readings have no interval."""
    min_magnitude: float = 0.0
    """Smallest magnitude for which rounding errors are computed. It is 1 after a logarithm, because its argument was rounded."""

    @property
    def generations(self) -> int:
        """Number of generations, including generation 0."""
        return self.values.shape[1]

    def sum(self, weights: np.ndarray) -> Interval:
        """Return the weighted sum over generations, within each seed and then averaged over seeds.

        Its interval is at least as wide as its rounding.
        """
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
        """Return the rounding error of a weighted sum over generations."""
        return rounding(*(np.abs(weights) * np.maximum(np.abs(self.values).max(axis=0), self.min_magnitude)).tolist())

    def at(self, generation: int) -> Interval:
        """Return the reading of one generation. -1 is the last one."""
        return self.sum(self._only(generation))

    def changes(self) -> list[Interval]:
        """Return the difference of each generation from generation 0, beginning with generation 1."""
        return [self.sum(self._only(generation) - self._only(0)) for generation in range(1, self.generations)]

    def slope(self, first: int = 0) -> Interval:
        """Return the mean step per generation from the generation `first` to the last.

        Generations inherit each other's error, so the steps are averaged and no line is fitted to the levels. With one seed, the interval is the wider
        of two: that of the readings' own errors, and that of the scatter of the steps, which contains training noise.
        """
        span = self.generations - 1 - first
        slope = self.sum((self._only(-1) - self._only(first)) / span)
        steps = np.diff(self.values[0, first:])
        if len(self.values) > 1 or steps.size < 2:
            return slope
        return _no_narrower(slope, student_quantile(steps.size - 1) * float(steps.std(ddof=1)) / math.sqrt(span))

    def bend(self) -> Interval | None:
        """Return the change over the last doubling of the fits minus the change over the doubling before. None with fewer than four fits.

        It is R(T) - 2 R(T/2) + R(T/4) with T = g + 1, interpolated linearly between generations. By Cauchy's condensation test, steps that shrink as a
        power of 1/T have a finite sum exactly if each doubling adds less than the one before. The bend is negative for a rise that levels off, 0 for a
        logarithm and positive for a line.

        With one seed, the interval is the wider of that of the readings' errors and that of the scatter of the steps, estimated from differences of
        successive steps. It covers 93 to 97 % if training noise dominates, and up to 100 % if the noise of the test data dominates. One seed cannot
        distinguish the two, because a scattered level looks like scattered steps.
        """
        fits = self.generations
        if fits < 4:
            return None
        weights = self._after(fits) - 2 * self._after(fits / 2) + self._after(fits / 4)
        bend = self.sum(weights)
        return bend if len(self.values) > 1 else _no_narrower(bend, self._scatter(weights))

    def last_doubling(self) -> Interval:
        """Return the change from half the fits to all of them, T = g + 1."""
        return self.sum(self._after(self.generations) - self._after(self.generations / 2))

    def logged(self) -> Course:
        """Return the natural logarithm of the course. Raises NotApplicable if a value is not above 0."""
        if self.values.min() <= 0:
            raise NotApplicable(f"a value of {self.values.min():g} has no logarithm")
        return replace(self, values=np.log(self.values), errors=self.errors / self.values, min_magnitude=1.0)

    def over(self, other: Course) -> Course:
        """Return the ratio to another course, with errors to first order."""
        ratio = self.values / other.values
        return replace(
            self, values=ratio, errors=np.hypot(self.errors, ratio * other.errors) / other.values, why=self.why or other.why
        )

    def minus(self, other: Course) -> Course:
        """Return the difference from another course. Errors are added as if independent, and the rounding is that of the larger term."""
        larger = max(self.min_magnitude, float(np.abs(self.values).max()), float(np.abs(other.values).max()))
        return Course(self.values - other.values, np.hypot(self.errors, other.errors), self.why or other.why, larger)

    def until(self, generation: int) -> Course:
        """Return the generations before a generation."""
        return replace(self, values=self.values[:, :generation], errors=self.errors[:, :generation])

    def _scatter(self, weights: np.ndarray) -> float:
        """Return half the 95 % interval of one seed's bend, from the differences of successive steps within each doubling.

        Half the mean square of these differences estimates the variance of the steps even if their mean moves slowly (von Neumann et al., Ann. Math.
        Statist. 12:153, 1941). The bend is independent of it, and the degrees of freedom are those of Satterthwaite.
        """
        of_steps = weights[::-1].cumsum()[-2::-1]  # weight of each step in the sum, negative before half the fits
        steps = np.diff(self.values[0])
        doublings = [steps[of_steps < -1e-9], steps[of_steps > 1e-9]]
        squares = sum(float(np.square(np.diff(each)).sum()) for each in doublings)
        count = sum(2 * (each.size - 1) for each in doublings)
        freedom = count**2 / sum(6 * each.size - 8 for each in doublings if each.size > 1)
        return student_quantile(freedom) * math.sqrt(squares / count * float(np.square(of_steps).sum()))

    def _only(self, generation: int) -> np.ndarray:
        """Return the weights that select one generation."""
        weights = np.zeros(self.generations)
        weights[generation] = 1.0
        return weights

    def _after(self, fits: float) -> np.ndarray:
        """Return the weights that interpolate the course linearly after this number of fits."""
        all_fits = np.arange(1, self.generations + 1)
        return np.array([np.interp(fits, all_fits, self._only(generation)) for generation in range(self.generations)])


def _no_narrower(number: Interval, half: float) -> Interval:
    """Return the number with an interval of at least ± `half`. A number of unknown error is unchanged."""
    return Interval.around(number.value, max(number.high - number.value, half), number.why)


@dataclass(frozen=True, eq=False)
class Readings:
    """The readings of one arm, for all seeds or for `seed`.

    `every` holds the rows of readings.parquet, including those of other arms. Raises BadInput if the arm or the seed does not exist, or if the arm
    is in several runs.
    """

    every: pl.DataFrame
    arm: str
    seed: int | None = None
    families: tuple[ArmFamily, ...] = ()
    """Groups of arms that differ in only one number. Empty if the settings of the arms are unknown."""

    @cached_property
    def rows(self) -> pl.DataFrame:
        """The rows of this arm."""
        rows = self.every.filter(arm=self.arm)
        if rows.is_empty():
            raise BadInput(f"the readings have no arm {self.arm!r}; they have {_listed(self.every['arm'])}")
        if (runs := rows["run"].n_unique()) > 1:
            raise BadInput(f"arm {self.arm!r} is in {runs} runs; filter the readings to one run")
        if self.seed is None:
            return rows
        if self.seed not in rows["seed"]:
            raise BadInput(f"arm {self.arm!r} has no seed {self.seed}; it has {_listed(rows['seed'])}")
        return rows.filter(seed=self.seed)

    @cached_property
    def _places(self) -> dict[tuple[str, str], pl.DataFrame]:
        """The rows by measure and place, without the readings of single columns or groups."""
        whole = self.rows.filter(column="", group="")
        return whole.partition_by("measure", "at", maintain_order=True, as_dict=True)  # type: ignore[return-value]

    def course(self, measure: str, at: str = "") -> Course:
        """Return one place of a measure over the generations from 0 that all seeds have. Raises NotApplicable, with the reason, if there are none."""
        return self._followed(measure, at, "value", "low", "high")

    def null(self, measure: str, at: str, like: Course) -> Course | None:
        """Return the values of real data of the same size, over the generations of `like`. None if they do not reach the end."""
        try:
            real = self._followed(measure, at, "null", "null_low", "null_high")
        except NotApplicable:
            return None
        if real.generations < like.generations:
            return None
        return replace(real, values=real.values[:, : like.generations], errors=real.errors[:, : like.generations])

    def healthy(self, measure: str, at: str, like: Course) -> Course | None:
        """Return the healthy values over the generations of `like`: the number on the page of the reading, or else the values of real data.

        None if both are unknown.
        """
        page = pages_of_runs().get(measure)
        if page is None or isinstance(page.healthy, str):
            return self.null(measure, at, like)
        return Course(np.full(like.values.shape, page.healthy), np.zeros(like.values.shape))

    def _followed(self, measure: str, at: str, value: str, low: str, high: str) -> Course:
        """Return a value of a reading with its ends, from the columns with these names, over the generations that all seeds have."""
        rows, name = self._places.get((measure, at)), named(measure, at)
        if rows is None or rows[value].null_count() == rows.height:
            notes = [note for note in ([] if rows is None else rows["note"].to_list()) if note]
            raise NotApplicable(f"{measure}: {notes[0]}" if notes else f"no reading of {name}")
        values = rows.drop_nulls(value)
        seeds: dict[int, set[int]] = {seed: set() for seed in rows["seed"].to_list()}
        for seed, generation in values.select("seed", "generation").rows():
            seeds[seed].add(generation)
        if sum(map(len, seeds.values())) < values.height:
            raise BadInput(f"{name} has more than one reading in a generation of a seed; filter the readings to one run")
        generations = 0
        while all(generations in read for read in seeds.values()):
            generations += 1
        if generations == 0:
            raise NotApplicable(f"{name} was not measured at generation 0, so there is nothing to compare with")
        return _course(values.filter(values["generation"] < generations), len(seeds), (value, low, high))

    def places(self, measure: str) -> list[str]:
        """Return the places of a measure that have readings."""
        return [at for name, at in self._places if name == measure]

    def has_number(self, measure: str) -> bool:
        """Whether a measure has a number at any place and generation."""
        return any(rows["value"].null_count() < rows.height for (name, _), rows in self._places.items() if name == measure)


def named(measure: str, at: str) -> str:
    return f"{measure} ({at})" if at else measure


def _listed(column: pl.Series) -> str:
    return ", ".join(map(str, column.unique().sort()))


def _course(rows: pl.DataFrame, seeds: int, columns: tuple[str, str, str]) -> Course:
    """Return the course of rows, with the value and its ends in these columns."""
    ordered = rows.sort("seed", "generation")
    value, low, high = (ordered[column].cast(float).to_numpy().reshape(seeds, -1) for column in columns)
    return Course(value, error_behind(low, high), _why_bare(rows, columns[1]))


def _why_bare(rows: pl.DataFrame, low: str) -> str:
    """Return why numbers have no interval, from their methods. Empty if all have an interval."""
    bare = rows.filter(rows[low].is_null())
    methods = [method for method in bare["method"].unique(maintain_order=True).to_list() if method]
    reasons = [method if NO_INTERVAL in method else f"{method}: {NO_INTERVAL}" for method in methods]
    return "; ".join(reasons) or NO_INTERVAL * bool(len(bare))
