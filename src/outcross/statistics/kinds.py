"""Comparison of the numbers of different kinds of things (such as words) in two sets of documents, by a permutation of the documents."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from outcross.estimate import Estimate, NotApplicable, Null
from outcross.statistics.floors import from_draws, percentile_interval
from outcross.statistics.ratios import ratio_of_shares

PERMUTATIONS, TOGETHER = 499, 100


def held_in(kinds: np.ndarray, documents: np.ndarray, of_kinds: int, of_documents: int) -> Any:
    """Count how often each kind occurs in each document, as a sparse matrix (kinds, documents). kinds, documents: those of each thing."""
    from scipy.sparse import coo_matrix

    return coo_matrix((np.ones(documents.size, np.float32), (kinds, documents)), (of_kinds, of_documents)).tocsr()


def fewer_kinds(occurs: Any, is_first: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> tuple[Estimate, Null]:
    """Return the number of kinds in the first set divided by that in the second set, and the null for fewer kinds.

    If nothing is lost, documents are exchangeable, so the labels of whole documents are permuted. The same permutations give the interval around the
    ratio, which is at least as wide as that of two independent shares. A bootstrap would be wrong, because a resample holds fewer
    kinds. Half a kind is added to both counts.

    occurs: (kinds, documents) from `held_in`. is_first: whether a document is in the first set, (documents,). sizes: the number of things of each
    document. Raises NotApplicable if the second set has too few kinds for an interval.
    """
    alive = occurs @ np.stack([is_first, ~is_first], axis=1).astype(np.float32) > 0
    difference = float(_log_ratio(*alive.sum(axis=0)))
    draws = np.concatenate([_relabelled(occurs, sizes, rng) for _ in range(-(-PERMUTATIONS // TOGETHER))])
    low, high = percentile_interval(draws)
    null = from_draws(difference, draws, "smaller", "permuted documents")
    value, lower, upper = (math.exp(difference - reach) for reach in (0.0, max(0.0, high), min(0.0, low)))
    first, second = (int(kinds) for kinds in alive.sum(axis=0))
    if second:  # if hardly any kind is left, the error of its count is larger than permutations show
        _, lower_of_shares, upper_of_shares = ratio_of_shares(first, len(alive), second, len(alive))
        if math.isinf(upper_of_shares):
            raise NotApplicable(f"the second set has {second} kinds, too few for an interval of the ratio")
        lower, upper = min(lower, lower_of_shares), max(upper, upper_of_shares)
    return Estimate(value, lower, upper, "permuted documents", int(alive.any(axis=1).sum())), null.on_scale(math.exp)


def _relabelled(occurs: Any, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the log ratio of the numbers of kinds, after cutting documents in random order into two sets with equally many things, (draws,)."""
    order = rng.permuted(np.tile(np.arange(sizes.size), (TOGETHER, 1)), axis=1)
    is_first = np.cumsum(sizes[order], axis=1) - sizes[order] / 2 <= sizes.sum() / 2
    labels = np.zeros((sizes.size, TOGETHER), np.float32)
    labels[order.T, np.arange(TOGETHER)] = is_first.T
    first, second = ((occurs @ side > 0).sum(axis=0) for side in (labels, 1 - labels))
    return _log_ratio(first, second)


def _log_ratio(first: Any, second: Any) -> Any:
    return np.log((first + 0.5) / (second + 0.5))


__all__ = ["fewer_kinds", "held_in"]
