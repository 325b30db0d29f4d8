"""The law of the moments of a normal sample."""

from __future__ import annotations

import math

import numpy as np

from outcross.data.records import Moments


def sampled(mean: np.ndarray, root: np.ndarray, n: int, rng: np.random.Generator) -> Moments:
    """Moments of n points of N(mean, root rootᵀ), of each chain its own, without the points.

    The sample mean is N(mean, root rootᵀ / n), the scatter Wishart with n - 1 degrees of freedom, and they are independent
    (Cochran 1934). `mean` is (chains…, d), `root` (chains…, d, d) or one for all.
    """
    if mean.shape[-1] == 1:
        off = root[..., 0] * rng.standard_normal(mean.shape) / math.sqrt(n)
        return Moments(n, mean + off, np.square(root) * chi_square(n - 1, mean.shape, rng)[..., None])
    off = root @ rng.standard_normal((*mean.shape, 1)) / math.sqrt(n)
    factor = root @ bartlett(mean.shape, n - 1, rng)
    return Moments(n, mean + off[..., 0], factor @ np.swapaxes(factor, -1, -2))


def bartlett(shape: tuple[int, ...], degrees: int, rng: np.random.Generator) -> np.ndarray:
    """A factor A with A Aᵀ Wishart of the identity, (chains…, d, min(d, degrees)) for the shape (chains…, d).

    The lower triangle that a QR decomposition of the `degrees` normal points has: normal below the diagonal, on it roots of chi-squares
    of `degrees`, `degrees` - 1 … degrees of freedom. Fewer points than dimensions leave columns out (Bartlett 1933).
    """
    columns = min(shape[-1], degrees)
    factor = np.tril(rng.standard_normal((*shape, columns)), -1)
    for column in range(columns):
        factor[..., column, column] = np.sqrt(chi_square(degrees - column, shape[:-1], rng))
    return factor


def chi_square(degrees: int, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Chi-squares; 0 where there are no degrees of freedom."""
    return 2 * rng.standard_gamma(degrees / 2, shape)
