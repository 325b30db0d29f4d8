"""Texts as counts of hashed n-grams, and how likely each is under another distribution of them (DSIR)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BUCKETS = 10_000
"""Numbers that n-grams are hashed to (Xie et al., NeurIPS 2023)."""
SMALLEST = 1e-8
"""What is added to a probability before its logarithm is taken (the same)."""
PIECES = r"\w+|[^\w\s]+"
"""Runs of letters, digits and underscores, and runs of other signs: what the paper cuts texts into."""


@dataclass(frozen=True, eq=False)
class HashedTexts:
    """How often each number occurs in each text."""

    counts: csr_array
    """(n, buckets)"""
    pieces: np.ndarray
    """Words and signs of each text, (n,)."""

    @property
    def distribution(self) -> np.ndarray:
        """The share of each number in all texts together, (buckets,)."""
        total = np.asarray(self.counts.sum(axis=0)).ravel().astype(np.float64)
        return total / max(total.sum(), 1.0)

    def log_ratio(self, target: np.ndarray, raw: np.ndarray) -> np.ndarray:
        """The log of how much likelier each text is under one distribution than under another, in nats, (n,)."""
        return np.asarray(self.counts @ (np.log(target + SMALLEST) - np.log(raw + SMALLEST)))

    def take(self, rows: np.ndarray) -> HashedTexts:
        return HashedTexts(self.counts[rows], self.pieces[rows])


def divergence(target: np.ndarray, other: np.ndarray) -> float:
    """Kullback–Leibler divergence of a distribution of numbers from the target, in nats, at least 0 but for what is added to each share."""
    there = target > 0
    return float((target[there] * (np.log(target[there] + SMALLEST) - np.log(other[there] + SMALLEST))).sum())


def hashed(batches: Iterable[Sequence[str]]) -> HashedTexts:
    """Texts, a batch at a time, as counts of hashed single pieces and pairs of neighbours, in lower case.

    The number of an n-gram is its SHA-256 modulo 10,000; the pieces of a pair stand with a space between them (Xie et al., NeurIPS 2023, arXiv 2302.03169).

    >>> hashes = hashed([["A dog. A dog!", ""]])
    >>> hashes.pieces.tolist(), int(hashes.counts.sum())
    ([6, 0], 11)
    """
    from scipy.sparse import csr_array

    known: dict[str, int] = {}
    columns, bounds, pieces = [np.zeros(0, np.int64)], [np.zeros(1, np.int64)], [np.zeros(0, np.int64)]
    for batch in batches:
        own, many, each = _of_batch(batch, known)
        columns.append(own)
        bounds.append(bounds[-1][-1] + np.cumsum(many))
        pieces.append(each)
    column, bound = np.concatenate(columns), np.concatenate(bounds)
    counts = csr_array((np.ones(column.size, np.int32), column, bound), shape=(bound.size - 1, BUCKETS))
    counts.sum_duplicates()
    return HashedTexts(counts, np.concatenate(pieces))


def _of_batch(batch: Sequence[str], known: dict[str, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The numbers of all n-grams, text after text, how many each text has, and the pieces of each text."""
    import polars as pl

    runs = pl.Series("text", list(batch), dtype=pl.String).str.to_lowercase().str.extract_all(PIECES)
    each = runs.list.len().to_numpy().astype(np.int64)
    single = runs.explode().drop_nulls()
    text = np.repeat(np.arange(len(each)), each)
    follows = np.flatnonzero(text[1:] == text[:-1])
    pairs = (single + " " + single.shift(-1))[follows] if follows.size else single.head(0)
    grams = pl.concat([single, pairs])
    distinct = grams.unique(maintain_order=True)
    for gram in distinct.to_list():
        if gram not in known:
            known[gram] = int(hashlib.sha256(gram.encode()).hexdigest(), 16) % BUCKETS
    numbers = grams.replace_strict(distinct, [known[gram] for gram in distinct.to_list()], return_dtype=pl.Int64).to_numpy()
    owner = np.concatenate([text, text[follows]])
    order = np.argsort(owner, kind="stable")
    return numbers[order], np.bincount(owner, minlength=len(each)), each
