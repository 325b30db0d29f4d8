from __future__ import annotations

from outcross.data import Plan, Take
from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class Replace(Policy):
    """Train on the newest part only, so that each model learns from its predecessor alone."""

    paper = "Shumailov et al., Nature 631:755 (2024), arXiv 2305.17493"

    def plan(self, inventory):
        return Plan((Take(what="models", rows=inventory.newest, back=1),))
