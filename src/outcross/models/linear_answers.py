from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from outcross.data.answers import answered, repeated, whole
from outcross.data.framed import TableRows
from outcross.errors import BadInput
from outcross.models import Learner
from outcross.recipe import recipe


@recipe
class LinearAnswers(Learner):
    """The linear classifier of the theorem on verification. Its direction is the mean of ±x over the training records, with + for the answer 1."""

    paper = "Feng et al., Beyond Model Collapse, ICLR 2025, arXiv 2406.07515, Theorem 4.2"
    libraries = ("numpy", "polars")
    learns = ("rows", "answers")
    takes_weights = False

    def begin(self, human, training, rng):
        truth = human.known("an exact check")
        if truth.answers != 2 or not hasattr(truth, "dimensions"):
            raise BadInput(
                "linear_answers learns points with two answers; write human: {kind: halfspace}, or choose the learner plurality"
            )
        return LinearAnswersModel(np.zeros(truth.dimensions))

    def fit(self, records, weights, start: Any, training, rng):
        signs = 2.0 * whole(records, "answer") - 1
        return LinearAnswersModel(signs @ _points(records) / len(records))

    def load(self, folder):
        with np.load(folder / "linear_answers.npz", allow_pickle=False) as stored:
            return LinearAnswersModel(stored["direction"])


@dataclass(frozen=True, eq=False)
class LinearAnswersModel:
    """A model that answers 1 with probability 1/(1 + exp(−w·x))."""

    direction: np.ndarray
    """w, (d,)."""

    def accuracy(self, truth: Any) -> float:
        """Return the exact probability of a right answer to a new point, in [0, 1]: 1 − angle/π, with the angle between w and the first axis."""
        length = float(np.linalg.norm(self.direction))
        return 0.5 if length == 0 else float(1 - np.arccos(np.clip(self.direction[0] / length, -1, 1)) / np.pi)

    def sample(self, draw, prompts, rng) -> TableRows:
        """Return answers to the questions, drawn from the model's law."""
        if draw.cuts:
            raise BadInput("top_k and top_p do not apply to linear_answers, which draws whole answers; leave them out")
        asked = repeated(prompts, draw.records, "linear_answers")
        logits = _points(asked) @ self.direction
        uniform = rng.random(len(asked))
        if draw.temperature == 0:
            drawn = logits > 0
        else:
            drawn = uniform < 1 / (1 + np.exp(-logits / draw.temperature))
        return answered(asked, drawn, _log_prob(logits, drawn), ["student"] * len(asked))

    def log_prob(self, records: TableRows) -> np.ndarray:
        """Return the log-probability of each answer given its point, in nats, (n,)."""
        return _log_prob(_points(records) @ self.direction, whole(records, "answer") == 1)

    def save(self, folder: Path) -> None:
        np.savez(folder / "linear_answers.npz", direction=self.direction)


def _log_prob(logits: np.ndarray, is_one: np.ndarray) -> np.ndarray:
    return -np.logaddexp(0, np.where(is_one, -logits, logits))


def _points(records: TableRows) -> np.ndarray:
    """Return the coordinates of each question, (n, d)."""
    names = [name for name in records.columns if name.startswith("x") and name[1:].isdigit()]
    return records.frame.select(names).to_numpy()
