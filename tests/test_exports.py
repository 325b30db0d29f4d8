"""Results in MLflow (a SQLite store), Weights & Biases (offline) and Croissant, each read back by the other library: `make test-exports`."""

import json
import os
import struct
import sys
import zlib
from pathlib import Path

import pytest
from test_trackers import GAUSSIAN, expected

import outcross


@pytest.fixture(scope="module", autouse=True)
def no_charts():
    """Pages without charts; no test here looks at one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "vl_convert", None)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two arms and two seeds."""
    return outcross.run(GAUSSIAN, out=tmp_path_factory.mktemp("run") / "drift").finish()


def store_of(folder):
    """MLflow's own client of the store in a folder, and its runs by name."""
    for package in ("mlflow", "sqlalchemy", "alembic"):
        pytest.importorskip(package, reason=f"{package} is not installed: make test-exports installs it")
    from mlflow.tracking import MlflowClient

    address = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=address, registry_uri=address)
    experiment = client.get_experiment_by_name("drift")
    return client, {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def wandb_records(folder):
    """Every record of the run files of W&B below a folder, by the run's name: its configuration and its rows by step.

    The file is a log of LevelDB: a header of seven bytes, blocks of 32 KiB, and in them records with a checksum, a length and a type.
    """
    pytest.importorskip("wandb", reason="wandb is not installed: make test-exports installs it")
    from wandb.proto.wandb_internal_pb2 import Record

    runs = {}
    for path in folder.glob("wandb/offline-run-*/run-*.wandb"):
        content, position, whole, records = path.read_bytes(), 7, b"", []
        assert content[:4] == b":W&B"
        while position + 7 <= len(content):
            if 32768 - position % 32768 < 7:
                position += 32768 - position % 32768
                continue
            checksum, length, kind = struct.unpack("<IHB", content[position : position + 7])
            piece = content[position + 7 : position + 7 + length]
            assert checksum == zlib.crc32(bytes([kind]) + piece)
            position += 7 + length
            whole = piece if kind in (1, 2) else whole + piece
            if kind in (1, 4):
                records.append(Record.FromString(whole))
        (own,) = (record.run for record in records if record.WhichOneof("record_type") == "run")
        config = {item.key: json.loads(item.value_json) for item in own.config.update}
        rows = [
            {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
            for record in records
            if record.WhichOneof("record_type") == "history"
        ]
        runs.setdefault(own.display_name, []).append((own, config, rows))
    return runs


def test_mlflow_reads_every_generation_with_its_interval_the_settings_and_the_page(run, tmp_path):
    pytest.importorskip("sqlalchemy", reason="sqlalchemy is not installed: make test-exports installs it")
    outcross.export(run.folder, to="mlflow", out=tmp_path / "store")
    client, runs = store_of(tmp_path / "store")
    assert set(runs) == {f"{policy}, seed {seed}" for policy in ("replace", "accumulate") for seed in (0, 1)}
    for arm, seed in (("replace", 0), ("accumulate", 1)):
        logged = runs[f"{arm}, seed {seed}"]
        assert (
            logged.info.status == "FINISHED"
            and logged.data.params["policy.kind"] == arm
            and logged.data.params["seed"] == str(seed)
        )
        assert logged.data.tags["outcross.varied"] == "policy"
        for place, name in enumerate(("log_variance", "log_variance_low", "log_variance_high")):
            history = client.get_metric_history(logged.info.run_id, name)
            assert [(point.step, point.value) for point in history] == [
                (step, numbers[place]) for step, numbers in expected(run, arm, seed).items()
            ]
        page = client.download_artifacts(logged.info.run_id, "report.html", str(tmp_path))
        assert Path(page).read_bytes() == run.report(tmp_path / "page.html").read_bytes()


def test_wandb_reads_every_generation_with_its_interval_the_settings_and_the_page(run, tmp_path):
    pytest.importorskip("wandb", reason="wandb is not installed: make test-exports installs it")
    outcross.export(run.folder, to="wandb", out=tmp_path / "store")
    runs = wandb_records(tmp_path / "store")
    assert set(runs) == {f"{policy}, seed {seed}" for policy in ("replace", "accumulate") for seed in (0, 1)}
    ((own, config, rows),) = runs["accumulate, seed 1"]
    assert (own.project, own.run_group, config["policy.kind"], config["seed"]) == ("drift", "accumulate", "accumulate", 1)
    logged = expected(run, "accumulate", 1)
    assert {row["_step"]: tuple(row[f"log_variance{end}"] for end in ("", "_low", "_high")) for row in rows} == logged
    pages = [*(tmp_path / "store").glob("wandb/*/files/report.html")]
    assert len(pages) == 4 and pages[0].read_bytes() == run.report(tmp_path / "page.html").read_bytes()
    assert not list((tmp_path / "store").rglob("requirements.txt"))


def test_croissant_reads_every_row_of_the_readings(run, tmp_path):
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed: make test-exports installs it")
    outcross.export(run.folder, to="croissant", out=tmp_path / "data")
    dataset = mlcroissant.Dataset(str(tmp_path / "data" / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    rows = [*dataset.records("readings")]
    readings = run.readings
    assert len(rows) == readings.height
    assert [row["readings/value"] for row in rows[:20]] == readings["value"].to_list()[:20]
    assert [row["readings/measure"].decode() for row in rows] == readings["measure"].to_list()


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_run_that_is_stopped_and_resumed_is_logged_once(run, tmp_path, name):
    pytest.importorskip(
        "sqlalchemy" if name == "mlflow" else "wandb", reason=f"{name} is not installed whole: make test-exports installs it"
    )
    for generation in outcross.run(GAUSSIAN, out=tmp_path / "drift", track=name):
        if generation.g == 1:
            break
    outcross.run(GAUSSIAN, out=tmp_path / "drift", track=name).finish()
    logged = expected(run, "replace", 0)
    if name == "mlflow":
        client, runs = store_of(tmp_path / "drift-mlflow")
        history = client.get_metric_history(runs["replace, seed 0"].info.run_id, "log_variance")
        assert len(runs) == 4 and [(point.step, point.value) for point in history] == [
            (step, numbers[0]) for step, numbers in logged.items()
        ]
    else:
        runs = wandb_records(tmp_path / "drift-wandb")
        ((_, _, rows),) = runs["replace, seed 0"]
        assert len(runs) == 4 and [(row["_step"], row["log_variance"]) for row in rows] == [
            (step, numbers[0]) for step, numbers in logged.items()
        ]


def test_no_tracker_calls_home(run, tmp_path, monkeypatch):
    for name in ("MLFLOW_DISABLE_TELEMETRY", "WANDB_ERROR_REPORTING"):
        monkeypatch.delenv(name, raising=False)
    pytest.importorskip("sqlalchemy", reason="sqlalchemy is not installed: make test-exports installs it")
    pytest.importorskip("wandb", reason="wandb is not installed: make test-exports installs it")
    outcross.export(run.folder, to="mlflow", out=tmp_path / "mlflow")
    outcross.export(run.folder, to="wandb", out=tmp_path / "wandb")
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true" and os.environ["WANDB_ERROR_REPORTING"] == "false"


def test_a_run_file_of_wandb_without_its_last_record_has_not_ended(run, tmp_path):
    """W&B's own process writes the end of the file a moment after it has said that the run is finished."""
    pytest.importorskip("wandb", reason="wandb is not installed: make test-exports installs it")
    from outcross.targets.wandb import has_ended

    outcross.export(run.folder, to="wandb", out=tmp_path / "store")
    for path in (tmp_path / "store").glob("wandb/offline-run-*/run-*.wandb"):
        content, cut = path.read_bytes(), tmp_path / "cut.wandb"
        assert has_ended(path)
        for length in (0, 6, 7, 100, len(content) // 2, len(content) - 1):
            cut.write_bytes(content[:length])
            assert not has_ended(cut)
    assert not has_ended(tmp_path / "nowhere.wandb")
