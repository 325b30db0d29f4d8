"""What the classifier reads in a text: words and pairs of words, and its skeleton, as hashed counts.

The skeleton keeps the frequent words and the punctuation, and of every other word its ending and whether it has a capital, so that runs of it say how
sentences are built and not what they are about. That survives a change of generator and of subject better than words alone do (LOG.md has the numbers).
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

PIECES = re.compile(r"\w+(?:'\w+)*|[^\w\s]")
"""Words, and other signs one by one."""
BUCKETS = 1 << 18
FREQUENT = 300
"""Words that stand in the most texts, which the skeleton keeps."""
ENDING = 3
"""Letters of a rarer word that the skeleton keeps, from its end."""
WORD_RUNS, SKELETON_RUNS = 2, 3
"""Words in a row that are read together, at most."""
_MIX = np.uint64(0x9E3779B97F4A7C15)


def pieces(text: str) -> list[str]:
    """The words and signs of a text.

    >>> pieces("It's 3 o'clock.")
    ["It's", '3', "o'clock", '.']
    """
    return PIECES.findall(text)


def frequent_words(given: Sequence[str], limit: int = FREQUENT) -> tuple[str, ...]:
    """The words that stand in the most texts, in lower case; ties by spelling."""
    counts: Counter[str] = Counter()
    for text in given:
        counts.update({piece.lower() for piece in pieces(text) if piece[0].isalpha()})
    return tuple(word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit])


@dataclass(frozen=True, eq=False)
class HashedFeatures:
    """Reads texts with a given list of frequent words."""

    frequent: tuple[str, ...]
    _codes: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __call__(self, given: Sequence[str]) -> csr_matrix:
        """1 + log of how often each run of words or of the skeleton stands in each text, as rows of length 1, (n, buckets)."""
        from scipy.sparse import csr_matrix

        word, skeleton, counts = self._read(given)
        owner = np.repeat(np.arange(len(given)), counts)
        rows, columns = [], []
        for codes, longest, salt in ((word, WORD_RUNS, 0), (skeleton, SKELETON_RUNS, 8)):
            run = np.full(codes.size, np.uint64(salt), np.uint64)
            for length in range(1, longest + 1):
                last = codes[length - 1 :]
                run = _mixed(run[: last.size] * _MIX + last + np.uint64(salt + length))
                whole = owner[: last.size] == owner[length - 1 :]
                rows.append(owner[: last.size][whole])
                columns.append((run[whole] >> np.uint64(64 - 18)).astype(np.int64))
        keys, many = np.unique(np.concatenate(rows) * BUCKETS + np.concatenate(columns), return_counts=True)
        row, weight = keys // BUCKETS, 1 + np.log(many)
        length = np.sqrt(np.bincount(row, weight**2, len(given)))
        bounds = np.concatenate(([0], np.cumsum(np.bincount(row, minlength=len(given)))))
        return csr_matrix((weight / length[row], keys % BUCKETS, bounds), shape=(len(given), BUCKETS))

    def _read(self, given: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The code of each word or sign, that of its place in the skeleton, and how many each text has."""
        known, frequent = self._codes, set(self.frequent)
        codes: list[tuple[int, int]] = []
        counts = np.zeros(len(given), np.int64)
        for row, text in enumerate(given):
            before = len(codes)
            for piece in pieces(text):
                code = known.get(piece)
                if code is None:
                    code = _code(piece.lower()), _code(_bone(piece, frequent))
                    if len(known) < 1_000_000:
                        known[piece] = code
                codes.append(code)
            counts[row] = len(codes) - before
        both = np.array(codes, np.uint64).reshape(-1, 2)
        return both[:, 0], both[:, 1], counts


def _bone(piece: str, frequent: set[str]) -> str:
    """What the skeleton keeps of a word or sign.

    >>> _bone("Running", {"the"}), _bone("The", {"the"}), _bone("1984", set()), _bone(";", set())
    ('C~ing', 'the', '0', ';')
    """
    lower = piece.lower()
    if lower in frequent:
        return lower
    if piece[0].isdigit():
        return "0"
    if piece[0].isalpha():
        return f"{'C' if piece[0].isupper() else ''}~{lower[-ENDING:]}"
    return piece


def _code(word: str) -> int:
    return zlib.crc32(word.encode()) | 1 << 32


def _mixed(number: np.ndarray) -> np.ndarray:
    """Every bit of a number spread over all of it (the finaliser of SplitMix64)."""
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))
