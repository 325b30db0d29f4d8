"""What a run leaves: its folder, opened, checked, filled and read back."""

from __future__ import annotations

import itertools
import json
import math
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from outcross import runtime
from outcross.arms import Arm, arms, flatten, resolved
from outcross.errors import BadInput, MachineGaveOut
from outcross.estimate import Reading
from outcross.experiment import Experiment, parse
from outcross.exponent import Exponent, exponents
from outcross.ledger import Ledger, Step, alone
from outcross.metrics import pages
from outcross.plain_yaml import dump
from outcross.recipe import kind, plain
from outcross.settings import flat_settings, settings
from outcross.slopes import Slope, settings_of, slopes
from outcross.whole import write_whole

SAMPLES = 6
"""Prompts whose continuations are kept for people to read."""


@dataclass(frozen=True)
class Ended:
    """One generation of one arm has ended."""

    arm: str
    seed: int
    generation: int
    readings: tuple[Reading, ...]
    samples: tuple[tuple[int, str, str], ...]
    """(prompt number, prompt, what the model wrote)."""
    is_new: bool


@dataclass(frozen=True)
class UnderWay:
    """A step of one arm is so far."""

    arm: str
    seed: int
    step: Step


@dataclass(frozen=True)
class Job:
    """One arm with one seed, to be run into a folder."""

    arm: Arm
    folder: Path
    reuse: Path | None
    in_turns: bool
    """Stop after each generation, so that the arms share the workers evenly."""
    ended: int = 0
    """Generations that earlier turns have ended."""


def open_folder(folder: Path, told: Mapping[str, Any], fork: bool = False) -> tuple[Path, tuple[Arm, ...], Path | None]:
    """The folder to run into, the arms, and the older run whose steps may be taken over.

    A folder of the same experiment is gone on with; more generations, metrics, arms or seeds are growth. Any other difference is
    refused with its field, or with `fork` put in a new folder beside it.
    """
    made = arms(told)
    for arm in made:
        if not re.fullmatch(r"[\w=.,+-]{1,120}", arm.name) or arm.name.startswith("."):
            raise BadInput(f"an arm cannot be called {arm.name[:80]!r}; use letters, digits and = . , + -")
    reuse = None
    if folder.exists() and not _is_run(folder):
        raise BadInput(f"{folder} exists and is not a run; choose another --out")
    _check_own(folder)
    difference = _difference(folder, made)
    if difference and not fork:
        raise BadInput(f"{difference}; start a new run with another --out, or pass --fork")
    if difference:
        folder, reuse = _fork(folder, made), folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineGaveOut(f"{folder} cannot be made: {error.strerror}; choose another --out") from None
    return folder, made, reuse


def _check_own(folder: Path) -> None:
    """Refuse a run folder where a link stands for a file or a folder that a run writes: it may lead anywhere."""
    places = itertools.chain(*(folder.glob(one) for one in ("*", ".*.lock", "steps/*", "arms/*", "arms/*/*", "arms/*/*/*")))
    if linked := next((path for path in places if path.is_symlink()), None):
        raise BadInput(f"{linked} is a link, a run writes into its own folder alone; put what it leads to in its place")


OURS = {"ledger.jsonl", "steps", "timing.jsonl", ".run.lock", ".ledger.lock", "experiment.yaml", "environment.json"}
"""What a run writes before its first step has ended; experiment.yaml comes after ledger.jsonl."""


