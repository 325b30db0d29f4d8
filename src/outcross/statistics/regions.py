"""Regions of records that one of two sets has lost or thinned out: proposed by some of the records, tested by the others.

The records of either side are dealt into three parts. Two parts propose regions (`scan`: boxes of at most three columns, and `likeness`: records that are like each other), and the third
tests them, for each part in turn: within a part the labels of its records are independent of the regions, so that the exact conditional test of two counts holds. Holm's
step makes the tests of one part simultaneous, and the three parts share the error rate evenly (Bonferroni). So a region that is reported anywhere was tested by records that had no say in it,
and the chance that an honest pair shows any is at most the rate. Two thirds propose, and not a half, because a region that is emptied is easily tested and hard to outline.

Related: Kim, Lee and Lei, Electron. J. Stat. 13:5253, 2019 (local tests by regression); Kulldorff, Commun. Stat. 26:1481, 1997 (the scan statistic).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from outcross.estimate import Estimate, Null
from outcross.statistics.categories import ComparedCounts, chance_of_fewer, ratios
from outcross.statistics.facets import Condition, Facet, condition, meets
from outcross.statistics.floors import LEVEL, SMALLEST
from outcross.statistics.likeness import Points, alike
from outcross.statistics.scan import PRICE, Scan, worth

PARTS = 3
"""Parts that the records are dealt into."""
LEFT = (0.25, 0.6)
"""What is left of a region, over what should be, in the two searches: of regions that are lost, then of those that are thinned out."""
MOST = 8
"""Boxes that two parts propose, at most."""
MOST_ALIKE = 4
"""Regions of like records that two parts propose, at most."""
LEAST_SHARE = 0.01
"""Share of human records that a region holds, at least."""
LEAST = 10
"""Human records that it holds among those that propose it, at least."""
EXPLAINED = 0.5
"""Share of the records missing from a region that one column's own change takes away, from which that column explains it."""
ALIKE = 0.5
"""Share of the smaller of two regions that the other holds too, from which they are one region."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A region that some of the records propose."""

    conditions: tuple[Condition, ...]
    inside: np.ndarray
    """Which records lie in it, of both sides, (records,)."""


@dataclass(frozen=True, eq=False)
class Region:
    """A region with what the records that had no say in it show."""

    conditions: tuple[Condition, ...]
    inside: np.ndarray
    """Which records lie in it, of both sides, (records,)."""
    human_share: float
    """Share of the human records that test it, in [0, 1]."""
    ratio: Estimate
    """Its synthetic share over its human share, with an interval that is simultaneous over all regions tested."""
    null: Null
    """p is adjusted for all regions tested."""
    explained_by: str = ""
    """The column whose own change takes away most of what is missing; "" where none does."""

    @property
    def rule(self) -> str:
        """What lives there, as in "age < 26 and job = student"."""
        return " and ".join(condition.words for condition in self.conditions)


def looked_at(facets: Sequence[Facet], points: Points | None, is_human: np.ndarray, rng: np.random.Generator) -> list[Region]:
    """The regions that were looked at, each once, the surest to be thinned out first; those of like records (`points`) have no conditions.

    facets and is_human: of all records; nothing in facets and points may depend on the sides.
    """
    part = dealt(is_human, rng)
    regions: list[Region] = []
    for testing_part in range(PARTS):
        proposes = part != testing_part
        fewest = max(LEAST, LEAST_SHARE * int((is_human & proposes).sum()))
        proposals = list(boxes(facets, is_human, np.flatnonzero(proposes), fewest, rng))
        if points is not None:
            proposals += _alike(points, is_human, proposes, fewest)
        regions += tested(proposals, is_human, part == testing_part)
    return [replace(region, explained_by=explaining(region, facets, is_human)) for region in apart(regions, is_human)]


def explaining(region: Region, facets: Sequence[Facet], is_human: np.ndarray) -> str:
    """The column of a region's rule whose change alone takes away most of the records that are missing there; "" where none does, or where none are missing.

    Human records are weighted so that the column has the shares that it has on the second side, inside and outside of the rule. A region of two columns that is emptied stays nearly full under such weights.
    """
    conditions = {condition.column: condition for condition in region.conditions}
    human, other = (float(region.inside[side].mean()) for side in (is_human, ~is_human))
    best, column = EXPLAINED, ""
    for facet in facets:
        if facet.column not in conditions or other >= human:
            continue
        cells = 2 * facet.codes.astype(np.int64) + meets(conditions[facet.column], facet)
        of_human, of_other, inside = (
            np.bincount(cells[rows], minlength=2 * facet.levels) for rows in (is_human, ~is_human, is_human & region.inside)
        )
        left = float((inside / np.maximum(of_human, 1)) @ (of_other / max(1, of_other.sum())))
        explained = (human - left) / (human - other)
        if explained >= best:
            best, column = explained, facet.column
    return column


def _alike(points: Points, is_human: np.ndarray, proposes: np.ndarray, fewest: float) -> Iterator[Proposal]:
    for within in islice(alike(points, is_human[points.rows], proposes[points.rows], fewest), MOST_ALIKE):
        inside = np.zeros(is_human.size, dtype=bool)
        inside[points.rows] = within
        yield Proposal((), inside)


