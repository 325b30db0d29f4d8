"""What several tests share: a transformer experiment small enough to run in seconds."""

import functools
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

settings.register_profile("fixed", derandomize=True, deadline=None)  # fixed streams, and no clock in an outcome
settings.load_profile("fixed")

# As many tests as cores run at a time: a second thread of linear algebra would only wait for a core, and burn the time of the other test.
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL")}
"""Names of the environment that say so."""
for name, threads in ONE_THREAD.items():
    os.environ.setdefault(name, threads)
threadpool_limits(1, user_api="blas")  # NumPy is there already: pytest imports it for a filter of warnings

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

    A command of one worker is forked by a process that has imported what it needs (`ready_command`); any other one is started afresh.
    """
    words, given = [*map(str, arguments)], {**os.environ, **environment}
    if ("--workers", "1") in itertools.pairwise(words) and "PYTHONHASHSEED" not in environment and hasattr(os, "fork"):
        return _ready().call(words, given)
    command = [sys.executable, "-m", "outcross", *words]
    return subprocess.run(command, capture_output=True, text=True, env=given, timeout=300, check=False)


class Ready:
    """A process that forks one for each command."""

    def __init__(self) -> None:
        script = [sys.executable, Path(__file__).with_name("ready_command.py")]
        self.process = subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=AT_START)

    def call(self, arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess:
        assert self.process.stdin is not None and self.process.stdout is not None
        with tempfile.NamedTemporaryFile("r+") as out, tempfile.NamedTemporaryFile("r+") as err:
            asked = {
                "arguments": arguments,
                "environment": environment,
                "folder": str(Path.cwd()),
                "out": out.name,
                "err": err.name,
            }
            print(json.dumps(asked), file=self.process.stdin, flush=True)
            code = int(self.process.stdout.readline())
            return subprocess.CompletedProcess(["outcross", *arguments], code, out.read(), err.read())

    def end(self) -> None:
        """Wait for its end, so that its processor time counts as that of the tests."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


_ready = functools.cache(Ready)


def pytest_sessionfinish() -> None:
    if _ready.cache_info().currsize:
        _ready().end()


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
