from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from outcross.data.records import Moments, Vectors
from outcross.errors import BadInput
from outcross.laws.moments import sampled
from outcross.models import Learner
from outcross.recipe import recipe


@recipe
class Gaussian(Learner):
    """A normal distribution fitted by its sample mean and covariance.

    The divisor decides the speed of collapse: under the policy replace, E log s² falls about twice as fast with `n` (Kazdan et al.) as with
    `n-1` (Shumailov et al., Theorem 3.1). With weights w that sum to 1 the covariance is the weighted mean square for `n`. For `n-1` it is the
    weighted mean square divided by 1 - Σw², which is unbiased for independent records.

    If the human records are moments (`human.records: moments`), the model writes moments too. The chains have the same law, at a cost that does
    not grow with the number of records.
    """

    paper = "Shumailov et al., Nature 631:755 (2024), Theorem 3.1; Kazdan et al., arXiv 2410.16713"
    learns = ("vectors", "moments")

    divisor: Literal["n", "n-1"] = "n-1"
    """The divisor of the sum of squares; it decides the speed of collapse."""
    known_variance: Annotated[float, Field(gt=0)] | None = None
    """The variance of every dimension, if it is known and only the mean is fitted (the setting of He et al.)."""

    def fit(self, records, weights, start, training, rng):
        mean, covariance = self._fitted(records, weights)
        if self.known_variance is not None:
            covariance = np.broadcast_to(self.known_variance * np.eye(records.dimensions), covariance.shape).copy()
        return NormalModel(mean, covariance, "moments" if isinstance(records, Moments) else "points")

    def _fitted(self, records, weights) -> tuple[np.ndarray, np.ndarray]:
        """Return the fitted mean and covariance."""
        n = len(records)
        if n < 2 and self.divisor == "n-1":
            raise BadInput(f"gaussian with divisor n-1 needs at least 2 records, got {n}")
        if weights is None:
            moments = records.moments
            return moments.mean, moments.scatter / (n if self.divisor == "n" else n - 1)
        shares = weights / weights.sum()
        mean = np.einsum("n,...nd->...d", shares, records.array)
        centred = records.array - mean[..., None, :]
        covariance = np.einsum("n,...nd,...ne->...de", shares, centred, centred)
        return mean, covariance if self.divisor == "n" else covariance / (1 - np.square(shares).sum())

    def load(self, folder):
        with np.load(folder / "normal.npz", allow_pickle=False) as stored:
            return NormalModel(stored["mean"], stored["covariance"], stored["writes"].item())


@dataclass(frozen=True, eq=False)
class NormalModel:
    """One normal distribution N(mean, covariance) per chain."""

    mean: np.ndarray  # (chains…, d)
    covariance: np.ndarray  # (chains…, d, d)
    writes: Literal["points", "moments"] = "points"
    """The kind of records that the model writes, which is the kind that it was fitted to."""

    def sample(self, draw, prompts, rng) -> Vectors | Moments:
        """Return points (chains…, n, d) of N(mean, temperature × covariance), or their moments."""
        if draw.cuts:
            raise BadInput("top_k and top_p apply to discrete outcomes, which a gaussian does not have; leave them out")
        if self.writes == "moments":
            return sampled(self.mean, root(draw.temperature * self.covariance), draw.records, rng)
        noise = rng.standard_normal((*self.mean.shape[:-1], draw.records, self.mean.shape[-1]))
        spread = root(draw.temperature * self.covariance)
        if self.mean.shape[-1] == 1:
            noise *= spread
        else:
            noise = noise @ np.swapaxes(spread, -1, -2)
        noise += self.mean[..., None, :]
        return Vectors(noise)

    def log_prob(self, records: Vectors) -> np.ndarray:
        """Return the log-density in nats, (chains…, n). For a collapsed model it is infinity on the support and minus infinity elsewhere."""
        values, vectors = np.linalg.eigh(self.covariance)
        flat = values[..., None, :] <= 0  # directions without width
        along = (records.array - self.mean[..., None, :]) @ vectors
        square = np.square(along / np.sqrt(np.where(flat, 1.0, values[..., None, :])))
        nats = -0.5 * (np.where(flat, 0.0, square + np.log(np.where(flat, 1.0, values[..., None, :]) * 2 * np.pi))).sum(axis=-1)
        on_it = np.where(flat.any(axis=-1), np.inf, nats)  # All mass lies on a point or a plane, where the density is infinite.
        return np.where((flat & (along != 0)).any(axis=-1), -np.inf, on_it)

    def save(self, folder: Path) -> None:
        np.savez(folder / "normal.npz", mean=self.mean, covariance=self.covariance, writes=np.array(self.writes))


def root(covariance: np.ndarray) -> np.ndarray:
    """Return a matrix L with L Lᵀ = covariance, even if the covariance is singular."""
    if covariance.shape[-1] == 1:
        return np.sqrt(np.maximum(covariance, 0))
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return vectors * np.sqrt(np.maximum(values, 0))[..., None, :]
