"""A detector that is fitted to and calibrated on texts of people and of a model, and then gives the probability that a model wrote other texts."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.detectors import DETECTORS, Detector, FittedDetector, Reader
from outcross.detectors.calibrated import FEWEST, FOLDS, AuthorSample, LogRatioLine, calibrated, fold_of, log_ratios_by_all
from outcross.detectors.classifier import ClassifierDetector
from outcross.detectors.lengths import words_of
from outcross.detectors.samples import LEAST, CalibrationSample, calibration, grouped, sample_of_texts
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.files import packed
from outcross.files.reading import content_digest
from outcross.recipe import one_of, recipe
from outcross.statistics.two_sources import most_likely_share
from outcross.text.normalised import normalised

Share = Annotated[float, Field(gt=0, lt=1)]


@recipe
class SampledDetector:
    """A detector with the files of texts for its fit and its calibration. Each text is calibrated by a fit that did not see its group."""

    human: Annotated[str, Field(min_length=1)]
    """A file of human texts of the same kind as the candidates."""
    ai: Annotated[str, Field(min_length=1)]
    """A file of a model's texts of the same kind as the candidates."""
    kind: Annotated[Detector, one_of(DETECTORS, "detector.kind")] = ClassifierDetector()
    """The detector of generated text, as in detect."""
    group: str | None = None
    """A column of the samples with equal values for texts that belong together."""
    text_column: str | None = None
    """The column of texts in the samples; detected automatically if there is only one."""
    share: Share | None = None
    """The share of the candidates that a model wrote; the maximum-likelihood estimate if left out."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that the detector reads."""
        return (self.human, self.ai, *self.kind.paths)

    def without_paths(self) -> SampledDetector:
        """Return the same detector without the paths of the samples."""
        return replace(self, human="the human sample", ai="the model's sample")

    def samples(self) -> SamplePair:
        """Return the texts of the files. Raises BadInput if a file cannot be read or is too small."""
        read = [
            calibration(author, path, f"detector.{name}", self.text_column, 0)
            for author, name, path in (("human", "human", self.human), ("model", "ai", self.ai))
        ]
        return _paired(read, self.group, ("detector.human", "detector.ai"))

    def fitted(self) -> ReadyDetector:
        """Return the detector, fitted to the present content of the files."""
        return _fitted(self, tuple(content_digest(path) for path in self.paths))


@recipe
class FirstGenerationDetector:
    """A detector of a loop, fitted to human text that no model learns from and to text that generation 0 writes only for the detector."""

    kind: Annotated[Detector, one_of(DETECTORS, "detector.kind")] = ClassifierDetector()
    """The detector of generated text, as in detect."""
    share: Share | None = None
    """The share of the candidates that a model wrote; the maximum-likelihood estimate if left out."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that the detector reads."""
        return self.kind.paths

    def without_paths(self) -> FirstGenerationDetector:
        """Return the same detector. The key of a step already has the content of the files instead of their paths."""
        return self

    def fitted(self) -> ReadyDetector:
        """Raise NotApplicable, because there is no generation 0 outside of a loop."""
        raise NotApplicable(
            "has a detector without samples, which only a loop can fit to text of its generation 0; outside of a loop set human and ai to files of texts"
        )


@dataclass(frozen=True, eq=False)
class SamplePair:
    """The texts of people and of a model to which a detector is fitted."""

    human: AuthorSample
    ai: AuthorSample


def pair_of_texts(human: Sequence[str], ai: Sequence[str]) -> SamplePair:
    """Return the samples of human and model texts. Equal texts and near duplicates form groups. Raises BadInput if there are too few texts."""
    read = [sample_of_texts(author, texts) for author, texts in (("human", human), ("model", ai))]
    return _paired(read, None, ("the human sample of the detector", "the sample that generation 0 writes for the detector"))


