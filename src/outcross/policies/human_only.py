from __future__ import annotations

from outcross.data import Plan, Take
from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class HumanOnly(Policy):
    """Train on the original human records at every generation: the control with equal steps that learns from no model."""

    paper = "Kazdan et al., Collapse or Thrive?, arXiv 2410.16713 (the real-data baseline)"

    def plan(self, inventory):
        return Plan((Take(what="human", rows=inventory.human),))
