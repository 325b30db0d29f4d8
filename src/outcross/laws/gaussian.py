"""Laws of a Gaussian that is fitted repeatedly to its own samples.

T counts *fits*: T = 1 is the fit to human data, so T = g + 1 for generation g. A law returns its curve for
T = 1 … `fits`. Human data are N(mu, Sigma). A variance is a fraction of the true variance, and a mean error is in
units of the true variance, each per dimension; the ideal values are 1 and 0. If `sizes` can be a sequence, it has one
number of rows per fit (`rows: {grow: 1.5}`).

`divisor` says how the variance is fitted: "n" divides the sum of squares by the number of rows (maximum likelihood, and
the code of Kazdan et al. 2410.16713), "n-1" by one less (unbiased, Shumailov et al. 2305.17493 Theorem 3.1). With "n" the
log variance falls about twice as fast. `temperature` is the sampling bias lambda of MAD (Alemohammad et al.
2307.01850): models are sampled from N(mu, lambda Sigma); human data are never scaled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from outcross.errors import BadInput
from outcross.wording import amount

Divisor = Literal["n", "n-1"]
Sizes = int | ArrayLike
HumanRows = Literal["fresh", "fixed", "redrawn"]
Widened = Callable[[float, float], float]
"""A function from the expected variance (divisor n) of the training rows and their number to the expected variance of the fit. With weights the
number of rows is the effective number."""


class FitMoments(NamedTuple):
    """Expected variance and mean error of a fit, each per dimension, over T = 1 … fits."""

    variance: np.ndarray
    """Expected fitted variance as a fraction of the true one; 1 is healthy, 0 collapsed. (fits,)"""
    mean_error: np.ndarray
    """Expected squared error of the fitted mean in units of the true variance; 0 is perfect. (fits,)"""


def c4(n: ArrayLike) -> np.ndarray:
    """Ratio of the expected square root of the unbiased variance to the standard deviation.

    E[s] = c4(n) sigma with c4(n) = sqrt(2/(n-1)) Gamma(n/2) / Gamma((n-1)/2), exact for n >= 2 normal rows, in (0, 1).
    Source: textbook (W. A. Shewhart's c4).

    >>> round(float(c4(10)), 6)
    0.972659
    """
    from scipy.special import gammaln

    rows = np.asarray(n, dtype=float)
    return np.sqrt(2 / (rows - 1)) * np.exp(gammaln(rows / 2) - gammaln((rows - 1) / 2))


def variance_replace(
    sizes: Sizes, fits: int, *, divisor: Divisor = "n-1", temperature: float = 1.0, first_temperature: float = 1.0
) -> np.ndarray:
    """Expected fitted variance under replace (G1, G2, G7).

    E s_T^2 = prod_t b_t lambda_t, with b = 1 for divisor n-1 and 1 - 1/n for divisor n; lambda_1 = `first_temperature`
    (1 unless even the human data are scaled) and lambda_t = `temperature` after. Exact for any distribution with a
    variance, any dimension (trace of the fitted covariance over the true trace), n >= 2.

    It can mislead: with divisor n-1 it stays at 1 for ever while almost every chain collapses, because a few rare chains
    dominate the mean. Use the log instead (`log_variance_replace`).

    Source: Shumailov et al. 2305.17493 (supplement), Alemohammad et al. 2307.01850 (lambda); divisor n derived here.

    >>> round(float(variance_replace(10, 10, divisor="n")[-1]), 6)
    0.348678
    >>> variance_replace(10, 4, temperature=0.5).tolist()
    [1.0, 0.5, 0.25, 0.125]
    """
    rows = rows_of_fits(sizes, fits)
    return np.cumprod(_bias(rows, divisor) * _temperatures(fits, temperature, first_temperature))


def mean_error_replace(
    sizes: Sizes, fits: int, *, divisor: Divisor = "n-1", temperature: float = 1.0, first_temperature: float = 1.0
) -> np.ndarray:
    """Expected squared error of the fitted mean under replace, per dimension, in true variances (G1, G2, G7).

    E (mu_T - mu)^2 = sum_t lambda_t E s_{t-1}^2 / n_t with s_0^2 = 1. For one size: T/n (divisor n-1),
    1 - (1-1/n)^T (divisor n), (1 - lambda^T) / (n (1-lambda)) (divisor n-1 and temperature lambda), and lambda times
    the last if the first draw is scaled too. Exact, any dimension. With divisor n-1 it is bounded if and only if the sum
    of 1/n_t is bounded, so sizes must grow faster than linearly.

    It can mislead with divisor n: it saturates at 1 because the variance that moves the mean has vanished, and not because
    the loop is healthy.

    Source: Shumailov et al. 2305.17493 (supplement), Alemohammad et al. 2307.01850 (lambda); divisor n derived here.

    >>> round(float(mean_error_replace(100, 10)[-1]), 6)
    0.1
    >>> round(float(mean_error_replace(10, 2, temperature=0.5)[-1]), 6)
    0.15
    """
    rows = rows_of_fits(sizes, fits)
    temperatures = _temperatures(fits, temperature, first_temperature)
    before = np.concatenate([[1.0], np.cumprod(_bias(rows, divisor) * temperatures)[:-1]])
    return np.cumsum(temperatures * before / rows)


def deviation_replace(sizes: Sizes, fits: int, *, divisor: Divisor = "n-1", temperature: float = 1.0) -> np.ndarray:
    """Expected fitted standard deviation under replace, in true standard deviations (G3).

    E sigma_T = prod_t c4(n_t) sqrt(b_t lambda_t) (b, lambda as in `variance_replace`): c4(n)^T for divisor n-1. One
    dimension, normal data, exact, n >= 2. Like the variance it is a mean over chains, but rare chains have less weight.

    Source: derived here from the chi law of s.

    >>> round(float(deviation_replace(10, 10)[-1]), 6)
    0.757892
    """
    rows = rows_of_fits(sizes, fits)
    return np.cumprod(c4(rows) * np.sqrt(_bias(rows, divisor) * _temperatures(fits, temperature, 1.0)))


def w2_replace(sizes: Sizes, fits: int, *, divisor: Divisor = "n-1", temperature: float = 1.0) -> np.ndarray:
    """Expected squared Wasserstein-2 distance from the fitted to the true normal under replace, in true variances (G4).

    E W2^2 = E (mu_T - mu)^2 + E s_T^2 + 1 - 2 E sigma_T. Divisor n-1: T/n + 2 - 2 c4(n)^T, about (3/2) T/n at first
    (the risk theorem of Shumailov et al.) and unbounded. One dimension, normal data, exact, n >= 2.

    It can mislead: with divisor n it saturates at 2. This is not a recovery, but the distance to a point that has moved away
    by one standard deviation.

    Source: derived here; leading term Shumailov et al. 2305.17493.

    >>> round(float(w2_replace(10, 10)[-1]), 6)
    1.484216
    """
    return (
        mean_error_replace(sizes, fits, divisor=divisor, temperature=temperature)
        + variance_replace(sizes, fits, divisor=divisor, temperature=temperature)
        + 1
        - 2 * deviation_replace(sizes, fits, divisor=divisor, temperature=temperature)
    )


def log_variance_replace(
    sizes: Sizes, fits: int, *, dimensions: int = 1, divisor: Divisor = "n-1", temperature: float = 1.0
) -> np.ndarray:
    """Expected log determinant of the fitted over the true covariance under replace, in nats (G5, G6).

    E log det = sum_t [sum_{j=1..d} psi((n_t-j)/2) + d ln 2 - d ln(divisor) + d ln lambda_t], psi the digamma function.
    One dimension: T (psi((n-1)/2) - ln((n-1)/2)) for divisor n-1 and T (psi((n-1)/2) - ln(n/2)) for divisor n. Exact,
    normal data, n > d. It is the best single test of collapse, because chains are nearly normal about it (spread:
    `log_variance_spread_replace`). In one dimension it falls about twice as fast with divisor n, so always state the
    divisor.

    Source: derived here from the Wishart law (Bartlett); agrees with the stored runs of Kazdan et al. 2410.16713.

    >>> round(float(log_variance_replace(10, 10)[-1]), 5)
    -1.15206
    >>> round(float(log_variance_replace(10, 10, divisor="n")[-1]), 5)
    -2.20567
    """
    from scipy.special import digamma

    rows = rows_of_fits(sizes, fits, more_than=dimensions)
    order = np.arange(1, dimensions + 1)
    steps = digamma((rows[:, None] - order) / 2).sum(axis=1)
    steps += dimensions * np.log(2 / rows * _correction(rows, divisor) * _temperatures(fits, temperature, 1.0))
    return np.cumsum(steps)


def log_variance_spread_replace(sizes: Sizes, fits: int, *, dimensions: int = 1) -> np.ndarray:
    """Variance over chains of the log determinant of the fitted covariance under replace, in nats squared (G5, G6).

    Var log det Sigma_T = sum_t sum_{j=1..d} psi1((n_t-j)/2), psi1 the trigamma function; any divisor and temperature.
    Exact, normal data, n > d. Divide by the number of chains for the squared standard error of their mean.

    Source: derived here from the Wishart law (Bartlett).

    >>> round(float(log_variance_spread_replace(10, 10)[-1]), 5)
    2.48725
    """
    from scipy.special import polygamma

    rows = rows_of_fits(sizes, fits, more_than=dimensions)
    return np.cumsum(polygamma(1, (rows[:, None] - np.arange(1, dimensions + 1)) / 2).sum(axis=1))


def tail_bound_replace(n: int, fits: int, threshold: float) -> np.ndarray:
    """Upper bound on the probability that the standard deviation still exceeds `threshold` under replace (G8).

    P(sigma_T > threshold) <= exp(-T/(4n)) / threshold, with `threshold` in true standard deviations. An inequality for one
    dimension and both divisors. It is Markov's inequality for E sigma_T = c4(n)^T with c4(n) <= exp(-1/(4n)); values above
    1 carry no information. Source: Suresh et al. 2412.17646.

    >>> round(float(tail_bound_replace(10, 100, 0.5)[-1]), 6)
    0.16417
    """
    return np.exp(-np.arange(1, fits + 1) / (4 * n)) / threshold


def variance_accumulate(n: int, fits: int) -> np.ndarray:
    """Expected fitted variance when every generation's data are kept, divisor n (G9).

    E s_T^2 = prod_{k=1..T} (1 - 1/(n k^2)), where T fits see T n rows. Exact for any distribution with a variance, any
    dimension (trace), n >= 1. The expected squared error of the mean is one minus this. It falls, but to a limit above
    0: `variance_accumulate_limit`. For divisor n-1 or a temperature see `accumulate`.

    Source: derived here; limit Kazdan et al. 2410.16713.

    >>> round(float(variance_accumulate(10, 50)[-1]), 6)
    0.845108
    """
    return np.cumprod(1 - 1 / (n * np.arange(1, fits + 1) ** 2.0))


def variance_accumulate_limit(n: int) -> float:
    """Limit of the expected fitted variance when every generation's data are kept, divisor n (G9).

    sin(x)/x with x = pi/sqrt(n), by Euler's product. A limit for infinite T, exact in n; about 1 - 1.645/n. The limit of the
    squared error of the mean is one minus this. Source: Kazdan et al. 2410.16713; derived here.

    >>> round(variance_accumulate_limit(100), 6)
    0.983632
    """
    return float(np.sinc(1 / np.sqrt(n)))


def accumulate(sizes: Sizes, fits: int, *, divisor: Divisor = "n", temperature: float = 1.0) -> FitMoments:
    """Expected variance and mean error when every generation's data are kept, by recursion (G9, G10).

    With N rows in the pool, P its expected variance (divisor N), U = P N/(N-1) or P the fitted one and lambda the
    temperature, n new rows make P' = [N P + n lambda U (1-1/n) + (N n/(N+n)) lambda U/n]/(N+n), and the error of the
    mean A' = A + (n/(N+n))^2 lambda U/n; P = 1 - 1/n and A = 1/n at T = 1. Exact for any distribution with a variance,
    any dimension (per dimension). Source: derived here.

    >>> np.round(accumulate(10, 2).variance, 6).tolist()
    [0.9, 0.8775]
    >>> np.round(accumulate(10, 2, divisor="n-1").variance, 6).tolist()
    [1.0, 0.973684]
    """
    return accumulated(sizes, fits, lambda variance, rows: variance * _correction(rows, divisor), temperature)


def accumulated(sizes: Sizes, fits: int, widened: Widened, temperature: float = 1.0) -> FitMoments:
    """Return `accumulate` for any model that samples about the mean of its rows.

    `widened` gives the variance of the samples from the variance and the number of the rows.
    """
    rows = rows_of_fits(sizes, fits)
    variance, error = np.empty(fits), np.empty(fits)
    total, pooled, wander = rows[0], 1 - 1 / rows[0], 1 / rows[0]
    for fit in range(fits):
        if fit > 0:
            new = rows[fit]
            sampled = temperature * variance[fit - 1]
            pooled = (total * pooled + new * sampled * (1 - 1 / new) + total / (total + new) * sampled) / (total + new)
            wander += (new / (total + new)) ** 2 * sampled / new
            total += new
        variance[fit] = widened(pooled, total)
        error[fit] = wander
    return FitMoments(variance, error)


def accumulate_subsample(n: int, fits: int, *, divisor: Divisor = "n", temperature: float = 1.0) -> FitMoments:
    """Expected variance and mean error when all data are kept but each fit sees n of them, drawn at random (G11).

    The n are drawn without replacement. With N = T n rows in the pool, P its variance (divisor N) and A the squared
    error of its mean: the fitted variance is S = P (N/(N-1)) (1-1/n) (divisor n; without the last factor for n-1)
    and its mean's error A + V, with V = P f/n, f = (N-n)/(N-1). The n rows the model writes make P' = [N P + n
    lambda S (1-1/n)]/(N+n) + N n/(N+n)^2 (lambda S/n + V) and A' = A + (n/(N+n))^2 (lambda S/n + V). Exact for any
    distribution with a variance, any dimension (per dimension); the limit is above 0. Source: derived here (policy:
    Kazdan et al. 2410.16713).

    >>> np.round(accumulate_subsample(10, 2).variance, 6).tolist()
    [0.9, 0.831316]
    """
    return subsampled(n, fits, lambda variance, rows: variance * _correction(rows, divisor), temperature)


def subsampled(n: int, fits: int, widened: Widened, temperature: float = 1.0) -> FitMoments:
    """Return `accumulate_subsample` for any model that samples about the mean of its rows.

    `widened` gives the variance of the samples from the variance and the number of the rows.
    """
    variance, error = np.empty(fits), np.empty(fits)
    pooled, wander = 1 - 1 / n, 1 / n
    for fit in range(fits):
        total = (fit + 1) * n
        fitted = widened(pooled * total / (total - 1) * (1 - 1 / n), n)
        offset = pooled * (total - n) / (total - 1) / n if fit > 0 else 0.0
        variance[fit], error[fit] = fitted, wander + offset
        sampled = temperature * fitted
        after = total + n
        pooled = (total * pooled + n * sampled * (1 - 1 / n)) / after
        pooled += total * n / after**2 * (sampled / n + offset)
        wander += (n / after) ** 2 * (sampled / n + offset)
    return FitMoments(variance, error)


def mixed(
    human: int,
    synthetic: int,
    fits: int,
    *,
    first: int,
    human_rows: HumanRows = "fresh",
    weight: float | None = None,
    divisor: Divisor = "n",
    temperature: float = 1.0,
) -> FitMoments:
    """Expected variance and mean error when each fit after the first sees human rows and the newest model's rows (G12).

    T = 1 is a fit to `first` human rows; later fits see `human` of them and `synthetic` rows of the last model. The
    human rows are "fresh" (new ones every time: MAD's fresh loop), "fixed" (always the first of the `first` rows: MAD's
    synthetic augmentation, Seddik's partially synthetic) or "redrawn" (a new random subset of the `first` rows every
    time: Shumailov's preserved share).

    Let p be the total weight of the human rows (by default their share), q = 1 - p, B the variance of the point towards
    which the human rows pull the mean (0, 1/human or 1/first), D the squared distance from this point to the fitted
    mean, and W = 1/human - B. Then D' = p^2 W + q^2 (D + lambda S/synthetic) and S' = b [p (1-1/human) + q lambda S
    (1-1/synthetic) + p q (W + D + lambda S/synthetic)], b = 1 for divisor n and 1/(1 - p^2/human - q^2/synthetic)
    for n-1, which is N/(N-1) without weights. The mean error is B + D + 2C, where C' = q C is the remaining covariance
    from a first fit to more rows than are kept. Exact for any distribution with a variance, any dimension (per
    dimension). `fresh_limit` is the limit for "fresh".

    Source: derived here; settings Alemohammad et al. 2307.01850, Seddik et al. 2404.05090, Shumailov et al. 2305.17493.

    >>> np.round(mixed(30, 90, 200, first=120).variance[-1], 6).item()
    0.981221
    """
    return beside_human(
        human, synthetic, fits, lambda variance, rows: variance * _correction(rows, divisor),
        first=first, human_rows=human_rows, weight=weight, temperature=temperature,
    )  # fmt: skip


def beside_human(
    human: int,
    synthetic: int,
    fits: int,
    widened: Widened,
    *,
    first: int,
    human_rows: HumanRows,
    weight: float | None = None,
    temperature: float = 1.0,
) -> FitMoments:
    """Return `mixed` for any model that samples about the mean of its rows.

    `widened` gives the variance of the samples from the variance and the number of the rows.
    """
    if min(human, synthetic) < 1:
        raise BadInput(
            f"human and synthetic must each be at least 1 row, got {human} and {synthetic}; use replace for 0 human rows"
        )
    if human > first and human_rows != "fresh":
        raise BadInput(f"human must be at most first = {amount(first, 'row')}, got {human}; pass human_rows='fresh' for new rows")
    pull = {"fresh": 0.0, "fixed": 1 / human, "redrawn": 1 / first}[human_rows]
    wobble = 1 / human - pull
    share = human / (human + synthetic) if weight is None else weight
    rows = 1 / (share**2 / human + (1 - share) ** 2 / synthetic)
    variance, error = np.empty(fits), np.empty(fits)
    spread = widened(1 - 1 / first, first)
    distance = {"fresh": 1 / first, "fixed": 1 / human - 1 / first, "redrawn": 0.0}[human_rows]
    covariance = -distance if human_rows == "fixed" else 0.0
    for fit in range(fits):
        variance[fit], error[fit] = spread, pull + distance + 2 * covariance
        sampled = temperature * spread
        moved = distance + sampled / synthetic
        within = share * (1 - 1 / human) + (1 - share) * sampled * (1 - 1 / synthetic)
        spread = widened(within + share * (1 - share) * (wobble + moved), rows)
        distance = share**2 * wobble + (1 - share) ** 2 * moved
        covariance *= 1 - share
    return FitMoments(variance, error)


def fresh_limit(human: int, synthetic: int, *, temperature: float = 1.0, divisor: Divisor = "n") -> tuple[float, float]:
    """Limits of variance and mean error when each fit sees new human rows and the newest model's rows (G12).

    They solve, with the human share p and q = 1 - p, S = b [p(1-1/human) + q lambda S (1-1/synthetic) + p q (1/human
    + lambda S/synthetic + V)] and V = p^2/human + q^2 (V + lambda S/synthetic), with b = 1 for divisor n. Limits for
    infinite T, exact in the sizes and independent of the first fit. 1/V is the number of human rows whose mean has the
    same error: MAD's effective sample size, for the mean.

    Source: derived here; setting Alemohammad et al. 2307.01850 (fresh data loop).

    >>> [round(number, 6) for number in fresh_limit(30, 90)]
    [0.981221, 0.018779]
    >>> [round(number, 6) for number in fresh_limit(30, 90, temperature=0.8)]
    [0.617612, 0.01182]
    """
    total = human + synthetic
    share, rest = human / total, synthetic / total
    scale = _correction(total, divisor)
    equations = np.array(
        [
            [
                1 - scale * temperature * (rest * (1 - 1 / synthetic) + share * rest / synthetic),
                -scale * share * rest,
            ],
            [-(rest**2) * temperature / synthetic, 1 - rest**2],
        ]
    )
    constants = np.array([scale * (share * (1 - 1 / human) + share * rest / human), share**2 / human])
    variance, error = np.linalg.solve(equations, constants)
    return float(variance), float(error)


def mean_error_weighted(human: int, synthetic: int, weight: float, fits: int) -> np.ndarray:
    """Expected squared error of a mean fitted to weighted fresh human and synthetic rows, in true variances (G13).

    V' = weight^2/human + (1-weight)^2 (V + 1/synthetic), with V = 1/human at T = 1. `weight` in (0, 1] is the human part of
    the weighted mean. Exact if the model samples with the true variance (the variance is known, not fitted).

    Source: He et al. 2502.18049 (setting); derived here.

    >>> round(float(mean_error_weighted(100, 100, 0.618034, 100)[-1]), 8)
    0.00618034
    """
    curve = np.empty(fits)
    curve[0] = 1 / human
    for fit in range(1, fits):
        curve[fit] = weight**2 / human + (1 - weight) ** 2 * (curve[fit - 1] + 1 / synthetic)
    return curve


def mean_error_weighted_limit(human: int, synthetic: int, weight: float) -> float:
    """Limit of `mean_error_weighted` for infinite T (G13).

    V(w) = [w^2/human + (1-w)^2/synthetic] / (2w - w^2). Exact in the sizes, for known variance. At the best weight
    (`best_weight`) it is best_weight/human. Source: He et al. 2502.18049; derived here.

    >>> round(mean_error_weighted_limit(100, 100, best_weight(1.0)), 8)
    0.00618034
    """
    return (weight**2 / human + (1 - weight) ** 2 / synthetic) / (2 * weight - weight**2)


def best_weight(ratio: float) -> float:
    """The weight of human rows that minimises the limiting error of the mean (G13).

    w* = (sqrt(k^2 + 4k) - k)/2 with `ratio` k = human rows/synthetic rows; k = 1 gives one over the golden ratio. In
    (0, 1), exact for the mean with known variance; other statistics have other best weights. Source: He et al.
    2502.18049.

    >>> round(best_weight(1.0), 6)
    0.618034
    """
    return (math.sqrt(ratio * ratio + 4 * ratio) - ratio) / 2


def w2(mean: ArrayLike, covariance: ArrayLike, true_mean: ArrayLike, true_covariance: ArrayLike) -> float:
    """Squared Wasserstein-2 distance between two normal distributions, in squared units of the data.

    |m - m0|^2 + tr(S + S0 - 2 (S0^{1/2} S S0^{1/2})^{1/2}); one dimension: (m-m0)^2 + (s-s0)^2. Covariances are
    matrices, or plain variances in one dimension. Exact; 0 if the distributions are equal. Between samples it is biased
    upwards.

    Source: Dowson and Landau 1982; Olkin and Pukelsheim 1982.

    >>> w2(1.0, 4.0, 0.0, 1.0)
    2.0
    """
    first, second = np.atleast_2d(covariance), np.atleast_2d(true_covariance)
    root = _root(second)
    shift = np.sum((np.atleast_1d(mean) - np.atleast_1d(true_mean)) ** 2)
    return float(shift + np.trace(first) + np.trace(second) - 2 * np.trace(_root(root @ first @ root)))


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def rows_of_fits(sizes: Sizes, fits: int, more_than: int = 1) -> np.ndarray:
    """Return the number of rows of each fit, (fits,), from one number for all fits or one per fit. Raises BadInput if a fit has too few rows."""
    rows = np.broadcast_to(np.asarray(sizes, dtype=float), (fits,))
    if rows.min() <= more_than:
        raise BadInput(f"a fit must have more than {more_than} rows, got {rows.min():g}; give more rows")
    return rows


def _correction(rows, divisor: Divisor):
    """Return the factor from the sum of squares over the number of rows to the fitted variance."""
    if divisor not in ("n", "n-1"):
        raise BadInput(f"divisor must be 'n' or 'n-1', got {divisor!r}")
    return rows / (rows - 1) if divisor == "n-1" else rows / rows


def _bias(rows: np.ndarray, divisor: Divisor) -> np.ndarray:
    """Return the expected fitted variance over the true variance, for each fit."""
    return (1 - 1 / rows) * _correction(rows, divisor)


def _temperatures(fits: int, temperature: float, first_temperature: float) -> np.ndarray:
    return np.concatenate([[first_temperature], np.full(fits - 1, temperature)])
