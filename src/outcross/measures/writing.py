"""Columns of text, sampled and counted once for all aspects."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from outcross.data.tables import Table, mixed
from outcross.measures.groups import is_group
from outcross.measures.tabular import DOCUMENT, PROMPT
from outcross.runtime.remembered import remembered
from outcross.text.lexicon import Sample
from outcross.text.texts import PromptedTexts, Texts, texts
from outcross.text.words import RunningWords, joined
from outcross.wording import amount

CHARACTERS = 20_000_000
"""Characters of a column that are looked at, at most: some three and a half million words of English."""
CHARACTERS_INSIDE = 2_000_000
"""Characters of a column that are looked at inside a group, at most: ten groups are as much as the whole."""
LONGEST = 200_000
"""Characters of one text that are looked at, at most."""


@dataclass(frozen=True, eq=False)
class Writing:
    """The texts of one column of one side, in a random order that their content decides, and the document of each: documents are independent."""

    rows: np.ndarray
    """The row of each text in the frame, (n,)."""
    texts: Texts
    documents: np.ndarray
    """The document of each text as a number 0, 1, …, (n,)."""
    cluster_kind: str
    """What the documents are called: documents where the data say which, else records."""
    note: str = ""
    """What is a sample of what."""

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def sample(self) -> Sample:
        """Its words, with what is independent."""
        return Sample(self.texts.words, self.documents, self.cluster_kind)

    def take(self, at: np.ndarray) -> Writing:
        """The texts at these places, in that order."""
        return Writing(self.rows[at], self.texts.take(at.tolist()), _numbered(self.documents[at]), self.cluster_kind, self.note)

    @cached_property
    def whole(self) -> Writing:
        """The same texts, with the words that stand in their own prompts."""
        return replace(self, texts=Texts(self.texts.strings)) if isinstance(self.texts, PromptedTexts) else self

    def at_most(self, characters: int, records: int) -> Writing:
        """The first texts that hold no more than so many characters together; at least one."""
        fitting = int(np.searchsorted(np.cumsum(self.texts.characters), characters, side="right"))
        number = max(1, min(fitting, records))
        return self if number >= len(self) else self.take(np.arange(number))

    def halves(self, rng: np.random.Generator) -> tuple[Writing, Writing]:
        """Two random halves; no document is in both."""
        number = int(self.documents.max(initial=-1)) + 1
        is_first = (rng.permutation(number) < number // 2)[self.documents]
        return self.take(np.flatnonzero(is_first)), self.take(np.flatnonzero(~is_first))

    def beside(self, other: Writing, size: int, rng: np.random.Generator) -> tuple[RunningWords, np.ndarray, int]:
        """`size` words of these texts and as many of the others: the words of both, the document of each text, (texts,), and how many documents are of these texts."""
        first, then = (side.sample.first(size, rng) for side in (self, other))
        own, others = (np.unique(side.clusters, return_inverse=True)[1] for side in (first, then))
        documents = int(own.max(initial=-1)) + 1
        return joined(first.words, then.words), np.concatenate([own, others + documents]), documents

    def one_of_each(self) -> Writing:
        """One text of each document: the others are no fresh ones."""
        first = np.unique(self.documents, return_index=True)[1]
        if first.size == len(self):
            return self
        note = f"one text of each of {first.size:,} documents"
        return replace(self.take(np.sort(first)), note="; ".join(filter(None, (self.note, note))))

    def whole_documents(self) -> Texts:
        """The texts of each document as one."""
        order = np.argsort(self.documents, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(self.documents[order])) + 1) if order.size else []
        return Texts(["\n".join(self.texts[i] for i in part.tolist()) for part in parts])


@remembered
def writings(table: Table) -> dict[str, Writing]:
    """The texts of every column of text of a table; missing ones are left out."""
    return {
        column: _writing(table, column, table.name, np.ones(table.frame.height, bool), CHARACTERS)
        for column in table.of_kind("text")
    }


@remembered
def prompted_writings(table: Table) -> dict[str, Writing]:
    """`writings` beside their prompts, of a table that has them."""
    return {
        column: _writing(table, column, table.name, np.ones(table.frame.height, bool), CHARACTERS, beside_prompts=True)
        for column in table.of_kind("text")
    }


def writings_inside(table: Table, column: str, group_column: str, group: str, beside_prompts: bool = False) -> Writing:
    """The texts of a column of text that a group wrote, beside their prompts where they are asked for."""
    known, key = _inside(table), (column, group_column, group, beside_prompts)
    if key not in known:
        name = f"this group of {table.name}"
        is_wanted = is_group(table, group_column, group)
        known[key] = _writing(table, column, name, is_wanted, CHARACTERS_INSIDE, beside_prompts=beside_prompts)
    return known[key]


@remembered
def _inside(table: Table) -> dict[tuple[str, str, str, bool], Writing]:
    """What was read of the groups of a table, filled as they are asked for."""
    return {}


def _writing(
    table: Table, column: str, name: str, is_wanted: np.ndarray, characters: int, *, beside_prompts: bool = False
) -> Writing:
    """The texts of the rows that are wanted, (rows in frame,), or so many characters of them, in random order (`_scattered`)."""
    values = table.frame[column]
    rows = np.flatnonzero(values.is_not_null().to_numpy() & is_wanted)
    strings = values[rows].to_list()
    if beside_prompts:  # equal texts after different prompts have an order of their own too
        strings = [f"{text}\0{prompt}" for text, prompt in zip(strings, _prompts(table, rows), strict=True)]
    rows = rows[_scattered(strings, _named_documents(table, rows))]
    lengths = np.minimum(values.str.len_chars().to_numpy()[rows], LONGEST) if rows.size else np.zeros(0)
    fitting = int(np.searchsorted(np.cumsum(lengths), characters, side="right")) if rows.size else 0
    chosen = rows[: max(1, fitting)]
    read = texts(values[chosen].str.slice(0, LONGEST))
    if beside_prompts:
        read = PromptedTexts(read.strings, texts(_prompts(table, chosen)))
    remarks = []
    if chosen.size < rows.size:
        remarks.append(f"a sample of {chosen.size:,} of {rows.size:,} texts of {name}")
    if cut := int((values[chosen].str.len_chars() > LONGEST).sum()):
        remarks.append(f"{amount(cut, 'text')} of {name} are cut after {LONGEST:,} characters")
    documents, document = _documents(table, chosen)
    return Writing(chosen, read, documents, document, "; ".join(remarks))


def _prompts(table: Table, rows: np.ndarray) -> list[str]:
    """The prompt of each row; none where it is missing."""
    return table.records[PROMPT][rows].fill_null("").str.slice(0, LONGEST).to_list()


def _scattered(strings: Sequence[str], documents: Sequence[str | None] | None) -> np.ndarray:
    """A random-looking order of texts, (n,), that is the same in whatever order they are given.

    A text's place is a hash of its words, of its document, and of how many like it stand before it: so texts that are repeated are scattered as
    any others are, and the first so many are a fair sample. All places depend on the whole set too: two sets that share texts are sampled
    independently, as two sets are that share none.
    """
    keys = _digests(strings)
    if documents is not None:
        keys = mixed(keys) + _digests([document or "" for document in documents])
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    first = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])) if ranked.size else np.empty(0, int)
    before = np.empty(keys.size, np.uint64)
    before[order] = np.arange(keys.size) - np.repeat(first, np.diff(np.append(first, keys.size)))
    return np.argsort(mixed(mixed(keys + mixed(keys.sum(keepdims=True))) + before), kind="stable")


def _digests(strings: Sequence[str]) -> np.ndarray:
    """A 64-bit digest of each string, (n,)."""
    digests = b"".join(hashlib.blake2b(string.encode(), digest_size=8).digest() for string in strings)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def _named_documents(table: Table, rows: np.ndarray) -> list[str | None] | None:
    """The document that the data say each row is cut from, None where they say none; None where no row says one."""
    import polars as pl

    if DOCUMENT not in table.records.columns:
        return None
    named = table.records[DOCUMENT][rows].cast(pl.String, strict=False).to_list()
    return [None if name == "-1" else name for name in named]


def _documents(table: Table, rows: np.ndarray) -> tuple[np.ndarray, str]:
    """The document of each row as a number, and what it is called."""
    named = _named_documents(table, rows)
    if named is None:
        return np.arange(rows.size), "records"
    own = (f"\0{i}" if name is None else name for i, name in enumerate(named))
    return _numbered(np.array(list(own), dtype=object)), "documents"


def _numbered(names: np.ndarray) -> np.ndarray:
    return np.unique(names, return_inverse=True)[1]


def notes(*sides: Writing) -> str:
    """What is a sample of what, on any side."""
    return "; ".join(dict.fromkeys(side.note for side in sides if side.note))


def called(*sides: Writing) -> str:
    """What is independent on all sides: documents if any side knows them."""
    return "documents" if any(side.cluster_kind == "documents" for side in sides) else "records"


__all__: Sequence[str] = ["Writing", "called", "notes", "prompted_writings", "writings", "writings_inside"]
