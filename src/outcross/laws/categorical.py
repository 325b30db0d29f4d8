"""Laws of a distribution over a few states that is estimated repeatedly from its own samples.

The learner's probability of a state is the state's share of the rows (maximum likelihood). T counts *fits*: T = 1
is the fit to human data, so T = g + 1 for generation g. A law returns its curve for T = 1 … `fits`. `probabilities` are
the human probabilities, (states,), and sum to 1; n is the number of rows per fit. In genetics this is the Wright-Fisher
model, in which a state is an allele and collapse is fixation.

A record as a one-hot vector has variance 1 - sum p^2 (its trace). So every law of `gaussian` about a variance
with divisor n also holds here, with the variance in units of 1 - sum p^2 of the human distribution.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from outcross.errors import BadInput
from outcross.laws import gaussian

MOST_ROWS = 2000
"""Maximum number of rows for the exact chain. Its matrix has (n+1)^2 numbers, 32 MB at this size."""


def concentration_replace(n: int, fits: int, probabilities: ArrayLike) -> np.ndarray:
    """Expected sum of squared probabilities under replace (C1).

    S_T = 1 - (1-1/n)^T (1 - S_0), with S_0 of the human distribution. Exact. It is in [S_0, 1]: S_0 is healthy, 1 is a
    single state. It is a mean over chains, so it is near 1 only if nearly all chains have collapsed. Source: Seddik et
    al. 2404.05090, Theorem 1.

    >>> round(float(concentration_replace(10, 5, [0.5, 0.5])[-1]), 6)
    0.704755
    """
    return concentration_of((1 - 1 / n) ** np.arange(1, fits + 1), probabilities)


def concentration_accumulate(n: int, fits: int, probabilities: ArrayLike) -> np.ndarray:
    """Expected sum of squared probabilities when every generation's data are kept (C2).

    1 - S_T = (1 - S_0) prod_{k=1..T} (1 - 1/(n k^2)). Exact; it ends below 1
    (`gaussian.variance_accumulate_limit`). Source: derived here.

    >>> round(float(concentration_accumulate(10, 5, [0.5, 0.5])[-1]), 6)
    0.570561
    """
    return concentration_of(gaussian.variance_accumulate(n, fits), probabilities)


def concentration_partial(human: int, synthetic: int, fits: int, probabilities: ArrayLike) -> np.ndarray:
    """Expected sum of squared probabilities when each fit sees the same human rows and the newest model's rows (C3).

    S_{T+1} = (1-a^2) S_1 + a^2 (S_T (1-1/synthetic) + 1/synthetic) with a = synthetic/(human+synthetic), and
    S_1 = S_0 (1-1/human) + 1/human at T = 1 (a fit to the human rows alone). Exact. Source: Seddik et al. 2404.05090,
    Theorem 2.

    >>> round(float(concentration_partial(10, 10, 50, [0.5, 0.5])[-1]), 6)
    0.564516
    """
    return concentration_of(gaussian.mixed(human, synthetic, fits, first=human, human_rows="fixed").variance, probabilities)


def concentration_partial_limit(human: int, synthetic: int, probabilities: ArrayLike) -> float:
    """Limit of `concentration_partial` for infinite T (C3).

    [(1-a^2) S_1 + a^2/synthetic] / [1 - a^2 (1-1/synthetic)], with a and S_1 as in `concentration_partial`. Exact in the
    sizes. Source: Seddik et al. 2404.05090, Theorem 2.

    >>> round(concentration_partial_limit(10, 10, [0.5, 0.5]), 6)
    0.564516
    """
    first = concentration_of(np.array([1 - 1 / human]), probabilities)[0]
    square = (synthetic / (human + synthetic)) ** 2
    return float(((1 - square) * first + square / synthetic) / (1 - square * (1 - 1 / synthetic)))


def absorption_probabilities(probabilities: ArrayLike) -> np.ndarray:
    """Probability that a collapsed chain has ended in each state, (states,) (C4).

    P(limit = state i) = p_i, because the shares are a martingale. Exact under replace for all sizes. Source: Shumailov
    et al. 2305.17493; Seddik et al. 2404.05090.

    >>> absorption_probabilities([0.7, 0.3]).tolist()
    [0.7, 0.3]
    """
    return one_distribution(probabilities).copy()


def absorption_time_diffusion(n: int, probabilities: ArrayLike) -> float:
    """Mean number of fits until one state is left under replace, for large n (C5).

    -2 n sum_i (1-p_i) ln(1-p_i): 1.386 n for two equal states, 1.8965 n for ten, never above 2 n. It is a diffusion
    limit, which is two to three fits too long at every n: for ten equal states by 8 % at n = 10, 1.2 % at 100 and 0.2 %
    at 1000, compared with the exact `absorption_time`. The time of a single chain has a standard deviation of about n
    (1.01 n for two states, 1.07 n for ten).

    Source: diffusion theory of the Wright-Fisher model (Kimura and Ohta 1969; Ewens 2004).

    >>> round(absorption_time_diffusion(1000, [0.5, 0.5]), 1)
    1386.3
    >>> round(absorption_time_diffusion(1000, [0.1] * 10), 1)
    1896.5
    """
    rest = 1 - one_distribution(probabilities)
    rest = rest[rest > 0]
    return float(-2 * n * np.sum(rest * np.log(rest)))


def absorbed_bounds(n: int, fits: int, probabilities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bound on the probability that one state is left by T, under replace (with C5).

    1 - n (1-S_0)(1-1/n)^T <= P <= 1 - (1-S_0)/(1-1/states) (1-1/n)^T, where `states` is the number of states with
    probability above 0. Valid for every n and T; the lower bound can be negative. `absorbed` is exact. Source: Seddik et
    al. 2404.05090.

    >>> low, high = absorbed_bounds(10, 40, [0.5, 0.5])
    >>> round(float(low[-1]), 4), round(float(high[-1]), 4)
    (0.9261, 0.9852)
    """
    left = _variance(probabilities) * (1 - 1 / n) ** np.arange(1, fits + 1)
    return 1 - n * left, 1 - left / (1 - 1 / _alive(probabilities))


