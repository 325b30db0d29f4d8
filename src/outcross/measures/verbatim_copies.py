"""How many texts have long passages that occur word for word in other texts?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from outcross.estimate import Estimate, NotApplicable, Null, read_off
from outcross.measures import Measure, Page, Pointed, read_with_null
from outcross.measures.of_texts import OfTexts, written
from outcross.measures.tabular import as_dealt_table
from outcross.measures.writing import Writing, called, notes, writings
from outcross.recipe import recipe
from outcross.statistics import clusters
from outcross.statistics.beyond import limit_or_farthest
from outcross.statistics.floors import larger_share
from outcross.text.copies import RUN, Verbatim, verbatim, verbatim_elsewhere
from outcross.wording import amount

CHARACTERS = 4_000_000
"""Maximum number of characters of synthetic texts, and of fresh human texts, that are searched for in the reference."""
RECORDS = 50_000
HALF = 0.5
"""Minimum share of the runs of a text that occur in the reference for the text to count as copied."""
LONGEST = 0.01
"""Share of human records whose longest copied run counts as long by definition."""
FEWEST = 30
"""Minimum number of texts of at least eight words per side."""
POINTED = 200
PAIRED = 0.25
"""Effective number of independent texts per text, if texts are compared with others of their own set: copies come at least in pairs, and a single
text can match many."""


@recipe
class VerbatimCopies(OfTexts):
    """Texts with long passages that occur word for word in human text, compared with fresh human texts.

    Runs of eight words never cross the end of a text. Without a holdout, each human text is compared with the other documents of the reference.
    """

    aspect = "copying"
    pages = {
        "verbatim": Page(
            "CP3", "copied texts", "Share of texts (of at least eight words) of which at least half of the runs of eight words occur in the reference, compared with fresh human texts.",
            unit="fraction", healthy="the value for real data of this size", collapsed="rises above the healthy value",
            margin=0.01, worse="larger", margin_kind="difference", is_invention=True, role="copying", paper="Brown et al., arXiv 2005.14165, appendix C (runs of words); Lee et al., ACL 2022, arXiv 2107.06499",
        ),
        "longest_run": Page(
            "CP4", "long copied runs", "Share of texts whose longest copied run of words is at least as long as that of the 1 % of fresh human texts with the longest copied runs, and at least eight words. A copied run occurs in the reference.",
            unit="fraction", healthy="the value for real data of this size", collapsed="rises above the healthy value",
            margin=0.01, worse="larger", margin_kind="difference", is_invention=True, role="copying", paper="Carlini et al., Quantifying Memorization, ICLR 2023, arXiv 2202.07646",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        for column in evidence.reference.of_kind("text"):
            sides = written(evidence, column)
            synthetic, reference, holdout = sides["synthetic"], sides["reference"], sides.get("holdout")
            own = _looked_up(synthetic, reference)
            if holdout is not None:
                human = _looked_up(holdout, reference)
            else:
                human = _copied(reference, verbatim_elsewhere(reference.texts.words, reference.documents), PAIRED)
            note = "; ".join(
                filter(None, (f"{amount(len(own), 'text')} in {len(reference):,} of the reference", notes(synthetic, reference)))
            )
            yield read_with_null("verbatim", lambda own=own, human=human: own.taken(human), column=column, note=note)
            yield read_with_null("longest_run", lambda own=own, human=human: own.long(human), column=column, note=note)
            yield from _pointed(own)


@recipe
class TrainingCopies(Measure):
    """Texts with long passages that occur word for word in the training text of this generation's model.

    `verbatim_copies` compares with human text instead.
    """

    libraries = (*Measure.libraries, "icu4py")
    aspect = "copying"
    needs = ("text",)
    pages = {
        "verbatim_training": Page(
            "CP5", "texts copied from training text", "Share of texts (of at least eight words) of which at least half of the runs of eight words occur in the text that the model of this generation learned from, human or synthetic.",
            unit="fraction", healthy="the share of fresh human texts", collapsed="towards 1",
            role="copying", paper="Carlini et al., Quantifying Memorization, ICLR 2023, arXiv 2202.07646",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        drawn, learned = (writings(as_dealt_table(blocks))["text"] for blocks in (evidence.drawn, evidence.training))
        yield read_off("verbatim_training", lambda: _looked_up(drawn, learned).taken_share)


def _looked_up(texts: Writing, source: Writing) -> Copied:
    some = texts.at_most(CHARACTERS, RECORDS)
    return _copied(some, verbatim(some.texts.words, source.texts.words))


def _pointed(own: Copied) -> Iterator[Pointed]:
    """Yield the texts with the largest copied shares."""
    many = np.flatnonzero(own.share >= HALF)
    many = many[np.argsort(-own.share[many], kind="stable")][:POINTED]
    if many.size:
        yield Pointed(
            "synthetic", own.rows[many], own.share[many], f"{HALF:.0%} or more of its runs of {RUN} words occur in the reference"
        )


@dataclass(frozen=True, eq=False)
class Copied:
    """The copied part of each text of eight words or more."""

    rows: np.ndarray
    share: np.ndarray
    """Share of the text's runs of eight words that occur in the source, (texts,)."""
    longest: np.ndarray
    """Number of words of the longest run that occurs in the source, (texts,)."""
    documents: np.ndarray
    cluster_kind: str
    """The name of the independent units."""
    worth: float
    """Effective number of independent texts per text, in (0, 1]."""

    def __len__(self) -> int:
        return self.rows.size

    @property
    def taken_share(self) -> Estimate:
        """The share of copied texts."""
        if not len(self):
            raise NotApplicable(f"no text has {RUN} words")
        return clusters.share(*_by_document(self.documents, self.share >= HALF), "texts", self.cluster_kind)

    def taken(self, human: Copied) -> tuple[Estimate, Null]:
        return self._more(human, self.share >= HALF, human.share >= HALF)

    def long(self, human: Copied) -> tuple[Estimate, Null]:
        if not len(human):
            raise NotApplicable("no human text has eight words")
        at = max(RUN, limit_or_farthest(np.sort(human.longest), LONGEST, "upper"))
        return self._more(human, self.longest >= at, human.longest >= at)

    def _more(self, human: Copied, own: np.ndarray, others: np.ndarray) -> tuple[Estimate, Null]:
        if min(len(self), len(human)) < FEWEST:
            raise NotApplicable(
                f"{len(self)} synthetic and {len(human)} human texts have {RUN} words, but copies are compared only from {FEWEST} per side on"
            )
        (hits, sizes), (human_hits, human_sizes) = _by_document(self.documents, own), _by_document(human.documents, others)
        estimate = clusters.share(hits, sizes, "texts", self.cluster_kind)
        n = max(1.0, clusters.effective_size(hits, sizes))
        m = max(1.0, human.worth * clusters.effective_size(human_hits, human_sizes))
        usual = float(others.mean())
        null = larger_share(round(float(own.mean()) * n), round(n), round(usual * m), round(m))
        return estimate, replace(null, typical=usual, floor=max(usual, null.floor or 0.0))


def _copied(writing: Writing, verbatim: Verbatim, worth: float = 1.0) -> Copied:
    there = writing.texts.words.per_block >= RUN
    rows, documents = writing.rows[there], writing.documents[there]
    return Copied(rows, verbatim.share[there], verbatim.longest[there], documents, called(writing), worth)


def _by_document(documents: np.ndarray, hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of hits and the number of texts of each document."""
    sizes = np.bincount(documents)
    return np.bincount(documents, hits, sizes.size)[sizes > 0], sizes[sizes > 0].astype(float)
