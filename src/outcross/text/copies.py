"""Which texts repeat each other, and which repeat others word for word.

Every function gives a number a text, (n,). None of these may be bootstrapped or pooled with what it is compared with: a resample holds
each text several times, and so copies that nobody wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from outcross.text.texts import divided, texts
from outcross.text.words import RunningWords, joined

RUN = 8
"""Words of a run that says who was copied: chance alone seldom repeats eight (Brown et al. 2020, appendix C, take 8 to 13)."""
SHINGLE = 5
BANDS, ROWS = 20, 5
"""A pair of similarity s agrees in a band with chance 1 − (1 − s⁵)²⁰: .9996 at .8, .80 at .6, .19 at .4."""


def repeated(given: Sequence[str]) -> np.ndarray:
    """Whether the same text, to the character, stands elsewhere in the set, (n,) of bool.

    >>> repeated(["a", "b", "a"]).tolist()
    [True, False, True]
    """
    read = texts(given)
    times = Counter(read)
    return np.fromiter((times[text] > 1 for text in read), bool, len(read))


def copied(given: Sequence[str], source: Sequence[str]) -> np.ndarray:
    """Whether the same text, to the character, stands in the source, (n,) of bool."""
    known, read = set(texts(source)), texts(given)
    return np.fromiter((text in known for text in read), bool, len(read))


def contained(given: Sequence[str], source: Sequence[str], run: int = RUN) -> np.ndarray:
    """Share of the runs of `run` words of each text that stand in the source, in [0, 1], (n,); NaN for fewer words than that.

    Words are in lower case, punctuation and white space between them do not count (Carlini et al., ICLR 2023, and Lee et al.,
    ACL 2022, ask the same of 50 tokens: verbatim memory, of which eight words are the weak form). 1 is a text that can be put
    together from pieces of the source. Compare with what a holdout shows: phrases, names and forms are everybody's.
    """
    return verbatim(texts(given).words, texts(source).words, run).share


def longest_copied(given: Sequence[str], source: Sequence[str], run: int = RUN) -> np.ndarray:
    """Words of the longest stretch of each text of which every `run` neighbours stand in the source, (n,); 0 for none.

    At least the longest run that was copied verbatim, if that has `run` words. It is longer only where two runs of the source overlap in
    `run` - 1 words at the seam.
    """
    return verbatim(texts(given).words, texts(source).words, run).longest


@dataclass(frozen=True, eq=False)
class Verbatim:
    """The runs of words of texts, and which of them stand somewhere else."""

    words: RunningWords
    run: int
    """Words of a run."""
    starts: np.ndarray  # (runs,): where each begins among the words
    stands: np.ndarray  # (runs,) of bool: whether it stands there too

    @property
    def share(self) -> np.ndarray:
        """Share of the runs of each text that stand there, (n,); NaN where it has none."""
        rows = self.words.blocks[self.starts]
        return divided(np.bincount(rows, self.stands, self.words.n), np.bincount(rows, minlength=self.words.n))

    @property
    def longest(self) -> np.ndarray:
        """Words of the longest stretch of each text of which every run stands there, (n,); 0 for none."""
        places, blocks = self.starts[self.stands], self.words.blocks
        follows = np.zeros(places.size, bool)
        follows[1:] = (np.diff(places) == 1) & (np.diff(blocks[places]) == 0)
        first = np.maximum.accumulate(np.where(follows, 0, np.arange(places.size)))
        longest = np.zeros(self.words.n, np.int64)
        np.maximum.at(longest, blocks[places], np.arange(places.size) - first + self.run)
        return longest


def verbatim(words: RunningWords, source: RunningWords, run: int = RUN) -> Verbatim:
    """Which runs stand in the source."""
    return verbatim_among(words, runs_of(source, run), run)


def runs_of(source: RunningWords, run: int = RUN) -> np.ndarray:
    """The numbers of all runs of a source, ascending, (runs,)."""
    return np.sort(source.run_hashes(run)[0])


def verbatim_among(words: RunningWords, known: np.ndarray, run: int = RUN) -> Verbatim:
    """Which runs are among those that are known. known: as `runs_of` gives them, (runs,)."""
    codes, starts = words.run_hashes(run)
    order = np.argsort(codes)
    stands = np.zeros(codes.size, bool)
    if known.size:  # looked up in ascending order, which caches like
        ranked = codes[order]
        stands[order] = known[np.minimum(np.searchsorted(known, ranked), known.size - 1)] == ranked
    return Verbatim(words, run, starts, stands)


def verbatim_elsewhere(words: RunningWords, documents: np.ndarray, run: int = RUN) -> Verbatim:
    """Which runs stand in another document of the same set; documents: the number of each text's, (n,)."""
    codes, starts = words.run_hashes(run)
    own, order = documents[words.blocks[starts]], np.argsort(codes, kind="stable")
    stands = np.zeros(codes.size, bool)
    if codes.size:
        firsts = np.flatnonzero(np.diff(codes[order], prepend=~codes[order][:1]) != 0)
        lowest, highest = (extreme.reduceat(own[order], firsts) for extreme in (np.minimum, np.maximum))
        stands[order] = np.repeat(lowest != highest, np.diff(firsts, append=codes.size))
    return Verbatim(words, run, starts, stands)


