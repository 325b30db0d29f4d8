"""The form of a study over seeds that may take several sessions: a later call runs only what is missing in its results.

A unit is one arm with one seed. Its readings are written after every generation, so that a call that was stopped loses at most the current
generation. A unit with all of its generations is never run again. A unit that was stopped resumes where its run folder still exists, and starts anew
where it does not. Units with other settings are refused, since their numbers do not belong into one mean.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars
from figures import machine, today

import outcross
from outcross.experiment import identity
from outcross.experiment.arms import Arm, arms
from outcross.recipe import flatten
from outcross.verbs.run.tables import Ended

APART = ("name", "seed", "notes", "generations", "metrics", "stop_when", "human.path")
"""Keys that may differ between units of one study: what a run may grow by, and where the human data lie (their digest must be the same)."""
Unit = dict[str, Any]
"""One arm with one seed: `arm`, `seed`, `date`, `machine`, `load_before`, and `generations`, each with its readings, the seconds of its steps,
its optimiser steps, and what the model wrote after the experiment's own first prompt."""


@dataclass(frozen=True)
class Study:
    """What is run, and what is kept of it."""

    folder: Path
    """Of the runs, one a seed; it may be lost between two sessions."""
    spec: Mapping[str, Any]
    """The plain data of an experiment file with its `arms`, which are listed in the order in which they are run."""
    seeds: Mapping[str, Sequence[int]]
    """The seeds of each arm."""
    readings: Sequence[tuple[str, str]]
    """Measure and place of what is kept."""

    def arms(self, seed: int) -> dict[str, Arm]:
        """The arms that have a seed, by their names."""
        return {arm.name: arm for arm in arms({**self.spec, "sweep": {"seed": [seed]}}) if seed in self.seeds[arm.name]}

    def settings(self) -> dict[str, dict[str, Any]]:
        """The settings of every arm by dotted key, those of `APART` left out, and the digest of the human data."""
        every = {name: arm.experiment for seed in self.every_seed for name, arm in self.arms(seed).items()}
        return {
            name: {key: value for key, value in flatten(identity(experiment)).items() if key not in APART}
            | {"human.content": experiment.human.content()}
            for name, experiment in every.items()
        }

    @property
    def every_seed(self) -> list[int]:
        """The seeds of all arms."""
        return sorted({seed for seeds in self.seeds.values() for seed in seeds})

    def missing(self, units: Sequence[Unit], seed: int) -> list[str]:
        """The arms that lack generations with a seed."""
        ended = {unit["arm"]: len(unit["generations"]) for unit in units if unit["seed"] == seed}
        return [name for name, arm in self.arms(seed).items() if ended.get(name, 0) < arm.experiment.generations]

    def go_on(
        self,
        units: Sequence[Unit],
        seeds: Iterable[int],
        workers: int,
        keep: Callable[[list[Unit]], None],
        names: Sequence[str] = (),
    ) -> list[Unit]:
        """Run what is missing of these seeds (only these arms, where some are named); `keep` is given all units whenever a generation has ended."""
        units, load = list(units), os.getloadavg()[0]
        for seed in seeds:
            missing = [name for name in self.missing(units, seed) if name in (names or self.seeds)]
            if not missing:
                continue
            folder = self.folder / f"seed-{seed}"
            print(f"  seed {seed}: {', '.join(missing)}, into {folder}", flush=True)

            def kept(event: Any, folder: Path = folder, missing: list[str] = missing) -> None:
                nonlocal units
                if isinstance(event, Ended):
                    units = self.sorted([*units, *self.units_of(folder, missing, load)])
                    keep(units)

            self.run_of(folder, seed, missing, workers).finish(kept)
        return units

    def run_of(self, folder: Path, seed: int, missing: Sequence[str], workers: int) -> outcross.Run:
        """The run of some arms with a seed, and of the arms that its folder holds already: a run only grows."""
        there = [arm.name for arm in outcross.open(folder).arms] if (folder / "ledger.jsonl").exists() else []
        listed = [arm for arm in self.spec["arms"] if arm["name"] in {*there, *missing}]
        return outcross.run({**self.spec, "arms": listed, "sweep": {"seed": [seed]}}, out=folder, workers=workers)

    def units_of(self, folder: Path, names: Sequence[str], load: float) -> list[Unit]:
        """What a run folder holds of some arms so far."""
        run = outcross.open(folder)
        seconds = _seconds(folder / "timing.jsonl")
        units = []
        for arm in run.arms:
            ended = [
                generation
                for generation in run.tables.ended
                if (generation.arm, generation.seed) == (arm.name, arm.experiment.seed)
            ]
            if not ended or arm.name not in names:
                continue
            frame = run.readings.filter(arm=arm.name, seed=arm.experiment.seed)
            samples = run.samples.filter(arm=arm.name, seed=arm.experiment.seed, prompt_id=0) if arm.experiment.prompts else None
            generations = [
                {
                    "generation": generation.generation,
                    "readings": _readings(frame.filter(generation=generation.generation), self.readings),
                }
                | {
                    "steps": _steps(run, arm, generation.generation),
                    "seconds": _of_steps(seconds, (*generation.steps.values(), *generation.measured)),
                }
                | ({} if samples is None else {"wrote": samples.filter(generation=generation.generation)["text"].item()})
                for generation in ended
            ]
            units.append(
                {"arm": arm.name, "seed": arm.experiment.seed, "date": today(), "machine": machine(), "load_before": round(load, 2)}
                | {"generations": generations}
            )
        return units

    def sorted(self, units: Sequence[Unit]) -> list[Unit]:
        """Units by seed, then in the order of the arms; of two of one arm and seed the later."""
        order = {name: place for place, name in enumerate(self.seeds)}
        latest = {(unit["seed"], order[unit["arm"]]): unit for unit in units}
        return [latest[key] for key in sorted(latest)]


