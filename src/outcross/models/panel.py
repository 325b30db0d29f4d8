"""Teachers with a known error rate, and a student that learns from their answers."""

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
    """Teachers with a known error rate at generation 0, and from generation 1 on a student that learns from their answers after selection.

    Each teacher errs with probability `error`. `mistakes` says how:

    - random: a wrong answer is drawn from all other answers each time;
    - same_answer: errors are random, and a teacher's wrong answer to a question is always the same;
    - same_questions: a teacher always answers the same fixed share of the questions wrongly, always with the same wrong answers.

    If there are several teachers, they write the candidates of a question in turn, so `draw.candidates` must be a multiple of `teachers`. Use
    `select: [{kind: route, …}]` to choose among them. With `specialised`, teacher m errs less on the topics m, m + teachers, … and more on all
    others, so `human.topics` must be a multiple of `teachers`.
    """

    paper = "Feng et al., Beyond Model Collapse, ICLR 2025, arXiv 2406.07515 (verification); Odumakinde et al., arXiv 2408.14960 (routing)"
    libraries = ("numpy", "polars")
    learns = ("rows", "answers")
    takes_weights = False
    continues = True

    error: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Probability p that an answer of a teacher is wrong, in [0, 1]. For specialised teachers it is the mean over topics, unless the formula of
    `specialised` exceeds 1 on a topic."""
    mistakes: Mistakes = "random"
    teachers: Annotated[int, Field(ge=1, le=100)] = 1
    specialised: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Degree s. A teacher errs with probability p(1 − s) on its own topics, and min(1, p(1 + s/(teachers − 1))) on the others."""
    student: Annotated[Learner, one_of(LEARNERS, "learner.student")] = field(default_factory=PluralityLearner)
    """The learner that is fitted to the teachers' answers."""

    @model_validator(mode="after")
    def _student_learns_answers(self):
        learns: tuple[str, ...] = self.student.learns
        if "answers" not in learns or isinstance(self.student, PanelLearner):
            raise ValueError(
                "student must be plurality or linear_answers, because these learn answers to questions; choose one of them"
            )
        if self.specialised and self.teachers == 1:
            raise ValueError("specialised needs at least two teachers; raise teachers, or write specialised: 0")
        return self

    @property
    def student_has_a_law(self) -> bool:
        """Whether the accuracy of the student after many answers is known in closed form."""
        return isinstance(self.student, LinearAnswers) or (
            isinstance(self.student, PluralityLearner) and self.student.sees == "question"
        )

    def begin(self, human, training, rng):
        truth = human.known("an exact check")
        if not hasattr(truth, "topics"):
            raise BadInput("panel answers questions that a program can check; write human: {kind: sums} or {kind: halfspace}")
        if self.specialised and truth.topics % self.teachers:
            raise BadInput(
                f"{self.teachers} specialised teachers need the same number of topics each, but there are {truth.topics} in all; make human.topics a multiple of {self.teachers}"
            )
        return PanelModel(self, self._panel(truth, rng), self.student.begin(human, training, rng), None)

    def _panel(self, truth: Any, rng: np.random.Generator) -> TeacherPanel:
        """Return the teachers of a task, with their error rates by topic and, if these are fixed, their wrong answers and questions."""
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
                    "mistakes: same_questions needs a finite list of questions, but these questions are unlimited; write human: {kind: sums}"
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
    """The wrong answer of each teacher to each question, (teachers, questions). (teachers, 0) if wrong answers are random, or if a question has only
    one wrong answer."""
    blind: np.ndarray
    """Whether a teacher always errs on a question, (teachers, questions); (teachers, 0) if errors are random."""
    answers: int

    @property
    def names(self) -> list[str]:
        """The names of the teachers."""
        return [f"teacher {number}" for number in range(len(self.errors))]

    @property
    def accuracy(self) -> np.ndarray:
        """Probability that an answer of each teacher is right, with equal weight for all topics, (teachers,)."""
        return 1 - self.errors.mean(axis=1)

    def rate(self, records: TableRows, teacher: np.ndarray) -> np.ndarray:
        """Return the probability that the teacher of each row answers its question wrongly, (n,)."""
        if self.blind.shape[1]:
            return self.blind[teacher, whole(records, "question")].astype(float)
        return self.errors[teacher, _topics(records)]

    def likelihood(self, records: TableRows, teacher: np.ndarray) -> np.ndarray:
        """Return the probability that the teacher of each row gives the answer of its record, (n,)."""
        rate, right, answer = self.rate(records, teacher), whole(records, "right"), whole(records, "answer")
        if self.wrong.shape[1]:
            of_wrong = np.where(self.wrong[teacher, whole(records, "question")] == answer, rate, 0.0)
        else:
            of_wrong = rate / (self.answers - 1)
        return np.where((answer == right) | _is_tie(of_wrong, 1 - rate), 1 - rate, of_wrong)


@dataclass(frozen=True, eq=False)
class PanelModel:
    """The teachers, and the student once it has learned."""

    learner: PanelLearner
    panel: TeacherPanel
    blank: Any
    """The untrained student."""
    taught: Any
    """The trained student; None at generation 0."""
    has_taught: bool = False

    @property
    def best_teacher(self) -> float:
        """Probability that an answer of the best teacher is right, in [0, 1]."""
        return float(self.panel.accuracy.max())

    def accuracy(self, truth: Any) -> float:
        """Return the accuracy of the student, or at generation 0 that of the best teacher, in [0, 1]."""
        return self.best_teacher if self.taught is None else self.taught.accuracy(truth)

    def sample(self, draw, prompts, rng) -> TableRows:
        """Return answers of the student, or of the teachers in turn. One teacher after the other answers all questions."""
        if self.taught is not None:
            return self.taught.sample(draw, prompts, rng)
        if draw.cuts:
            raise BadInput("top_k and top_p do not apply to panel, which draws whole answers; leave them out")
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
        """Number of wrong answers that share the probability of an error equally."""
        return 1 if self.learner.mistakes != "random" else self.panel.answers - 1

    def log_prob(self, records: TableRows) -> np.ndarray:
        """Return the log-probability of each answer given its question in nats, (n,), under the student, or an equal mixture of the teachers."""
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
    """Return the topic number of each question, (n,)."""
    return records.frame["topic"].str.strip_prefix("topic ").cast(int).to_numpy()


def _is_tie(wrong: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Whether a wrong answer is as likely as the right answer up to rounding, as with .9/9 and 1 − .9."""
    return np.isclose(wrong, right, rtol=1e-9, atol=0)


def _sharpened(rate: np.ndarray, ways: int, temperature: float) -> np.ndarray:
    """Return the probability of an error under p^(1/temperature), (n,), if `ways` wrong answers share it equally."""
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
