"""How does the cost grow with records, generations and chains?

The figures show seconds of processor against size on logarithmic axes, and the exponent b of seconds ∝ size^b. Processor time is used since other
processes on the machine disturb it the least. The exponent is the least-squares slope over the three largest sizes, where fixed costs have the
smallest weight. There is one slope for each round; the table has the mean over rounds with its 95 % t-interval. Within a round curves and sizes take
turns; the first round is not counted. Every generation is measured; drawing the human data and starting Python do not count. `points` are records one
by one, and `moments` are their mean and scatter alone (`human.records: moments`). `the published loop` is the loop that papers publish: it computes
one chain after the other, and concatenates its pool again where data accumulate. categorical has 100 states (Zipf), and ngram has order 3 on blocks
of 64 tokens of the text of the standard library.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
from chains import points_one_by_one
from figures import write

import outcross
from outcross.estimate import mean

ROUNDS = 5
LARGEST = 3
"""So many of the sizes, the largest, tell the exponent."""
RECORDS, BLOCKS = (100, 400, 1_600, 6_400, 25_600), (250, 500, 1_000, 2_000, 4_000)
GENERATIONS = (100, 200, 400, 800, 1_600)
CHAINS, IN_THE_LOOP = (100, 400, 1_600, 6_400, 25_600), (4, 16, 64, 256)
POINTS, SIDE_BY_SIDE, FEW = 100, 100, 2

Round = Callable[[], float]
"""Does some work and says what it took, in the unit of its panel."""


@dataclass(frozen=True)
class Curve:
    """What is timed at several sizes; `at(size)` makes ready what does not count."""

    name: str
    sizes: tuple[int, ...]
    at: Callable[[int], Round]


@dataclass(frozen=True)
class Panel:
    """Curves over one kind of size."""

    over: str
    unit: str
    curves: tuple[Curve, ...]


def panels() -> list[Panel]:
    gaussian, all_at_once = "gaussian, {}, {}".format, SIDE_BY_SIDE
    over_records = (
        Curve(gaussian("points", "replace"), RECORDS, lambda n: _one_by_one(_gaussian(n, all_at_once), share=all_at_once)),
        Curve(
            gaussian("moments", "replace"), RECORDS, lambda n: _one_by_one(_gaussian(n, all_at_once, "moments"), share=all_at_once)
        ),
        Curve("categorical, replace", RECORDS, lambda n: _one_by_one(_categorical(n, all_at_once), share=all_at_once)),
        Curve("ngram, replace", BLOCKS, lambda n: _one_by_one(_ngram(n), generations=1)),
        Curve("the published loop, replace", RECORDS, lambda n: _loop(chains=50, generations=10, points=n, share=500)),
    )
    over_generations = (
        Curve(gaussian("points", "replace"), GENERATIONS, lambda g: _whole(_gaussian(POINTS, all_at_once), g)),
        Curve(
            gaussian("points", "accumulate"), GENERATIONS, lambda g: _whole(_gaussian(POINTS, all_at_once, policy="accumulate"), g)
        ),
        Curve(
            gaussian("moments", "accumulate"),
            GENERATIONS,
            lambda g: _whole(_gaussian(POINTS, all_at_once, "moments", "accumulate"), g),
        ),
        Curve("the published loop, replace", GENERATIONS, lambda g: _loop(chains=FEW, generations=g, share=FEW)),
        Curve("the published loop, accumulate", GENERATIONS, lambda g: _loop(True, chains=FEW, generations=g, share=FEW)),
    )
    over_chains = (
        Curve(gaussian("points", "replace"), CHAINS, lambda n: _one_by_one(_gaussian(POINTS, n))),
        Curve(gaussian("moments", "replace"), CHAINS, lambda n: _one_by_one(_gaussian(POINTS, n, "moments"))),
        Curve("categorical, replace", CHAINS, lambda n: _one_by_one(_categorical(POINTS, n))),
        Curve("the published loop, replace", IN_THE_LOOP, lambda n: _loop(chains=n, generations=20, share=20)),
    )
    return [
        Panel("records", "seconds a generation of one chain", over_records),
        Panel("generations", "seconds a chain", over_generations),
        Panel("chains", "seconds a generation", over_chains),
    ]  # fmt: skip


def _one_by_one(settings: dict[str, Any], generations: int = 5, share: int = 1) -> Round:
    """The next generations of one long run, a generation and `share`."""
    running = iter(outcross.run(settings, settings={"generations": 1_000}))
    next(running)

    def seconds() -> float:
        started = time.process_time()
        for _ in range(generations):
            next(running)
        return (time.process_time() - started) / generations / share

    return seconds


def _whole(settings: dict[str, Any], generations: int) -> Round:
    """A whole run but its first generation, a chain."""
    experiment = outcross.experiment(settings | {"generations": generations + 1})

    def seconds() -> float:
        running = iter(outcross.run(experiment))
        next(running)
        started = time.process_time()
        for _ in running:
            pass
        return (time.process_time() - started) / experiment.chains

    return seconds


def _loop(accumulate: bool = False, *, chains: int, generations: int, points: int = POINTS, share: int) -> Round:
    def seconds() -> float:
        started = time.process_time()
        points_one_by_one(np.random.default_rng(0), accumulate, chains, generations, points)
        return (time.process_time() - started) / share

    return seconds


def _gaussian(rows: int, chains: int, records: str = "points", policy: str = "replace") -> dict[str, Any]:
    human = {"distribution": "normal", "rows": rows, "records": records}
    return _settings(chains, {"human": human, "learner": "gaussian", "policy": policy, "metrics": ["fitted_law"]})


def _categorical(rows: int, chains: int) -> dict[str, Any]:
    human = {"distribution": "categorical", "law": "zipf", "states": 100, "rows": rows}
    return _settings(chains, {"human": human, "learner": "categorical", "metrics": ["support"]})


def _ngram(rows: int) -> dict[str, Any]:
    return _settings(
        1, {"human": {"text": "stdlib", "rows": rows}, "learner": {"kind": "ngram", "order": 3}, "metrics": ["held_out"]}
    )


def _settings(chains: int, own: dict[str, Any]) -> dict[str, Any]:
    return {"name": "growth", "draw": {"prompts": "none"}, "chains": chains, "store": "readings"} | own


def measured(panel: Panel, rounds: int = ROUNDS) -> dict[str, Any]:
    """Every curve's seconds, (rounds, sizes), and its exponent."""
    ready = [[curve.at(size) for size in curve.sizes] for curve in panel.curves]
    _ = [each() for sizes in ready for each in sizes]
    seconds = [[[each() for each in sizes] for sizes in ready] for _ in range(rounds)]
    curves = [_curve(curve, np.array([second[i] for second in seconds])) for i, curve in enumerate(panel.curves)]
    return {"over": panel.over, "unit": panel.unit, "curves": curves}


def _curve(curve: Curve, seconds: np.ndarray) -> dict[str, Any]:
    x, y = np.log(curve.sizes[-LARGEST:]), np.log(seconds[:, -LARGEST:])
    exponent = mean(np.polyfit(x, y.T, 1)[0], "rounds")
    print(f"  {curve.name}: exponent {exponent.value:.2f} [{exponent.low:.2f}, {exponent.high:.2f}]", flush=True)
    middle = [median(column) for column in seconds.T.tolist()]
    return {"name": curve.name, "sizes": curve.sizes, "median": middle, "seconds": seconds.tolist(), "exponent": asdict(exponent)}


def main() -> None:
    load = os.getloadavg()
    write("growth", __doc__ or "", load, {"panels": [measured(panel) for panel in panels()]})


if __name__ == "__main__":
    main()
