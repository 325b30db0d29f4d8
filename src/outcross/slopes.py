"""How fast an arm collapses, and the slope of that speed against a setting in which arms alone differ.

How fast models collapse depends on the model, on how it learns and on the data (the three errors of Shumailov et al., Nature 631:755, 2024,
Definition 2.1). What is read off an arm:

- `start`: its risk at generation 0, before anything is inherited;
- `speed`: how much the risk grows a generation;
- `narrowing`: how many nats of log-variance are lost a generation.

A speed is the mean step a generation, from the first to the last: generations inherit each other's error, so no line is fitted to the
levels. The slope is that of ln speed against ln setting by least squares, an exponent: -1 says that twice the setting is half the
speed. Where a speed is not surely above 0 the speed itself stands for its logarithm, and so does a setting that is not above 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.arms import Arm, flatten
from outcross.course import Course, Interval, Readings, Z, student
from outcross.definitions.risk import risk_of
from outcross.estimate import ONE_CHAIN, Estimate, NotApplicable
from outcross.recipe import plain

if TYPE_CHECKING:
    import polars as pl

LEAST = 3
"""Values of a setting; two would fit any line."""
NO_SETTINGS = ("seed", "chains", "generations", "name")
"""Numbers of an experiment that say how much is looked at, not what happens."""


@dataclass(frozen=True)
class Point:
    """What one arm showed at one value of the setting."""

    arm: str
    setting: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Slope:
    """How one quantity depends on one setting, over the arms that differ in nothing else."""

    setting: str
    """The key of the experiment."""
    held: str
    """What tells these arms from others that differ in the same setting; empty where there are none."""
    quantity: str
    metric: str
    of: str
    """What was fitted: `ln speed against ln human.rows`."""
    slope: Estimate | None
    bend: Estimate | None
    """How much the slope changes from one unit of the setting (an e-fold, of a logarithm) to the next: 0 for a straight line."""
    note: str
    """Why there is none, and what was left out."""
    points: tuple[Point, ...]

    def plain(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Quantity:
    """A start, a speed or a narrowing, read off a course: a weighted sum over its generations."""

    name: str
    metric: str
    course: Course
    is_over_chains: bool
    seeds: tuple[int, ...]

    @property
    def weights(self) -> np.ndarray:
        """(generations,): generation 0 alone, or the mean step from it to the last (down, for narrowing)."""
        weights = np.zeros(self.course.generations)
        if self.name == "start":
            weights[0] = 1.0
            return weights
        weights[0], weights[-1] = -1.0, 1.0
        return weights / (self.course.generations - 1) * (-1 if self.name == "narrowing" else 1)

    @property
    def by_seed(self) -> np.ndarray:
        """Its value in each seed, (seeds,)."""
        return self.course.values @ self.weights

    @property
    def interval(self) -> Interval:
        """Over seeds. Of one seed, as wide as the readings' errors, or as the scatter of the steps where training noise adds to them.

        The errors of the two generations are added as if independent. What they inherit they share, so it is rather too wide.
        """
        own = self.course.sum(self.weights)
        if self.is_over_chains or self.name == "start":
            return own
        steps = self.course.slope()
        return Interval.around(own.value, max(own.high - own.value, steps.high - steps.value))


@dataclass(frozen=True)
class Family:
    """Arms that differ in one setting alone."""

    setting: str
    arms: tuple[tuple[float, str], ...]
    """The value of the setting and the arm, smallest first."""
    others: Mapping[str, Any]
    """All other settings, alike in these arms."""


def settings_of(made: Iterable[Arm]) -> dict[str, dict[str, Any]]:
    """Every setting of each arm by its dotted key, seeds aside."""
    return {arm.name: flatten(plain(replace(arm.experiment, seed=0))) for arm in made}


def slopes(readings: pl.DataFrame, settings: Mapping[str, Mapping[str, Any]]) -> tuple[Slope, ...]:
    """The slope of every quantity against every setting in which at least three of a run's arms differ.

    `readings` is a run's readings.parquet, `settings` says each arm's (`settings_of`). Empty where no arms so differ.
    """
    there = set(readings["arm"].unique().to_list())
    found = families({arm: told for arm, told in settings.items() if arm in there})
    quantities = {arm: _quantities(Readings(readings, arm)) for arm in dict.fromkeys(arm for one in found for _, arm in one.arms)}
    return tuple(
        _slope(family, _held(family, found), name, quantities)
        for family in found
        for name in dict.fromkeys(name for _, arm in family.arms for name in quantities[arm])
    )


def families(settings: Mapping[str, Mapping[str, Any]]) -> tuple[Family, ...]:
    """The arms that differ in one number alone, by that number: at least three values of it."""
    keys = dict.fromkeys(key for told in settings.values() for key in told if key not in NO_SETTINGS)
    made = []
    for key in (key for key in keys if len({repr(told.get(key)) for told in settings.values()}) >= LEAST):
        alike: dict[str, list[tuple[float, str]]] = {}
        for arm, told in settings.items():
            if _is_number(told.get(key)):
                alike.setdefault(repr(sorted(_without(told, key).items())), []).append((told[key], arm))
        made += [
            Family(key, tuple(sorted(arms)), _without(settings[arms[0][1]], key)) for arms in alike.values() if len(arms) >= LEAST
        ]
    return tuple(made)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _without(told: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != key}


def _held(family: Family, found: Iterable[Family]) -> str:
    """The settings that tell a family from the others of its setting."""
    rivals = [one.others for one in found if one.setting == family.setting]
    telling = [key for key in family.others if len({repr(one.get(key)) for one in rivals}) > 1]
    return ", ".join(f"{key}={family.others[key]}" for key in telling)


def _quantities(readings: Readings) -> dict[str, Quantity]:
    """What can be read off an arm, by name."""
    found = {}
    with suppress(NotApplicable):
        risk = risk_of(readings)
        # An excess over generation 0 is nothing at generation 0.
        first = "held_out_loss" if risk.metric == "excess_loss" else risk.metric
        found["start"] = _quantity(readings, "start", first, readings.course(first) if first != risk.metric else risk.course)
        found["speed"] = _quantity(readings, "speed", risk.metric, risk.course)
    with suppress(NotApplicable):
        found["narrowing"] = _quantity(readings, "narrowing", "log_variance", readings.course("log_variance"))
    return found


def _quantity(readings: Readings, name: str, metric: str, course: Course) -> Quantity:
    if name != "start" and course.generations < 2:
        raise NotApplicable(f"{metric} has one generation, so it has no speed")
    methods = readings.rows.filter(metric=metric, aspect="")["method"].drop_nulls().unique().to_list()
    if ONE_CHAIN in methods:
        course = replace(course, errors=np.full_like(course.errors, math.nan))
    return Quantity(name, metric, course, methods == ["chains"], tuple(readings.rows["seed"].unique().sort().to_list()))


def _slope(family: Family, held: str, name: str, quantities: Mapping[str, Mapping[str, Quantity]]) -> Slope:
    """The slope of one quantity over a family, or why there is none; arms in which it was not read are named."""
    there = [(value, arm, quantities[arm][name]) for value, arm in family.arms if name in quantities[arm]]
    shared = min(quantity.course.generations for _, _, quantity in there)
    read = [(value, arm, replace(one, course=one.course.until(shared))) for value, arm, one in there]
    points = [Point(arm, float(value), *quantity.interval) for value, arm, quantity in read]
    metrics = dict.fromkeys(quantity.metric for _, _, quantity in read)
    known = tuple(point for point in points if math.isfinite(point.low))
    told = Slope(family.setting, held, name, ", ".join(metrics), "", None, None, _left_out(name, family, there, shared), known)
    try:
        if len(metrics) > 1:
            raise NotApplicable("the arms were read by different metrics")
        if bare := [point.arm for point in points if not math.isfinite(point.low)]:
            raise NotApplicable(f"the {name} of {bare[0]} has no interval; give more chains or seeds")
        return _fitted(told, [quantity for _, _, quantity in read])
    except NotApplicable as why:
        return replace(told, note="; ".join(filter(None, (told.note, str(why)))))


def _left_out(name: str, family: Family, there: list[tuple[float, str, Quantity]], shared: int) -> str:
    """What of the family's readings is not compared: arms without them, and generations that only some arms have."""
    unread = [arm for _, arm in family.arms if arm not in {one for _, one, _ in there}]
    longest = max(quantity.course.generations for _, _, quantity in there)
    is_cut = name != "start" and longest > shared
    notes = (f"not read in {', '.join(unread)}" * bool(unread), f"over the first {shared} of {longest} generations" * is_cut)
    return "; ".join(filter(None, notes))