def absorption_time_bounds(n: int, probabilities: ArrayLike) -> tuple[float, float]:
    """Lower and upper bound on the mean number of fits until one state is left, under replace (with C5).

    1 + (1-S_0)/(1-1/states) (n-1) <= E T <= 1 + (1-S_0) n (n-1). Valid for every n, but the bounds are far apart: the
    upper bound grows with n squared, while the time grows with n. `absorption_time` is exact. Source: Seddik et al.
    2404.05090.

    >>> absorption_time_bounds(10, [0.5, 0.5])
    (10.0, 46.0)
    """
    variance = _variance(probabilities)
    return 1 + variance / (1 - 1 / _alive(probabilities)) * (n - 1), 1 + variance * n * (n - 1)


def loss_at_first_fit(n: int, probabilities: ArrayLike) -> np.ndarray:
    """Probability that each state is missing from n rows and thus lost at the first fit, (states,) (C6).

    (1-p)^n. Exact. This is early collapse, before any model has written data. Source: idea Shumailov et al. 2305.17493.

    >>> loss_at_first_fit(2, [0.5, 0.5]).tolist()
    [0.25, 0.25]
    """
    return (1 - one_distribution(probabilities)) ** n


def surviving_at_first_fit(n: int, probabilities: ArrayLike) -> float:
    """Expected number of states with probability above 0 after the first fit (C6).

    sum_i [1 - (1-p_i)^n]. Exact for any policy, because every policy starts from n human rows. Source: as
    `loss_at_first_fit`.

    >>> surviving_at_first_fit(2, [0.5, 0.5])
    1.5
    """
    return float(np.sum(1 - loss_at_first_fit(n, probabilities)))


