from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data import HUMAN, Human, part_of
from outcross.data.records import Vectors
from outcross.recipe import recipe
from outcross.sources import Source


@recipe
class LaplaceSource(Source):
    """Points with independent Laplace distributions of location 0 and scale 1 in each dimension, whose tails are heavier than normal."""

    rows: Annotated[int, Field(ge=1)] = 100
    dimensions: Annotated[int, Field(ge=1, le=1000)] = 1

    @property
    def truth(self):
        return StandardLaplace(self.dimensions)

    def open(self, form, chains, rng):
        return Human(training=part_of(HUMAN, self.truth.draw(self.rows, chains, rng)), truth=self.truth, chains=chains)


@dataclass(frozen=True)
class StandardLaplace:
    """The density exp(−|x|)/2 in each of d dimensions."""

    dimensions: int

    @property
    def mean(self) -> np.ndarray:
        return np.zeros(self.dimensions)

    @property
    def covariance(self) -> np.ndarray:
        return 2 * np.eye(self.dimensions)

    def quantile(self, q: float) -> np.ndarray:
        """Return the q-quantile of each dimension, (d,)."""
        return np.full(self.dimensions, -np.sign(q - 0.5) * np.log1p(-2 * abs(q - 0.5)))

    def draw(self, n, chains, rng) -> Vectors:
        return Vectors(rng.laplace(size=(*chains, n, self.dimensions)))
