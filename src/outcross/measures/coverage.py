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
"""Records a side, below which neighbours say nothing."""
PARTS = 40
"""Random parts of the points from which the error of a number is read."""
PART = 300
"""Points of a part, about."""
MOST_COLUMNS = 25
"""Columns whose pairs are looked at for support: 300 pairs."""
BINS = 10
"""Equal shares of values that a number is cut into, for support."""
POINTED = 100
"""Records that are pointed at, at most, a side."""
FAR = 0.001
"""Share of human records (one of them at least) that lie far from all others; records that lie farther than these are pointed at."""
MOST = 20_000
"""Records a side whose clusters are counted, at most."""
FITTED = 5_000
"""Human records from which clusters are found, at most."""
IN_CLUSTER = 25
"""Human records for each cluster from which it is found, at least."""
STARTS = 16
"""How often the search for clusters begins afresh."""
DIMENSIONS = 256
"""Dimensions in which clusters are searched for, at most; people with ten columns of categories have half as many."""
STEPS = 25
"""Steps of a search for clusters, at most."""


@recipe
class Coverage(OfTables):
    """Precision, recall, density and coverage on balls to the k-th neighbour; modes; and the support of pairs of columns.

    Records become points (`outcross.statistics.embedding`, fitted on the human records compared). As many synthetic records are compared with as many human ones: at most 2,500 a side
    unless set, and at most half the reference where there is no holdout, for the other half (or the holdout) shows what human records are to each other.
    That null comes from one graph of human records alone, whose labels are drawn anew again and again; synthetic records are never in it. All four depend on
    how many records are compared, so they are read against that null and not against 1.
    """

    k: Annotated[int, Field(ge=1, le=50)] = 5
    """Neighbours that a ball holds."""
    points: Annotated[int, Field(ge=FEWEST, le=5_000)] = 2_500
    """Records a side that are compared, at most, drawn at random."""
    draws: Annotated[int, Field(ge=19, le=10_000)] = 249
    """Labels drawn over human records."""
    modes: Annotated[int, Field(ge=2, le=1_000)] = 20
    """Clusters of human records that are looked for, at most; a third of the reference must hold 25 records for each."""

    aspect = "coverage"
    pages = {
        "precision": Page(
            "CO1", "precision", "Share of synthetic records inside a ball around a human one that reaches to its 5th human neighbour. Low: there are records where human data have none.",
            unit="fraction", healthy="what real data of this size show", collapsed="towards 0",
            margin=0.9, worse="smaller", is_invention=True, role="quality", paper=KYNKAANNIEMI,
        ),
        "recall": Page(
            "CO2", "recall", "Share of human records inside a ball around a synthetic one that reaches to its 5th synthetic neighbour. Low: kinds of records are lost, or thinned out.",
            unit="fraction", healthy="what real data of this size show", collapsed="towards 0",
            margin=0.9, worse="smaller", role="support", paper=KYNKAANNIEMI,
        ),
        "density": Page(
            "CO3", "density", "In how many balls of human records a synthetic one lies, over 5. Low: synthetic records lie where human ones are sparse.",
            unit="ratio", healthy="what real data of this size show", collapsed="towards 0",
            margin=0.8, worse="smaller", is_invention=True, role="quality", paper=NAEEM,
        ),
        "coverage": Page(
            "CO4", "coverage", "Share of human records whose ball to their 5th human neighbour holds a synthetic record; an outlier does not fool it as it does recall.",
            unit="fraction", healthy="what real data of this size show", collapsed="towards 0",
            margin=0.9, worse="smaller", role="support", paper=NAEEM,
        ),
        "clusters": Page(
            "CO5", "share of a cluster", "Share of synthetic records in a cluster of human ones (20 at most, found by k-means on a third of the reference), over that of the human records of the other two thirds: of the cluster that has lost most beyond what chance explains. Kept where every cluster is.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.8, worse="smaller", records=(21_000, "one of twenty equal clusters"), role="modes", paper="Srivastava et al. (VEEGAN), NeurIPS 2017, arXiv 1705.07761 §4 (modes covered)",
        ),
        "pair_support": Page(
            "CO6", "support of pairs", "Share of human records whose combination of values (numbers in tenths of all values) some synthetic record has too, averaged over pairs of columns; as many records of either kind.",
            unit="fraction", healthy="what real data of this size show", collapsed="towards 0",
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
            # Parts of the points, without replacement (Shao and Wu, Ann. Statist. 17:1176, 1989): a bootstrap repeats points, whose balls then have no size.
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
        """Human records that no synthetic one is near, and synthetic records that no human one is near.

        Not near is farther than 999 of 1,000 human records are from the nearest of as many other human ones.
        """
        among = nearest(more, human_points, 1, kinds)[0][:, 0]
        usual, limit = float(np.median(among)), limit_or_farthest(np.sort(among), FAR, "upper")
        far = _far(human_points, synthetic_points, kinds, limit)
        yield from _pointed("reference", human, far, usual, "synthetic")
        far = _far(synthetic_points, human_points, kinds, limit)
        yield from _pointed("synthetic", synthetic, far, usual, "human")


def _far(points: np.ndarray, others: np.ndarray, kinds: Sequence[slice], limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Which points lie farther than that from all others, the farthest first, and how far."""
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
            f"no {what} record is near; the value is the distance to the nearest one, in units of the usual distance between human records",
        )


def sample(evidence: Evidence, limit: int, rng: np.random.Generator) -> tuple[np.ndarray, Table, np.ndarray]:
    """Rows of human records, other human records, and rows of synthetic ones: as many of each.

    The others are from the holdout, or from the reference where there is none. Sets of one size are sampled at the same places, so that equal sets stay equal.
    """
    reference, synthetic, holdout = evidence.reference, evidence.drawn, evidence.sides().get("holdout")
    human = reference.frame.height if holdout is not None else reference.frame.height // 2
    n = min(limit, synthetic.frame.height, human, holdout.frame.height if holdout is not None else human)
    if n < FEWEST:
        wanted = FEWEST if holdout is not None else 2 * FEWEST
        raise NotApplicable(
            f"{amount(n, 'record')} a side, neighbours need {FEWEST}: a reference of {wanted}, and {FEWEST} synthetic records"
        )
    places = rng.integers(1 << 32)
    order, drawn = (np.random.default_rng(places).permutation(side.frame.height) for side in (reference, synthetic))
    if holdout is None:
        return order[:n], reference.take(order[n : 2 * n]), drawn[:n]
    return order[:n], holdout.take(rng.permutation(holdout.frame.height)[:n]), drawn[:n]


def some(table: Table, limit: int, rng: np.random.Generator) -> Table:
    """At most so many records of the frame, at random."""
    return table if table.frame.height <= limit else table.take(rng.permutation(table.frame.height)[:limit])


def _worst_cluster(evidence: Evidence, embed: Embedding, limit: int, rng: np.random.Generator) -> Reading:
    """The cluster of human records that lost most, and what lives there."""
    from scipy.cluster.vq import vq

    drawn, reference = some(evidence.drawn, MOST, rng), some(evidence.reference, MOST, rng)
    synthetic, human = _flattened(embed(drawn), embed(reference), rng)
    fitted = min(len(human) // 3, FITTED)
    clusters = min(limit, fitted // IN_CLUSTER)
    if clusters < 2 or len(synthetic) < FEWEST:
        return unread(
            "clusters",
            f"{len(human)} human and {len(synthetic)} synthetic records, clusters need {6 * IN_CLUSTER} human and {FEWEST} synthetic ones",
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
    """What sets some records of a table apart, by the columns in which they differ most: the median of a number, the commonest category.

    >>> from outcross.data.tables import table
    >>> columns = {"age": [20.0] * 5 + [40.0, 50.0, 60.0] * 5, "job": ["student"] * 5 + ["cook", "clerk", "smith"] * 5}
    >>> people = table(columns, kinds={"age": "number", "job": "category"})
    >>> described(people.where(people.numbers("age") < 30), people)
    'age about 20, job=student'
    """
    differences = [_apart(inside, whole, column) for column in whole.of_kind("category", "number")]
    # The order of columns settles ties, so that the order of rows moves nothing.
    ordered = sorted((difference for difference in differences if difference is not None), key=lambda difference: -difference[0])
    return ", ".join(words for _, words in ordered[:columns])


def _apart(inside: Table, whole: Table, column: str) -> tuple[float, str] | None:
    """How far some records are from all in a column, in [0, 1], and what they hold there; None where they are not."""
    if whole.kinds[column] == "category":
        counts, all_counts = (
            side.frame[column].drop_nulls().value_counts().sort("count", column, descending=[True, False])
            for side in (inside, whole)
        )
        if not counts.height:
            return None
        name = counts[column][0]
        usual = int(all_counts.filter(all_counts[column] == name)["count"][0]) / all_counts["count"].sum()
        share = counts["count"][0] / counts["count"].sum()
        return (share - usual, f"{column}={name}") if share > usual else None
    values, every = (numbers[np.isfinite(numbers)] for numbers in (inside.numbers(column), whole.numbers(column)))
    if not values.size:
        return None
    median = float(np.median(values))
    below, above = float((every < median).mean()), float((every > median).mean())
    return (abs(below - above), f"{column} about {_roughly(median, every)}") if below != above else None


def _roughly(value: float, every: np.ndarray) -> str:
    """A number to a digit that is small beside the spread of a column."""
    digits = -math.floor(math.log10(float(every.std()) / 2))
    return f"{round(value, digits):,.{max(0, digits)}f}"


def _centres(points: np.ndarray, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """The centres of clusters, (clusters, d), by k-means (Lloyd, IEEE Trans. Inf. Theory 28:129, 1982; seeds of Arthur and Vassilvitskii, SODA 2007).

    It is started afresh several times, and the centres that are nearest to their points are taken: one start in four separates twenty modes.
    """
    from scipy.cluster.vq import vq

    distinct = np.unique(points, axis=0)
    if len(distinct) <= clusters:
        return distinct
    starts = [_moved_to_means(points, _seeds(points, clusters, rng)) for _ in range(STARTS)]
    return min(starts, key=lambda centres: float(np.square(vq(points, centres)[1]).sum()))


def _flattened(synthetic: np.ndarray, human: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Both sets of points in `DIMENSIONS` directions drawn at random, where they have more: clusters of the one are clusters of the other (Boutsidis, Zouzias and Drineas, NeurIPS 2010)."""
    dimensions = human.shape[1]
    if dimensions <= DIMENSIONS:
        return synthetic, human
    directions = rng.normal(size=(dimensions, DIMENSIONS)) / math.sqrt(DIMENSIONS)
    return synthetic @ directions, human @ directions


def _seeds(points: np.ndarray, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Points to begin with, (clusters, d), each drawn by its squared distance to the nearest that was drawn before.

    They are those that SciPy's `kmeans2` draws, which looks at the distances to all earlier ones anew for each.
    """
    from scipy.spatial.distance import cdist

    chosen = [int(rng.integers(len(points)))]
    squares = np.full(len(points), np.inf)
    while len(chosen) < clusters:
        squares = np.minimum(squares, cdist(points[chosen[-1:]], points, "sqeuclidean")[0])
        chosen.append(int(np.searchsorted(np.cumsum(squares / squares.sum()), rng.uniform())))
    return points[chosen]


def _moved_to_means(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The centres, each moved to the mean of the points that are nearest to it, until none moves any more."""
    import warnings

    from scipy.cluster.vq import kmeans2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a cluster may run empty: nothing is lost in it
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
    # Human records as a mean; synthetic ones left out one by one, which empties the cells that they are alone in.
    seen = (synthetic > 0)[cells[n:]].mean(axis=1)
    lost = np.where(synthetic == 1, human, 0)[cells[:n]].mean(axis=1) / n
    error = math.sqrt(float(np.var(seen, ddof=1)) / n + float(np.square(lost - lost.mean()).sum()))
    method = "jackknife over records"
    wilson = replace(share(round(value * n), n), value=value, method=method)
    estimate = around(value, error, method, n, minimum=0.0, maximum=1.0) if error > 0 else wilson
    return estimate, from_draws(value, shares[1:], "smaller", "permutation")


def _cells(evidence: Evidence, limit: int, rng: np.random.Generator) -> np.ndarray:
    """A number for the combination of values of each pair of columns, no two pairs sharing one, (2 n, pairs), n synthetic records and then n human ones."""
    columns = evidence.reference.of_kind("number", "category")[:MOST_COLUMNS]
    sides = evidence.drawn, evidence.reference
    n = min(limit, *(side.frame.height for side in sides))
    if not columns or n < FEWEST:
        raise NotApplicable(
            f"{amount(n, 'record')} a side and {amount(len(columns), 'column')} of numbers and categories; needs {FEWEST} and 1"
        )
    places = rng.integers(1 << 32)
    synthetic, human = (side.take(np.random.default_rng(places).permutation(side.frame.height)[:n]) for side in sides)
    codes = [_codes(synthetic, human, column) for column in columns]
    pairs = [_joined(first, second) for first, second in combinations(codes, 2)] or [_joined(codes[0], codes[0])]
    starts = np.cumsum([0, *(int(pair.max()) + 1 for pair in pairs[:-1])])
    return np.column_stack(pairs) + starts


def _seen(synthetic: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Human records in cells that hold a synthetic one, for synthetic counts (draws, cells) of `total` (cells,)."""
    return np.where(synthetic > 0, total - synthetic, 0).sum(axis=1)


def _codes(synthetic: Table, reference: Table, column: str) -> np.ndarray:
    """The values of a column as whole numbers, synthetic records first, (2 n,): categories as they are, numbers by tenths of both sets, missing as one more."""
    import polars as pl

    if reference.kinds[column] == "category":
        both = pl.concat([synthetic.frame[column], reference.frame[column]])
        return both.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    # Edges from both sets together: from one alone, its records would lie in the cells more evenly than those of the other.
    values = np.concatenate([side.numbers(column) for side in (synthetic, reference)])
    finite = values[np.isfinite(values)]
    edges = np.unique(np.quantile(finite, np.arange(1, BINS) / BINS)) if finite.size else np.zeros(1)
    return np.where(np.isfinite(values), 1 + np.searchsorted(edges, values, side="right"), 0)


def _joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """A number for each pair of values that occurs."""
    return np.unique(first * (int(second.max()) + 1) + second, return_inverse=True)[1]
