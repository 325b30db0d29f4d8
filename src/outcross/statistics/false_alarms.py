"""Thresholds that let through a chosen share of human records at most."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from outcross.estimate import NotApplicable


@dataclass(frozen=True)
class RealisedRate:
    """How often human records pass a threshold that was taken from n of them."""

    asked: float
    expected: float
    """The mean of the realised rate: j/(n + 1)."""
    low: float
    high: float
    """The central 95 % of the realised rate over human samples of this size."""
    n: int


def least_sample(rate: float) -> int:
    """Human records without which no threshold at this rate exists: 1/α − 1.

    >>> least_sample(0.01), least_sample(0.05)
    (99, 19)
    """
    return math.ceil(1 / rate - 1 - 1e-9)


def sure_sample(rate: float, level: float = 0.95) -> int:
    """Human records from which on the highest of them bounds the rate with this confidence: ln(1 − level)/ln(1 − α).

    >>> [sure_sample(rate) for rate in (0.05, 0.01, 0.001)]
    [59, 299, 2995]
    """
    return math.ceil(math.log(1 - level) / math.log1p(-rate))


def rank_of(rate: float, n: int) -> int:
    """⌈(n + 1)(1 − α)⌉, the rank of the human score that is the threshold. NotApplicable where n is too small.

    >>> rank_of(0.01, 1000)
    991
    """
    if n < least_sample(rate):
        raise NotApplicable(
            f"a false-positive rate of {rate:g} needs at least {least_sample(rate):,} human records, there are {n:,}"
        )
    return math.ceil((n + 1) * (1 - rate) - 1e-9)


def realised(rate: float, n: int) -> RealisedRate:
    """What the rate comes to, which is Beta(j, n + 1 − j) with j = n + 1 − the rank of the threshold. NotApplicable where n is too small.

    >>> rate = realised(0.01, 1000)
    >>> print(f"{rate.low:.4f} {rate.high:.4f}")
    0.0048 0.0170
    """
    from scipy.special import betaincinv

    j = n + 1 - rank_of(rate, n)
    low, high = (float(betaincinv(j, n + 1 - j, tail)) for tail in (0.025, 0.975))
    return RealisedRate(rate, j / (n + 1), low, high, n)


def weight_above(scores: np.ndarray, human: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weight of the human records whose score is at least as high as each of `scores`, (n,). human, weights: (m,).

    With equal weights of 1, (1 + this)/(m + 1) is at most α exactly where a score is above the human score of rank ⌈(m + 1)(1 − α)⌉.

    >>> weight_above(np.array([0.5, 2.0]), np.array([0.0, 1.0, 2.0]), np.ones(3)).tolist()
    [2.0, 1.0]
    """
    order = np.argsort(human)
    above = np.concatenate((np.cumsum(weights[order][::-1])[::-1], [0.0]))
    return above[np.searchsorted(human[order], scores, side="left")]
