"""How many records each of several shares gets of a whole number of them, exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

SAFE = 2**62
"""Products up to this size fit the whole numbers of NumPy; larger ones are computed as whole numbers of Python."""
CHUNK = 4096
"""Totals that are tried at a time."""
TRIED = 5_000_000
"""Totals that are tried, at most."""


def exact(number: float) -> Fraction:
    """The fraction that a number was written as: 0.3 is 3/10, not the nearest sum of powers of two.

    >>> exact(0.3)
    Fraction(3, 10)
    """
    return Fraction(repr(float(number)))


def whole(weights: Sequence[Fraction | int]) -> tuple[int, ...]:
    """Whole numbers in the same proportions as the weights, without a common factor.

    >>> whole([Fraction(3, 10), Fraction(7, 10)])
    (3, 7)
    """
    common = math.lcm(*(Fraction(weight).denominator for weight in weights))
    numbers = [int(Fraction(weight) * common) for weight in weights]
    factor = math.gcd(*numbers) or 1
    return tuple(number // factor for number in numbers)


def largest_remainder(weights: Sequence[Fraction | int], totals: Sequence[int] | np.ndarray) -> np.ndarray:
    """How many of each total every weight gets (Hamilton's method): its share rounded down, and the rest by the largest remainders.

    Of equal remainders the first is served. Every row sums to its total, and no number is a whole one away from its exact share.
    totals: (m,); returns (m, weights).

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
    """The smallest total from `low` to `high` whose quotas fit; None where there is none among the first five million.

    `quotas` gives (m, weights) for (m,) totals, `fits` says for each row whether it will do.
    """
    return _first(quotas, fits, range(low, min(high, low + TRIED) + 1))


def largest_total(quotas: Callable[[np.ndarray], Any], fits: Callable[[np.ndarray], Any], low: int, high: int) -> int | None:
    """The largest total from `high` down to `low` whose quotas fit; None where there is none among the first five million."""
    return _first(quotas, fits, range(high, max(low, high - TRIED) - 1, -1))


def _first(quotas: Callable[[np.ndarray], Any], fits: Callable[[np.ndarray], Any], totals: range) -> int | None:
    for chunk in _chunks(totals):
        good = np.flatnonzero(fits(quotas(chunk)))
        if good.size:
            return int(chunk[good[0]])
    return None


def _chunks(totals: range) -> Iterator[np.ndarray]:
    """The totals, a few first and then more at a time."""
    start, size = 0, 16
    while start < len(totals):
        part = totals[start : start + size]
        yield np.arange(part.start, part.stop, part.step, dtype=np.int64)
        start, size = start + size, min(size * 4, CHUNK * 16)
