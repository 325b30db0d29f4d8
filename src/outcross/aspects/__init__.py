"""What a set of data may have lost, aspect by aspect.

An aspect looks at two sets of records, points at some of them, and yields findings: a number with its interval, and what real data show against real data of that
size (its null). It says what is, never whether that is bad: `audit` holds it against margins and a false-discovery rate. `pages` says what each of its
checks is. A check that cannot be had is a finding with a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np

from outcross.data.tables import Table
from outcross.estimate import Estimate, NotApplicable
from outcross.recipe import Family
from outcross.statistics.floors import Null, Worse
from outcross.statistics.sketches import Sketch


@dataclass(frozen=True)
class CheckPage:
    """What a reader must know of one check."""

    code: str
    """Short and for ever, as in TA1."""
    title: str
    definition: str
    margin: float
    """The smallest loss worth naming: a factor of what real data show (`of` is "ratio"), or a distance from it (`of` is "difference")."""
    of: Literal["ratio", "difference"] = "ratio"
    worse: Worse = "smaller"
    healthy: float | None = 1.0
    """What it is where nothing is lost; None where that depends on the size, so that the null's typical value is taken."""
    is_invention: bool = False
    """Whether it finds what human data do not have, rather than what is lost."""
    unit: str = "ratio"
    """ratio, fraction (in [0, 1]), nats, words …"""
    paper: str = ""

    def limit(self, null: Null | None, margin: float) -> float | None:
        """The value at which a loss becomes worth naming; None where what is healthy is not known."""
        healthy = self.healthy if self.healthy is not None else (null.typical if null else None)
        if healthy is None:
            return None
        if self.of == "ratio":
            return healthy * (margin if self.worse == "smaller" else 1 / margin)
        return healthy - margin if self.worse == "smaller" else healthy + margin


@dataclass(frozen=True)
class Finding:
    """One number about one column, one group, or the whole ("" and "")."""

    check: str
    column: str
    group: str
    estimate: Estimate | None
    null: Null | None
    note: str = ""
    """Why there is no number; or what a reader should know, as the names of what is missing."""
    at: str = ""
    """Where in the column: an end and a depth ("upper 1 %"), a direction, a lag, a frequency band, the other column of a pair."""


@dataclass(frozen=True, eq=False)
class Pointed:
    """Records that an aspect points at: human ones that nothing synthetic comes near, synthetic ones that are copies."""

    side: Literal["synthetic", "reference"]
    rows: np.ndarray
    """Which rows of that side's frame, (records,)."""
    values: np.ndarray
    """How far from what they should be, (records,), the larger the worse."""
    why: str
    """As in "no synthetic record within 3 times the usual distance"."""


@dataclass(frozen=True, eq=False)
class Compared:
    """Two sets of records with the same columns, and what is known of them."""

    synthetic: Table
    reference: Table
    """Human records."""
    holdout: Table | None = None
    """More human records, which no generator saw: what real data show where labels cannot be permuted (copies, neighbours, duplicates)."""
    groups: tuple[str, ...] = ()
    """Columns that say which group a record belongs to."""
    target: str | None = None
    """The column that people would predict."""
    counted: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """What was counted over every row, (synthetic, reference) by name (`Aspect.counts`)."""

    def inside(self, group: Callable[[Table], np.ndarray]) -> Compared:
        """The records of one group on every side; nothing is counted over them yet."""
        kept = {side: told.where(group(told)) for side, told in self.sides().items()}
        return replace(self, **kept, counted={})

    def sides(self) -> dict[str, Table]:
        told = {"synthetic": self.synthetic, "reference": self.reference}
        return told | ({"holdout": self.holdout} if self.holdout is not None else {})


class Aspect:
    """One way in which data collapse."""

    pages: ClassVar[Mapping[str, CheckPage]]

    def counts(self, compared: Compared) -> Mapping[str, Sketch]:
        """What to count over every row of both sides; all aspects' sketches are filled in one pass."""
        return {}

    def __call__(self, compared: Compared, rng: np.random.Generator) -> Iterable[Finding | Pointed]:
        raise NotImplementedError


def found(
    check: str, column: str, group: str, number: Callable[[], tuple[Estimate, Null | None]], note: str = "", at: str = ""
) -> Finding:
    """The finding of a number and its null, or of the reason why it cannot be had."""
    try:
        estimate, null = number()
    except NotApplicable as why:
        return Finding(check, column, group, None, None, str(why), at)
    return Finding(check, column, group, estimate, null, note, at)


ASPECTS: Family = {
    "spread": "outcross.aspects.spread:Spread",
    "tails": "outcross.aspects.tails:Tails",
    "groups": "outcross.aspects.groups:Groups",
    "coverage": "outcross.aspects.coverage:Coverage",
    "copying": "outcross.aspects.copying:Copying",
    "diversity": "outcross.aspects.diversity:Diversity",
    "structure": "outcross.aspects.structure:Structure",
    "use": "outcross.aspects.use:Use",
    "text_quality": "outcross.aspects.text_quality:TextQuality",
}
