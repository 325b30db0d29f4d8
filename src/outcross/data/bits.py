"""Whole numbers whose bits are spread over all of them, so that near numbers become far ones and unlike ones stay unlike."""

from __future__ import annotations

import numpy as np


def spread(numbers: np.ndarray) -> np.ndarray:
    """Every bit of 64-bit numbers spread over all of each: the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). One to one, (n,).

    >>> spread(np.array([0, 1], np.uint64)).tolist()
    [0, 6238072747940578789]
    """
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
