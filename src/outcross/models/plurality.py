from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from outcross.data.answers import answered, repeated, whole
from outcross.data.framed import TableRows
from outcross.errors import BadInput
from outcross.files import packed
from outcross.models import Learner
from outcross.recipe import recipe


@recipe
class PluralityLearner(Learner):
    """A student of questions with K answers: a softmax model on indicators of the question or the sum, fitted by maximum likelihood.

    With one indicator per question the fit is the share of each answer among the answers read. The model answers with the most frequent answer,
    and ties are broken at random. A student that sees only the sum pools the answers to all questions with the same sum.
    """

    paper = "Feng et al., Beyond Model Collapse, ICLR 2025, arXiv 2406.07515 (the question; this student is our own)"
    libraries = ("numpy", "polars")
    learns = ("rows", "answers")
    takes_weights = False

    sees: Literal["question", "sum"] = "question"
    """The feature that the student distinguishes: the question itself, or only the sum of its two digits before the modulus."""
    prior: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Pseudo-count of every answer, so that no answer is impossible. It does not change the most frequent answer to a question that was read."""

    def begin(self, human, training, rng):
        truth = human.known("an exact check")
        if getattr(truth, "questions", None) is None:
            raise BadInput(
                "plurality learns questions from a finite list, but these questions are unlimited; choose the learner linear_answers"
            )
        return PluralityModel(
            np.zeros((_cells(self.sees, truth.answers), truth.answers)), np.zeros(0, np.int64), self.sees, self.prior
        )

    def fit(self, records, weights, start: Any, training, rng):
        if start is None:
            raise BadInput("plurality needs the number of possible answers; start it from human questions")
        size, answers = start.counts.shape
        place = _seen(self.sees, records, answers) * answers + whole(records, "answer")
        counts = np.bincount(place, minlength=size * answers).reshape(size, answers).astype(np.float64)
        best = np.argmax(
            counts + 0.5 * rng.random(counts.shape), axis=1
        )  # Counts are whole numbers, so a random number below one breaks ties and nothing else.
        return PluralityModel(counts, best, self.sees, self.prior)

    def load(self, folder):
        stored = packed.load(folder / "plurality.npz")
        return PluralityModel(stored["counts"], stored["best"], self.sees, self.prior)


@dataclass(frozen=True, eq=False)
class PluralityModel:
    """The numbers of times that each answer was read."""

    counts: np.ndarray  # (cells, answers)
    best: np.ndarray
    """The most frequent answer of each cell, (cells,)."""
    sees: str
    prior: float

    @property
    def law(self) -> np.ndarray:
        """The probability of each answer in each cell, (cells, answers)."""
        smoothed = self.counts + self.prior
        return smoothed / smoothed.sum(axis=1, keepdims=True)

    def accuracy(self, truth: Any) -> float:
        """Return the exact share of all questions whose most frequent answer is right, in [0, 1]."""
        every = truth.every
        return float(np.mean(self.best[_seen(self.sees, every, truth.answers)] == whole(every, "right")))

    def sample(self, draw, prompts, rng) -> TableRows:
        """Return answers to the questions, drawn from the model's law."""
        if draw.cuts:
            raise BadInput("top_k and top_p do not apply to plurality, which draws whole answers; leave them out")
        asked = repeated(prompts, draw.records, "plurality")
        cell = _seen(self.sees, asked, self.counts.shape[1])
        own = self.law
        if draw.temperature == 0:
            drawn = self.best[cell]
        else:
            sharpened = own ** (1 / draw.temperature)
            below = np.cumsum(sharpened / sharpened.sum(axis=1, keepdims=True), axis=1)[cell]
            drawn = np.minimum((rng.random(len(asked))[:, None] >= below).sum(axis=1), own.shape[1] - 1)
        return answered(asked, drawn, np.log(own[cell, drawn]), ["student"] * len(asked))

    def log_prob(self, records: TableRows) -> np.ndarray:
        """Return the log-probability of each answer given its question, in nats, (n,)."""
        return np.log(self.law[_seen(self.sees, records, self.counts.shape[1]), whole(records, "answer")])

    def save(self, folder: Path) -> None:
        packed.save(folder / "plurality.npz", counts=self.counts, best=self.best)


def _cells(sees: str, answers: int) -> int:
    """Return the number of cells that the student distinguishes."""
    return answers**2 if sees == "question" else 2 * answers - 1


def _seen(sees: str, records: TableRows, answers: int) -> np.ndarray:
    """Return the cell of each question, numbered from 0, (n,)."""
    if "question" not in records.columns:
        raise BadInput("plurality learns questions from a finite list, but these have no number; choose the learner linear_answers")
    return whole(records, "question") if sees == "question" else whole(records, "a") + whole(records, "b")
