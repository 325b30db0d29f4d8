"""A test whether a set can be a mixture of known sources: its means of many features must lie between those of the sources, within their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outcross.estimate import NotApplicable
from outcross.statistics.clusters import covariance_of_means

LEAST_PER_FEATURE = 8
"""Minimum number of groups per feature in the smallest sample. With fewer, features are combined into principal components."""


@dataclass(frozen=True)
class MixtureFit:
    """A test that a set is a mixture of some sources."""

    p: float
    """P(a mixture fits as badly), in (0, 1]."""
    features: int
    n: int
    """Number of groups of the smallest sample."""


def mixture_fit(sets: Sequence[np.ndarray], groups: Sequence[np.ndarray]) -> MixtureFit:
    """Test that a set is a mixture of sources, by Hotelling's T² of m − Σ αₖ sₖ at the shares α that minimise it.

    m holds the means of the features over the set and sₖ the means over the sample of source k, with Σ αₖ = 1. `sets` holds the set first, then
    two sources or more, (n, features) each. `groups` holds the group of each row, because the rows of a group are not independent. The groups of
    the set are numbered on their own. The groups of the sources have one numbering: rows of different sources that have the same number belong to
    one group, and the covariance between the means of the sources is taken from them.

    Of d features and k sources, p = d − k + 1 degrees of freedom are left after the shares are fitted. T² (ν − p + 1) / (p ν) is compared with
    F(p, ν − p + 1), where ν are the degrees of freedom of the sum of the two estimated covariances, of the set and of the sources
    (`_freedom`). Raises NotApplicable if there are too few groups.
    """
    from scipy.special import fdtrc

    counts = [int(np.unique(own).size) for own in groups]
    fewest = min(counts)
    limit = fewest // LEAST_PER_FEATURE
    fitted = len(sets) - 2
    if limit <= fitted:
        raise NotApplicable(f"needs at least {(fitted + 1) * LEAST_PER_FEATURE} groups of texts on each side, got {fewest}")
    calibration = np.concatenate(sets[1:])
    centre, scale = calibration.mean(axis=0), calibration.std(axis=0)
    alive = scale > 1e-9
    sides = [(side[:, alive] - centre[alive]) / scale[alive] for side in sets]
    if (features := int(alive.sum())) > limit:
        _, _, axes = np.linalg.svd(np.concatenate(sides[1:]), full_matrices=False)
        sides, features = [side @ axes[:limit].T for side in sides], limit
    if features <= fitted:
        raise NotApplicable("no feature varies")
    means = [side.mean(axis=0) for side in sides]
    own_error = covariance_of_means(sides[:1], groups[:1])[0, 0]
    errors = covariance_of_means(sides[1:], groups[1:])
    gaps, away = np.stack([mean - means[1] for mean in means[2:]], axis=1), means[0] - means[1]
    shares = np.full(fitted, 1 / (fitted + 1))
    for _ in range(20):
        weights = np.concatenate(([1 - shares.sum()], shares))
        spread = own_error + np.einsum("k,klij,l->ij", weights, errors, weights) + 1e-9 * np.eye(features)
        solved = np.linalg.solve(spread, gaps)
        shares = np.clip(np.linalg.lstsq(gaps.T @ solved, solved.T @ away, rcond=None)[0], -0.2, 1.2)
    rest = away - gaps @ shares
    square = float(rest @ np.linalg.solve(spread, rest))
    left = features - fitted
    freedom = _freedom((own_error, spread - own_error), (counts[0], min(counts[1:])))
    p = float(fdtrc(left, freedom - left + 1, square * (freedom - left + 1) / (left * freedom)))
    return MixtureFit(max(p, 1e-300), features, fewest)


def _freedom(parts: Sequence[np.ndarray], counts: Sequence[int]) -> float:
    """Return the degrees of freedom of a sum of estimated covariances, (d, d) each, by the numbers of independent groups behind them.

    With Vᵢ = S⁻¹ Sᵢ and S = Σ Sᵢ they are (d + d²) / Σ [tr(Vᵢ²) + tr(Vᵢ)²] / (nᵢ − 1) (Krishnamoorthy and Yu, Stat. Probab. Lett. 66:161, 2004),
    which is between the smallest nᵢ − 1 and Σ (nᵢ − 1).

    >>> round(_freedom((np.eye(3), np.eye(3)), (101, 101)), 6), round(_freedom((np.eye(3), 0 * np.eye(3)), (101, 11)), 6)
    (200.0, 100.0)
    """
    whole = np.linalg.inv(sum(parts))
    shares = [whole @ part for part in parts]
    size = len(whole)
    spent = sum((np.trace(share @ share) + np.trace(share) ** 2) / (count - 1) for share, count in zip(shares, counts, strict=True))
    return float((size + size**2) / spent)
