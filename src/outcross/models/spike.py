from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.models import Learner
from outcross.models.kde import refuse_reshaping
from outcross.recipe import recipe

MOST = 0.25
"""Maximum of alpha in the family."""
WIDTH = 1e-6
"""The spike's width at alpha = 0."""
NO_MEMBER = (
    "no member of the spike family gives these records a density: it lives on [0, 1] and on one spike of width 1e-6 in [2, 3]"
)


@recipe
class Spike(Learner):
    """A family that maximum likelihood learns well from human data, but that collapses in the loop even if the data of all generations are kept.

    p(α, μ) = (1 - α) W(α) + α U[μ, μ + f(α)], α in [0, 1/4], μ in [2, 3]. W is uniform on [0, 1 - 2α] except for a mass e^(-1/α)
    that is uniform on (1 - 2α, 1], and f(α) = 10⁻⁶ (1 - 4α). Human data U[0, 1] are the member α = 0. On n human records the likeliest α is
    (1 - max)/2, about 1/(2n), so the total variation from the truth is about 1/n. Among n records of that model, exactly one is in [2, 3]
    with a probability that converges to 2/9 (at least one: 1/3). At α = 1/4 the spike has width 0, so a single record can have infinite
    likelihood. The fit is then α = 1/4: a quarter of the mass is one point, half of [0, 1] is nearly lost, and the total variation is 0.486.
    So "accumulate never collapses" is false in general; it needs a regular family (Theorem 4.1).

    The paper's construction has the same mixture, ranges and first fit. The leak e^(-1/α) and f are our own. Without the leak, human records
    would keep α low for ever. Exact copies of a record count as one point. Ties in μ are broken at random.
    """

    paper = "Barzilai and Shamir, When Models Don't Collapse, arXiv 2505.19046, Theorem 5.1"
    learns = ("vectors",)

    def fit(self, records, weights, start, training, rng):
        x = _checked(records)
        weights = np.ones(len(records)) if weights is None else weights
        is_spike = x >= 2
        top, bottom = np.where(is_spike, x, -np.inf).max(axis=-1), np.where(is_spike, x, np.inf).min(axis=-1)
        mass = (is_spike * weights).sum(axis=-1)
        reach = np.where(mass > 0, top - bottom, 0.0)
        if (reach > WIDTH).any():
            raise BadInput(f"{NO_MEMBER}; these records have a spike of width {reach.max():g}")
        largest = MOST * (1 - reach / WIDTH)  # f(largest) = reach: with a larger alpha the spike is too narrow for its records
        alpha = _likeliest(np.where(is_spike, -1.0, x), weights, mass, largest)
        alpha = np.where((mass > 0) & (reach == 0), MOST, alpha)  # infinite likelihood
        low = np.maximum(2.0, np.where(mass > 0, top - width(alpha), 2.0))
        high = np.minimum(3.0, np.where(mass > 0, bottom, 3.0))
        return SpikeModel(alpha, low + np.maximum(high - low, 0.0) * rng.random(alpha.shape))

    def load(self, folder):
        with np.load(folder / "spike.npz", allow_pickle=False) as stored:
            return SpikeModel(stored["alpha"], stored["mu"])


