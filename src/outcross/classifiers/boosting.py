"""Gradient boosting of small trees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from outcross.classifiers import Classifier, Examples, chances_of
from outcross.files import packed
from outcross.recipe import recipe


@recipe
class BoostingClassifier(Classifier):
    """Gradient boosting of small regression trees with log-loss (scikit-learn)."""

    paper = (
        "Friedman, Greedy function approximation, Annals of Statistics 29:1189 (2001); scikit-learn's GradientBoostingClassifier"
    )
    libraries = ("numpy", "scikit-learn")

    trees: Annotated[int, Field(ge=1, le=10_000)] = 100
    depth: Annotated[int, Field(ge=1, le=20)] = 3
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    min_records_per_leaf: Annotated[int, Field(ge=1)] = 20
    """Minimum number of training records in a leaf."""

    def learn(self, rows: Examples, weights, start: Any, rng):
        from sklearn.ensemble import GradientBoostingClassifier

        fitted = GradientBoostingClassifier(
            n_estimators=self.trees,
            max_depth=self.depth,
            learning_rate=self.learning_rate,
            min_samples_leaf=min(self.min_records_per_leaf, max(1, len(rows) // 4)),
            random_state=int(rng.integers(2**31)),
        )
        fitted.fit(rows.points, rows.labels, sample_weight=weights)
        return as_arrays(fitted, rows.labels, weights, rows.classes)

    def load_learned(self, folder):
        stored: dict[str, Any] = packed.load(folder / "boosting.npz")
        stored |= {"rate": float(stored["rate"]), "depth": int(stored["depth"]), "classes": int(stored["classes"])}
        return FittedBoosting(**stored)


def as_arrays(model: Any, labels: np.ndarray, weights: np.ndarray | None, classes: int) -> FittedBoosting:
    """Convert scikit-learn's fitted boosting of trees to plain arrays. `labels` and `weights` (n,) are those of the fit."""
    stages = [[tree.tree_ for tree in stage] for stage in model.estimators_]
    nodes = max(tree.node_count for stage in stages for tree in stage)

    def stacked(name: str) -> np.ndarray:
        """Return one array of the trees, (stages, outputs, nodes)."""
        values = np.zeros((len(stages), len(stages[0]), nodes), dtype=float if name in ("threshold", "value") else np.int64)
        for i, stage in enumerate(stages):
            for j, tree in enumerate(stage):
                values[i, j, : tree.node_count] = np.ravel(getattr(tree, name))
        return values

    present = np.unique(labels)
    share = np.bincount(labels, weights=weights, minlength=classes)[present]
    share = share / share.sum()
    first = np.log(share[1:] / share[:1]) if len(present) == 2 else np.log(share)
    parts = {name: stacked(name) for name in ("feature", "threshold", "children_left", "children_right", "value")}
    return FittedBoosting(first=first, rate=model.learning_rate, depth=model.max_depth, present=present, classes=classes, **parts)


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedBoosting:
    """A sum of trees, stored as arrays over stages, outputs and nodes."""

    feature: np.ndarray
    threshold: np.ndarray
    children_left: np.ndarray
    children_right: np.ndarray
    value: np.ndarray
    first: np.ndarray
    """The score before the first tree, (outputs,)."""
    rate: float
    depth: int
    present: np.ndarray
    classes: int

    def predict(self, points: np.ndarray) -> np.ndarray:
        points = points.astype(np.float32)  # scikit-learn compares in float32
        scores = np.tile(self.first, (len(points), 1)).astype(float)
        rows = np.arange(len(points))
        for stage in range(self.feature.shape[0]):
            for output in range(self.feature.shape[1]):
                node = np.zeros(len(points), dtype=np.int64)
                for _ in range(self.depth):
                    inner = self.children_left[stage, output, node] > 0
                    left = points[rows, np.maximum(self.feature[stage, output, node], 0)] <= self.threshold[stage, output, node]
                    below = np.where(left, self.children_left[stage, output, node], self.children_right[stage, output, node])
                    node = np.where(inner, below, node)
                scores[:, output] += self.rate * self.value[stage, output, node]
        return chances_of(scores, self.present, self.classes)

    def save(self, folder: Path) -> None:
        packed.save(
            folder / "boosting.npz",
            feature=self.feature,
            threshold=self.threshold,
            children_left=self.children_left,
            children_right=self.children_right,
            value=self.value,
            first=self.first,
            rate=np.array(self.rate),
            depth=np.array(self.depth),
            present=self.present,
            classes=np.array(self.classes),
        )
