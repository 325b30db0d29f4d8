"""Beam search with a causal language model, which keeps the best texts at every token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from outcross.models import decoding
from outcross.models.causal_lm.decoder import reader_of
from outcross.models.causal_lm.sampling import ends, openings, texts_at_a_time
from outcross.models.decoding import TokenLaw, WrittenTokens
from outcross.models.networks import Precision, keep_freed_memory

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def search(network: PreTrainedModel, read: NDArray[np.integer] | None, new_tokens: int, **settings: Any) -> NDArray[np.int32]:
    """Return only the tokens of the result of `write`, (n, new_tokens)."""
    return write(network, read, new_tokens, **settings).tokens


def write(
    network: PreTrainedModel,
    read: NDArray[np.integer] | None,
    new_tokens: int,
    *,
    n: int | None = None,
    start: int | None = None,
    beams: int,
    repetition_penalty: float = 1.0,
    suppressed: Sequence[int] | None = None,
    precision: Precision = "bf16",
    batch: int | None = None,
) -> WrittenTokens:
    """Continue each row of `read` (n, prompt) by `new_tokens` tokens, with the likeliest text that a beam search of width `beams` finds.

    The search is that of transformers' `generate(num_beams=beams, do_sample=False, min_new_tokens=max_new_tokens)`. At every token it keeps
    the `beams` best of all texts that are one token longer, by the sum of their log-probabilities. `repetition_penalty` penalises the
    log-probabilities. They are not normalised again after a penalty or after `suppressed` tokens. All texts have the same length, so a length
    penalty could not change their order. Of texts with equal sums the first is kept.

    `read`, `n`, `start` and `suppressed` are those of `sampling.write`. `batch` is the number of texts that are processed at a time, where
    every beam of a record counts as a text. It changes the speed. By rounding it can also decide between two texts whose sums differ by no
    more than about 1e-6 nats in fp32.
    """
    law = TokenLaw(repetition_penalty=repetition_penalty, suppressed=ends(network) if suppressed is None else suppressed)
    opened = openings(network, read, start, n)
    keep_freed_memory()
    with torch.inference_mode():
        begin = reader_of(network, precision, draws=False)
        return decoding.search(
            begin, opened, new_tokens, beams, law, batch=batch or 2 * texts_at_a_time(network), device=network.device
        )
