"""A detector that somebody hands over: a function of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from outcross.detectors import Detector, DetectorPage, FittedDetector, Reader
from outcross.errors import BadInput, first_words


@dataclass(frozen=True, eq=False)
class GivenDetector(Detector):
    """Any function from a list of texts to a number each, higher for texts that look like a model's; NaN where it abstains."""

    function: Callable[[Sequence[str]], Any]

    page = DetectorPage("a given function", "What the function says.", "What the function does is not known.", "")
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
                f"the detector {self.name} must give one number a text: {len(texts)} numbers, got an array of shape {scores.shape}"
            )
        if np.isinf(scores).any():
            raise BadInput(f"the detector {self.name} gave an infinite number; give finite ones, or NaN where it abstains")
        return scores[:, None]

    @property
    def name(self) -> str:
        """What errors call it."""
        return getattr(self.function, "__qualname__", type(self.function).__name__)


class FirstColumn:
    """Features that are the score."""

    def score(self, features: Any) -> np.ndarray:
        return np.asarray(features[:, 0], dtype=np.float64)
