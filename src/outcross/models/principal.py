"""Another learner applied to principal components."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from outcross.data.records import Vectors
from outcross.models import LEARNERS, Learner
from outcross.models.gaussian import Gaussian
from outcross.recipe import one_of, recipe


@recipe
class Principal(Learner):
    """A learner of the first principal components of points, whose samples have the full number of dimensions again.

    Variation outside these components is lost, so pictures become smoother. In each dimension samples stay within the range of the training set.
    """

    paper = "Pearson, Phil. Mag. 2:559 (1901); as a generator of pictures with a mixture: Richardson and Weiss, arXiv 1805.12462"
    learns = ("vectors",)

    components: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Number of principal components that are learned; all if points have fewer dimensions."""
    learner: Annotated[Learner, one_of(LEARNERS, "learner.learner")] = field(default_factory=Gaussian)
    """The learner of the components, which are measured in standard deviations of the first component."""

    @property
    def takes_weights(self) -> bool:  # type: ignore[override]
        """Whether the learner of the components can weigh records."""
        return self.learner.takes_weights

    def check(self, draw):
        self.learner.check(draw)

    def fit(self, records, weights, start, training, rng):
        points = records.array
        n, d = points.shape[-2:]
        share = np.full(n, 1 / n) if weights is None else weights / weights.sum()
        centre = (share[:, None] * points).sum(axis=-2)
        centred = points - centre[..., None, :]
        covariance = np.swapaxes(centred * share[:, None], -1, -2) @ centred
        values, axes = np.linalg.eigh(covariance)
        axes = axes[..., ::-1][..., : min(self.components, d)]
        largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=-2)[..., None, :], axis=-2)
        axes = axes * np.where(largest < 0, -1.0, 1.0)  # The sign of an axis is arbitrary, so its largest number is made positive.
        unit = np.sqrt(np.maximum(values[..., -1], 1e-300))
        scores = centred @ axes / unit[..., None, None]
        inner = self.learner.fit(Vectors(scores), weights, None, training, rng)
        return PrincipalModel(self.learner, inner, centre, axes, unit, points.min(axis=-2), points.max(axis=-2))

    def load(self, folder):
        with np.load(folder / "principal.npz", allow_pickle=False) as stored:
            parts = [stored[name] for name in PARTS]
        return PrincipalModel(self.learner, self.learner.load(folder / "components"), *parts)


PARTS = ("centre", "axes", "unit", "lowest", "highest")


@dataclass(frozen=True, eq=False)
class PrincipalModel:
    """A model of principal components."""

    learner: Learner
    inner: Any
    centre: np.ndarray  # (chains…, d)
    axes: np.ndarray  # (chains…, d, components)
    unit: np.ndarray  # (chains…,)
    lowest: np.ndarray  # (chains…, d)
    highest: np.ndarray  # (chains…, d)

    def sample(self, draw, prompts, rng) -> Vectors:
        """Return points (chains…, n, d)."""
        scores = self.inner.sample(draw, None, rng).array * self.unit[..., None, None]
        points = scores @ np.swapaxes(self.axes, -1, -2) + self.centre[..., None, :]
        return Vectors(np.clip(points, self.lowest[..., None, :], self.highest[..., None, :]))

    def log_prob(self, records) -> np.ndarray:
        """Return the log-density of the principal components in nats, (chains…, n). The other components are ignored."""
        scores = (records.array - self.centre[..., None, :]) @ self.axes / self.unit[..., None, None]
        return self.inner.log_prob(Vectors(scores)) - self.axes.shape[-1] * np.log(self.unit)[..., None]

    def save(self, folder: Path) -> None:
        np.savez(folder / "principal.npz", **{name: getattr(self, name) for name in PARTS})
        (folder / "components").mkdir()
        self.inner.save(folder / "components")
