"""Exact laws of the test error of a learner that only memorises (Dohmatob et al., A Tale of Tails, arXiv 2402.07043).

The learner knows exactly the facts that it has seen. On the human distribution p its expected test error is therefore
E_test = Σ p_i P(i not seen). T counts its training records.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from outcross.errors import BadInput
from outcross.laws import categorical
from outcross.laws.categorical import one_distribution


def memory_error(records: ArrayLike, probabilities: ArrayLike, written: ArrayLike | None = None) -> np.ndarray:
    """Expected test error after T independent records of the distribution `written`, of the shape of `records` (H1).

    Σ p_i (1 − q_i)^T with the human `probabilities` p and q = `written` (by default p). Facts with q_i = 0 are never learned. Exact. With
    q = `cut_tail(p, k)` and p_i ∝ i^-β it falls as T^{-(β-1)/β} to the minimum Σ_{i>k} p_i ~ k^{-(β-1)} (Theorem 2.1). In [0, 1].

    >>> p = np.array([0.5, 0.25, 0.25])
    >>> memory_error([0, 1, 2], p).tolist(), float(memory_error(1000, p, cut_tail(p, 2)))
    ([1.0, 0.625, 0.40625], 0.25)
    """
    human = one_distribution(probabilities)
    missed = human if written is None else one_distribution(written)
    if human.shape != missed.shape:
        raise BadInput(f"written must have a probability for each of the {human.size} states, got {missed.size}")
    asked = np.asarray(records, dtype=float)
    return np.array([human @ (1 - missed) ** count for count in asked.ravel()]).reshape(asked.shape)


def cut_tail(probabilities: ArrayLike, states: int) -> np.ndarray:
    """Return the distribution restricted to its first `states` states and renormalised, as a model writes it with top-k.

    >>> cut_tail([0.5, 0.25, 0.25], 2).round(4).tolist()
    [0.6667, 0.3333, 0.0]
    """
    human = one_distribution(probabilities)
    if not 1 <= states <= human.size:
        raise BadInput(f"states must be in [1, {human.size}], got {states}")
    kept = np.where(np.arange(human.size) < states, human, 0.0)
    return kept / kept.sum()


def memory_error_replace(n: int, fits: int, probabilities: ArrayLike) -> np.ndarray:
    """Expected test error at T = 1 … `fits` fits under replace, each on n records, if every model writes with the frequencies of its records.

    Σ p_i P(state i is lost at T), from each state's own binomial chain (C8); it equals H1 at T = 1. Exact, for n up to categorical.MOST_ROWS.
    Source: derived here; the setting is §2 of the paper.

    >>> memory_error_replace(2, 2, [0.5, 0.5]).round(6).tolist()
    [0.25, 0.375]
    """
    unique, times = np.unique(one_distribution(probabilities), return_counts=True)
    gone = (categorical.count_distribution(n, fits, count)[:, 0] for count in unique)
    return sum(
        (probability * many * curve for probability, many, curve in zip(unique, times, gone, strict=True)), start=np.zeros(fits)
    )
