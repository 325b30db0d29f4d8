"""Texts that repeat each other, or repeat other texts word for word.

Every function returns one number per text, (n,). These numbers must not be bootstrapped, nor pooled with the texts of a comparison: a resample
contains texts several times, which are copies that nobody wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from outcross.text.texts import divided, texts
from outcross.text.words import RunningWords, joined

RUN = 8
"""Number of words in a run that counts as copied. Chance rarely repeats eight words (Brown et al. 2020, appendix C, use 8 to 13)."""
SHINGLE = 5
BANDS, ROWS = 20, 5
"""Numbers of bands and of rows per band in MinHash. A pair of similarity s agrees in a band with probability 1 − (1 − s⁵)²⁰: .9996 at .8, .80 at .6,
.19 at .4."""


def repeated(given: Sequence[str]) -> np.ndarray:
    """Whether the set contains another copy of each text, equal in every character, (n,) of bool.

    >>> repeated(["a", "b", "a"]).tolist()
    [True, False, True]
    """
    read = texts(given)
    times = Counter(read)
    return np.fromiter((times[text] > 1 for text in read), bool, len(read))


def copied(given: Sequence[str], source: Sequence[str]) -> np.ndarray:
    """Whether the source contains each text, equal in every character, (n,) of bool."""
    known, read = set(texts(source)), texts(given)
    return np.fromiter((text in known for text in read), bool, len(read))


def contained(given: Sequence[str], source: Sequence[str], run: int = RUN) -> np.ndarray:
    """Return the share of the runs of `run` words of each text that occur in the source, in [0, 1], (n,); NaN for texts with fewer words.

    Words are in lower case, and punctuation and white space between them are ignored. A text with the value 1 can be assembled from pieces of the
    source. Carlini et al. (ICLR 2023) and Lee et al. (ACL 2022) use runs of 50 tokens for verbatim memorisation; eight words are a weaker criterion.
    Compare with the value for a holdout, because phrases, names and forms are common to all texts.
    """
    return verbatim(texts(given).words, texts(source).words, run).share


def longest_copied(given: Sequence[str], source: Sequence[str], run: int = RUN) -> np.ndarray:
    """Return the number of words in each text's longest passage in which every run of `run` words occurs in the source, (n,); 0 if there is none.

    The passage contains the longest verbatim copy, if that has at least `run` words. It is longer than this copy only if two runs of the source
    overlap in `run` - 1 words.
    """
    return verbatim(texts(given).words, texts(source).words, run).longest


@dataclass(frozen=True, eq=False)
class Verbatim:
    """The runs of words of texts, with marks for runs that occur in another set of texts."""

    words: RunningWords
    run: int
    """Number of words in a run."""
    starts: np.ndarray  # (runs,): position of the first word of each run
    stands: np.ndarray  # (runs,) of bool: whether each run occurs in the other set

    @property
    def share(self) -> np.ndarray:
        """Share of the runs of each text that occur in the other set, (n,); NaN if the text has no runs."""
        rows = self.words.blocks[self.starts]
        return divided(np.bincount(rows, self.stands, self.words.n), np.bincount(rows, minlength=self.words.n))

    @property
    def longest(self) -> np.ndarray:
        """Number of words in the longest passage of each text in which every run occurs in the other set, (n,); 0 if there is none."""
        places, blocks = self.starts[self.stands], self.words.blocks
        follows = np.zeros(places.size, bool)
        follows[1:] = (np.diff(places) == 1) & (np.diff(blocks[places]) == 0)
        first = np.maximum.accumulate(np.where(follows, 0, np.arange(places.size)))
        longest = np.zeros(self.words.n, np.int64)
        np.maximum.at(longest, blocks[places], np.arange(places.size) - first + self.run)
        return longest


def verbatim(words: RunningWords, source: RunningWords, run: int = RUN) -> Verbatim:
    """Return the runs of words, with marks for those that occur in the source."""
    return verbatim_among(words, runs_of(source, run), run)


def runs_of(source: RunningWords, run: int = RUN) -> np.ndarray:
    """Return the numbers of all runs of a source in ascending order, (runs,)."""
    return np.sort(source.run_hashes(run)[0])


def verbatim_among(words: RunningWords, known: np.ndarray, run: int = RUN) -> Verbatim:
    """Return the runs of words, with marks for those among the `known` runs of `runs_of`, (runs,)."""
    codes, starts = words.run_hashes(run)
    order = np.argsort(codes)
    stands = np.zeros(codes.size, bool)
    if known.size:  # looked up in ascending order, which is fast for caches
        ranked = codes[order]
        stands[order] = known[np.minimum(np.searchsorted(known, ranked), known.size - 1)] == ranked
    return Verbatim(words, run, starts, stands)


def verbatim_elsewhere(words: RunningWords, documents: np.ndarray) -> Verbatim:
    """Return the runs of RUN words, with marks for those that occur in another document of the set. `documents` (n,) is the document of each text."""
    codes, starts = words.run_hashes(RUN)
    own, order = documents[words.blocks[starts]], np.argsort(codes, kind="stable")
    stands = np.zeros(codes.size, bool)
    if codes.size:
        firsts = np.flatnonzero(np.diff(codes[order], prepend=~codes[order][:1]) != 0)
        lowest, highest = (extreme.reduceat(own[order], firsts) for extreme in (np.minimum, np.maximum))
        stands[order] = np.repeat(lowest != highest, np.diff(firsts, append=codes.size))
    return Verbatim(words, RUN, starts, stands)


def nearest(given: Sequence[str], source: Sequence[str] | None = None) -> np.ndarray:
    """Return the maximum Jaccard similarity of each text's word 5-grams with those of another text of the set, or of a text of the source, (n,).

    It is in [0, 1]; 0 if no similar text is found, NaN for texts with fewer than 5 words. MinHash with 20 bands of 5 proposes pairs (Broder 1997;
    Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, §3.4), which are then compared exactly. So every returned similarity is exact, and a
    pair of similarity .8 is missed once in 2,800. In each band a text is compared with one other text of the same hash, so the work is proportional
    to the number of texts.
    """
    own = texts(given)
    sets = Shingles.of(own.words if source is None else joined(own.words, texts(source).words))
    first, second = sets.candidates(len(own) if source is not None else None)
    alike = sets.similarity(first, second)
    best = np.where(sets.sizes > 0, 0.0, np.nan)
    np.maximum.at(best, first, alike)
    np.maximum.at(best, second, alike)
    return best[: len(own)]


@dataclass(frozen=True, eq=False)
class Shingles:
    """The distinct word 5-grams of texts, as sorted numbers with the text in the upper bits and the hash of the 5-gram in the lower bits."""

    keys: np.ndarray  # (shingles,), ascending
    bits: np.uint64
    """Number of bits of a hash."""
    bounds: np.ndarray  # (n + 1,): index of the first shingle of each text

    @classmethod
    def of(cls, words: RunningWords) -> Shingles:
        keys, bits = words.distinct_keys(SHINGLE)
        return cls(keys, bits, np.searchsorted(keys, np.arange(words.n + 1, dtype=np.uint64) << bits))

    @property
    def sizes(self) -> np.ndarray:
        """Number of distinct shingles of each text, (n,)."""
        return np.diff(self.bounds)

    def candidates(self, first_of_source: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the pairs of texts that agree in a band, each once, as two arrays of rows. With a source, a pair has one text of each side."""
        rows = np.flatnonzero(self.sizes)
        pairs = [np.empty(0, np.int64)]
        for band in self._bands(rows):
            order = np.lexsort((-rows, band))  # with equal hashes, the texts of the source come first
            ranked, met = rows[order], np.arange(rows.size) - 1
            if first_of_source is not None:
                met = np.maximum.accumulate(np.where(ranked >= first_of_source, np.arange(rows.size), -1))
                met = np.where(ranked < first_of_source, met, -1)
            agree = (met >= 0) & (band[order] == band[order][met])
            pairs.append(ranked[agree] * self.bounds.size + ranked[met[agree]])
        codes = np.unique(np.concatenate(pairs))
        return codes // self.bounds.size, codes % self.bounds.size

    def _bands(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yield for each band a number for each of these texts, (rows,), which is equal if the minimum hashes of the band are equal."""
        multipliers = np.random.default_rng(0x5EED).integers(1 << 64, size=(BANDS, ROWS, 2), dtype=np.uint64) | np.uint64(1)
        hashes, starts = self.keys << (np.uint64(64) - self.bits), self.bounds[rows]
        for band in multipliers if rows.size else ():
            yield sum(np.minimum.reduceat(hashes * turn + mix, starts) * mix for turn, mix in band)  # type: ignore[misc]

    def similarity(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the Jaccard similarity of pairs of texts: shared shingles over all shingles, (pairs,)."""
        shared = np.zeros(first.size, np.int64)
        for part in np.array_split(np.arange(first.size), 1 + int(self.sizes[first].sum()) // TOGETHER):
            many = self.sizes[first[part]]
            pair = np.repeat(part, many)
            at = np.arange(pair.size) - np.repeat(np.cumsum(many) - many, many) + self.bounds[first[pair]]
            low = self.keys[at] & ((np.uint64(1) << self.bits) - np.uint64(1))
            wanted = (second[pair].astype(np.uint64) << self.bits) | low
            there = self.keys[np.minimum(np.searchsorted(self.keys, wanted), self.keys.size - 1)] == wanted
            shared += np.bincount(pair[there], minlength=first.size)
        return shared / (self.sizes[first] + self.sizes[second] - shared)


TOGETHER = 2**22
"""Number of shingles that are compared together."""
