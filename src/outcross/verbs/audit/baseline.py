"""Comparison with an earlier audit, for a gate that accepts known losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from outcross.errors import BadInput
from outcross.verbs.audit.phrases import clause
from outcross.verbs.audit.stored import read_audits

if TYPE_CHECKING:
    from outcross.verbs.audit.check import Check
    from outcross.verbs.audit.question import AuditQuestion
    from outcross.verbs.audit.result import Audit, Audits

FAILED = ("lost", "invented")


NAMED = 3
"""Maximum number of checks that the line about a baseline names."""


def baseline_of(question: AuditQuestion) -> Sequence[Audit] | None:
    """Return the audits of the baseline; None if there is none. Raises BadInput if it is given without a gate, or is not a valid audit.json."""
    if question.baseline is None:
        return None
    if "fail_on" not in question.settings():
        raise BadInput("--baseline has no effect without a gate; add one, for example --fail-on any")
    return read_audits(Path(question.baseline))


def gated(audits: Audits, before: Sequence[Audit] | None) -> Audits:
    """Return the audits for a gate. With a baseline, losses and inventions that are not worse than in it have the verdict `kept`."""
    if before is None:
        return audits
    return replace(audits, by_arm={arm: tuple(_only_worse(own, before)) for arm, own in audits.by_arm.items()})


def worse_than(audits: Audits, before: Sequence[Audit]) -> str:
    """Return a line about the losses and inventions that are worse than in the baseline."""
    worse = [check for own in audits.by_arm.values() for checks in since(own, before).values() for check in checks]
    if not worse:
        return "Nothing is worse than in the baseline."
    more = f"; {len(worse) - NAMED:,} more" if len(worse) > NAMED else ""
    return f"Worse than in the baseline: {'; '.join(map(clause, worse[:NAMED]))}{more}."


def _only_worse(audits: Sequence[Audit], before: Sequence[Audit]) -> list[Audit]:
    worse = since(audits, before)
    return [
        replace(
            audit,
            every=tuple(
                replace(check, verdict="kept") if check.verdict in FAILED and check not in worse[audit.name] else check
                for check in audit.every
            ),
        )
        for audit in audits
    ]


def since(audits: Sequence[Audit], before: Sequence[Audit]) -> dict[str, list[Check]]:
    """Return the losses and inventions of each set that are worse than in an earlier audit, by the name of the set.

    A set is compared with the earlier set of its name. If both audits have a single set, these are compared. A check is worse if it was not lost
    or invented earlier, or if its interval lies wholly beyond the earlier interval. Raises BadInput if a set has no earlier audit.
    """
    named = {audit.name: audit for audit in before}
    if len(audits) == len(before) == 1:
        named = {audits[0].name: before[0]}
    if missing := [audit.name for audit in audits if audit.name not in named]:
        raise BadInput(f"the baseline has no audit of {missing[0]!r}; it has {', '.join(named)[:200]}")
    return {audit.name: [check for check in audit.of(*FAILED) if _is_worse(check, named[audit.name])] for audit in audits}


def _is_worse(check: Check, before: Audit) -> bool:
    then = [failed for failed in before.every if failed.verdict in FAILED and failed.place == check.place]
    return all(_is_beyond(check, failed) for failed in then)


def _is_beyond(check: Check, then: Check) -> bool:
    """Whether the interval of a loss lies wholly beyond the earlier interval."""
    if None in (check.value, check.low, check.high, then.low, then.high, check.real_vs_real):
        return False
    is_smaller = check.value < check.real_vs_real  # type: ignore[operator]
    return check.high < then.low if is_smaller else check.low > then.high  # type: ignore[operator]


__all__ = ["baseline_of", "gated", "since", "worse_than"]
