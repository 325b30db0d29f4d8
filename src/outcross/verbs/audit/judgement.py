"""From readings to verdicts: margins, floors, and how many false alarms are let through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from outcross.estimate import NotApplicable, Null, Reading
from outcross.measures import Page, pages_of_aspect
from outcross.measures.severity import Direction, records_to_change, severity
from outcross.verbs.audit.enough import MOST, records_that_tell

NOTE = 500
"""Characters of a note, at most."""
Verdict = Literal["lost", "invented", "kept", "cannot_tell", "not_applicable"]


@dataclass(frozen=True)
class Judged:
    """A reading with its verdict."""

    aspect: str
    reading: Reading
    page: Page
    limit: float | None
    """The tolerance as a value: beyond it the check reports a loss."""
    verdict: Verdict
    severity: float | None
    """The lower confidence bound of the share of records that would have to change to bring the check inside its tolerance, in [0, 1]; None where it has no interval."""
    why: str
    differs: bool = False
    """Whether it differs detectably from what is healthy, though it is kept: its p-value is a discovery and its interval lies within the tolerance."""
    to_change: float | None = None
    """The share of records that would have to change if the value is exact; `severity` is its lower bound. None where it has no interval."""


def judge(
    readings: Mapping[str, Sequence[Reading]], margins: Mapping[str, float], rate: float, rows: int, reference_rows: int
) -> list[Judged]:
    """A verdict for every reading.

    A verdict is an equivalence test: it compares the interval with the tolerance (the margin), and no p-value overrules it. `kept`: the whole
    interval is within the tolerance, whatever p says; where p is a discovery, the check says by how much it differs. `lost`: the whole interval is
    beyond the tolerance, and real against real looks as bad too seldom to be chance among so many checks. `cannot_tell`: neither, and says what n would do,
    or there is no interval, and says why. `invented`: lost, for checks of what human data do not have. So nothing is lost by a
    small p alone, and nothing is kept because p is large (Wellek, Testing Statistical Hypotheses of Equivalence, 2010).

    What is too seldom is controlled over all checks: an aspect is looked into where Simes' p-value of its checks passes Benjamini and Hochberg's
    step among the aspects, its checks at the rate times the share of aspects that do (Benjamini and Bogomolov, JRSS-B 76:297, 2014: the expected
    share of false discoveries, averaged over the aspects selected, stays below the rate).
    """
    discovered = discoveries(
        {
            key: [reading.null.p for reading in of_aspect if reading.null and reading.null.p is not None]
            for key, of_aspect in _families(readings)
        },
        rate,
    )
    levels = {key: discovered.get(key, 0.0) for key, _ in _families(readings)}
    judged = []
    for aspect, of_aspect in readings.items():
        pages = pages_of_aspect(aspect)
        for reading in of_aspect:
            page = pages[reading.measure]
            assert page.margin is not None
            margin = margins.get(f"{aspect}.{reading.measure}", margins.get(aspect, page.margin))
            judged.append(_judged(aspect, reading, page, margin, levels[aspect, page.is_invention], min(rows, reference_rows)))
    return judged


def _families(readings: Mapping[str, Sequence[Reading]]) -> Iterator[tuple[tuple[str, bool], list[Reading]]]:
    """Checks that are controlled together: what an aspect has lost, what it has invented."""
    for aspect, of_aspect in readings.items():
        pages = pages_of_aspect(aspect)
        for is_invention in (False, True):
            yield (aspect, is_invention), [reading for reading in of_aspect if pages[reading.measure].is_invention == is_invention]


def discoveries(families: Mapping[tuple[str, bool], Sequence[float]], rate: float) -> dict[tuple[str, bool], float]:
    """The largest p-value that is a discovery in each family; 0 where there is none.

    >>> discoveries({("tails", False): [0.001, 0.4], ("spread", False): [0.3, 0.6]}, 0.05)
    {('tails', False): 0.001, ('spread', False): 0.0}
    """
    sorted_by_family = {key: np.sort(np.array(p)) for key, p in families.items() if len(p)}
    simes = {key: float(np.min(p * p.size / np.arange(1, p.size + 1))) for key, p in sorted_by_family.items()}
    selected = step_up(np.array(list(simes.values())), rate)
    share = sum(p <= selected for p in simes.values()) / max(1, len(simes))
    return {key: step_up(p, rate * share) if simes[key] <= selected else 0.0 for key, p in sorted_by_family.items()}


def step_up(p: np.ndarray, rate: float) -> float:
    """The largest p-value that Benjamini and Hochberg's step-up rejects (JRSS-B 57:289, 1995); 0 where none is."""
    ordered = np.sort(p)
    passed = np.flatnonzero(ordered <= rate * np.arange(1, p.size + 1) / max(1, p.size))
    return float(ordered[passed[-1]]) if passed.size else 0.0


