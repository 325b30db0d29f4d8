from __future__ import annotations

from typing import Annotated

from pydantic import Field

from outcross.data import Plan, Take
from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class Fresh(Policy):
    """Train on newly drawn human records at every generation, together with the newest synthetic part."""

    paper = "Alemohammad et al., Self-Consuming Generative Models Go MAD, arXiv 2307.01850 (the fresh data loop)"

    human: Annotated[int, Field(ge=1)]
    """Number of new human records at each generation."""

    def plan(self, inventory):
        return Plan((Take(what="fresh", rows=self.human), Take(what="models", rows=inventory.newest, back=1)))
