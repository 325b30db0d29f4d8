"""Laws of least squares that is fitted repeatedly to labels of its predecessor.

x ~ N(0, I) in d `dimensions`, and y = x.w* + noise of standard deviation `noise`. The error of a fit is E|w - w*|^2, the
excess of its squared test error over the noise, in squared label units. T counts fits, T = g + 1. A law returns its curve
for T = 1 … `fits`. Every fit needs more than d + 1 rows; otherwise the expectation is infinite.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from outcross.errors import BadInput
from outcross.laws.gaussian import Sizes, rows_of_fits


def coefficient_error_replace(sizes: Sizes, fits: int, *, dimensions: int, noise: ArrayLike = 1.0) -> np.ndarray:
    """Expected squared error of the coefficients when each fit sees only its predecessor's labels (R1, R2).

    sum_{t<=T} noise_t^2 d/(n_t - d - 1): each fit adds its own error to the inherited error. `noise` can be a
    sequence with one number per fit (noise_1 belongs to the human labels). Exact for every finite size, with relabelled and
    with newly drawn x; relabelling needs a single size. It also holds if the noise is fitted with divisor n - d. Source:
    Gerstgrasser et al. 2404.01413 (same x); Dohmatob et al. 2402.07712 (fresh x).

    >>> round(float(coefficient_error_replace(111, 10, dimensions=10)[-1]), 6)
    1.0
    """
    rows = rows_of_fits(sizes, fits, more_than=dimensions + 1)
    return np.cumsum(np.square(np.broadcast_to(noise, fits)) * dimensions / (rows - dimensions - 1))


def coefficient_error_accumulate(n: int, fits: int, *, dimensions: int, noise: float = 1.0) -> np.ndarray:
    """Expected squared error of the coefficients when all labels are kept and the same x are relabelled (R1).

    noise^2 d/(n-d-1) sum_{i<=T} 1/i^2, because w_T - w* = sum_i (1/i) X^+ noise_i. It is at most pi^2/6 times the error of
    the first fit (`coefficient_error_accumulate_limit`). Exact for every finite n and T. With fresh x it is only the leading
    term for large n/d. Source: Gerstgrasser et al. 2404.01413; the factor is universal, Dey and Donoho 2410.22812.

    >>> round(float(coefficient_error_accumulate(111, 10, dimensions=10)[-1]), 6)
    0.154977
    """
    first = coefficient_error_replace(n, 1, dimensions=dimensions, noise=noise)
    return first * np.cumsum(1 / np.arange(1, fits + 1) ** 2.0)


def coefficient_error_accumulate_limit(n: int, *, dimensions: int, noise: float = 1.0) -> float:
    """Limit of `coefficient_error_accumulate` for infinite T: pi^2/6 times the error of the first fit (R1).

    Exact in n. It is the bound of Gerstgrasser et al. 2404.01413.

    >>> round(coefficient_error_accumulate_limit(111, dimensions=10), 6)
    0.164493
    """
    return float(np.pi**2 / 6 * coefficient_error_replace(n, 1, dimensions=dimensions, noise=noise)[0])


def coefficient_error_after(
    generations: int, n: int, *, teacher_rows: int, dimensions: int, noise: float = 1.0, teacher_noise: float = 1.0
) -> float:
    """Expected squared error of a fit to n labels of the last teacher in a chain of `generations` teachers (R2).

    noise^2 d/(n-d-1) + generations * teacher_noise^2 d/(teacher_rows-d-1). It is linear in the length of the chain, and more
    rows for the last fit cannot repair it. Each teacher is fitted to `teacher_rows` labels of its predecessor, with fresh x.
    Exact. Source: Dohmatob et al. 2402.07712 (isotropic, ridgeless).

    >>> round(coefficient_error_after(3, 10**9, teacher_rows=111, dimensions=10), 6)
    0.3
    """
    sizes, noises = [teacher_rows] * generations + [n], [teacher_noise] * generations + [noise]
    return float(coefficient_error_replace(sizes, generations + 1, dimensions=dimensions, noise=noises)[-1])


def label_shift_error(n: int, *, synthetic_share: float, shift: float, dimensions: int, noise: float = 1.0) -> float:
    """Expected squared error of a fit to human rows and rows with labels of a wrong model (R3).

    A share p = m/n of the rows has labels of w2 with `shift` = |w2 - w*|^2, and all rows have the same noise. The error is
    noise^2 d/(n-d-1) + shift [m(m+2)/(n(n+2)) + (n+1)(d-1) m(n-m) / (n(n-1)(n+2)(n-d-1))]. To leading order this is the
    paper's noise^2 d/n + p^2 shift; the next term is p(1-p)(d+1)/n shift. So any fixed share of such data has the limit
    p^2 shift for many rows. Exact for fresh x and a whole number m. For a random shift use its expectation.

    Source: Dohmatob et al. 2410.04840, Corollary 1 (leading terms); exact form derived here from the Haar moments of an
    orthonormal frame. Their results on correlated x and random features are not covered.

    >>> round(label_shift_error(2000, synthetic_share=0.5, shift=1.0, dimensions=20), 4)
    0.2628
    """
    m, rows = round(synthetic_share * n), int(rows_of_fits(n, 1, more_than=dimensions + 1)[0])
    if not 0 <= synthetic_share <= 1:
        raise BadInput(f"synthetic_share must be in [0, 1], got {synthetic_share}; write 0.3 for thirty percent")
    spare = rows - dimensions - 1
    along = m * (m + 2) / (rows * (rows + 2))
    across = (rows + 1) * (dimensions - 1) * m * (rows - m) / (rows * (rows - 1) * (rows + 2) * spare)
    return noise**2 * dimensions / spare + shift * (along + across)
