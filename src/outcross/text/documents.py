"""Splitting of human documents, and cutting them into blocks of tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from outcross.data import HUMAN, Human, Part, part_of
from outcross.data.records import Blocks, blocks
from outcross.errors import BadInput
from outcross.recipe import recipe
from outcross.text.gathering import Document
from outcross.wording import amount


@dataclass(frozen=True)
class Sides:
    """Documents, split."""

    training: list[Document]
    reference: list[Document]
    validation: list[Document]


LINES = 1000
"""Number of lines whose tokens are cut into blocks together, if every line has a start token."""


class TextForm:
    """The form of text for a learner: a vocabulary, and blocks of its tokens."""

    block: int
    bos: Literal["none", "line"] = "none"

    def learn_vocabulary(self, texts: Sequence[str]) -> Any:
        """Return the vocabulary, which is learned from the training documents or read from files."""
        raise NotImplementedError

    def load_vocabulary(self, path: Path) -> Any:
        raise NotImplementedError

    def cut(
        self, documents: Sequence[Document], rows: int, held_out: float, rng: np.random.Generator, held_out_rows: int | None = None
    ) -> Human:
        """Split the documents, learn the vocabulary, and divide the training blocks into original rows, holdout and reserve.

        Blocks are cut within documents, and the rest at the end of a document is dropped. The original rows, the holdout (of the same size) and
        the reserve (the rest) are disjoint random draws from the same training blocks, so the holdout is a second human sample of the same kind.
        Every group has its proportional share of the rows, and the same number in the holdout. The reference has at most `held_out_rows` random
        blocks of the held-out documents, and the validation text has at most a quarter of this number; None uses all blocks.
        """
        sides = split(documents, held_out, rng)
        vocabulary = self.learn_vocabulary([document.text for document in sides.training])
        every = self._blocks(sides.training, vocabulary)
        if len(every) < rows:
            raise BadInput(
                f"the training documents hold {amount(len(every), 'block')} of {self.block} tokens, but human.rows requires {rows}; lower human.rows or block, or give more text"
            )
        training, holdout, reserve = deal(every.column("_group"), rows, rng)
        reference, validation = (self._blocks(side, vocabulary) for side in (sides.reference, sides.validation))
        if held_out_rows is not None:
            reference, validation = _at_most(held_out_rows, reference, rng), _at_most(held_out_rows // 4, validation, rng)
        return Human(
            training=part_of(HUMAN, every.take(training)),
            reference=_part(reference),
            validation=_part(validation),
            holdout=_part(every.take(holdout)),
            reserve=_part(every.take(reserve)),
            continuations=_continuations(every, training),
            windows=self._windows(sides.training, vocabulary),
            vocabulary=vocabulary,
            note=_note(documents, sides, every),
        )

    def _blocks(self, documents: Sequence[Document], vocabulary: Any) -> Blocks:
        cut = self._cut_lines if self.bos == "line" else self._cut_documents
        table, document = cut(documents, vocabulary)
        group = [documents[i].group for i in document.tolist()]
        return blocks(
            table,
            vocabulary.decode(table),
            vocabulary.byte_lengths[table].sum(axis=1),
            document=document,
            group=np.array(group, dtype=object),
        )

    def _cut_documents(self, documents: Sequence[Document], vocabulary: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return blocks within documents, (m, block), and the document of each block, (m,)."""
        tokens = vocabulary.encode([document.text for document in documents])
        cut = [self._whole(ids, self.block) for ids in tokens]
        table = np.concatenate(cut) if cut else np.empty((0, self.block), dtype=np.int32)
        return table, np.repeat(np.arange(len(cut)), [len(blocks) for blocks in cut])

    def _cut_lines(self, documents: Sequence[Document], vocabulary: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return blocks of the tokens of 1,000 lines at a time, (m, block), and the document in which each block begins, (m,).

        Every line begins with the start token, including blank lines, and the rest of 1,000 lines is dropped, as in the published code of
        Shumailov et al. (Nature 2024). So a block can extend from one document into the next.
        """
        lines, document_of = _lines(documents)
        tokens = _started(lines, vocabulary)
        cut, begins = [np.empty((0, self.block), dtype=np.int32)], [np.empty(0, dtype=np.int64)]
        for first in range(0, len(lines), LINES):
            some = tokens[first : first + LINES]
            blocks_of_lines = self._whole(np.concatenate(some), self.block)
            cut.append(blocks_of_lines)
            document = np.repeat(document_of[first : first + LINES], [len(ids) for ids in some])
            begins.append(document[: blocks_of_lines.size : self.block])
        return np.concatenate(cut), np.concatenate(begins)

    @staticmethod
    def _whole(ids: np.ndarray, width: int) -> np.ndarray:
        """Reshape tokens into rows of the given width, and drop the rest."""
        return ids[: len(ids) // width * width].reshape(-1, width)

    def _windows(self, documents: Sequence[Document], vocabulary: Any) -> np.ndarray | None:
        """Return all training text, document after document, as windows of two blocks, (m, 2 block)."""
        if self.bos == "line":
            tokens = _started(_lines(documents)[0], vocabulary)
        else:
            tokens = vocabulary.encode([document.text + "\n" for document in documents])
        return self._whole(np.concatenate(tokens), 2 * self.block)


@recipe
class TokenBlocks(TextForm):
    """Text as blocks of byte-level BPE tokens. The vocabulary is learned from the training documents only."""

    libraries = ("numpy", "polars", "tokenizers")

    block: Annotated[int, Field(ge=2)]
    """Number of tokens in a record."""
    vocabulary: Annotated[int, Field(ge=257)]
    """Size of the vocabulary, including the start token and the 256 bytes."""
    bos: Literal["none", "line"] = "none"
    """Start tokens within the text: none, or one before every line."""

    def learn_vocabulary(self, texts):
        from outcross.text.vocabulary import Vocabulary

        return Vocabulary.train(texts, self.vocabulary)

    def load_vocabulary(self, path):
        from outcross.text.vocabulary import Vocabulary

        return Vocabulary.load(path)


def split(documents: Sequence[Document], held_out: float, rng: np.random.Generator) -> Sides:
    """Split whole documents, group by group: a share `held_out` for the reference, a quarter of this share for validation, the rest for training."""
    sides = Sides([], [], [])
    groups: dict[str, list[Document]] = {}
    for document in documents:
        groups.setdefault(document.group, []).append(document)
    for _, members in sorted(groups.items()):
        shuffled = [members[i] for i in rng.permutation(len(members))]
        out = min(max(1, round(held_out * len(shuffled))), len(shuffled) - 1)  # 0 if there is only one document
        checked = min(round(held_out / 4 * len(shuffled)), len(shuffled) - 1 - out)
        sides.reference.extend(shuffled[:out])
        sides.validation.extend(shuffled[out : out + checked])
        sides.training.extend(shuffled[out + checked :])
    if not sides.reference or not sides.training:
        raise BadInput(f"{len(documents)} documents cannot be split into training text and held-out text; give more text")
    return sides


def deal(groups: Sequence[str] | np.ndarray, rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return three disjoint random sets of rows: `rows` rows, the same number again if there are enough, and the rest.

    The first two are stratified by group. The share of a group is its fraction of all rows, rounded by the largest remainder (Hamilton), so that the
    sum is exactly `rows`.
    """
    order = rng.permutation(len(groups))
    number = np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1][order]
    sizes = np.bincount(number)
    quota = proportional(sizes, rows)[number]
    by_group = np.argsort(number, kind="stable")
    rank = np.empty_like(number)
    rank[by_group] = np.arange(number.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[rank < quota], order[(rank >= quota) & (rank < 2 * quota)], order[rank >= 2 * quota]


def proportional(sizes: np.ndarray, seats: int) -> np.ndarray:
    """Return whole numbers in proportion to the sizes, with the sum `seats`, by the largest remainder.

    >>> proportional(np.array([60, 25, 15]), 5).tolist()
    [3, 1, 1]
    """
    exact = sizes.astype(np.int64) * seats
    shares, remainders = np.divmod(exact, sizes.sum())
    shares[np.argsort(-remainders, kind="stable")[: seats - shares.sum()]] += 1
    return shares


def _lines(documents: Sequence[Document]) -> tuple[list[str], np.ndarray]:
    """Return the lines of documents with line breaks, and the document of each line, (lines,). Blank lines are empty, as in the published code."""
    lines = [[f"{line}\n" if line.strip() else "" for line in document.text.split("\n")] for document in documents]
    return [line for own in lines for line in own], np.repeat(np.arange(len(lines)), [len(own) for own in lines])


def _started(lines: Sequence[str], vocabulary: Any) -> list[np.ndarray]:
    """Return the tokens of each line, preceded by the start token."""
    start = np.array([vocabulary.start], dtype=np.int32)
    return [np.concatenate((start, ids)) for ids in vocabulary.encode(lines)]


def _at_most(rows: int, every: Blocks, rng: np.random.Generator) -> Blocks:
    """Return `rows` random blocks in their order, stratified by group; all blocks if there are no more."""
    return every if len(every) <= rows else every.take(np.sort(deal(every.column("_group"), rows, rng)[0]))


def _part(every: Blocks) -> Part | None:
    return part_of(HUMAN, every) if len(every) else None


def _continuations(every: Blocks, training: np.ndarray) -> Part | None:
    """Return the block after each training row, if its document has one. `_prompt` is the row that the block continues."""
    import polars

    document = every.column("_document")
    follows = np.append(document[1:] == document[:-1], False)
    places = np.flatnonzero(follows[training])
    if not len(places):
        return None
    frame = every.take(training[places] + 1).frame.with_columns(_prompt=polars.Series(places, dtype=polars.Int32))
    return part_of(HUMAN, Blocks(frame))


def _note(documents: Sequence[Document], sides: Sides, every: Blocks) -> dict[str, Any]:
    digest = hashlib.sha256()
    for document in documents:
        digest.update(document.group.encode() + b"\0" + document.text.encode() + b"\0")
    return {
        "sha256": digest.hexdigest(),
        "documents": {
            "all": len(documents),
            "training": len(sides.training),
            "reference": len(sides.reference),
            "validation": len(sides.validation),
        },
        "bytes": sum(len(document.text.encode()) for document in documents),
        "training_blocks": len(every),
    }
