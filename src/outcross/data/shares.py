"""Divide whole numbers of records exactly between several shares."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

SAFE = 2**62
"""Products up to this size fit into the integers of NumPy. Larger ones are computed with the integers of Python."""
CHUNK = 4096
"""A sixteenth of the maximum number of totals that are tried at a time."""
TRIED = 5_000_000
"""The maximum number of totals that are tried."""


def exact(number: float) -> Fraction:
    """Return the fraction that a number was written as: 0.3 is 3/10, and not the nearest binary fraction.

    >>> exact(0.3)
    Fraction(3, 10)
    """
    return Fraction(repr(float(number)))


def whole(weights: Sequence[Fraction | int]) -> tuple[int, ...]:
    """Return whole numbers in the same proportions as the weights, without a common factor.

    >>> whole([Fraction(3, 10), Fraction(7, 10)])
    (3, 7)
    """
    common = math.lcm(*(Fraction(weight).denominator for weight in weights))
    numbers = [int(Fraction(weight) * common) for weight in weights]
    factor = math.gcd(*numbers) or 1
    return tuple(number // factor for number in numbers)


def largest_remainder(weights: Sequence[Fraction | int], totals: Sequence[int] | np.ndarray) -> np.ndarray:
    """Divide each total between the weights (Hamilton's method): each gets its share rounded down, and the rest goes to the largest remainders.

    Of equal remainders the first has priority. Every row sums to its total, and every number differs from its exact share by less than 1.
    totals: (m,). Returns (m, weights).

    >>> largest_remainder([Fraction(3, 10), Fraction(7, 10)], [10, 11, 1]).tolist()
    [[3, 7], [3, 8], [0, 1]]
    """
    numbers = whole(weights)
    base = sum(numbers)
    largest = max((int(total) for total in totals), default=0)
    kind = np.int64 if base * max(largest, 1) < SAFE else object
    products = np.asarray(totals, dtype=kind)[:, None] * np.asarray(numbers, dtype=kind)[None, :]  # (m, weights)
    counts, remainders = products // base, products % base
    rest = np.asarray(totals, dtype=kind) - counts.sum(axis=1)
    order = np.argsort(-remainders, axis=1, kind="stable")
    place = np.empty(order.shape, dtype=np.int64)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(len(numbers)), order.shape), axis=1)
    return (counts + (place < rest[:, None])).astype(np.int64)


def smallest_total(quotas: Callable[[np.ndarray], Any], fits: Callable[[np.ndarray], Any], low: int, high: int) -> int | None:
    """Return the smallest total from `low` to `high` whose quotas fit; None if there is none among the first five million.

    quotas: returns (m, weights) for totals (m,). fits: returns for each row of quotas whether it fits.
    """
    return _first(quotas, fits, range(low, min(high, low + TRIED) + 1))


def largest_total(quotas: Callable[[np.ndarray], Any], fits: Callable[[np.ndarray], Any], low: int, high: int) -> int | None:
    """Return the largest total from `high` down to `low` whose quotas fit; None if there is none among the first five million."""
    return _first(quotas, fits, range(high, max(low, high - TRIED) - 1, -1))


def _first(quotas: Callable[[np.ndarray], Any], fits: Callable[[np.ndarray], Any], totals: range) -> int | None:
    for chunk in _chunks(totals):
        good = np.flatnonzero(fits(quotas(chunk)))
        if good.size:
            return int(chunk[good[0]])
    return None


def _chunks(totals: range) -> Iterator[np.ndarray]:
    """Yield the totals in chunks, small ones first and then larger ones."""
    start, size = 0, 16
    while start < len(totals):
        part = totals[start : start + size]
        yield np.arange(part.start, part.stop, part.step, dtype=np.int64)
        start, size = start + size, min(size * 4, CHUNK * 16)
