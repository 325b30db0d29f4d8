from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from outcross.data.records import Vectors
from outcross.estimate import Estimate, NotApplicable, exact, read_off
from outcross.measures import Evidence, Measure, Page
from outcross.measures.distance import finite
from outcross.recipe import recipe
from outcross.runtime.remembered import remembered
from outcross.statistics.clusters import share

TAILS = {
    "below 0.1 %": (0.001, -1),
    "below 1 %": (0.01, -1),
    "below 5 %": (0.05, -1),
    "above 95 %": (0.05, 1),
    "above 99 %": (0.01, 1),
    "above 99.9 %": (0.001, 1),
}
"""How much of the real data lies in a tail, as a fraction, and on which side of the rest (-1 below, 1 above)."""
SAMPLE = 1_000_000
"""Coordinates drawn of a truth that does not know its quantiles."""


@recipe
class TailMass(Measure):
    """How much of what was drawn lies in the tails of the real data: early collapse, which distances and risks hide.

    Every dimension by itself, then their mean; both sides by themselves, so that a drift (one side grows) is told from collapse (both
    vanish). A truth that has `quantile(q)` → (d,) is asked; of any other a million coordinates are drawn, once; of held-out points the
    quantile is taken at rank q (n + 1), which new real points exceed with chance 1 − q (ties aside), so that the floor is
    nominal. Where the quantile is estimated, its own interval (order statistics, the same for all dimensions) widens that of the
    share, which is Wilson's over points or chains: squared errors add up (Zou and Donner, Stat. Med. 27:1693, 2008).

    Over chains it is that of all chains together: where chains drift apart it grows, though each has lost the most of its own tails
    (`log_variance` tells, or the readings of a single chain).
    """

    aspect = "tails"
    needs = ("vectors",)
    pages = {
        "tail_mass": Page(
            "TM1", "tail mass", "Share of the drawn coordinates beyond a quantile of the real ones, the mean over dimensions and chains.",
            unit="fraction", healthy="its floor: the share of the real data that lies there", collapsed="0, the farthest tail first; above the floor where variance is added or the mean has drifted",
            role="support", paper="Shumailov et al., Nature 631:755 (2024): early collapse is the loss of the tails",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        drawn = finite(evidence.drawn.array)
        for end, (tail, side) in TAILS.items():
            yield read_off(
                "tail_mass",
                lambda tail=tail, side=side: mass(drawn, limit(evidence, tail, side), side),
                null=lambda tail=tail: exact(tail),
                at=end,
            )


@dataclass(frozen=True)
class Limit:
    """A quantile of each dimension with its 95 % interval, (d,) each; without one where it is known."""

    at: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


def mass(drawn: np.ndarray, limit: Limit, side: int) -> Estimate:
    """The share of coordinates beyond a limit, over chains where there are several, else over points."""
    clusters = "points" if drawn.ndim == 2 else "chains"
    table = drawn if drawn.ndim == 2 else drawn.reshape(-1, drawn.shape[-2] * drawn.shape[-1])  # (clusters, coordinates)
    hits = np.count_nonzero(_beyond(table, limit.at, side), axis=1).astype(float)
    of = "points" if drawn.shape[-1] == 1 else "coordinates"
    told = share(hits, np.full(hits.size, float(table.shape[1])), of, clusters)
    if limit.low is None or limit.high is None:
        return told
    return widened(told, [np.count_nonzero(_beyond(table, end, side)) / table.size for end in (limit.low, limit.high)])


def _beyond(table: np.ndarray, limit: np.ndarray, side: int) -> np.ndarray:
    ends = np.tile(limit, table.shape[1] // limit.size)  # as long as a row: twenty times as fast as a short last axis
    return table > ends if side > 0 else table < ends


def widened(told: Estimate, shares: list[float]) -> Estimate:
    """An estimate whose error is its own and, independent of it, that of the limit, given as the shares beyond its two ends."""
    least, most = told.interval
    low = told.value - math.hypot(told.value - least, _moved(told.value - min(shares), told.n))
    high = told.value + math.hypot(most - told.value, _moved(max(shares) - told.value, told.n))
    return replace(told, low=max(0.0, low), high=min(1.0, high), method=f"{told.method}, quantile by order statistics")


def _moved(share: float, n: int) -> float:
    """How far the limit's error moves a share of n things: the root of c (c - 1) for the c of them between the limit and its end.

    A square of a count is too large by its own chance; of c that is Poisson c (c - 1) has the mean of c, squared.
    """
    count = max(0, round(share * n))
    return math.sqrt(max(0, count * (count - 1))) / n


def limit(evidence: Evidence, tail: float, side: int) -> Limit:
    """The quantile of the real data beyond which a tail lies: known, or read off a sample of them."""
    q, truth = tail if side < 0 else 1 - tail, evidence.human.truth
    if hasattr(truth, "quantile"):
        return Limit(np.asarray(truth.quantile(q)))
    return estimated_limit(ordered(evidence.reference) if truth is None else drawn_of(truth), q)


def estimated_limit(real: np.ndarray, q: float) -> Limit:
    """The q-quantile of each dimension of real points, with the ends between which it lies with 95 % chance.

    real: (n, d), in ascending order in each dimension. The quantile has rank q (n + 1), along a straight line between whole ranks;
    NotApplicable where that is no rank of theirs. An end that the points do not bound is infinite.
    """
    n = len(real)
    rank = round(q * (n + 1), 9)
    if not 1 <= rank <= n:
        raise NotApplicable(
            f"the {q:.1%} quantile needs at least {math.ceil(round(1 / min(q, 1 - q), 6)) - 1} held-out points, there are {n}"
        )
    return Limit(_ranked(real, rank), *(_ranked(real, end) for end in ranks_of_quantile(n, q)))


def ranks_of_quantile(n: float, q: float) -> tuple[float, float]:
    """Between which ranks of n values the q-quantile lies with 95 % chance; outside of [1, n] where they do not bound it.

    The U of rank r of n uniform values follows Beta(r, n + 1 - r), also between whole ranks (Hutson, J. Appl. Stat. 26:343, 1999). Whole
    ranks alone would hold it in 96 to 98 % of samples.
    """
    from scipy.optimize import brentq
    from scipy.special import betainc

    low, high = (
        brentq(lambda rank, chance=chance: betainc(rank, n + 1 - rank, q) - chance, 1e-9, n + 1 - 1e-9) for chance in (0.975, 0.025)
    )
    return float(low), float(high)  # type: ignore[arg-type]


def _ranked(real: np.ndarray, rank: float) -> np.ndarray:
    """The values of a rank, along straight lines between whole ones; infinite outside of [1, n]."""
    if not 1 <= rank <= len(real):
        return np.full(real.shape[1], -np.inf if rank < 1 else np.inf)
    below, above = real[math.floor(rank) - 1], real[math.ceil(rank) - 1]
    return below + (rank - math.floor(rank)) * (above - below)


@remembered
def ordered(records: Vectors) -> np.ndarray:
    """Real points with each dimension in order, (n, d), those of all chains together."""
    return np.sort(records.array.reshape(-1, records.dimensions), axis=0)


@remembered
def drawn_of(truth: Any) -> np.ndarray:
    """A large sample of the truth with each dimension in order, (n, d); always the same one, whoever asks first."""
    rng = np.random.default_rng(0x0C)
    d = truth.draw(1, (), rng).dimensions
    return np.sort(truth.draw(max(10_000, SAMPLE // d), (), rng).array, axis=0)
