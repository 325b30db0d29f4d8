"""Modes of the true distribution that are still drawn from."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from outcross.estimate import Estimate, NotApplicable, read_off
from outcross.measures import Measure, Page
from outcross.measures.distance import FLOOR, finite
from outcross.recipe import recipe
from outcross.statistics.clusters import distinct, share

SRIVASTAVA = (
    "Srivastava et al. (VEEGAN), NeurIPS 2017, arXiv 1705.07761 §4; Alemohammad et al., arXiv 2307.01850 App. B.2 (25 modes)"
)


@recipe
class Modes(Measure):
    """The share of the true distribution's modes that are still drawn from, and the share of drawn points that belong to a mode.

    A point is of high quality if it lies within three standard deviations of the nearest mode. A mode is covered if at least one point of high
    quality is nearest to it. One point is enough, so the share of covered modes depends on the number of points: compare it with its floor. Three
    deviations are a convention for two dimensions. In ten dimensions most of a mode lies farther out, which the floor also shows. A true distribution
    with modes has `means` (K, d) and `covariances` (K, d, d), as a mixture of normal laws has, or `centres` (K, d) and `deviation`, one for all modes
    or one for each.

    The interval of a single chain is that of a number of distinct things (`clusters.distinct`); for the share of high-quality points it is Wilson's.
    """

    deviations: Annotated[float, Field(gt=0)] = 3.0
    """Maximum distance of a point from a mode's centre, in the mode's standard deviations."""
    chains: Annotated[int, Field(ge=1)] = 1000
    """Maximum number of chains that are read. All chains follow the same law, so the first chains are a fair sample."""

    aspect = "coverage"
    needs = ("blobs",)
    pages = {
        "modes": Page(
            "MO1", "modes covered", "Share of the true distribution's modes that are the nearest mode of at least one drawn point within 3 standard deviations (unless set); mean over the first 1,000 chains (unless set).",
            unit="fraction", healthy=FLOOR, collapsed="0, or one mode of all",
            worse="smaller", role="modes", preference=2, paper=SRIVASTAVA,
        ),
        "high_quality": Page(
            "MO2", "high-quality points", "Share of drawn points within 3 standard deviations (unless set) of the nearest mode of the true distribution.",
            unit="fraction", healthy=FLOOR, collapsed="falls if modes merge; stays if modes vanish",
            worse="smaller", role="quality", paper=SRIVASTAVA,
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        truth, drawn = evidence.human.known("a count of modes"), finite(evidence.drawn.array)
        modes = modes_of(truth)
        drawn = drawn.reshape(-1, *drawn.shape[-2:])[: self.chains]
        real = truth.draw(drawn.shape[1], drawn.shape[:1], rng).array
        of_drawn, of_real = (self._nearest(points, *modes) for points in (drawn, real))
        yield read_off("modes", lambda: covered(of_drawn, len(modes[0])), null=lambda: covered(of_real, len(modes[0])))
        yield read_off("high_quality", lambda: _of_quality(of_drawn), null=lambda: _of_quality(of_real))

    def _nearest(self, points: np.ndarray, centres: np.ndarray, whitening: np.ndarray) -> np.ndarray:
        """Return the mode of each point, (chains, n); -1 for points that are too far from all modes."""
        nearest, smallest_square = (
            np.full(points.shape[:-1], -1),
            np.full(points.shape[:-1], np.nextafter(self.deviations**2, np.inf)),
        )
        for mode, (centre, whiten) in enumerate(zip(centres, whitening, strict=True)):
            square = np.square((points - centre) @ whiten).sum(axis=-1)
            is_nearer = square < smallest_square
            nearest, smallest_square = np.where(is_nearer, mode, nearest), np.where(is_nearer, square, smallest_square)
        return nearest


def modes_of(truth: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres of the modes, (K, d), and the matrices that turn differences from a centre into standard deviations, (K, d, d)."""
    centres = getattr(truth, "centres", getattr(truth, "means", None))
    if centres is None:
        raise NotApplicable("the true distribution has no modes to count")
    if hasattr(truth, "deviation"):
        modes, d = centres.shape
        return centres, np.eye(d) / np.broadcast_to(truth.deviation, modes)[:, None, None]
    return centres, np.swapaxes(np.linalg.inv(np.linalg.cholesky(truth.covariances)), -1, -2)


def covered(nearest: np.ndarray, modes: int) -> Estimate:
    """Return the share of modes that have a point. `nearest` is the mode of each point, (chains, n), -1 for none."""
    chains, n = nearest.shape
    points = nearest + np.arange(chains)[:, None] * modes
    counts = np.bincount(points[nearest >= 0], minlength=chains * modes).reshape(chains, modes)
    if chains > 1:
        return share((counts > 0).sum(axis=1).astype(float), np.full(chains, float(modes)), "modes", "chains")
    near = np.flatnonzero(nearest[0] >= 0)
    return distinct(nearest[0][near], near, np.ones(n), "points", per=modes, maximum=1.0)


def _of_quality(nearest: np.ndarray) -> Estimate:
    hits = nearest >= 0
    things = "chains" if len(hits) > 1 else "points"
    clusters = hits.sum(axis=1).astype(float) if len(hits) > 1 else hits[0].astype(float)
    return share(clusters, np.full(clusters.size, hits.size / clusters.size), "points", things)
