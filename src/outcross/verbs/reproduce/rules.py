"""How agreement with a published result is decided: a closed list of rules, chosen before the experiment runs.

A rule turns a run into comparisons. A comparison with a published number asks whether ours is close, precise and beyond no effect. A comparison
without one asks for a direction: a contrast that the paper says is above 0.
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
"""Standard errors of the difference within which ours is close to the published number."""
PRECISE = 0.25
"""Half of a 95 % interval, as a share of the published effect, up to which a number is precise."""
Z = 1.959964
"""Standard errors of half a 95 % interval of a published number."""
LEVEL = 0.05
"""Of the test of no effect, after Holm's correction over the claims."""


@dataclass(frozen=True)
class ClaimComparison:
    """One number of ours beside what was published of it."""

    what: str
    ours: Estimate
    none: float = 0.0
    """What it is where there is no effect."""
    published: float | None = None
    """None where a direction was published: then ours should be above `none`."""
    error: float = 0.0
    """The standard error of the published number."""

    @property
    def p(self) -> float:
        """Of no effect, two-sided."""
        return p_against(self.ours, self.none)

    @property
    def excludes_none(self) -> bool:
        """Whether our interval leaves out no effect."""
        if self.ours.low is None or self.ours.high is None:
            return False
        return not self.ours.low <= self.none <= self.ours.high

    @property
    def is_same_side(self) -> bool:
        """Whether ours lies on the published side of no effect."""
        side = 1.0 if self.published is None else self.published - self.none
        return (self.ours.value - self.none) * side > 0

    def is_close(self, printed: float = 0.0) -> bool:
        """Whether ours is within `CLOSE` standard errors of the published number; `printed` is the standard error of its rounding in print."""
        if self.published is None or self.ours.low is None:
            return False
        slack = CLOSE * math.hypot(error_of(self.ours), self.error, printed) + rounding(self.published, self.ours.value)
        return abs(self.ours.value - self.published) <= slack

    def p_of_published(self, printed: float = 0.0) -> float:
        """Of ours and the published number being the same, two-sided; 1 where none was published."""
        return 1.0 if self.published is None else p_against(self.ours, self.published, math.hypot(self.error, printed))

    @property
    def is_precise(self) -> bool:
        """Whether half of our interval is at most `PRECISE` of the published effect."""
        if self.published is None or self.ours.low is None or self.ours.high is None:
            return False
        return (self.ours.high - self.ours.low) / 2 <= PRECISE * abs(self.published - self.none)

    @property
    def is_published_precisely(self) -> bool:
        """Whether half of the 95 % interval of the published number is at most `PRECISE` of its effect: else being near to it says little."""
        return self.published is not None and Z * self.error <= PRECISE * abs(self.published - self.none)


def print_error(number: float) -> float:
    """The standard error of a number that was rounded to the digits that it has: half a unit of the last one, over √3.

    Zeros at its end are not seen, and a whole number counts as printed to one tenth.

    >>> round(print_error(0.754), 6), round(print_error(203.9), 4)
    (0.000289, 0.0289)
    """
    exponent = Decimal(repr(number)).as_tuple().exponent
    assert isinstance(exponent, int)
    return 10.0**exponent / 2 / math.sqrt(3)


class Rule:
    """How agreement is decided."""

    def compare(self, frame: DataFrame) -> Iterator[ClaimComparison]:
        """What is compared, of the readings of a run (`Run.frame()`)."""
        raise NotImplementedError


@recipe
class EqualRule(Rule):
    """Our number is the published one: within three standard errors, precise to a quarter of the effect, and beyond no effect."""

    reading: Annotated[Lookup, exactly(Lookup, "reading")]
    published: float
    error: Annotated[float, Field(ge=0)] = 0.0
    """The standard error of the published number; 0 where it is exact."""
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
    """Numbers of several arms stand in the published order, each below the next."""

    readings: Annotated[tuple[Lookup, ...], several(Lookup, "readings")]

    @model_validator(mode="after")
    def _has_two(self):
        if len(self.readings) < 2:
            raise ValueError(f"an order is of two readings or more, got {len(self.readings)}")
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
    """The slope of our numbers over x is the published one, judged as by `equal`."""

    readings: Annotated[tuple[Lookup, ...], several(Lookup, "readings")]
    published: float
    error: Annotated[float, Field(ge=0)] = 0.0
    no_effect: float = 0.0
    log_x: bool = False
    """Whether x is taken as its decadic logarithm; that of the numbers is their transformation log10."""

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
    """Our numbers over x bend upward: every slope is steeper than the one before it."""

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
    """Our numbers lie on one side of no effect where x is below a threshold, and on the other where it is above."""

    readings: Annotated[tuple[Lookup, ...], several(Lookup, "readings")]
    threshold: float
    first: Literal["above", "below"] = "above"
    """On which side of no effect the numbers lie below the threshold."""
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
    """What tells a reading from the one that it is compared with: its arm, unless they share it."""
    if reading.arm != other.arm:
        return reading.words
    return reading.measure if reading.measure != other.measure else f"{reading.measure} at generation {reading.generation}"


def _moved(estimate: Estimate, by: float) -> Estimate:
    """The estimate and its interval, moved by a known number."""
    return estimate.on_scale(lambda value: value + by)


def _check_effect(published: float, no_effect: float) -> None:
    if published == no_effect:
        raise ValueError(
            f"published is {published:g} and so is no_effect, so that no number could agree; change no_effect, or write a sign or a below"
        )


def _check_places(readings: tuple[Lookup, ...], fewest: int) -> None:
    places: list[Any] = [reading.x for reading in readings]
    if len(readings) < fewest or None in places or any(b <= a for a, b in pairwise(places)):
        raise ValueError(f"it needs {fewest} readings or more with rising places x, got {places}")
