"""Who wrote this: a number a text that is higher the more it looks like a model's.

A detector is a recipe. `reader(texts)` gives what turns texts into features, which may know how the calibration texts are written and never who wrote them;
`fit(features, is_model, groups, rng)` gives a fitted detector, whose `score(features)` is a number a text, (n,), NaN where it abstains. Scores are not
probabilities: `calibrated` turns those of any detector into log-odds, thresholds and shares, on texts that the fit did not see. What `reader` gives is indexed by
arrays of row numbers: a NumPy array (n, …), a SciPy sparse matrix, or a class that is derived from `Stacking`. The features of a text do not depend on the texts beside it.

A detector that learns from no labels (a likelihood, a watermark) has `needs_ai` False and ignores them. A detector of tables, series and images has `reads` "records" and gets
`TypedRecords` (detectors/records.py) wherever others get a list of texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from outcross import own_source
from outcross.errors import BadInput
from outcross.recipe import Family

Reader = Callable[[Any], Any]
"""From n texts, or n `TypedRecords`, to features of n rows, which can be indexed by rows."""


@dataclass(frozen=True)
class DetectorPage:
    """What a reader must know of one detector."""

    title: str
    definition: str
    misleads: str
    paper: str


class FittedDetector(Protocol):
    """What came of a fit."""

    def score(self, features: Any) -> np.ndarray:
        """A number a text, (n,): the higher, the more it looks like a model's; NaN where the detector abstains."""
        ...


class Detector:
    """How texts of models are told from those of people."""

    page: ClassVar[DetectorPage]
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    needs_ai: ClassVar[bool] = True
    """Whether it must be shown texts of models."""
    reads: ClassVar[Literal["texts", "records"]] = "texts"
    """What it reads."""

    def reader(self, given: Any) -> Reader:
        """What turns texts (or `TypedRecords`) into features, knowing those that are given and not who wrote them."""
        raise NotImplementedError

    def fit(self, features: Any, is_model: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> FittedDetector:
        """What scores texts, after these. is_model: (n,) of truth values; groups: (n,) whole numbers, equal for texts that belong together, as a text and a rewrite of it."""
        raise NotImplementedError

    def arrays(self, reader: Reader, fitted: FittedDetector) -> dict[str, np.ndarray]:
        """What a fit has learned, for the disk; nothing where it learns nothing. `restored` reads it back."""
        return {}

    def restored(self, arrays: Mapping[str, np.ndarray]) -> tuple[Reader, FittedDetector]:
        """The reader and the fit that `arrays` told of."""
        return self.reader(()), self.fit(np.zeros((0, 1)), np.zeros(0, bool), np.zeros(0, np.int64), np.random.default_rng(0))

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that it reads."""
        return ()


class Stacking:
    """Features of a kind of their own, which know how to be put below others of that kind."""

    def stacked(self, other: Any) -> Any:
        """These rows and the other's."""
        raise NotImplementedError


def as_bytes(value: Any) -> np.ndarray:
    """Plain data as the bytes of their JSON, (bytes,), so that they are kept beside arrays."""
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def of_bytes(array: np.ndarray) -> Any:
    """The plain data of which these are the bytes."""
    return json.loads(array.tobytes())


def stacked(first: Any, second: Any) -> Any:
    """Rows of features one below the other: arrays, sparse matrices, or what stacks itself."""
    if isinstance(first, np.ndarray):
        return np.concatenate((first, second))
    if isinstance(first, Stacking):
        return first.stacked(second)
    from scipy.sparse import vstack

    return vstack((first, second)).tocsr()


FITTED = 20_000
"""Texts or records of each author that a classifier is fitted to, at most."""


def some_of_each(is_model: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The rows of people's texts, then those of models'; of more than `FITTED` of one author so many, drawn at random."""
    rows = [np.flatnonzero(is_model == side) for side in (False, True)]
    return np.concatenate([own if own.size <= FITTED else np.sort(rng.choice(own, FITTED, replace=False)) for own in rows])


def features_of(detector: Detector, reader: Reader, content: Any) -> Any:
    """The features of texts or records, a row each. BadInput where a detector gives another number of rows, with its class and line."""
    features = reader(content)
    shape = getattr(features, "shape", None)
    if not shape or shape[0] != len(content):
        place = own_source.place_of(type(detector), "reader")
        raise BadInput(
            f"what {place} gives must make features of {len(content)} rows out of {len(content)} texts, got shape {shape}"
        )
    return features


def fitted(detector: Detector, features: Any, is_model: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> FittedDetector:
    """A detector after a fit. BadInput where it gives something that has no scores, with its class and line."""
    fit = detector.fit(features, is_model, groups, rng)
    if not callable(getattr(fit, "score", None)):
        place = own_source.place_of(type(detector), "fit")
        raise BadInput(f"{place} must give a fitted detector, which has score(features), got {fit!r:.80}")
    return fit


def scores(fit: FittedDetector, features: Any) -> np.ndarray:
    """The score of every row of features, (n,). BadInput where a detector gives something else, with its class and line."""
    values = np.asarray(fit.score(features))
    if values.shape != (features.shape[0],) or values.dtype.kind not in "biuf" or np.isinf(values).any():
        place = own_source.place_of(type(fit), "score")
        wrong = "an infinite number" if values.shape == (features.shape[0],) else f"an array of shape {values.shape}"
        raise BadInput(
            f"{place} must give a finite number, or NaN where it abstains, for each of {features.shape[0]} texts, got {wrong}"
        )
    return values.astype(np.float64)


DETECTORS: Family = Family(
    {
        "blend": "outcross.detectors.blend:BlendDetector",
        "classifier": "outcross.detectors.classifier:ClassifierDetector",
        "declared": "outcross.detectors.declared:DeclaredDetector",
        "likelihood": "outcross.detectors.likelihood:LikelihoodDetector",
        "ngram": "outcross.detectors.ngram:NgramDetector",
        "two_sample": "outcross.detectors.two_sample:TwoSampleDetector",
        "watermark": "outcross.detectors.watermark:WatermarkDetector",
    },
    name="detectors",
    protocol=Detector,
    page=DetectorPage,
)

__all__ = [
    "DETECTORS",
    "Detector",
    "DetectorPage",
    "FittedDetector",
    "Reader",
    "Stacking",
    "as_bytes",
    "features_of",
    "fitted",
    "of_bytes",
    "scores",
    "some_of_each",
    "stacked",
]
