"""Which of the rare words of human text still occur?"""

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
"""Minimum number of rare words that occur in fresh human text."""
NAMED = 12
"""Maximum number of missing words that a note names."""


@recipe
class RareWords(OfTexts):
    """Share of the rare words of human text that still occur, by how often people use them. It shows early collapse, which perplexity hides.

    The number of words that occur depends on the amount of text. The words are therefore searched in synthetic text and in equally many words of
    other human text, and the reading is the ratio of the two. A third set of human texts determines which words are rare, so that the two compared
    sets differ only in their labels under the null. A permutation of documents (or of records if documents are not known) gives the null and the
    width of the interval. The rare words of a document occur together (a name, a foreign phrase), which an interval over words would ignore. Inside a
    group, the rare words are those of its own text.

    A model that continues human text copies words of its own prompt. The survival is therefore also read without them: a word that stands in the
    prompt of a text does not count in that text, on both sides. Both sides have equally many written words, so a model that only copies keeps no rare
    word.
    """

    max_groups: Annotated[int, Field(ge=0)] = INSIDE
    """Maximum number of groups of a column whose rare words are read, those with the most human records first."""

    aspect = "tails"
    pages = {
        "rare_words": Page(
            "TA7", "rare words", "Of the words that occur 1, 2, 3–5 or 6–10 times in human text, the share that occurs in the synthetic text, divided by the share that occurs in equally many words of other human text. The other text is the holdout. "
            "Without a holdout it is half of the reference, and the other half determines which words are rare.",
            unit="ratio", healthy=1.0, collapsed="towards 0, the rarest words first",
            margin=0.9, worse="smaller", role="tail", preference=2, paper="Shumailov et al., Nature 631:755, 2024; Dohmatob et al., ICML 2024, arXiv 2402.07043",
        ),
    }  # fmt: skip
    pages |= {"rare_words_beyond_prompt": without_prompt(pages["rare_words"], "TA8", preference=1)}

    def __call__(self, evidence, rng):
        plain = list(self._survivals(evidence, "rare_words", rng))
        yield from plain
        beyond = "rare_words" + BEYOND
        (own,) = rng.spawn(1)  # so that these readings do not depend on how many random numbers the others used
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
    """Words of known human text, searched in synthetic text and in equally many words of other human text."""

    words: RunningWords
    """The words of the known human texts, then of the synthetic texts, then of the other human texts."""
    known: int
    """Number of known human texts."""
    documents: np.ndarray
    """The document of each synthetic text and then of each other human text, (texts,). Documents of synthetic texts have the first numbers."""
    drawn: int
    """Number of documents of the synthetic texts."""
    size: int
    """Number of words of the synthetic texts, and also of the other human texts."""
    note: str

    @cached_property
    def sizes(self) -> np.ndarray:
        """Number of words of each document of the synthetic and the other human texts, (documents,)."""
        return np.bincount(self.documents, self.words.per_block[self.known :])

    def reading(self, page: str, column: str, band: str, rng: np.random.Generator) -> Reading:
        try:
            estimate, null, missing = self._survival(band, rng)
        except NotApplicable as why:
            return unread(page, str(why), at=band, column=column)
        note = "; ".join(filter(None, (missing, f"in {self.size:,} words", self.note)))
        return Reading(page, estimate, null, at=band, column=column, note=note)

    def _survival(self, band: str, rng: np.random.Generator) -> tuple[Estimate, Null, str]:
        """Return the ratio, its null, and a note that names missing words."""
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
            raise NotApplicable(
                f"{human} words of this frequency occur in fresh human text, but at least {FEWEST} are needed; give more text"
            )
        estimate, null = fewer_kinds(held_in(kinds, documents, rare.size, self.sizes.size), is_drawn, self.sizes, rng)
        missing = rare[in_human & ~in_drawn]
        names = sorted(self.words.spellings[i] for i in missing[np.argsort(-counts[missing], kind="stable")][:NAMED].tolist())
        return estimate, null, f"missing, such as {', '.join(names)}" if names and estimate.value < 1 else ""
