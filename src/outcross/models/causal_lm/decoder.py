"""Forward passes of causal language models for generation, with fused weights, a cache that is never moved, and several texts per record.

The families that are common in papers (Llama, OPT, GPT-2) have their own forward pass here. On a CPU it is several times as fast
as the modules of transformers, with equal results. Every other network uses its own modules and their cache.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outcross.models.decoding import Begin
from outcross.models.networks import Precision, precise

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PLACES = 64  # number of places by which the cache grows
_PREFILL = {
    "cpu": 1024,
    "cuda": 8192,
}  # tokens of prompts per forward pass: few enough for the cache of a CPU, and enough to keep a GPU busy


def vocabulary_of(network: PreTrainedModel) -> int:
    """Return the number of tokens that have a logit."""
    head: Any = network.get_output_embeddings()
    return head.weight.shape[0]


def reader_of(network: PreTrainedModel, precision: Precision, *, draws: bool) -> Begin:
    """Return a function that starts reading texts with the present weights of this network; later changes of the weights have no effect.

    If `draws` is true, the logits of our own forward pass are fp32 in both precisions. A search only ranks logits, so it needs no fp32.
    """
    if precision not in ("bf16", "fp32"):
        raise ValueError(f"precision must be 'bf16' or 'fp32', got {precision!r}")
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    decoder = _decoder(network, dtype, torch.float32 if draws else dtype)
    if decoder is None:
        return lambda records, opened, new_tokens, texts: TheirReader(network, precision)
    return lambda records, opened, new_tokens, texts: OurReader(decoder, records)


@dataclass(frozen=True)
class Affine:
    """The linear map x Wᵀ + b, in the precision of the weights."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs, self.weight, self.bias)


@dataclass(frozen=True)
class Layer:
    """One layer of a pre-norm decoder."""

    attention_norm: Callable[[Tensor], Tensor]
    read: Affine  # queries, keys, values
    attended: Affine
    widening_norm: Callable[[Tensor], Tensor]
    widen: Affine
    """The first map of the feed-forward network; in a gated layer the gate and the gated values, in this order."""
    narrow: Affine
    scale: float
    """The factor of the products of queries and keys."""


@dataclass(frozen=True)
class Decoder:
    """A pre-norm decoder in one precision, with a residual stream in fp32."""

    embedding: Tensor
    positions: Callable[[Tensor], Tensor] | None
    """Function from positions (t,) to the vectors that are added to the embeddings, (t, width)."""
    turns: Callable[[Tensor], tuple[Tensor, Tensor]] | None
    """Function from positions (t,) to the cosines and sines of rotary embeddings, (t, head width)."""
    layers: tuple[Layer, ...]
    norm: Callable[[Tensor], Tensor]
    head: Affine
    """The output layer, which computes the logits of the next token. It is fp32 for a network that samples, because bf16 rounds a logit of 20
    by up to 0.06, which changes the tails."""
    heads: int
    key_heads: int
    head_width: int
    activation: Callable[[Tensor], Tensor]
    is_gated: bool
    dtype: torch.dtype