def _is_run(folder: Path) -> bool:
    """Whether a folder is a run, or empty, or what is left of a run that was killed as it began."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    return "ledger.jsonl" in names or names <= OURS - {"experiment.yaml"}


def fill(
    folder: Path, made: tuple[Arm, ...], reuse: Path | None, where: runtime.Where, watch: Callable[[Ended | UnderWay], None]
) -> None:
    """Run every arm into the folder. Steps that it holds are loaded."""
    ended: list[Ended] = []

    def handle(event: Ended | UnderWay) -> None:
        if isinstance(event, Ended):
            ended.append(event)
        watch(event)

    with alone(folder):
        Ledger(folder).close()
        write_whole(folder / "experiment.yaml", dump(resolved(made)))
        write_whole(folder / "environment.json", json.dumps(environment(), indent=1, sort_keys=True) + "\n")
        in_turns = where != runtime.Where() and made[0].experiment.store == "all"
        jobs = [Job(arm, folder, reuse, in_turns) for arm in made]
        try:
            runtime.map(_run_arm, jobs, handle, where)
        except BaseException:
            _leave(folder, made, ended)
            raise
        Ledger(folder).close()
        _write_tables(folder, made, ended)


def _leave(folder: Path, made: tuple[Arm, ...], ended: list[Ended]) -> None:
    """Put an unfinished run in order: what was read so far beside what was there; nothing of ours where not one step was done."""
    ledger = Ledger(folder)
    ledger.close()
    if ended:
        _write_readings(folder, made, ended, over=True)
    if not ledger.entries:
        shutil.rmtree(folder / "steps", ignore_errors=True)
        for name in OURS - {"steps"}:
            (folder / name).unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()


def _run_arm(job: Job, emit: runtime.Emit) -> Job | None:
    """Run an arm to its end, or for one more generation: then the rest of the job comes back."""
    from outcross.loop import run

    name, experiment = job.arm.name, job.arm.experiment
    fresh: list[bool] = []

    def watch(step: Step) -> None:
        if step.generation >= job.ended or not job.ended:
            fresh.append(step.fresh)
            emit(UnderWay(name, experiment.seed, step))

    for generation in run(experiment, Ledger(job.folder, watch, job.reuse)):
        if generation.g < job.ended:
            continue
        _name(job, generation)
        samples = _samples(generation) if experiment.human.is_text else ()
        emit(Ended(name, experiment.seed, generation.g, generation.measured, samples, is_new=any(fresh)))
        fresh.clear()
        if job.in_turns and generation.g + 1 < experiment.generations:
            return replace(job, ended=generation.g + 1)
    return None


def _name(job: Job, generation: Any) -> None:
    """Names for people: arms/<arm>/seed-0/g03/{training,model,drawn} lead to the steps."""
    if job.arm.experiment.store == "readings":
        return
    place = job.folder / "arms" / job.arm.name / f"seed-{job.arm.experiment.seed}" / f"g{generation.g:02d}"
    place.mkdir(parents=True, exist_ok=True)
    for name, key in (
        ("training", generation.training.key),
        ("model", generation.model.key),
        ("drawn", generation.drawn.source.key),
    ):
        link = place / name
        target = os.path.relpath(job.folder / "steps" / key, place)
        if not link.is_symlink() or os.readlink(link) != target:
            link.unlink(missing_ok=True)
            link.symlink_to(target)


def _samples(generation: Any) -> tuple[tuple[int, str, str], ...]:
    records = generation.drawn.records
    prompts = records.column("_prompt")[:SAMPLES]
    human = generation.human.training.records.texts
    return tuple(
        (i, human[prompt] if prompt >= 0 else "", text)
        for i, (prompt, text) in enumerate(zip(prompts, records.texts[:SAMPLES], strict=True))
    )


def _write_tables(folder: Path, made: tuple[Arm, ...], ended: list[Ended]) -> None:
    """Every table of a finished run."""
    readings = _write_readings(folder, made, ended)
    write_whole(folder / "profile.parquet", _profiles(readings))
    if (laws := _laws(made, readings)) is not None:
        write_whole(folder / "laws.parquet", laws)


def _write_readings(folder: Path, made: tuple[Arm, ...], ended: list[Ended], over: bool = False) -> Any:
    """The readings and the samples; with `over` beside those rows of the tables there that none of these replaces."""
    import polars

    order = {arm.name: i for i, arm in enumerate(made)}
    ended = sorted(ended, key=lambda one: (order[one.arm], one.seed, one.generation))
    samples = [(one.arm, one.seed, one.generation, *sample) for one in ended for sample in one.samples]
    tables = {
        "readings.parquet": tabulate(made[0].experiment.name, [(one.arm, one.seed, one.generation, one.readings) for one in ended]),
        "samples.parquet": polars.DataFrame(samples, schema=SAMPLE_COLUMNS, orient="row"),
    }
    for name, table in tables.items():
        if over and (folder / name).exists():
            kept = polars.read_parquet(folder / name).join(
                table, on=["arm", "seed", "generation"], how="anti", maintain_order="left"
            )
            tables[name] = table = polars.concat([kept, table])
        if len(table):
            write_whole(folder / name, table)
    return tables["readings.parquet"]


def _profiles(readings: Any) -> Any:
    """The eight definitions of collapse for every arm."""
    import polars

    from outcross.profile import profile

    return polars.concat([profile(readings, arm=arm).frame() for arm in readings["arm"].unique(maintain_order=True)])


def _laws(made: tuple[Arm, ...], readings: Any) -> Any:
    """The closed-form curve of every metric and arm that has one: arm, metric, generation, value; None where there are none."""
    import polars

    from outcross.laws import expected

    rows = []
    for arm in {arm.name: arm for arm in made}.values():
        told = law_arguments(arm.experiment) if kind(arm.experiment.policy) in POLICIES_WITH_LAWS else {}
        metrics = readings.filter(arm=arm.name)["metric"].unique(maintain_order=True) if told else ()
        for metric in metrics:
            curve = expected(metric=metric, **told)
            rows += (
                []
                if curve is None
                else [(arm.name, metric, g, float(value)) for g, value in enumerate(curve) if math.isfinite(value)]
            )
    return (
        polars.DataFrame(rows, schema={"arm": str, "metric": str, "generation": int, "value": float}, orient="row")
        if rows
        else None
    )


POLICIES_WITH_LAWS = {"replace", "human_only", "accumulate", "accumulate_subsample", "augment", "human_share", "fresh", "weighted"}


def law_arguments(experiment: Experiment) -> dict[str, Any]:
    """What `laws.expected` needs to know of an experiment; empty where no law applies to it."""
    human, policy, learner = experiment.human, plain(experiment.policy), plain(experiment.learner)
    known = _known_to_laws(human, learner)
    if known is None or experiment.draw.cuts or experiment.draw.temperature == 0 or experiment.training is not None:
        return {}
    sizes = [human.rows, *(experiment.records(g) for g in range(experiment.generations - 1))]
    told = {
        "policy_kind": policy.pop("kind"),
        "learner_kind": learner["kind"],
        "n": sizes[0] if len(set(sizes)) == 1 else sizes,
        "generations": experiment.generations,
        "temperature": experiment.draw.temperature,
    }
    if "share" in policy:
        policy["human_share"] = policy.pop("share")
        policy.pop("align")
    return told | known | {name: value for name, value in policy.items() if value is not None}


def _known_to_laws(human: Any, learner: dict[str, Any]) -> dict[str, Any] | None:
    """What the closed forms need to know of the data and what learns them; None for a pair of which no law is known."""
    pair = (kind(human), learner["kind"])
    if pair == ("normal", "gaussian") and learner["known_variance"] is None:
        return {"dimensions": human.dimensions, "divisor": learner["divisor"]}
    if pair == ("normal", "kde"):
        return {"dimensions": human.dimensions, "bandwidth": learner["bandwidth"]}
    if pair == ("regression", "regression") and _is_least_squares(learner, human.dimensions):
        is_fitted = learner["noise"] == "fitted"
        told = {"dimensions": human.dimensions, "noise": human.noise, "noise_is_fitted": is_fitted, "design": learner["design"]}
        return told if is_fitted or learner["noise"] == human.noise else None
    if learner["kind"] == "hutter" and learner["writes"] != "frequencies":
        return None
    return {"probabilities": human.truth.probabilities} if hasattr(human.truth, "probabilities") else None


def _is_least_squares(regression: dict[str, Any], dimensions: int) -> bool:
    """Whether a regression is fitted to the end, on all predictors."""
    return regression["ridge"] == 0 and regression["steps"] is None and regression["predictors"] in (None, dimensions)


def tabulate(run: str, ended: Iterable[tuple[str, int, int, tuple[Reading, ...]]]) -> Any:
    """The readings of (arm, seed, generation, readings) as a polars frame, a row a reading."""
    import polars

    rows = []
    for arm, seed, generation, readings in ended:
        for reading in readings:
            told = reading.estimate
            numbers = (None,) * 5 if told is None else (told.value, told.low, told.high, told.method, told.n)
            rows.append((run, arm, seed, generation, reading.metric, reading.aspect, *numbers, reading.note))
    return polars.DataFrame(rows, schema=READINGS, orient="row")


READINGS = {
    "run": str, "arm": str, "seed": int, "generation": int, "metric": str, "aspect": str,
    "value": float, "low": float, "high": float, "method": str, "n": int, "note": str,
}  # fmt: skip
SAMPLE_COLUMNS = {"arm": str, "seed": int, "generation": int, "prompt_id": int, "prompt": str, "text": str}


def _difference(folder: Path, made: tuple[Arm, ...]) -> str:
    """The first field in which an experiment differs from the one that a folder holds by more than growth; or nothing."""
    stored = folder / "experiment.yaml"
    if not stored.exists():
        return ""
    before = arms(parse(read_text(stored), str(stored)))
    now = {(arm.name, arm.experiment.seed): arm.experiment for arm in made}
    for arm in before:
        was, key = arm.experiment, (arm.name, arm.experiment.seed)
        if key not in now:
            return f"the run holds {arm.name} with seed {was.seed}, the experiment has not; a run only grows"
        if was.generations > now[key].generations:
            return f"generations was {was.generations}, now {now[key].generations}; a run only grows"
        grown = replace(was, generations=now[key].generations, metrics=now[key].metrics)
        old, new = flatten(plain(grown)), flatten(plain(now[key]))
        for field in sorted(old.keys() | new.keys()):
            if old.get(field) != new.get(field):
                return f"{field} was {old.get(field)}, now {new.get(field)}"
    return ""


def _fork(folder: Path, made: tuple[Arm, ...]) -> Path:
    """The folder beside it for another experiment: the fork that was begun with this one, or the next free name."""
    folder = folder.resolve()
    forks = (folder.with_name(f"{folder.name}-fork-{i}") for i in itertools.count(1))
    return next(fork for fork in forks if not fork.exists() or (_is_run(fork) and not _difference(fork, made)))


def read_text(path: Path) -> str:
    """The text of a run's file; BadInput where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}; run the experiment again, finished steps are kept") from None


