"""Shares of pools: which are allowed, the corners of what is allowed, and designs of mixes that cover it.

A share vector x has one number a pool, in [0, 1], and sums to 1. A design begins with the corners and the centroid, which are the mixes that
tell a law most, and is filled so that no allowed share is far from a mix (Kennard & Stone, Technometrics 11:137, 1969). It is the same for
the same region: no random number is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

TOLERANCE = 1e-9
"""How far a share may miss a bound by rounding."""
CANDIDATES = 1024
"""Points of Sobol's sequence among which a design chooses."""


@dataclass(frozen=True, eq=False)
class ShareRegion:
    """The shares that are allowed: x ≥ 0, Σ x = 1, floor · x ≥ 0 (or = 0 where `is_exact`), and caps @ x ≥ 0.

    A floor f of the human share is floor = 1 − f for pools that people wrote and −f for others. A cap m on the share of pool p is the row m − e_p.
    """

    pools: int
    floor: np.ndarray | None = None
    """(pools,)."""
    is_exact: bool = False
    caps: np.ndarray | None = None
    """(caps, pools)."""

    @cached_property
    def corners(self) -> np.ndarray:
        """The corners of the shares without regard to caps: (corners, pools). Empty where the floor cannot be met."""
        alone = np.eye(self.pools)
        if self.floor is None:
            return alone
        corners = [
            alone[pool] for pool in range(self.pools) if self.floor[pool] == 0 or (self.floor[pool] > 0 and not self.is_exact)
        ]
        for above in np.flatnonzero(self.floor > 0):
            for below in np.flatnonzero(self.floor < 0):
                share = -self.floor[below] / (self.floor[above] - self.floor[below])
                corners.append(share * alone[above] + (1 - share) * alone[below])
        return np.array(corners).reshape(-1, self.pools)

    @property
    def centroid(self) -> np.ndarray:
        """The mean of the corners. (pools,)"""
        return self.corners.mean(axis=0)

    def holds(self, shares: np.ndarray) -> np.ndarray:
        """Whether shares are allowed. shares: (…, pools); returns (…)."""
        fits = (shares >= -TOLERANCE).all(axis=-1) & (np.abs(shares.sum(axis=-1) - 1) <= TOLERANCE * self.pools)
        if self.floor is not None:
            margin = shares @ self.floor
            fits &= np.abs(margin) <= TOLERANCE if self.is_exact else margin >= -TOLERANCE
        if self.caps is not None:
            fits &= (shares @ self.caps.T >= -TOLERANCE).all(axis=-1)
        return fits


def design(region: ShareRegion, mixes: int) -> np.ndarray:
    """So many mixes that cover a region: its corners, its centroid, and the points that are farthest from all before them. (mixes, pools)

    Where the corners and the centroid are more than `mixes`, all of them.

    >>> design(ShareRegion(2), 5).tolist()
    [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.75, 0.25], [0.25, 0.75]]
    """
    corners = region.corners
    first = np.unique(np.vstack([corners, region.centroid]), axis=0, return_index=True)[1]
    begun = np.vstack([corners, region.centroid])[np.sort(first)]
    middles = [(corners[place] + corners[earlier]) / 2 for place in range(len(corners)) for earlier in range(place)]
    inner = [(corner + region.centroid) / 2 for corner in corners]
    return _farthest(begun, np.vstack([*middles, *inner, _spread(corners)]), mixes)


def held_out_design(region: ShareRegion, mixes: int, beside: np.ndarray) -> np.ndarray:
    """So many mixes inside a region, far from those of a design and from each other: what a law is tested on. (mixes, pools)"""
    return _farthest(beside, _spread(region.corners), len(beside) + mixes)[len(beside) :]


def _spread(corners: np.ndarray) -> np.ndarray:
    """Points that fill the hull of the corners: (candidates, pools)."""
    from scipy.stats import qmc

    if len(corners) == 1:
        return corners
    # Exponentials that are scaled to sum to 1 are uniform on a simplex; Sobol's first point is 0, which has no logarithm.
    points = qmc.Sobol(len(corners), scramble=False).random(CANDIDATES)[1:]
    weights = -np.log(points)
    return (weights / weights.sum(axis=1, keepdims=True)) @ corners


def _farthest(begun: np.ndarray, candidates: np.ndarray, mixes: int) -> np.ndarray:
    """The points of a beginning and, one after the other, the candidate that is farthest from all before it."""
    chosen = [*begun]
    nearest = np.min([((candidates - point) ** 2).sum(axis=1) for point in begun], axis=0)
    while len(chosen) < mixes:
        place = int(np.argmax(np.round(nearest, 12)))  # rounded, so that equal distances are equal on every processor
        chosen.append(candidates[place])
        nearest = np.minimum(nearest, ((candidates - candidates[place]) ** 2).sum(axis=1))
    return np.array(chosen)
