"""The command `audit`: from words on a command line to audits, and from audits to files and a screen."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from outcross import runtime
from outcross.errors import BadInput, GateFailed, OutcrossError
from outcross.escapes import escaped
from outcross.files import names
from outcross.files.whole import read_text
from outcross.ledger import Ledger, results
from outcross.ledger.entries import StepEntry
from outcross.measures import audit_aspects
from outcross.recipe import nearest
from outcross.runtime import Emit, Where
from outcross.verbs.audit import Audit, Question, asked_for
from outcross.verbs.audit.generations import Line, is_run, lines
from outcross.verbs.audit.rankings import onsets, ranking
from outcross.verbs.audit.steps import Auditing


@dataclass(frozen=True)
class Flags:
    """What the command line says of how to look; None or empty where it says nothing."""

    groups: str = ""
    target: str | None = None
    text_column: str | None = None
    kinds: Sequence[str] | None = None
    aspects: str = ""
    margins: Sequence[str] | None = None
    fail_on: str = ""
    shares: str | None = None
    rate: float | None = None
    seed: int | None = None
    most_columns: int | None = None
    most_seconds: float | None = None


@dataclass(frozen=True)
class Sets:
    """Which data: sets to audit by name, and what they are held against."""

    synthetic: Mapping[str, Any]
    reference: Any
    holdout: Any
    arm: str = ""
    """The arm of a run whose generations the sets are; empty for sets of their own."""
    text_column: str | None = None
    note: str = ""
    """What an audit of them says first among its notes."""
    steps: tuple[StepEntry, ...] = ()
    """The steps of a run that they come from."""


@dataclass(frozen=True)
class Given:
    """What the command line names; nothing of it is read yet."""

    synthetic: tuple[str, ...]
    reference: str | None = None
    holdout: str | None = None
    before: str | None = None
    after: str | None = None
    arm: str | None = None

    def sets(self) -> list[Sets]:
        """The data of an audit, of what a filter did, or of each arm of a run."""
        if len(self.synthetic) == 1 and is_run(self.synthetic[0]):
            if (self.reference, self.holdout, self.before, self.after) != (None,) * 4:
                raise BadInput("a run brings its own human data; leave out --reference, --holdout, --before and --after")
            return [_of_line(line) for line in lines(Path(self.synthetic[0]), self.arm)]
        if self.arm is not None:
            raise BadInput("--arm is of a run; write outcross audit runs/stdlib --arm replace")
        return [_of_files(self.synthetic, self.reference, self.holdout, self.before, self.after)]

    def inputs(self) -> list[Path]:
        """Every file and folder that is named, those that a pattern fits among them; not all of them need exist."""
        given = [path for path in (*self.synthetic, self.reference, self.holdout, self.before, self.after) if path]
        return [file for path in given for file in (names.fitting(path) if names.is_pattern(path) else [Path(path)])]

    def sets_of(self, arm: str) -> Sets:
        """The data of one arm of a run; of sets of their own, all."""
        return (replace(self, arm=arm) if arm else self).sets()[0]


def _of_line(line: Line) -> Sets:
    return Sets(line.sets, line.reference, line.holdout, line.name, "text" if line.is_text else None, line.note, line.steps)


def _of_files(synthetic: Sequence[str], reference: str | None, holdout: str | None, before: str | None, after: str | None) -> Sets:
    if (before is None) != (after is None):
        raise BadInput("--before and --after go together: what a filter was given, and what it let through")
    if before is not None and after is not None:
        if synthetic or reference is not None:
            raise BadInput("--before and --after stand in for the sets and --reference; leave those out")
        return Sets({_name(after): after}, before, holdout)
    if not synthetic:
        raise BadInput("audit needs data; write outcross audit SYNTHETIC --reference HUMAN")
    if reference is None:
        raise BadInput("audit needs human data to compare with; pass --reference HUMAN")
    return Sets(_named(synthetic), reference, holdout)


def _named(paths: Sequence[str]) -> dict[str, str]:
    """Each set by the name of its file; by its path where two have the same."""
    stems = [_name(path) for path in paths]
    told = {name if stems.count(name) == 1 else path: path for name, path in zip(stems, paths, strict=True)}
    if len(told) < len(paths):
        raise BadInput("a set is given twice; give each once")
    return told


def _name(path: str) -> str:
    name = Path(path).name
    for suffix in (".gz", ".zst"):
        name = name.removesuffix(suffix)
    return Path(name).stem or path


def asked(flags: Flags, thresholds: Path | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The question and the gates: a file of thresholds, and over it what the command line says."""
    told = {} if thresholds is None else _thresholds(thresholds)
    said = {field.name: getattr(flags, field.name) for field in fields(flags) if getattr(flags, field.name) not in (None, "", [])}
    said |= {key: _words(said[key]) for key in ("groups", "aspects", "fail_on") if key in said}
    if "kinds" in said:
        said["kinds"] = _pairs(said["kinds"], "--kind")
    if "margins" in said:
        said["margins"] = {name: _number(name, value) for name, value in _pairs(said["margins"], "--margin").items()}
    for key in ("kinds", "margins"):
        if key in said and key in told:
            said[key] = {**told[key], **said[key]}
    told |= said
    gates = tuple(told.pop("fail_on", ()))
    for gate in gates:
        if gate != "any" and gate not in audit_aspects():
            raise BadInput(
                f"--fail-on {gate!r} is no aspect{nearest(gate, audit_aspects())}; known: any, {', '.join(audit_aspects())}"
            )
    if "shares" in told:
        told["aspects"] = _with_shares(told)
    return told, gates


