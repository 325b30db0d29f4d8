"""What a step's key covers, and what a run folder never does to a user's files."""

import numpy as np
import polars
import pytest
from conftest import outcross

from outcross.experiment import experiment
from outcross.ledger import Ledger
from outcross.loop import run

pytestmark = pytest.mark.usefixtures("without_charts")

GAUSSIAN = {"name": "g", "human": {"distribution": "normal", "rows": 20}, "learner": "gaussian", "draw": {"prompts": "none"}}


def last(recipe, folder, metric):
    """The last generation's value of a metric, by way of a ledger."""
    *_, generation = run(experiment(recipe), Ledger(folder))
    return next(reading.estimate.value for reading in generation.measured if reading.measure == metric)


def test_a_first_step_that_fails_leaves_the_users_folder_as_it_was(tmp_path):
    (tmp_path / "experiment.yaml").write_text("name: g\nhuman: {array: human.npy, rows: 900}\nlearner: gaussian\n")
    np.save(tmp_path / "human.npy", np.arange(10.0))
    (tmp_path / "notes.txt").write_text("mine")
    refused = outcross("run", tmp_path / "experiment.yaml", "--workers", 1, "--out", tmp_path)
    assert refused.returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["experiment.yaml", "human.npy", "notes.txt"]
    refused = outcross(
        "run", tmp_path / "experiment.yaml", f"human.array={tmp_path}/human.npy", "--workers", 1, "--out", tmp_path / "run"
    )
    assert refused.returncode == 2 and not (tmp_path / "run").exists()


def test_an_edited_data_file_is_other_human_data(tmp_path):
    recipe = GAUSSIAN | {"human": {"array": str(tmp_path / "h.npy"), "rows": 40}, "generations": 1}
    np.save(tmp_path / "h.npy", np.random.default_rng(0).standard_normal(100))
    first = last(recipe, tmp_path / "run", "w2")
    np.save(tmp_path / "h.npy", 7 * np.random.default_rng(1).standard_normal(100))
    assert last(recipe, tmp_path / "run", "w2") != first


def test_equal_records_of_another_truth_do_not_share_readings(tmp_path):
    settings = {
        "name": "c",
        "human": {"distribution": "categorical", "law": "zipf", "states": 5, "rows": 4},
        "learner": "categorical",
        "generations": 1,
    }
    values = {}
    for exponent in (1.0, 1.2):
        changed = settings | {"human": settings["human"] | {"exponent": exponent}}
        values[exponent] = last(changed, tmp_path / "shared", "excess_risk")
        assert values[exponent] == last(changed, tmp_path / str(exponent), "excess_risk")


def test_a_run_that_keeps_readings_alone_grows_after_many_generations(tmp_path):
    recipe = GAUSSIAN | {"store": "readings", "chains": 2}
    last(recipe | {"generations": 300}, tmp_path, "w2")
    assert last(recipe | {"generations": 301}, tmp_path, "w2") == last(recipe | {"generations": 301}, tmp_path / "other", "w2")


def test_an_interrupted_growth_keeps_the_readings_that_were_there(tmp_path):
    np.save(tmp_path / "h.npy", np.arange(200.0))
    (tmp_path / "g.yaml").write_text(
        f"name: g\nhuman: {{array: {tmp_path}/h.npy, rows: 20}}\nlearner: gaussian\npolicy: {{kind: fresh, human: 30}}\nsweep: {{seed: [0, 1]}}\n"
    )
    assert outcross("run", tmp_path / "g.yaml", "generations=3", "--workers", 1, "--out", tmp_path / "run").returncode == 0
    grown = outcross("run", tmp_path / "g.yaml", "generations=9", "--workers", 1, "--out", tmp_path / "run")
    assert grown.returncode == 2 and "fresh human records run out" in grown.stderr
    there = polars.read_parquet(tmp_path / "run" / "readings.parquet").filter(measure="w2").select("seed", "generation").rows()
    assert {(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)} <= set(there)
    smaller = outcross("run", tmp_path / "g.yaml", "generations=2", "--workers", 1, "--out", tmp_path / "run")
    assert smaller.returncode == 2 and "a run can only be extended" in smaller.stderr


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("repeats", [1, 3])
def test_aligned_human_records_keep_the_size_and_the_share(share, repeats):
    from outcross.data import HUMAN, Human, Inventory, Origin, Pool, mix, part_of
    from outcross.data.records import blocks
    from outcross.policies.human_share import HumanShare

    def text(n, **columns):
        return blocks(np.ones((n, 2), dtype=np.int32), ["a"] * n, np.ones(n), **columns)

    human = Human(training=part_of(HUMAN, text(20)), continuations=part_of(HUMAN, text(20, prompt=np.arange(20))))
    drawn = part_of(Origin("model"), text(20 * repeats, prompt=np.tile(np.arange(20), repeats)))
    pool = Pool((human.training,)) + drawn
    mixed = mix(HumanShare(share=share, align=True).plan(Inventory.of(pool, 20)), pool, human, np.random.default_rng(0)).pool
    assert (len(mixed.human), len(mixed)) == (round(share * 20 * repeats), 20 * repeats)
