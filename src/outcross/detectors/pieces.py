"""Words and signs of many texts as arrays of numbers: their positions and spellings.

A piece is a run of letters and digits, possibly with apostrophes inside, or any other single character except white space. All texts of a batch are
read as one array of characters. The cost is thus a few array operations per character, and no Python code runs per word.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from outcross.data.bits import mixed_bits

TOGETHER = 1 << 19
"""Approximate number of characters of texts that are read together."""
ENDING = 3
"""Number of characters in the ending of a piece."""
_IN_WORD, _SPACE, _LETTER, _DIGIT, _CAPITAL = (1 << bit for bit in range(5))
_POWER = 0x9E3779B97F4A7C15
"""Base of the polynomial hash. It is odd, so that it has an inverse modulo 2^64."""
_WORD_SIGN = re.compile(r"\w")


@dataclass(frozen=True, eq=False)
class CharacterArrays:
    """The concatenated characters of texts, with a line feed after each text."""

    joined: str
    lengths: np.ndarray
    """Number of characters of each text, (n,)."""
    lower: np.ndarray
    """Code points in lower case, (c,); unchanged if the lower case has several characters."""
    marks: np.ndarray
    """Bits for the classes of each character, (c,)."""
    points: np.ndarray
    """Code points, (c,)."""

    @property
    def owner(self) -> np.ndarray:
        """The text of each character, (c,)."""
        return np.repeat(np.arange(self.lengths.size), self.lengths + 1)

    @property
    def starts(self) -> np.ndarray:
        """The position of the first character of each text, (n,)."""
        return np.concatenate(([0], np.cumsum(self.lengths[:-1] + 1))).astype(np.int64)

    @property
    def is_capital(self) -> np.ndarray:
        return (self.marks & _CAPITAL) > 0

    @cached_property
    def _sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Σ c_j P^j over the characters before each position, (c + 1,), modulo 2^64, and P^−i of each position, (c,)."""
        count = self.lower.size
        powers, inverses = (_powers(base, count) for base in (_POWER, pow(_POWER, -1, 1 << 64)))
        sums = np.zeros(count + 1, np.uint64)
        np.cumsum((self.lower.astype(np.uint64) + np.uint64(1)) * powers, out=sums[1:])
        return sums, inverses

    def spelling(self, first: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return a number for the characters from `first` up to `end`, (m,), which is equal for equal spellings in lower case."""
        sums, inverses = self._sums
        return mixed_bits((sums[end] - sums[first]) * inverses[first])


@dataclass(frozen=True, eq=False)
class Pieces:
    """The words and signs of texts, one after another."""

    characters: CharacterArrays
    owner: np.ndarray
    """The text of each piece, (m,)."""
    first: np.ndarray
    """The position of the first character of each piece, (m,)."""
    end: np.ndarray
    """The position after the last character of each piece, (m,)."""

    @property
    def texts(self) -> int:
        return self.characters.lengths.size

    @cached_property
    def spelling(self) -> np.ndarray:
        """A number for each piece, which is equal for equal pieces in lower case, (m,)."""
        return self.characters.spelling(self.first, self.end)

    def strings(self, rows: np.ndarray) -> list[str]:
        """Return the pieces of these rows as strings in lower case."""
        joined = self.characters.joined
        return [joined[first:end].lower() for first, end in zip(self.first[rows].tolist(), self.end[rows].tolist(), strict=True)]

    @property
    def ending(self) -> np.ndarray:
        """A number for the last `ENDING` characters of each piece, which is equal for equal endings in lower case, (m,)."""
        return self.characters.spelling(np.maximum(self.first, self.end - ENDING), self.end)

    @property
    def is_word(self) -> np.ndarray:
        """Whether each piece begins with a letter, (m,)."""
        return (self.characters.marks[self.first] & _LETTER) > 0

    @property
    def is_number(self) -> np.ndarray:
        """Whether each piece begins with a digit, (m,)."""
        return (self.characters.marks[self.first] & _DIGIT) > 0

    @property
    def is_capital(self) -> np.ndarray:
        """Whether each piece begins with a capital letter, (m,)."""
        return self.characters.is_capital[self.first]


def pieces_of(texts: Sequence[str]) -> Pieces:
    """Return the words and signs of texts, which are read together.

    >>> read = pieces_of(["It's 3 o'clock."])
    >>> ["It's 3 o'clock."[first:end] for first, end in zip(read.first.tolist(), read.end.tolist())]
    ["It's", '3', "o'clock", '.']
    """
    characters = characters_of(texts)
    in_word = (characters.marks & _IN_WORD) > 0
    inside = np.zeros_like(in_word)
    inside[1:-1] = (characters.points[1:-1] == ord("'")) & in_word[:-2] & in_word[2:]
    in_word = in_word | inside
    is_sign = ~in_word & ((characters.marks & _SPACE) == 0)
    begins, ends = in_word.copy(), in_word.copy()
    begins[1:] &= ~in_word[:-1]
    ends[:-1] &= ~in_word[1:]
    first, last = np.flatnonzero(begins | is_sign), np.flatnonzero(ends | is_sign)
    counts = np.diff(np.append(np.searchsorted(first, characters.starts), first.size))
    return Pieces(characters, np.repeat(np.arange(counts.size), counts), first, last + 1)


def characters_of(texts: Sequence[str]) -> CharacterArrays:
    """Return the characters of texts, which are read together."""
    joined = "".join(f"{text}\n" for text in texts)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    if joined.isascii():
        points = np.frombuffer(joined.encode("ascii"), np.uint8)
    else:
        points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    there = np.flatnonzero(np.bincount(points)).tolist()
    lower, marks = np.zeros(max(there, default=0) + 1, points.dtype), np.zeros(max(there, default=0) + 1, np.uint8)
    for point in there:
        lower[point], marks[point] = _known(point)
    return CharacterArrays(joined, lengths, lower[points], marks[points], points)


def spelling_of(words: Sequence[str]) -> np.ndarray:
    """Return the spelling number of each word, (words,)."""
    if not words:
        return np.zeros(0, np.uint64)
    characters = characters_of(words)
    return characters.spelling(characters.starts, characters.starts + characters.lengths)


def spellings(words: Sequence[str]) -> np.ndarray:
    """Return the spelling numbers of words in ascending order, as `is_among` needs them, (words,)."""
    return np.sort(spelling_of(words))


def is_among(spelling: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Whether each spelling is among the known spellings, which are sorted, (m,)."""
    if not known.size:
        return np.zeros(spelling.size, bool)
    place = np.minimum(np.searchsorted(known, spelling), known.size - 1)
    return known[place] == spelling


def in_runs(texts: Sequence[str], together: int = TOGETHER) -> Iterator[tuple[int, int]]:
    """Yield ranges of texts (first, end) with about `together` characters each."""
    first, size = 0, 0
    for row, text in enumerate(texts):
        size += len(text)
        if size >= together:
            yield first, row + 1
            first, size = row + 1, 0
    if first < len(texts):
        yield first, len(texts)


def _powers(base: int, count: int) -> np.ndarray:
    """Return base^i modulo 2^64, (count,)."""
    powers = np.full(count, np.uint64(base), np.uint64)
    powers[:1] = 1
    return np.cumprod(powers)


@functools.lru_cache(1 << 16)
def _known(point: int) -> tuple[int, int]:
    """Return the code point of a character in lower case, and the bits of its classes."""
    sign = chr(point)
    lower = sign.lower()
    is_in = (_WORD_SIGN.match(sign) is not None, sign.isspace(), sign.isalpha(), sign.isdigit(), sign.isupper())
    marks = sum(bit for bit, is_there in zip((_IN_WORD, _SPACE, _LETTER, _DIGIT, _CAPITAL), is_in, strict=True) if is_there)
    return ord(lower) if len(lower) == 1 else point, marks
