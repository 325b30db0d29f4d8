"""A study of several seeds goes on across sessions: what has ended is kept, and only what is missing is run."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import nature_lm_scratch
import nature_lm_small
import page
from nature_lm import BASE, PERPLEXITY, READINGS, spec_of
from over_seeds import study
from sessions import Study, check_settings, frame_of, stored

pytestmark = pytest.mark.usefixtures("without_charts")

SEEDS = {"replaced": (0, 1), "accumulated": (0,)}


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefg"), size=rng.integers(2, 6))) for _ in range(400)]
    path = tmp_path_factory.mktemp("human") / "text.txt"
    path.write_text("\n\n".join(f"= {document} =\n\n{' '.join(rng.choice(words, size=60))}." for document in range(60)))
    return {
        "name": "words",
        "human": {"path": str(path), "rows": 200, "held_out": 0.2, "heading": "= .* ="},
        "learner": {"kind": "ngram", "vocabulary": 400},
        "block": 16,
        "generations": 2,
        "prompts": ["abc de"],
        "metrics": ["held_out", "rare_words", "prompt_copying", "next_tokens"],
        "arms": [{"name": "replaced", "policy": "replace"}, {"name": "accumulated", "policy": "accumulate"}],
    }


@pytest.fixture(scope="module")
def whole(spec, tmp_path_factory):
    """What a study has that ran in one go."""
    return study_of(spec, tmp_path_factory.mktemp("whole")).go_on([], [0, 1], 1, lambda units: None)


def study_of(spec, folder):
    return Study(folder / "runs", spec, SEEDS, READINGS)


def numbers(units):
    """What does not depend on when and how quickly a unit ran."""
    return [
        (
            unit["arm"],
            unit["seed"],
            [{key: value for key, value in generation.items() if key != "seconds"} for generation in unit["generations"]],
        )
        for unit in units
    ]


def test_a_unit_has_every_generation_with_its_readings_and_what_was_written(whole):
    assert [(unit["arm"], unit["seed"]) for unit in whole] == [("replaced", 0), ("accumulated", 0), ("replaced", 1)]
    for unit in whole:
        assert [generation["generation"] for generation in unit["generations"]] == [0, 1]
        assert unit["date"] and unit["machine"]["cores"] > 0
        for generation in unit["generations"]:
            assert [(reading["measure"], reading["at"]) for reading in generation["readings"]] == list(READINGS)
            assert (
                generation["wrote"]
                and generation["readings"][0]["low"] < generation["readings"][0]["value"] < generation["readings"][0]["high"]
            )


def test_a_later_session_without_the_runs_of_the_first_runs_only_what_is_missing(spec, whole, tmp_path):
    first = study_of(spec, tmp_path).go_on([], [0], 1, lambda units: None, ["replaced"])
    shutil.rmtree(tmp_path / "runs")
    later = study_of(spec, tmp_path)
    assert (later.missing(first, 0), later.missing(first, 1)) == (["accumulated"], ["replaced"])
    units = later.go_on(json.loads(json.dumps(first)), [0, 1], 1, lambda units: None)
    assert numbers(units) == numbers(whole)
    assert not (tmp_path / "runs" / "seed-0" / "arms" / "replaced").exists()
    assert not any(later.missing(units, seed) for seed in (0, 1))


def test_a_study_that_was_stopped_keeps_the_generations_that_have_ended_and_goes_on(spec, whole, tmp_path):
    kept = []

    def stop(units):
        kept.append(units)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study_of(spec, tmp_path).go_on([], [0], 1, stop)
    (units,) = kept
    assert [(unit["arm"], unit["seed"], len(unit["generations"])) for unit in units] == [("replaced", 0, 1)]
    assert study_of(spec, tmp_path).missing(units, 0) == ["replaced", "accumulated"]
    assert numbers(study_of(spec, tmp_path).go_on(units, [0, 1], 1, lambda units: None)) == numbers(whole)


def test_an_arm_that_a_folder_holds_already_is_run_beside_the_missing_one(spec, whole, tmp_path):
    units = study_of(spec, tmp_path).go_on([], [0], 1, lambda units: None, ["replaced"])
    assert numbers(study_of(spec, tmp_path).go_on(units, [0, 1], 1, lambda units: None)) == numbers(whole)


def test_more_generations_are_growth_and_another_setting_or_another_text_is_refused(spec, tmp_path):
    settings = json.loads(json.dumps(study_of(spec, tmp_path).settings()))
    check_settings(tmp_path / "results.json", settings, study_of(spec | {"generations": 3}, tmp_path).settings())
    with pytest.raises(SystemExit, match="holds replaced with block=16, this study asks for 8; move that file away"):
        check_settings(tmp_path / "results.json", settings, study_of(spec | {"block": 8}, tmp_path).settings())
    other = tmp_path / "other.txt"
    other.write_text("Another text.\n\n" + Path(spec["human"]["path"]).read_text())
    changed = study_of(spec | {"human": spec["human"] | {"path": str(other)}}, tmp_path).settings()
    with pytest.raises(SystemExit, match=r"human\.content"):
        check_settings(tmp_path / "results.json", settings, changed)
    with pytest.raises(SystemExit, match="holds the arm accumulated, which this study has not"):
        check_settings(tmp_path / "results.json", settings, {"replaced": settings["replaced"]})


def test_the_same_text_elsewhere_has_the_same_settings(spec, tmp_path):
    copied = shutil.copy(spec["human"]["path"], tmp_path / "text.txt")
    moved = study_of(spec | {"human": spec["human"] | {"path": str(copied)}}, tmp_path)
    assert moved.settings() == study_of(spec, tmp_path).settings()
    assert str(tmp_path) not in json.dumps(moved.settings())


def test_a_study_that_stores_readings_alone_has_the_same_readings_and_those_of_each_teacher(spec, whole, tmp_path):
    readings_alone = study_of(spec | {"store": "readings"}, tmp_path).go_on([], [0], 1, lambda units: None)
    assert frame_of(readings_alone).equals(frame_of(whole).filter(seed=0))
    shared = study_of(spec | {"store": "readings", "teachers": {"a": {}, "b": {}}, "prompts": []}, tmp_path / "shared")
    read = frame_of(shared.go_on([], [0], 1, lambda units: None)).filter(
        measure="held_out_perplexity", generation=1, arm="replaced"
    )
    assert sorted(read["group"].to_list()) == ["", "teacher a", "teacher b"] and read["value"].n_unique() == 3


def test_no_results_are_an_empty_study(tmp_path):
    assert stored(tmp_path / "none.json") == {}


def test_one_seed_has_no_interval_over_seeds_and_two_have_one(whole):
    rows = study(frame_of(whole), [(*place, "value") for place in READINGS], "replaced")
    levels = {row["arm"]: row["level"] for row in rows if row["measure"] == "held_out_perplexity" and row["generation"] == 1}
    assert levels["accumulated"]["low"] is None and levels["accumulated"]["n"] == 1
    assert levels["replaced"]["low"] < levels["replaced"]["value"] < levels["replaced"]["high"] and levels["replaced"]["n"] == 2


def test_the_page_says_how_many_seeds_a_mean_is_of_and_shows_each_by_itself(whole):
    def page_of(units):
        rows = study(frame_of(units), [(*place, "value") for place in READINGS], "replaced")
        return "\n".join(page.of_a_study({"study": rows, "units": units, "work": {"train": 1.0}}))

    of_one, of_two = page_of(whole[:2]), page_of(whole)
    assert "Seeds so far: `replaced` 1, `accumulated` 1." in of_one and "Seeds so far: `replaced` 2, `accumulated` 1." in of_two
    assert "mean over seeds" not in of_one and "each seed separately" in of_one
    assert "`held_out_perplexity`, mean over seeds [95 %], n = 1 to 2 seeds, generation by generation in the last column" in of_two
    lines = [line for line in of_two.splitlines() if line.startswith("| `replaced`") and line.endswith("| 2, 2 |")]
    assert lines and "(no interval)" not in lines[0]


NETWORKS = {
    "small": (nature_lm_small.FURTHER, "learner={kind: causal_lm, model: tiny, weights: random, vocabulary: 300}"),
    "scratch": (nature_lm_scratch.FURTHER, "learner={kind: transformer, layers: 1, width: 32, heads: 1, vocabulary: 300}"),
}
"""Instead of the networks of the studies."""


@pytest.mark.parametrize("size", NETWORKS)
def test_every_arm_of_the_studies_of_nature_lm_runs(spec, tmp_path, size):
    """With a tiny network on a few short blocks, two generations."""
    for package in ("torch", "transformers"):
        pytest.importorskip(package)
    every, learner = NETWORKS[size]
    further = [(arm | {"generations": min(arm.get("generations", 2), 2)}, seeds) for arm, seeds in every]
    start = "training.start={pretrained: {steps: 4, batch: 4, learning_rate: 0.001}}"
    sizes = ("human.rows=12", "human.held_out_rows=8", "human.heading== .* =", "block=8", "generations=2", "draw.beams=2")
    prompts = "prompts=[abc de]"
    study = Study(
        tmp_path, spec_of(size, further, f"human.path={spec['human']['path']}", prompts, *sizes, learner, start),
        {arm["name"]: (0,) for arm in spec_of(size, further)["arms"]}, READINGS,
    )  # fmt: skip
    units = study.go_on([], [0], 1, lambda units: None, [arm["name"] for arm, _ in further])
    assert [unit["arm"] for unit in units] == [arm["name"] for arm, _ in further]
    for unit in units:
        assert len(unit["generations"]) == (1 if unit["arm"] == BASE else 2)
        first = [generation["readings"][0] for generation in unit["generations"]]
        assert all(reading["measure"] == PERPLEXITY and reading["value"] > 1 for reading in first)


def test_the_arms_of_one_seed_take_as_many_steps_as_the_one_that_keeps_nothing():
    for size, further in (("small", nature_lm_small.FURTHER), ("scratch", nature_lm_scratch.FURTHER)):
        study = Study(Path(), spec_of(size, further), {arm["name"]: (0,) for arm in spec_of(size, further)["arms"]}, READINGS)
        experiments = {name: arm.experiment for name, arm in study.arms(0).items()}
        plain = experiments.pop("nothing_kept")
        steps = plain.training.steps_for(plain.human.rows, plain.block)
        names = {arm["name"] for arm, _ in further} - {BASE}
        assert len(names) >= 4
        for name in names:
            experiment = experiments[name]
            assert {experiment.training.steps_for(len(plan), experiment.block) for _, plan in experiment.plans()} == {steps}
