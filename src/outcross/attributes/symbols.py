from __future__ import annotations

from outcross.attributes import Attribute, AttributePage
from outcross.recipe import recipe
from outcross.text.texts import divided, texts

CRAWLED = "Rae et al., arXiv 2112.11446, appendix A (crawled text filtered by shares of symbols)"


@recipe
class Numerals(Attribute):
    """Share of a text that consists of numbers in digits."""

    page = AttributePage(
        "numerals", "Characters of Unicode category N (digits of any script, fractions, Roman numerals) over all characters.", "fraction", (0, 1),
        "Numbers written as words are not counted.", CRAWLED,
    )  # fmt: skip

    def __call__(self, given):
        read = texts(given)
        return divided(read.characters_of("N"), read.characters)


@recipe
class Punctuation(Attribute):
    """Share of a text that consists of punctuation of all scripts."""

    page = AttributePage(
        "punctuation", "Characters of Unicode category P over all characters; + < = > | ^ ` ~ and $ are symbols in Unicode, not punctuation.", "fraction", (0, 1),
        "Text that was tokenised keeps its punctuation and gains spaces, so its share falls.", CRAWLED,
    )  # fmt: skip

    def __call__(self, given):
        read = texts(given)
        return divided(read.characters_of("P"), read.characters)
