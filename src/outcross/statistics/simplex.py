"""Shares of pools: the region of allowed shares, its corners, and designs of mixes that cover it.

A share vector x has one number per pool, in [0, 1], and sums to 1. A design starts with the corners and the centroid, which are the most informative
mixes for a law. Further mixes are added so that no allowed share is far from a mix (Kennard & Stone, Technometrics 11:137, 1969). The design of a
region is always the same, because no random number is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

TOLERANCE = 1e-9
"""Tolerance for rounding with which a share must meet a bound."""
CANDIDATES = 1024
"""Number of points of Sobol's sequence among which a design chooses."""


@dataclass(frozen=True, eq=False)
class ShareRegion:
    """The allowed shares: x ≥ 0, Σ x = 1, floor · x ≥ 0 (or = 0 if `is_exact`), and caps @ x ≥ 0.

    A minimum f of the human share is encoded as floor = 1 − f for human pools and −f for other pools. A cap m on the share of pool p is the row m −
    e_p.
    """

    pools: int
    floor: np.ndarray | None = None
    """The coefficients of the floor, (pools,). None means no floor."""
    is_exact: bool = False
    caps: np.ndarray | None = None
    """The coefficients of the caps, (caps, pools). None means no caps."""

    @cached_property
    def corners(self) -> np.ndarray:
        """The corners of the region without regard to caps, (corners, pools). Empty if the floor cannot be met."""
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
        """The mean of the corners, (pools,)."""
        return self.corners.mean(axis=0)

    def holds(self, shares: np.ndarray) -> np.ndarray:
        """Return whether shares are allowed, (…). shares: (…, pools)."""
        fits = (shares >= -TOLERANCE).all(axis=-1) & (np.abs(shares.sum(axis=-1) - 1) <= TOLERANCE * self.pools)
        if self.floor is not None:
            margin = shares @ self.floor
            fits &= np.abs(margin) <= TOLERANCE if self.is_exact else margin >= -TOLERANCE
        if self.caps is not None:
            fits &= (shares @ self.caps.T >= -TOLERANCE).all(axis=-1)
        return fits


def design(region: ShareRegion, mixes: int) -> np.ndarray:
    """Return mixes that cover a region, (mixes, pools): its corners, its centroid, and then always the point farthest from all earlier ones.

    If there are more corners than `mixes`, all corners and the centroid are returned.

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
    """Return mixes inside a region for testing a law, (mixes, pools). They are far from the design `beside` and from each other."""
    return _farthest(beside, _spread(region.corners), len(beside) + mixes)[len(beside) :]


def _spread(corners: np.ndarray) -> np.ndarray:
    """Return points that fill the convex hull of the corners, (candidates, pools)."""
    from scipy.stats import qmc

    if len(corners) == 1:
        return corners
    # Exponential variables scaled to sum 1 are uniform on a simplex. Sobol's first point is 0, which has no logarithm.
    points = qmc.Sobol(len(corners), scramble=False).random(CANDIDATES)[1:]
    weights = -np.log(points)
    return (weights / weights.sum(axis=1, keepdims=True)) @ corners


def _farthest(begun: np.ndarray, candidates: np.ndarray, mixes: int) -> np.ndarray:
    """Return the given points, followed by candidates, each of which is the farthest from all points before it."""
    chosen = [*begun]
    nearest = np.min([((candidates - point) ** 2).sum(axis=1) for point in begun], axis=0)
    while len(chosen) < mixes:
        place = int(np.argmax(np.round(nearest, 12)))  # rounded, so that equal distances are equal on every processor
        chosen.append(candidates[place])
        nearest = np.minimum(nearest, ((candidates - candidates[place]) ** 2).sum(axis=1))
    return np.array(chosen)
