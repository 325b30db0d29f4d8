"""Logistic regression."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from outcross.classifiers import Classifier, Examples, chances_of
from outcross.files import packed
from outcross.recipe import recipe


@recipe
class LogisticClassifier(Classifier):
    """Logistic regression on standardised points with a ridge, fitted by L-BFGS until convergence or `steps` (scikit-learn)."""

    paper = "Pedregosa et al., scikit-learn, JMLR 12:2825 (2011), LogisticRegression"
    libraries = ("numpy", "scikit-learn", "scipy")
    starts = True

    ridge: Annotated[float, Field(gt=0)] = 1.0
    """Weight of half the sum of squared coefficients relative to the sum of log-losses (1/C in scikit-learn)."""
    steps: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Maximum number of steps of L-BFGS."""

    def learn(self, rows: Examples, weights, start: Any, rng):
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        share = None if weights is None else weights / weights.sum()
        centre = np.average(rows.points, axis=0, weights=share)
        scale = np.sqrt(np.average(np.square(rows.points - centre), axis=0, weights=share))
        scale = np.where(scale > 0, scale, 1.0)
        present = np.unique(rows.labels)
        goes_on = isinstance(start, FittedLogistic) and np.array_equal(start.present, present)
        fitted = LogisticRegression(C=1 / self.ridge, max_iter=self.steps, warm_start=goes_on)
        if goes_on:
            fitted.coef_, fitted.intercept_, fitted.classes_ = (
                start.coefficients * scale / start.scale,
                start.intercepts.copy(),
                present,
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # stopping after `steps` is intended
            fitted.fit((rows.points - centre) / scale, rows.labels, sample_weight=weights)
        return FittedLogistic(fitted.coef_, np.asarray(fitted.intercept_), centre, scale, present, rows.classes)

    def load_learned(self, folder):
        stored: dict[str, Any] = packed.load(folder / "logistic.npz")
        stored["classes"] = int(stored["classes"])
        return FittedLogistic(**stored)


@dataclass(frozen=True, eq=False)
class FittedLogistic:
    """A fitted logistic regression."""

    coefficients: np.ndarray  # (classes that occur, d); (1, d) for two such classes
    intercepts: np.ndarray
    centre: np.ndarray  # (d,)
    scale: np.ndarray  # (d,)
    present: np.ndarray
    """The classes that occurred among the records."""
    classes: int

    def predict(self, points: np.ndarray) -> np.ndarray:
        scores = (points - self.centre) / self.scale @ self.coefficients.T + self.intercepts
        return chances_of(scores, self.present, self.classes)

    def save(self, folder: Path) -> None:
        packed.save(
            folder / "logistic.npz",
            coefficients=self.coefficients,
            intercepts=self.intercepts,
            centre=self.centre,
            scale=self.scale,
            present=self.present,
            classes=np.array(self.classes),
        )
