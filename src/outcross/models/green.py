"""The green lists of a watermark, as transformers computes them from the previous token."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from outcross.errors import missing_extra
from outcross.models.draw import Watermark


class GreenLists:
    """The green tokens after each token of a vocabulary."""

    scheme = "green"
    context = 1
    """Number of previous tokens that seed a list."""

    def __init__(self, vocabulary: int, mark: Watermark):
        self.vocabulary, self.green = vocabulary, mark.green
        self.bias = mark.bias
        self._processor = _processor(vocabulary, mark)
        self._known: dict[int, np.ndarray] = {}

    def after(self, tokens: np.ndarray) -> np.ndarray:
        """Whether each token of the vocabulary is green after each of these tokens, (n, vocabulary)."""
        return np.stack([self._list(token) for token in tokens.tolist()]) if len(tokens) else np.zeros((0, self.vocabulary), bool)

    def is_green(self, before: Sequence[int], token: int) -> bool:
        """Whether a token is green after the last of the tokens `before`."""
        return bool(self._list(int(before[-1]))[token])

    def _list(self, token: int) -> np.ndarray:
        import torch

        if token not in self._known:
            mask = np.zeros(self.vocabulary, bool)
            mask[self._processor._get_greenlist_ids(torch.tensor([token])).numpy()] = True
            self._known[token] = mask
        return self._known[token]


@functools.lru_cache(2)
def green_lists(vocabulary: int, mark: Watermark) -> GreenLists:
    """Return the green lists of a vocabulary and a watermark; they are computed once."""
    return GreenLists(vocabulary, mark)


def _processor(vocabulary: int, mark: Watermark) -> Any:
    try:
        from transformers import WatermarkLogitsProcessor
    except ImportError as error:
        raise missing_extra(error.name or "transformers", "lm") from None
    return WatermarkLogitsProcessor(
        vocab_size=vocabulary, device="cpu", greenlist_ratio=mark.green, bias=mark.bias, hashing_key=mark.key, seeding_scheme="lefthash", context_width=1
    )  # fmt: skip
