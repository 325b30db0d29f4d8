"""Mixtures of normal distributions in closed form: density, moments and distances (M1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class NormalMixture:
    """One mixture Σ_k w_k N(m_k, C_k) per chain."""

    weights: np.ndarray  # (chains…, K), each row sums to 1
    means: np.ndarray  # (chains…, K, d)
    covariances: np.ndarray  # (chains…, K, d, d)

    @property
    def dimensions(self) -> int:
        return self.means.shape[-1]

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean of the mixture, (chains…, d)."""
        return np.einsum("...k,...kd->...d", self.weights, self.means)

    @cached_property
    def covariance(self) -> np.ndarray:
        """Covariance of the mixture, within and between the components, (chains…, d, d)."""
        apart = self.means - self.mean[..., None, :]
        between = np.einsum("...k,...kd,...ke->...de", self.weights, apart, apart)
        return np.einsum("...k,...kde->...de", self.weights, self.covariances) + between

    def log_joint(self, points: np.ndarray) -> np.ndarray:
        """Return ln w_k N(x; m_k, C_k) of points (chains…, n, d), in nats, (chains…, n, K)."""
        with np.errstate(divide="ignore"):
            weights = np.log(self.weights)
        return weights[..., None, :] + log_normal(points, self.means, np.linalg.cholesky(self.covariances))

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Return ln p(x) of points (chains…, n, d), in nats, (chains…, n)."""
        return log_sum_exp(self.log_joint(points))

    def points(self, n: int, rng: np.random.Generator, chains: tuple[int, ...] | None = None) -> np.ndarray:
        """Draw n independent points, (chains…, n, d). `chains` is the shape of several independent samples of a single mixture."""
        chains = self.weights.shape[:-1] if chains is None else chains
        edges = np.cumsum(self.weights, axis=-1)[..., None, :-1]
        component = (rng.random((*chains, n, 1)) >= edges).sum(axis=-1)
        flat = component + len(self.weights.T) * np.arange(self.weights[..., 0].size).reshape(*self.weights.shape[:-1], 1)
        roots = np.linalg.cholesky(self.covariances).reshape(-1, self.dimensions, self.dimensions)
        drawn = np.einsum("...de,...e->...d", roots[flat], rng.standard_normal((*chains, n, self.dimensions)))
        drawn += self.means.reshape(-1, self.dimensions)[flat]
        return drawn


def log_normal(points: np.ndarray, means: np.ndarray, roots: np.ndarray) -> np.ndarray:
    """Return ln N(x_i; m_k, L_k L_kᵀ) in nats, (chains…, n, K). `roots` are the lower triangular L, (chains…, K, d, d)."""
    d = points.shape[-1]
    whiten = np.swapaxes(np.linalg.inv(roots), -1, -2)
    square = np.square(points[..., None, :, :] @ whiten - means[..., :, None, :] @ whiten).sum(axis=-1)  # (chains…, K, n)
    log_det = np.log(np.diagonal(roots, axis1=-2, axis2=-1)).sum(axis=-1)
    return np.swapaxes(-0.5 * square - log_det[..., None] - 0.5 * d * np.log(2 * np.pi), -1, -2)


def log_sum_exp(logs: np.ndarray) -> np.ndarray:
    """Return ln Σ exp along the last axis, without overflow."""
    top = logs.max(axis=-1)
    return top + np.log(np.exp(logs - top[..., None]).sum(axis=-1))


def overlap(first: NormalMixture, second: NormalMixture) -> np.ndarray:
    """∫ p q of two mixtures, (chains…): Σ_ij w_i v_j N(m_i - m_j; 0, C_i + C_j).

    Exact. The unit is one over the volume of the data space. It is infinite if both mixtures have a component that has
    shrunk to the same point. Source: textbook; Shumailov et al. 2305.17493 (released code).

    >>> unit = NormalMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1)))
    >>> round(float(overlap(unit, unit)), 6)
    0.282095
    """
    apart = first.means[..., :, None, :] - second.means[..., None, :, :]  # (chains…, I, J, d)
    total = first.covariances[..., :, None, :, :] + second.covariances[..., None, :, :, :]
    with np.errstate(divide="ignore"):
        log_det = np.linalg.slogdet(2 * np.pi * total)[1]
    whole = np.isfinite(log_det)
    inverse = np.linalg.inv(np.where(whole[..., None, None], total, np.eye(first.dimensions)))
    square = np.einsum("...d,...de,...e->...", apart, inverse, apart)
    density = np.where(whole, np.exp(-0.5 * (square + np.where(whole, log_det, 0.0))), np.inf)
    return np.einsum("...i,...ij,...j->...", first.weights, density, second.weights)


def l2_squared(first: NormalMixture, second: NormalMixture) -> np.ndarray:
    """Squared L2 distance of the densities of two mixtures, (chains…) (M1).

    ∫ (p - q)² = (pp) + (qq) - 2 (pq), each a sum over pairs of components (`overlap`). Exact; 0 if the mixtures are equal.
    It can mislead: it is unbounded, because it goes to infinity as a model shrinks to a point. Its unit is one over the
    volume of the data space, so it cannot compare two data sets.

    Source: Shumailov et al. 2305.17493 (released code; the distance of their Gaussian mixture experiment).

    >>> unit = NormalMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1)))
    >>> narrow = NormalMixture(np.ones(1), np.zeros((1, 1)), np.full((1, 1, 1), 1e-4))
    >>> float(l2_squared(unit, unit)), round(float(l2_squared(unit, narrow)), 2)
    (0.0, 27.69)
    """
    return overlap(first, first) + overlap(second, second) - 2 * overlap(first, second)
