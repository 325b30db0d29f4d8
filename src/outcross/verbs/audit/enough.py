"""The number of records that would be enough for a verdict."""

from __future__ import annotations

import math

from outcross.estimate import NORMAL_QUANTILE

PREDICTED = 0.85
"""Probability, averaged over the possible effects, that the suggested number of fresh records gives a verdict. Effects near the limit are more common
than this average assumes. On the first grid of benchmarks/records_for_a_verdict.py, where this number was chosen, 84 % of fresh samples gave a verdict. On
the second grid, which was examined once afterwards, 82 % did."""
MOST = 1e12
"""Upper limit of the suggested number of records."""


def records_for_a_verdict(value: float, end: float, limit: float, rows: int, is_ratio: bool) -> float | None:
    """Return about how many records on each side give a verdict in 80 % of fresh samples, or None if the effect is too uncertain.

    `end` is the end of the interval on the other side of the limit. The effect, z = |value − limit| in standard errors, is itself uncertain, and its
    conservative end lies at the limit, where no number of records is enough. So the probability is averaged over the possible effects d ~ N(z, 1):
    with k times the records the statistic is N(z √k, 1 + k), and gives a verdict if it is beyond ± 1.96. For an effect within one standard error
    of the limit the result is None, because the number would be many times too large or too small (benchmarks/records_for_a_verdict.py).

    >>> records_for_a_verdict(0.9, 0.78, 0.8, 1000, False), records_for_a_verdict(0.82, 0.7, 0.8, 1000, False)
    (11000.0, None)
    """
    if is_ratio and min(value, end, limit) > 0:
        value, end, limit = math.log(value), math.log(end), math.log(limit)
    if value == end:
        return None
    z = abs(value - limit) / (abs(end - value) / NORMAL_QUANTILE)
    return None if z <= 1 else min(MOST, up_to_two_digits(rows * times_the_records(z)))


def times_the_records(z: float) -> float:
    """Return the factor on the number of records that gives a verdict with probability PREDICTED, if the effect is z of the present standard errors.

    >>> [round(times_the_records(z), 1) for z in (1.0, 1.5, 1.9)]
    [39.9, 13.6, 5.9]
    """
    low, high = 0.0, math.log(1e9)
    for _ in range(60):
        middle = (low + high) / 2
        k = math.exp(middle)
        effect, error = z * math.sqrt(k), math.sqrt(1 + k)
        power = sum(_below((sign * effect - NORMAL_QUANTILE) / error) for sign in (1, -1))
        low, high = (middle, high) if power < PREDICTED else (low, middle)
    return math.exp(high)


def _below(quantile: float) -> float:
    """Return the probability that a standard normal number is below `quantile`."""
    return math.erfc(-quantile / math.sqrt(2)) / 2


def up_to_two_digits(number: float) -> float:
    """Return a number rounded up to two significant digits.

    >>> up_to_two_digits(1234.5), up_to_two_digits(7.2)
    (1300.0, 8.0)
    """
    step = 10.0 ** max(0, math.floor(math.log10(max(1.0, number))) - 1)
    return math.ceil(number / step) * step
