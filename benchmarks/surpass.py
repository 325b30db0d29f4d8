"""Can a student be better than its best teacher?

Teachers answer a share p of the questions wrongly, and a student learns from their answers. The arms say how they err: with any wrong answer (*random*),
with one wrong answer for each question (*same*), or always on the same questions (*blind*). φ and ψ are the shares of right and of wrong answers that a
verifier keeps before the student learns; *likelihood* keeps the likeliest of four answers, and *routed* has a teacher for each kind of question. The
first rows are sums with an exact check (`outcross run surpass`); the last three are the linear classifier of the theorem (`surpass-theorem`). Both are at
their full size, with twelve values of p and five seeds. The table has the p at which the error of the student minus that of its best teacher falls below
0, on straight lines between the values of p; the values of p between which it does; the same from the closed form where one is known; and the threshold
p* in the limit of many records. Intervals are t over seeds.

    python benchmarks/surpass.py [WORKERS]

A later call runs only the seeds that are missing in the results.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections import defaultdict
from typing import Any

import numpy as np
from figures import RESULTS, write
from over_seeds import RUNS, over_seeds
from sessions import stored

import outcross
from outcross.estimate import Estimate
from outcross.experiment.file import builtin, parse
from outcross.report.crossings import Crossing, crossing
from outcross.report.curves import Curve, CurvePoint, measured
from outcross.report.response import responses
from outcross.verbs.run.page import study

NAMES = {"surpass": "surpass", "theorem": "surpass-theorem"}
Seed = dict[str, Any]
"""What one seed shows: the digest of its experiment, the seconds it took, and a row for each arm."""


def main(workers: str = "1") -> None:
    load, before = os.getloadavg(), stored(RESULTS / "surpass.json")
    seeds = before.get("seeds", {})
    for part, name in NAMES.items():
        spec = parse(builtin()[name].read_text(encoding="utf-8"), name)
        digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]
        kept = {seed: own for seed, own in seeds.get(part, {}).items() if own["experiment"] == digest}
        for seed in map(str, spec["sweep"]["seed"]):
            if seed not in kept:
                kept[seed] = {"experiment": digest} | of_seed(name, int(seed), int(workers))
            seeds = seeds | {part: kept}
            shown = {which: before.get(which, []) for which in NAMES}  # what an earlier call measured, until a seed has ended
            shown |= {which: list(map(over_p, by_arm(own))) for which, own in seeds.items()}
            write("surpass", __doc__ or "", load, shown | {"seeds": seeds})
    for part in NAMES:
        for among, rows in by_arm(seeds[part]):
            print(crossed_zero(among, rows).words, flush=True)


def of_seed(name: str, seed: int, workers: int) -> Seed:
    """Run one seed, or go on with it, and read every arm at its end."""
    start, folder = time.perf_counter(), RUNS / "surpass" / f"{name}-{seed}"
    run = outcross.run(name, settings={"sweep.seed": [seed]}, out=folder, workers=workers).finish()
    seconds, of_run = time.perf_counter() - start, study(run)
    laws: dict[tuple[str, str], dict[int, float]] = {}
    for law in of_run.laws:
        laws.setdefault((law.measure, law.arm), {})[law.generation] = law.value
    every = {measure.measure: measure for measure in measured(of_run)}
    rows = [
        {"arm": response.among or "all", "p": answer.setting, "gain": answer.point.value}
        | {name: every[measure].curves[answer.arm].end.value for name, measure in READ.items()}
        | {"closed_form": answer.closed_form, "threshold": of_run.thresholds.get(answer.arm)}
        for response in responses(of_run.settings, [every["student_gain"]], laws)
        for answer in response.answers
    ]
    print(f"{name}, seed {seed}: {seconds:.0f} s", flush=True)
    return {"seconds": round(seconds, 1), "rows": rows}


READ = {"accuracy": "answer_accuracy", "taught_wrong": "taught_wrong"}


def by_arm(seeds: dict[str, Seed]) -> list[tuple[str, dict[float, list[dict[str, Any]]]]]:
    """Of each kind of arm the rows of all seeds at each p, the smallest first."""
    arms: dict[str, dict[float, list[dict[str, Any]]]] = {}
    for seed in sorted(seeds, key=int):
        for row in seeds[seed]["rows"]:
            arms.setdefault(row["arm"], defaultdict(list))[row["p"]].append(row)
    return [(among, dict(sorted(rows.items()))) for among, rows in arms.items()]


def crossed_zero(among: str, rows: dict[float, list[dict[str, Any]]]) -> Crossing:
    """Where one kind of arm falls below its best teacher."""
    curves = []
    for p, of_seeds in rows.items():
        gains = [row["gain"] for row in of_seeds]
        threads = tuple((CurvePoint(1, gain),) for gain in gains)
        curves.append((p, Curve(among, (CurvePoint(1, float(np.mean(gains))),), threads, tuple(range(len(gains))))))
    first = [of_seeds[0] for of_seeds in rows.values()]
    threshold = first[0]["threshold"]
    return crossing(among, curves, {} if threshold is None else {among: threshold}, [row["closed_form"] for row in first])


def over_p(arm: tuple[str, dict[float, list[dict[str, Any]]]]) -> dict[str, Any]:
    """One kind of arm: its points over p, and where it falls below its best teacher."""
    among, rows = arm
    points = []
    for p, of_seeds in rows.items():
        gain = over_seeds([row["gain"] for row in of_seeds])
        means = {name: float(np.mean([row[name] for row in of_seeds])) for name in READ}
        points.append(
            {"p": p, "gain": gain["value"], "low": gain["low"], "high": gain["high"], "n": gain["n"]}
            | {"closed_form": of_seeds[0]["closed_form"]}
            | means
        )
    zero = crossed_zero(among, rows)
    between = None if zero.bracket is None else list(zero.bracket)
    return {
        "arm": among,
        "points": points,
        "crossing": plain(zero.measured),
        "between": between,
        "closed_form": zero.closed_form,
        "threshold": zero.threshold,
        "note": zero.note,
    }


def plain(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}


if __name__ == "__main__":
    main(*sys.argv[1:])
