"""Several teachers in one experiment: what each learns, writes and reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from outcross.data.shares import exact
from outcross.errors import BadInput
from outcross.models import LEARNERS, Learner
from outcross.recipe import Nested, nearest, one_of, plain, recipe

NAME = r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,39}"
"""How a teacher may be called: its name stands in file names."""
TEACHER = "teacher "
"""What opens the group of a reading that is of one teacher."""
ROUNDING = 1e-9
"""How far from 1 the shares of all teachers may be together."""


def _reads(value: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value in ("all", "own") or (is_number and 0 <= value <= 1):  # type: ignore[operator]
        return value
    raise BadInput(
        f"reads must be all, own or a number in [0, 1], got {value!r:.80}; write 0.1 for a tenth of its records from the other teachers"
    )


def _human(value: object) -> object:
    if value in ("own", "all"):
        return value
    if isinstance(value, list | tuple) and value and all(isinstance(group, str) and group for group in value):
        return tuple(value)
    raise BadInput(
        f"human must be own, all, or a list of groups of the human records, got {value!r:.80}; write human: [de, fr] for those of two languages"
    )


@recipe
class Teacher:
    """One of several teachers: a line of models that learns, writes, and reads what the others wrote, or its own records alone."""

    learner: Annotated[Learner | None, one_of(LEARNERS, "learner", or_none=True)] = None
    """What it learns with; left out: the learner of the experiment. Networks take the teacher's share of the steps or tokens of `training`."""
    reads: Annotated[Literal["all", "own"] | float, PlainValidator(_reads)] = "all"
    """What it learns of what is kept of the newest generation: `all` (of every teacher's records its share), `own` (its own records alone), or the
    fraction of its records, in [0, 1], that the other teachers wrote. Quotas are exact to the record; no record goes to two teachers, where all read alike."""
    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Fraction of the records of a generation that it writes, in (0, 1); left out: as much of the rest as the others that leave it out. Shares sum to 1."""
    human: Annotated[Literal["own", "all"] | tuple[str, ...], PlainValidator(_human)] = "own"
    """The original human records that it learns from first: `own` (its share of them, which no other teacher has), `all`, or the groups that it is a
    specialist of, as in [de, fr]."""

    @property
    def migrants(self) -> float:
        """Fraction of what it learns that other teachers wrote, in [0, 1], where every teacher writes its share."""
        assert self.share is not None
        return {"all": 1 - self.share, "own": 0.0}.get(self.reads, self.reads)  # type: ignore[arg-type, return-value]


def _teachers(value: object) -> dict[str, Teacher]:
    if not isinstance(value, Mapping):
        raise BadInput(
            f"teachers must map names to settings, got {value!r:.80}; write teachers: {{a: {{reads: own}}, b: {{reads: own}}}}"
        )
    teachers = {}
    for name, settings in value.items():
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            raise BadInput(f"a teacher cannot be called {name!r:.80}; use up to 40 letters, digits and . _ = + -")
        if not isinstance(settings, Mapping | Teacher) and settings is not None:
            raise BadInput(f"teachers.{name} must be a mapping of settings, got {settings!r:.80}; write {name}: {{reads: own}}")
        try:
            teachers[name] = (
                settings
                if isinstance(settings, Teacher)
                else Teacher(**{str(key): inner for key, inner in (settings or {}).items()})
            )
        except BadInput as error:
            raise BadInput(f"teachers.{name}.{error}") from None
    return teachers


TEACHERS: Any = Nested(_teachers, recipe=Teacher)
"""The pydantic annotation of a field that holds teachers by name."""


def completed(teachers: Mapping[str, Teacher], learner: Learner) -> dict[str, Teacher]:
    """The teachers with their learners and shares filled in. BadInput where there is one, or their shares do not sum to 1."""
    if len(teachers) == 1:
        raise BadInput(
            f"teachers names {next(iter(teachers))} alone, which is an experiment without teachers; leave teachers out, or add another one"
        )
    given_share = sum(teacher.share for teacher in teachers.values() if teacher.share is not None)
    without = [name for name, teacher in teachers.items() if teacher.share is None]
    if abs(given_share - 1) > ROUNDING if not without else given_share > 1 - ROUNDING:
        given_shares = ", ".join(f"{name} {teacher.share:g}" for name, teacher in teachers.items() if teacher.share is not None)
        rest = f", which leaves nothing for {', '.join(without)}" if without else ""
        raise BadInput(
            f"the shares of the teachers must sum to 1, got {given_share:g} ({given_shares}){rest}; change them, or leave them all out"
        )
    completions = {
        name: {
            "share": (1 - given_share) / len(without) if teacher.share is None else teacher.share,
            "learner": teacher.learner or learner,
        }
        for name, teacher in teachers.items()
    }
    completed_teachers = {
        name: Teacher(reads=teacher.reads, human=teacher.human, **completions[name]) for name, teacher in teachers.items()
    }
    for name, teacher in completed_teachers.items():
        assert teacher.share is not None
        if teacher.migrants * teacher.share > (1 - teacher.share) * (1 + ROUNDING):
            raise BadInput(
                f"teachers.{name}.reads asks the other teachers for {teacher.migrants:g} of its records, and its share is {teacher.share:g}: they write no more than "
                f"{(1 - teacher.share) / teacher.share:.3g} of that; lower reads or its share"
            )
    return completed_teachers


def fractions(teachers: Mapping[str, Teacher]) -> dict[str, dict[str, Fraction]]:
    """Which fraction of the records of every teacher each teacher reads, by the reader and the writer."""
    shares = exact_shares(teachers)
    by_reader = {}
    for reader, teacher in teachers.items():
        own = shares[reader]
        migrants = {"all": 1 - own, "own": Fraction(0)}[teacher.reads] if isinstance(teacher.reads, str) else exact(teacher.reads)
        others = min(Fraction(1), migrants * own / (1 - own))
        by_reader[reader] = {writer: 1 - migrants if writer == reader else others for writer in teachers}
    return by_reader


def exact_shares(teachers: Mapping[str, Teacher]) -> dict[str, Fraction]:
    """The share of every teacher, as fractions that sum to 1."""
    shares = {name: exact(teacher.share or 0.0) for name, teacher in teachers.items()}
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def check_known(asked: Mapping[str, str], teachers: Mapping[str, Teacher], where: str) -> None:
    """BadInput where a table names a teacher that there is not."""
    for name in asked.values():
        if name not in teachers:
            raise BadInput(
                f"{where} names the teacher {name!r:.80}{nearest(name, teachers)}; the teachers are {', '.join(teachers)[:200]}"
            )


def teacher_lines(teachers: Mapping[str, Teacher]) -> list[str]:
    """What teachers learn with, write and read, a line for those that are alike."""
    alike: dict[str, list[str]] = {}
    for name, teacher in teachers.items():
        alike.setdefault(_in_words(teacher, len(teachers)), []).append(name)
    return [f"{', '.join(names)}: {description}" for description, names in alike.items()]


def _in_words(teacher: Teacher, many: int) -> str:
    """One teacher in words."""
    learner = plain(teacher.learner)
    settings = [f"{key} {value}" for key, value in learner.items() if key != "kind" and isinstance(value, int | float | str)]
    reads = {"all": "reads what all teachers wrote", "own": "reads its own records alone"}.get(str(teacher.reads), "")
    reads = reads or f"takes {teacher.migrants:g} of its records from the others"
    first = {"own": "its own share of the human records", "all": "all human records"}.get(str(teacher.human), "")
    first = first or f"the human records of {', '.join(teacher.human)}"
    share = teacher.share or 0.0
    words = f"1/{many}" if abs(share * many - 1) < ROUNDING else f"{share:.3g}"
    kind = " ".join([str(learner["kind"]), *([f"({', '.join(settings)})"] if settings else [])])
    return f"{kind}, writes {words} of the records, {reads}, and learns first from {first}"
