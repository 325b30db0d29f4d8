"""What a language model reads before it writes, and what it wrote, as records."""

from __future__ import annotations

from typing import Any

import numpy as np

from outcross.data.records import Blocks, Decoded, Rescored, blocks
from outcross.models.draw import Draw

RESCORED_TOKENS = 1000
"""Decoded tokens of a generation that are held against the stored weights, at least; all where there are fewer."""
MOST_DIFFERENCE = {"bf16": 0.05, "fp32": 1e-3}
"""Mean absolute difference in nats a token between what a model says while it writes and what a plain forward pass in fp32 says of the same
tokens, by the precision it writes in. Healthy writers stay below .02 in bf16; one that writes with stale weights is at .2."""


def prompts_of(draw: Draw, prompts: Blocks | None, first: int = 0) -> np.ndarray | None:
    """What is read before each record, (n, prompt): the prompts in their order from number `first` on, starting over where there are too few;
    None for nothing."""
    if prompts is None:
        return None
    return prompts.tokens[_rows(draw, prompts, first), : draw.prefix or None]


def written(
    tokens: np.ndarray, read: np.ndarray | None, draw: Draw, prompts: Blocks | None, vocabulary: Any, first: int = 0
) -> Blocks:
    """Records of what was written, (n, new tokens), after the prefix that is kept; each says which prompt it continues, and its group."""
    if read is not None and draw.prefix:
        tokens = np.concatenate((read, tokens), axis=1)
    columns = {}
    if prompts is not None:
        rows = _rows(draw, prompts, first)
        prompt = rows if draw.prompts == "human" else prompts.column("_prompt")[rows]
        columns = {"prompt": prompt, "group": prompts.column("_group")[rows]}
    return blocks(tokens, vocabulary.decode(tokens), vocabulary.byte_lengths[tokens].sum(axis=1), **columns)


def rescored(decoded: Decoded, plain: np.ndarray, precision: str) -> Rescored:
    """What was said of decoded tokens while they were written, held against what a plain forward pass says, (m, new) nats."""
    return Rescored(plain.size, float(np.abs(plain - decoded.log_probs).mean()), MOST_DIFFERENCE[precision])


def _rows(draw: Draw, prompts: Blocks, first: int) -> np.ndarray:
    return (first + np.arange(draw.records)) % len(prompts)
