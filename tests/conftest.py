"""What several tests share: a transformer experiment small enough to run in seconds."""

import functools
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from drawn_once import draw_charts_once
from hypothesis import settings
from parsed_once import parse_commands_once
from threadpoolctl import threadpool_limits

settings.register_profile("fixed", derandomize=True, deadline=None)  # fixed streams, and no clock in an outcome
settings.load_profile("fixed")

# As many tests as cores run at a time: a second thread of linear algebra would only wait for a core, and burn the time of the other test.
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL")}
"""Names of the environment that say so."""
for name, threads in ONE_THREAD.items():
    os.environ.setdefault(name, threads)
threadpool_limits(1, user_api="blas")  # NumPy is there already: pytest imports it for a filter of warnings

parse_commands_once(pytest.MonkeyPatch())
draw_charts_once(pytest.MonkeyPatch())

AT_START = dict(os.environ)
"""The environment before any test or fixture changes it."""

collect_ignore = ["without_charts", "ready_command.py"]

TINY = """
name: tiny
human: {path: TEXT, held_out: 0.1, rows: 60}
block: 16
learner: {kind: transformer, layers: 1, width: 32, heads: 1, vocabulary: 400}
training: {steps: 6, batch: 8, learning_rate: 0.003, start: {pretrained: {steps: 12, batch: 8}}}
draw: {temperature: 0.7}
generations: 3
"""
TWO_ARMS = "arms: [{policy: replace}, {policy: {kind: human_share, share: 0.25, align: true}}]\n"


def write_tiny(folder: Path, name: str = "tiny", more: str = "") -> Path:
    """Write the file of a transformer experiment, and the human text that it reads: pydoc's topics, 120 kB."""
    from pydoc_data.topics import topics

    text = folder / "text.txt"
    text.write_text("\n\n".join(topics[topic] for topic in sorted(topics))[:120_000])
    spec = folder / f"{name}.yaml"
    spec.write_text(TINY.replace("TEXT", str(text)) + more)
    return spec


def outcross(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    """The command line in a process of its own, as a user calls it.

    It is forked by a process that has imported what it needs (`ready_command`), unless the environment asks Python for something at its start.
    """
    if "PYTHONHASHSEED" in environment or not hasattr(os, "fork"):
        command, given = [sys.executable, "-m", "outcross", *map(str, arguments)], {**os.environ, **environment}
        return subprocess.run(command, capture_output=True, text=True, env=given, timeout=300, check=False)
    return started(*arguments, **environment).completed()


def started(*arguments: object, **environment: str) -> "Started":
    """The command line under way in a process of its own that `ready_command` forks, the first of its session."""
    return Started("outcross", *arguments, environment=environment)


def script(
    *words: object, folder: Path | None = None, modules: Sequence[str] = (), **environment: str
) -> subprocess.CompletedProcess:
    """Python with these words, `-c CODE …` or `FILE …`, in a process of its own that `ready_command` forks. It has imported these modules."""
    return Started(*words, environment=environment, folder=folder, modules=modules).completed()


class Started:
    """A command or a script under way, with what `subprocess.Popen` says of one; its output is read once it has ended."""

    def __init__(
        self,
        *words: object,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        modules: Sequence[str] = (),
        limits: Mapping[str, int] | None = None,
    ) -> None:
        """`limits` are those of the module `resource`, by name."""
        self._out, self._err = (tempfile.NamedTemporaryFile("r+") for _ in range(2))  # noqa: SIM115 (they end with it)
        self.words = [*map(str, words)]
        asked = {"words": self.words, "environment": {**os.environ, **(environment or {})}, "folder": str(folder or Path.cwd())}
        asked |= {"modules": [*modules], "limits": {**(limits or {})}}
        self.pid: int = _ready().ask(asked | {"out": self._out.name, "err": self._err.name})
        self.returncode: int | None = None

    def completed(self) -> subprocess.CompletedProcess:
        """What has been said, once it has ended."""
        return subprocess.CompletedProcess(self.words, self.wait(), self.stdout, self.stderr)

    def poll(self) -> int | None:
        """Its exit code, minus the signal that ended it; None while it is under way."""
        if self.returncode is None:
            self.returncode = _ready().ask({"ended": self.pid})
        return self.returncode

    def wait(self, seconds: float | None = None) -> int:
        """Its exit code, once it has ended, and the processes of its session too if it was killed. TimeoutExpired after so many seconds."""
        if self.returncode is None and seconds is None:
            self.returncode = _ready().ask({"end": self.pid})
        until = time.monotonic() + (seconds or 0.0)
        while self.poll() is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(self.words, seconds or 0.0)
            time.sleep(0.02)
        assert self.returncode is not None
        until = time.monotonic() + 60
        while self.returncode < 0 and any(map(is_at_work, Path("/proc").glob("[0-9]*/stat"), itertools.repeat(self.pid))):
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(self.words, 60)
            time.sleep(0.01)  # what follows a kill may ask for the locks of the processes of its session, which end with it
        return self.returncode

    def kill(self, number: int = signal.SIGKILL, *, is_alone: bool = True) -> None:
        """Send it a signal, or its whole session."""
        os.kill(self.pid, number) if is_alone else os.killpg(self.pid, number)

    @property
    def stdout(self) -> str:
        self._out.seek(0)
        return self._out.read()

    @property
    def stderr(self) -> str:
        self._err.seek(0)
        return self._err.read()


def is_at_work(status: Path, session: int) -> bool:
    """Whether a process, by its file `stat` in /proc, belongs to a session and is no zombie."""
    try:
        state, _, _, its_session = status.read_text().rpartition(")")[2].split()[:4]
    except (OSError, ValueError):
        return False
    return int(its_session) == session and state not in "ZX"


class Ready:
    """A process that forks one for each command or script."""

    def __init__(self) -> None:
        command = [sys.executable, Path(__file__).with_name("ready_command.py")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=AT_START)

    def ask(self, question: dict) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(question), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        """Wait for its end, so that its processor time counts as that of the tests."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


_ready = functools.cache(Ready)


def pytest_sessionfinish() -> None:
    if _ready.cache_info().currsize:
        _ready().end()


NETWORKS = (
    *(f"outcross.models.causal_lm.{name}" for name in ("weights", "fitting", "sampling", "scoring")),
    "transformers.models.llama.modeling_llama",
)
"""Modules that a command imports for a small network of transformers."""
WITHOUT_CHARTS = {
    "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parent / "without_charts"), os.environ.get("PYTHONPATH")]))
}
"""The environment of a command that writes its page without charts, a third of what a tiny run takes. For tests that look at no page."""


@pytest.fixture(scope="module")
def without_charts():
    """The tests of a file and the commands that they start write their pages without charts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "vl_convert", None)
        patch.setenv("PYTHONPATH", WITHOUT_CHARTS["PYTHONPATH"])
        yield
