"""How many generations it takes until a chain of states has one state left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from outcross.collapse.course import Readings
from outcross.estimate import ONE_CHAIN, Estimate, mean, without_interval
from outcross.statistics.clusters import sum_of

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class AbsorptionTime:
    """Mean generation at which chains have one state left, with its 95 % interval and the number of chains or seeds.

    In generations, g = 0 the human fit; add one for the papers' number of fits T. `is_lower_bound`: some chain had not
    collapsed at the last generation, so the mean time is at least `value` (and `high` bounds the truncated mean only).
    One chain has no interval.
    """

    value: float
    low: float | None
    high: float | None
    is_lower_bound: bool
    n: int
    note: str


def time_to_absorption(readings: pl.DataFrame, *, arm: str, seed: int | None = None) -> AbsorptionTime:
    """How many generations it takes on average until one state is left: the sum over g of P(not absorbed by g).

    Reads the measure `absorbed` (share of chains with one state left). Several seeds: over seeds. One seed: over the times of its
    chains, which the curve tells. Times of chains have a long tail that few of them show, so the interval of few chains is corrected
    for skewness: it covers 94 to 95 % of ten or more (Student's 90), 91 % of three to five, where two states start alike; where one starts
    rare 93 and 86 %. Seeds of several chains are near normal and have Student's. Raises NotApplicable without such readings.
    Law: laws.categorical.absorption_time, less one.
    """
    chosen = Readings(readings, arm, seed)
    alive = 1 - chosen.course("absorbed").values  # (seeds, generations)
    time = mean_time(alive, _chains(chosen))
    over = f"interval over {time.n} {'seeds' if len(alive) > 1 else 'chains'}" if time.low is not None else time.method
    left, last = float(alive[:, -1].mean()), alive.shape[1] - 1
    tail = f"; at least, for {left:.3g} of the chains were not absorbed by generation {last}" if left > 0 else ""
    return AbsorptionTime(
        value=time.value,
        low=None if time.low is None else max(0.0, time.low),
        high=time.high,
        is_lower_bound=left > 0,
        n=time.n,
        note=f"Sum over generations of the share not absorbed, {over}{tail}.",
    )


def mean_time(alive: np.ndarray, chains: int) -> Estimate:
    """The mean time to absorption in generations, with its interval: over seeds where there are several, else over the chains.

    alive: the share of a seed's chains that are not absorbed, (seeds, generations); `chains` of each seed. One chain of one seed has no interval.
    """
    times = alive.sum(axis=1)
    if len(alive) > 1:
        return mean(times, "seeds") if chains > 1 else _skewed(times, "seeds")
    return without_interval(times.item(), ONE_CHAIN) if chains == 1 else _skewed(_times(alive[0], chains), "chains", times.item())


def _skewed(times: np.ndarray, unit: str, value: float | None = None) -> Estimate:
    parts = (times - times.mean()) / times.size
    return sum_of(float(times.mean()) if value is None else value, parts, np.ones(times.size), unit)


def _chains(chosen: Readings) -> int:
    """Chains of a seed, the fewest where seeds differ."""
    counts = chosen.rows.filter(measure="absorbed")["n"].drop_nulls().to_list()
    return min(counts, default=1)


def _times(alive: np.ndarray, chains: int) -> np.ndarray:
    """Each chain's time to absorption, cut off after the last generation, from the share that is left; in order, (chains,)."""
    ended = chains - np.rint(chains * np.minimum.accumulate(alive)).astype(int)
    return np.repeat(np.arange(alive.size + 1), np.diff(ended, prepend=0, append=chains))
