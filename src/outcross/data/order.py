"""Orders in which every beginning has the shares of the whole: the chairman assignment (Tijdeman, The chairman assignment problem, Discrete Mathematics 1980)."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

CHUNK = 500_000
"""The number of records that are converted from arrays to lists at a time."""
PIECE = 1 << 16
"""The number of positions that are processed at a time, so that they fit into a processor's cache."""


def even_order(counts: Sequence[int]) -> np.ndarray:
    """Return the pool at each position, (sum of counts,), for pools with `counts[i]` positions each.

    For P pools every beginning has the share of each pool to within 1 − 1/(2P − 2) positions (1/2 for two pools, .833 for four). Every interval
    therefore has it to within twice that. This bound gives the k-th position of a pool an earliest and a latest value. By Tijdeman's theorem all of
    these windows can be met together, and filling each position with the open window that ends first meets them.

    >>> even_order([3, 7]).tolist()
    [1, 0, 1, 1, 0, 1, 1, 1, 0, 1]
    """
    present = [pool for pool, count in enumerate(counts) if count]
    common = math.gcd(*(counts[pool] for pool in present)) if present else 1
    pattern = _period([counts[pool] // common for pool in present])
    return np.tile(np.asarray(present, dtype=np.int32)[pattern], common)


def _period(counts: Sequence[int]) -> np.ndarray:
    """Return one period of the order, for positive counts without a common factor."""
    pools, total = len(counts), sum(counts)
    if pools < 2:
        return np.zeros(total, dtype=np.int64)
    if pools == 2:  # the first pool has its exact share of every beginning, rounded
        served = (2 * counts[0] * np.arange(total + 1) + total) // (2 * total)
        return 1 - np.diff(served)
    windows = [_windows(count, total, pools) for count in counts]
    firsts = np.concatenate([first for first, _ in windows])
    lasts = np.concatenate([last for _, last in windows])
    pool = np.repeat(np.arange(pools), counts)
    order = np.argsort(firsts, kind="stable")
    return _earliest_end_first(firsts[order], lasts[order] * pools + pool[order], pools)


def _windows(count: int, total: int, pools: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the earliest and the latest position, from 1, of each record of a pool. Outside of them some beginning deviates by more than the bound."""
    step = 2 * pools - 2
    k = np.arange(count, dtype=np.int64 if total * count * step < 2**62 else object)
    firsts = -((-total * (step * k + 1)) // (step * count))
    lasts = total * (step * k + step - 1) // (step * count) + 1
    return firsts.astype(np.int64), np.minimum(lasts, total).astype(np.int64)


def _earliest_end_first(firsts: np.ndarray, ends: np.ndarray, pools: int) -> np.ndarray:
    """Return the pool at each position: that of the open window that ends first. firsts: ascending first positions. ends: last position × pools + pool."""
    waiting: list[int] = []
    parts: list[np.ndarray] = []
    place = 0
    for start in range(0, len(firsts), CHUNK):
        served: list[int] = []
        for first, end in zip(firsts[start : start + CHUNK].tolist(), ends[start : start + CHUNK].tolist(), strict=True):
            while place + 1 < first:
                served.append(heapq.heappop(waiting) % pools)
                place += 1
            heapq.heappush(waiting, end)
        parts.append(np.array(served, dtype=np.int64))
    return np.concatenate([*parts, np.array([heapq.heappop(waiting) % pools for _ in range(len(waiting))], dtype=np.int64)])


def bound(pools: int) -> Fraction:
    """Return the upper bound of the deviation of a beginning from a share, in positions: 1 − 1/(2P − 2); 0 for a single pool."""
    return Fraction(0) if pools < 2 else 1 - Fraction(1, 2 * pools - 2)


def deviation(order: np.ndarray, counts: Sequence[int]) -> Fraction:
    """Return the largest deviation of any beginning of an order from any pool's share, in positions, exactly."""
    total, worst = len(order), 0
    for pool, count in enumerate(counts):
        before = 0
        for start in range(0, total, PIECE):
            served = before + np.cumsum(order[start : start + PIECE] == pool, dtype=np.int64)
            places = np.arange(start + 1, start + len(served) + 1, dtype=np.int64)
            worst, before = max(worst, int(np.abs(served * total - places * count).max())), int(served[-1])
    return Fraction(worst, total) if total else Fraction(0)
