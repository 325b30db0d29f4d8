"""Resampling by the probability that a record is human."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from outcross.detectors.of_samples import Chances, FirstGenerationDetector, SampledDetector
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.filters import Candidates, Filter, FilterPage, Selection
from outcross.filters.judging import numeric
from outcross.recipe import Nested, exactly, recipe
from outcross.wording import amount


def asked_detector(value: object) -> Any:
    """Read the setting `detector`: `oracle`, a mapping of a detector with or without samples, or None. Raises BadInput for anything else."""
    if value is None or value == "oracle" or isinstance(value, SampledDetector | FirstGenerationDetector):
        return value
    if isinstance(value, str):
        raise BadInput(
            f"detector must be oracle or a mapping of samples, got {value!r:.60}; write detector: {{human: people.jsonl, ai: model.jsonl, kind: classifier}}"
        )
    has_no_samples = isinstance(value, Mapping) and set(value) & {"kind", "share"} and not set(value) & {"human", "ai"}
    return _read_without_samples(value) if has_no_samples else _read_samples(value)


_read_samples = exactly(SampledDetector, "detector").read
_read_without_samples = exactly(FirstGenerationDetector, "detector").read


@recipe
class ImportanceFilter(Filter):
    """Resample records with weight (1 − q)ᵇ, where q is the probability that a model wrote the record, each at most `max_repeats` times.

    In a loop it selects from all records that the next model learns from, since only these include human records. The learner sees no origins.
    q is read from a column or given by a detector. The `oracle` detector knows the author of each record and errs at the rates `hit` and
    `false_alarm`. It gives the probability `sure` to the records that it takes for a model's, and 1 − `sure` to the others.
    """

    page = FilterPage(
        "importance resampling",
        "1.5 n records are drawn without replacement from three copies of each record, with probability proportional to (1 − q)¹⁰.",
        "Records that look human are preferred, whether they are human or not, and are repeated up to three times. If the detector is perfect and half of the records are human, the result is training on human records only.",
        "Drayson, Yilmaz and Lampos, EMNLP 2025, arXiv 2502.15654",
    )
    chooses = "training"
    libraries = ("icu4py", "pillow", "polars", "scikit-learn", "scipy")

    column: str | None = None
    """The column of q, probabilities in [0, 1]. A missing value counts as the mean of the others."""
    detector: Annotated[
        Literal["oracle"] | SampledDetector | FirstGenerationDetector | None, Nested(asked_detector, recipe=SampledDetector)
    ] = None
    """The detector that gives q, in place of a column: `oracle`, or the samples that a detector is calibrated on, as in {human: people.jsonl, ai: model.jsonl, kind: classifier}. The detector reads texts and
    no origins. In a loop the samples may be left out, as in {kind: classifier}: the detector is then fitted to human text that no model learns from and to text that generation 0 writes for it."""
    hit: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The probability that the oracle recognises a record of a model, in [0, 1]."""
    false_alarm: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The probability that the oracle takes a human record for a model's, in [0, 1]."""
    sure: Annotated[float, Field(ge=0.5, le=1)] = 0.9
    """The value of q that the oracle gives to a record that it takes for a model's, in [0.5, 1]."""
    power: Annotated[float, Field(ge=0, le=1000)] = 10.0
    """b of the weight (1 − q)ᵇ."""
    draws: Annotated[float, Field(gt=0, le=1000)] = 1.5
    """The number of drawn records, as a multiple of the number of candidates."""
    max_repeats: Annotated[int, Field(ge=1, le=1000)] = 3
    """The maximum number of times that a record is drawn."""

    @model_validator(mode="after")
    def _knows_one_source(self):
        if (self.column is None) == (self.detector is None):
            raise ValueError(
                "column or detector is needed, and only one of them: write column: _p_ai, or detector: {human: people.jsonl, ai: model.jsonl}, or detector: oracle"
            )
        if self.draws > self.max_repeats:
            raise ValueError(
                f"draws must be at most max_repeats, since no record is drawn more than {self.max_repeats} times, got {self.draws:g}"
            )
        return self

    @property
    def samples(self):
        return "rows"

    def reads(self, columns):
        return () if self.column is None else (self.column,)

    @property
    def prefers(self):
        return "records that are not taken for a model's"

    def bounds(self, candidates):
        return 0, round(self.draws * candidates)

    def select(self, candidates, rng):
        said = self._said(candidates)
        q = self._probabilities(candidates, rng) if said is None else said.model
        if not ((q >= 0) & (q <= 1)).all():
            worst = q[~((q >= 0) & (q <= 1))][0]
            raise BadInput(
                f"column {self.column!r} must contain probabilities in [0, 1], got {worst:g}; give a calibrated probability"
            )
        with np.errstate(divide="ignore"):
            weights = self.power * np.log1p(-q) if self.power else np.zeros(len(q))
        times = resampled(weights, self, rng)
        if not times.any():
            raise BadInput("every weight (1 − q)^power is 0, so that nothing can be drawn; add human records, or lower sure")
        drawn = {"draws": int(times.sum()), "unique": int((times > 0).sum())}
        return Selection(
            times,
            value=q,
            reasons=("not drawn",),
            notes=() if said is None else (_sentence(said),),
            facts=drawn | ({} if said is None else {"share": said.share, "undecided": said.undecided}),
        )

    @property
    def detectors(self):
        return () if self.detector is None or self.detector == "oracle" else (self.detector,)

    @property
    def needs(self):
        return ("texts",) if self.detectors else ()

    @property
    def paths(self):
        return tuple(path for detector in self.detectors for path in detector.paths)

    def without_paths(self):
        return replace(self, detector=self.detectors[0].without_paths()) if self.detectors else self

    def _said(self, candidates: Candidates) -> Chances | None:
        """Return the detector's probabilities for the texts, which are all that it reads. None if there is no detector."""
        if not self.detectors:
            return None
        (asked,) = self.detectors
        fitted = candidates.detectors.get(asked) or asked.fitted()
        return fitted.chances(candidates.texts, asked.share)

    def _probabilities(self, candidates: Candidates, rng: np.random.Generator) -> np.ndarray:
        if self.column is not None:
            q = numeric(candidates, self.column)
            known = q[~np.isnan(q)]
            if not known.size:
                raise BadInput(f"column {self.column!r} has no probability at all; give one for some of the candidates")
            return np.where(np.isnan(q), known.mean(), q)  # a text that could not be judged gets the mean probability of the others
        authors = np.asarray(candidates.authors)
        if (authors == "unknown").any():
            raise NotApplicable(
                f"needs the author of every record for its oracle, and the author of {(authors == 'unknown').sum():,} is unknown"
            )
        chance = np.where(authors == "model", self.hit, self.false_alarm)
        return np.where(rng.random(len(authors)) < chance, self.sure, 1 - self.sure)


def resampled(log_weights: np.ndarray, asked: ImportanceFilter, rng: np.random.Generator) -> np.ndarray:
    """Return how often each record is drawn, (n,). Copies of records are drawn without replacement, by exponential keys (Efraimidis and Spirakis, 2006)."""
    n = len(log_weights)
    copies = np.repeat(np.arange(n), asked.max_repeats)
    keys = log_weights[copies] + rng.gumbel(size=len(copies))
    count = min(round(asked.draws * n), int(np.isfinite(log_weights).sum()) * asked.max_repeats)
    chosen = np.argpartition(-keys, count - 1)[:count] if 0 < count < len(copies) else np.arange(len(copies))[: count or 0]
    return np.bincount(copies[chosen], minlength=n)


def _sentence(said: Chances) -> str:
    """Return the detector's judgement of all candidates, as a sentence."""
    rest = f"; it cannot judge {amount(said.undecided, 'text')}, which have that chance" if said.undecided else ""
    return f"The detector takes {100 * said.share:.1f} % of the candidates for a model's{rest}."
