"""A check of an audit: a reading with its verdict, and what was not checked in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from outcross.verbs.audit.judgement import Verdict

STRICT = ConfigDict(strict=True, allow_inf_nan=False)
"""Stored JSON is read strictly: a text is not accepted as a number, and numbers must be finite."""
Count = Annotated[int, Field(ge=0, lt=2**63)]


OF_THE_WORST = ("category_share", "category_growth", "region", "clusters")
"""Checks that name the worst of many members. Another set may have another worst member."""


@dataclass(frozen=True)
class Check:
    """A reading with its verdict."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    code: str
    aspect: str
    metric: str
    column: str
    group: str
    at: str
    """The place in the column: an end and a depth, a direction, a lag, a frequency band, or the other column of a pair."""
    verdict: Verdict
    value: float | None
    low: float | None
    high: float | None
    n: Count | None
    method: str
    floor: float | None
    """The value that 5 % of real samples of this size reach or exceed, on the side of a loss."""
    real_vs_real: float | None
    """The typical value of real data of this size, compared with other real data."""
    margin: float | None
    """The tolerance as a value. A check whose interval lies wholly beyond it is a loss."""
    p: float | None
    """P(real data compared with real data are at least as bad), one-sided."""
    about: float
    """The share of human records that the check is about, in [0, 1]."""
    severity: float | None
    """Lower confidence bound of the share of records that would have to change to bring the check inside its tolerance, in [0, 1]."""
    before: float | None
    """The human value in plain units, such as a median, an association, an area under a curve or a number of categories. None if `value` is plain
    enough."""
    after: float | None
    """The value of the audited data in the units of `before`."""
    differs: bool
    """Whether a check with the verdict `kept` differs detectably from the healthy value, inside the tolerance."""
    why: str
    to_change: float | None = None
    """The share of records that would have to change if the value were exact, in [0, 1]. `severity` is its lower bound."""
    unit: str = ""
    """The unit of `before` and `after`: "" for that of the column, "day" for moments in days since 1970, "clock" for times of day in parts of a day."""
    explained_by: str = ""
    """For a region, the column whose own change explains it. "" if there is none."""

    @property
    def place(self) -> tuple[str, ...]:
        """What the check is about, without the member that it names as the worst: aspect, metric, column, group and place in the column."""
        is_worst = self.metric in OF_THE_WORST
        return (self.aspect, self.metric, self.column, "" if is_worst else self.group, "" if is_worst else self.at)


@dataclass(frozen=True)
class Unseen:
    """Columns and measures that an audit did not examine in full. They make a gate fail."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns that were not compared, or only by a sketch, with the reason. Columns named in `--allow-missing` are left out."""
    measures: tuple[str, ...] = ()
    """Measures that were left out because the time limit was reached."""


def frame_of(checks: Sequence[Check]) -> Any:
    """Return checks as a polars frame with one row per check."""
    import polars

    return polars.DataFrame([vars(check) for check in checks], schema=_SCHEMA, orient="row")


READERS: dict[str, Any] = {"float | None": float, "Count | None": int, "bool": bool}
_SCHEMA = {field.name: READERS.get(str(field.type), str) for field in fields(Check)}  # the Python types that polars maps to its own