def nearest(given: Sequence[str], source: Sequence[str] | None = None) -> np.ndarray:
    """The highest Jaccard similarity of each text's word 5-grams with those of another text of the set, or with one of the source, (n,).

    In [0, 1]; 0 where none is found alike, NaN for fewer than 5 words. Pairs are found by MinHash in 20 bands of 5 (Broder 1997; Leskovec,
    Rajaraman & Ullman, Mining of Massive Datasets, §3.4) and then compared exactly: what is told is right, and a pair of
    similarity .8 is overlooked once in 2,800. In a band a text meets one other of its hash, so the work grows as the texts.
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
    """The distinct word 5-grams of texts, as sorted numbers: the text in the upper bits, the hash of a 5-gram in the lower ones."""

    keys: np.ndarray  # (shingles,), ascending
    bits: np.uint64
    """Of a hash."""
    bounds: np.ndarray  # (n + 1,): where the shingles of each text begin

    @classmethod
    def of(cls, words: RunningWords) -> Shingles:
        keys, bits = words.distinct_keys(SHINGLE)
        return cls(keys, bits, np.searchsorted(keys, np.arange(words.n + 1, dtype=np.uint64) << bits))

    @property
    def sizes(self) -> np.ndarray:
        """Distinct shingles of each text, (n,)."""
        return np.diff(self.bounds)

    def candidates(self, first_of_source: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of texts that agree in a band, each once, two arrays of rows; with a source, one text of each side."""
        rows = np.flatnonzero(self.sizes)
        pairs = [np.empty(0, np.int64)]
        for band in self._bands(rows):
            order = np.lexsort((-rows, band))  # the texts of the source before the others of their hash
            ranked, met = rows[order], np.arange(rows.size) - 1
            if first_of_source is not None:
                met = np.maximum.accumulate(np.where(ranked >= first_of_source, np.arange(rows.size), -1))
                met = np.where(ranked < first_of_source, met, -1)
            agree = (met >= 0) & (band[order] == band[order][met])
            pairs.append(ranked[agree] * self.bounds.size + ranked[met[agree]])
        codes = np.unique(np.concatenate(pairs))
        return codes // self.bounds.size, codes % self.bounds.size

    def _bands(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """For each band a number for each of these texts, (rows,), equal where its least hashes are."""
        multipliers = np.random.default_rng(0x5EED).integers(1 << 64, size=(BANDS, ROWS, 2), dtype=np.uint64) | np.uint64(1)
        hashes, starts = self.keys << (np.uint64(64) - self.bits), self.bounds[rows]
        for band in multipliers if rows.size else ():
            yield sum(np.minimum.reduceat(hashes * turn + mix, starts) * mix for turn, mix in band)  # type: ignore[misc]

    def similarity(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Shared shingles over all shingles of pairs of texts, (pairs,)."""
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
"""Shingles compared together."""
