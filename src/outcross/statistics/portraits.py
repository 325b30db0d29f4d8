"""Summaries of a column on both sides in a few numbers, which a page draws next to the checks of that column."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from outcross.data.tables import Table

BINS = 24
"""Maximum number of bins of a histogram."""
CENTRE = (0.005, 0.995)
"""Quantiles of the human values between which the bins lie. Values beyond them fall into an open bin at either end."""
BARS = 12
"""Number of categories with a bar of their own, the commonest of both sides together. The others share one bar."""
DEPTHS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
"""Depths of the quantiles that are compared. A depth is left out if less than one value of either side is expected beyond it."""
COLUMNS = 200
"""Maximum number of columns that are drawn."""
MOST_RECORDS = 2**53
"""Counts of records are below this number, so that they are exact as numbers of JSON."""


@dataclass(frozen=True)
class Portrait:
    """The distribution of a column on both sides."""

    kind: Literal["number", "category"]
    places: tuple[float, ...]
    """For numbers, the edges between the bins: k edges make k + 1 bins, of which the first and the last are open. Empty for categories."""
    names: tuple[str, ...]
    """For categories, the name of each bar; the last bar is for all others if there are more. Empty for numbers."""
    human: tuple[int, ...]
    """Number of human records in each bin or bar."""
    synthetic: tuple[int, ...]
    missing: tuple[int, int]
    """Number of missing values, human and synthetic."""
    depths: tuple[float, ...] = ()
    human_quantiles: tuple[float, ...] = ()
    synthetic_quantiles: tuple[float, ...] = ()
    unit: Literal["", "day", "clock"] = ""
    """The unit of the numbers: "day" for moments in days since 1970, "clock" for times of day in parts of a day."""

    def __post_init__(self):
        """Check that the numbers are consistent, because they may have been read from a file. Raises ValueError."""
        bars = len(self.places) + 1 if self.kind == "number" else len(self.names)
        if not len(self.human) == len(self.synthetic) == bars > 0:
            raise ValueError(f"{bars} bins or bars have {len(self.human)} human and {len(self.synthetic)} synthetic counts")
        if not len(self.depths) == len(self.human_quantiles) == len(self.synthetic_quantiles):
            raise ValueError("there must be as many quantiles on both sides as depths")
        if not all(map(math.isfinite, (*self.places, *self.depths, *self.human_quantiles, *self.synthetic_quantiles))):
            raise ValueError("every edge and every quantile must be a finite number")
        if not all(0 <= count < MOST_RECORDS for count in (*self.human, *self.synthetic, *self.missing)):
            raise ValueError(f"every count of records must be from 0 to {MOST_RECORDS - 1:,}")


@dataclass(frozen=True)
class Reliability:
    """Reliability curves on human records, for a model that learned from human records and for one that learned from synthetic records.

    The predictions of each model are sorted and cut into parts with about equal numbers of records. Each part has its mean prediction and its mean
    outcome.
    """

    target: str
    learner: str
    predicted: str
    """The predicted quantity: the probability of a class, that of the most likely class, or the number in human standard deviations."""
    human: tuple[tuple[float, float], ...]
    """Mean prediction and mean outcome in each part, for the model that learned from human records."""
    synthetic: tuple[tuple[float, float], ...]

    def __post_init__(self):
        """Check that the numbers are finite, because they may have been read from a file. Raises ValueError."""
        if not all(math.isfinite(number) for side in (self.human, self.synthetic) for point in side for number in point):
            raise ValueError("every prediction and every outcome must be a finite number")
        if not self.human or not self.synthetic:
            raise ValueError("both models must have predictions")


PARTS = 10
"""Number of parts into which the predictions of a model are cut."""


def reliability(
    target: str, learner: str, classes: Sequence[str], human: np.ndarray, synthetic: np.ndarray, came_true: np.ndarray
) -> Reliability:
    """Return the reliability curves of two models over the same human test records.

    human, synthetic: P(class), (records, classes), or a number, (records,), from each model. came_true: the index of the class, or the number,
    (records,).
    """
    sides = [_predicted(predictions, came_true) for predictions in (human, synthetic)]
    label = (
        "the number, in standard deviations"
        if human.ndim == 1
        else f"the chance of {classes[-1]}"
        if len(classes) == 2
        else "the chance of the likeliest class"
    )
    return Reliability(target, learner, label, *(_parts(*side) for side in sides))


def _predicted(predictions: np.ndarray, came_true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return one prediction per record, and its outcome."""
    if predictions.ndim == 1:
        return predictions, came_true
    if predictions.shape[1] == 2:
        return predictions[:, 1], (came_true == 1).astype(float)
    likeliest = predictions.argmax(axis=1)
    return predictions.max(axis=1), (came_true == likeliest).astype(float)


