"""Bit mixing of whole numbers: similar numbers become very different ones, and different numbers stay different."""

from __future__ import annotations

import numpy as np


def spread(numbers: np.ndarray) -> np.ndarray:
    """Mix the bits of 64-bit numbers with the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), which is one-to-one, (n,).

    >>> spread(np.array([0, 1], np.uint64)).tolist()
    [0, 6238072747940578789]
    """
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
