"""How far what was drawn lies from real data.

Two samples of one law lie apart too, so every distance is read beside its floor, the same between two samples of real points, and
both are what is expected at this number of points. Over chains the interval is Student's. That of a single chain comes from what each
point contributes (Hájek's projection) and not from a bootstrap: a resample repeats points, and two resamples lie farther apart
than two samples, by √2 where nothing is lost.
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

FLOOR = "what two samples of real points show"


@recipe
class W1(Measure):
    """How far the points must be moved, dimension by dimension, to lie as real ones do.

    It sees one dimension at a time: a lost correlation is not seen (`sliced_w2`, `energy_distance`). For one chain the interval is that of del
    Barrio, Giné and Matrán (Ann. Probab. 27:1009, 1999), whose error far from 0 is normal; near 0 it is a little
    wider than it need be (97 to 98 % of samples).
    """

    by_default = False
    aspect = "risk"
    needs = ("vectors",)
    pages = {
        "w1": Page(
            "WA1", "1-Wasserstein distance", "∫ |F(t) − F₀(t)| dt between the drawn points and as many real ones, the mean over dimensions (and over chains).",
            unit="data units", healthy=FLOOR, collapsed="grows to where the points went: 0.8 standard deviations where all are at the mean of a normal law",
            worse="larger", role="quality", paper="Vallender, Theory Probab. Appl. 18:784 (1974)",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        drawn, real, other = samples(evidence, rng)
        yield read_off("w1", lambda: transport(drawn, real, 1), null=lambda: transport(other(), real, 1))


@recipe
class SlicedW2(Measure):
    """How far the points must be moved to lie as real ones do, seen from many sides: correlations count, at the cost of sorting.

    The squared 2-Wasserstein distance of the projections on random directions, each chain with its own. The error of a single chain is that of
    del Barrio and Loubes (Ann. Probab. 47:926, 2019) for the potentials, and the one between directions. In one dimension
    there is one direction.
    """

    projections: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Directions, uniform on the sphere."""
    chains: Annotated[int, Field(ge=1)] = 200
    """At most so many chains are read; all are alike, so the first are a fair sample."""

    by_default = False
    aspect = "risk"
    needs = ("vectors",)
    pages = {
        "sliced_w2": Page(
            "WA2", "squared sliced 2-Wasserstein distance", "Σ (x₍ᵢ₎ − y₍ᵢ₎)² / n of the drawn points and as many real ones, both sorted along a direction; the mean over 100 directions (unless set) and over the first 200 chains (unless set).",
            unit="squared data units", healthy=FLOOR, collapsed="grows; the variance a dimension where all points are at the mean",
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
        """Unit vectors, (chains, d, directions)."""
        directions = rng.standard_normal((chains, d, self.projections if d > 1 else 1))
        return directions / np.linalg.norm(directions, axis=1, keepdims=True)


@recipe
class EnergyDistance(Measure):
    """How much farther drawn points lie from real ones than either lie from their own kind; unbiased, so that real against real is 0.

    As an unbiased estimate of a number near 0 it may be below 0. Its square root, with the own distance of each point counted among the
    pairs (biased upwards), is what SciPy calls the energy distance. The interval of a single chain is squared from that of the root of what is never below 0, for near 0 a
    symmetric one falls short.
    """

    chains: Annotated[int, Field(ge=1)] = 200
    """In more than one dimension at most so many chains are read; all are alike, so the first are a fair sample."""
    points: Annotated[int, Field(ge=2, le=100_000)] = 5000
    """At most so many points of a chain are compared; time grows with their square, except for chains in one dimension."""

    by_default = False
    aspect = "risk"
    needs = ("vectors",)
    pages = {
        "energy_distance": Page(
            "WA3", "energy distance", "2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖ between drawn (X) and as many real points (Y), over pairs of different points; the mean over chains (the first 200 of them, unless set, in more than one dimension).",
            unit="data units", healthy="0, and sometimes below", collapsed="grows; 0.47 standard deviations where all points are at the mean of a normal law",
            worse="larger", role="quality", paper="Székely and Rizzo, J. Stat. Plan. Inference 143:1249 (2013)",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        chains = None if evidence.drawn.dimensions == 1 else self.chains
        drawn, real, other = samples(evidence, rng, chains, self.points)
        yield read_off("energy_distance", lambda: energy(drawn, real), null=lambda: energy(other(), real))


def samples(evidence: Evidence, rng: np.random.Generator, chains: int | None = None, points: int | None = None):
    """Drawn points, real ones, and what gives other real ones (for floors) or says why there are none; all (chains, n, d), n the same.

    Real points are a fresh sample of the known truth, or held-out human records; where these are fewer, as many of the drawn ones
    are compared, at random. Of `chains` the first, of `points` a random choice.
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
    """The points, or the share of them that are no numbers as the reason why there is nothing to read."""
    if not (are_finite := np.isfinite(points)).all():
        raise NotApplicable(f"{1 - are_finite.mean():.1%} of the drawn coordinates are not finite")
    return points


def _like(drawn: np.ndarray, human: np.ndarray) -> np.ndarray:
    """Human points for every chain: its own, or the same for all."""
    human = human.reshape(-1, *human.shape[-2:])[: len(drawn)]
    return np.broadcast_to(human, (len(drawn), *human.shape[1:]))


def _as_many(points: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    if points.shape[1] < n:
        raise NotApplicable(f"a floor needs as many other human points as are compared, {n}; there are {points.shape[1]}")
    return _some(points, n, rng)


def _some(points: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    vectors = Vectors(points)
    return points if len(vectors) == n else vectors.take(vectors.some(n, rng)).array


def transport(drawn: np.ndarray, real: np.ndarray, power: int) -> Estimate:
    """Mean over dimensions of Σ |x₍ᵢ₎ − y₍ᵢ₎|ᵖ / n: the p-Wasserstein distance of two samples of one size, to the power p."""
    costs = np.abs(np.sort(drawn, axis=1) - np.sort(real, axis=1)) ** power  # (chains, n, d)
    if len(costs) > 1:
        return over_chains(costs.mean(axis=(1, 2)))
    of_drawn, of_real = potentials(drawn[0], real[0], power)
    along = costs.mean(axis=(0, 1))  # (d,)
    between = np.var(along, ddof=1) / along.size if power == 2 and along.size > 1 else 0.0
    estimate = projected(float(costs.mean()), of_drawn.mean(axis=1), of_real.mean(axis=1), between)
    return _rooted(estimate, 0.0) if power == 2 else replace(estimate, low=max(0.0, estimate.interval[0]))


def _rooted(estimate: Estimate, below: float) -> Estimate:
    """The estimate of a square that is -`below` at least, with the interval of its root squared again.

    A small square comes with a small error and a large one with a large error, so that a symmetric interval falls short of the expected
    square in 6 to 9 % of samples and never exceeds it; its root's does not.
    """
    square, half = estimate.value + below, estimate.interval[1] - estimate.value
    if square <= 0:
        return replace(estimate, low=min(estimate.value, -below), high=estimate.value + half)
    root = math.sqrt(square)
    low, high = max(0.0, root - half / (2 * root)) ** 2, (root + half / (2 * root)) ** 2
    return replace(estimate, low=low - below, high=high - below)


def potentials(drawn: np.ndarray, real: np.ndarray, power: int) -> tuple[np.ndarray, np.ndarray]:
    """What each point contributes to the cost of moving one sample onto the other, dimension by dimension, (n, d) each.

    Kantorovich's potentials φ and ψ, φ(x₍ᵢ₎) + ψ(y₍ᵢ₎) = |x₍ᵢ₎ − y₍ᵢ₎|ᵖ: φ grows along x as the cost does, by trapezoids between points.
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
    """2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖ over pairs of different points, of arrays (chains, n, d)."""
    n = drawn.shape[1]
    if n < 2:
        raise NotApplicable("the energy distance needs at least 2 points, there is 1")
    if len(drawn) > 1:
        own, foreign = gaps(drawn) + gaps(real), gaps(np.concatenate((drawn, real), axis=1))
        return over_chains(2 * (foreign - own) / n**2 - 2 * own / (n * (n - 1)))
    across, back = distance_to(drawn[0], real[0]), distance_to(real[0], drawn[0])
    among, among_real = (distance_to(points[0], points[0]) * n / (n - 1) for points in (drawn, real))
    value = 2 * across.mean() - among.mean() - among_real.mean()
    # Each point's distance 0 to itself, counted among the pairs, makes the square that is never under 0.
    return _rooted(
        projected(float(value), 2 * (across - among), 2 * (back - among_real)), float(among.mean() + among_real.mean()) / n
    )


def gaps(points: np.ndarray) -> np.ndarray:
    """The sum of the distances of all pairs of points, each pair once, (chains,); in one dimension by sorting."""
    from scipy.spatial.distance import pdist

    n = points.shape[1]
    if points.shape[2] == 1:
        return np.einsum("cn,n->c", np.sort(points[..., 0], axis=1), 2.0 * np.arange(n) - n + 1)
    return np.array([pdist(chain).sum() for chain in points])


def distance_to(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The mean distance of each point to the others, (n,); in blocks, so that no n × n matrix is held."""
    from scipy.spatial.distance import cdist

    blocks = np.array_split(points, math.ceil(points.shape[0] / 512))
    return np.concatenate([cdist(block, others).mean(axis=1) for block in blocks])


def projected(value: float, drawn: np.ndarray, real: np.ndarray, more: float = 0.0) -> Estimate:
    """A value of two samples with the normal interval of what each of their points contributes to it, and `more` variance."""
    variance = np.var(drawn, ddof=1) / drawn.size + np.var(real, ddof=1) / real.size if drawn.size > 1 else 0.0
    half = student_quantile_over(drawn.size, "points") * math.sqrt(variance + more)
    return Estimate(value, value - half, value + half, "projection over points", drawn.size)
