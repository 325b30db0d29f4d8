from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from outcross.data import Plan, Take
from outcross.laws.gaussian import best_weight
from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class Weighted(Policy):
    """Train on human records and the newest synthetic part, with a given total weight of the human records.

    The fit minimises weight × (mean loss on the n human records) + (1 - weight) × (mean loss on the m synthetic ones).
    `golden` is w* = (sqrt(k² + 4k) - k) / 2 with k = n / m (0.618 at n = m), the best weight if the human records are
    fresh at every generation. With the same human records every time it is harmful and is refused: at n = m the limiting
    variance of the mean is then 1.171 / n, compared with 1 / n as the weight goes to 1.
    """

    paper = "He et al., Golden Ratio Weighting Prevents Model Collapse, arXiv 2502.18049"

    weight: Annotated[float, Field(gt=0, lt=1)] | Literal["golden"]
    """Total weight of the human records, in (0, 1)."""
    rows: Literal["fixed", "fresh"] = "fixed"
    """Choice of the human records: the original ones at every generation, or newly drawn ones."""
    human: Annotated[int, Field(ge=1)] | None = None
    """Number of fresh human records per generation. It is required with rows: fresh, and not allowed otherwise."""

    @model_validator(mode="after")
    def _golden_needs_fresh(self):
        if self.weight == "golden" and self.rows == "fixed":
            raise ValueError(
                "weight golden is optimal only if human data are fresh at each generation (with fixed rows the limiting "
                "variance is 1.171/n, compared with 1/n as the weight goes to 1); write rows: fresh, or a number for weight"
            )
        if (self.human is None) == (self.rows == "fresh"):
            raise ValueError(
                "human, the number of fresh records per generation, is used with rows: fresh only; give both or neither"
            )
        return self

    def plan(self, inventory):
        people, written = self.human or inventory.human, inventory.newest
        weight = best_weight(people / written) if self.weight == "golden" else self.weight
        return Plan(
            (
                Take(what="human" if self.human is None else "fresh", rows=people, weight=weight),
                Take(what="models", rows=written, back=1, weight=1 - weight),
            )
        )
