"""Serial, processes and Ray: the same digests; a killed worker or parent loses nothing."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import outcross, started, write_tiny
from test_resume import contents, done

pytestmark = pytest.mark.usefixtures("without_charts")
SWEEP = "metrics: [held_out, rare_words]\nsweep: {policy: [replace, {kind: human_share, share: 0.5}], seed: [0, 1]}\n"
CHAINS = """
name: chains
human: {distribution: normal, rows: 20}
learner: gaussian
draw: {prompts: none}
generations: 4
chains: 10000
store: all
sweep: {policy: [replace, accumulate], seed: [0, 1]}
"""
MOMENTS = CHAINS.replace("rows: 20", "rows: 20, dimensions: 2, records: moments")


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serial")
    write_tiny(folder, "sweep", SWEEP)
    (folder / "chains.yaml").write_text(CHAINS)
    (folder / "moments.yaml").write_text(MOMENTS)
    for name in ("sweep", "chains", "moments"):
        finished = outcross("run", folder / f"{name}.yaml", "--out", folder / name, "--workers", 1)
        assert finished.returncode == 0, finished.stderr
    return folder


PROCESSES, RAY = ("--workers", "2"), ("--ray", "local", "--workers", "2")
"""Chains and moments go over a cluster in test_ray.py, where one is started for several runs."""


@pytest.mark.parametrize(("name", "where"), [("sweep", PROCESSES), ("chains", PROCESSES), ("moments", PROCESSES), ("sweep", RAY)])
def test_processes_and_ray_give_the_digests_of_one_process(serial, tmp_path, name, where):
    if "--ray" in where:
        pytest.importorskip("ray")
    finished = outcross("run", serial / f"{name}.yaml", "--out", tmp_path / "run", *where)
    assert finished.returncode == 0, finished.stderr
    assert contents(tmp_path / "run") == contents(serial / name)
    assert set(done(tmp_path / "run").values()) == {1}  # shared steps are done by one


def children(process: int) -> list[int]:
    """The processes below a process, those of its children too: a command works in a process that it forks."""
    listed = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True, check=False).stdout
    own = [int(line) for line in listed.split()]
    return own + [below for child in own for below in children(child)]


@pytest.mark.parametrize("victim", ["worker", "parent"])
def test_kill_9_of_a_worker_or_of_the_parent_is_gone_on_from(serial, tmp_path, victim):
    command = "run", serial / "sweep.yaml", "--out", tmp_path / "run", "--workers", 2, "--quiet"
    process = started(*command)
    timing = tmp_path / "run" / "timing.jsonl"
    while not timing.exists() or len(timing.read_text().splitlines()) < 6:
        time.sleep(0.1)
    workers = [child for child in children(process.pid) if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]
    os.kill(workers[0] if victim == "worker" else process.pid, signal.SIGKILL)
    code, error = process.wait(60), process.stderr
    if victim == "worker":
        assert code == 3 and "a worker was killed" in error and error.count("\n") == 1
    finished = outcross(*command)
    assert finished.returncode == 0, finished.stderr
    assert contents(tmp_path / "run") == contents(serial / "sweep")
    assert max(done(tmp_path / "run").values()) == 1


def test_a_ray_cluster_that_is_not_there_is_one_clear_error(serial, tmp_path):
    pytest.importorskip("ray")
    refused = outcross("run", serial / "chains.yaml", "--out", tmp_path / "run", "--ray", "127.0.0.1:1")
    assert refused.returncode == 3 and refused.stderr.count("\n") == 1, refused.stderr
    assert "nothing answers there" in refused.stderr
