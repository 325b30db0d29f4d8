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
class RegressionSource(Source):
    """Rows (x, y) of a known linear law with the label last: x ~ N(0, I), y = x·w* + noise."""

    rows: Annotated[int, Field(ge=1)] = 30
    dimensions: Annotated[int, Field(ge=1, le=1000)] = 5
    """Of x."""
    noise: Annotated[float, Field(ge=0)] = 1.0
    """Standard deviation of the labels about x·w*."""
    coefficient: float = 1.0
    """The value of every entry of w*."""

    @property
    def truth(self):
        return LinearLaw(np.full(self.dimensions, self.coefficient), self.noise)

    def open(self, form, chains, rng):
        return Human(training=part_of(HUMAN, self.truth.draw(self.rows, chains, rng)), truth=self.truth, chains=chains)


@dataclass(frozen=True, eq=False)
class LinearLaw:
    """A linear law with known coefficients and noise."""

    coefficients: np.ndarray  # (d,)
    noise: float

    @property
    def mean(self) -> np.ndarray:
        """Mean of a row (x, y), (d + 1,)."""
        return np.zeros(len(self.coefficients) + 1)

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of a row (x, y), (d + 1, d + 1)."""
        w = self.coefficients
        return np.block([[np.eye(len(w)), w[:, None]], [w, np.full((1, 1), w @ w + self.noise**2)]])

    def draw(self, n, chains, rng) -> Vectors:
        x = rng.standard_normal((*chains, n, len(self.coefficients)))
        y = x @ self.coefficients + self.noise * rng.standard_normal(x.shape[:-1])
        return Vectors(np.concatenate([x, y[..., None]], axis=-1))
