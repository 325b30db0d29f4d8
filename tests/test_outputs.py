"""No command overwrites its own input, nor anything that a command of its kind did not write."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import polars
import pytest
from conftest import script

import outcross
from outcross.cli import main
from outcross.errors import BadInput, MachineGaveOut
from outcross.files.outputs import write_page
from outcross.ledger.entries import sealed
from outcross.ledger.results import check_folder, write_folder

pytestmark = pytest.mark.usefixtures("without_charts")

ASKED = ["--aspects", "copying,coverage", "--quiet"]
GAUSSIAN = "name: g\nhuman: {array: HUMAN, rows: 20}\nlearner: gaussian\ndraw: {prompts: none}\ngenerations: 2\n"


def command(*words: object) -> int:
    """The exit code of a command in this process."""
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    return int(stopped.value.code or 0)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def data(tmp_path):
    """A folder with human and synthetic records, of which records are pointed at."""
    rng = np.random.default_rng([20_26, 8])
    human = polars.DataFrame({"x": rng.normal(size=300)})
    human.write_parquet(tmp_path / "human.parquet")
    human.with_columns(polars.col("x") * 0.2).write_parquet(tmp_path / "narrow.parquet")
    human.with_columns(polars.col("x") * 5).write_parquet(tmp_path / "wide.parquet")
    return tmp_path


def audit(data: Path, *names: str, out: Path) -> int:
    return command(
        "audit", *(data / f"{name}.parquet" for name in names), "--reference", data / "human.parquet", "--out", out, *ASKED
    )


def test_an_audit_takes_the_place_of_a_former_one_whole(data):
    assert audit(data, "narrow", "wide", out=data / "out") == 0
    several = set(contents(data / "out"))
    assert audit(data, "wide", out=data / "out") == 0
    assert audit(data, "wide", out=data / "new") == 0
    assert contents(data / "out") == contents(data / "new")
    assert several - set(contents(data / "out")), "the records of several sets had names of their own"


@pytest.mark.parametrize("stray", ["notes.txt", "synthetic-records.parquet", "audit.json", "report.html", "deep/notes.txt", "ledger.jsonl"])  # fmt: skip
@pytest.mark.parametrize("is_audit", [False, True])
def test_an_audit_into_a_folder_that_holds_something_else_is_refused_and_changes_nothing(data, capsys, stray, is_audit):
    out = data / "out"
    if is_audit:
        assert audit(data, "narrow", out=out) == 0
    (out / stray).parent.mkdir(parents=True, exist_ok=True)
    (out / stray).write_text("mine")
    before = contents(out)
    assert audit(data, "narrow", out=out) == 2
    assert contents(out) == before
    assert capsys.readouterr().err.count("\n") == 1


def test_an_audit_never_writes_over_its_inputs(data, monkeypatch, capsys):
    assert audit(data, "narrow", out=data / "out") == 0
    records = next((data / "out").glob("*-records.parquet"))
    (data / "linked").symlink_to(data / "out")
    (data / "link.parquet").symlink_to(records)
    os.link(records, data / "hard.parquet")
    (data / "shards").mkdir()
    (data / "shards" / "a.parquet").symlink_to(records)
    before = contents(data)
    monkeypatch.chdir(data / "out")
    human = data / "human.parquet"
    for given in (records, records.name, f"../out/{records.name}", data / "linked" / records.name, data / "link.parquet", data / "hard.parquet", data / "shards", data / "out", f"{data}/out/*.parquet"):  # fmt: skip
        for out in (data / "out", ".", data / "linked"):
            assert command("audit", given, "--reference", human, "--out", out, *ASKED) == 2
            assert command("audit", human, "--reference", given, "--out", out, *ASKED) == 2
    assert command("audit", human, "--reference", human, "--thresholds", "audit.json", "--out", ".", *ASKED) == 2
    assert command("audit", "--before", human, "--after", records, "--out", ".", *ASKED) == 2
    assert contents(data) == before


def test_the_issue_of_shards_an_audit_into_its_own_folder_of_shards_is_refused(tmp_path):
    (tmp_path / "shards").mkdir()
    polars.DataFrame({"x": np.arange(50.0)}).write_parquet(tmp_path / "shards" / "synthetic-records.parquet")
    before = contents(tmp_path)
    for _ in range(2):
        assert command("audit", tmp_path / "shards", "--reference", tmp_path / "shards", "--out", tmp_path / "shards", *ASKED) == 2
    assert contents(tmp_path) == before


def test_a_run_and_an_audit_do_not_write_into_each_others_folders(data):
    np.save(data / "human.npy", np.random.default_rng(1).normal(size=60))
    (data / "g.yaml").write_text(GAUSSIAN.replace("HUMAN", str(data / "human.npy")))
    assert command("run", data / "g.yaml", "--out", data / "run", "--quiet") == 0
    assert audit(data, "narrow", out=data / "out") == 0
    before = contents(data)
    assert audit(data, "narrow", out=data / "run") == 2
    assert command("run", data / "g.yaml", "--out", data / "out", "--quiet") == 2
    assert contents(data) == before
    (data / "run" / "human.npy").write_bytes((data / "human.npy").read_bytes())
    assert command("run", data / "g.yaml", f"human.array={data}/run/human.npy", "--out", data / "run", "--quiet") == 2
    assert command("run", data / "run" / "experiment.yaml", "generations=3", "--out", data / "run", "--quiet") == 2
    assert command("run", data / "run" / "experiment.yaml", "--out", data / "run", "--quiet") == 0
    (data / "run" / "report.html").write_text("mine")
    assert command("run", data / "g.yaml", "--out", data / "run", "--quiet") == 2
    assert command("report", data / "run") == 2
    assert (data / "run" / "report.html").read_text() == "mine"


@pytest.mark.parametrize("name", ["human.parquet", "x.svg", "x", "x.json", "mine.html", "out", "folder.html", "nowhere.html"])
def test_a_report_writes_a_page_where_none_or_one_of_ours_is(data, name, capsys):
    assert audit(data, "narrow", out=data / "out") == 0
    (data / "mine.html").write_text("<!doctype html><p>mine")
    (data / "folder.html").mkdir()
    (data / "nowhere.html").symlink_to(data / "none" / "x")
    before = contents(data)
    assert command("report", data / "out", "--out", data / name) == 2
    assert contents(data) == before
    with pytest.raises(BadInput):
        outcross.audit(data / "narrow.parquet", reference=data / "human.parquet", aspects="spread").report(data / name)
    assert contents(data) == before


def test_a_report_takes_the_place_of_a_former_page(data):
    assert audit(data, "narrow", out=data / "out") == 0
    for _ in range(2):
        assert command("report", data / "out", "--out", data / "new" / "page.htm") == 0
    assert command("report", data / "out") == 0
    assert audit(data, "wide", out=data / "out") == 0


def test_sets_whose_names_are_alike_when_cleaned_keep_their_own_files(data):
    alike = ["a b", "a_b", "a;b", "x" * 90, "x" * 91]
    for name in alike:
        (data / f"{name}.parquet").write_bytes((data / "wide.parquet").read_bytes())
    assert audit(data, *alike, out=data / "out") == 0
    assert len(list((data / "out").glob("*-synthetic-records.parquet"))) == len(alike)
    kept = contents(data / "out")
    assert audit(data, *alike, out=data / "out") == 0
    assert contents(data / "out") == kept


def test_arms_whose_names_are_alike_when_cleaned_keep_their_own_folders(tmp_path):
    np.save(tmp_path / "human.npy", np.random.default_rng(1).normal(size=60))
    arms = "".join(f"  - {{name: '{name}'}}\n" for name in ("a=b", "a,b", "a_b", "a+b"))
    (tmp_path / "g.yaml").write_text(GAUSSIAN.replace("HUMAN", str(tmp_path / "human.npy")) + "arms:\n" + arms)
    assert command("run", tmp_path / "g.yaml", "--out", tmp_path / "run", "--quiet", "--workers", 1) == 0
    for _ in range(2):
        assert command("audit", tmp_path / "run", "--out", tmp_path / "out", "--workers", 1, *ASKED) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".outcross", "a+b", "a,b", "a=b", "a_b"]
    assert json.loads((tmp_path / "out" / "a,b" / "audit.json").read_text())["audits"]


def test_a_write_that_fails_leaves_the_folder_as_it_was(tmp_path):
    with pytest.raises(MachineGaveOut):
        write_folder(tmp_path / "a" / "b", "audit", {"x.txt": "x", "x.txt/y.txt": "y"})
    assert list(tmp_path.iterdir()) == []
    write_folder(tmp_path / "b", "audit", {"x.txt": "old"})
    before = contents(tmp_path)
    with pytest.raises(MachineGaveOut):
        write_folder(tmp_path / "b", "audit", {"x.txt": "x", "x.txt/y.txt": "y"})
    assert contents(tmp_path) == before


def test_a_ledger_that_lists_what_is_elsewhere_proves_nothing(tmp_path):
    (tmp_path / "human.txt").write_text("mine")
    write_folder(tmp_path / "out", "audit", {"x.txt": "old"})
    ledger = tmp_path / "out" / ".outcross" / "ledger.jsonl"
    for name in ("../human.txt", str(tmp_path / "human.txt")):
        stored = json.loads(ledger.read_bytes())
        del stored["whole"]
        ledger.write_bytes(sealed(stored | {"files": [*stored["files"], [name, "0"]]}))
        with pytest.raises(BadInput, match=r"holds x\.txt"):
            write_folder(tmp_path / "out", "audit", {"x.txt": "new"})
        assert (tmp_path / "human.txt").read_text() == "mine"


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"kind": "audit"}', '{"kind": "audit", "files": 3}', "[" * 100_000])
def test_a_damaged_ledger_proves_nothing(tmp_path, content):
    write_folder(tmp_path, "audit", {"x.txt": "old"})
    (tmp_path / ".outcross" / "ledger.jsonl").write_text(content)
    with pytest.raises(BadInput, match="holds"):
        check_folder(tmp_path, "audit")


def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BadInput, match=r"cannot be created: .*file is a file"):
        check_folder(tmp_path / "file" / "a" / "b", "audit")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    if os.access(closed, os.W_OK):
        pytest.skip("this user may write everywhere")
    for out in (closed, closed / "new", closed / "a" / "b"):
        with pytest.raises(MachineGaveOut, match=r"you may not write into .*closed"):
            check_folder(out, "audit")


def test_a_kind_of_command_does_not_replace_the_result_of_another(tmp_path):
    write_folder(tmp_path, "audit", {"x.txt": "old"})
    with pytest.raises(BadInput, match="holds"):
        write_folder(tmp_path, "mix", {"x.txt": "new"})


KILLED = """
import os, pathlib, signal, sys
from outcross.ledger.results import write_folder
left = int(sys.argv[2])
rename, replace = pathlib.Path.rename, os.replace
def counted(do):
    def step(*arguments):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return do(*arguments)
    return step
