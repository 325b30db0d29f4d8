"""Regions in which records of one of two sets are missing or rarer. Some of the records propose regions, and the others test them.

The records of each side are divided at random into three parts. Two parts propose regions (`scan`: boxes of at most three columns; `likeness`: sets
of similar records), and the third part tests them; each part tests in turn. The labels of the testing records are independent of the proposed
regions, so the exact conditional test of two counts holds. Holm's procedure makes the tests of one part simultaneous, and the three parts share the
error rate evenly (Bonferroni). Every reported region was therefore tested by records that did not propose it, and the probability that two samples of
the same law show any region is at most the error rate. Two thirds of the records propose, and not half, because an emptied region is easy to test and
hard to outline.

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
from outcross.statistics.holm import holm
from outcross.statistics.likeness import Points, alike
from outcross.statistics.scan import PRICES, Scan, worth

PARTS = 3
"""Number of parts into which the records are divided."""
LEFT = (0.25, 0.6)
"""Assumed ratio of the actual to the expected number of records in a region, in the two searches: for lost regions, then for thinned-out regions."""
MOST = 8
"""Maximum number of boxes that two parts propose."""
MOST_ALIKE = 4
"""Maximum number of regions of similar records that two parts propose."""
LEAST_SHARE = 0.01
"""Minimum share of human records in a region."""
LEAST = 10
"""Minimum number of human records in a region, among the records that propose it."""
EXPLAINED = 0.5
"""Minimum share of a region's missing records that the change of a single column must account for, so that the column explains the region."""
ALIKE = 0.5
"""Minimum overlap, as a share of the smaller region, at which two regions count as the same."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A region that some of the records propose."""

    conditions: tuple[Condition, ...]
    inside: np.ndarray
    """Whether each record of both sides lies in the region, (records,)."""


@dataclass(frozen=True, eq=False)
class Region:
    """A region with the results of its test, on records that did not propose it."""

    conditions: tuple[Condition, ...]
    inside: np.ndarray
    """Whether each record of both sides lies in the region, (records,)."""
    human_share: float
    """Share of all human records that lie in the region, in [0, 1]. It can be counted; only the ratio needs records that did not propose the region."""
    ratio: Estimate
    """Synthetic share of the region divided by its human share, with an interval that is simultaneous over all regions tested."""
    null: Null
    """The null; its p-value is adjusted for all regions tested."""
    explained_by: str = ""
    """The column whose change alone explains most of the missing records, or "" if there is none."""

    @property
    def rule(self) -> str:
        """The rule as text, such as "age < 26 and job = student"."""
        return " and ".join(condition.words for condition in self.conditions)


def looked_at(facets: Sequence[Facet], points: Points | None, is_human: np.ndarray, rng: np.random.Generator) -> list[Region]:
    """Return the regions that were tested, each once, the most significantly thinned out first. Regions of similar records (`points`) have no
    conditions.

    facets and is_human are those of all records. Facets and points must not depend on the sides.
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
    """Return the column of a region's rule whose change alone explains most of the missing records, or "" if there is none or no record is missing.

    Human records are weighted so that the column has the same distribution as on the second side, inside and outside of the rule. If a region of two
    columns was emptied, it stays nearly full under such weights.
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
    """Return the part of each record, (records,).

    Each side is divided as evenly as possible. Sides of equal size are divided alike, so that equal sets stay equal.
    """
    part = np.empty(is_human.size, dtype=np.int8)
    seed = rng.integers(1 << 32)
    for side in (is_human, ~is_human):
        count = int(side.sum())
        part[side] = np.random.default_rng(seed).permutation(count) % PARTS
    return part


def boxes(
    facets: Sequence[Facet], is_human: np.ndarray, rows: np.ndarray, fewest: float, rng: np.random.Generator
) -> Iterator[Proposal]:
    """Yield boxes in which records of the second side are missing, the box with the highest worth first, and at least one box if any is large enough.

    facets and is_human are those of all records. rows: the records that propose. fewest: the minimum number of proposing human records in a box.
    """
    if not facets:
        return
    every = np.stack([facet.codes for facet in facets])
    scan = Scan(facets, every[:, rows])
    human = is_human[rows]
    is_left = np.ones(rows.size, dtype=bool)
    proposed = 0
    for share_left in LEFT:
        says = worth(human, share_left)
        while proposed < MOST:
            worths = np.where(is_left, says, 0.0)
            value, box = _best(scan, every, rows, worths, is_left & human, fewest, rng)
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
    scan: Scan,
    every: np.ndarray,
    rows: np.ndarray,
    worths: np.ndarray,
    is_human: np.ndarray,
    fewest: float,
    rng: np.random.Generator,
) -> tuple[float, Proposal | None]:
    """Return the worth and the best box at the first price at which enough human records lie in it, or else at the last price. The box is None if
    there is none.

    At a low price, chance alone outlines small boxes. If the best box is too small, a simpler box may be large enough.
    """
    value, best = 0.0, None
    search = scan.search(worths, rng)
    for price in PRICES:
        value, box = search.best(price)
        best = _with_ends(scan.facets, every, box, rows, worths) if box else None
        if best is not None and (best.inside[rows] & is_human).sum() >= fewest:
            break
    return value, best


def _with_ends(facets, every: np.ndarray, box, rows: np.ndarray, says: np.ndarray) -> Proposal:
    """Return the box as conditions, with the ends of its intervals moved to where the worth is highest."""
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
    """Test the proposals on the records `among`, which did not propose them. P-values and intervals are simultaneous over all parts.

    A region without a human record among the testing records is left out, because its ratio is not defined.
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
        human_share = float((proposal.inside & is_human).sum() / is_human.sum())
        regions.append(Region(proposal.conditions, proposal.inside, human_share, ratio, null))
    return regions


def apart(regions: Sequence[Region], is_human: np.ndarray) -> list[Region]:
    """Return the regions without duplicates, the most significant first. The three parts may propose the same region up to three times."""
    ordered = sorted(regions, key=lambda region: (region.null.p, region.ratio.high, -region.human_share, region.rule))
    kept: list[Region] = []
    for region in ordered:
        own = region.inside & is_human
        if all((own & other.inside).sum() < ALIKE * min(own.sum(), (other.inside & is_human).sum()) for other in kept):
            kept.append(region)
    return kept


def _floor(x: int, y: int, n: int, m: int, level: float) -> float:
    """Return the ratio that 5 % of pairs of samples of the same law reach in at least one of the regions."""
    from scipy.stats import binom

    few = int(binom.ppf(level, x + y, m / (n + m)))
    return few * n / ((x + y - few) * m) if few < x + y else 1.0


__all__ = ["LEAST_SHARE", "Region", "looked_at"]