@dataclass(frozen=True, eq=False)
class SpikeModel:
    """One law p(α, μ) per chain."""

    alpha: np.ndarray  # (chains…), in [0, 1/4]
    mu: np.ndarray  # (chains…), in [2, 3]

    @property
    def total_variation(self) -> np.ndarray:
        """Distance from U[0, 1], in [0, 1], (chains…): 2α - (1 - α) e^(-1/α). 0 is healthy; 0.486 is the maximum of the family."""
        return 2 * self.alpha - (1 - self.alpha) * leak(self.alpha)

    def sample(self, draw, prompts, rng) -> Vectors:
        """Return points (chains…, n, 1)."""
        refuse_reshaping(draw, "spike", "leave it out")
        alpha, mu = self.alpha[..., None], self.mu[..., None]
        shape = (*self.alpha.shape, draw.records)
        which, where = rng.random(shape), rng.random(shape)
        leaked = which < alpha + (1 - alpha) * leak(alpha)
        x = np.where(leaked, 1 - 2 * alpha * where, (1 - 2 * alpha) * where)
        return Vectors(np.where(which < alpha, mu + width(alpha) * where, x)[..., None])

    def log_prob(self, records: Vectors) -> np.ndarray:
        """Return the log-density in nats, (chains…, n). It is infinite on a spike of width 0."""
        x, alpha, mu = records.array[..., 0], self.alpha[..., None], self.mu[..., None]
        within, beyond, spike = log_densities(alpha)
        nats = np.where((x >= 0) & (x <= 1), np.where(x <= 1 - 2 * alpha, within, beyond), -np.inf)
        return np.where((x >= mu) & (x <= mu + width(alpha)), spike, nats)

    def save(self, folder: Path) -> None:
        np.savez(folder / "spike.npz", alpha=self.alpha, mu=self.mu)


def leak(alpha: np.ndarray) -> np.ndarray:
    """Return the mass of W(α) above 1 - 2α, which is e^(-1/α)."""
    with np.errstate(divide="ignore"):
        return np.exp(-1 / np.asarray(alpha, dtype=float))


def width(alpha: np.ndarray) -> np.ndarray:
    """Return the spike's width f(α), which is 0 at α = 1/4."""
    return WIDTH * (1 - alpha / MOST)


def log_densities(alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ln p on [0, 1 - 2α], on (1 - 2α, 1] and on the spike, in nats."""
    with np.errstate(divide="ignore", invalid="ignore"):
        within = np.log1p(-alpha) + np.log1p(-leak(alpha)) - np.log1p(-2 * alpha)
        beyond = np.log1p(-alpha) - np.where(alpha > 0, 1 / alpha + np.log(2 * alpha), np.inf)
        return within, beyond, np.log(alpha) - np.log(width(alpha))


def _checked(records: Vectors) -> np.ndarray:
    """Return the records as numbers, (chains…, n). Raises BadInput if a record is outside the support of the family."""
    if records.dimensions != 1:
        raise BadInput(f"spike learns records of one number, got {records.dimensions} per record; choose another learner")
    x = records.array[..., 0]
    if not (((x >= 0) & (x <= 1)) | ((x >= 2) & (x <= 3 + WIDTH))).all():
        raise BadInput(f"{NO_MEMBER}; use human: {{distribution: uniform}}")
    return x


def _likeliest(x: np.ndarray, weights: np.ndarray, spike: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Return the likeliest α up to `largest`, (chains…). x is -1 for the records of the spike, whose weights sum to `spike`.

    Between two records the likelihood rises with α. The likeliest α is therefore `largest`, or a value for which 1 - 2α is a record.
    """
    order = np.argsort(-x, axis=-1)
    ranked, weighed = np.take_along_axis(x, order, axis=-1), weights[order] * (np.take_along_axis(x, order, axis=-1) >= 0)
    alpha = np.concatenate([(1 - ranked) / 2, largest[..., None]], axis=-1)
    beyond = np.cumsum(weighed, axis=-1) - weighed
    beyond_most = (weights * (x > 1 - 2 * largest[..., None])).sum(axis=-1, keepdims=True)
    beyond = np.concatenate([beyond, beyond_most], axis=-1)
    within = weighed.sum(axis=-1, keepdims=True) - beyond
    spike = spike[..., None]
    is_there = alpha <= largest[..., None]
    alpha = np.where(is_there, alpha, 0.0)
    logs = zip((within, beyond, np.broadcast_to(spike, alpha.shape)), log_densities(alpha), strict=True)
    with np.errstate(invalid="ignore"):
        likelihood = sum(np.where(mass > 0, mass * log, 0.0) for mass, log in logs)
    best = np.argmax(np.where(is_there, likelihood, -np.inf), axis=-1)[..., None]
    return np.take_along_axis(alpha, best, axis=-1)[..., 0]
