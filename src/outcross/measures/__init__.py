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

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from outcross import own_parts, own_source
from outcross.data import Human, Part, Pool, Training
from outcross.data.records import Blocks
from outcross.data.tables import Absent, Table
from outcross.errors import BadInput, check_word
from outcross.estimate import Estimate, NotApplicable, Null, Reading
from outcross.recipe import Family, member
from outcross.statistics.floors import Worse
from outcross.statistics.portraits import Reliability
from outcross.statistics.sketches import Sketch

BEYOND = "_beyond_prompt"
"""The suffix in the name of a reading that leaves out the words of each text's own prompt."""

Role = Literal[
    "risk", "spread", "tail", "modes", "support", "diversity", "copying", "groups", "structure", "use", "quality", "invention", "decoding"
]  # fmt: skip
"""The subject of a reading. Definitions of collapse, slopes and reports find readings by it.

risk: how much worse the model predicts or estimates; spread: how much the data vary; tail: how much of the tails and of rare things is left;
modes: how many separate things (groups, modes, states) are left; support: how much of the human data is still reached; diversity: how many different
things there are; copying: how much is copied; groups: how groups of records fare; structure: how values go together; use: how well models
trained on the data predict; quality: how close single records are to human records; invention: how much occurs in no human data;
decoding: how much the way of sampling loses."""

MarginKind = Literal["ratio", "difference"]
Change = Literal["mass", "variance", "scale", "association"]

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


@dataclass(frozen=True)
class Page:
    """The description of one reading: its definition, unit, healthy and collapsed values, tolerance and source."""

    code: str
    """A short code that never changes, such as TA1."""
    title: str
    definition: str
    unit: str
    """The unit: ratio, fraction (in [0, 1], shown in percent), nats, words …"""
    healthy: float | str
    """The value if nothing is lost: a number, or words if it depends on the data. In that case the typical value of the null distribution is the
    number."""
    collapsed: str
    """The value or the direction that the reading moves to as data collapse."""
    role: Role
    paper: str
    worse: Worse | Literal["either"] | None = None
    """The direction that is worse. "either": there is a tolerance on both sides of the healthy value. None: neither direction is worse by itself."""
    margin: float | None = None
    """The tolerance: a factor of the healthy value (`margin_kind` is "ratio"), or a distance from it (`margin_kind` is "difference").
    None if the reading is not judged."""
    margin_kind: MarginKind = "ratio"
    range: tuple[float, float] | None = None
    """The smallest and the largest possible value. None: the unit decides (`values`)."""
    change: Change = "mass"
    """The rule that turns a value beyond the tolerance into a share of records that would have to change (`measures.severity`)."""
    is_invention: bool = False
    """Whether the reading finds things that human data do not have, rather than a loss."""
    log: bool = False
    """Whether the reading is drawn on a logarithmic axis."""
    preference: int | None = None
    """Rank among the readings of its role when one reading represents the role, 1 first. None if it never does."""
    records: tuple[int, str] | None = None
    """Records per side at which a loss of exactly the margin is detected (two-sided at 5 %) in 90 % of sets, and the law that this holds for. None if
    this number is not known."""
    lead: int | None = None
    """Rank among the readings that a report may open with, 1 first. None if no report opens with it."""

    def __post_init__(self) -> None:
        known = {
            "role": get_args(Role),
            "worse": (*get_args(Worse), "either", None),
            "margin_kind": get_args(MarginKind),
            "change": get_args(Change),
        }
        for name, allowed in known.items():
            check_word(getattr(self, name), allowed, f"{name} of the page {self.title!r:.80}")

    def healthy_value(self, null: Null | None) -> float | None:
        """Return the healthy value as a number: that of the page, else the typical value of the null. None if there is neither."""
        if not isinstance(self.healthy, str):
            return self.healthy
        return null.typical if null else None

    @property
    def healthy_words(self) -> str:
        """The healthy value as text."""
        return self.healthy if isinstance(self.healthy, str) else f"{self.healthy:g}"

    @property
    def values(self) -> tuple[float, float]:
        """The smallest and the largest possible value. Unless the page has a range, a ratio is at least 0 and a fraction lies in [0, 1]."""
        if self.range is not None:
            return self.range
        return {"ratio": (0.0, math.inf), "fraction": (0.0, 1.0)}.get(self.unit, (-math.inf, math.inf))

    @property
    def values_in_words(self) -> str:
        """The range of possible values as text."""
        smallest, largest = self.values
        if math.isinf(smallest) and math.isinf(largest):
            return "any number"
        return f"{smallest:g} to {largest:g}" if math.isfinite(largest) else f"{smallest:g} or more"

    def on_side_of(self, estimate: Estimate, null: Null | None) -> Page:
        """Return the page by which an estimate is judged. If either direction is worse, it is the page for the side on which the interval reaches
        farther.

        An interval that is within the tolerance on that side is also within the tolerance on the other side. An interval that is wholly beyond a
        tolerance is beyond it on that side.
        """
        healthy = self.healthy_value(null)
        if self.worse != "either" or healthy is None:
            return self
        low, high = (estimate.value if end is None else end for end in (estimate.low, estimate.high))
        reaches_up = high - healthy >= healthy - low if self.margin_kind == "difference" else high * low >= healthy**2
        return replace(self, worse="larger" if reaches_up else "smaller")

    def limit(self, null: Null | None, margin: float) -> float | None:
        """Return the tolerance as a value. A check reports a loss beyond it. None if the healthy value is not known."""
        healthy = self.healthy_value(null)
        if healthy is None:
            return None
        if self.margin_kind == "ratio":
            return healthy * (margin if self.worse == "smaller" else 1 / margin)
        return healthy - margin if self.worse == "smaller" else healthy + margin


