from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from outcross.data.plans import Plan, Take, whole_or
from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class HumanShare(Policy):
    """Train on a training set of constant size with a given share of original human records; the rest are the newest synthetic records.

    With `align` a human record replaces the synthetic continuation of the same text.
    """

    paper = "Shumailov et al., Nature 631:755 (2024): 10 % of the original data kept"

    share: Annotated[float, Field(ge=0, le=1)]
    """Fraction of human records in the training set, in [0, 1]; rounded to whole records."""
    rows: Literal["redrawn", "fixed"] = "redrawn"
    """Choice of the human records: newly drawn at every generation, or the same ones each time."""
    align: bool = False
    """Whether a human record replaces the synthetic continuation of the same text."""

    @model_validator(mode="after")
    def _one_way(self):
        if self.align and self.rows == "fixed":
            raise ValueError("align: true draws new rows at every generation, so rows: fixed is not possible; leave rows out")
        return self

    def plan(self, inventory):
        n = inventory.newest
        kept = round(self.share * n)
        is_aligned = self.align and kept > 0
        choice = "redrawn" if is_aligned else whole_or(self.rows, kept, inventory.human)
        people = Take(what="human", rows=kept, choice=choice, align=is_aligned)
        others = Take(what="models", rows=n - kept, back=1, choice=whole_or("redrawn", n - kept, n), align=is_aligned)
        return Plan(tuple(take for take in (people, others) if take.rows))
