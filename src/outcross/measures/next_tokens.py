from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data.records import Blocks
from outcross.estimate import Estimate, NotApplicable, Reading, read_off
from outcross.measures import Measure, Page
from outcross.recipe import recipe
from outcross.runtime.remembered import remembered
from outcross.statistics.clusters import document_of, ratio_of_sums, totals

ANCHORS = 0xA
"""The stream that chooses the anchors: the same blocks at every generation, in every arm and for every seed of one human text."""
TOGETHER = 32
"""Anchors whose distributions are held at a time: 13 MB in doubles at 49,152 tokens."""
EARLY = "early collapse: Shumailov et al., Nature 631:755 (2024), Definition 2.1"


@recipe
class NextTokens(Measure):
    """What the model expects next after a fixed set of human texts, the anchors: whether its distributions narrow, and how far they have moved.

    The anchors are a random sample of the held-out human blocks that does not depend on the generation, and the model reads each whole
    block. A model whose samples are learned from at less than temperature 1 narrows before its held-out loss says so: the loss asks for
    the one token that people wrote, the entropy for all that the model holds possible. Differences from generation 0 are taken anchor by
    anchor, and every interval is one over the documents of the anchors.
    """

    anchors: Annotated[int, Field(ge=2, le=2048)] = 256
    """Human blocks that are read, at most."""

    aspect = "spread"
    needs = ("text",)
    pages = {
        "next_token_entropy": Page(
            "NT1", "entropy of the next token", "−Σ p ln p over all tokens that may follow, mean over the anchors: the same random sample of up to 256 held-out human blocks at every generation.",
            unit="nats", healthy="that of generation 0", collapsed="towards 0",
            worse="smaller", role="spread", paper=f"Holtzman et al., arXiv 1904.09751; {EARLY}",
        ),
        "next_token_entropy_change": Page(
            "NT2", "narrowing of the next token", "The entropy of the next token less that of generation 0's model, anchor by anchor, mean over the anchors.",
            unit="nats", healthy=0.0, collapsed="falls to minus the entropy of generation 0",
            worse="smaller", role="spread", paper=EARLY,
        ),
        "next_token_entropy_spread": Page(
            "NT3", "spread of the entropy over texts", "Standard deviation over the anchors of the entropy of the next token: whether the model is as sure after one text as after another.",
            unit="nats", healthy="that of generation 0", collapsed="towards 0 where the model writes one thing after any text",
            role="spread", paper=EARLY,
        ),
        "next_token_divergence": Page(
            "NT4", "distance of the next token from generation 0", "Jensen-Shannon divergence of the model's distribution of the next token from that of generation 0's model, mean over the anchors, in [0, ln 2].",
            unit="nats", healthy=0.0, collapsed="grows to ln 2 = 0.69, where nothing is held possible by both",
            worse="larger", role="risk", paper="Lin, IEEE Trans. Inf. Theory 37:145, 1991",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        reference, model, first = evidence.reference, evidence.model, evidence.first_model
        if not hasattr(model, "next_log_prob"):
            raise NotApplicable("needs a model that says how likely each next token is")
        anchors = _anchors(reference, self.anchors)
        document = document_of(anchors)
        entropy, before, apart = _compared(model, first, anchors)
        note = f"after {len(anchors)} held-out human blocks, the same at every generation"

        def mean(values: np.ndarray) -> Estimate:
            return ratio_of_sums(totals(values, document), np.bincount(document).astype(float), "documents")

        def deviation() -> Estimate:
            return mean(np.square(entropy - entropy.mean())).on_scale(lambda square: math.sqrt(max(0.0, square)))

        numbers = {
            "next_token_entropy": lambda: mean(entropy),
            "next_token_entropy_change": lambda: mean(entropy - before),
            "next_token_entropy_spread": deviation,
            "next_token_divergence": lambda: mean(apart),
        }
        for page, number in numbers.items():
            reading = read_off(page, number)
            yield Reading(page, reading.estimate, note=reading.note or note)


def _anchors(reference: Blocks, limit: int) -> Blocks:
    """The blocks that are read, in their order: the same object at every generation, so that the first model is asked once."""
    chosen = _chosen(reference)
    if limit not in chosen:
        rows = np.random.default_rng(ANCHORS).permutation(len(reference))[:limit]
        chosen[limit] = reference.take(np.sort(rows))
    return chosen[limit]


@remembered
def _chosen(reference: Blocks) -> dict[int, Blocks]:
    """The anchors of a human text by their number, filled as they are asked for."""
    return {}


@remembered
def _expected_first(first, anchors: Blocks) -> np.ndarray:
    """What generation 0 expects after every anchor, (anchors, vocabulary): 50 MB for 256 anchors and 49,152 tokens."""
    some = (anchors.take(np.arange(at, min(at + TOGETHER, len(anchors)))) for at in range(0, len(anchors), TOGETHER))
    return np.concatenate([np.asarray(first.next_log_prob(blocks), dtype=np.float32) for blocks in some])


def _compared(model, first, anchors: Blocks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The entropy of the next token under a model and under generation 0's, and their Jensen-Shannon divergence, nats, three arrays (anchors,)."""
    sums, of_first = np.empty((3, len(anchors))), _expected_first(first, anchors)
    for at in range(0, len(anchors), TOGETHER):
        some = np.arange(at, min(at + TOGETHER, len(anchors)))
        log_q = of_first[some].astype(float)
        log_p = log_q if model is first else np.asarray(model.next_log_prob(anchors.take(some)), dtype=float)
        p, q = np.exp(log_p), np.exp(log_q)
        with np.errstate(divide="ignore"):
            log_m = np.log((p + q) / 2)
        own, other, between = entropy_of(p, log_p), entropy_of(q, log_q), entropy_of((p + q) / 2, log_m)
        sums[:, at : at + TOGETHER] = own, other, np.maximum(0.0, between - (own + other) / 2)
    return sums[0], sums[1], sums[2]


def entropy_of(probabilities: np.ndarray, logarithms: np.ndarray) -> np.ndarray:
    """−Σ p ln p of each row, nats, (n,); what has no probability adds nothing.

    >>> p = np.array([[0.5, 0.5, 0.0]])
    >>> with np.errstate(divide="ignore"):
    ...     print(entropy_of(p, np.log(p)).round(4))
    [0.6931]
    """
    return -np.where(probabilities > 0, probabilities * np.where(probabilities > 0, logarithms, 0.0), 0.0).sum(axis=1)
