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
    """A student of questions with K answers: a softmax model on indicators of what it sees, fitted by maximum likelihood.

    With one indicator for each question the fit is the share of each answer among those it read, and what it answers is the most frequent one; equals
    are drawn. A student that sees the sum alone shares what it reads among all questions of one sum.
    """

    paper = "Feng et al., Beyond Model Collapse, ICLR 2025, arXiv 2406.07515 (the question; this student is our own)"
    libraries = ("numpy", "polars")
    learns = ("rows", "answers")
    takes_weights = False

    sees: Literal["question", "sum"] = "question"
    """What it tells apart: every question by itself, or the sum of the two digits before the modulus."""
    prior: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Answers of each kind that it counts beforehand, so that no answer is impossible to it; they decide nothing that it has read of."""

    def begin(self, human, training, rng):
        truth = human.known("an exact check")
        if getattr(truth, "questions", None) is None:
            raise BadInput(
                "plurality learns questions from a list, and of these there is no end; choose the learner linear_answers"
            )
        return PluralityModel(
            np.zeros((_cells(self.sees, truth.answers), truth.answers)), np.zeros(0, np.int64), self.sees, self.prior
        )

    def fit(self, records, weights, start: Any, training, rng):
        if start is None:
            raise BadInput("plurality must be told how many answers there are; start it from human questions")
        size, answers = start.counts.shape
        place = _seen(self.sees, records, answers) * answers + whole(records, "answer")
        counts = np.bincount(place, minlength=size * answers).reshape(size, answers).astype(np.float64)
        best = np.argmax(
            counts + 0.5 * rng.random(counts.shape), axis=1
        )  # counts are whole: less than one draws equals and no others
        return PluralityModel(counts, best, self.sees, self.prior)

    def load(self, folder):
        stored = packed.load(folder / "plurality.npz")
        return PluralityModel(stored["counts"], stored["best"], self.sees, self.prior)


@dataclass(frozen=True, eq=False)
class PluralityModel:
    """How often each answer was read."""

    counts: np.ndarray  # (cells, answers)
    best: np.ndarray
    """What it answers, (cells,)."""
    sees: str
    prior: float

    @property
    def law(self) -> np.ndarray:
        """The probability of each answer, (cells, answers)."""
        smoothed = self.counts + self.prior
        return smoothed / smoothed.sum(axis=1, keepdims=True)

    def accuracy(self, truth: Any) -> float:
        """Share of all questions that it answers rightly, in [0, 1], by what it holds most probable. Exact."""
        every = truth.every
        return float(np.mean(self.best[_seen(self.sees, every, truth.answers)] == whole(every, "right")))

    def sample(self, draw, prompts, rng) -> TableRows:
        """Answers to the questions, drawn from its law."""
        if draw.cuts:
            raise BadInput("top_k and top_p cut lists of outcomes, answers are drawn whole; leave them out")
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
        """Log-probability of each answer given its question in nats, (n,)."""
        return np.log(self.law[_seen(self.sees, records, self.counts.shape[1]), whole(records, "answer")])

    def save(self, folder: Path) -> None:
        packed.save(folder / "plurality.npz", counts=self.counts, best=self.best)


def _cells(sees: str, answers: int) -> int:
    """How many things it tells apart."""
    return answers**2 if sees == "question" else 2 * answers - 1


def _seen(sees: str, records: TableRows, answers: int) -> np.ndarray:
    """What it sees of each question, as a number from 0, (n,)."""
    if "question" not in records.columns:
        raise BadInput("plurality learns questions from a list, and these have no number; choose the learner linear_answers")
    return whole(records, "question") if sees == "question" else whole(records, "a") + whole(records, "b")