pathlib.Path.rename, os.replace = counted(rename), counted(replace)
write_folder(pathlib.Path(sys.argv[1]), "audit", {"b/x.txt": "new", "a.txt": "new", "audit.json": "new"})
"""


def test_a_kill_at_any_rename_never_leaves_files_of_two_results_and_the_next_command_mends_it(tmp_path):
    for step in range(30):
        out = tmp_path / str(step)
        write_folder(out, "audit", {"a.txt": "old", "old/x.txt": "old", "audit.json": "old"})
        ended = script("-c", KILLED, out, step)
        left = {path.read_text() for path in out.rglob("*.*") if path.is_file() and ".outcross" not in str(path.relative_to(out))}
        assert len(left) <= 1
        if (out / "audit.json").exists():
            whole = {"audit.json", "a.txt", {"old": "old/x.txt", "new": "b/x.txt"}[(out / "audit.json").read_text()]}
            assert all((out / name).is_file() for name in whole)
        write_folder(out, "audit", {"a.txt": "third"})
        assert sorted(path.name for path in out.iterdir()) == [".outcross", "a.txt"]
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
    else:
        pytest.fail("it never ended by itself")


def test_a_page_is_written_over_nothing_but_a_page(tmp_path):
    (tmp_path / "x.html").write_text("mine")
    with pytest.raises(BadInput, match="not a page of Outcross"):
        write_page(tmp_path / "x.html", b"page")
    assert (tmp_path / "x.html").read_text() == "mine"
