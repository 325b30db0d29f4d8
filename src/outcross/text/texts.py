"""Texts from the user, with counts that several parts share.

Readers of texts take any sequence of strings. Several readers of the same `Texts` share its counts.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from outcross.errors import BadInput
from outcross.text.words import RunningWords, beyond, count

BATCH = 2**22
"""Number of characters that are processed together: 16 MB of code points."""
TOGETHER = 50_000
"""Number of texts in a batch."""


@dataclass(frozen=True, eq=False)
class Texts(Sequence[str]):
    """n texts without lone surrogates."""

    strings: list[str]

    def __len__(self) -> int:
        return len(self.strings)

    def __iter__(self) -> Iterator[str]:
        return iter(self.strings)

    def __getitem__(self, at: Any) -> Any:
        return self.strings[at]

    def take(self, at: Sequence[int]) -> Texts:
        """Return the texts at these positions, in this order."""
        return Texts([self.strings[i] for i in at])

    @cached_property
    def characters(self) -> np.ndarray:
        """Number of code points of each text, (n,)."""
        return np.fromiter(map(len, self.strings), np.int64, len(self))

    @cached_property
    def bytes(self) -> np.ndarray:
        """Number of UTF-8 bytes of each text, (n,)."""
        lengths = (len(text) if text.isascii() else len(text.encode()) for text in self.strings)
        return np.fromiter(lengths, np.int64, len(self))

    @cached_property
    def words(self) -> RunningWords:
        """The words of the texts, including the first and the last (outcross.text.words defines a word)."""
        return count(self.strings)

    @cached_property
    def sentences(self) -> np.ndarray:
        """Number of sentences of each text, (n,): the parts between sentence ends that contain a letter.

        A sentence ends at . ! ? or … before white space or the end of the text, possibly with closing quotes and brackets in between, and at 。！？
        anywhere. So "3.14" is not an end, but "e.g. " is. A heading without a stop belongs to the following sentence.
        """
        ends = re.compile(r"[.!?…]++[\"'”’»)\]]*+(?=\s|\Z)|[。！？｡]++")
        counts = (sum(any(map(str.isalpha, stretch)) for stretch in ends.split(text)) for text in self.strings)
        return np.fromiter(counts, np.int64, len(self))

    def characters_of(self, category: str) -> np.ndarray:
        """Return the number of characters of a Unicode category (N numbers, P punctuation …) in each text, (n,)."""
        counts = [np.empty(0, np.int64)]
        for first, end in self._batches():
            points = np.frombuffer("".join(self.strings[first:end]).encode("utf-32-le"), np.uint32)
            so_far = np.concatenate(([0], np.cumsum(_are_of(category, points))))
            counts.append(np.diff(so_far[np.concatenate(([0], np.cumsum(self.characters[first:end])))]))
        return np.concatenate(counts)

    def _batches(self) -> Iterable[tuple[int, int]]:
        """Yield ranges (first, end) of texts with about `BATCH` characters together, or a single long text."""
        batch = np.cumsum(self.characters) // BATCH
        bounds = np.flatnonzero(np.diff(batch, prepend=-1, append=-2)).tolist()
        return itertools.pairwise(bounds)


@dataclass(frozen=True, eq=False)
class PromptedTexts(Texts):
    """Texts with their prompts. Words that occur in a text's own prompt are marked (`words.beyond`)."""

    prompts: Texts

    @cached_property
    def words(self) -> RunningWords:
        return beyond(count(self.strings), self.prompts.words)

    def take(self, at: Sequence[int]) -> PromptedTexts:
        return PromptedTexts([self.strings[i] for i in at], self.prompts.take(at))


def texts(given: Any) -> Texts:
    """Return texts from any sequence of strings (a list, an array, a polars Series). Lone surrogates, which have no bytes, become U+FFFD.

    >>> texts(["one", "t\\ud83dwo"]).strings
    ['one', 't\ufffdwo']
    """
    if isinstance(given, Texts):
        return given
    if isinstance(given, str | bytes):
        raise BadInput(f"texts must be a sequence of strings, got a single string: {given!r:.40}; write [text]")
    strings = given.to_list() if hasattr(given, "to_list") else list(given)
    for row, text in enumerate(strings):
        if not isinstance(text, str):
            raise BadInput(f"texts must be strings, but text {row} is {text!r:.40}; remove missing texts first")
    surrogate = re.compile("[\ud800-\udfff]")
    return Texts([text if text.isascii() else surrogate.sub("\ufffd", text) for text in strings])


def in_batches(given: Sequence[str], among: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Yield texts in batches: their positions, (k,), and the texts. `among` (n,) selects texts by truth values; by default all.

    >>> [(at.tolist(), own) for at, own in in_batches(["a", "b", "c"], np.array([True, False, True]))]
    [([0, 2], ['a', 'c'])]
    """
    chosen = np.arange(len(given)) if among is None else np.flatnonzero(among)
    for start in range(0, chosen.size, TOGETHER):
        at = chosen[start : start + TOGETHER]
        places: list[int] = at.tolist()
        yield at, [given[place] for place in places]


def divided(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Return top / bottom; NaN if bottom is 0."""
    return np.divide(top, bottom, out=np.full(bottom.shape, np.nan), where=bottom > 0)


def _are_of(category: str, points: np.ndarray) -> np.ndarray:
    """Whether each of these code points is of a Unicode category, (n,). Only the Unicode blocks that occur in the texts are looked up."""
    is_of = np.zeros((0x1100, 256), bool)  # (blocks, code points of a block)
    for block in np.flatnonzero(np.bincount(points >> 8)).tolist():
        is_of[block] = _block(category, block)
    return is_of.ravel()[points]


@functools.cache
def _block(category: str, block: int) -> np.ndarray:
    """Whether each code point of a block is of a Unicode category, (256,)."""
    return np.array([unicodedata.category(chr(256 * block + code))[0] == category for code in range(256)])
