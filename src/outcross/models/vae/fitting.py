"""Fitting a network to pictures, or to records that models generate during the fit."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

from outcross.models.networks import Precision, precise
from outcross.models.schedule import Schedule
from outcross.models.vae.network import Autoencoder, losses

WEIGHT_DECAY = 1e-5
"""Weight decay of Adam: this multiple of the weight is added to the gradient."""
_STEPS_BETWEEN_CHECKS = 25  # between checks that the loss is finite, because reading the loss waits for the GPU

Read = Callable[[np.ndarray], np.ndarray]
"""Function from the rows of a batch to its pictures (batch, height, width), float32, with values in [0, 1]."""


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
    """Fit a copy of the network to n records by a schedule; the given network stays unchanged.

    Adam (Kingma and Ba 2015) minimises the negative ELBO, summed over a batch, with one latent per picture. A record of weight w counts w times;
    weights have any scale. Raises FloatingPointError when the loss stops being finite.
    """
    network = copy.deepcopy(network)
    assert schedule.learning_rate is not None  # the learner has set it
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
    """Return the cross-entropy and the divergence of each picture (`losses`). Its latent is drawn with the standard normal `noise` (n, latents)."""
    mean, log_variance = network.encoded(pictures)
    return losses(network.decoded(mean + noise * (0.5 * log_variance).exp()), pictures, mean, log_variance)


def batches(n: int, schedule: Schedule, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the rows of n records for each step. They are drawn without replacement until all are used, then again.

    If a schedule counts epochs, each epoch is split separately, so its last batch can be smaller: 60,000 records make 235 batches of at most 256.
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
    """Return the number of steps of a fit to n records."""
    if schedule.epochs is None:
        return schedule.steps_for(n, block=1)
    return sum(-(-rows // schedule.batch) for rows in _epochs(n, schedule.epochs))


def _epochs(n: int, epochs: float) -> list[int]:
    """Return the number of records in each epoch; the last epoch is partial if `epochs` is not a whole number."""
    whole, part = divmod(epochs, 1)
    rows = [n] * int(whole) + [round(part * n)]
    return [row for row in rows if row] or [1]


class Adam:
    """torch's fused Adam with weight decay, in its functional form. The first optimizer object of torch would import its compiler."""

    def __init__(self, weights: list[Tensor], learning_rate: float):
        self.weights, self.learning_rate = weights, learning_rate
        self.means, self.squares = ([torch.zeros_like(weight) for weight in weights] for _ in range(2))
        self.steps = [torch.zeros((), device=weight.device) for weight in weights]

    def step(self) -> None:
        """Update the weights by their gradients, and clear the gradients."""
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
        raise FloatingPointError(f"the training loss must stay finite, but it is not at step {done}")
