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
"""The random stream that chooses the anchors. The same human text has the same anchors at every generation, in every arm and for every seed."""
TOGETHER = 32
"""Number of anchors whose distributions are in memory at a time: 13 MB in doubles at 49,152 tokens."""
EARLY = "early collapse: Shumailov et al., Nature 631:755 (2024), Definition 2.1"


@recipe
class NextTokens(Measure):
    """Entropy and change of the model's next-token distribution after a fixed set of human texts, the anchors.

    The anchors are a random sample of the held-out human blocks that does not depend on the generation. The model reads each whole block.
    If models learn from samples drawn below temperature 1, the entropy falls before the held-out loss rises. The loss depends on the
    probability of the token that people wrote, the entropy on the whole distribution. Differences from generation 0 are computed anchor by
    anchor. Every interval is over the documents of the anchors.
    """

    anchors: Annotated[int, Field(ge=2, le=2048)] = 256
    """Maximum number of human blocks that are read."""

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
            "NT3", "spread of the entropy over texts", "Standard deviation over the anchors of the entropy of the next token. It is small if the model is equally certain after every text.",
            unit="nats", healthy="that of generation 0", collapsed="towards 0 if the model writes the same after any text",
            role="spread", paper=EARLY,
        ),
        "next_token_divergence": Page(
            "NT4", "distance of the next token from generation 0", "Jensen-Shannon divergence of the model's distribution of the next token from that of generation 0's model, mean over the anchors, in [0, ln 2].",
            unit="nats", healthy=0.0, collapsed="grows to ln 2 = 0.69, where no token is possible under both models",
            worse="larger", role="risk", paper="Lin, IEEE Trans. Inf. Theory 37:145, 1991",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        reference, model, first = evidence.reference, evidence.model, evidence.first_model
        if not hasattr(model, "next_log_prob"):
            raise NotApplicable("needs a model that gives the probability of each next token")
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
    """Return the anchors in their order. It is the same object at every generation, so that the first model is evaluated once."""
    chosen = _chosen(reference)
    if limit not in chosen:
        rows = np.random.default_rng(ANCHORS).permutation(len(reference))[:limit]
        chosen[limit] = reference.take(np.sort(rows))
    return chosen[limit]


@remembered
def _chosen(reference: Blocks) -> dict[int, Blocks]:
    """Return the cache of the anchors of a human text, by the number of anchors."""
    return {}


@remembered
def _expected_first(first, anchors: Blocks) -> np.ndarray:
    """Return generation 0's next-token log-probabilities after every anchor, (anchors, vocabulary): 50 MB for 256 anchors and 49,152 tokens."""
    some = (anchors.take(np.arange(at, min(at + TOGETHER, len(anchors)))) for at in range(0, len(anchors), TOGETHER))
    return np.concatenate([np.asarray(first.next_log_prob(blocks), dtype=np.float32) for blocks in some])


def _compared(model, first, anchors: Blocks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the entropy of the next token under a model, that under generation 0's model, and their Jensen-Shannon divergence.

    All three are in nats, (anchors,).
    """
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
    """Return −Σ p ln p of each row in nats, (n,). A probability of 0 adds nothing.

    >>> p = np.array([[0.5, 0.5, 0.0]])
    >>> with np.errstate(divide="ignore"):
    ...     print(entropy_of(p, np.log(p)).round(4))
    [0.6931]
    """
    return -np.where(probabilities > 0, probabilities * np.where(probabilities > 0, logarithms, 0.0), 0.0).sum(axis=1)
