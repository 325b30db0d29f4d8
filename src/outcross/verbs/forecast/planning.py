"""The small runs of an experiment. Each share and seed is an ordinary run, and the next run is made where the interval is widest."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from outcross import own_parts
from outcross.collapse.forecasting import LEAST, too_few
from outcross.errors import BadInput
from outcross.experiment import Experiment
from outcross.experiment.bounds import check_bounds, read_bounds
from outcross.experiment.file import changed, given_settings, load
from outcross.files.whole import read_text, write_whole
from outcross.policies import POLICIES
from outcross.recipe import member, plain, short_kind
from outcross.verbs.forecast.arms import dose_of, together
from outcross.verbs.forecast.budgets import budgets_of
from outcross.verbs.forecast.design import DesignEnd, RunDesign, SmallRun
from outcross.verbs.forecast.result import PLANNED
from outcross.verbs.forecast.work import least_shares
from outcross.verbs.run.answer import arms_of, begun
from outcross.verbs.run.answer import open as open_run
from outcross.verbs.run.question import RunQuestion
from outcross.verbs.run.result import Run
from outcross.wording import in_percent

FARTHEST = 2
"""Intervals were calibrated up to this number of generations ahead per observed generation."""
SHARED = "policy=human_share"
"""The setting that gives an experiment a human share."""
TIMING = "timing.json"
"""The file beside small runs with the duration of the first of them. It is not reproducible."""
Watch = Callable[[str], None]
"""A function that receives sentences about the plan and about each run."""


@dataclass(frozen=True)
class SmallRuns:
    """The small runs of an experiment: their settings, their length and their folders."""

    spec: Any
    settings: Mapping[str, Any]
    imports: Sequence[str | Path]
    generations: int
    design: RunDesign
    out: Path | None

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return self.experiment(self.design.shares[0]).name

    def question(self, share: float, seed: int = 0) -> RunQuestion:
        """Return the arguments of one small run."""
        settings = {**self.settings, "policy.share": share, "generations": self.generations, "stop_when": None, "sweep": None}
        if seed:
            settings["seed"] = self._first_seed + seed
        return RunQuestion(self.spec, settings, out=self.folder(share, seed), imports=self.imports)

    @property
    def _first_seed(self) -> int:
        return self.experiment(self.design.shares[0]).seed

    def experiment(self, share: float) -> Experiment:
        """Return the experiment with the given share and its own seed."""
        (arm,) = arms_of(self.question(share))
        return arm.experiment

    def folder(self, share: float, seed: int) -> Path | None:
        """Return the folder of a small run. None if it stays in memory."""
        return None if self.out is None else self.out / PLANNED / f"share={share:.9g},seed={seed}"

    def finished(self, small: SmallRun) -> Run:
        """Return a small run after finishing it. Steps that its folder holds are loaded."""
        run = begun(self.question(small.share, small.seed))
        for _ in run:
            pass
        return run if run.folder is None else open_run(run.folder)


@dataclass(frozen=True)
class Cost:
    """The cost of small runs, measured on the first of them."""

    generations: int
    seconds: float
    """Duration of one generation, in seconds."""

    def of(self, runs: int) -> str:
        """Return the duration of this number of runs, in words."""
        seconds = runs * self.generations * self.seconds
        if seconds < 1:
            return "less than a second"
        if seconds < 120:
            return f"about {math.ceil(seconds)} s"
        return f"about {math.ceil(seconds / 60):,} min" if seconds < 7200 else f"about {seconds / 3600:,.1f} h"


@dataclass(frozen=True)
class PlannedRuns:
    """The small runs that were made, the number of seeds by share, and the reason why no more were made."""

    runs: tuple[Run, ...]
    seeds: Mapping[float, int]
    why: str

    def __str__(self) -> str:
        counts = ", ".join(f"{in_percent(share)} ({count})" for share, count in sorted(self.seeds.items()))
        return f"{len(self.runs)} small runs were planned and made, by human share (and seeds): {counts}. No more were made: {self.why}."


def small_runs(
    spec: Any, settings: Any, imports: Sequence[str | Path], design: RunDesign, ahead: int, out: Path | None
) -> SmallRuns:
    """Return the small runs of an experiment.

    Raises BadInput if it has arms of its own, if its policy has no constant human share, or if `generations` is too small for a forecast.
    """
    changes = given_settings(settings)
    own_parts.load(imports)
    with own_parts.beside(spec), own_parts.blaming():
        _check_one_arm(spec, _with_changes(spec, changes))
    if "generations" not in changes:
        generations = max(LEAST, math.ceil(ahead / FARTHEST), _longest_run(out))
    elif isinstance(generations := changes.pop("generations"), int) and generations < LEAST:
        raise BadInput(f"generations={generations} is too short for a small run: {too_few(generations)}")
    if "policy.share" in changes:
        raise BadInput("policy.share is set by forecast; leave it out, and write shares=0:0.5:0.1")
    planned = SmallRuns(spec, changes, imports, generations, design, out)
    doses: dict[float, float] = {}
    for share in design.shares:
        dose = dose_of(planned.experiment(share))
        if dose is None:
            raise BadInput(f"{planned.name} does not keep a constant human share, so no share can be planned; add {SHARED}")
        doses.setdefault(dose.share, share)
    return replace(planned, design=replace(design, shares=tuple(sorted(doses))))


def _longest_run(out: Path | None) -> int:
    """Return the largest number of generations of the small runs in a folder, or 0. A stored run can be extended but not shortened."""
    places = [] if out is None else sorted((out / PLANNED).glob("*/ledger.jsonl"))
    return max((arm.experiment.generations for place in places for arm in open_run(place.parent).arms), default=0)


def _with_changes(spec: Any, changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the plain data of an experiment with the settings changed."""
    if isinstance(spec, Experiment):
        return changed({key: value for key, value in plain(spec).items() if key != "kind"}, changes, spec.name)
    if isinstance(spec, Mapping):
        return changed(spec, changes, str(spec.get("name", "")))
    return load(str(spec), changes)


