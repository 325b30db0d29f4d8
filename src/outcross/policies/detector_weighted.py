from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from outcross.data.plans import Plan, Take, whole_or
from outcross.detectors import DETECTORS, Detector
from outcross.detectors.classifier import ClassifierDetector
from outcross.detectors.of_samples import FirstGenerationDetector
from outcross.filters.importance import ImportanceFilter
from outcross.policies import Policy
from outcross.recipe import Nested, read, recipe


def _asked(value: object) -> Any:
    """`oracle`, or a detector."""
    return value if value == "oracle" else read(DETECTORS, value, "policy.detector")


@recipe
class DetectorWeighted(Policy):
    """Human records and the newest synthetic ones, of which nobody says who wrote which: those that a detector takes for human are drawn more often.

    The detector is fitted once, to human text that no model learns from and to text that generation 0 writes for it alone; it reads texts and never origins.
    A record is drawn with probability proportional to (1 − q)^power, q the chance that a model wrote it, and `max_repeats` times at most. With power: 0 as many are drawn at random.
    """

    paper = "Drayson, Yilmaz and Lampos, EMNLP 2025, arXiv 2502.15654"

    share: Annotated[float, Field(gt=0, lt=1)]
    """Fraction of the records that people wrote before the detector chooses, in (0, 1)."""
    rows: Literal["redrawn", "fixed", "fresh"] = "redrawn"
    """Another choice of the original human records at every generation, the same ones each time, or human records that no generation has seen."""
    detector: Annotated[Literal["oracle"] | Detector, Nested(_asked, family=DETECTORS)] = ClassifierDetector()
    """How texts are told apart, as in detect; `oracle` knows who wrote what, for comparison."""
    power: Annotated[float, Field(ge=0, le=1000)] = 10.0
    """b of (1 − q)ᵇ."""
    draws: Annotated[float, Field(gt=0, le=1000)] = 1.5
    """Records drawn, as a multiple of those that there are to choose from."""
    max_repeats: Annotated[int, Field(ge=1, le=1000)] = 3
    """How often a record is drawn at most."""

    @model_validator(mode="after")
    def _can_draw_so_many(self):
        if self.draws > self.max_repeats:
            raise ValueError(
                f"draws must be at most max_repeats, since no record is drawn more than {self.max_repeats} times, got {self.draws:g}"
            )
        return self

    @property
    def selects(self):
        asked = self.detector if isinstance(self.detector, str) else FirstGenerationDetector(kind=self.detector)
        return (ImportanceFilter(detector=asked, power=self.power, draws=self.draws, max_repeats=self.max_repeats),)

    def plan(self, inventory):
        n = inventory.newest
        kept = round(self.share * n)
        if self.rows == "fresh":
            people = Take(what="fresh", rows=kept)
        else:
            people = Take(what="human", rows=kept, choice=whole_or(self.rows, kept, inventory.human))
        others = Take(what="models", rows=n - kept, back=1, choice=whole_or("redrawn", n - kept, n))
        return Plan(tuple(take for take in (people, others) if take.rows))
