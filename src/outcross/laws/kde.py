"""Laws of a kernel density estimate that is fitted repeatedly to its own samples.

Sampling from it is the smoothed bootstrap: a training row drawn with replacement plus a draw of the kernel. So every fit
adds the kernel's variance, and the loop can spread out, while a Gaussian shrinks. T counts fits, T = g + 1. A law returns
its curve for T = 1 … `fits`. The variance is that of the density (the variance of the points, divisor n, plus that of the
kernel) as a fraction of the true variance, per dimension. A number for `bandwidth` is in true standard deviations. For
`scott` and `silverman` the kernel has factor² times the sample covariance (divisor n - 1), as in scipy's gaussian_kde and
in our learner.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from outcross.errors import BadInput
from outcross.laws.gaussian import FitMoments, HumanRows, Sizes, Widened, accumulated, beside_human, rows_of_fits, subsampled

Bandwidth = float | Literal["scott", "silverman"]


def kde_replace(sizes: Sizes, fits: int, *, bandwidth: Bandwidth, dimensions: int = 1) -> FitMoments:
    """Expected variance and mean error of a kernel density under replace (K1).

    V_{t+1} = (1 - 1/n) V_t + k with V_0 = 1, and the squared error of the mean is sum_t V_{t-1}/n. For a number h, k = h^2,
    and the limit of the variance is n h^2 (`kde_replace_limit`) for all human data. For a rule with factor f, k = f^2 V_t,
    and V_T = (1 - 1/n + f^2)^T has no limit, because f^2 > 1/n. Exact for any distribution with a variance, any
    dimension (trace), n >= 2. Source: derived here; setting Kazdan et al. 2410.16713.

    >>> np.round(kde_replace(10, 3, bandwidth=0.5).variance, 4).tolist()
    [1.15, 1.285, 1.4065]
    """
    rows = rows_of_fits(sizes, fits)
    variance, before = np.empty(fits), 1.0
    for fit, n in enumerate(rows):
        pooled = (1 - 1 / n) * before
        variance[fit] = before = pooled + kernel_variance(pooled, n, bandwidth, dimensions)
    return FitMoments(variance, np.cumsum(np.concatenate([[1.0], variance[:-1]]) / rows))


def kde_replace_limit(n: int, bandwidth: float) -> float:
    """Limit of the expected variance of a kernel density with fixed bandwidth under replace (K1).

    n h^2, in squared units of the bandwidth: a limit for infinite T, exact in n, for all human data. With a fixed
    bandwidth below 1/sqrt(n) true standard deviations the limit is less than the human variance, with a larger bandwidth
    it is more. Source: derived here; setting Kazdan et al. 2410.16713.

    >>> kde_replace_limit(100, 0.5)
    25.0
    """
    return n * bandwidth**2


def kde_accumulate(sizes: Sizes, fits: int, *, bandwidth: Bandwidth, dimensions: int = 1) -> FitMoments:
    """Expected variance and mean error of a kernel density when every generation's data are kept (K2).

    With N rows in the pool, P their expected variance (divisor N), V = P + k: n new rows make P' = [N P + n V (1-1/n) +
    (N n/(N+n)) V/n]/(N+n), and the error of the mean A' = A + (n/(N+n))^2 V/n. For a number h (k = h^2, N = T n) that is
    V_{T+1} = V_T (1 - 1/(n (T+1)^2)) + h^2/(T+1): the Gaussian's Euler product (G9) with a source that grows as h^2 ln T
    (`kde_accumulate_growth`). Exact for any distribution with a variance, any dimension (trace), n >= 2.

    Source: derived here; setting Kazdan et al. 2410.16713.

    >>> np.round(kde_accumulate(10, 3, bandwidth=0.5).variance, 4).tolist()
    [1.15, 1.2462, 1.3157]
    """
    return accumulated(sizes, fits, _with_kernel(bandwidth, dimensions))


def kde_accumulate_subsample(n: int, fits: int, *, bandwidth: Bandwidth, dimensions: int = 1) -> FitMoments:
    """Expected variance and mean error of a kernel density when all data are kept but each fit sees n of them, drawn at random.

    Derivation. Given its rows, a kernel density has their mean, and their variance (divisor n) plus that of the kernel: V = S + k. With
    N = T n rows in the pool, P their variance and A the squared error of their mean, n of them drawn without replacement have
    S = P (N/(N-1)) (1-1/n), and the squared error of their mean is P f/n with f = (N-n)/(N-1). n new rows of variance V about that mean
    give P' = [N P + n V (1-1/n)]/(N+n) + N n/(N+n)^2 (V/n + P f/n). This is the Gaussian's recursion (G11) with V instead of lambda S,
    because that recursion uses only the mean and the variance of the rows. k = h^2, or factor^2 n/(n-1) S for a rule. Exact for any
    distribution with a variance, any dimension (trace), n >= 2. Source: derived here; policy Kazdan et al. 2410.16713.

    >>> np.round(kde_accumulate_subsample(10, 3, bandwidth=0.5).variance, 4).tolist()
    [1.15, 1.1938, 1.2374]
    """
    return subsampled(int(rows_of_fits(n, 1)[0]), fits, _with_kernel(bandwidth, dimensions))


def kde_mixed(
    human: int,
    synthetic: int,
    fits: int,
    *,
    first: int,
    bandwidth: Bandwidth,
    human_rows: HumanRows = "fresh",
    weight: float | None = None,
    dimensions: int = 1,
) -> FitMoments:
    """Expected variance and mean error of a kernel density when each fit after the first sees human rows and the newest model's rows.

    The settings are those of `gaussian.mixed`: fresh, fixed (augment) or redrawn (human_share) human rows with weight p, by default their
    share. Derivation. The points of a fit are a mixture of two groups with weights p and q = 1 - p. Their variance is the variance within the
    groups plus p q times the squared distance of the means: S' = p (1-1/human) + q V (1-1/synthetic) + p q (W + D + V/synthetic), with W and D
    as in `gaussian.mixed`. V = S + k is the variance of the density that wrote the synthetic rows, with k = h^2 or factor^2 M/(M-1) S', and
    M = 1/(p^2/human + q^2/synthetic) is the effective number of rows. The next density has V' = S' + k. The mean changes as for the Gaussian,
    with V instead of lambda S. With a fixed bandwidth the limit of the variance is near the human variance, while under replace it is n h^2
    (`kde_replace_limit`). Exact for any distribution with a variance, any dimension (trace). Source: derived here.

    >>> np.round(kde_mixed(5, 5, 3, first=10, bandwidth=0.5, human_rows="redrawn").variance, 4).tolist()
    [1.15, 1.1925, 1.2322]
    """
    widened = _with_kernel(bandwidth, dimensions)
    return beside_human(human, synthetic, fits, widened, first=first, human_rows=human_rows, weight=weight)


def _with_kernel(bandwidth: Bandwidth, dimensions: int) -> Widened:
    return lambda variance, rows: variance + kernel_variance(variance, rows, bandwidth, dimensions)


def kde_accumulate_growth(bandwidth: float, fits: int) -> np.ndarray:
    """Growth of the variance of a kernel density with fixed bandwidth when every generation's data are kept (K2).

    h^2 ln T, in squared units of the bandwidth: the leading term for large T. The difference from `kde_accumulate`
    converges to a constant, so compare differences between two T and not values. It is unbounded, but at h = 0.1 the
    variance doubles only after about e^100 generations. Source: derived here; claim Kazdan et al. 2410.16713.

    >>> round(float(kde_accumulate_growth(0.5, 100)[-1]), 4)
    1.1513
    """
    return bandwidth**2 * np.log(np.arange(1, fits + 1))


def kernel_variance(pooled: float, rows: float, bandwidth: Bandwidth, dimensions: int) -> float:
    """Expected variance of the kernel per dimension, for points of variance `pooled` (divisor n).

    It is h^2 for a number h, otherwise factor^2 times the sample variance (divisor n-1) of the points, with the factor
    n^(-1/(d+4)) (Scott 1992) or (n (d+2)/4)^(-1/(d+4)) (Silverman 1986).

    >>> round(kernel_variance(0.99, 100, "scott", 1), 4)
    0.1585
    """
    if not isinstance(bandwidth, str):
        return bandwidth**2
    if bandwidth not in ("scott", "silverman"):
        raise BadInput(f"bandwidth must be a number, 'scott' or 'silverman', got {bandwidth!r}")
    effective = rows * (1 if bandwidth == "scott" else (dimensions + 2) / 4)
    return effective ** (-2 / (dimensions + 4)) * pooled * rows / (rows - 1)
