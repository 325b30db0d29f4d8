"""The data of an audit: named sets, the data before and after a filter, or the generations of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from outcross.errors import BadInput
from outcross.files import names
from outcross.ledger.entries import StepEntry
from outcross.verbs.audit.generations import Line, is_run, lines
from outcross.verbs.audit.question import AuditQuestion

HOLDOUT = "human holdout"
"""The name of the holdout among several sets."""


@dataclass(frozen=True)
class Sets:
    """Sets to audit, by name, and the human data with which they are compared."""

    synthetic: Mapping[str, Any]
    reference: Any
    holdout: Any
    arm: str = ""
    """The arm of a run whose generations the sets are. Empty for other sets."""
    text_column: str | None = None
    note: str = ""
    """The first note of an audit of these sets."""
    steps: tuple[StepEntry, ...] = ()
    """The steps of a run from which the sets come."""


def sets_of(question: AuditQuestion) -> list[Sets]:
    """Return the sets of a question: the given ones, those before and after a filter, or those of each arm of a run. No data are read yet."""
    data, against = question.data, (question.reference, question.holdout, question.before, question.after)
    if not isinstance(data, Mapping) and len(data) == 1 and isinstance(data[0], str | Path) and is_run(data[0]):
        if any(option is not None for option in against):
            raise BadInput("a run has its own human data; leave out --reference, --holdout, --before and --after")
        return [_of_line(line) for line in lines(Path(data[0]), question.arm)]
    if question.arm is not None:
        raise BadInput("--arm needs the folder of a run; write for example outcross audit runs/stdlib --arm replace")
    return [_of_files(question)]


def sets_of_arm(question: AuditQuestion, arm: str) -> Sets:
    """Return the sets of one arm of a run, or all sets if they are not from a run."""
    return sets_of(replace(question, arm=arm) if arm else question)[0]


def inputs_of(question: AuditQuestion) -> list[Path]:
    """Return every named file and folder, with the files that match a glob. Some of them may not exist."""
    return [
        file for given in _named_files(question) for file in (names.fitting(given) if names.is_pattern(given) else [Path(given)])
    ]


def _named_files(question: AuditQuestion) -> Iterator[str]:
    data = question.data.values() if isinstance(question.data, Mapping) else question.data
    for given in (*data, question.reference, question.holdout, question.before, question.after, question.thresholds):
        for item in given if isinstance(given, list | tuple) else (given,):
            if isinstance(item, str | Path) and str(item):
                yield str(item)


def _of_line(line: Line) -> Sets:
    return Sets(line.sets, line.reference, line.holdout, line.name, "text" if line.is_text else None, line.note, line.steps)


def _of_files(question: AuditQuestion) -> Sets:
    data, before, after = question.data, question.before, question.after
    if (before is None) != (after is None):
        raise BadInput("--before (the data before a filter) and --after (the data that it kept) must be given together")
    if before is not None and after is not None:
        if data or question.reference is not None:
            raise BadInput("--before and --after replace the sets and --reference; leave those out")
        return Sets(_named([after]), before, question.holdout)
    if not data:
        raise BadInput("audit needs data; write outcross audit SYNTHETIC --reference HUMAN")
    if question.reference is None:
        raise BadInput("audit needs human data to compare with; pass --reference HUMAN")
    named = dict(data) if isinstance(data, Mapping) else _named(data)
    if len(named) > 1 and question.holdout is not None and not question.generations:
        if HOLDOUT in named:
            raise BadInput(f"a set cannot be called {HOLDOUT!r}, because that is the name of the holdout; choose another name")
        named[HOLDOUT] = question.holdout
    return Sets(named, question.reference, question.holdout)


def _named(data: Sequence[Any]) -> dict[str, Any]:
    """Return the sets by the name of their file, or by their path if two files have the same name. A set that is not a file is called synthetic."""
    paths = [str(given) if isinstance(given, str | Path) else "synthetic" for given in data]
    stems = [_name(path) for path in paths]
    named = {name if stems.count(name) == 1 else path: synthetic for name, path, synthetic in zip(stems, paths, data, strict=True)}
    if len(named) < len(data):
        raise BadInput(
            "a set is given twice, or two sets have no name; give each set once, or in Python a mapping of names to sets"
        )
    return named


def _name(path: str) -> str:
    name = Path(path).name
    for suffix in (".gz", ".zst"):
        name = name.removesuffix(suffix)
    return Path(name).stem or path
