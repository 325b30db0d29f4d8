"""The prompts of a language model, and records of the text that it writes."""

from __future__ import annotations

from typing import Any

import numpy as np

from outcross.data.records import Blocks, Decoded, Rescored, blocks
from outcross.models.draw import Draw

RESCORED_TOKENS = 1000
"""Minimum number of decoded tokens of a generation that are checked against the stored weights; all if there are fewer."""
MOST_DIFFERENCE = {"bf16": 0.05, "fp32": 1e-3}
"""Maximum mean absolute difference, in nats per token, between the log-probabilities recorded during sampling and those of a plain forward pass
in fp32, for each precision of sampling. Correct models stay below .02 in bf16; a model with stale weights is at .2."""


def prompts_of(draw: Draw, prompts: Blocks | None, first: int = 0) -> np.ndarray | None:
    """Return the tokens that are read before each record, (n, prompt); None if there are no prompts.

    They are the prompts in their order from number `first` on, beginning again at number 0 if there are too few.
    """
    if prompts is None:
        return None
    return prompts.tokens[_rows(draw, prompts, first), : draw.prefix or None]


def written(
    tokens: np.ndarray, read: np.ndarray | None, draw: Draw, prompts: Blocks | None, vocabulary: Any, first: int = 0
) -> Blocks:
    """Return records of the written tokens (n, new tokens), after the kept prefix. Each has the number of its prompt, and the prompt's group."""
    if read is not None and draw.prefix:
        tokens = np.concatenate((read, tokens), axis=1)
    columns = {}
    if prompts is not None:
        rows = _rows(draw, prompts, first)
        prompt = rows if draw.prompts == "human" else prompts.column("_prompt")[rows]
        columns = {"prompt": prompt, "group": prompts.column("_group")[rows]}
    return blocks(tokens, vocabulary.decode(tokens), vocabulary.byte_lengths[tokens].sum(axis=1), **columns)


def rescored(decoded: Decoded, plain: np.ndarray, precision: str) -> Rescored:
    """Compare the recorded log-probabilities of decoded tokens with those of a plain forward pass, (m, new) in nats."""
    return Rescored(plain.size, float(np.abs(plain - decoded.log_probs).mean()), MOST_DIFFERENCE[precision])


def _rows(draw: Draw, prompts: Blocks, first: int) -> np.ndarray:
    return (first + np.arange(draw.records)) % len(prompts)
