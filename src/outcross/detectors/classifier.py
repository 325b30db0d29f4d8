"""A linear classifier of how a text is worded and built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from outcross.detectors import Detector, DetectorPage, FittedDetector, Reader, as_bytes, of_bytes
from outcross.detectors.features import HashedFeatures, frequent_words
from outcross.errors import BadInput
from outcross.recipe import recipe


@recipe
class ClassifierDetector(Detector):
    """Logistic regression on hashed words, pairs of words, and runs of up to three pieces of the text's skeleton (frequent words, punctuation, endings)."""

    page = DetectorPage(
        "classifier",
        "Logistic regression on TF-IDF of words, pairs of words and skeleton runs of 1 to 3, fitted to the two samples.",
        "It knows the generators that it was shown. Of a new one, or of another subject, it finds less, and the false-positive rate is that of people who write as the sample does.",
        "Manning, Raghavan and Schütze, Introduction to Information Retrieval (2008), §6.2, §14",
    )
    libraries = ("numpy", "scikit-learn", "scipy")

    strength: Annotated[float, Field(gt=0, le=1e6)] = 10.0
    """The inverse of the penalty on squared weights (scikit-learn's C)."""

    def reader(self, given: Sequence[str]) -> Reader:
        return HashedFeatures(frequent_words(given))

    def fit(self, features: Any, is_model: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> FittedDetector:
        from scipy.sparse import diags_array
        from sklearn.linear_model import LogisticRegression

        if is_model.all() or not is_model.any():
            raise BadInput("a classifier needs texts of people and of models, got one kind")
        rarity = 1 + np.log((1 + features.shape[0]) / (1 + np.bincount(features.indices, minlength=features.shape[1])))
        model = LogisticRegression(C=self.strength, solver="liblinear", class_weight="balanced", max_iter=200, random_state=0)
        model.fit(_unit(features @ diags_array(rarity)), is_model)
        return LinearDetector(rarity, np.asarray(model.coef_)[0] * rarity, float(np.asarray(model.intercept_)[0]))

    def arrays(self, reader: Any, fitted: Any) -> dict[str, np.ndarray]:
        return {
            "frequent": as_bytes(reader.frequent),
            "rarity": fitted.rarity,
            "weights": fitted.weights,
            "intercept": np.array(fitted.intercept),
        }

    def restored(self, arrays: Mapping[str, np.ndarray]) -> tuple[Reader, FittedDetector]:
        learned = LinearDetector(arrays["rarity"], arrays["weights"], float(arrays["intercept"]))
        return HashedFeatures(tuple(of_bytes(arrays["frequent"]))), learned


@dataclass(frozen=True, eq=False)
class LinearDetector:
    """Weights of hashed features."""

    rarity: np.ndarray
    weights: np.ndarray
    """Of the features as they are read, rarity included."""
    intercept: float

    def score(self, features: Any) -> np.ndarray:
        lengths = np.sqrt(np.asarray(features.multiply(features) @ self.rarity**2))
        return np.asarray(features @ self.weights) / np.maximum(lengths, 1e-12) + self.intercept


def _unit(features: Any) -> Any:
    from sklearn.preprocessing import normalize

    return normalize(features.tocsr())
