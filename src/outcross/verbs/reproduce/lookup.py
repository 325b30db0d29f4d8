"""The number of a run that a claim is about, with its interval: a reading of an arm, changed by a transformation from a closed list."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from outcross.errors import BadInput
from outcross.estimate import NORMAL_QUANTILE, Estimate, NotApplicable, exact, mean, rounding, student_quantile, without_interval
from outcross.recipe import nearest, recipe
from outcross.wording import amount

if TYPE_CHECKING:
    from polars import DataFrame

Transform = Literal["value", "log10", "ratio_to_first", "change", "mean", "trend", "survival_time", "halving_time", "crossing_time"]
"""value: the reading itself. log10: its decadic logarithm. ratio_to_first and change: the ratio to, or difference from, the first generation. mean: the mean over the
generations from `since` on. trend: the slope per generation. survival_time: 1 + Σ (1 − reading) over the generations, the mean time of an event whose cumulative share among
the chains is the reading. halving_time: the time at which the reading falls to half of `of_whole`, or of its first value. crossing_time: the first generation at which it has
moved by the share `moved` of its first value."""
SEEDS = "seeds"
"""The method of an interval over seeds."""
INDEPENDENT = "independent arms"
"""The method of an interval of a sum of numbers of independent arms."""
STUDENT = (SEEDS, "chains", INDEPENDENT)
"""Methods whose intervals use Student's t with n - 1 degrees of freedom."""


@recipe
class Lookup:
    """A number of a run."""

    measure: str
    """The name of the reading."""
    arm: str = ""
    """The name of the arm; may be left out if there is only one."""
    generation: Annotated[int, Field(ge=0)] | Literal["last"] = "last"
    """The generation of `value` and `log10`, and the last generation that other transformations use."""
    at: str | None = None
    column: str | None = None
    group: str | None = None
    transform: Transform = "value"
    since: Annotated[int, Field(ge=0)] = 0
    """The first generation that `mean` and `trend` use."""
    moved: Annotated[float, Field(gt=0)] = 0.05
    """For `crossing_time`: the minimum change, as a share of the first value."""
    of_whole: Annotated[float, Field(gt=0)] | None = None
    """For `halving_time`: the value whose half must be reached; the first value if left out."""
    over_arm: str = ""
    """An arm whose number, in the same seed, is the divisor; no division if left out."""
    x: float | None = None
    """The position on the x axis of a slope, a convex curve or a flip."""

    @property
    def words(self) -> str:
        """The name of the number in a rule that compares several."""
        return f"{self.arm or self.measure}" if self.x is None else f"{self.arm or self.measure} at {self.x:g}"


def combined(weights: Sequence[float], lookups: Sequence[Lookup], frame: DataFrame) -> Estimate:
    """A weighted sum of numbers of a run, Σ wᵢ vᵢ, with its interval.

    If all numbers share at least two seeds, the sum is computed within each seed, and the interval is Student's t over the seeds. Otherwise, or if the sum
    is equal in all seeds (arms that share their random numbers may differ by a constant), the numbers are treated as independent, each with the interval of
    its own seeds or chains. A single number that is equal in all seeds has no interval, since a few equal numbers do not prove that there is no chance
    variation. Raises NotApplicable if a number cannot be computed.
    """
    by_seed = [_by_seed(lookup, frame) for lookup in lookups]
    common = [seed for seed in by_seed[0] if all(seed in part for part in by_seed)]
    if len(common) >= 2:
        sums = np.array([sum(weight * part[seed] for weight, part in zip(weights, by_seed, strict=True)) for seed in common])
        if _scatters(sums, [weight * part[seed] for weight, part in zip(weights, by_seed, strict=True) for seed in common]):
            return mean(sums, SEEDS)
    several = [_alone(lookup, values, frame) for lookup, values in zip(lookups, by_seed, strict=True)]
    value = math.fsum(weight * part.value for weight, part in zip(weights, several, strict=True))
    n = min((part.n for part in several if part.low != part.high), default=min(part.n for part in several))
    if missing := next((part for part in several if part.low is None), None):
        return without_interval(value, missing.method, n)
    if len(several) == 1 and weights[0] == 1:
        return several[0]
    error = math.sqrt(math.fsum((weight * error_of(part)) ** 2 for weight, part in zip(weights, several, strict=True)))
    if error == 0:
        return exact(value, n)
    half = error * _quantile(INDEPENDENT, n)
    return Estimate(value, value - half, value + half, INDEPENDENT, n)


def error_of(estimate: Estimate) -> float:
    """The standard error of an estimate, which is s/√n if its interval is Student's t. Raises NotApplicable if there is no interval."""
    low, high = estimate.interval
    return (high - low) / 2 / _quantile(estimate.method, estimate.n)


