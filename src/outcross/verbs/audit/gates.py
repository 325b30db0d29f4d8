"""The gates of an audit: losses or inventions, in one aspect or in all, of at least a given severity."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outcross.errors import BadInput
from outcross.escapes import shortened
from outcross.measures import audit_aspects, measure
from outcross.recipe import nearest
from outcross.verbs.audit.judgement import NOTE, Verdict

if TYPE_CHECKING:
    from outcross.verbs.audit.check import Check
    from outcross.verbs.audit.result import Audit

FAILS: Sequence[Verdict] = ("lost", "invented")
WAY_OUT = "write tails, lost=5% or any=0.01"


@dataclass(frozen=True)
class Gate:
    """One word of `--fail-on`: `any`, `lost`, `invented` or an aspect, with its minimum severity."""

    what: str
    severity: float = 0.0
    """Minimum severity in [0, 1]. A loss passes if the lower confidence bound of the share of records that would have to change is below it."""

    def asks_for(self, check: Check) -> bool:
        """Whether a loss or an invention of this check, however small, belongs to the gate."""
        return self.what in ("any", check.aspect, *FAILS)

    def fails(self, check: Check) -> bool:
        """Whether the gate fails because of this check. A loss of unknown severity fails it."""
        if check.verdict not in FAILS or not self.asks_for(check) or (self.what in FAILS and self.what != check.verdict):
            return False
        return check.severity is None or check.severity >= self.severity


def gate_of(word: Any) -> Gate:
    """Read a gate that is written as `tails` or `tails=5%`. Raises BadInput, which repeats the text, if it is not a gate.

    >>> gate_of("lost=5%"), gate_of("tails=0.01"), gate_of("any")
    (Gate(what='lost', severity=0.05), Gate(what='tails', severity=0.01), Gate(what='any', severity=0.0))
    """
    if not isinstance(word, str):
        raise BadInput(f"--fail-on must be a list of words, got {word!r:.80}; {WAY_OUT}")
    what, equals, minimum = (part.strip() for part in word.partition("="))
    known = ("any", *FAILS, *audit_aspects())
    if what not in known:
        raise BadInput(f"--fail-on {what!r:.80} is not an aspect{nearest(what, known)}; known: {', '.join(known)}")
    if not equals:
        return Gate(what)
    severity = _share(minimum)
    if severity is None or not 0 <= severity <= 1:
        raise BadInput(f"the severity of --fail-on {word!r:.80} must be a share of records in [0, 1] or in percent; {WAY_OUT}")
    return Gate(what, severity)


def _share(written: str) -> float | None:
    """Read a share that is written as `5%` or `0.05`. None if it is not a number."""
    try:
        number = float(written.removesuffix("%")) / (100 if written.endswith("%") else 1)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _failing(audit: Audit, gates: Sequence[Gate]) -> Iterator[tuple[Verdict, str]]:
    """Yield the verdicts and aspects that make an audit fail its gates, the most severe first."""
    for verdict in FAILS:
        checks = [check for check in audit.of(verdict) if any(gate.fails(check) for gate in gates)]
        for aspect in dict.fromkeys(check.aspect for check in checks):
            yield verdict, aspect


def failures(audit: Audit, gates: Sequence[Gate]) -> Iterator[tuple[str, str]]:
    """Yield the reasons for which an audit fails its gates, as pairs of the problem and its place."""
    if audit.is_human:
        return

    def is_asked(aspect: str) -> bool:
        return any(gate.what in ("any", "lost", "invented", aspect) for gate in gates)

    yield from _failing(audit, gates)
    absent = [check.column for check in audit.of("lost") if check.metric == "column"]
    if absent:
        yield "missing columns", _some(absent)
    if audit.unseen.columns:
        yield "not compared in full (raise --most-columns, or name them in --allow-missing)", _some([*audit.unseen.columns])
    if measures := [name for name in audit.unseen.measures if is_asked(measure(name).aspect)]:
        yield "left out because the time limit was reached (raise --most-seconds)", _some(measures)
    asked = [check for check in audit.every if is_asked(check.aspect)]
    if not any(check.verdict in ("lost", "invented", "kept") for check in asked):
        undecided = [check for check in asked if check.verdict == "cannot_tell"] or asked
        whys = [shortened(check.why, NOTE) for check in undecided if check.why]
        yield "no check could answer", f"({max(whys, key=whys.count) if whys else 'these aspects have no checks'})"


def _some(words: Sequence[str], limit: int = 5) -> str:
    """Return the first words, and the number of the others.

    >>> _some(["a", "b", "c"], 2)
    'a b and 1 more'
    """
    return " ".join(map(shortened, words[:limit])) + (f" and {len(words) - limit:,} more" if len(words) > limit else "")


__all__ = ["Gate", "failures", "gate_of"]