def rare_loss(count: int, samplings: int) -> np.ndarray:
    """Probability that a rare word with `count` occurrences in the human data is lost by the t-th resampling, t = 1 … (C7).

    q_t^count with q_0 = 0 and q_{t+1} = exp(q_t - 1). The first resampling is the text of generation 0, so t = g + 1
    for the text of generation g. It is a limit for rare words (count far below n), large n, replace, and sampling at
    temperature 1 by a model that repeats the shares of its training text. Its error is about count/n. q_t approaches 1
    slowly: 1 - q_t ~ 2/t.

    Source: Poisson branching process (Galton-Watson); compare the tables of 2412.17646.

    >>> np.round(rare_loss(1, 2), 6).tolist()
    [0.367879, 0.531464]
    """
    curve = np.empty(samplings)
    lost = 0.0
    for step in range(samplings):
        curve[step] = lost = np.exp(lost - 1)
    return curve**count


def rare_survival_bound(count: float, samplings: int) -> np.ndarray:
    """Lower bound on the probability that a rare word is still alive at the t-th resampling, t = 1 … (C7).

    P(alive) >= 1 - exp(-count/t), from q_t <= exp(-1/t). It holds in the limit of `rare_loss`. The time until a word is
    lost is linear in its count. Source: Suresh et al. 2412.17646.

    >>> round(float(rare_survival_bound(3, 10)[-1]), 6)
    0.259182
    """
    return 1 - np.exp(-count / np.arange(1, samplings + 1))


def transition_matrix(n: int) -> np.ndarray:
    """Transition matrix of the count of one state under replace: row j is Binomial(n, j/n), (n+1, n+1) (C8).

    Exact for two states, and for each single state of any number of states, because one state against all others is
    again a binomial draw. Source: Wright-Fisher, textbook (Ewens 2004).

    >>> np.round(transition_matrix(2), 6).tolist()
    [[1.0, 0.0, 0.0], [0.25, 0.5, 0.25], [0.0, 0.0, 1.0]]
    """
    from scipy.stats import binom

    if n > MOST_ROWS:
        raise BadInput(f"n must be at most {MOST_ROWS} for the exact chain, got {n}; use absorption_time_diffusion")
    counts = np.arange(n + 1)
    return binom.pmf(counts[None, :], n, counts[:, None] / n)


def eigenvalues(n: int) -> np.ndarray:
    """The eigenvalues of `transition_matrix(n)`, largest first, (n+1,) (C8).

    prod_{i<j} (1 - i/n) for j = 0 … n: 1, 1, 1-1/n, (1-1/n)(1-2/n), …. Exact. The third eigenvalue is the rate at which
    the remaining variety decays. Source: Feller 1951; Ewens 2004.

    >>> eigenvalues(2).tolist()
    [1.0, 1.0, 0.5]
    """
    return np.concatenate([[1.0], np.cumprod(1 - np.arange(n) / n)])


def count_distribution(n: int, fits: int, probability: float) -> np.ndarray:
    """Distribution of one state's count at fit T under replace, (fits, n+1) (C8).

    Binomial(n, probability) at T = 1, then one step of `transition_matrix` per fit. Exact for any number of states.

    >>> np.round(count_distribution(2, 2, 0.5)[-1], 6).tolist()
    [0.375, 0.25, 0.375]
    """
    from scipy.stats import binom

    steps = transition_matrix(n)
    curve = np.empty((fits, n + 1))
    curve[0] = binom.pmf(np.arange(n + 1), n, probability)
    for fit in range(1, fits):
        curve[fit] = curve[fit - 1] @ steps
    return curve


def absorbed(n: int, fits: int, probabilities: ArrayLike) -> np.ndarray:
    """Probability that one state is left by T under replace (C8).

    sum_i P(state i has all n rows at T), each from its own binomial chain. The events exclude each other, so the sum is
    exact for any number of states.

    >>> np.round(absorbed(2, 2, [0.5, 0.5]), 6).tolist()
    [0.5, 0.75]
    """
    return _over_states(n, fits, probabilities, (np.arange(n + 1) == n).astype(float))


