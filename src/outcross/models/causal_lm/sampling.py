"""Sampling from a causal language model, in batches of records, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from outcross.models import decoding
from outcross.models.causal_lm.decoder import reader_of, vocabulary_of
from outcross.models.decoding import TokenLaw, WrittenTokens
from outcross.models.networks import Precision, keep_freed_memory

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def sample(network: PreTrainedModel, read: NDArray[np.integer] | None, new_tokens: int, **settings: Any) -> NDArray[np.int32]:
    """Return only the tokens of the result of `write`, (n, new_tokens)."""
    return write(network, read, new_tokens, **settings).tokens


def write(
    network: PreTrainedModel,
    read: NDArray[np.integer] | None,
    new_tokens: int,
    *,
    rng: np.random.Generator,
    n: int | None = None,
    start: int | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    repetition_penalty: float = 1.0,
    suppressed: Sequence[int] | None = None,
    precision: Precision = "bf16",
    batch: int | None = None,
) -> WrittenTokens:
    """Continue each row of `read` (n, prompt) by `new_tokens` tokens, drawn from `decoding.distribution` of the penalised logits.

    If `start` is given, it precedes each row. If `read` is None, `n` texts are written after `start` alone. Every text has exactly
    `new_tokens` new tokens. `suppressed` tokens are never written. By default these are the tokens that end a text for this network, as in
    transformers' `generate(min_new_tokens=max_new_tokens)`; () suppresses none. Temperature 0 takes the likeliest token and draws
    nothing from `rng`.

    `batch` records are written at a time. This changes only the speed and the rounding, because a matrix product may sum in another order for
    another number of rows. Log-probabilities then differ by about 1e-6 in fp32 and by about 1e-2 in bf16. A token can differ if a random
    number is that close to a boundary, or if the two likeliest tokens are that close.
    """
    law = TokenLaw(temperature, top_k, top_p, repetition_penalty, ends(network) if suppressed is None else suppressed)
    opened = openings(network, read, start, n)
    keep_freed_memory()
    with torch.inference_mode():
        begin = reader_of(network, precision, draws=True)
        return decoding.write(
            begin, opened, new_tokens, law, rng=rng, batch=batch or texts_at_a_time(network), device=network.device
        )


def ends(network: PreTrainedModel) -> tuple[int, ...]:
    """Return the tokens that end a text in `generate`."""
    end = network.generation_config.eos_token_id if network.generation_config is not None else network.config.eos_token_id
    return () if end is None else tuple(end) if isinstance(end, (list, tuple)) else (int(end),)


def openings(network: PreTrainedModel, read: NDArray[np.integer] | None, start: int | None, n: int | None) -> Tensor:
    """Return the tokens that are read before writing, (n, start and prompt). Raises ValueError if there are none, or if the network lacks them."""
    if (read is None) == (n is None):
        raise ValueError("give either prompts or n, the number of records, and not both")
    rows = np.empty((n or 0, 0), dtype=np.int64) if read is None else np.asarray(read)
    size = vocabulary_of(network)
    if rows.ndim != 2 or not np.issubdtype(rows.dtype, np.integer):
        raise ValueError(f"prompts must be a two-dimensional array of integers, got {rows.ndim}-d {rows.dtype}")
    if rows.size and (rows.min() < 0 or rows.max() >= size):
        raise ValueError(
            f"prompts must consist of tokens from 0 to {size - 1}, got {rows.min()} to {rows.max()}; encode them with the tokenizer of this network"
        )
    first = np.full((len(rows), 0 if start is None else 1), start or 0)
    if rows.shape[1] + first.shape[1] == 0:
        raise ValueError("a network without a start token needs a prompt of one token or more; give prompts or a start token")
    return torch.from_numpy(np.concatenate((first, rows), axis=1).astype(np.int64))


def texts_at_a_time(network: PreTrainedModel) -> int:
    """Return the number of texts that are written at a time: few enough for the cache of a CPU, and enough to keep a GPU busy."""
    return 128 if network.device.type == "cpu" else 2048
