"""The tail index of two sets beyond a threshold of one of them, by the likelihood of a generalised Pareto law.

The estimated index is that at the human 95 % quantile: the index of the generalised Pareto law with the largest likelihood for the values beyond it.
It is 0 for an exponential tail, 1/α for a power law of exponent α, and below 0 for a tail that ends. Values below -½ are set to -½, because the
likelihood has no regular maximum there (Smith, Biometrika 72:67, 1985). For most laws it is not the index at infinity: for a normal law that is 0,
and this one is -.11. Both sets are read beyond the same point, the human quantile, so that the difference of the indices is 0 for two samples of the
same law, whatever the law. Given the threshold, the values beyond it are independent draws of each set's law. If nothing is lost, their labels are
exchangeable.
"""

from __future__ import annotations

import math

import numpy as np

from outcross.estimate import Estimate, NotApplicable, Null
from outcross.statistics.beyond import farthest
from outcross.statistics.floors import from_draws

DEPTH = 0.05
"""Share of human values beyond the threshold."""
FEWEST = 50
"""Minimum number of human values beyond the threshold."""
FEWEST_SYNTHETIC = 20
FEWEST_DISTINCT = 10
"""Minimum number of different human values beyond the threshold. Fewer show no tail."""
MOST = 5_000
"""Maximum number of values of a set beyond the threshold that are read, drawn at random."""
PERMUTATIONS = 499
LIGHTEST, HEAVIEST = -0.5, 4.0
STEP = 0.01
INDICES = np.arange(LIGHTEST, HEAVIEST + STEP / 2, STEP) + 1e-6  # none is exactly 0, because there the formula is only a limit
CHI_SQUARE = 3.841458820694124
"""The 95 % quantile with one degree of freedom."""
NONE = -1e300
"""Stands for the logarithm of a likelihood of 0."""


def index_difference(
    synthetic: np.ndarray, reference: np.ndarray, rng: np.random.Generator
) -> tuple[Estimate, Null, tuple[float, float]]:
    """Return the tail index of the first set less that of the second, beyond the second's 95 % quantile, with its null and both indices.

    The interval is that of the profile likelihood, but no shorter than the spread under permuted labels. The null is a studentised permutation of the
    labels of the values beyond the threshold. Raises NotApplicable if too few values, or too few different values, lie there.
    """
    ours, human = (_some(values, rng) for values in beyond_threshold(synthetic, reference))
    scale = float(np.concatenate([ours, human]).mean())
    profiles = [profile(values / scale) for values in (ours, human)]
    indices = [float(INDICES[np.argmax(likelihood)]) for likelihood in profiles]
    if max(indices) >= HEAVIEST - STEP:
        raise NotApplicable(f"the tail index is above {HEAVIEST:g}, too heavy a tail to be compared")
    value, (low, high) = indices[0] - indices[1], _interval(*profiles)
    quotient, draws, error = _studentised(ours / scale, human / scale, rng)
    # For few values and an index below 0, the interval of the likelihood is too short. The spread under permuted labels is not.
    reach = error * float(np.quantile(np.abs(draws), 0.95))
    estimate = Estimate(value, min(low, value - reach), max(high, value + reach), "profile likelihood", ours.size)
    return (
        estimate,
        from_draws(quotient, draws, "smaller", "studentised permutation").on_scale(lambda q: q * error),
        (indices[0], indices[1]),
    )


