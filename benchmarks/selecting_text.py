"""What does a selection gain when a language model learns from its own text?

In every generation an n-gram model of words learns from WikiText-2 (the test part in ../shared/data; 500 records a generation, eight generations,
three seeds). Under `replace` it learns from the text of the generation before, under `accumulate` from that of all generations and from the human text,
under `augment` from the human text and the text of the generation before, and under `human_only` from the human text. Each policy is run without a
selection and with one.

Four selections choose among what the model wrote, three candidates for each record that is kept: `random` at random; `star` by different words and
length of sentences, in four cells; `best_of` the candidate with the most different words; `verify` candidates that are no more surprising than nine in
ten human texts. `importance` chooses among all records that the next model learns from, with weights that a detector gives: `importance` alone has a
detector that knows who wrote each record, and `importance erring` one that recognises 80 % of the model's records and takes 5 % of the human ones for
a model's. The n-gram model is fitted in closed form, so that no arm trains longer than another. The arms of one policy learn from the same number of
records, except under importance, which by its definition draws half as many again.

The gain is counted in generations. The level is the loss of the same policy without a selection at generation 1 (or at generation 3). The gain is the
generation at which the arm with the selection first reaches that level, minus 1 (or minus 3). Above 0 it is the number of generations by which the
selection delays the loss. Between two generations the loss is taken to rise along a straight line. An arm that never reaches the level within the run
counts as if it did at the last generation; the mean is then a lower bound and has no interval. All intervals are t over the three seeds, and
differences are taken within a seed.

    python benchmarks/selecting_text.py
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from figures import DATA, write

import outcross
from outcross.attributes.perplexity import Perplexity
from outcross.estimate import mean
from outcross.experiment import experiment
from outcross.loop import run

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


def main() -> None:
    load = os.getloadavg()
    seeds: dict[int, dict[str, Any]] = {seed: {} for seed in SEEDS}
    for seed, done in seeds.items():
        for name, settings in arms(seed).items():
            done[name] = curves(outcross.run(settings).finish().readings)
            print(seed, name, [round(value, 3) for value in done[name]["held_out_loss"]], flush=True)
    results = {"rows": ROWS, "generations": GENERATIONS, "curves": seeds, "selections": over_seeds(list(seeds.values()))}
    write("selecting_text", __doc__ or "", load, results)


def curves(readings: Any) -> dict[str, list[float | None]]:
    """The readings of one arm, a number a generation."""
    by_measure: dict[str, list[float | None]] = {}
    for (measure, at), rows in readings.group_by("measure", "at", maintain_order=True):
        if measure in READ:
            by_measure[f"{measure} {at}".strip()] = rows.sort("generation")["value"].to_list()
    return by_measure


def over_seeds(seeds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row an arm: its loss at the last generation, that minus the loss without a selection, and the generations gained at each level."""
    rows = []
    for name in seeds[0]:
        policy, _, selection = name.partition(" ")
        selected = np.array([done[name]["held_out_loss"] for done in seeds])
        row: dict[str, Any] = {"policy": policy, "selection": selection, "loss_at_end": _interval(selected[:, -1])}
        if selection != "none":
            alone = np.array([done[f"{policy} none"]["held_out_loss"] for done in seeds])
            row["minus_no_selection"] = _interval(selected[:, -1] - alone[:, -1])
            row["gained"] = [gained(selected, alone, level) for level in LEVELS]
        rows.append(row)
    return rows


def gained(selected: np.ndarray, alone: np.ndarray, level: int) -> dict[str, Any]:
    """Generations gained at the loss that a policy without a selection has at a generation. Losses are (seeds, generations)."""
    reached = [_reached(losses, float(others[level])) for losses, others in zip(selected, alone, strict=True)]
    never = sum(not is_reached for _, is_reached in reached)
    return {"level": level, "never": never} | _interval(np.array([at - level for at, _ in reached]))


def _reached(losses: np.ndarray, level: float) -> tuple[float, bool]:
    """The generation at which a curve first stands at a loss, between generations too, and whether it does; the last one where it does not."""
    above = np.flatnonzero(losses >= level)
    if not above.size:
        return len(losses) - 1.0, False
    last = int(above[0])
    if last == 0:
        return 0.0, True
    return last - 1 + float((level - losses[last - 1]) / (losses[last] - losses[last - 1])), True


def _interval(values: np.ndarray) -> dict[str, float | None]:
    estimate = mean(values, "seeds")
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}


if __name__ == "__main__":
    main()