def surviving_states(n: int, fits: int, probabilities: ArrayLike) -> np.ndarray:
    """Expected number of states with probability above 0 at T under replace (C6 at T = 1, C8 after).

    sum_i P(state i has a row at T). Exact for any number of states.

    >>> np.round(surviving_states(2, 2, [0.5, 0.5]), 6).tolist()
    [1.5, 1.25]
    """
    return _over_states(n, fits, probabilities, (np.arange(n + 1) > 0).astype(float))


def entropy(n: int, fits: int, probabilities: ArrayLike) -> np.ndarray:
    """Expected entropy of the fitted distribution at T under replace, in nats (C8).

    -sum_i E p_i ln p_i, each from the chain of its state; exact for any number of states. The maximum is ln(states), and
    0 is collapse.

    >>> np.round(entropy(2, 2, [0.5, 0.5]) / np.log(2), 6).tolist()
    [0.5, 0.25]
    """
    from scipy.special import entr

    return _over_states(n, fits, probabilities, entr(np.arange(n + 1) / n))


def absorption_time(n: int, probabilities: ArrayLike) -> float:
    """Mean number of fits until one state is left under replace (C8).

    E T = 1 + sum_i E[u(count_i at T = 1)], where u solves (I - Q) u = h. Q is the chain between the transient counts
    1 … n-1, and h(j) = j/n is the probability that a state with count j is the last one. Exact for any number of states
    (for two it is the textbook first-step equation), for n up to MOST_ROWS. It is 0 if the human distribution has a
    single state. Compare `absorption_time_diffusion`.

    >>> round(absorption_time(2, [0.5, 0.5]), 6)
    2.0
    >>> round(absorption_time(10, [0.1] * 10), 2)
    17.5
    """
    from scipy.stats import binom

    shares = one_distribution(probabilities)
    if shares.max() == 1:
        return 0.0
    transient = np.arange(1, n)
    remaining = np.linalg.solve(np.eye(n - 1) - transition_matrix(n)[1:n, 1:n], transient / n)
    unique, times = np.unique(shares, return_counts=True)
    return 1 + float(times @ (binom.pmf(transient, n, unique[:, None]) @ remaining))


def _over_states(n: int, fits: int, probabilities: ArrayLike, worth: np.ndarray) -> np.ndarray:
    """Return the expected sum over states of `worth[count]`. States with equal probabilities share a chain."""
    unique, times = np.unique(one_distribution(probabilities), return_counts=True)
    return sum(
        (many * (count_distribution(n, fits, probability) @ worth) for probability, many in zip(unique, times, strict=True)),
        start=np.zeros(fits),
    )


def concentration_of(variance: np.ndarray, probabilities: ArrayLike) -> np.ndarray:
    """Return the sum of squared probabilities if a one-hot record keeps this share of its human variance."""
    return 1 - variance * _variance(probabilities)


def _variance(probabilities: ArrayLike) -> float:
    """Return the variance of a one-hot record, which is one minus the sum of squared probabilities."""
    return float(1 - np.sum(one_distribution(probabilities) ** 2))


def _alive(probabilities: ArrayLike) -> int:
    return int(np.count_nonzero(one_distribution(probabilities)))


def one_distribution(probabilities: ArrayLike) -> np.ndarray:
    """Return the probabilities of states as an array, (states,). Raises BadInput if they are not a distribution."""
    shares = np.asarray(probabilities, dtype=float)
    if shares.ndim != 1 or shares.min() < 0 or abs(shares.sum() - 1) > 1e-9:
        raise BadInput(f"probabilities must be one row of numbers >= 0 that sum to 1, got sum {shares.sum():g}")
    return shares
