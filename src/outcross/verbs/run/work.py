"""The work of a run: its folder is opened and checked, its arms are run, and its files are written."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from outcross import own_parts, runtime
from outcross.collapse.stopping import Stop, Watch
from outcross.community import CommunityGeneration
from outcross.errors import BadInput, MachineGaveOut
from outcross.experiment.arms import Arm, arms, resolved
from outcross.files.outputs import check_apart
from outcross.files.plain_yaml import dump
from outcross.files.whole import write_whole, written_from
from outcross.ledger import Ledger, Step
from outcross.ledger.entries import GenerationEntry, RunEntry
from outcross.ledger.locks import alone
from outcross.loop import Generation
from outcross.recipe import flatten, plain
from outcross.runtime.environment import environment
from outcross.verbs.run.following import Following, followed
from outcross.verbs.run.of_users import of_users, within
from outcross.verbs.run.tables import TABLES, Ended, Tables, write_readings, write_tables

SAMPLES = 6
"""Number of prompts whose continuations are kept for people to read."""


@dataclass(frozen=True)
class UnderWay:
    """The progress of a step of one arm."""

    arm: str
    seed: int
    step: Step


@dataclass(frozen=True)
class ArmStopped:
    """One arm with one seed has stopped, because a reading is beyond its bound."""

    stop: Stop


@dataclass(frozen=True)
class Job:
    """One arm with one seed, to be run."""

    arm: Arm
    ended: int = 0
    """Number of generations that earlier turns have finished."""


@dataclass(frozen=True, kw_only=True)
class ArmGeneration(Generation):
    """The results of one generation of one arm. Its parts are loaded when they are first used."""

    arm: str
    seed: int
    is_last: bool
    """Whether this is the last generation of the arm, either as planned or because a reading is beyond its bound."""


@dataclass(frozen=True, kw_only=True)
class ArmCommunityGeneration(CommunityGeneration, ArmGeneration):
    """The results of one generation of an arm with several teachers."""


@dataclass
class Runner:
    """Runs jobs into a folder, or in memory without a folder. Each process keeps one runner, so that the ledger is read only once."""

    folder: Path | None
    reuse: Path | None
    in_turns: bool = False
    """Stop after each generation, so that the arms share the workers evenly."""

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.folder, self.reuse)

    def __call__(self, job: Job, emit: runtime.Emit) -> Job | None:
        """Run an arm to its end and return None. With `in_turns`, run one more generation and return the rest of the job."""
        for generation in self.generations(job, emit):
            if self.in_turns and not generation.is_last:
                return replace(job, ended=generation.g + 1)
        return None

    def generations(self, job: Job, emit: runtime.Emit) -> Generator[ArmGeneration]:
        """Yield the generations of a job as they end, and record each of them. Steps that the ledger holds are loaded."""
        from outcross import community, loop

        name, experiment = job.arm.name, job.arm.experiment
        for part in within(experiment.parts):
            if own_parts.is_own(type(part)):
                own_parts.know(type(part))  # a worker process does not know the user's own parts yet
        fresh: list[bool] = []
        is_over = Watch(experiment.stop_when, name, experiment.seed)

        def watch(step: Step) -> None:
            if step.generation >= job.ended or not job.ended:
                fresh.append(step.fresh)
                emit(UnderWay(name, experiment.seed, step))

        try:

            def get_ready() -> None:
                for learner in experiment.learners:
                    learner.get_ready()

            ledger = self.ledger.over(watch, get_ready)
            working = community.run(experiment, ledger) if experiment.teachers else loop.run(experiment, ledger)
            while True:
                with own_parts.blaming():
                    generation = next(working, None)
                if generation is None:
                    return
                stop = is_over(generation.g, generation.measured) if experiment.stop_when else None
                if generation.g >= job.ended:
                    self._end(job.arm, generation)
                    emit(Ended(name, experiment.seed, generation.g, generation.measured, is_new=any(fresh)))
                    fresh.clear()
                    if stop is not None:
                        emit(ArmStopped(stop))
                    is_last = stop is not None or generation.g + 1 == experiment.generations
                    kind_of_generation = ArmCommunityGeneration if experiment.teachers else ArmGeneration
                    yield kind_of_generation(**vars(generation), arm=name, seed=experiment.seed, is_last=is_last)
                if stop is not None:
                    return
        except BrokenPipeError:  # raised by the listener that receives the events
            raise
        except OSError as error:
            raise MachineGaveOut(
                f"{error.filename or self.folder}: {error.strerror or error}; run the same command again to continue"
            ) from None

    def _end(self, arm: Arm, generation: Any) -> None:
        """Give the steps of a generation their readable names, and record that the generation has ended."""
        experiment = arm.experiment
        if isinstance(generation, CommunityGeneration):
            steps = generation.steps
        else:
            steps = {"training": generation.training.key, "model": generation.model.key, "drawn": generation.drawn.source.key}
        if generation.selection is not None:
            steps["kept"] = generation.selection.key
        if self.folder is not None and experiment.store == "all":
            _name(self.folder, arm, generation.g, steps)
        samples = _samples(generation, experiment.prompts) if experiment.human.is_text else []
        measured = [readings.key for readings in generation.readings.values()]
        self.ledger.record(
            GenerationEntry(
                arm=arm.name,
                seed=experiment.seed,
                generation=generation.g,
                steps=steps,
                measured=measured,
                samples=samples,
                pictures=self._shown(arm, generation, steps),
            )
        )

    def _shown(self, arm: Arm, generation: Any, steps: Mapping[str, str]) -> list[tuple[Literal["human", "model"], int, int, str]]:
        """Return the pictures that a generation shows. Those of a recorded generation are not drawn again."""
        known = self.ledger.generations.get((arm.name, arm.experiment.seed, generation.g))
        if known is not None and known.steps == steps:
            return known.pictures
        return _pictures(generation) if "images" in arm.experiment.learner.learns else []


def open_folder(folder: Path, arms: tuple[Arm, ...], fork: bool = False) -> tuple[Path, Path | None]:
    """Return the folder for the run of these arms, and the folder of the older run whose steps may be reused, or None.

    If the folder holds the same experiment, the run resumes. More generations, metrics, arms or seeds extend the run. Any other difference,
    such as changed human data, raises BadInput with the name of the field. With `fork`, such a run gets a new folder beside it instead.
    """
    for arm in arms:
        if not re.fullmatch(r"[\w=.,+-]{1,120}", arm.name) or arm.name.startswith("."):
            raise BadInput(f"an arm cannot be called {arm.name[:80]!r}; use letters, digits and = . , + -")
    reuse = None
    if folder.exists() and not _is_run(folder):
        raise BadInput(f"{folder} exists and is not a run; choose another --out")
    _check_own(folder)
    check_apart(folder, {path: None for arm in arms for path in arm.experiment.human.inputs()})
    difference = _difference(folder, arms)
    if difference and not fork:
        raise BadInput(f"{difference}; start a new run with another --out, or pass --fork")
    if difference:
        folder, reuse = _fork(folder, arms), folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineGaveOut(f"{folder} could not be created: {error.strerror}; choose another --out") from None
    return folder, reuse


def _check_own(folder: Path) -> None:
    """Raise BadInput if a file or folder that a run writes is a symbolic link, because the link may lead anywhere."""
    places = itertools.chain(*(folder.glob(pattern) for pattern in ("*", ".*.lock", "steps/*", "arms/*", "arms/*/*", "arms/*/*/*")))
    if linked := next((path for path in places if path.is_symlink()), None):
        raise BadInput(f"{linked} is a symbolic link, but a run writes only into its own folder; replace the link by its target")


OURS = {"ledger.jsonl", "steps", "timing.jsonl", ".run.lock", ".ledger.lock", "experiment.yaml", "environment.json"}
"""The files that a run writes before its first step has ended. experiment.yaml is written after ledger.jsonl."""


def _is_run(folder: Path) -> bool:
    """Whether a folder is a run, is empty, or holds only the remains of a run that was killed at its start."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    leftovers = {name for name in names if written_from(name) in OURS}
    return "ledger.jsonl" in names or names - leftovers <= OURS - {"experiment.yaml"}


