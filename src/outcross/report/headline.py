"""The main result of a run in one or two sentences, made from the readings alone."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from outcross.experiment.teachers import TEACHER
from outcross.measures import BEYOND, leading, standing_for
from outcross.report.curves import Curve, CurvePoint, Measured
from outcross.report.differences import CurveDifference, over_time
from outcross.report.numerals import number, percent, times
from outcross.report.study import Page, Study
from outcross.wording import amount

BANDS = ("3-5 times", "2 times", "1 time", "6-10 times", "")
REFERENCE = "human_only"
WELL = 2.0  # a perplexity that rose by less than this factor looks well …
LOST = 0.5  # … but tails below this share of those in fresh human text count as lost


@dataclass(frozen=True)
class Change:
    """An arm at the first and at the last generation with a value."""

    arm: str
    first: CurvePoint
    last: CurvePoint
    difference: CurveDifference | None = None
    """The difference from the first to the last generation; None if it has no interval."""

    @property
    def generations(self) -> int:
        return self.last.generation - self.first.generation

    @property
    def ends(self) -> tuple[float, float]:
        assert self.first.value is not None and self.last.value is not None
        return self.first.value, self.last.value

    @property
    def last_over_first(self) -> float | None:
        """The ratio of the last value to the first, without an interval; None unless both are above 0."""
        start, end = self.ends
        return end / start if start > 0 and end > 0 else None

    @property
    def is_clear(self) -> bool | None:
        """Whether the interval of the difference excludes no change; None if there is no interval, so that it is unknown."""
        return None if self.difference is None else self.difference.is_clear

    @property
    def why_unclear(self) -> str:
        """Why a value has no interval, according to its method."""
        bare = [point.method for point in (self.first, self.last) if point.low is None and point.method]
        return bare[0] if bare else "no interval"


@dataclass(frozen=True)
class Tail:
    """The words of one frequency band that an arm's last generation still writes, as a share of those in fresh human text of the same size."""

    band: str
    kept: float
    measure: str = ""

    @property
    def is_lost(self) -> bool:
        return self.kept < LOST

    @property
    def aside(self) -> str:
        """A remark in brackets about words that are not counted; otherwise empty."""
        return " (not counting words of the own prompt on either side)" if self.measure.endswith(BEYOND) else ""


def tail_measure(curves: Sequence[Measured]) -> str:
    """The reading that represents the tails of text: the preferred one of those that were read."""
    names, known_measures = standing_for("tail"), {curve.measure for curve in curves}
    return next((name for name in names if name in known_measures), names[0])


def chief(curves: Sequence[Measured], closed_forms: Collection[tuple[str, str]] = ()) -> Measured | None:
    """The leading measure of the page: perplexity for text, spread for numbers, otherwise the first measure.

    For several teachers, it is the measure for which the largest number of arms has a closed form. `closed_forms` lists these by measure and arm.
    """
    whole = {curve.measure: curve for curve in curves if not curve.at}
    preferred = [whole[measure] for measure in leading() if measure in whole]
    if any(curve.at.startswith(TEACHER) for curve in curves):
        preferred.sort(key=lambda curve: -sum((curve.measure, arm) in closed_forms for arm in curve.curves))
    return next(iter(preferred), None) or next(iter(whole.values()), None) or next(iter(curves), None)


def chiefs(curves: Sequence[Measured], closed_forms: Collection[tuple[str, str]] = ()) -> list[Measured]:
    """The leading measure, and for arms that do not have it (in joined runs of different kinds) their own leading measures."""
    leads: list[Measured] = []
    covered: set[str] = set()
    while (main := chief([curve for curve in curves if not covered & set(curve.curves)], closed_forms)) is not None:
        leads.append(main)
        covered |= set(main.curves)
    return leads


def extremes(main: Measured, page: Page) -> tuple[str, str]:
    """The worst and the best arm. The human baseline is excluded if there are other arms."""
    changes = sorted((change(curve) for curve in main.curves.values()), key=lambda arm_change: _badness(arm_change, page))
    rivals = [arm_change for arm_change in changes if not is_baseline(arm_change.arm)] or changes
    return rivals[-1].arm, rivals[0].arm


def is_baseline(arm: str) -> bool:
    """Whether an arm is the human baseline: the same number of steps on human data alone."""
    return arm.split(": ")[-1].startswith(REFERENCE)


def change(curve: Curve, page: Page | None = None) -> Change:
    """The change of an arm. The difference is a ratio if the page has a logarithmic axis."""
    return Change(curve.arm, curve.known[0], curve.known[-1], over_time(curve, page is not None and page.log))


def tail_band(curves: Sequence[Measured]) -> Measured | None:
    """The survival of the words in the most informative frequency band."""
    bands = {curve.at: curve for curve in curves if curve.measure == tail_measure(curves)}
    return next((bands[name] for name in BANDS if name in bands), next(iter(bands.values()), None))


def tails(curves: Sequence[Measured]) -> dict[str, Tail]:
    """The tail of each arm at its last generation."""
    band = tail_band(curves)
    return {arm: _tail(band, curve) for arm, curve in band.curves.items()} if band else {}


def silence(study: Study) -> str:
    """The sentence of a page on which nothing could be measured."""
    why = next((reading.note for reading in study.readings if reading.note), "")
    return "No reading of this study could be computed" + (f": {why}." if why else ".")


