"""The decrease of the frequency of words with their rank (Zipf's law)."""

from __future__ import annotations

from typing import Any

import numpy as np

from outcross.estimate import Estimate, NotApplicable
from outcross.statistics.clusters import jackknife
from outcross.text.lexicon import Sample, kinds


def zipf_slope(text: Sample, smallest: int = 5) -> Estimate:
    """Estimate the slope in frequency ~ rank^−slope. It is near 1 in natural text, and larger if few words dominate.

    The estimate is by maximum likelihood: the counts c ≥ `smallest` of words follow p(c) ∝ c^−α (Clauset et al., SIAM Rev. 51:661, 2009, eq. 3.5),
    and the slope is 1 / (α − 1). `smallest` is fixed and not optimised, so that sets are compared over the same range.
    """
    counted = kinds(text)
    there, others = counted.counts[counted.codes], counted.without()
    logs = np.log(np.maximum(np.arange(counted.counts.max() + 1), 1)) * (np.arange(counted.counts.max() + 1) >= smallest)
    many, total = int((counted.counts >= smallest).sum()), np.sort(logs[counted.counts]).sum()
    if many < 2:
        raise NotApplicable(f"a slope needs at least 2 words that occur at least {smallest} times, got {many}")
    left = np.maximum(many + counted.per_cluster((others >= smallest).astype(float) - (there >= smallest)), 1)
    rest = (total + counted.per_cluster(logs[others] - logs[there])) / left
    exponent = likeliest_exponent(total / many, smallest)
    slope = 1 / (exponent - 1)
    change = (rest - total / many) / _mean_log(exponent, smallest)[1]
    return jackknife(slope, slope - 1 / (np.maximum(exponent + change, 1 + 1e-9) - 1), counted.running, text.cluster_kind)


def likeliest_exponent(mean_log: float, smallest: int) -> float:
    """Return the maximum-likelihood α, for which the expectation of ln c over c ≥ `smallest` equals `mean_log`."""
    from scipy.optimize import brentq

    if mean_log - np.log(smallest) < 1e-9:
        raise NotApplicable(
            f"a slope needs words of different frequencies, but all words that occur at least {smallest} times occur exactly {smallest} times"
        )
    root: Any = brentq(lambda exponent: _mean_log(exponent, smallest)[0] - mean_log, 1.001, 100, xtol=1e-12)
    return float(root)


def _mean_log(exponent: float, smallest: int) -> tuple[float, float]:
    """Return the expectation of ln c under p(c) ∝ c^−exponent on c ≥ `smallest`, which is −d/dα ln ζ(α, smallest), and its derivative."""
    from scipy.special import zeta

    step = 1e-4 * min(1.0, exponent - 1)
    above, here, below = np.log(zeta(exponent + step * np.array([1, 0, -1]), smallest))
    return float((below - above) / (2 * step)), -float((above - 2 * here + below) / step**2)
