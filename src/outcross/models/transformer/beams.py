"""Let a network search for the likeliest text: several beginnings at a time, the best kept at every token."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from outcross.models import decoding
from outcross.models.decoding import TokenLaw, WrittenTokens
from outcross.models.transformer.network import Network, NetworkReader, Precision, keep_freed_memory, precise
from outcross.models.transformer.sampling import opened


def search(network: Network, prompts: NDArray[np.int32] | None, new_tokens: int, **settings: Any) -> NDArray[np.int32]:
    """The tokens alone of what `write` writes, (n, new_tokens)."""
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
    """Continue each prompt by `new_tokens` tokens, (n, new_tokens): the likeliest text that a beam search of width `beams` finds.

    At every token the `beams` best texts of all texts that are one token longer stay, by their summed log-probabilities; all texts are of
    one length, so that none is favoured by it. With `repetition_penalty` the sum is of penalised log-probabilities, which are not
    normalised again, as in the decoding of the published runs (Shumailov et al., Nature 2024). Of equal texts the first stays. Nothing is
    drawn. Prompts are (n, prompt); None starts `n` records from nothing. `batch` texts are held at a time, the beams of a record among them.
    """
    read = opened(network, prompts, n)
    keep_freed_memory()
    with precise(precision, network.device):  # once, so that weights are turned to bf16 once
        law = TokenLaw(repetition_penalty=repetition_penalty)
        return decoding.search(partial(NetworkReader, network), read, new_tokens, beams, law, batch=batch, device=network.device)
