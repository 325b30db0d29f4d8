"""`Study`: one frozen value with everything that a report shows, independent of its source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from outcross.collapse.slopes import Slope
from outcross.errors import BadInput
from outcross.measures import Page


@dataclass(frozen=True)
class ShownReading:
    """One number of one generation of one arm, or the reason why it could not be computed.

    `value` is None if the measure does not apply; `note` then gives the reason. `is_floor` marks the reading of a fresh human sample of the
    same size for the same measure and place.
    """

    arm: str
    generation: int
    measure: str
    value: float | None
    low: float | None = None
    high: float | None = None
    method: str = ""
    n: int | None = None
    at: str = ""
    seed: int = 0
    note: str = ""
    is_floor: bool = False


@dataclass(frozen=True)
class ShownSample:
    """The continuation of one prompt by one generation."""

    arm: str
    generation: int
    prompt_id: int
    prompt: str
    text: str
    seed: int = 0


@dataclass(frozen=True, eq=False)
class ShownPictures:
    """Pictures that one generation decodes from the latents that all generations share, or human pictures."""

    arm: str
    generation: int
    pixels: np.ndarray  # (pictures, height, width) of bytes, 255 is white
    is_human: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Law:
    """The value that a closed form gives for one generation of one arm."""

    arm: str
    generation: int
    measure: str
    value: float
    name: str = ""
    """The name of the closed form in `outcross list laws`."""
    citation: str = ""


@dataclass(frozen=True)
class ShownAnswer:
    """Whether one definition of collapse holds for an arm: yes, no, cannot_tell or not_applicable.

    `when` is the generation at which the answer first holds. The definitions `early collapse` and `late collapse` are shown separately from the
    eight of Schaeffer et al. (arXiv 2503.03150).
    """

    arm: str
    definition: str
    answer: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    when: int | None = None
    seed: int = 0
    note: str = ""


@dataclass(frozen=True)
class PolicyPage:
    """The policy of an arm in one line, and its paper."""

    description: str
    paper: str = ""
    teachers: str = ""
    """The shares and the reading of several teachers in words; empty if there is one model."""


@dataclass(frozen=True)
class Making:
    """The experiment, the environment and the command of one run."""

    name: str
    experiment: str = ""  # YAML, resolved
    environment: str = ""
    steps: int | None = None
    command: str = ""


@dataclass(frozen=True)
class Chooser:
    """An arm that trains on the choice of a detector, and the arms with which it is compared: a random choice of the same size, and that of an oracle."""

    arm: str
    random: str
    oracle: str


@dataclass(frozen=True)
class Study:
    """Everything that a page shows. The order of `arms` determines their colours. The keys of `policies` are arms."""

    name: str
    arms: tuple[str, ...]
    readings: tuple[ShownReading, ...] = ()
    samples: tuple[ShownSample, ...] = ()
    laws: tuple[Law, ...] = ()
    profile: tuple[ShownAnswer, ...] = ()
    pages: Mapping[str, Page] = field(default_factory=dict)
    policies: Mapping[str, PolicyPage] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences that the page shows before the numbers."""
    runs: tuple[Making, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The settings of each arm, by dotted key."""
    pictures: tuple[ShownPictures, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """The value of the swept error above which the reading of an arm is below 0 according to theory, by arm."""
    slopes: tuple[Slope, ...] = ()
    """Slopes of the speed of collapse against the numbers in which arms differ."""
    choosers: tuple[Chooser, ...] = ()
    """Arms in which a detector selects records whose authors are unknown."""

    @property
    def closed_forms(self) -> frozenset[tuple[str, str]]:
        """The measures and arms that have a closed form."""
        return frozenset((law.measure, law.arm) for law in self.laws)


Row = TypeVar("Row", ShownReading, ShownSample, ShownPictures, Law, ShownAnswer)


def join(studies: Sequence[Study]) -> Study:
    """Join several studies into one. The name of each arm begins with the name of its study.

    >>> join([Study("a", ("replace",)), Study("b", ("replace",))]).arms
    ('a: replace', 'b: replace')
    """
    if not studies:
        raise BadInput("join needs at least one study, got none; name a run folder")
    if len(studies) == 1:
        return studies[0]
    named = [_prefixed(study, name) for study, name in zip(studies, _distinct(studies), strict=True)]
    return Study(
        name=" and ".join(study.name for study in named),
        arms=tuple(arm for study in named for arm in study.arms),
        readings=tuple(reading for study in named for reading in study.readings),
        samples=tuple(sample for study in named for sample in study.samples),
        pictures=tuple(pictures for study in named for pictures in study.pictures),
        laws=tuple(law for study in named for law in study.laws),
        profile=tuple(answer for study in named for answer in study.profile),
        pages={measure: page for study in named for measure, page in study.pages.items()},
        policies={arm: page for study in named for arm, page in study.policies.items()},
        limits=tuple(dict.fromkeys(limit for study in named for limit in study.limits)),
        notes=tuple(dict.fromkeys(note for study in named for note in study.notes)),
        runs=tuple(run for study in named for run in study.runs),
        settings={arm: {"run": study.name, **choices} for study in named for arm, choices in study.settings.items()},
        thresholds={arm: value for study in named for arm, value in study.thresholds.items()},
        slopes=tuple(slope for study in named for slope in study.slopes),
        choosers=tuple(chooser for study in named for chooser in study.choosers),
    )


def _distinct(studies: Iterable[Study]) -> list[str]:
    names: list[str] = []
    for study in studies:
        name, copy = study.name, 2
        while name in names:
            name, copy = f"{study.name} ({copy})", copy + 1
        names.append(name)
    return names


def _prefixed(study: Study, name: str) -> Study:
    def under(arm: str) -> str:
        return f"{name}: {arm}"

    def rename(rows: tuple[Row, ...]) -> tuple[Row, ...]:
        return tuple(replace(row, arm=under(row.arm)) for row in rows)

    return replace(
        study,
        name=name,
        arms=tuple(under(arm) for arm in study.arms),
        readings=rename(study.readings),
        samples=rename(study.samples),
        pictures=rename(study.pictures),
        laws=rename(study.laws),
        profile=rename(study.profile),
        policies={under(arm): page for arm, page in study.policies.items()},
        settings={under(arm): choices for arm, choices in study.settings.items()},
        thresholds={under(arm): value for arm, value in study.thresholds.items()},
        slopes=tuple(_slope_under(slope, name, under) for slope in study.slopes),
        choosers=tuple(Chooser(under(own.arm), under(own.random), under(own.oracle)) for own in study.choosers),
    )


def _slope_under(slope: Slope, name: str, under: Callable[[str], str]) -> Slope:
    points = tuple(replace(point, arm=under(point.arm)) for point in slope.points)
    return replace(slope, among=f"{name}: {slope.among}".removesuffix(": "), points=points)
