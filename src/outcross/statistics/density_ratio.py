"""The ratio of the densities of two sets, estimated directly without estimating either density."""

from __future__ import annotations

import numpy as np

CENTRES = 100
"""Maximum number of target records that are centres of kernels."""
WIDTHS = (0.3, 0.6, 1.0, 1.5, 2.5)
"""Candidate widths of the kernels, as multiples of the median distance between records."""
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
"""Candidate penalties."""
FITTED = 5_000
"""Maximum number of records per side to which the ratio is fitted."""
TOGETHER = 1 << 22
"""Maximum number of kernel values in memory at a time."""


def density_ratio(source: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the density of the target divided by that of the source at each record of the source, at least 0, with a mean near 1.

    The method is uLSIF (Kanamori, Hido & Sugiyama, JMLR 10:1391, 2009): w(x) = Σ α K(x, c), α = (H + λI)⁻¹h with H the mean of K Kᵀ over the source
    and h the mean of K over the target. Values below 0 are set to 0. Width and penalty minimise the leave-one-out squared error, which has a closed
    form. Columns are first standardised by the target. source: (n, d), target: (m, d), finite. Returns (n,).
    """
    centre, scale = target.mean(axis=0), target.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    source, target = (source - centre) / scale, (target - centre) / scale
    some, other = _some(source, rng), _some(target, rng)
    count = min(len(some), len(other))
    some, other = some[:count], other[:count]
    centres = other[:CENTRES]
    median = float(np.sqrt(np.median(_squares(some[:500], other[:500])))) or 1.0
    best, chosen = np.inf, (1.0, 1.0)
    for width in WIDTHS:
        at_source, at_target = _kernel(some, centres, width * median), _kernel(other, centres, width * median)
        for penalty in PENALTIES:
            error = _left_out(at_source, at_target, penalty)
            if error < best:
                best, chosen = error, (width * median, penalty)
    width, penalty = chosen
    at_source = _kernel(some, centres, width)
    gram = at_source.T @ at_source / count + penalty * np.eye(len(centres))
    alpha = np.linalg.solve(gram, _kernel(other, centres, width).mean(axis=0))
    step = max(1, TOGETHER // len(centres))
    parts = [_kernel(source[at : at + step], centres, width) @ alpha for at in range(0, len(source), step)]
    return np.maximum(np.concatenate([np.zeros(0), *parts]), 0.0)


def _some(records: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return records[rng.permutation(len(records))[:FITTED]]


def _squares(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return squared distances, (n, m)."""
    return np.maximum((first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None, :] - 2 * first @ second.T, 0.0)


def _kernel(records: np.ndarray, centres: np.ndarray, width: float) -> np.ndarray:
    """Return the values of a Gaussian kernel around each centre, (n, centres)."""
    return np.exp(-_squares(records, centres) / (2 * width**2))


def _left_out(at_source: np.ndarray, at_target: np.ndarray, penalty: float) -> float:
    """Return the squared error of the ratio if each pair of records is left out of the fit in turn, in closed form. Both arrays: (n, centres)."""
    n, centres = at_source.shape
    if n < 2:
        return 0.0
    inverse = np.linalg.inv(at_source.T @ at_source / n + penalty * (n - 1) / n * np.eye(centres))
    solved = at_source @ inverse  # (n, centres)
    lever = n - (solved * at_source).sum(axis=1)
    mean = at_target.mean(axis=0)
    first = inverse @ mean + solved * ((at_source @ inverse @ mean) / lever)[:, None]
    second = at_target @ inverse + solved * ((at_target * solved).sum(axis=1) / lever)[:, None]
    alpha = np.maximum((n - 1) / (n * (n - 1)) * (n * first - second), 0.0)
    ratio_at_source, ratio_at_target = (alpha * at_source).sum(axis=1), (alpha * at_target).sum(axis=1)
    return float((ratio_at_source**2).mean() / 2 - ratio_at_target.mean())
