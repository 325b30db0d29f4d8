"""Tests of paired differences over a few seeds: the exact sign-flip test, and Holm's correction over several claims."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from outcross.errors import BadInput

MOST = 20
"""Maximum number of pairs. All flips of their signs are enumerated, about a million."""


def sign_flip(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of the mean of paired differences, under random signs.

    All 2^n sign flips are enumerated, so the test is exact for symmetric differences. With ten pairs, p is a multiple of 1/1024 and at least 2/1024.

    >>> sign_flip([1, 2, 3, 4])
    0.125
    """
    values = np.asarray(differences, dtype=float)
    if not 0 < len(values) <= MOST:
        raise BadInput(f"an exact sign-flip test takes 1 to {MOST} pairs, got {len(values)}; use fewer seeds")
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(values))))
    sums = np.abs(signs @ values)
    return float(np.mean(sums >= abs(values.sum()) - 1e-12 * np.abs(values).sum()))