def fill(
    folder: Path,
    arms: tuple[Arm, ...],
    runner: Runner,
    where: runtime.Where,
    watch: Callable[[Ended | UnderWay | ArmStopped], None],
    following: Following,
) -> Tables:
    """Run every arm into the folder and return its tables. Steps that the folder holds are loaded."""
    with _into(folder, arms) as filling, following:
        runtime.map(runner, jobs(arms), followed([watch, following]), where)
    return filling.tables


def jobs(arms: tuple[Arm, ...]) -> list[Job]:
    """Return a job for every arm with every seed, sorted by seed, because the arms of a seed read the same human data."""
    return [Job(arm) for arm in sorted(arms, key=lambda arm: arm.experiment.seed)]


def generations(folder: Path | None, arms: tuple[Arm, ...], runner: Runner, following: Following) -> Generator[ArmGeneration]:
    """Yield the generations of every arm, arm by arm, in this process. They are stored in the folder, or in memory without a folder.

    If the caller stops early, the run is unfinished and keeps the steps and readings so far.
    """
    if folder is None:
        runner.ledger.record(_entry(arms))
        yield from (generation for job in jobs(arms) for generation in runner.generations(job, following))
        return
    with _into(folder, arms), following:
        yield from (generation for job in jobs(arms) for generation in runner.generations(job, following))


