"""Lengths of texts for detectors, in words. Words are separated by white space, so texts must be written with spaces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

USUAL = 100
"""Length in words at which the intercept and the slope of the function from scores to log-ratios are reported. Records, which have no length, count
as texts of this length."""


def words_of(texts: Sequence[str]) -> np.ndarray:
    """Return the number of words of each text, (n,).

    >>> words_of(["a b", ""]).tolist()
    [2, 0]
    """
    return np.fromiter((len(text.split()) for text in texts), np.int64, len(texts))


def cut_words(texts: Sequence[str], length: int) -> list[str]:
    """Return the first `length` words of each text.

    >>> cut_words(["a b c", "d"], 2)
    ['a b', 'd']
    """
    return [" ".join(text.split(maxsplit=length)[:length]) for text in texts]


def in_pieces(text: str, length: int) -> list[str]:
    """Split a text into pieces of `length` words.

    >>> in_pieces("a b c d e", 2)
    ['a b', 'c d', 'e']
    """
    words = text.split()
    return [" ".join(words[at : at + length]) for at in range(0, len(words), length)] or [text]
