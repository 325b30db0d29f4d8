"""An audit is a step: done once, loaded from then on, done again where the question or the data differ, and never lost once it has ended."""

import importlib.metadata
import json
import random
import shutil
import time
from pathlib import Path

import numpy as np
import polars
import pytest
from conftest import outcross, script, started

from outcross.attributes import ATTRIBUTES
from outcross.cli import main
from outcross.errors import BadInput
from outcross.ledger import Ledger, root_of, work
from outcross.ledger.entries import StepEntry, entry_of
from outcross.ledger.external import external
from outcross.ledger.reach import NOT_DECIDING, reached
from outcross.measures import audit_aspects, measure
from outcross.recipe import member
from outcross.verbs.audit.asked import Asked
from outcross.verbs.audit.steps import audit as audit_of_a_set

pytestmark = pytest.mark.usefixtures("without_charts")

ASKED = ["--aspects", "copying,coverage", "--workers", 1, "--quiet"]
GAUSSIAN = (
    "name: g\nhuman: {array: HUMAN, rows: 20}\nlearner: gaussian\ndraw: {prompts: none}\ngenerations: 2\n"
    "policy: {kind: accumulate}\nmetrics: [fitted_law]\n"
)


@pytest.fixture
def data(tmp_path):
    """A folder with human records and two sets, of which records are pointed at."""
    human = polars.DataFrame({"x": np.random.default_rng([20_26, 9]).normal(size=300)})
    human.write_csv(tmp_path / "human.csv")
    human.with_columns(polars.col("x") * 0.2).write_csv(tmp_path / "narrow.csv")
    human.with_columns(polars.col("x") * 5).write_csv(tmp_path / "wide.csv")
    return tmp_path


def command(*words: object) -> int:
    """The exit code of a command in this process."""
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    return int(stopped.value.code or 0)


def audit(data: Path, *names: str, more: tuple[object, ...] = ()) -> dict[str, int]:
    """Audit these sets into `out`; when the files of each step were written, by key."""
    sets = [data / f"{name}.csv" for name in names]
    assert command("audit", *sets, "--reference", data / "human.csv", "--out", data / "out", *ASKED, *more) == 0
    return steps(data / "out")


def steps(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (out / ".outcross" / "steps").iterdir()}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_audit_is_loaded_and_gives_the_same_bytes(data):
    first, before = audit(data, "narrow", "wide"), contents(data / "out")
    assert audit(data, "narrow", "wide") == first and len(first) == 2
    assert contents(data / "out") == before
    assert "ledger.jsonl" not in before and not {name for name in before if name.endswith((".lock", "timing.jsonl"))}


@pytest.mark.parametrize("more", [["--seed", 1], ["--margins", "coverage=0.5"], ["--rate", 0.1], ["--kinds", "x=number"]])
def test_another_question_is_another_step_and_takes_the_place_of_the_former(data, more):
    first, second = audit(data, "narrow"), audit(data, "narrow", more=more)
    assert len(second) == 1 and not first.keys() & second.keys()


@pytest.mark.parametrize("changed", ["narrow", "human"])
def test_changed_data_are_audited_again(data, changed):
    first = audit(data, "narrow")
    with (data / f"{changed}.csv").open("a") as file:
        file.write("0.25\n")
    assert not first.keys() & audit(data, "narrow").keys()


def test_a_set_that_is_added_is_audited_alone_and_one_that_is_left_out_is_forgotten(data):
    first = audit(data, "narrow")
    both = audit(data, "narrow", "wide")
    assert len(both) == 2 and both.items() >= first.items()
    assert audit(data, "narrow") == first


def test_the_same_content_at_another_place_is_the_same_step(data):
    first = audit(data, "narrow")
    for name in ("narrow", "human"):
        (data / "moved").mkdir(exist_ok=True)
        shutil.copy(data / f"{name}.csv", data / "moved")
    moved = data / "moved"
    assert command("audit", moved / "narrow.csv", "--reference", moved / "human.csv", "--out", data / "out", *ASKED) == 0
    assert steps(data / "out") == first


