"""Laws of the cells of a table (class by group) whose shares are estimated repeatedly from their own samples.

The learner's probability of a cell is the cell's share of the rows. T counts *fits*: T = 1 is the fit to human data, so T = g + 1 for
generation g. A law returns its curve for T = 1 … `fits`. In genetics this is genetic drift: the expected share of a cell is constant, its
variance grows, and heterozygosity decays. Sources: Wright-Fisher model; Wyllie, Shumailov and Papernot, arXiv 2403.07857 (the cells, STAR).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from outcross.laws import categorical


@dataclass(frozen=True, eq=False)
class KnownCells:
    """The facts about cells for a law: their human shares, and whether every generation has the same number of rows in each group."""

    shares: np.ndarray  # (classes, groups), sums to 1
    fixed_groups: bool = False

    @property
    def rarest(self) -> tuple[int, int]:
        """The class and the group of the rarest cell; the first of equally rare cells."""
        row, column = np.unravel_index(np.argmin(self.shares), self.shares.shape)
        return int(row), int(column)


def cell_share(fits: int, share: float) -> np.ndarray:
    """Expected share of a cell at every fit, which is its human share (F1).

    Exact under replace, because shares are a martingale. The mean over many runs therefore hides the loss of every single run.

    >>> cell_share(2, 0.05).tolist()
    [0.05, 0.05]
    """
    return np.full(fits, float(share))


def cell_variance(n: int, fits: int, share: float) -> np.ndarray:
    """Variance over runs of the share of a cell under replace (F2).

    π(1 − π)[1 − (1 − 1/n)^T]. Exact. The limit is π(1 − π), at which the share is 0 or 1 in every run.

    >>> round(float(cell_variance(100, 10, 0.5)[-1]), 4)
    0.0239
    """
    return share * (1 - share) * (1 - (1 - 1 / n) ** np.arange(1, fits + 1))


def heterozygosity(n: int, fits: int, shares: ArrayLike) -> np.ndarray:
    """Expected probability that two draws are in different cells, 1 − Σ π², under replace (F2).

    It is multiplied by 1 − 1/n at every fit. Exact.

    >>> heterozygosity(2, 2, [0.5, 0.5]).tolist()
    [0.25, 0.125]
    """
    return 1 - categorical.concentration_replace(n, fits, shares)


def cell_lost(n: int, fits: int, share: float) -> np.ndarray:
    """Probability that a cell is extinct under replace: (1 − π)^n at the first fit, then by the exact binomial chain (F3).

    n is at most `categorical.MOST_ROWS`. A lost cell never returns.

    >>> np.round(cell_lost(2, 2, 0.5), 6).tolist()
    [0.25, 0.375]
    """
    return categorical.count_distribution(n, fits, share)[:, 0]


def squared_gap(rows: tuple[int, int], fits: int, rates: tuple[float, float]) -> np.ndarray:
    """Expected squared difference of the rates of two groups with constant numbers of rows (F4).

    (π_A − π_B)² + π_A(1 − π_A)[1 − (1 − 1/n_A)^T] + π_B(1 − π_B)[1 − (1 − 1/n_B)^T]. Exact under replace. The expected signed difference is
    constant, and 0 for exchangeable groups. So unfairness grows even from unbiased data, in a random direction.

    >>> round(float(squared_gap((100, 100), 10, (0.5, 0.5))[-1]), 4)
    0.0478
    """
    drift = sum(cell_variance(n, fits, rate) for n, rate in zip(rows, rates, strict=True))
    return (rates[0] - rates[1]) ** 2 + np.asarray(drift)


def star_shares(shares: ArrayLike, batch: int, extra: int) -> np.ndarray:
    """Expected shares of the cells of one batch of stratified reparation (STAR), (cells,) (F5).

    It is e_c/B + (1 − Σ e/B) π_c with q = ⌊B/K⌋ and e_c = E min(Bin(B + R, π_c), q). Exact for one batch with newly drawn fill-ins. Uniform
    shares are a fixed point, and a cell with share 0 keeps 0. Source: derived here from arXiv 2403.07857.

    >>> np.round(star_shares([0.05, 0.15, 0.30, 0.50], 256, 1024), 3).tolist()
    [0.238, 0.252, 0.254, 0.256]
    """
    from scipy.stats import binom

    known = categorical.one_distribution(shares)
    quota = batch // len(known)
    below = np.arange(quota)  # E min(X, q) = Σ_{j < q} P(X > j)
    kept = binom.sf(below[None, :], batch + extra, known[:, None]).sum(axis=1)
    return kept / batch + (1 - kept.sum() / batch) * known


def expected_of_cells(measure: str, n: int, generations: int, known: KnownCells) -> np.ndarray | None:
    """Return the curve of a reading of `measures.cells` under replace; None if no law is known.

    If each group has a constant number of rows, the cells of each group drift separately, and there are no laws for all cells together.
    """
    flat = known.shares.ravel()
    row, column = known.rarest
    if known.fixed_groups:
        sizes = known.shares.sum(axis=0)
        rows, rates = [round(n * size) for size in sizes], known.shares[-1] / sizes
        if measure == "signed_gap":
            return np.full(generations, rates[-1] - rates[0])
        if measure == "squared_gap":
            return squared_gap((rows[0], rows[-1]), generations, (rates[0], rates[-1]))
        share, own = known.shares[row, column] / sizes[column], rows[column]
        if measure == "rarest_variance":
            return sizes[column] ** 2 * cell_variance(own, generations, share)
    else:
        share, own = flat.min(), n
        if measure == "rarest_variance":
            return cell_variance(n, generations, share)
        if measure == "heterozygosity":
            return heterozygosity(n, generations, flat)
    if measure == "rarest_share":
        return cell_share(generations, flat.min())
    if measure == "rarest_lost" and own <= categorical.MOST_ROWS:
        return cell_lost(own, generations, share)
    return None
