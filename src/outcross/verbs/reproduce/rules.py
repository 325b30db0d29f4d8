"""Rules that decide agreement with a published result: a closed list. The rule of a claim is chosen before its experiment runs.

A rule turns a run into comparisons. In a comparison with a published number, ours must be close and precise, and its interval must exclude the value that means no
effect. A comparison without a published number tests a direction: a contrast that is above 0 according to the paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from outcross.estimate import Estimate, rounding
from outcross.recipe import Family, exactly, recipe, several
from outcross.verbs.reproduce.lookup import Lookup, combined, error_of, p_against

if TYPE_CHECKING:
    from polars import DataFrame

CLOSE = 3.0
"""Maximum difference, in standard errors of the difference, at which our number is close to the published one."""
PRECISE = 0.25
"""Maximum half-width of the 95 % interval of a precise number, as a share of the published effect."""
Z = 1.959964
"""Half-width of the 95 % interval of a published number, in standard errors."""
LEVEL = 0.05
"""Significance level of the test of no effect, after Holm's correction over the claims."""


@dataclass(frozen=True)
class ClaimComparison:
    """A comparison of one of our numbers with the published number or direction."""

    what: str
    ours: Estimate
    none: float = 0.0
    """The value that means no effect."""
    published: float | None = None
    """The published number. None if only a direction was published; then our number should be above `none`."""
    error: float = 0.0
    """The standard error of the published number."""

    @property
    def p(self) -> float:
        """The two-sided p-value of no effect."""
        return p_against(self.ours, self.none)

    @property
    def excludes_none(self) -> bool:
        """Whether our interval excludes the value that means no effect."""
        if self.ours.low is None or self.ours.high is None:
            return False
        return not self.ours.low <= self.none <= self.ours.high

    @property
    def is_same_side(self) -> bool:
        """Whether our number lies on the published side of no effect."""
        side = 1.0 if self.published is None else self.published - self.none
        return (self.ours.value - self.none) * side > 0

    def is_close(self, printed: float = 0.0) -> bool:
        """Whether our number is within `CLOSE` standard errors of the published one. `printed` is the standard error of its rounding in print."""
        if self.published is None or self.ours.low is None:
            return False
        slack = CLOSE * math.hypot(error_of(self.ours), self.error, printed) + rounding(self.published, self.ours.value)
        return abs(self.ours.value - self.published) <= slack

    def p_of_published(self, printed: float = 0.0) -> float:
        """The two-sided p-value of our number being equal to the published one; 1 if no number was published."""
        return 1.0 if self.published is None else p_against(self.ours, self.published, math.hypot(self.error, printed))

    @property
    def is_precise(self) -> bool:
        """Whether the half-width of our interval is at most `PRECISE` of the published effect."""
        if self.published is None or self.ours.low is None or self.ours.high is None:
            return False
        return (self.ours.high - self.ours.low) / 2 <= PRECISE * abs(self.published - self.none)

    @property
    def is_published_precisely(self) -> bool:
        """Whether the half-width of the 95 % interval of the published number is at most `PRECISE` of its effect. If not, closeness means little."""
        return self.published is not None and Z * self.error <= PRECISE * abs(self.published - self.none)


def print_error(number: float) -> float:
    """The standard error of a number due to its rounding to the printed digits: half a unit of the last digit, divided by √3.

    Zeros at its end are not counted as digits, and a whole number counts as printed to one tenth.

    >>> round(print_error(0.754), 6), round(print_error(203.9), 4)
    (0.000289, 0.0289)
    """
    exponent = Decimal(repr(number)).as_tuple().exponent
    assert isinstance(exponent, int)
    return 10.0**exponent / 2 / math.sqrt(3)


class Rule:
    """A rule that decides agreement."""

    def compare(self, frame: DataFrame) -> Iterator[ClaimComparison]:
        """Yield the comparisons from the readings of a run (`Run.frame()`)."""
        raise NotImplementedError


@recipe
class EqualRule(Rule):
    """Our number equals the published one: within three standard errors, precise to a quarter of the effect, and different from no effect."""

    reading: Annotated[Lookup, exactly(Lookup, "reading")]
    published: float
    error: Annotated[float, Field(ge=0)] = 0.0
    """The standard error of the published number; 0 if it is exact."""
    no_effect: float = 0.0

    @model_validator(mode="after")
    def _has_an_effect(self):
        _check_effect(self.published, self.no_effect)
        return self

    def compare(self, frame):
        yield ClaimComparison(
            self.reading.words, combined([1.0], [self.reading], frame), self.no_effect, self.published, self.error
        )


@recipe
class BelowRule(Rule):
    """Our number is below a published bound."""

    reading: Annotated[Lookup, exactly(Lookup, "reading")]
    bound: float

    def compare(self, frame):
        ours = combined([-1.0], [self.reading], frame)
        yield ClaimComparison(f"{self.bound:g} less {self.reading.words}", _moved(ours, self.bound))


