from __future__ import annotations

from typing import Annotated

from pydantic import Field

from outcross.data import Pool
from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class Fresh(Policy):
    """Newly drawn human records at every generation, beside the newest synthetic part."""

    paper = "Alemohammad et al., Self-Consuming Generative Models Go MAD, arXiv 2307.01850 (the fresh data loop)"

    human: Annotated[int, Field(ge=1)]
    """Human records drawn anew for each generation."""

    def fresh_rows(self, records):
        return self.human

    def __call__(self, pool, human, rng):
        return Pool((human.fresh(self.human, rng), pool.newest), pool.generation)