def beyond_threshold(synthetic: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the excesses of both sets over the threshold, for the values beyond the human 95 % quantile.

    The threshold lies half-way between that quantile and the next value of either set, so that a rounded value stands for the middle of its rounding
    interval.
    """
    ordered = np.sort(reference)
    k = farthest(DEPTH, ordered.size)
    if k < FEWEST:
        raise NotApplicable(
            f"{k} human values in the upper {DEPTH:.0%}, but a tail index needs {FEWEST}; give {math.ceil(FEWEST / DEPTH)} human records"
        )
    quantile = ordered[-k - 1]
    ours, human = synthetic[synthetic > quantile], reference[reference > quantile]
    if human.size < FEWEST:
        raise NotApplicable(
            f"the upper values are tied: {human.size} human values lie beyond {quantile:g}, but a tail index needs {FEWEST}"
        )
    if np.unique(human).size < FEWEST_DISTINCT:
        raise NotApplicable(
            f"the upper values are tied: {np.unique(human).size} different values lie beyond {quantile:g}, but a tail index needs continuous numbers"
        )
    if ours.size < FEWEST_SYNTHETIC:
        raise NotApplicable(
            f"{ours.size} synthetic values lie beyond the human 95 % quantile, but a tail index needs {FEWEST_SYNTHETIC}"
        )
    threshold = (quantile + min(ours.min(), human.min())) / 2
    return ours - threshold, human - threshold


def _some(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return values if values.size <= MOST else rng.choice(values, MOST, replace=False)


def profile(excesses: np.ndarray) -> np.ndarray:
    """Return the profile log-likelihood of each of `INDICES`, at its best scale, for excesses (n,) of about unit size; (indices,).

    With θ = ξ/σ it is n (log(θ/ξ) - (1 + 1/ξ) M(θ)), where M(θ) is the mean of log(1 + θ x). One row of M serves all ξ.
    """
    values = np.full(INDICES.size, NONE)
    mean, largest = float(excesses.mean()), float(excesses.max())
    for sign in (1.0, -1.0):
        of_sign = np.flatnonzero(np.sign(INDICES) == sign)
        # The grid is dense near 0, as that of ξ is, and near the θ at which 1 + θ x is 0 for the largest excess.
        steps = np.geomspace(1e-6, 1e3 if sign > 0 else 1e5, 400)
        theta = steps / mean if sign > 0 else -steps / (1 + steps) / largest
        logs = np.log1p(np.multiply.outer(theta, excesses)).mean(axis=1)
        xi = INDICES[of_sign][:, None]
        heights = np.log(theta / xi) - (1 + 1 / xi) * logs
        values[of_sign] = excesses.size * _peak(heights)
    return values


def _peak(heights: np.ndarray) -> np.ndarray:
    """Return the maximum of each row (rows, points), interpolated between its points by a parabola."""
    best = np.clip(heights.argmax(axis=1), 1, heights.shape[1] - 2)
    row = np.arange(len(heights))
    left, middle, right = (heights[row, best + i] for i in (-1, 0, 1))
    bend = 2 * middle - left - right
    gain = np.where(bend > 0, (right - left) ** 2 / (8 * np.where(bend > 0, bend, 1.0)), 0.0)
    return np.maximum(heights.max(axis=1), middle + np.minimum(gain, np.abs(bend)))


def _interval(ours: np.ndarray, human: np.ndarray) -> tuple[float, float]:
    """Return the smallest and the largest difference of indices that the likelihood of both sets does not reject at 5 %."""
    size = INDICES.size
    threshold = ours.max() + human.max() - CHI_SQUARE / 2
    # One row for each difference, from the smallest. Beyond the ends of the grid the likelihood is 0.
    edge = np.full(size - 1, -np.inf)
    shifted = np.lib.stride_tricks.sliding_window_view(np.concatenate([edge, ours, edge]), size)
    best = (shifted + human).max(axis=1)
    inside = np.flatnonzero(best >= threshold)
    low, high = int(inside[0]), int(inside[-1])
    return _crossing(best, low, -1, threshold) - (size - 1) * STEP, _crossing(best, high, 1, threshold) - (size - 1) * STEP


def _crossing(best: np.ndarray, last: int, step: int, smallest: float) -> float:
    """Return where the likelihood crosses the threshold `smallest`, between the last point inside and the next point."""
    next_one = last + step
    if not 0 <= next_one < best.size or best[next_one] <= NONE / 2:
        return last * STEP
    return (last + step * (best[last] - smallest) / max(1e-12, best[last] - best[next_one])) * STEP


def _studentised(ours: np.ndarray, human: np.ndarray, rng: np.random.Generator) -> tuple[float, np.ndarray, float]:
    """Return the difference of indices divided by its standard error, the same under permuted labels, and that error.

    For each θ of a grid, M(θ) of a set is a mean of the same numbers, so one product of matrices gives it for all labellings. The best index at θ is
    ξ = M(θ), and the best θ maximises the likelihood -n (log(ξ/θ) + ξ + 1) (Grimshaw, Technometrics 35:185, 1993).
    """
    both = np.concatenate([ours, human])
    # The grid depends on both sets together, so that it is the same for all labellings.
    theta = np.concatenate([-np.geomspace(20.0, 1e-3, 72), np.geomspace(1e-3, 200.0, 56)]) / float(both.mean())
    inside = 1 + np.multiply.outer(both, theta)
    is_out = (inside <= 0).astype(float)
    logs = np.log(np.where(inside > 0, inside, 1.0))
    is_first = np.zeros((PERMUTATIONS + 1, both.size))
    is_first[:, : ours.size] = 1.0
    is_first[1:] = rng.permuted(is_first[1:], axis=1)
    sums, out = is_first @ logs, np.zeros((len(is_first), theta.size))
    some_out = is_out.any(axis=0)  # only for the smallest θ
    out[:, some_out] = is_first @ is_out[:, some_out]
    first = _best(sums / ours.size, out, theta)
    second = _best((logs.sum(axis=0) - sums) / human.size, is_out.sum(axis=0) - out, theta)
    error = np.sqrt((1 + first) ** 2 / ours.size + (1 + second) ** 2 / human.size)
    quotients = (first - second) / error
    return float(quotients[0]), quotients[1:], float(error[0])


def _best(means: np.ndarray, out: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return the most likely index of each row of M(θ) (rows, θ), interpolated between grid points by a parabola, and at least `LIGHTEST`."""
    is_known = (out < 0.5) & (means > -1)  # below -1 the likelihood is unbounded
    with np.errstate(invalid="ignore", divide="ignore"):
        heights = -(np.log(means / theta) + means)
    heights[~is_known] = -np.inf
    row, best = np.arange(len(means)), heights.argmax(axis=1)
    inner = np.clip(best, 1, theta.size - 2)
    left, middle, right = (heights[row, inner + i] for i in (-1, 0, 1))
    bend = 2 * middle - left - right
    with np.errstate(invalid="ignore"):
        shift = np.where(np.isfinite(bend) & (bend > 0), (right - left) / (2 * np.where(bend > 0, bend, 1.0)), 0.0)
    shift = np.clip(np.nan_to_num(shift), -1.0, 1.0)
    toward = np.clip(inner + np.where(shift >= 0, 1, -1), 0, theta.size - 1)
    value, beside = means[row, inner], means[row, toward]
    between = value + np.abs(shift) * np.where(is_known[row, toward], beside - value, 0.0)
    return np.maximum(LIGHTEST, np.where(best == inner, between, means[row, best]))
