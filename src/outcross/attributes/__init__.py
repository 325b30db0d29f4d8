"""Attributes, which give one number per record.

An attribute is a recipe. `fit(human texts)` returns a reader. For most attributes this is the attribute itself; for those that compare with
human text (`compares`) it is a fitted reader. A reader maps n texts to n numbers, (n,) of float64. The number is NaN if it is not defined for a
text, such as the readability of a text without words. `page` describes the number and how it can mislead.

A reader takes any sequence of strings. For an `outcross.text.texts.Texts` all attributes share one count of words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outcross.recipe import Family

Reader = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class AttributePage:
    """Description of an attribute for its users."""

    title: str
    definition: str
    unit: str
    """The unit of the number. `fraction` is shown in percent."""
    range: tuple[float, float]
    """The minimum and the maximum of the possible values."""
    misleads: str
    paper: str


class Attribute:
    """A recipe for one number per record."""

    page: ClassVar[AttributePage]
    compares: ClassVar[bool] = False
    """Whether it must be fitted to human texts before it can read other texts."""

    def fit(self, human: Sequence[str], documents: np.ndarray | None = None) -> Reader:
        """Return a reader that is fitted to these human texts.

        `documents` (n,) are the documents from which the texts were cut; None if every text is a separate document.
        """
        return self

    def __call__(self, given: Sequence[str]) -> np.ndarray:
        """Return the number of each text, (n,)."""
        raise NotImplementedError


ATTRIBUTES: Family = Family({
    "characters": "outcross.attributes.length:Characters",
    "words": "outcross.attributes.length:Words",
    "sentence_length": "outcross.attributes.length:SentenceLength",
    "flesch": "outcross.attributes.readability:Flesch",
    "type_token": "outcross.attributes.variety:TypeToken",
    "mtld": "outcross.attributes.variety:Mtld",
    "entropy": "outcross.attributes.variety:Entropy",
    "repetition": "outcross.attributes.variety:Repetition",
    "compression": "outcross.attributes.variety:Compression",
    "numerals": "outcross.attributes.symbols:Numerals",
    "punctuation": "outcross.attributes.symbols:Punctuation",
    "perplexity": "outcross.attributes.perplexity:Perplexity",
}, name="attributes", protocol=Attribute, page=AttributePage)  # fmt: skip

LEARNED: Family = Family({
    "labelled": "outcross.attributes.learned:Labelled",
    "folder_classifier": "outcross.attributes.learned:FolderClassifier",
})  # fmt: skip
"""Attributes that are learned from labels. An audit does not compute them by default, because they need a file or a folder."""

__all__ = ["ATTRIBUTES", "LEARNED", "Attribute", "AttributePage", "Reader"]
