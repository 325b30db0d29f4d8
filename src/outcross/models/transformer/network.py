"""A small decoder-only transformer: its layers."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from outcross.models.networks import attend_causally
from outcross.text.vocabulary import START


@dataclass(frozen=True)
class Shape:
    """The sizes of a network. Heads of 64 (`width // heads`) are by far the fastest on a CPU."""

    vocabulary: int
    layers: int = 3
    width: int = 128
    heads: int = 2

    def __post_init__(self):
        for name, value in asdict(self).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.vocabulary <= START + 1:
            raise ValueError(f"vocabulary must have a token beside the start token, got {self.vocabulary}")
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width must be a multiple of twice the number of heads (rotary embeddings rotate pairs), got width {self.width}"
                f" with heads {self.heads}; try width {math.ceil(self.width / (2 * self.heads)) * 2 * self.heads}"
            )


class Cache:
    """Keys and values, in fp32 and for each layer, of the tokens that a network has read.

    Keys are (n, heads, width / heads, length), values (n, heads, length, width / heads). With one query per record on a
    CPU (AVX-512, no AMX) and 64 to 128 records, this layout takes a half to two thirds of the time of
    F.scaled_dot_product_attention. A bf16 cache is slower than both.
    """

    def __init__(self, shape: Shape, n: int, length: int, device: torch.device):
        head_width = shape.width // shape.heads
        self.keys = [torch.zeros(n, shape.heads, head_width, length, device=device) for _ in range(shape.layers)]
        self.values = [torch.zeros(n, shape.heads, length, head_width, device=device) for _ in range(shape.layers)]
        self.filled = 0

    def keep(self, rows: Tensor, since: int) -> None:
        """Continue with these rows, (m,); a row may occur several times.

        If their number is unchanged, only the places from `since` on are copied, because exchanged rows share all earlier places.
        """
        if len(rows) != len(self.keys[0]):
            self.keys, self.values = ([layer[rows] for layer in layers] for layers in (self.keys, self.values))
            return
        written = slice(since, self.filled)
        for cached in (*(key[..., written] for key in self.keys), *(value[:, :, written] for value in self.values)):
            cached.copy_(cached.index_select(0, rows))


class Network(nn.Module):
    """Pre-norm transformer with rotary embeddings and tied token embeddings (Vaswani et al. 2017; Su et al., RoFormer 2021).

    A call on tokens (n, t) returns the hidden state after each token, (n, t, width). `logits` maps a hidden state to the
    logits of the next token. The length of a sequence has no limit. Weights are fp32.
    """

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.zeros(shape.vocabulary, shape.width))
        self.layers = nn.ModuleList(_Layer(shape, place) for place in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width, bias=False)

    def forward(self, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """Return hidden states (n, t, width). With a cache, the tokens follow those in the cache and are added to it."""
        first = 0 if cache is None else cache.filled
        turns = _turns(first, tokens.shape[1], self.shape.width // self.shape.heads, tokens.device)
        hidden = F.embedding(tokens, self.embedding)
        for layer in self.layers:
            hidden = layer(hidden, turns, cache)
        if cache is not None:
            cache.filled += tokens.shape[1]
        return self.norm(hidden)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the logits of the next token in fp32, (…, vocabulary); minus infinity for the start token, which never follows."""
        with torch.autocast(hidden.device.type, enabled=False):
            scores = F.linear(hidden.float(), self.embedding)
            scores[..., START] = -math.inf
        return scores

    @property
    def device(self) -> torch.device:
        return self.embedding.device


class NetworkReader:
    """A network with the cache of the texts that it reads (a decoding.Reader)."""

    def __init__(self, network: Network, records: int, opened: int, new_tokens: int, texts: int):
        self.network = network
        self.vocabulary = network.shape.vocabulary
        self.cache = Cache(network.shape, records, opened + new_tokens, network.device)
        self.shared = opened

    def read(self, tokens: Tensor) -> Tensor:
        return self.network(tokens, self.cache)[:, -1]

    def logits(self, hidden: Tensor) -> Tensor:
        return self.network.logits(hidden)

    def follow(self, parents: Tensor) -> None:
        rows = len(self.cache.keys[0])
        if len(parents) != rows or not torch.equal(parents, torch.arange(rows, device=parents.device)):
            self.cache.keep(parents, since=self.shared)


