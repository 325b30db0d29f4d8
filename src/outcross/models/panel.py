"""Teachers who err at a known rate, and the student who learns from their answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from outcross.data.answers import answered, repeated, whole
from outcross.data.framed import TableRows
from outcross.errors import BadInput
from outcross.files import packed
from outcross.models import LEARNERS, Learner
from outcross.models.linear_answers import LinearAnswers
from outcross.models.plurality import PluralityLearner
from outcross.recipe import one_of, recipe

Mistakes = Literal["random", "same_answer", "same_questions"]


@recipe
class PanelLearner(Learner):
    """Teachers who err at a known rate at generation 0, and from generation 1 on a student who learns from what was kept of their answers.

    Each teacher knows the right answer and errs with probability `error`. `mistakes` says how:

    - random: a wrong answer is any other one, drawn anew each time;
    - same_answer: errors come and go, and the wrong answer to a question is always the same one;
    - same_questions: a teacher answers a fixed share of the questions wrongly, always, and always alike.

    With several teachers the candidates of a question are theirs in turn (`draw.candidates` a multiple of `teachers`), and `select: [{kind: route, …}]`
    chooses. `specialised` makes a competence matrix: teacher m knows the topics m, m + teachers, … better, at the cost of the others
    (so `human.topics` is a multiple of `teachers`).
    """

    paper = "Feng et al., Beyond Model Collapse, ICLR 2025, arXiv 2406.07515 (verification); Odumakinde et al., arXiv 2408.14960 (routing)"
    libraries = ("numpy", "polars")
    learns = ("rows", "answers")
    takes_weights = False
    continues = True

    error: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Probability p that an answer of a teacher is wrong, in [0, 1]; with specialised teachers its mean over topics, as far as none errs always."""
    mistakes: Mistakes = "random"
    teachers: Annotated[int, Field(ge=1, le=100)] = 1
    specialised: Annotated[float, Field(ge=0, le=1)] = 0.0
    """s: a teacher errs with probability p(1 − s) on topics of his own and min(1, p(1 + s/(teachers − 1))) on the others."""
    student: Annotated[Learner, one_of(LEARNERS, "learner.student")] = field(default_factory=PluralityLearner)
    """What learns from their answers."""

    @model_validator(mode="after")
    def _student_learns_answers(self):
        learns: tuple[str, ...] = self.student.learns
        if "answers" not in learns or isinstance(self.student, PanelLearner):
            raise ValueError("student must be plurality or linear_answers, which learn answers to questions; choose one of them")
        if self.specialised and self.teachers == 1:
            raise ValueError("specialised needs two teachers at least; raise teachers, or write specialised: 0")
        return self

    @property
    def student_has_a_law(self) -> bool:
        """Whether what the student makes of many answers is known in closed form."""
        return isinstance(self.student, LinearAnswers) or (
            isinstance(self.student, PluralityLearner) and self.student.sees == "question"
        )

    def begin(self, human, training, rng):
        truth = human.known("an exact check")
        if not hasattr(truth, "topics"):
            raise BadInput("panel answers questions that a program can check; write human: {kind: sums} or {kind: halfspace}")
        if self.specialised and truth.topics % self.teachers:
            raise BadInput(
                f"{self.teachers} specialised teachers need as many topics each, there are {truth.topics} in all; make human.topics a multiple of {self.teachers}"
            )
        return PanelModel(self, self._panel(truth, rng), self.student.begin(human, training, rng), None)

    def _panel(self, truth: Any, rng: np.random.Generator) -> TeacherPanel:
        """The teachers of a task: their rates by topic, and which wrong answers they give where these are always the same."""
        is_own = np.arange(truth.topics)[None, :] % self.teachers == np.arange(self.teachers)[:, None]
        others = 1 + self.specialised / max(self.teachers - 1, 1)
        errors = np.minimum(1.0, self.error * np.where(is_own, 1 - self.specialised, others))
        wrong, blind = np.zeros((self.teachers, 0), np.int64), np.zeros((self.teachers, 0), bool)
        if self.mistakes != "random" and truth.answers > 2:
            wrong = (
                whole(truth.every, "right") + 1 + rng.integers(truth.answers - 1, size=(self.teachers, truth.questions))
            ) % truth.answers
        if self.mistakes == "same_questions":
            if truth.questions is None:
                raise BadInput(
                    "mistakes: same_questions needs a list of questions, and of these there is no end; write human: {kind: sums}"
                )
            topic = _topics(truth.every)
            blind = np.empty((self.teachers, truth.questions), bool)
            for number in range(truth.topics):
                own = np.flatnonzero(topic == number)
                for teacher in range(self.teachers):
                    chosen = rng.permutation(own)[: round(errors[teacher, number] * len(own))]
                    blind[teacher, own] = np.isin(own, chosen)
                    errors[teacher, number] = len(chosen) / len(own)
        return TeacherPanel(errors, wrong, blind, truth.answers)

    def fit(self, records, weights, start: Any, training, rng):
        if not start.has_taught:
            return replace(start, has_taught=True)
        return replace(start, taught=self.student.fit(records, None, start.blank, None, rng))

    def load(self, folder):
        state = json.loads((folder / "panel.json").read_text())
        stored = packed.load(folder / "panel.npz")
        panel = TeacherPanel(stored["errors"], stored["wrong"], stored["blind"], state["answers"])
        taught = self.student.load(folder / "taught") if state["taught"] else None
        return PanelModel(self, panel, self.student.load(folder / "blank"), taught, state["has_taught"])


