"""The number of generations until a chain of states has one state left."""

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

    The unit is generations, with g = 0 for the fit to human data; add one for the number of fits T in the papers. `is_lower_bound` says that some
    chain had not collapsed by the last generation, so the mean time is at least `value` (and `high` bounds only the truncated mean). One chain has
    no interval.
    """

    value: float
    low: float | None
    high: float | None
    is_lower_bound: bool
    n: int
    note: str


def time_to_absorption(readings: pl.DataFrame, *, arm: str, seed: int | None = None) -> AbsorptionTime:
    """Return the mean number of generations until one state is left, that is, the sum over g of P(not absorbed by g).

    It uses the measure `absorbed` (share of chains with one state left). With several seeds, the interval is over seeds. With one seed, it is over
    the times of its chains, which follow from the curve. The times have a long right tail that a few chains rarely show, so the interval is corrected
    for skewness. If two states start with equal shares, it covers 94 to 95 % with ten or more chains (Student's interval 90 %) and 91 % with three to
    five chains. If one state starts rare, it covers 93 and 86 %. Means over the chains of a seed are nearly normal and have Student's interval. Raises
    NotApplicable without such readings. Closed form: laws.categorical.absorption_time, minus one.
    """
    chosen = Readings(readings, arm, seed)
    alive = 1 - chosen.course("absorbed").values  # (seeds, generations)
    time = mean_time(alive, _chains(chosen))
    over = f"interval over {time.n} {'seeds' if len(alive) > 1 else 'chains'}" if time.low is not None else time.method
    left, last = float(alive[:, -1].mean()), alive.shape[1] - 1
    tail = (
        f"; it is a lower bound, because a share of {left:.3g} of the chains was not absorbed by generation {last}"
        if left > 0
        else ""
    )
    return AbsorptionTime(
        value=time.value,
        low=None if time.low is None else max(0.0, time.low),
        high=time.high,
        is_lower_bound=left > 0,
        n=time.n,
        note=f"Sum over generations of the share not absorbed, {over}{tail}.",
    )


def mean_time(alive: np.ndarray, chains: int) -> Estimate:
    """Return the mean time to absorption in generations, with its interval over seeds, or over chains if there is one seed.

    `alive` is the share of each seed's chains that are not absorbed, (seeds, generations), and `chains` the number of chains per seed. One chain of
    one seed has no interval.
    """
    times = alive.sum(axis=1)
    if len(alive) > 1:
        return mean(times, "seeds") if chains > 1 else _skewed(times, "seeds")
    return without_interval(times.item(), ONE_CHAIN) if chains == 1 else _skewed(_times(alive[0], chains), "chains", times.item())


def _skewed(times: np.ndarray, unit: str, value: float | None = None) -> Estimate:
    parts = (times - times.mean()) / times.size
    return sum_of(float(times.mean()) if value is None else value, parts, np.ones(times.size), unit)


def _chains(chosen: Readings) -> int:
    """Return the number of chains per seed, the smallest if seeds differ."""
    counts = chosen.rows.filter(measure="absorbed")["n"].drop_nulls().to_list()
    return min(counts, default=1)


def _times(alive: np.ndarray, chains: int) -> np.ndarray:
    """Return the sorted times to absorption of all chains, truncated after the last generation, from the share that is not absorbed, (chains,)."""
    ended = chains - np.rint(chains * np.minimum.accumulate(alive)).astype(int)
    return np.repeat(np.arange(alive.size + 1), np.diff(ended, prepend=0, append=chains))
