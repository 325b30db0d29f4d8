"""The page of checks gives the number of records per side that detect a loss of exactly the margin: nine of ten sets of this size detect it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm

from outcross.data.tables import table
from outcross.measures import Evidence, audit_aspects, pages_of_aspect
from outcross.measures.copying import NearestHumans
from outcross.measures.groups import Groups
from outcross.measures.spread import Spread
from outcross.measures.tails import Tails
from outcross.statistics.beyond import farthest, fewer, fewer_beyond
from outcross.statistics.categories import ComparedCounts, chance_of_fewer, worst
from outcross.statistics.floors import larger_share
from outcross.statistics.location import superiority
from outcross.statistics.sketches import gather

PAGES = {name: page for aspect in audit_aspects() for name, page in pages_of_aspect(aspect).items() if page.records}
SETS = {
    "variance": 60,
    "interquartile_range": 24,
    "direction": 24,
    "mass": 200,
    "spread_inside": 40,
    "beyond_range": 150,
    "unseen_categories": 150,
    "near": 60,
    "closest": 100,
    "spread": 60,
    "attribute_beyond_range": 100,
}
"""Sets that are drawn of each check, where they are not 400."""
ROUNDED = 0.01
"""What rounding the number of records to two digits may move of the power."""


def of_category(ratio, members, way, human=1.0):
    """A column of equal categories, the first of which has this ratio of its share; `human` of the human records are compared."""

    def p(rng, rows):
        shares = np.full(members, 1 / members)
        other = np.append(ratio / members, np.full(members - 1, (1 - ratio / members) / (members - 1)))
        return worst(ComparedCounts(rng.multinomial(rows, other), rng.multinomial(int(human * rows), shares)), way).null.p

    return p


def of_group(rng, rows):
    return fewer(rng.binomial(rows, 0.08), rows, rng.binomial(rows, 0.1), rows).p


def of_tail(depth):
    def p(rng, rows):
        k = farthest(depth, rows)
        beyond = rng.beta(k, rows + 1 - k)  # the mass beyond the k-th farthest of so many human values
        return fewer_beyond(rng.binomial(rows, 0.8 * beyond), rows, k, rows)[1].p

    return p


def of_location(rng, rows):
    shift = np.sqrt(2) * norm.ppf(0.528)
    return superiority(rng.normal(shift, 1, rows), rng.normal(size=rows))[1].p / 2


def of_spread(check, columns, scale):
    def p(rng, rows):
        sides = [table({f"x{i}": spread * rng.normal(size=rows) for i in range(columns)}) for spread in (scale, 1.0)]
        evidence, measure = Evidence(drawn=sides[0], reference=sides[1]), Spread(directions=columns - 1)
        counted = [gather(side, measure.sketches(evidence))["moments"] for side in sides]
        readings = measure(evidence.but(counted={"moments": tuple(counted)}), rng)
        return next(reading.null.p for reading in readings if reading.measure == check and reading.null)

    return p


def read(measure, reading, synthetic, human, **kinds):
    """The p-value of a reading of two sets."""
    sides = [table(columns, kinds=kinds) for columns in (synthetic, human)]
    evidence = Evidence(drawn=sides[0], reference=sides[1], groups=("group",) if "group" in kinds else ())
    counted = [gather(side, measure.sketches(evidence)) for side in sides]
    measured = measure(
        evidence.but(counted={name: (counted[0][name], counted[1][name]) for name in counted[0]}), np.random.default_rng(2)
    )
    return next(finding.null.p for finding in measured if finding.measure == reading and finding.null)


def beyond_range(rng, rows):
    human, synthetic = rng.normal(size=(2, rows))
    return read(Tails(), "beyond_range", {"x": np.where(rng.random(rows) < 0.01, 99.0, synthetic)}, {"x": human}, x="number")


def unseen(rng, rows):
    human, synthetic = rng.choice(["a", "b"], (2, rows))
    return read(
        Tails(), "unseen_categories", {"c": np.where(rng.random(rows) < 0.01, "new", synthetic)}, {"c": human}, c="category"
    )


def inside(rng, rows):
    human, synthetic = rng.normal(size=(2, rows))
    group = ["of it"] * rows
    narrowed = np.sqrt(0.9) * synthetic
    return read(
        Groups(), "spread_inside", {"x": narrowed, "group": group}, {"x": human, "group": group}, x="number", group="category"
    )


def of_region(rng, rows):
    """A region of 10 % that alone is looked at, in each third of the records, which the other two propose."""
    third = rows // 3

    def counts(share):
        inside = rng.binomial(third, share)
        return np.array([inside, third - inside])

    return min(1.0, 3 * min(chance_of_fewer(ComparedCounts(counts(0.08), counts(0.1)))[0] for _ in range(3)))


def of_values(kept, human):
    """Values of a column where people fill in this share."""

    def p(rng, rows):
        return fewer(rng.binomial(rows, kept), rows, rng.binomial(rows, human), rows).p

    return p


def of_copies(rng, rows):
    return larger_share(rng.binomial(rows, 0.01), rows, 0, rows).p


def of_nearest(places_method, leaning):
    """Synthetic records each nearest to a human record of its own; the closest twentieth, or all, lean to the reference in this share."""

    def p(rng, rows):
        leans = np.where(np.arange(rows) < (round(0.05 * rows) if places_method == "among_closest" else rows), leaning, 0.5)
        is_reference = (rng.random(rows) < leans).astype(int)
        places = NearestHumans(
            np.arange(rows), np.arange(rows), np.arange(rows) / rows, np.stack([is_reference, 1 - is_reference]), ""
        )
        return getattr(places, places_method)(rng)[1].p

    return p


P = {
    "missing": of_values(0.08, 0.1),
    "gone_missing": of_values(0.88, 0.9),
    "exact": of_copies,
    "near": of_nearest("nearer", 0.55),
    "closest": of_nearest("among_closest", 0.6),
    "region": of_region,
    "variance": of_spread("variance", 1, np.sqrt(0.9)),
    "interquartile_range": of_spread("interquartile_range", 1, 0.9),
    "direction": of_spread("direction", 2, np.sqrt(0.9)),
    "location": of_location,
    "mass": of_tail(0.01),
    "ends": of_tail(0.05),
    "spread": of_spread("variance", 1, np.sqrt(0.8)),
    "attribute_beyond_range": beyond_range,
    "share": of_group,
    "spread_inside": inside,
    "beyond_range": beyond_range,
    "unseen_categories": unseen,
    "category_share": of_category(0.8, 10, "fewer"),
    "category_growth": of_category(1.25, 10, "more"),
    "clusters": of_category(0.8, 20, "fewer", human=2 / 3),
}
"""The p-value of a set that has lost just the margin, by the check."""


@pytest.mark.parametrize("check", PAGES)
def test_so_many_records_see_a_loss_of_the_margin(check):
    rng, sets, records = np.random.default_rng(1), SETS.get(check, 400), PAGES[check].records
    assert records is not None
    seen = sum(P[check](rng, records[0]) <= 0.025 for _ in range(sets))
    assert binom.ppf(1e-4, sets, 0.9 - ROUNDED) <= seen <= binom.isf(1e-4, sets, 0.9 + ROUNDED)
