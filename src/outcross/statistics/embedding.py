"""Records of mixed columns as points with meaningful distances: one unit is one standard deviation, or one different category.

scikit-learn's encoders would change the distances. QuantileTransformer puts all values beyond the human range on its end. OneHotEncoder merges all
rare categories into one, so that different rare categories would have distance 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import numpy as np

from outcross.data.tables import Table
from outcross.estimate import NotApplicable

EMBEDDED = ("number", "category", "vector")
"""Kinds of columns that become coordinates. Texts and series have aspects of their own."""
LEVELS = 64
"""Number of categories with a dimension of their own. Rarer categories share `BUCKETS` dimensions by their hash."""
BUCKETS = 16
KNOTS = 32
"""Number of quantiles between which the scale of a number is linear. A score for every value would put the fitted records on an evenly spaced grid,
which fresh records are not: in one dimension, a fifth of human records then counted as near copies."""
COMPONENTS = 64
"""Maximum number of principal components of a vector."""
FITTED = 1_000
"""Maximum number of vectors from which principal components are computed."""


@dataclass(frozen=True)
class ColumnCoordinates:
    """The coordinates of one column."""

    width: int
    """The number of coordinates."""
    fill: Callable[[Table, np.ndarray], None]
    """Writes the coordinates of a table's records into an array of zeros, (rows in frame, width)."""


@dataclass(frozen=True)
class Embedding:
    """A map from a table to points (rows in frame, d), fitted on human records.

    - A number becomes the normal score of its rank among human values, linear between 32 quantiles; ties share the middle rank. Other scales would
      fail: an interquartile range would be 0 for amounts that are mostly 0, and standard deviations infinite for the heavy tails that collapse cuts.
      Beyond the human range the scale continues linearly, so that invented values lie far out.
    - A different category is one unit away, like one standard deviation (Gower, Biometrics 27:857, 1971, with squared distances instead of
      distances).
    - A vector becomes its principal components, at most 64, scaled to the total variance of one number.
    - A missing value is a category of its own, with the median as its number.
    """

    columns: tuple[str, ...]
    parts: tuple[ColumnCoordinates, ...]

    def __call__(self, table: Table) -> np.ndarray:
        points = np.zeros((table.frame.height, sum(part.width for part in self.parts)))
        for part, own in zip(self.parts, self._slices(), strict=True):
            part.fill(table, points[:, own])
        return points

    def categories(self, table: Table) -> list[slice]:
        """Return the slice of coordinates of each column of categories."""
        return [own for column, own in zip(self.columns, self._slices(), strict=True) if table.kinds[column] == "category"]

    def _slices(self) -> list[slice]:
        """Return the slice of coordinates of each column."""
        ends = accumulate((part.width for part in self.parts), initial=0)
        return [slice(start, stop) for start, stop in pairwise(ends)]


def embedding(*human: Table, beside: tuple[Table, ...] = ()) -> Embedding:
    """Fit an embedding on all of the human tables.

    Principal components of vectors are also fitted on the tables `beside`. Components of the human tables alone would not show directions that only
    the other tables have, and would fit their own records better than fresh records. If two sides are compared symmetrically, pass both as the first
    arguments, because the ranks of the fitted records are more evenly spread than those of fresh records. Raises NotApplicable if no column can be
    embedded.
    """
    fitted, every = _together(human), _together((*human, *beside))
    columns = fitted.of_kind(*EMBEDDED)
    if not columns:
        raise NotApplicable("no column of numbers, categories or vectors")
    if fitted.frame.height == 0:
        raise NotApplicable("the reference has no records")
    makers: Mapping[str, Callable[[str], ColumnCoordinates]] = {
        "number": lambda column: _number(fitted, column),
        "category": lambda column: _category(human, column),
        "vector": lambda column: _vector(every, column),
    }
    return Embedding(tuple(columns), tuple(makers[fitted.kinds[column]](column) for column in columns))


