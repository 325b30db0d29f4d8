"""The scorecard of an audit: the verdict and the worst finding of each aspect. Terminal, page and notebook show it first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from outcross.verbs.audit.judgement import Verdict
from outcross.verbs.audit.phrases import clause
from outcross.verbs.audit.rankings import Place, aspects_of, ranking
from outcross.verbs.audit.sentences import capitalised
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.verbs.audit.check import Check
    from outcross.verbs.audit.result import Audit

MARKS: Mapping[Verdict, str] = {"lost": "✗", "invented": "!", "cannot_tell": "?", "kept": "✓", "not_applicable": "·"}
"""The mark of each verdict, the worst first."""


@dataclass(frozen=True)
class Standing:
    """The verdict of an aspect with its checks."""

    aspect: str
    verdict: Verdict
    said: str
    """The worst finding in words. If nothing is lost, the numbers of checks by verdict."""
    checks: Mapping[Verdict, Sequence[Check]]
    """The checks of the aspect by verdict, the most severe first."""

    @property
    def findings(self) -> list[Check]:
        """The losses, followed by the inventions."""
        return [*self.checks["lost"], *self.checks["invented"]]


def scorecard(audit: Audit) -> list[Standing]:
    """Return every aspect, those with the most severe losses first."""
    order = dict.fromkeys([*audit.lost, *audit.invented, *(check.aspect for check in audit.every)])
    standings = [standing(audit, aspect) for aspect in order]
    return sorted(
        standings, key=lambda standing: list(MARKS).index(standing.verdict) if standing.verdict not in ("lost", "invented") else 0
    )


def standing(audit: Audit, aspect: str) -> Standing:
    """Return the standing of one aspect."""
    checks: dict[Verdict, list[Check]] = {
        verdict: [check for check in audit.of(verdict) if check.aspect == aspect] for verdict in MARKS
    }
    return Standing(aspect, _verdict(checks), _said(checks), checks)


def _verdict(checks: Mapping[Verdict, Sequence[Check]]) -> Verdict:
    """Return the worst verdict. The verdict is `kept` if at least as many checks are kept as cannot tell."""
    for verdict in ("lost", "invented"):
        if checks[verdict]:
            return verdict
    if not checks["kept"] and not checks["cannot_tell"]:
        return "not_applicable"
    return "kept" if len(checks["kept"]) >= len(checks["cannot_tell"]) else "cannot_tell"


def _said(checks: Mapping[Verdict, Sequence[Check]]) -> str:
    lost, invented = checks["lost"], checks["invented"]
    if worst := lost or invented:
        more = f"; {len(worst) - 1:,} more" if len(worst) > 1 else ""
        return f"{capitalised(clause(worst[0]))}{more}{f'; {len(invented):,} invented' if lost and invented else ''}"
    kept, undecided = len(checks["kept"]), len(checks["cannot_tell"])
    if not kept and not undecided:
        return next((check.why for check in checks["not_applicable"] if check.why), "nothing to compare")
    if not undecided:
        return f"{'All ' if kept > 1 else ''}{amount(kept, 'check')} within {'their' if kept != 1 else 'its'} tolerance"
    return f"{kept:,} of {kept + undecided:,} checks within their tolerance; {undecided:,} cannot tell"


@dataclass(frozen=True)
class LeastLost:
    """The sets with the smallest losses in an aspect."""

    aspect: str
    names: tuple[str, ...]
    """The sets that share the first rank. Empty if no set differs significantly from another."""
    behind: tuple[str, ...]
    """The sets that lost significantly more than some other set, the best of them first."""


@dataclass(frozen=True)
class Comparison:
    """A comparison of several sets in every aspect."""

    sets: tuple[str, ...]
    aspects: tuple[str, ...]
    places: Mapping[tuple[str, str], Place]
    """Ranks by aspect and set."""
    standings: Mapping[tuple[str, str], Standing]
    """Standings by aspect and set."""
    best: tuple[LeastLost, ...]
    """The best sets of every aspect in which sets can be compared."""
    people: tuple[str, ...]
    """Names of the sets that are human data."""


def comparison(audits: Sequence[Audit]) -> Comparison:
    """Return the comparison of several sets."""
    aspects = aspects_of(audits)
    places = {(place.aspect, place.name): place for place in ranking(audits)}
    standings = {(aspect, audit.name): standing(audit, aspect) for audit in audits for aspect in aspects}
    people = tuple(audit.name for audit in audits if audit.is_human)
    synthetic = [audit.name for audit in audits if not audit.is_human]
    best = []
    for aspect in aspects:
        ranked = sorted((place for (own, name), place in places.items() if own == aspect and name in synthetic), key=_order)
        if len(ranked) < 2:
            continue
        first = ranked[0].rank
        leading = tuple(name for name in synthetic if (aspect, name) in places and places[aspect, name].rank == first)
        behind = tuple(place.name for place in ranked if place.rank > first)
        best.append(LeastLost(aspect, leading if behind else (), behind))
    return Comparison(tuple(audit.name for audit in audits), tuple(aspects), places, standings, tuple(best), people)


def _order(place: Place) -> tuple[int, float]:
    return place.rank, place.loss


def sentence_of(compared: Comparison) -> str:
    """Return one sentence about the best sets of each aspect. There is no overall score."""
    lost = Counter(
        name
        for (_, name), standing in compared.standings.items()
        if standing.verdict in ("lost", "invented") and name not in compared.people
    )
    synthetic = [name for name in compared.sets if name not in compared.people]
    clean = [name for name in synthetic if not lost[name]]
    opening = f"{len(synthetic) - len(clean)} of {len(synthetic)} sets have lost or invented something"
    leads: dict[tuple[str, ...], list[str]] = {}
    for best_of_aspect in compared.best:
        if best_of_aspect.names:
            leads.setdefault(best_of_aspect.names, []).append(best_of_aspect.aspect.replace("_", " "))
    parts = [
        f"best for {_listed(aspects)}: {_listed(names)}" for names, aspects in sorted(leads.items(), key=lambda lead: -len(lead[1]))
    ]
    alike = [leader.aspect.replace("_", " ") for leader in compared.best if not leader.names]
    apart = f"the sets cannot be told apart for {_listed(alike)}" if alike else ""
    return f"{'; '.join(filter(None, (opening, *parts, apart)))}."


def _listed(names: Sequence[str]) -> str:
    """
    >>> _listed(["a", "b", "c"]), _listed(["a"])
    ('a, b and c', 'a')
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


__all__ = ["MARKS", "Comparison", "LeastLost", "Standing", "comparison", "scorecard", "sentence_of", "standing"]
