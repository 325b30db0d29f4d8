from __future__ import annotations

from outcross.data import Plan, Take
from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class FreshOnly(Policy):
    """Train on newly drawn human records alone, as many at every generation as there were originally: the control that never repeats a record.

    A finite set must hold that many records in reserve for every generation after the first.
    """

    paper = "Alemohammad et al., Self-Consuming Generative Models Go MAD, arXiv 2307.01850 (the fresh data loop, without its synthetic part)"

    def plan(self, inventory):
        return Plan((Take(what="fresh", rows=inventory.human),))
