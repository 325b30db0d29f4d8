"""What is believed of a run folder is covered by a digest, and a run that was stopped at any moment goes on."""

import json
import os
import random
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars
import pytest
from conftest import WITHOUT_CHARTS, outcross, script, started

from outcross.cli import main
from outcross.errors import BadInput, MachineGaveOut
from outcross.ledger.digests import digest_of
from outcross.ledger.entries import IDENTITY, RunEntry, entry_of, key_of, line_of, sealed
from outcross.verbs.audit.generations import lines
from outcross.verbs.run.answer import run as run_of
from outcross.verbs.run.tables import Ended

NUMBERS = """
name: numbers
human: {distribution: normal, rows: 9}
learner: gaussian
draw: {prompts: none}
metrics: [fitted_law, w1]
generations: 2
sweep: {policy: [replace, accumulate]}
"""
WORDS = """
name: words
human: {path: TEXT, held_out: 0.2, rows: 12}
block: 8
learner: ngram
training: null
metrics: [lexical_diversity]
generations: 2
"""
FLIPS = 24
"""Flipped bits in each file."""


def text(first: str = "rain") -> str:
    """Forty short paragraphs."""
    words = [first, "falls", "on", "the", "green", "hill", "and", "every", "river", "sleeps", "under", "snow"]
    chosen = random.Random(0)
    return "\n\n".join(" ".join(chosen.choices(words, k=25)) + "." for _ in range(40)) + "\n"


def call(*arguments: object, capsys) -> tuple[int, str, str]:
    """The exit code, what was printed and the error of a command in this process."""
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, arguments)))
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


def is_one_line(error: str) -> bool:
    return error.startswith("outcross: ") and error.count("\n") == 1


KILLED = """
import itertools, os, shutil, signal, sys, traceback
from pathlib import Path
import numpy, polars
import outcross.verbs.run.page, outcross.verbs.run.answer, outcross.verbs.audit.result, outcross.loop, outcross.models.gaussian, outcross.models.ngram, outcross.policies.accumulate, outcross.measures.fitted_law
import outcross.collapse.closed_forms
from outcross.ledger.reach import reached
from outcross.measures import pages_of_runs

# Once, and not in every child: parts are imported, and the source of steps is read.
pages_of_runs()
reached([("outcross." + module, None) for module in ("loop", "verbs.run.work", "models.gaussian", "models.ngram", "sources.text", "measures.fitted_law", "measures.lexical_diversity")])
CALLS = ("fsync", "replace", "rename", "mkdir", "unlink", "symlink", "truncate", "rmdir")
spec, out, moments = Path(sys.argv[1]), Path(sys.argv[2]), [int(word) for word in sys.argv[3:]]


def fill(killed_at):
    calls = itertools.count(1)

    def counted(function):
        def call(*arguments, **named):
            if next(calls) == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)
        return call

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))
    outcross.run(spec, out=target).finish()
    return next(calls) - 1


for moment in moments:
    target = out / str(moment)
    for killed_at in (moment, 0) if moment else (0,):
        if (child := os.fork()) == 0:
            try:
                count = fill(killed_at)
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
"""Runs an experiment into OUT/0, saying how many calls of the system it takes; into OUT/k it is killed before the k-th, and run again."""


def stopped(spec: Path, out: Path, *moments: int) -> str:
    """Run `KILLED`; what it printed."""
    ended = script("-c", KILLED, spec, out, *moments, **WITHOUT_CHARTS)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def contents(folder: Path) -> dict[str, bytes]:
    """Every file and link of a run but its times, and its page, which names the folder."""
    return {
        str(path.relative_to(folder)): os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.name not in ("timing.jsonl", "report.html") and (path.is_symlink() or path.is_file())
    }


def cut(run: Path, target: Path, generations: int) -> Path:
    """A copy of a run as a kill leaves it after so many generations of every arm: no table, and a ledger that ends there."""
    shutil.copytree(run, target, symlinks=True)
    for name in ("readings", "samples", "profile", "laws"):
        (target / f"{name}.parquet").unlink(missing_ok=True)
    kept = []
    for line in (run / "ledger.jsonl").read_bytes().splitlines(keepends=True):
        entry = entry_of(line)
        assert entry is not None
        if isinstance(entry, RunEntry):
            kept.append(line_of(replace(entry, lines=None)))
        elif entry.generation < generations:
            kept.append(line)
    (target / "ledger.jsonl").write_bytes(b"".join(kept) + b'{"files":{"mod')
    return target


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    """A finished run of numbers, one of text, and a run of numbers that was killed when the first generation of each arm had ended."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "text.txt").write_text(text())
    (folder / "numbers.yaml").write_text(NUMBERS)
    (folder / "words.yaml").write_text(WORDS.replace("TEXT", str(folder / "text.txt")))
    for name in ("numbers", "words"):
        finished = outcross("run", folder / f"{name}.yaml", "--out", folder / name, "--workers", 1, **WITHOUT_CHARTS)
        assert finished.returncode == 0, finished.stderr
    cut(folder / "numbers", folder / "killed", 1)
    return {name: folder / name for name in ("numbers", "words", "killed")}


