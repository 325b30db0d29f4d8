"""Samples of the texts of a column, with their words. They are computed once for all aspects."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from outcross.data.bits import pseudo_random
from outcross.data.tables import Table
from outcross.measures.groups import is_group
from outcross.measures.tabular import DOCUMENT, PROMPT
from outcross.runtime.remembered import remembered
from outcross.text.lexicon import Sample
from outcross.text.texts import PromptedTexts, Texts, texts
from outcross.text.words import RunningWords, joined
from outcross.wording import amount

CHARACTERS = 20_000_000
"""Maximum number of characters that are read of a column, about three and a half million words of English."""
CHARACTERS_INSIDE = 2_000_000
"""Maximum number of characters that are read of a column inside a group. Ten groups are as much as the whole column."""
LONGEST = 200_000
"""Maximum number of characters that are read of one text."""


@dataclass(frozen=True, eq=False)
class Writing:
    """The texts of one column of one side, and the document of each text.

    Their order looks random and depends on their content. Documents are independent.
    """

    rows: np.ndarray
    """The row of each text in the frame, (n,)."""
    texts: Texts
    documents: np.ndarray
    """The document of each text as a number 0, 1, …, (n,)."""
    cluster_kind: str
    """The name of the independent units: documents if the data name them, else records."""
    note: str = ""
    """A note on what was sampled or cut."""

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def sample(self) -> Sample:
        """The words of the texts, with the documents as independent units."""
        return Sample(self.texts.words, self.documents, self.cluster_kind)

    def take(self, at: np.ndarray) -> Writing:
        """Return the texts at these places, in that order."""
        return Writing(self.rows[at], self.texts.take(at.tolist()), _numbered(self.documents[at]), self.cluster_kind, self.note)

    @cached_property
    def whole(self) -> Writing:
        """The same texts, with all their words, including those that stand in their own prompts."""
        return replace(self, texts=Texts(self.texts.strings)) if isinstance(self.texts, PromptedTexts) else self

    def at_most(self, characters: int, records: int) -> Writing:
        """Return the first texts with at most `characters` characters and `records` texts in total, but at least one text."""
        fitting = int(np.searchsorted(np.cumsum(self.texts.characters), characters, side="right"))
        number = max(1, min(fitting, records))
        return self if number >= len(self) else self.take(np.arange(number))

    def halves(self, rng: np.random.Generator) -> tuple[Writing, Writing]:
        """Return two random halves. No document is in both."""
        number = int(self.documents.max(initial=-1)) + 1
        is_first = (rng.permutation(number) < number // 2)[self.documents]
        return self.take(np.flatnonzero(is_first)), self.take(np.flatnonzero(~is_first))

    def beside(self, other: Writing, size: int, rng: np.random.Generator) -> tuple[RunningWords, np.ndarray, int]:
        """Take `size` words of these texts and as many words of the other texts.

        Returns the words of both, the document of each text, (texts,), and the number of documents of these texts.
        """
        first, then = (side.sample.first(size, rng) for side in (self, other))
        own, others = (np.unique(side.clusters, return_inverse=True)[1] for side in (first, then))
        documents = int(own.max(initial=-1)) + 1
        return joined(first.words, then.words), np.concatenate([own, others + documents]), documents

    def one_of_each(self) -> Writing:
        """Return one text of each document, because texts of the same document are not independent."""
        first = np.unique(self.documents, return_index=True)[1]
        if first.size == len(self):
            return self
        note = f"one text of each of {first.size:,} documents"
        return replace(self.take(np.sort(first)), note="; ".join(filter(None, (self.note, note))))

    def whole_documents(self) -> Texts:
        """Return the texts of each document joined into one text."""
        order = np.argsort(self.documents, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(self.documents[order])) + 1) if order.size else []
        return Texts(["\n".join(self.texts[i] for i in part.tolist()) for part in parts])


@remembered
def writings(table: Table) -> dict[str, Writing]:
    """Return the texts of every column of text of a table. Missing texts are left out."""
    return {
        column: _writing(table, column, table.name, np.ones(table.frame.height, bool), CHARACTERS)
        for column in table.of_kind("text")
    }


@remembered
def prompted_writings(table: Table) -> dict[str, Writing]:
    """Return `writings` with the prompts of the texts, for a table that has prompts."""
    return {
        column: _writing(table, column, table.name, np.ones(table.frame.height, bool), CHARACTERS, beside_prompts=True)
        for column in table.of_kind("text")
    }


def writings_inside(table: Table, column: str, group_column: str, group: str, beside_prompts: bool = False) -> Writing:
    """Return the texts of one group in a column of text, with their prompts if requested."""
    known, key = _inside(table), (column, group_column, group, beside_prompts)
    if key not in known:
        name = f"this group of {table.name}"
        is_wanted = is_group(table, group_column, group)
        known[key] = _writing(table, column, name, is_wanted, CHARACTERS_INSIDE, beside_prompts=beside_prompts)
    return known[key]


@remembered
def _inside(table: Table) -> dict[tuple[str, str, str, bool], Writing]:
    """Return the cache of the texts that were read of the groups of a table."""
    return {}


def _writing(
    table: Table, column: str, name: str, is_wanted: np.ndarray, characters: int, *, beside_prompts: bool = False
) -> Writing:
    """Return the texts of the rows where `is_wanted`, (rows in frame,), in random order (`_scattered`), up to a number of characters."""
    values = table.frame[column]
    rows = np.flatnonzero(values.is_not_null().to_numpy() & is_wanted)
    strings = values[rows].to_list()
    if beside_prompts:  # so that equal texts with different prompts have a fixed order too
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
        remarks.append(f"{amount(cut, 'text')} of {name} cut after {LONGEST:,} characters")
    documents, document = _documents(table, chosen)
    return Writing(chosen, read, documents, document, "; ".join(remarks))


def _prompts(table: Table, rows: np.ndarray) -> list[str]:
    """Return the prompt of each row, an empty one if it is missing."""
    return table.records[PROMPT][rows].fill_null("").str.slice(0, LONGEST).to_list()


def _scattered(strings: Sequence[str], documents: Sequence[str | None] | None) -> np.ndarray:
    """Return an order of texts, (n,), that looks random and does not depend on the order in which they are given.

    The place of a text is a hash of its content, of its document, and of the number of equal texts before it. Repeated texts are therefore scattered
    like all others, and the first texts are a fair sample. Each place also depends on the whole set, so that two sets are sampled independently even
    if they share texts.
    """
    keys = _digests(strings)
    if documents is not None:
        keys = pseudo_random(keys) + _digests([document or "" for document in documents])
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    first = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1])) if ranked.size else np.empty(0, int)
    before = np.empty(keys.size, np.uint64)
    before[order] = np.arange(keys.size) - np.repeat(first, np.diff(np.append(first, keys.size)))
    return np.argsort(pseudo_random(pseudo_random(keys + pseudo_random(keys.sum(keepdims=True))) + before), kind="stable")


def _digests(strings: Sequence[str]) -> np.ndarray:
    """Return a 64-bit digest of each string, (n,)."""
    digests = b"".join(hashlib.blake2b(string.encode(), digest_size=8).digest() for string in strings)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def _named_documents(table: Table, rows: np.ndarray) -> list[str | None] | None:
    """Return the document that each row is cut from, None for a row without one. Returns None if the table has no column of documents."""
    import polars as pl

    if DOCUMENT not in table.records.columns:
        return None
    named = table.records[DOCUMENT][rows].cast(pl.String, strict=False).to_list()
    return [None if name == "-1" else name for name in named]


def _documents(table: Table, rows: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the document of each row as a number, and the name of the units: documents, or records if the data name no documents."""
    named = _named_documents(table, rows)
    if named is None:
        return np.arange(rows.size), "records"
    own = (f"\0{i}" if name is None else name for i, name in enumerate(named))
    return _numbered(np.array(list(own), dtype=object)), "documents"


def _numbered(names: np.ndarray) -> np.ndarray:
    return np.unique(names, return_inverse=True)[1]


def notes(*sides: Writing) -> str:
    """Return the notes of all sides on what was sampled or cut."""
    return "; ".join(dict.fromkeys(side.note for side in sides if side.note))


def called(*sides: Writing) -> str:
    """Return the name of the independent units of all sides: documents if any side has them, else records."""
    return "documents" if any(side.cluster_kind == "documents" for side in sides) else "records"


__all__: Sequence[str] = ["Writing", "called", "notes", "prompted_writings", "writings", "writings_inside"]
