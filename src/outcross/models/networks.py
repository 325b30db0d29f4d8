"""What all networks of torch share: precision, causal attention, the memory that a fit keeps, and storage."""

from __future__ import annotations

import ctypes
import json
import math
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

Precision = Literal["bf16", "fp32"]


def precise(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """Return a context with matrix products in bf16 or in fp32. Weights, norms, logits and softmax are always fp32."""
    if precision not in ("bf16", "fp32"):
        raise ValueError(f"precision must be 'bf16' or 'fp32', got {precision!r}")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def keep_freed_memory() -> None:
    """Let glibc keep up to 62 MB of freed memory for the next step, which avoids page faults.

    Freeing a mapped block of this size raises glibc's thresholds (mallopt(3), M_MMAP_THRESHOLD). The block is never written, so it costs
    nothing. Without glibc it has no effect.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


def give_back_memory() -> None:
    """Return freed memory from glibc to the system; without glibc do nothing. Otherwise a long fit would grow by up to 2 MB per step."""
    if sys.platform == "linux" and hasattr(glibc := ctypes.CDLL(None), "malloc_trim"):
        glibc.malloc_trim(0)


def attend_causally(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Compute scaled causal attention of each token to itself and the tokens before it; all arrays are (n, heads, t, width / heads).

    In bf16 on a CPU it uses our own backward pass, which agrees with torch's in fp32 within the rounding of bf16.
    """
    if values.dtype == torch.bfloat16 and values.device.type == "cpu":
        return _CpuAttention.apply(queries, keys, values)
    return F.scaled_dot_product_attention(queries, keys, values, is_causal=True)


class _CpuAttention(torch.autograd.Function):
    """Causal attention in bf16 by matrix products. The backward pass of torch 2.13 is eight times slower on a CPU."""

    @staticmethod
    def forward(ctx: Any, *parts: Tensor) -> Tensor:
        queries, keys, values = (part.flatten(0, 1) for part in parts)  # (n * heads, t, width / heads)
        future = queries.new_full((queries.shape[1], queries.shape[1]), -math.inf).triu(1)
        scores = torch.baddbmm(future, queries, keys.transpose(1, 2), alpha=queries.shape[2] ** -0.5)
        shares = scores.softmax(-1)  # (n * heads, t, t)
        ctx.save_for_backward(queries, keys, values, shares)
        return torch.bmm(shares, values).view_as(parts[0])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        queries, keys, values, shares = ctx.saved_tensors
        gradient = gradients[0].flatten(0, 1)
        scores = torch.bmm(gradient, values.transpose(1, 2)) * queries.shape[2] ** -0.5
        scores = torch.ops.aten._softmax_backward_data(scores, shares, -1, shares.dtype)
        parts = (
            torch.bmm(scores, keys),
            torch.bmm(scores.transpose(1, 2), queries),
            torch.bmm(shares.transpose(1, 2), gradient),
        )
        return tuple(part.view_as(gradients[0]) for part in parts)


class StoredNetwork(Protocol):
    """A network of torch that is defined by its `shape`, a dataclass of plain values."""

    shape: Any

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...
    def to(self, device: Any) -> Any: ...


N = TypeVar("N", bound=StoredNetwork)


def save(network: StoredNetwork, folder: Path) -> None:
    """Write `network.safetensors` and `network.json`; the same network gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "network.json").write_text(json.dumps(asdict(network.shape), indent=2) + "\n", encoding="utf-8")
    weights = {name: weights.detach().cpu().contiguous() for name, weights in network.state_dict().items()}
    save_file(weights, folder / "network.safetensors")


def load(network: Callable[[Any], N], shape: Callable[..., Any], folder: Path, device: str | torch.device = "cpu") -> N:
    """Return the network that `save` stored in the folder. `network` and `shape` are its classes."""
    loaded = network(shape(**json.loads((folder / "network.json").read_text(encoding="utf-8"))))
    loaded.load_state_dict(load_file(folder / "network.safetensors"))
    return loaded.to(device)
