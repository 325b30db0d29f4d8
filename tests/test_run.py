"""`outcross.run` and `outcross.open`: one type, which does the work of a run and is the only reader of its folder."""

import shutil

import numpy as np
import polars as pl
import pytest

import outcross
from outcross.errors import BadInput

pytestmark = pytest.mark.usefixtures("without_charts")

NUMBERS = {
    "name": "numbers",
    "human": {"distribution": "normal", "rows": 30},
    "learner": "gaussian",
    "draw": {"prompts": "none"},
    "generations": 3,
    "chains": 20,
    "metrics": ["fitted_law"],
    "store": "all",
    "sweep": {"policy": ["replace", {"kind": "human_share", "share": 0.5}], "seed": [0, 1]},
}


def numbers_of(run):
    return [(generation.arm, generation.seed, generation.g, generation.measured) for generation in run]


def words(tmp_path):
    rng = np.random.default_rng(0)
    letters = ["".join(rng.choice(list("abcdefg"), size=rng.integers(2, 6))) for _ in range(60)]
    (tmp_path / "text.txt").write_text("\n\n".join(" ".join(rng.choice(letters, size=40)) + "." for _ in range(60)))
    return {
        "name": "words",
        "human": {"path": str(tmp_path / "text.txt"), "rows": 40},
        "learner": "ngram",
        "block": 16,
        "policy": "accumulate",
        "generations": 3,
        "metrics": ["rare_words"],
    }


def test_iterating_yields_every_generation_of_every_arm_with_its_name_and_seed():
    numbers = numbers_of(outcross.run(NUMBERS))
    arms = ["replace", "human_share=0.5"]
    assert [entry[:3] for entry in numbers] == [(arm, seed, g) for seed in (0, 1) for arm in arms for g in range(3)]
    assert all(readings for *_, readings in numbers)


def test_a_run_in_memory_and_one_in_a_folder_have_the_same_readings(tmp_path):
    memory, folder = outcross.run(NUMBERS).finish(), outcross.run(NUMBERS, out=tmp_path / "run").finish()
    assert memory.readings.equals(folder.readings) and memory.readings.equals(outcross.open(tmp_path / "run").readings)
    assert memory.readings.equals(pl.read_parquet(tmp_path / "run" / "readings.parquet"))
    assert memory.profile.equals(folder.profile) and memory.slopes == folder.slopes and not memory.unfinished


def test_iterating_into_a_folder_leaves_what_finish_leaves(tmp_path):
    for _ in outcross.run(NUMBERS, out=tmp_path / "iterated"):
        pass
    outcross.run(NUMBERS, out=tmp_path / "finished").finish()
    for name in ("ledger.jsonl", "readings.parquet", "profile.parquet", "experiment.yaml"):
        assert (tmp_path / "iterated" / name).read_bytes() == (tmp_path / "finished" / name).read_bytes(), name


def test_who_stops_half_way_finds_what_was_done_and_goes_on(tmp_path):
    run = outcross.run(NUMBERS, out=tmp_path / "run")
    for generation in run:
        if (generation.arm, generation.g) == ("human_share=0.5", 1):
            break
    assert run.readings.select("arm", "generation").unique().height == 5
    stopped = outcross.open(tmp_path / "run")
    assert "5 of 12 generations" in stopped.unfinished and stopped.readings.equals(run.readings)
    assert stopped.finish().readings.equals(outcross.run(NUMBERS).finish().readings) and not stopped.unfinished


def test_every_setting_in_which_the_arms_differ_is_a_column_of_the_readings():
    readings = outcross.run(NUMBERS).finish().readings
    assert readings.columns[:2] == ["run", "arm"] and {"policy.kind", "policy.share"} < set(
        readings.columns[2 : readings.columns.index("seed")]
    )
    shares = dict(readings.select("arm", "policy.share").unique().iter_rows())
    assert shares == {"replace": None, "human_share=0.5": 0.5}


def test_an_experiment_is_given_by_name_path_mapping_or_value(tmp_path):
    settings = {"generations": 2, "chains": 5}
    by_name = outcross.run("gaussian", settings=settings | {"arms": None, "sweep": None})
    (tmp_path / "own.yaml").write_text(
        "name: own\nhuman: {distribution: normal, rows: 20}\nlearner: gaussian\ndraw: {prompts: none}\n"
    )
    by_path = outcross.run(tmp_path / "own.yaml", settings=settings)
    spec = {"name": "own", "human": {"distribution": "normal", "rows": 20}, "learner": "gaussian", "draw": {"prompts": "none"}}
    by_mapping = outcross.run(spec, settings=settings)
    by_value = outcross.run(outcross.experiment(spec | settings))
    by_words = outcross.run(spec, settings=("generations=2", "chains=5"))
    assert len(list(by_name)) == 2
    assert numbers_of(by_path) == numbers_of(by_mapping) == numbers_of(by_value) == numbers_of(by_words)


