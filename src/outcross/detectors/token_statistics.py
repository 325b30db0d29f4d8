"""Statistics of each token of a text under a causal network, from one forward pass.

They are the log-probability and rank of the token, and the moments of the log-probability of a token that the network would draw instead. If a text
is sampled from the network itself at temperature 1, Σ(log p − mean) over its tokens has expectation 0, and its square has the expectation of the sum
of the variances, at any length (a martingale; science/oracles.md D5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

TOGETHER = 2**24
"""Number of logits that are computed at a time: 64 MB in fp32."""


@dataclass(frozen=True, eq=False)
class TokenStatistics:
    """Statistics of each token that has a predecessor, (tokens,) each, in nats."""

    log_prob: np.ndarray
    log_rank: np.ndarray
    """ln of the rank of the token by probability; the most probable token has rank 1."""
    entropy: np.ndarray
    """Entropy of the scoring network's law, −Σ p log p."""
    mean: np.ndarray
    """E log p of a token under the reference's law; −entropy if the reference is the scoring network."""
    variance: np.ndarray


def token_statistics(
    network: Any, texts: Sequence[np.ndarray], *, start: int | None = None, reference: Any = None
) -> list[TokenStatistics]:
    """Return the statistics of each text, given as token numbers (tokens,).

    `start` precedes each text. Without it the first token of a text has no statistics. Texts of similar length are read together, with padding at
    their end, which a causal network does not see.
    """
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    of_texts: list[Any] = [None] * len(texts)
    first = 0
    size = int(network.config.vocab_size)
    while first < len(order):
        last = first + 1
        while last < len(order) and (last - first + 1) * (len(texts[order[last]]) + 1) * size <= TOGETHER:
            last += 1
        rows = order[first:last]
        for row, statistics in zip(rows, _of_batch(network, [texts[row] for row in rows], start, reference), strict=True):
            of_texts[row] = statistics
        first = last
    return of_texts


def _of_batch(network: Any, texts: Sequence[np.ndarray], start: int | None, reference: Any) -> list[TokenStatistics]:
    before = 0 if start is None else 1
    longest = max(2, before + max(len(text) for text in texts))
    ids = np.zeros((len(texts), longest), np.int64)
    for row, text in enumerate(texts):
        ids[row, :before] = start if start is not None else 0
        ids[row, before : before + len(text)] = text
    with torch.inference_mode():
        tokens = torch.from_numpy(ids).to(network.device)
        scores = network(input_ids=tokens[:, :-1], use_cache=False).logits
        other = None if reference is None else reference(input_ids=tokens[:, :-1], use_cache=False).logits
        statistics = []
        for row, text in enumerate(texts):
            count = max(0, before + len(text) - 1)
            law = scores[row, :count].float().log_softmax(-1)
            by = law if other is None else other[row, :count].float().log_softmax(-1)
            chosen = law.gather(1, tokens[row, 1 : count + 1, None])
            mean = (by.exp() * law).sum(-1)
            values = (
                chosen[:, 0], (law > chosen).sum(-1).add(1).log(), -(law.exp() * law).sum(-1), mean,
                ((law - mean[:, None]).square() * by.exp()).sum(-1),
            )  # fmt: skip
            statistics.append(TokenStatistics(*(value.double().cpu().numpy() for value in values)))
    return statistics
