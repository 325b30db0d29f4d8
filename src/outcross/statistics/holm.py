"""Holm's correction of p-values of several tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p: Sequence[float] | np.ndarray, tests: int | None = None) -> np.ndarray:
    """Return Holm's adjusted p-values (Scand. J. Stat. 6:65, 1979), in the order of p, (tests,).

    They control the chance of any false discovery. Of m p-values the smallest is multiplied by m, the next by m − 1, and so on, without decreasing.
    `tests` is m if p holds only some of the tests, among them those with the smallest p-values.

    >>> holm([0.01, 0.04, 0.03]).tolist(), holm([0.01, 0.04], 3).tolist()
    ([0.03, 0.06, 0.06], [0.03, 0.08])
    """
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    remaining = (values.size if tests is None else tests) - np.arange(values.size)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * remaining))
    return adjusted