def p_against(estimate: Estimate, number: float, error: float = 0.0) -> float:
    """The two-sided p-value of the hypothesis that an estimate equals a number with the standard error `error`; 0 for an exact number.

    If the interval is Student's t, so is the test, with Welch's degrees of freedom. The p-value is 1 if there is no interval, or if seeds or chains do not scatter at all.
    """
    from scipy.special import ndtr, stdtr

    if estimate.low is None or estimate.high is None:
        return 1.0
    away, own = abs(estimate.value - number), error_of(estimate)
    is_student = estimate.method in STUDENT and estimate.n >= 2
    if is_student and (estimate.high - estimate.low) / 2 <= 2 * rounding(estimate.value, number):
        return 1.0
    total = math.hypot(own, error)
    if total == 0:
        return 1.0 if away == 0 else 0.0
    if is_student:
        return float(2 * stdtr((estimate.n - 1) * (total / own) ** 4, -away / total))
    return float(2 * ndtr(-away / total))


def _quantile(method: str, n: int) -> float:
    """Half of the width of an interval, in standard errors."""
    return student_quantile(n - 1) if method in STUDENT and n >= 2 else NORMAL_QUANTILE


def _scatters(numbers: np.ndarray, terms: Sequence[float]) -> bool:
    """Whether numbers differ by more than the rounding error of the terms of their sums."""
    return float(np.ptp(numbers)) > rounding(max(map(abs, terms)))


def _by_seed(lookup: Lookup, frame: DataFrame) -> dict[int, float]:
    """The number in each seed, divided by that of `over_arm` if it is given."""
    rows = _rows(lookup, frame, lookup.arm)
    values = {seed: _transformed(lookup, curve) for seed, curve in rows.items()}
    if not lookup.over_arm:
        return values
    under = {seed: _transformed(lookup, curve) for seed, curve in _rows(lookup, frame, lookup.over_arm).items()}
    common = {seed: value for seed, value in values.items() if seed in under}
    if not common:
        raise NotApplicable(f"{lookup.words} and {lookup.over_arm} have no seed in common")
    if zero := next((seed for seed in common if under[seed] == 0), None):
        raise NotApplicable(f"{lookup.over_arm} is 0 in seed {zero}, so it cannot be a divisor")
    return {seed: value / under[seed] for seed, value in common.items()}


def _alone(lookup: Lookup, values: Mapping[int, float], frame: DataFrame) -> Estimate:
    """The number with its interval over seeds. If there is only one seed, its own interval, for example over chains."""
    if len(values) >= 2:
        numbers = np.array(list(values.values()))
        if not _scatters(numbers, list(values.values())):
            return without_interval(float(numbers[0]), f"the same number in {len(numbers)} seeds: no interval", len(numbers))
        return mean(numbers, SEEDS)
    ((seed, value),) = values.items()
    if lookup.over_arm or lookup.transform not in ("value", "log10"):
        return without_interval(value, f"one seed: no interval of {lookup.transform.replace('_', ' ')}")
    curve = _rows(lookup, frame, lookup.arm)[seed]
    row = curve[_last(lookup, curve)]
    if row["low"] is None:
        return without_interval(value, str(row["method"]) or "no interval", row["n"] or 1)
    low, high = (
        (math.log10(row[end]) if row[end] > 0 else None) if lookup.transform == "log10" else row[end] for end in ("low", "high")
    )
    if low is None or high is None:
        return without_interval(value, "the interval reaches 0, which has no logarithm", row["n"])
    return Estimate(value, low, high, str(row["method"]), row["n"])


def _rows(lookup: Lookup, frame: DataFrame, arm: str) -> dict[int, dict[int, dict[str, Any]]]:
    """The readings of an arm, by seed and by generation. Raises BadInput with the nearest name if the run has no such arm or reading."""
    import polars as pl

    arms = frame["arm"].unique(maintain_order=True).to_list()
    if arm and arm not in arms:
        raise BadInput(f"the run has no arm {arm!r:.80}{nearest(arm, arms)}; it has {', '.join(map(str, arms))[:400]}")
    if not arm and len(arms) > 1:
        raise BadInput(f"the claim must name one of the arms {', '.join(map(str, arms))[:400]}")
    measures = frame["measure"].unique().to_list()
    if lookup.measure not in measures:
        raise BadInput(f"the run has no reading {lookup.measure!r:.80}{nearest(lookup.measure, measures)}")
    chosen = frame.filter((pl.col("arm") == (arm or arms[0])) & (pl.col("measure") == lookup.measure))
    for name in ("at", "column", "group"):
        if (wanted := getattr(lookup, name)) is not None:
            chosen = chosen.filter(pl.col(name) == wanted)
    if chosen.is_empty():
        raise BadInput(
            f"the run has no reading {lookup.measure} at {lookup.at!r}, column {lookup.column!r}, group {lookup.group!r}"
        )
    curves: dict[int, dict[int, dict[str, Any]]] = {}
    for row in chosen.iter_rows(named=True):
        generations = curves.setdefault(row["seed"], {})
        if row["generation"] in generations:
            raise BadInput(f"{lookup.measure} has several numbers per generation; select one by at, column or group in the claim")
        if row["value"] is not None or (
            lookup.generation in ("last", row["generation"]) and lookup.transform in ("value", "log10")
        ):
            generations[row["generation"]] = row
    if empty := next((seed for seed, generations in curves.items() if not generations), None):
        raise NotApplicable(f"{lookup.measure} has no number in seed {empty}")
    return curves


