"""Who lies near whom: balls to the k-th neighbour, the nearest of others, and what random labels of one cloud of points show.

Precision and recall are those of Kynkäänniemi et al. (NeurIPS 2019, arXiv 1904.06991), density and coverage those of Naeem et al. (ICML 2020,
arXiv 2002.09797), all with the border of a ball counted in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

BLOCK = 1 << 24
"""Distances held at a time."""
LISTED = 24
"""Neighbours listed of each point before labels are drawn: fewer than 5 of 24 are of its kind once in 1,300 times."""
SPREADS_OUT = 12
"""Dimensions from which a tree of points is no faster than all distances."""
FEW_NUMBERS = 8
"""Coordinates beside those of categories from which all distances are looked at."""
SQUARE_ROOT_OF_2 = math.sqrt(2)
ROUNDING = 1e-9
"""Squared distances that inner products of unit-sized points cannot tell from 0."""
MANY_CONSTANT = 0.2
"""Share of coordinates in which all points are equal, above which these are left out."""
AT_HAND = 1 << 16
"""Coordinates that are subtracted at a time, few enough that a processor has them at hand."""
STRAND = 12
"""Columns that are looked at together when the smallest numbers of a row are looked for."""
SHORTLIST = 4
"""Candidates more than are asked for, among which exact distances decide."""


@dataclass(frozen=True)
class Graph:
    """Distances between real points, between drawn ones, and across, (n, n) each; rows of the last are real."""

    real: np.ndarray
    drawn: np.ndarray
    across: np.ndarray

    def numbers(self, k: int) -> dict[str, float]:
        """Precision, recall, density and coverage."""
        near_real = self.across <= radii(self.real, k)[:, None]  # (real, drawn)
        near_drawn = self.across <= radii(self.drawn, k)
        return {
            "precision": float(near_real.any(axis=0).mean()),
            "recall": float(near_drawn.any(axis=1).mean()),
            "density": float(near_real.sum(axis=0).mean() / k),
            "coverage": float(near_real.any(axis=1).mean()),
        }

    def some(self, n_real: int, n_drawn: int, rng: np.random.Generator) -> Graph:
        """That of so many of the real and of the drawn points, at random."""
        real, drawn = (
            np.sort(rng.permutation(len(rows))[:n]) for rows, n in ((self.real, n_real), (self.drawn, n_drawn))
        )  # fmt: skip
        return Graph(self.real[np.ix_(real, real)], self.drawn[np.ix_(drawn, drawn)], self.across[np.ix_(real, drawn)])


def graph(drawn: np.ndarray, real: np.ndarray) -> Graph:
    """The distances of points (n, d). Equal points have distance 0 to the bit, which inner products do not promise."""
    from scipy.spatial.distance import cdist

    return Graph(cdist(real, real), cdist(drawn, drawn), cdist(real, drawn))


def wide_graph(drawn: np.ndarray, real: np.ndarray) -> Graph:
    """As `graph`, rounded to single precision so that ties are ties; in many dimensions from inner products, three times as fast."""
    if real.shape[1] < SPREADS_OUT:
        whole = graph(drawn, real)
        return Graph(*(distances.astype(np.float32) for distances in (whole.real, whole.drawn, whole.across)))
    centre = real.mean(axis=0)
    real, drawn = real - centre, drawn - centre
    return Graph(_rounded(real, real), _rounded(drawn, drawn), _rounded(real, drawn))


def _rounded(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    squares = points @ others.T
    squares *= -2
    squares += np.einsum("nd,nd->n", others, others)
    squares += np.einsum("nd,nd->n", points, points)[:, None]
    squares[squares < ROUNDING] = 0.0
    return np.sqrt(squares).astype(np.float32)


def radii(distances: np.ndarray, k: int) -> np.ndarray:
    """The distance from each point to its k-th neighbour, itself not counted, (n,)."""
    return np.partition(distances, k, axis=1)[:, k]


def nearest(points: np.ndarray, among: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of `among` (m, d) to each of the points (n, d), nearest first: their distances and which they are, (n, k) each.

    In many dimensions candidates come from inner products in single precision, and exact distances decide among these: equal points have distance 0 to the
    bit. A neighbour can be missed for another that is farther by less than 0.01 units, where units are standard deviations.
    """
    k = min(k, len(among))
    if points.shape[1] < SPREADS_OUT:
        from scipy.spatial import KDTree

        distances, rows = KDTree(among).query(points, k)
        return distances.reshape(-1, k), rows.reshape(-1, k)
    # A coordinate in which all are equal separates none: categories are coordinates of their own, and many of them occur in neither set. A few of them take less time than copies without them.
    is_constant = (among == among[0]).all(axis=0) & (points == among[0]).all(axis=0)
    if is_constant.mean() > MANY_CONSTANT:
        points, among = points[:, ~is_constant], among[:, ~is_constant]
    centre = among.mean(axis=0)
    candidates = (among - centre).astype(np.float32)
    lengths = np.einsum("nd,nd->n", candidates, candidates)
    blocks = [
        _decided(block, among, _candidates((block - centre).astype(np.float32), candidates, lengths, k), k)
        for block in np.array_split(points, max(1, -(-len(points) * len(among) // BLOCK)))
    ]
    return np.concatenate([distances for distances, _ in blocks]), np.concatenate([rows for _, rows in blocks])


def nearest_by_kinds(points: np.ndarray, among: np.ndarray, k: int, kinds: Sequence[slice]) -> tuple[np.ndarray, np.ndarray]:
    """As `nearest`, where the coordinates in each of these slices name one category, so that two which differ are a unit apart.

    A point that differs in two categories is √2 away at least. So the neighbours that are nearer are found among points of the same categories, and of all but one, by the few coordinates that are
    left, which takes no time: of a point in a group by all categories but one the nearest by the other coordinates are nearest in that group, but for what the one category adds, and that
    is less for those in the smaller group of the same categories. Where fewer than k are nearer than √2 all points are looked at. What is found so is exact.
    """
    is_kind = np.zeros(points.shape[1], dtype=bool)
    for kind in kinds:
        is_kind[kind] = True
    numbers, of_among = (np.ascontiguousarray(side[:, ~is_kind]) for side in (points, among))
    varies = np.ptp(np.concatenate([numbers, of_among]), axis=0) > 0
    if not kinds or len(points) == 0 or len(among) <= k or varies.sum() > FEW_NUMBERS:
        return nearest(points, among, k)
    candidates = _of_like_kinds((points, among), (numbers[:, varies], of_among[:, varies]), k, kinds)
    is_settled = (candidates >= 0).all(axis=1)
    distances, rows = np.empty((len(points), k)), np.empty((len(points), k), dtype=np.int64)
    for some, search in (
        (is_settled, lambda: _decided(points[is_settled], among, candidates[is_settled], k)),
        (~is_settled, lambda: nearest(points[~is_settled], among, k)),
    ):
        if some.any():
            distances[some], rows[some] = search()
    return distances, rows


def _of_like_kinds(
    whole: tuple[np.ndarray, np.ndarray], numbers: tuple[np.ndarray, np.ndarray], k: int, kinds: Sequence[slice]
) -> np.ndarray:
    """The k nearest of `among` to each point among those that differ in one category at most and are nearer than √2, -1 where there are fewer, (points, k)."""
    from scipy.spatial import KDTree

    n = len(whole[0])
    codes = [np.concatenate([side[:, kind].argmax(axis=1) for side in whole]) for kind in kinds]
    rng = np.random.default_rng(0)  # digests of categories, not random numbers of an answer
    digests = [rng.integers(1 << 64, size=int(own.max()) + 1, dtype=np.uint64)[own] for own in codes]
    everything = np.add.reduce(digests)
    found_rows, found_squares = [], []
    for left_out in (None, *range(len(kinds))):
        key = everything if left_out is None else everything - digests[left_out]
        group = np.unique(key, return_inverse=True)[1] * 4.0  # farther apart than any distance that is asked for
        tree = KDTree(np.column_stack([numbers[1], group[n:]]))
        distances, rows = tree.query(np.column_stack([numbers[0], group[:n]]), k, distance_upper_bound=SQUARE_ROOT_OF_2)
        distances, rows = distances.reshape(n, k), rows.reshape(n, k)
        is_there = np.isfinite(distances)
        rows = np.where(is_there, rows, 0)
        squares = np.where(is_there, np.square(distances), np.inf)
        if left_out is not None:
            # Those of the same categories were found before.
            is_other = codes[left_out][:n, None] != codes[left_out][n:][rows]
            squares = np.where(is_other, squares + 1, np.inf)
        found_rows.append(rows)
        found_squares.append(np.where(squares < 2 - ROUNDING, squares, np.inf))
    every, squares = np.concatenate(found_rows, axis=1), np.concatenate(found_squares, axis=1)
    order = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return np.where(np.isfinite(np.take_along_axis(squares, order, axis=1)), np.take_along_axis(every, order, axis=1), -1)


def _candidates(points: np.ndarray, among: np.ndarray, lengths: np.ndarray, k: int) -> np.ndarray:
    """Rows of `among` that may be the nearest to each point, (n, k or a few more)."""
    squares = (-2 * points) @ among.T
    squares += lengths
    limit = min(k + SHORTLIST if k > 1 else 1, len(among))
    if k > 3:
        return _smallest(squares, limit)
    shortlists = []
    for _ in range(min(limit, k + 1)):  # one by one: a partition of all takes longer
        shortlists.append(squares.argmin(axis=1))
        squares[np.arange(len(squares)), shortlists[-1]] = np.inf
    return np.column_stack(shortlists)


def _smallest(values: np.ndarray, limit: int) -> np.ndarray:
    """Where the `limit` smallest numbers of each row stand, in any order. (rows, most)

    A number among the smallest lies in one of the `limit` strands of columns that have the smallest minima, so that those alone are sorted.
    """
    rows, columns = values.shape
    strands = columns // STRAND
    if strands < 2 * limit:
        return np.argpartition(values, limit - 1, axis=1)[:, :limit]
    whole = strands * STRAND
    minima = values[:, :whole].reshape(rows, STRAND, strands).min(axis=1)
    best = np.argpartition(minima, limit - 1, axis=1)[:, :limit]
    among = (best[:, None, :] + strands * np.arange(STRAND)[:, None]).reshape(rows, -1)
    left_over = np.broadcast_to(np.arange(whole, columns), (rows, columns - whole))
    among = np.concatenate([among, left_over], axis=1)
    chosen = np.argpartition(np.take_along_axis(values, among, axis=1), limit - 1, axis=1)[:, :limit]
    return np.take_along_axis(among, chosen, axis=1)


def _decided(points: np.ndarray, among: np.ndarray, candidates: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    distances = np.empty(candidates.shape)
    together = max(1, AT_HAND // max(1, points.shape[1]))
    for some in (slice(start, start + together) for start in range(0, len(points), together)):
        for place, column in enumerate(candidates[some].T):
            apart = points[some] - among[column]
            distances[some, place] = np.einsum("nd,nd->n", apart, apart)
    np.sqrt(distances, out=distances)
    order = np.lexsort((candidates, distances))[:, :k]
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(candidates, order, axis=1)


@dataclass(frozen=True)
class Cloud:
    """Points of one kind and their neighbours, listed once; labels are drawn over them as often as one likes.

    Equal points are one place with a count, so that ties are not broken by the order in which neighbours are listed.
    """

    place: np.ndarray
    """The place of each point, (points,)."""
    near: np.ndarray
    """The places nearest to each place, itself first, (places, listed)."""
    distances: np.ndarray

    def balls(self, is_first: np.ndarray, k: int) -> dict[str, float]:
        """Precision, recall, density and coverage of the points called first as drawn ones, the others as real."""
        drawn = np.bincount(self.place[is_first], minlength=len(self.near))
        real = np.bincount(self.place[~is_first], minlength=len(self.near))
        precision, density, coverage = self._in_balls(real, drawn, k)
        return {"precision": precision, "recall": self._in_balls(drawn, real, k)[0], "density": density, "coverage": coverage}

    def _in_balls(self, own: np.ndarray, other: np.ndarray, k: int) -> tuple[float, float, float]:
        """Share of the others in a ball of their `own` neighbours, balls that hold one over k, share of balls that hold any."""
        there = np.flatnonzero(own)
        near, distances, others = self.near[there], self.distances[there], own[there]
        reached = np.cumsum(own[near], axis=1) > k
        last = np.where(reached.any(axis=1), reached.argmax(axis=1), near.shape[1] - 1)
        radius = distances[np.arange(there.size), last]
        others_in_ball = np.where(distances <= radius[:, None], other[near], 0)
        inside = others_in_ball.sum(axis=1)
        is_hit = np.zeros(own.size, dtype=bool)
        is_hit[near[others_in_ball > 0]] = True
        n_other, n_own = other.sum(), own.sum()
        return (
            float(other[is_hit].sum() / n_other),
            float(others @ inside / (k * n_other)),
            float(others[inside > 0].sum() / n_own),
        )

    def alone(self, is_first: np.ndarray) -> np.ndarray:
        """The distance of each point called first to the nearest other such point, (first,); of those listed, so at most the farthest of these."""
        own = np.bincount(self.place[is_first], minlength=len(self.near))
        there = np.flatnonzero(own)
        others = (own > 0)[self.near[there]]
        others[:, 0] = own[there] > 1  # its own place holds another point only where it holds two
        rows, last = np.arange(there.size), others.argmax(axis=1)
        last[~others[rows, last]] = self.near.shape[1] - 1
        nearest_other = np.empty(len(self.near), self.distances.dtype)
        nearest_other[there] = self.distances[there, last]
        return nearest_other[self.place[is_first]]


def halves(points: int, draws: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Random labels: half of an even number of points are called the first set, (points,) of truth values, draw after draw."""
    is_first = np.arange(points) < points // 2
    for _ in range(draws):
        yield rng.permutation(is_first)


def cloud(points: np.ndarray, listed: int = LISTED) -> Cloud:
    """The points (n, d) with their neighbours listed."""
    places, place = np.unique(points, axis=0, return_inverse=True)
    distances, near = nearest(places, places, listed)
    return Cloud(place.reshape(-1), near, distances.astype(np.float32))  # rounded so that ties are ties
