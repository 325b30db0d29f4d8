"""A classifier of records of tables, series and images, as in a classifier two-sample test, but with scores of single records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from outcross.classifiers.boosting import FittedBoosting, as_arrays
from outcross.detectors import Detector, DetectorPage, FittedDetector, some_of_each
from outcross.detectors.records import PointsReader, TypedRecords, points_reader, points_reader_of
from outcross.errors import BadInput
from outcross.recipe import recipe

FEATURES = 0.3
"""Share of the features that are candidates for each split of a tree."""
LEARNED = "boosting."


@recipe
class TwoSampleDetector(Detector):
    """Gradient boosting of small trees on the columns of records: numbers as ranks, categories, principal components of vectors and images, and the course of series."""

    page = DetectorPage(
        "two samples",
        "ln p/(1 − p) of boosted trees that distinguish the records of two samples by their columns.",
        "It knows only the generators of its sample. It uses every difference between the two samples, including effects of processing: rounding, sorting, another spelling of a category.",
        "Lopez-Paz and Oquab, ICLR 2017 (classifier two-sample tests); Friedman, Annals of Statistics 29:1189 (2001)",
    )
    libraries = ("numpy", "scikit-learn", "scipy", "polars")
    reads = "records"

    trees: Annotated[int, Field(ge=1, le=2_000)] = 200
    depth: Annotated[int, Field(ge=1, le=10)] = 3
    """Maximum number of splits between the root of a tree and a leaf."""

    def reader(self, given: Any) -> Any:
        if not isinstance(given, TypedRecords):
            raise BadInput(
                "the detector two_sample reads records of tables, series and images, got texts; choose the detector classifier for texts"
            )
        return points_reader(given)

    def fit(self, features: Any, is_model: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> FittedDetector:
        from sklearn.ensemble import GradientBoostingClassifier

        if is_model.all() or not is_model.any():
            raise BadInput("the detector two_sample needs records of people and of models, got only one of the two")
        rows = some_of_each(is_model, rng)
        labels = is_model[rows].astype(int)
        model = GradientBoostingClassifier(
            n_estimators=self.trees, max_depth=self.depth, subsample=0.5, max_features=FEATURES,
            min_samples_leaf=min(20, max(1, rows.size // 8)), random_state=int(rng.integers(2**31)),
        )  # fmt: skip
        weights = 0.5 / np.bincount(labels)[labels]
        model.fit(features[rows], labels, sample_weight=weights * rows.size)
        return BoostedRecords(as_arrays(model, labels, weights, 2))

    def arrays(self, reader: Any, fitted: Any) -> dict[str, np.ndarray]:
        trees = fitted.trees
        return reader.arrays() | {LEARNED + field.name: np.asarray(getattr(trees, field.name)) for field in fields(FittedBoosting)}

    def restored(self, arrays: Mapping[str, np.ndarray]) -> tuple[PointsReader, FittedDetector]:
        learned: dict[str, Any] = {name.removeprefix(LEARNED): array for name, array in arrays.items() if name.startswith(LEARNED)}
        for name, kind in (("rate", float), ("depth", int), ("classes", int)):
            learned[name] = kind(learned[name])
        return points_reader_of(arrays), BoostedRecords(FittedBoosting(**learned))


class BoostedRecords:
    """Fitted trees, whose score is the log-odds of the second author."""

    def __init__(self, trees: FittedBoosting):
        self.trees = trees

    def score(self, features: np.ndarray) -> np.ndarray:
        chances = np.clip(self.trees.predict(features)[:, 1], 1e-12, 1 - 1e-12)
        return np.log(chances) - np.log1p(-chances)
