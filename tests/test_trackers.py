"""A run in trackers and as tables: each read back by the library that reads it for people. Those of `make test-exports` are in test_exports.py."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from conftest import WITHOUT_CHARTS, started
from conftest import outcross as command_line

import outcross
from outcross.errors import BadInput
from outcross.targets import TARGETS, TRACKERS
from outcross.targets.handed import folder_name, metric_name, plain_name

GAUSSIAN = {
    "name": "drift", "human": {"distribution": "normal", "rows": 20}, "learner": "gaussian", "draw": {"prompts": "none"}, "generations": 3,
    "chains": 20, "metrics": ["fitted_law"], "sweep": {"policy": ["replace", "accumulate"], "seed": [0, 1]},
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def no_charts():
    """Pages without charts, a third of what a small run takes; no test here looks at one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "vl_convert", None)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two arms and two seeds."""
    return outcross.run(GAUSSIAN, out=tmp_path_factory.mktemp("run") / "drift").finish()


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    """The folder of an audit of one set."""
    folder = tmp_path_factory.mktemp("audit")
    human = pl.DataFrame({"age": [20.0 + i % 60 for i in range(300)], "sex": ["a", "b", "b"] * 100})
    outcross.audit(human[::2], reference=human[1::2], name="half", out=folder / "audit")
    return folder / "audit"


def mix_of(folder, texts):
    """A mix of these human texts, written into a folder."""
    pl.DataFrame({"text": texts}).write_parquet(folder / "people.parquet")
    pools = [{"name": "people", "path": str(folder / "people.parquet"), "origin": "human"}]
    return outcross.mix({"pools": pools, "rows": len(texts)}, out=folder / "mix")


def expected(run, arm, seed, measure="log_variance"):
    """Of a measure without a place: value, low and high by generation."""
    rows = run.readings.filter(arm=arm, seed=seed, measure=measure, at="")
    return {row["generation"]: (row["value"], row["low"], row["high"]) for row in rows.to_dicts()}


def scalars(folder, name):
    """Every scalar of one folder of event files, by tag: the value at each step."""
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    read = events.EventAccumulator(str(folder / folder_name(name)))
    read.Reload()
    return read, {tag: [(point.step, point.value) for point in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def rows_of(folder, project, name):
    """What trackio's own storage reads of a run, in a process that has this folder for its own."""
    pytest.importorskip("trackio")
    code = (
        "import json, sys; from trackio.sqlite_storage import SQLiteStorage as S; project, name = sys.argv[1:]; "
        "print(json.dumps([S.get_runs(project), S.get_logs(project, name), S.get_run_config(project, name)]))"
    )
    environment = {**os.environ, "TRACKIO_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", code, project, name], capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout)


