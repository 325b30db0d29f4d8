"""A network of ours as one of GPT-NeoX's architecture, which the library `transformers` loads: the same logits, weight by weight.

Ours is that architecture with residuals one after the other, exact GELU, rotary positions over whole heads, no biases in attention and
biases of zero elsewhere. Three things are written differently there:

- Queries, keys and values stand head by head. Rotary positions turn number i with number i + half of the head, where ours turn
  neighbours. So the rows of queries and keys are put into that order, in which no product of the two changes.
- The start token is never written: its logit is minus infinity in ours. Theirs has no bias at the head to say so. But what leaves a
  LayerNorm sums to zero before its gain, so the gain is moved into the head, each row of the head is centred (which then changes no logit), and
  the norm's bias is set to 1. A row of equal numbers then gives one logit whatever was read: NEVER. All other rows sum to zero, so that the
  bias adds nothing to them.
"""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from outcross.models import as_transformers
from outcross.models.transformer.network import Network, Shape
from outcross.text.vocabulary import START, START_TEXT, Vocabulary

NEVER = -1e4
"""Logit of the start token: its probability is zero in every precision, and the number is finite in every precision."""


def files(network: Network, vocabulary: Vocabulary, block: int) -> dict[str, bytes]:
    """The files of a folder that `transformers.AutoModelForCausalLM` and `AutoTokenizer` load, by name.

    `block` is the number of tokens of a record. `transformers` warns beyond the longest text that the network has read: two blocks.
    """
    length = 2 * block + 1
    return {
        "model.safetensors": save(weights(network), metadata={"format": "pt"}),
        "generation_config.json": as_transformers.generation({"bos": START}),
        "tokenizer.json": as_transformers.opened(vocabulary.to_json(), START_TEXT, START),
        "tokenizer_config.json": as_transformers.tokenizer({"bos": START_TEXT}, length),
        "config.json": as_transformers.as_json(config(network.shape, length)),
    }


def config(shape: Shape, length: int) -> dict[str, Any]:
    """The architecture, in the words of `transformers`."""
    return {
        "architectures": ["GPTNeoXForCausalLM"],
        "model_type": "gpt_neox",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": 4 * shape.width,
        "max_position_embeddings": length,
        "hidden_act": "gelu",
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 1.0},
        "layer_norm_eps": 1e-5,
        "use_parallel_residual": False,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "hidden_dropout": 0.0,
        "tie_word_embeddings": False,
        "bos_token_id": START,
        "eos_token_id": None,
        "dtype": "float32",
    }


def weights(network: Network) -> dict[str, Tensor]:
    """The weights of a network by the names that they have in `GPTNeoXForCausalLM`, fp32."""
    ours = {name: tensor.detach().float().cpu() for name, tensor in network.state_dict().items()}
    theirs = {
        "gpt_neox.embed_in.weight": ours["embedding"].clone(),
        "gpt_neox.final_layer_norm.weight": torch.ones(network.shape.width),
        "gpt_neox.final_layer_norm.bias": torch.ones(network.shape.width),
        "embed_out.weight": _head(ours["embedding"], ours["norm.weight"]),
    }
    for place in range(network.shape.layers):
        mine, its = f"layers.{place}.", f"gpt_neox.layers.{place}."
        theirs |= _norm(f"{its}input_layernorm", ours[f"{mine}attention_norm.weight"])
        theirs |= _norm(f"{its}post_attention_layernorm", ours[f"{mine}widening_norm.weight"])
        theirs[f"{its}attention.query_key_value.weight"] = _by_head(ours[f"{mine}read.weight"], network.shape.heads)
        theirs[f"{its}attention.dense.weight"] = ours[f"{mine}attended.weight"]
        theirs |= _without_bias(f"{its}mlp.dense_h_to_4h", ours[f"{mine}widen.weight"])
        theirs |= _without_bias(f"{its}mlp.dense_4h_to_h", ours[f"{mine}narrow.weight"])
    return {name: tensor.contiguous() for name, tensor in theirs.items()}


def _norm(name: str, gain: Tensor) -> dict[str, Tensor]:
    return {f"{name}.weight": gain, f"{name}.bias": torch.zeros_like(gain)}


def _without_bias(name: str, weight: Tensor) -> dict[str, Tensor]:
    return {f"{name}.weight": weight, f"{name}.bias": torch.zeros(len(weight))}


def _by_head(read: Tensor, heads: int) -> Tensor:
    """Rows of queries, keys and values (3 · width, width), head by head, those of queries and keys with even places before odd ones."""
    queries, keys, values = read.unflatten(0, (3, heads, -1))  # (heads, width / heads, width) each
    apart = [torch.cat((rows[:, 0::2], rows[:, 1::2]), dim=1) for rows in (queries, keys)]
    return torch.stack((*apart, values), dim=1).flatten(0, 2)


def _head(embedding: Tensor, gain: Tensor) -> Tensor:
    """The head (vocabulary, width) that reads a final norm of gain 1 and bias 1."""
    rows = embedding.double() * gain.double()
    rows -= rows.mean(dim=1, keepdim=True)
    rows[START] = NEVER / len(gain)
    return rows.float()
