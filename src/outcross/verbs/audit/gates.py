"""What makes an audit fail: an aspect, losses, inventions or anything, from a severity on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outcross.errors import BadInput
from outcross.measures import audit_aspects
from outcross.recipe import nearest
from outcross.verbs.audit.judgement import Verdict

if TYPE_CHECKING:
    from outcross.verbs.audit.result import Audit, Check

FAILS: Sequence[Verdict] = ("lost", "invented")
WAY_OUT = "write tails, lost=5% or any=0.01"


@dataclass(frozen=True)
class Gate:
    """One word of `--fail-on`: `any`, `lost`, `invented` or an aspect, and from which severity on."""

    what: str
    severity: float = 0.0
    """Share of records that would have to change, by the lower end of its interval, below which a loss passes; in [0, 1]."""

    def asks_for(self, check: Check) -> bool:
        """Whether a loss or an invention of this check, however small, could fail the gate."""
        return self.what in ("any", check.aspect, *FAILS)

    def fails(self, check: Check) -> bool:
        """Whether the gate fails by this check; a loss whose severity is not known fails it."""
        if check.verdict not in FAILS or not self.asks_for(check) or (self.what in FAILS and self.what != check.verdict):
            return False
        return check.severity is None or check.severity >= self.severity


def gate_of(word: Any) -> Gate:
    """A gate as it is written, `tails` or `tails=5%`; BadInput names the word that cannot be read.

    >>> gate_of("lost=5%"), gate_of("tails=0.01"), gate_of("any")
    (Gate(what='lost', severity=0.05), Gate(what='tails', severity=0.01), Gate(what='any', severity=0.0))
    """
    if not isinstance(word, str):
        raise BadInput(f"--fail-on must be words, got {word!r:.80}; {WAY_OUT}")
    what, equals, minimum = (part.strip() for part in word.partition("="))
    known = ("any", *FAILS, *audit_aspects())
    if what not in known:
        raise BadInput(f"--fail-on {what!r:.80} is no aspect{nearest(what, known)}; known: {', '.join(known)}")
    if not equals:
        return Gate(what)
    severity = _share(minimum)
    if severity is None or not 0 <= severity <= 1:
        raise BadInput(f"the severity of --fail-on {word!r:.80} must be a share of records in [0, 1] or in percent; {WAY_OUT}")
    return Gate(what, severity)


def _share(written: str) -> float | None:
    """A share as it is written, `5%` or `0.05`; None where it is no number."""
    try:
        number = float(written.removesuffix("%")) / (100 if written.endswith("%") else 1)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def failing(audit: Audit, gates: Sequence[Gate]) -> Iterator[tuple[Verdict, str]]:
    """The verdicts and aspects by which an audit fails its gates, the most severe first."""
    for verdict in FAILS:
        checks = [check for check in audit.of(verdict) if any(gate.fails(check) for gate in gates)]
        for aspect in dict.fromkeys(check.aspect for check in checks):
            yield verdict, aspect


__all__ = ["Gate", "failing", "gate_of"]