MOST_BYTES = 1_000_000
"""Bytes of a file of thresholds."""


def _thresholds(path: Path) -> dict[str, Any]:
    from outcross.files.plain_yaml import read

    told = read(read_text(path, most=MOST_BYTES), str(path))
    if not isinstance(told, dict):
        raise BadInput(f"{path} holds no thresholds; it must be a YAML mapping with margins, fail_on, …")
    known = [field.name for field in fields(Flags)]
    for key, value in told.items():
        if key not in known:
            raise BadInput(f"{path}: {key!r} is not known{nearest(key, known)}; known: {', '.join(known)}")
        if key in ("kinds", "margins") and not isinstance(value, dict):
            raise BadInput(f"{path}: {key} must be a mapping, got {value!r:.80}")
        if key in ("groups", "aspects", "fail_on"):
            told[key] = _words(value)
    return told


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    if isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        return tuple(value)
    raise BadInput(f"a list of names must be written as a,b or [a, b], got {value!r:.80}")


def _pairs(words: Sequence[str], flag: str) -> dict[str, str]:
    told = {}
    for word in words:
        name, equals, value = word.rpartition("=")
        if not equals or not name or not value:
            raise BadInput(f"{flag} must be written as name=value, got {word!r:.80}")
        told[name] = value
    return told


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadInput(f"--margin {name} must be a number, got {value!r:.80}")
    return number


def _with_shares(told: dict[str, Any]) -> tuple[Any, ...]:
    """The aspects, `use` among them looking at these shares."""
    shares = told.pop("shares")
    aspects = told.get("aspects") or tuple(audit_aspects())
    if "use" not in aspects or told.get("target") is None:
        raise BadInput("--shares is about the aspect use; name the column that people would predict, as in --target income")
    return tuple({"kind": "use", "shares": shares} if name == "use" else name for name in aspects)


@dataclass(frozen=True)
class Turn:
    """One set to audit."""

    place: int
    """Among all sets of all arms, from 0."""
    arm: str
    name: str


