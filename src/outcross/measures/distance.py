"""Distances between drawn points and real data.

Two samples of the same law also have a distance above 0. Every distance is therefore compared with its floor, the distance between two samples of
real points. Both are expectations at this number of points. Over chains the interval is Student's. The interval of a single chain comes from the
contribution of each point (Hájek's projection) and not from a bootstrap: a resample repeats points, so two resamples lie farther apart than two
samples, by a factor of √2 if nothing is lost.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data.records import Vectors
from outcross.estimate import Estimate, NotApplicable, over_chains, read_off, student_quantile_over
from outcross.measures import Evidence, Measure, Page
from outcross.recipe import recipe

FLOOR = "the value for two samples of real points"


@recipe
class W1(Measure):
    """1-Wasserstein distance: how far points must be moved in each dimension to have the distribution of real points.

    It reads one dimension at a time, so it does not detect a lost correlation; `sliced_w2` and `energy_distance` do. For one chain the interval is
    that of del Barrio, Giné and Matrán (Ann. Probab. 27:1009, 1999), whose error is normal far from 0. Near 0 it is slightly too wide (coverage of 97
    to 98 %).
    """

    by_default = False
    aspect = "risk"
    needs = ("vectors",)
    pages = {
        "w1": Page(
            "WA1", "1-Wasserstein distance", "∫ |F(t) − F₀(t)| dt between the drawn points and equally many real points, mean over dimensions (and over chains).",
            unit="data units", healthy=FLOOR, collapsed="grows; 0.8 standard deviations if all points are at the mean of a normal law",
            worse="larger", role="quality", paper="Vallender, Theory Probab. Appl. 18:784 (1974)",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        drawn, real, other = samples(evidence, rng)
        yield read_off("w1", lambda: transport(drawn, real, 1), null=lambda: transport(other(), real, 1))


@recipe
class SlicedW2(Measure):
    """Squared sliced 2-Wasserstein distance. It detects changes of correlation and costs no more than sorting.

    It is the squared 2-Wasserstein distance of the projections on random directions. Each chain has its own directions. The error of a single chain
    combines that of del Barrio and Loubes (Ann. Probab. 47:926, 2019) for the potentials and the variance between directions. In one dimension there
    is a single direction.
    """

    projections: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Number of random directions, uniform on the sphere."""
    chains: Annotated[int, Field(ge=1)] = 200
    """Maximum number of chains that are read. All chains follow the same law, so the first chains are a fair sample."""

    by_default = False
    aspect = "risk"
    needs = ("vectors",)
    pages = {
        "sliced_w2": Page(
            "WA2", "squared sliced 2-Wasserstein distance", "Σ (x₍ᵢ₎ − y₍ᵢ₎)² / n of the drawn points and equally many real points, both sorted along a direction; mean over 100 directions (unless set) and over the first 200 chains (unless set).",
            unit="squared data units", healthy=FLOOR, collapsed="grows; the variance per dimension if all points are at the mean",
            worse="larger", role="quality", paper="Rabin et al., SSVM 2011; Bonneel et al., J. Math. Imaging Vis. 51:22 (2015)",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        drawn, real, other = samples(evidence, rng, self.chains)
        directions = self._directions(len(drawn), drawn.shape[-1], rng)
        yield read_off(
            "sliced_w2",
            lambda: transport(drawn @ directions, real @ directions, 2),
            null=lambda: transport(other() @ directions, real @ directions, 2),
        )

    def _directions(self, chains: int, d: int, rng: np.random.Generator) -> np.ndarray:
        """Draw unit vectors, (chains, d, directions)."""
        directions = rng.standard_normal((chains, d, self.projections if d > 1 else 1))
        return directions / np.linalg.norm(directions, axis=1, keepdims=True)


@recipe
class EnergyDistance(Measure):
    """Energy distance: how much farther drawn points lie from real points than the points of each set lie from each other.

    The estimate is unbiased: its mean is 0 if real points are compared with real points, and single values may be below 0. SciPy's energy distance is
    the square root of a version that also counts the distance 0 of each point to itself among the pairs, which is biased upwards. For a single chain,
    the interval is computed for the root of this version, which is never below 0, and then squared, because a symmetric interval is too short near 0.
    """

    chains: Annotated[int, Field(ge=1)] = 200
    """Maximum number of chains that are read in more than one dimension. All chains follow the same law, so the first chains are a fair sample."""
    points: Annotated[int, Field(ge=2, le=100_000)] = 5000
    """Maximum number of points that are compared per chain. Time grows with its square, except for chains in one dimension."""

    by_default = False
    aspect = "risk"
    needs = ("vectors",)
    pages = {
        "energy_distance": Page(
            "WA3", "energy distance", "2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖ between drawn points (X) and equally many real points (Y), over pairs of different points; mean over chains (the first 200 of them, unless set, in more than one dimension).",
            unit="data units", healthy="about 0, sometimes below", collapsed="grows; 0.47 standard deviations if all points are at the mean of a normal law",
            worse="larger", role="quality", paper="Székely and Rizzo, J. Stat. Plan. Inference 143:1249 (2013)",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        chains = None if evidence.drawn.dimensions == 1 else self.chains
        drawn, real, other = samples(evidence, rng, chains, self.points)
        yield read_off("energy_distance", lambda: energy(drawn, real), null=lambda: energy(other(), real))


def samples(evidence: Evidence, rng: np.random.Generator, chains: int | None = None, points: int | None = None):
    """Return drawn points, real points, and a function that returns other real points for floors or raises NotApplicable.

    All arrays are (chains, n, d) with the same n. Real points are a fresh sample of the true distribution if it is known, else held-out human
    records. If there are fewer real points than drawn ones, a random choice of equally many drawn points is compared. `chains` limits the number of
    chains to the first, `points` the number of points per chain to a random choice.
    """
    drawn, truth = finite(evidence.drawn.array), evidence.human.truth
    drawn = drawn.reshape(-1, *drawn.shape[-2:])[:chains]
    n = min(drawn.shape[1], drawn.shape[1] if points is None else points)
    if truth is not None:
        real, more = (truth.draw(n, (len(drawn),), rng).array for _ in range(2))
        return _some(drawn, n, rng), real, lambda: more
    n = min(n, len(evidence.reference))
    real = _like(drawn, evidence.reference.array)
    return _some(drawn, n, rng), _some(real, n, rng), lambda: _as_many(_like(drawn, evidence.holdout.array), n, rng)


def finite(points: np.ndarray) -> np.ndarray:
    """Return the points unchanged. Raises NotApplicable, with their share, if some coordinates are not finite."""
    if not (are_finite := np.isfinite(points)).all():
        raise NotApplicable(f"{1 - are_finite.mean():.1%} of the drawn coordinates are not finite")
    return points


def _like(drawn: np.ndarray, human: np.ndarray) -> np.ndarray:
    """Return human points for every chain: those of the chain if the human data have chains, else the same for all."""
    human = human.reshape(-1, *human.shape[-2:])[: len(drawn)]
    return np.broadcast_to(human, (len(drawn), *human.shape[1:]))


def _as_many(points: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    if points.shape[1] < n:
        raise NotApplicable(f"a floor needs {n} other human points, as many as are compared, got {points.shape[1]}")
    return _some(points, n, rng)


def _some(points: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    vectors = Vectors(points)
    return points if len(vectors) == n else vectors.take(vectors.some(n, rng)).array


def transport(drawn: np.ndarray, real: np.ndarray, power: int) -> Estimate:
    """Return the mean over dimensions of Σ |x₍ᵢ₎ − y₍ᵢ₎|ᵖ / n: the p-Wasserstein distance between two samples of the same size, to the power p."""
    costs = np.abs(np.sort(drawn, axis=1) - np.sort(real, axis=1)) ** power  # (chains, n, d)
    if len(costs) > 1:
        return over_chains(costs.mean(axis=(1, 2)))
    of_drawn, of_real = potentials(drawn[0], real[0], power)
    along = costs.mean(axis=(0, 1))  # (d,)
    between = np.var(along, ddof=1) / along.size if power == 2 and along.size > 1 else 0.0
    estimate = projected(float(costs.mean()), of_drawn.mean(axis=1), of_real.mean(axis=1), between)
    return _rooted(estimate, 0.0) if power == 2 else replace(estimate, low=max(0.0, estimate.interval[0]))


def _rooted(estimate: Estimate, below: float) -> Estimate:
    """Return the estimate of a square that is at least -`below`, with an interval that is computed for its root and squared.

    The error of a small square is small and that of a large square is large. A symmetric interval therefore lies below the expected square in 6 to 9
    % of samples and never above it. The interval for the root does not have this fault.
    """
    square, half = estimate.value + below, estimate.interval[1] - estimate.value
    if square <= 0:
        return replace(estimate, low=min(estimate.value, -below), high=estimate.value + half)
    root = math.sqrt(square)
    low, high = max(0.0, root - half / (2 * root)) ** 2, (root + half / (2 * root)) ** 2
    return replace(estimate, low=low - below, high=high - below)


def potentials(drawn: np.ndarray, real: np.ndarray, power: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the contribution of each point to the cost of moving one sample onto the other, in each dimension, (n, d) per sample.

    The contributions are Kantorovich's potentials φ and ψ with φ(x₍ᵢ₎) + ψ(y₍ᵢ₎) = |x₍ᵢ₎ − y₍ᵢ₎|ᵖ. φ is the integral of the slope of the cost along
    x, by the trapezoidal rule between points.
    """
    order, other = np.argsort(drawn, axis=0), np.argsort(real, axis=0)
    x, y = np.take_along_axis(drawn, order, axis=0), np.take_along_axis(real, other, axis=0)
    slope = power * np.sign(x - y) * np.abs(x - y) ** (power - 1)
    rises = np.diff(x, axis=0) * (slope[1:] + slope[:-1]) / 2
    of_x = np.concatenate((np.zeros_like(x[:1]), np.cumsum(rises, axis=0)))
    of_drawn, of_real = np.empty_like(x), np.empty_like(x)
    np.put_along_axis(of_drawn, order, of_x, axis=0)
    np.put_along_axis(of_real, other, np.abs(x - y) ** power - of_x, axis=0)
    return of_drawn, of_real


def energy(drawn: np.ndarray, real: np.ndarray) -> Estimate:
    """Return 2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖ over pairs of different points, for arrays (chains, n, d)."""
    n = drawn.shape[1]
    if n < 2:
        raise NotApplicable("the energy distance needs at least 2 points, got 1")
    if len(drawn) > 1:
        own, foreign = gaps(drawn) + gaps(real), gaps(np.concatenate((drawn, real), axis=1))
        return over_chains(2 * (foreign - own) / n**2 - 2 * own / (n * (n - 1)))
    across, back = distance_to(drawn[0], real[0]), distance_to(real[0], drawn[0])
    among, among_real = (distance_to(points[0], points[0]) * n / (n - 1) for points in (drawn, real))
    value = 2 * across.mean() - among.mean() - among_real.mean()
    # The square is never below 0 if the distance 0 of each point to itself is counted among the pairs.
    return _rooted(
        projected(float(value), 2 * (across - among), 2 * (back - among_real)), float(among.mean() + among_real.mean()) / n
    )


def gaps(points: np.ndarray) -> np.ndarray:
    """Return the sum of the distances of all pairs of points, each pair once, (chains,). In one dimension it is computed by sorting."""
    from scipy.spatial.distance import pdist

    n = points.shape[1]
    if points.shape[2] == 1:
        return np.einsum("cn,n->c", np.sort(points[..., 0], axis=1), 2.0 * np.arange(n) - n + 1)
    return np.array([pdist(chain).sum() for chain in points])


def distance_to(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the mean distance of each point to the others, (n,). It is computed in blocks, so that no n × n matrix is in memory."""
    from scipy.spatial.distance import cdist

    blocks = np.array_split(points, math.ceil(points.shape[0] / 512))
    return np.concatenate([cdist(block, others).mean(axis=1) for block in blocks])


def projected(value: float, drawn: np.ndarray, real: np.ndarray, more: float = 0.0) -> Estimate:
    """Return a value of two samples with Student's interval from the contributions of their points, plus `more` variance."""
    variance = np.var(drawn, ddof=1) / drawn.size + np.var(real, ddof=1) / real.size if drawn.size > 1 else 0.0
    half = student_quantile_over(drawn.size, "points") * math.sqrt(variance + more)
    return Estimate(value, value - half, value + half, "projection over points", drawn.size)
