"""Budgets of readings, and the limits that they set on the scale of the reading."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from outcross.errors import BadInput
from outcross.experiment.bounds import LOGARITHMS, TAIL_SURVIVAL, can_be_bounded, check_bounds, read_bounds, side_of
from outcross.measures import Page, leading, pages_of_runs, standing_for

FIFTH = {"larger": 1.2, "smaller": 0.8}
"""Default budgets of the readings that lead a report, by the side of the limit."""


@dataclass(frozen=True)
class Budget:
    """The limit of a reading as a ratio to generation 0."""

    reading: str
    ratio: float

    @property
    def is_upper(self) -> bool:
        """Whether the reading must stay below its limit."""
        return self.ratio > 1

    def limit(self, first: float) -> float:
        """Return the limit of the reading, given its value at generation 0.

        >>> round(Budget("log_variance", 0.8).limit(0.0), 3), Budget("held_out_perplexity", 1.2).limit(100.0)
        (-0.223, 120.0)
        """
        return first + math.log(self.ratio) if self.reading in LOGARITHMS else first * self.ratio

    def is_within(self, value: float, first: float) -> bool:
        """Whether a value is within the budget."""
        return value <= self.limit(first) if self.is_upper else value >= self.limit(first)


def budgets_of(given: Mapping[str, float] | None, there: Iterable[str]) -> tuple[Budget, ...]:
    """Return the given budgets, or by default a change of a fifth for each reading that leads a report.

    Raises BadInput if a budget is on a reading that no run has.
    """
    pages = {name: page for name, page in pages_of_runs().items() if name in set(there)}
    if given:
        bounds = read_bounds(given, "budget")
        check_bounds(bounds, pages, "budget")
        return tuple(Budget(name, ratio) for name, ratio in bounds.items())
    return tuple(
        Budget(name, FIFTH[side])
        for name, page in _leads(pages).items()
        if can_be_bounded(name, page) and (side := side_of(name, page)) is not None
    )


def _leads(pages: Mapping[str, Page]) -> dict[str, Page]:
    """Return the readings that lead a report, with tail survival."""
    leads = {name: pages[name] for name in leading() if name in pages}
    tail = next((name for name in standing_for("tail") if name in pages), None)
    return leads if tail is None else {**leads, TAIL_SURVIVAL: pages[tail]}


NUMBERS: Mapping[str, tuple[type, str, str]] = {
    "ahead": (int, "a whole number of generations", "20"),
    "most_runs": (int, "a whole number of small runs", "24"),
    "width": (float, "a number, the width of an interval of shares", "0.1"),
}
"""Numeric settings of a forecast: type, description and example."""


@dataclass(frozen=True)
class ForecastWords:
    """Words of the command line, sorted by their meaning."""

    budgets: Mapping[str, float]
    own: Mapping[str, Any]
    """Settings of the forecast itself: ahead, shares, most_runs, width."""
    settings: tuple[str, ...]
    """Other words with =. They are settings of an experiment."""
    places: tuple[str, ...]
    """Words without =: folders of runs, or an experiment."""


def words_of(words: Iterable[str]) -> ForecastWords:
    """Sort words of the command line into budgets, settings and folders. Raises BadInput if a number cannot be read."""
    budgets: dict[str, float] = {}
    own: dict[str, Any] = {}
    settings: list[str] = []
    places: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or "/" in key or key.startswith("."):
            places.append(word)
        elif key.startswith("budget.") and len(key) > len("budget."):
            name = key.removeprefix("budget.")
            if name in budgets:
                raise BadInput(f"budget.{name} is given twice; give it once")
            try:
                budgets[name] = float(value)
            except ValueError:
                raise BadInput(
                    f"budget.{name} must be a number, a ratio to generation 0, got {value!r:.80}; write budget.{name}=1.2"
                ) from None
        elif key == "shares" or key in NUMBERS:
            if key in own:
                raise BadInput(f"{key} is given twice; give it once")
            own[key] = value if key == "shares" else number_of(key, value)
        else:
            settings.append(word)
    return ForecastWords(budgets, own, tuple(settings), tuple(places))


def number_of(key: str, value: object) -> float:
    """Return the value of a numeric setting. Raises BadInput if it is not a number."""
    kind, what, example = NUMBERS[key]
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        raise BadInput(f"{key} must be {what}, got {value!r:.80}; write {key}={example}") from None


__all__ = ["Budget", "ForecastWords", "budgets_of", "words_of"]
