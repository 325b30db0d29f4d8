"""What a language model reads before it writes, and what it wrote, as records."""

from __future__ import annotations

from typing import Any

import numpy as np

from outcross.data.records import Blocks, blocks
from outcross.models.draw import Draw


def prompts_of(draw: Draw, prompts: Blocks | None) -> np.ndarray | None:
    """What is read before each record, (n, prompt): the prompts in their order, starting over where there are too few; None for nothing."""
    if prompts is None:
        return None
    return prompts.tokens[_rows(draw, prompts), : draw.prefix or None]


def written(tokens: np.ndarray, read: np.ndarray | None, draw: Draw, prompts: Blocks | None, vocabulary: Any) -> Blocks:
    """Records of what was written, (n, new tokens), after the prefix that is kept; each says which prompt it continues, and its group."""
    if read is not None and draw.prefix:
        tokens = np.concatenate((read, tokens), axis=1)
    columns = {}
    if prompts is not None:
        rows = _rows(draw, prompts)
        prompt = rows if draw.prompts == "human" else prompts.column("_prompt")[rows]
        columns = {"prompt": prompt, "group": prompts.column("_group")[rows]}
    return blocks(tokens, vocabulary.decode(tokens), vocabulary.byte_lengths[tokens].sum(axis=1), **columns)


def _rows(draw: Draw, prompts: Blocks) -> np.ndarray:
    return np.arange(draw.records) % len(prompts)
