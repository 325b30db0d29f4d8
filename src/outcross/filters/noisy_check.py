"""A verifier with known error rates."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from outcross.filters import Filter, FilterPage, Selection
from outcross.filters.verify import VerifyFilter, verifier_facts
from outcross.recipe import recipe
from outcross.statistics.verification import verified

PASSED_OVER, CAUGHT = "correct, and rejected by mistake", "wrong, and rejected"


@recipe
class NoisyCheckFilter(Filter):
    """Keep correct records with probability φ and wrong records with probability ψ: a verifier with known errors, to study their effect.

    Two such filters with the same φ and the same random stream keep the same correct records. Therefore ψ = 0 is the control for any other ψ:
    it has the same correct examples and no wrong ones.
    """

    libraries = ("polars", "jsonschema", "scipy")
    page = FilterPage(
        "a verifier that errs",
        "A record that satisfies `truth` is kept with probability φ, any other record with probability ψ, independently.",
        "Only the ratio ψ/φ matters, not how strict the filter is. A real verifier errs on the same records again and again, which no ratio shows.",
        "Feng, Dohmatob et al., Beyond Model Collapse, ICLR 2025, arXiv 2406.07515",
    )

    truth: str
    """A condition on columns, in SQL, that is true of the correct records. Example: `answer = right`."""
    keeps_correct: Annotated[float, Field(gt=0, le=1)] = 1.0
    """φ, the probability that a correct record is kept, in (0, 1]."""
    keeps_wrong: Annotated[float, Field(ge=0, le=1)] = 0.0
    """ψ, the probability that a wrong record is kept, in [0, 1]."""
    answers: Annotated[int, Field(ge=2)] | None = None
    """K, the number of possible answers. With it the filter also reports the share of wrong labels above which the kept records teach a wrong answer."""

    @model_validator(mode="after")
    def _truth_is_a_condition(self):
        VerifyFilter(rules=(self.truth,))  # raises an error if `truth` is not a condition
        return self

    @property
    def samples(self):
        return "rows"

    @property
    def prefers(self):
        return f"records with {self.truth}" if self.keeps_correct != self.keeps_wrong else ""

    def reads(self, columns):
        return VerifyFilter(rules=(self.truth,)).reads(columns)

    def select(self, candidates, rng):
        is_correct = VerifyFilter(rules=(self.truth,)).select(candidates, rng).kept
        marks = rng.random(len(candidates))
        kept = marks < np.where(is_correct, self.keeps_correct, self.keeps_wrong)
        notes, facts = verifier_facts(verified(is_correct, kept), self.answers)
        return Selection(
            kept.astype(np.int64),
            reason=np.where(kept, -1, np.where(is_correct, 0, 1)),
            reasons=(PASSED_OVER, CAUGHT),
            notes=notes,
            facts=facts,
        )
