"""Are there synthetic records wherever there are human ones, and only there?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from outcross.data.tables import Table
from outcross.estimate import Estimate, NotApplicable, Null, Reading, around, share, share_within, student_quantile_over
from outcross.measures import Evidence, Page, Pointed, read_with_null, unread
from outcross.measures.of_tables import OfTables
from outcross.recipe import recipe
from outcross.statistics.beyond import limit_or_farthest
from outcross.statistics.categories import ComparedCounts, worst
from outcross.statistics.embedding import Embedding, embedding
from outcross.statistics.floors import from_draws
from outcross.statistics.neighbours import cloud, halves, nearest, wide_graph
from outcross.wording import amount

KYNKAANNIEMI = "Kynkäänniemi et al., NeurIPS 2019, arXiv 1904.06991"
NAEEM = "Naeem et al., ICML 2020, arXiv 2002.09797"
FEWEST = 50
"""Minimum number of records per side. With fewer, neighbours are not compared."""
PARTS = 40
"""Number of random subsets of the points from which standard errors are estimated."""
PART = 300
"""Approximate number of points in a subset."""
MOST_COLUMNS = 25
"""Maximum number of columns whose pairs are compared for support; 25 columns have 300 pairs."""
BINS = 10
"""Number of bins with equal shares of the values into which a column of numbers is cut for support."""
POINTED = 100
"""Maximum number of records that are pointed at per side."""
FAR = 0.001
"""Share of human records, at least one, that count as far from all others. Records that lie even farther are pointed at."""
MOST = 20_000
"""Maximum number of records per side that are counted in clusters."""
FITTED = 5_000
"""Maximum number of human records on which clusters are fitted."""
IN_CLUSTER = 25
"""Minimum number of human records per cluster on which the clusters are fitted."""
STARTS = 16
"""Number of random starts of the search for clusters."""
DIMENSIONS = 256
"""Maximum number of dimensions in which clusters are searched for. A census table with ten columns of categories has half as many."""
STEPS = 25
"""Maximum number of steps of each start."""


@recipe
class Coverage(OfTables):
    """Precision, recall, density and coverage on balls to the k-th neighbour, the share of clusters, and the support of pairs of columns.

    Records become points (`outcross.statistics.embedding`, fitted on the human records compared). Equal numbers of synthetic and human records are
    compared: at most 2,500 per side unless set. Without a holdout at most half of the reference is used. The other half, or the holdout, shows how
    human records compare with each other. This null distribution comes from one graph of human records alone, whose labels are permuted; synthetic
    records are never in it. All four numbers depend on how many records are compared, so they are compared with this null and not with 1.
    """

    k: Annotated[int, Field(ge=1, le=50)] = 5
    """Number of neighbours that a ball reaches to."""
    points: Annotated[int, Field(ge=FEWEST, le=5_000)] = 2_500
    """Maximum number of records compared per side, drawn at random."""
    draws: Annotated[int, Field(ge=19, le=10_000)] = 249
    """Number of random labellings of human records for the null distribution."""
    modes: Annotated[int, Field(ge=2, le=1_000)] = 20
    """Maximum number of clusters of human records. A third of the reference must hold 25 records for each cluster."""

    aspect = "coverage"
    pages = {
        "precision": Page(
            "CO1", "precision", "Share of synthetic records that lie in at least one ball around a human record, with a radius that reaches to its 5th human neighbour. Low: there are synthetic records where human data have none.",
            unit="fraction", healthy="the value for real data of this size", collapsed="towards 0",
            margin=0.9, worse="smaller", is_invention=True, role="quality", paper=KYNKAANNIEMI,
        ),
        "recall": Page(
            "CO2", "recall", "Share of human records that lie in at least one ball around a synthetic record, with a radius that reaches to its 5th synthetic neighbour. Low: kinds of records are lost or have become rarer.",
            unit="fraction", healthy="the value for real data of this size", collapsed="towards 0",
            margin=0.9, worse="smaller", role="support", paper=KYNKAANNIEMI,
        ),
        "density": Page(
            "CO3", "density", "Mean number of balls of human records that a synthetic record lies in, divided by 5. Low: synthetic records lie where human records are sparse.",
            unit="ratio", healthy="the value for real data of this size", collapsed="towards 0",
            margin=0.8, worse="smaller", is_invention=True, role="quality", paper=NAEEM,
        ),
        "coverage": Page(
            "CO4", "coverage", "Share of human records whose ball to their 5th human neighbour holds a synthetic record. Unlike recall, it is robust to outliers.",
            unit="fraction", healthy="the value for real data of this size", collapsed="towards 0",
            margin=0.9, worse="smaller", role="support", paper=NAEEM,
        ),
        "clusters": Page(
            "CO5", "share of a cluster", "Share of synthetic records in a cluster, divided by the share of human records in it. Up to 20 clusters are fitted by k-means on a third of the reference, and the human share is that of the other two thirds. The value and the upper end of the interval belong to one cluster: the one whose share fell most beyond chance. The lower end is the lowest one among all clusters, so that the check is kept only if each of them is kept.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.8, worse="smaller", records=(21_000, "one of twenty equal clusters"), role="modes", paper="Srivastava et al. (VEEGAN), NeurIPS 2017, arXiv 1705.07761 §4 (modes covered)",
        ),
        "pair_support": Page(
            "CO6", "support of pairs", "Share of human records whose combination of two values also occurs in a synthetic record, averaged over pairs of columns. Numbers are cut into tenths of all values. Equal numbers of human and synthetic records are compared.",
            unit="fraction", healthy="the value for real data of this size", collapsed="towards 0",
            margin=0.98, worse="smaller", role="support", paper="Kuhn, Kacker and Lei, NIST SP 800-142, 2010 (combinatorial coverage)",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        try:
            human, other, synthetic = sample(evidence, self.points, rng)
            real, drawn = evidence.reference.take(human), evidence.drawn.take(synthetic)
            embed = embedding(real, other, beside=(drawn,))
        except NotApplicable as why:
            yield from (unread(check, str(why)) for check in self.pages if check != "pair_support")
        else:
            points, more, kinds = (embed(real), embed(drawn)), embed(other), embed.categories(real)
            yield from self._balls(*points, more, kinds, rng)
            yield from self._regions(human, synthetic, *points, more, kinds)
            yield _worst_cluster(evidence, embed, self.modes, rng)
        yield read_with_null("pair_support", lambda: _support(evidence, self.points, self.draws, rng))

    def _balls(
        self, human: np.ndarray, synthetic: np.ndarray, other: np.ndarray, kinds: Sequence[slice], rng: np.random.Generator
    ) -> Iterator[Reading]:
        n = len(human)
        whole = wide_graph(synthetic, human, kinds)
        values = whole.numbers(self.k)
        size = max(min(PART, n // 2), n // 10, 2 * (self.k + 1))
        parts = [whole.some(size, size, rng).numbers(self.k) for _ in range(PARTS)]
        neighbours = cloud(np.concatenate([human, other]), kinds=kinds)
        draws = [neighbours.balls(is_first, self.k) for is_first in halves(2 * n, self.draws, rng)]
        note = f"{amount(n, 'record')} a side"
        for check, value in values.items():
            # Parts of the points, without replacement (Shao and Wu, Ann. Statist. 17:1176, 1989): a bootstrap repeats points, whose balls then have
            # no size.
            error = float(np.std([part[check] for part in parts], ddof=1)) * math.sqrt(size / (n - size))
            null = from_draws(value, np.array([draw[check] for draw in draws]), "smaller", "labels of human neighbours")
            half = student_quantile_over(PARTS, "parts") * error
            estimate = (
                Estimate(value, max(0.0, value - half), value + half, "parts of the points", n)
                if check == "density"
                else share_within(value, half, n, "parts of the points")
            )
            yield Reading(check, estimate, null, note=note)

    def _regions(self, human, synthetic, human_points, synthetic_points, more, kinds) -> Iterator[Pointed]:
        """Yield human records with no synthetic record near them, and synthetic records with no human record near them.

        No record is near if the nearest is farther away than for 999 of 1,000 human records, compared with equally many other human records.
        """
        among = nearest(more, human_points, 1, kinds)[0][:, 0]
        usual, limit = float(np.median(among)), limit_or_farthest(np.sort(among), FAR, "upper")
        far = _far(human_points, synthetic_points, kinds, limit)
        yield from _pointed("reference", human, far, usual, "synthetic")
        far = _far(synthetic_points, human_points, kinds, limit)
        yield from _pointed("synthetic", synthetic, far, usual, "human")


def _far(points: np.ndarray, others: np.ndarray, kinds: Sequence[slice], limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the points whose distance to the nearest of `others` exceeds `limit`, the farthest first, and these distances."""
    distance = nearest(points, others, 1, kinds)[0][:, 0]
    chosen = np.argsort(-distance, kind="stable")[:POINTED]
    chosen = chosen[distance[chosen] > limit]
    return chosen, distance[chosen]


