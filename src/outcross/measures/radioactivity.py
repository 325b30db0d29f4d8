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
    """The open-model test of radioactivity: does a model that learned from watermarked text prefer green tokens on text without a watermark?

    The model reads held-out human text without a watermark and predicts the most likely next token after each token. Each pair of a token and its
    prediction is counted once. A token that occurred earlier in the same text is left out. Therefore P(p ≤ α) ≤ α over keys, for a model that never
    learned from watermarked text. Generation 0 is such a model: its reading shows the value of this key and vocabulary by chance.
    """

    watermark: Annotated[Watermark | None, exactly(Watermark, "watermark", or_none=True)] = None
    """The watermark to look for, such as {key: 42}. If it is left out, it is that of draw.watermark."""
    texts: Annotated[int, Field(ge=1, le=4096)] = 128
    """Maximum number of held-out human blocks that are read."""

    aspect = "copying"
    needs = ("text",)
    by_default = False
    libraries = (*Measure.libraries, "polars", "tokenizers", "torch", "transformers")
    pages = {
        "radioactivity": Page(
            "CP8", "green predictions", "Share of green tokens among the predictions, counted over different pairs of a token and the most likely next token, along held-out human text. P is the exact binomial tail.",
            unit="fraction", healthy="the share of green tokens in the vocabulary", collapsed="towards 1 if all training text was watermarked",
            role="decoding", paper=SANDER,
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        model = evidence.model
        if not hasattr(model, "next_log_prob"):
            raise NotApplicable("needs a model that gives the probability of each next token")
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
    """Return the watermark with which the models of the run write."""
    watermark = None if decoding is None else Draw(**json.loads(decoding)).watermark
    if watermark is None:
        raise NotApplicable(
            "needs a watermark to look for; write draw.watermark, or set it for the measure, as {radioactivity: {watermark: {key: 42}}}"
        )
    return watermark


def _likeliest(model: Any, read: Blocks) -> np.ndarray:
    """Return the most likely next token under a model after each token of each block, (n, block)."""
    n, block = read.tokens.shape
    likeliest = np.empty((n, block), np.int64)
    for end in range(1, block + 1):
        before = blocks(read.tokens[:, :end], [""] * n, np.zeros(n, np.int64))
        likeliest[:, end - 1] = model.next_log_prob(before).argmax(axis=1)
    return likeliest


def _by_chance(trace: Radioactivity) -> Null:
    """Return the null distribution of a model that never learned from watermarked text."""
    from scipy.stats import binom

    low, middle, floor, high = (float(binom.ppf(q, trace.scored, trace.chance)) / trace.scored for q in (0.025, 0.5, 0.95, 0.975))
    return Null(middle, low, high, floor, trace.p, "exact binomial, over keys")