def _check_one_arm(spec: Any, settings: Mapping[str, Any]) -> None:
    """Raise BadInput if an experiment has several arms, or a policy without a human share. The message says what to add."""
    name = str(spec) if isinstance(spec, str | Path) else str(settings.get("name", "the experiment"))
    sweep, policy = settings.get("sweep") or {}, settings.get("policy")
    swept = [key for key in sweep if key != "seed"] if isinstance(sweep, Mapping) else []
    if settings.get("arms") or swept:
        what = "arms" if settings.get("arms") else "sweep"
        raise BadInput(
            f"{name} has arms of its own ({what}), but forecast makes one arm for each human share; add {what}=null {SHARED}"
        )
    kind = str(policy.get("kind", "")) if isinstance(policy, Mapping) else str(policy or "")
    if kind not in POLICIES and ":" not in kind and kind:
        return  # the check of the experiment reports the unknown policy
    if not kind or "share" not in {field.name for field in fields(member(POLICIES, kind, "policy"))}:
        why = f"policy {short_kind(kind)} of {name} has no human share to try" if kind else f"{name} has no policy"
        raise BadInput(f"{why}; add {SHARED}")


def check_budgets(planned: SmallRuns, given: Mapping[str, float]) -> None:
    """Raise BadInput if a budget is on a reading that the experiment does not have. It is called before anything is run."""
    measured = planned.experiment(planned.design.shares[0]).measured
    check_bounds(
        read_bounds(given, "budget"), {name: page for measure in measured for name, page in measure.pages.items()}, "budget"
    )


def first_run(planned: SmallRuns) -> tuple[Run, Cost]:
    """Finish the first small run, and return it with its cost. If it was finished earlier, the cost is the stored one."""
    first = planned.design.first[0]
    begin = time.perf_counter()
    run = begun(planned.question(first.share, first.seed))
    left = planned.generations - len(run.ledger.generations)
    run = planned.finished(first)
    seconds = (time.perf_counter() - begin) / max(left, 1)
    if planned.out is not None:
        seconds = _kept(planned.out / PLANNED / TIMING, seconds, is_new=left > 0)
    return run, Cost(planned.generations, seconds)


def _kept(path: Path, seconds: float, *, is_new: bool) -> float:
    """Return the stored duration of a generation of the first run. The given one is stored if it is new, or if none can be read."""
    if not is_new:
        with suppress(OSError, BadInput, ValueError, KeyError, TypeError):
            return float(json.loads(read_text(path))["seconds_a_generation"])
    write_whole(path, json.dumps({"seconds_a_generation": round(seconds, 6)}) + "\n")
    return seconds


def all_runs(planned: SmallRuns, first: Run, ahead: int, budgets: Mapping[str, float], watch: Watch) -> PlannedRuns:
    """Make the other small runs after the first, until the design ends. `watch` receives a sentence before each run."""
    design = planned.design
    runs: dict[tuple[float, int], Run] = {(design.shares[0], 0): first}
    following: tuple[SmallRun, ...] | DesignEnd = design.first[1:]
    while not isinstance(following, DesignEnd):
        for small in following:
            watch(
                f"run {len(runs) + 1} of at most {design.most_runs}: human share {in_percent(small.share)}, seed {small.seed + 1}; {small.why}"
            )
            runs[small.share, small.seed] = planned.finished(small)
        arms = together(list(runs.values()))
        there = {name for arm in arms for name in arm.readings["measure"].unique().to_list()}
        estimated_shares, refused = least_shares(arms, ahead, budgets_of(budgets, there))
        following = design.after(_seeds(runs), estimated_shares)
        if isinstance(following, DesignEnd) and not estimated_shares and refused:
            following = DesignEnd(f"{following.why}: {refused[0].why}")
    return PlannedRuns(tuple(runs[key] for key in sorted(runs)), _seeds(runs), following.why)


def _seeds(runs: Mapping[tuple[float, int], Run]) -> dict[float, int]:
    """Return the number of seeds of each share."""
    shares = [share for share, _ in runs]
    return {share: shares.count(share) for share in sorted(set(shares))}


__all__ = ["FARTHEST", "Cost", "PlannedRuns", "SmallRuns", "Watch", "all_runs", "check_budgets", "first_run", "small_runs"]