def _last(lookup: Lookup, curve: Mapping[int, dict[str, Any]]) -> int:
    g = max(curve) if lookup.generation == "last" else lookup.generation
    if g not in curve:
        raise BadInput(f"{lookup.measure} has no generation {g}; the last one is {max(curve)}")
    if curve[g]["value"] is None:
        raise NotApplicable(str(curve[g]["note"]) or f"{lookup.measure} has no number in generation {g}")
    return g


def _transformed(lookup: Lookup, curve: Mapping[int, dict[str, Any]]) -> float:
    last = _last(lookup, curve)
    values = {g: float(row["value"]) for g, row in sorted(curve.items()) if g <= last and row["value"] is not None}
    return TRANSFORMS[lookup.transform](lookup, values)


def _log10(lookup: Lookup, values: Mapping[int, float]) -> float:
    value = _value(lookup, values)
    if value <= 0:
        raise NotApplicable(f"{lookup.measure} is {value:g}, which has no logarithm")
    return math.log10(value)


def _value(lookup: Lookup, values: Mapping[int, float]) -> float:
    return values[max(values)]


def _ratio(lookup: Lookup, values: Mapping[int, float]) -> float:
    if not (first := values[min(values)]):
        raise NotApplicable(f"{lookup.measure} is 0 in the first generation, so it cannot be a divisor")
    return values[max(values)] / first


def _change(lookup: Lookup, values: Mapping[int, float]) -> float:
    return values[max(values)] - values[min(values)]


def _mean(lookup: Lookup, values: Mapping[int, float]) -> float:
    taken = [value for g, value in values.items() if g >= lookup.since]
    if not taken:
        raise BadInput(f"{lookup.measure} has no generation from {lookup.since} on")
    return math.fsum(taken) / len(taken)


def _trend(lookup: Lookup, values: Mapping[int, float]) -> float:
    taken = {g: value for g, value in values.items() if g >= lookup.since}
    if len(taken) < 2:
        raise BadInput(f"a trend of {lookup.measure} needs two generations from {lookup.since} on, there is {len(taken)}")
    return float(np.polyfit(list(taken), list(taken.values()), 1)[0])


def _survival_time(lookup: Lookup, values: Mapping[int, float]) -> float:
    if (left := 1 - values[max(values)]) > 0:
        raise NotApplicable(
            f"{left:.2%} of the chains are left after {amount(len(values), 'generation')}, so the mean time is not known; run more generations"
        )
    return 1 + math.fsum(1 - value for value in values.values())


def _halving_time(lookup: Lookup, values: Mapping[int, float]) -> float:
    """The time at which a reading falls to one half, interpolated linearly between generations."""
    half = (values[min(values)] if lookup.of_whole is None else lookup.of_whole) / 2
    before = None
    for g, value in values.items():
        if value <= half:
            return float(g) if before is None else before[0] + (before[1] - half) / (before[1] - value)
        before = (g, value)
    raise NotApplicable(f"{lookup.measure} has not fallen to one half in {len(values)} generations; run more generations")


def _crossing_time(lookup: Lookup, values: Mapping[int, float]) -> float:
    """The first generation at which a reading has moved far enough. If it never does, the next generation after the last, which is a lower bound."""
    first = values[min(values)]
    return float(next((g for g, value in values.items() if abs(value - first) >= lookup.moved * abs(first)), max(values) + 1))


TRANSFORMS: Mapping[str, Callable[[Lookup, Mapping[int, float]], float]] = {
    "value": _value,
    "log10": _log10,
    "ratio_to_first": _ratio,
    "change": _change,
    "mean": _mean,
    "trend": _trend,
    "survival_time": _survival_time,
    "halving_time": _halving_time,
    "crossing_time": _crossing_time,
}
