"""Filters: which of the available records are kept.

A filter is a recipe. `select(candidates, rng)` looks at n candidates. For each it returns how often the candidate is kept, the reason if it is
rejected, and the number by which it was judged. A filter neither moves records nor counts them. The caller (`mix`, or the loop's `select`)
takes the kept records and stores the rejected ones with their reasons. It also reports what the filter did to spread, tails and groups, beside
a random selection of the same size. A filter is a pure function of the candidates and of `rng`. The order of the candidates affects nothing
but the draws of `rng`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, get_args

import numpy as np

from outcross import own_parts
from outcross.errors import BadInput, check_word
from outcross.recipe import Family, kind

if TYPE_CHECKING:
    import polars


Need = Literal["points", "texts"]


@dataclass(frozen=True)
class FilterPage:
    """The description of a filter in lists and in the reference pages."""

    title: str
    definition: str
    misleads: str
    """How the filter can harm. A filter that prefers some records can itself collapse the data."""
    paper: str


class Candidates(Protocol):
    """The records that a filter may keep, in one form for every way in which they are stored.

    A property that the records do not have raises NotApplicable, and the reason names what is missing. Points may have leading axes for
    independent chains. A filter then selects in each chain separately, and keeps the same number in each.
    """

    def __len__(self) -> int:
        """The number of candidates in a chain, n."""
        ...

    @property
    def texts(self) -> Sequence[str]:
        """The text of each candidate without its prompt, n texts."""
        ...

    def batches_of_texts(self, among: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, Sequence[str]]]:
        """Yield batches of candidates: their indices, (k,), and their texts. Each candidate comes once, in the order that is cheapest to read.

        A filter that reads texts in this way need not keep them in memory, and may read them again.
        among: which candidates to read, (n,) of bool; all if left out.
        """
        ...

    @property
    def points(self) -> np.ndarray:
        """The candidates as points, (chains…, n, d)."""
        ...

    @property
    def columns(self) -> Sequence[str]:
        """The columns that `column` can give."""
        ...

    def column(self, name: str) -> polars.Series:
        """Return a column of the candidates, n values. Raises BadInput with the nearest name if there is no such column."""
        ...

    @property
    def prompts(self) -> np.ndarray:
        """The number of the prompt that each candidate answers, (n,). Candidates with the same number compete."""
        ...

    @property
    def prompt_texts(self) -> Sequence[str]:
        """The text of the prompt that each candidate answers, n texts."""
        ...

    @property
    def authors(self) -> np.ndarray:
        """The author of each candidate, (n,) of words: human, model, edited, translated, unknown. If origins are hidden, all are unknown."""
        ...

    @property
    def models(self) -> np.ndarray:
        """The model that wrote each candidate, (n,) of words; an empty word if no model is known."""
        ...

    @property
    def human(self) -> Candidates:
        """The human records to compare with: the reference, never the holdout."""
        ...

    @property
    def detectors(self) -> Mapping[Any, Any]:
        """The detectors that are already fitted, keyed by the items of a filter's `detectors`. The filter fits a detector that is missing here."""
        ...


@dataclass(frozen=True, eq=False)
class Selection:
    """How often each candidate is kept, and the reasons for the rejected ones."""

    times: np.ndarray
    """How often each candidate is kept, (chains…, n) of whole numbers; 0 if it is rejected."""
    value: np.ndarray | None = None
    """The number by which each candidate was judged, (chains…, n); NaN if it had none. None if the filter uses no number."""
    reason: np.ndarray | None = None
    """The index in `reasons` of each candidate's reason, (chains…, n); -1 if it is kept. None: all rejected candidates have the first reason."""
    reasons: tuple[str, ...] = ("not chosen",)
    """The reasons for rejecting candidates, in words."""
    match: np.ndarray | None = None
    """The index of the kept candidate that made the filter reject each candidate, such as its human twin, (n,); -1 if there is none."""
    weights: np.ndarray | None = None
    """The weight of each candidate in the fit, (n,)."""
    notes: tuple[str, ...] = ()
    """The filter's findings about itself, one sentence each, such as its error rates with their intervals or the number of fill-ins."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The same findings as numbers, in plain data."""

    @property
    def kept(self) -> np.ndarray:
        """Whether each candidate is kept at least once, (chains…, n)."""
        return self.times > 0


