from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from outcross.data import Pool
from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class HumanShare(Policy):
    """A share of the original human records takes the place of synthetic ones; the size of the training set stays.

    With `align`, a human record takes the place of the synthetic continuation of the text that it continues.
    """

    paper = "Shumailov et al., Nature 631:755 (2024): 10 % of the original data kept"
    takes_whole = False

    share: Annotated[float, Field(ge=0, le=1)]
    """Fraction of the training records that people wrote, in [0, 1]; rounded to whole records."""
    rows: Literal["redrawn", "fixed"] = "redrawn"
    """Another choice of human records at every generation, or the same ones each time."""
    align: bool = False

    @model_validator(mode="after")
    def _one_way(self):
        if self.align and self.rows == "fixed":
            raise ValueError("align: true redraws its rows; leave rows out")
        return self

    def human_rows(self, records):
        return round(self.share * records)

    def __call__(self, pool, human, rng):
        n = len(pool.newest)
        wanted = self.human_rows(n)
        if self.align and wanted:
            kept, synthetic = human.aligned(pool.newest, wanted, rng)
            return Pool((kept, synthetic), pool.generation)
        kept = human.fixed(wanted) if self.rows == "fixed" else human.redrawn(wanted, rng)
        parts = (kept, pool.newest.some(n - wanted, rng))
        return Pool(tuple(part for part in parts if len(part)), pool.generation)