def _fitted(told: Slope, quantities: list[Quantity]) -> Slope:
    """The slope and the bend of what was read."""
    if len(told.points) < LEAST:
        raise NotApplicable(f"{len(told.points)} arms have a {told.quantity}, a slope needs {LEAST}")
    settings = np.array([point.setting for point in told.points])
    is_log_setting, is_log_value = bool(settings.min() > 0), all(point.low > 0 for point in told.points)
    line, bow = _contrasts(np.log(settings) if is_log_setting else settings)
    estimate = _over_seeds if _is_seeded(quantities) else _over_arms
    return replace(
        told,
        of=f"{'ln ' * is_log_value}{told.quantity} against {'ln ' * is_log_setting}{told.setting}",
        slope=estimate(line, quantities, is_log_value),
        bend=estimate(bow, quantities, is_log_value) if len(settings) > LEAST else None,
    )


def _contrasts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weights of values at x that give a straight line's slope, and twice a parabola's square term, by least squares."""
    centred = x - x.mean()
    line = centred / np.square(centred).sum()
    square = np.square(centred)
    bow = square - square.mean() - line * (square @ centred)
    return line, 2 * bow / np.square(bow).sum()


def _is_seeded(quantities: list[Quantity]) -> bool:
    """Whether all arms ran with the same seeds, several of them."""
    return len(quantities[0].seeds) > 1 and len({quantity.seeds for quantity in quantities}) == 1


def _over_seeds(weights: np.ndarray, quantities: list[Quantity], is_log: bool) -> Estimate:
    """The weighted sum of the arms' values by the jackknife over seeds (Tukey 1958), whatever arms of one seed have in common."""
    by_seed = np.array([quantity.by_seed for quantity in quantities])  # (arms, seeds)
    seeds = by_seed.shape[1]
    left = (by_seed.sum(axis=1, keepdims=True) - by_seed) / (seeds - 1)  # the mean without each seed
    if is_log and left.min() <= 0:
        raise NotApplicable("without one of its seeds an arm's value is not above 0, so it has no logarithm")
    whole, without = (weights @ (np.log(of) if is_log else of) for of in (by_seed.mean(axis=1), left))
    parts = seeds * whole - (seeds - 1) * without
    half = student(seeds - 1) * float(parts.std(ddof=1)) / math.sqrt(seeds)
    return Estimate(float(parts.mean()), float(parts.mean()) - half, float(parts.mean()) + half, "jackknife over seeds", seeds)


def _over_arms(weights: np.ndarray, quantities: list[Quantity], is_log: bool) -> Estimate:
    """The weighted sum of the arms' values, their errors added as of independent arms; of a logarithm to first order."""
    intervals = [quantity.interval for quantity in quantities]
    values = np.array([interval.value for interval in intervals])
    errors = np.array([(interval.high - interval.low) / (2 * Z) for interval in intervals])
    if is_log:
        values, errors = np.log(values), errors / values
    value, half = float(weights @ values), Z * math.sqrt(float(np.square(weights) @ np.square(errors)))
    is_independent = len({quantity.seeds for quantity in quantities}) == len(quantities)
    method = "errors of independent arms" if is_independent else "errors of arms that share random numbers, as if they did not"
    return Estimate(value, value - half, value + half, method, len(values))
