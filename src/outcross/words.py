"""The words of blocks of text, counted the same way for human and model text.

A word is a maximal run of letters, combining marks and digits of any script, with apostrophes inside (don't, l’eau), in
lower case; it holds at least one letter, so bare numbers are no words. Han and kana are written without spaces: each
character is a word. (Thai, Lao, Khmer and Burmese cannot be cut without a dictionary; what stands between spaces counts.)

A block is cut at a token, so its first and its last piece may be a cut word: both are dropped ("block ends dropped"). A
piece is what stands between white space, or one Han or kana character.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from outcross.data import Blocks
from outcross.remembered import remembered

UNSPACED = "\u3005\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"


@dataclass(frozen=True, eq=False)
class Words:
    """The running words of n blocks, block after block, as numbers into their distinct spellings."""

    spellings: tuple[str, ...]
    ids: np.ndarray  # (words,)
    blocks: np.ndarray  # (words,), ascending
    n: int
    """Blocks, with words or without."""

    def __len__(self) -> int:
        return self.ids.size

    @cached_property
    def counts(self) -> np.ndarray:
        """How often each spelling occurs, (spellings,)."""
        return np.bincount(self.ids, minlength=len(self.spellings))

    @cached_property
    def per_block(self) -> np.ndarray:
        """Words in each block, (n,)."""
        return np.bincount(self.blocks, minlength=self.n)

    @property
    def distinct(self) -> set[str]:
        return {self.spellings[i] for i in np.flatnonzero(self.counts)}

    def take(self, rows: np.ndarray) -> Words:
        """The words of these blocks, in ascending order of the rows."""
        place = np.full(self.n, -1)
        place[np.sort(rows)] = np.arange(rows.size)
        here = place[self.blocks] >= 0
        return Words(self.spellings, self.ids[here], place[self.blocks[here]], rows.size)

    def are_in(self, others: Iterable[Words]) -> np.ndarray:
        """Whether each spelling occurs in one of the other texts, (spellings,) of bool."""
        known = set().union(*(other.distinct for other in others))
        return np.fromiter((spelling in known for spelling in self.spellings), bool, len(self.spellings))

    def first_cluster(self, clusters: np.ndarray) -> np.ndarray:
        """The lowest cluster (a number for each block) that each spelling occurs in, (spellings,)."""
        return lowest(self.ids, clusters[self.blocks], len(self.spellings))

    def runs(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Runs of n words inside a block, numbered so that equal runs have equal numbers 0, 1, …, and the block of each."""
        codes, blocks = self.ids, self.blocks
        for length in range(1, n):
            starts = self.blocks[: codes.size] == self.blocks[length : length + codes.size] if codes.size else np.zeros(0, bool)
            raise NotImplementedError(starts, blocks)
        return np.unique(codes, return_inverse=True)[1], blocks
