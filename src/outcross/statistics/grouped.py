"""Quantiles of tied values: each value stands for a cell that reaches half-way to the neighbouring values.

Counts and rounded values are known only up to a cell, and a quantile lies inside a cell, as in the textbook quartiles of grouped data. The quantile
therefore changes smoothly with the shares of the values instead of jumping from one value to the next, and it has a sampling error. If all values
differ, the cells are as narrow as the gaps between them, and the quantile is the usual one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outcross.statistics.floors import permuted_cells


@dataclass(frozen=True, eq=False)
class Cells:
    """The distinct values of two sets together, and the edges of their cells."""

    values: np.ndarray
    """The distinct values in ascending order, (values,)."""
    edges: np.ndarray
    """The edges of the cells, (values + 1,)."""

    def counts(self, numbers: np.ndarray) -> np.ndarray:
        """Count how many of the numbers have each value, (values,). Each number must be one of the values."""
        return np.bincount(np.searchsorted(self.values, numbers), minlength=self.values.size)

    def quantiles(self, counts: np.ndarray, shares: tuple[float, ...]) -> np.ndarray:
        """Return the quantiles of sets with these counts (…, values), with each cell filled evenly, (…, shares).

        >>> cells_of(np.array([0.0, 1.0, 2.0])).quantiles(np.array([2, 4, 2]), (0.25, 0.5, 0.75))
        array([0.5, 1. , 1.5])
        """
        running = np.cumsum(counts, axis=-1)
        quantiles = []
        for share in shares:
            wanted = share * running[..., -1:]
            # The tolerance keeps a quantile at the exact end of a cell from moving into the next cell by rounding.
            cell = np.minimum((running < wanted - 1e-9).sum(axis=-1, keepdims=True), self.values.size - 1)
            inside = np.take_along_axis(counts, cell, axis=-1)
            before = np.take_along_axis(running, cell, axis=-1) - inside
            quantiles.append(self._within(cell, (wanted - before) / np.maximum(inside, 1))[..., 0])
        return np.stack(quantiles, axis=-1)

    def permuted_quantiles(
        self, counts: np.ndarray, shares: tuple[float, ...], rng: np.random.Generator, permutations: int
    ) -> np.ndarray:
        """Return the quantiles of two sets with these counts (2, values) under permuted labels, with each cell filled evenly, (2, permutations,
        shares)."""
        sizes = counts.sum(axis=1)
        wanted = sizes[:, None] * np.array(shares)
        # The quantile lies in the cell of this thing, counted from 0. The tolerance avoids that rounding moves it into the next cell.
        things = np.maximum(0, np.ceil(wanted - 1e-9).astype(np.int64) - 1)
        ends = np.concatenate([[0], np.cumsum(counts.sum(axis=0))])
        drawn = permuted_cells(ends, things, int(sizes[0]), rng, permutations)
        before = things[:, None, :] - drawn.left
        return self._within(drawn.cell, (wanted[:, None, :] - before) / np.maximum(drawn.inside, 1))

    def _within(self, cell: np.ndarray, part: np.ndarray) -> np.ndarray:
        """Return the number at a fraction `part` of a cell."""
        return self.edges[cell] + part * (self.edges[cell + 1] - self.edges[cell])

    def filled(self, counts: np.ndarray) -> np.ndarray:
        """Return `counts` numbers of each value, spread evenly over its cell, in ascending order, (numbers,)."""
        first = np.cumsum(counts) - counts
        cell = np.repeat(np.arange(self.values.size), counts)
        part = (np.arange(cell.size) - first[cell] + 0.5) / counts[cell]
        return self.edges[cell] + part * (self.edges[cell + 1] - self.edges[cell])


def cells_of(numbers: np.ndarray) -> Cells:
    """Return the cells of numbers. At least two numbers must differ."""
    values = np.unique(numbers)
    middles = (values[1:] + values[:-1]) / 2
    return Cells(values, np.concatenate([[2 * values[0] - middles[0]], middles, [2 * values[-1] - middles[-1]]]))