class Filter:
    """The protocol of filters."""

    page: ClassVar[FilterPage]
    libraries: ClassVar[tuple[str, ...]] = ()
    """The packages, beside numpy, whose versions affect what the filter keeps."""
    chooses: ClassVar[Literal["drawn", "training"]] = "drawn"
    """The records that the filter chooses from in a loop. drawn: what a model has just written; training: everything that the next model learns from."""

    def __init_subclass__(cls) -> None:
        needs = vars(cls).get("needs")
        if needs is not None and not isinstance(needs, property) and not issubclass(cls, own_parts.Unimported):
            check_needs(needs, cls.__name__)

    @property
    def samples(self) -> Literal["", "rows", "prompts"]:
        """The unit to sample when the share that the filter keeps is estimated from a sample of the candidates.

        rows: the filter judges each record by itself, or keeps a share of them. prompts: candidates of one prompt compete, so that whole prompts
        are sampled. Empty: no sample can tell, since the filter compares all candidates with each other or keeps a fixed number.
        """
        return ""

    @property
    def needs(self) -> tuple[Need, ...]:
        """The properties that candidates must have, so that a loop over other kinds of records is refused before it begins."""
        return ()

    @property
    def functions(self) -> tuple[str, ...]:
        """The user's functions that the filter calls, as `module:function`. Their source is part of the step key."""
        return ()

    def reads(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Return which of these columns the filter needs, so that no other is kept in memory. Raises BadInput if one is missing."""
        return ()

    @property
    def detectors(self) -> tuple[Any, ...]:
        """The detectors that the filter uses. Each is fitted in a step of its own before the filter runs."""
        return ()

    @property
    def prefers(self) -> str:
        """The records that the filter prefers, in words, such as "texts with the most words"; empty if it prefers none.

        A plan warns of this preference, because such a selection collapses data that are selected repeatedly.
        """
        return ""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that the filter reads, such as a test set."""
        return ()

    def without_paths(self) -> Filter:
        """Return the same filter without the paths of its files. In a step key, the digests of their content stand in place of the paths."""
        return self

    def bounds(self, candidates: int) -> tuple[int, int]:
        """Return the minimum and the maximum number that the filter keeps of this many candidates, before it looks at any."""
        return 0, candidates

    selects_counts: ClassVar[bool] = False
    """Whether the filter can select from counts alone, one for every cell (class and group), through `select_counts`."""

    def select_counts(self, counts: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, Any]]:
        """Return how many records of every cell are kept, and the filter's facts, summed over chains.

        Both the counts and the result have the shape (chains…, classes, groups). Raises BadInput if the filter needs the records themselves.
        """
        raise BadInput(
            f"{kind(self)} needs single records, and here only counts are known; choose star, reweigh, equalise or oversample"
        )

    def select(self, candidates: Candidates, rng: np.random.Generator) -> Selection:
        """Return how often each candidate is kept. Raises NotApplicable if the candidates lack a property that the filter needs."""
        raise NotImplementedError


def check_needs(needs: Any, filter_name: str) -> None:
    """Raise BadInput if a filter names a need that no candidate can meet."""
    if not isinstance(needs, tuple):
        raise BadInput(f'needs of {filter_name} must be a tuple, as ("points",), got {needs!r:.80}')
    for need in needs:
        check_word(need, get_args(Need), f"needs of {filter_name}")


FILTERS: Family = Family({
    "best_of": "outcross.filters.best_of:BestOfFilter",
    "route": "outcross.filters.route:RouteFilter",
    "drop_duplicates": "outcross.filters.drop_duplicates:DropDuplicatesFilter",
    "decontaminate": "outcross.filters.decontaminate:DecontaminateFilter",
    "drop_boilerplate": "outcross.filters.drop_boilerplate:DropBoilerplateFilter",
    "central": "outcross.filters.cuts:CentralFilter",
    "outlying": "outcross.filters.cuts:OutlyingFilter",
    "random": "outcross.filters.cuts:RandomFilter",
    "verify": "outcross.filters.verify:VerifyFilter",
    "noisy_check": "outcross.filters.noisy_check:NoisyCheckFilter",
    "star": "outcross.filters.star:StarFilter",
    "reweigh": "outcross.filters.parity:ReweighFilter",
    "equalise": "outcross.filters.parity:EqualiseFilter",
    "oversample": "outcross.filters.parity:OversampleFilter",
    "importance": "outcross.filters.importance:ImportanceFilter",
}, name="filters", protocol=Filter, page=FilterPage)  # fmt: skip

__all__ = ["FILTERS", "Candidates", "Filter", "FilterPage", "Selection", "check_needs"]
