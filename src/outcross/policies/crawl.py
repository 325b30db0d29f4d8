from __future__ import annotations

from typing import Annotated

from pydantic import Field

from outcross.data.plans import Plan, Take, whole_or
from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class Crawl(Policy):
    """Train on a crawl of a web with a growing synthetic share and a fixed stock of human records.

    At generation g a share min(max_synthetic_share, rise × g) of the training set is drawn from all records that models have written so far. The rest is drawn
    from the original human records, to which none are added. The size of the training set is constant.
    """

    paper = "Kazdan et al., Collapse or Thrive?, arXiv 2410.16713; Dohmatob et al., Strong Model Collapse, arXiv 2410.04840 (small synthetic shares)"

    rise: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Increase of the synthetic share per generation, as a fraction."""
    max_synthetic_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Maximum of the synthetic share, as a fraction."""

    def plan(self, inventory):
        n = min(inventory.newest, inventory.human)
        crawled = round(min(self.max_synthetic_share, self.rise * inventory.generation) * n)
        people = Take(what="human", rows=n - crawled, choice=whole_or("redrawn", n - crawled, inventory.human))
        written = Take(what="models", rows=crawled, choice=whole_or("redrawn", crawled, inventory.written()))
        return Plan(tuple(take for take in (people, written) if take.rows))
