"""Whether drawn points lie where real ones do, and real points where drawn ones do."""

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
"""Random subsets from which the error of a single chain is read, and how many of the points each holds.

Halves say 15 % too little of coverage and density at 60 points, where k is a larger share of them; three quarters say too much. What j points
do together counts 1 + ρ + … + ρ^(j - 1) times in subsets of a share ρ, so two thirds overstate the error of density by a quarter to a half in
two dimensions; disjoint halves count it once, but where points crowd in six dimensions they say a quarter too little of density, and of coverage up to two fifths."""
NUMBERS = ("precision", "recall", "density", "coverage")
"""What a graph tells of its drawn and real points (`statistics.neighbours.Graph.numbers`)."""
KYNKAANNIEMI = "Kynkäänniemi et al., NeurIPS 2019, arXiv 1904.06991"
NAEEM = "Naeem et al., ICML 2020, arXiv 2002.09797"


@recipe
class Neighbours(Measure):
    """Fidelity and diversity apart: precision and density ask whether drawn points look real, recall and coverage whether real ones are reached.

    Distances are those of the coordinates as they are, over many chains, and from a known truth where there is one. `coverage` reads the
    records of one chain as an audit does: every column as normal scores, against a null from labels drawn anew.

    Every point has a ball that reaches to its k-th neighbour of its own kind, its border included, so that a point repeated k times
    covers its copies (the package prdc leaves the border out, which differs only where distances are tied). As many
    drawn points as real ones are compared; all four depend on how many. Precision and recall also on outliers: one real
    outlier has a ball in which anything passes. Real against real, density is 1 and coverage
    1 − Π (n − i)/(2n − i) over i = 1 … k on average (0.97 for k = 5).

    The error of a single chain is the spread over random subsets of both kinds, without replacement (Shao and Wu, Ann. Statist. 17:1176, 1989):
    a bootstrap repeats points, whose balls then have no size. That of a share is never below Wilson's for independent points, so that
    it has a width at 0 and 1. Graphs of ten thousand chains are not drawn: the first chains stand for all.
    """

    k: Annotated[int, Field(ge=1, le=1000)] = 5
    """Neighbours that a ball holds."""
    points: Annotated[int, Field(ge=2, le=5000)] = 1000
    """At most so many points of a chain are compared, drawn at random; time and memory grow with their square."""
    chains: Annotated[int, Field(ge=1)] = 200
    """At most so many chains are read; all are alike, so the first are a fair sample."""

    by_default = False
    aspect = "coverage"
    stream = "coverage"
    needs = ("vectors",)
    pages = {
        "point_precision": Page(
            "NB1", "precision of points", "Share of drawn points inside a ball around a real one that reaches to its 5th (unless set) real neighbour: fidelity. At most 1,000 points and 200 chains, unless set.",
            unit="fraction", healthy=FLOOR, collapsed="0; it stays or rises while only variety is lost",
            worse="smaller", role="quality", paper=KYNKAANNIEMI,
        ),
        "point_recall": Page(
            "NB2", "recall of points", "Share of real points inside a ball around a drawn one that reaches to its 5th (unless set) drawn neighbour: diversity. At most 1,000 points and 200 chains, unless set.",
            unit="fraction", healthy=FLOOR, collapsed="0",
            worse="smaller", role="support", paper=f"{KYNKAANNIEMI}; Alemohammad et al., arXiv 2307.01850 App. B.2: it follows lost modes best",
        ),
        "point_density": Page(
            "NB3", "density of points", "In how many balls of real points a drawn point lies, over k: precision that counts how crowded the place is.",
            unit="ratio", healthy=1.0, collapsed="0; above 1 where the points crowd where real ones are common",
            role="quality", paper=NAEEM,
        ),
        "point_coverage": Page(
            "NB4", "coverage of points", "Share of real points whose ball holds a drawn point: recall that a drawn outlier does not fool.",
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
        """What gives each number's estimate, or says why there is none."""
        try:
            estimates = self._estimates(points(), real, rng)
        except NotApplicable as why:
            return dict.fromkeys(NUMBERS, partial(_refuse, str(why)))
        return {name: partial(estimates.__getitem__, name) for name in NUMBERS}

    def _estimates(self, drawn: np.ndarray, real: np.ndarray, rng: np.random.Generator) -> dict[str, Estimate]:
        """Each number's estimate for points (chains, n, d)."""
        n, needed = drawn.shape[1], self.k + 1 if len(drawn) > 1 else 2 * (self.k + 1)
        if n < needed:
            raise NotApplicable(f"balls to the {self.k}th neighbour need at least {needed} points, there are {n}")
        if len(drawn) > 1:
            return over_graphs([graph(*pair).numbers(self.k) for pair in zip(drawn, real, strict=True)], n)
        return of_one(graph(drawn[0], real[0]), self.k, rng)


def _refuse(why: str) -> Estimate:
    raise NotApplicable(why)


def over_graphs(many: list[dict[str, float]], n: int) -> dict[str, Estimate]:
    """The means over chains of graphs with n points of each kind, those of shares with Wilson's interval."""
    sizes = np.full(len(many), float(n))
    values = {name: np.array([graph[name] for graph in many]) for name in NUMBERS}
    shares = {name: share(own * n, sizes, "points", "chains") for name, own in values.items() if name != "density"}
    return shares | {"density": over_chains(values["density"])}


def of_one(whole: Graph, k: int, rng: np.random.Generator) -> dict[str, Estimate]:
    """The numbers of one graph, their error read from random subsets."""
    n, values = len(whole.real), whole.numbers(k)
    rows = round(KEPT * n)
    subsets = [whole.some(rows, rows, rng).numbers(k) for _ in range(SUBSETS)]
    scale = student_quantile_over(SUBSETS, "subsets") * math.sqrt(rows / (n - rows))
    half = {name: scale * float(np.std([subset[name] for subset in subsets], ddof=1)) for name in values}
    shares = {name: share_within(value, half[name], n, "subsets of points") for name, value in values.items() if name != "density"}
    density = values["density"]
    # No drawn point in any ball: as many may lie in one as Wilson's interval says of the share that does.
    high = density + half["density"] if density > 0 else shares["precision"].interval[1]
    return shares | {"density": Estimate(density, max(0.0, density - half["density"]), high, "subsets of points", n)}
