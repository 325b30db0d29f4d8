"""Let a network of transformers search for the likeliest text."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from outcross.models.causal_lm.sampling import before
from outcross.models.transformer.network import Precision, precise
from outcross.models.transformer.sampling import penalised


@torch.no_grad()
def search(
    network: PreTrainedModel,
    read: NDArray[np.int32] | None,
    new_tokens: int,
    *,
    n: int | None = None,
    start: int | None = None,
    beams: int,
    repetition_penalty: float = 1.0,
    precision: Precision = "bf16",
) -> NDArray[np.int32]:
    """Continue each prompt by the likeliest `new_tokens` tokens that a beam search of this width finds, (n, new_tokens).

    All texts are of one length. Scores are summed log-probabilities, `penalised` token by token; of equal texts the first stays.
    """
    opened = before(network, read, n, start)
    found = [_search(network, row[None].to(network.device), new_tokens, beams, repetition_penalty, precision) for row in opened]
    return np.stack(found)


def _search(network: PreTrainedModel, text, new_tokens: int, beams: int, penalty: float, precision: Precision) -> NDArray[np.int32]:
    totals = torch.zeros(1, device=text.device)
    for _ in range(new_tokens):
        with precise(precision, network.device):
            logits = network(text, use_cache=False, logits_to_keep=1).logits[:, -1]
        scores = totals[:, None] + penalised(logits.float().log_softmax(-1), text, penalty)
        ranked = scores.flatten().sort(descending=True, stable=True)
        totals, places = ranked.values[:beams], ranked.indices[:beams]
        text = torch.cat((text[places // scores.shape[1]], places[:, None] % scores.shape[1]), dim=1)
    return text[0, -new_tokens:].int().cpu().numpy()
