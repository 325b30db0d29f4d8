"""What `outcross run nature-lm` shows over seeds, on the WikiText-2 of the shared data."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from figures import DATA, write
from over_seeds import RUNS, difference, over_seeds, readings_of, run, study, work

TEXT = (f"human.path={DATA / 'text/wikitext2'}/*.gz", "human.heading== [^=].* =")
PERPLEXITY = "held_out_perplexity"
READINGS = (
    (PERPLEXITY, "", "value"),
    ("rare_words_beyond_prompt", "3-5 times", "value"),
    ("rare_words_beyond_prompt", "once", "value"),
    ("prompt_copying", "", "value"),
    ("next_token_entropy", "", "value"),
)
BASE_ALONE = (
    "generations=1", "metrics=[held_out]", "arms=[{name: base, policy: human_only, training.epochs: null, training.steps: 1}]",
    "training.batch=1", "training.learning_rate=1e-30", "training.rate=constant", "prompts=[]", "draw.beams=1",
)  # fmt: skip
"""One step that moves no weight: what is measured is the base as it was."""


def answer(question: str, page: str, size: str, seeds: Sequence[int], control: str, with_base: bool) -> None:
    """Run the study or go on with it, or read the finished runs that the command line names, and write its results."""
    parser = argparse.ArgumentParser(description=page)
    parser.add_argument(
        "folders", nargs="*", type=Path, help="finished runs, each with seeds of its own; they are run here if left out"
    )
    folders, load = parser.parse_args().folders, os.getloadavg()
    if not folders:
        folders = [RUNS / question]
        run(folders[0], "nature-lm", f"size={size}", f"sweep.seed={list(seeds)}", *TEXT)
    readings = readings_of(folders)
    results: dict[str, Any] = {"study": study(readings, READINGS, control), "work": work(folders)}
    if with_base:
        results["zero_shot"] = _zero_shot(question, size, readings)
    write(question, page, load, results)


def _zero_shot(question: str, size: str, readings: Any) -> dict[str, Any]:
    """The perplexity of the base on the same held-out text, and generation 0 less it, seed by seed."""
    seeds = sorted(readings["seed"].unique().to_list())
    folder = RUNS / f"{question}-base"
    run(folder, "nature-lm", f"size={size}", f"sweep.seed={seeds}", *TEXT, *BASE_ALONE)
    of_base = _perplexities(readings_of([folder]), "base")
    first_less_base = {}
    for arm in readings["arm"].unique(maintain_order=True):
        of_arm = _perplexities(readings, arm)
        first_less_base[arm] = difference(list(of_arm.values()), [of_base.get(seed) for seed in of_arm])
    return {"level": over_seeds(list(of_base.values())), "first_less_base": first_less_base}


def _perplexities(readings: Any, arm: str) -> dict[int, float]:
    """The perplexity of generation 0 of an arm, by its seed."""
    read = readings.filter(arm=arm, generation=0, measure=PERPLEXITY, at="").drop_nulls("value")
    return dict(read.select("seed", "value").sort("seed").rows())
