"""Paired differences over a few seeds: the exact test by flipping signs, and Holm's correction over several claims."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from outcross.errors import BadInput

MOST = 20
"""Pairs up to which every flip of signs is looked at: a million."""


def sign_flip(differences: Sequence[float]) -> float:
    """P that the mean of paired differences is as far from 0, two-sided, where their signs are chance.

    All 2^n flips are counted, so that the test is exact for symmetric differences: with ten pairs p is a multiple of 1/1024, and at least 2/1024.

    >>> sign_flip([1, 2, 3, 4])
    0.125
    """
    values = np.asarray(differences, dtype=float)
    if not 0 < len(values) <= MOST:
        raise BadInput(f"an exact sign-flip test takes 1 to {MOST} pairs, got {len(values)}; use fewer seeds")
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(values))))
    sums = np.abs(signs @ values)
    return float(np.mean(sums >= abs(values.sum()) - 1e-12 * np.abs(values).sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected by Holm: of m claims the smallest is multiplied by m, the next by m − 1 …, and none falls below one before it.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    many = len(order)
    corrected, largest = [0.0] * many, 0.0
    for place, number in enumerate(order):
        largest = max(largest, min(1.0, (many - place) * p_values[number]))
        corrected[number] = largest
    return corrected