class Evidence:
    """The data that a measure may read: the results of one generation of a loop, or the tables of an audit.

    Keywords are the names of the properties. `drawn`, `kept`, `rejected`, `reference` and `holdout` are given as records, or as parts that
    load on first use; `training` is given as a training set. They are read as records: text blocks, vectors, counts, or a table.
    Reading a property that was not given raises NotApplicable with the reason.
    """

    def __init__(self, **given: Any):
        assert given.keys() <= _WHAT.keys(), given.keys() - _WHAT.keys()
        self._given = {name: value for name, value in given.items() if value is not None}

    def but(self, **changes: Any) -> Evidence:
        """Return the same evidence with some properties replaced. None removes a property."""
        return Evidence(**{**self._given, **changes})

    @property
    def drawn(self) -> Any:
        """The records that a model wrote: those of this generation, or the audited data."""
        return self._records("drawn")

    @property
    def kept(self) -> Any:
        """The drawn records that the filters kept."""
        return self._records("kept")

    @property
    def rejected(self) -> Any:
        """The drawn records that the filters rejected."""
        return self._records("rejected")

    @property
    def decoding(self) -> str | None:
        """The sampling settings of the records, as canonical JSON of the Draw. None if they are not known."""
        drawn = self._known("drawn")
        return drawn.origin.decoding if isinstance(drawn, Part) else None

    @property
    def training(self) -> Any:
        """The training set of this generation's model."""
        return self._records("training")

    @property
    def mixed(self) -> Any:
        """The training set as the policy mixed it, before filters selected from it."""
        return self._records("mixed")

    @property
    def human_shares(self) -> tuple[float, float]:
        """The human share of the training set before and after the filters. Raises NotApplicable if the origin of a record is unknown."""
        before, after = (self._known(name).pool.human_share for name in ("mixed", "training"))
        return before, after

    @property
    def human(self) -> Human:
        """The human data of a run, with the true distribution if it is known."""
        return self._known("human")

    @property
    def reference(self) -> Any:
        """Human records to compare with: in a run those of held-out documents, in an audit the reference."""
        return self._of_human("reference")

    @property
    def holdout(self) -> Any:
        """Further human records that no model saw. In a run they are as many as the training records and are drawn in the same way."""
        return self._of_human("holdout")

    @property
    def model(self) -> Any:
        """The model of this generation."""
        return self._known("model")

    @property
    def first_model(self) -> Any:
        """The model of generation 0, fitted on human data."""
        return self._known("first_model")

    @property
    def prompts(self) -> Any:
        """The prompts that the model continued, if they are not human training blocks.

        Record i was written after prompt i, modulo the number of prompts.
        """
        return self._records("prompts")

    @property
    def beside_prompts(self) -> Evidence:
        """Tables in which each text has the prompt that it was written after. They may hold other records than the tables without prompts."""
        return self._known("beside_prompts")()

    @property
    def human_side(self) -> str:
        """A description of the human texts that have prompts, for notes."""
        return self._given.get("human_side", "human text after its own prompts")

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the columns that hold the group of each record. Empty if none were named."""
        return self._given.get("groups", ())

    @property
    def target(self) -> str:
        """The target column of prediction tasks."""
        return self._known("target")

    @property
    def absent(self) -> tuple[Absent, ...]:
        """Columns of the human data that the drawn records lack. Empty if the columns were not compared."""
        return self._given.get("absent", ())

    @property
    def over_cap(self) -> Evidence:
        """Tables of the columns beyond the cap, which are too many to be examined one by one."""
        return self._known("over_cap")

    @property
    def counted(self) -> Mapping[str, tuple[Any, Any]]:
        """The counts over every row: the name of each sketch (`Measure.sketches`) with its results for (drawn, reference)."""
        return _Counted(self._given.get("counted", {}))

    def has(self, name: str) -> bool:
        """Whether a property can be read."""
        try:
            getattr(self, name)
        except NotApplicable:
            return False
        return True

    def sides(self) -> dict[str, Any]:
        """Return the sets of records of an audit by name: synthetic, reference and, if there is one, holdout."""
        sides = {"synthetic": self.drawn, "reference": self.reference}
        return sides | ({"holdout": self.holdout} if self.has("holdout") else {})

    def inside(self, group: Callable[[Table], np.ndarray]) -> Evidence:
        """Return evidence with the records of one group on every side. It has no counts yet."""
        kept = {side: table.where(group(table)) for side, table in self.sides().items()}
        return self.but(
            drawn=kept["synthetic"],
            reference=kept["reference"],
            holdout=kept.get("holdout"),
            counted=None,
            absent=None,
            over_cap=None,
        )

    def _known(self, name: str) -> Any:
        if name not in self._given:
            raise NotApplicable(f"needs {_WHAT[name]}, not available here")
        return self._given[name]

    def _records(self, name: str) -> Any:
        value = self._known(name)
        return value.records if isinstance(value, Part | Pool | Training) else value

    def _of_human(self, name: Literal["reference", "holdout"]) -> Any:
        if name in self._given:
            return self._records(name)
        part = getattr(self._given.get("human"), name, None)
        if part is None:
            raise NotApplicable(f"needs {_WHAT[name]}, but the human data have none")
        return part.records


class _Counted(dict):
    """Counts by the name of their sketch. A missing sketch raises NotApplicable."""

    def __missing__(self, name: str) -> Any:
        raise NotApplicable(f"needs the sketch {name} over every row, but it was not counted")


_WHAT = {
    "drawn": "records that a model wrote",
    "kept": "records that a filter kept",
    "mixed": "training records before the filters",
    "rejected": "records that a filter rejected",
    "training": "the records that the model learned from",
    "human": "the human data of a run",
    "reference": "held-out human records",
    "holdout": "a second human sample",
    "model": "the model that wrote the records",
    "first_model": "the model of generation 0",
    "prompts": "the prompts of the records",
    "beside_prompts": "the prompt of each text: a column _prompt of text in both sets",
    "human_side": "a description of the human texts",
    "groups": "columns that name groups",
    "target": "a target column",
    "absent": "columns that the records lack",
    "over_cap": "columns over the cap",
    "counted": "counts over every row",
}


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
    "ASPECTS", "BEYOND", "MEASURES", "Blocks", "Evidence", "Measure", "Page", "Pointed", "Role", "askers", "audit_aspects", "check_readings",
    "leading", "measure", "pages_of_aspect", "pages_of_runs", "read_with_null", "readings_of_users", "standing_for", "unread",
]  # fmt: skip
