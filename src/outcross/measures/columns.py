"""Is every column present, and does a brief comparison find a loss in one of many columns?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data.tables import Absent, Table
from outcross.estimate import Estimate, Null, Reading
from outcross.measures import Evidence, Page, read_with_null, unread
from outcross.measures.of_tables import OfTables
from outcross.recipe import recipe
from outcross.statistics.beyond import fewer
from outcross.statistics.floors import LEVEL, SMALLEST
from outcross.statistics.holm import holm
from outcross.statistics.rates import exact_ends
from outcross.statistics.ratios import ratio_of_shares

FEWEST = 20
"""Minimum number of values of a column per side for a sketch."""
TOGETHER = 100
"""Number of columns of numbers that are sorted at a time, which limits the memory."""


@recipe
class Columns(OfTables):
    """Columns that the synthetic data lack, and sketches of the columns beyond the cap, which are not examined in full.

    A sketch compares the share of records in a part of a column's values with the human share. The parts are: below and above the human median,
    outside the human middle half, in the commonest category, in all other categories, and any value. The test is Fisher's exact test, which holds for
    every law and for thresholds that are human order statistics. All sketches of all columns are one family: p-values are Holm's (Scand. J. Stat.
    6:65, 1979), intervals Bonferroni's. The worst sketch is reported, and every other sketch with an adjusted p of at most 5 %. If every column is
    present and within the cap, there is no reading.
    """

    max_sketches: Annotated[int, Field(ge=1)] = 200
    """Maximum number of sketches that are reported, those with the smallest p first."""

    aspect = "structure"
    by_default = False  # in a run, both sides have the same columns, and there are never too many
    pages = {
        "column": Page(
            "ST20", "presence of a column", "Share of records with a value in a column, divided by the human share. It is 0 if the synthetic data lack the column or have no value of its kind in it.",
            unit="ratio", healthy=1.0, collapsed="0",
            margin=0.5, worse="smaller", role="structure", paper="Breck et al., Data Validation for Machine Learning, SysML 2019 (a schema's features must be present)",
        ),
        "sketch": Page(
            "ST21", "sketch of the columns over the cap", "Share of records in a part of a column's values, divided by the human share, for the worst part of all columns beyond the cap. Parts are: below or above the human median, outside the human middle half, in the commonest category, in all other categories, and any value.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.8, worse="smaller", role="structure", paper="Holm, Scand. J. Stat. 6:65, 1979; Fisher's exact test",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        yield from _columns(evidence)
        if evidence.has("over_cap"):
            yield from self._sketches(evidence.over_cap)

    def _sketches(self, over_cap: Evidence) -> Iterator[Reading]:
        parts = sketched(over_cap.drawn, over_cap.reference)
        columns = len(over_cap.reference.kinds)
        if not parts.n.size:
            yield unread("sketch", f"none of {columns:,} columns has {FEWEST} values on both sides")
            return
        p = parts.p
        order = np.argsort(p, kind="stable")
        adjusted = holm(p[order])
        shown = max(1, min(self.max_sketches, int(np.searchsorted(adjusted, LEVEL, side="right"))))
        for place in range(shown):
            yield parts.reading(int(order[place]), float(adjusted[place]), columns)


def _columns(evidence: Evidence) -> Iterator[Reading]:
    """Yield readings of the columns that are absent or whose values are all missing."""
    for absent in evidence.absent:
        yield Reading(
            "column", *_gone(absent, evidence.drawn.frame.height), column=absent.column, note=absent.why, about=absent.share
        )
    sides = evidence.drawn, evidence.reference
    for column in evidence.reference.kinds:
        n, m = (side.frame.height for side in sides)
        count, human = (side.frame.height - side.frame[column].null_count() for side in sides)
        if count == 0 and n and human:
            yield read_with_null(
                "column",
                lambda n=n, m=m, human=human: (_ratio(0, n, human, m), fewer(0, n, human, m)),
                column=column, note="every value is missing", about=human / m,
            )  # fmt: skip


def _gone(absent: Absent, n: int) -> tuple[Estimate, Null]:
    """Return the estimate 0 and its null for an absent column. They are exact, because the absence of a column does not depend on chance."""
    return Estimate(0.0, 0.0, 0.0, "exact", max(1, n)), Null(typical=1.0, floor=1.0, p=SMALLEST, method="exact")


def _ratio(count: int, n: int, human: int, m: int) -> Estimate:
    return Estimate(*ratio_of_shares(count, n, human, m), "Wilson of both shares", n)


@dataclass(frozen=True, eq=False)
class PartCounts:
    """Parts of the values of many columns: `count` of `n` synthetic records and `human` of `m` human records lie in each part, (parts,) each."""

    columns: list[str]
    names: list[str]
    count: np.ndarray
    n: np.ndarray
    human: np.ndarray
    m: np.ndarray

    @property
    def p(self) -> np.ndarray:
        """Fisher's P(synthetic share at most as large | sum of both counts), (parts,)."""
        from scipy.stats import hypergeom

        p = hypergeom.cdf(self.count, self.n + self.m, self.count + self.human, self.n)
        return np.clip(p, SMALLEST, 1.0)

    def reading(self, i: int, p: float, columns: int) -> Reading:
        """Return the reading of one part, with an interval that is simultaneous over all parts."""
        count, n, human, m = (int(numbers[i]) for numbers in (self.count, self.n, self.human, self.m))
        error = 0.05 / (4 * self.n.size)  # Bonferroni's level over all parts, both shares and both ends
        (low, high), (human_low, human_high) = exact_ends(count, n, error), exact_ends(human, m, error)
        value = count / n * m / human
        estimate = Estimate(value, low / human_high, high / max(human_low, 1e-12), "exact shares, Bonferroni", n)
        floor = fewer(count, n, human, m, LEVEL / self.n.size).floor  # one set in twenty reaches it in at least one part
        null = Null(typical=1.0, floor=floor, p=p, method="Fisher's exact test, Holm")
        note = f"from {self.n.size:,} sketches of {columns:,} columns that are not examined in full"
        return Reading("sketch", estimate, null, self.names[i], self.columns[i], note=note, about=human / m)


