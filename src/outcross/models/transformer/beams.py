"""Beam search with a network, which keeps the best texts at every token."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from outcross.models import decoding
from outcross.models.decoding import TokenLaw, WrittenTokens
from outcross.models.networks import Precision, keep_freed_memory, precise
from outcross.models.transformer.network import Network, NetworkReader
from outcross.models.transformer.sampling import opened


def search(network: Network, prompts: NDArray[np.int32] | None, new_tokens: int, **settings: Any) -> NDArray[np.int32]:
    """Return only the tokens of the result of `write`, (n, new_tokens)."""
    return write(network, prompts, new_tokens, **settings).tokens


@torch.no_grad()
def write(
    network: Network,
    prompts: NDArray[np.int32] | None,
    new_tokens: int,
    *,
    n: int | None = None,
    beams: int,
    repetition_penalty: float = 1.0,
    precision: Precision = "bf16",
    batch: int = 256,
) -> WrittenTokens:
    """Continue each prompt by `new_tokens` tokens, (n, new_tokens), with the likeliest text that a beam search of width `beams` finds.

    At every token the search keeps the `beams` best of all texts that are one token longer, by the sum of their log-probabilities. All texts
    have the same length, so the length favours none. With `repetition_penalty` the sum is over penalised log-probabilities, which are not
    normalised again, as in the decoding of the published runs (Shumailov et al., Nature 2024). Of texts with equal sums the first is kept. No
    random numbers are used. Prompts are (n, prompt); None starts `n` records without a prompt. `batch` is the number of texts that are
    processed at a time, where every beam of a record counts as a text.
    """
    read = opened(network, prompts, n)
    keep_freed_memory()
    with precise(precision, network.device):  # opened once, so that weights are converted to bf16 only once
        law = TokenLaw(repetition_penalty=repetition_penalty)
        return decoding.search(partial(NetworkReader, network), read, new_tokens, beams, law, batch=batch, device=network.device)
