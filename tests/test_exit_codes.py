"""Whatever a library does, people get one line on standard error and the right exit code."""

import contextlib
import gzip
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars
import pytest
from conftest import ONE_THREAD

from outcross import audit, report
from outcross.cli import main
from outcross.data.tables import table
from outcross.errors import OutcrossError
from outcross.files import arrays
from outcross.verbs.audit.stored import stored

GAUSSIAN = (
    "name: g\nhuman: {distribution: normal, rows: 20}\nlearner: gaussian\ndraw: {prompts: none}\ngenerations: 2\nchains: 10\n"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A finished run, an audit, and tables in every format."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "g.yaml").write_text(GAUSSIAN)
    with pytest.raises(SystemExit):
        main(["run", str(folder / "g.yaml"), "--out", str(folder / "run"), "--quiet"])
    rng = np.random.default_rng(0)
    frame = polars.DataFrame({"age": rng.normal(size=300), "job": [f"job {i % 7}" for i in range(300)]})
    frame.write_csv(folder / "t.csv")
    frame.write_ndjson(folder / "t.jsonl")
    frame.write_parquet(folder / "t.parquet")
    (folder / "t.jsonl.gz").write_bytes(gzip.compress((folder / "t.jsonl").read_bytes(), mtime=0))
    np.save(folder / "t.npy", rng.normal(size=(50, 3)))
    np.savez(folder / "t.npz", points=rng.normal(size=(50, 3)))
    (folder / "cut.jsonl.gz").write_bytes((folder / "t.jsonl.gz").read_bytes()[:-200])
    (folder / "stored").mkdir()
    narrow = frame.with_columns(polars.col("age") * 0.5)
    audited = audit(narrow, reference=frame, aspects=("spread", "tails"))
    (folder / "stored" / "audit.json").write_text(json.dumps(audited.plain()))
    return folder


def limited(kind: int, bound: int):
    return lambda: resource.setrlimit(kind, (bound, bound))


def library(folder: Path, body: str) -> dict[str, str]:
    """An environment in which the first third-party library that the command imports does this."""
    (folder / "cyclopts.py").write_text(body)
    return {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


def command(*arguments: object, limit=None, **environment: str) -> subprocess.CompletedProcess:
    ours = {
        name: value for name, value in os.environ.items() if name not in ONE_THREAD
    }  # which threads cannot be had is tried, too
    environment = {**ours, "PYTHONWARNINGS": "", "PYTHONDONTWRITEBYTECODE": "1", **environment}
    words = [sys.executable, "-m", "outcross", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, env=environment, preexec_fn=limit, timeout=60, check=False)


def is_one_line(line: str) -> bool:
    return line.startswith("outcross: ") and line.count("\n") == 1 and line.endswith("\n")


@pytest.mark.parametrize(
    ("arguments", "limit", "code", "said"),
    [
        (["report", "run"], (resource.RLIMIT_NOFILE, 8), 3, "open files"),
        (["report", "run"], (resource.RLIMIT_NOFILE, 16), 3, "chart engine"),
        (["report", "run"], (resource.RLIMIT_AS, 80 << 20), 3, "memory"),
        (["report", "run"], (resource.RLIMIT_AS, 2000 << 20), 3, ""),
        (["audit", "t.csv", "--reference", "t.parquet"], (resource.RLIMIT_NOFILE, 8), 3, "open files"),
        (["audit", "cut.jsonl.gz", "--reference", "t.jsonl"], None, 2, "is not a whole gzip file"),
        (["show", "nowhere"], None, 2, "nowhere"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list | tuple) else None,
)
def test_a_machine_without_means_and_bad_input_are_one_line_each(place, arguments, limit, code, said):
    arguments = [place / word if (place / word).exists() else word for word in arguments]
    ended = command(*arguments, limit=limit and limited(*limit))
    assert (ended.returncode, ended.stdout) == (code, ""), ended
    assert is_one_line(ended.stderr) and said in ended.stderr, ended.stderr


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(9)", 130, "interrupted"),
        (
            "try:\n    import os, signal\n    os.kill(os.getpid(), signal.SIGINT)\nfinally:\n    raise ImportError('half')",
            130,
            "interrupted",
        ),
        (
            "import builtins, os, signal\n"
            "class Late:\n    def __del__(self, kill=os.kill, process=os.getpid()): kill(process, 2)\n"
            "builtins.late = Late()\nos.kill(os.getpid(), signal.SIGINT)",
            130,
            "interrupted",
        ),
        ("import os\nos.abort()", 3, "SIGABRT"),
        ("import os\nos.kill(os.getpid(), 11)", 3, "SIGSEGV"),
        ("import os\nos.kill(os.getpid(), 7)", 3, "SIGBUS"),
        ("import os\nos.kill(os.getpid(), 9)", 3, "SIGKILL"),
        ("import os\nos._exit(1)", 3, "exit code 1"),
        ("import os\nos.write(2, b'thread panicked\\n' * 9)\nraise BaseException('panic')", 3, "panic"),
        ("import warnings\nwarnings.warn('noise')\nraise MemoryError", 3, "MemoryError"),
    ],
    ids=[
        "Ctrl-C",
        "Ctrl-C made an ImportError",
        "Ctrl-C passed on as Python ends",
        "abort",
        "segfault",
        "bus error",
        "killed",
        "exit",
        "panic",
        "memory",
    ],
)
def test_a_library_that_ends_the_process_while_it_is_imported_is_one_line(body, code, said, tmp_path):
    ended = command("list", **library(tmp_path, body))
    assert (ended.returncode, ended.stdout) == (code, ""), ended
    assert is_one_line(ended.stderr) and said in ended.stderr, ended.stderr


def test_the_work_ends_with_the_process_that_the_user_killed(tmp_path):
    environment = library(
        tmp_path, f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(50)"
    )
    words = [sys.executable, "-m", "outcross", "list"]
    process = subprocess.Popen(words, env={**os.environ, **environment}, stderr=subprocess.PIPE)
    until = time.monotonic() + 30
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    working = int((tmp_path / "pid").read_text())
    assert working != process.pid
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    while is_alive(working) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_alive(working)


def test_a_pool_of_threads_that_is_left_open_ends_with_the_process():
    script = (
        "import concurrent.futures\nfrom outcross.supervisor import supervise\n"
        "left_open = concurrent.futures.ThreadPoolExecutor(1)\nsupervise(lambda: print(left_open.submit(abs, -3).result()))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "3\n", "")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_signal_that_asks_to_end_ends_the_work_too(tmp_path):
    environment = library(tmp_path, "import os, signal\nos.kill(os.getppid(), signal.SIGTERM)\nimport time\ntime.sleep(50)")
    ended = command("list", **environment)
    assert (ended.returncode, ended.stderr) == (-signal.SIGTERM, "")


def test_a_closed_standard_output_is_no_fault(place):
    ended = subprocess.run(["sh", "-c", f"{sys.executable} -m outcross list laws >&-"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def read(path: Path) -> None:
    """Read a file as an audit does, all of it."""
    for _ in table(path).batches():
        pass


def spoilt(content: bytes, rng: random.Random) -> bytes:
    """A few bits flipped, or the file cut short."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed[: rng.randrange(len(changed))] if rng.random() < 0.1 else changed)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.jsonl.gz", "t.parquet", "t.npy", "t.npz"])
def test_a_table_with_flipped_bits_is_read_or_refused_in_one_line(place, name, tmp_path):
    content, rng = (place / name).read_bytes(), random.Random(name)
    for _ in range(60):
        (tmp_path / name).write_bytes(spoilt(content, rng))
        with contextlib.suppress(OutcrossError):
            read(tmp_path / name)


def test_a_picture_with_flipped_bits_is_read_or_refused_in_one_line(tmp_path):
    image = pytest.importorskip("PIL.Image")
    buffer, rng = io.BytesIO(), random.Random(0)
    image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(buffer, "PNG")
    for _ in range(60):
        (tmp_path / "a.png").write_bytes(spoilt(buffer.getvalue(), rng))
        with contextlib.suppress(OutcrossError):
            read(tmp_path)


def mutated(data, rng: random.Random):
    """Plain data in which one value somewhere is another."""
    odd = [None, True, -1, 0, 1e300, float("nan"), float("inf"), "", "x\u202e" * 9, [], {}, [[]], {"a": 1}, 10**30, "3"]
    places = []

    def walk(inner, *path):
        places.append(path)
        for key, value in inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ():
            walk(value, *path, key)

    walk(data)
    *way, last = rng.choice(places[1:])
    changed = json.loads(json.dumps(data))
    inner = changed
    for key in way:
        inner = inner[key]
    if isinstance(inner, dict) and rng.random() < 0.3:
        del inner[last]
    else:
        inner[last] = rng.choice(odd)
    return changed


def test_a_mutated_audit_is_shown_or_refused_in_one_line(place, tmp_path, capsys):
    stored, rng = json.loads((place / "stored" / "audit.json").read_text()), random.Random(0)
    several = {"schema": 1, "audits": [stored, {**stored, "name": "other"}], "ranking": [], "onsets": []}
    for turn in range(150):
        (tmp_path / "audit.json").write_text(json.dumps(mutated(stored if turn % 3 else several, rng)))
        with pytest.raises(SystemExit) as stopped:
            main(["show", str(tmp_path), *(["--json"] if turn % 2 else [])])
        said = capsys.readouterr()
        assert stopped.value.code in (0, 2), said.err
        assert stopped.value.code == 0 or is_one_line(said.err), said.err
        if turn % 10 == 0:
            with contextlib.suppress(OutcrossError):
                report([tmp_path], out=tmp_path / "r.html")


@pytest.mark.parametrize("content", ["", "[]", "3", '{"audits": []}', '{"audits": {}}', "9" * 5000, "[" * 90_000, '"\\ud800"'])
def test_what_is_no_audit_is_refused_with_its_path(content, tmp_path):
    (tmp_path / "audit.json").write_text(content)
    with pytest.raises(OutcrossError, match=r"audit\.json"):
        stored(tmp_path)


def test_an_array_that_is_cut_short_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "t.npy"
    np.save(path, np.zeros((100_000, 4)))
    stored_array = arrays.load(path)[""]
    assert len(stored_array[0:10]) == 10
    os.truncate(path, 1000)
    with pytest.raises(OutcrossError, match="became shorter while it was read"):
        stored_array[50_000:60_000]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f8", ">f4", "<i2", "|u1", "|b1"])
@pytest.mark.parametrize("shape", [(7,), (7, 3), (0, 3), (7, 0), (4, 3, 2)])
def test_an_array_is_read_as_numpy_reads_it(order, kind, shape, tmp_path):
    array = np.asarray(np.random.default_rng(0).integers(0, 100, shape), dtype=kind, order=order)
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", a=array)
    (of_file,), (of_archive,) = arrays.load(tmp_path / "a.npy").values(), arrays.load(tmp_path / "a.npz").values()
    assert np.array_equal(of_file[:], array) and np.array_equal(of_archive, array)
    assert np.array_equal(of_file[2:5], array[2:5]) and of_file.dtype.kind == array.dtype.kind
