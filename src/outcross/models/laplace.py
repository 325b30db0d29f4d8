from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.models import Learner
from outcross.recipe import recipe


@recipe
class LaplaceLearner(Learner):
    """A Laplace distribution fitted to each dimension by maximum likelihood: the median, and the mean distance to it.

    It takes no weights. If records have weights, the loop resamples them in proportion to the weights.
    """

    paper = "Laplace, Mémoire sur la probabilité des causes (1774); in a loop: Qiao et al., When Sample Selection Bias Precipitates Model Collapse"
    learns = ("vectors",)
    takes_weights = False

    def fit(self, records, weights, start, training, rng):
        location = np.median(records.array, axis=-2)
        return LaplaceModel(location, np.abs(records.array - location[..., None, :]).mean(axis=-2))

    def load(self, folder):
        with np.load(folder / "laplace.npz", allow_pickle=False) as stored:
            return LaplaceModel(stored["location"], stored["scale"])


@dataclass(frozen=True, eq=False)
class LaplaceModel:
    """Independent Laplace distributions, one per dimension and chain."""

    location: np.ndarray  # (chains…, d)
    scale: np.ndarray  # (chains…, d)

    @property
    def mean(self) -> np.ndarray:
        return self.location

    @property
    def covariance(self) -> np.ndarray:
        """The covariance, (chains…, d, d)."""
        return 2 * np.square(self.scale)[..., None] * np.eye(self.scale.shape[-1])

    def sample(self, draw, prompts, rng) -> Vectors:
        """Return points (chains…, n, d) with the scale multiplied by the temperature, which is the law p^(1/temperature)."""
        if draw.cuts:
            raise BadInput("top_k and top_p apply to discrete outcomes, which a laplace does not have; leave them out")
        noise = rng.laplace(size=(*self.location.shape[:-1], draw.records, self.location.shape[-1]))
        return Vectors(self.location[..., None, :] + draw.temperature * self.scale[..., None, :] * noise)

    def log_prob(self, records: Vectors) -> np.ndarray:
        """Return the log-density in nats, (chains…, n). For a scale of 0 it is infinity at the location and minus infinity elsewhere."""
        apart, scale = np.abs(records.array - self.location[..., None, :]), self.scale[..., None, :]
        flat = scale == 0
        nats = -np.where(flat, 0.0, apart / np.where(flat, 1.0, scale) + np.log(2 * np.where(flat, 1.0, scale))).sum(axis=-1)
        on_it = np.where(flat.any(axis=-1), np.inf, nats)
        return np.where((flat & (apart != 0)).any(axis=-1), -np.inf, on_it)

    def save(self, folder: Path) -> None:
        np.savez(folder / "laplace.npz", location=self.location, scale=self.scale)
