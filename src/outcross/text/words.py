"""The words of blocks of text, counted in the same way for human and model text.

A word is a maximal run of letters, combining marks and digits of any script, with apostrophes inside (don't, l’eau), in
lower case. It contains at least one letter, so bare numbers are not words. Chinese, Japanese, Thai, Lao, Khmer and Burmese are written without
spaces. A text in such a script is split into words by ICU's dictionaries (the extra `words`). Without that library each Han or kana character
is a word, and in the other scripts all text between two spaces is a word; audits then do not read the words of such texts.

A block is cut at a token, so its first and its last piece can be parts of words. Both are dropped ("block ends dropped"). A
piece is the text between white space, or a single Han or kana character.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from outcross.data.records import Blocks
from outcross.runtime.remembered import remembered

if TYPE_CHECKING:
    import polars

UNSPACED = "\u3005\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"

SPACELESS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
"""Letters of the scripts that are written without spaces."""
SPACELESS_SHARE = 20
"""A text counts as written without spaces if at least one in this number of its letters belongs to such a script."""

FROM_PROMPT = ""
"""The spelling that replaces a word from the prompt of its own block (`beyond`)."""

SELECTORS = r"\x{e0100}-\x{e01ef}"
"""Variation selectors, for example in Japanese names. They select a shape of the same character, so the word is the same."""


@dataclass(frozen=True, eq=False)
class RunningWords:
    """The running words of n blocks, block after block, as indices of their distinct spellings."""

    spellings: tuple[str, ...]
    ids: np.ndarray  # (words,)
    blocks: np.ndarray  # (words,), ascending
    n: int
    """Number of blocks, including blocks without words."""

    def __len__(self) -> int:
        return self.ids.size

    @cached_property
    def counts(self) -> np.ndarray:
        """Number of occurrences of each spelling, (spellings,)."""
        return np.bincount(self.ids, minlength=len(self.spellings))

    @cached_property
    def per_block(self) -> np.ndarray:
        """Number of words in each block, (n,)."""
        return np.bincount(self.blocks, minlength=self.n)

    @cached_property
    def kinds_inside(self) -> KindsInside:
        """The distinct words of each block with their counts."""
        keys = self.blocks.astype(np.int64) * max(1, len(self.spellings)) + self.ids
        order = np.argsort(keys, kind="stable")
        ranked = keys[order]
        is_first = np.diff(ranked, prepend=-1) > 0
        before = np.full(len(self), -1)
        before[order[1:]] = np.where(is_first[1:], -1, order[:-1])
        firsts = order[is_first]
        return KindsInside(self.blocks[firsts], self.ids[firsts], np.diff(np.flatnonzero(np.append(is_first, True))), before)

    def run_hashes(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a number for each run of n words within a block, and the position of its first word: two arrays (runs,).

        Equal runs have equal numbers in all texts. Two different runs have the same number with a probability near 2⁻⁶⁴ (a sum with random odd
        multipliers, modulo 2⁶⁴, of digests of the words).
        """
        starts = np.arange(max(0, len(self) - n + 1))
        starts = starts[self.blocks[starts] == self.blocks[starts + n - 1]] if starts.size else starts
        multipliers = np.random.default_rng(n).integers(1 << 64, size=n, dtype=np.uint64) | np.uint64(1)
        digests, codes = self._digests, np.zeros(starts.size, np.uint64)
        for at, multiplier in enumerate(multipliers):
            codes += (digests * multiplier)[self.ids[starts + at]]
        return codes, starts

    @cached_property
    def _digests(self) -> np.ndarray:
        """A 64-bit digest of each spelling, (spellings,)."""
        digests = b"".join(hashlib.blake2b(spelling.encode(), digest_size=8).digest() for spelling in self.spellings)
        return np.frombuffer(digests, np.uint64)

    def distinct_runs(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of distinct runs and of all runs of n words in each block, two arrays (blocks,)."""
        keys, bits = self.distinct_keys(n)
        return np.bincount((keys >> bits).astype(np.int64), minlength=self.n), np.maximum(self.per_block - n + 1, 0)

    def distinct_keys(self, n: int) -> tuple[np.ndarray, np.uint64]:
        """Return the distinct runs of n words of each block as ascending numbers, (runs,), and the number of bits of their hashes.

        A number has the hash in its lower bits and the block in its upper bits, because single numbers sort fastest. With 200,000 blocks a hash has
        46 bits.
        """
        codes, starts = self.run_hashes(n)
        bits = np.uint64(64 - max(1, int(self.n).bit_length()))
        keys = np.sort((self.blocks[starts].astype(np.uint64) << bits) | (codes >> (np.uint64(64) - bits)))
        is_first = np.ones(keys.size, bool)
        is_first[1:] = keys[1:] != keys[:-1]
        return keys[is_first], bits

    @property
    def distinct(self) -> set[str]:
        return {self.spellings[i] for i in np.flatnonzero(self.counts)}

    def take(self, rows: np.ndarray) -> RunningWords:
        """Return the words of these blocks, in ascending order of the rows."""
        place = np.full(self.n, -1)
        place[np.sort(rows)] = np.arange(rows.size)
        here = place[self.blocks] >= 0
        return RunningWords(self.spellings, self.ids[here], place[self.blocks[here]], rows.size)

    def first_of_each(self, words: int) -> tuple[RunningWords, np.ndarray]:
        """Return the first `words` words of each block that has at least this number, and the rows of these blocks."""
        rows = np.flatnonzero(self.per_block >= words)
        chosen = self.take(rows)
        starts = np.cumsum(chosen.per_block) - chosen.per_block
        here = np.arange(len(chosen)) - starts[chosen.blocks] < words
        return RunningWords(self.spellings, chosen.ids[here], chosen.blocks[here], rows.size), rows

    def are_in(self, others: Iterable[RunningWords]) -> np.ndarray:
        """Whether each spelling occurs in one of the other texts, (spellings,) of bool."""
        known = set().union(*(other.distinct for other in others))
        return np.fromiter((spelling in known for spelling in self.spellings), bool, len(self.spellings))

    @property
    def own(self) -> RunningWords:
        """The same blocks without the words that occur in their own prompts."""
        if FROM_PROMPT not in self.spellings:
            return self
        here = self.ids != self.spellings.index(FROM_PROMPT)
        return RunningWords(self.spellings, self.ids[here], self.blocks[here], self.n)

    def first_cluster(self, clusters: np.ndarray) -> np.ndarray:
        """Return the lowest cluster in which each spelling occurs, (spellings,). `clusters` has a number for each block."""
        return lowest(self.ids, clusters[self.blocks], len(self.spellings))

    @cached_property
    def runs(self) -> dict[int, Runs]:
        """Runs of 1, 2, 3 and 4 words within blocks."""
        starts, codes, runs = np.arange(len(self)), self.ids, {}
        for n in range(1, LONGEST + 1):
            ends = starts + n - 1
            inside = ends < len(self)
            inside[inside] = self.blocks[starts[inside]] == self.blocks[ends[inside]]
            starts, codes = starts[inside], codes[inside]
            # Runs are renumbered at every length, so that the product stays far below 2⁶³.
            codes = (
                np.unique(codes.astype(np.int64) * len(self.spellings) + self.ids[starts + n - 1], return_inverse=True)[1]
                if n > 1
                else codes
            )
            runs[n] = Runs(codes, self.blocks[starts])
        return runs


LONGEST = 4


@dataclass(frozen=True, eq=False)
class KindsInside:
    """The distinct words of each block, block after block."""

    blocks: np.ndarray  # (kinds,), ascending
    ids: np.ndarray  # (kinds,)
    counts: np.ndarray  # (kinds,): number of occurrences of the word in the block
    before: np.ndarray  # (words,): previous position of the same word in the block, -1 if there is none


@dataclass(frozen=True, eq=False)
class Runs:
    """Running n-grams of words. Equal n-grams have equal codes."""

    codes: np.ndarray  # (runs,)
    blocks: np.ndarray  # (runs,)

    def __len__(self) -> int:
        return self.codes.size

    def inside(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of distinct runs and of all runs in each of n blocks, two arrays (n,)."""
        pairs = np.unique(self.blocks.astype(np.int64) * (self.codes.max(initial=0) + 1) + self.codes)
        distinct = np.bincount(pairs // (self.codes.max(initial=0) + 1), minlength=n)
        return distinct, np.bincount(self.blocks, minlength=n)


def lowest(ids: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """Return the lowest value of each id below n; the largest integer for an id that does not occur."""
    lowest_of = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(lowest_of, ids, values)
    return lowest_of


@remembered
def words(blocks: Blocks) -> RunningWords:
    """Return the words of every block, without the words at the ends of blocks."""
    return count(map(inner, blocks.texts))


def count(texts: Iterable[str]) -> RunningWords:
    """Return the words of texts, including the first and the last word of each text.

    >>> words = count(["Don't don’t stop: 24 dogs", ""])
    >>> words.spellings, words.per_block.tolist()
    (("don't", 'don’t', 'stop', 'dogs'), [4, 0])
    """
    return _worded(count_with_numbers(texts))


def count_with_numbers(texts: Iterable[str]) -> RunningWords:
    """Return the words of texts, including bare numbers.

    >>> count_with_numbers(["Don't stop: 24 dogs"]).spellings
    ("don't", 'stop', '24', 'dogs')
    """
    import polars as pl

    runs = spoken(texts)
    lengths = runs.list.len().to_numpy().astype(np.int64)
    said = runs.explode().drop_nulls()
    spellings = said.unique(maintain_order=True)
    ids = said.cast(pl.Enum(spellings)).to_physical().to_numpy().astype(np.int64)
    return RunningWords(tuple(spellings.to_list()), ids, np.repeat(np.arange(lengths.size), lengths), lengths.size)


def joined(first: RunningWords, then: RunningWords) -> RunningWords:
    """Join the words of two sets of texts."""
    numbers = {spelling: number for number, spelling in enumerate(first.spellings)}
    place = np.array([numbers.setdefault(spelling, len(numbers)) for spelling in then.spellings], dtype=np.int64)
    ids, blocks = np.concatenate((first.ids, place[then.ids])), np.concatenate((first.blocks, then.blocks + first.n))
    return RunningWords(tuple(numbers), ids, blocks, first.n + then.n)


def beyond(written: RunningWords, prompts: RunningWords) -> RunningWords:
    """Return the words of blocks, with the spelling `FROM_PROMPT` for words that occur in the prompt of their own block.

    The number of words is unchanged, and the new spelling equals no real word. The prompt of block i is block i of `prompts`.

    >>> words = beyond(count(["the old tower fell", "the tower"]), count(["The tower stood", ""]))
    >>> [words.spellings[i] for i in words.ids], words.own.per_block.tolist()
    (['', 'old', '', 'fell', 'the', 'tower'], [2, 2])
    """
    size = len(written.spellings)
    number = {spelling: i for i, spelling in enumerate(written.spellings)}
    same = np.array([number.get(spelling, -1) for spelling in prompts.spellings], dtype=np.int64)[prompts.ids]
    there = same >= 0
    stands = np.isin(written.blocks * (size + 1) + written.ids, prompts.blocks[there] * (size + 1) + same[there])
    return RunningWords((*written.spellings, FROM_PROMPT), np.where(stands, size, written.ids), written.blocks, written.n)


def inner(text: str) -> str:
    """Return a block without its first and its last piece, which can be parts of words.

    >>> inner("tain the dogs bar"), inner("日本語"), inner("dogs")
    (' the dogs ', '本', '')
    """
    first, last = _ends()
    return last.sub("", first.sub("", text, count=1)[::-1], count=1)[::-1]


def spoken(texts: Iterable[str]) -> polars.Series:
    """Return the runs of each text that can be words, in lower case, as a list. They still include bare numbers.

    polars (Rust's regex crate) finds the runs by the Unicode categories. The words are the same as with Python's own engine,
    in a half to a quarter of the time.

    >>> spoken(["Don't stop", "犬が 24"]).to_list()
    [["don't", 'stop'], ['犬', 'が', '24']]
    """
    import polars as pl

    lower = pl.Series("text", list(texts), dtype=pl.String).str.to_lowercase()
    runs = lower.str.extract_all(_run())
    without = are_spaceless(lower)
    if not without.any() or not can_cut():
        return runs
    is_cut = without.fill_null(False)
    cut = [" ".join(_cut(text)) if is_ else None for text, is_ in zip(lower.to_list(), is_cut.to_list(), strict=True)]
    words_ = pl.Series("text", cut, dtype=pl.String).str.extract_all(_run(by_character=False))
    return pl.select(pl.when(is_cut).then(words_).otherwise(runs)).to_series().alias("text")


def are_spaceless(texts: polars.Series) -> polars.Series:
    """Whether each text is written in a script without spaces, which means that at least one in twenty of its letters belongs to such a script.

    >>> import polars
    >>> are_spaceless(polars.Series(["犬が走る", "a dog (犬) runs through the streets of the town", None])).to_list()
    [True, False, None]
    """
    letters = texts.str.count_matches(SPACELESS)
    return (letters > 0) & (letters * SPACELESS_SHARE >= texts.str.count_matches(r"\p{L}"))


@functools.cache
def can_cut() -> bool:
    """Whether the library that splits texts without spaces into words is installed."""
    try:
        import icu4py.breakers  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        return False
    return True


def _cut(text: str) -> Iterable[str]:
    """Split a text into words and the text between them, by ICU's dictionaries (Unicode Standard Annex 29)."""
    from icu4py.breakers import WordBreaker  # type: ignore[import-not-found]

    return WordBreaker(text, "")


def _worded(words: RunningWords) -> RunningWords:
    """Return the words that contain a letter."""
    has_letter = np.fromiter((any(map(str.isalpha, spelling)) for spelling in words.spellings), bool, len(words.spellings))
    number = np.cumsum(has_letter) - 1
    here = has_letter[words.ids]
    spellings = tuple(spelling for spelling, is_word in zip(words.spellings, has_letter, strict=True) if is_word)
    return RunningWords(spellings, number[words.ids[here]], words.blocks[here], words.n)


@functools.cache
def _run(by_character: bool = True) -> str:
    """Return the pattern of a run for Rust's regex crate. By default each Han or kana character is a separate run."""
    if not by_character:
        letters = rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{SELECTORS}]]+"
        return rf"{letters}(?:['’]{letters})*"
    unspaced = "".join(sign if sign == "-" else rf"\x{{{ord(sign):x}}}" for sign in UNSPACED)
    letters = rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{unspaced}{SELECTORS}]]+"
    return rf"{letters}(?:['’]{letters})*|[{unspaced}][\p{{M}}--[{SELECTORS}]]*"


@functools.cache
def _ends() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return patterns of the first piece of a text, and of the first piece of a reversed text, with the space around it."""
    marks = _class("M")
    return (
        re.compile(rf"\A\s*+(?:[{UNSPACED}][{marks}]*+|[^\s{UNSPACED}]++)"),
        re.compile(rf"\A\s*+(?:[{marks}]*+[{UNSPACED}]|[^\s{UNSPACED}]++)"),
    )


@functools.cache
def _class(categories: str) -> str:
    """Return the characters of these Unicode categories as the content of a character class, without Han and kana."""
    unspaced = re.compile(f"[{UNSPACED}]")
    codes = [code for code in range(0x20000) if unicodedata.category(chr(code))[0] in categories and not unspaced.match(chr(code))]
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in _ranges(codes))


def _ranges(codes: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Group ascending numbers into ranges without gaps."""
    breaks = np.flatnonzero(np.diff(codes) > 1)
    return zip(np.asarray(codes)[[0, *(breaks + 1)]].tolist(), np.asarray(codes)[[*breaks, -1]].tolist(), strict=True)