class OurReader:
    """A decoder with the state of reading the texts of n records. The last `follow` decides the number of texts per record.

    The cache holds the keys and values of all texts of a record one after the other: first those of the shared prompt, then one place per
    text and token. Nothing is moved or copied when texts are continued. A text reads the places of its own ancestors, and `unseen` adds
    minus infinity to all others. The cache grows by _PLACES places, so that matrix products are over whole arrays.
    """

    def __init__(self, decoder: Decoder, records: int):
        self.decoder = decoder
        self.vocabulary = len(decoder.head.weight)
        self.records, self.texts, self.length = records, 1, 0
        self.filled = 0  # places
        nothing = decoder.embedding.new_empty((records, decoder.key_heads, 0, decoder.head_width), dtype=decoder.dtype)
        self.keys, self.values = ([nothing] * len(decoder.layers) for _ in range(2))
        self.unseen = nothing.new_empty((records, 1, 0), dtype=torch.float32)  # (records, texts, places)

    def read(self, tokens: Tensor) -> Tensor:
        self._make_room(tokens.shape[1] * self.texts)
        if self.length:
            hidden = self._stream(tokens, slice(0, self.records))
        else:
            self.unseen[..., : tokens.shape[1]] = 0
            few = max(1, _PREFILL.get(tokens.device.type, 8192) // tokens.shape[1])
            parts = [slice(first, min(first + few, self.records)) for first in range(0, self.records, few)]
            hidden = torch.cat([self._stream(tokens[rows], rows) for rows in parts])
        self.length += tokens.shape[1]
        self.filled += tokens.shape[1] * self.texts
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        return self.decoder.head(hidden.to(self.decoder.head.weight.dtype)).float()

    def follow(self, parents: Tensor) -> None:
        places = parents.view(self.records, -1) - self.texts * torch.arange(self.records, device=parents.device)[:, None]
        self.unseen = self.unseen.gather(1, places[:, :, None].expand(-1, -1, self.unseen.shape[2]))
        self.texts = places.shape[1]

    def _make_room(self, places: int) -> None:
        """Make room for `places` more places, and let every text see its own places of the next token."""
        missing = self.filled + places - self.unseen.shape[2]
        if missing > 0:
            room = math.ceil(missing / _PLACES) * _PLACES
            for kept in (self.keys, self.values):
                kept[:] = [F.pad(part, (0, 0, 0, room)) for part in kept]
            self.unseen = F.pad(self.unseen, (0, room), value=-math.inf)
        own = self.filled + torch.arange(self.texts, device=self.unseen.device)
        self.unseen[:, own - self.filled, own] = 0

    def _stream(self, tokens: Tensor, records: slice) -> Tensor:
        """Return the hidden state after the last of the tokens (rows, t), as (rows, width), and store their keys and values."""
        decoder = self.decoder
        places = torch.arange(self.length, self.length + tokens.shape[1], device=tokens.device)
        stream = F.embedding(tokens, decoder.embedding).float()
        if decoder.positions is not None:
            stream += decoder.positions(places)
        turns = None if decoder.turns is None else decoder.turns(places)
        for number, layer in enumerate(decoder.layers):
            read = layer.read(layer.attention_norm(stream).to(decoder.dtype))
            heads = read.unflatten(-1, (-1, decoder.head_width))  # (rows, t, queries + keys + values, head width)
            if turns is not None:
                _turn(heads[:, :, : decoder.heads + decoder.key_heads], *turns)
            queries, keys, values = heads.split((decoder.heads, decoder.key_heads, decoder.key_heads), dim=2)
            mixed = self._attend(number, records, queries * layer.scale, keys, values)
            stream += layer.attended(mixed)
            wide = layer.widen(layer.widening_norm(stream).to(decoder.dtype))
            if decoder.is_gated:
                gate, through = wide.chunk(2, dim=-1)
                wide = decoder.activation(gate).mul_(through)
            else:
                wide = decoder.activation(wide)
            stream += layer.narrow(wide)
        return decoder.norm(stream[:, -1])

    def _attend(self, number: int, records: slice, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Return the attention output of each token, (rows, t, heads · head width), and store the token's keys and values."""
        rows, t = queries.shape[:2]
        n = records.stop - records.start
        all_keys, all_values = self.keys[number][records], self.values[number][records]
        new = slice(self.filled, self.filled + t * self.texts)
        for kept, given in ((all_keys, keys), (all_values, values)):
            kept[:, :, new] = given.reshape(n, self.texts * t, *given.shape[2:]).transpose(1, 2)
        if t > 1:
            queries, keys, values = (part.transpose(1, 2) for part in (queries, keys, values))
            is_grouped = queries.shape[1] > keys.shape[1]
            mixed = F.scaled_dot_product_attention(queries, keys, values, is_causal=True, scale=1.0, enable_gqa=is_grouped)
            return mixed.transpose(1, 2).flatten(2)
        # The queries of all texts of a record that share a key head are adjacent: (n, key heads, texts · group, head width).
        asked = queries.view(n, self.texts, keys.shape[2], -1, keys.shape[3]).transpose(1, 2).flatten(2, 3)
        scores = asked @ all_keys.transpose(2, 3)
        scores.unflatten(2, (self.texts, -1)).add_(self.unseen[records, None, :, None])
        mixed = scores.softmax(-1) @ all_values
        return mixed.unflatten(2, (self.texts, -1)).transpose(1, 2).reshape(rows, 1, -1)


class TheirReader:
    """A network that reads texts with its own modules and their cache."""

    def __init__(self, network: PreTrainedModel, precision: Precision):
        self.network = network
        self.vocabulary = vocabulary_of(network)
        self.precision: Precision = precision
        self.name = "cache" if "cache" in inspect.signature(network.forward).parameters else "past_key_values"
        self.cache: Any = None
        self.given: Tensor

    def read(self, tokens: Tensor) -> Tensor:
        with precise(self.precision, tokens.device):
            given = self.network(input_ids=tokens, use_cache=True, logits_to_keep=1, return_dict=True, **{self.name: self.cache})
        self.cache = given[self.name]
        return given.logits[:, -1]

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden.float()

    def follow(self, parents: Tensor) -> None:
        self.cache.reorder_cache(parents)


def _turn(heads: Tensor, cosines: Tensor, sines: Tensor) -> None:
    """Apply rotary embeddings to (rows, t, heads, head width) in place, pairing the first half of a head's width with the second (Llama)."""
    first, second = heads.float().chunk(2, dim=-1)
    cosines, sines = (part.chunk(2, dim=-1)[0][:, None] for part in (cosines, sines))
    heads.copy_(torch.cat((first * cosines - second * sines, second * cosines + first * sines), dim=-1))


class _Unfamiliar(Exception):
    """Raised for a network that differs from its family in a property that the descriptions below do not cover."""


def _decoder(network: PreTrainedModel, dtype: torch.dtype, head: torch.dtype) -> Decoder | None:
    """Return the decoder of a network whose family is described below; None for every other network."""
    describe = {"LlamaForCausalLM": _llama, "OPTForCausalLM": _opt, "GPT2LMHeadModel": _gpt2}.get(type(network).__name__)
    if describe is None or not type(network).__module__.startswith("transformers.models."):
        return None
    try:
        return describe(network, dtype, head)
    except _Unfamiliar:
        return None


def _llama(network: Any, dtype: torch.dtype, head: torch.dtype) -> Decoder:
    config, model = network.config, network.model
    _must(
        model.rotary_emb.rope_type in ("default", "linear", "llama3", "yarn")
    )  # The other types depend on the length of the text.

    def turns(places: Tensor) -> tuple[Tensor, Tensor]:
        cosines, sines = model.rotary_emb(model.embed_tokens.weight.new_empty(0, dtype=torch.float32), places[None])
        return cosines[0], sines[0]

    layers = tuple(
        Layer(
            attention_norm=_rms_norm(layer.input_layernorm),
            read=_affine(dtype, layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj),
            attended=_affine(dtype, layer.self_attn.o_proj),
            widening_norm=_rms_norm(layer.post_attention_layernorm),
            widen=_affine(dtype, layer.mlp.gate_proj, layer.mlp.up_proj),
            narrow=_affine(dtype, layer.mlp.down_proj),
            scale=layer.self_attn.scaling,
        )
        for layer in model.layers
    )
    return Decoder(
        embedding=model.embed_tokens.weight,
        positions=None,
        turns=turns,
        layers=layers,
        norm=_rms_norm(model.norm),
        head=_affine(head, network.lm_head),
        heads=config.num_attention_heads,
        key_heads=config.num_key_value_heads,
        head_width=model.layers[0].self_attn.head_dim,
        activation=_activation(config.hidden_act),
        is_gated=True,
        dtype=dtype,
    )


def _opt(network: Any, dtype: torch.dtype, head: torch.dtype) -> Decoder:
    config, model = network.config, network.model.decoder
    _must(config.do_layer_norm_before and model.project_in is None and model.final_layer_norm is not None)
    places_of = model.embed_positions
    layers = tuple(
        Layer(
            attention_norm=_layer_norm(layer.self_attn_layer_norm),
            read=_affine(dtype, layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj),
            attended=_affine(dtype, layer.self_attn.out_proj),
            widening_norm=_layer_norm(layer.final_layer_norm),
            widen=_affine(dtype, layer.fc1),
            narrow=_affine(dtype, layer.fc2),
            scale=layer.self_attn.scaling,
        )
        for layer in model.layers
    )
    return _of_learned_positions(
        network, dtype, head, layers, embedding=model.embed_tokens.weight, norm=_layer_norm(model.final_layer_norm),
        positions=lambda places: F.embedding(places + places_of.offset, places_of.weight).float(),
    )  # fmt: skip


def _gpt2(network: Any, dtype: torch.dtype, head: torch.dtype) -> Decoder:
    config, model = network.config, network.transformer
    _must(not config.add_cross_attention)
    layers = tuple(
        Layer(
            attention_norm=_layer_norm(layer.ln_1),
            read=_turned_affine(dtype, layer.attn.c_attn),
            attended=_turned_affine(dtype, layer.attn.c_proj),
            widening_norm=_layer_norm(layer.ln_2),
            widen=_turned_affine(dtype, layer.mlp.c_fc),
            narrow=_turned_affine(dtype, layer.mlp.c_proj),
            scale=layer.attn.scaling,
        )
        for layer in model.h
    )
    return _of_learned_positions(
        network, dtype, head, layers, embedding=model.wte.weight, norm=_layer_norm(model.ln_f),
        positions=lambda places: F.embedding(places, model.wpe.weight).float(),
    )  # fmt: skip


def _of_learned_positions(
    network: Any, dtype: torch.dtype, head: torch.dtype, layers: tuple[Layer, ...], *,
    embedding: torch.Tensor, norm: Any, positions: Callable[[torch.Tensor], torch.Tensor],
) -> Decoder:  # fmt: skip
    """Return a decoder with learned position vectors and without gates in the feed-forward layers."""
    config = network.config
    return Decoder(
        embedding=embedding,
        positions=positions,
        turns=None,
        layers=layers,
        norm=norm,
        head=_affine(head, network.lm_head),
        heads=config.num_attention_heads,
        key_heads=config.num_attention_heads,
        head_width=config.hidden_size // config.num_attention_heads,
        activation=_activation(config.activation_function),
        is_gated=False,
        dtype=dtype,
    )


def _must(is_familiar: bool) -> None:
    if not is_familiar:
        raise _Unfamiliar


def _affine(dtype: torch.dtype, *modules: nn.Module) -> Affine:
    """Fuse several linear maps of the same input."""
    _must(all(type(module) is nn.Linear for module in modules))
    weights, biases = ([getattr(module, name) for module in modules] for name in ("weight", "bias"))
    return Affine(_joined(weights).to(dtype), None if biases[0] is None else _joined(biases).to(dtype))


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0].detach() if len(parts) == 1 else torch.cat(parts).detach()


def _turned_affine(dtype: torch.dtype, module: Any) -> Affine:
    """Return a map whose weight is stored transposed, as in GPT-2."""
    _must(type(module).__name__ == "Conv1D")
    return Affine(module.weight.detach().T.contiguous().to(dtype), module.bias.detach().to(dtype))


def _rms_norm(module: Any) -> Callable[[Tensor], Tensor]:
    weight, epsilon = module.weight.detach().float(), module.variance_epsilon
    return lambda stream: F.rms_norm(stream, weight.shape, weight, epsilon)


def _layer_norm(module: Any) -> Callable[[Tensor], Tensor]:
    _must(type(module).__name__ == "LayerNorm")
    weight, bias = (None if part is None else part.detach().float() for part in (module.weight, module.bias))
    return lambda stream: F.layer_norm(stream, module.normalized_shape, weight, bias, module.eps)


def _activation(name: str) -> Callable[[Tensor], Tensor]:
    from transformers.activations import ACT2FN

    if name in ("gelu_new", "gelu_fast", "gelu_pytorch_tanh"):
        return lambda inputs: F.gelu(inputs, approximate="tanh")
    return {"silu": F.silu, "relu": F.relu, "gelu": F.gelu}.get(name) or ACT2FN[name]