def _judged(aspect: str, reading: Reading, page: Page, margin: float, level: float, rows: int) -> Judged:
    estimate, null = reading.estimate, reading.null
    if estimate is None:
        return Judged(aspect, reading, page, None, "not_applicable", None, reading.note)
    page = page.on_side_of(estimate, null)
    limit = page.limit(null, margin)
    if limit is None:
        return Judged(aspect, reading, page, None, "not_applicable", None, reading.note or "nothing says what human data show")
    if why := _unreachable(limit, page, reading):
        return Judged(aspect, reading, page, limit, "not_applicable", None, "; ".join(filter(None, (why, reading.note))))
    healthy = page.healthy_value(null)
    assert healthy is not None
    worse: Direction = "smaller" if page.worse == "smaller" else "larger"
    sign = 1.0 if worse == "smaller" else -1.0
    try:
        low, high = estimate.interval
    except NotApplicable as reason:
        return Judged(aspect, reading, page, limit, "cannot_tell", None, "; ".join(filter(None, (str(reason), reading.note))))
    best, worst = (high, low) if page.worse == "smaller" else (low, high)
    severe, to_change = _severities(estimate.value, best, limit, page, reading, worse)
    is_beyond, is_within = sign * (limit - best) > 0, sign * (worst - limit) >= 0
    if is_beyond and (null is None or null.p is None or null.p <= level):
        return Judged(
            aspect, reading, page, limit, "invented" if page.is_invention else "lost", severe, reading.note, to_change=to_change
        )
    if is_within:
        differs = null is not None and null.p is not None and 0 < null.p <= level
        words = f"differs detectably, by {difference(estimate.value, healthy, page)}" if differs else ""
        return Judged(
            aspect, reading, page, limit, "kept", severe, "; ".join(filter(None, (words, reading.note))), differs, to_change
        )
    if is_beyond and null is not None:
        why = _by_chance(null)
    else:
        why = _enough(estimate.value, best if sign * (limit - estimate.value) > 0 else worst, limit, page, rows)
    why = "; ".join(filter(None, (why, reading.note)))
    return Judged(aspect, reading, page, limit, "cannot_tell", severe, why, to_change=to_change)


def _severities(value: float, end: float, limit: float, page: Page, reading: Reading, worse: Direction) -> tuple[float, float]:
    """The share of records that would have to change, by the end of the interval that is nearest to the limit, and by the value itself."""
    if reading.change is not None:
        severities = (reading.about * reading.change(bound, limit) for bound in (end, value))
        return next(severities), next(severities)
    return severity(value, end, limit, page, reading.about, worse), records_to_change(value, limit, page, reading.about, worse)


def _unreachable(limit: float, page: Page, reading: Reading) -> str:
    """Why no value could lie beyond the limit; nothing where one could. Such a check would be kept whatever the data are."""
    lowest, highest = reading.range or page.values
    if (page.worse == "smaller" and limit > lowest) or (page.worse != "smaller" and limit < highest):
        return ""
    end = lowest if page.worse == "smaller" else highest
    return f"no loss beyond the margin of {limit:.3g} can show: the value cannot be {'below' if page.worse == 'smaller' else 'above'} {end:.3g} here"


def difference(value: float, healthy: float, page: Page) -> str:
    """How far a value is from what is healthy, in words: in percent of it for a ratio, in percentage points for a share.

    >>> from dataclasses import replace
    >>> ratio = pages_of_aspect("spread")["variance"]
    >>> difference(0.95, 1.0, ratio), difference(0.95, 0.96, replace(ratio, unit="fraction"))
    ('-5 %', '-1 percentage points')
    """
    if page.unit == "ratio" and healthy > 0:
        return f"{100 * (value / healthy - 1):+.2g} %"
    if page.unit == "fraction":
        return f"{100 * (value - healthy):+.2g} percentage points"
    return f"{value - healthy:+.2g}"


def _by_chance(null: Null) -> str:
    return f"beyond the margin, but among so many checks real against real shows as much (p = {null.p:.2g})"


def _enough(value: float, end: float, limit: float, page: Page, rows: int) -> str:
    """How many records would give a verdict, where that can be said."""
    needed = records_that_tell(value, end, limit, rows, page.margin_kind == "ratio")
    if needed is None:
        return "the interval crosses the margin, and the value is within a standard error of it: too near to say how many records would tell"
    return f"the interval crosses the margin; about {_written(needed)} records a side would tell"


def _written(number: float) -> str:
    return "more than 10¹²" if number >= MOST else f"{number:,.0f}"
