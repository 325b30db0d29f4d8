from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.attributes import Attribute, AttributePage
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.models.ngram.tree import Tree, contexts_of, grow_running
from outcross.models.ngram.words import FIRST, WordVocabulary, pieces
from outcross.recipe import recipe
from outcross.text.texts import divided, texts


@recipe
class Perplexity(Attribute):
    """Perplexity of a text under a model of human text.

    Two models are fitted, each on half of the human documents. A human text is read by the model of the other half, and any other text by the
    model that its digest selects. So no model reads a text on which it was fitted, not even a copy of a human text (copying is another
    measure). New human documents therefore have the same distribution of perplexity as the fitted ones.
    """

    order: Annotated[int, Field(ge=1, le=5)] = 3
    """Number of words in the longest n-grams."""
    vocabulary: Annotated[int, Field(ge=1, le=1_000_000)] = 50_000
    """Maximum number of words in the vocabulary: the most frequent ones that occur at least twice in a half. Other words are spelt in bytes, whose
    frequencies come from the rare words."""
    characters: Annotated[int, Field(ge=1)] = 10_000_000
    """Maximum number of characters on which a half is fitted. The texts with the lowest digests are used, so their order has no effect."""

    compares = True
    page = AttributePage(
        "perplexity", "exp of −ln p per byte (UTF-8) under an interpolated Kneser-Ney model of words, fitted on the half of the human texts that does not include the text. Its log₂ is bits per byte.",
        "bytes", (1, math.inf),
        "Low for texts that resemble the human texts and for repetitive texts; high for new content: noise, names, another language. Human texts from the same document resemble each other: "
        "unless their documents are given, their perplexity is too low. Short texts scatter.",
        "Jelinek et al., J. Acoust. Soc. Am. 62:S63 (1977); Shumailov et al., Nature 631:755 (2024), Fig. 1",
    )  # fmt: skip

    def fit(self, human, documents=None):
        read = texts(human)
        document_of = np.arange(len(read)) if documents is None else np.unique(documents, return_inverse=True)[1]
        lowest: dict[int, bytes] = {}
        digests = [_digest(text) for text in read]
        for document, digest in zip(document_of.tolist(), digests, strict=True):
            lowest[document] = min(digest, lowest.get(document, digest))
        sides = {digest: _side(lowest[document]) for document, digest in zip(document_of.tolist(), digests, strict=True)}
        known = sorted(zip(digests, read, strict=True))
        halves = [[text for digest, text in known if text and sides[digest] == side] for side in (0, 1)]
        if not all(halves):
            raise NotApplicable(
                f"perplexity needs human texts in two halves, but all of the {len(lowest)} documents with text fell into one half"
            )
        return HumanPerplexity((self._half(halves[0]), self._half(halves[1])), sides)

    def __call__(self, given):
        raise BadInput("perplexity compares with human texts; call perplexity.fit(human)(texts)")

    def _half(self, human: list[str]) -> NgramReading:
        read = np.cumsum([len(text) for text in human])
        human = human[: max(1, int(np.searchsorted(read, self.characters, side="right")))]
        return ngram_reading(human, self.order, self.vocabulary)


@dataclass(frozen=True, eq=False)
class HumanPerplexity:
    """A reader of perplexity that is fitted to human texts."""

    halves: tuple[NgramReading, NgramReading]
    sides: dict[bytes, int]
    """The half of each human text, by its digest."""

    def __call__(self, given: Sequence[str]) -> np.ndarray:
        """Return exp(nats per byte) of each text, (n,); NaN for an empty text."""
        read = texts(given)
        other = np.array([1 - self.sides.get(digest, _side(digest)) for digest in map(_digest, read)], dtype=np.int64)
        nats = np.empty(len(read))
        for side, half in enumerate(self.halves):
            rows = np.flatnonzero(other == side)
            nats[rows] = half.nats([read[row] for row in rows])
        return np.exp(divided(nats, read.bytes))


@dataclass(frozen=True, eq=False)
class NgramReading:
    """An n-gram model of words that was fitted to texts."""

    tree: Tree
    vocabulary: WordVocabulary

    def nats(self, given: list[str]) -> np.ndarray:
        """Return −ln p of each text, (n,)."""
        losses: list[np.ndarray] = [np.empty(0)]
        for some in (given[at : at + TOGETHER] for at in range(0, len(given), TOGETHER)):
            running, places, rows = _run_on(self.vocabulary.encode(some))
            nodes = self.tree.deepest(contexts_of(running, places, self.tree.reach))
            losses.append(np.bincount(rows, -np.log(self.tree.probability(nodes, running)), minlength=len(some)))
        return np.concatenate(losses)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the whole model as arrays, for storage."""
        words = json.dumps([word.decode() for word in self.vocabulary.token_bytes[FIRST:]])
        counted = {name: getattr(self.tree, name) for name in TREE}
        return counted | {"tokens": np.array(self.tree.tokens), "words": np.frombuffer(words.encode(), np.uint8)}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> NgramReading:
        """Return the model whose `arrays` were stored."""
        tree = Tree(int(arrays["tokens"]), *(arrays[name] for name in TREE))
        return cls(tree, WordVocabulary(json.loads(arrays["words"].tobytes())))


def ngram_reading(given: Sequence[str], order: int, most_words: int = 50_000) -> NgramReading:
    """Fit an interpolated Kneser-Ney model of words to texts. Words that occur only once are spelt in bytes."""
    counted = Counter(piece for text in given for piece in pieces(text))
    often = sorted(
        (word for word, times in counted.items() if times > 1 and len(word.encode()) > 1),
        key=lambda word: (-counted[word], word),
    )
    vocabulary = WordVocabulary(often[:most_words])
    running, places, _ = _run_on(vocabulary.encode(given))
    return NgramReading(grow_running(running, places, order, vocabulary.size), vocabulary)


TREE = ("contexts", "followers", "counts", "firsts", "discounts")
"""Names of the arrays of a tree."""
TOGETHER = 2**12
"""Number of texts that are read at a time."""


def _run_on(many: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the concatenated tokens of texts, the position of each in its text, and the number of its text: three arrays (tokens,)."""
    lengths = np.array([len(tokens) for tokens in many], dtype=np.int64)
    rows = np.repeat(np.arange(lengths.size), lengths)
    places = np.arange(lengths.sum()) - (np.cumsum(lengths) - lengths)[rows]
    return np.concatenate([np.empty(0, np.int32), *many]), places, rows


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def _side(digest: bytes) -> int:
    return digest[-1] & 1