def test_a_flipped_bit_of_what_an_audit_stored_is_noticed_and_the_audit_done_again(data):
    audit(data, "wide")
    before, places = contents(data / "out"), sorted((data / "out" / ".outcross").rglob("*"))
    for path in (path for path in places if path.is_file()):
        content = bytearray(path.read_bytes())
        bit = random.Random(path.name).randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        if path.name == "ledger.jsonl" and command("audit", data / "wide.csv", "--reference", data / "human.csv", "--out", data / "out", *ASKED):  # fmt: skip
            path.write_bytes(before[".outcross/ledger.jsonl"])  # the line that lists the files is damaged: refused, nothing is lost
        audit(data, "wide")
        assert contents(data / "out") == before


def test_every_bit_of_the_ledger_of_an_audit_counts(data):
    audit(data, "narrow", "wide")
    for line in (data / "out" / ".outcross" / "ledger.jsonl").read_bytes().splitlines(keepends=True):
        assert entry_of(line) is not None
        for bit in random.Random(len(line)).sample(range(8 * len(line)), 200):
            flipped = bytearray(line)
            flipped[bit // 8] ^= 1 << bit % 8
            assert entry_of(bytes(flipped)) is None, (line, bit)


def test_a_refused_audit_leaves_a_former_one_as_it_was_and_no_folder_where_there_was_none(data):
    (data / "empty.csv").write_text("x\n")
    bad = "audit", data / "empty.csv", "--reference", data / "human.csv", *ASKED, "--out"
    assert command(*bad, data / "new" / "out") == 2 and not (data / "new").exists()
    audit(data, "narrow")
    before = contents(data / "out")
    assert command(*bad, data / "out") == 2
    assert contents(data / "out") == before


def test_two_audits_do_not_work_into_one_folder_at_a_time(data):
    import fcntl

    audit(data, "narrow")
    before = contents(data / "out")
    with (data / "out" / ".outcross" / ".run.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert command("audit", data / "narrow.csv", "--reference", data / "human.csv", "--out", data / "out", *ASKED) == 2
    assert before.items() <= contents(data / "out").items()


# Lineage


def test_the_lineage_of_an_audit_names_the_files_that_people_gave(data):
    (key,) = audit(data, "narrow")
    (ancestor,) = Ledger(data / "out" / ".outcross").lineage(key)
    assert (ancestor.verb, ancestor.comes_from) == ("audit", ())
    assert ancestor.given == {str(data / f"{name}.csv"): digest(data / f"{name}.csv") for name in ("human", "narrow")}


def digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_lineage_of_an_audit_of_a_run_goes_back_to_the_human_file(data):
    np.save(data / "human.npy", np.random.default_rng(1).normal(size=(80, 1)))
    (data / "g.yaml").write_text(GAUSSIAN.replace("HUMAN", str(data / "human.npy")))
    assert command("run", data / "g.yaml", "--out", data / "run", "--quiet", "--workers", 1) == 0
    run = Ledger(data / "run")
    for _ in range(2):
        assert command("audit", data / "run", "--out", data / "out", *ASKED) == 0
    ledger = Ledger(data / "out" / ".outcross")
    assert ledger.result is not None and len(ledger.result.steps) == 2
    last = ledger.lineage(ledger.result.steps[-1])
    assert last[0].verb == "audit" and {step.verb for step in last[1:]} == {"gather", "begin", "mix", "train", "generate"}
    assert all(run.entries[step.key] == ledger.entries[step.key] for step in last[1:])
    drawn = next(step for step in last if (step.verb, step.generation) == ("generate", 1))
    assert last[1:] == tuple(step for step in last[1:] if step.key in {ancestor.key for ancestor in run.lineage(drawn.key)})
    gathered = next(step for step in run.lineage(drawn.key) if step.verb == "gather")
    assert gathered.given == {str(data / "human.npy"): digest(data / "human.npy")}
    assert {step.generation for step in last if step.verb == "train"} == {0, 1}, "accumulate learns from generation 0 too"
    measured = next(key for key, entry in run.entries.items() if entry.verb == "measure")
    assert {step.verb for step in run.lineage(measured)} >= {"measure", "generate", "train", "gather"}
    with pytest.raises(BadInput, match="holds no step 'nowhere'"):
        run.lineage("nowhere")


def test_a_step_comes_after_those_that_it_comes_from_and_verbs_stand_in_their_own_order(data):
    np.save(data / "human.npy", np.random.default_rng(1).normal(size=(80, 1)))
    (data / "g.yaml").write_text(GAUSSIAN.replace("HUMAN", str(data / "human.npy")))
    assert command("run", data / "g.yaml", "--out", data / "run", "--quiet", "--workers", 1) == 0
    ledger = Ledger(data / "run")
    verbs = [(entry.generation, entry.verb) for entry in ledger.lines if isinstance(entry, StepEntry)]
    loop = ["mix", "train", "generate", "measure"]
    assert verbs == [(-1, "gather"), (-1, "begin"), *((g, verb) for g in (0, 1) for verb in loop)]
    places = {entry.key: i for i, entry in enumerate(ledger.lines) if isinstance(entry, StepEntry)}
    assert all(places[step.key] > places[key] for key in places for step in ledger.lineage(key) for key in step.comes_from)


# What is told apart


def test_records_in_memory_are_told_apart_by_their_columns_types_and_values():
    frame = polars.DataFrame({"a": [1, 2, None], "b": ["x", "y", "z"]})
    same = external(frame.clone()).digest
    assert external(frame).digest == same
    assert external({"a": [1, 2, None], "b": ["x", "y", "z"]}).digest == same
    others = [
        frame.with_columns(polars.col("a").fill_null(0)), frame.with_columns(polars.col("a").cast(polars.Float64)), frame.select("b", "a"),
        frame.rename({"a": "c"}), frame.reverse(), frame.head(2), frame["a"], np.eye(2), np.eye(2) + 1,
    ]  # fmt: skip
    assert len({same, *(external(other).digest for other in others)}) == len(others) + 1


def test_files_are_told_apart_by_their_content_order_and_format(tmp_path):
    for name, text in (("a.csv", "x\n1\n"), ("b.csv", "x\n2\n"), ("a.txt", "x\n1\n"), ("c.csv", "x\n1\n")):
        (tmp_path / name).write_text(text)
    path = {name: str(tmp_path / name) for name in ("a.csv", "b.csv", "a.txt", "c.csv")}
    assert external(path["a.csv"]).digest == external(path["c.csv"]).digest == external([path["a.csv"]]).digest
    digests = [external(paths).digest for paths in (path["a.csv"], path["b.csv"], path["a.txt"], [path["a.csv"], path["b.csv"]], [path["b.csv"], path["a.csv"]])]  # fmt: skip
    assert len(set(digests)) == 5
    assert external(str(tmp_path / "?.csv")).names == {
        name: digest(Path(name)) for name in (path["a.csv"], path["b.csv"], path["c.csv"])
    }


def roots():
    parts = [
        *(measure(name) for names in audit_aspects().values() for name in names),
        *(member(ATTRIBUTES, name, "attribute") for name in ATTRIBUTES),
    ]
    return [root_of(audit_of_a_set.do), root_of(work), (Asked.__module__, None), *((part.__module__, None) for part in parts)]


def test_the_libraries_that_an_audit_declares_are_those_that_its_source_imports():
    packages = dict(importlib.metadata.packages_distributions())
    packages |= {"PIL": ["pillow"]}  # which need not be installed
    imported = {packages.get(name, [name])[0] for name in reached(roots()).libraries - NOT_DECIDING.keys()}
    assert imported == {*audit_of_a_set.libraries}


def test_the_source_of_an_audit_holds_its_checks_and_judgement_and_not_how_they_are_shown():
    modules = {module for module, _ in reached(roots()).definitions}
    assert modules >= {
        "outcross.measures.tails",
        "outcross.verbs.audit.judgement",
        "outcross.files.kinds",
        "outcross.attributes.perplexity",
    }
    assert not {module for module in modules if module.startswith(("outcross.report", "outcross.verbs.audit.page", "outcross.cli"))}


# Interrupted


KILLED = """
import itertools, os, signal, sys, traceback
from pathlib import Path
import outcross.verbs.audit.answer, outcross.verbs.audit.page, polars, scipy.spatial, scipy.stats, sklearn
from outcross.cli import main
from outcross.ledger.reach import reached
from outcross.measures import audit_aspects, measure

# Once, and not in every child: parts are imported, and the source of steps is read.
parts = [measure(name).__module__ for names in audit_aspects().values() for name in names]
reached([(module, None) for module in ("outcross.verbs.audit.steps", "outcross.verbs.audit.asked", *parts)])
CALLS = ("fsync", "replace", "rename", "mkdir", "unlink", "truncate", "rmdir")
data, moments = Path(sys.argv[1]), [int(word) for word in sys.argv[2:]]


def audit(target, killed_at):
    calls = itertools.count(1)

    def counted(function):
        def call(*arguments, **named):
            if next(calls) == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)
        return call

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))
    sets = [data / "narrow.csv", data / "wide.csv"]
    try:
        main([*map(str, ["audit", *sets, "--reference", data / "human.csv", "--out", target, "--aspects", "copying"])] + ["--workers", "1", "--quiet"])
    except SystemExit as ended:
        if ended.code:
            raise
    return next(calls) - 1


for moment in moments:
    for killed_at in (moment, 0) if moment else (0,):
        if (child := os.fork()) == 0:
            try:
                count = audit(data / f"at-{moment}", killed_at)
                if not moment:
                    print(count, flush=True)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if killed_at == 0 and status or killed_at and not os.WIFSIGNALED(status):
            sys.exit(f"killed at call {moment}: status {status}")
"""
"""Audits two sets into DATA/at-0, saying how many calls of the system it takes; into DATA/at-k it is killed before the k-th, and run again."""


def killed(data: Path, *moments: int) -> str:
    """Run `KILLED`; what it printed."""
    ended = script("-c", KILLED, data, *moments, OUTCROSS_DEBUG="1")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_an_audit_killed_at_any_call_of_the_system_goes_on_to_the_same_bytes(data):
    """At the second call, the last, and a random one of three equal stretches in between."""
    calls = int(killed(data, 0))
    stretches = np.array_split(np.arange(3, calls), 3)
    moments = [2, *map(random.Random(5).choice, map(np.ndarray.tolist, stretches)), calls]
    killed(data, *moments)
    for moment in moments:
        assert contents(data / f"at-{moment}") == contents(data / "at-0"), moment


def test_a_killed_audit_of_several_sets_goes_on_with_what_has_ended(data):
    rng = np.random.default_rng(3)
    for name in ("large", "human"):
        polars.DataFrame(rng.normal(size=(3000, 6))).write_csv(data / f"{name}.csv")
    polars.DataFrame(rng.normal(size=(400, 6))).write_csv(data / "small.csv")
    words = [
        "audit",
        data / "small.csv",
        data / "large.csv",
        "--reference",
        data / "human.csv",
        "--out",
        data / "out",
        "--workers",
        1,
    ]
    words += ["--aspects", "coverage,structure"]
    process = started(*words, "--quiet")
    ledger = data / "out" / ".outcross" / "ledger.jsonl"
    while process.poll() is None and not (ledger.exists() and b'"type":"step"' in ledger.read_bytes()):
        time.sleep(0.01)
    process.kill(is_alone=False)
    process.wait()
    first = {key: at for key, at in steps(data / "out").items() if not key.startswith(".")}
    assert len(first) == 1 and not (data / "out" / "audit.json").exists()
    assert outcross(*words, "--quiet").returncode == 0
    assert steps(data / "out").items() >= first.items() and len(steps(data / "out")) == 2
    assert len(json.loads((data / "out" / "audit.json").read_text())["audits"]) == 2
