"""Combination of several detectors by logistic regression on their scores of unseen texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import PlainValidator

from outcross.detectors import DETECTORS, Detector, DetectorPage, FittedDetector, Reader, Stacking, stacked
from outcross.errors import BadInput
from outcross.recipe import read, recipe

FOLDS = 3
"""Number of folds of the groups of training texts. Each fold is scored by detectors that are fitted to the other folds."""


def several(value: object) -> tuple[Detector, ...]:
    """Read detectors from plain data. Raises BadInput for fewer than two."""
    if not isinstance(value, list | tuple) or len(value) < 2:
        raise BadInput(f"detectors must be a list of at least two, such as detectors: [classifier, ngram], got {value!r:.60}")
    return tuple(read(DETECTORS, part, "detectors") for part in value)


@recipe
class BlendDetector(Detector):
    """Logistic regression on the scores of several detectors.

    Each detector is fitted to two thirds of the groups of training texts and scores the remaining third. Its weight therefore never comes from texts
    to which it was fitted, or from their rewrites.
    """

    page = DetectorPage(
        "blend",
        "A linear combination of the scores of several detectors, fitted by logistic regression to scores of unseen texts. Then each detector is fitted to all texts.",
        "Its quality depends on how similar the samples are to the data, because the detector that suits the subject of the samples gets the weight. A detector that abstains counts as undecided.",
        "Wolpert, Neural Networks 5:241 (1992)",
    )
    libraries = ("numpy", "scikit-learn", "scipy")

    detectors: Annotated[tuple[Detector, ...], PlainValidator(several)]
    """The detectors that are combined, at least two."""

    def reader(self, given: Sequence[str]) -> Reader:
        return SeveralReaders(tuple(detector.reader(given) for detector in self.detectors))

    def fit(self, features: Any, is_model: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> FittedDetector:
        if is_model.all() or not is_model.any():
            raise BadInput("a blend needs texts of people and of models, got only one of the two")
        fold = np.unique(groups, return_inverse=True)[1] % FOLDS
        scores = np.full((is_model.size, len(self.detectors)), np.nan)
        for number in range(FOLDS):
            rest, own = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            if not own.size or is_model[rest].all() or not is_model[rest].any():
                continue
            for place, (detector, part) in enumerate(zip(self.detectors, features.parts, strict=True)):
                scores[own, place] = detector.fit(part[rest], is_model[rest], groups[rest], rng).score(part[own])
        fits = tuple(
            detector.fit(part, is_model, groups, rng) for detector, part in zip(self.detectors, features.parts, strict=True)
        )
        return Blend(fits, *_line(scores, is_model))

    def arrays(self, reader: Any, fitted: Any) -> dict[str, np.ndarray]:
        own = {name: np.asarray(getattr(fitted, name)) for name in ("centre", "scale", "weights", "level")}
        for number, (detector, part_reader, fit) in enumerate(zip(self.detectors, reader.readers, fitted.fits, strict=True)):
            own |= {f"{number}.{name}": array for name, array in detector.arrays(part_reader, fit).items()}
        return own

    def restored(self, arrays: Mapping[str, np.ndarray]) -> tuple[Reader, FittedDetector]:
        parts = []
        for number, detector in enumerate(self.detectors):
            prefix = f"{number}."
            own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
            parts.append(detector.restored(own))
        fits = tuple(fit for _, fit in parts)
        learned = Blend(fits, arrays["centre"], arrays["scale"], arrays["weights"], float(arrays["level"]))
        return SeveralReaders(tuple(reader for reader, _ in parts)), learned

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for detector in self.detectors for path in detector.paths)


@dataclass(frozen=True, eq=False)
class SeveralReaders:
    """The readers of several detectors, applied together."""

    readers: tuple[Reader, ...]

    def __call__(self, texts: Sequence[str]) -> SeveralFeatures:
        return SeveralFeatures(tuple(reader(texts) for reader in self.readers))


@dataclass(frozen=True, eq=False)
class SeveralFeatures(Stacking):
    """Features of several detectors, one row per text."""

    parts: tuple[Any, ...]

    @property
    def shape(self) -> tuple[int]:
        return (self.parts[0].shape[0],)

    def stacked(self, other: SeveralFeatures) -> SeveralFeatures:
        return SeveralFeatures(tuple(stacked(first, second) for first, second in zip(self.parts, other.parts, strict=True)))

    def __getitem__(self, rows: np.ndarray) -> SeveralFeatures:
        return SeveralFeatures(tuple(part[rows] for part in self.parts))


@dataclass(frozen=True, eq=False)
class Blend:
    """Fitted detectors with their weights."""

    fits: tuple[FittedDetector, ...]
    centre: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    level: float

    def score(self, features: Any) -> np.ndarray:
        scores = np.stack([fit.score(part) for fit, part in zip(self.fits, features.parts, strict=True)], axis=1)
        none = ~np.isfinite(scores).any(axis=1)
        blended = np.nan_to_num((scores - self.centre) / self.scale, nan=0.0) @ self.weights + self.level
        return np.where(none, np.nan, blended)


def _line(scores: np.ndarray, is_model: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return centre, scale, weights and intercept of a logistic regression on scores (n, detectors). A score is NaN if a detector abstained."""
    from sklearn.linear_model import LogisticRegression

    known = np.isfinite(scores)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, scores, 0.0).sum(axis=0) / count
    scale = np.sqrt(np.where(known, (scores - centre) ** 2, 0.0).sum(axis=0) / count)
    scale = np.where(scale > 0, scale, 1.0)
    design = np.where(known, (scores - centre) / scale, 0.0)
    model = LogisticRegression(class_weight="balanced", max_iter=500).fit(design, is_model)
    return centre, scale, np.asarray(model.coef_)[0], float(np.asarray(model.intercept_)[0])
