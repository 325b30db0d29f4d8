"""Let a network of transformers write: batches of records, token after token."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from outcross.models.transformer.network import Precision, precise
from outcross.models.transformer.sampling import distribution, draw, penalised


@torch.no_grad()
def sample(
    network: PreTrainedModel,
    read: NDArray[np.int32] | None,
    new_tokens: int,
    *,
    rng: np.random.Generator,
    n: int | None = None,
    start: int | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    repetition_penalty: float = 1.0,
    precision: Precision = "bf16",
    batch: int = 32,
) -> NDArray[np.int32]:
    """Continue each prompt by `new_tokens` tokens, (n, new_tokens), drawn from `distribution` of the `penalised` logits."""
    opened = before(network, read, n, start)
    uniforms = rng.random((new_tokens, len(opened))) if temperature > 0 else None
    texts = []
    for first in range(0, len(opened), batch):
        text, cache = opened[first : first + batch].to(network.device), None
        for place in range(new_tokens):
            with precise(precision, network.device):
                told = network(text if cache is None else text[:, -1:], past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache = told.past_key_values
            logits = penalised(told.logits[:, -1].float(), text, repetition_penalty)
            if uniforms is None:
                token = logits.argmax(-1)
            else:
                token = draw(
                    distribution(logits, temperature, top_k, top_p),
                    torch.from_numpy(uniforms[place, first : first + batch]).to(text.device),
                )
            text = torch.cat((text, token[:, None]), dim=1)
        texts.append(text[:, -new_tokens:].int().cpu().numpy())
    return np.concatenate(texts)


def before(network: PreTrainedModel, read: NDArray[np.int32] | None, n: int | None, start: int | None) -> Tensor:
    """What stands before what is written, (n, at least 1): the start token where there is one, and the prompts."""
    if (read is None) == (n is None):
        raise ValueError("writing needs either prompts or n, the number of records, and not both")
    prompts = torch.empty((n or 0, 0), dtype=torch.int64) if read is None else torch.from_numpy(np.asarray(read, dtype=np.int64))
    if start is not None:
        prompts = torch.cat((prompts.new_full((len(prompts), 1), start), prompts), dim=1)
    if prompts.shape[1] == 0:
        raise ValueError("writing needs a token to begin from: a prompt, or a start token")
    return prompts