class _Layer(nn.Module):
    def __init__(self, shape: Shape, place: int):
        super().__init__()
        self.place = place
        self.heads = shape.heads
        self.attention_norm = nn.LayerNorm(shape.width, bias=False)
        self.read = nn.Linear(shape.width, 3 * shape.width, bias=False)  # queries, keys, values
        self.attended = nn.Linear(shape.width, shape.width, bias=False)
        self.widening_norm = nn.LayerNorm(shape.width, bias=False)
        self.widen = nn.Linear(shape.width, 4 * shape.width, bias=False)
        self.narrow = nn.Linear(4 * shape.width, shape.width, bias=False)

    def forward(self, hidden: Tensor, turns: Tensor, cache: Cache | None) -> Tensor:
        hidden = hidden + self.attended(self._attend(self.attention_norm(hidden), turns, cache))
        return hidden + self.narrow(F.gelu(self.widen(self.widening_norm(hidden))))

    def _attend(self, hidden: Tensor, turns: Tensor, cache: Cache | None) -> Tensor:
        read = self.read(hidden).unflatten(-1, (3, self.heads, -1))  # (n, t, 3, heads, width / heads)
        queries, keys = _turn(read[:, :, :2], turns).transpose(1, 3).unbind(2)  # (n, heads, t, width / heads)
        values = read[:, :, 2].transpose(1, 2)
        if cache is None:
            mixed = attend_causally(queries, keys, values)
        else:
            mixed = self._attend_cached(queries, keys, values, cache)
        return mixed.transpose(1, 2).flatten(2)

    def _attend_cached(self, queries: Tensor, keys: Tensor, values: Tensor, cache: Cache) -> Tensor:
        all_keys, all_values = cache.keys[self.place], cache.values[self.place]
        new = slice(cache.filled, cache.filled + queries.shape[2])
        all_keys[..., new], all_values[:, :, new] = keys.transpose(2, 3), values
        if cache.filled == 0:
            return attend_causally(queries, keys, values)
        if queries.shape[2] > 1:
            raise ValueError(f"after the first call a cache takes one token at a time, got {queries.shape[2]}")
        with torch.autocast(queries.device.type, enabled=False):
            scores = queries.float() @ all_keys[..., : new.stop] * queries.shape[3] ** -0.5
            mixed = scores.softmax(-1) @ all_values[:, :, : new.stop]
        return mixed.to(values.dtype)


def _turns(first: int, length: int, head_width: int, device: torch.device) -> Tensor:
    """Return rotary angles as unit complex numbers, (length, 1, 1, head_width / 2), for positions from `first` on."""
    pairs = torch.arange(0, head_width, 2, device=device, dtype=torch.float32)
    positions = torch.arange(first, first + length, device=device, dtype=torch.float32)
    angles = positions[:, None] * 10_000.0 ** (-pairs / head_width)
    return torch.polar(torch.ones_like(angles), angles)[:, None, None]


def _turn(vectors: Tensor, turns: Tensor) -> Tensor:
    """Rotate neighbouring pairs of the last axis, in fp32."""
    pairs = torch.view_as_complex(vectors.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2).to(vectors.dtype)


def initial(shape: Shape, rng: np.random.Generator, device: str | torch.device = "cpu") -> Network:
    """Return an untrained network with normal weights of standard deviation 0.02, and smaller weights in maps to the residual stream (GPT-2)."""
    network = Network(shape)
    for name, weights in network.named_parameters():
        if weights.dim() == 2:
            adds = name.endswith(("attended.weight", "narrow.weight"))
            deviation = 0.02 / math.sqrt(2 * shape.layers) if adds else 0.02
            drawn = rng.standard_normal(tuple(weights.shape), dtype=np.float32)
            weights.data.copy_(torch.from_numpy(drawn * np.float32(deviation)))
    return network.to(device)


def after_start(tokens: Tensor) -> Tensor:
    """Return the tokens after a start token, without the last token. A network reads these to predict each token."""
    start = tokens.new_full((len(tokens), 1), START)
    return torch.cat((start, tokens[:, :-1]), dim=1)


def checked(blocks: NDArray[np.integer], shape: Shape, name: str = "blocks") -> Tensor:
    """Return the blocks as an int64 tensor on the CPU. Raises ValueError if they are not tokens of this network."""
    blocks = np.asarray(blocks)
    if blocks.ndim != 2 or not np.issubdtype(blocks.dtype, np.integer):
        raise ValueError(f"{name} must be a two-dimensional array of integers, got {blocks.ndim}-d {blocks.dtype}")
    if blocks.size and (blocks.min() <= START or blocks.max() >= shape.vocabulary):
        raise ValueError(
            f"{name} must consist of tokens from {START + 1} to {shape.vocabulary - 1} (the network adds the start token),"
            f" got {blocks.min()} to {blocks.max()}; encode the text with the vocabulary of this network"
        )
    return torch.from_numpy(blocks.astype(np.int64))