def _together(tables: tuple[Table, ...]) -> Table:
    import polars as pl

    return tables[0] if len(tables) == 1 else replace(tables[0], frame=pl.concat([table.frame for table in tables]))


def _number(reference: Table, column: str) -> ColumnCoordinates:
    from scipy.special import ndtri

    values = reference.numbers(column)
    places, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    if places.size < 2:
        places, counts = np.array([0.0, 1.0]) + (places[0] if places.size else 0.0), np.ones(2)
    scores = ndtri((np.cumsum(counts) - counts / 2) / counts.sum())
    if places.size > KNOTS:
        knots = np.unique(np.searchsorted(scores, np.linspace(scores[0], scores[-1], KNOTS)))
        places, scores = places[knots], scores[knots]
    median = np.interp(0.0, scores, places)
    # The slope beyond either end is the average slope of the half of the human values on that side.
    low, high = (abs(scores[end]) / max(abs(places[end] - median), 1e-300) for end in (0, -1))

    def fill(table: Table, points: np.ndarray) -> None:
        values = table.numbers(column)
        is_there = np.isfinite(values)
        known = np.where(is_there, values, median)
        beyond = low * np.minimum(known - places[0], 0.0) + high * np.maximum(known - places[-1], 0.0)
        points[:, 0] = np.where(is_there, np.interp(known, places, scores) + np.clip(beyond, -50, 50), 0.0)
        points[:, 1] = ~is_there

    return ColumnCoordinates(2, fill)


def _category(human: tuple[Table, ...], column: str) -> ColumnCoordinates:
    counts: Counter[str] = Counter()
    for table in human:
        counts.update(table.counts(column))
    levels = sorted(counts, key=lambda name: (-counts[name], name))[:LEVELS]
    known, buckets = len(levels), BUCKETS if len(counts) > LEVELS else 1

    def fill(table: Table, points: np.ndarray) -> None:
        place = table.places_of(column, levels)
        rare = np.flatnonzero(place < 0)
        if rare.size:
            others = table.frame[column][rare]
            place[rare] = known + np.where(others.is_null().to_numpy(), buckets, (others.hash(seed=0) % buckets).to_numpy())
        # With w = √½, two categories have distance √(w² + w²) = 1.
        points[np.arange(len(place)), place] = math.sqrt(0.5)

    return ColumnCoordinates(known + buckets + 1, fill)


def _vector(reference: Table, column: str) -> ColumnCoordinates:
    vectors, is_there = _vectors(reference, column)
    known = vectors[is_there]
    known = known[:: max(1, -(-len(known) // FITTED))].astype(float)
    if not len(known):
        return ColumnCoordinates(1, lambda table, points: None)
    centre = known.mean(axis=0)
    _, deviations, directions = np.linalg.svd(known - centre, full_matrices=False)
    kept = min(COMPONENTS, int((deviations > 1e-9 * max(deviations[0], 1e-300)).sum()) or 1)
    scale = math.sqrt(np.square(deviations).sum() / len(known)) or 1.0
    directions = (directions[:kept].T / scale).astype(np.float32)

    def fill(table: Table, points: np.ndarray) -> None:
        vectors, is_there = _vectors(table, column)
        # Rounded, because products of equal vectors may differ in their last digits.
        points[:, :-1] = np.round((vectors @ directions).astype(float) - centre @ directions, 4)
        points[~is_there, :-1] = 0.0
        points[:, -1] = ~is_there

    return ColumnCoordinates(kept + 1, fill)


def _vectors(table: Table, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors (rows, d) in single precision, 0 if missing or not finite, and whether each vector is present and finite."""
    values = table.frame[column]
    vectors = np.zeros((len(values), values.dtype.shape[0]), dtype=np.float32)  # type: ignore[attr-defined]
    is_there = values.is_not_null().to_numpy().copy()
    vectors[is_there] = values.drop_nulls().to_numpy().reshape(-1, vectors.shape[1])
    is_finite = np.isfinite(vectors).all(axis=1)
    vectors[~is_finite] = 0.0
    return vectors, is_there & is_finite
