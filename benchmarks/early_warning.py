"""How early does a run warn, and how often does it give a false alarm?

False alarms are counted in runs whose models learn from human data alone, so that nothing collapses. `stop_when` has two kinds of bounds: a material
bound on each reading (a tenth, or a fifth for n-grams), and a bound of a thousandth, under which any change that is surely not 0 stops a run. A run
is one arm with one seed, with all its bounded readings and generations together; at most 5 % of the runs may be stopped. Under `human_only` the human
records are the same in every generation. Under `fresh` each generation learns from new ones, so that every reading moves by chance while the true
value stays the same. Intervals of rates are exact (Clopper and Pearson). The lead is measured against the rise of held-out loss by 5 %, a rise that
lasts to the end of the run. The table shows two leads: how many generations before that rise the early signal, which is named beforehand, has lost a
tenth and never regains it, and how many generations before it `stop_when` with a bound of 0.9 on the early signal stops the run. Runs in which the
loss rises before generation 4, or not at all, are left out and counted. The permutation test swaps the two signals within runs (10,000 swaps, fixed
seed).

    python benchmarks/early_warning.py [FAMILY…]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
from figures import RESULTS, write
from scipy.stats import beta

import outcross
from outcross.collapse.definitions import since
from outcross.collapse.stopping import Watch
from outcross.data.plans import Plan, Take
from outcross.estimate import Reading
from outcross.measures import standing_for
from outcross.policies import Policy
from outcross.recipe import recipe

RUNS = 400
"""Runs of each row of false alarms."""
EDGE = 0.001
"""A bound so close to 1 that a run which stays where it was is on the edge of it."""
FIRST_RISE = 4
"""The first generation at which a rise leaves time for a warning."""
Run = list[tuple[Reading, ...]]
"""The readings of each generation of one arm with one seed."""


@recipe
class FreshHuman(Policy):
    """Each generation learns from as many new human records as the first."""

    paper = ""

    def plan(self, inventory):
        return Plan((Take(what="fresh", rows=inventory.human),))


def texts(folder: Path) -> Path:
    """The topics of pydoc as one file of human text."""
    path = folder / "topics.txt"
    path.write_text("\n\n".join(topics[name] for name in sorted(topics)), encoding="utf-8")
    return path


def families(text: Path) -> dict[str, dict[str, Any]]:
    """The experiment of each row of false alarms, with its bounds."""
    none = {"draw": {"prompts": "none"}, "generations": 20, "chains": 100}
    gaussian = {"human": {"distribution": "normal", "rows": 50}, "learner": "gaussian", "metrics": ["fitted_law"], **none}
    categorical = {
        "human": {"distribution": "categorical", "law": "zipf", "states": 30, "rows": 100},
        "learner": "categorical",
        **none,
    }
    regression = {
        "human": {"distribution": "regression", "dimensions": 5, "rows": 30, "noise": 1.0}, "learner": {"kind": "regression", "design": "same", "noise": 1.0},
        "metrics": ["coefficient_error"], **{key: value for key, value in none.items() if key != "draw"},
    }  # fmt: skip
    ngram = {
        "human": {"path": str(text), "held_out": 0.2, "rows": 100}, "block": 32, "learner": "ngram", "generations": 6, "metrics": ["rare_words", "held_out"],
    }  # fmt: skip
    of_gaussian = {"log_variance": 0.9, "w2": 1.1, "mean_error": 1.1}
    of_categorical = {"entropy": 0.9, "support": 0.9, "excess_risk": 1.1}
    of_text = {"tail_survival": 0.8, "held_out_perplexity": 1.2}
    return {
        "gaussian, human_only": {"settings": gaussian | {"policy": "human_only"}, "bounds": of_gaussian},
        "gaussian, fresh": {"settings": gaussian | {"policy": FreshHuman()}, "bounds": of_gaussian},
        "categorical, human_only": {"settings": categorical | {"policy": "human_only"}, "bounds": of_categorical},
        "categorical, fresh": {"settings": categorical | {"policy": FreshHuman()}, "bounds": of_categorical},
        "regression, human_only": {"settings": regression | {"policy": "human_only"}, "bounds": {"coefficient_error": 1.1}},
        "ngram, human_only": {"settings": ngram | {"policy": "human_only"}, "bounds": of_text},
    }


def lead_families(text: Path) -> dict[str, dict[str, Any]]:
    """The experiment of each row of leads, with the early reading and the loss."""
    gaussian = {
        "human": {"distribution": "normal", "rows": 50}, "learner": "gaussian", "metrics": ["fitted_law", "held_out_nats"], "draw": {"prompts": "none"},
        "policy": "replace", "generations": 30, "chains": 100,
    }  # fmt: skip
    ngram = {
        "human": {"path": str(text), "held_out": 0.2, "rows": 300},
        "block": 32,
        "learner": "ngram",
        "metrics": ["rare_words", "held_out"],
    }
    return {
        "gaussian, replace": {"settings": gaussian, "early": "log_variance", "loss": "held_out_nats", "runs": 200},
        "ngram, accumulate": {"settings": ngram | {"policy": "accumulate", "generations": 14}, "early": "tail_survival", "loss": "held_out_loss", "runs": 40},
        "ngram, human_share 0.8": {
            "settings": ngram | {"policy": {"kind": "human_share", "share": 0.8}, "generations": 14}, "early": "tail_survival", "loss": "held_out_loss", "runs": 40,
        },
    }  # fmt: skip


def readings_of(settings: Mapping[str, Any], seed: int) -> Run:
    """The readings of a run in memory."""
    return [generation.measured for generation in outcross.run(dict(settings) | {"name": "warning", "seed": seed})]


def alarm(run: Run, bounds: Mapping[str, float]) -> int | None:
    """The generation after which the rule stops a run; None where it does not."""
    watch = Watch(bounds, "arm", 0)
    return next((g for g, readings in enumerate(run) if watch(g, readings) is not None), None)


def edge(bounds: Mapping[str, float]) -> dict[str, float]:
    """The same bounds, a thousandth from 1."""
    return {name: 1 + EDGE if bound > 1 else 1 - EDGE for name, bound in bounds.items()}


def exact(count: int, n: int) -> list[float]:
    """A rate with its interval by Clopper and Pearson."""
    low = 0.0 if count == 0 else float(beta.ppf(0.025, count, n - count + 1))
    high = 1.0 if count == n else float(beta.ppf(0.975, count + 1, n - count))
    return [round(number, 4) for number in (count / n, low, high)]


def alarms(name: str, settings: Mapping[str, Any], bounds: Mapping[str, float], runs: int) -> dict[str, Any]:
    """A row of false alarms."""
    started, stopped, at_edge = time.process_time(), 0, 0
    for seed in range(runs):
        run = readings_of(settings, seed)
        stopped += alarm(run, bounds) is not None
        at_edge += alarm(run, edge(bounds)) is not None
    return {
        "family": name, "runs": runs, "generations": settings["generations"], "bounds": dict(bounds), "stopped": stopped, "rate": exact(stopped, runs),
        "stopped at the edge": at_edge, "rate at the edge": exact(at_edge, runs), "seconds": round(time.process_time() - started, 1),
    }  # fmt: skip


def values(run: Run, name: str) -> np.ndarray:
    """A reading over the generations; `tail_survival` is the mean over the bands."""
    if name == "tail_survival":
        name = next(
            measure
            for measure in standing_for("tail")
            if any(reading.measure == measure and reading.estimate for reading in run[0])
        )
        bands = [
            [reading.estimate.value for reading in readings if reading.measure == name and reading.estimate is not None]
            for readings in run
        ]
        return np.array([np.mean(some) for some in bands])
    return np.array(
        [
            next(
                reading.estimate.value
                for reading in readings
                if reading.measure == name and not reading.at and reading.estimate is not None
            )
            for readings in run
        ]
    )


def leads(name: str, settings: Mapping[str, Any], early: str, loss: str, runs: int) -> dict[str, Any]:
    """A row of leads: by the readings themselves, and by the alarm."""
    started, never = time.process_time(), settings["generations"]
    crossed, alarmed, left_out, no_alarm = [], [], {"rise before generation 4": 0, "no rise": 0}, 0
    for seed in range(runs):
        run = readings_of(settings, seed)
        losses, signal = values(run, loss), values(run, early)
        rise = since((losses[1:] >= 1.05 * losses[0]).tolist())
        if rise is None or rise < FIRST_RISE:
            left_out["no rise" if rise is None else "rise before generation 4"] += 1
            continue
        lost = signal - signal[0] <= np.log(0.9) if early == "log_variance" else signal <= 0.9 * signal[0]
        first = since(lost[1:].tolist())
        crossed.append(rise - (never if first is None else first))
        stopped = alarm(run, {early: 0.9})
        if stopped is None:
            no_alarm += 1
        else:
            alarmed.append(rise - stopped)
    return {
        "family": name, "early": early, "loss": loss, "runs": runs, "left out": left_out, "kept": len(crossed), "crossed": distribution(crossed),
        "alarmed": distribution(alarmed), "no alarm": no_alarm, "p": permuted(crossed), "seconds": round(time.process_time() - started, 1),
    }  # fmt: skip


def distribution(leads: Sequence[int]) -> dict[str, Any] | None:
    """Quantiles of leads, and in how many runs the early signal was first, tied or last."""
    if not leads:
        return None
    generations = np.array(leads)
    return {
        "n": len(leads), "quantiles 5, 25, 50, 75, 95 %": [float(number) for number in np.quantile(generations, (0.05, 0.25, 0.5, 0.75, 0.95))],
        "first": int((generations > 0).sum()), "tied": int((generations == 0).sum()), "last": int((generations < 0).sum()),
    }  # fmt: skip


def permuted(leads: Sequence[int]) -> float | None:
    """P that the mean lead is as far from 0 where the signals of each run are swapped by chance."""
    if not leads:
        return None
    generations, rng = np.array(leads, dtype=float), np.random.default_rng([20_26, 11, 29])
    sums = np.abs(rng.choice([-1.0, 1.0], (10_000, len(generations))) @ generations)
    return round(float((1 + (sums >= abs(generations.sum()) - 1e-9).sum()) / 10_001), 4)


def main(asked: Sequence[str]) -> None:
    path, load = RESULTS / "early_warning.json", os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        text = texts(Path(folder))
        for name, arguments in families(text).items():
            if not asked or name in asked:
                keep(path, load, "alarms", alarms(name, **arguments, runs=RUNS))
        for name, arguments in lead_families(text).items():
            if not asked or f"lead: {name}" in asked:
                keep(path, load, "leads", leads(name, **arguments))


def keep(path: Path, load: tuple[float, float, float], part: str, row: dict[str, Any]) -> None:
    """Put a row in the place of the one of the same family."""
    print(part, row, flush=True)
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    rows = {
        name: [stored_row for stored_row in before.get(name, []) if name != part or stored_row["family"] != row["family"]]
        for name in ("alarms", "leads")
    }
    rows[part].append(row)
    write("early_warning", __doc__ or "", load, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
