from __future__ import annotations

from outcross.data import Plan, Take
from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class Accumulate(Policy):
    """Train on the original human records and on the parts of all previous generations."""

    paper = "Gerstgrasser et al., Is Model Collapse Inevitable?, arXiv 2404.01413"

    def plan(self, inventory):
        return Plan((Take(what="human", rows=inventory.human), Take(what="models", rows=inventory.written())))


@recipe
class AccumulateSubsample(Policy):
    """Train on a uniform subsample of all accumulated records, of the size of the newest part: accumulation at constant compute."""

    paper = "Kazdan et al., Collapse or Thrive?, arXiv 2410.16713"

    def plan(self, inventory):
        return Plan((Take(what="all", rows=inventory.newest, choice="redrawn"),))