def _entry(arms: tuple[Arm, ...]) -> RunEntry:
    """Return the entry that a ledger holds before the first step: the experiment, its data and the environment."""
    return RunEntry(experiment=resolved(arms), human=_contents(arms), environment=environment(), own=of_users(arms), lines=None)


@dataclass
class Filling:
    """The tables of a run folder that is being filled. They are complete when the run has ended."""

    tables: Tables


@contextmanager
def _into(folder: Path, arms: tuple[Arm, ...]) -> Iterator[Filling]:
    """Lock a run folder while its arms are run. Record the experiment first, write the tables last, and clean up after an error."""
    _check_own(folder)
    with alone(folder):
        _clear(folder)
        ledger = Ledger(folder)
        if difference := _difference(folder, arms):  # another process may have run here since the folder was opened
            raise BadInput(f"{difference}; start a new run with another --out")
        run = _entry(arms)
        ledger.record(run)
        ledger.close()
        write_whole(folder / "experiment.yaml", dump(run.experiment))
        write_whole(folder / "environment.json", json.dumps(run.environment, indent=1, sort_keys=True) + "\n")
        filling = Filling(Tables(arms, ledger))
        try:
            yield filling
        except BaseException:
            _leave(folder, arms)
            raise
        ledger = Ledger(folder)
        filling.tables = Tables(arms, ledger)
        _check_there(filling.tables, run)
        write_tables(folder, filling.tables)
        ledger.record(replace(run, lines=len(ledger.lines) - 1))
        ledger.close()


def _check_there(tables: Tables, run: RunEntry) -> None:
    """Raise MachineGaveOut if the folder has lost recorded steps during the run."""
    ledger = tables.ledger
    lost = "its ledger" if ledger.run != run else ""
    last = {(stop.arm, stop.seed): stop.generation for stop in ([] if lost else tables.stops)}
    for arm in tables.arms:
        for g in range(1 + last.get((arm.name, arm.experiment.seed), arm.experiment.generations - 1)):
            ended = ledger.generations.get((arm.name, arm.experiment.seed, g))
            if ended is None or not ledger.has((*ended.steps.values(), *ended.measured)):
                lost = lost or f"generation {g} of {arm.name} with seed {arm.experiment.seed}"
    if lost:
        raise MachineGaveOut(f"{ledger.folder} has lost {lost} during the run; run the same command again")


def _clear(folder: Path) -> None:
    """Remove the unfinished files of killed runs. The caller must hold the lock of the folder."""
    for path in folder.iterdir():
        if written_from(path.name) in OURS | {*TABLES}:
            path.unlink(missing_ok=True)


def _leave(folder: Path, arms: tuple[Arm, ...]) -> None:
    """Clean up an unfinished run: write its readings so far, or remove all files of the run if no step was finished."""
    if not folder.is_dir():
        return
    ledger = Ledger(folder)
    if ledger.entries:
        ledger.close()
        if ledger.run is not None:
            write_readings(folder, Tables(arms, ledger))
        return
    shutil.rmtree(folder / "steps", ignore_errors=True)
    for name in OURS - {"steps"}:
        (folder / name).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _name(folder: Path, arm: Arm, generation: int, steps: Mapping[str, str]) -> None:
    """Link the steps of a generation under readable names, arms/<arm>/seed-0/g03/{training,model,drawn}, and kept if there are filters."""
    (folder / "arms").mkdir(exist_ok=True)  # without parents: a deleted run folder is not created again
    place = folder / "arms" / arm.name / f"seed-{arm.experiment.seed}" / f"g{generation:02d}"
    place.mkdir(parents=True, exist_ok=True)
    for name, key in steps.items():
        link = place / name
        target = os.path.relpath(folder / "steps" / key, place)
        if not link.is_symlink() or os.readlink(link) != target:
            link.unlink(missing_ok=True)
            link.symlink_to(target)


def _samples(generation: Any, own_prompts: Sequence[str]) -> list[tuple[int, str, str]]:
    """Return tuples of (number, prompt, text that the model wrote), for the prompts of the experiment and then for the first records.

    With several teachers, the samples of each teacher follow each other.
    """
    human = generation.human.training.records.texts
    if isinstance(generation, CommunityGeneration):
        return _samples_of_teachers(generation, own_prompts, human)
    records = generation.drawn.records
    own = [] if generation.shown is None else list(zip(own_prompts, generation.shown.value.texts, strict=True))
    prompts = [human[row] if row >= 0 else "" for row in records.column("_prompt")[:SAMPLES]]
    first = list(zip(prompts, records.texts[:SAMPLES], strict=True))
    return [(number, prompt, text) for number, (prompt, text) in enumerate([*own, *first])]