def _pointed(
    side: Literal["synthetic", "reference"], rows: np.ndarray, far: tuple[np.ndarray, np.ndarray], usual: float, what: str
):
    chosen, distance = far
    if chosen.size and usual > 0:
        yield Pointed(
            side,
            rows[chosen],
            distance / usual,
            f"no {what} record is near; the value is the distance to the nearest such record, in units of the median nearest-neighbour distance of human records",
        )


def sample(evidence: Evidence, limit: int, rng: np.random.Generator) -> tuple[np.ndarray, Table, np.ndarray]:
    """Return the rows of human records, a table of other human records, and the rows of synthetic records, equally many of each.

    The other human records come from the holdout, or from the reference if there is no holdout. Sets of the same size are sampled at the same places,
    so that equal sets stay equal.
    """
    reference, synthetic, holdout = evidence.reference, evidence.drawn, evidence.sides().get("holdout")
    human = reference.frame.height if holdout is not None else reference.frame.height // 2
    n = min(limit, synthetic.frame.height, human, holdout.frame.height if holdout is not None else human)
    if n < FEWEST:
        wanted = FEWEST if holdout is not None else 2 * FEWEST
        raise NotApplicable(
            f"{amount(n, 'record')} per side, but neighbours need {FEWEST}; give {wanted} human and {FEWEST} synthetic records"
        )
    places = rng.integers(1 << 32)
    order, drawn = (np.random.default_rng(places).permutation(side.frame.height) for side in (reference, synthetic))
    if holdout is None:
        return order[:n], reference.take(order[n : 2 * n]), drawn[:n]
    return order[:n], holdout.take(rng.permutation(holdout.frame.height)[:n]), drawn[:n]


