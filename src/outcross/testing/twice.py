"""Checks that parts give the same results in other processes: with other clocks, global seeds, PYTHONHASHSEED and numbers of threads.

Each part is created again from plain data in two processes and tried on the small data of its family. Their clocks are shifted by more than one and
by more than two years. In the second process, the global random functions of Python and NumPy raise. If a part reads a clock, the error names the line.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outcross import own_parts, own_source
from outcross.errors import BadInput
from outcross.recipe import plain, read
from outcross.testing.promises import Broken, Promise

LIMIT = 300
"""Maximum duration of a process, in seconds."""


def is_the_same_elsewhere(part: Any) -> None:
    """Raise Broken if a part gives another result in another process."""
    (difference,) = compared([part])
    if difference:
        raise Broken(difference)


def seen_elsewhere(parts: Sequence[Any]) -> list[str]:
    """The difference that each part shows in other processes, with its class and line; empty if there is none."""
    try:
        return [
            Broken(difference).seen(part) if difference else "" for part, difference in zip(parts, compared(parts), strict=True)
        ]
    except Broken as broken:
        return [broken.seen(part) for part in parts]


def compared(parts: Sequence[Any]) -> list[str]:
    """The difference between two processes for each part, in words; empty if there is none."""
    for part in parts:
        if own_parts.is_own(type(part)) and own_source.file_of(type(part)) is None:
            raise Broken(f"{type(part).__name__} is not defined in a file, so no other process can import it; write it into a file")
    asked = json.dumps([_description(part) for part in parts])
    first_outcomes, second_outcomes = (_in_a_process(asked, number) for number in (1, 2))
    return [_difference(first, second) for first, second in zip(first_outcomes, second_outcomes, strict=True)]


TWICE = Promise(
    "It gives the same in another process, whatever the clock, the global seeds, PYTHONHASHSEED and the number of threads.",
    is_the_same_elsewhere,
)


def _description(part: Any) -> dict[str, Any]:
    from outcross.testing import family_of

    file = own_source.file_of(type(part)) if own_parts.is_own(type(part)) else None
    is_file = file is not None and "." not in type(part).__module__ and not own_source.is_installed(file)
    settings = {key: value for key, value in plain(part).items() if key != "kind"}
    return {
        "family": family_of(part),
        "import": str(file) if is_file else type(part).__module__,
        "is_own": own_parts.is_own(type(part)),
        "class": type(part).__qualname__,
        "settings": settings,
    }


def _in_a_process(asked: str, number: int) -> list[dict[str, Any]]:
    environment = os.environ | {
        "PYTHONHASHSEED": str(number),
        "PYTHONPATH": os.pathsep.join([str(own_source.PACKAGE.parent), *filter(None, sys.path)]),
        "OMP_NUM_THREADS": str(number),
        "OPENBLAS_NUM_THREADS": str(number),
        "PYTHONWARNINGS": "ignore",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", "from outcross.testing.twice import main; main()", str(number)]
    try:
        ended = subprocess.run(command, input=asked, capture_output=True, text=True, env=environment, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        raise Broken(f"it takes more than {LIMIT} seconds on small data") from None
    lines = ended.stdout.strip().splitlines()
    if ended.returncode or not lines:
        why = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
        raise Broken(f"it cannot be tried in another process: {why}")
    return json.loads(lines[-1])


def _difference(first: dict[str, Any], second: dict[str, Any]) -> str:
    if reads := first["reads"] or second["reads"]:
        return reads
    for outcome in (first, second):
        if outcome["error"]:
            return outcome["error"]
    if first["outcome"] != second["outcome"]:
        return "it gives another result there; it may iterate over a set, read the environment or a file that changes, or draw without the rng that it is given"
    return ""


def main() -> None:
    """Try the parts that standard input names, and print their results."""
    number = int(sys.argv[1])
    asked = json.loads(sys.stdin.read())
    out, sys.stdout = sys.stdout, sys.stderr  # so that output of a part is not taken for a result
    reads = Reads()
    _shift_clocks(number, reads)
    _forbid_global_randomness(number, reads)
    outcomes = []
    for described in asked:
        reads.seen = ""
        try:
            part = _part_of(described)
            reads.files = {str(path) for path in own_source.sources(type(part)).values()} if described["is_own"] else set()
            outcome = importlib.import_module(f"outcross.testing.{described['family']}").outcome(part)
            outcomes.append({"outcome": outcome, "error": "", "reads": reads.seen})
        except Exception as error:
            message = own_parts.blame(error) or f"{type(error).__name__}: {error}"
            message = error.seen(part) if isinstance(error, Broken) else message
            outcomes.append({"outcome": "", "error": message, "reads": reads.seen})
    out.write(json.dumps(outcomes) + "\n")


def _part_of(described: dict[str, Any]) -> Any:
    from outcross.testing import table

    if not described["is_own"]:
        return read(table(described["family"]), {"kind": _kind(described), **described["settings"]}, "part")
    if described["import"].endswith(".py"):
        own_parts.load([described["import"]])
        module = sys.modules[Path(described["import"]).stem]
    else:
        module = importlib.import_module(described["import"])
    cls: Any = module
    for name in described["class"].split("."):
        cls = getattr(cls, name)
    table(described["family"]).admitted(cls, described["family"])
    return cls(**described["settings"])


def _kind(described: dict[str, Any]) -> str:
    from outcross.testing import table

    members = table(described["family"])
    ends = f":{described['class']}"
    return next(name for name, member in members.items() if isinstance(member, str) and member.endswith(ends))


class Reads:
    """Records the first place at which a part reads a clock."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.seen = ""

    def note(self, what: str) -> None:
        frame: Any = sys._getframe(2)
        if frame.f_code.co_filename in self.files and not self.seen:
            self.seen = f"{frame.f_code.co_qualname} ({own_source.shown(frame.f_code.co_filename)}, line {frame.f_lineno}) reads the clock ({what})"


