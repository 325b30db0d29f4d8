from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data.records import Blocks
from outcross.estimate import NotApplicable, Reading, exact, read_off
from outcross.measures import BEYOND, Evidence, Measure, Page, unread
from outcross.measures.of_prompts import Compared, Prompted, compared
from outcross.measures.of_texts import without_prompt
from outcross.models.draw import Draw
from outcross.recipe import recipe
from outcross.statistics.clusters import document_of, ratio_of_sums, totals
from outcross.text.lexicon import BANDS
from outcross.text.words import RunningWords, words

LOSSES = "Holtzman et al., arXiv 1904.09751 (truncation cuts tails); Drayson et al., arXiv 2502.15654 (decoding changes collapse)"


@recipe
class Decoding(Measure):
    """The loss of rare words, split into the part due to decoding and the part due to learning.

    One model is sampled twice: with the sampling settings of its arm, and fully, at temperature 1 without truncation. Both samples continue the same
    prompts. The model has learned the words that it still writes when sampled fully. Decoding lost the words that it then no longer writes with the
    settings of its arm. So, for each band of words,
    share in other human text - share written = (share in other human text - share written at temperature 1)
    + (share written at temperature 1 - share written) = learning + decoding.

    Both readings are also computed without the words of prompts: a word that stands in the prompt of a block does not count in that block, on all
    three sides.
    """

    libraries = (*Measure.libraries, "icu4py")
    aspect = "tails"
    needs = ("text",)
    pages = {
        "decoding_loss": Page(
            "DE1", "rare words lost by decoding", "Of the words of one frequency band in the human training text, the share that this model writes when sampled fully less the share "
            "that it writes with the sampling settings of its arm, after the same prompts.",
            unit="fraction", healthy=0.0, collapsed="the share that the model writes when sampled fully",
            worse="larger", role="decoding", preference=3, paper=LOSSES,
        ),
        "learning_loss": Page(
            "DE2", "rare words lost by learning", "Of the words of one frequency band in the human training text, the share that occurs in equally many blocks of other human text less the share that this model writes when sampled fully.",
            unit="fraction", healthy=0.0, collapsed="the share that occurs in equally many blocks of human text",
            worse="larger", role="decoding", preference=4, paper=LOSSES,
        ),
    }  # fmt: skip
    pages |= {
        "decoding_loss_beyond_prompt": without_prompt(pages["decoding_loss"], "DE3", preference=1),
        "learning_loss_beyond_prompt": without_prompt(pages["learning_loss"], "DE4", preference=2),
    }

    blocks: Annotated[int, Field(ge=20)] = 250
    """Number of blocks of each sample: the first of those that the arm drew, in the order of their prompts."""

    def __call__(self, evidence, rng):
        drawn, human, holdout = evidence.drawn, evidence.human.training.records, evidence.holdout
        n = min(self.blocks, len(drawn), len(holdout))
        if n == 0:
            raise NotApplicable("needs drawn records and a second human sample, but one of them is empty")
        draw = Draw(**json.loads(evidence.decoding or "{}"))
        rows = _first(drawn, n)
        as_drawn = drawn.take(rows)
        fully = as_drawn if draw.is_full else _fully(evidence, rows, draw.prefix, rng)
        other = holdout.take(rng.permutation(len(holdout))[:n])
        yield from _losses(human, words(as_drawn), words(fully), words(other), is_full=draw.is_full)
        try:
            own, full, floor = _beyond_prompts(compared(evidence, rows), fully, rng)
        except NotApplicable as why:
            yield from (unread(page, str(why)) for page in self.pages if page.endswith(BEYOND))
            return
        for reading in _losses(human, own, full, floor, is_full=draw.is_full):
            yield replace(reading, measure=reading.measure + BEYOND)


def _losses(human: Blocks, own: RunningWords, full: RunningWords, floor: RunningWords, *, is_full: bool) -> Iterator[Reading]:
    """Yield the losses by decoding and by learning for every band of human words.

    `own` are the words that the arm wrote, `full` those that its model writes when sampled fully, `floor` those of other human text.
    """
    clusters, document = _clusters_of(human)
    for band in BANDS:
        here = _band(words(human), band)
        in_own, in_full, in_floor = (words(human).are_in([text])[here].astype(float) for text in (own, full, floor))
        inside = words(human).first_cluster(clusters)[here]
        lost = exact(0.0, own.n) if is_full else None
        yield read_off(
            "decoding_loss",
            lambda a=in_full, b=in_own, inside=inside, lost=lost: lost or _difference(a, b, inside, document),
            at=band,
        )
        yield read_off("learning_loss", lambda a=in_floor, b=in_full, inside=inside: _difference(a, b, inside, document), at=band)


def _beyond_prompts(both: Compared, fully: Blocks, rng: np.random.Generator) -> tuple[RunningWords, ...]:
    """Return the words of both samples and of equally many human blocks, without those that stand in the prompt of their own block."""
    n = min(both.rows.size, len(both.human.blocks))
    others = np.sort(rng.permutation(len(both.human.blocks))[:n])
    own = both.drawn.take(np.arange(n))
    return own.own, Prompted(fully.take(both.rows[:n]), own.prompts).own, both.human.take(others).own


def _clusters_of(human: Blocks) -> tuple[np.ndarray, str]:
    """Return the cluster of each human block and the name of the clusters: its document, or the block itself if there is only one document."""
    document = document_of(human)
    return (document, "documents") if document.max(initial=0) > 0 else (np.arange(len(human)), "blocks")


def _first(drawn: Blocks, n: int) -> np.ndarray:
    """Return the first n blocks in the order of their prompts and then of their tokens, which does not depend on the given order."""
    return np.lexsort((*drawn.tokens.T[::-1], drawn.column("_prompt")))[:n]


def _fully(evidence: Evidence, rows: np.ndarray, prefix: int, rng: np.random.Generator) -> Blocks:
    """Sample the model at temperature 1 after the prompts of these records."""
    if getattr(evidence.model, "is_remote", False):
        raise NotApplicable("needs a second sample of the model, but a model on a server writes only its own records")
    if evidence.has("prompts"):
        prompts = evidence.prompts.take(rows % len(evidence.prompts))
    else:
        places = evidence.drawn.column("_prompt")[rows]
        if (places < 0).any():
            raise NotApplicable("needs prompts to sample again; write draw.prompts: human or newest")
        prompts = evidence.human.training.records.take(places)
    return evidence.model.sample(Draw(records=len(rows), prefix=prefix), prompts, rng)


def _band(human: RunningWords, band: str) -> np.ndarray:
    rarest, commonest = BANDS[band]
    return (human.counts >= rarest) & (human.counts <= commonest)


def _difference(more: np.ndarray, less: np.ndarray, inside: np.ndarray, unit: str):
    """Return the mean over words of a difference per word, with an interval over the human documents in which the words occur."""
    if not more.size:
        raise NotApplicable("no word of the human training text is in this frequency band")
    size = totals(np.ones(more.size), inside)
    there = size > 0
    return ratio_of_sums(totals(more - less, inside)[there], size[there], unit)
