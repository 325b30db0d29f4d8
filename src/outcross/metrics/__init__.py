"""What has been lost.

A metric reads evidence and yields readings, each an estimate with its interval and n, or raises NotApplicable("why").
`pages` says what each of its readings is; `reads` names the kinds of records that it applies to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from outcross.data import Human, Part, Training
from outcross.data.records import Blocks
from outcross.estimate import NotApplicable, Reading
from outcross.recipe import Family


@dataclass(frozen=True)
class Page:
    """What a reader must know of one metric."""

    title: str
    definition: str = ""
    unit: str = ""
    """`fraction` is drawn in percent."""
    healthy: str = ""
    """What it reads where nothing is lost."""
    collapsed: str = ""
    paper: str = ""
    log: bool = False
    """Whether it is drawn on a logarithmic axis."""
    larger_is_worse: bool | None = None
    """None where neither direction is worse by itself."""


@dataclass(frozen=True)
class Evidence:
    """What a metric may look at."""

    drawn: Part
    """What this generation wrote."""
    kept: Part
    """What of it goes on."""
    training: Training
    """What this generation learned from."""
    human: Human
    model: Any
    first_model: Any
    """The model of generation 0, fitted on human data."""

    @property
    def reference(self) -> Any:
        """Human records of held-out documents."""
        return _there(self.human.reference, "held-out human records")

    @property
    def holdout(self) -> Any:
        """Human records drawn as the training records were, and as many: what real-against-real shows (floors)."""
        return _there(self.human.holdout, "a second human sample")


class Metric:
    """What is measured."""

    pages: ClassVar[Mapping[str, Page]]
    reads: ClassVar[tuple[str, ...]]
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy")
    """Packages of others, as the package index names them, whose versions decide its readings; intervals stand on SciPy."""
    by_default: ClassVar[bool] = True
    """Whether it is read where no metrics are named; what takes time over thousands of chains is not."""

    def __call__(self, evidence: Evidence, rng: np.random.Generator) -> Iterable[Reading]:
        raise NotImplementedError


def _there(part: Part | None, what: str) -> Any:
    if part is None:
        raise NotApplicable(f"needs {what}, the human data have none")
    return part.records


METRICS: Family = {
    "spread": "outcross.metrics.spread:Spread",
    "support": "outcross.metrics.support:Support",
    "memory": "outcross.metrics.memory:Memory",
    "held_out": "outcross.metrics.held_out:HeldOut",
    "tail_survival": "outcross.metrics.tails:TailSurvival",
    "diversity": "outcross.metrics.diversity:Diversity",
    "generated_perplexity": "outcross.metrics.likelihood:GeneratedPerplexity",
    "decoding": "outcross.metrics.decoding:Decoding",
    "copying": "outcross.metrics.copying:Copying",
    "groups": "outcross.metrics.groups:Groups",
    "tail_mass": "outcross.metrics.quantiles:TailMass",
    "modes": "outcross.metrics.coverage:Modes",
    "coverage": "outcross.metrics.coverage:Coverage",
    "w1": "outcross.metrics.distance:W1",
    "sliced_w2": "outcross.metrics.distance:SlicedW2",
    "energy_distance": "outcross.metrics.distance:EnergyDistance",
    "held_out_nats": "outcross.metrics.density:HeldOutNats",
    "mixture_distance": "outcross.metrics.mixture:MixtureDistance",
    "coefficient_error": "outcross.metrics.regression:CoefficientError",
}


def pages() -> dict[str, Page]:
    """The page of every reading that any metric gives."""
    from outcross.recipe import member

    return {name: page for metric in METRICS for name, page in member(METRICS, metric, "metric").pages.items()}


__all__ = ["METRICS", "Blocks", "Evidence", "Metric", "Page", "pages"]
