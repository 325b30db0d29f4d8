"""Texts as counts of hashed n-grams, and log-ratios of texts under two distributions of n-grams (DSIR)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars
    from scipy.sparse import csr_array

BUCKETS = 10_000
"""Number of hash values of n-grams (Xie et al., NeurIPS 2023)."""
SMALLEST = 1e-8
"""Number that is added to a probability before its logarithm is taken (Xie et al., NeurIPS 2023)."""
TOGETHER = 20_000
"""Number of texts that are processed together."""
REMEMBERED = 500_000
"""Maximum number of n-grams whose hash values are cached across batches. Further n-grams are hashed each time."""
PIECES = r"\w+|[^\w\s]+"
"""Runs of letters, digits and underscores, and runs of other signs, as in the paper."""


@dataclass(frozen=True, eq=False)
class HashedTexts:
    """The hash values of the n-grams of texts, with two bytes per n-gram."""

    numbers: np.ndarray
    """The hash value of every n-gram, text after text, (n-grams,)."""
    bounds: np.ndarray
    """Index of the first n-gram of each text, (n + 1,)."""
    pieces: np.ndarray
    """Number of words and signs of each text, (n,)."""

    def distribution(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Return the share of each hash value in all texts together, (buckets,).

        With `rows` only these texts count, each as often as its row occurs.
        """
        times = None if rows is None else np.bincount(rows, minlength=len(self.pieces))
        total = np.zeros(BUCKETS)
        for low, high in self._stretches():
            weights = None if times is None else np.repeat(times[low:high], np.diff(self.bounds[low : high + 1]))
            total += np.bincount(self.numbers[self.bounds[low] : self.bounds[high]], weights, minlength=BUCKETS)
        return total / max(total.sum(), 1.0)

    def log_ratio(self, target: np.ndarray, raw: np.ndarray) -> np.ndarray:
        """Return the log-likelihood ratio of each text under the distributions `target` and `raw`, in nats, (n,)."""
        gain = np.log(target + SMALLEST) - np.log(raw + SMALLEST)
        return np.concatenate([np.zeros(0), *(np.asarray(self._counts(low, high) @ gain) for low, high in self._stretches())])

    def _counts(self, low: int, high: int) -> csr_array:
        """Return the count of each hash value in each of these texts, (high - low, buckets)."""
        from scipy.sparse import csr_array

        first, last = int(self.bounds[low]), int(self.bounds[high])
        column, bounds = self.numbers[first:last].astype(np.int32), self.bounds[low : high + 1] - first
        counts = csr_array((np.ones(column.size, np.int32), column, bounds), shape=(high - low, BUCKETS))
        counts.sum_duplicates()
        return counts

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """Yield ranges of at most TOGETHER consecutive texts."""
        yield from ((low, min(low + TOGETHER, len(self.pieces))) for low in range(0, len(self.pieces), TOGETHER))


def divergence(target: np.ndarray, other: np.ndarray) -> float:
    """Return the Kullback–Leibler divergence of a distribution from the target, in nats. It is at least 0 up to the effect of SMALLEST."""
    there = target > 0
    return float((target[there] * (np.log(target[there] + SMALLEST) - np.log(other[there] + SMALLEST))).sum())


def hashed(batches: Iterable[Sequence[str]]) -> HashedTexts:
    """Return texts, batch by batch, as hash values of single pieces and of pairs of neighbouring pieces, in lower case.

    The hash value of an n-gram is its SHA-256 modulo 10,000. The pieces of a pair are joined by a space (Xie et al., NeurIPS 2023, arXiv 2302.03169).

    >>> hashes = hashed([["A dog. A dog!", ""]])
    >>> hashes.pieces.tolist(), hashes.numbers.size
    ([6, 0], 11)
    """
    known: dict[str, int] = {}
    numbers, many, pieces = [np.zeros(0, np.uint16)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for batch in batches:
        for low in range(0, len(batch), TOGETHER):
            own, own_many, each = _of_batch(batch[low : low + TOGETHER], known)
            numbers.append(own)
            many.append(own_many)
            pieces.append(each)
    return HashedTexts(np.concatenate(numbers), np.concatenate([[0], np.cumsum(np.concatenate(many))]), np.concatenate(pieces))


def _of_batch(batch: Sequence[str], known: dict[str, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the hash values of all n-grams, text after text, and the numbers of n-grams and of pieces of each text."""
    import polars as pl

    grams, owner, each = words_and_pairs(batch, PIECES)
    distinct = grams.unique(maintain_order=True)
    of_distinct = [number if (number := known.get(gram)) is not None else _number(gram) for gram in distinct.to_list()]
    if len(known) < REMEMBERED:
        known.update(zip(distinct.to_list(), of_distinct, strict=True))
    numbers = grams.replace_strict(distinct, of_distinct, return_dtype=pl.UInt16).to_numpy().astype(np.uint16)
    order = np.argsort(owner, kind="stable")
    return numbers[order], np.bincount(owner, minlength=len(each)), each


def words_and_pairs(texts: Sequence[str], pattern: str) -> tuple[polars.Series, np.ndarray, np.ndarray]:
    """Return the matches of a pattern in texts in lower case, followed by the pairs of neighbouring matches joined by a space.

    Also returns the text of each match or pair, and the number of single matches in each text.

    >>> grams, text, singles = words_and_pairs(["A dog", "", "dog"], r"\\w+")
    >>> grams.to_list(), text.tolist(), singles.tolist()
    (['a', 'dog', 'dog', 'a dog'], [0, 0, 2, 0], [2, 0, 1])
    """
    import polars as pl

    runs = pl.Series("text", list(texts), dtype=pl.String).str.to_lowercase().str.extract_all(pattern)
    each = runs.list.len().to_numpy().astype(np.int64)
    single = runs.explode().drop_nulls()
    text = np.repeat(np.arange(len(each)), each)
    follows = np.flatnonzero(text[1:] == text[:-1])
    pairs = (single + " " + single.shift(-1))[follows] if follows.size else single.head(0)
    return pl.concat([single, pairs]), np.concatenate([text, text[follows]]), each


def _number(gram: str) -> int:
    return int.from_bytes(hashlib.sha256(gram.encode()).digest(), "big") % BUCKETS
