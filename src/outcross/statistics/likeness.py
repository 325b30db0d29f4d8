"""Regions of records that are like each other, for pictures, vectors and texts, where no short rule about columns outlines what is lost.

A smooth function of the points (ridge regression on Gaussian kernels at some of the points: Williams and Seeger, Nyström, NeurIPS 2000) learns from some of the records where the second side is missing. Records above a
threshold are the first outline. The second outline learns that one: records inside are in, but those of the second side that propose are not, for an emptied region has none
(as in learning from positive and unlabelled examples: Elkan and Noto, KDD 2008). Both thresholds are where the records that propose are worth most (`scan.worth`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcross.statistics.scan import worth

KERNELS = 400
"""Points at which kernels stand, at most."""
RIDGE = 1.0
FOLDS = 5
LEFT = 0.25
"""What is left of a region that is outlined, over what should be."""
BATCH = 8_192


@dataclass(frozen=True, eq=False)
class Likeness:
    """How like the records of a region each record is."""

    score: np.ndarray
    """(records,), the larger the more like."""
    threshold: float

    @property
    def inside(self) -> np.ndarray:
        return self.score >= self.threshold


def kernels(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a smooth function of points is linear in, (records, kernels + 1), for points (records, d).

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
    return features


def outlined(features: np.ndarray, is_human: np.ndarray, rows: np.ndarray, fewest: float) -> Likeness:
    """Where the second side is missing, as some of the records tell it: at least so many human ones of them lie inside. features: as `kernels` makes them, of all records."""
    says = worth(is_human[rows], LEFT)
    sides = np.where(is_human[rows], 1.0, -1.0)
    score = np.empty(len(features))
    fold = np.arange(rows.size) % FOLDS
    own = [features[rows[fold == one]] for one in range(FOLDS)]
    products = [some.T.astype(float) @ some for some in own]
    sums = [some.T.astype(float) @ sides[fold == one] for one, some in enumerate(own)]
    product, target = np.sum(products, axis=0), np.sum(sums, axis=0)
    # Records that propose are scored by a fit that has not seen them, so that the threshold is where fresh ones are worth most.
    for one in range(FOLDS):
        score[rows[fold == one]] = own[one] @ _ridge(product - products[one], target - sums[one])
    others = np.ones(len(features), dtype=bool)
    others[rows] = False
    score[others] = features[others] @ _ridge(product, target)
    is_in = score >= _threshold(score[rows], says, is_human[rows], fewest)
    is_in[rows[~is_human[rows]]] = False
    whole = features.T.astype(np.float64) @ features
    second = features @ _ridge(whole, features.T.astype(float) @ is_in)
    return Likeness(second, _threshold(second[rows], says, is_human[rows], fewest))


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


__all__ = ["Likeness", "kernels", "outlined"]
