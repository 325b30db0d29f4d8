"""Several sets are audited on several processes as on one: the same bytes, the same errors."""

from __future__ import annotations

import os
import pickle
import signal
import time
from pathlib import Path

import conftest
import damage
import numpy as np
import pytest

from outcross.verbs.audit.question import AuditQuestion
from outcross.verbs.audit.sets import sets_of
from outcross.verbs.audit.several import Auditor
from outcross.verbs.audit.work import resolve

pytestmark = pytest.mark.usefixtures("without_charts")

LOOKED_AT = "--aspects=tails,groups,copying"


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """A folder of four sets and the human one that they are held against."""
    folder = tmp_path_factory.mktemp("sets")
    rng = np.random.default_rng([20_26, 41])
    damage.human(rng, 900).write_parquet(folder / "human.parquet")
    for name in ("honest", "tails", "diversity", "groups"):
        damage.SETS[name](rng, 900).write_parquet(folder / f"{name}.parquet")
    return folder


def given(folder, *names):
    return [*(folder / f"{name}.parquet" for name in names), "--reference", folder / "human.parquet"]


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_processes_write_the_bytes_of_one(sets, tmp_path):
    data = given(sets, "honest", "tails", "diversity")
    written = {}
    for workers in (1, 2):
        out = tmp_path / str(workers)
        ended = conftest.outcross(
            "audit", *data, "--groups", "group", "--target", "label", "--workers", workers, "--out", out, "--json"
        )
        assert ended.returncode == 0, ended.stderr
        written[workers] = ended.stdout, files(out)
    assert written[1] == written[2] and len(written[1][1]) > 3


def test_generations_of_a_run_are_audited_alike_by_one_process_and_by_two(tmp_path):
    spec = conftest.write_tiny(tmp_path, more=conftest.TWO_ARMS)
    ended = conftest.outcross("run", spec, "--out", tmp_path / "tiny", "--workers", 1, "--quiet", **conftest.WITHOUT_CHARTS)
    assert ended.returncode == 0, ended.stderr
    printed = [
        conftest.outcross("audit", tmp_path / "tiny", "--aspects", "tails,diversity", "--workers", workers, "--json")
        for workers in (1, 2)
    ]
    assert printed[0].returncode == 0 and printed[0].stdout.count('"arm"') == 2 and printed[0].stdout == printed[1].stdout


def test_an_audit_of_a_run_with_several_seeds_says_which_it_is_of(tmp_path):
    spec = conftest.write_tiny(tmp_path, more="sweep: {seed: [0, 1]}\n")
    ended = conftest.outcross("run", spec, "--out", tmp_path / "tiny", "--workers", 1, "--quiet", **conftest.WITHOUT_CHARTS)
    assert ended.returncode == 0, ended.stderr
    printed = conftest.outcross("audit", tmp_path / "tiny", "--aspects", "tails", "--workers", 1, "--json")
    assert printed.returncode == 0 and "only the first of 2 seeds is audited, seed-0" in printed.stdout


def test_what_another_process_is_sent_holds_no_data(sets):
    named = AuditQuestion((str(sets / "honest.parquet"),), reference=str(sets / "human.parquet"))
    here = Auditor(named, resolve(named), read=sets_of(named))
    assert len(pickle.dumps(here)) < 1000
    assert pickle.loads(pickle.dumps(here)).given == named


@pytest.mark.parametrize("workers", [1, 2])
def test_of_sets_that_cannot_be_read_the_first_is_told_of(sets, tmp_path, workers):
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 torn")
    paths = [
        sets / "honest.parquet",
        tmp_path / "torn.parquet",
        tmp_path / "nowhere.parquet",
        "--reference",
        sets / "human.parquet",
    ]
    ended = conftest.outcross("audit", *paths, LOOKED_AT, "--workers", workers, "--out", tmp_path / "out")
    assert ended.returncode == 2 and ended.stdout == "" and not (tmp_path / "out" / "audit.json").exists()
    assert ended.stderr.startswith("outcross: ") and ended.stderr.count("\n") == 1 and "torn.parquet" in ended.stderr


def test_human_data_that_cannot_be_read_are_one_clear_error(sets, tmp_path):
    ended = conftest.outcross(
        "audit", sets / "honest.parquet", sets / "tails.parquet", "--reference", tmp_path / "nowhere.csv", "--workers", 2
    )
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1 and "nowhere.csv" in ended.stderr


def at_work(*arguments):
    """The command under way, its processes at work."""
    audit = conftest.started(*arguments)
    until = time.monotonic() + 60
    while len(children(audit.pid)) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    return audit, children(audit.pid)


def children(pid):
    """The processes that the work is spread over: children of the one that the command forks for it."""
    processes = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    return [child for child in processes if b"spawn_main" in command_of(child)] + [
        inner for child in processes for inner in children(child)
    ]


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found in /proc")


@needs_proc
def test_ctrl_c_stops_every_process(sets):
    audit, working = at_work("audit", *given(sets, "honest", "tails", "diversity"), "--target", "label", "--workers", 2)
    assert len(working) == 2
    time.sleep(1)
    audit.kill(signal.SIGINT, is_alone=False)
    assert audit.wait(20) == 130 and audit.stderr.count("\n") == 1
    assert not any(b"spawn_main" in command_of(child) for child in working)


@needs_proc
def test_a_process_that_is_killed_is_one_clear_error(sets):
    audit, working = at_work("audit", *given(sets, "honest", "tails", "diversity"), "--target", "label", "--workers", 2)
    os.kill(working[0], signal.SIGKILL)
    code, message = audit.wait(60), audit.stderr
    assert code == 3 and message.count("\n") == 1 and "a worker was killed" in message and "fewer --workers" in message
