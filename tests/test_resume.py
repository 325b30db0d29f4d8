"""kill -9 loses nothing, the same command gives the same bytes, and nothing is done twice."""

import json
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import polars
import pytest
from conftest import TWO_ARMS, outcross, started, write_tiny

pytestmark = pytest.mark.usefixtures("without_charts")


def contents(run: Path) -> dict[str, bytes]:
    """Every file that a promise covers, by name."""
    left_out = {"timing.jsonl", "report.html", ".run.lock", ".ledger.lock"}
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name not in left_out
    }


def done(run: Path) -> Counter:
    """How often each step was done."""
    return Counter(json.loads(line)["key"] for line in (run / "timing.jsonl").read_text().splitlines())


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """An uninterrupted run, and a file that holds the seconds that it took."""
    folder = tmp_path_factory.mktemp("whole")
    spec = write_tiny(folder, more=TWO_ARMS)
    outcross("list")  # so that the process is there that forks commands
    before = time.monotonic()
    finished = outcross("run", spec, "--out", folder / "run", "--workers", 1)
    assert finished.returncode == 0, finished.stderr
    (folder / "seconds").write_text(str(time.monotonic() - before))
    return folder


def test_a_run_killed_at_five_random_moments_ends_as_an_uninterrupted_one(whole, tmp_path):
    """A random moment of each of five equal stretches of the time that the uninterrupted run took, in random order."""
    moments, whole_time = random.Random(0), float((whole / "seconds").read_text())
    after = [whole_time * moments.uniform(stretch / 5, (stretch + 1) / 5) for stretch in range(5)]
    moments.shuffle(after)
    command = ["run", whole / "tiny.yaml", "--out", tmp_path / "run", "--workers", 1, "--quiet"]
    for seconds in after:
        process = started(*command)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        else:
            break  # it has ended: there is nothing left to kill
    finished = outcross(*command)
    assert finished.returncode == 0, finished.stderr
    assert contents(tmp_path / "run") == contents(whole / "run")
    assert max(done(tmp_path / "run").values()) == 1


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_same_command_gives_the_same_bytes_whatever_the_hash_seed_and_the_workers(whole, tmp_path, hash_seed):
    finished = outcross(
        "run", whole / "tiny.yaml", "--out", tmp_path / "run", "--workers", 1 if hash_seed == "1" else 2, PYTHONHASHSEED=hash_seed
    )
    assert finished.returncode == 0, finished.stderr
    assert contents(tmp_path / "run") == contents(whole / "run")
    assert set(done(tmp_path / "run").values()) == {1}  # arms share generation 0, whichever worker is first


def test_a_finished_run_does_nothing_when_asked_again_and_only_its_own_steps_when_a_metric_is_added(whole, tmp_path):
    finished = outcross("run", whole / "tiny.yaml", "metrics=[held_out]", "--out", tmp_path / "run", "--workers", 1)
    assert finished.returncode == 0, finished.stderr
    before = done(tmp_path / "run")
    assert outcross("run", whole / "tiny.yaml", "metrics=[held_out]", "--out", tmp_path / "run", "--workers", 1).returncode == 0
    assert done(tmp_path / "run") == before
    assert (
        outcross("run", whole / "tiny.yaml", "metrics=[held_out, rare_words]", "--out", tmp_path / "run", "--workers", 1).returncode
        == 0
    )
    added = done(tmp_path / "run") - before
    lines = map(json.loads, (tmp_path / "run" / "ledger.jsonl").read_text().splitlines())
    ledger = {entry["key"]: entry for entry in lines if "key" in entry}
    assert {ledger[key]["stream"][3] for key in added} == {"rare_words"}
    assert len(added) == 5  # generation 0 once for both arms, then two generations of two arms


def test_ctrl_c_stops_within_two_seconds_and_the_same_command_goes_on(whole, tmp_path):
    for workers in ("1", "2"):
        process = started(
            "run", whole / "tiny.yaml", "training.start.steps=4000", "--out", tmp_path / workers, "--workers", workers
        )
        timing = tmp_path / workers / "timing.jsonl"
        while not timing.exists() or not timing.stat().st_size:  # until the human text is gathered
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(0.5 if workers == "1" else 2.5)  # from here on torch is imported, and the start is trained
        process.kill(signal.SIGINT, is_alone=False)
        assert process.wait(20) == 130  # stops at once; the time-out only ends a hang
        assert process.stderr == "outcross: interrupted; run the same command again to resume\n"


def test_a_damaged_ledger_line_and_a_corrupted_output_are_found_and_only_those_steps_redone(whole, tmp_path):
    run = shutil.copytree(whole / "run", tmp_path / "run", symlinks=True)
    expected, before = contents(run), done(run)
    text = next(iter(sorted((run / "steps").glob("*/text.parquet"))))
    text.write_bytes(text.read_bytes()[:-7] + b"corrupt")
    lines = (run / "ledger.jsonl").read_text().splitlines(keepends=True)
    *_, first, second = (i for i, line in enumerate(lines) if "key" in json.loads(line))  # the last two steps
    cut = {i: json.loads(lines[i])["key"] for i in (5, first, second)}
    spoilt = [line[:100] + "\n" if i in (5, first) else line for i, line in enumerate(lines[: second + 1])]
    (run / "ledger.jsonl").write_text("".join(spoilt)[:-20])
    finished = outcross("run", whole / "tiny.yaml", "--out", run, "--workers", 1)
    assert finished.returncode == 0, finished.stderr
    assert contents(run) == expected
    assert set(done(run) - before) == {text.parent.name, *cut.values()}


def test_another_experiment_is_refused_with_its_field_and_forked_with_what_still_fits(whole, tmp_path):
    run = shutil.copytree(whole / "run", tmp_path / "run", symlinks=True)
    refused = outcross("run", whole / "tiny.yaml", "training.steps=7", "--out", run)
    assert refused.returncode == 2
    assert refused.stderr == "outcross: training.steps was 6, now 7; start a new run with another --out, or pass --fork\n"
    forked = outcross("run", whole / "tiny.yaml", "training.steps=7", "--out", run, "--workers", 1, "--fork")
    assert forked.returncode == 0, forked.stderr
    verbs = [json.loads(line)["verb"] for line in (tmp_path / "run-fork-1" / "timing.jsonl").read_text().splitlines()]
    assert "gather" not in verbs  # the human data were taken over


def test_growth_extends_a_run_and_another_seed_differs_within_the_printed_interval(whole, tmp_path):
    run = shutil.copytree(whole / "run", tmp_path / "run", symlinks=True)
    before = done(run)
    assert outcross("run", whole / "tiny.yaml", "generations=4", "sweep.seed=[0, 1]", "--out", run, "--workers", 1).returncode == 0
    assert all(done(run)[key] == 1 for key in before)
    readings = polars.read_parquet(run / "readings.parquet").filter(measure="held_out_perplexity", generation=0, arm="replace")
    first, second = readings.filter(seed=0).row(0, named=True), readings.filter(seed=1).row(0, named=True)
    assert first["value"] != second["value"]
    assert first["low"] <= second["high"] and second["low"] <= first["high"]
