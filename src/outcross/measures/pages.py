"""The page of a reading: what it is, what is healthy, and how much of a difference is tolerated."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

from outcross.errors import check_word
from outcross.estimate import Estimate, Null
from outcross.statistics.floors import Worse

Role = Literal[
    "risk", "spread", "tail", "modes", "support", "diversity", "copying", "groups", "structure", "use", "quality", "invention", "decoding"
]  # fmt: skip
"""The subject of a reading. Definitions of collapse, slopes and reports find readings by it.

risk: how much worse the model predicts or estimates; spread: how much the data vary; tail: how much of the tails and of rare things is left;
modes: how many separate things (groups, modes, states) are left; support: how much of the human data is still reached; diversity: how many different
things there are; copying: how much is copied; groups: how groups of records fare; structure: how values go together; use: how well models
trained on the data predict; quality: how close single records are to human records; invention: how much occurs in no human data;
decoding: how much the way of sampling loses."""

MarginKind = Literal["ratio", "difference"]
Change = Literal["mass", "excess", "variance", "scale", "association"]


@dataclass(frozen=True)
class Page:
    """The description of one reading: its definition, unit, healthy and collapsed values, tolerance and source."""

    code: str
    """A short code that never changes, such as TA1."""
    title: str
    definition: str
    unit: str
    """The unit: ratio, fraction (in [0, 1], shown in percent), nats, words …"""
    healthy: float | str
    """The value if nothing is lost: a number, or words if it depends on the data. In that case the typical value of the null distribution is the
    number."""
    collapsed: str
    """The value or the direction that the reading moves to as data collapse."""
    role: Role
    paper: str
    worse: Worse | Literal["either"] | None = None
    """The direction that is worse. "either": there is a tolerance on both sides of the healthy value. None: neither direction is worse by itself."""
    margin: float | None = None
    """The tolerance: a factor of the healthy value (`margin_kind` is "ratio"), or a distance from it (`margin_kind` is "difference").
    None if the reading is not judged."""
    margin_kind: MarginKind = "ratio"
    range: tuple[float, float] | None = None
    """The smallest and the largest possible value. None: the unit decides (`values`)."""
    change: Change = "mass"
    """The rule that turns a value beyond the tolerance into a share of records that would have to change (`measures.severity`)."""
    is_invention: bool = False
    """Whether the reading finds things that human data do not have, rather than a loss."""
    log: bool = False
    """Whether the reading is drawn on a logarithmic axis."""
    preference: int | None = None
    """Rank among the readings of its role when one reading represents the role, 1 first. None if it never does."""
    records: tuple[int, str] | None = None
    """Records per side at which a loss of exactly the margin is detected (two-sided at 5 %) in 90 % of sets, and the law that this holds for. None if
    this number is not known."""
    lead: int | None = None
    """Rank among the readings that a report may open with, 1 first. None if no report opens with it."""

    def __post_init__(self) -> None:
        known = {
            "role": get_args(Role),
            "worse": (*get_args(Worse), "either", None),
            "margin_kind": get_args(MarginKind),
            "change": get_args(Change),
        }
        for name, allowed in known.items():
            check_word(getattr(self, name), allowed, f"{name} of the page {self.title!r:.80}")

    def healthy_value(self, null: Null | None) -> float | None:
        """Return the healthy value as a number: that of the page, else the typical value of the null. None if there is neither."""
        if not isinstance(self.healthy, str):
            return self.healthy
        return null.typical if null else None

    @property
    def healthy_words(self) -> str:
        """The healthy value as text."""
        return self.healthy if isinstance(self.healthy, str) else f"{self.healthy:g}"

    @property
    def values(self) -> tuple[float, float]:
        """The smallest and the largest possible value. Unless the page has a range, a ratio is at least 0 and a fraction lies in [0, 1]."""
        if self.range is not None:
            return self.range
        return {"ratio": (0.0, math.inf), "fraction": (0.0, 1.0)}.get(self.unit, (-math.inf, math.inf))

    @property
    def values_in_words(self) -> str:
        """The range of possible values as text."""
        smallest, largest = self.values
        if math.isinf(smallest) and math.isinf(largest):
            return "any number"
        return f"{smallest:g} to {largest:g}" if math.isfinite(largest) else f"{smallest:g} or more"

    def on_side_of(self, estimate: Estimate, null: Null | None) -> Page:
        """Return the page by which an estimate is judged. If either direction is worse, it is the page for the side on which the interval reaches
        farther.

        An interval that is within the tolerance on that side is also within the tolerance on the other side. An interval that is wholly beyond a
        tolerance is beyond it on that side.
        """
        healthy = self.healthy_value(null)
        if self.worse != "either" or healthy is None:
            return self
        low, high = (estimate.value if end is None else end for end in (estimate.low, estimate.high))
        reaches_up = high - healthy >= healthy - low if self.margin_kind == "difference" else high * low >= healthy**2
        return replace(self, worse="larger" if reaches_up else "smaller")

    def limit(self, null: Null | None, margin: float) -> float | None:
        """Return the tolerance as a value. A check reports a loss beyond it. None if the healthy value is not known."""
        healthy = self.healthy_value(null)
        if healthy is None:
            return None
        if self.margin_kind == "ratio":
            return healthy * (margin if self.worse == "smaller" else 1 / margin)
        return healthy - margin if self.worse == "smaller" else healthy + margin
