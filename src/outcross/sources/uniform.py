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
class Uniform(Source):
    """Points of the uniform distribution on the unit interval, square, cube …"""

    rows: Annotated[int, Field(ge=1)] = 1000
    dimensions: Annotated[int, Field(ge=1, le=1000)] = 1

    @property
    def truth(self):
        return UnitCube(self.dimensions)

    def open(self, form, chains, rng):
        return Human(training=part_of(HUMAN, self.truth.draw(self.rows, chains, rng)), truth=self.truth, chains=chains)


@dataclass(frozen=True)
class UnitCube:
    """The distribution U[0, 1] in each of d dimensions."""

    dimensions: int

    @property
    def mean(self) -> np.ndarray:
        return np.full(self.dimensions, 0.5)

    @property
    def covariance(self) -> np.ndarray:
        return np.eye(self.dimensions) / 12

    def draw(self, n, chains, rng) -> Vectors:
        return Vectors(rng.random((*chains, n, self.dimensions)))
