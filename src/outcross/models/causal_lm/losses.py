"""The training loss of a causal language model, with faster versions for the CPU of the backward pass of attention and of the output layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface

from outcross.models.networks import attend_causally
from outcross.models.transformer.fitting import CrossEntropy, EmbeddingRows, Workspace

_WITHOUT_PADDING = "outcross_without_padding"
_PARTED = ("LlamaForCausalLM", "OPTForCausalLM", "GPT2LMHeadModel")
"""Networks whose logits are exactly the output layer applied to the last hidden state."""
_PLAIN = ("llama", "opt", "gpt2")
"""Families with plain causal attention. Other families have windows, caps of scores or sinks, and use the attention of transformers."""


def loss(
    network: Any, blocks: Tensor, shares: Tensor, start: int | None, loss_after: int = 0, workspace: Workspace | None = None
) -> Tensor:
    """Return the mean loss in nats per token. Each block counts by its share (n,), and the sum is divided by n.

    The loss of a block is the mean over all its tokens after the first `loss_after`. Without a start token the first token of a block is only
    read and never predicted. With a workspace the backward pass writes the gradients of embedding and output layer into their `grad`, so it
    works with `backward` and not with `torch.autograd.grad`.
    """
    if start is not None:
        blocks = torch.cat((blocks.new_full((len(blocks), 1), start), blocks), dim=1)
        loss_after += 1
    targets = blocks[:, max(1, loss_after) :]
    learned = targets.shape[1]
    each = (shares / targets.numel()).repeat_interleave(learned)
    head = network.get_output_embeddings()
    if type(network).__name__ in _PARTED and type(head) is nn.Linear and head.bias is None:
        embedding = network.get_input_embeddings()
        is_plain = workspace is not None and type(embedding) is nn.Embedding
        read = (
            {"inputs_embeds": EmbeddingRows.apply(embedding.weight, blocks[:, :-1], embedding.padding_idx)}
            if is_plain
            else {"input_ids": blocks[:, :-1]}
        )
        hidden = network.base_model(**read, use_cache=False).last_hidden_state[:, -learned:]
        return CrossEntropy.apply(hidden.flatten(0, 1), head.weight, targets.flatten(), each, None, workspace)
    logits = network(input_ids=blocks[:, :-1], use_cache=False, logits_to_keep=learned).logits
    return (F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none") * each).sum()


@contextmanager
def quick_attention(network: Any) -> Iterator[None]:
    """Use attention with a backward pass that is fast on a CPU in bf16, within this context. All texts must have the same length, without padding."""
    before = network.config._attn_implementation
    if before != "sdpa" or network.config.model_type not in _PLAIN:
        yield
        return
    AttentionInterface.register(_WITHOUT_PADDING, _attend)
    network.set_attn_implementation(_WITHOUT_PADDING)
    try:
        yield
    finally:
        network.set_attn_implementation(before)


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """Compute attention with the signature of transformers: queries (n, heads, t, head width), keys and values with as many or fewer heads."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    if dropout:
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True, scale=scaling)
    else:
        rescaled = scaling * query.shape[3] ** 0.5
        query = (
            query if rescaled == 1 else query * rescaled
        )  # Rotary embeddings make queries and keys fp32 even if the values are bf16.
        mixed = attend_causally(query.to(value.dtype), key.to(value.dtype), value)
    return mixed.transpose(1, 2), None
