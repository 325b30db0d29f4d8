"""Which of the rare words of people still occur?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.estimate import Estimate, NotApplicable, Null, Reading
from outcross.measures import BEYOND, Evidence, Page, unread
from outcross.measures.groups import INSIDE
from outcross.measures.of_texts import (
    OfTexts,
    inside_groups,
    known_and_fresh,
    read_beyond_prompts,
    without_prompt,
    written,
    written_beside_prompts,
)
from outcross.measures.writing import Writing, notes
from outcross.recipe import recipe
from outcross.statistics.kinds import fewer_kinds, held_in
from outcross.text.lexicon import BANDS
from outcross.text.words import RunningWords, joined

FEWEST = 20
"""Rare words that fresh human text holds, below which their survival is not compared."""
NAMED = 12
"""Missing words that a note names."""


@recipe
class RareWords(OfTexts):
    """Which of the words that people seldom use still occur, by how often they use them: early collapse, which perplexity hides.

    How many occur depends on how much text there is to look in. So the words are looked up in synthetic text and in as many words of other human
    text, and the reading is the ratio of the two. Which words are rare is said by a third set of human texts, so that in both
    sets that are compared labels alone are drawn: documents (records, where nothing says from which document they are) are dealt anew
    into two sets, which gives the null and the width of the interval. The rare words of a document come and go together (a name, a
    foreign phrase), which an interval over words would overlook. Inside a group the rare words are those of its own text.

    A model that continues human text copies words of its own prompt. So the same is read without them: where a word stands in the prompt of
    a text, it does not count in that text, on both sides. As many words were written on both sides, so that a model that only copies keeps nothing.
    """

    max_groups: Annotated[int, Field(ge=0)] = INSIDE
    """The largest number of groups of a column whose rare words are looked up, those with most human records first."""

    aspect = "tails"
    pages = {
        "rare_words": Page(
            "TA7", "rare words", "Of the words that occur 1, 2, 3–5 or 6–10 times in human text, the share that occurs at all in the synthetic text, over the share that occurs in as many words of other human text: of the holdout, "
            "or of half of the reference, whose other half then says which words are rare.",
            unit="ratio", healthy=1.0, collapsed="towards 0, the rarest words first",
            margin=0.9, worse="smaller", role="tail", preference=2, paper="Shumailov et al., Nature 631:755, 2024; Dohmatob et al., ICML 2024, arXiv 2402.07043",
        ),
    }  # fmt: skip
    pages |= {"rare_words_beyond_prompt": without_prompt(pages["rare_words"], "TA8", preference=1)}

    def __call__(self, evidence, rng):
        plain = list(self._survivals(evidence, "rare_words", rng))
        yield from plain
        beyond = "rare_words" + BEYOND
        (own,) = rng.spawn(1)  # so that these numbers do not depend on how many random ones the others took
        yield from read_beyond_prompts(evidence, [beyond], plain, lambda prompted: self._survivals(prompted, beyond, own))

    def _survivals(self, evidence: Evidence, page: str, rng: np.random.Generator) -> Iterator[Reading]:
        beside = page.endswith(BEYOND)
        for column in evidence.reference.of_kind("text"):
            sides = (written_beside_prompts if beside else written)(evidence, column)
            yield from _survivals(page, column, sides, rng)
        yield from inside_groups(
            evidence, self.max_groups, page, lambda column, sides: _survivals(page, column, sides, rng), prompted=beside
        )


def _survivals(page: str, column: str, sides: Mapping[str, Writing], rng: np.random.Generator) -> Iterator[Reading]:
    try:
        looked_up = _looked_up(sides, rng)
    except NotApplicable as why:
        yield from (unread(page, str(why), at=band, column=column) for band in BANDS)
        return
    for band in BANDS:
        yield looked_up.reading(page, column, band, rng)


def _looked_up(sides: Mapping[str, Writing], rng: np.random.Generator) -> LookedUp:
    synthetic, human = sides["synthetic"], sides["reference"]
    known, other = known_and_fresh(sides, rng)
    size = min(len(synthetic.texts.words), len(other.texts.words))
    if size == 0:
        raise NotApplicable("no words in the synthetic or the human text")
    both, documents, drawn = synthetic.beside(other, size, rng)
    return LookedUp(joined(known.whole.texts.words, both), len(known), documents, drawn, size, notes(synthetic, human))


@dataclass(frozen=True, eq=False)
class LookedUp:
    """Words that human text knows, looked up in synthetic text and in as much other human text."""

    words: RunningWords
    """Of the texts that say how often each occurs, then of the synthetic ones, then of the other human ones."""
    known: int
    """Texts of the first."""
    documents: np.ndarray
    """The document of each text of the second and the third, (texts,); those of the synthetic ones come first."""
    drawn: int
    """Documents of the synthetic texts."""
    size: int
    """Words of the second, and of the third."""
    note: str

    @cached_property
    def sizes(self) -> np.ndarray:
        """Words of each document of the second and the third, (documents,)."""
        return np.bincount(self.documents, self.words.per_block[self.known :])

    def reading(self, page: str, column: str, band: str, rng: np.random.Generator) -> Reading:
        try:
            estimate, null, missing = self._survival(band, rng)
        except NotApplicable as why:
            return unread(page, str(why), at=band, column=column)
        note = "; ".join(filter(None, (missing, f"in {self.size:,} words", self.note)))
        return Reading(page, estimate, null, at=band, column=column, note=note)

    def _survival(self, band: str, rng: np.random.Generator) -> tuple[Estimate, Null, str]:
        """The ratio, its null, and which words are missing, in words."""
        rarest, commonest = BANDS[band]
        is_known = self.words.blocks < self.known
        counts = np.bincount(self.words.ids[is_known], minlength=len(self.words.spellings))
        rare = np.flatnonzero((counts >= rarest) & (counts <= commonest))
        place = np.full(counts.size, -1)
        place[rare] = np.arange(rare.size)
        here = ~is_known & (place[self.words.ids] >= 0)
        kinds, documents = place[self.words.ids[here]], self.documents[self.words.blocks[here] - self.known]
        is_drawn = np.arange(self.sizes.size) < self.drawn
        in_drawn, in_human = (np.bincount(kinds[is_drawn[documents] == side], minlength=rare.size) > 0 for side in (True, False))
        if (human := int(in_human.sum())) < FEWEST:
            raise NotApplicable(f"{human} of these words are in fresh human text, their survival needs {FEWEST}; give more text")
        estimate, null = fewer_kinds(held_in(kinds, documents, rare.size, self.sizes.size), is_drawn, self.sizes, rng)
        missing = rare[in_human & ~in_drawn]
        names = sorted(self.words.spellings[i] for i in missing[np.argsort(-counts[missing], kind="stable")][:NAMED].tolist())
        return estimate, null, f"missing, as {', '.join(names)}" if names and estimate.value < 1 else ""
