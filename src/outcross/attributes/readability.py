from __future__ import annotations

import math
import re
import unicodedata

import numpy as np

from outcross.attributes import Attribute, AttributePage
from outcross.recipe import recipe
from outcross.text.texts import divided, texts

VOWELS = re.compile("[aeiouy]++")
SILENT = re.compile(
    "(?<=[^aeiouyl])e$|(?<=[aeiouyl]l)e$|(?<=[^aeiouytdl])ed$|(?<=[aeiouyl]l)ed$|(?<=[^aeiouyscgxzhl])es$|(?<=[aeiouyl]l)es$|(?<=[tpk]h)es$"
)
"""A silent last e, as in make, hole, walked, pulled, makes and clothes; but not in table, settled, tables, wanted, boxes and wishes."""


@recipe
class Flesch(Attribute):
    """Flesch's reading ease for English, which is high for short words in short sentences."""

    page = AttributePage(
        "Flesch reading ease",
        "206.835 − 1.015 words per sentence − 84.6 syllables per word. Syllables follow from the spelling: groups of vowels (a e i o u y) without a silent last e (-e, -ed, -es), at least one. "
        "NaN if fewer than half of the words are in Latin letters.",
        "points", (-math.inf, 121.22),
        "English only: for other languages in Latin letters the number has no meaning. It depends only on lengths, so shuffled words have the same value. For a text of few words it is mostly noise.",
        "Flesch, J. Appl. Psychol. 32:221 (1948)",
    )  # fmt: skip

    def __call__(self, given):
        read = texts(given)
        words = read.words
        syllables_of = np.array([syllables(spelling) for spelling in words.spellings], dtype=np.int64)
        sounded, latin = (
            np.bincount(words.blocks, values[words.ids], read.words.n)
            for values in (syllables_of, (syllables_of > 0).astype(float))
        )
        ease = 206.835 - 1.015 * divided(words.per_block, read.sentences) - 84.6 * divided(sounded, latin)
        return np.where(2 * latin >= words.per_block, ease, np.nan)


def syllables(word: str) -> int:
    """Count the syllables of an English word in lower case by its spelling; 0 for a word without a Latin letter.

    >>> [syllables(word) for word in ("make", "table", "walked", "wanted", "boxes", "readability", "the", "naïve", "日")]
    [1, 2, 1, 2, 2, 5, 1, 1, 0]
    """
    letters = "".join(letter for letter in unicodedata.normalize("NFD", word) if "a" <= letter <= "z")
    if not letters:
        return 0
    return max(1, len(VOWELS.findall(SILENT.sub("", letters))))