def environment() -> dict[str, Any]:
    """What the numbers may depend on beside the experiment: versions, machine, processor."""
    packages = ("outcross", "numpy", "scipy", "polars", "torch", "tokenizers", "safetensors")
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    cpu = flags = ""
    if Path("/proc/cpuinfo").exists():
        told = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
        told = {key.strip(): value.strip() for key, value in told.items()}
        cpu = told.get("model name", "")
        flags = " ".join(flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in told.get("flags", "").split())
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        "processor": cpu,
        "capability": flags,
        "packages": versions,
    }


COLUMNS = READINGS | SAMPLE_COLUMNS | {"definition": str, "answer": str, "when": int}
"""What every column of a run's tables holds."""
ALWAYS_THERE = ("run", "arm", "generation", "metric", "aspect", "definition", "answer", "prompt_id")
"""Columns in which every row has a value."""


def read_table(path: Path, needed: Sequence[str]) -> Any:
    """A table that a run left, a polars frame; BadInput where it is damaged, or where a column is missing or is not what it was."""
    import polars

    again = "run the experiment again, finished steps are kept"
    try:
        frame = polars.read_parquet(path)
    except Exception as error:
        raise BadInput(f"{path} cannot be read ({type(error).__name__}); {again}") from None
    if missing := [column for column in needed if column not in frame.columns]:
        raise BadInput(f"{path} has no column {', '.join(missing)}; it has {', '.join(frame.columns)[:200]}; {again}")
    for name in [column for column in frame.columns if column in COLUMNS]:
        if why := _spoilt(frame[name]):
            raise BadInput(f"{path}: the column {name} {why}; {again}")
    if {"value", "low", "high"} <= set(frame.columns):
        half = frame.filter(polars.col("value").is_not_null() & (polars.col("low").is_null() != polars.col("high").is_null()))
        if half.height:
            raise BadInput(f"{path}: a value has one end of its interval; {again}")
    return frame


