"""The measures of a loop and of an audit.

A measure reads evidence and yields readings. Each reading is an estimate with its interval and n. A measure may also yield records that it points at,
and reliability curves of predictions. If a number cannot be computed, its reading has a note with the reason. If no number can be computed, the
measure raises `NotApplicable`. A measure never says whether a value is bad: `audit` judges readings by the margins of their pages. `pages` describes
each reading. `needs` names the kinds of records that the measure reads. A new measure is one file and one entry in `MEASURES`. Reports and
definitions of collapse find its readings by the role on their page.

The contract of a measure:

- The same evidence and the same random stream give the same readings.
- `low <= value <= high`.
- If a page has a margin, every reading with a number has a null distribution.
- Insufficient evidence raises `NotApplicable`, never another error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np

from outcross import own_parts, own_source
from outcross.errors import BadInput, check_word
from outcross.estimate import Estimate, NotApplicable, Null, Reading
from outcross.measures.evidence import Evidence
from outcross.measures.pages import Page, Role
from outcross.recipe import Family, member
from outcross.statistics.portraits import Reliability
from outcross.statistics.sketches import Sketch

BEYOND = "_beyond_prompt"
"""The suffix in the name of a reading that leaves out the words of each text's own prompt."""

ASPECTS: Mapping[str, str] = {
    "spread": "Have the numbers moved, or do they vary less?",
    "tails": "Are rare things lost?",
    "groups": "Are groups of records lost or rarer?",
    "coverage": "Are parts of the human data no longer reached?",
    "copying": "Are the records new or copied?",
    "diversity": "Are there fewer different things?",
    "structure": "Are associations still there?",
    "use": "Do models learn as much from these data?",
    "text_quality": "Do the texts still read like human texts?",
    "risk": "Are models farther from the truth?",
}
"""The groups of measures. Each has the question that its measures answer together."""


@dataclass(frozen=True, eq=False)
class Pointed:
    """Records that a measure points at, such as human records with no synthetic record near them, or synthetic records that are copies."""

    side: Literal["synthetic", "reference"]
    rows: np.ndarray
    """The rows of that side's frame, (records,)."""
    values: np.ndarray
    """How far each record is from what is expected, (records,). Larger is worse."""
    why: str
    """The reason, such as "no synthetic record within 3 times the usual distance"."""


class Measure:
    """One kind of readings of synthetic data, with the page of each reading."""

    pages: ClassVar[Mapping[str, Page]]
    needs: ClassVar[tuple[str, ...]]
    """Kinds of records that the measure reads; one of them is enough. In a run: text, vectors, counts, groups, blobs, pairs, images. In an audit, and
    in a run of one chain: table."""
    aspect: ClassVar[str]
    """The group of measures that it belongs to (`ASPECTS`)."""
    by_default: ClassVar[bool] = True
    """Whether a run computes the measure if its experiment names no metrics. Measures that are slow over thousands of chains are off by default."""

    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy")
    """Third-party packages, by their names on the package index, whose versions affect the readings. Intervals use SciPy."""
    reads_words: ClassVar[bool] = False
    """Whether the measure splits columns of text into words. Texts without spaces need a library for that."""
    stream: ClassVar[str] = ""
    """The name of the measure's random stream in a run. Empty: the name of the measure. The name never changes, as the code of a page never does,
    because another name would change every random number of the measure."""

    def __init_subclass__(cls) -> None:
        if isinstance(aspect := vars(cls).get("aspect"), str) and not issubclass(cls, own_parts.Unimported):
            check_word(aspect, ASPECTS, f"aspect of {cls.__name__}")

    def sketches(self, evidence: Evidence) -> Mapping[str, Sketch]:
        """Return the sketches to fill with every row of both sides. The sketches of all measures are filled in one pass."""
        return {}

    def __call__(self, evidence: Evidence, rng: np.random.Generator) -> Iterable[Reading | Pointed | Reliability]:
        raise NotImplementedError

    def of_run(self, evidence: Evidence, rng: np.random.Generator) -> Iterable[Reading | Pointed | Reliability]:
        """Return the readings of a generation. Raises NotApplicable if the generation lacks the evidence that the measure needs."""
        return self(evidence, rng)


