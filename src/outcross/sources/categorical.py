from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from outcross.data import HUMAN, Human, part_of
from outcross.data.records import Counts
from outcross.recipe import recipe
from outcross.sources import Source


@recipe
class CategoricalSource(Source):
    """Draws of one of K states, with equal probabilities or with those of Zipf's law p_i ∝ i^-exponent, as for words."""

    rows: Annotated[int, Field(ge=1)] = 100
    states: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    law: Literal["uniform", "zipf"] = "uniform"
    exponent: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Exponent of Zipf's law."""

    @property
    def truth(self):
        weights = np.arange(1, self.states + 1) ** -(self.exponent if self.law == "zipf" else 0.0)
        return States(weights / weights.sum())

    def open(self, form, chains, rng):
        return Human(training=part_of(HUMAN, self.truth.draw(self.rows, chains, rng)), truth=self.truth, chains=chains)


@dataclass(frozen=True, eq=False)
class States:
    """Known probabilities of K states."""

    probabilities: np.ndarray

    def draw(self, n, chains, rng) -> Counts:
        return Counts(rng.multinomial(n, self.probabilities, size=chains or None))
