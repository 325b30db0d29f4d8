"""Did the model of a generation learn from watermarked text?"""

from __future__ import annotations

import json
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from outcross.data.records import Blocks, blocks
from outcross.detectors.radioactivity import Radioactivity, radioactivity
from outcross.estimate import NotApplicable, Null, Reading, share
from outcross.measures import Measure, Page
from outcross.models.draw import Draw, Watermark
from outcross.models.green import green_lists
from outcross.recipe import exactly, recipe

SANDER = "Sander et al., Watermarking Makes Language Models Radioactive, NeurIPS 2024, arXiv 2402.14904"


@recipe
class RadioactivityMeasure(Measure):
    """The open-model test: whether a model that learned from text with a mark prefers green tokens where no mark acts.

    The model reads held-out human text, which no key had a part in, and says after each token which one it holds the likeliest. Each token and its prediction are
    counted once, and a token that stands earlier in the same text is left out, so that P(p ≤ α) ≤ α over keys for a model that never learned from marked text.
    Generation 0 is such a model: its reading shows what this key and vocabulary give by chance.
    """

    watermark: Annotated[Watermark | None, exactly(Watermark, "watermark", or_none=True)] = None
    """The mark that is looked for, as {key: 42}; left out: that of draw.watermark."""
    texts: Annotated[int, Field(ge=1, le=4096)] = 128
    """Held-out human blocks that are read, at most."""

    aspect = "copying"
    needs = ("text",)
    by_default = False
    libraries = (*Measure.libraries, "polars", "tokenizers", "torch", "transformers")
    pages = {
        "radioactivity": Page(
            "CP8", "green predictions", "Share of green tokens among the different pairs of a token and what the model holds the likeliest after it, along held-out human text. P is the exact binomial tail.",
            unit="fraction", healthy="the share of green tokens in the vocabulary", collapsed="towards 1 where all that was learned from was marked",
            role="decoding", paper=SANDER,
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        model = evidence.model
        if not hasattr(model, "next_log_prob"):
            raise NotApplicable("needs a model that says how likely each next token is")
        mark = self.watermark or _of_draw(evidence.decoding)
        read = evidence.reference.take(np.arange(min(self.texts, len(evidence.reference))))
        expected = iter(_likeliest(model, read))
        trace = radioactivity(green_lists(model.vocabulary.size, mark), lambda tokens: next(expected), list(read.tokens))
        yield Reading(
            "radioactivity",
            share(trace.green, trace.scored),
            _by_chance(trace),
            note=f"z = {trace.z:.2f}, {trace.scored:,} different pairs of a token and a prediction",
        )


def _of_draw(decoding: str | None) -> Watermark:
    """The mark that models of the run leave."""
    watermark = None if decoding is None else Draw(**json.loads(decoding)).watermark
    if watermark is None:
        raise NotApplicable(
            "needs a watermark to look for: write draw.watermark, or give the measure one, as {radioactivity: {watermark: {key: 42}}}"
        )
    return watermark


def _likeliest(model: Any, read: Blocks) -> np.ndarray:
    """The token that a model holds the likeliest after each token of each block, (n, block)."""
    n, block = read.tokens.shape
    likeliest = np.empty((n, block), np.int64)
    for end in range(1, block + 1):
        before = blocks(read.tokens[:, :end], [""] * n, np.zeros(n, np.int64))
        likeliest[:, end - 1] = model.next_log_prob(before).argmax(axis=1)
    return likeliest


def _by_chance(trace: Radioactivity) -> Null:
    """What a model that never learned from marked text shows."""
    from scipy.stats import binom

    low, middle, floor, high = (float(binom.ppf(q, trace.scored, trace.chance)) / trace.scored for q in (0.025, 0.5, 0.95, 0.975))
    return Null(middle, low, high, floor, trace.p, "exact binomial, over keys")