@dataclass(eq=False)
class Auditor:
    """Audits one set at a time, in this process or in another; human data are read once an arm and kept until another arm's turn."""

    given: Given
    question: Question
    ledger: Path | None = None
    """The folder of the ledger that keeps audits; None where nothing keeps them."""
    read: Sequence[Sets] = ()
    """What this process has read of what is given."""
    held: tuple[Sets, Auditing] | None = None

    def __reduce__(self):
        return Auditor, (self.given, self.question, self.ledger)  # another process reads for itself: data may be too large to send

    def __call__(self, turn: Turn, emit: Emit) -> None:
        """Emits the turn, and its audit or the error that it ended with."""
        try:
            told = self._audit(turn)
        except (OutcrossError, OSError) as error:
            told = error
        emit((turn, told))

    def _audit(self, turn: Turn) -> Audit:
        if self.held is None or self.held[0].arm != turn.arm:
            self.held = None
            data = next((one for one in self.read if one.arm == turn.arm), None) or self.given.sets_of(turn.arm)
            asked = replace(self.question, text_column=self.question.text_column or data.text_column)
            self.held = data, Auditing(data.reference, data.holdout, asked, data.note, self.ledger)
        data, audit_of = self.held
        return audit_of(turn.name, data.synthetic[turn.name])


def turns(data: Sequence[Sets]) -> list[Turn]:
    """The sets to audit, arm by arm."""
    named = [(one.arm, name) for one in data for name in one.synthetic]
    return [Turn(place, arm, name) for place, (arm, name) in enumerate(named)]


def audited(
    given: Given, data: Sequence[Sets], question: Mapping[str, Any], workers: int = 1, ledger: Ledger | None = None
) -> dict[str, list[Audit]]:
    """The audit of every set, by the arm of a run, so many at a time; which process made one changes nothing in it.

    A ledger keeps each as it ends, and the lines of the steps of the run that it comes from; an audit that it holds is loaded.
    """
    every = turns(data)
    if ledger is not None:
        for step in {step.key: step for one in data for step in one.steps}.values():
            ledger.record(step)
    ended: dict[int, Audit | Exception] = {}

    def handle(told: tuple[Turn, Audit | Exception]) -> None:
        ended[told[0].place] = told[1]
        # Of errors that of the first set is told, whichever process is the first to meet one.
        for place in itertools.takewhile(ended.__contains__, range(len(every))):
            if isinstance(error := ended[place], Exception):
                raise error

    with _one_thread_each() if min(workers, len(every)) > 1 else nullcontext():
        folder = None if ledger is None else ledger.folder
        runtime.map(Auditor(given, asked_for(**question), folder, data), every, handle, Where(workers))
    made: dict[str, list[Any]] = {one.arm: [] for one in data}
    for turn in every:
        made[turn.arm].append(ended[turn.place])
    return made


THREADS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started meanwhile have one thread: threads of several on the same cores wait for each other."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def plain(made: Mapping[str, Sequence[Audit]], are_generations: bool) -> dict[str, Any]:
    """What was found; of a run, arm by arm."""
    if "" in made:
        return _plain(made[""], are_generations)
    return {"schema": 1, "arms": [{"arm": arm, **_plain(audits_, True)} for arm, audits_ in made.items()]}


def _plain(made: Sequence[Audit], are_generations: bool) -> dict[str, Any]:
    """One audit as it is; several with their ranking, and with the generation that lost each aspect first."""
    if len(made) == 1:
        return made[0].plain()
    told: dict[str, Any] = {
        "schema": 1,
        "audits": [audit.plain() for audit in made],
        "ranking": [vars(place) for place in ranking(made)],
    }
    if are_generations:
        told["onsets"] = [
            {"aspect": one.aspect, "generation": one.generation, "name": one.name, "code": one.check.code if one.check else None}
            for one in onsets(made)
        ]
    return told


def write(made: Mapping[str, Sequence[Audit]], ledger: Ledger, are_generations: bool) -> None:
    """Write the files of an audit, of a run a folder an arm, in place of a former audit: all of them or none."""
    folders = _folders(made)
    files: dict[str, Any] = {}
    for arm, audits_ in made.items():
        opening = f"{folders[arm]}/" if arm else ""
        files |= {opening + name: content for name, content in _files(audits_, are_generations or bool(arm)).items()}
    results.write(ledger, files, [audit.key for audits_ in made.values() for audit in audits_])


def _folders(arms: Iterable[str]) -> dict[str, str]:
    """The folder of each arm of a run."""
    return names.file_names(arm for arm in arms if arm)


