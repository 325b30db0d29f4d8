"""How fast an arm collapses, and the slope of that speed against a number in which arms differ.

The speed of collapse depends on the model, on how it learns and on the data (the three errors of Shumailov et al., Nature 631:755, 2024,
Definition 2.1). These quantities are computed for each arm:

- `start`: the risk at generation 0, before anything is inherited;
- `speed`: the growth of the risk per generation;
- `narrowing`: the loss of log-variance per generation, in nats;
- `change`: the rise or fall of any other reading per generation, of its logarithm if it is drawn on a logarithmic axis.

All except the start are the mean step per generation, from the first to the last. Generations inherit each other's error, so no line is fitted to
the levels. The slope is the least-squares slope of ln speed against ln setting, that is, the exponent b of speed ∝ setting^b. An exponent of -1
means that twice the setting gives half the speed. If a speed is not significantly above 0, the speed itself is fitted instead of its logarithm, and
likewise a setting that is not above 0. Such a slope is not an exponent, and its note gives the reason. A change may be negative, so its absolute
value is used. A change that may be 0 has no slope.

If a closed form is known for all of these arms, the same line is also fitted through its values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.collapse.course import NO_INTERVAL, Course, Interval, Readings
from outcross.collapse.definitions.risk import risk_of
from outcross.estimate import Estimate, NotApplicable, rounding, student_quantile
from outcross.experiment.settings import ROWS, ArmFamily, families, word
from outcross.measures import standing_for

if TYPE_CHECKING:
    import polars as pl

LEAST = 3
"""Minimum number of values of a setting. A line fits any two values."""
CHANGE = "change"
Laws = Mapping[tuple[str, str], Mapping[int, float]]
"""Closed forms by arm and reading, each a mapping from generation to value."""


@dataclass(frozen=True)
class Point:
    """The quantity of one arm at one value of the setting, with its 95 % interval and its closed form."""

    arm: str
    setting: float
    value: float
    low: float | None
    """Lower end of the interval. None, like `high`, if the error is unknown."""
    high: float | None
    closed_form: float | None = None


@dataclass(frozen=True)
class Slope:
    """The dependence of one quantity on one setting, over arms that differ in nothing else."""

    setting: str
    """The key of the setting in the experiment."""
    among: str
    """Name of this group of arms among others that differ in the same setting (`replace`). Empty if there is only one group."""
    quantity: str
    measure: str
    relation: str = ""
    """The fitted quantities: `ln speed against ln human.rows`."""
    is_exponent: bool = False
    """Whether both are logarithms, so that the slope is the exponent of a power law."""
    slope: Estimate | None = None
    bend: Estimate | None = None
    """The curvature: the change of the slope per unit of the setting, or of its logarithm on a logarithmic scale. It is 0 for a straight line."""
    closed_form: float | None = None
    """The slope of the same fit through the values of a closed form. None if not all of these arms have one."""
    note: str = ""
    """Why there is no slope, or why it is not the exponent of a power law, and which arms and generations were left out."""
    points: tuple[Point, ...] = ()

    def plain(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Quantity:
    """A start, a speed, a narrowing or a change of an arm, computed as a weighted sum over generations."""

    name: str
    measure: str
    course: Course
    is_over_chains: bool
    seeds: tuple[int, ...]
    law: Mapping[int, float] = field(default_factory=dict)

    @property
    def weights(self) -> np.ndarray:
        """The weights of the generations, (generations,). They give generation 0, or the mean step from it to the last (negative, for narrowing)."""
        weights = np.zeros(self.course.generations)
        if self.name == "start":
            weights[0] = 1.0
            return weights
        weights[0], weights[-1] = -1.0, 1.0
        return weights / (self.course.generations - 1) * (-1 if self.name == "narrowing" else 1)

    @property
    def by_seed(self) -> np.ndarray:
        """The value in each seed, (seeds,)."""
        return self.course.values @ self.weights

    @property
    def interval(self) -> Interval:
        """The value with its interval over seeds. With one seed, the interval is the wider of the readings' errors and the scatter of the steps.

        The errors of the two generations are added as if independent. Generations inherit each other's error, so the interval is rather too wide.
        """
        own = self.course.sum(self.weights)
        if self.is_over_chains or self.name == "start":
            return own
        steps = self.course.slope()
        return Interval.around(own.value, max(own.high - own.value, steps.high - steps.value), own.why)

    @property
    def rounding(self) -> float:
        """The rounding error of the value."""
        return self.course.rounding(self.weights)

    @property
    def closed_form(self) -> float | None:
        """The value by the closed form. None if the closed form is unknown in one of the generations used."""
        used = np.flatnonzero(self.weights).tolist()
        return float(sum(self.weights[g] * self.law[g] for g in used)) if all(g in self.law for g in used) else None


def slopes(
    readings: pl.DataFrame,
    settings: Mapping[str, Mapping[str, Any]],
    laws: Laws | None = None,
    logarithmic: frozenset[str] = frozenset(),
) -> tuple[Slope, ...]:
    """Return the slope of every quantity against every numeric setting that has at least three values in the arms of a run, or that counts records.

    `readings` is the readings.parquet of a run, `settings` the settings of each arm (`settings.flat_settings`), and `laws` the closed forms. The
    logarithm is used for readings named in `logarithmic`. Empty if there are no such settings.
    """
    there = set(readings["arm"].unique().to_list())
    every = families({arm: values for arm, values in settings.items() if arm in there})
    enough = [family for family in every if len({value for value, _ in family.arms}) >= LEAST or family.setting in ROWS]
    read = {
        arm: _quantities(Readings(readings, arm), laws or {}, logarithmic)
        for arm in dict.fromkeys(arm for family in enough for _, arm in family.arms)
    }
    return tuple(
        _slope(family, key, read)
        for family in enough
        for key in sorted(dict.fromkeys(key for _, arm in family.arms for key in read[arm]), key=lambda key: key[0] == CHANGE)
    )


def chief(slopes: Iterable[Slope]) -> tuple[Slope, ...]:
    """Return the slopes of the speed of collapse: those of the start, the speed and the narrowing."""
    return tuple(slope for slope in slopes if slope.quantity != CHANGE)


Key = tuple[str, str]
"""The name of a quantity, and for a change its measure (the other quantities may have any measure)."""


def _quantities(readings: Readings, laws: Laws, logarithmic: frozenset[str]) -> dict[Key, Quantity]:
    """Return all quantities that can be computed for an arm."""
    quantities: dict[Key, Quantity] = {}
    narrowing = standing_for("spread")[0]
    covered = {narrowing}
    with suppress(NotApplicable):
        risk = risk_of(readings)
        # The excess over generation 0 is 0 at generation 0.
        first = "held_out_loss" if risk.measure == "excess_loss" else risk.measure
        course = readings.course(first) if first != risk.measure else risk.course
        quantities["start", ""] = _quantity(readings, "start", first, course, laws)
        covered |= {risk.measure, risk.measure.removeprefix("log ")}
        quantities["speed", ""] = _quantity(readings, "speed", risk.measure, risk.course, laws)
    with suppress(NotApplicable):
        quantities["narrowing", ""] = _quantity(readings, "narrowing", narrowing, readings.course(narrowing), laws)
    for measure in readings.rows.filter(at="", column="", group="")["measure"].unique(maintain_order=True).to_list():
        with suppress(NotApplicable):
            if measure not in covered:
                course = readings.course(measure)
                if measure in logarithmic:
                    measure, course = f"log {measure}", course.logged()
                quantities[CHANGE, measure] = _quantity(readings, CHANGE, measure, course, laws)
    return quantities


def _quantity(readings: Readings, name: str, measure: str, course: Course, laws: Laws) -> Quantity:
    if name != "start" and course.generations < 2:
        raise NotApplicable(f"{measure} has only one generation, so it has no speed")
    own = readings.rows.filter(measure=measure.removeprefix("log "), at="", column="", group="")
    methods = own["method"].drop_nulls().unique().to_list()
    seeds = tuple(readings.rows["seed"].unique().sort().to_list())
    return Quantity(name, measure, course, methods == ["chains"], seeds, _law(laws, readings.arm, measure))


def _law(laws: Laws, arm: str, measure: str) -> Mapping[int, float]:
    """Return a closed form by generation, as logarithms if the reading is a logarithm."""
    law = laws.get((arm, measure.removeprefix("log ")), {})
    return {g: math.log(value) for g, value in law.items() if value > 0} if measure.startswith("log ") else law


def _slope(family: ArmFamily, key: Key, read: Mapping[str, Mapping[Key, Quantity]]) -> Slope:
    """Return the slope of one quantity over a family of arms, or the reason why there is none. Arms without the quantity are named."""
    there = [(value, arm, read[arm][key]) for value, arm in family.arms if key in read[arm]]
    shared = min(quantity.course.generations for _, _, quantity in there)
    cut = [(value, arm, replace(quantity, course=quantity.course.until(shared))) for value, arm, quantity in there]
    points = tuple(_point(arm, value, quantity) for value, arm, quantity in cut)
    measures = dict.fromkeys(quantity.measure for _, _, quantity in cut)
    note = _left_out(key[0], family, there, shared)
    unfitted = Slope(family.setting, family.among, key[0], ", ".join(measures), note=note, points=points)
    try:
        if len(measures) > 1:
            raise NotApplicable("the arms have different measures")
        if bare := [(arm, quantity) for _, arm, quantity in cut if not quantity.interval.is_known]:
            arm, quantity = bare[0]
            reason = quantity.course.why.removesuffix(NO_INTERVAL).rstrip(": ")
            raise NotApplicable(f"the {key[0]} of {arm} has no interval{f' ({reason})' * bool(reason)}; give more chains or seeds")
        return _fitted(unfitted, [quantity for _, _, quantity in cut])
    except NotApplicable as why:
        return replace(unfitted, note="; ".join(filter(None, (unfitted.note, str(why)))))


def _point(arm: str, setting: float, quantity: Quantity) -> Point:
    """Return the point of a quantity at one value of the setting."""
    interval = quantity.interval
    low, high = (interval.low, interval.high) if interval.is_known else (None, None)
    return Point(arm, setting, interval.value, low, high, quantity.closed_form)


def _left_out(name: str, family: ArmFamily, there: list[tuple[float, str, Quantity]], shared: int) -> str:
    """Return a note about what is left out: arms without the reading, and generations that only some arms have."""
    unread = [arm for _, arm in family.arms if arm not in {present for _, present, _ in there}]
    longest = max(quantity.course.generations for _, _, quantity in there)
    is_cut = name != "start" and longest > shared
    notes = (f"not measured in {', '.join(unread)}" * bool(unread), f"over the first {shared} of {longest} generations" * is_cut)
    return "; ".join(filter(None, notes))


def _fitted(unfitted: Slope, quantities: Sequence[Quantity]) -> Slope:
    """Return the slope with its fitted slope, bend and closed form."""
    settings = np.array([point.setting for point in unfitted.points])
    if (values := len(set(settings))) < LEAST:
        raise NotApplicable(f"{values} arms have a {unfitted.quantity}, but a slope needs {LEAST}")
    intervals = [quantity.interval for quantity in quantities]
    why = _no_logarithm(unfitted, intervals)
    if why and unfitted.quantity == CHANGE:
        raise NotApplicable(why)
    is_log_setting = bool(settings.min() > 0)
    sign = math.copysign(1, unfitted.points[0].value) if unfitted.quantity == CHANGE else 1.0
    scale = Scale(sign, all(sign * interval.low > 0 for interval in intervals))
    line, bow = _contrasts(np.log(settings) if is_log_setting else settings)
    estimate = _over_seeds if _is_seeded(quantities) else _over_arms
    name = f"|{unfitted.quantity}|" if unfitted.quantity == CHANGE else unfitted.quantity
    no_exponent = None if scale.is_log and is_log_setting else why or f"{unfitted.setting} = {settings.min():g} has no logarithm"
    return replace(
        unfitted,
        relation=f"{'ln ' * scale.is_log}{name} against {'ln ' * is_log_setting}{unfitted.setting}",
        is_exponent=no_exponent is None,
        slope=estimate(line, quantities, scale),
        bend=estimate(bow, quantities, scale) if values > LEAST else None,
        closed_form=_closed_form(line, unfitted.points, scale),
        note="; ".join(filter(None, (unfitted.note, no_exponent and f"no power law was fitted: {no_exponent}"))),
    )


MORE = "use more chains, seeds or generations"


def _no_logarithm(slope: Slope, intervals: Sequence[Interval]) -> str:
    """Return why a quantity, or the absolute value of a change, has no logarithm at some settings. Empty if it has."""
    known = list(zip(slope.points, intervals, strict=True))
    if unsure := [word(point.setting) for point, interval in known if interval.low <= 0 <= interval.high]:
        return f"the {slope.quantity} at {', '.join(unsure)} may be zero; {MORE}"
    below = [word(point.setting) for point, interval in known if interval.high < 0]
    if slope.quantity == CHANGE:
        is_mixed = 0 < len(below) < len(slope.points)
        return f"the reading rises at some values and falls at others, so no power law fits; {MORE}" * is_mixed
    return f"the {slope.quantity} at {', '.join(below)} is below zero" if below else ""


@dataclass(frozen=True)
class Scale:
    """The scale on which values are fitted: as logarithms of `sign` times the values, or unchanged."""

    sign: float
    is_log: bool

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return np.log(self.sign * values) if self.is_log else values


@dataclass(frozen=True, eq=False)
class Contrast:
    """The weights of the values that give one coefficient of a least-squares fit, and the terms of the fit."""

    weights: np.ndarray  # (arms,)
    terms: np.ndarray  # (arms, terms)

    def scatter(self, values: np.ndarray) -> float:
        """Return half the 95 % interval from the scatter of the values about the fit, by Student's t."""
        freedom = len(values) - self.terms.shape[1]
        left = values - self.terms @ np.linalg.lstsq(self.terms, values, rcond=None)[0]
        return student_quantile(freedom) * math.sqrt(float(left @ left) / freedom) * float(np.linalg.norm(self.weights))

    def rounding(self, quantities: Sequence[Quantity], scale: Scale) -> float:
        """Return the rounding error of the coefficient: that of the arms' values plus that of the sum."""
        values = np.array([quantity.interval.value for quantity in quantities])
        own = np.array([quantity.rounding for quantity in quantities]) / (np.abs(values) if scale.is_log else 1.0)
        fitted = (
            np.maximum(np.abs(scale(values)), 1.0) if scale.is_log else np.abs(values)
        )  # the argument of a logarithm was rounded
        sizes = np.abs(self.weights)
        return float(sizes @ own) + rounding(*(sizes * fitted).tolist())


