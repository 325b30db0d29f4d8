"""Classifiers, which label points.

A classifier is a recipe of frozen values. `fit(rows, weights, start, rng)` learns from labelled points and returns a fitted classifier, which is
a separate type. Its `predict(points)` returns the probability of every class, (n, classes). `save(folder)` and the recipe's `load(folder)`
store it without pickle. A record with weight w counts w times; `weights` are (n,). `start` is a fitted classifier from which the fit continues,
if the attribute `starts` allows it. A class without records has probability 0, so a classifier of a single class always predicts that class. The
same random stream gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from outcross import own_source
from outcross.errors import BadInput
from outcross.files import packed
from outcross.recipe import Family, kind


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled points."""

    points: np.ndarray  # (n, d)
    labels: np.ndarray  # (n,), numbers of classes from 0
    classes: int

    def __len__(self) -> int:
        return len(self.points)

    def take(self, rows: np.ndarray) -> Examples:
        """Return the examples in these rows."""
        return Examples(self.points[rows], self.labels[rows], self.classes)


class FittedClassifier(Protocol):
    """The result of a fit."""

    def predict(self, points: np.ndarray) -> np.ndarray:
        """Return the probability of every class, (n, classes); rows sum to 1."""
        ...

    def save(self, folder: Path) -> None: ...


class Classifier:
    """A recipe of frozen values that says how a classifier is fitted."""

    paper: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    """Third-party packages whose versions affect its numbers, by their names in the package index."""
    starts: ClassVar[bool] = False
    """Whether a fit can continue from a fitted classifier."""

    def fit(self, rows: Examples, weights: np.ndarray | None, start: Any, rng: np.random.Generator) -> FittedClassifier:
        """Return a classifier that is fitted to labelled points. Raises BadInput if there are none, or if a number is not finite."""
        if len(rows) == 0:
            raise BadInput(f"{kind(self)} needs labelled records to learn from, got none; raise the number of rows")
        if not np.isfinite(rows.points).all():
            raise BadInput(
                f"{kind(self)} needs finite numbers, but {int((~np.isfinite(rows.points)).sum()):,} are not finite; fill in the missing values"
            )
        present = np.unique(rows.labels if weights is None else rows.labels[weights > 0])
        if len(present) == 1:
            return OneClass(int(present[0]), rows.classes)
        fitted = self.learn(rows, weights, None if isinstance(start, OneClass) else start, rng)
        for method in ("predict", "save"):
            if not callable(getattr(fitted, method, None)):
                place = own_source.place_of(type(self), "learn")
                raise BadInput(f"{place} must give a fitted classifier, which has predict and save, got {fitted!r:.80}")
        return fitted

    def learn(self, rows: Examples, weights: np.ndarray | None, start: Any, rng: np.random.Generator) -> FittedClassifier:
        """Return a classifier that is fitted to records of at least two classes."""
        raise NotImplementedError

    def load(self, folder: Path) -> FittedClassifier:
        """Return the fitted classifier that was saved in the folder."""
        return OneClass.load(folder) if (folder / ONE_CLASS).exists() else self.load_learned(folder)

    def load_learned(self, folder: Path) -> FittedClassifier:
        """Return the fitted classifier of at least two classes that was saved in the folder."""
        raise NotImplementedError


ONE_CLASS = "one_class.npz"


@dataclass(frozen=True)
class OneClass:
    """The fitted classifier of records of a single class, which always predicts that class."""

    label: int
    classes: int

    def predict(self, points: np.ndarray) -> np.ndarray:
        return np.tile(np.eye(self.classes)[self.label], (len(points), 1))

    def save(self, folder: Path) -> None:
        packed.save(folder / ONE_CLASS, label=np.array(self.label), classes=np.array(self.classes))

    @classmethod
    def load(cls, folder: Path) -> OneClass:
        stored = packed.load(folder / ONE_CLASS)
        return cls(int(stored["label"]), int(stored["classes"]))


def chances_of(scores: np.ndarray, present: np.ndarray, classes: int) -> np.ndarray:
    """Return the softmax of scores over the classes that occurred, (n, classes). For two such classes the scores are (n, 1), of the second class."""
    if len(present) == 2:
        scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances = np.zeros((len(scores), classes))
    chances[:, present] = scores / scores.sum(axis=1, keepdims=True)
    return chances


def most_likely_class(fitted: FittedClassifier, points: np.ndarray, classes: int) -> np.ndarray:
    """Return the number of the most likely class of each point, (n,).

    Raises BadInput, with the class and line of the classifier, if its predictions are not probabilities.
    """
    chances = np.asarray(fitted.predict(points))
    if chances.shape != (len(points), classes) or not np.isfinite(chances).all():
        place = own_source.place_of(type(fitted), "predict")
        raise BadInput(
            f"{place} must give the probability of each of {classes} classes for {len(points)} points, finite numbers of shape "
            f"({len(points)}, {classes}), got shape {chances.shape}"
        )
    return np.argmax(chances, axis=1)


CLASSIFIERS: Family = Family(
    {
        "logistic": "outcross.classifiers.logistic:LogisticClassifier",
        "boosting": "outcross.classifiers.boosting:BoostingClassifier",
        "convolutional": "outcross.classifiers.convolutional:ConvolutionalClassifier",
    },
    name="classifiers",
    protocol=Classifier,
)

__all__ = ["CLASSIFIERS", "Classifier", "Examples", "FittedClassifier", "OneClass", "chances_of", "most_likely_class"]
