"""Words as tokens: what stands between white space, with the white space after it."""

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

BYTES = 256
FIRST = START + 1 + BYTES
"""The number of the first word; before it the start token and the bytes."""


@recipe
class WordBlocks(TokenBlocks):
    """Text as blocks of words; the vocabulary is the most frequent words of the training documents."""

    def learn_vocabulary(self, texts: Iterable[str]) -> WordVocabulary:
        return WordVocabulary.train(texts, self.vocabulary)

    def load_vocabulary(self, path: Path) -> WordVocabulary:
        return WordVocabulary.load(path)


class Spelling(dict[str, tuple[int, ...]]):
    """The tokens of each word: one where it is in a vocabulary, else those of its bytes."""

    def __missing__(self, word: str) -> tuple[int, ...]:
        return tuple([START + 1 + byte for byte in word.encode()])


class WordVocabulary:
    """A vocabulary of words and bytes: a word that is not in it is spelt, byte by byte.

    So there is no unknown token: every text has an encoding, `decode` gives it back exactly, and bits per byte compare with those of any
    other vocabulary. A word is cut at white space alone and takes the white space after it along: "dog " and "dog.\\n" are two.
    """

    def __init__(self, words: Sequence[str]):
        self._words = tuple(words)

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> Self:
        """The most frequent words of these texts, `size` tokens with the start and the bytes; equally frequent ones by their spelling."""
        counted = Counter(piece for text in texts for piece in pieces(text))
        longer = [word for word in counted if len(word.encode()) > 1]
        return cls(sorted(longer, key=lambda word: (-counted[word], word))[: max(0, size - FIRST)])

    @cached_property
    def _tokens(self) -> Spelling:
        return Spelling((word, (FIRST + i,)) for i, word in enumerate(self._words))

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Tokens of each text, (tokens,) each."""
        tokens_of = self._tokens.__getitem__
        return [np.fromiter(itertools.chain.from_iterable(map(tokens_of, pieces(text))), np.int32) for text in texts]

    def decode(self, records: Iterable[Sequence[int] | np.ndarray]) -> list[str]:
        """The text of each record; start tokens are silent, bytes that are no UTF-8 become U+FFFD."""
        return [b"".join([self.token_bytes[token] for token in record]).decode("utf-8", "replace") for record in records]

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes each token stands for; none for the start token."""
        return [b"", *(bytes([byte]) for byte in range(BYTES)), *(word.encode() for word in self._words)]

    @cached_property
    def byte_lengths(self) -> np.ndarray:
        """Bytes a token, (size,)."""
        return np.array([len(piece) for piece in self.token_bytes], dtype=np.int32)

    @property
    def size(self) -> int:
        """Number of tokens, the start token and the bytes among them."""
        return FIRST + len(self._words)

    def save(self, path: Path) -> None:
        """Write one JSON file; the same vocabulary gives the same bytes."""
        path.write_text(json.dumps({"words": self._words}, ensure_ascii=True, indent=0) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(json.loads(path.read_text(encoding="utf-8"))["words"])


def pieces(text: str) -> list[str]:
    """Words with the white space after them; white space that opens a text is a piece of its own.

    >>> pieces(" The dog,\\n\\nasleep")
    [' ', 'The ', 'dog,\\n\\n', 'asleep']
    """
    return re.findall(r"\S+\s*|\s+", text)
