"""What was written after which prompt, in a run: by the model, and by people.

A model that continues human text takes words over from its own prompt, so that a word which is still there may only have been copied. What
is left without the words of the own prompt is read beside human text whose own prompts are left out in the same way. That is what people
wrote after the same blocks (`Human.continuations`), without those continuations that generation 0 learned from; only the records that
were written after these blocks are compared with it. Where fewer than a tenth of the blocks have such a continuation, it is other human
text beside prompts that are dealt to it at random, of the same group and of other documents. People take words over from the text before
them and from no other, so that this pairing leaves less out, and honest continuations look worse beside it than they are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from outcross.data import Human
from outcross.data.records import Blocks
from outcross.estimate import NotApplicable
from outcross.measures import Evidence
from outcross.models.draw import Draw
from outcross.text.words import RunningWords, beyond, count, words

CONTINUED = 0.1
"""Share of the human blocks that must have a continuation which generation 0 did not learn from, for continuations to be the human side."""
FEWEST = 30
"""Continuations below which they are not the human side."""
PAIRING = 0x0C
"""The stream of the pairing of human text with prompts: the same at every generation."""
CONTINUATIONS = "what people wrote after the same blocks"
PERMUTED = "other human text beside prompts of other documents, dealt at random"


@dataclass(frozen=True, eq=False)
class Prompted:
    """Blocks of text beside the text that each was written after."""

    blocks: Blocks
    prompts: list[str]

    def take(self, rows: np.ndarray) -> Prompted:
        return Prompted(self.blocks.take(rows), [self.prompts[row] for row in rows.tolist()])

    @cached_property
    def own(self) -> RunningWords:
        """The words of every block that do not stand in its own prompt."""
        return beyond(words(self.blocks), count(self.prompts)).own


@dataclass(frozen=True, eq=False)
class Compared:
    """What a model wrote and what people wrote, each block beside its prompt."""

    drawn: Prompted
    rows: np.ndarray
    """Which of the given records are compared, (drawn,), ascending."""
    human: Prompted
    how: str
    """What the human side is, in words."""


def compared(evidence: Evidence, rows: np.ndarray | None = None) -> Compared:
    """What is held against each other without the words of prompts, of all drawn records or of these rows.

    NotApplicable where the prompts are not known, or are kept in the records.
    """
    drawn, human = drawn_after_prompts(evidence), evidence.human
    drawn = drawn if rows is None else drawn.take(rows)
    training, every = human.training.records, np.arange(len(drawn.prompts))
    other = training if human.holdout is None else human.holdout.records
    if not any(drawn.prompts):
        return Compared(drawn, every, Prompted(other, [""] * len(other)), "human text, written after no prompt")
    fresh = fresh_continuations(training, human)
    if fresh is None:
        return Compared(drawn, every, Prompted(other, _dealt(training, other)), PERMUTED)
    assert human.continuations is not None
    continued = human.continuations.records.take(fresh)
    places = continued.column("_prompt")
    same = np.flatnonzero(np.isin(drawn.blocks.column("_prompt"), places))
    if not same.size:
        raise NotApplicable("no record was written after a human block that people continued too")
    texts = training.texts
    return Compared(drawn.take(same), same, Prompted(continued, [texts[place] for place in places.tolist()]), CONTINUATIONS)


def drawn_after_prompts(evidence: Evidence) -> Prompted:
    """What was drawn beside its prompts, empty ones where there were none.

    Where the model continued its predecessor's records, record i has the prompt i, starting over where there are too few; the row of the
    human block that `_prompt` names is then where the line of prompts began.
    """
    draw = Draw(**json.loads(evidence.decoding or "{}"))
    blocks: Blocks = evidence.drawn
    if draw.prefix:
        raise NotApplicable(f"records keep the first {draw.prefix} tokens of their prompt, so that its words are theirs")
    if evidence.has("prompts"):
        texts = evidence.prompts.texts
        return Prompted(blocks, [texts[i % len(texts)] for i in range(len(blocks))])
    rows = blocks.column("_prompt")
    if draw.prompts == "none" or (rows < 0).all():
        return Prompted(blocks, [""] * len(blocks))
    texts = evidence.human.training.records.texts
    if rows.min() < 0 or rows.max() >= len(texts) or draw.prompts == "newest":
        raise NotApplicable("the prompts of some records are not known")
    return Prompted(blocks, [texts[row] for row in rows.tolist()])


def fresh_continuations(training: Blocks, human: Human) -> np.ndarray | None:
    """The rows of the human continuations that are not training blocks themselves; None where they are too few to stand for what people write."""
    if human.continuations is None:
        return None
    learned = set(_named(training))
    rows = np.flatnonzero([block not in learned for block in _named(human.continuations.records)])
    return rows if rows.size >= max(FEWEST, CONTINUED * len(training)) else None


def _named(blocks: Blocks) -> list[tuple[int, str]]:
    """The document and the text of each block, which say together which block it is."""
    return list(zip(blocks.column("_document").tolist(), blocks.texts, strict=True))


def _dealt(training: Blocks, other: Blocks) -> list[str]:
    """A prompt for each of other human blocks: a training block of its group and of another document, where there is one."""
    rng = np.random.default_rng(PAIRING)
    groups = np.unique(np.concatenate((training.column("_group"), other.column("_group"))).astype(str), return_inverse=True)[1]
    of_training, of_other = groups[: len(training)], groups[len(training) :]
    documents, own = training.column("_document"), other.column("_document")
    prompts = np.zeros(len(other), dtype=int)
    for group in np.unique(of_other):
        there = rng.permutation(np.flatnonzero(of_training == group))
        rows = rng.permutation(np.flatnonzero(of_other == group))
        if not there.size:
            there = rng.permutation(len(training))
        places = np.arange(rows.size) % there.size
        for _ in range(there.size):
            clash = (documents[there[places]] == own[rows]) & (own[rows] >= 0)
            if not clash.any():
                break
            places[clash] = (places[clash] + 1) % there.size
        prompts[rows] = there[places]
    texts = training.texts
    return [texts[row] for row in prompts.tolist()]


__all__ = ["CONTINUATIONS", "PERMUTED", "Compared", "Prompted", "compared", "drawn_after_prompts", "fresh_continuations"]