def some(table: Table, limit: int, rng: np.random.Generator) -> Table:
    """Return at most `limit` records of the table, drawn at random."""
    return table if table.frame.height <= limit else table.take(rng.permutation(table.frame.height)[:limit])


def _worst_cluster(evidence: Evidence, embed: Embedding, limit: int, rng: np.random.Generator) -> Reading:
    """Return the reading of the cluster of human records that lost most, with a description of its human records."""
    from scipy.cluster.vq import vq

    drawn, reference = some(evidence.drawn, MOST, rng), some(evidence.reference, MOST, rng)
    synthetic, human = _flattened(embed(drawn), embed(reference), rng)
    fitted = min(len(human) // 3, FITTED)
    clusters = min(limit, fitted // IN_CLUSTER)
    if clusters < 2 or len(synthetic) < FEWEST:
        return unread(
            "clusters",
            f"{len(human)} human and {len(synthetic)} synthetic records, but clusters need {6 * IN_CLUSTER} human and {FEWEST} synthetic records",
        )
    order = rng.permutation(len(human))
    centres, others = _centres(human[order[:fitted]], clusters, rng), order[fitted:]
    of_others = vq(human[others], centres)[0]
    counts = ComparedCounts(*(np.bincount(cluster, minlength=len(centres)) for cluster in (vq(synthetic, centres)[0], of_others)))
    try:
        worst_member = worst(counts, "fewer")
    except NotApplicable as why:
        return unread("clusters", str(why))
    inhabitants = described(reference.take(others[of_others == worst_member.place]), reference)
    note = f"the worst of {len(centres)} clusters, {counts.human[worst_member.place]:,} human records{f' ({inhabitants})' if inhabitants else ''}"
    return Reading(
        "clusters", worst_member.estimate, worst_member.null, note=note, about=float(counts.human_shares[worst_member.place])
    )


def described(inside: Table, whole: Table, columns: int = 2) -> str:
    """Describe some records of a table by the columns in which they differ most from the whole: the median of a number, or the commonest category.

    >>> from outcross.data.tables import table
    >>> columns = {"age": [20.0] * 5 + [40.0, 50.0, 60.0] * 5, "job": ["student"] * 5 + ["cook", "clerk", "smith"] * 5}
    >>> people = table(columns, kinds={"age": "number", "job": "category"})
    >>> described(people.where(people.numbers("age") < 30), people)
    'age about 20, job=student'
    """
    differences = [_apart(inside, whole, column) for column in whole.of_kind("category", "number")]
    # Ties are broken by the order of the columns, so that the order of rows has no effect.
    ordered = sorted((difference for difference in differences if difference is not None), key=lambda difference: -difference[0])
    return ", ".join(words for _, words in ordered[:columns])


def _apart(inside: Table, whole: Table, column: str) -> tuple[float, str] | None:
    """Return how much some records differ from all records in a column, in [0, 1], and a description of their values. None if they do not differ."""
    if whole.kinds[column] == "category":
        counts, all_counts = inside.counts(column), whole.counts(column)
        if not counts:
            return None
        name = next(iter(counts))
        usual, share = (of_side[name] / sum(of_side.values()) for of_side in (all_counts, counts))
        return (share - usual, f"{column}={name}") if share > usual else None
    values, every = inside.known_numbers(column), whole.known_numbers(column)
    if not values.size:
        return None
    median = float(np.median(values))
    below, above = float((every < median).mean()), float((every > median).mean())
    return (abs(below - above), f"{column} about {_roughly(median, every)}") if below != above else None


def _roughly(value: float, every: np.ndarray) -> str:
    """Round a number to a digit that is small compared with the standard deviation of the column."""
    digits = -math.floor(math.log10(float(every.std()) / 2))
    return f"{round(value, digits):,.{max(0, digits)}f}"


def _centres(points: np.ndarray, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Return the centres of clusters, (clusters, d), by k-means (Lloyd, IEEE Trans. Inf. Theory 28:129, 1982; seeds of Arthur and Vassilvitskii, SODA
    2007).

    The best of several random starts is used: the one with the smallest sum of squared distances. One start in four separates twenty modes.
    """
    from scipy.cluster.vq import vq

    distinct = np.unique(points, axis=0)
    if len(distinct) <= clusters:
        return distinct
    starts = [_moved_to_means(points, _seeds(points, clusters, rng)) for _ in range(STARTS)]
    return min(starts, key=lambda centres: float(np.square(vq(points, centres)[1]).sum()))


def _flattened(synthetic: np.ndarray, human: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Project both sets of points on `DIMENSIONS` random directions if they have more dimensions.

    The projection nearly preserves the clusters (Boutsidis, Zouzias and Drineas, NeurIPS 2010).
    """
    dimensions = human.shape[1]
    if dimensions <= DIMENSIONS:
        return synthetic, human
    directions = rng.normal(size=(dimensions, DIMENSIONS)) / math.sqrt(DIMENSIONS)
    return synthetic @ directions, human @ directions


def _seeds(points: np.ndarray, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Return initial centres, (clusters, d). Each point is drawn with a probability proportional to its squared distance to the nearest earlier
    centre.

    They are the centres that SciPy's `kmeans2` draws. SciPy computes the distances to all earlier centres again for each new centre.
    """
    from scipy.spatial.distance import cdist

    chosen = [int(rng.integers(len(points)))]
    squares = np.full(len(points), np.inf)
    while len(chosen) < clusters:
        squares = np.minimum(squares, cdist(points[chosen[-1:]], points, "sqeuclidean")[0])
        chosen.append(int(np.searchsorted(np.cumsum(squares / squares.sum()), rng.uniform())))
    return points[chosen]


def _moved_to_means(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Move each centre to the mean of its nearest points until no centre moves, for at most `STEPS` steps."""
    import warnings

    from scipy.cluster.vq import kmeans2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty cluster keeps its centre
        for _ in range(STEPS):
            moved = kmeans2(points, centres, iter=1, minit="matrix", check_finite=False)[0]
            if np.array_equal(moved, centres):
                break
            centres = moved
    return centres


def _support(evidence: Evidence, limit: int, draws: int, rng: np.random.Generator) -> tuple[Estimate, Null]:
    from scipy.sparse import csr_array

    cells = _cells(evidence, limit, rng)
    n, pairs = len(cells) // 2, cells.shape[1]
    occupied = csr_array(
        (np.ones(cells.size), cells.reshape(-1), np.arange(0, cells.size + 1, pairs)), (2 * n, int(cells.max()) + 1)
    )
    synthetic, human = occupied[:n].sum(axis=0), occupied[n:].sum(axis=0)
    is_first = np.array(list(halves(2 * n, draws, rng)), dtype=float)
    shares = _seen(np.concatenate([synthetic[None], is_first @ occupied]), synthetic + human) / (n * pairs)
    value = float(shares[0])
    # The variance over human records is that of a mean. Synthetic records are left out one by one: this empties the cells that hold no other.
    seen = (synthetic > 0)[cells[n:]].mean(axis=1)
    lost = np.where(synthetic == 1, human, 0)[cells[:n]].mean(axis=1) / n
    error = math.sqrt(float(np.var(seen, ddof=1)) / n + float(np.square(lost - lost.mean()).sum()))
    method = "jackknife over records"
    wilson = replace(share(round(value * n), n), value=value, method=method)
    estimate = around(value, error, method, n, minimum=0.0, maximum=1.0) if error > 0 else wilson
    return estimate, from_draws(value, shares[1:], "smaller", "permutation")


def _cells(evidence: Evidence, limit: int, rng: np.random.Generator) -> np.ndarray:
    """Return a number for each record's combination of values in each pair of columns, (2 n, pairs): n synthetic records, then n human records.

    Different pairs of columns share no number.
    """
    columns = evidence.reference.of_kind("number", "category")[:MOST_COLUMNS]
    sides = evidence.drawn, evidence.reference
    n = min(limit, *(side.frame.height for side in sides))
    if not columns or n < FEWEST:
        raise NotApplicable(
            f"{amount(n, 'record')} per side and {amount(len(columns), 'column')} of numbers and categories, but pairs need {FEWEST} records and 1 column"
        )
    places = rng.integers(1 << 32)
    synthetic, human = (side.take(np.random.default_rng(places).permutation(side.frame.height)[:n]) for side in sides)
    codes = [_codes(synthetic, human, column) for column in columns]
    pairs = [_joined(first, second) for first, second in combinations(codes, 2)] or [_joined(codes[0], codes[0])]
    starts = np.cumsum([0, *(int(pair.max()) + 1 for pair in pairs[:-1])])
    return np.column_stack(pairs) + starts


def _seen(synthetic: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Count the human records in cells that also hold a synthetic record, for synthetic counts (draws, cells) out of `total` (cells,)."""
    return np.where(synthetic > 0, total - synthetic, 0).sum(axis=1)


def _codes(synthetic: Table, reference: Table, column: str) -> np.ndarray:
    """Return the values of a column as whole numbers, synthetic records first, (2 n,).

    Each category is a number. Numbers are cut into tenths of both sets. A missing value is a number of its own.
    """
    import polars as pl

    if reference.kinds[column] == "category":
        both = pl.concat([synthetic.frame[column], reference.frame[column]])
        return both.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    # The edges come from both sets together. From one set alone, its records would lie in the cells more evenly than those of the other set.
    values = np.concatenate([side.numbers(column) for side in (synthetic, reference)])
    finite = values[np.isfinite(values)]
    edges = np.unique(np.quantile(finite, np.arange(1, BINS) / BINS)) if finite.size else np.zeros(1)
    return np.where(np.isfinite(values), 1 + np.searchsorted(edges, values, side="right"), 0)


def _joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return a number for each pair of values that occurs."""
    return np.unique(first * (int(second.max()) + 1) + second, return_inverse=True)[1]