def check_readings(part: Measure, every: Iterable[Any]) -> None:
    """Check the results of a measure that the user wrote. Raises BadInput if one is not a reading, or is a reading without a page."""
    for reading in every if own_parts.is_own(type(part)) else ():
        place = own_source.place_of(type(part), "__call__")
        if not isinstance(reading, Reading | Pointed | Reliability):
            raise BadInput(f"{place} must yield readings, got {reading!r:.80}; write yield Reading(name, estimate, null)")
        if isinstance(reading, Reading) and reading.measure not in part.pages:
            raise BadInput(
                f"{place} yields the reading {reading.measure!r:.80}, which has no page; add it to pages, or yield one of {', '.join(part.pages)}"
            )
        if isinstance(reading, Reading) and not isinstance(reading.estimate, Estimate | None):
            raise BadInput(
                f"{place} yields {reading.measure} with the estimate {reading.estimate!r:.60}, which must be an Estimate or None; "
                "write without_interval(value, method, n) from outcross.estimate if it has no interval"
            )
        if isinstance(reading, Reading) and not isinstance(reading.null, Null | None):
            raise BadInput(f"{place} yields {reading.measure} with the null {reading.null!r:.60}, which must be a Null or None")


def read_with_null(
    measure: str,
    number: Callable[[], tuple[Estimate, Null | None]],
    *,
    at: str = "",
    column: str = "",
    group: str = "",
    note: str = "",
    about: float = 1.0,
    range: tuple[float, float] | None = None,
) -> Reading:
    """Return the reading of an estimate and its null distribution. If `number` raises NotApplicable, return a reading with that reason."""
    try:
        estimate, null = number()
    except NotApplicable as why:
        return unread(measure, str(why), at=at, column=column, group=group)
    return Reading(measure, estimate, null, at, column, group, note, about, range)


def unread(measure: str, why: str, *, at: str = "", column: str = "", group: str = "") -> Reading:
    """Return a reading without an estimate, with the reason as its note."""
    return Reading(measure, None, None, at, column, group, why)


MEASURES: Family = Family({
    "spread": "outcross.measures.spread:Spread",
    "location": "outcross.measures.location:Location",
    "tails": "outcross.measures.tails:Tails",
    "rare_words": "outcross.measures.rare_words:RareWords",
    "groups": "outcross.measures.groups:Groups",
    "category_shares": "outcross.measures.category_shares:CategoryShares",
    "coverage": "outcross.measures.coverage:Coverage",
    "regions": "outcross.measures.regions:Regions",
    "copying": "outcross.measures.copying:Copying",
    "verbatim_copies": "outcross.measures.verbatim_copies:VerbatimCopies",
    "prompt_copying": "outcross.measures.prompt_copying:PromptCopying",
    "training_copies": "outcross.measures.verbatim_copies:TrainingCopies",
    "diversity": "outcross.measures.diversity:Diversity",
    "repeated_texts": "outcross.measures.repeated_texts:RepeatedTexts",
    "lexical_diversity": "outcross.measures.lexical_diversity:LexicalDiversity",
    "structure": "outcross.measures.structure:Structure",
    "columns": "outcross.measures.columns:Columns",
    "use": "outcross.measures.use:Use",
    "text_quality": "outcross.measures.text_quality:TextQuality",
    "fitted_law": "outcross.measures.fitted_law:FittedLaw",
    "support": "outcross.measures.support:Support",
    "cells": "outcross.measures.cells:CellsMeasure",
    "answers": "outcross.measures.answers:AnswersMeasure",
    "sculpted": "outcross.measures.sculpted:SculptedMeasure",
    "fairness": "outcross.measures.fairness:FairnessMeasure",
    "representation": "outcross.measures.representation:Representation",
    "radioactivity": "outcross.measures.radioactivity:RadioactivityMeasure",
    "memory": "outcross.measures.memory:Memory",
    "held_out": "outcross.measures.held_out:HeldOut",
    "next_tokens": "outcross.measures.next_tokens:NextTokens",
    "generated_perplexity": "outcross.measures.likelihood:GeneratedPerplexity",
    "decoding": "outcross.measures.decoding:Decoding",
    "text_groups": "outcross.measures.text_groups:TextGroups",
    "taught_groups": "outcross.measures.taught_groups:TaughtGroups",
    "tail_mass": "outcross.measures.tail_mass:TailMass",
    "modes": "outcross.measures.modes:Modes",
    "neighbours": "outcross.measures.neighbours:Neighbours",
    "w1": "outcross.measures.distance:W1",
    "sliced_w2": "outcross.measures.distance:SlicedW2",
    "energy_distance": "outcross.measures.distance:EnergyDistance",
    "held_out_nats": "outcross.measures.held_out_nats:HeldOutNats",
    "latents": "outcross.measures.latents:Latents",
    "held_out_elbo": "outcross.measures.held_out_elbo:HeldOutElbo",
    "mixture_distance": "outcross.measures.mixture:MixtureDistance",
    "coefficient_error": "outcross.measures.regression:CoefficientError",
    "selection": "outcross.measures.selection:SelectionMeasure",
}, name="measures", protocol=Measure, page=Page)  # fmt: skip