def _paired(samples: Sequence[CalibrationSample], column: str | None, names: Sequence[str]) -> SamplePair:
    groups = grouped(samples, column)
    own = np.split(groups, [len(samples[0].content)])
    for name, part in zip(names, own, strict=True):
        if (count := int(np.unique(part).size)) < FEWEST:
            raise BadInput(f"{name} has {count:,} independent texts of at least {LEAST} words, but {FEWEST} are needed; add texts")
    return SamplePair(*(AuthorSample(sample.content, part) for sample, part in zip(samples, own, strict=True)))


@dataclass(frozen=True, eq=False)
class Chances:
    """Probabilities of a calibrated detector for texts."""

    model: np.ndarray
    """P(a model wrote the text) for the given share, (n,). For a text that cannot be judged it is the share itself."""
    share: float
    undecided: int
    """Number of texts that are too short or for which the detector abstained."""


@dataclass(frozen=True, eq=False)
class ReadyDetector:
    """A fitted and calibrated detector: the reader of texts, one fit per fold, and the function from scores to log-ratios."""

    recipe: Detector
    reader: Reader
    fits: tuple[FittedDetector, ...]
    line: LogRatioLine

    def chances(self, texts: Sequence[str], share: float | None = None) -> Chances:
        """Return P(a model wrote the text) for each text, if a model wrote this share of the texts; by default the likeliest share."""
        form = normalised(list(texts)).strings
        rows = np.flatnonzero(words_of(form) >= LEAST)
        ratios = np.full(len(form), np.nan)
        if rows.size:
            every = log_ratios_by_all(self.reader, self.fits, self.line, [form[row] for row in rows.tolist()])
            ratios[rows] = every.mean(axis=1)
        judged = np.isfinite(ratios)
        if share is None:
            share = most_likely_share(np.exp(ratios[judged])) if judged.any() else 0.5
        inside = min(max(share, 1e-6), 1 - 1e-6)
        odds = np.where(judged, ratios, 0.0) + math.log(inside / (1 - inside))
        return Chances(1 / (1 + np.exp(-odds)), share, int((~judged).sum()))

    def save(self, folder: Path) -> None:
        arrays = {"line": self.line.weights, "centre": np.array(self.line.centre), "scale": np.array(self.line.scale)}
        for fold, fit in enumerate(self.fits):
            arrays |= {f"{fold}.{name}": array for name, array in self.recipe.arrays(self.reader, fit).items()}
        packed.save(folder / FILE, folds=np.array(len(self.fits)), **arrays)

    @classmethod
    def load(cls, folder: Path, detector: Detector) -> ReadyDetector:
        """Return the detector that a step stored."""
        arrays = packed.load(folder / FILE)
        parts = []
        for fold in range(int(arrays["folds"])):
            prefix = f"{fold}."
            own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
            parts.append(detector.restored(own))
        line = LogRatioLine(arrays["line"], float(arrays["centre"]), float(arrays["scale"]))
        return cls(detector, parts[0][0], tuple(fit for _, fit in parts), line)


FILE = "detector.npz"


def ready(detector: Detector, samples: SamplePair) -> ReadyDetector:
    """Fit a detector to two samples and calibrate it on them.

    Its folds and fits use a separate random stream, so that equal samples give an equal detector.
    """
    rng = np.random.default_rng(np.random.SeedSequence([0, 0x0DE7EC7]))
    pairs = [samples.human, samples.ai]
    folds = fold_of(np.arange(max(int(pair.groups.max()) for pair in pairs) + 1), rng, FOLDS)
    reader = detector.reader([text for pair in pairs for text in pair.content])
    fitted = calibrated(detector, pairs, folds, reader, rng)[0]
    return ReadyDetector(detector, fitted.reader, fitted.fits, fitted.line)


@functools.lru_cache(2)
def _fitted(asked: SampledDetector, contents: tuple[str, ...]) -> ReadyDetector:
    """Return the fitted detector. `contents` are the digests of its files, so that changed files are read again."""
    return ready(asked.kind, asked.samples())
