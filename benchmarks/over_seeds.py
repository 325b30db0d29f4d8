"""The readings of the arms of one or several runs, as means with t-intervals, and as differences taken within a seed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars
from figures import HERE, OUTCROSS, QUIET

import outcross
from outcross.estimate import NotApplicable, mean

RUNS = HERE.parent / "runs"


def run(folder: Path, *settings: str) -> None:
    """Run an experiment, or go on with it: finished steps are found."""
    command = [*OUTCROSS, "run", *settings, "--out", str(folder)]
    print(" ", " ".join(command[1:]), flush=True)
    if subprocess.run(command, env=os.environ | QUIET, check=False).returncode:
        raise SystemExit("the study did not end; run it again to go on")


def readings_of(folders: Iterable[Path]) -> polars.DataFrame:
    """The readings of runs, each with seeds of its own."""
    return polars.concat([outcross.open(folder).readings for folder in folders])


def study(readings: polars.DataFrame, wanted: Sequence[tuple[str, str, str]], control: str) -> list[dict[str, Any]]:
    """A row a reading, arm and generation: its level, and what it differs by from generation 0 and from the control at the same generation.

    wanted: measure, place, and the column of the readings: what the arm shows (value), or what real text of that size shows (null).
    """
    rows = []
    for measure, at, column in wanted:
        read = readings.filter(measure=measure, at=at).drop_nulls(column).select("arm", "generation", "seed", column).rows()
        values = {(arm, generation, seed): value for arm, generation, seed, value in read}
        for arm, generation in dict.fromkeys((arm, generation) for arm, generation, _ in values):
            seeds = sorted(seed for name, g, seed in values if (name, g) == (arm, generation))
            own = [values[arm, generation, seed] for seed in seeds]
            first = [values.get((arm, 0, seed)) for seed in seeds]
            beside = [values.get((control, generation, seed)) for seed in seeds]
            rows.append(
                {"measure": measure, "at": at, "column": column, "arm": arm, "generation": generation, "control": control}
                | {"level": over_seeds(own), "over_first": difference(own, first), "over_control": difference(own, beside)}
            )
    return rows


def difference(own: Sequence[float], other: Sequence[float | None]) -> dict[str, Any]:
    """The mean of the differences of pairs, with its t-interval; pairs of which one side is missing are left out."""
    return over_seeds([a - b for a, b in zip(own, other, strict=True) if b is not None])


def over_seeds(values: Sequence[float]) -> dict[str, Any]:
    """The mean with its t-interval over seeds; without one where there is a single seed, or nothing varies."""
    try:
        return asdict(mean(np.array(values), "seeds"))
    except NotApplicable as why:
        value = values[0] if values else None
        return {"value": value, "low": None, "high": None, "method": str(why), "n": len(values)}


def work(folders: Iterable[Path]) -> dict[str, float]:
    """Seconds that the steps of every verb took, over all workers, by the runs' own clocks."""
    seconds: dict[str, float] = {}
    for folder in folders:
        for line in (folder / "timing.jsonl").read_text(encoding="utf-8").splitlines():
            step = json.loads(line)
            seconds[step["verb"]] = seconds.get(step["verb"], 0.0) + step["seconds"]
    return {verb: round(total, 1) for verb, total in seconds.items()}
