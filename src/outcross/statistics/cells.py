"""The number of records of each cell (class by group) that a reparation keeps.

Counts are arrays (chains…, classes, groups): the last axis is the group, the axis before it the class.
"""

from __future__ import annotations

import numpy as np


def apportioned(shares: np.ndarray, n: int) -> np.ndarray:
    """Divide n records in proportion to shares (…, K), by the largest remainders. Ties go to the first cell. If all shares are 0, no records are
    assigned.

    >>> apportioned(np.array([0.5, 0.3, 0.2]), 9).tolist()
    [4, 3, 2]
    """
    total = shares.sum(axis=-1, keepdims=True)
    exact = shares * np.divide(n, total, out=np.zeros_like(total, dtype=float), where=total > 0)
    whole = np.floor(exact + 1e-9).astype(np.int64)
    left = np.where(total[..., 0] > 0, n, 0) - whole.sum(axis=-1)
    rank = np.argsort(np.argsort(-(exact - whole), axis=-1, kind="stable"), axis=-1)
    return whole + (rank < left[..., None])


def some_of(counts: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw `wanted` (chains…) records without replacement from counts (chains…, K), in every chain separately, and return their counts."""
    left, wanted = counts.sum(axis=-1), wanted.copy()
    taken = np.empty_like(counts)
    for state in range(counts.shape[-1]):
        here = counts[..., state]
        taken[..., state] = rng.hypergeometric(here, left - here, wanted)
        left, wanted = left - here, wanted - taken[..., state]
    return taken


def star_counts(counts: np.ndarray, wanted: int, cells: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts (chains…, K) that stratified reparation keeps, and the number of fill-ins among them, (chains…).

    `wanted` records are set aside, like the last records of a list. Of the others, each cell keeps at most ⌊wanted/cells⌋ records. If records are
    still missing, they are filled up from those set aside, without regard to their cell.
    """
    everything = counts.sum(axis=-1)
    offered = some_of(counts, everything - wanted, rng)
    taken = np.minimum(offered, wanted // cells)
    filled = wanted - taken.sum(axis=-1)
    return taken + some_of(counts - offered, filled, rng), filled


def star_rows(cell: np.ndarray, wanted: int, cells: int) -> np.ndarray:
    """Return how often stratified reparation keeps each candidate, (n,). The last `wanted` candidates are set aside for the fill-in."""
    offered = len(cell) - wanted
    times = np.zeros(len(cell), dtype=np.int64)
    times[:offered] = first_of_cells(cell[:offered], wanted // cells)
    times[offered : offered + wanted - int(times.sum())] = 1
    return times


def first_of_cells(cell: np.ndarray, quota: int) -> np.ndarray:
    """Return whether each record is among the first `quota` records of its cell, (n,)."""
    is_first = np.zeros(len(cell), dtype=bool)
    for number in np.unique(cell):
        is_first[np.flatnonzero(cell == number)[:quota]] = True
    return is_first


def independent(counts: np.ndarray) -> np.ndarray:
    """Return the shares at which class and group are independent: P(class) P(group) for the cells with records, scaled to sum to 1.

    Kamiran and Calders weight a record by P(class) P(group) / P(class, group), which gives the cells these shares. An empty cell stays empty.
    """
    shares = counts / counts.sum(axis=(-2, -1), keepdims=True)
    product = shares.sum(axis=-1, keepdims=True) * shares.sum(axis=-2, keepdims=True) * (counts > 0)
    return product / product.sum(axis=(-2, -1), keepdims=True)


def reweighed(counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw as many records as there are, with replacement, by the weights that make class and group independent."""
    *chains, classes, groups = counts.shape
    n = int(counts.reshape(-1, classes * groups)[0].sum())
    return rng.multinomial(n, independent(counts).reshape(*chains, -1)).reshape(counts.shape)


def equalised(counts: np.ndarray) -> np.ndarray:
    """Give every group the class shares of all records at its own size (strong parity).

    An empty cell stays empty, and its records go to the other cells of its group.
    """
    overall = counts.sum(axis=-1, keepdims=True) / counts.sum(axis=(-2, -1), keepdims=True)
    wanted = np.swapaxes(overall * (counts > 0), -1, -2)  # (chains…, groups, classes)
    sizes = counts.sum(axis=-2)  # (chains…, groups)
    total = wanted.sum(axis=-1, keepdims=True)
    exact = np.divide(wanted * sizes[..., None], total, out=np.zeros_like(wanted), where=total > 0)
    whole = np.floor(exact + 1e-9).astype(np.int64)
    rank = np.argsort(np.argsort(-(exact - whole), axis=-1, kind="stable"), axis=-1)
    return np.swapaxes(whole + (rank < (sizes - whole.sum(axis=-1))[..., None]), -1, -2)


def oversampled(counts: np.ndarray) -> np.ndarray:
    """Give every cell with records the same number of records, with the same total. Small cells are oversampled and large cells undersampled."""
    *chains, classes, groups = counts.shape
    flat = counts.reshape(*chains, -1)
    n = int(flat.reshape(-1, classes * groups)[0].sum())
    return apportioned((flat > 0).astype(float), n).reshape(counts.shape)


def spread_over(cell: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return how often each record is kept, (n,), so that the cells have `wanted` (K,) records. Within a cell these numbers differ by at most one."""
    times = np.zeros(len(cell), dtype=np.int64)
    for number, many in enumerate(wanted):
        rows = np.flatnonzero(cell == number)
        if len(rows):
            each, more = divmod(int(many), len(rows))
            times[rows] = each
            times[rng.permutation(rows)[:more]] += 1
    return times


def drawn_by_group(shares: np.ndarray, sizes: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw counts (chains…, classes × groups) of n rows, in which each group has a fixed share of the rows.

    shares: (chains…, classes, groups), proportional to the class probabilities within each group. sizes: the shares of the groups, (groups,), which
    sum to 1.
    """
    within = shares / shares.sum(axis=-2, keepdims=True)
    drawn = [rng.multinomial(rows, within[..., group]) for group, rows in enumerate(apportioned(sizes, n))]
    return np.stack(drawn, axis=-1).reshape(*shares.shape[:-2], -1)
