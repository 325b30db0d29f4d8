"""Runs a claim: its experiment in an ordinary run folder, or a procedure of the closed list, and then its comparisons."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.files.whole import write_whole
from outcross.recipe import member, plain
from outcross.runtime.environment import environment
from outcross.verbs.reproduce.claim import Claim, ClaimSize
from outcross.verbs.reproduce.procedures import PROCEDURES
from outcross.verbs.reproduce.result import ClaimResult, read_result, result_file
from outcross.verbs.run.answer import begun, in_a_folder
from outcross.verbs.run.question import RunQuestion

if TYPE_CHECKING:
    from polars import DataFrame

    from outcross.verbs.run.progress import ArmStopped, Ended, UnderWay

RUNS = "runs"
"""The folder of the runs, within the folder of a reproduction."""
OF_DATA = "data: "
"""The prefix of a setting that names a file within --data."""


def looked_at(claim: Claim, size: str, folder: Path | None, data: Path | None, watch: Callable[[Any], None]) -> ClaimResult:
    """Run or resume the experiment of a claim, and compare. Steps that are already in the folder are loaded.

    The date, the machine and the duration belong to the run that did the work. If a finished run is only loaded, they are kept.
    """
    experiment = claim.of_size(size)
    assert experiment is not None
    begin = time.perf_counter()
    steps_before = None if folder is None else _steps(run_folder(folder, claim, size))
    reason, comparisons, facts = "", ((),) * len(claim.parts), {}
    try:
        frame, facts = _frame(claim, size, experiment, folder, data, watch)
        comparisons = tuple(tuple(part.rule.compare(frame)) for part in claim.parts)
    except NotApplicable as why:
        reason = str(why)
    except BadInput as why:
        raise BadInput(f"claim {claim.id}: {why}") from None
    result = ClaimResult(
        size=size,
        digest=claim.digest,
        protocol=experiment.protocol or claim.protocol,
        comparisons=comparisons,
        reason=reason,
        date=date.today().isoformat(),
        machine=_machine(experiment),
        seconds=round(time.perf_counter() - begin, 1),
        **facts,
    )
    if folder is None:
        return result
    is_loaded = bool(steps_before) and _steps(run_folder(folder, claim, size)) == steps_before
    return _kept(result, result_file(folder, claim, size), is_loaded)


def _steps(folder: Path) -> bytes:
    """The content of the ledger of a run, which grows when steps run; empty if there is no run."""
    path = folder / "ledger.jsonl"
    return path.read_bytes() if path.is_file() else b""


def _kept(result: ClaimResult, path: Path, is_loaded: bool) -> ClaimResult:
    """Write a result to its file unless the same result is there already, and return the stored one.

    If the run was only loaded or the result is the same, the date, the machine and the duration of the stored result are kept.
    """
    if path.is_file():
        stored = read_result(path)
        same = replace(result, date=stored.date, machine=stored.machine, seconds=stored.seconds)
        if json.dumps(same.plain()) == json.dumps(stored.plain()):
            return stored
        if is_loaded and stored.digest == result.digest:
            result = same
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(result.plain(), ensure_ascii=False, indent=1) + "\n")
    return read_result(path)  # with the same digits as when it is loaded later


def run_folder(folder: Path, claim: Claim, size: str) -> Path:
    """The folder of the run of a claim. If the experiment of a claim is changed, its folder is another one, and the former is kept."""
    experiment = claim.of_size(size)
    assert experiment is not None
    content = json.dumps([plain(experiment.run), plain(experiment.settings)], sort_keys=True)
    return folder / RUNS / f"{claim.id}-{size}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def _frame(
    claim: Claim,
    size: str,
    experiment: ClaimSize,
    folder: Path | None,
    data: Path | None,
    watch: Callable[[Ended | UnderWay | ArmStopped], None],
) -> tuple[DataFrame, dict[str, Any]]:
    """The readings of the experiment of a claim, and its numbers of seeds, generations, arms and chains."""
    if experiment.procedure is not None:
        procedure = member(PROCEDURES, experiment.procedure, "procedure")
        frame = procedure(**experiment.settings).frame(data)
        return frame, _facts(frame)
    settings = {key: _placed(value, data) for key, value in experiment.settings.items()}
    assert experiment.run is not None
    question = RunQuestion(
        experiment.run,
        settings,
        out=None if folder is None else run_folder(folder, claim, size),
        device="cuda" if "gpu" in experiment.needs else "cpu",
    )
    run = begun(question if folder is None else in_a_folder(question)).finish(watch)
    return run.frame(), _facts(run.frame()) | {"chains": max(arm.experiment.chains for arm in run.arms)}


def _placed(value: Any, data: Path | None) -> Any:
    """A setting. If it names a file of the data folder (`data: text/x.txt`), the path of this file."""
    return (
        str(data / value.removeprefix(OF_DATA))
        if isinstance(value, str) and value.startswith(OF_DATA) and data is not None
        else value
    )


def _facts(frame: DataFrame) -> dict[str, Any]:
    seeds = sorted(set(frame["seed"].to_list()))
    return {"seeds": tuple(seeds), "generations": int(frame["generation"].max()) + 1, "arms": frame["arm"].n_unique()}  # type: ignore[arg-type]


def lacking(claim: Claim, size: str, data: Path | None) -> str:
    """What this machine lacks to run a claim at a size, in words; empty if it lacks nothing."""
    if claim.not_run:
        return claim.not_run
    experiment = claim.of_size(size)
    if experiment is None:
        return f"the claim has no size {size}"
    for need in experiment.needs:
        if need == "gpu":
            if not _has_gpu():
                return "it needs a GPU, and this machine has none"
        elif data is None:
            return f"it needs {need}; give the folder that holds it with --data"
        elif not (data / need).exists():
            return f"it needs {need}, which is not in {data}"
    return ""


def check_memory(claim: Claim, size: str) -> None:
    """Raise BadInput if this machine has less memory than a claim needs at a size."""
    experiment, available = claim.of_size(size), memory()
    if experiment is not None and available is not None and experiment.memory > available:
        small = claim.small
        instead = (
            f"; --size small needs {small.memory:g} GB"
            if size == "full" and small is not None and small.memory <= available
            else ""
        )
        raise BadInput(
            f"{claim.id} at size {size} needs {experiment.memory:g} GB of memory, but this machine has {available:.1f} GB{instead or '; run it on a larger machine'}"
        )


def memory() -> float | None:
    """The memory of this machine in gigabytes; None if it is not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (ValueError, OSError, AttributeError):
        return None


def _has_gpu() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def _machine(experiment: ClaimSize) -> str:
    machine = environment()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    device = ", a GPU" if "gpu" in experiment.needs else ""
    return f"{machine['processor'] or machine['platform']}, {cores} core{'s' * (cores != 1)}{device}"
