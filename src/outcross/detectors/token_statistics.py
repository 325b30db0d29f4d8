"""What a causal network says of each token of a text, in one forward pass: its log-probability and rank, and the law of the log-probability of the tokens that it might have written.

Where a text is sampled from the network itself at temperature 1, Σ(log p − mean) over its tokens has expectation 0, and its square that of the sum of the variances, at any length:
both are martingales (science/oracles.md D5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

TOGETHER = 2**24
"""Scores of next tokens at a time: 64 MB in fp32."""


@dataclass(frozen=True, eq=False)
class TokenStatistics:
    """Of each token of a text that has one before it, (tokens,) each, in nats."""

    log_prob: np.ndarray
    log_rank: np.ndarray
    """ln of its place among the tokens by probability, the most probable being the first."""
    entropy: np.ndarray
    """Of the scoring network's law: −Σ p log p."""
    mean: np.ndarray
    """E log p of the token under the reference's law; −entropy where the reference is the scoring network."""
    variance: np.ndarray


def token_statistics(
    network: Any, texts: Sequence[np.ndarray], *, start: int | None = None, reference: Any = None
) -> list[TokenStatistics]:
    """Of each text, (tokens,) of numbers each. Before each stands `start`; without it a text's first token has no statistics.

    Texts of like length are read together. Padding stands behind them, where no causal network sees it.
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
