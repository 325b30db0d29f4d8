"""The form of every figure (two sides take turns in one run, and the figure is the ratio of what they take), and of every file of results."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
DATA = Path(os.environ.get("OUTCROSS_DATA") or HERE.parents[1] / "shared" / "data")
"""The shared data, where there are any."""
RESULTS = HERE / "results"
OUTCROSS = (sys.executable, "-m", "outcross")
QUIET = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""What every side runs under: one thread, no network."""


@dataclass(frozen=True)
class Cost:
    """What one call took."""

    seconds: float
    """By the clock on the wall."""
    cpu: float
    """Seconds of processor, all threads."""
    memory: float | None = None
    """Peak resident set of the process in MB (10^6 bytes), its largest child if that is larger; None where several share one."""


@dataclass(frozen=True)
class Side:
    """Something that can be timed."""

    name: str
    work: Callable[[], Cost]
    amount: int = 1
    """Units of work in one call."""


@dataclass(frozen=True)
class Taken:
    """What one side took: medians over the pairs, and the largest memory."""

    name: str
    amount: int
    seconds: float
    cpu: float
    memory: float | None


@dataclass(frozen=True)
class Figure:
    """How many times as fast our side is, unit of work for unit of work."""

    what: str
    unit: str
    ours: Taken
    theirs: Taken
    ratio: float
    """Median over pairs of (their seconds a unit) / (our seconds a unit): above 1, ours is faster."""
    low: float
    high: float
    """The smallest and the largest ratio of a pair."""
    cpu_ratio: float
    """The same median by processor seconds, which other processes on the machine disturb less."""
    pairs: int
    target: float | None = None
    """Seconds that our side may take."""
    target_ratio: float | None = None
    """The ratio to reach."""


def compare(
    what: str,
    ours: Side,
    others: Sequence[Side],
    *,
    unit: str,
    pairs: int,
    target: float | None = None,
    target_ratio: float | None = None,
    warm: bool = True,
) -> list[Figure]:
    """A figure for each of the others. Sides take turns, A B C A B C …, after one call each that is not counted (`warm`).

    `target` is for seconds of ours, `target_ratio` for the ratio to the first of the others.
    """
    sides = [ours, *others]
    if warm:
        for side in sides:
            side.work()
    turns = [[side.work() for side in sides] for _ in range(pairs)]
    figures = [
        _figure(what, unit, ours, other, [(turn[0], turn[i]) for turn in turns], target) for i, other in enumerate(others, 1)
    ]
    figures[0] = replace(figures[0], target_ratio=target_ratio)
    for figure in figures:
        print(
            f"  {what}: {figure.ratio:.3g} times as fast [{figure.low:.3g}, {figure.high:.3g}] as {figure.theirs.name}; by cpu {figure.cpu_ratio:.3g}",
            flush=True,
        )
    return figures


def _figure(what: str, unit: str, ours: Side, theirs: Side, costs: list[tuple[Cost, Cost]], target: float | None) -> Figure:
    units = ours.amount / theirs.amount
    ratios, cpu = [units * b.seconds / a.seconds for a, b in costs], [units * b.cpu / a.cpu for a, b in costs]
    mine, other = (_taken(side, [pair[i] for pair in costs]) for i, side in enumerate((ours, theirs)))
    return Figure(what, unit, mine, other, median(ratios), min(ratios), max(ratios), median(cpu), len(costs), target)


def _taken(side: Side, costs: list[Cost]) -> Taken:
    memory = [cost.memory for cost in costs if cost.memory is not None]
    seconds, cpu = median(cost.seconds for cost in costs), median(cost.cpu for cost in costs)
    return Taken(side.name, side.amount, seconds, cpu, max(memory) if memory else None)


def here(work: Callable[[], object]) -> Callable[[], Cost]:
    """Time a call in this process."""

    def cost() -> Cost:
        started, cpu = time.perf_counter(), time.process_time()
        work()
        return Cost(time.perf_counter() - started, time.process_time() - cpu)

    return cost


