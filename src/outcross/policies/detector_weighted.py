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
    """Read the setting, which is `oracle` or a detector."""
    return value if value == "oracle" else read(DETECTORS, value, "policy.detector")


@recipe
class DetectorWeighted(Policy):
    """Human records and the newest synthetic records with unknown origins, resampled in favour of those that a detector considers human.

    The detector is fitted once, to human text that no model learns from and to text that generation 0 writes only for the detector. It reads
    texts and never origins. A record is drawn with probability proportional to (1 − q)^power, where q is the probability that a model wrote it,
    and at most `max_repeats` times. With power: 0 the same number of records is drawn at random.
    """

    paper = "Drayson, Yilmaz and Lampos, EMNLP 2025, arXiv 2502.15654"

    share: Annotated[float, Field(gt=0, lt=1)]
    """Fraction of human records before the detector chooses, in (0, 1)."""
    rows: Literal["redrawn", "fixed", "fresh"] = "redrawn"
    """Choice of the human records: newly drawn from the original ones at every generation, the same ones each time, or unseen human records."""
    detector: Annotated[Literal["oracle"] | Detector, Nested(_asked, family=DETECTORS)] = ClassifierDetector()
    """The detector of generated text, as in detect. `oracle` knows the true origins, for comparison."""
    power: Annotated[float, Field(ge=0, le=1000)] = 10.0
    """The exponent b of (1 − q)ᵇ."""
    draws: Annotated[float, Field(gt=0, le=1000)] = 1.5
    """Number of records drawn, as a multiple of the number of available records."""
    max_repeats: Annotated[int, Field(ge=1, le=1000)] = 3
    """Maximum number of times that a record is drawn."""

    @model_validator(mode="after")
    def _can_draw_so_many(self):
        if self.draws > self.max_repeats:
            raise ValueError(
                f"draws must be at most max_repeats ({self.max_repeats}), which limits the draws of each record, got {self.draws:g}; lower draws or raise max_repeats"
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
