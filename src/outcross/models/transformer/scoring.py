"""Log-probabilities of records under a network."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from outcross.models.networks import Precision, precise
from outcross.models.transformer.network import Network, after_start, checked
from outcross.text.vocabulary import START

_ROWS = 512  # number of rows of logits at a time, which fit in the cache of a CPU


@torch.no_grad()
def log_prob(
    network: Network,
    blocks: NDArray[np.int32],
    prompts: NDArray[np.int32] | None = None,
    *,
    precision: Precision = "fp32",
    per_token: bool = False,
    batch: int = 32,
) -> NDArray[np.float64]:
    """Return the log-probability of each block after its prompt in nats, (n,), or of each of its tokens, (n, block).

    The distribution is the one that `sample` draws from at temperature 1, and sums to one over all blocks of the same length.
    Blocks are (n, block), prompts (n, prompt). Logits and softmax are fp32, the sum over a block is float64.
    """
    targets = checked(blocks, network.shape)
    n, block = targets.shape
    sequences = targets if prompts is None else torch.cat((checked(prompts, network.shape, "prompts"), targets), dim=1)
    scores = np.empty((n, block))  # (n, block), nats
    for first in range(0, n, batch):
        rows = slice(first, first + batch)
        scores[rows] = _token_log_prob(network, sequences[rows].to(network.device), block, precision)
    return scores if per_token else scores.sum(axis=1)


@torch.no_grad()
def next_log_prob(
    network: Network, prefixes: NDArray[np.int32], *, precision: Precision = "fp32", batch: int = 32
) -> NDArray[np.float32]:
    """Return the log-probability of each token to follow each prefix (n, prefix), in nats, (n, vocabulary)."""
    read = checked(prefixes, network.shape, "prefixes")
    scores = np.empty((len(read), network.shape.vocabulary), dtype=np.float32)
    for first in range(0, len(read), batch):
        some = read[first : first + batch].to(network.device)
        with precise(precision, network.device):
            hidden = network(torch.cat((some.new_full((len(some), 1), START), some), dim=1))[:, -1]
        scores[first : first + batch] = network.logits(hidden).log_softmax(-1).cpu().numpy()
    return scores


def _token_log_prob(network: Network, sequences: torch.Tensor, block: int, precision: Precision) -> NDArray[np.float64]:
    """Return the log-probabilities in nats of the last `block` tokens of each sequence, (n, block)."""
    with precise(precision, network.device):
        hidden = network(after_start(sequences))[:, -block:].flatten(0, 1)
    targets = sequences[:, -block:].flatten()
    nats = [
        network.logits(hidden[first : first + _ROWS]).log_softmax(-1).gather(1, targets[first : first + _ROWS, None])
        for first in range(0, len(targets), _ROWS)
    ]
    return torch.cat(nats).view(-1, block).double().cpu().numpy()
