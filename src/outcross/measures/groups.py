"""Are the minorities still there?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data.tables import Table
from outcross.estimate import Estimate, NotApplicable, Null, Reading
from outcross.measures import Evidence, Page, read_with_null, unread
from outcross.measures.of_tables import OfTables
from outcross.measures.spread import numbers_of, variance_ratios
from outcross.recipe import recipe
from outcross.statistics.beyond import fewer
from outcross.statistics.categories import ERROR, ComparedCounts, ratios
from outcross.statistics.sketches import Tally

INSIDE = 20
"""Default of the maximum number of groups of a column inside which a measure reads."""
WYLLIE = "Wyllie, Shumailov and Papernot, Fairness Feedback Loops, FAccT 2024, arXiv 2403.07857"


@recipe
class Groups(OfTables):
    """The share of every group and of every intersection of groups, and the variance inside each group.

    Groups are the values of the columns that were named as groups (`--groups sex,race`). A value that no human record has is not a group here;
    `tails` reports such values.
    """

    max_groups: Annotated[int, Field(ge=1)] = 200
    """Maximum number of groups, and of intersections of each set of columns, that are read, those with the most human records first."""

    aspect = "groups"
    pages = {
        "share": Page(
            "GR1", "share of a group", "Share of synthetic records in a group, divided by its human share.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.8, worse="smaller", records=(4_700, "a group of 10 %"), role="groups", paper=f"{WYLLIE}; four fifths: 29 CFR 1607.4 D",
        ),
        "spread_inside": Page(
            "GR2", "variance inside a group", "Variance of a column among the records of a group, divided by that of the same group in the reference.",
            unit="ratio", change="variance", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", records=(3_800, "normal numbers of the group"), role="groups", paper=WYLLIE,
        ),
    }  # fmt: skip

    def sketches(self, evidence):
        return {"groups": Tally(list(evidence.groups))} if evidence.groups else {}

    def __call__(self, evidence, rng):
        if not evidence.groups:
            yield unread("share", "no column names groups; pass --groups sex,race")
            return
        synthetic, reference = (tally.frame for tally in evidence.counted["groups"])
        for columns in subsets(evidence.groups):
            yield from self._shares(columns, _by(synthetic, columns), _by(reference, columns))
        for column in evidence.groups:
            yield from self._inside(evidence, column, rng)

    def _shares(self, columns: tuple[str, ...], synthetic: dict[tuple, int], reference: dict[tuple, int]) -> Iterator[Reading]:
        n, m = sum(synthetic.values()), sum(reference.values())
        ordered = sorted(reference, key=lambda group: (-reference[group], group))
        for group in ordered[: self.max_groups]:
            count, human = synthetic.get(group, 0), reference[group]
            reading = read_with_null(
                "share",
                lambda count=count, human=human: _share(count, n, human, m),
                column="+".join(columns),
                group=named(columns, group),
            )
            yield replace(reading, about=human / m)
        if len(ordered) > self.max_groups:
            yield unread(
                "share",
                f"the {len(ordered) - self.max_groups} smallest of {len(ordered)} groups are left out",
                column="+".join(columns),
            )

    def _inside(self, evidence: Evidence, column: str, rng: np.random.Generator) -> Iterator[Reading]:
        sides, numbers = (evidence.drawn, evidence.reference), evidence.reference.of_kind("number")
        values = [numbers_of(side) for side in sides]
        for value in largest(evidence, column)[: self.max_groups]:
            synthetic, human = (own[is_group(side, column, value)] for own, side in zip(values, sides, strict=True))
            if not (len(synthetic) and len(human)):
                continue
            group, about = named((column,), (value,)), len(human) / evidence.reference.frame.height
            if not numbers:
                yield replace(unread("spread_inside", "no column of numbers", group=group), about=about)
            for reading in variance_ratios("spread_inside", numbers, synthetic, human, None, rng, group) if numbers else ():
                yield replace(reading, about=about)


def subsets(columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield every single column, then every pair of columns, and so on, of the columns that name groups."""
    for size in range(1, len(columns) + 1):
        yield from combinations(columns, size)


def largest(evidence: Evidence, column: str) -> list[str]:
    """Return the groups of a column, those with the most human records in memory first."""
    return list(evidence.reference.counts(column))


def is_group(table: Table, column: str, value: str) -> np.ndarray:
    """Return whether each record of the table belongs to a group, (rows,)."""
    import polars

    return table.frame.select((polars.col(column).cast(polars.String) == value).fill_null(False)).to_series().to_numpy()


def named(columns: tuple[str, ...], group: tuple) -> str:
    """Return the name of a group as text.

    >>> named(("sex", "race"), ("Female", "Black"))
    'sex=Female, race=Black'
    """
    return ", ".join(f"{column}={value}" for column, value in zip(columns, group, strict=True))


def _by(tally, columns: tuple[str, ...]) -> dict[tuple, int]:
    """Return the number of records of each combination of values of these columns. Records with a missing value are left out."""
    import polars

    sums = tally.group_by(columns).agg(polars.col("count").sum()).drop_nulls(columns)
    return {tuple(map(str, row[:-1])): int(row[-1]) for row in sums.select(*columns, "count").iter_rows()}


def _share(count: int, n: int, human: int, m: int) -> tuple[Estimate, Null]:
    if n == 0:
        raise NotApplicable("no synthetic record has a group")
    counts = ComparedCounts(synthetic=np.array([count, n - count]), human=np.array([human, m - human]))
    # Wilson's interval is accurate on average over shares, but not for few records: with it, a single record would be enough to keep a rare group.
    low, high = (float(ends[0]) for ends in ratios(counts, ERROR, ERROR))
    value = count / n / (human / m)
    return Estimate(value, low, high, "exact binomial of both counts", n), fewer(count, n, human, m)
