"""Detectors of generated text, which give one score per text; the score is higher for texts that resemble those of a model.

A detector is a recipe. Its `reader(texts)` returns a function from texts to features. The function may use the wording of the calibration texts,
but never their authors. `fit(features, is_model, groups, rng)` returns a fitted detector. Its `score(features)` is one number per text, (n,); NaN
if it abstains. Scores are not probabilities. `calibrated` turns the scores of any detector into log-odds, thresholds and shares, on texts that the
fit did not see. Features can be indexed by arrays of row numbers: they are a NumPy array (n, …), a SciPy sparse matrix, or a class derived from
`Stacking`. The features of a text do not depend on the other texts.

A detector that learns from no labels (a likelihood, a watermark) has `needs_ai` False and ignores labels. A detector of tables, series and images
has `reads` "records" and receives `TypedRecords` (detectors/records.py) instead of a list of texts.
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
"""A function from n texts, or from `TypedRecords` with n rows, to features with n rows that can be indexed by rows."""


@dataclass(frozen=True)
class DetectorPage:
    """Description of a detector for its users."""

    title: str
    definition: str
    misleads: str
    paper: str


class FittedDetector(Protocol):
    """The result of a fit."""

    def score(self, features: Any) -> np.ndarray:
        """Return one number per text, (n,), which is higher for texts that resemble those of a model; NaN if the detector abstains."""
        ...


class Detector:
    """A recipe that distinguishes texts of models from human texts."""

    page: ClassVar[DetectorPage]
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    needs_ai: ClassVar[bool] = True
    """Whether a fit needs texts of models."""
    reads: ClassVar[Literal["texts", "records"]] = "texts"
    """The kind of data that it reads."""

    def reader(self, given: Any) -> Reader:
        """Return a function from texts (or `TypedRecords`) to features. It may depend on the given texts, but not on their authors."""
        raise NotImplementedError

    def fit(self, features: Any, is_model: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> FittedDetector:
        """Return a detector that is fitted to these features.

        `is_model` (n,) says which texts a model wrote. `groups` (n,) are whole numbers, equal for texts that belong together, such as a text and its
        rewrite.
        """
        raise NotImplementedError

    def arrays(self, reader: Reader, fitted: FittedDetector) -> dict[str, np.ndarray]:
        """Return the learned numbers of a fit for storage; empty if it learns nothing. `restored` reads them back."""
        return {}

    def restored(self, arrays: Mapping[str, np.ndarray]) -> tuple[Reader, FittedDetector]:
        """Return the reader and the fitted detector whose `arrays` were stored."""
        return self.reader(()), self.fit(np.zeros((0, 1)), np.zeros(0, bool), np.zeros(0, np.int64), np.random.default_rng(0))

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that the detector reads."""
        return ()


class Stacking:
    """Features of a special type, which define how they are stacked with others of that type."""

    def stacked(self, other: Any) -> Any:
        """Return these rows followed by the rows of the other features."""
        raise NotImplementedError


def as_bytes(value: Any) -> np.ndarray:
    """Return plain data as the bytes of their JSON, (bytes,), so that they can be stored with arrays."""
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def of_bytes(array: np.ndarray) -> Any:
    """Return the plain data that `as_bytes` encoded."""
    return json.loads(array.tobytes())


def stacked(first: Any, second: Any) -> Any:
    """Stack the rows of two features, which are arrays, sparse matrices or `Stacking`."""
    if isinstance(first, np.ndarray):
        return np.concatenate((first, second))
    if isinstance(first, Stacking):
        return first.stacked(second)
    from scipy.sparse import vstack

    return vstack((first, second)).tocsr()


FITTED = 20_000
"""Maximum number of texts or records of each author to which a classifier is fitted."""


def some_of_each(is_model: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the rows of human texts, followed by the rows of models' texts. Of each author at most `FITTED` rows are drawn at random."""
    rows = [np.flatnonzero(is_model == side) for side in (False, True)]
    return np.concatenate([own if own.size <= FITTED else np.sort(rng.choice(own, FITTED, replace=False)) for own in rows])


def features_of(detector: Detector, reader: Reader, content: Any) -> Any:
    """Return the features of texts or records, one row each. Raises BadInput, with class and line, if a detector returns another number of rows."""
    features = reader(content)
    shape = getattr(features, "shape", None)
    if not shape or shape[0] != len(content):
        place = own_source.place_of(type(detector), "reader")
        raise BadInput(
            f"the result of {place} must turn {len(content)} texts into features with {len(content)} rows, got shape {shape}"
        )
    return features


def fitted(detector: Detector, features: Any, is_model: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> FittedDetector:
    """Fit a detector. Raises BadInput, with class and line, if the result has no scores."""
    fit = detector.fit(features, is_model, groups, rng)
    if not callable(getattr(fit, "score", None)):
        place = own_source.place_of(type(detector), "fit")
        raise BadInput(f"{place} must return a fitted detector, which has score(features), got {fit!r:.80}")
    return fit


def scores(fit: FittedDetector, features: Any) -> np.ndarray:
    """Return the score of every row of features, (n,). Raises BadInput, with class and line, if a detector returns anything else."""
    values = np.asarray(fit.score(features))
    if values.shape != (features.shape[0],) or values.dtype.kind not in "biuf" or np.isinf(values).any():
        place = own_source.place_of(type(fit), "score")
        wrong = "an infinite number" if values.shape == (features.shape[0],) else f"an array of shape {values.shape}"
        raise BadInput(
            f"{place} must return a finite number, or NaN to abstain, for each of {features.shape[0]} texts, got {wrong}"
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
