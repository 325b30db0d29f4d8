from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from outcross.data import HUMAN, Human, part_of
from outcross.data.records import Vectors
from outcross.laws.mixture import NormalMixture
from outcross.recipe import recipe
from outcross.sources import Source


@recipe
class Blobs(Source):
    """Points of equal, round normal blobs on a square grid about the origin. The true distribution is a known mixture.

    `grid: 5` gives the 25 modes in the plane, of which some vanish in Alemohammad et al. (arXiv 2307.01850); the paper's spacing
    and deviation are not known to us. `grid: 1, deviation: 1` is the single blob at the origin to which Shumailov et al.
    (Nature 2024) fit two components at every generation.
    """

    rows: Annotated[int, Field(ge=1)] = 1000
    dimensions: Annotated[int, Field(ge=1, le=1000)] = 2
    grid: Annotated[int, Field(ge=1, le=100)] = 5
    """Number of modes along each dimension; there are grid ** dimensions modes in all."""
    spacing: Annotated[float, Field(gt=0)] = 1.0
    """Distance between neighbouring modes."""
    deviation: Annotated[float, Field(gt=0)] = 0.05
    """Standard deviation of a blob in every direction, in the unit of `spacing`."""

    @model_validator(mode="after")
    def _few_modes(self):
        if self.grid**self.dimensions > 10_000:
            raise ValueError(
                f"grid {self.grid} in {self.dimensions} dimensions has {self.grid**self.dimensions} modes, but at most 10000 are possible; lower grid or dimensions"
            )
        return self

    @property
    def truth(self):
        axis = self.spacing * (np.arange(self.grid) - (self.grid - 1) / 2)
        means = np.stack(np.meshgrid(*[axis] * self.dimensions, indexing="ij"), axis=-1).reshape(-1, self.dimensions)
        covariances = np.tile(self.deviation**2 * np.eye(self.dimensions), (len(means), 1, 1))
        return KnownMixture(np.full(len(means), 1 / len(means)), means, covariances)

    def open(self, form, chains, rng):
        return Human(training=part_of(HUMAN, self.truth.draw(self.rows, chains, rng)), truth=self.truth, chains=chains)


class KnownMixture(NormalMixture):
    """A known mixture from which human records are drawn."""

    def draw(self, n, chains, rng) -> Vectors:
        return Vectors(self.points(n, rng, chains))
