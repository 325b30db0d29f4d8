"""Nearest neighbours of points: balls to the k-th neighbour, nearest other points, and their null under random labels of one cloud of points.

Precision and recall are those of Kynkäänniemi et al. (NeurIPS 2019, arXiv 1904.06991), density and coverage those of Naeem et al. (ICML 2020,
arXiv 2002.09797). In all of them the border of a ball belongs to the ball.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

BLOCK = 1 << 22
"""Maximum number of distances in memory at a time."""
COUNTED = 1 << 20
"""Maximum number of distances in memory at a time if categories are counted, so that they fit into the cache of a processor."""
IN_A_BYTE = 255
"""The largest number of a byte."""
LISTED = 24
"""Number of neighbours listed for each point before labels are drawn. With random labels, fewer than 5 of 24 are of its kind once in 1,300 times."""
SPREADS_OUT = 12
"""Number of dimensions from which a tree of points is no faster than computing all distances."""
FEW_NUMBERS = 8
"""Maximum number of coordinates besides those of categories for which neighbours with the same categories are searched with a tree."""
ROUNDING = 1e-9
"""Squared distances up to this size count as 0, because inner products of unit-sized points are not more accurate."""
MANY_CONSTANT = 0.2
"""Share of coordinates in which all points are equal. If it is larger than this, these coordinates are left out."""
AT_HAND = 1 << 16
"""Number of coordinates that are subtracted at a time, so that they fit into the cache of a processor."""
STRAND = 12
"""Number of columns that are grouped when the smallest numbers of a row are searched for."""
SHORTLIST = 4
"""Number of candidates in addition to the requested neighbours. Exact distances decide among all candidates."""


@dataclass(frozen=True)
class Graph:
    """Distances between real points, between drawn points, and between both, (n, n) each. The rows of `across` are real points."""

    real: np.ndarray
    drawn: np.ndarray
    across: np.ndarray

    def numbers(self, k: int) -> dict[str, float]:
        """Return precision, recall, density and coverage."""
        near_real = self.across <= radii(self.real, k)[:, None]  # (real, drawn)
        near_drawn = self.across <= radii(self.drawn, k)
        return {
            "precision": float(near_real.any(axis=0).mean()),
            "recall": float(near_drawn.any(axis=1).mean()),
            "density": float(near_real.sum(axis=0).mean() / k),
            "coverage": float(near_real.any(axis=1).mean()),
        }

    def some(self, n_real: int, n_drawn: int, rng: np.random.Generator) -> Graph:
        """Return the graph of a random choice of `n_real` real points and `n_drawn` drawn points."""
        real, drawn = (
            np.sort(rng.permutation(len(rows))[:n]) for rows, n in ((self.real, n_real), (self.drawn, n_drawn))
        )  # fmt: skip
        return Graph(self.real[np.ix_(real, real)], self.drawn[np.ix_(drawn, drawn)], self.across[np.ix_(real, drawn)])


def graph(drawn: np.ndarray, real: np.ndarray) -> Graph:
    """Compute the distances of points (n, d). Equal points have distance exactly 0, which inner products would not guarantee."""
    from scipy.spatial.distance import cdist

    return Graph(cdist(real, real), cdist(drawn, drawn), cdist(real, drawn))


def wide_graph(drawn: np.ndarray, real: np.ndarray, kinds: Sequence[slice] = ()) -> Graph:
    """Compute a `graph` with distances rounded to single precision, so that ties are exact.

    In many dimensions it uses inner products, which is three times as fast. kinds: as for `nearest`.
    """
    if real.shape[1] < SPREADS_OUT:
        whole = graph(drawn, real)
        return Graph(*(distances.astype(np.float32) for distances in (whole.real, whole.drawn, whole.across)))
    return Graph(*(_Parts.of(*pair, kinds).distances() for pair in ((real, real), (drawn, drawn), (real, drawn))))


def radii(distances: np.ndarray, k: int) -> np.ndarray:
    """Return the distance from each point to its k-th neighbour, not counting itself, (n,)."""
    return np.partition(distances, k, axis=1)[:, k]


def nearest(points: np.ndarray, among: np.ndarray, k: int, kinds: Sequence[slice] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances and the indices of the k points of `among` (m, d) that are nearest to each of the points (n, d), nearest first, (n, k)
    each.

    In many dimensions candidates come from inner products in single precision, and exact distances decide among them, so that equal points have
    distance exactly 0. A neighbour can be missed in favour of another that is farther by less than 0.01 units, where units are standard deviations.

    The coordinates in each slice of `kinds` encode one column of categories, so that two different categories are one unit apart. Different
    categories are counted, which takes a fifth of the time of their inner products. Neighbours nearer than one unit are searched only among points
    with the same categories.
    """
    k = min(k, len(among))
    if points.shape[1] < SPREADS_OUT:
        from scipy.spatial import KDTree

        distances, rows = KDTree(among).query(points, k)
        return distances.reshape(-1, k), rows.reshape(-1, k)
    parts = _Parts.of(points, among, kinds)
    distances, rows = np.empty((len(points), k)), np.empty((len(points), k), dtype=np.int64)
    candidates = parts.of_the_same_kinds(k)
    is_settled = (candidates >= 0).all(axis=1)
    settled, others = np.flatnonzero(is_settled), np.flatnonzero(~is_settled)
    distances[settled], rows[settled] = parts.decided(settled, candidates[settled], k)
    for start, stop in _stretches(others.size, (COUNTED if kinds else BLOCK) // len(among)):
        some = others[start:stop]
        distances[some], rows[some] = parts.decided(some, _candidates(parts.squares(some), k), k)
    return distances, rows


def _stretches(n: int, together: int) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each of the consecutive ranges that divide n things, with at most `together` things each."""
    together = max(1, together)
    return ((start, min(n, start + together)) for start in range(0, n, together))


@dataclass(frozen=True, eq=False)
class _Parts:
    """Points and the others among which their neighbours are searched, split into numeric coordinates and categories."""

    numbers: tuple[np.ndarray, np.ndarray]
    """Numeric coordinates of the points (n, d) and of the others (m, d). Constant coordinates may be left out."""
    codes: tuple[np.ndarray, np.ndarray]
    """The category in each column of categories, of the points (columns, n) and of the others (columns, m)."""

    @classmethod
    def of(cls, points: np.ndarray, among: np.ndarray, kinds: Sequence[slice]) -> _Parts:
        is_kind = np.zeros(points.shape[1], dtype=bool)
        for kind in kinds:
            is_kind[kind] = True
        numbers = (points[:, ~is_kind], among[:, ~is_kind]) if kinds else (points, among)
        # Constant coordinates do not change distances. A few of them cost less time than a copy without them.
        is_constant = (numbers[1] == numbers[1][0]).all(axis=0) & (numbers[0] == numbers[1][0]).all(axis=0)
        if is_constant.any() and is_constant.mean() > MANY_CONSTANT:
            numbers = (numbers[0][:, ~is_constant], numbers[1][:, ~is_constant])
        widest = max((kind.stop - kind.start for kind in kinds), default=0)
        codes = np.empty((len(kinds), len(points) + len(among)), dtype=np.uint8 if widest <= IN_A_BYTE else np.int64)
        for own, kind in zip(codes, kinds, strict=True):
            own[: len(points)] = points[:, kind].argmax(axis=1)
            own[len(points) :] = own[: len(points)] if among is points else among[:, kind].argmax(axis=1)
        return cls(numbers, (codes[:, : len(points)], codes[:, len(points) :]))

    def of_the_same_kinds(self, k: int) -> np.ndarray:
        """Return the k nearest points with the same categories that are nearer than one unit, -1 if there are fewer, (n, k).

        All points with other categories are at least one unit away.
        """
        from scipy.spatial import KDTree

        (numbers, among), (codes, codes_among) = self.numbers, self.codes
        n = len(numbers)
        if not len(codes) or numbers.shape[1] > FEW_NUMBERS:
            return np.full((n, k), -1)
        rng = np.random.default_rng(0)  # for digests of categories only; no reading depends on these numbers
        both = np.concatenate([codes, codes_among], axis=1)
        digests = np.add.reduce([rng.integers(1 << 64, size=int(own.max()) + 1, dtype=np.uint64)[own] for own in both])
        group = np.unique(digests, return_inverse=True)[1] * 2.0  # farther apart than any requested distance
        tree = KDTree(np.column_stack([among, group[n:]]))
        distances, rows = tree.query(np.column_stack([numbers, group[:n]]), k, distance_upper_bound=1 - ROUNDING)
        return np.where(np.isfinite(distances), rows, -1).reshape(n, k)

    def squares(self, some: np.ndarray) -> np.ndarray:
        """Return squared distances of some points to all others in single precision, (some, m), up to a constant for each point."""
        squares = self._products[0][some] @ self._products[1]
        self._count_differing(squares, some)
        return squares

    def decided(self, some: np.ndarray, candidates: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the exact distances and the rows of the k nearest of a few candidates for some points, nearest first, (some, k) each."""
        (points, among), (codes, codes_among) = self.numbers, self._codes_by_point
        squares = np.empty(candidates.shape)
        for start, stop in _stretches(len(some), AT_HAND // max(1, points.shape[1])):
            rows = some[start:stop]
            for place, column in enumerate(candidates[start:stop].T):
                apart = points[rows] - among[column]
                differing = np.count_nonzero(codes[rows] != codes_among[column], axis=1)
                squares[start:stop, place] = np.einsum("nd,nd->n", apart, apart) + differing
        distances = np.sqrt(squares)
        order = np.lexsort((candidates, distances))[:, :k]
        return np.take_along_axis(distances, order, axis=1), np.take_along_axis(candidates, order, axis=1)

    @cached_property
    def _codes_by_point(self) -> tuple[np.ndarray, np.ndarray]:
        """The codes with those of each point together in memory, (n, columns) and (m, columns)."""
        codes, among = self.codes
        of_points = np.ascontiguousarray(codes.T)
        return of_points, of_points if among is codes else np.ascontiguousarray(among.T)

    def distances(self) -> np.ndarray:
        """Return all distances, rounded to single precision, (n, m)."""
        centre = self.numbers[1].mean(axis=0)
        points, among = (side - centre for side in self.numbers)
        squares = points @ among.T
        squares *= -2
        squares += np.einsum("nd,nd->n", among, among)
        squares += np.einsum("nd,nd->n", points, points)[:, None]
        for start, stop in _stretches(len(points), COUNTED // len(among)):
            self._count_differing(squares[start:stop], np.arange(start, stop))
        squares[squares < ROUNDING] = 0.0
        return np.sqrt(squares).astype(np.float32)

    @cached_property
    def _products(self) -> tuple[np.ndarray, np.ndarray]:
        """Factors whose product gives squared distances of the numbers: −2 points and 1, (n, d + 1); the others and their squared lengths, (d + 1,
        m)."""
        centre = self.numbers[1].mean(axis=0)
        points, among = ((side - centre).astype(np.float32) for side in self.numbers)
        lengths = np.einsum("nd,nd->n", among, among)
        return np.column_stack([-2 * points, np.ones(len(points), np.float32)]), np.vstack([among.T, lengths])

    def _count_differing(self, squares: np.ndarray, some: np.ndarray) -> None:
        """Add to `squares`, (some, m), the number of columns of categories in which some points differ from each of the others."""
        for start, stop in _stretches(len(self.codes[0]), IN_A_BYTE):
            squares += self._differing(slice(start, stop), some)

    def _differing(self, columns: slice, some: np.ndarray) -> np.ndarray:
        """Return the number of these columns of categories, at most 255, in which some points differ from each of the others, (some, m)."""
        (first, among), *rest = zip(self.codes[0][columns, some], self.codes[1][columns], strict=True)
        count = np.not_equal(first[:, None], among).view(np.uint8)
        differs = np.empty(count.shape, dtype=bool)
        for ours, theirs in rest:
            np.not_equal(ours[:, None], theirs, out=differs)
            count += differs.view(np.uint8)
        return count


def _candidates(squares: np.ndarray, k: int) -> np.ndarray:
    """Return columns that probably hold the k smallest numbers of each row, (n, k or a few more)."""
    if k > 3:
        return _smallest(squares, min(k + SHORTLIST, squares.shape[1]))
    shortlists = []
    for _ in range(min(k + 1, squares.shape[1])):  # one by one, which is faster than a partition
        shortlists.append(squares.argmin(axis=1))
        squares[np.arange(len(squares)), shortlists[-1]] = np.inf
    return np.column_stack(shortlists)


def _smallest(values: np.ndarray, limit: int) -> np.ndarray:
    """Return the columns of the `limit` smallest numbers of each row, in any order, (rows, limit).

    The columns are grouped into strands. Each of the smallest numbers lies in one of the `limit` strands with the smallest minima, so only those are
    searched.
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


@dataclass(frozen=True)
class Cloud:
    """Points and their neighbours, which are listed once so that labels can be drawn over them many times.

    Equal points are one place with a count, so that the order of the list does not break ties.
    """

    place: np.ndarray
    """The place of each point, (points,)."""
    near: np.ndarray
    """The places nearest to each place, the place itself first, (places, listed)."""
    distances: np.ndarray

    def balls(self, is_first: np.ndarray, k: int) -> dict[str, float]:
        """Return precision, recall, density and coverage, with the points labelled first as drawn points and the others as real points."""
        drawn = np.bincount(self.place[is_first], minlength=len(self.near))
        real = np.bincount(self.place[~is_first], minlength=len(self.near))
        precision, density, coverage = self._in_balls(real, drawn, k)
        return {"precision": precision, "recall": self._in_balls(drawn, real, k)[0], "density": density, "coverage": coverage}

    def _in_balls(self, own: np.ndarray, other: np.ndarray, k: int) -> tuple[float, float, float]:
        """Return the share of `other` points in any ball of an `own` point, the mean number of such balls divided by k, and the share of balls that
        hold any."""
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
        """Return the distance of each point labelled first to the nearest other such point, (first,).

        Only listed neighbours are searched, so the distance is at most that of the farthest listed neighbour.
        """
        own = np.bincount(self.place[is_first], minlength=len(self.near))
        there = np.flatnonzero(own)
        others = (own > 0)[self.near[there]]
        others[:, 0] = own[there] > 1  # the own place has another point only if it has two
        rows, last = np.arange(there.size), others.argmax(axis=1)
        last[~others[rows, last]] = self.near.shape[1] - 1
        nearest_other = np.empty(len(self.near), self.distances.dtype)
        nearest_other[there] = self.distances[there, last]
        return nearest_other[self.place[is_first]]


def halves(points: int, draws: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield random labels, (points,) of truth values: half of the points are labelled as the first set."""
    is_first = np.arange(points) < points // 2
    for _ in range(draws):
        yield rng.permutation(is_first)


def cloud(points: np.ndarray, listed: int = LISTED, kinds: Sequence[slice] = ()) -> Cloud:
    """List the neighbours of points (n, d). kinds: as for `nearest`."""
    places, place = np.unique(points, axis=0, return_inverse=True)
    distances, near = nearest(places, places, listed, kinds)
    return Cloud(place.reshape(-1), near, distances.astype(np.float32))  # rounded, so that ties are exact
