"""What does the ledger cost, and what does it save?

A small run on the text of the standard library is done in a fresh folder, and then asked for again in the same folder, where every step is finished.
Both are counted in steps. The last two figures take steps that cost next to nothing (one chain of 100 points, `store: readings`), so that the time is
what the ledger adds to a step: its key, one line of the ledger, and the watch on other processes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from figures import OUTCROSS, Figure, Side, answer, compare, here, process

import outcross
from outcross import loop
from outcross.data import Made
from outcross.experiment.file import load
from outcross.ledger import Ledger, Steps, Verb, stream

SMALL = (
    "arms=null", "policy=human_share", "policy.share=0.25", "generations=3", "human.rows=100", "block=32",
    "learner.layers=1", "learner.width=64", "learner.heads=1", "learner.vocabulary=512",
    "training.steps=20", "training.batch=8", "training.start.steps=40", "training.start.batch=8",
)  # fmt: skip
GENERATIONS = 300
PAIRS = 3


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        return [*_asked_again(Path(folder)), *_cheap_steps(Path(folder))]


def _asked_again(folder: Path) -> list[Figure]:
    done, new = folder / "done", folder / "new"
    process(lambda: _command(done))()
    steps = _lines(done)
    small = outcross.experiment(load("stdlib", SMALL))
    commands = _pair("the command", process(lambda: _command(done)), process(lambda: _command(_emptied(new))), steps)
    calls = _pair("in Python", here(lambda: _run(small, Ledger(done))), here(lambda: _run(small, Ledger(_emptied(new)))), steps)
    return [
        *compare("`outcross run`, finished, asked again", *commands, unit="step", pairs=PAIRS),
        *compare("the same in Python", *calls, unit="step", pairs=PAIRS),
    ]


def _cheap_steps(folder: Path) -> list[Figure]:
    settings = ("arms=null", "policy=replace", "chains=1", f"generations={GENERATIONS}", "metrics=[fitted_law]")
    cheap = outcross.experiment(load("gaussian", settings))
    kept, done = folder / "kept", folder / "cheap"
    _run(cheap, Ledger(done))
    steps = _lines(done)
    without = Side("verbs without a ledger", here(lambda: _run(cheap, NoLedger())), steps)
    fresh = Side("into a folder", here(lambda: _run(cheap, Ledger(_emptied(kept)))), steps)
    again = Side("found in a folder", here(lambda: _run(cheap, Ledger(done))), steps)
    return [
        *compare("a step next to nothing, done", fresh, [without], unit="step", pairs=PAIRS),
        *compare("a step next to nothing, found", again, [without], unit="step", pairs=PAIRS),
    ]


class NoLedger(Ledger):
    """Verbs are called, and nothing is written down, digested or looked for."""

    def __init__(self):
        super().__init__(None)

    def steps(self, seed: int, generation: int = -1, store: bool = True) -> Steps:
        return Straight(self, seed, generation, store)


class Straight(Steps):
    """`do` without identity."""

    def __call__(self, verb: Verb[Any], recipe: Any, *inputs: Any, part: str = "") -> Made[Any]:
        output = verb.do(recipe, *map(_value, inputs), rng=stream(self.seed, self.generation, verb.name, part))
        return Made(f"{verb.name} {self.generation}", len(output) if hasattr(output, "__len__") else 0, lambda: output)


def _value(argument: Any) -> Any:
    if isinstance(argument, dict):
        return {name: _value(inner) for name, inner in argument.items()}
    return argument.value if isinstance(argument, Made) else argument


def _pair(how: str, again: Callable[..., Any], fresh: Callable[..., Any], steps: int) -> tuple[Side, list[Side]]:
    return Side(f"{how}, every step found", again, steps), [Side(f"{how}, every step done", fresh, steps)]


def _run(experiment: outcross.Experiment, ledger: Ledger) -> int:
    return sum(len(generation.measured) for generation in loop.run(experiment, ledger))


def _command(folder: Path) -> list[object]:
    return [*OUTCROSS, "run", "stdlib", *SMALL, "--quiet", "--out", folder]


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _lines(folder: Path) -> int:
    return len((folder / "ledger.jsonl").read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    answer(__file__, __doc__, measure)
