from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data import HUMAN, Human, part_of
from outcross.data.records import Vectors
from outcross.recipe import FROM_LIST, recipe
from outcross.sources import Source


@recipe
class ScaledNormal(Source):
    """Points of a normal distribution about the origin with a different standard deviation in each dimension: an ellipse along the axes."""

    libraries = ("numpy", "scipy")

    rows: Annotated[int, Field(ge=1)] = 100
    deviations: Annotated[tuple[Annotated[float, Field(gt=0)], ...], FROM_LIST, Field(min_length=1, max_length=1000)] = (3.0, 1.0)
    """The standard deviation of each dimension, in the unit of the data."""

    @property
    def dimensions(self) -> int:
        return len(self.deviations)

    @property
    def truth(self):
        return NormalAlongAxes(self.deviations)

    def open(self, form, chains, rng):
        return Human(training=part_of(HUMAN, self.truth.draw(self.rows, chains, rng)), truth=self.truth, chains=chains)


@dataclass(frozen=True)
class NormalAlongAxes:
    """N(0, diag(deviations²))."""

    deviations: tuple[float, ...]

    @property
    def mean(self) -> np.ndarray:
        return np.zeros(len(self.deviations))

    @property
    def covariance(self) -> np.ndarray:
        return np.diag(np.square(self.deviations))

    def quantile(self, q: float) -> np.ndarray:
        """Return the q-quantile of each dimension, (d,)."""
        from scipy.special import ndtri

        return ndtri(q) * np.array(self.deviations)

    def draw(self, n, chains, rng) -> Vectors:
        return Vectors(rng.standard_normal((*chains, n, len(self.deviations))) * np.array(self.deviations))
