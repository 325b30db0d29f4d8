from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from outcross.data.plans import Plan, Take, whole_or
from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class HumanShare(Policy):
    """A share of the original human records takes the place of synthetic ones; the size of the training set stays.

    With `align`, a human record takes the place of the synthetic continuation of the text that it continues.
    """

    paper = "Shumailov et al., Nature 631:755 (2024): 10 % of the original data kept"

    share: Annotated[float, Field(ge=0, le=1)]
    """Fraction of the training records that people wrote, in [0, 1]; rounded to whole records."""
    rows: Literal["redrawn", "fixed"] = "redrawn"
    """Another choice of human records at every generation, or the same ones each time."""
    align: bool = False
    """Whether a human record takes the place of the synthetic continuation of the text that it continues."""

    @model_validator(mode="after")
    def _one_way(self):
        if self.align and self.rows == "fixed":
            raise ValueError("align: true redraws its rows; leave rows out")
        return self

    def plan(self, inventory):
        n = inventory.newest
        kept = round(self.share * n)
        is_aligned = self.align and kept > 0
        choice = "redrawn" if is_aligned else whole_or(self.rows, kept, inventory.human)
        people = Take(what="human", rows=kept, choice=choice, align=is_aligned)
        others = Take(what="models", rows=n - kept, back=1, choice=whole_or("redrawn", n - kept, n), align=is_aligned)
        return Plan(tuple(take for take in (people, others) if take.rows))
