from __future__ import annotations

from typing import Annotated

from pydantic import Field

from outcross.data.plans import Plan, Take, whole_or
from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class Crawl(Policy):
    """A web that fills up: what is crawled holds ever more of what models wrote, and the human stock is finite.

    At generation g a share min(max_synthetic_share, rise × g) of the training set is drawn from all that models have written so far, the rest from
    the original human records, which nobody adds to. The size stays.
    """

    paper = "Kazdan et al., Collapse or Thrive?, arXiv 2410.16713; Dohmatob et al., Strong Model Collapse, arXiv 2410.04840 (small synthetic shares)"

    rise: Annotated[float, Field(gt=0, le=1)] = 0.1
    """How much the synthetic share of the web rises a generation, as a fraction."""
    max_synthetic_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The share of the web that is synthetic in the end, as a fraction; it rises no further."""

    def plan(self, inventory):
        n = min(inventory.newest, inventory.human)
        crawled = round(min(self.max_synthetic_share, self.rise * inventory.generation) * n)
        people = Take(what="human", rows=n - crawled, choice=whole_or("redrawn", n - crawled, inventory.human))
        written = Take(what="models", rows=crawled, choice=whole_or("redrawn", crawled, inventory.written()))
        return Plan(tuple(take for take in (people, written) if take.rows))