# What is shown


def page(folder: Path, out: Path, capsys) -> tuple[int, bytes | str, str]:
    """The exit code of a report, the page, and the error."""
    out.unlink(missing_ok=True)
    code, _, error = call("report", folder, "--out", out, capsys=capsys)
    return code, out.read_bytes() if out.exists() else "", error


def test_every_bit_of_a_ledger_line_counts(runs):
    for name in ("numbers", "words"):
        for line in (runs[name] / "ledger.jsonl").read_bytes().splitlines(keepends=True):
            assert entry_of(line) is not None
            bits = random.Random(len(line))
            for bit in bits.sample(range(8 * len(line)), 60):
                flipped = bytearray(line)
                flipped[bit // 8] ^= 1 << bit % 8
                assert entry_of(bytes(flipped)) is None, (line, bit)


def test_another_size_in_a_ledger_line_is_noticed(runs):
    for line in (runs["numbers"] / "ledger.jsonl").read_bytes().splitlines(keepends=True):
        assert entry_of(line.replace(b'"size":9,', b'"size":8,')) is None or b'"size":9,' not in line


@pytest.mark.parametrize("name", ["numbers", "words", "killed"])
def test_a_flipped_bit_changes_no_number_that_is_shown(name, runs, tmp_path, capsys):
    folder = shutil.copytree(runs[name], tmp_path / "run", symlinks=True)
    clean = call("show", folder, "--json", capsys=capsys), page(folder, tmp_path / "a.html", capsys)
    assert clean[0][0] == clean[1][0] == 0
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.stat().st_size]
    assert {"ledger.jsonl", "experiment.yaml", "environment.json"} <= {path.name for path in files}
    bits = random.Random(1)
    for path in files:
        content = path.read_bytes()
        chosen = [bits.randrange(8 * len(content)) for _ in range(FLIPS if path.name == "ledger.jsonl" else 2)]
        for i, bit in enumerate([*chosen, 8 * len(content) - 7]):  # the last is in the newline at the end
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            after = [call("show", folder, "--json", capsys=capsys)]
            if i % 6 == 0:
                after.append(page(folder, tmp_path / "a.html", capsys))
            for (code, shown, error), (_, before, _) in zip(after, clean, strict=False):
                refused = code == 2 and not shown and is_one_line(error) and path.name in error and "outcross run" in error
                assert refused or (code == 0 and shown == before), (path.name, bit, code, error)
        path.write_bytes(content)


def test_a_flipped_bit_of_what_a_step_made_is_not_audited(runs, tmp_path):
    folder = shutil.copytree(runs["words"], tmp_path / "run", symlinks=True)
    before = lines(folder)[0]
    bits = random.Random(2)
    for path in sorted((folder / "steps").glob("*/text.parquet")):
        content = bytearray(path.read_bytes())
        bit = bits.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        with pytest.raises(BadInput, match="has lost step"):
            lines(folder)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
    first, second = sorted((folder / "arms").glob("*/seed-0/g*/drawn"))  # a name for people that leads elsewhere is not followed
    first.unlink()
    first.symlink_to(os.readlink(second))
    after = lines(folder)[0]
    assert [(entry.digest, entry.value) for entry in after.sets.values()] == [
        (entry.digest, entry.value) for entry in before.sets.values()
    ]