def _spoilt(column: Any) -> str:
    """Why a column is not what a run writes, or nothing."""
    import polars

    held = COLUMNS[column.name]
    fits = {str: column.dtype == polars.String, int: column.dtype.is_integer(), float: column.dtype.is_numeric()}[held]
    if not fits and column.dtype != polars.Null:
        return f"must hold {held.__name__}, it holds {column.dtype}"
    if column.name in ALWAYS_THERE and column.null_count():
        return "has empty places"
    if column.dtype.is_float() and not column.is_finite().all():
        return "holds numbers that are not finite"
    if column.name in ("generation", "prompt_id") and len(column) and not 0 <= column.min() <= column.max() <= MOST_ROWS:
        return f"must be in [0, {MOST_ROWS}], got {column.min()} … {column.max()}"
    return ""


MOST_ROWS = 10_000_000
"""A generation's or a prompt's largest number."""


def read_readings(folder: Path) -> Any:
    """The readings of a run, a polars frame with a row a reading."""
    path = folder / "readings.parquet"
    if not path.exists():
        why = (
            "no generation has ended yet; run the same command to go on"
            if (folder / "ledger.jsonl").exists()
            else "give the folder of a run"
        )
        raise BadInput(f"{folder} holds no readings: {why}")
    return read_table(path, list(READINGS))


