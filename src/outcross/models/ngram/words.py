"""Words as tokens. Words are separated by white space, and each includes the white space after it."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from outcross.models.ngram.tree import START
from outcross.recipe import recipe
from outcross.text.documents import TokenBlocks
from outcross.text.tokens import TokenBytes

BYTES = 256
FIRST = START + 1 + BYTES
"""The token number of the first word; the start token and the bytes have lower numbers."""


@recipe
class WordBlocks(TokenBlocks):
    """Text as blocks of words. The vocabulary consists of the most frequent words of the training documents."""

    def learn_vocabulary(self, texts: Iterable[str]) -> WordVocabulary:
        return WordVocabulary.train(texts, self.vocabulary)

    def load_vocabulary(self, path: Path) -> WordVocabulary:
        return WordVocabulary.load(path)


class Spelling(dict[str, tuple[int, ...]]):
    """The tokens of each word: one token if the word is in the vocabulary, otherwise the tokens of its bytes."""

    def __missing__(self, word: str) -> tuple[int, ...]:
        return tuple([START + 1 + byte for byte in word.encode()])


class WordVocabulary(TokenBytes):
    """A vocabulary of words and bytes. A word that is not in the vocabulary is spelt byte by byte.

    There is therefore no unknown token. Every text has an encoding, `decode` restores the text exactly, and bits per byte are comparable with
    those of any other vocabulary. Text is split at white space only, and a word includes the white space after it: "dog " and "dog.\\n" are two
    different words.
    """

    def __init__(self, words: Sequence[str]):
        self._words = tuple(words)

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> Self:
        """Return a vocabulary of the most frequent words of these texts. Equally frequent words are ordered by their spelling.

        `size` is the maximum number of tokens, including the start token and the bytes.
        """
        counted = Counter(piece for text in texts for piece in pieces(text))
        longer = [word for word in counted if len(word.encode()) > 1]
        return cls(sorted(longer, key=lambda word: (-counted[word], word))[: max(0, size - FIRST)])

    @cached_property
    def _tokens(self) -> Spelling:
        return Spelling((word, (FIRST + i,)) for i, word in enumerate(self._words))

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the token numbers of each text, (tokens,) each."""
        tokens_of = self._tokens.__getitem__
        return [np.fromiter(itertools.chain.from_iterable(map(tokens_of, pieces(text))), np.int32) for text in texts]

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes that each token represents; none for the start token."""
        return [b"", *(bytes([byte]) for byte in range(BYTES)), *(word.encode() for word in self._words)]

    @property
    def size(self) -> int:
        """Number of tokens, including the start token and the bytes."""
        return FIRST + len(self._words)

    def save(self, path: Path) -> None:
        """Write one JSON file; the same vocabulary gives the same bytes."""
        path.write_text(json.dumps({"words": self._words}, ensure_ascii=True, indent=0) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(json.loads(path.read_text(encoding="utf-8"))["words"])


def pieces(text: str) -> list[str]:
    """Split a text into words with the white space after them. White space at the beginning of the text is a separate piece.

    >>> pieces(" The dog,\\n\\nasleep")
    [' ', 'The ', 'dog,\\n\\n', 'asleep']
    """
    return re.findall(r"\S+\s*|\s+", text)
