from __future__ import annotations

import math
import zlib
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.attributes import Attribute, AttributePage
from outcross.recipe import recipe
from outcross.text.repetition import repetition_of_each
from outcross.text.texts import divided, texts


@recipe
class TypeToken(Attribute):
    """Number of distinct words divided by the number of words, the oldest measure of lexical variety."""

    page = AttributePage(
        "type-token ratio", "Distinct words over words (lower case).", "fraction", (0, 1),
        "Falls with length for every text, so it compares texts of the same length only; use mtld for other texts.", "Johnson, Psychol. Monogr. 56(2):1 (1944); Guo et al., arXiv 2311.09807",
    )  # fmt: skip

    def __call__(self, given):
        words = texts(given).words
        return divided(np.bincount(words.kinds_inside.blocks, minlength=words.n), words.per_block)


@recipe
class Mtld(Attribute):
    """Measure of textual lexical diversity: the average number of words until words repeat too much.

    The words of a text are read in order. Each time the type-token ratio falls to the threshold, a factor ends and the count starts
    again. The rest is a partial factor, (1 - ratio) / (1 - threshold). The result is the number of words divided by the number of factors,
    averaged over both directions of reading. If all words differ, there is no factor, and one is counted.
    """

    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.72
    """The type-token ratio at which a factor ends."""

    page = AttributePage(
        "MTLD", "Words over factors, averaged over both directions; a factor is a run of words whose type-token ratio falls to 0.72 (unless set).", "words", (1, math.inf),
        "Below a hundred words it is noise (Koizumi & In'nami, System 40:554, 2012), and for a text whose words all differ it is the length of the text. It ignores meaning: random words have a high value.",
        "McCarthy & Jarvis, Behav. Res. Methods 42:381 (2010)",
    )  # fmt: skip

    def __call__(self, given):
        words = texts(given).words
        before = words.kinds_inside.before
        after = np.full(len(words), len(words))
        later = np.flatnonzero(before >= 0)
        after[before[later]] = later
        backwards = len(words) - 1 - after[::-1]  # the same list for the words in reverse
        ends = np.cumsum(words.per_block)
        forth = self._factors(before.tolist(), (ends - words.per_block).tolist(), ends.tolist())
        back = self._factors(backwards.tolist(), (len(words) - ends).tolist(), (len(words) - ends + words.per_block).tolist())
        return (divided(words.per_block, forth) + divided(words.per_block, back)) / 2

    def _factors(self, before: list[int], firsts: list[int], ends: list[int]) -> np.ndarray:
        """Return the number of factors of each run of words from first to end - 1, (n,); 0 for no words.

        `before` holds the previous position of each word.
        """
        return np.array([self._walk(before, first, end) for first, end in zip(firsts, ends, strict=True)])

    def _walk(self, before: list[int], first: int, end: int) -> float:
        threshold, factors, start, types = self.threshold, 0, first, 0
        for at in range(first, end):
            if before[at] < start:
                types += 1
            elif types / (at + 1 - start) <= threshold:
                factors, start, types = factors + 1, at + 1, 0
        if start == end:
            return float(factors)
        part = (1 - types / (end - start)) / (1 - threshold)
        return (factors + part) or 1.0


@recipe
class Entropy(Attribute):
    """Entropy of the words of a text, which is high for many different words with even frequencies."""

    page = AttributePage(
        "entropy of words", "−Σ p ln p of the shares p of the text's words.", "nats", (0, math.inf),
        "At most ln(words), and close to this maximum in any short text: it compares texts of the same length only.", "Shannon, Bell Syst. Tech. J. 27:379 (1948); Gambetta et al., arXiv 2410.12341",
    )  # fmt: skip

    def __call__(self, given):
        words = texts(given).words
        counts = words.kinds_inside.counts
        inside = np.bincount(words.kinds_inside.blocks, counts * np.log(counts), minlength=words.n)
        with np.errstate(divide="ignore"):
            return np.maximum(np.log(words.per_block) - divided(inside, words.per_block), 0.0)


@recipe
class Repetition(Attribute):
    """Repetition within a text: the share of its short runs of words that already occurred in it."""

    page = AttributePage(
        "repetition", "1 − (1 − r₂)(1 − r₃)(1 − r₄), where rₙ is the share of the text's word n-grams that already occurred in it. One minus Drayson's diversity.", "fraction", (0, 1),
        "Grows with length; repetition is normal in refrains, tables and forms. NaN below four words.", "Drayson et al., arXiv 2502.15654; Welleck et al., ICLR 2020",
    )  # fmt: skip

    def __call__(self, given):
        return repetition_of_each(texts(given).words)


@recipe
class Compression(Attribute):
    """Relative size of a text after compression by zlib, which removes repetition."""

    page = AttributePage(
        "compression", "Bytes after zlib (level 9) over bytes before (UTF-8).", "fraction", (0, math.inf),
        "Falls with length up to 32 kB, the range in which zlib finds repeats, and is above 1 for a few words: it compares texts of the same length only. Markup and white space compress well.",
        "Shaib et al., arXiv 2403.00553 (its reciprocal)",
    )  # fmt: skip

    def __call__(self, given):
        read = texts(given)
        compressed = np.fromiter((len(zlib.compress(text.encode(), 9)) for text in read), np.int64, len(read))
        return divided(compressed, read.bytes)