def summary(folder: Path) -> dict[str, Any]:
    """A run as plain data: its experiment, its readings, and how the speed of collapse goes with what its arms differ in."""
    frame = read_readings(folder)
    told = parse(read_text(folder / "experiment.yaml"), str(folder / "experiment.yaml"))
    found = [one.plain() for one in read_exponents(folder)]
    over = [one.plain() for one in read_slopes(folder)]
    return {"schema": 1, "run": str(folder), "experiment": told, "readings": frame.to_dicts(), "exponents": found, "slopes": over}


def read_slopes(folder: Path) -> tuple[Slope, ...]:
    """The slopes of collapse against the settings in which a run's arms differ."""
    told = parse(read_text(folder / "experiment.yaml"), str(folder / "experiment.yaml"))
    return slopes(read_readings(folder), settings_of(arms(told)))


def read_exponents(folder: Path) -> list[Exponent]:
    """The exponents of the speed of collapse in the numbers that a run's arms differ in; none where no number is swept over."""
    stored = folder / "experiment.yaml"
    made = arms(parse(read_text(stored), str(stored))) if stored.exists() else ()
    differing = settings(flat_settings(made))
    if not any(one.is_number for one in differing):
        return []
    laws: dict[tuple[str, str], dict[int, float]] = {}
    if (folder / "laws.parquet").exists():
        table = read_table(folder / "laws.parquet", ["arm", "metric", "generation", "value"]).drop_nulls("value")
        for row in table.iter_rows(named=True):
            laws.setdefault((row["arm"], row["metric"]), {})[row["generation"]] = row["value"]
    logarithmic = frozenset(name for name, page in pages().items() if page.log)
    return exponents(read_readings(folder), differing, laws, logarithmic)
