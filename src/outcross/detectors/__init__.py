"""Who wrote this: a number a text that is higher the more it looks like a model's.

A detector is a recipe. `reader(texts)` gives what turns texts into features, which may know how the calibration texts are written and never who wrote them;
`fit(features, is_model, rng)` gives a fitted detector, whose `score(features)` is a number a text, (n,), NaN where it abstains. Scores are not
probabilities: `calibrated` turns those of any detector into log-odds, thresholds and shares, on texts that the fit did not see.

A detector that learns from no labels (a likelihood, a watermark) has `needs_ai` False and ignores them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from outcross.recipe import Family

Reader = Callable[[Sequence[str]], Any]
"""From n texts to features of n rows, which can be indexed by rows."""


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

    def reader(self, given: Sequence[str]) -> Reader:
        """What turns texts into features, knowing these texts and not who wrote them."""
        raise NotImplementedError

    def fit(self, features: Any, is_model: np.ndarray, rng: np.random.Generator) -> FittedDetector:
        """What scores texts, after these. is_model: (n,) of truth values."""
        raise NotImplementedError

    def arrays(self, reader: Reader, fitted: FittedDetector) -> dict[str, np.ndarray]:
        """What a fit has learned, for the disk; nothing where it learns nothing. `restored` reads it back."""
        return {}

    def restored(self, arrays: Mapping[str, np.ndarray]) -> tuple[Reader, FittedDetector]:
        """The reader and the fit that `arrays` told of."""
        return self.reader(()), self.fit(np.zeros((0, 1)), np.zeros(0, bool), np.random.default_rng(0))

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


DETECTORS: Family = Family(
    {
        "blend": "outcross.detectors.blend:BlendDetector",
        "classifier": "outcross.detectors.classifier:ClassifierDetector",
        "declared": "outcross.detectors.declared:DeclaredDetector",
        "likelihood": "outcross.detectors.likelihood:LikelihoodDetector",
        "ngram": "outcross.detectors.ngram:NgramDetector",
        "watermark": "outcross.detectors.watermark:WatermarkDetector",
    }
)

__all__ = ["DETECTORS", "Detector", "DetectorPage", "FittedDetector", "Reader", "Stacking", "as_bytes", "of_bytes", "stacked"]