def test_a_killed_run_shows_what_has_ended(runs, tmp_path, capsys):
    every = polars.DataFrame(json.loads(call("show", runs["numbers"], "--json", capsys=capsys)[1])["readings"])
    _, shown, _ = call("show", runs["killed"], "--json", capsys=capsys)
    stored = json.loads(shown)
    assert polars.DataFrame(stored["readings"]).equals(every.filter(polars.col("generation") < 1))
    assert stored["finished"] is False
    assert "has not ended: 2 of 4 generations" in call("show", runs["killed"], capsys=capsys)[1]
    assert b"has not ended: 2 of 4 generations" in page(runs["killed"], tmp_path / "a.html", capsys)[1]
    assert "has not ended" not in call("show", runs["numbers"], capsys=capsys)[1]


def test_a_ledger_that_lost_lines_at_its_end_is_not_a_finished_run(runs, tmp_path, capsys):
    folder = shutil.copytree(runs["numbers"], tmp_path / "run", symlinks=True)
    whole = (folder / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "ledger.jsonl").write_bytes(b"".join(whole[:-1]))
    code, shown, error = call("show", folder, capsys=capsys)
    assert (code, shown) == (2, "") and "lines of a finished run" in error and is_one_line(error)


def test_a_page_quotes_no_time(runs, tmp_path, capsys):
    folder = shutil.copytree(runs["numbers"], tmp_path / "run", symlinks=True)
    before = page(folder, tmp_path / "a.html", capsys)
    (folder / "timing.jsonl").write_text('{"seconds": 123456.0}\n')
    assert page(folder, tmp_path / "a.html", capsys) == before and before[0] == 0


# Going on


@pytest.mark.parametrize(("experiment", "sampled"), [("numbers", 4), ("words", 2)])
def test_a_run_killed_at_any_call_of_the_system_goes_on_to_the_same_bytes(experiment, sampled, runs, tmp_path):
    """At the first calls, the last, and a random one of as many equal stretches of those in between."""
    spec = runs[experiment].with_name(f"{experiment}.yaml")
    calls = int(stopped(spec, tmp_path, 0))
    expected = contents(tmp_path / "0")
    stretches = np.array_split(np.arange(sampled + 1, calls - sampled), sampled)
    between = map(random.Random(3).choice, map(np.ndarray.tolist, stretches))
    moments = [*range(1, sampled + 1), *between, *range(calls - sampled, calls + 1)]
    stopped(spec, tmp_path, *moments)
    for moment in moments:
        assert contents(tmp_path / str(moment)) == expected, moment


def test_a_run_whose_folder_is_deleted_says_so_and_ends_with_3(tmp_path):
    (tmp_path / "numbers.yaml").write_text(NUMBERS.replace("generations: 2", "generations: 400"))
    process = started("run", tmp_path / "numbers.yaml", "--out", tmp_path / "run", "--quiet")
    timing = tmp_path / "run" / "timing.jsonl"
    while not timing.exists() or timing.stat().st_size < 30_000:
        assert process.poll() is None
        time.sleep(0.01)
    while (tmp_path / "run").exists():
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
    code, error = process.wait(60), process.stderr
    assert code == 3 and is_one_line(error), (code, error)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("lost", ["ledger.jsonl", "steps"])
def test_a_run_that_loses_what_it_recorded_does_not_end_well(lost, tmp_path):
    (tmp_path / "numbers.yaml").write_text(NUMBERS)

    def lose(event):
        if isinstance(event, Ended) and (event.arm, event.generation) == ("accumulate", 1):
            path = tmp_path / "run" / lost
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    run = run_of(tmp_path / "numbers.yaml", out=tmp_path / "run")
    with pytest.raises(MachineGaveOut, match="during the run"):
        run.finish(lose)


