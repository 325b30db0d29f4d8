"""Pseudo-random 64-bit numbers from whole numbers and from records: similar things get very different numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars


def mixed_bits(numbers: np.ndarray) -> np.ndarray:
    """Mix the bits of 64-bit numbers with the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), which is one-to-one, (n,).

    >>> mixed_bits(np.array([0, 1], np.uint64)).tolist()
    [0, 6238072747940578789]
    """
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def pseudo_random(numbers: np.ndarray) -> np.ndarray:
    """Return a pseudo-random 64-bit number for each number (SplitMix64), (n,). Different numbers give different results."""
    with np.errstate(over="ignore"):
        return mixed_bits((numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))


def hashes_of(frame: polars.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return a uniform 64-bit hash of each record, (n,). It depends only on the values of the record."""
    return pseudo_random(frame.select(columns).hash_rows(seed=0).to_numpy())
