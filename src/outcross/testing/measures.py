"""The promises of measures."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, get_args

import numpy as np

from outcross.data import HUMAN, Human, part_of
from outcross.data.records import Vectors
from outcross.estimate import Estimate, NotApplicable, Reading
from outcross.measures import ASPECTS, MEASURES, Evidence, Page, Pointed, Role, askers, measure
from outcross.statistics.portraits import Reliability
from outcross.testing.evidence import KINDS, evidence_for, is_as_made, of_kind
from outcross.testing.promises import Broken, promise, require

STREAM = 7


def readings_of(part: Any, evidence: Evidence, is_enough: bool = True) -> list[Reading]:
    """The readings of a measure. None if it refuses insufficient evidence with a reason, which `is_enough` set to false allows."""
    try:
        every = list(part(evidence, np.random.default_rng(STREAM)))
    except NotApplicable as why:
        require(str(why), "it refuses evidence with NotApplicable and no reason", "__call__")
        if is_enough:
            raise Broken(f"it refuses evidence that it says it can read: {why}", "__call__") from None
        return []
    wrong = next((answer for answer in every if not isinstance(answer, Reading | Pointed | Reliability)), None)
    require(wrong is None, f"it must yield readings, got {wrong!r:.60}; write yield Reading(name, estimate, null)", "__call__")
    return [answer for answer in every if isinstance(answer, Reading)]


@lru_cache(maxsize=2)
def _first_readings(part: _Same) -> list[Reading]:
    return readings_of(part.value, evidence_for(part.value))


class _Same:
    """The key of the cache of readings: a part, compared by identity and not by value."""

    def __init__(self, value: Any):
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value


def first_readings(part: Any) -> list[Reading]:
    """The readings that a measure gives for evidence that it can read. They are cached."""
    return _first_readings(_Same(part))


def values(readings: list[Reading]) -> dict[tuple[str, str, str, str], float | None]:
    """The values of readings by measure, place, column and group."""
    return {
        (reading.measure, reading.at, reading.column, reading.group): reading.estimate and reading.estimate.value
        for reading in readings
    }


@promise("Its pages are complete, and its readings have names and codes that no other measure uses.")
def has_pages(part: Any) -> None:
    cls = type(part)
    require(cls.aspect in ASPECTS, f"aspect must be one of {', '.join(ASPECTS)}, got {cls.aspect!r}")
    require(
        isinstance(cls.needs, tuple) and set(cls.needs) & set(KINDS),
        f"needs must name kinds of records ({', '.join(KINDS)}) as a tuple, got {cls.needs!r:.60}",
    )
    require(cls.pages and askers(cls), "it has no pages")
    others = [measure(name) for name in MEASURES if measure(name) is not cls]
    names = {name for other in others for name in other.pages}
    codes = {page.code for other in others for page in other.pages.values()}
    for name, page in cls.pages.items():
        require(isinstance(page, Page), f"the page of {name} must be a Page, got {page!r:.60}")
        lacking = [
            what
            for what in ("code", "title", "definition", "unit", "healthy_words", "collapsed", "paper")
            if not getattr(page, what)
        ]
        require(not lacking, f"the page of {name} has no {', '.join(lacking)}")
        require(page.role in get_args(Role), f"the role of {name} must be one of {', '.join(get_args(Role))}, got {page.role!r}")
        require(page.margin is None or page.worse is not None, f"{name} has a margin but does not say which direction is worse")
        require(
            name not in names and page.code not in codes,
            f"a built-in reading already has the name {name} or the code {page.code}",
        )


@promise("The same evidence and stream give the same readings, each place once, and at least one of them is a number.")
def reads_the_same(part: Any) -> None:
    evidence = evidence_for(part)
    readings, again = first_readings(part), readings_of(part, evidence)
    require(readings, "it yields no reading for evidence that it says it can read", "__call__")
    require(repr(readings) == repr(again), "the same stream gave other readings; draw from the rng that you are given", "__call__")
    require(
        len(values(readings)) == len(readings), "it yields two readings for one place; give them different values of at", "__call__"
    )
    require(
        any(reading.estimate is not None for reading in readings),
        f"none of its readings is a number: {readings[0].note}",
        "__call__",
    )


@promise("A reading has a page, an interval that contains its value (or a reason why there is none), and is never NaN.")
def readings_are_whole(part: Any) -> None:
    for first_reading in first_readings(part):
        require(first_reading.measure in type(part).pages, f"the reading {first_reading.measure} has no page", "__call__")
        if first_reading.estimate is None:
            require(first_reading.note, f"{first_reading.measure} has no number and no reason", "__call__")
            continue
        if not isinstance(first_reading.estimate, Estimate):
            raise Broken(f"{first_reading.measure} must be an Estimate, got {first_reading.estimate!r:.60}", "__call__")
        require(
            not math.isnan(first_reading.estimate.value),
            f"{first_reading.measure} is NaN; raise NotApplicable with the reason if there is no number",
            "__call__",
        )
        require(
            first_reading.estimate.method and first_reading.estimate.n > 0,
            f"{first_reading.measure} has an estimate without a method or without an n",
            "__call__",
        )
        if first_reading.estimate.low is not None:
            low, high = first_reading.estimate.interval
            require(
                low <= first_reading.estimate.value <= high,
                f"{first_reading.measure} is {first_reading.estimate.value:g}, outside its interval [{low:g}, {high:g}]",
                "__call__",
            )


@promise("A reading that is judged has a null distribution with a p-value.")
def judged_has_a_null(part: Any) -> None:
    if not any(page.margin for page in type(part).pages.values()):
        return
    judged = [first_reading for first_reading in first_readings(part) if first_reading.estimate is not None]
    require(judged, "it has a margin and no number", "__call__")
    for reading in judged:
        require(reading.null is not None and reading.null.method, f"{reading.measure} has a margin and no null", "__call__")
        assert reading.null is not None
        require(
            reading.null.p is not None and 0 < reading.null.p <= 1 and reading.null.floor is not None,
            f"the null of {reading.measure} has no p-value in (0, 1], or no floor",
            "__call__",
        )


@promise("It refuses insufficient evidence with NotApplicable and a reason, and with no other error.")
def refuses_in_words(part: Any) -> None:
    for missing in ("everything", "reference", "human", "model"):
        evidence = Evidence() if missing == "everything" else evidence_for(part).but(**{missing: None})
        try:
            readings = readings_of(part, evidence, is_enough=False)
        except Broken:
            raise
        except Exception as error:
            raise Broken(f"without {missing} it raises {type(error).__name__}: {error}", "__call__") from None
        require(
            missing != "everything" or all(reading.estimate is None for reading in readings),
            "it gives a number without any evidence",
            "__call__",
        )


@promise("It changes no evidence.")
def changes_no_evidence(part: Any) -> None:
    evidence = evidence_for(part)
    if "table" in part.needs:
        return  # tables cannot be changed
    readings_of(part, evidence)
    require(is_as_made(evidence), "it changes the records that it reads", "__call__")


APART = 50.0
"""Distance between the points of the two chains. Each chain is about 5 wide."""


@promise("It reads each chain of vectors separately: the value of two chains together lies between their separate values.")
def reads_each_chain(part: Any) -> None:
    if "vectors" not in part.needs:
        return
    truth = of_kind("vectors").human.truth
    points, people = (np.random.default_rng(seed).standard_normal((60, 2)) for seed in (1, 2))
    pair = np.stack([points, points + APART])
    of_two = _numbers(part, _of_vectors(pair, np.stack([people, people]), truth), STREAM)
    alone = [_numbers(part, _of_vectors(chain, people, truth), seed) for chain in pair for seed in range(STREAM, STREAM + 4)]
    for place, value in of_two.items():
        first, second = (np.array([numbers[place] for numbers in each if place in numbers]) for each in (alone[:4], alone[4:]))
        if not len(first) or not len(second):
            continue
        ends = sorted([first.mean(), second.mean()])
        chance = 4 * (np.ptp(first) + np.ptp(second)) + 1e-6 * (1 + abs(ends[0]) + abs(ends[1]))
        is_between = ends[0] - chance <= value <= ends[1] + chance
        is_one_end = ends[1] - ends[0] > 4 * chance and min(value - ends[0], ends[1] - value) <= chance
        require(
            is_between and not is_one_end,
            f"{place[0]} of two chains together is {value:.6g}, and {first.mean():.6g} and {second.mean():.6g} of each alone; the array is (chains…, n, d): "
            "read along the axes -2 and -1, and take the mean over chains (outcross.estimate.over_chains)",
            "__call__",
        )


def _of_vectors(drawn: np.ndarray, people: np.ndarray, truth: Any) -> Evidence:
    """Evidence that consists of points, without a model."""
    chains = drawn.shape[:-2]
    training, records = part_of(HUMAN, Vectors(people), "human"), Vectors(drawn)
    return Evidence(drawn=records, kept=records, human=Human(training=training, truth=truth, chains=chains))


def _numbers(part: Any, evidence: Evidence, seed: int) -> dict[tuple[str, str, str, str], float]:
    """The numbers that a measure reads, by place. Empty if the evidence is insufficient."""
    try:
        every = [answer for answer in part(evidence, np.random.default_rng(seed)) if isinstance(answer, Reading)]
    except NotApplicable:
        return {}
    return {place: value for place, value in values(every).items() if value is not None}


def outcome(part: Any) -> str:
    """The readings of a measure, to be compared with those in another process."""
    return repr(readings_of(part, evidence_for(part)))


PROMISES = (
    has_pages,
    reads_the_same,
    readings_are_whole,
    judged_has_a_null,
    refuses_in_words,
    changes_no_evidence,
    reads_each_chain,
)
