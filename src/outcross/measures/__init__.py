"""What is measured, in a loop and in an audit.

A measure reads evidence and yields readings, each an estimate with its interval and n, pointed-at records, and how predictions came true; what cannot be had
is a reading whose note says why, or `NotApplicable` for all of them. A measure says what is, never whether that is bad: `audit` judges readings
by the margins of their pages. `pages` says what each reading is, `needs` names the kinds of records that the measure reads. A new
measure is one file and one entry in `MEASURES`: reports and definitions of collapse find its readings by the role on their page.

The contract: the same evidence and the same stream give the same readings; `low <= value <= high`; a page with a margin has readings
with a null wherever there is a number; evidence that does not suffice is `NotApplicable`, never another error.
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
"""What the name of a reading ends in that leaves out the words of the own prompt."""

Role = Literal[
    "risk", "spread", "tail", "modes", "support", "diversity", "copying", "groups", "structure", "use", "quality", "invention", "decoding"
]  # fmt: skip
"""What a reading is about, by which definitions of collapse, slopes and reports find it.

risk: how much worse the model predicts or estimates; spread: how much varies; tail: what is left of the rare; modes: what is left of
separate things (groups, modes, states); support: what of the human data is still reached; diversity: how many different things there are;
invention: what no human data have; decoding: what the way of sampling loses."""

MarginKind = Literal["ratio", "difference"]
Change = Literal["mass", "variance", "scale", "association"]

ASPECTS: Mapping[str, str] = {
    "spread": "Have the numbers moved or drawn together?",
    "tails": "Are rare things lost?",
    "groups": "Are groups of records lost or thinned out?",
    "coverage": "Are parts of the human data no longer reached?",
    "copying": "Is it new, or has it been copied?",
    "diversity": "Are there fewer different things?",
    "structure": "Do things still go together?",
    "use": "Do models learn as much from it?",
    "text_quality": "Is it still written as people write?",
    "risk": "Are models farther from the truth?",
}
"""Groups of measures, by the question that they answer together."""


@dataclass(frozen=True)
class Page:
    """What a reader must know of one reading."""

    code: str
    """Short and for ever, as in TA1."""
    title: str
    definition: str
    unit: str
    """ratio, fraction (in [0, 1], drawn in percent), nats, words …"""
    healthy: float | str
    """What it is where nothing is lost: a number, or words where that depends on the data (then the null's typical value is that number)."""
    collapsed: str
    """Where it goes as data collapse."""
    role: Role
    paper: str
    worse: Worse | Literal["either"] | None = None
    """Which way is worse: either, where there is a tolerance on both sides of what is healthy; None where neither direction is worse by itself."""
    margin: float | None = None
    """The tolerance: a factor of what real data show (`margin_kind` is "ratio"), or a distance from it (`margin_kind` is "difference").
    None where a reading is not judged."""
    margin_kind: MarginKind = "ratio"
    range: tuple[float, float] | None = None
    """The least and the greatest value that it can take; None where its unit says so (`values`)."""
    change: Change = "mass"
    """How a value beyond the tolerance becomes a share of records that would have to change (`measures.severity`)."""
    is_invention: bool = False
    """Whether it finds what human data do not have, rather than what is lost."""
    log: bool = False
    """Whether it is drawn on a logarithmic axis."""
    preference: int | None = None
    """Its place among the readings of its role where one is to stand for the role, 1 first; None where it never does."""
    records: tuple[int, str] | None = None
    """Records a side at which a loss of exactly the margin is told from none (two-sided at 5 %) in 90 % of sets, and of which law; None where nobody
    has worked that out."""
    lead: int | None = None
    """Its place among the readings that a report may open with, 1 first; None where none does."""

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
        """The number that is healthy; None where it depends on the data and no null says it."""
        if not isinstance(self.healthy, str):
            return self.healthy
        return null.typical if null else None

    @property
    def healthy_words(self) -> str:
        """What is healthy, as people read it."""
        return self.healthy if isinstance(self.healthy, str) else f"{self.healthy:g}"

    @property
    def values(self) -> tuple[float, float]:
        """The least and the greatest value that it can take: a ratio is 0 at least, a fraction lies in [0, 1], unless the page says otherwise."""
        if self.range is not None:
            return self.range
        return {"ratio": (0.0, math.inf), "fraction": (0.0, 1.0)}.get(self.unit, (-math.inf, math.inf))

    @property
    def values_in_words(self) -> str:
        """The range of its values, as people read it."""
        smallest, largest = self.values
        if math.isinf(smallest) and math.isinf(largest):
            return "any number"
        return f"{smallest:g} to {largest:g}" if math.isfinite(largest) else f"{smallest:g} or more"

    def on_side_of(self, estimate: Estimate, null: Null | None) -> Page:
        """The page by which an estimate is judged: where either way is worse, the way in which its interval reaches farther.

        An interval within the tolerance of that side is within that of the other, too, and one that is wholly beyond a tolerance is so on that side.
        """
        healthy = self.healthy_value(null)
        if self.worse != "either" or healthy is None:
            return self
        low, high = (estimate.value if end is None else end for end in (estimate.low, estimate.high))
        reaches_up = high - healthy >= healthy - low if self.margin_kind == "difference" else high * low >= healthy**2
        return replace(self, worse="larger" if reaches_up else "smaller")

    def limit(self, null: Null | None, margin: float) -> float | None:
        """The tolerance as a value: beyond it a check reports a loss; None where what is healthy is not known."""
        healthy = self.healthy_value(null)
        if healthy is None:
            return None
        if self.margin_kind == "ratio":
            return healthy * (margin if self.worse == "smaller" else 1 / margin)
        return healthy - margin if self.worse == "smaller" else healthy + margin


class Evidence:
    """What a measure may look at: what one generation of a loop made, or the tables of an audit.

    Keywords are the names of the properties. `drawn`, `kept`, `rejected`, `reference` and `holdout` are given as records or as parts that
    load when touched, `training` as a training set; they are read as records: text blocks, vectors, counts, or a table.
    What was not given raises NotApplicable with the reason when it is read.
    """

    def __init__(self, **given: Any):
        assert given.keys() <= _WHAT.keys(), given.keys() - _WHAT.keys()
        self._given = {name: value for name, value in given.items() if value is not None}

    def but(self, **changes: Any) -> Evidence:
        """The same evidence with some of it replaced; None takes something away."""
        return Evidence(**{**self._given, **changes})

    @property
    def drawn(self) -> Any:
        """What a model wrote: the records of this generation, or the data that are audited."""
        return self._records("drawn")

    @property
    def kept(self) -> Any:
        """What of it goes on."""
        return self._records("kept")

    @property
    def rejected(self) -> Any:
        """What of it does not go on."""
        return self._records("rejected")

    @property
    def decoding(self) -> str | None:
        """How the records were sampled, as canonical JSON of the Draw; None where it is not known."""
        drawn = self._known("drawn")
        return drawn.origin.decoding if isinstance(drawn, Part) else None

    @property
    def training(self) -> Any:
        """What this generation learned from."""
        return self._records("training")

    @property
    def mixed(self) -> Any:
        """What the policy took before filters chose among it."""
        return self._records("mixed")

    @property
    def human_shares(self) -> tuple[float, float]:
        """The human share of what the policy took, and of what the filters left of it to learn from. NotApplicable where an origin is unknown."""
        before, after = (self._known(name).pool.human_share for name in ("mixed", "training"))
        return before, after

    @property
    def human(self) -> Human:
        """The human data of a run, with what is known of the true distribution."""
        return self._known("human")

    @property
    def reference(self) -> Any:
        """Human records to compare with: of held-out documents in a run, the reference of an audit."""
        return self._of_human("reference")

    @property
    def holdout(self) -> Any:
        """More human records, which no model saw: in a run drawn as the training records were, and as many."""
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
        """What the model continued where that is not the human training set: record i was written after prompt i, starting over where there are too few."""
        return self._records("prompts")

    @property
    def beside_prompts(self) -> Evidence:
        """The tables whose texts stand beside the prompts that they were written after; they may be other records than those of the whole."""
        return self._known("beside_prompts")()

    @property
    def human_side(self) -> str:
        """What the human texts are that stand beside prompts, in words."""
        return self._given.get("human_side", "human text after its own prompts")

    @property
    def groups(self) -> tuple[str, ...]:
        """Columns that say which group a record belongs to; none where nobody named one."""
        return self._given.get("groups", ())

    @property
    def target(self) -> str:
        """The column that people would predict."""
        return self._known("target")

    @property
    def absent(self) -> tuple[Absent, ...]:
        """Columns of the human data that the records have not; none where nobody compared their columns."""
        return self._given.get("absent", ())

    @property
    def over_cap(self) -> Evidence:
        """The tables with the columns that are too many to be looked at one by one."""
        return self._known("over_cap")

    @property
    def counted(self) -> Mapping[str, tuple[Any, Any]]:
        """What was counted over every row, (drawn, reference) by the name of the sketch (`Measure.sketches`)."""
        return _Counted(self._given.get("counted", {}))

    def has(self, name: str) -> bool:
        """Whether something can be read."""
        try:
            getattr(self, name)
        except NotApplicable:
            return False
        return True

    def sides(self) -> dict[str, Any]:
        """The sets of records of an audit by name: synthetic, reference and, where there is one, holdout."""
        sides = {"synthetic": self.drawn, "reference": self.reference}
        return sides | ({"holdout": self.holdout} if self.has("holdout") else {})

    def inside(self, group: Callable[[Table], np.ndarray]) -> Evidence:
        """The records of one group on every side; nothing is counted over them yet."""
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
            raise NotApplicable(f"needs {_WHAT[name]}, there is none here")
        return self._given[name]

    def _records(self, name: str) -> Any:
        value = self._known(name)
        return value.records if isinstance(value, Part | Pool | Training) else value

    def _of_human(self, name: Literal["reference", "holdout"]) -> Any:
        if name in self._given:
            return self._records(name)
        part = getattr(self._given.get("human"), name, None)
        if part is None:
            raise NotApplicable(f"needs {_WHAT[name]}, the human data have none")
        return part.records


class _Counted(dict):
    """Counts by the name of their sketch; what nobody counted cannot be had."""

    def __missing__(self, name: str) -> Any:
        raise NotApplicable(f"needs {name} counted over every row, nobody has counted them")


_WHAT = {
    "drawn": "records that a model wrote",
    "kept": "records that a filter kept",
    "mixed": "a training set among which a filter chose",
    "rejected": "records that a filter rejected",
    "training": "what the model learned from",
    "human": "the human data of a run",
    "reference": "held-out human records",
    "holdout": "a second human sample",
    "model": "the model that wrote the records",
    "first_model": "the model of generation 0",
    "prompts": "the prompts of the records",
    "beside_prompts": "the prompt of each text: a column _prompt of text in both sets",
    "human_side": "what the human texts are",
    "groups": "columns that name groups",
    "target": "a column that people would predict",
    "absent": "columns that the records have not",
    "over_cap": "columns over the cap",
    "counted": "counts over every row",
}


@dataclass(frozen=True, eq=False)
class Pointed:
    """Records that a measure points at: human ones that nothing synthetic comes near, synthetic ones that are copies."""

    side: Literal["synthetic", "reference"]
    rows: np.ndarray
    """Which rows of that side's frame, (records,)."""
    values: np.ndarray
    """How far from what they should be, (records,), the larger the worse."""
    why: str
    """As in "no synthetic record within 3 times the usual distance"."""


class Measure:
    """One way in which data collapse."""

    pages: ClassVar[Mapping[str, Page]]
    needs: ClassVar[tuple[str, ...]]
    """Kinds of records that it reads, any of them: text, vectors, counts, groups, blobs, pairs, images in a run; table in an audit, and in a run of one chain."""
    aspect: ClassVar[str]
    """The group of measures that it belongs to (`ASPECTS`)."""
    by_default: ClassVar[bool] = True
    """Whether a run reads it where no metrics are named; what takes time over thousands of chains is not."""

    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy")
    """Packages of others, as the package index names them, whose versions decide its readings; intervals stand on SciPy."""
    reads_words: ClassVar[bool] = False
    """Whether it reads columns of text by their words, which texts without spaces show only to a library."""
    stream: ClassVar[str] = ""
    """The name of its random stream in a run, the measure's own where this is empty. A stream's name is for ever, as a page's code is:
    with another one every random number of the measure would change."""

    def __init_subclass__(cls) -> None:
        if isinstance(aspect := vars(cls).get("aspect"), str) and not issubclass(cls, own_parts.Unimported):
            check_word(aspect, ASPECTS, f"aspect of {cls.__name__}")

    def sketches(self, evidence: Evidence) -> Mapping[str, Sketch]:
        """What to count over every row of both sides; the sketches of all measures are filled in one pass."""
        return {}

    def __call__(self, evidence: Evidence, rng: np.random.Generator) -> Iterable[Reading | Pointed | Reliability]:
        raise NotImplementedError

    def of_run(self, evidence: Evidence, rng: np.random.Generator) -> Iterable[Reading | Pointed | Reliability]:
        """What it reads of a generation; NotApplicable where it has not what the measure needs."""
        return self(evidence, rng)


def check_readings(part: Measure, every: Iterable[Any]) -> None:
    """BadInput where a measure of the user's own yields what is no reading, or one that has no page."""
    for reading in every if own_parts.is_own(type(part)) else ():
        place = own_source.place_of(type(part), "__call__")
        if not isinstance(reading, Reading | Pointed | Reliability):
            raise BadInput(f"{place} must yield readings, got {reading!r:.80}; write yield Reading(name, estimate, null)")
        if isinstance(reading, Reading) and reading.measure not in part.pages:
            raise BadInput(
                f"{place} yields the reading {reading.measure!r:.80}, which has no page; its pages are {', '.join(part.pages)}"
            )


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
    """The reading of a number and its null, or of the reason why they cannot be had."""
    try:
        estimate, null = number()
    except NotApplicable as why:
        return unread(measure, str(why), at=at, column=column, group=group)
    return Reading(measure, estimate, null, at, column, group, note, about, range)


def unread(measure: str, why: str, *, at: str = "", column: str = "", group: str = "") -> Reading:
    """The reading of what cannot be had, with the reason."""
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
    """The class of a measure; BadInput with the nearest name where there is none."""
    return member(MEASURES, name, "measure")


def askers(cls: type[Measure]) -> list[str]:
    """Who can take a measure: a run (of whatever its learners learn, as a table where the measure reads tables), an audit (of tables)."""
    return ["audit"] * ("table" in cls.needs) + ["run"]


@cache
def audit_aspects() -> Mapping[str, tuple[str, ...]]:
    """The measures that an audit can take, by aspect."""
    taken = [name for name in MEASURES if "audit" in askers(measure(name))]
    return {aspect: own for aspect in ASPECTS if (own := tuple(name for name in taken if measure(name).aspect == aspect))}


@cache
def pages_of_aspect(aspect: str) -> Mapping[str, Page]:
    """The pages of what an audit reads in an aspect."""
    return {name: page for measure_name in audit_aspects()[aspect] for name, page in measure(measure_name).pages.items()}


def pages_of_runs() -> Mapping[str, Page]:
    """The page of every reading that a run may hold, of measures of the user's own that were read in this process too."""
    return _pages_of_runs(tuple(MEASURES.of_users.values()))


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
    """The readings of runs that may stand for a role, the preferred one first."""
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
    """The readings of runs that a report may open with, the preferred one first."""
    return tuple(name for _, name in sorted((page.lead, name) for name, page in pages_of_runs().items() if page.lead is not None))


__all__ = [
    "ASPECTS", "BEYOND", "MEASURES", "Blocks", "Evidence", "Measure", "Page", "Pointed", "Role", "askers", "audit_aspects", "check_readings",
    "leading", "measure", "pages_of_aspect", "pages_of_runs", "read_with_null", "standing_for", "unread",
]  # fmt: skip