def _samples_of_teachers(
    generation: CommunityGeneration, own_prompts: Sequence[str], human: Sequence[str]
) -> list[tuple[int, str, str]]:
    """Return the samples of every teacher. The name of the teacher precedes the prompt."""
    each, pairs = max(1, SAMPLES // len(generation.teachers)), []
    for name, teacher in generation.teachers.items():
        records = teacher.drawn.records
        prompts = [human[row] if row >= 0 else "" for row in records.column("_prompt")[:each]]
        own = [] if teacher.shown is None else list(zip(own_prompts, teacher.shown.value.texts, strict=True))
        pairs += [(f"[{name}] {prompt}".strip(), text) for prompt, text in [*own, *zip(prompts, records.texts[:each], strict=True)]]
    return [(number, prompt, text) for number, (prompt, text) in enumerate(pairs)]


def _pictures(generation: Any) -> list[tuple[Literal["human", "model"], int, int, str]]:
    """Return the pictures that a model draws from the latents that all generations share.

    Generation 0 has the same number of human pictures before them.
    """
    pictures = getattr(generation.model.value, "pictures", None)
    if pictures is None:
        return []
    shown: list[tuple[Literal["human", "model"], np.ndarray]] = [("model", pictures)]
    if generation.g == 0:
        people = generation.human.training.records.array[: len(pictures)].reshape(-1, *pictures.shape[1:])
        shown.insert(0, ("human", np.rint(255 * people).astype(np.uint8)))
    height, width = pictures.shape[1:]
    return [(author, height, width, base64.b64encode(strip.tobytes()).decode()) for author, strip in shown]


def _contents(arms: tuple[Arm, ...]) -> dict[str, str]:
    """Return the digest of the files of each arm's human data, by the arm's name. Empty for data that are not read from files."""
    of_source: dict[str, str] = {}
    for arm in arms:
        source = json.dumps(plain(arm.experiment.human), sort_keys=True)
        if source not in of_source:
            of_source[source] = arm.experiment.human.content()
    return {arm.name: of_source[json.dumps(plain(arm.experiment.human), sort_keys=True)] for arm in arms}


def _difference(folder: Path, new_arms: tuple[Arm, ...]) -> str:
    """Return the first difference between an experiment and that of a folder which does not merely extend the run, or an empty text.

    A folder without a finished step counts as holding no experiment.
    """
    if not (folder / "ledger.jsonl").exists():
        return ""
    ledger = Ledger(folder)
    if not ledger.entries:
        return ""
    if ledger.run is None:
        return "" if _has_written(folder, new_arms) else f"{folder} holds steps, but its ledger no longer says of which experiment"
    now = {(arm.name, arm.experiment.seed): arm.experiment for arm in new_arms}
    contents = _contents(new_arms)
    with own_parts.unimported(ledger.run.own):
        stored_arms = arms(ledger.run.experiment)
    for arm in stored_arms:
        was, key = arm.experiment, (arm.name, arm.experiment.seed)
        if key not in now:
            return f"the run holds {arm.name} with seed {was.seed}, which the experiment lacks, but a run can only be extended"
        if was.generations > now[key].generations:
            return f"generations was {was.generations}, now {now[key].generations}, but a run can only be extended"
        grown = replace(
            was,
            generations=now[key].generations,
            metrics=now[key].metrics,
            notes=now[key].notes,
            stop_when=now[key].stop_when,
        )
        old, new = flatten(plain(grown)), flatten(plain(now[key]))
        for field in sorted(old.keys() | new.keys()):
            if old.get(field) != new.get(field):
                return f"{field} was {old.get(field)}, now {new.get(field)}"
        if ledger.run.human.get(arm.name) != contents[arm.name]:
            return _changed(was.human, ledger.run.human.get(arm.name, ""), contents[arm.name])
    return ""


def _has_written(folder: Path, arms: tuple[Arm, ...]) -> bool:
    """Whether experiment.yaml has exactly the bytes that this experiment would write."""
    stored = folder / "experiment.yaml"
    return stored.is_file() and stored.read_bytes() == dump(resolved(arms)).encode()


def _changed(human: Any, was: str, now: str) -> str:
    """Return the message that the human data have changed, with the field that says where they come from."""
    field = next((f"human.{name}" for name in ("path", "array", "hub") if hasattr(human, name)), "human")
    where = f" {getattr(human, field.removeprefix('human.'))}" if field != "human" else ""
    return f"{field}{where} has changed since the run began (digest {was[:12] or 'none'}, now {now[:12] or 'none, because it cannot be read'})"


def _fork(folder: Path, arms: tuple[Arm, ...]) -> Path:
    """Return the folder of a fork beside a run folder: the existing fork of the same experiment, or the next free name."""
    folder = folder.resolve()
    forks = (folder.with_name(f"{folder.name}-fork-{i}") for i in itertools.count(1))
    return next(fork for fork in forks if not fork.exists() or (_is_run(fork) and not _difference(fork, arms)))