def apart(process: Executor, work: Callable[[], object]) -> Callable[[], Cost]:
    """Time a call in a process that stays for later calls, where the settings of the other side (of the memory allocator, say) do not reach."""
    return lambda: process.submit(_timed, work).result()


def _timed(work: Callable[[], object]) -> Cost:
    return here(work)()


def process(command: Callable[[], Sequence[object]]) -> Callable[[], Cost]:
    """Time a process from start to end; `command` makes its command line (a fresh folder each time, say)."""

    def cost() -> Cost:
        arguments = [str(word) for word in command()]
        launcher = [sys.executable, "-I", "-S", str(HERE / "launch.py")]
        done = subprocess.run([*launcher, *arguments], stdout=subprocess.PIPE, env=os.environ | QUIET, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)} ended with exit code {done.returncode}; a figure needs it to end well")
        return Cost(**json.loads(done.stdout))

    return cost


def answer(script: str, page: str | None, measure: Callable[[], Sequence[Figure]]) -> None:
    """Measure, and write results/<question>.json. The script's docstring is what the page says of the question."""
    load = os.getloadavg()
    figures = measure()
    write(Path(script).stem, page or "", load, {"figures": [asdict(figure) for figure in figures]})


def write(question: str, page: str, load: tuple[float, float, float], results: dict[str, Any], folder: Path = RESULTS) -> None:
    """Write a question's results with the machine, the date and how busy the machine was before. `page` is the script's docstring."""
    measured = {"date": today(), "machine": machine(), "load_before": [round(number, 2) for number in load]}
    _write(question, page, measured | results, folder)


def restate(question: str, page: str, results: dict[str, Any], folder: Path = RESULTS) -> None:
    """Write what follows from numbers that are stored already, with the words of today. The date, the machine and the load stay those of the numbers."""
    stored = json.loads((folder / f"{question}.json").read_text(encoding="utf-8"))
    _write(question, page, {key: stored[key] for key in ("date", "machine", "load_before")} | results, folder)


def _write(question: str, page: str, results: dict[str, Any], folder: Path) -> None:
    from outcross.files.whole import write_whole

    title, about = words_of(page)
    result = {"schema": 1, "question": question, "title": title, "about": about} | results
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{question}.json", laid_out(result) + "\n")


def laid_out(value: Any, indent: str = "") -> str:
    """Return a value as JSON in lines. A list or an object that holds no other one is a single line.

    >>> print(laid_out({"name": "start", "values": [1.5, None], "rows": [{"n": 2}, {"n": 3}]}))
    {
     "name": "start",
     "values": [1.5, null],
     "rows": [
      {"n": 2},
      {"n": 3}
     ]
    }
    """
    parts = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(parts, (list, tuple)) or not any(isinstance(part, (dict, list, tuple)) for part in parts):
        return json.dumps(value, ensure_ascii=False)
    inside = indent + " "
    names = [f"{json.dumps(name, ensure_ascii=False)}: " for name in value] if isinstance(value, dict) else [""] * len(parts)
    lines = ",\n".join(inside + name + laid_out(part, inside) for name, part in zip(names, parts, strict=True))
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}\n{lines}\n{indent}{last}"


def words_of(page: str) -> tuple[str, str]:
    """The title of a section and its text: the paragraphs of a script's docstring, without those that are commands.

    >>> words_of("How fast?\\n\\nTwo sides\\ntake turns.\\n\\n    python benchmarks/start.py\\n\\nTimes are medians.")
    ('How fast?', 'Two sides take turns.\\n\\nTimes are medians.')
    """
    paragraphs = [" ".join(lines.split()) for lines in page.split("\n\n")]
    title, *others = [words for words in paragraphs if words and not words.startswith("python benchmarks/")]
    return title, "\n\n".join(others)


def today() -> str:
    """Date and time of the system clock."""
    return datetime.now().astimezone().isoformat(timespec="minutes")


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    from outcross.runtime.environment import environment

    facts = environment()
    return {
        "processor": facts["processor"] or platform.processor(),
        "capability": facts["capability"],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "platform": facts["platform"],
        "python": facts["python"],
        "packages": facts["packages"] | {"transformers": _version("transformers")},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
