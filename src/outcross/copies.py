"""Which texts repeat each other, and which repeat others word for word.

Every function gives a number a text, (n,). None of these may be bootstrapped or pooled with what it is compared with: a resample holds
each text several times, and so copies that nobody wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from outcross.attributes import divided
from outcross.texts import texts
from outcross.words import Words

RUN = 8
"""Words of a run that says who was copied: chance alone seldom repeats eight (Brown et al. 2020, appendix C, take 8 to 13)."""
SHINGLE = 5
BANDS, ROWS = 20, 5
"""A pair of Jaccard similarity s is found with chance 1 − (1 − s⁵)²⁰ and more: .9996 at .8, .80 at .6, .19 at .4."""


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
    words = texts(given).words
    found, starts = _found(words, texts(source).words, run)
    rows = words.blocks[starts]
    return divided(np.bincount(rows, found, words.n), np.bincount(rows, minlength=words.n))


def longest_copied(given: Sequence[str], source: Sequence[str], run: int = RUN) -> np.ndarray:
    """Words of the longest stretch of each text of which every `run` neighbours stand in the source, (n,); 0 for none.

    At least the longest run that was copied verbatim, if that has `run` words. It is longer only where two runs of the source overlap in
    `run` - 1 words at the seam.
    """
    words = texts(given).words
    found, starts = _found(words, texts(source).words, run)
    places = starts[found]
    follows = np.zeros(places.size, bool)
    follows[1:] = (np.diff(places) == 1) & (np.diff(words.blocks[places]) == 0)
    first = np.maximum.accumulate(np.where(follows, 0, np.arange(places.size)))
    stretch = np.arange(places.size) - first + run
    longest = np.zeros(words.n, np.int64)
    np.maximum.at(longest, words.blocks[places], stretch)
    return longest


def _found(words: Words, source: Words, run: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether each run stands in the source, and where it begins: two arrays (runs,)."""
    codes, starts = words.run_hashes(run)
    known, order = np.sort(source.run_hashes(run)[0]), np.argsort(codes)
    found = np.zeros(codes.size, bool)
    if known.size:  # looked up in ascending order, which caches like
        ranked = codes[order]
        found[order] = known[np.minimum(np.searchsorted(known, ranked), known.size - 1)] == ranked
    return found, starts


def nearest(given: Sequence[str], source: Sequence[str] | None = None) -> np.ndarray:
    """The highest Jaccard similarity of each text's word 5-grams with those of another text of the set, or of one of the source, (n,).

    In [0, 1]; 0 where no text is alike, NaN for a text without words; one of fewer than 5 words is one shingle. Pairs are found by MinHash in 20 bands of 5 (Broder 1997; Leskovec et
    al., Mining of Massive Datasets, §3.4) and then compared exactly: what is found is right, and of those at .8 one in 2,700 is overlooked.
    In a band a text is compared with the text before it and the one after it of equal hashes, so the work grows as the texts.
    """
    words = texts(given).words if source is None else texts([*texts(given), *texts(source)]).words
    shingles = _Shingles(words)
    own = np.arange(words.n) < len(given)
    best = np.where(words.per_block > 0, 0.0, np.nan)
    for first, second in shingles.candidates(own if source is not None else None):
        alike = shingles.jaccard(first, second)
        np.fmax.at(best, first, alike)
        np.fmax.at(best, second, alike)
    return best[: len(given)]
