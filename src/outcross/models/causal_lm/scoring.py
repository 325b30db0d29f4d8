"""How probable a network of transformers holds tokens to be."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from outcross.models.transformer.network import Precision, precise


@torch.no_grad()
def log_probs(
    network: PreTrainedModel, tokens: NDArray[np.int32], *, start: int | None, precision: Precision = "fp32", batch: int = 16
) -> NDArray[np.float64]:
    """Log-probability of each token after those before it in nats, (n, block); without a start token NaN for the first of a block."""
    scores = np.full(tokens.shape, np.nan)
    for first in range(0, len(tokens), batch):
        block = torch.from_numpy(np.asarray(tokens[first : first + batch], dtype=np.int64)).to(network.device)
        targets, read = block[:, 1:], block[:, :-1]
        if start is not None:
            targets, read = block, torch.cat((block.new_full((len(block), 1), start), read), dim=1)
        with precise(precision, network.device):
            logits = network(read, use_cache=False).logits
        nats = logits.float().log_softmax(-1).gather(2, targets[..., None])[..., 0]
        scores[first : first + batch, -targets.shape[1] :] = nats.double().cpu().numpy()
    return scores


@torch.no_grad()
def next_log_probs(
    network: PreTrainedModel, prefixes: NDArray[np.int32], *, start: int | None, precision: Precision = "fp32", batch: int = 16
) -> NDArray[np.float32]:
    """Log-probability of each token to follow each prefix (n, prefix), nats, (n, vocabulary)."""
    scores: list[NDArray[np.float32]] = []
    for first in range(0, len(prefixes), batch):
        read = torch.from_numpy(np.asarray(prefixes[first : first + batch], dtype=np.int64)).to(network.device)
        if start is not None:
            read = torch.cat((read.new_full((len(read), 1), start), read), dim=1)
        with precise(precision, network.device):
            logits = network(read, use_cache=False, logits_to_keep=1).logits[:, -1]
        scores.append(logits.float().log_softmax(-1).cpu().numpy())
    return np.concatenate(scores)
