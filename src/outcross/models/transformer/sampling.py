"""Sampling from a network, in batches of records, token by token."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from outcross.models import decoding
from outcross.models.decoding import TokenLaw, WrittenTokens
from outcross.models.green import GreenLists
from outcross.models.networks import Precision, keep_freed_memory, precise
from outcross.models.transformer.network import Network, NetworkReader, checked
from outcross.text.vocabulary import START


def sample(network: Network, prompts: NDArray[np.int32] | None, new_tokens: int, **settings: Any) -> NDArray[np.int32]:
    """Return only the tokens of the result of `write`, (n, new_tokens)."""
    return write(network, prompts, new_tokens, **settings).tokens


@torch.no_grad()
def write(
    network: Network,
    prompts: NDArray[np.int32] | None,
    new_tokens: int,
    *,
    rng: np.random.Generator,
    n: int | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    repetition_penalty: float = 1.0,
    marks: GreenLists | None = None,
    precision: Precision = "bf16",
    batch: int = 128,
) -> WrittenTokens:
    """Continue each prompt by `new_tokens` tokens, (n, new_tokens), drawn from `decoding.distribution` of the penalised logits.

    Prompts are (n, prompt); None starts `n` records without a prompt. Temperature 0 takes the likeliest token and draws
    nothing from `rng`. `batch` records are written at a time, which changes only the speed.
    """
    law = TokenLaw(temperature, top_k, top_p, repetition_penalty, marks=marks)
    read = opened(network, prompts, n)
    keep_freed_memory()
    with precise(precision, network.device):  # opened once, so that weights are converted to bf16 only once
        begin = partial(NetworkReader, network)
        return decoding.write(begin, read, new_tokens, law, rng=rng, batch=batch, device=network.device)


def opened(network: Network, prompts: NDArray[np.int32] | None, n: int | None) -> Tensor:
    """Return the tokens that are read before writing, (n, 1 + prompt): the start token, and the prompts if there are any."""
    if (prompts is None) == (n is None):
        raise ValueError("give either prompts or n, the number of records, and not both")
    read = torch.empty((n or 0, 0), dtype=torch.int64) if prompts is None else checked(prompts, network.shape, "prompts")
    return torch.cat((read.new_full((len(read), 1), START), read), dim=1)
