"""What labels.

A classifier is a recipe (frozen values). `fit(rows, weights, start, rng)` learns from labelled points and returns a fitted classifier, which is another
type: `predict(points)` is the probability of every class, (n, classes), `save(folder)` and the recipe's `load(folder)` keep it without pickle.
`weights` (n,) count a record that often; `start` is a fitted classifier to go on from, where `starts` says that the member can.
A class of which there is no record gets probability 0, so that a classifier of one class alone says always that class. The same stream gives the same bytes.
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
        """The examples of these rows."""
        return Examples(self.points[rows], self.labels[rows], self.classes)


class FittedClassifier(Protocol):
    """What came of a fit."""

    def predict(self, points: np.ndarray) -> np.ndarray:
        """The probability of every class, (n, classes); rows sum to 1."""
        ...

    def save(self, folder: Path) -> None: ...


class Classifier:
    """What labels: frozen values, and how to fit."""

    paper: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    """Packages of others, as the package index names them, whose versions decide its numbers."""
    starts: ClassVar[bool] = False
    """Whether a fit can go on from another one."""

    def fit(self, rows: Examples, weights: np.ndarray | None, start: Any, rng: np.random.Generator) -> FittedClassifier:
        """Learn from labelled points. BadInput where there are none, or where a number is not finite."""
        if len(rows) == 0:
            raise BadInput(f"{kind(self)} needs labelled records to learn from, there are none; raise the rows")
        if not np.isfinite(rows.points).all():
            raise BadInput(
                f"{kind(self)} needs finite numbers, {int((~np.isfinite(rows.points)).sum()):,} are not; fill in what is missing"
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
        """Learn from records of two classes at least."""
        raise NotImplementedError

    def load(self, folder: Path) -> FittedClassifier:
        """A fitted classifier that was saved."""
        return OneClass.load(folder) if (folder / ONE_CLASS).exists() else self.load_learned(folder)

    def load_learned(self, folder: Path) -> FittedClassifier:
        """A classifier of two classes at least that was saved."""
        raise NotImplementedError


ONE_CLASS = "one_class.npz"


@dataclass(frozen=True)
class OneClass:
    """What comes of records of one class alone: it says always that class."""

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
    """The softmax of scores over the classes that occurred, (n, classes); two of them have one score, (n, 1), that of the second."""
    if len(present) == 2:
        scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances = np.zeros((len(scores), classes))
    chances[:, present] = scores / scores.sum(axis=1, keepdims=True)
    return chances


def most_likely_class(fitted: FittedClassifier, points: np.ndarray, classes: int) -> np.ndarray:
    """The number of the most likely class of each point, (n,). BadInput where a classifier gives no probabilities, with its class and line."""
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
