"""What collapses on human text, over three seeds?

`outcross run stdlib` with seeds 0, 1 and 2: not a timing but the study. Every arm of a seed shares its base, its human text and its random
numbers with the others, so that differences are taken within a seed and then averaged: from generation 0 of the same arm, and from
`human_only` (equal steps, no model's text) at the same generation. 95 % t-intervals over seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from figures import HERE, OUTCROSS, QUIET, RESULTS, process, today, write

import outcross
from outcross.estimate import NotApplicable, mean

RUNS = HERE.parent / "runs"
SEEDS = "sweep.seed=[0,1,2]"
READINGS = (("held_out_perplexity", "", "value"), ("rare_words", "3-5 times", "value"))
"""Measure, place, and the column of readings.parquet: what the arm shows (value), or what real text of that size shows (null)."""
CONTROL = "human_only"
REHEARSAL = (
    "human.rows=100", "block=32", "generations=2", "learner.layers=1", "learner.width=32", "learner.heads=1", "learner.vocabulary=400",
    "training.steps=6", "training.batch=8", "training.start.steps=12", "training.start.batch=8",
)  # fmt: skip


def main() -> None:
    asked = _parser().parse_args()
    folder, results = (RUNS / "stdlib-seeds-rehearsal",) * 2 if asked.rehearse else (RUNS / "stdlib-seeds", RESULTS)
    settings = REHEARSAL if asked.rehearse else ()
    before = _before(results / "stdlib_seeds.json")
    load = os.getloadavg()
    alone = _one_seed_alone(settings) if asked.alone else before.get("alone")
    _run(folder, settings)
    write("stdlib_seeds", __doc__ or "", load, {"study": study(folder), "work": _work(folder), "alone": alone}, results)
    print(f"  {results / 'stdlib_seeds.json'}")


def study(folder: Path) -> list[dict[str, Any]]:
    """A row a reading, arm and generation: its level, and what it differs by from generation 0 and from the control."""
    frame = outcross.open(folder).readings
    rows = []
    for measure, at, column in READINGS:
        read = frame.filter(measure=measure, at=at).drop_nulls(column).select("arm", "generation", "seed", column).rows()
        values = {(arm, generation, seed): value for arm, generation, seed, value in read}
        for arm, generation in dict.fromkeys((arm, generation) for arm, generation, _ in values):
            seeds = sorted(seed for name, g, seed in values if (name, g) == (arm, generation))
            own = [values[arm, generation, seed] for seed in seeds]
            first = [values.get((arm, 0, seed)) for seed in seeds]
            control = [values.get((CONTROL, generation, seed)) for seed in seeds]
            rows.append(
                {"measure": measure, "at": at, "column": column, "arm": arm, "generation": generation, "level": _mean(own)}
                | {"over_first": _difference(own, first), "over_control": _difference(own, control)}
            )
    return rows


def _difference(own: list[float], other: list[float | None]) -> dict[str, Any]:
    return _mean([a - b for a, b in zip(own, other, strict=True) if b is not None])


def _mean(values: list[float]) -> dict[str, Any]:
    """The mean with its t-interval over seeds; without one where there is a single seed, or nothing varies."""
    try:
        return asdict(mean(np.array(values), "seeds"))
    except NotApplicable as why:
        value = values[0] if values else None
        return {"value": value, "low": None, "high": None, "method": str(why), "n": len(values)}


def _run(folder: Path, settings: tuple[str, ...]) -> None:
    """Run the study, or go on with it: finished steps are found."""
    command = [*OUTCROSS, "run", "stdlib", SEEDS, *settings, "--out", str(folder)]
    print(" ", " ".join(command[1:]), flush=True)
    if subprocess.run(command, env=os.environ | QUIET, check=False).returncode:
        raise SystemExit("the study did not end; run it again to go on")


def _work(folder: Path) -> dict[str, float]:
    """Seconds that the steps of every verb took, over all workers, by the run's own clock."""
    seconds: dict[str, float] = {}
    for line in (folder / "timing.jsonl").read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        seconds[told["verb"]] = seconds.get(told["verb"], 0.0) + told["seconds"]
    return {verb: round(total, 1) for verb, total in seconds.items()}


def _one_seed_alone(settings: tuple[str, ...]) -> dict[str, Any]:
    """What `make run` takes in a fresh folder, with nothing else beside it: time, and memory of all its processes together."""
    load = os.getloadavg()[0]
    place = Path(tempfile.mkdtemp())
    told = process(lambda: [*OUTCROSS, "run", "stdlib", *settings, "--quiet", "--out", place / "stdlib"])
    peak, ended = [0.0], threading.Event()
    watching = threading.Thread(target=_watch, args=(peak, ended))
    watching.start()
    try:
        cost = told()
    finally:
        ended.set()
        watching.join()
        shutil.rmtree(place)
    return {"command": "outcross run stdlib", "date": today(), "load_before": round(load, 2), "together": peak[0]} | asdict(cost)


def _watch(peak: list[float], ended: threading.Event) -> None:
    """Keep the largest sum of proportional set sizes of this process's descendants, in MB."""
    while not ended.is_set():
        peak[0] = max(peak[0], sum(map(_megabytes, _descendants(os.getpid()))))
        time.sleep(0.5)


def _descendants(process: int) -> list[int]:
    try:
        children = [int(one) for task in Path(f"/proc/{process}/task").iterdir() for one in (task / "children").read_text().split()]
    except OSError:
        return []
    return children + [further for one in children for further in _descendants(one)]


def _megabytes(process: int) -> float:
    try:
        told = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in told if line.startswith("Pss:")) * 1024 / 1e6


def _before(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alone", action="store_true", help="first time one seed in a fresh folder (`make run`), with its memory")
    parser.add_argument(
        "--rehearse", action="store_true", help="a minute's version, into runs/stdlib-seeds-rehearsal; the page is left as it is"
    )
    return parser


if __name__ == "__main__":
    main()
