"""Several teachers in one experiment: their learners, their shares of the records, and what they read."""

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
"""Pattern of the name of a teacher, which is used in file names."""
TEACHER = "teacher "
"""The beginning of the group of a reading about one teacher."""
ROUNDING = 1e-9
"""Maximum difference between 1 and the sum of the shares of all teachers."""


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
        f"human must be own, all, or a list of groups of the human records, got {value!r:.80}; write human: [de, fr] for the records of two languages"
    )


@recipe
class Teacher:
    """One of several teachers: a line of models that learns and writes, and that reads the records of all teachers or only its own."""

    learner: Annotated[Learner | None, one_of(LEARNERS, "learner", or_none=True)] = None
    """The learner of this teacher; by default, the learner of the experiment. Networks take the teacher's share of the steps or tokens of `training`."""
    reads: Annotated[Literal["all", "own"] | float, PlainValidator(_reads)] = "all"
    """Which kept records of the newest generation it reads: `all` (its share of every teacher's records), `own` (only its own records), or a number in [0, 1],
    the fraction of its records that the other teachers wrote. Quotas are exact. If all teachers read in the same way, no record goes to two of them."""
    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Fraction of the records of a generation that it writes, in (0, 1). Teachers that leave it out share the rest equally. Shares sum to 1."""
    human: Annotated[Literal["own", "all"] | tuple[str, ...], PlainValidator(_human)] = "own"
    """The original human records that it learns from first: `own` (its share of them, which no other teacher has), `all`, or the groups in which it is a
    specialist, such as [de, fr]."""

    @property
    def migrants(self) -> float:
        """Fraction of the records that it reads that other teachers wrote, in [0, 1], if every teacher writes its share."""
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
    """The teachers with their learners and shares filled in. Raises BadInput if there is only one teacher, or if shares do not sum to 1."""
    if len(teachers) == 1:
        raise BadInput(
            f"teachers names only {next(iter(teachers))}, and several are needed; leave teachers out, or add another one"
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
                f"teachers.{name}.reads requests a fraction of {teacher.migrants:g} from the other teachers, but with a share of {teacher.share:g} they write at most "
                f"{(1 - teacher.share) / teacher.share:.3g} of the number of its records; lower reads or its share"
            )
    return completed_teachers


def fractions(teachers: Mapping[str, Teacher]) -> dict[str, dict[str, Fraction]]:
    """The fraction of each teacher's records that each teacher reads, by reader and then by writer."""
    shares = exact_shares(teachers)
    by_reader = {}
    for reader, teacher in teachers.items():
        own = shares[reader]
        migrants = {"all": 1 - own, "own": Fraction(0)}[teacher.reads] if isinstance(teacher.reads, str) else exact(teacher.reads)
        others = min(Fraction(1), migrants * own / (1 - own))
        by_reader[reader] = {writer: 1 - migrants if writer == reader else others for writer in teachers}
    return by_reader


def exact_shares(teachers: Mapping[str, Teacher]) -> dict[str, Fraction]:
    """The share of every teacher as an exact fraction. The fractions sum to 1."""
    shares = {name: exact(teacher.share or 0.0) for name, teacher in teachers.items()}
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def check_known(asked: Mapping[str, str], teachers: Mapping[str, Teacher], where: str) -> None:
    """Raise BadInput if a table names an unknown teacher."""
    for name in asked.values():
        if name not in teachers:
            raise BadInput(
                f"{where} names the teacher {name!r:.80}{nearest(name, teachers)}; the teachers are {', '.join(teachers)[:200]}"
            )


def teacher_lines(teachers: Mapping[str, Teacher]) -> list[str]:
    """The settings of the teachers in words. Teachers that are alike share a line."""
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
