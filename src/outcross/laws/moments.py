"""The distribution of the moments of a normal sample."""

from __future__ import annotations

import math

import numpy as np

from outcross.data.records import Moments


def sampled(mean: np.ndarray, root: np.ndarray, n: int, rng: np.random.Generator) -> Moments:
    """Draw the moments of n points of N(mean, root rootᵀ) for each chain, without drawing the points.

    The sample mean is N(mean, root rootᵀ / n), and the scatter is Wishart with n - 1 degrees of freedom. They are
    independent (Cochran 1934). `mean` is (chains…, d), and `root` is (chains…, d, d) or a single matrix for all chains.
    """
    if mean.shape[-1] == 1:
        off = root[..., 0] * rng.standard_normal(mean.shape) / math.sqrt(n)
        return Moments(n, mean + off, np.square(root) * chi_square(n - 1, mean.shape, rng)[..., None])
    off = root @ rng.standard_normal((*mean.shape, 1)) / math.sqrt(n)
    factor = root @ bartlett(mean.shape, n - 1, rng)
    return Moments(n, mean + off[..., 0], factor @ np.swapaxes(factor, -1, -2))


def bartlett(shape: tuple[int, ...], degrees: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a factor A for which A Aᵀ is Wishart with identity scale, (chains…, d, min(d, degrees)) for the shape (chains…, d).

    It is the lower triangle of a QR decomposition of `degrees` normal points. Its numbers are normal below the diagonal, and on the diagonal they are
    roots of chi-squares with `degrees`, `degrees` - 1 … degrees of freedom. With fewer points than dimensions it has fewer columns (Bartlett 1933).
    """
    columns = min(shape[-1], degrees)
    factor = np.tril(rng.standard_normal((*shape, columns)), -1)
    for column in range(columns):
        factor[..., column, column] = np.sqrt(chi_square(degrees - column, shape[:-1], rng))
    return factor


def chi_square(degrees: int, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw chi-square numbers; 0 for no degrees of freedom."""
    return 2 * rng.standard_gamma(degrees / 2, shape)