@pytest.mark.parametrize("kind", ["path", "array"])
def test_human_data_that_changed_are_refused_with_their_field(kind, tmp_path):
    if kind == "path":
        file, spec = tmp_path / "text.txt", WORDS.replace("TEXT", str(tmp_path / "text.txt"))
        file.write_text(text())
    else:
        file, spec = tmp_path / "h.npy", NUMBERS.replace("distribution: normal", f"array: {tmp_path / 'h.npy'}")
        np.save(file, np.random.default_rng(0).normal(size=40))
    (tmp_path / "e.yaml").write_text(spec)
    command = "run", tmp_path / "e.yaml", "--out", tmp_path / "run", "--workers", 1
    assert outcross(*command, **WITHOUT_CHARTS).returncode == 0
    before = contents(tmp_path / "run")
    file.write_text(text("hail")) if kind == "path" else np.save(file, np.random.default_rng(1).normal(size=40))
    refused = outcross(*command, **WITHOUT_CHARTS)
    assert refused.returncode == 2 and is_one_line(refused.stderr)
    assert f"human.{kind}" in refused.stderr and "--fork" in refused.stderr and "another --out" in refused.stderr
    assert contents(tmp_path / "run") == before
    forked = outcross(*command, "--fork", **WITHOUT_CHARTS)
    assert forked.returncode == 0, forked.stderr
    assert contents(tmp_path / "run") == before
    readings = [polars.read_parquet(tmp_path / name / "readings.parquet") for name in ("run", "run-fork-1")]
    assert not readings[0].equals(readings[1])


@pytest.mark.parametrize("lost", [["experiment.yaml"], ["experiment.yaml", "the run's line"]])
def test_a_missing_experiment_lets_no_other_in(lost, runs, tmp_path, capsys):
    folder = shutil.copytree(runs["numbers"], tmp_path / "run", symlinks=True)
    spec, ledger = runs["numbers"].with_name("numbers.yaml"), folder / "ledger.jsonl"
    (folder / "experiment.yaml").unlink()
    if len(lost) > 1:
        ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[1:]))
    before = contents(folder)
    code, _, error = call("run", spec, "human.rows=8", "--out", folder, "--quiet", capsys=capsys)
    assert code == 2 and is_one_line(error) and "--out" in error
    assert contents(folder) == before
    code, _, error = call("run", spec, "--out", folder, "--quiet", capsys=capsys)
    if len(lost) > 1:
        assert code == 2 and is_one_line(error) and "no longer says of which experiment" in error
    else:
        assert code == 0 and contents(folder) == contents(runs["numbers"])


def test_the_same_experiment_goes_on_where_the_line_that_names_it_is_damaged(runs, tmp_path, capsys):
    folder = shutil.copytree(runs["numbers"], tmp_path / "run", symlinks=True)
    spec, ledger = runs["numbers"].with_name("numbers.yaml"), folder / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b'"type":"run"', b'"type":"sun"'))
    assert call("run", spec, "human.rows=8", "--out", folder, "--quiet", capsys=capsys)[0] == 2
    assert call("run", spec, "--out", folder, "--quiet", capsys=capsys)[0] == 0
    assert contents(folder) == contents(runs["numbers"])


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_a_folder_of_another_format_is_refused_with_its_number_and_what_to_do(number, runs, tmp_path, capsys):
    folder = shutil.copytree(runs["numbers"], tmp_path / "run", symlinks=True)
    entries = [json.loads(line) for line in (folder / "ledger.jsonl").read_bytes().splitlines()]
    written = []
    for entry in entries:
        del entry["whole"]
        entry["format"] = number
        if number == 1:
            entry.pop("libraries", None)  # format 1 had none
        if "key" in entry:
            entry["key"] = (
                key_of(entry) if number > 1 else digest_of({name: entry[name] for name in IDENTITY if name != "libraries"})
            )
        if number > 1:
            written.append(sealed(entry))
        elif "key" in entry:  # format 1 knew steps alone, and no digest of a line
            written.append(json.dumps(entry, sort_keys=True).encode() + b"\n")
    (folder / "ledger.jsonl").write_bytes(b"".join(written))
    before = contents(folder)
    spec = runs["numbers"].with_name("numbers.yaml")
    for command in (["run", spec, "--out", folder], ["show", folder], ["report", folder], ["audit", folder]):
        code, shown, error = call(*command, capsys=capsys)
        assert (code, shown) == (2, "") and is_one_line(error), error
        assert f"format {number}" in error and f"outcross run {folder}/experiment.yaml --out {folder}-again" in error
    assert contents(folder) == before


def test_a_line_that_a_kill_cut_off_is_written_over(tmp_path, runs, capsys):
    folder = shutil.copytree(runs["killed"], tmp_path / "run", symlinks=True)
    spec = runs["numbers"].with_name("numbers.yaml")
    assert call("run", spec, "--out", folder, "--quiet", capsys=capsys)[0] == 0
    assert contents(folder) == contents(runs["numbers"])
