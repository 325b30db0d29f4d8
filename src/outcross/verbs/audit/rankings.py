"""Comparison of several audits: ranks of the sets in each aspect, and the generation in which each aspect was lost first."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from outcross.estimate import NORMAL_QUANTILE
from outcross.measures import pages_of_aspect
from outcross.measures.severity import Direction, most_to_change, records_to_change
from outcross.verbs.audit.check import OF_THE_WORST

if TYPE_CHECKING:
    from outcross.verbs.audit.check import Check
    from outcross.verbs.audit.result import Audit

DRAWS = 2_000
"""Number of random draws of every check from its interval."""
LEVEL = 0.05
"""Maximum probability that, in an aspect, any two sets with equal losses are found to differ."""


@dataclass(frozen=True)
class Place:
    """The rank of a set in one aspect."""

    aspect: str
    name: str
    rank: int
    """1 plus the number of sets that lost significantly less. Sets that cannot be told apart share a rank."""
    last: int
    """The worst possible rank: the number of sets minus those that lost significantly more. From `rank` to `last` is a confidence set for the
    rank."""
    loss: float
    """Share of records that would have to change, averaged over the checks that all sets have, in [0, 1]."""
    lost: int
    """Number of checks found lost or invented."""
    checks: int


def ranking(audits: Sequence[Audit]) -> list[Place]:
    """Rank the sets by their losses in every aspect. There is no rank over all aspects, because no single number can weigh them.

    Only checks that every set has are averaged, so that a set does not gain from checks that could not be computed. The uncertainty comes from the
    interval of each check: values are drawn from a distribution with that 95 % interval. Checks of one column use the same draws, because they read
    the same values, and other checks are independent. Checks of the worst of many categories, clusters or regions are compared whichever member they
    name. A set lost significantly less than another if their mean difference is beyond the 95 %
    quantile of the largest studentised difference over all pairs (Mogstad, Romano, Shaikh and Wilhelm, Rev. Econ. Stud. 91:476, 2024). The error of
    the human side, which all sets share, is counted for each set, so the ranking separates too few sets rather than too many.
    """
    by_set = [_by_place(audit) for audit in audits]
    shared = set.intersection(*(set(checks) for checks in by_set)) if by_set else set()
    places = []
    for aspect in aspects_of(audits):
        keys = sorted(key for key in shared if key[0] == aspect)
        if not keys:
            continue
        checks = [[checks_of_set[key] for key in keys] for checks_of_set in by_set]
        losses = [float(np.mean([to_change(check, check.value or 0.0) for check in of_set])) for of_set in checks]
        better = surely_less(np.stack([_drawn(of_set, name.name) for of_set, name in zip(checks, audits, strict=True)]))
        lost = [sum(check.aspect == aspect for check in audit.of("lost", "invented")) for audit in audits]
        placed = [
            Place(
                aspect, audit.name, 1 + int(better[:, i].sum()), len(audits) - int(better[i].sum()), losses[i], lost[i], len(keys)
            )
            for i, audit in enumerate(audits)
        ]
        places += sorted(placed, key=lambda place: (place.rank, place.loss))
    return places


def _by_place(audit: Audit) -> dict[tuple[str, ...], Check]:
    """Return the checks with an interval by what they are about. If several are about the same, as regions are, it is the one with the largest loss."""
    checks = sorted(filter(_has_interval, audit.every), key=lambda check: float(to_change(check, check.value or 0.0)))
    return {check.place: check for check in checks}


def to_change(check: Check, value: float | np.ndarray):
    """Return the share of records that would have to change if a check had this value. `value`: a number or (draws,)."""
    page = pages_of_aspect(check.aspect)[check.metric]
    assert check.margin is not None
    share = records_to_change(value, check.margin, page, check.about, worse(check))
    own = records_to_change(check.value or 0.0, check.margin, page, check.about, worse(check))
    if not check.to_change or not own:
        return share
    # If the records gave an exact share for the value of the check, the rule of the page is scaled to it.
    return np.clip(share * check.to_change / own, 0.0, most_to_change(page, check.about, worse(check)))


def worse(check: Check) -> Direction:
    """Return the direction in which a check is worse. If its page allows both, it is the direction of the margin."""
    page = pages_of_aspect(check.aspect)[check.metric]
    if page.worse in ("smaller", "larger"):
        return page.worse
    healthy = check.real_vs_real if isinstance(page.healthy, str) else page.healthy
    return "larger" if (check.margin or 0.0) > (healthy or 0.0) else "smaller"


def surely_less(losses: np.ndarray) -> np.ndarray:
    """Return whether the first of two sets lost significantly less than the second, (sets, sets). `losses`: (sets, draws).

    >>> rng = np.random.default_rng(0)
    >>> surely_less(np.array([[0.0], [0.0], [1.0]]) + 0.1 * rng.normal(size=(3, 2000))).astype(int).tolist()
    [[0, 0, 1], [0, 0, 1], [0, 0, 0]]
    """
    sets = len(losses)
    mean, centred = losses.mean(axis=1), losses - losses.mean(axis=1, keepdims=True)
    error = np.sqrt(np.maximum(0.0, (centred[:, None] - centred[None]).var(axis=2)))
    difference = mean[None] - mean[:, None]  # how much more the second set lost
    if sets < 2:
        return np.zeros((sets, sets), bool)
    some = error > 1e-12
    studentised = np.zeros((losses.shape[1],))
    for i in range(sets):
        for j in range(i):
            if some[i, j]:
                studentised = np.maximum(studentised, np.abs(centred[i] - centred[j]) / error[i, j])
    critical = float(np.quantile(studentised, 1 - LEVEL))
    return difference > np.where(some, critical * error, 1e-9)


def _drawn(checks: Sequence[Check], name: str) -> np.ndarray:
    """Draw the mean loss over checks from their intervals, (draws,). The random stream is named by the set and the aspect."""
    seed = hashlib.sha256(f"ranking {name} {checks[0].aspect}".encode()).digest()[:8]
    rng = np.random.default_rng(int.from_bytes(seed, "little"))
    normal: dict[str, np.ndarray] = {}
    total = np.zeros(DRAWS)
    for check in checks:
        if check.column not in normal:
            normal[check.column] = rng.normal(size=DRAWS)
        z = normal[check.column]
        assert check.value is not None
        below, above = _reaches(check)
        total += to_change(check, check.value + z * np.where(z > 0, above, below) / NORMAL_QUANTILE)
    return total / len(checks)


def _reaches(check: Check) -> tuple[float, float]:
    """Return the distances from the value of a check to the lower and to the upper end of its interval.

    If a check names the worst of many members, only the end towards the margin belongs to that member. The other end is that of any member.
    """
    assert check.value is not None and check.low is not None and check.high is not None
    below, above = check.value - check.low, check.high - check.value
    if check.metric in OF_THE_WORST:
        own = above if worse(check) == "smaller" else below
        return own, own
    return below, above


def _has_interval(check: Check) -> bool:
    return check.severity is not None and None not in (check.value, check.low, check.high, check.margin)


def aspects_of(audits: Sequence[Audit]) -> list[str]:
    """Return the aspects that have at least one applicable check."""
    return list(dict.fromkeys(check.aspect for audit in audits for check in audit.every if check.verdict != "not_applicable"))


@dataclass(frozen=True)
class Difference:
    """A check in which one set lost significantly more than another."""

    smallest_loss: tuple[str, Check]
    """The set with the smallest loss, and its check."""
    greatest_loss: tuple[str, Check]
    """The set with the largest loss, and its check."""
    apart: float
    """Difference of the shares of records that would have to change, computed at the closest ends of the two intervals."""


DIFFERENCES = 12
"""Maximum number of differences between sets that are shown."""


def differences(audits: Sequence[Audit]) -> list[Difference]:
    """Return the significant differences between sets, the largest first: checks whose intervals do not overlap between two sets, one per column and metric.

    If two 95 % intervals do not overlap, the difference is significant at a level of about .006 (Schenker and Gentleman, Am. Stat. 55:182, 2001).
    """
    synthetic = [audit for audit in audits if not audit.is_human]
    by_key: dict[tuple[str, ...], list[tuple[str, Check]]] = {}
    for audit in synthetic:
        for place, check in _by_place(audit).items():
            by_key.setdefault(place, []).append((audit.name, check))
    widest: dict[tuple[str, str, str], Difference] = {}
    for key, checks in by_key.items():
        farthest = max(
            filter(None, (_apart(first, second) for first in checks for second in checks)),
            key=lambda difference: difference.apart,
            default=None,
        )
        subject = key[0], key[1], key[2] or key[3]
        if farthest is not None and (subject not in widest or farthest.apart > widest[subject].apart):
            widest[subject] = farthest
    return sorted(widest.values(), key=lambda difference: -difference.apart)


def _apart(first: tuple[str, Check], second: tuple[str, Check]) -> Difference | None:
    """Return the difference if the second set lost more than the first, or None if their intervals overlap."""
    less, more = first[1], second[1]
    assert less.low is not None and less.high is not None and more.low is not None and more.high is not None
    is_smaller = worse(more) == "smaller"
    if not (more.high < less.low if is_smaller else more.low > less.high):
        return None
    worst_of_less, best_of_more = (less.low, more.high) if is_smaller else (less.high, more.low)
    apart = float(to_change(more, best_of_more)) - float(to_change(less, worst_of_less))
    return Difference(first, second, apart) if apart > 0 else None


@dataclass(frozen=True)
class Onset:
    """The first generation in which something of an aspect is lost."""

    aspect: str
    generation: int | None
    """Position of the set in the given order, from 0. None if nothing is lost in any set."""
    name: str
    check: Check | None
    """The most severe loss or invention of that generation."""


def onsets(audits: Sequence[Audit]) -> list[Onset]:
    """Return the first generation that lost something in each applicable aspect, the earliest first, with ties in the order of the aspects."""
    onsets_of_checks = []
    for aspect in aspects_of(audits):
        lost = [
            (g, audit, check) for g, audit in enumerate(audits) for check in audit.of("lost", "invented") if check.aspect == aspect
        ]
        g, audit, check = lost[0] if lost else (None, None, None)
        onsets_of_checks.append(Onset(aspect, g, audit.name if audit else "", check))
    return sorted(onsets_of_checks, key=lambda onset: len(audits) if onset.generation is None else onset.generation)
