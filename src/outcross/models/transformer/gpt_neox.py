"""Export of our network to the GPT-NeoX architecture of the library `transformers`, with the same logits.

Our network is that architecture with sequential residuals, exact GELU, rotary embeddings over whole heads, no biases in attention and zero
biases elsewhere. GPT-NeoX differs in two ways:

- Queries, keys and values are stored head by head. Rotary embeddings pair number i with number i + half of the head, while ours pair
  neighbours. The rows of queries and keys are therefore reordered, which changes none of their products.
- In our network the logit of the start token is minus infinity, so it is never written. GPT-NeoX has no bias at the head for this. But the
  output of a LayerNorm sums to zero before its gain. So the gain is moved into the head, each row of the head is centred (which changes no
  logit), and the bias of the norm is set to 1. A row of equal numbers then gives the constant logit NEVER. All other rows sum to zero, so the
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
"""Logit of the start token. In every precision the number is finite and the resulting probability is zero."""


def files(network: Network, vocabulary: Vocabulary, block: int) -> dict[str, bytes]:
    """Return the files of a folder that `transformers.AutoModelForCausalLM` and `AutoTokenizer` can load, by name.

    `block` is the number of tokens of a record. `transformers` warns about texts that are longer than two blocks, the longest text that the
    network has read.
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
    """Return the configuration of the architecture for `transformers`."""
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
    """Return the weights of a network by their names in `GPTNeoXForCausalLM`, in fp32."""
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
    """Reorder the rows of queries, keys and values (3 · width, width) head by head, with the even rows of queries and keys before the odd ones."""
    queries, keys, values = read.unflatten(0, (3, heads, -1))  # (heads, width / heads, width) each
    apart = [torch.cat((rows[:, 0::2], rows[:, 1::2]), dim=1) for rows in (queries, keys)]
    return torch.stack((*apart, values), dim=1).flatten(0, 2)


def _head(embedding: Tensor, gain: Tensor) -> Tensor:
    """Return the output layer (vocabulary, width) for a final norm with gain 1 and bias 1."""
    rows = embedding.double() * gain.double()
    rows -= rows.mean(dim=1, keepdim=True)
    rows[START] = NEVER / len(gain)
    return rows.float()
