"""Whether a set could be a mixture of two known sources: its means of many features lie between theirs, within their errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcross.estimate import NotApplicable
from outcross.statistics.clusters import totals

LEAST_PER_FEATURE = 8
"""Groups a feature in the smallest of the samples, at least; with fewer, features are put together (principal components)."""


@dataclass(frozen=True)
class MixtureFit:
    """A test that a set is a mixture of two sources."""

    p: float
    """P(a mixture fits as badly), in (0, 1]."""
    features: int
    n: int
    """Groups of the smallest sample."""


def mixture_fit(
    mixed: np.ndarray, first: np.ndarray, second: np.ndarray, groups: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> MixtureFit:
    """Hotelling's T² of m − (1 − α) h − α a at the α that makes it least, m, h and a the means of features over the set and over samples of its sources.

    mixed, first, second: (n, features) each, and the group of each row; rows of a group are not independent. Of d features, d − 1 are left after α is fitted, and T² is
    scaled to F with as many degrees of freedom as the smallest sample has groups. NotApplicable where there are too few groups.
    """
    from scipy.special import fdtrc

    fewest = min(int(np.unique(own).size) for own in groups)
    most = fewest // LEAST_PER_FEATURE
    if most < 2:
        raise NotApplicable(f"needs at least {2 * LEAST_PER_FEATURE} groups of texts on each side, there are {fewest}")
    calibration = np.concatenate((first, second))
    centre, scale = calibration.mean(axis=0), calibration.std(axis=0)
    alive = scale > 1e-9
    sides = [(side[:, alive] - centre[alive]) / scale[alive] for side in (mixed, first, second)]
    if (features := int(alive.sum())) > most:
        _, _, axes = np.linalg.svd(np.concatenate(sides[1:]), full_matrices=False)
        sides, features = [side @ axes[:most].T for side in sides], most
    means = [side.mean(axis=0) for side in sides]
    errors = [_error(side, mean, own) for side, mean, own in zip(sides, means, groups, strict=True)]
    gap, away = means[2] - means[1], means[0] - means[1]
    share = 0.5
    for _ in range(20):
        spread = errors[0] + (1 - share) ** 2 * errors[1] + share**2 * errors[2] + 1e-9 * np.eye(features)
        solved = np.linalg.solve(spread, np.stack((gap, away), axis=1))
        share = float(np.clip(gap @ solved[:, 1] / max(gap @ solved[:, 0], 1e-300), -0.2, 1.2))
    rest = away - share * gap
    square = float(rest @ np.linalg.solve(spread, rest))
    left = features - 1
    return MixtureFit(
        max(float(fdtrc(left, fewest - left, square * (fewest - left) / (left * (fewest - 1)))), 1e-300), features, fewest
    )


def _error(side: np.ndarray, mean: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The covariance of a mean over groups, (features, features)."""
    _, own = np.unique(groups, return_inverse=True)
    count = int(own.max()) + 1
    sums = np.stack([totals(column, own, count) for column in (side - mean).T], axis=1)
    return sums.T @ sums / len(side) ** 2 * count / max(count - 1, 1)
