"""Let a causal language model search for the likeliest text: several beginnings at a time, the best kept at every token."""

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
from outcross.models.transformer.network import Precision, keep_freed_memory

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def search(network: PreTrainedModel, read: NDArray[np.integer] | None, new_tokens: int, **settings: Any) -> NDArray[np.int32]:
    """The tokens alone of what `write` writes, (n, new_tokens)."""
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
    """Continue each row of `read` (n, prompt) by `new_tokens` tokens: the likeliest text that a beam search of width `beams` finds.

    As in transformers' `generate(num_beams=beams, do_sample=False, min_new_tokens=max_new_tokens)`: at every token the `beams` best texts of all that are one token longer
    stay, by their summed log-probabilities, which with `repetition_penalty` are penalised and, with it or with `suppressed` tokens, not
    normalised again. All texts are of one length, so that no length penalty could change their order. Of equal texts the first stays.

    `read`, `n`, `start` and `suppressed` are those of `sampling.write`. `batch` texts are held at a time, the beams of a record
    among them; it changes the speed, and by rounding which of two texts stays that are equal to about 1e-6 nats in fp32.
    """
    law = TokenLaw(repetition_penalty=repetition_penalty, suppressed=ends(network) if suppressed is None else suppressed)
    opened = openings(network, read, start, n)
    keep_freed_memory()
    with torch.inference_mode():
        begin = reader_of(network, precision, draws=False)
        return decoding.search(
            begin, opened, new_tokens, beams, law, batch=batch or 2 * texts_at_a_time(network), device=network.device
        )
