"""Several audits side by side: who lost least of what, and which generation lost it first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from outcross.verbs.audit.result import Audit, Check


DEEPEST = 10.0
"""Margins at which a loss stops counting: a ratio of 0 where a tenth is worth naming."""


@dataclass(frozen=True)
class Place:
    """Where a set stands in one aspect."""

    aspect: str
    name: str
    rank: int
    """1 for the set that lost least; sets that lost alike share a rank."""
    loss: float
    """Mean depth in margins over the checks that all sets have, each between 0 and 10."""
    lost: int
    """Checks found lost or invented."""
    checks: int


def ranking(audits: Sequence[Audit]) -> list[Place]:
    """Sets ranked in every aspect by what they lost; never over aspects, which no single number can weigh.

    Only checks that every set has are averaged, so that a set is not better for what could not be computed.
    """
    depths = [{_key(check): check.depth for check in audit.every if check.depth is not None} for audit in audits]
    shared = set.intersection(*(set(one) for one in depths)) if depths else set()
    places = []
    for aspect in aspects_of(audits):
        keys = sorted(key for key in shared if key[0] == aspect)
        if not keys:
            continue
        losses = [float(np.mean([min(DEEPEST, max(0.0, one[key] or 0.0)) for key in keys])) for one in depths]
        found = [sum(check.aspect == aspect for check in audit.of("lost", "invented")) for audit in audits]
        ranks = [1 + sum(other < loss - 1e-9 for other in losses) for loss in losses]
        told = zip(ranks, audits, losses, found, strict=True)
        places += [
            Place(aspect, audit.name, rank, loss, lost, len(keys))
            for rank, audit, loss, lost in sorted(told, key=lambda one: one[0])
        ]
    return places


def aspects_of(audits: Sequence[Audit]) -> list[str]:
    """The aspects in which anything could be checked."""
    return list(dict.fromkeys(check.aspect for audit in audits for check in audit.every if check.verdict != "not_applicable"))


@dataclass(frozen=True)
class Onset:
    """The first generation in which something of an aspect is lost."""

    aspect: str
    generation: int | None
    """The place of the set in the order given, from 0; None where nothing is lost in any."""
    name: str
    check: Check | None
    """The deepest loss of that generation."""


def onsets(audits: Sequence[Audit]) -> list[Onset]:
    """When each aspect that could be checked was first lost, over audits given as generations; the earliest first, ties in the order of aspects."""
    told = []
    for aspect in aspects_of(audits):
        lost = [
            (g, audit, check) for g, audit in enumerate(audits) for check in audit.of("lost", "invented") if check.aspect == aspect
        ]
        g, audit, check = lost[0] if lost else (None, None, None)
        told.append(Onset(aspect, g, audit.name if audit else "", check))
    return sorted(told, key=lambda onset: len(audits) if onset.generation is None else onset.generation)


def _key(check: Check) -> tuple[str, str, str, str, str]:
    return check.aspect, check.metric, check.column, check.group, check.at
