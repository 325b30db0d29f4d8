"""Let a network write: batches of records, token after token."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from outcross.models.transformer.network import Cache, Network, Precision, checked, keep_freed_memory, precise
from outcross.text.vocabulary import START


@torch.no_grad()
def sample(
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
    precision: Precision = "bf16",
    batch: int = 128,
) -> NDArray[np.int32]:
    """Continue each prompt by `new_tokens` tokens, (n, new_tokens), drawn from `distribution` of the `penalised` logits.

    Prompts are (n, prompt); None starts `n` records from nothing. Temperature 0 takes the likeliest token and draws
    nothing from `rng`. `batch` records are written at a time, which changes the speed, not what is written.
    """
    check_draw(temperature, top_k, top_p)
    read = opened(network, prompts, n)
    keep_freed_memory()
    uniforms = None if temperature == 0 else rng.random((new_tokens, len(read)))
    written = np.empty((len(read), new_tokens), dtype=np.int32)
    for first in range(0, len(read), batch):
        rows = slice(first, first + batch)
        written[rows] = _continue(
            network,
            read[rows].to(network.device),
            new_tokens,
            None if uniforms is None else torch.from_numpy(uniforms[:, rows]).to(network.device),
            (temperature, top_k, top_p),
            repetition_penalty,
            precision,
        )
    return written


def opened(network: Network, prompts: NDArray[np.int32] | None, n: int | None) -> Tensor:
    """What is read before writing, (n, prompt): the prompts, or n times nothing."""
    if (prompts is None) == (n is None):
        raise ValueError("writing needs either prompts or n, the number of records, and not both")
    return torch.empty((n or 0, 0), dtype=torch.int64) if prompts is None else checked(prompts, network.shape, "prompts")


def penalised(scores: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    """Scores (n, vocabulary) of the next token, those of the tokens (n, t) already there held back.

    Divided by the penalty where above 0 and multiplied where below: Keskar et al. (arXiv 1909.05858), whose formula divides alone, as it is in use.
    """
    if penalty == 1:
        return scores
    there = scores.gather(1, tokens)
    return scores.scatter(1, tokens, torch.where(there > 0, there / penalty, there * penalty))


def distribution(logits: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """Probabilities of the next token: what `sample` draws from, and the only definition of it.

    Logits are (…, vocabulary), fp32. First the temperature (0: all mass on the likeliest token), then the `top_k`
    likeliest (0: all), then the nucleus, the fewest likeliest tokens that hold at least `top_p` of what is left
    (1: all; Holtzman et al. 2020). Of equally likely tokens the lower number is kept.
    """
    check_draw(temperature, top_k, top_p)
    if temperature == 0:
        return torch.zeros_like(logits).scatter_(-1, _likeliest(logits)[..., None], 1.0)
    probabilities = torch.softmax(logits.float() / temperature, dim=-1)
    vocabulary = logits.shape[-1]
    is_cut = 0 < top_k < vocabulary
    if not is_cut and top_p == 1:
        return probabilities
    ranked = _descending(probabilities)
    counts = torch.full_like(ranked[..., :1], top_k if is_cut else vocabulary, dtype=torch.int64)
    if top_p < 1:
        mass = ranked.cumsum(-1, dtype=torch.float64)
        needed = top_p * mass.gather(-1, counts - 1)
        counts = torch.minimum(counts, (mass < needed).sum(-1, keepdim=True) + 1)
    kept = torch.where(_first(probabilities, ranked, counts), probabilities, 0.0)
    return kept / kept.sum(-1, keepdim=True)


def check_draw(temperature: float, top_k: int, top_p: float) -> None:
    """Refuse settings that define no distribution."""
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature must be 0 (greedy) or a finite number above it, got {temperature}")
    if top_k < 0:
        raise ValueError(f"top_k must be 0 (off) or more, got {top_k}")
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p must be in (0, 1], got {top_p}; 1 is off")


def draw(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """One token a row of (n, vocabulary), by inverting the cumulative distribution at uniforms (n,) in [0, 1).

    Exact to float64. A token of probability zero is never drawn: the first place where the cumulative sum exceeds a
    number below its total is a step up. (torch.multinomial is thirty times slower on a CPU.)
    """
    cumulative = probabilities.cumsum(-1, dtype=torch.float64)
    total = cumulative[:, -1:]
    below = torch.nextafter(total, torch.zeros_like(total))
    heights = torch.minimum(uniforms[:, None] * total, below)
    return torch.searchsorted(cumulative, heights, right=True)[:, 0]


def _continue(
    network: Network,
    prompts: Tensor,
    new_tokens: int,
    uniforms: Tensor | None,
    settings: tuple[float, int, float],
    penalty: float,
    precision: Precision,
) -> NDArray[np.int32]:
    """Write after prompts (n, prompt) with uniforms (new_tokens, n); None is greedy."""
    n, length = prompts.shape
    cache = Cache(network.shape, n, 1 + length + new_tokens, network.device)
    text = torch.cat((prompts.new_full((n, 1), START), prompts, prompts.new_empty((n, new_tokens))), dim=1)
    with precise(precision, network.device):  # once, so that weights are turned to bf16 once
        for end in range(1 + length, 1 + length + new_tokens):
            logits = penalised(network.logits(network(text[:, cache.filled : end], cache)[:, -1]), text[:, :end], penalty)
            place = end - 1 - length
            text[:, end] = _likeliest(logits) if uniforms is None else draw(distribution(logits, *settings), uniforms[place])
    return text[:, 1 + length :].int().cpu().numpy()


def _likeliest(logits: Tensor) -> Tensor:
    """The likeliest token; the lowest number of equals (torch.argmax promises none)."""
    is_highest = logits == logits.amax(-1, keepdim=True)
    places = torch.arange(logits.shape[-1], device=logits.device)
    return torch.where(is_highest, places, logits.shape[-1]).amin(-1)


def _descending(probabilities: Tensor) -> Tensor:
    if probabilities.device.type != "cpu":
        return probabilities.sort(dim=-1, descending=True).values
    ascending = np.sort(probabilities.numpy(), axis=-1)  # AVX-512: thirty times faster than torch's
    return torch.from_numpy(np.ascontiguousarray(ascending[..., ::-1]))


def _first(probabilities: Tensor, ranked: Tensor, counts: Tensor) -> Tensor:
    """Which tokens are among the `counts` likeliest, (…, vocabulary); the lower number first among equals."""
    last = ranked.gather(-1, counts - 1)
    is_above, is_equal = probabilities > last, probabilities == last
    free = counts - is_above.sum(-1, keepdim=True)
    return is_above | (is_equal & (is_equal.cumsum(-1) <= free))