def _shift_clocks(number: int, reads: Reads) -> None:
    """Shift the clocks of this process by 400 days times `number`, and record which code reads them."""
    import datetime

    years = number * 400 * 86_400.0

    def shifted(name: str, function: Any, unit: float) -> Any:
        def clock(*given: Any) -> Any:
            reads.note(name)
            return type(function())(function() + years * unit)

        return clock

    for name, unit in (
        ("time", 1.0),
        ("time_ns", 1e9),
        ("monotonic", 1.0),
        ("monotonic_ns", 1e9),
        ("perf_counter", 1.0),
        ("perf_counter_ns", 1e9),
    ):
        setattr(time, name, shifted(f"time.{name}", getattr(time, name), unit))

    class Shifted(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            reads.note("datetime.now")
            return super().now(tz) + datetime.timedelta(seconds=years)

        @classmethod
        def utcnow(cls) -> Any:
            reads.note("datetime.utcnow")
            return super().now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(seconds=years)

        @classmethod
        def today(cls) -> Any:
            reads.note("datetime.today")
            return super().now() + datetime.timedelta(seconds=years)

    datetime.datetime = Shifted  # type: ignore[misc]


OF_NUMPY = ("seed", "random", "rand", "randn", "randint", "random_sample", "normal", "standard_normal", "uniform", "choice", "permutation",
            "shuffle", "exponential", "poisson", "binomial", "multinomial", "laplace", "gamma", "beta", "lognormal", "multivariate_normal")  # fmt: skip
OF_PYTHON = (
    "random",
    "randint",
    "randrange",
    "choice",
    "choices",
    "shuffle",
    "sample",
    "uniform",
    "gauss",
    "normalvariate",
    "getrandbits",
    "seed",
)


def _forbid_global_randomness(number: int, reads: Reads) -> None:
    """Set other global seeds. In the second process, let the global random functions raise."""
    import random

    import numpy as np

    random.seed(number)
    np.random.seed(number)  # noqa: NPY002
    seeded = np.random.default_rng

    def default_rng(seed: Any = None) -> Any:
        if seed is None and sys._getframe(1).f_code.co_filename in reads.files:
            raise BadInput(_said("numpy.random.default_rng()", "has no seed"))
        return seeded(number if seed is None else seed)

    np.random.default_rng = default_rng
    if number == 1:
        return
    for module, prefix, names in ((np.random, "numpy.random", OF_NUMPY), (random, "random", OF_PYTHON)):
        for name in names:
            setattr(module, name, _raising(f"{prefix}.{name}"))


def _raising(name: str) -> Any:
    def refuse(*given: Any, **named: Any) -> Any:
        raise BadInput(_said(name, "reads a global seed"))

    return refuse


def _said(name: str, why: str) -> str:
    frame: Any = sys._getframe(2)
    where = f"{frame.f_code.co_qualname} ({own_source.shown(frame.f_code.co_filename)}, line {frame.f_lineno})"
    return f"{where} calls {name}, which {why}; draw from the rng that it is given"
