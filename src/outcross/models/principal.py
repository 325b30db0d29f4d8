"""Principal components in front of another learner."""

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
    """A learner of the first principal components of points, which writes points of as many dimensions again.

    What the components leave out is not written: pictures become smoother. Written values stay within those of the training set, dimension by dimension.
    """

    paper = "Pearson, Phil. Mag. 2:559 (1901); as a generator of pictures with a mixture: Richardson and Weiss, arXiv 1805.12462"
    learns = ("vectors",)

    components: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Principal components that are learned; all where points have fewer dimensions."""
    learner: Annotated[Learner, one_of(LEARNERS, "learner.learner")] = field(default_factory=Gaussian)
    """What learns the components, in units of the deviation of the first one."""

    @property
    def takes_weights(self) -> bool:  # type: ignore[override]
        """Whether what learns the components can weigh them."""
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
        axes = axes * np.where(largest < 0, -1.0, 1.0)  # an axis has no direction of its own: its largest number is positive
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
        """Points (chains…, n, d)."""
        scores = self.inner.sample(draw, None, rng).array * self.unit[..., None, None]
        points = scores @ np.swapaxes(self.axes, -1, -2) + self.centre[..., None, :]
        return Vectors(np.clip(points, self.lowest[..., None, :], self.highest[..., None, :]))

    def log_prob(self, records) -> np.ndarray:
        """Log-density of the principal components in nats, (chains…, n); what they leave out counts for nothing."""
        scores = (records.array - self.centre[..., None, :]) @ self.axes / self.unit[..., None, None]
        return self.inner.log_prob(Vectors(scores)) - self.axes.shape[-1] * np.log(self.unit)[..., None]

    def save(self, folder: Path) -> None:
        np.savez(folder / "principal.npz", **{name: getattr(self, name) for name in PARTS})
        (folder / "components").mkdir()
        self.inner.save(folder / "components")
