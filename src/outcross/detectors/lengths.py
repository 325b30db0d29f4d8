"""How long texts are for a detector: words are what stands between white space, in texts that are written with spaces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

USUAL = 100
"""Words at which the level and the slope of a line from scores to log-ratios are read; records that have no length count as so long."""


def words_of(texts: Sequence[str]) -> np.ndarray:
    """Words of each text, (n,).

    >>> words_of(["a b", ""]).tolist()
    [2, 0]
    """
    return np.fromiter((len(text.split()) for text in texts), np.int64, len(texts))


def cut_words(texts: Sequence[str], length: int) -> list[str]:
    """The first words of each text.

    >>> cut_words(["a b c", "d"], 2)
    ['a b', 'd']
    """
    return [" ".join(text.split(maxsplit=length)[:length]) for text in texts]


def in_pieces(text: str, length: int) -> list[str]:
    """A text in pieces of so many words.

    >>> in_pieces("a b c d e", 2)
    ['a b', 'c d', 'e']
    """
    words = text.split()
    return [" ".join(words[at : at + length]) for at in range(0, len(words), length)] or [text]
