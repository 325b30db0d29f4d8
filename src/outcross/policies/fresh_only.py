from __future__ import annotations

from outcross.data import Plan, Take
from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class FreshOnly(Policy):
    """Train only on newly drawn human records, always as many as the original ones: the control that never repeats a record.

    A finite data set needs this number of records in reserve for every generation after the first.
    """

    paper = "Alemohammad et al., Self-Consuming Generative Models Go MAD, arXiv 2307.01850 (the fresh data loop, without its synthetic part)"

    def plan(self, inventory):
        return Plan((Take(what="fresh", rows=inventory.human),))