def _contrasts(x: np.ndarray) -> tuple[Contrast, Contrast]:
    """Return the contrasts for the slope of a line and for twice the quadratic coefficient of a parabola, by least squares at x."""
    centred = x - x.mean()
    line = centred / np.square(centred).sum()
    square = np.square(centred)
    bow = square - square.mean() - line * (square @ centred)
    level = np.ones_like(x)
    straight, curved = np.stack([level, centred], axis=1), np.stack([level, centred, square], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # three points leave no scatter about a parabola
        return Contrast(line, straight), Contrast(2 * bow / np.square(bow).sum(), curved)


def _closed_form(line: Contrast, points: Sequence[Point], scale: Scale) -> float | None:
    known = np.array([point.closed_form for point in points if point.closed_form is not None])
    if len(known) < len(points) or (scale.is_log and (scale.sign * known).min() <= 0):
        return None
    return float(line.weights @ scale(known))


def _is_seeded(quantities: Sequence[Quantity]) -> bool:
    """Whether all arms have the same seeds, and more than one."""
    return len(quantities[0].seeds) > 1 and len({quantity.seeds for quantity in quantities}) == 1


def _over_seeds(contrast: Contrast, quantities: Sequence[Quantity], scale: Scale) -> Estimate:
    """Estimate a coefficient by the jackknife over seeds (Tukey 1958). Arms with the same seed may be dependent."""
    by_seed = np.array([quantity.by_seed for quantity in quantities])  # (arms, seeds)
    seeds = by_seed.shape[1]
    left = (by_seed.sum(axis=1, keepdims=True) - by_seed) / (seeds - 1)  # the mean without each seed
    if scale.is_log and (scale.sign * left).min() <= 0:
        raise NotApplicable("the value of an arm without one of its seeds is not above 0, so it has no logarithm")
    whole, without = (contrast.weights @ scale(points) for points in (by_seed.mean(axis=1), left))
    parts = seeds * whole - (seeds - 1) * without
    scatter = student_quantile(seeds - 1) * float(parts.std(ddof=1)) / math.sqrt(seeds)
    value, half = float(parts.mean()), max(scatter, contrast.rounding(quantities, scale))
    return Estimate(value, value - half, value + half, "jackknife over seeds", seeds)


def _over_arms(contrast: Contrast, quantities: Sequence[Quantity], scale: Scale) -> Estimate:
    """Estimate a coefficient from the errors of the arms, added as if the arms were independent. The error of a logarithm is taken to first order.

    If these errors do not come from independent repeats, the scatter about the fit is used if it is wider, because an interval over documents does
    not cover another training run.
    """
    intervals = [quantity.interval for quantity in quantities]
    values = np.array([interval.value for interval in intervals])
    halves = np.array([(interval.high - interval.low) / 2 for interval in intervals]) / (values if scale.is_log else 1.0)
    values = scale(values)
    value, half = float(contrast.weights @ values), math.sqrt(float(np.square(contrast.weights) @ np.square(halves)))
    is_independent = len({quantity.seeds for quantity in quantities}) == len(quantities)
    method = "errors of independent arms" if is_independent else "errors of arms that share random numbers, added as if independent"
    if not all(quantity.is_over_chains or len(quantity.seeds) > 1 for quantity in quantities):
        half, method = max(half, contrast.scatter(values)), f"{method}, or scatter about the line, whichever is wider"
    half = max(half, contrast.rounding(quantities, scale))
    return Estimate(value, value - half, value + half, method, len(values))
