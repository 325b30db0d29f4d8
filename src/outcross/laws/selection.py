"""Laws of a Gaussian that is fitted repeatedly to its own samples after a selection by distance from the centre.

All of them are limits for many records per batch, in which a batch represents the model's law without sampling error. T counts
fits, as in all laws. With few records a chain narrows even faster, as it does without a selection.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import chdtr, chdtri, gammaln

from outcross.errors import BadInput
from outcross.laws.gaussian import Sizes, rows_of_fits

End = Literal["central", "outlying"]


def variance_kept(share: float, dimensions: int = 1, end: End = "central") -> float:
    """Variance of the central or outlying share of a normal distribution, as a fraction of its full variance, per dimension (B1).

    For the central share c in one dimension λ = 1 − 2aφ(a)/c with a = Φ⁻¹(½ + c/2). In d dimensions the cut is by Mahalanobis distance,
    whose square is χ² with d degrees of freedom: λ = P(χ²_{d+2} ≤ q)/c with P(χ²_d ≤ q) = c. The outlying share c is the complement of the central
    share 1 − c.

    >>> round(variance_kept(0.5), 6), round(variance_kept(0.9), 6), variance_kept(1.0)
    (0.142652, 0.623015, 1.0)
    >>> round(0.5 * variance_kept(0.5) + 0.5 * variance_kept(0.5, end="outlying"), 12)
    1.0
    """
    if not 0 < share <= 1:
        raise BadInput(f"share must be in (0, 1], got {share}; write 0.5 for half of the records")
    if share == 1:
        return 1.0
    inside = share if end == "central" else 1 - share
    square = chdtri(dimensions, 1 - inside)
    within = float(chdtr(dimensions + 2, square))
    return within / share if end == "central" else (1 - within) / share


def variance_replace_selected(fits: int, *, kept: float, temperature: float = 1.0) -> np.ndarray:
    """Variance when each model learns from the selected records of its predecessor: (λ × temperature)^(T − 1), (fits,) (B1).

    `kept` is λ, the result of `variance_kept`. A limit for many records.

    >>> np.round(variance_replace_selected(3, kept=0.5), 4).tolist()
    [1.0, 0.5, 0.25]
    """
    return (kept * temperature) ** np.arange(fits, dtype=float)


def variance_accumulate_selected(sizes: Sizes, fits: int, *, kept: float, temperature: float = 1.0) -> np.ndarray:
    """Variance when each model learns from all human records and the selected records of all generations, (fits,) (B1).

    `sizes` are the number of human records, then the number of kept records of each generation. With equal sizes
    P_T = Γ(T + λ) / (Γ(1 + λ) Γ(T + 1)), which falls as T^−(1 − λ): with any λ < 1 accumulation collapses as a power of T. With other sizes,
    N records and n new records give P' = P (N + λn)/(N + n). A limit for many records.

    >>> np.round(variance_accumulate_selected(100, 200, kept=variance_kept(0.5))[[9, 199]], 6).tolist()
    [0.147543, 0.011377]
    """
    if np.ndim(sizes) == 0:
        fit, variance = np.arange(1, fits + 1), kept * temperature
        return np.exp(gammaln(fit + variance) - gammaln(1 + variance) - gammaln(fit + 1))
    rows = rows_of_fits(sizes, fits).astype(float)
    before = np.cumsum(rows)[:-1]
    return np.concatenate([[1.0], np.cumprod((before + kept * temperature * rows[1:]) / (before + rows[1:]))])
