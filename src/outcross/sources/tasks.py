"""Questions whose answers a program can check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from outcross.data import HUMAN, Human, part_of
from outcross.data.answers import questions
from outcross.data.framed import TableRows
from outcross.errors import BadInput
from outcross.recipe import recipe
from outcross.sources import Source


class Questions(Source):
    """Questions that are drawn from a known distribution, with their right answers."""

    libraries = ("numpy", "polars")

    def open(self, form, chains, rng):
        if chains:
            raise BadInput("questions are rows of a table, which have no chains; write chains: 1 and sweep: {seed: [0, 1, 2]}")
        return Human(training=part_of(HUMAN, self.truth.draw(self.rows, (), rng)), truth=self.truth)


@recipe
class Sums(Questions):
    """Sums of two digits in base K, modulo K: K² equally likely questions a + b, with K possible answers and an exact check."""

    rows: Annotated[int, Field(ge=1)] = 20_000
    answers: Annotated[int, Field(ge=2, le=1000)] = 10
    """Number K of possible answers."""
    topics: Annotated[int, Field(ge=1, le=100)] = 1
    """Number of topics, which the first digit decides. Teachers can know some topics better than others."""

    @model_validator(mode="after")
    def _topics_fit(self):
        if self.topics > self.answers:
            raise ValueError(
                f"topics must be at most {self.answers}, the number of values of the first digit, got {self.topics}; lower it"
            )
        return self

    @property
    def truth(self):
        return SumsTask(self.answers, self.topics)


@dataclass(frozen=True)
class SumsTask:
    """The questions a + b modulo `answers`. The number of a question is a × answers + b."""

    answers: int
    topics: int

    @property
    def questions(self) -> int:
        """The number of different questions."""
        return self.answers**2

    @property
    def every(self) -> TableRows:
        """All questions, each once."""
        return self._asked(np.arange(self.questions))

    def draw(self, n, chains, rng) -> TableRows:
        return self._asked(rng.integers(self.questions, size=n))

    def _asked(self, question: np.ndarray) -> TableRows:
        a, b = question // self.answers, question % self.answers
        return questions({"question": question, "a": a, "b": b}, a * self.topics // self.answers, (a + b) % self.answers)


@recipe
class Halfspace(Questions):
    """Points x ~ N(0, I) with two answers, for the two sides of a plane through the origin: the task of the theorem on verification."""

    rows: Annotated[int, Field(ge=1)] = 100_000
    dimensions: Annotated[int, Field(ge=1, le=1000)] = 50
    """Number of dimensions of x. The answer is 1 if the first number is above 0."""

    @property
    def truth(self):
        return HalfspaceTask(self.dimensions)


@dataclass(frozen=True)
class HalfspaceTask:
    """The question on which side of the plane x0 = 0 a point lies."""

    dimensions: int
    answers = 2
    topics = 1
    questions = None
    """None, because the number of questions is unlimited."""

    def draw(self, n, chains, rng) -> TableRows:
        points = rng.standard_normal((n, self.dimensions))
        numbers = {f"x{i}": points[:, i] for i in range(self.dimensions)}
        return questions(numbers, np.zeros(n, dtype=np.int64), points[:, 0] > 0)
