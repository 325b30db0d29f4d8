"""Thresholds at which at most a chosen share of human records is flagged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from outcross.estimate import NotApplicable


@dataclass(frozen=True)
class RealisedRate:
    """The rate at which human records exceed a threshold that was set with n human records."""

    asked: float
    expected: float
    """The mean of the realised rate: j/(n + 1)."""
    low: float
    high: float
    """The central 95 % of the realised rate over human samples of this size."""
    n: int


def least_sample(rate: float) -> int:
    """Return the minimum number of human records for a threshold at this rate: 1/α − 1.

    >>> least_sample(0.01), least_sample(0.05)
    (99, 19)
    """
    return math.ceil(1 / rate - 1 - 1e-9)


def rank_of(rate: float, n: int) -> int:
    """Return ⌈(n + 1)(1 − α)⌉, the rank of the human score that is the threshold. Raises NotApplicable if n is too small.

    >>> rank_of(0.01, 1000)
    991
    """
    if n < least_sample(rate):
        raise NotApplicable(f"a false-positive rate of {rate:g} needs at least {least_sample(rate):,} human records, got {n:,}")
    return math.ceil((n + 1) * (1 - rate) - 1e-9)


def realised(rate: float, n: int) -> RealisedRate:
    """Return the distribution of the realised rate: Beta(j, n + 1 − j) with j = n + 1 − the rank of the threshold. Raises NotApplicable if n is too
    small.

    >>> rate = realised(0.01, 1000)
    >>> print(f"{rate.low:.4f} {rate.high:.4f}")
    0.0048 0.0170
    """
    from scipy.special import betaincinv

    j = n + 1 - rank_of(rate, n)
    low, high = (float(betaincinv(j, n + 1 - j, tail)) for tail in (0.025, 0.975))
    return RealisedRate(rate, j / (n + 1), low, high, n)


def weight_above(scores: np.ndarray, human: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the total weight of the human records with a score at least as high as each of `scores`, (n,). human, weights: (m,).

    With weights of 1, (1 + this weight)/(m + 1) is at most α if and only if the score is above the human score of rank ⌈(m + 1)(1 − α)⌉.

    >>> weight_above(np.array([0.5, 2.0]), np.array([0.0, 1.0, 2.0]), np.ones(3)).tolist()
    [2.0, 1.0]
    """
    order = np.argsort(human)
    above = np.concatenate((np.cumsum(weights[order][::-1])[::-1], [0.0]))
    return above[np.searchsorted(human[order], scores, side="left")]
