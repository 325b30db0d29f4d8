"""The worst losses of an audit, for a terminal, a notebook or a data frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from outcross.errors import BadInput

if TYPE_CHECKING:
    from outcross.verbs.audit.check import Check
    from outcross.verbs.audit.result import Audit


@dataclass(frozen=True, eq=False)
class Losses(Sequence["Check"]):
    """Checks that are lost, the most severe first."""

    audit: Audit = field(repr=False)
    checks: tuple[Check, ...]

    @overload
    def __getitem__(self, place: int) -> Check: ...
    @overload
    def __getitem__(self, place: slice) -> Losses: ...
    def __getitem__(self, place: int | slice) -> Check | Losses:
        return Losses(self.audit, self.checks[place]) if isinstance(place, slice) else self.checks[place]

    def __len__(self) -> int:
        return len(self.checks)

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __repr__(self) -> str:
        from outcross.verbs.audit.phrases import clause, percent
        from outcross.verbs.audit.sentences import capitalised

        lines = [f"{check.code:5} {percent(check.severity or 0.0):>8}  {capitalised(clause(check))}" for check in self.checks]
        return "\n".join(lines) or "nothing is lost"

    def frame(self) -> Any:
        """Return a polars frame with one row per check."""
        from outcross.verbs.audit.check import frame_of

        return frame_of(self.checks)

    def to_pandas(self) -> Any:
        """Return a pandas frame with one row per check."""
        return as_pandas(self.frame())

    def _repr_html_(self) -> str:
        from outcross.verbs.audit.page import table_of_findings

        return table_of_findings(self.audit, self.checks)


def as_pandas(frame: Any) -> Any:
    """Return a polars frame as a pandas frame. Raises BadInput if pandas or pyarrow is not installed."""
    try:
        return frame.to_pandas()
    except ImportError as error:
        raise BadInput(
            f"{error.name or 'pandas'} is not installed; run pip install pandas pyarrow, or use frame(), which returns polars"
        ) from None


__all__ = ["Losses", "as_pandas"]
