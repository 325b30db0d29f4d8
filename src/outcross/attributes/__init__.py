"""A number a record.

An attribute is a recipe. `fit(human texts)` gives what reads it: for most the attribute itself, for those that compare with
human text (`compares`) a fitted one. That maps n texts to n numbers, (n,) of float64, NaN where a text has no such number, as
the readability of a text without words. `page` says what the number is, and what it misleads about.

A reader takes any sequence of strings; handed one `outcross.text.texts.Texts`, all attributes share one count of its words.
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
    """What a reader must know of one attribute."""

    title: str
    definition: str
    unit: str
    """`fraction` is drawn in percent."""
    range: tuple[float, float]
    """The least and the largest value that it can take."""
    misleads: str
    paper: str


class Attribute:
    """What is read off each record."""

    page: ClassVar[AttributePage]
    compares: ClassVar[bool] = False
    """Whether it must be fitted to human texts before it reads."""

    def fit(self, human: Sequence[str], documents: np.ndarray | None = None) -> Reader:
        """What reads it, knowing these human texts and the document that each is cut from, (n,); None: each is one by itself."""
        return self

    def __call__(self, given: Sequence[str]) -> np.ndarray:
        """The number of each text, (n,)."""
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
"""Attributes that are learned from labels. They need a file or a folder, so that an audit does not read them of itself."""

__all__ = ["ATTRIBUTES", "LEARNED", "Attribute", "AttributePage", "Reader"]
