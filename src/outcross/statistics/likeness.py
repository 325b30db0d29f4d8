"""Regions of records that are like each other, for pictures, vectors and texts, where no short rule about columns outlines what is lost.

A smooth function of the points (ridge regression on Gaussian kernels at some of the points: Williams and Seeger, Nyström, NeurIPS 2000) learns from some of the records where the second side is missing. Records above a
threshold are the first outline. The second outline learns that one: records inside are in, but those of the second side that propose are not, for an emptied region has none
(as in learning from positive and unlabelled examples: Elkan and Noto, KDD 2008). Both thresholds are where the records that propose are worth most (`scan.worth`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from outcross.statistics.neighbours import nearest
from outcross.statistics.scan import worth

KERNELS = 400
"""Points at which kernels stand, at most."""
RIDGE = 1.0
FOLDS = 5
LEFT = 0.25
"""What is left of a region that is outlined, over what should be."""
BATCH = 8_192
NEAR = 10
"""Neighbours of a record that are in its region."""
JOINED = 20_000
"""Records of a region of which it is asked whether it is several, at most."""


@dataclass(frozen=True, eq=False)
class Points:
    """Records of both sides as points, and what smooth functions of them are linear in."""

    rows: np.ndarray
    """Which of all records these are, (points,)."""
    points: np.ndarray
    """(points, d)"""
    features: np.ndarray
    """(points, kernels + 1)"""


def smoothed(rows: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> Points:
    """Points with the values of kernels there.

    The width of a kernel is the median distance between two points. Which points the kernels stand at is drawn without regard to sides.
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
    """Regions of like records where the second side is missing, as those that propose tell it: which of the points lie inside, (points,).

    What is outlined may be several regions: those that no chain of near neighbours joins. Each holds at least so many human records that propose. is_human, proposes: (points,).
    """
    within = outlined(points.features, is_human, np.flatnonzero(proposes), fewest)
    inside = np.flatnonzero(within)
    for own in _joined(points.points[inside]):
        region = np.zeros(within.size, dtype=bool)
        region[inside[own]] = True
        if (region & is_human & proposes).sum() >= fewest:
            yield region


def _joined(points: np.ndarray) -> list[np.ndarray]:
    """The points that chains of near neighbours join, the largest set first; all of them where they are too many to look."""
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
    """Where the second side is missing, as some of the records tell it, (records,): at least so many human ones of them lie inside. rows: those that propose."""
    says = worth(is_human[rows], LEFT)
    sides = np.where(is_human[rows], 1.0, -1.0)
    score = np.empty(len(features))
    fold = np.arange(rows.size) % FOLDS
    own = [features[rows[fold == part]] for part in range(FOLDS)]
    products = [some.T.astype(float) @ some for some in own]
    sums = [some.T.astype(float) @ sides[fold == part] for part, some in enumerate(own)]
    product, target = np.sum(products, axis=0), np.sum(sums, axis=0)
    # Records that propose are scored by a fit that has not seen them, so that the threshold is where fresh ones are worth most.
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
    """The score from which records are worth most together, at least so many human ones."""
    order = np.argsort(-score, kind="stable")
    value = np.where(np.cumsum(is_human[order]) >= fewest, np.cumsum(says[order]), -np.inf)
    return float(score[order[int(value.argmax())]])


def _squares(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared distances, (points, others)."""
    return np.maximum(0.0, np.square(points).sum(axis=1)[:, None] + np.square(others).sum(axis=1) - 2 * points @ others.T)


__all__ = ["Points", "alike", "smoothed"]