def sketched(drawn: Table, reference: Table) -> PartCounts:
    """Count the parts of every column, of any kind, on both sides."""
    sides = drawn, reference
    rows = [side.frame.height for side in sides]
    there = [np.array([side.frame.height - side.frame[column].null_count() for column in reference.kinds]) for side in sides]
    columns = list(reference.kinds)
    enough = np.flatnonzero((there[1] > 0) & (np.min(rows) >= FEWEST))
    parts = [
        (
            [columns[i] for i in enough],
            "with a value",
            there[0][enough],
            np.full(enough.size, rows[0]),
            there[1][enough],
            np.full(enough.size, rows[1]),
        )
    ]
    numbers = reference.of_kind("number")
    for some in (numbers[start : start + TOGETHER] for start in range(0, len(numbers), TOGETHER)):
        parts += _of_numbers(some, *(side.frame.select(some).to_numpy() for side in sides))
    parts += [part for column in reference.of_kind("category") for part in _of_categories(column, drawn, reference)]
    names = [name for some, name, *_ in parts for _ in some]
    counts = [np.concatenate([np.asarray(part[place], dtype=np.int64) for part in parts]) for place in (2, 3, 4, 5)]
    return PartCounts([column for some, *_ in parts for column in some], names, *counts)


def _of_numbers(columns: list[str], synthetic: np.ndarray, reference: np.ndarray):
    """Yield the counts of records below and above the human median and outside the human middle half, for columns (rows, columns)."""
    n, m = (np.isfinite(values).sum(axis=0) for values in (synthetic, reference))
    enough = np.flatnonzero(np.minimum(n, m) >= FEWEST)
    if not enough.size:
        return
    columns, n, m = [columns[i] for i in enough], n[enough], m[enough]
    synthetic, reference = synthetic[:, enough], reference[:, enough]
    ordered = np.sort(reference, axis=0)  # missing values come last
    low, middle, high = (ordered[((m - 1) * share).round().astype(int), np.arange(m.size)] for share in (0.25, 0.5, 0.75))
    with np.errstate(invalid="ignore"):
        for name, inside in (
            ("below the human median", lambda values: values < middle),
            ("above the human median", lambda values: values > middle),
            ("outside the human middle half", lambda values: (values < low) | (values > high)),
        ):
            count, human = (inside(values).sum(axis=0) for values in (synthetic, reference))
            some = np.flatnonzero(human)
            yield [columns[i] for i in some], name, count[some], n[some], human[some], m[some]


def _of_categories(column: str, drawn: Table, reference: Table):
    """Yield the counts of records in the commonest human category of a column, and in all other categories."""
    human = reference.frame[column].drop_nulls()
    values = drawn.frame[column].drop_nulls()
    if min(len(human), len(values)) < FEWEST:
        return
    category, of_human = next(iter(reference.counts(column).items()))
    count = int((values == category).sum())
    yield [column], f"in {category}", [count], [len(values)], [of_human], [len(human)]
    if of_human < len(human):
        others = len(values) - count, len(human) - of_human
        yield [column], f"not in {category}", [others[0]], [len(values)], [others[1]], [len(human)]
