"""Training of a network on blocks of tokens."""

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

from outcross.models.networks import Precision, give_back_memory, keep_freed_memory, precise
from outcross.models.transformer.network import Network, after_start, checked
from outcross.models.transformer.scoring import log_prob
from outcross.text.vocabulary import START

LOGITS_AT_A_TIME = 2**18
"""Number of logits whose probabilities are computed at a time on a CPU, so that they stay in its cache."""
SCORES_AT_A_TIME = 2**26
"""Number of logits in memory at a time, 128 MB in bf16. Each such group adds to the gradient of the whole output layer."""
_LARGE = 2**23
"""Size of a gradient, in numbers, from which its memory is reused between steps. glibc requests more than 32 MB from the system every time."""
_STEPS_BETWEEN_CHECKS = 25  # between checks that the loss is finite, because reading the loss waits for the GPU


@dataclass(frozen=True)
class Fitted:
    """The result of a fit."""

    network: Network
    losses: NDArray[np.float64]
    """Training loss before each step, (steps,), in nats per token."""
    validation: tuple[tuple[int, float], ...]
    """Pairs of the number of steps and the held-out loss in nats per token, for every check; empty without validation."""


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
    """Train a copy of the network on blocks (n, block) for exactly `steps` steps; the given network stays unchanged.

    The optimizer is AdamW (Loshchilov & Hutter 2019) with weight decay 0.1 on matrices and gradients clipped to norm 1. The learning rate
    rises over `warmup` steps and falls to zero along a cosine. Batches go through one random permutation of the records after another, so the
    numbers of times that two records are seen differ by at most one. A record of weight w counts w times in the loss; weights have any scale.
    With `keep_best` the result is the network at the check with the lowest held-out loss, the first of equals. `progress` receives the number
    of steps and the loss now and then.

    Raises FloatingPointError when the loss stops being finite.
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
    network.zero_grad(set_to_none=True)
    return Fitted(network, torch.stack(losses).double().cpu().numpy(), tuple(held_out))


class AdamW:
    """torch's fused AdamW (Loshchilov & Hutter 2019) with betas .9 and .95, weight decay 0.1 on matrices and none on vectors.

    It uses torch's functional form. The first optimizer object of torch would import its compiler, which takes three seconds in each process.
    """

    def __init__(self, network: Network):
        weights: list[Tensor] = list(network.parameters())
        self.groups = [
            WeightGroup([weight for weight in weights if weight.dim() > 1], 0.1),
            WeightGroup([weight for weight in weights if weight.dim() == 1], 0.0),
        ]

    def step(self, learning_rate: float) -> None:
        """Update the weights by their gradients, and clear the gradients."""
        for group in self.groups:
            group.step(learning_rate)


class WeightGroup:
    """Weights with the same decay, with their running means of gradients and squared gradients."""

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
            if weight.grad is not None and weight.numel() > _LARGE:
                weight.grad.zero_()
            else:
                weight.grad = None


def mean_loss(network: Network, blocks: Tensor, weights: Tensor) -> Tensor:
    """Return the loss in nats per token: the sum over blocks times their weights (n,), divided by n. The forward pass computes the gradient."""
    hidden = network(after_start(blocks)).flatten(0, 1)
    per_token = (weights / blocks.numel()).repeat_interleave(blocks.shape[1])
    return CrossEntropy.apply(hidden, network.embedding, blocks.flatten(), per_token, START, None)


class Workspace:
    """Large arrays that every step of a fit overwrites. New memory would cause page faults."""

    def __init__(self):
        self._arrays: dict[str, Tensor] = {}

    def array(self, name: str, like: Tensor, dtype: torch.dtype, shape: tuple[int, ...] | None = None) -> Tensor:
        """Return an uninitialised array of this shape (or the shape of `like`) on the device of `like`. It reuses the memory of the same name."""
        shape = like.shape if shape is None else shape
        numbers, kept = math.prod(shape), self._arrays.get(name)
        if kept is None or kept.numel() < numbers or kept.dtype != dtype or kept.device != like.device:
            kept = self._arrays[name] = torch.empty(numbers, dtype=dtype, device=like.device)
        return kept[:numbers].view(shape)


class CrossEntropy(torch.autograd.Function):
    """Weighted cross-entropy of an output layer, without an fp32 array of shape (tokens, vocabulary).

    On a CPU it takes half the time of the plain form at a vocabulary of 2048, and two thirds of the time of chunks of 432 rows at 49,152 (1,008
    rows of width 576). A probability below 1e-37 counts as 1e-37. `never` is a token with probability 0, or None. With a workspace the backward
    pass adds the gradient of the output layer directly to the `grad` of its weights. For a gradient of 113 MB each pass of autograd over new
    memory would take a hundredth of a step.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        embedding: Tensor,
        targets: Tensor,
        weights: Tensor,
        never: int | None,
        workspace: Workspace | None,
    ) -> Tensor:
        space = workspace or Workspace()
        device, n, vocabulary = hidden.device.type, len(hidden), len(embedding)
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
        inputs = hidden.to(dtype)
        outputs = embedding.detach()
        if dtype != embedding.dtype:
            outputs = space.array("outputs", embedding, dtype).copy_(outputs)
        logits_at_a_time = LOGITS_AT_A_TIME if device == "cpu" else SCORES_AT_A_TIME
        rows, few = (max(1, min(n, numbers // vocabulary)) for numbers in (SCORES_AT_A_TIME, logits_at_a_time))
        inputs_gradient, loss = torch.empty_like(hidden), hidden.new_zeros((), dtype=torch.float32)
        outputs_gradient: Tensor | None = None
        for first in range(0, n, rows):
            chunk = slice(first, min(first + rows, n))
            scores = space.array("scores", hidden, dtype, (chunk.stop - first, vocabulary))
            torch.mm(inputs[chunk], outputs.T, out=scores)
            for part, target, weight in zip(
                scores.split(few), targets[chunk, None].split(few), weights[chunk, None].split(few), strict=True
            ):
                logits, probabilities = (space.array(name, part, torch.float32) for name in ("logits", "probabilities"))
                logits.copy_(part)
                if never is not None:
                    logits[:, never] = -math.inf
                torch.softmax(logits, dim=1, out=probabilities)
                on_target = probabilities.gather(1, target)
                loss -= (on_target.clamp_min(1e-37).log() * weight).sum()
                part.copy_(probabilities.scatter_(1, target, on_target - 1).mul_(weight))
            inputs_gradient[chunk] = scores @ outputs
            if ctx.needs_input_grad[1]:
                product = torch.mm(scores.T, inputs[chunk], out=space.array("product", embedding, dtype))
                if outputs_gradient is None:
                    outputs_gradient = space.array("gradient", embedding, torch.float32).copy_(product)
                else:
                    outputs_gradient += product
        ctx.save_for_backward(inputs_gradient, outputs_gradient, embedding)
        ctx.adds_itself = workspace is not None
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs_gradient, outputs_gradient, embedding = ctx.saved_tensors
        of_outputs = None
        if outputs_gradient is not None and ctx.adds_itself:
            gradient_of(embedding).addcmul_(outputs_gradient, gradients[0])
        elif outputs_gradient is not None:
            of_outputs = outputs_gradient * gradients[0]
        return inputs_gradient * gradients[0], of_outputs, None, None, None, None


class EmbeddingRows(torch.autograd.Function):
    """Rows of an embedding. The backward pass adds their gradient directly to the `grad` of the weights; the row `never` has no gradient."""

    @staticmethod
    def forward(ctx: Any, embedding: Tensor, tokens: Tensor, never: int | None) -> Tensor:
        ctx.save_for_backward(embedding, tokens)
        ctx.never = never
        return torch.nn.functional.embedding(tokens, embedding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        embedding, tokens = ctx.saved_tensors
        if ctx.needs_input_grad[0]:
            rows = gradients[0].flatten(0, -2)
            if ctx.never is not None:
                rows = rows.masked_fill(tokens.flatten()[:, None] == ctx.never, 0)
            gradient_of(embedding).index_add_(0, tokens.flatten(), rows)
        return None, None, None


def gradient_of(weights: Tensor) -> Tensor:
    """Return the `grad` of weights, and create it as zeros if there is none."""
    if weights.grad is None:
        weights.grad = torch.zeros_like(weights)
    return weights.grad


def batches(n: int, batch: int, steps: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of n records for each of `steps` steps, (batch,) per step.

    Rows are drawn without replacement until all are used, then again. After any number of steps the numbers of times that two records were
    seen thus differ by at most one.
    """
    waiting = np.empty(0, dtype=np.int64)
    for _ in range(steps):
        while len(waiting) < batch:
            waiting = np.concatenate((waiting, rng.permutation(n)))
        yield waiting[:batch]
        waiting = waiting[batch:]


def _schedule(step: int, steps: int, warmup: int) -> float:
    """Return the fraction of the full learning rate at a step, in (0, 1]. It rises linearly and then falls along a cosine towards 0."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * done))


def shares_of(weights: NDArray[np.floating] | None, n: int) -> Tensor:
    """Return loss weights with mean 1, (n,), fp32."""
    if n == 0:
        raise ValueError("blocks must have at least one record to train on, got none")
    if weights is None:
        return torch.ones(n)
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (n,) or not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
        raise ValueError(
            f"weights must be {n} finite numbers, one per block, not negative and not all zero,"
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
    """Raise FloatingPointError if one of the latest losses is not finite."""
    latest = torch.stack(losses[-_STEPS_BETWEEN_CHECKS:]).cpu()
    if not latest.isfinite().all():
        first = len(losses) - len(latest) + int((~latest.isfinite()).nonzero()[0])
        raise FloatingPointError(
            f"the training loss must stay finite, got {latest[first - len(losses) + len(latest)].item()} at step {first};"
            f" lower the learning rate (it was {learning_rate}) or lengthen the warm-up"
        )
