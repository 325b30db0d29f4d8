from __future__ import annotations

from outcross.data import Plan, Take
from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class Augment(Policy):
    """Train on all original human records and the newest synthetic part: a fixed human set with synthetic augmentation."""

    paper = "Alemohammad et al., arXiv 2307.01850 (synthetic augmentation); Seddik et al., arXiv 2404.05090 (partially synthetic)"

    def plan(self, inventory):
        return Plan((Take(what="human", rows=inventory.human), Take(what="models", rows=inventory.newest, back=1)))
