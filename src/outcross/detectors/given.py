"""A function of texts as a detector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from outcross.detectors import Detector, DetectorPage, FittedDetector, Reader
from outcross.errors import BadInput, first_words


@dataclass(frozen=True, eq=False)
class GivenDetector(Detector):
    """Any function from a list of texts to one number per text, which is higher for texts that resemble those of a model; NaN to abstain."""

    function: Callable[[Sequence[str]], Any]

    page = DetectorPage("a given function", "The result of the function.", "The meaning of the function is unknown.", "")
    needs_ai = False

    def reader(self, given: Sequence[str]) -> Reader:
        return self._scores

    def fit(self, features: Any, is_model: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> FittedDetector:
        return FirstColumn()

    def _scores(self, texts: Sequence[str]) -> np.ndarray:
        try:
            scores = np.asarray(self.function(list(texts)), dtype=np.float64)
        except Exception as error:
            raise BadInput(f"the detector {self.name} failed: {type(error).__name__}: {first_words(error)}") from None
        if scores.shape != (len(texts),):
            raise BadInput(
                f"the detector {self.name} must return one number per text, {len(texts)} in all, got an array of shape {scores.shape}"
            )
        if np.isinf(scores).any():
            raise BadInput(f"the detector {self.name} returned an infinite number; return finite numbers, or NaN to abstain")
        return scores[:, None]

    @property
    def name(self) -> str:
        """The name of the function in error messages."""
        return getattr(self.function, "__qualname__", type(self.function).__name__)


class FirstColumn:
    """A fitted detector whose score is the first feature."""

    def score(self, features: Any) -> np.ndarray:
        return np.asarray(features[:, 0], dtype=np.float64)
