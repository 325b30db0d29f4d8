"""What a memorising learner does not know after T records, as exact sums (Dohmatob et al., A Tale of Tails, arXiv 2402.07043).

A learner that knows what it has seen, tested on the human distribution p, errs where it has not: E_test = Σ p_i P(i not seen). T counts
the records that it learned from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from outcross.errors import BadInput
from outcross.laws import categorical
from outcross.laws.categorical import one_distribution


def memory_error(records: ArrayLike, probabilities: ArrayLike, written: ArrayLike | None = None) -> np.ndarray:
    """Expected test error after T independent records of the distribution `written`, of the shape of `records` (H1).

    Σ p_i (1 − q_i)^T, p the human `probabilities` and q = `written` (p where left out): what q never says is never learned. Exact. With q
    of `cut_tail(p, k)` and p_i ∝ i^-β it falls as T^{-(β-1)/β} to a floor Σ_{i>k} p_i ~ k^{-(β-1)} (Theorem 2.1). In [0, 1].

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
    """The distribution without all but its first `states` states, renormalised: what a model writes at top-k.

    >>> cut_tail([0.5, 0.25, 0.25], 2).round(4).tolist()
    [0.6667, 0.3333, 0.0]
    """
    human = one_distribution(probabilities)
    if not 1 <= states <= human.size:
        raise BadInput(f"states must be in [1, {human.size}], got {states}")
    kept = np.where(np.arange(human.size) < states, human, 0.0)
    return kept / kept.sum()


def memory_error_replace(n: int, fits: int, probabilities: ArrayLike) -> np.ndarray:
    """Expected test error at T = 1 … `fits` fits under replace, each on n records, when every model writes the frequencies it read.

    Σ p_i P(state i is gone at T), from each state's own binomial chain (C8); H1 at T = 1. Exact; n up to categorical.MOST_ROWS. Source:
    derived here; the setting is §2 of the paper.

    >>> memory_error_replace(2, 2, [0.5, 0.5]).round(6).tolist()
    [0.25, 0.375]
    """
    unique, times = np.unique(one_distribution(probabilities), return_counts=True)
    gone = (categorical.count_distribution(n, fits, count)[:, 0] for count in unique)
    return sum(
        (probability * many * curve for probability, many, curve in zip(unique, times, gone, strict=True)), start=np.zeros(fits)
    )
