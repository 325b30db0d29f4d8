"""How many generations it takes until a chain of states has one state left."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from outcross.course import Interval, Readings, Z, student

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

    Reads the metric `absorbed` (share of chains with one state left). Several seeds: t-interval over seeds. One seed:
    the spread of times that the curve itself implies, over the chains that `n` counts. Raises NotApplicable without such
    readings. Law: laws.categorical.absorption_time, less one.
    """
    chosen = Readings(readings, arm, seed)
    alive = 1 - chosen.course("absorbed").values  # (seeds, generations)
    times = alive.sum(axis=1)
    if len(times) > 1:
        n, over = len(times), "seeds"
        half = student(n - 1) * float(times.std(ddof=1)) / math.sqrt(n)
    else:
        n, over = _chains(chosen), "chains"
        half = Z * _deviation(alive[0]) / math.sqrt(n)
    time = Interval.around(float(times.mean()), half)
    left, last = float(alive[:, -1].mean()), alive.shape[1] - 1
    tail = f"; at least, for {left:.3g} of the chains were not absorbed by generation {last}" if left > 0 else ""
    return AbsorptionTime(
        value=time.value,
        low=time.low if n > 1 else None,
        high=time.high if n > 1 else None,
        is_lower_bound=left > 0,
        n=n,
        note=f"Sum over generations of the share not absorbed, interval over {n} {over}{tail}.",
    )


def _chains(readings: Readings) -> int:
    counts = readings.rows.filter(metric="absorbed")["n"].drop_nulls().to_list()
    return min(counts, default=1)


def _deviation(alive: np.ndarray) -> float:
    """Standard deviation of a chain's time to absorption, cut off at the last generation, from the curve of the alive."""
    chance = -np.diff(alive, prepend=1.0, append=0.0)
    times = np.arange(chance.size)
    return math.sqrt(max(float(chance @ (times - chance @ times) ** 2), 0.0))