def _files(made: Sequence[Audit], are_generations: bool) -> dict[str, Any]:
    """The records pointed at, audit.md, report.html, and last audit.json, by which an audit is known."""
    from outcross.verbs.audit.page import page
    from outcross.verbs.audit.sentences import markdown

    openings = names.file_names(audit.name for audit in made)
    files: dict[str, Any] = {}
    for audit in made:
        opening = f"{openings[audit.name]}-" if len(made) > 1 else ""
        files |= {f"{opening}{side}-records.parquet": frame for side, frame in audit.pointed.items()}
    files["audit.md"] = "\n".join(map(markdown, made))
    files["report.html"] = page(made, are_generations)
    files["audit.json"] = json.dumps(_plain(made, are_generations), allow_nan=False, ensure_ascii=False, indent=1) + "\n"
    return files


def stored(folder: Path) -> tuple[list[Audit], bool] | None:
    """The audits that a folder holds, and whether they are generations; None where it holds none."""
    path = folder / "audit.json"
    if names.kind_at(path) != "file":
        return None
    try:
        told = json.loads(read_text(path))
        several = told.get("audits", [told])
        if not isinstance(several, list) or not several:
            raise TypeError(f"audits must be a list, got {several!r:.40}")
        return [Audit.of_plain(one) for one in several], "onsets" in told
    except BadInput as error:
        raise BadInput(f"{path}: {error}" if str(path) not in str(error) else str(error)) from None
    except (ValueError, RecursionError, AttributeError, TypeError) as error:
        raise BadInput(f"{path} is not JSON of an audit ({str(error)[:120]}); audit the data again") from None


def report(folders: Sequence[Path], out: Path) -> Path | None:
    """The report of audit folders on one page; None where none of them holds an audit."""
    found = [stored(folder) for folder in folders]
    if not any(found):
        return None
    if not all(found):
        other = folders[found.index(None)]
        raise BadInput(f"{other} holds no audit, others do; give audits or runs, not both")
    made = [audit for one in found if one for audit in one[0]]
    if len({audit.name for audit in made}) < len(made):
        made = [
            replace(audit, name=f"{folder} {audit.name}")
            for folder, one in zip(folders, found, strict=True)
            if one
            for audit in one[0]
        ]
    from outcross.verbs.audit.page import write_audits

    return write_audits(made, out, len(folders) == 1 and bool(found[0] and found[0][1]))


def show(made: Mapping[str, Sequence[Audit]], are_generations: bool, out: Path | None) -> None:
    """One screen: what is lost first; of a run, arm by arm."""
    folders = _folders(made)
    for arm, audits_ in made.items():
        if arm:
            print_line(f"\narm {escaped(arm)}")
        _show(audits_, are_generations or bool(arm), out / folders[arm] if arm and out else out)


def _show(made: Sequence[Audit], are_generations: bool, out: Path | None) -> None:
    from outcross.verbs.audit.screen import print_audit, print_onsets, print_ranking

    if len(made) == 1:
        print_audit(made[0])
    else:
        print_ranking(made)
        if are_generations:
            print_onsets(onsets(made), len(made))
    if out is not None:
        print_line(f"report: {escaped(str(out / 'report.html'))}")


def print_line(text: str) -> None:
    from outcross.verbs.audit.screen import console

    console().print(text, markup=False, highlight=False)


def check_gates(made: Mapping[str, Sequence[Audit]], gates: Sequence[str]) -> None:
    """GateFailed where something is lost, or invented, in an aspect that was named."""
    every = [(" ".join(filter(None, (arm, audit.name))), audit) for arm, audits_ in made.items() for audit in audits_]
    lost = [f"{name} {aspect}" for name, audit in every for aspect in audit.lost if aspect in gates or "any" in gates]
    invented = [f"{name} {aspect}" for name, audit in every for aspect in audit.invented if aspect in gates or "any" in gates]
    told = [f"{what}: {', '.join(found)}" for what, found in (("lost", lost), ("invented", invented)) if found]
    if told:
        raise GateFailed(f"{'; '.join(told)} (--fail-on {','.join(gates)})")
