"""Similarity of the texts of a set to each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outcross.estimate import Estimate, mean
from outcross.statistics.clusters import totals
from outcross.text.lexicon import PORTIONS
from outcross.text.texts import texts
from outcross.text.words import RunningWords

LENGTHS = (1, 2, 3, 4)
"""Numbers of words in the n-grams."""


def self_bleu(given: Sequence[str], rng: np.random.Generator, many: int = 100) -> Estimate:
    """Return the mean BLEU-4 of each of `many` random texts against all the others, in [0, 1].

    It is 1 if all texts are the same (Zhu et al., SIGIR 2018). It grows with `many`, which is therefore fixed. Words are defined as in all of
    Outcross. A precision without a match counts as a tenth of a match (Chen & Cherry 2014, method 1), except that BLEU is 0 without a matching
    word. Of two equally close lengths the shorter is used. Texts without words are left out. The interval is over up to 20 disjoint draws of `many`
    texts.
    """
    words = texts(given).words
    order = rng.permutation(np.flatnonzero(words.per_block))
    draws = [order[first : first + many] for first in range(0, order.size - many + 1, many)][:PORTIONS]
    return mean(np.array([bleu(words.take(rows)).mean() for rows in draws]), f"draws of {many} texts")


def bleu(words: RunningWords) -> np.ndarray:
    """Return BLEU-4 of each text against all others, (n,). Every text must have a word."""
    lengths = words.per_block
    hits = np.array([_hits(words, n) for n in LENGTHS])  # (4, n)
    runs = np.maximum(lengths - np.array(LENGTHS)[:, None] + 1, 1)
    precision = np.where(hits > 0, hits, 0.1) / runs
    closest = _closest(lengths)
    brevity = np.exp(np.minimum(0, 1 - closest / lengths))
    return np.where(hits[0] > 0, brevity * np.exp(np.log(precision).mean(axis=0)), 0.0)


def _hits(words: RunningWords, n: int) -> np.ndarray:
    """Count the n-grams of each text that occur in another text, (n,), each at most as often as in the other text with the highest count."""
    runs = words.runs[n]
    pairs, counts = np.unique(runs.codes * words.n + runs.blocks, return_counts=True)
    codes, blocks = pairs // words.n, pairs % words.n
    order = np.lexsort((-counts, codes))
    is_most = np.diff(codes[order], prepend=-1) > 0
    largest = counts[order][is_most]
    second = np.zeros(largest.size, np.int64)
    follows = np.flatnonzero(is_most[:-1] & ~is_most[1:]) + 1
    kind = np.cumsum(is_most) - 1
    second[kind[follows]] = counts[order][follows]
    others = np.where(is_most, second[kind], largest[kind])
    return totals(np.minimum(counts[order], others), blocks[order], words.n)


def _closest(lengths: np.ndarray) -> np.ndarray:
    """Return the closest length of another text for each text, (n,); of two equally close lengths the shorter."""
    order = np.argsort(lengths, kind="stable")
    ranked = lengths[order].astype(float)
    below, above = np.append(-np.inf, ranked[:-1]), np.append(ranked[1:], np.inf)
    lengths_of_closest = np.empty(lengths.size)
    lengths_of_closest[order] = np.where(ranked - below <= above - ranked, below, above)
    return lengths_of_closest
