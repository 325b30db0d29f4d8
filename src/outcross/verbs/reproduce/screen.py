"""The lines that a terminal shows of claims and their verdicts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from outcross.report.numerals import number
from outcross.verbs.reproduce.claim import ClaimSize

if TYPE_CHECKING:
    from outcross.verbs.reproduce.result import ReproducedClaim, Reproduction
    from outcross.verbs.reproduce.rules import ClaimComparison


def reproduction_lines(result: Reproduction, width: int) -> Iterator[str]:
    """One block per claim: its verdict, its statement and source, and every comparison."""
    for entry in result.entries:
        yield from entry_lines(result, entry, width)
    yield result.short


def entry_lines(result: Reproduction, entry: ReproducedClaim, width: int) -> Iterator[str]:
    """The block of one claim."""
    claim, verdict_of_claim = entry.claim, result.verdicts[entry.claim.id]
    cost = f"{_cost(claim.small)} small, {_cost(claim.full)} full" if verdict_of_claim in (None, "not run here") else ""
    yield f"{claim.id}: {verdict_of_claim or 'not run yet'} ({', '.join(filter(None, [protocol_words(entry), cost]))})"
    source = ", ".join(filter(None, [claim.source.paper, claim.source.place]))
    yield from textwrap.wrap(f"{claim.sentence} {source}.", width, initial_indent="  ", subsequent_indent="  ")
    if why := result.reason(entry):
        yield from textwrap.wrap(f"because {why}", width, initial_indent="  ", subsequent_indent="  ")
    for place, comparison, verdict in entry.verdicts(result.factors.get(claim.id, 1)):
        yield from textwrap.wrap(
            f"{claim.parts[place].what}: {compared(comparison)}: {verdict}",
            width,
            initial_indent="  - ",
            subsequent_indent="    ",
        )


def protocol_words(entry: ReproducedClaim) -> str:
    """How closely the experiment follows that of the source, and whether an inequality decides the claim in every experiment."""
    return f"{entry.protocol}; an inequality decides" if entry.claim.decided_by else entry.protocol


def compared(comparison: ClaimComparison) -> str:
    """A comparison in words: our number with its interval, and the published one."""
    ours = comparison.ours
    interval = f" (no interval: {ours.method})" if ours.low is None else f" [{number(ours.low)}, {number(ours.high)}]"
    if comparison.published is None:
        return f"{comparison.what} {number(ours.value)}{interval}, should be above {number(comparison.none)}"
    error = f" ± {number(comparison.error)}" if comparison.error else ""
    return f"{number(ours.value)}{interval}, published {number(comparison.published)}{error}"


def _cost(size: ClaimSize | None) -> str:
    if size is None:
        return "no"
    about = "" if size.is_measured else "about "
    return f"{about}{number(60 * size.minutes, 2)} s" if size.minutes < 1 else f"{about}{number(size.minutes, 2)} min"
