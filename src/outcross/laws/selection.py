"""What a selection by nearness does to a Gaussian that is fitted again and again to what it keeps.

All of them are limits of many records a batch: the batch that a model writes is its law, so that nothing is lost by drawing. T counts
fits, as elsewhere in laws. With few records a chain narrows faster still, as it does without a selection.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import chdtr, chdtri, gammaln

from outcross.errors import BadInput
from outcross.laws.gaussian import Sizes, rows_of_fits

End = Literal["central", "outlying"]


def variance_kept(share: float, dimensions: int = 1, end: End = "central") -> float:
    """The variance that the central or outlying share of a normal law keeps, as a fraction of that law's own, per dimension (B1).

    Central, one dimension: λ = 1 − 2aφ(a)/c with a = Φ⁻¹(½ + c/2), c the share. In d dimensions the cut is by Mahalanobis distance,
    whose square is χ² with d degrees: λ = P(χ²_{d+2} ≤ q)/c with P(χ²_d ≤ q) = c. The outlying share keeps what the central one of 1 − c leaves.

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
    """Variance when each model learns from what a selection keeps of the last one's records: (λ × temperature)^(T − 1) (B1).

    `kept` is λ, as `variance_kept` gives it. A limit of many records. (fits,)

    >>> np.round(variance_replace_selected(3, kept=0.5), 4).tolist()
    [1.0, 0.5, 0.25]
    """
    return (kept * temperature) ** np.arange(fits, dtype=float)


def variance_accumulate_selected(sizes: Sizes, fits: int, *, kept: float, temperature: float = 1.0) -> np.ndarray:
    """Variance when all human records and all that a selection kept since are learned from (B1).

    `sizes` are the human records, then what is kept of each generation. With equal sizes P_T = Γ(T + λ) / (Γ(1 + λ) Γ(T + 1)), which
    falls as T^−(1 − λ): accumulation with any λ < 1 collapses as a power of T. With others, N records and n new ones make
    P' = P (N + λn)/(N + n). A limit of many records. (fits,)

    >>> np.round(variance_accumulate_selected(100, 200, kept=variance_kept(0.5))[[9, 199]], 6).tolist()
    [0.147543, 0.011377]
    """
    if np.ndim(sizes) == 0:
        fit, variance = np.arange(1, fits + 1), kept * temperature
        return np.exp(gammaln(fit + variance) - gammaln(1 + variance) - gammaln(fit + 1))
    rows = rows_of_fits(sizes, fits).astype(float)
    before = np.cumsum(rows)[:-1]
    return np.concatenate([[1.0], np.cumprod((before + kept * temperature * rows[1:]) / (before + rows[1:]))])
