"""Precision, recall, density and coverage: do drawn points lie where real points lie, and real points where drawn points lie?"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.estimate import Estimate, NotApplicable, over_chains, read_off, share_within, student_quantile_over
from outcross.measures import Measure, Page
from outcross.measures.distance import FLOOR, samples
from outcross.recipe import recipe
from outcross.statistics.clusters import share
from outcross.statistics.neighbours import Graph, graph

SUBSETS, KEPT = 60, 2 / 3
"""Number of random subsets from which the error of a single chain is estimated, and the share of the points in each.

At 60 points, where k is a larger share of the points, halves understate the errors of coverage and density by 15 % and three quarters overstate them.
A joint effect of j points counts 1 + ρ + … + ρ^(j - 1) times in subsets of a share ρ, so two thirds overstate the error of density by a quarter to a
half in two dimensions. Disjoint halves count it once, but for crowded points in six dimensions they understate the error of density by a quarter and
that of coverage by up to two fifths."""
NUMBERS = ("precision", "recall", "density", "coverage")
"""The numbers that a graph gives for its drawn and real points (`statistics.neighbours.Graph.numbers`)."""
KYNKAANNIEMI = "Kynkäänniemi et al., NeurIPS 2019, arXiv 1904.06991"
NAEEM = "Naeem et al., ICML 2020, arXiv 2002.09797"


@recipe
class Neighbours(Measure):
    """Precision and density show whether drawn points look real (fidelity). Recall and coverage show whether real points are reached (diversity).

    Distances are between the coordinates as they are. Many chains can be read, and real points come from the true distribution if it is known. The
    measure `coverage` instead reads the records of one chain as an audit does: it compares normal scores of every column with a null from permuted
    labels.

    Every point has a ball that reaches to its k-th neighbour of its own kind. The border belongs to the ball, so that a point that is repeated k
    times covers its copies. (The package prdc leaves the border out, which makes a difference only for tied distances.) Equal numbers of drawn and
    real points are compared, and all four numbers depend on how many. Precision and recall also depend on outliers, because a real outlier has a very
    large ball. If real points are compared with real points, density is 1 and coverage is 1 − Π (n − i)/(2n − i) over i = 1 … k on average (0.97 for
    k = 5).

    The error of a single chain is estimated from random subsets of both kinds, drawn without replacement (Shao and Wu, Ann. Statist. 17:1176, 1989).
    A bootstrap would repeat points, whose balls then have no size. The error of a share is never below that of Wilson's interval for independent
    points, so that the interval has a width at 0 and 1. If there are more chains than the setting `chains`, only the first are read.
    """

    k: Annotated[int, Field(ge=1, le=1000)] = 5
    """Number of neighbours that a ball reaches to."""
    points: Annotated[int, Field(ge=2, le=5000)] = 1000
    """Maximum number of points compared per chain, drawn at random. Time and memory grow with its square."""
    chains: Annotated[int, Field(ge=1)] = 200
    """Maximum number of chains that are read. All chains follow the same law, so the first chains are a fair sample."""

    by_default = False
    aspect = "coverage"
    stream = "coverage"
    needs = ("vectors",)
    pages = {
        "point_precision": Page(
            "NB1", "precision of points", "Fidelity: share of drawn points that lie in at least one ball around a real point, with a radius that reaches to its 5th (unless set) real neighbour. At most 1,000 points and 200 chains, unless set.",
            unit="fraction", healthy=FLOOR, collapsed="0; it stays or rises if only diversity is lost",
            worse="smaller", role="quality", paper=KYNKAANNIEMI,
        ),
        "point_recall": Page(
            "NB2", "recall of points", "Diversity: share of real points that lie in at least one ball around a drawn point, with a radius that reaches to its 5th (unless set) drawn neighbour. At most 1,000 points and 200 chains, unless set.",
            unit="fraction", healthy=FLOOR, collapsed="0",
            worse="smaller", role="support", paper=f"{KYNKAANNIEMI}; Alemohammad et al., arXiv 2307.01850 App. B.2 (recall follows lost modes best)",
        ),
        "point_density": Page(
            "NB3", "density of points", "Mean number of balls of real points that a drawn point lies in, divided by k. Unlike precision, it counts how dense the real points are at that place.",
            unit="ratio", healthy=1.0, collapsed="0; above 1 if the drawn points crowd where real points are dense",
            role="quality", paper=NAEEM,
        ),
        "point_coverage": Page(
            "NB4", "coverage of points", "Share of real points whose ball holds a drawn point. Unlike recall, it is robust to drawn outliers.",
            unit="fraction", healthy=FLOOR, collapsed="0",
            worse="smaller", role="support", paper=NAEEM,
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        drawn, real, other = samples(evidence, rng, self.chains, self.points)
        of_drawn = self._tried(lambda: drawn, real, rng)
        of_real = self._tried(other, real, rng)
        yield from (read_off(f"point_{name}", of_drawn[name], null=of_real[name]) for name in NUMBERS)

    def _tried(self, points: Callable[[], np.ndarray], real: np.ndarray, rng: np.random.Generator):
        """Return, for each number, a function that returns its estimate or raises NotApplicable."""
        try:
            estimates = self._estimates(points(), real, rng)
        except NotApplicable as why:
            return dict.fromkeys(NUMBERS, partial(_refuse, str(why)))
        return {name: partial(estimates.__getitem__, name) for name in NUMBERS}

    def _estimates(self, drawn: np.ndarray, real: np.ndarray, rng: np.random.Generator) -> dict[str, Estimate]:
        """Return the estimate of each number for points (chains, n, d)."""
        n, needed = drawn.shape[1], self.k + 1 if len(drawn) > 1 else 2 * (self.k + 1)
        if n < needed:
            raise NotApplicable(f"balls to neighbour {self.k} need at least {needed} points, got {n}")
        if len(drawn) > 1:
            return over_graphs([graph(*pair).numbers(self.k) for pair in zip(drawn, real, strict=True)], n)
        return of_one(graph(drawn[0], real[0]), self.k, rng)


def _refuse(why: str) -> Estimate:
    raise NotApplicable(why)


def over_graphs(many: list[dict[str, float]], n: int) -> dict[str, Estimate]:
    """Return the means over chains, from one graph per chain with n points of each kind. The means of shares have Wilson's interval."""
    sizes = np.full(len(many), float(n))
    values = {name: np.array([graph[name] for graph in many]) for name in NUMBERS}
    shares = {name: share(own * n, sizes, "points", "chains") for name, own in values.items() if name != "density"}
    return shares | {"density": over_chains(values["density"])}


def of_one(whole: Graph, k: int, rng: np.random.Generator) -> dict[str, Estimate]:
    """Return the numbers of one graph, with errors estimated from random subsets."""
    n, values = len(whole.real), whole.numbers(k)
    rows = round(KEPT * n)
    subsets = [whole.some(rows, rows, rng).numbers(k) for _ in range(SUBSETS)]
    scale = student_quantile_over(SUBSETS, "subsets") * math.sqrt(rows / (n - rows))
    half = {name: scale * float(np.std([subset[name] for subset in subsets], ddof=1)) for name in values}
    shares = {name: share_within(value, half[name], n, "subsets of points") for name, value in values.items() if name != "density"}
    density = values["density"]
    # If no drawn point lies in a ball, the upper end is that of Wilson's interval for the share of points that lie in one.
    high = density + half["density"] if density > 0 else shares["precision"].interval[1]
    return shares | {"density": Estimate(density, max(0.0, density - half["density"]), high, "subsets of points", n)}
