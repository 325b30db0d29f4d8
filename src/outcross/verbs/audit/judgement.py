"""The verdicts of an audit: readings are compared with their margins, and false alarms are controlled over all checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from outcross.estimate import NotApplicable, Null, Reading
from outcross.measures import Page, pages_of_aspect
from outcross.measures.severity import Direction, severity
from outcross.verbs.audit.enough import MOST, records_for_a_verdict

NOTE = 500
"""Maximum number of characters of a note."""
Verdict = Literal["lost", "invented", "kept", "cannot_tell", "not_applicable"]


@dataclass(frozen=True)
class Judged:
    """A reading with its verdict."""

    aspect: str
    reading: Reading
    page: Page
    limit: float | None
    """The tolerance as a value. A check whose interval lies wholly beyond it is a loss."""
    verdict: Verdict
    severity: float | None
    """Lower confidence bound of the share of records that would have to change to bring the check inside its tolerance, in [0, 1]. None without an
    interval."""
    why: str
    differs: bool = False
    """Whether a kept check differs detectably from the healthy value: its p-value is a discovery, but its interval lies within the tolerance."""
    to_change: float | None = None
    """The share of records that would have to change if the value were exact. `severity` is its lower bound. None without an interval."""


def judge(
    readings: Mapping[str, Sequence[Reading]], margins: Mapping[str, float], rate: float, rows: int, reference_rows: int
) -> list[Judged]:
    """Return a verdict for every reading.

    A verdict is an equivalence test (Wellek, Testing Statistical Hypotheses of Equivalence, 2010): it compares the interval with the tolerance, that
    is, the margin. A small p alone does not make a loss, and a large p alone does not make a check kept.

    - `kept`: the whole interval is within the tolerance, whatever p is. If p is a discovery, `why` gives the size of the difference.
    - `lost`: the whole interval is beyond the tolerance, and p, if there is one, is a discovery: real data compared with real data are as bad so
      rarely that chance among this many checks does not explain it.
    - `invented`: as `lost`, for checks of what human data do not have.
    - `cannot_tell`: neither. `why` gives the number of records that would be enough, or the reason why there is no interval.

    Discoveries are controlled over all checks. The losses and the inventions of each aspect are a family. A family is selected if Simes' p-value of
    its checks passes the step of Benjamini and Hochberg among the families. Its checks are then tested at the rate times the share of selected
    families (Benjamini and Bogomolov, JRSS-B 76:297, 2014: the expected share of false discoveries, averaged over the selected families, stays
    below the rate).
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
    """Yield the families of checks that are controlled together: the losses and the inventions of each aspect."""
    for aspect, of_aspect in readings.items():
        pages = pages_of_aspect(aspect)
        for is_invention in (False, True):
            yield (aspect, is_invention), [reading for reading in of_aspect if pages[reading.measure].is_invention == is_invention]


def discoveries(families: Mapping[tuple[str, bool], Sequence[float]], rate: float) -> dict[tuple[str, bool], float]:
    """Return the largest p-value that is a discovery in each family. It is 0 if there is none.

    >>> discoveries({("tails", False): [0.001, 0.4], ("spread", False): [0.3, 0.6]}, 0.05)
    {('tails', False): 0.001, ('spread', False): 0.0}
    """
    sorted_by_family = {key: np.sort(np.array(p)) for key, p in families.items() if len(p)}
    simes = {key: float(np.min(p * p.size / np.arange(1, p.size + 1))) for key, p in sorted_by_family.items()}
    selected = step_up(np.array(list(simes.values())), rate)
    share = sum(p <= selected for p in simes.values()) / max(1, len(simes))
    return {key: step_up(p, rate * share) if simes[key] <= selected else 0.0 for key, p in sorted_by_family.items()}


def step_up(p: np.ndarray, rate: float) -> float:
    """Return the largest p-value that the step-up procedure of Benjamini and Hochberg rejects (JRSS-B 57:289, 1995). It is 0 if there is none."""
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
        return Judged(
            aspect, reading, page, None, "not_applicable", None, reading.note or "there is no human value to compare with"
        )
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
    """Return the share of records that would have to change, for the end of the interval closest to the limit and for the value itself."""
    if reading.change is not None:
        severities = (reading.about * reading.change(bound, limit) for bound in (end, value))
        return next(severities), next(severities)
    at_end, at_value = (severity(value, bound, limit, page, reading.about, worse) for bound in (end, value))
    return at_end, at_value


def _unreachable(limit: float, page: Page, reading: Reading) -> str:
    """Return the reason why no value can lie beyond the limit, or an empty text. Such a check would be kept for any data."""
    lowest, highest = reading.range or page.values
    if (page.worse == "smaller" and limit > lowest) or (page.worse != "smaller" and limit < highest):
        return ""
    end = lowest if page.worse == "smaller" else highest
    return f"a loss beyond the margin of {limit:.3g} is impossible, because the value cannot be {'below' if page.worse == 'smaller' else 'above'} {end:.3g} here"


def difference(value: float, healthy: float, page: Page) -> str:
    """Return the difference of a value from the healthy value in words: in percent of it for a ratio, in percentage points for a share.

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
    return f"beyond the margin, but among so many checks real data differ as much from real data by chance (p = {null.p:.2g})"


def _enough(value: float, end: float, limit: float, page: Page, rows: int) -> str:
    """Return a sentence with the number of records that would give a verdict, if it can be estimated."""
    needed = records_for_a_verdict(value, end, limit, rows, page.margin_kind == "ratio")
    if needed is None:
        return "the interval crosses the margin, and the value is within one standard error of it, so the number of records for a verdict cannot be estimated"
    return f"the interval crosses the margin; about {_written(needed)} records on each side would give a verdict"


def _written(number: float) -> str:
    return "more than 10¹²" if number >= MOST else f"{number:,.0f}"