def measure(name: str) -> type[Measure]:
    """Return the class of a measure. Raises BadInput with the nearest name if there is no such measure."""
    return member(MEASURES, name, "measure")


def askers(cls: type[Measure]) -> list[str]:
    """Return which commands can compute a measure. Every measure can be computed by a run. An audit computes the measures that read tables."""
    return ["audit"] * ("table" in cls.needs) + ["run"]


@cache
def audit_aspects() -> Mapping[str, tuple[str, ...]]:
    """Return the measures that an audit can compute, by aspect."""
    taken = [name for name in MEASURES if "audit" in askers(measure(name))]
    return {aspect: own for aspect in ASPECTS if (own := tuple(name for name in taken if measure(name).aspect == aspect))}


@cache
def pages_of_aspect(aspect: str) -> Mapping[str, Page]:
    """Return the pages of the readings of an audit in one aspect."""
    return {name: page for measure_name in audit_aspects()[aspect] for name, page in measure(measure_name).pages.items()}


def pages_of_runs() -> Mapping[str, Page]:
    """Return the page of every reading that a run may hold, including those of the user's own measures that were imported in this process."""
    return _pages_of_runs(tuple(MEASURES.of_users.values()))


def readings_of_users() -> frozenset[str]:
    """Return the readings that only the user's own measures give, which were imported in this process."""
    return frozenset(pages_of_runs()) - frozenset(_pages_of_runs(()))


@cache
def _pages_of_runs(of_users: tuple[type[Measure], ...]) -> Mapping[str, Page]:
    built_in = {
        name: page
        for measure_name in MEASURES
        if "run" in askers(measure(measure_name))
        for name, page in measure(measure_name).pages.items()
    }
    return {name: page for cls in of_users for name, page in dict(cls.pages).items()} | built_in


def standing_for(role: Role) -> tuple[str, ...]:
    """Return the readings of runs that may represent a role, in order of preference."""
    return _standing_for(role, tuple(MEASURES.of_users.values()))


@cache
def _standing_for(role: Role, of_users: tuple[type[Measure], ...]) -> tuple[str, ...]:
    ranked = [
        (page.preference, name)
        for name, page in _pages_of_runs(of_users).items()
        if page.role == role and page.preference is not None
    ]
    return tuple(name for _, name in sorted(ranked))


def leading() -> tuple[str, ...]:
    """Return the readings of runs that a report may open with, in order of preference."""
    return tuple(name for _, name in sorted((page.lead, name) for name, page in pages_of_runs().items() if page.lead is not None))


__all__ = [
    "ASPECTS", "BEYOND", "MEASURES", "Evidence", "Measure", "Page", "Pointed", "Role", "askers", "audit_aspects", "check_readings",
    "leading", "measure", "pages_of_aspect", "pages_of_runs", "read_with_null", "readings_of_users", "standing_for", "unread",
]  # fmt: skip
