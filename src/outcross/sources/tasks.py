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
    """Questions that are drawn from a known law, with their right answers."""

    libraries = ("numpy", "polars")

    def open(self, form, chains, rng):
        if chains:
            raise BadInput("questions are rows of a table, which have no chains; write chains: 1 and sweep: {seed: [0, 1, 2]}")
        return Human(training=part_of(HUMAN, self.truth.draw(self.rows, (), rng)), truth=self.truth)


@recipe
class Sums(Questions):
    """Sums of two digits of base K, modulo K: K² questions a + b, each as likely, with K possible answers and an exact check."""

    rows: Annotated[int, Field(ge=1)] = 20_000
    answers: Annotated[int, Field(ge=2, le=1000)] = 10
    """K, the possible answers."""
    topics: Annotated[int, Field(ge=1, le=100)] = 1
    """Kinds of questions, by the first digit: teachers may know one kind better than another."""

    @model_validator(mode="after")
    def _topics_fit(self):
        if self.topics > self.answers:
            raise ValueError(f"topics must be at most the {self.answers} values of the first digit, got {self.topics}; lower it")
        return self

    @property
    def truth(self):
        return SumsTask(self.answers, self.topics)


@dataclass(frozen=True)
class SumsTask:
    """a + b modulo `answers`; question number a × answers + b."""

    answers: int
    topics: int

    @property
    def questions(self) -> int:
        """How many different questions there are."""
        return self.answers**2

    @property
    def every(self) -> TableRows:
        """Each question once."""
        return self._asked(np.arange(self.questions))

    def draw(self, n, chains, rng) -> TableRows:
        return self._asked(rng.integers(self.questions, size=n))

    def _asked(self, question: np.ndarray) -> TableRows:
        a, b = question // self.answers, question % self.answers
        return questions({"question": question, "a": a, "b": b}, a * self.topics // self.answers, (a + b) % self.answers)


@recipe
class Halfspace(Questions):
    """Points x ~ N(0, I) with two answers, by the side of a plane through the origin on which a point lies: the task of the theorem on verification."""

    rows: Annotated[int, Field(ge=1)] = 100_000
    dimensions: Annotated[int, Field(ge=1, le=1000)] = 50
    """Of x. The answer is 1 where the first number is above 0."""

    @property
    def truth(self):
        return HalfspaceTask(self.dimensions)


@dataclass(frozen=True)
class HalfspaceTask:
    """The side of the plane x0 = 0."""

    dimensions: int
    answers = 2
    topics = 1
    questions = None
    """No end of questions."""

    def draw(self, n, chains, rng) -> TableRows:
        points = rng.standard_normal((n, self.dimensions))
        numbers = {f"x{i}": points[:, i] for i in range(self.dimensions)}
        return questions(numbers, np.zeros(n, dtype=np.int64), points[:, 0] > 0)
