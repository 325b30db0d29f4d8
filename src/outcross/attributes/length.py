from __future__ import annotations

import math

from outcross.attributes import Attribute, AttributePage
from outcross.recipe import recipe
from outcross.text.texts import divided, texts

SHIMABUCORO = "Shimabucoro et al., EMNLP 2024, arXiv 2407.01490"


@recipe
class Characters(Attribute):
    """Length in characters, which are Unicode code points, including white space."""

    page = AttributePage(
        "characters", "Unicode code points of the text, including white space.", "characters", (0, math.inf),
        "Scripts differ: the same sentence has a third as many characters in Chinese as in English.", SHIMABUCORO,
    )  # fmt: skip

    def __call__(self, given):
        return texts(given).characters.astype(float)


@recipe
class Words(Attribute):
    """Length in words, by the definition of words in all of Outcross."""

    page = AttributePage(
        "words", "Words of the text: runs of letters, marks and digits that include a letter; each Han or kana character is one word.", "words", (0, math.inf),
        "Thai, Lao, Khmer and Burmese are written without spaces, so all text between two spaces counts as one word.", SHIMABUCORO,
    )  # fmt: skip

    def __call__(self, given):
        return texts(given).words.per_block.astype(float)


@recipe
class SentenceLength(Attribute):
    """Mean number of words per sentence of a text."""

    page = AttributePage(
        "sentence length", "Words over sentences; a sentence ends at . ! ? … before white space, at 。！？ anywhere, and at the text's end.", "words", (0, math.inf),
        "Abbreviations end sentences, but headings and list items without a stop do not; verse and code have no sentences to count.", "Flesch, J. Appl. Psychol. 32:221 (1948)",
    )  # fmt: skip

    def __call__(self, given):
        read = texts(given)
        return divided(read.words.per_block, read.sentences)
