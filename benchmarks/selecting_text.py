"""What does a selection gain in the loop on text?

An n-gram model learns from WikiText-2 in every generation under three policies: replaced, accumulated, or beside the human records (augment), without
a selection and with one. Every arm keeps the same number of records a generation. The n-gram model is fitted in closed form, so that no arm trains
longer than another. The arms of one policy learn from the same number of records, except under importance, which by its definition draws half as many
again.

The gain is counted in generations. The level is the loss of the same policy without a selection at generation 1 (and at generation 3). The number is
the generation at which the arm with the selection first reaches that level, minus 1 (or minus 3): a number above 0 is the number of generations by
which the selection delays the loss. Between two generations the loss is taken to rise along a straight line. An arm that never reaches the level
within the run counts as if it did at the last generation, and the table says so; then the number is a lower bound. Intervals are t over seeds.

    python benchmarks/selecting_text.py [seed …]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from figures import DATA

import outcross
from outcross.attributes.perplexity import Perplexity
from outcross.estimate import NotApplicable, mean
from outcross.experiment import experiment
from outcross.loop import run

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "selecting_text.json"
TEXT = DATA / "text" / "wikitext2" / "test.txt.gz"
ROWS, GENERATIONS, SEEDS = 500, 8, (0, 1, 2)
LEVELS = (1, 3)
"""Generations whose loss without a selection is the level that a selection puts off."""
READ = ("held_out_loss", "acceptance", "selected_spread", "selected_tail")
ORACLE = {"kind": "importance", "detector": "oracle"}
ERRING = ORACLE | {"hit": 0.8, "false_alarm": 0.05}


def settings(seed: int) -> dict[str, Any]:
    return {
        "name": "text",
        "human": {"path": str(TEXT), "rows": ROWS, "held_out": 0.2},
        "block": 64,
        "learner": {"kind": "ngram", "tokens": "words"},
        "draw": {"prompts": "human"},
        "generations": GENERATIONS,
        "metrics": ["held_out", "selection"],
        "seed": seed,
    }


def selections(bound: float) -> dict[str, dict[str, Any]]:
    """The settings of every selection among what a model has written, three candidates for each record that is kept."""
    three = {"draw": {"prompts": "human", "candidates": 3}}
    equal = {"kind": "random", "records": ROWS}
    return {
        "none": {},
        "random": three | {"select": [{"kind": "random", "share": 1 / 3}]},
        "star": three | {"select": [{"kind": "star", "attributes": ["type_token", "sentence_length"]}]},
        "best_of": three | {"select": [{"kind": "best_of", "by": "type_token"}]},
        "verify": three | {"select": [{"kind": "verify", "attribute": "perplexity", "at_most": bound}, equal]},
    }


def arms(seed: int) -> dict[str, dict[str, Any]]:
    """Every arm by policy and selection."""
    base = settings(seed)
    bound = human_perplexity(base)
    policies = {
        f"{policy} {name}": base | {"policy": policy} | own
        for policy in ("replace", "accumulate")
        for name, own in selections(bound).items()
    }
    for policy in ("accumulate", "augment"):
        for name, own in (("none", {}), ("importance", {"select": [ORACLE]}), ("importance erring", {"select": [ERRING]})):
            policies[f"{policy} {name}"] = base | {"policy": policy} | own
    return policies | {"human_only none": base | {"policy": "human_only"}}


def human_perplexity(settings: dict[str, Any]) -> float:
    """The perplexity a byte below which nine in ten of the human training texts lie: the bound of the verifier."""
    (first,) = run(experiment(settings | {"generations": 1, "metrics": ["held_out"]}))
    texts = first.human.training.records.texts
    return float(np.nanquantile(Perplexity().fit(texts)(texts), 0.9))


def main(seeds: list[int]) -> None:
    results = stored()
    results["bought"] = bought(results["seeds"])
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    for seed in seeds:
        for name, settings in arms(seed).items():
            if name in stored()["seeds"].get(str(seed), {}):
                continue
            readings = curves(outcross.run(settings).finish().readings)
            print(seed, name, [round(value, 3) for value in readings["held_out_loss"]], flush=True)
            results = stored()
            results["seeds"].setdefault(str(seed), {})[name] = readings
            results["bought"] = bought(results["seeds"])
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def stored() -> dict[str, Any]:
    """What has been measured; seeds may be run side by side."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": ROWS, "generations": GENERATIONS, "seeds": {}}


def curves(readings: Any) -> dict[str, list[float | None]]:
    """The readings of one arm, a number a generation."""
    by_measure: dict[str, list[float | None]] = {}
    for (measure, at), rows in readings.group_by("measure", "at", maintain_order=True):
        if measure in READ:
            by_measure[f"{measure} {at}".strip()] = rows.sort("generation")["value"].to_list()
    return by_measure


def bought(seeds: dict[str, Any]) -> dict[str, Any]:
    """Generations that each selection buys beside the same policy without one, and the loss at the end, over the seeds."""
    names = {name for done in seeds.values() for name in done if not name.endswith(" none")}
    return {name: row for name in sorted(names) if (row := _bought(name, seeds))}


def _bought(name: str, seeds: dict[str, Any]) -> dict[str, Any] | None:
    plain = f"{name.partition(' ')[0]} none"
    pairs = [
        (done[name]["held_out_loss"], done[plain]["held_out_loss"]) for done in seeds.values() if name in done and plain in done
    ]
    if not pairs:
        return None
    differences = np.array([selected[-1] - alone[-1] for selected, alone in pairs])
    row: dict[str, Any] = {"seeds": len(pairs), "loss at the end less that without": _interval(differences)}
    for level in LEVELS:
        reached = [_reached(selected, alone[level]) for selected, alone in pairs]
        row[f"generations bought at the loss of generation {level}"] = _interval(np.array([at - level for at, _ in reached])) | {
            "seeds that never reach it": sum(not is_there for _, is_there in reached)
        }
    return row


def _reached(losses: list[float], level: float) -> tuple[float, bool]:
    """The generation at which a curve first stands at a loss, between generations too, and whether it does; the last one where it does not."""
    above = np.flatnonzero(np.array(losses) >= level)
    if not above.size:
        return len(losses) - 1.0, False
    last = int(above[0])
    if last == 0:
        return 0.0, True
    return last - 1 + (level - losses[last - 1]) / (losses[last] - losses[last - 1]), True


def _interval(values: np.ndarray) -> dict[str, float | None]:
    if not values.size:
        return {"value": None, "low": None, "high": None}
    try:
        estimate = mean(values, "seeds")
    except NotApplicable:
        return {"value": float(values[0]), "low": None, "high": None}
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or list(SEEDS))
