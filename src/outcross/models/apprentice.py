"""A teacher and a student of another size, which learns from the teacher's text after selection."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from outcross.data.records import WRITTEN_BY, Blocks
from outcross.errors import BadInput
from outcross.models import LEARNERS, Learner
from outcross.models.ngram import Ngram
from outcross.models.schedule import Scratch
from outcross.recipe import kind, one_of, recipe


@recipe
class Apprentice(Learner):
    """A teacher that learns from human text at generation 0, and a student of another size that is trained from scratch at every later generation.

    Student and teacher use the same vocabulary. If there are several `teachers`, all have the same settings and each learns from its own
    documents. The teachers then write the candidates of a prompt in turn, so `draw.candidates` must be a multiple of `teachers`. Each block
    records its author, so that `select: [{kind: route, …}]` can choose among them.
    """

    paper = "Shimabucoro et al., EMNLP 2024, arXiv 2407.01490 (active inheritance); Odumakinde et al., arXiv 2408.14960 (routing)"
    libraries = ("numpy", "polars", "tokenizers", "torch", "transformers")
    learns = ("text",)
    continues = True

    teacher: Annotated[Learner, one_of(LEARNERS, "learner.teacher")] = field(
        default_factory=lambda: Ngram(order=5, vocabulary=2048)
    )
    student: Annotated[Learner, one_of(LEARNERS, "learner.student")] = field(
        default_factory=lambda: Ngram(order=3, vocabulary=2048)
    )
    teachers: Annotated[int, Field(ge=1, le=16)] = 1

    @model_validator(mode="after")
    def _both_read_text(self):
        for name, learner in (("teacher", self.teacher), ("student", self.student)):
            learns: tuple[str, ...] = learner.learns
            if "text" not in learns or learner.is_remote or isinstance(learner, Apprentice):
                raise ValueError(
                    f"{name} must be a language model that is trained locally, such as ngram or transformer, got {kind(learner)}"
                )
        return self

    @property
    def trains(self) -> bool:  # type: ignore[override]
        """Whether teacher or student has steps."""
        return self.teacher.trains or self.student.trains

    @property
    def takes_weights(self) -> bool:  # type: ignore[override]
        return self.teacher.takes_weights and self.student.takes_weights

    def form(self, block):
        of_teacher, of_student = self.teacher.form(block), self.student.form(block)
        if of_teacher != of_student:
            raise BadInput("teacher and student must cut text in the same way; give both the same vocabulary (and the same tokens)")
        return of_student

    def schedule(self, training):
        scheduled = (self.student if self.student.trains else self.teacher).schedule(training)
        if not isinstance(scheduled.start, Scratch):
            raise BadInput(
                "training.start must be scratch for apprentice, because every student is trained from scratch; write training.start: scratch"
            )
        return scheduled

    def get_ready(self):
        self.teacher.get_ready()
        self.student.get_ready()

    def check(self, draw):
        self.teacher.check(draw)
        self.student.check(draw)

    def begin(self, human, training, rng):
        teacher, student = (
            learner.begin(human, training if learner.trains else None, rng) for learner in (self.teacher, self.student)
        )
        return ApprenticeModel(self, (teacher, student), (), None)

    def fit(self, records, weights, start: Any, training, rng):
        if not start.taught:
            return replace(
                start,
                taught=tuple(
                    self._fitted(self.teacher, part, weights, start.blanks[0], training, rng) for part in self._parts(records)
                ),
            )
        return replace(start, student=self._fitted(self.student, records, weights, start.blanks[1], training, rng))

    @staticmethod
    def _fitted(
        learner: Learner, records: Blocks, weights: np.ndarray | None, blank: Any, training: Any, rng: np.random.Generator
    ) -> Any:
        return learner.fit(records, weights, blank, training if learner.trains else None, rng)

    def _parts(self, records: Blocks) -> list[Blocks]:
        """Return the records of each teacher: all records for one teacher, otherwise those of the teacher's own documents.

        Raises BadInput if a teacher has no records.
        """
        if self.teachers == 1:
            return [records]
        number = np.unique(records.column("_document"), return_inverse=True)[1] % self.teachers
        parts = [records.take(np.flatnonzero(number == teacher)) for teacher in range(self.teachers)]
        if not all(len(part) for part in parts):
            raise BadInput(
                f"{self.teachers} teachers need at least {self.teachers} documents, because each learns from its own; give more text or fewer teachers"
            )
        return parts

    def load(self, folder):
        state = json.loads((folder / "apprentice.json").read_text())
        blanks = self.teacher.load(folder / "teacher"), self.student.load(folder / "blank")
        taught = tuple(self.teacher.load(folder / f"teacher {number}") for number in range(state["taught"]))
        return ApprenticeModel(self, blanks, taught, self.student.load(folder / "student") if state["student"] else None)


@dataclass(frozen=True, eq=False)
class ApprenticeModel:
    """The teachers, and the student once it has learned."""

    learner: Apprentice
    blanks: tuple[Any, Any]
    """Teacher and student before they have read anything."""
    taught: tuple[Any, ...]
    """The teachers; none before generation 0."""
    student: Any

    @property
    def writer(self) -> Any:
        """The student, or the first teacher if there is no student yet."""
        return self.student if self.student is not None else (self.taught or self.blanks)[0]

    @property
    def parameters(self) -> int:
        """Number of parameters of the student; at generation 0, of each teacher."""
        return self.writer.parameters

    @property
    def vocabulary(self) -> Any:
        return self.writer.vocabulary

    @property
    def block(self) -> int:
        return self.writer.block

    def sample(self, draw, prompts, rng) -> Blocks:
        """Return blocks by the student, or by the teachers in turn. One teacher after the other continues all prompts."""
        if self.student is not None or len(self.taught) == 1 or prompts is None:
            written = self.writer.sample(draw, prompts, rng)
            return written if self.learner.teachers == 1 else _by(written, f"{WRITTEN_BY}student")
        pieces = []
        for number, first in enumerate(range(0, draw.records, len(prompts))):
            teacher = number % len(self.taught)
            piece = self.taught[teacher].sample(replace(draw, records=min(len(prompts), draw.records - first)), prompts, rng)
            pieces.append(_by(piece, f"{WRITTEN_BY}teacher {teacher}"))
        return Blocks.concat(pieces)

    def log_prob(self, records: Blocks) -> np.ndarray:
        """Return the log-probability of each block in nats, (n,), under the student, or under an equal mixture of the teachers."""
        if self.student is not None or len(self.taught) < 2:
            return self.writer.log_prob(records)
        return np.logaddexp.reduce([teacher.log_prob(records) for teacher in self.taught], axis=0) - np.log(len(self.taught))

    def next_log_prob(self, records: Blocks) -> np.ndarray:
        """Return the log-probability of each token to follow each block, (n, vocabulary), under the student, or under the first teacher."""
        return self.writer.next_log_prob(records)

    def save(self, folder: Path) -> None:
        parts = {"teacher": self.blanks[0], "blank": self.blanks[1]} | {
            f"teacher {number}": model for number, model in enumerate(self.taught)
        }
        for name, model in (parts | ({} if self.student is None else {"student": self.student})).items():
            (folder / name).mkdir()
            model.save(folder / name)
        state = {"taught": len(self.taught), "student": self.student is not None}
        (folder / "apprentice.json").write_text(json.dumps(state, sort_keys=True))


def _by(records: Blocks, who: str) -> Blocks:
    """Return the same blocks with the name of their author as their group."""
    import polars as pl

    return Blocks(records.frame.with_columns(pl.lit(who).alias("_group")))
