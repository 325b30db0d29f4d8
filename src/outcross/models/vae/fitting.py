"""Fit a network to pictures, or to what models write while it is fitted."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

from outcross.models.schedule import Schedule
from outcross.models.transformer.network import Precision, precise
from outcross.models.vae.network import Autoencoder, losses

WEIGHT_DECAY = 1e-5
"""Of Adam: added to the gradient, as a share of the weight."""
_STEPS_BETWEEN_CHECKS = 25  # of the loss: reading it waits for a GPU

Read = Callable[[np.ndarray], np.ndarray]
"""(rows of a batch) -> its pictures (batch, height, width), float32, values in [0, 1]."""


def fit(
    network: Autoencoder,
    read: Read,
    n: int,
    schedule: Schedule,
    *,
    weights: np.ndarray | None,
    precision: Precision,
    rng: np.random.Generator,
    progress: Callable[[float], None],
) -> Autoencoder:
    """A copy of the network, fitted to n records as a schedule says; the one given stays as it was.

    Adam (Kingma and Ba 2015) on the negative ELBO summed over a batch, one latent a picture. A record of weight w counts w times; weights
    have any scale. Raises FloatingPointError when the loss is no longer finite.
    """
    network = copy.deepcopy(network)
    assert schedule.learning_rate is not None  # the learner has filled it in
    optimiser = Adam(list(network.parameters()), schedule.learning_rate)
    shares = torch.ones(n) if weights is None else torch.from_numpy(weights / weights.mean()).float()
    every = batches(n, schedule, rng)
    seen: list[Tensor] = []
    for done, rows in enumerate(every, 1):
        pictures = torch.from_numpy(read(rows)).to(network.device)
        noise = torch.from_numpy(rng.standard_normal((len(rows), network.shape.latents), dtype=np.float32)).to(network.device)
        with precise(precision, network.device):
            entropy, divergence = elbo_parts(network, pictures, noise)
        loss = ((entropy + divergence) * shares[rows].to(network.device)).sum()
        loss.backward()
        optimiser.step()
        seen.append(loss.detach())
        if len(seen) == _STEPS_BETWEEN_CHECKS:
            _check_finite(seen, done)
            seen.clear()
            progress(done / steps(n, schedule))
    _check_finite(seen, steps(n, schedule))
    return network


def elbo_parts(network: Autoencoder, pictures: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The cross-entropy and the divergence of each picture (`losses`), its latent drawn by standard normal noise (n, latents)."""
    mean, log_variance = network.encoded(pictures)
    return losses(network.decoded(mean + noise * (0.5 * log_variance).exp()), pictures, mean, log_variance)


def batches(n: int, schedule: Schedule, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The rows of n records that each step learns from, drawn without replacement until all are used up, and again.

    Where a schedule counts epochs, each is cut on its own, so that its last batch may be smaller: 60,000 records in batches of 256 are 235.
    """
    batch = schedule.batch
    if schedule.epochs is not None:
        for rows in _epochs(n, schedule.epochs):
            order = rng.permutation(n)[:rows]
            yield from (order[first : first + batch] for first in range(0, rows, batch))
        return
    waiting = np.empty(0, dtype=np.int64)
    for _ in range(schedule.steps_for(n, block=1)):
        while len(waiting) < batch:
            waiting = np.concatenate((waiting, rng.permutation(n)))
        yield waiting[:batch]
        waiting = waiting[batch:]


def steps(n: int, schedule: Schedule) -> int:
    """Steps of a fit to n records."""
    if schedule.epochs is None:
        return schedule.steps_for(n, block=1)
    return sum(-(-rows // schedule.batch) for rows in _epochs(n, schedule.epochs))


def _epochs(n: int, epochs: float) -> list[int]:
    """Records of each epoch; the last is a part of one where their number is no whole one."""
    whole, part = divmod(epochs, 1)
    rows = [n] * int(whole) + [round(part * n)]
    return [row for row in rows if row] or [1]


class Adam:
    """torch's fused Adam with weight decay. The functional form, as torch's optimizer objects import its compiler when first made."""

    def __init__(self, weights: list[Tensor], learning_rate: float):
        self.weights, self.learning_rate = weights, learning_rate
        self.means, self.squares = ([torch.zeros_like(weight) for weight in weights] for _ in range(2))
        self.steps = [torch.zeros((), device=weight.device) for weight in weights]

    def step(self) -> None:
        """Change the weights by their gradients, and let go of these."""
        gradients = [weight.grad for weight in self.weights]
        with torch.no_grad():
            adam(
                self.weights, gradients, self.means, self.squares, [], self.steps, fused=True, lr=self.learning_rate,  # type: ignore[arg-type]
                beta1=0.9, beta2=0.999, weight_decay=WEIGHT_DECAY, eps=1e-8, amsgrad=False, maximize=False,
            )  # fmt: skip
        for weight in self.weights:
            weight.grad = None


def _check_finite(seen: list[Tensor], done: int) -> None:
    if seen and not torch.stack(seen).isfinite().all():
        raise FloatingPointError(f"the training loss is no longer a finite number by step {done}")