def _parts(predictions: np.ndarray, came_true: np.ndarray) -> tuple[tuple[float, float], ...]:
    order = np.argsort(predictions, kind="stable")
    return tuple(
        (float(predictions[rows].mean()), float(came_true[rows].mean())) for rows in np.array_split(order, PARTS) if rows.size
    )


OTHERS = "all others"


def portraits(drawn: Table, human: Table) -> Mapping[str, Portrait]:
    """Return the portrait of every column of numbers or categories, by its name, from the records in memory."""
    columns = human.of_kind("number", "category")[:COLUMNS]
    paint = {"number": _number, "category": _category}
    return {column: paint[human.kinds[column]](drawn, human, column) for column in columns}


def _number(drawn: Table, human: Table, column: str) -> Portrait:
    sides = [side.numbers(column) for side in (human, drawn)]
    known = [values[np.isfinite(values)] for values in sides]
    edges = _edges(known[0]) if known[0].size else np.zeros(1)
    counts = [np.bincount(np.searchsorted(edges, values, side="right"), minlength=edges.size + 1) for values in known]
    depths = [depth for depth in DEPTHS if min(depth, 1 - depth) * min(values.size for values in known) >= 1]
    quantiles = [tuple(map(float, np.quantile(values, depths))) if depths else () for values in known]
    missing = (int(sides[0].size - known[0].size), int(sides[1].size - known[1].size))
    return Portrait(
        "number",
        tuple(map(float, edges)),
        (),
        _plain(counts[0]),
        _plain(counts[1]),
        missing,
        tuple(depths),
        quantiles[0],
        quantiles[1],
        human.unit(column),
    )


def _edges(values: np.ndarray) -> np.ndarray:
    """Return the edges between the bins: half-way between the values if there are few, else evenly spaced over the centre of the human values."""
    distinct = np.unique(values)
    if distinct.size <= BINS:
        return (distinct[1:] + distinct[:-1]) / 2 if distinct.size > 1 else distinct.astype(float)
    low, high = np.quantile(values, CENTRE)
    if low == high:
        low, high = float(distinct[0]), float(distinct[-1])
    return np.linspace(low, high, BINS - 1)


def _category(drawn: Table, human: Table, column: str) -> Portrait:
    counts = [side.counts(column) for side in (human, drawn)]
    totals = {name: counts[0].get(name, 0) + counts[1].get(name, 0) for name in counts[0] | counts[1]}
    ordered = sorted(totals, key=lambda name: (-totals[name], name))
    shown = ordered[:BARS] if len(ordered) > BARS + 1 else ordered
    rest = ordered[len(shown) :]
    names = (*shown, *([OTHERS] if rest else []))
    bars = [(*(own.get(name, 0) for name in shown), *([sum(own.get(name, 0) for name in rest)] if rest else [])) for own in counts]
    missing = (human.frame[column].null_count(), drawn.frame[column].null_count())
    return Portrait("category", (), names, bars[0], bars[1], missing)


def _plain(counts: np.ndarray) -> tuple[int, ...]:
    return tuple(map(int, counts))