@dataclass(frozen=True, eq=False)
class TeacherPanel:
    """Teachers of one task."""

    errors: np.ndarray
    """Probability that an answer is wrong, (teachers, topics)."""
    wrong: np.ndarray
    """The wrong answer of each teacher to each question, (teachers, questions); (teachers, 0) where it is drawn anew, or where there is one alone."""
    blind: np.ndarray
    """Whether a teacher always errs on a question, (teachers, questions); (teachers, 0) where errors come and go."""
    answers: int

    @property
    def names(self) -> list[str]:
        """What the teachers are called."""
        return [f"teacher {number}" for number in range(len(self.errors))]

    @property
    def accuracy(self) -> np.ndarray:
        """Probability that one answer of each teacher is right, all topics alike, (teachers,)."""
        return 1 - self.errors.mean(axis=1)

    def rate(self, records: TableRows, teacher: np.ndarray) -> np.ndarray:
        """Probability that a teacher answers each question wrongly, (n,)."""
        if self.blind.shape[1]:
            return self.blind[teacher, whole(records, "question")].astype(float)
        return self.errors[teacher, _topics(records)]

    def likelihood(self, records: TableRows, teacher: np.ndarray) -> np.ndarray:
        """Probability that a teacher gives the answer of each record, (n,)."""
        rate, right, answer = self.rate(records, teacher), whole(records, "right"), whole(records, "answer")
        if self.wrong.shape[1]:
            of_wrong = np.where(self.wrong[teacher, whole(records, "question")] == answer, rate, 0.0)
        else:
            of_wrong = rate / (self.answers - 1)
        return np.where((answer == right) | _is_tie(of_wrong, 1 - rate), 1 - rate, of_wrong)


@dataclass(frozen=True, eq=False)
class PanelModel:
    """The teachers, and the student once he has learned."""

    learner: PanelLearner
    panel: TeacherPanel
    blank: Any
    """The student before he has read anything."""
    taught: Any
    """The student; None at generation 0."""
    has_taught: bool = False

    @property
    def best_teacher(self) -> float:
        """Probability that one answer of the best teacher is right, in [0, 1]."""
        return float(self.panel.accuracy.max())

    def accuracy(self, truth: Any) -> float:
        """Of the student, or at generation 0 of the best teacher."""
        return self.best_teacher if self.taught is None else self.taught.accuracy(truth)

    def sample(self, draw, prompts, rng) -> TableRows:
        """Answers: of the student, or of the teachers in turn, one teacher after the other to all questions."""
        if self.taught is not None:
            return self.taught.sample(draw, prompts, rng)
        if draw.cuts:
            raise BadInput("top_k and top_p cut lists of outcomes, answers are drawn whole; leave them out")
        asked = repeated(prompts, draw.records, "panel")
        teacher = np.arange(len(asked)) // len(prompts) % len(self.panel.errors)
        rate = _sharpened(self.panel.rate(asked, teacher), self.ways, draw.temperature)
        errs = rng.random(len(asked)) < rate
        right = whole(asked, "right")
        if self.panel.wrong.shape[1]:
            wrong = self.panel.wrong[teacher, whole(asked, "question")]
        else:
            wrong = (right + 1 + rng.integers(self.panel.answers - 1, size=len(asked))) % self.panel.answers
        given = answered(asked, np.where(errs, wrong, right), np.zeros(len(asked)), np.array(self.panel.names)[teacher].tolist())
        return answered(given, whole(given, "answer"), np.log(self.panel.likelihood(given, teacher)))

    @property
    def ways(self) -> int:
        """How many wrong answers share the probability of an error."""
        return 1 if self.learner.mistakes != "random" else self.panel.answers - 1

    def log_prob(self, records: TableRows) -> np.ndarray:
        """Log-probability of each answer given its question in nats, (n,): of the student, or of a teacher drawn at random."""
        if self.taught is not None:
            return self.taught.log_prob(records)
        each = [self.panel.likelihood(records, np.full(len(records), teacher)) for teacher in range(len(self.panel.errors))]
        with np.errstate(divide="ignore"):
            return np.log(np.mean(each, axis=0))

    def save(self, folder: Path) -> None:
        packed.save(folder / "panel.npz", errors=self.panel.errors, wrong=self.panel.wrong, blind=self.panel.blind)
        state = {"answers": self.panel.answers, "taught": self.taught is not None, "has_taught": self.has_taught}
        (folder / "panel.json").write_text(json.dumps(state, sort_keys=True))
        for name, model in (("blank", self.blank), ("taught", self.taught)):
            if model is not None:
                (folder / name).mkdir()
                model.save(folder / name)


def _topics(records: TableRows) -> np.ndarray:
    """The number of the topic of each question, (n,)."""
    return records.frame["topic"].str.strip_prefix("topic ").cast(int).to_numpy()


def _is_tie(wrong: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Where a wrong answer is as likely as the right one but for rounding, as .9/9 is to 1 − .9."""
    return np.isclose(wrong, right, rtol=1e-9, atol=0)


def _sharpened(rate: np.ndarray, ways: int, temperature: float) -> np.ndarray:
    """The probability of an error under p^(1/temperature), where `ways` wrong answers share it alike, (n,)."""
    if temperature == 1:
        return rate
    each = rate / ways
    if temperature == 0:
        return np.where(_is_tie(each, 1 - rate), rate, (each > 1 - rate).astype(float))
    with np.errstate(divide="ignore"):
        right, wrong = np.log(1 - rate) / temperature, np.log(each) / temperature
    top = np.maximum(right, wrong)
    right, wrong = np.exp(right - top), ways * np.exp(wrong - top)
    return wrong / (right + wrong)
