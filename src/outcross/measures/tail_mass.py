from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from outcross.data.records import Vectors
from outcross.estimate import Estimate, NotApplicable, Null
from outcross.measures import Evidence, Measure, Page, read_with_null
from outcross.measures.distance import finite
from outcross.recipe import recipe
from outcross.runtime.remembered import remembered
from outcross.statistics import beyond
from outcross.statistics.clusters import share

TAILS: dict[str, tuple[float, beyond.End]] = {
    "below 0.1 %": (0.001, "lower"),
    "below 1 %": (0.01, "lower"),
    "below 5 %": (0.05, "lower"),
    "above 95 %": (0.05, "upper"),
    "above 99 %": (0.01, "upper"),
    "above 99.9 %": (0.001, "upper"),
}
"""Each tail with the share of real data that lies in it, and its end."""
SAMPLE = 1_000_000
"""Number of coordinates drawn from a true distribution that does not give its quantiles."""


@recipe
class TailMass(Measure):
    """Share of the drawn points in the tails of the real data. It shows early collapse, which distances and risks hide.

    Each dimension is read by itself, then the mean is taken. Both ends are read separately, so that drift (one end grows) can be distinguished from
    collapse (both vanish). If the true distribution has `quantile(q)` → (d,), that quantile is the limit; from any other true distribution a million
    coordinates are drawn once. Without a true distribution, held-out points set the limit as in an audit (`statistics.beyond`): it is the k-th
    farthest of m points, so that k / (m + 1) of fresh points lie beyond it. A dimension whose farthest values are tied has no limit and is left out.
    If the quantile is estimated, its own interval (order statistics, the same for all dimensions) widens that of the share, which is Wilson's over
    points or chains.

    Points of one dimension have the exact beta-binomial null. The coordinates of a point depend on each other, as do chains that share a limit. In
    these cases the expected share of fresh coordinates is known, but not how far it scatters.

    Over chains, the share is that of all chains together. If chains drift apart it grows, although each chain has lost most of its own tails.
    `log_variance` shows this, as do the readings of a single chain.
    """

    aspect = "tails"
    needs = ("vectors",)
    pages = {
        "tail_mass": Page(
            "TM1", "tail mass", "Share of the drawn coordinates beyond a quantile of the real data, mean over dimensions and chains.",
            unit="fraction", healthy="the share of the real data that lies there", collapsed="0, first in the farthest tail; above the healthy share if variance is added or the mean has drifted",
            role="support", paper="Shumailov et al., Nature 631:755 (2024): early collapse is the loss of the tails",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        drawn = finite(evidence.drawn.array)
        for at, (tail, end) in TAILS.items():
            yield read_with_null("tail_mass", lambda tail=tail, end=end: _read(drawn, limit(evidence, tail, end), end), at=at)


@dataclass(frozen=True)
class Limit:
    """The limits beyond which the tails of the dimensions lie."""

    at: np.ndarray
    """The limit of each dimension that has one, (d,)."""
    fresh: float
    """The expected share of fresh real coordinates beyond the limit."""
    ends: tuple[np.ndarray, np.ndarray] | None = None
    """The 95 % interval of each quantile, (d,) each. None if the quantile is known."""
    human: tuple[int, int] | None = None
    """(Real points beyond the limit, all real points), if there is one dimension. None if there are more or if the quantile is known."""
    dimensions: np.ndarray | None = None
    """The dimensions that have a limit. None means all."""


def _read(drawn: np.ndarray, limit: Limit, end: beyond.End) -> tuple[Estimate, Null]:
    estimate = mass(drawn, limit, end)
    return estimate, beyond.known(_null(estimate, limit, is_one_chain=drawn.ndim == 2), limit.fresh)


def mass(drawn: np.ndarray, limit: Limit, end: beyond.End) -> Estimate:
    """Return the share of coordinates beyond a limit, with an interval over chains if there are several, else over points."""
    drawn = drawn if limit.dimensions is None else drawn[..., limit.dimensions]
    clusters = "points" if drawn.ndim == 2 else "chains"
    table = drawn if drawn.ndim == 2 else drawn.reshape(-1, drawn.shape[-2] * drawn.shape[-1])  # (clusters, coordinates)
    hits = np.count_nonzero(_beyond(table, limit.at, end), axis=1).astype(float)
    unit = "points" if drawn.shape[-1] == 1 else "coordinates"
    estimate = share(hits, np.full(hits.size, float(table.shape[1])), unit, clusters)
    if limit.ends is not None:
        share_at_low, share_at_high = (np.count_nonzero(_beyond(table, at, end)) / table.size for at in limit.ends)
        estimate = beyond.widened(estimate, (share_at_low, share_at_high))
    return estimate


def _null(share: Estimate, limit: Limit, is_one_chain: bool) -> Null:
    if limit.human is None or not is_one_chain:
        return Null(limit.fresh, method="exact")
    _, ratio = beyond.fewer_beyond(round(share.value * share.n), share.n, *limit.human)
    return ratio.on_scale(lambda times: times * limit.fresh)


def _beyond(table: np.ndarray, limit: np.ndarray, end: beyond.End) -> np.ndarray:
    ends = np.tile(limit, table.shape[1] // limit.size)  # as long as a row, which is twenty times as fast as a short last axis
    return table >= ends if end == "upper" else table <= ends


def limit(evidence: Evidence, tail: float, end: beyond.End) -> Limit:
    """Return the limit of a tail: a quantile of the true distribution if that is known, else an estimate from a sample of real data."""
    truth = evidence.human.truth
    if hasattr(truth, "quantile"):
        return Limit(np.asarray(truth.quantile(tail if end == "lower" else 1 - tail)), tail)
    return estimated_limit(ordered(evidence.reference) if truth is None else drawn_of(truth), tail, end)


def estimated_limit(real: np.ndarray, tail: float, end: beyond.End) -> Limit:
    """Estimate the limit of a tail from real points (n, d), of which each dimension is sorted."""
    n, d = real.shape
    limits, why = {}, NotApplicable("no dimensions")
    for dimension in range(d):
        try:
            limits[dimension] = beyond.limit(real[:, dimension], tail, end, 1, ties="out")
        except NotApplicable as reason:
            why = reason
    if not limits:
        raise why
    kept = real if len(limits) == d else real[:, list(limits)]
    at = np.array(list(limits.values()))
    counts = np.count_nonzero(_beyond(kept, at, end), axis=0)  # (d,)
    depth = float(counts.mean()) / (n + 1)
    ranks = beyond.ranks_of_quantile(n, depth if end == "lower" else 1 - depth)
    low, high = (_ranked(kept, rank) for rank in ranks)
    human = (int(counts[0]), n) if d == 1 else None
    return Limit(at, depth, (low, high), human, None if len(limits) == d else np.array(list(limits)))


def _ranked(real: np.ndarray, rank: float) -> np.ndarray:
    """Return the values at a rank, interpolated linearly between whole ranks. They are infinite outside [1, n]."""
    if not 1 <= rank <= len(real):
        return np.full(real.shape[1], -np.inf if rank < 1 else np.inf)
    below, above = real[math.floor(rank) - 1], real[math.ceil(rank) - 1]
    return below + (rank - math.floor(rank)) * (above - below)


@remembered
def ordered(records: Vectors) -> np.ndarray:
    """Return real points of all chains together, (n, d), with each dimension sorted."""
    return np.sort(records.array.reshape(-1, records.dimensions), axis=0)


@remembered
def drawn_of(truth: Any) -> np.ndarray:
    """Return a large sample of the true distribution, (n, d), with each dimension sorted. The sample is always the same."""
    rng = np.random.default_rng(0x0C)
    d = truth.draw(1, (), rng).dimensions
    return np.sort(truth.draw(max(10_000, SAMPLE // d), (), rng).array, axis=0)