def sentence(main: Measured, curves: Sequence[Measured], page: Page) -> str:
    """The change of a leading measure in words. The worst arm comes first, and significant changes come before those that may be chance."""
    changes = sorted(
        (change(curve, page) for curve in main.curves.values()),
        key=lambda arm_change: (arm_change.is_clear is False, -_badness(arm_change, page)),
    )
    title = _in_sentence(page.title) + (f" ({main.at})" if main.at else "")
    if not any(arm_change.generations for arm_change in changes):
        values = ", ".join(f"{_value(arm_change.ends[1], page)} ({arm_change.arm})" for arm_change in changes[:4])
        return f"One generation only, so nothing to compare yet: at generation {changes[0].last.generation} {title} was {values}."
    worst = changes[0]
    tail_words = _kept(tails(curves).get(worst.arm))
    opening = f"After {amount(worst.generations, 'generation')}, {worst.arm} {_moved(worst, title, page)}{tail_words}"
    others = _others(changes[1:], worst, page)
    return f"{opening}; {others}." if others else f"{opening}."


def warnings(curves: Sequence[Measured]) -> list[str]:
    """Sentences about arms whose perplexity hardly changed although their tails are lost. Several arms share one sentence."""
    perplexity = next((curve for curve in curves if curve.measure == "held_out_perplexity" and not curve.at), None)
    if perplexity is None:
        return []
    tails_by_arm = tails(curves)
    hidden = [
        (change(curve), tails_by_arm[arm])
        for arm, curve in perplexity.curves.items()
        if arm in tails_by_arm and tails_by_arm[arm].is_lost and _is_well(change(curve))
    ]
    return [_warning(*pair) for pair in hidden] if len(hidden) < 2 else [_warning_of_several(hidden)]


def words_of(band: str) -> str:
    """A frequency band in words.

    >>> words_of("1 time"), words_of("3-5 times")
    ('words seen once', 'words seen 3-5 times')
    """
    count = {"1 time": "once", "2 times": "twice", "": "rarely"}.get(band, band)
    return f"words seen {count}"


def _is_well(change: Change) -> bool:
    return change.generations > 0 and change.last_over_first is not None and change.last_over_first < WELL


def _warning(change: Change, tail: Tail) -> str:
    start, end = change.ends
    assert change.last_over_first is not None
    return (
        f"{change.arm} has a loss that perplexity does not show ({number(start, 3)} to {number(end, 3)}, {times(change.last_over_first)}): of the "
        f"{words_of(tail.band)} in human text it writes only {percent(tail.kept)} as many as fresh human text of the same size{tail.aside}."
    )


def _warning_of_several(hidden: Sequence[tuple[Change, Tail]]) -> str:
    """One warning for several arms."""
    tail = hidden[0][1]
    arms = [
        f"{arm_change.arm} ({number(arm_change.ends[0], 3)} to {number(arm_change.ends[1], 3)}; {percent(own.kept)})"
        for arm_change, own in hidden
    ]
    return (
        f"{', '.join(arms[:-1])} and {arms[-1]} have a loss that perplexity does not show: rare words are gone. In brackets: perplexity at the first and at the last "
        f"generation, and how many of the {words_of(tail.band)} in human text the last generation writes, as a share of what fresh human text of the same size holds{tail.aside}."
    )


def _tail(band: Measured, curve: Curve) -> Tail:
    value = curve.known[-1].value
    assert value is not None
    return Tail(band.at, value, band.measure)


def _badness(change: Change, page: Page) -> float:
    start, end = change.ends
    moved = math.log(change.last_over_first) if change.last_over_first and page.log else end - start
    if page.worse in (None, "either"):
        return abs(moved)
    return moved if page.worse == "larger" else -moved


def _moved(change: Change, title: str, page: Page) -> str:
    start, end = change.ends
    if change.is_clear is None:
        ends = f"from {_value(start, page)} to {_value(end, page)}{_times(change, page)}"
        return f"changed {title} {ends} ({change.why_unclear}, so it may be chance)"
    if not change.is_clear:
        assert change.difference is not None
        what, nothing = ("ratio", 1) if change.difference.is_ratio else ("difference", 0)
        return (
            f"shows no clear change of {title}: {_value(start, page)} at the start, {_value(end, page)} at the end; the 95 % interval of the {what}, "
            f"{change.difference.words}, includes {nothing}"
        )
    verb = "raised" if end > start else "lowered"
    return f"{verb} {title} from {_value(start, page)} to {_value(end, page)}{_times(change, page)}"


def _others(changes: Sequence[Change], worst: Change, page: Page) -> str:
    """The ends of the best arm, and of the human baseline if there is one, in words."""
    comparable = [change for change in changes if change.generations == worst.generations]
    baseline = [change for change in comparable if is_baseline(change.arm)][:1]
    best = [change for change in comparable if change not in baseline][-1:]
    return ", ".join(f"{change.arm} ended at {_value(change.ends[1], page)}{_times(change, page)}" for change in (*best, *baseline))


def _kept(tail: Tail | None) -> str:
    if tail is None:
        return ""
    return f" and kept {percent(tail.kept)} of the {words_of(tail.band)} that fresh human text of the same size holds{tail.aside}"


def _times(change: Change, page: Page) -> str:
    """The ratio of the last value to the first in words, for measures that are compared by ratios."""
    return f" ({times(change.last_over_first)})" if change.last_over_first and page.log else ""


def _value(value: float, page: Page) -> str:
    return percent(value) if page.unit == "fraction" else number(value, 3)


def _in_sentence(title: str) -> str:
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
