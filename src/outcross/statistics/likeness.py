"""Regions of similar records, for pictures, vectors and texts, in which short rules about columns do not describe a loss.

A smooth function of the points (ridge regression on Gaussian kernels at some of the points: Williams and Seeger, Nyström, NeurIPS 2000) is fitted to
the proposing records, to predict where the second side is missing. Records above a threshold are the first outline. The second outline is fitted to
the first: records inside it count as in, except for the proposing records of the second side, because an emptied region has none of these (as in
learning from positive and unlabelled examples: Elkan and Noto, KDD 2008). Both thresholds maximise the worth of the proposing records (`scan.worth`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from outcross.statistics.neighbours import nearest
from outcross.statistics.scan import worth

KERNELS = 400
"""Maximum number of points that are centres of kernels."""
RIDGE = 1.0
FOLDS = 5
LEFT = 0.25
"""Assumed ratio of the actual to the expected number of records in a region."""
BATCH = 8_192
NEAR = 10
"""Number of neighbours to which a record is connected when a region is split into several."""
JOINED = 20_000
"""Maximum number of records of a region that is split into several."""


@dataclass(frozen=True, eq=False)
class Points:
    """Records of both sides as points, with kernel features in which smooth functions of the points are linear."""

    rows: np.ndarray
    """The rows of these records among all records, (points,)."""
    points: np.ndarray
    """The coordinates, (points, d)."""
    features: np.ndarray
    """The kernel features and a constant, (points, kernels + 1)."""


def smoothed(rows: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> Points:
    """Return points with their kernel features.

    The width of a kernel is the median distance between two points. The centres of the kernels are drawn without regard to sides.
    """
    centres = points[np.sort(rng.permutation(len(points))[:KERNELS])]
    between = _squares(centres, centres)
    usual = float(np.median(between[np.triu_indices(len(centres), 1)])) or 1.0
    directions, sizes, _ = np.linalg.svd(np.exp(-between / usual))
    whitened = directions / np.sqrt(np.maximum(sizes, 1e-6))
    features = np.ones((len(points), len(centres) + 1), dtype=np.float32)
    for start in range(0, len(points), BATCH):
        some = points[start : start + BATCH]
        features[start : start + BATCH, :-1] = np.exp(-_squares(some, centres) / usual) @ whitened
    return Points(rows, points, features)


def alike(points: Points, is_human: np.ndarray, proposes: np.ndarray, fewest: float) -> Iterator[np.ndarray]:
    """Yield regions of similar records in which the second side is missing, by the proposing records: whether each point lies inside, (points,).

    The outline is split into regions that no chain of near neighbours connects. Each region has at least `fewest` proposing human records.
    is_human, proposes: (points,).
    """
    within = outlined(points.features, is_human, np.flatnonzero(proposes), fewest)
    inside = np.flatnonzero(within)
    for own in _joined(points.points[inside]):
        region = np.zeros(within.size, dtype=bool)
        region[inside[own]] = True
        if (region & is_human & proposes).sum() >= fewest:
            yield region


def _joined(points: np.ndarray) -> list[np.ndarray]:
    """Return sets of points that chains of near neighbours connect, the largest set first.

    If there are too many or too few points, all are one set.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    if not NEAR < len(points) <= JOINED:
        return [np.arange(len(points))]
    near = nearest(points, points, NEAR + 1)[1]
    graph = csr_array((np.ones(near.size), near.reshape(-1), np.arange(0, near.size + 1, NEAR + 1)), shape=(len(points),) * 2)
    count, which = connected_components(graph, directed=False)
    sizes = np.bincount(which, minlength=count)
    return [np.flatnonzero(which == component) for component in np.argsort(-sizes, kind="stable")]


def outlined(features: np.ndarray, is_human: np.ndarray, rows: np.ndarray, fewest: float) -> np.ndarray:
    """Outline where the second side is missing, by the proposing records `rows`: whether each record lies inside, (records,).

    At least `fewest` proposing human records lie inside.
    """
    says = worth(is_human[rows], LEFT)
    sides = np.where(is_human[rows], 1.0, -1.0)
    score = np.empty(len(features))
    fold = np.arange(rows.size) % FOLDS
    own = [features[rows[fold == part]] for part in range(FOLDS)]
    products = [some.T.astype(float) @ some for some in own]
    sums = [some.T.astype(float) @ sides[fold == part] for part, some in enumerate(own)]
    product, target = np.sum(products, axis=0), np.sum(sums, axis=0)
    # Proposing records are scored by a fit that has not seen them, so that the threshold is the best one for fresh records.
    for part in range(FOLDS):
        score[rows[fold == part]] = own[part] @ _ridge(product - products[part], target - sums[part])
    others = np.ones(len(features), dtype=bool)
    others[rows] = False
    score[others] = features[others] @ _ridge(product, target)
    is_in = score >= _threshold(score[rows], says, is_human[rows], fewest)
    is_in[rows[~is_human[rows]]] = False
    whole = features.T.astype(np.float64) @ features
    second = features @ _ridge(whole, features.T.astype(float) @ is_in)
    return second >= _threshold(second[rows], says, is_human[rows], fewest)


def _ridge(product: np.ndarray, target: np.ndarray) -> np.ndarray:
    from scipy.linalg import solve

    return solve(product + RIDGE * np.eye(len(product)), target, assume_a="pos")


def _threshold(score: np.ndarray, says: np.ndarray, is_human: np.ndarray, fewest: float) -> float:
    """Return the threshold of the score above which records have the highest total worth, with at least `fewest` human records."""
    order = np.argsort(-score, kind="stable")
    value = np.where(np.cumsum(is_human[order]) >= fewest, np.cumsum(says[order]), -np.inf)
    return float(score[order[int(value.argmax())]])


def _squares(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return squared distances, (points, others)."""
    return np.maximum(0.0, np.square(points).sum(axis=1)[:, None] + np.square(others).sum(axis=1) - 2 * points @ others.T)


__all__ = ["Points", "alike", "smoothed"]