def test_a_run_in_memory_refuses_workers_with_one_line():
    with pytest.raises(BadInput, match="need a folder"):
        outcross.run(NUMBERS, workers=2)


def test_a_folder_that_is_no_run_or_a_damaged_one_is_refused_in_one_line(tmp_path):
    with pytest.raises(BadInput, match="holds no ledger"):
        outcross.open(tmp_path)
    outcross.run(NUMBERS, out=tmp_path / "run").finish()
    ledger = tmp_path / "run" / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b'"measure"', b'"mEasure"', 1))
    with pytest.raises(BadInput, match="is damaged at line"):
        outcross.open(tmp_path / "run")


def test_the_lineage_leads_from_a_generation_over_parts_and_models_to_the_human_files(tmp_path):
    recipe = words(tmp_path)
    run = outcross.run(recipe, out=tmp_path / "run").finish()
    lineage = run.lineage("accumulate/seed-0/g02")
    assert (lineage[0].verb, lineage[0].generation) == ("generate", 2)
    steps = {step.key: step for step in lineage}
    (mixed,) = [step for step in lineage if step.verb == "mix" and step.generation == 2]
    assert sorted((steps[key].verb, steps[key].generation) for key in mixed.comes_from) == [
        ("gather", -1),
        ("generate", 0),
        ("generate", 1),
    ]
    (gathered,) = [step for step in lineage if step.verb == "gather"]
    assert list(gathered.given) == [str(tmp_path / "text.txt")] and len(gathered.given[str(tmp_path / "text.txt")]) == 64
    (tmp_path / "text.txt").write_text("other words, " * 2000)
    other = outcross.run(recipe, out=tmp_path / "other").finish().lineage("accumulate/seed-0/g02")
    assert other[0].output != lineage[0].output and other[-1].output != lineage[-1].output


def test_the_texts_of_a_generation_are_all_that_its_model_wrote(tmp_path):
    run = outcross.run(words(tmp_path), out=tmp_path / "run").finish()
    frame = run.texts("accumulate", 0, 1)
    texts = frame["text"].to_list()
    assert len(texts) == 40 and all(isinstance(text, str) and text for text in texts)
    assert frame["prompt"].to_list()[:3] == run.samples.filter(pl.col("generation") == 1)["prompt"].to_list()[:3]
    assert run.texts().height == 120 and run.texts(generation=2)["generation"].unique().to_list() == [2]
    whence = run.lineage(frame["id"][3])
    assert whence.record["text"] == texts[3] and whence[0].verb == "generate" and str(tmp_path / "text.txt") in whence.given
    assert whence.frame().height == len(whence) and "accumulate/seed-0/g01/3" in repr(whence)
    for bad in ("accumulate/seed-0/g01/40", "accumulate/seed-0/g07", "nowhere"):
        with pytest.raises(BadInput):
            run.lineage(bad)
    with pytest.raises(BadInput, match="did you mean 'accumulate'"):
        run.texts("acumulate")
    first = run.samples.filter(pl.col("generation") == 1)["text"].to_list()
    assert texts[: len(first)] == first
    with pytest.raises(BadInput, match="generation 7 has ended"):
        run.texts("accumulate", 0, 7)
    shutil.rmtree(tmp_path / "run" / "steps")
    with pytest.raises(BadInput, match="lost step"):
        run.texts("accumulate", 0, 1)


def test_what_a_run_in_memory_does_not_keep_is_refused_with_the_way_out(tmp_path):
    run = outcross.run(words(tmp_path)).finish()
    with pytest.raises(BadInput, match="out="):
        run.texts("accumulate", 0, 1)
    with pytest.raises(BadInput, match="report"):
        run.report()


def test_a_run_in_memory_writes_its_report_and_shows_itself_in_a_notebook(tmp_path):
    run = outcross.run(NUMBERS)
    assert "0 of 12 generations" in run._repr_html_()
    assert "spread_ratio" in run.finish()._repr_html_()
    page = run.report(tmp_path / "run.html").read_text()
    assert "human_share" in page and "None/experiment.yaml" not in page
