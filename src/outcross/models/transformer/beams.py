"""Let a network search for the likeliest text: several beginnings at a time, the best kept at every token."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from outcross.models.transformer.network import Cache, Network, Precision, keep_freed_memory, precise
from outcross.models.transformer.sampling import opened, penalised
from outcross.text.vocabulary import START


@torch.no_grad()
def search(
    network: Network,
    prompts: NDArray[np.int32] | None,
    new_tokens: int,
    *,
    n: int | None = None,
    beams: int,
    repetition_penalty: float = 1.0,
    precision: Precision = "bf16",
    batch: int = 256,
) -> NDArray[np.int32]:
    """Continue each prompt by `new_tokens` tokens, (n, new_tokens): the likeliest text that a beam search of width `beams` finds.

    At every token the `beams` best texts of all texts that are one token longer stay, by their summed log-probabilities; all texts are of
    one length, so that none is favoured by it. With `repetition_penalty` the sum is of `penalised` log-probabilities, which are not
    normalised again, as in the decoding of the published runs (Shumailov et al., Nature 2024). Of equal texts the first stays. Nothing is
    drawn. Prompts are (n, prompt); None starts `n` records from nothing. `batch` texts are held at a time, the beams of a record among them.
    """
    if beams < 1:
        raise ValueError(f"beams must be at least 1, got {beams}")
    read = opened(network, prompts, n)
    keep_freed_memory()
    written = np.empty((len(read), new_tokens), dtype=np.int32)
    records = max(1, batch // beams)
    for first in range(0, len(read), records):
        rows = slice(first, first + records)
        written[rows] = _search(network, read[rows].to(network.device), new_tokens, beams, repetition_penalty, precision)
    return written


def _search(
    network: Network, prompts: Tensor, new_tokens: int, beams: int, penalty: float, precision: Precision
) -> NDArray[np.int32]:
    """Search after prompts (n, prompt). Row i · beams + j of all that is kept is beam j of record i, the best first."""
    n, length = prompts.shape
    text = torch.cat((prompts.new_full((n, 1), START), prompts, prompts.new_empty((n, new_tokens))), dim=1)
    cache = Cache(network.shape, n, text.shape[1], network.device)
    totals = torch.zeros(n, 1, device=network.device)
    with precise(precision, network.device):  # once, so that weights are turned to bf16 once
        for end in range(1 + length, text.shape[1]):
            logits = network.logits(network(text[:, cache.filled : end], cache)[:, -1])
            scores = penalised(logits.log_softmax(-1), text[:, :end], penalty)
            totals, parents, tokens = _best(totals, scores, beams)
            if parents.numel() != len(text) or not torch.equal(parents, torch.arange(len(text), device=parents.device)):
                cache.keep(parents, since=1 + length)
                text = text[parents]
            text[:, end] = tokens
    return text.unflatten(0, (n, -1))[:, 0, 1 + length :].int().cpu().numpy()


def _best(totals: Tensor, scores: Tensor, beams: int) -> tuple[Tensor, Tensor, Tensor]:
    """The best texts one token longer: totals (n, kept), and the row that each goes on from and its token, (n · kept,).

    `totals` are those of the texts so far, (n, held), `scores` what each token would add, (n · held, vocabulary).
    """
    n, held = totals.shape
    each = min(beams, scores.shape[1])
    added, tokens = scores.topk(each, dim=1)  # a record's best texts are among the best of each of its beams
    candidates = (totals[:, :, None] + added.unflatten(0, (n, held))).flatten(1)
    ranked = candidates.sort(dim=1, descending=True, stable=True)
    kept, places = ranked.values[:, :beams], ranked.indices[:, :beams]
    parents = torch.arange(n, device=places.device)[:, None] * held + places // each
    return kept, parents.flatten(), tokens.unflatten(0, (n, -1)).flatten(1).gather(1, places).flatten()