def dealt(is_human: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The part of each record, (records,), as many of each side in each as can be; sides of one size are dealt alike, so that equal sets stay equal."""
    part = np.empty(is_human.size, dtype=np.int8)
    seed = rng.integers(1 << 32)
    for side in (is_human, ~is_human):
        count = int(side.sum())
        part[side] = np.random.default_rng(seed).permutation(count) % PARTS
    return part


def boxes(
    facets: Sequence[Facet], is_human: np.ndarray, rows: np.ndarray, fewest: float, rng: np.random.Generator
) -> Iterator[Proposal]:
    """Boxes in which the second of the sides is missing among some of the records, the one that is worth most first; at least one where any is large enough.

    facets, is_human: of all records; rows: those that propose; fewest: how many human ones of them lie in a box, at least.
    """
    if not facets:
        return
    every = np.stack([facet.codes for facet in facets])
    scans = [Scan(facets, every[:, rows], price) for price in (PRICE, 1.0)]
    human = is_human[rows]
    is_left = np.ones(rows.size, dtype=bool)
    proposed = 0
    for share_left in LEFT:
        says = worth(human, share_left)
        while proposed < MOST:
            worths = np.where(is_left, says, 0.0)
            value, box = _best(scans, facets, every, rows, worths, is_left & human, fewest, rng)
            if (box is None or value <= 0) and (proposed or share_left != LEFT[-1]):
                break
            if box is None:
                return
            own = box.inside[rows] & is_left
            if (own & human).sum() < fewest:
                break
            proposed += 1
            yield box
            if value <= 0:
                return
            is_left &= ~own


def _best(
    scans: Sequence[Scan], facets: Sequence[Facet], every: np.ndarray, rows: np.ndarray, worths: np.ndarray, is_human: np.ndarray, fewest: float,
    rng: np.random.Generator,
) -> tuple[float, Proposal | None]:  # fmt: skip
    """The best box of the first search whose box holds enough human records, or else of the last, and what it is worth; None where there is none.

    At a low price chance alone outlines small boxes; where the best one is too small, a plainer one may not be.
    """
    value, best = 0.0, None
    for scan in scans:
        value, box = scan.best(worths, rng)
        best = _with_ends(facets, every, box, rows, worths) if box else None
        if best is not None and (best.inside[rows] & is_human).sum() >= fewest:
            break
    return value, best


def _with_ends(facets, every: np.ndarray, box, rows: np.ndarray, says: np.ndarray) -> Proposal:
    """The box with the ends of its numbers where they are worth most, as conditions."""
    worths = np.zeros(every.shape[1])
    worths[rows] = says
    masks = {i: chosen[every[i]] for i, chosen in box.items()}
    conditions = {}
    for i, chosen in box.items():
        among = np.ones(every.shape[1], dtype=bool)
        for other, mask in masks.items():
            if other != i:
                among &= mask
        conditions[i], masks[i] = condition(facets[i], chosen, worths, among)
    whole = np.logical_and.reduce(list(masks.values()))
    return Proposal(tuple(conditions[i] for i in sorted(box)), whole)


def tested(proposals: Sequence[Proposal], is_human: np.ndarray, among: np.ndarray) -> list[Region]:
    """The proposals with what the records `among` show, of which none had a say in them; p and intervals are simultaneous over all parts.

    A region without a human record among them is left out, for its ratio cannot be had.
    """
    n, m = int((is_human & among).sum()), int((~is_human & among).sum())
    level = LEVEL / (PARTS * max(1, len(proposals)))
    counts = [
        (int((proposal.inside & is_human & among).sum()), int((proposal.inside & ~is_human & among).sum()))
        for proposal in proposals
    ]
    compared = [ComparedCounts(synthetic=np.array([y, m - y]), human=np.array([x, n - x])) for x, y in counts]
    adjusted = holm(np.array([chance_of_fewer(inside)[0] for inside in compared])) * PARTS
    regions = []
    for proposal, (x, y), inside, p in zip(proposals, counts, compared, adjusted, strict=True):
        if x == 0:
            continue
        low, high = (float(ends[0]) for ends in ratios(inside, level / 2, level / 2))
        ratio = Estimate(y * n / (x * m), low, high, "exact binomial of both counts, over all regions", x + y)
        null = Null(
            typical=1.0, floor=_floor(x, y, n, m, level), p=float(min(1.0, max(SMALLEST, p))), method="exact binomial, Holm"
        )
        regions.append(Region(proposal.conditions, proposal.inside, x / n, ratio, null))
    return regions


def apart(regions: Sequence[Region], is_human: np.ndarray) -> list[Region]:
    """The regions without those that are another one again, the surest first: three parts propose the same region up to three times."""
    ordered = sorted(regions, key=lambda region: (region.null.p, region.ratio.high, -region.human_share, region.rule))
    kept: list[Region] = []
    for region in ordered:
        own = region.inside & is_human
        if all((own & other.inside).sum() < ALIKE * min(own.sum(), (other.inside & is_human).sum()) for other in kept):
            kept.append(region)
    return kept


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values (Scand. J. Stat. 6:65, 1979).

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (p.size - np.arange(p.size)))
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted


def _floor(x: int, y: int, n: int, m: int, level: float) -> float:
    """The ratio that 5 % of pairs of honest samples reach in at least one of the regions."""
    from scipy.stats import binom

    few = int(binom.ppf(level, x + y, m / (n + m)))
    return few * n / ((x + y - few) * m) if few < x + y else 1.0


__all__ = ["LEAST_SHARE", "Region", "holm", "looked_at"]
