"""Fit a network to blocks of tokens."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.adamw import adamw

from outcross.models.transformer.network import (
    Network,
    Precision,
    after_start,
    checked,
    give_back_memory,
    keep_freed_memory,
    precise,
)
from outcross.models.transformer.scoring import log_prob
from outcross.text.vocabulary import START

LOGITS_AT_A_TIME = 2**18
"""Logits of a chunk of the loss, so that a chunk of them stays in a CPU's cache."""
_ROWS_AT_LEAST = 128
_WEIGHTS_A_ROW = 2**16
"""A chunk has a row for so many weights of the output layer, at least: each chunk adds to the gradient of the whole layer. At 49,152 tokens of
width 576 chunks of 432 rows take three quarters of the time of chunks of 128."""
_STEPS_BETWEEN_CHECKS = 25  # of the loss: reading it waits for a GPU


@dataclass(frozen=True)
class Fitted:
    """What came of a fit."""

    network: Network
    losses: NDArray[np.float64]
    """Training loss before each step, (steps,), nats a token."""
    validation: tuple[tuple[int, float], ...]
    """(steps done, held-out loss in nats a token), ten times on the way and at the end; empty without validation."""


def fit(
    network: Network,
    blocks: NDArray[np.int32],
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    warmup: int,
    rng: np.random.Generator,
    weights: NDArray[np.floating] | None = None,
    precision: Precision = "bf16",
    validation: NDArray[np.int32] | None = None,
    keep_best: bool = False,
    progress: Callable[[int, float], None] | None = None,
) -> Fitted:
    """A copy of the network, trained on blocks (n, block) for exactly `steps` steps; the one given stays as it was.

    AdamW (Loshchilov & Hutter 2019) with weight decay 0.1 on matrices, gradients clipped to norm 1, the learning rate
    rising over `warmup` steps and falling to nothing along a cosine. Batches run through the records permutation after
    permutation, so that all are seen equally often, give or take one. A record of weight w counts w times in the loss;
    weights have any scale. With `keep_best` the network is that of the check with the lowest held-out loss, the first of equals. `progress` is told the steps done and the loss, now and then.

    Raises FloatingPointError when the loss is no longer finite.
    """
    records = checked(blocks, network.shape)
    shares = shares_of(weights, len(records))
    _check(steps=steps, batch=batch, learning_rate=learning_rate, warmup=warmup)
    keep_freed_memory()
    network = copy.deepcopy(network)
    optimizer = AdamW(network)
    losses: list[Tensor] = []
    held_out: list[tuple[int, float]] = []
    best: dict[str, Tensor] | None = None
    for step, chosen in enumerate(batches(len(records), batch, steps, rng)):
        with precise(precision, network.device):
            loss = mean_loss(network, records[chosen].to(network.device), shares[chosen].to(network.device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step(learning_rate * _schedule(step, steps, warmup))
        losses.append(loss.detach())
        done = step + 1
        if done % _STEPS_BETWEEN_CHECKS == 0 or done == steps:
            check_finite(losses, learning_rate)
            give_back_memory()
            if progress is not None:
                progress(done, losses[-1].item())
        if validation is not None and (done % math.ceil(steps / 10) == 0 or done == steps):
            held_out.append((done, -log_prob(network, validation).mean() / validation.shape[1]))
            if keep_best and held_out[-1][1] < min((loss for _, loss in held_out[:-1]), default=math.inf):
                best = copy.deepcopy(network.state_dict())
    if best is not None:
        network.load_state_dict(best)
    return Fitted(network, torch.stack(losses).double().cpu().numpy(), tuple(held_out))


class AdamW:
    """torch's fused AdamW (Loshchilov & Hutter 2019): betas .9 and .95, weight decay 0.1 on matrices and none on vectors.

    The functional form, as torch's optimizer objects import its compiler when first made, three seconds of each process.
    """

    def __init__(self, network: Network):
        weights: list[Tensor] = list(network.parameters())
        self.groups = [
            WeightGroup([weight for weight in weights if weight.dim() > 1], 0.1),
            WeightGroup([weight for weight in weights if weight.dim() == 1], 0.0),
        ]

    def step(self, learning_rate: float) -> None:
        """Change the weights by their gradients, and let go of these."""
        for group in self.groups:
            group.step(learning_rate)


class WeightGroup:
    """Weights of one decay, with their running means of gradients and of squared gradients."""

    def __init__(self, weights: list[Tensor], decay: float, betas: tuple[float, float] = (0.9, 0.95), epsilon: float = 1e-8):
        self.weights, self.decay, self.betas, self.epsilon = weights, decay, betas, epsilon
        self.means, self.squares = ([torch.zeros_like(weight) for weight in weights] for _ in range(2))
        self.steps = [torch.zeros((), device=weight.device) for weight in weights]

    def step(self, learning_rate: float) -> None:
        gradients = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in self.weights]
        with torch.no_grad():
            adamw(
                self.weights, gradients, self.means, self.squares, [], self.steps, fused=True, lr=learning_rate, beta1=self.betas[0],
                beta2=self.betas[1], weight_decay=self.decay, eps=self.epsilon, amsgrad=False, maximize=False,
            )  # fmt: skip
        for weight in self.weights:
            weight.grad = None


def mean_loss(network: Network, blocks: Tensor, weights: Tensor) -> Tensor:
    """Nats a token, each block counted by its weight (n,), over n; its gradient is worked out on the way forward."""
    hidden = network(after_start(blocks)).flatten(0, 1)
    per_token = (weights / blocks.numel()).repeat_interleave(blocks.shape[1])
    return CrossEntropy.apply(hidden, network.embedding, blocks.flatten(), per_token, START)


class CrossEntropy(torch.autograd.Function):
    """Weighted cross-entropy of an output layer, chunk by chunk, so that no (tokens, vocabulary) array is ever made.

    Half the time of the plain form on a CPU at a vocabulary of 2048. A probability under 1e-37 counts as that much. `never` is a token that has
    none, or None.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, embedding: Tensor, targets: Tensor, weights: Tensor, never: int | None) -> Tensor:
        device = hidden.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
        inputs, outputs = hidden.to(dtype), embedding.to(dtype)
        inputs_gradient, outputs_gradient = torch.empty_like(hidden), torch.zeros_like(embedding)
        loss = hidden.new_zeros((), dtype=torch.float32)
        rows = min(len(inputs), max(_ROWS_AT_LEAST, LOGITS_AT_A_TIME // len(embedding), embedding.numel() // _WEIGHTS_A_ROW))
        all_scores = inputs.new_empty(rows, len(embedding))  # written over by every chunk: fresh memory costs page faults
        all_logits = torch.empty_like(all_scores, dtype=torch.float32)
        all_probabilities = torch.empty_like(all_logits)
        for first in range(0, len(inputs), rows):
            chunk = slice(first, min(first + rows, len(inputs)))
            scores, logits, probabilities = (part[: chunk.stop - first] for part in (all_scores, all_logits, all_probabilities))
            logits.copy_(torch.mm(inputs[chunk], outputs.T, out=scores))
            if never is not None:
                logits[:, never] = -math.inf
            torch.softmax(logits, dim=1, out=probabilities)
            target, weight = targets[chunk, None], weights[chunk, None]
            on_target = probabilities.gather(1, target)
            loss -= (on_target.clamp_min(1e-37).log() * weight).sum()
            scores.copy_(probabilities.scatter_(1, target, on_target - 1).mul_(weight))
            inputs_gradient[chunk] = scores @ outputs
            outputs_gradient += scores.T @ inputs[chunk]
        ctx.save_for_backward(inputs_gradient, outputs_gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs_gradient, outputs_gradient = ctx.saved_tensors
        return inputs_gradient * gradients[0], outputs_gradient * gradients[0], None, None, None


def batches(n: int, batch: int, steps: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """The rows of n records that each of `steps` steps learns from, (batch,) a step: drawn without replacement until all are used up, and again.

    So after any number of steps two records have been seen equally often, or one of them once more.
    """
    waiting = np.empty(0, dtype=np.int64)
    for _ in range(steps):
        while len(waiting) < batch:
            waiting = np.concatenate((waiting, rng.permutation(n)))
        yield waiting[:batch]
        waiting = waiting[batch:]


def _schedule(step: int, steps: int, warmup: int) -> float:
    """Share of the full learning rate at a step, in (0, 1]: a line up, then a cosine down towards 0."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * done))


def shares_of(weights: NDArray[np.floating] | None, n: int) -> Tensor:
    """Loss weights of mean 1, (n,), fp32."""
    if n == 0:
        raise ValueError("blocks must hold at least one record to train on, got none")
    if weights is None:
        return torch.ones(n)
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (n,) or not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
        raise ValueError(
            f"weights must be {n} finite numbers, one a block, none negative and not all zero,"
            f" got shape {weights.shape} from {weights.min(initial=0)} to {weights.max(initial=0)}"
        )
    return torch.from_numpy(weights / weights.mean()).float()


def _check(*, steps: int, batch: int, learning_rate: float, warmup: int) -> None:
    for name, value, minimum in (("steps", steps, 1), ("batch", batch, 1), ("warmup", warmup, 0)):
        if value < minimum:
            raise ValueError(f"{name} must be at least {minimum}, got {value}")
    if not learning_rate > 0:
        raise ValueError(f"learning_rate must be above 0, got {learning_rate}")


def check_finite(losses: list[Tensor], learning_rate: float) -> None:
    """Raise FloatingPointError where one of the latest losses is no number."""
    latest = torch.stack(losses[-_STEPS_BETWEEN_CHECKS:]).cpu()
    if not latest.isfinite().all():
        first = len(losses) - len(latest) + int((~latest.isfinite()).nonzero()[0])
        raise FloatingPointError(
            f"the training loss must stay finite, got {latest[first - len(losses) + len(latest)].item()} at step {first};"
            f" lower the learning rate (it was {learning_rate}) or lengthen the warm-up"
        )
