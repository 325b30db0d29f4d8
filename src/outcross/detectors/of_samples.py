"""A detector that is fitted to two files of texts, calibrated on them, and asked for the chance that a model wrote each of other texts."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.detectors import DETECTORS, Detector
from outcross.detectors.calibrated import FEWEST, FOLDS, AuthorTexts, CalibratedDetector, calibrated, fold_of
from outcross.detectors.classifier import ClassifierDetector
from outcross.detectors.lengths import words_of
from outcross.detectors.samples import LEAST, calibration, grouped
from outcross.errors import BadInput
from outcross.files.reading import content_digest
from outcross.recipe import one_of, recipe
from outcross.statistics.two_sources import most_likely_share
from outcross.text.normalised import normalised


@recipe
class SampledDetector:
    """A detector and the samples that it is fitted to and calibrated on, each text by a fit that did not see its group."""

    human: Annotated[str, Field(min_length=1)]
    """A file of texts that people wrote, of the candidates' kind."""
    ai: Annotated[str, Field(min_length=1)]
    """A file of texts that a model wrote, of that kind."""
    kind: Annotated[Detector, one_of(DETECTORS, "detector.kind")] = ClassifierDetector()
    """How texts are told apart, as in detect."""
    group: str | None = None
    """The column of the samples that says which texts belong together."""
    text_column: str | None = None
    """Their column of text; found by itself where there is one."""
    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The share of the candidates that a model wrote; left out: the likeliest one."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that it reads."""
        return (self.human, self.ai, *self.kind.paths)

    def without_paths(self) -> SampledDetector:
        """The same without where the samples lie."""
        return replace(self, human="the human sample", ai="the model's sample")

    def chances(self, texts: Sequence[str]) -> Chances:
        """P(a model wrote it) of each text. BadInput where a sample cannot be read, or is too small."""
        fitted = _fitted(self, tuple(content_digest(path) for path in self.paths))
        form = normalised(list(texts)).strings
        rows = np.flatnonzero(words_of(form) >= LEAST)
        ratios = np.full(len(form), np.nan)
        if rows.size:
            ratios[rows] = fitted.log_ratios([form[row] for row in rows.tolist()]).mean(axis=1)
        judged = np.isfinite(ratios)
        share = self.share if self.share is not None else most_likely_share(np.exp(ratios[judged])) if judged.any() else 0.5
        inside = min(max(share, 1e-6), 1 - 1e-6)
        odds = np.where(judged, ratios, 0.0) + math.log(inside / (1 - inside))
        return Chances(1 / (1 + np.exp(-odds)), share, int((~judged).sum()))


@dataclass(frozen=True, eq=False)
class Chances:
    """What a calibrated detector says of texts."""

    model: np.ndarray
    """P(a model wrote it) at the share, (n,); of a text that cannot be judged the share itself."""
    share: float
    undecided: int
    """Texts that are too short, or from which the detector abstained."""


@functools.lru_cache(2)
def _fitted(asked: SampledDetector, contents: tuple[str, ...]) -> CalibratedDetector:
    """The calibrated detector; `contents` are the digests of its files, so that changed files are read again."""
    samples = [
        calibration(author, path, f"detector.{name}", asked.text_column, 0)
        for author, name, path in (("human", "human", asked.human), ("model", "ai", asked.ai))
    ]
    groups = grouped(samples, asked.group)
    own = np.split(groups, [len(samples[0].texts)])
    for name, part in zip(("human", "ai"), own, strict=True):
        if (count := int(np.unique(part).size)) < FEWEST:
            raise BadInput(
                f"detector.{name} has {count:,} independent texts of {LEAST} words or more, and at least {FEWEST} are needed; add texts"
            )
    rng = np.random.default_rng(np.random.SeedSequence([0, 0x0DE7EC7]))
    folds = fold_of(np.arange(int(groups.max()) + 1), rng, FOLDS)
    reader = asked.kind.reader([text for sample in samples for text in sample.texts])
    pairs = [AuthorTexts(sample.texts, part) for sample, part in zip(samples, own, strict=True)]
    return calibrated(asked.kind, pairs, folds, reader, rng)[0]
