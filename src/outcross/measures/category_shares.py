"""Does every category of every column keep its share?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from outcross.estimate import NotApplicable, Reading
from outcross.measures import Page, unread
from outcross.measures.groups import named
from outcross.measures.of_tables import OfTables
from outcross.recipe import recipe
from outcross.statistics.categories import COMMON, ComparedCounts, Way, Worst, lost_mass, require_categories, worst
from outcross.statistics.sketches import CategoryCounts, Tally

NAMED = 4
"""Maximum number of categories that a note names beside the worst one."""
PAPER = "Przyborowski and Wilenski, Biometrika 31:313, 1940 (the exact test of two counts); Tarone, Biometrics 46:515, 1990 (over discrete tests)"


@recipe
class CategoryShares(OfTables):
    """The shares of all categories of a column, judged by the category that lost most and by the one that grew most.

    For columns that name groups only growth is read here, because `groups` already checks the loss of each group.
    """

    aspect = "groups"
    # Off by default in a run: the worst category may differ between generations, so the readings would form no curve.
    by_default = False
    pages = {
        "category_share": Page(
            "GR4", "share of a category", "Share of synthetic records in a category, divided by its human share. The value and the upper end of the interval belong to one category of the column: the one whose share fell most beyond chance. The lower end is the lowest one among all categories with at least 1 % of human records, so that the check is kept only if each of them is kept.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.8, worse="smaller", records=(7_500, "one of ten equal categories"), role="groups", paper=PAPER,
        ),
        "category_growth": Page(
            "GR5", "growth of a category", "Share of synthetic records in a category, divided by its human share. The value and the lower end of the interval belong to one category of the column: the one whose share grew most beyond chance. The upper end is the highest one among all categories with at least 1 % of human records, so that the check is kept only if each of them is kept.",
            unit="ratio", healthy=1.0, collapsed="rises above the healthy value, as others vanish",
            margin=0.8, worse="larger", records=(5_900, "one of ten equal categories"), role="groups", paper=PAPER,
        ),
    }  # fmt: skip

    def sketches(self, evidence):
        return {f"tally {column}": Tally([column]) for column in evidence.reference.of_kind("category")}

    def __call__(self, evidence, rng):
        columns = evidence.reference.of_kind("category")
        if not columns:
            yield from (unread(check, "no column of categories") for check in self.pages)
        for column in columns:
            ways: Mapping[str, Way] = {"category_growth": "more"} if column in evidence.groups else WAYS
            yield from _readings(column, evidence.counted[f"tally {column}"], ways)


WAYS: Mapping[str, Way] = {"category_share": "fewer", "category_growth": "more"}


def counted(tallies: tuple[CategoryCounts, CategoryCounts], column: str) -> tuple[list[str], ComparedCounts]:
    """Return the categories of a column in alphabetical order and their numbers of records in each set. Missing values are left out.

    Raises NotApplicable if there are more categories than are counted.
    """
    if any(tally.is_capped for tally in tallies):
        raise NotApplicable(
            "the column has more than a million different values: these are names, identifiers or texts, not categories"
        )
    sides = [
        {str(name): int(count) for name, count in tally.frame.select(column, "count").iter_rows() if name is not None}
        for tally in tallies
    ]
    names = sorted(sides[0] | sides[1])
    return names, ComparedCounts(*(np.array([side.get(name, 0) for name in names], dtype=np.int64) for side in sides))


def _readings(column: str, tallies: tuple[CategoryCounts, CategoryCounts], ways: Mapping[str, Way]) -> Iterator[Reading]:
    try:
        names, counts = counted(tallies, column)
        require_categories(counts.human)
    except NotApplicable as why:
        yield from (unread(check, str(why), column=column) for check in ways)
        return
    for check, way in ways.items():
        try:
            worst_member = worst(counts, way)
        except NotApplicable as why:
            yield unread(check, str(why), column=column)
            continue
        yield Reading(
            check, worst_member.estimate, worst_member.null, column=column, group=named((column,), (names[worst_member.place],)),
            note=_note(names, counts, worst_member, way), about=float(counts.human_shares[worst_member.place]),
        )  # fmt: skip


def _note(names: list[str], counts: ComparedCounts, worst: Worst, way: Way) -> str:
    """Return the note of a reading.

    It gives the number of categories, which others differ, the category that sets the other end of the interval, and the share of records that would
    have to change their category.
    """
    common = int((counts.human_shares >= COMMON).sum())
    rarer = int((counts.human > 0).sum()) - common
    which = f"the worst of {common + rarer} categories" + (f", {rarer} of them rarer than {COMMON:.0%}" if rarer else "")
    others = [names[place] for place in worst.others]
    more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
    also = f"{way} too: {', '.join(others[:NAMED])}{more}" if others else ""
    smallest_known = worst.least_known
    least_known = (
        f"the other end of the interval is that of {names[smallest_known]} ({counts.human[smallest_known]:,} human records)"
        if smallest_known != worst.place
        else ""
    )
    lost, floor = lost_mass(counts)
    moved = f"{lost:.1%} of records would have to change their category, of which chance explains {min(lost, floor):.1%}"
    return "; ".join(filter(None, (which, also, least_known, moved)))