@recipe
class OrderRule(Rule):
    """Numbers of several arms are in the published order, each below the next."""

    readings: Annotated[tuple[Lookup, ...], several(Lookup, "readings")]

    @model_validator(mode="after")
    def _has_two(self):
        if len(self.readings) < 2:
            raise ValueError(f"an order needs at least two readings, got {len(self.readings)}")
        return self

    def compare(self, frame):
        for lower, higher in pairwise(self.readings):
            yield ClaimComparison(
                f"{_distinction(higher, lower)} less {_distinction(lower, higher)}", combined([-1.0, 1.0], [lower, higher], frame)
            )


@recipe
class SignRule(Rule):
    """Our number lies on the published side of no effect."""

    reading: Annotated[Lookup, exactly(Lookup, "reading")]
    direction: Literal["up", "down"]
    no_effect: float = 0.0

    def compare(self, frame):
        if self.direction == "up":
            yield ClaimComparison(self.reading.words, combined([1.0], [self.reading], frame), self.no_effect)
        else:
            ours = _moved(combined([-1.0], [self.reading], frame), self.no_effect)
            yield ClaimComparison(f"{self.no_effect:g} less {self.reading.words}", ours)


@recipe
class SlopeRule(Rule):
    """The slope of our numbers over x equals the published one, by the criteria of `equal`."""

    readings: Annotated[tuple[Lookup, ...], several(Lookup, "readings")]
    published: float
    error: Annotated[float, Field(ge=0)] = 0.0
    no_effect: float = 0.0
    log_x: bool = False
    """Whether x is replaced by its decadic logarithm. For the numbers, use their transformation log10."""

    @model_validator(mode="after")
    def _has_places(self):
        _check_places(self.readings, 2)
        _check_effect(self.published, self.no_effect)
        if self.log_x and any(reading.x is None or reading.x <= 0 for reading in self.readings):
            raise ValueError("log_x needs places x above 0")
        return self

    def compare(self, frame):
        x = np.array([reading.x for reading in self.readings], dtype=float)
        x = np.log10(x) if self.log_x else x
        weights = (x - x.mean()) / np.square(x - x.mean()).sum()
        yield ClaimComparison(
            f"slope of {self.readings[0].measure}",
            combined([*map(float, weights)], self.readings, frame),
            self.no_effect,
            self.published,
            self.error,
        )


@recipe
class ConvexRule(Rule):
    """Our numbers are a convex function of x: every slope between neighbours is larger than the one before it."""

    readings: Annotated[tuple[Lookup, ...], several(Lookup, "readings")]

    @model_validator(mode="after")
    def _has_places(self):
        _check_places(self.readings, 3)
        return self

    def compare(self, frame):
        for first, second, third in zip(self.readings, self.readings[1:], self.readings[2:], strict=False):
            a, b, c = (float(reading.x) for reading in (first, second, third))  # type: ignore[arg-type]
            weights = [1 / (b - a), -1 / (b - a) - 1 / (c - b), 1 / (c - b)]
            yield ClaimComparison(f"bend of {first.measure} at {b:g}", combined(weights, [first, second, third], frame))


@recipe
class FlipRule(Rule):
    """Our numbers lie on one side of no effect if x is below a threshold, and on the other side if it is above."""

    readings: Annotated[tuple[Lookup, ...], several(Lookup, "readings")]
    threshold: float
    first: Literal["above", "below"] = "above"
    """The side of no effect on which the numbers lie if x is below the threshold."""
    no_effect: float = 0.0

    @model_validator(mode="after")
    def _has_both_sides(self):
        _check_places(self.readings, 2)
        places = [reading.x for reading in self.readings if reading.x is not None]
        if not min(places) < self.threshold < max(places):
            raise ValueError(f"a flip needs readings on both sides of the threshold {self.threshold:g}")
        return self

    def compare(self, frame):
        for reading in self.readings:
            is_before = reading.x < self.threshold  # type: ignore[operator]
            sign = 1.0 if is_before == (self.first == "above") else -1.0
            ours = _moved(combined([sign], [reading], frame), -sign * self.no_effect)
            yield ClaimComparison(f"{reading.words}, {'from' if sign > 0 else 'up to'} {self.no_effect:g}", ours)


RULES: Family = Family(
    {
        "equal": EqualRule,
        "below": BelowRule,
        "order": OrderRule,
        "sign": SignRule,
        "slope": SlopeRule,
        "convex": ConvexRule,
        "flip": FlipRule,
    }
)


def _distinction(reading: Lookup, other: Lookup) -> str:
    """The words that distinguish a reading from the one that it is compared with: its arm, unless both have the same arm."""
    if reading.arm != other.arm:
        return reading.words
    return reading.measure if reading.measure != other.measure else f"{reading.measure} at generation {reading.generation}"


def _moved(estimate: Estimate, by: float) -> Estimate:
    """The estimate and its interval, shifted by a known number."""
    return estimate.on_scale(lambda value: value + by)


def _check_effect(published: float, no_effect: float) -> None:
    if published == no_effect:
        raise ValueError(
            f"published and no_effect are both {published:g}, so no number could agree; change no_effect, or use the rule sign or below"
        )


def _check_places(readings: tuple[Lookup, ...], fewest: int) -> None:
    places: list[Any] = [reading.x for reading in readings]
    if len(readings) < fewest or None in places or any(b <= a for a, b in pairwise(places)):
        raise ValueError(f"it needs at least {fewest} readings with increasing x, got {places}")