def check_settings(path: Path, stored: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Stop where results are those of other settings, with the first key in which they differ."""
    for arm in stored:
        if arm not in settings:
            raise SystemExit(f"{path} holds the arm {arm}, which this study has not; move that file away to begin anew")
        for key in sorted({*stored[arm], *settings[arm]}):
            was, now = stored[arm].get(key), settings[arm].get(key)
            if was != now:
                raise SystemExit(
                    f"{path} holds {arm} with {key}={was}, this study asks for {now}; move that file away to begin anew"
                )


def stored(path: Path) -> dict[str, Any]:
    """The results of a study so far; empty where there are none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def frame_of(units: Sequence[Unit]) -> polars.DataFrame:
    """The readings of units, a row each: arm, seed, generation, measure, at, group, value, low, high, n; group is empty where it is of all."""
    rows = [
        {"arm": unit["arm"], "seed": unit["seed"], "generation": generation["generation"], "group": ""} | reading
        for unit in units
        for generation in unit["generations"]
        for reading in generation["readings"]
    ]
    schema = {
        "arm": str,
        "seed": int,
        "generation": int,
        "measure": str,
        "at": str,
        "group": str,
        "value": float,
        "low": float,
        "high": float,
        "n": int,
    }
    return polars.DataFrame(rows, schema=schema)


def work_of(units: Sequence[Unit]) -> dict[str, float]:
    """Seconds that the steps of every verb took, by the runs' own clocks; a step that two arms share counts for each."""
    seconds: dict[str, float] = {}
    for generation in (generation for unit in units for generation in unit["generations"]):
        for verb, took in generation["seconds"].items():
            seconds[verb] = round(seconds.get(verb, 0.0) + took, 1)
    return seconds


def _readings(frame: polars.DataFrame, wanted: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    rows = [frame.filter(measure=measure, at=at) for measure, at in wanted]
    read = [row for some in rows for row in some.select("measure", "at", "group", "value", "low", "high", "n").to_dicts()]
    return [{key: value for key, value in row.items() if key != "group" or value} for row in read]


def _steps(run: outcross.Run, arm: Arm, generation: int) -> int | None:
    """Optimiser steps of a fit; None where a learner takes none."""
    experiment = arm.experiment
    if experiment.training is None:
        return None
    return experiment.training.steps_for(len(run.training(arm.name, experiment.seed, generation)), experiment.block)


def _seconds(path: Path) -> dict[str, tuple[str, float]]:
    """The verb and the seconds of every step, by its key; nothing of a run that stores readings alone, which keeps no times."""
    if not path.exists():
        return {}
    steps = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {step["key"]: (step["verb"], step["seconds"]) for step in steps}


def _of_steps(seconds: Mapping[str, tuple[str, float]], keys: Iterable[str]) -> dict[str, float]:
    took: dict[str, float] = {}
    for verb, value in (seconds[key] for key in dict.fromkeys(keys) if key in seconds):
        took[verb] = round(took.get(verb, 0.0) + value, 1)
    return took
