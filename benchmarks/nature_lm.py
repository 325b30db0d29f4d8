"""What `nature_lm_scratch` and `nature_lm_small` have in common: `outcross run nature-lm` over seeds, on the WikiText-2 of the shared data."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Sequence
from typing import Any

from figures import DATA, RESULTS, write
from over_seeds import RUNS, difference, over_seeds, study
from sessions import Study, Unit, check_settings, frame_of, stored, work_of

from outcross.experiment.file import load
from outcross.verbs.asking import as_many_as_cores

TEXT = (f"human.path={DATA / 'text/wikitext2'}/*.gz", "human.heading== [^=].* =")
PERPLEXITY = "held_out_perplexity"
READINGS = (
    (PERPLEXITY, ""),
    ("rare_words_beyond_prompt", "3-5 times"),
    ("rare_words_beyond_prompt", "1 time"),
    ("prompt_copying", ""),
    ("next_token_entropy", ""),
)
Further = tuple[dict[str, Any], Sequence[int]]
"""An arm as an experiment file lists it, and its seeds."""
BASE = "base"
BASE_ALONE = {
    "name": BASE, "policy": "human_only", "generations": 1, "metrics": ["held_out"], "prompts": [], "draw.beams": 1, "training.epochs": None, "training.steps": 1,
    "training.batch": 1, "training.learning_rate": 1e-30, "training.rate": "constant",
}  # fmt: skip
"""One step that moves no weight: what is measured is the base as it was."""


def spec_of(size: str, further: Sequence[Further], *overrides: str) -> dict[str, Any]:
    """A size of nature-lm, its further arms among its own."""
    spec = load("nature-lm", (f"size={size}", *overrides))
    return spec | {"arms": [*spec["arms"], *(arm for arm, _ in further)]}


def of_one_seed(steps: int) -> tuple[dict[str, Any], ...]:
    """Arms beside the two settings of the paper, all with so many steps a generation, as many as `nothing_kept` has."""
    return (
        {"name": f"accumulate_{steps}_steps", "policy": "accumulate", "training.epochs": None, "training.steps": steps},
        {"name": "temperature_1", "policy": "replace", "draw.temperature": 1.0, "draw.beams": 1},
        {"name": "fresh_human", "policy": "fresh_only"},
        {"name": "from_previous", "policy": "replace", "training.start": "previous"},
    )


def answer(
    question: str,
    page: str,
    size: str,
    seeds: Sequence[int],
    control: str,
    further: Sequence[Further],
) -> None:
    """Run what is missing of the study, and write its results after every generation.

    Every arm of the size has all `seeds`; further arms have those that stand beside them.
    """
    spec = spec_of(size, further, *TEXT)
    own = {arm["name"]: seeds for arm in spec["arms"]} | {arm["name"]: some for arm, some in further}
    asked = _asked(page, seeds, own)
    going = Study(RUNS / question, spec, own, READINGS)
    path, load_before, settings = RESULTS / f"{question}.json", os.getloadavg(), going.settings()
    before = stored(path)
    check_settings(path, before.get("settings", {}), settings)

    def keep(units: list[Unit]) -> None:
        write(question, page, load_before, {"settings": settings} | _shown(units, control) | {"units": units})

    units = going.go_on(before.get("units", []), asked.seeds, asked.workers, keep, asked.arms)
    if units:
        keep(units)


def _asked(page: str, seeds: Sequence[int], arms: Collection[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=page)
    parser.add_argument("--seeds", nargs="+", type=int, choices=seeds, default=seeds, help="run only these; all if left out")
    parser.add_argument("--arms", nargs="+", choices=list(arms), default=[], help="run only these; all if left out")
    parser.add_argument("--workers", type=int, default=as_many_as_cores(), help="arms at a time; a worker a core if left out")
    return parser.parse_args()


def _shown(units: list[Unit], control: str) -> dict[str, Any]:
    """The means over seeds and the work of all units, and what the base reads where it was run."""
    readings = frame_of(units)
    trained = readings.filter(readings["arm"] != BASE)
    shown: dict[str, Any] = {"study": study(trained, [(*place, "value") for place in READINGS], control), "work": work_of(units)}
    of_base = _perplexities(readings, BASE)
    if of_base:
        first_less_base = {}
        for arm in trained["arm"].unique(maintain_order=True):
            of_arm = _perplexities(trained, arm)
            first_less_base[arm] = difference(list(of_arm.values()), [of_base.get(seed) for seed in of_arm])
        shown["zero_shot"] = {"level": over_seeds(list(of_base.values())), "first_less_base": first_less_base}
    return shown


def _perplexities(readings: Any, arm: str) -> dict[int, float]:
    """The perplexity of generation 0 of an arm, by its seed."""
    read = readings.filter(arm=arm, generation=0, measure=PERPLEXITY, at="").drop_nulls("value")
    return dict(read.select("seed", "value").sort("seed").rows())
