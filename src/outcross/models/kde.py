from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.laws.mixture import log_sum_exp
from outcross.models import Learner
from outcross.models.draw import Draw
from outcross.recipe import recipe

PAIRS = 2**22
"""Pairs of a record and a kernel that log_prob holds in memory at once."""


@recipe
class Kde(Learner):
    """A density with a Gaussian kernel on every training record. Sampling is the smoothed bootstrap, so each generation adds the kernel's variance.

    A number for `bandwidth` is the kernel's standard deviation in the data's own units, the same in every direction
    (Kazdan et al.; scikit-learn's KernelDensity). `scott` and `silverman` scale with the data: the kernel's covariance is
    factor² times the sample covariance of the chain (divisor n - 1; scipy's gaussian_kde), with factor n^(-1/(d+4)) and
    (n (d+2)/4)^(-1/(d+4)). With weights, n is the effective number (Σw)²/Σw² and the covariance is weighted, as in scipy.
    scikit-learn's rules of the same names ignore the scale of the data: there the kernel's standard deviation is the factor itself.
    """

    paper = (
        "Kazdan et al., Collapse or Thrive?, arXiv 2410.16713 §3 (KDE); Silverman, Density Estimation (1986), smoothed bootstrap"
    )
    learns = ("vectors",)

    bandwidth: Annotated[float, Field(gt=0)] | Literal["scott", "silverman"] = "scott"
    """The standard deviation of the kernel, or the rule that computes it."""

    def fit(self, records, weights, start, training, rng):
        if isinstance(self.bandwidth, str):
            return KernelModel(records.array, weights, _scaled_root(records, weights, self.bandwidth))
        return KernelModel(records.array, weights, self.bandwidth * np.eye(records.dimensions))

    def load(self, folder):
        with np.load(folder / "kde.npz", allow_pickle=False) as stored:
            return KernelModel(stored["points"], stored["weights"] if len(stored["weights"]) else None, stored["root"])


@dataclass(frozen=True, eq=False)
class KernelModel:
    """The mean of normal densities about the points, one density per chain."""

    points: np.ndarray  # (chains…, n, d)
    weights: np.ndarray | None  # (n,), of any scale; None if all points have the same weight
    root: np.ndarray
    """The lower triangular L for which L Lᵀ is the kernel's covariance: (d, d), or (chains…, d, d) if it scales with the data."""

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean of the density, (chains…, d)."""
        return self._moments[0]

    @cached_property
    def covariance(self) -> np.ndarray:
        """Covariance of the density, (chains…, d, d): that of the points (divisor n) plus the kernel's."""
        return self._moments[1] + self.root @ np.swapaxes(self.root, -1, -2)

    @cached_property
    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        return _moments(Vectors(self.points), self.weights)

    def sample(self, draw, prompts, rng) -> Vectors:
        """Return points (chains…, n, d), each a training record drawn with replacement plus a draw of the kernel."""
        refuse_reshaping(draw, "kde", "choose a smaller bandwidth for a narrower density")
        *chains, n, d = self.points.shape
        shape = (*chains, draw.records)
        if self.weights is None:
            rows = rng.integers(n, size=shape)
        else:
            rows = rng.choice(n, size=shape, p=self.weights / self.weights.sum())
        noise = rng.standard_normal((*shape, d))
        noise = noise * self.root if d == 1 else noise @ np.swapaxes(self.root, -1, -2)
        noise += Vectors(self.points).take(rows).array
        return Vectors(noise)

    def log_prob(self, records: Vectors) -> np.ndarray:
        """Return the log-density in nats, (chains…, m)."""
        *chains, n, d = self.points.shape
        whiten = np.swapaxes(np.linalg.inv(self.root), -1, -2)
        points = (self.points @ whiten).reshape(-1, n, d)
        at = np.broadcast_to(records.array, (*chains, *records.array.shape[-2:])) @ whiten
        shares = np.ones(n) / n if self.weights is None else self.weights / self.weights.sum()
        with np.errstate(divide="ignore"):
            sums = _log_sums(at.reshape(-1, len(records), d), points, np.log(shares))
        log_det = np.log(np.diagonal(self.root, axis1=-2, axis2=-1)).sum(axis=-1)
        return sums.reshape(*chains, len(records)) - log_det[..., None] - 0.5 * d * np.log(2 * np.pi)

    def save(self, folder: Path) -> None:
        weights = np.empty(0) if self.weights is None else self.weights
        np.savez(folder / "kde.npz", points=self.points, root=self.root, weights=weights)


def refuse_reshaping(draw: Draw, learner: str, way_out: str) -> None:
    """Raise BadInput if a draw requests a temperature other than 1, top_k or top_p from a density without an exact sampler for them."""
    if draw.cuts:
        raise BadInput(f"top_k and top_p apply to discrete outcomes, which a {learner} does not have; leave them out")
    if draw.temperature != 1:
        raise BadInput(
            f"temperature must be 1 for {learner}, got {draw.temperature:g}, because p^(1/temperature) of a sum of densities has no exact sampler; {way_out}"
        )


def _scaled_root(records: Vectors, weights: np.ndarray | None, rule: str) -> np.ndarray:
    """Return the Cholesky root of the kernel's covariance under Scott's or Silverman's rule, (chains…, d, d)."""
    shares = np.full(len(records), 1 / len(records)) if weights is None else weights / weights.sum()
    agreement = np.square(shares).sum()  # 1/n without weights
    d = records.dimensions
    rows = 1 / agreement * (1 if rule == "scott" else (d + 2) / 4)
    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            return rows ** (-1 / (d + 4)) * np.linalg.cholesky(_moments(records, weights)[1] / (1 - agreement))
    except np.linalg.LinAlgError:
        raise BadInput(
            f"bandwidth {rule} needs records that span all {d} dimensions, but these {len(records)} do not; give more records, or a number for bandwidth"
        ) from None


def _moments(records: Vectors, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (chains…, d) and the covariance (chains…, d, d) of weighted points, with divisor n."""
    if weights is None:
        return records.moments.mean, records.moments.scatter / len(records)
    shares = weights / weights.sum()
    mean = np.einsum("n,...nd->...d", shares, records.array)
    centred = records.array - mean[..., None, :]
    return mean, np.einsum("n,...nd,...ne->...de", shares, centred, centred, optimize=True)


def _log_sums(at: np.ndarray, points: np.ndarray, log_shares: np.ndarray) -> np.ndarray:
    """Return ln Σ_j share_j exp(-|at_i - point_j|²/2), (chains, m), computed for a block of pairs at a time."""
    chains, m, d = at.shape
    n = points.shape[1]
    sums = np.empty((chains, m))
    many_chains, many_rows = max(1, PAIRS // (m * n)), max(1, PAIRS // n)
    for chain in range(0, chains, many_chains):
        for row in range(0, m, many_rows):
            block = np.s_[chain : chain + many_chains, row : row + many_rows]
            square = np.zeros((1, 1, 1))
            for axis in range(d):
                square = square + np.square(at[block][..., None, axis] - points[block[0], None, :, axis])
            sums[block] = log_sum_exp(log_shares - 0.5 * square)
    return sums
