"""The texts and prompts of a run: those of the model, and comparable human texts with prompts.

A model that continues human text copies words from its own prompt, so a word that still occurs may only have been copied. Therefore some readings
leave out the words of each text's own prompt, and compare with human text whose own prompts are left out in the same way. This human text is what
people wrote after the same blocks (`Human.continuations`), without the continuations that generation 0 learned from. Only the records that were
written after these blocks are compared with it. If fewer than a tenth of the blocks have such a continuation, it is other human text with randomly
assigned prompts of the same group and of other documents. People repeat words of the text before them and not of random text, so random prompts
remove fewer words, and honest continuations look worse in this comparison than they are.
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
"""Minimum share of the human blocks with a continuation that generation 0 did not learn from, for continuations to be the human side."""
FEWEST = 30
"""Minimum number of such continuations."""
PAIRING = 0x0C
"""The random stream that pairs human text with prompts. It is the same at every generation."""
CONTINUATIONS = "what people wrote after the same blocks"
PERMUTED = "other human text with random prompts of other documents"


@dataclass(frozen=True, eq=False)
class Prompted:
    """Blocks of text, each with its prompt."""

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
    """Text of a model and text of people that are compared, each block with its prompt."""

    drawn: Prompted
    rows: np.ndarray
    """The rows of the given records that are compared, (drawn,), ascending."""
    human: Prompted
    how: str
    """A description of the human side for notes."""


def compared(evidence: Evidence, rows: np.ndarray | None = None) -> Compared:
    """Return the texts that are compared without the words of prompts, from all drawn records or from these rows.

    Raises NotApplicable if the prompts are not known or are part of the records.
    """
    drawn, human = drawn_after_prompts(evidence), evidence.human
    drawn = drawn if rows is None else drawn.take(rows)
    training, every = human.training.records, np.arange(len(drawn.prompts))
    other = training if human.holdout is None else human.holdout.records
    if not any(drawn.prompts):
        return Compared(drawn, every, Prompted(other, [""] * len(other)), "human text without prompts")
    fresh = fresh_continuations(training, human)
    if fresh is None:
        return Compared(drawn, every, Prompted(other, _dealt(training, other)), PERMUTED)
    assert human.continuations is not None
    continued = human.continuations.records.take(fresh)
    places = continued.column("_prompt")
    same = np.flatnonzero(np.isin(drawn.blocks.column("_prompt"), places))
    if not same.size:
        raise NotApplicable("no record continues a human block that people also continued")
    texts = training.texts
    return Compared(drawn.take(same), same, Prompted(continued, [texts[place] for place in places.tolist()]), CONTINUATIONS)


def drawn_after_prompts(evidence: Evidence) -> Prompted:
    """Return the drawn blocks with their prompts. A block without a prompt has an empty one.

    If the model continued its predecessor's records, record i has prompt i modulo their number. In that case `_prompt` is the human block
    at the start of the chain of continuations.
    """
    draw = Draw(**json.loads(evidence.decoding or "{}"))
    blocks: Blocks = evidence.drawn
    if draw.prefix:
        raise NotApplicable(
            f"the records start with the first {draw.prefix} tokens of their prompt, so its words cannot be left out"
        )
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
    """Return the rows of the human continuations that are not training blocks themselves. None if they are too few to represent human text."""
    if human.continuations is None:
        return None
    learned = set(_named(training))
    rows = np.flatnonzero([block not in learned for block in _named(human.continuations.records)])
    return rows if rows.size >= max(FEWEST, CONTINUED * len(training)) else None


def _named(blocks: Blocks) -> list[tuple[int, str]]:
    """Return the document and the text of each block, which together identify the block."""
    return list(zip(blocks.column("_document").tolist(), blocks.texts, strict=True))


def _dealt(training: Blocks, other: Blocks) -> list[str]:
    """Return a prompt for each of `other` human blocks: a training block of the same group and of another document, if there is one."""
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
