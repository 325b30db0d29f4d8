from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from outcross.data import HUMAN, Human, part_of
from outcross.data.records import Moments, Vectors
from outcross.laws.moments import sampled
from outcross.recipe import recipe
from outcross.sources import Source


@recipe
class Normal(Source):
    """Points of a standard normal distribution N(0, I), or their moments.

    The learner gaussian uses only the number of records, their mean and their scatter. `records: moments` draws these from their own
    distributions (normal and Wishart) without drawing points. The chains have the same law and are many times as fast. It works with every
    policy that takes whole parts, and with every measure that does not need points.
    """

    libraries = ("numpy", "scipy")

    rows: Annotated[int, Field(ge=1)] = 100
    dimensions: Annotated[int, Field(ge=1, le=1000)] = 1
    records: Literal["points", "moments"] = "points"

    @property
    def truth(self):
        return StandardNormal(self.dimensions, self.records)

    def open(self, form, chains, rng):
        return Human(training=part_of(HUMAN, self.truth.draw(self.rows, chains, rng)), truth=self.truth, chains=chains)


@dataclass(frozen=True)
class StandardNormal:
    """N(0, I) in d dimensions."""

    dimensions: int
    records: Literal["points", "moments"] = "points"
    """The kind of records that is drawn."""

    @property
    def mean(self) -> np.ndarray:
        return np.zeros(self.dimensions)

    @property
    def covariance(self) -> np.ndarray:
        return np.eye(self.dimensions)

    def quantile(self, q: float) -> np.ndarray:
        """Return the q-quantile of each dimension, (d,)."""
        from scipy.special import ndtri

        return np.full(self.dimensions, ndtri(q))

    def draw(self, n, chains, rng) -> Vectors | Moments:
        if self.records == "moments":
            return sampled(np.zeros((*chains, self.dimensions)), np.eye(self.dimensions), n, rng)
        return Vectors(rng.standard_normal((*chains, n, self.dimensions)))
