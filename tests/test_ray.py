"""A Ray cluster gives the bytes of one process, and gets the source of parts of the user's own. One cluster is started for all."""

import json
import os

import numpy as np
import pytest
import yaml
from test_resume import contents, done
from test_sweeps import CHAINS, MOMENTS

import outcross
from outcross import own_parts

pytestmark = pytest.mark.usefixtures("without_charts")

PARTS = '''
from beside_ray import half
from outcross.data import Plan, Take
from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class Half(Policy):
    """Half of the newest records."""

    def plan(self, inventory):
        return Plan((Take(what="models", rows=half(inventory.newest), back=1, choice="redrawn"),))
'''


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()


def test_a_cluster_gives_the_bytes_of_one_process(tmp_path, cluster):
    for name, rows in (("human", 300), ("gpt", 900)):
        (tmp_path / name).mkdir()
        for file in range(3):
            own_rows = [
                {"text": f"{name} {row % 250} {file // 2}", "lang": "ab"[row % 2]} for row in range(rows // 3)
            ]  # some rows are alike
            (tmp_path / name / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own_rows))
    pools = [{"name": "human", "path": str(tmp_path / "human"), "origin": "human"}, {"name": "gpt", "path": str(tmp_path / "gpt"), "origin": {"model": "g"}}]  # fmt: skip
    asked = {"pools": pools, "rows": 600, "human_share": 0.6, "max_repeats": 2, "shards": 2, "groups": "lang"}
    outcross.mix(asked, out=tmp_path / "here")
    outcross.mix(asked, out=tmp_path / "there", ray="local", workers=2)
    files = [path.relative_to(tmp_path / "here") for path in (tmp_path / "here").rglob("*") if path.suffix in (".parquet", ".json")]
    assert len([path for path in files if path.suffix == ".parquet" and ".outcross" not in path.parts]) == 3
    for path in files:
        assert (tmp_path / "here" / path).read_bytes() == (tmp_path / "there" / path).read_bytes(), path


@pytest.mark.parametrize("settings", [CHAINS, MOMENTS], ids=["chains", "moments"])
def test_chains_on_a_cluster_give_the_bytes_of_one_process(settings, tmp_path, cluster):
    for out, where in (("here", {}), ("there", {"ray": "local"})):
        outcross.run(yaml.safe_load(settings), out=tmp_path / out, **where).finish()
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert set(done(tmp_path / "there").values()) == {1}


def test_a_detection_on_a_cluster_gives_the_bytes_of_one_process(tmp_path, cluster):
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    human, model = ([" ".join(f"w{word}" for word in rng.integers(first, 300, 20)) for _ in range(120)] for first in (0, 100))
    for name, texts in (("human", human), ("ai", model), ("data/0", human[:40]), ("data/1", [*human[40:80], *model[:40]])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    asked = {"human": str(tmp_path / "human.jsonl"), "ai": str(tmp_path / "ai.jsonl"), "fpr": 0.1}
    outcross.detect(str(tmp_path / "data"), **asked, out=tmp_path / "here")
    outcross.detect(str(tmp_path / "data"), **asked, out=tmp_path / "there", ray="local", workers=2)
    for name in ("detection.json", "records.parquet", "report.html"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes(), name


def test_the_source_of_a_part_travels_with_the_work(tmp_path, cluster, monkeypatch):
    (tmp_path / "ray_parts.py").write_text(PARTS)
    (tmp_path / "beside_ray.py").write_text("def half(n):\n    return n // 2\n")
    settings = {"name": "x", "human": {"distribution": "normal", "rows": 40}, "learner": "gaussian", "draw": {"prompts": "none"}}
    settings |= {"policy": "ray_parts.py:Half", "generations": 2, "sweep": {"seed": [0, 1]}}
    try:
        for out, where in (("here", {}), ("there", {"ray": "local"})):
            outcross.run(settings, imports=[tmp_path / "ray_parts.py"], out=tmp_path / out, **where).finish()
    finally:
        own_parts.forget(["ray_parts", "beside_ray"])
        monkeypatch.setattr("sys.path", [path for path in __import__("sys").path if path != str(tmp_path)])
    assert (tmp_path / "here/ledger.jsonl").read_bytes() == (tmp_path / "there/ledger.jsonl").read_bytes()


def test_teachers_on_a_cluster_give_the_bytes_of_one_process(tmp_path, cluster):
    recipe = {"name": "x", "human": {"distribution": "normal", "rows": 40}, "learner": "gaussian", "draw": {"prompts": "none"}}
    recipe |= {"teachers": {"a": {"reads": 0.5}, "b": {"reads": "own"}}, "generations": 2, "sweep": {"seed": [0, 1]}}
    for out, where in (("here", {}), ("there", {"ray": "local"})):
        outcross.run(recipe, out=tmp_path / out, **where).finish()
    assert (tmp_path / "here/ledger.jsonl").read_bytes() == (tmp_path / "there/ledger.jsonl").read_bytes()


COLOURED = {"kind": "labelling", "generator": {"kind": "principal", "components": 5, "learner": "gaussian"}, "reparation": "star"}
CHECKED = {"kind": "noisy_check", "truth": "answer = right", "keeps_correct": 0.9, "keeps_wrong": 0.3}


@pytest.mark.parametrize(
    "settings",
    [
        {"human": {"kind": "coloured_digits", "rows": 150}, "learner": COLOURED, "draw": {"prompts": "none"}},
        {"human": {"kind": "sums", "answers": 4, "rows": 300}, "learner": {"kind": "panel", "error": 0.4}, "select": [CHECKED]},
        {"human": {"kind": "halfspace", "dimensions": 5, "rows": 300}, "learner": {"kind": "panel", "error": 0.4, "student": "linear_answers"}},
    ],
    ids=["classifiers", "students", "theorem"],
)  # fmt: skip
def test_classifiers_and_students_on_a_cluster_give_the_bytes_of_one_process(settings, tmp_path, cluster):
    recipe = {"name": "x", "generations": 2, "sweep": {"seed": [0, 1]}} | settings
    for out, where in (("here", {}), ("there", {"ray": "local"})):
        outcross.run(recipe, out=tmp_path / out, **where).finish()
    for name in ("ledger.jsonl", "readings.parquet"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes(), name
