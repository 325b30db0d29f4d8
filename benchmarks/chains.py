"""How fast do many small chains collapse?

Chains of generations are independent repeats of a statistical experiment. Our chains are computed side by side in one array. The loop that papers
publish computes one chain after the other: it fits, draws, and concatenates the pool again where data accumulate. The loop runs fewer chains, so that
both sides are counted in chain-generations (one fit and one draw of one chain). Our side also measures every generation, with an interval over
chains. Where our side is the command, it also keeps a ledger, and its time includes starting Python and writing the report. `of moments` is the
setting `human.records: moments`, which draws the mean and the scatter of a part and never its points; the distribution of the chains is the same
(tests/laws/test_moments.py). `by hand` is the array program that a NumPy user writes for this one case; it measures only the log-variance.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from figures import OUTCROSS, Figure, Side, answer, compare, here, process

import outcross

GENERATIONS = 100
POINTS, WORDS, STATES = 100, 200, 100
BANDWIDTH, PREDICTORS = 0.2, 5
CHAINS, FEWER, IN_THE_LOOP = 10_000, 2_000, 200
PAIRS = 5
TARGET, TARGET_OF_OTHERS = 5.0, 10.0
UNIT = "chain-generations"


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        loop, by_hand = _loop(points_one_by_one), Side("by hand", here(lambda: points_by_hand(_rng())), CHAINS * GENERATIONS)
        return [
            *_commands(Path(folder)),
            *compare("gaussian, replace, in Python", _gaussian(CHAINS, "replace"), [loop, by_hand], unit=UNIT, pairs=PAIRS),
            *compare(
                "gaussian, replace, of moments", _gaussian(CHAINS, "replace", "moments"), [loop, by_hand], unit=UNIT, pairs=PAIRS
            ),
            *_against_the_loop("gaussian, accumulate", _gaussian(FEWER, "accumulate"), points_one_by_one, accumulate=True),
            *_against_the_loop(
                "gaussian, accumulate, of moments", _gaussian(CHAINS, "accumulate", "moments"), points_one_by_one, accumulate=True
            ),
            *_against_the_loop("categorical, replace", _categorical("replace"), words_one_by_one, accumulate=False),
            *_against_the_loop("categorical, accumulate", _categorical("accumulate"), words_one_by_one, accumulate=True),
        ]


def _commands(folder: Path) -> list[Figure]:
    """Every model in closed form as a user starts it: 10⁴ chains, 100 generations, 100 records a generation."""

    def asked(what: str, loop: Callable[..., Any], target: float, *settings: str) -> list[Figure]:
        command = _command(folder, what.partition(",")[0], settings)
        return compare(f"`outcross run {what.replace(',', '`,', 1)}", command, [_loop(loop)], unit=UNIT, pairs=3, target=target)

    return [
        *asked("gaussian, replace", points_one_by_one, TARGET),
        *asked("gaussian, replace, of moments", points_one_by_one, TARGET, "human.records=moments"),
        *asked("categorical, replace", partial(words_one_by_one, words=POINTS), TARGET_OF_OTHERS, f"human.states={STATES}"),
        *asked("kde, replace", blurs_one_by_one, TARGET_OF_OTHERS, f"learner.bandwidth={BANDWIDTH}"),
        *asked("regression, replace", labels_one_by_one, TARGET_OF_OTHERS, f"human.dimensions={PREDICTORS}"),
    ]


def points_one_by_one(
    rng: np.random.Generator,
    accumulate: bool = False,
    chains: int = IN_THE_LOOP,
    generations: int = GENERATIONS,
    points: int = POINTS,
) -> list[list[float]]:
    """A normal distribution refitted to its own samples, as in Shumailov et al. (Nature 2024) and Kazdan et al. (2024)."""
    deviations = []
    for _ in range(chains):
        pool, own = rng.normal(0, 1, points), []
        for _ in range(generations):
            mean, deviation = np.mean(pool), np.std(pool, ddof=1)
            own.append(float(deviation))
            drawn = rng.normal(mean, deviation, points)
            pool = np.concatenate((pool, drawn)) if accumulate else drawn
        deviations.append(own)
    return deviations


def words_one_by_one(rng: np.random.Generator, accumulate: bool = False, words: int = WORDS) -> list[list[int]]:
    """A categorical distribution refitted to its own samples, each outcome drawn by itself, as in Seddik et al. (2024)."""
    weights = 1 / np.arange(1, STATES + 1)
    supports = []
    for _ in range(IN_THE_LOOP):
        pool, own = rng.choice(STATES, words, p=weights / weights.sum()), []
        for _ in range(GENERATIONS):
            counts = np.bincount(pool, minlength=STATES)
            own.append(int((counts > 0).sum()))
            drawn = rng.choice(STATES, words, p=counts / len(pool))
            pool = np.concatenate((pool, drawn)) if accumulate else drawn
        supports.append(own)
    return supports


def blurs_one_by_one(rng: np.random.Generator, accumulate: bool = False) -> list[list[float]]:
    """A kernel density refitted to its own samples, as in Kazdan et al. (2024): records drawn with replacement, and blurred."""
    deviations = []
    for _ in range(IN_THE_LOOP):
        pool, own = rng.normal(0, 1, POINTS), []
        for _ in range(GENERATIONS):
            own.append(float(np.std(pool, ddof=1)))
            drawn = rng.choice(pool, POINTS) + BANDWIDTH * rng.normal(0, 1, POINTS)
            pool = np.concatenate((pool, drawn)) if accumulate else drawn
        deviations.append(own)
    return deviations


def labels_one_by_one(rng: np.random.Generator, accumulate: bool = False) -> list[list[float]]:
    """Least squares on labels that the last fit wrote for the same x, as in Gerstgrasser et al. (2024)."""
    errors, true = [], np.ones(PREDICTORS)
    for _ in range(IN_THE_LOOP):
        x, own = rng.normal(0, 1, (POINTS, PREDICTORS)), []
        rows, labels = x, x @ true + rng.normal(0, 1, POINTS)
        for _ in range(GENERATIONS):
            fitted = np.linalg.lstsq(rows, labels, rcond=None)[0]
            own.append(float(np.sum((fitted - true) ** 2)))
            written = x @ fitted + rng.normal(0, 1, POINTS)
            rows, labels = (np.concatenate((rows, x)), np.concatenate((labels, written))) if accumulate else (x, written)
        errors.append(own)
    return errors


def points_by_hand(rng: np.random.Generator) -> list[float]:
    """The same as `points_one_by_one` under replace, all chains in one array."""
    pool, log_variances = rng.standard_normal((CHAINS, POINTS)), []
    for _ in range(GENERATIONS):
        mean, variance = pool.mean(axis=1, keepdims=True), pool.var(axis=1, ddof=1, keepdims=True)
        log_variances.append(float(np.log(variance).mean()))
        pool = mean + np.sqrt(variance) * rng.standard_normal((CHAINS, POINTS))
    return log_variances


def _against_the_loop(what: str, ours: Side, one_by_one: Callable[..., Any], accumulate: bool) -> list[Figure]:
    return compare(what, ours, [_loop(one_by_one, accumulate)], unit=UNIT, pairs=PAIRS)


def _loop(one_by_one: Callable[..., Any], accumulate: bool = False) -> Side:
    return Side("the published loop", here(lambda: one_by_one(_rng(), accumulate)), IN_THE_LOOP * GENERATIONS)


def _command(folder: Path, experiment: str, more: tuple[str, ...]) -> Side:
    settings = ["arms=null", "policy=replace", f"human.rows={POINTS}", f"chains={CHAINS}", f"generations={GENERATIONS}", *more]

    def fresh() -> list[object]:
        return [*OUTCROSS, "run", experiment, *settings, "--quiet", "--out", tempfile.mkdtemp(dir=folder)]

    return Side("the command", process(fresh), CHAINS * GENERATIONS)


def _gaussian(chains: int, policy: str, records: str = "points") -> Side:
    human = {"distribution": "normal", "rows": POINTS, "records": records}
    return _ours(chains, {"human": human, "learner": {"kind": "gaussian", "divisor": "n-1"}, "policy": policy})


def _categorical(policy: str) -> Side:
    human = {"distribution": "categorical", "law": "zipf", "states": STATES, "rows": WORDS}
    return _ours(FEWER, {"human": human, "learner": "categorical", "policy": policy})


def _ours(chains: int, own: dict[str, Any]) -> Side:
    common = {"name": "chains", "draw": {"prompts": "none"}, "generations": GENERATIONS, "chains": chains, "store": "readings"}
    experiment = outcross.experiment(common | own)
    return Side(
        f"outcross, {chains:,} chains",
        here(lambda: [generation.measured for generation in outcross.run(experiment)]),
        chains * GENERATIONS,
    )


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


if __name__ == "__main__":
    answer(__file__, __doc__, measure)
