from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.models import Learner
from outcross.recipe import recipe


@recipe
class Regression(Learner):
    """Linear regression y = x·w + noise by least squares, in which each model writes the labels for the next fit.

    A record is a row (x, y) with the label last; there is no intercept. The fit minimises Σ weight (y - x·w)² + ridge |w|², so a
    ridge has less influence if there are more records. With `design: same` the model relabels the x of its prompts, in their order and from
    the first one again if more records are requested (Gerstgrasser et al.: the human x at every generation). With `fresh` it labels new
    x ~ N(0, I). A temperature scales only the variance of the label noise, because the model does not generate x.

    Two settings prevent the best fit. `predictors` makes the model too small for the law that it learns, and `steps` stops its gradient descent
    early. The part of the label that is not fitted then appears as noise, which `noise: fitted` includes.
    """

    paper = "Gerstgrasser et al., arXiv 2404.01413 §2 (same design); Dohmatob et al., Model Collapse Demystified, arXiv 2402.07712 (fresh, ridge)"
    learns = ("vectors", "pairs")  # Pairs are vectors whose last number is a label. They add the measures of regression.

    design: Literal["same", "fresh"] = "same"
    """Whether every generation has the same inputs x (`same`) or new ones (`fresh`)."""
    ridge: Annotated[float, Field(ge=0)] = 0.0
    """Penalty on the squared length of the coefficients."""
    noise: Annotated[float, Field(ge=0)] | Literal["fitted"] = 1.0
    """Standard deviation of the label noise. A number is a known value, as in the papers. `fitted` estimates the variance as
    Σ residual² / (n - d)."""
    predictors: Annotated[int, Field(ge=1)] | None = None
    """Number d of predictors that the model uses, counted from the first column: its capacity; null: all of them."""
    steps: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Number of steps of gradient descent from coefficients of 0; null: the limit of the descent, in closed form."""
    rate: Annotated[float, Field(gt=0, lt=2)] = 0.1
    """Step size of the descent, as a multiple of 1 / (largest curvature). From 2 on the descent would not converge."""

    def fit(self, records, weights, start, training, rng):
        n, there = len(records), records.dimensions - 1
        if there < 1:
            raise BadInput("regression needs rows (x, y), got rows of one number; give at least two columns")
        d = there if self.predictors is None else self.predictors
        if d > there:
            raise BadInput(
                f"predictors must be at most {there}, the number of predictors in the data, got {d}; write a smaller number"
            )
        fewest = d + 1 if self.noise == "fitted" else d
        if n < fewest and (self.ridge == 0 or self.noise == "fitted"):
            raise BadInput(
                f"regression on {d} predictors needs at least {fewest} records, got {n}; give more records, or set a ridge and a known noise"
            )
        x, y = records.array[..., :-1], records.array[..., -1]
        seen = x[..., :d]
        weighed = np.swapaxes(seen if weights is None else seen * weights[:, None], -1, -2)
        fitted = self._descended(weighed @ seen + self.ridge * np.eye(d), weighed @ y[..., None])[..., 0]
        coefficients = np.zeros((*x.shape[:-2], there))
        coefficients[..., :d] = fitted
        if isinstance(self.noise, float):
            return LinearModel(coefficients, np.full(coefficients.shape[:-1], self.noise), self.design)
        squares = np.square(y - predicted(x, coefficients)) * (1.0 if weights is None else weights / weights.mean())
        return LinearModel(coefficients, np.sqrt(squares.sum(axis=-1) / (n - d)), self.design)

    def _descended(self, curvature: np.ndarray, aim: np.ndarray) -> np.ndarray:
        """Return the solution w of curvature · w = aim, or the result of `steps` steps towards it, (chains…, d, 1)."""
        if self.steps is None:
            return np.linalg.solve(curvature, aim)
        length = self.rate / np.linalg.eigvalsh(curvature)[..., -1, None, None]
        reached = np.zeros_like(aim)
        for _ in range(self.steps):
            reached += length * (aim - curvature @ reached)
        return reached

    def load(self, folder):
        with np.load(folder / "regression.npz", allow_pickle=False) as stored:
            return LinearModel(stored["coefficients"], stored["noise"], str(stored["design"]))


@dataclass(frozen=True, eq=False)
class LinearModel:
    """One linear model y = x·w + noise per chain."""

    coefficients: np.ndarray  # (chains…, d)
    noise: np.ndarray  # (chains…)
    """Standard deviation of a label about x·w."""
    design: str
    """The inputs x that the model labels: `same` or `fresh`."""

    def sample(self, draw, prompts, rng) -> Vectors:
        """Return rows (x, y), (chains…, n, d + 1)."""
        if draw.cuts:
            raise BadInput("top_k and top_p apply to discrete outcomes, which a regression does not have; leave them out")
        *chains, d = self.coefficients.shape
        rows = np.empty((*chains, draw.records, d + 1))
        rows[..., :-1] = self._designed(draw.records, prompts, rng)
        noise = rng.standard_normal(rows.shape[:-1])
        noise *= np.sqrt(draw.temperature) * self.noise[..., None]
        np.add(predicted(rows[..., :-1], self.coefficients), noise, out=rows[..., -1])
        return Vectors(rows)

    def _designed(self, records: int, prompts: Vectors | None, rng: np.random.Generator) -> np.ndarray:
        """Return the inputs x to be labelled, (chains…, n, d)."""
        if self.design == "fresh":
            return rng.standard_normal((*self.coefficients.shape[:-1], records, self.coefficients.shape[-1]))
        if prompts is None:
            raise BadInput(
                "design same labels the x of prompts, but there are no prompts; write draw.prompts: human, or design: fresh"
            )
        if records <= len(prompts):
            return prompts.array[..., :records, :-1]
        return prompts.array[..., np.arange(records) % len(prompts), :-1]

    def log_prob(self, records: Vectors) -> np.ndarray:
        """Return the log-density of each label given its x in nats, (chains…, n)."""
        residual = records.array[..., -1] - predicted(records.array[..., :-1], self.coefficients)
        with np.errstate(divide="ignore", invalid="ignore"):
            square = np.where(residual == 0, 0.0, np.square(residual / self.noise[..., None]))
            return -0.5 * square - np.log(self.noise)[..., None] - 0.5 * np.log(2 * np.pi)

    def save(self, folder: Path) -> None:
        np.savez(folder / "regression.npz", coefficients=self.coefficients, noise=self.noise, design=np.array(self.design))


def predicted(x: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return x·w, (chains…, n)."""
    return (x @ coefficients[..., None])[..., 0]
