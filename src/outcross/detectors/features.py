"""Features of the classifier: hashed counts of words, pairs of words, runs of the text's skeleton and runs of characters.

The skeleton consists of the frequent words and the punctuation; every other word is reduced to its ending and its capitalisation. Runs of the
skeleton thus describe the structure of sentences and not their subject. This transfers to other generators and subjects better than words alone.
Runs of characters add parts of words and the characters between words (numbers in LOG.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from outcross.data.bits import mixed_bits
from outcross.detectors.pieces import CharacterArrays, Pieces, in_runs, is_among, pieces_of, spellings

BITS = 18
WIDTH = 1 << BITS
"""Number of buckets for words and skeleton, and also for characters."""
BUCKETS = 2 * WIDTH
FREQUENT = 300
"""Number of frequent words that the skeleton keeps, by the number of texts in which they occur."""
WORD_RUNS, SKELETON_RUNS = 2, 3
"""Maximum length of runs of words and of runs of the skeleton."""
CHARACTER_RUNS = (3, 4)
"""Lengths of runs of characters, in lower case and including white space."""
_MIX = np.uint64(0x9E3779B97F4A7C15)
_ENDING, _CAPITAL, _NUMBER = (np.uint64(salt) for salt in (0xA5, 0xC3, 0xE1))


def frequent_words(given: Sequence[str], limit: int = FREQUENT) -> tuple[str, ...]:
    """Return the words that occur in the most texts, in lower case; ties are ordered by spelling.

    >>> frequent_words(["the cat", "The dog and the cow", "a dog"], 2)
    ('dog', 'the')
    """
    spelling, count, words = np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, object)
    for first, end in in_runs(given):
        pieces = pieces_of(given[first:end])
        rows = np.flatnonzero(pieces.is_word)
        own, at, which = np.unique(pieces.spelling[rows], return_index=True, return_inverse=True)
        texts = np.unique(pieces.owner[rows] * own.size + which)
        spelling, place, which = np.unique(np.concatenate((spelling, own)), return_index=True, return_inverse=True)
        both = np.concatenate((count, np.bincount(texts % max(own.size, 1), minlength=own.size)))
        count = np.bincount(which, both).astype(np.int64)
        words = np.concatenate((words, np.array(pieces.strings(rows[at]), object)))[place]
    return tuple(word for _, word in sorted(zip((-count).tolist(), words.tolist(), strict=True))[:limit])


@dataclass(frozen=True, eq=False)
class HashedFeatures:
    """A reader of texts with a given list of frequent words."""

    frequent: tuple[str, ...]

    def __call__(self, given: Sequence[str]) -> Any:
        """Return 1 + log of the count of each run of words, of the skeleton or of characters in each text, (n, buckets).

        Each row has norm 1. Words and skeleton together have half of its squared norm, and characters have the other half.
        """
        from scipy.sparse import csr_matrix, vstack

        parts = [self._read(pieces_of(given[first:end])) for first, end in in_runs(given)]
        return vstack(parts, format="csr") if parts else csr_matrix((0, BUCKETS))

    def _read(self, pieces: Pieces) -> Any:
        from scipy.sparse import csr_matrix

        runs = [*self._runs(pieces), *_character_runs(pieces.characters)]
        row, column = (np.concatenate(parts) for parts in zip(*runs, strict=True))
        features = csr_matrix((np.ones(row.size), (row, column)), shape=(pieces.texts, BUCKETS))
        features.data = 1 + np.log(features.data)
        block = 2 * np.repeat(np.arange(pieces.texts), np.diff(features.indptr)) + (features.indices >= WIDTH)
        features.data /= np.sqrt(2 * np.bincount(block, features.data**2))[block]
        return features.astype(np.float32)

    def _runs(self, pieces: Pieces) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the text and the bucket of each run of words and of the skeleton, for each length."""
        owner = pieces.owner.astype(np.int32)
        for codes, longest, salt in ((pieces.spelling, WORD_RUNS, 0), (self._skeleton(pieces), SKELETON_RUNS, 8)):
            run = np.full(codes.size, np.uint64(salt), np.uint64)
            for length in range(1, longest + 1):
                last = codes[length - 1 :]
                run = mixed_bits(run[: last.size] * _MIX + last + np.uint64(salt + length))
                whole = owner[: last.size] == owner[length - 1 :]
                yield owner[: last.size][whole], _bucket(run[whole])

    def _skeleton(self, pieces: Pieces) -> np.ndarray:
        """Return the skeleton of each word or sign as a number, (m,)."""
        ending = mixed_bits(pieces.ending + np.where(pieces.is_capital, _CAPITAL, _ENDING))
        bone = np.where(pieces.is_word, ending, np.where(pieces.is_number, _NUMBER, pieces.spelling))
        return np.where(is_among(pieces.spelling, self._known), pieces.spelling, bone)

    @cached_property
    def _known(self) -> np.ndarray:
        return spellings(self.frequent)


def _character_runs(characters: CharacterArrays) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the text and the bucket of each run of characters, for each length."""
    owner = characters.owner.astype(np.int32)
    behind = (characters.starts + characters.lengths)[owner]
    place = np.arange(owner.size)
    for length in CHARACTER_RUNS:
        first = np.flatnonzero(place + length <= behind)
        yield owner[first], _bucket(characters.spelling(first, first + length)) + np.int32(WIDTH)


def _bucket(number: np.ndarray) -> np.ndarray:
    return (number >> np.uint64(64 - BITS)).astype(np.int32)
