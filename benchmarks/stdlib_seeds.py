"""What collapses on human text, over three seeds?

This is the study `outcross run stdlib` with seeds 0, 1 and 2, and not a timing. All arms of a seed share their base model, human text and random
numbers, so that differences are taken within a seed and then averaged: from generation 0 of the same arm, and from `human_only` (the same number of
steps, no model text) at the same generation. Intervals are 95 % t over seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from figures import OUTCROSS, RESULTS, process, today, write
from over_seeds import RUNS, readings_of, run, study, work

SEEDS = "sweep.seed=[0,1,2]"
READINGS = (("held_out_perplexity", "", "value"), ("rare_words", "3-5 times", "value"))
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
    run(folder, "stdlib", SEEDS, *settings)
    rows = study(readings_of([folder]), READINGS, CONTROL)
    write("stdlib_seeds", __doc__ or "", load, {"study": rows, "work": work([folder]), "alone": alone}, results)
    print(f"  {results / 'stdlib_seeds.json'}")


def _one_seed_alone(settings: tuple[str, ...]) -> dict[str, Any]:
    """What `make run` takes in a fresh folder, with nothing else beside it: time, and memory of all its processes together."""
    load = os.getloadavg()[0]
    place = Path(tempfile.mkdtemp())
    measure = process(lambda: [*OUTCROSS, "run", "stdlib", *settings, "--quiet", "--out", place / "stdlib"])
    peak, ended = [0.0], threading.Event()
    watching = threading.Thread(target=_watch, args=(peak, ended))
    watching.start()
    try:
        cost = measure()
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
        children = [
            int(child) for task in Path(f"/proc/{process}/task").iterdir() for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []
    return children + [further for child in children for further in _descendants(child)]


def _megabytes(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


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