def test_tensorboard_reads_every_generation_with_its_interval_and_the_settings(run, tmp_path):
    outcross.export(run.folder, to="tensorboard", out=tmp_path / "events")
    for arm in ("replace", "accumulate"):
        for seed in (0, 1):
            read, logged = scalars(tmp_path / "events", f"{arm}, seed {seed}")
            for place, name in enumerate(("log_variance", "log_variance_low", "log_variance_high")):
                values = {generation: numbers[place] for generation, numbers in expected(run, arm, seed).items()}
                assert dict(logged[name]) == pytest.approx(values, rel=1e-6) and len(logged[name]) == 3
            from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

            stored = HParamsPluginData.FromString(read.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
            hyperparameters = stored.session_start_info.hparams
            assert hyperparameters["policy.kind"].string_value == arm and hyperparameters["seed"].number_value == seed


def test_trackio_reads_every_generation_with_its_interval_and_the_settings(run, tmp_path):
    outcross.export(run.folder, to="trackio", out=tmp_path / "trackio")
    names, logged, config = rows_of(tmp_path / "trackio", "drift", "replace, seed 1")
    assert set(names) == {f"{policy}, seed {seed}" for policy in ("replace", "accumulate") for seed in (0, 1)}
    numbers = expected(run, "replace", 1)
    assert {row["step"]: tuple(row[f"log_variance{end}"] for end in ("", "_low", "_high")) for row in logged} == numbers
    assert (config["policy.kind"], config["seed"], config["outcross.varied"]) == ("replace", 1, "policy")
    assert (tmp_path / "trackio" / "report.html").read_bytes() == run.report(tmp_path / "page.html").read_bytes()


@pytest.mark.parametrize(("to", "read"), [("csv", pl.read_csv), ("parquet", pl.read_parquet)])
def test_tables_are_read_back_as_they_were(run, tmp_path, to, read):
    export = outcross.export(run.folder, to=to, out=tmp_path / "tables")
    assert set(export.files) == {f"{name}.{to}" for name in ("readings", "profile", "laws")}
    back = read(tmp_path / "tables" / f"readings.{to}")
    assert back.columns == run.readings.columns and back["value"].to_list() == run.readings["value"].to_list()
    assert back["policy.kind"].to_list() == run.readings["policy.kind"].to_list()


def test_checks_of_an_audit_and_rows_of_a_mix_become_tables(audit, tmp_path):
    outcross.export(audit, to="csv", out=tmp_path / "checks")
    checks = pl.read_csv(tmp_path / "checks" / "checks.csv")
    frame = outcross.show(audit).frame()
    assert checks["value"].to_list() == frame["value"].to_list() and checks["verdict"].to_list() == frame["verdict"].to_list()
    mixed = mix_of(tmp_path, ["a", "b, c", 'd "e"\n'])
    outcross.export(tmp_path / "mix", to="csv", out=tmp_path / "rows")
    assert pl.read_csv(tmp_path / "rows" / "train.csv")["text"].to_list() == mixed.frame()["text"].to_list()


def test_the_checks_of_an_audit_are_one_step_of_a_tracker(audit, tmp_path):
    outcross.export(audit, to="tensorboard", out=tmp_path / "events")
    _, logged = scalars(tmp_path / "events", "half")
    checks = outcross.show(audit).frame().filter(pl.col("value").is_not_null())
    for row in checks.to_dicts():
        name = f"{row['aspect']}/{metric_name(row['metric'], row['column'], row['at'], row['group'])}"
        assert logged[name] == [(0, pytest.approx(row["value"], rel=1e-6))]


def test_names_of_metrics_are_stable_allowed_and_never_shared():
    places = ["upper 1 %", "upper 1 percent ", "a/b", "a_b", "Ω", "œ", "", "x" * 300, "x" * 301, ".", "..", "a\nb"]
    names = [metric_name("tail_mass", column, at) for column in places for at in places]
    assert len(set(names)) == len(places) ** 2
    assert all(len(name) <= 245 and plain_name(part) == part for name in names for part in name.split("/"))
    assert metric_name("tail_mass", at="upper 1 %") == "tail_mass/at upper 1 percent"


def test_what_does_not_apply_is_left_out_and_said(run, tmp_path):
    export = outcross.export(run.folder, to="tensorboard", out=tmp_path / "events")
    absent = run.readings["value"].null_count()
    assert (f"{absent} reading" in export.note) == (absent > 0)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"to": "mlflo"}, "unknown --to 'mlflo'; did you mean 'mlflow'"),
        ({"arm": "replace"}, "--arm selects a model for transformers, but csv takes a whole result; leave it out"),
        ({"out": "full"}, "holds a.txt, which was not written by export; choose a new folder"),
        ({"out": "a.txt"}, "is a file; name a folder"),
        ({"result": "full"}, "holds no ledger.jsonl"),
    ],
)
def test_an_export_that_cannot_be_is_one_line_and_writes_nothing(run, tmp_path, monkeypatch, changes, why):
    monkeypatch.chdir(tmp_path)
    Path("full").mkdir()
    Path("full/a.txt").write_text("mine")
    Path("a.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BadInput, match=why) as refused:
        outcross.export(**({"result": run.folder, "to": "csv", "out": "new"} | changes))
    assert "\n" not in str(refused.value) and sorted(tmp_path.rglob("*")) == before


def test_a_mix_has_no_place_in_a_tracker(tmp_path):
    mix_of(tmp_path, ["a", "b"])
    for to, why in (
        ("tensorboard", "holds a mix, which tensorboard does not take; csv, parquet do"),
        ("croissant", "outcross card"),
    ):
        with pytest.raises(BadInput, match=why):
            outcross.export(tmp_path / "mix", to=to, out=tmp_path / "new")


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_that_is_not_installed_names_its_extra(run, tmp_path, monkeypatch, name):
    for package in (name, "sqlalchemy", "tensorboard.summary.writer.event_file_writer", "trackio.sqlite_storage"):
        monkeypatch.setitem(sys.modules, package, None)
    if name == "trackio":
        monkeypatch.delitem(sys.modules, "trackio.sqlite_storage")
        monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(BadInput, match=rf"is not installed; pip install 'outcross\[{name}\]'"):
        outcross.export(run.folder, to=name, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_every_tracker_is_a_target():
    assert set(TRACKERS) <= set(TARGETS)


def test_a_run_is_logged_as_its_generations_end_and_a_resumed_one_not_twice(run, tmp_path):
    """Stopped after two generations of the first arm, the run is resumed: what is logged is what an export of the whole run holds."""
    pytest.importorskip("tensorboard")
    pytest.importorskip("trackio")
    asked = {"out": tmp_path / "drift", "track": "tensorboard,trackio"}
    for generation in outcross.run(GAUSSIAN, **asked):
        if generation.g == 1:
            break
    _, events = scalars(tmp_path / "drift-tensorboard", "replace, seed 0")
    assert [step for step, _ in events["log_variance"]] == [0, 1]
    outcross.run(GAUSSIAN, **asked).finish()
    _, logged, _ = rows_of(tmp_path / "drift-trackio", "drift", "replace, seed 0")
    numbers = expected(run, "replace", 0)
    assert [(row["step"], row["log_variance"]) for row in logged] == [(step, numbers[step][0]) for step in (0, 1, 2)]
    for arm in ("replace", "accumulate"):
        for seed in (0, 1):
            numbers = {generation: numbers[0] for generation, numbers in expected(run, arm, seed).items()}
            _, events = scalars(tmp_path / "drift-tensorboard", f"{arm}, seed {seed}")
            assert [step for step, _ in events["log_variance"]] == [0, 1, 2]
            assert dict(events["log_variance"]) == pytest.approx(numbers, rel=1e-6)


def test_a_killed_run_that_is_resumed_is_logged_once(tmp_path):
    pytest.importorskip("tensorboard")
    spec = tmp_path / "long.yaml"
    spec.write_text(json.dumps(GAUSSIAN | {"generations": 100, "sweep": {"seed": [0]}, "policy": "replace"}))
    command = "run", spec, "--out", tmp_path / "long", "--track", "tensorboard", "-q"
    process = started(*command, **WITHOUT_CHARTS)
    events = tmp_path / "long-tensorboard" / "replace"
    while process.poll() is None and not (events.is_dir() and any(path.stat().st_size > 8_000 for path in events.iterdir())):
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert command_line(*command, **WITHOUT_CHARTS).returncode == 0
    _, logged = scalars(tmp_path / "long-tensorboard", "replace")
    assert sorted(tag for tag in logged if tag.startswith("log_variance")) == [
        "log_variance",
        "log_variance_high",
        "log_variance_low",
    ]
    steps = [step for step, _ in logged["log_variance"]]
    assert len(steps) == len(set(steps)) and steps[-1] == 99


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"track": "mlflo"}, "unknown --track 'mlflo'; did you mean 'mlflow'"),
        ({"track": "tensorboard", "out": None}, "stays in memory; pass out="),
        ({"track": "tensorboard"}, "exists and was not written by --track tensorboard for this run; move it"),
    ],
)
def test_a_tracker_that_cannot_follow_is_one_line(tmp_path, given, why):
    (tmp_path / "drift-tensorboard").mkdir()
    (tmp_path / "drift-tensorboard" / "a.txt").write_text("mine")
    with pytest.raises(BadInput, match=why):
        outcross.run(GAUSSIAN, **({"out": tmp_path / "drift"} | given)).finish()
    assert (tmp_path / "drift-tensorboard" / "a.txt").read_text() == "mine"
