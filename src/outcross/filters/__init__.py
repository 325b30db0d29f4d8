"""What to keep of the records that were written.

A filter is a recipe. `select(candidates, rng)` looks at n candidates and says of each how often it is kept, why not where it is not, and by
which number it was judged. A filter neither moves records nor counts them: the verb that asks it (`mix`, or the loop's `select`) takes the
kept ones, keeps the rejected ones with their reasons, and reports what the filter did to spread, tails and groups beside a random selection of
as many. A filter is a pure function of the candidates and of `rng`; the order of the candidates decides nothing but the draws of `rng`.
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
    """What a reader must know of one filter."""

    title: str
    definition: str
    misleads: str
    """How it can harm: a filter that prefers can itself collapse the data."""
    paper: str


class Candidates(Protocol):
    """Records that may be kept, as a filter sees them, whatever they are stored as.

    What they do not have is NotApplicable, and the reason says what is missing. Points may have leading axes, independent chains; a filter
    then selects in each chain on its own, and as many in each.
    """

    def __len__(self) -> int:
        """Candidates of a chain, n."""
        ...

    @property
    def texts(self) -> Sequence[str]:
        """The text of each, without its prompt: n."""
        ...

    def batches_of_texts(self, among: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, Sequence[str]]]:
        """The places of some candidates, (k,), and their texts, batch after batch in the order in which they are cheap to read, until each came once.

        A filter that reads texts so need not hold them, and may read them again. among: of which candidates, (n,) of bool; of all if left out.
        """
        ...

    @property
    def points(self) -> np.ndarray:
        """Their numbers: (chains…, n, d)."""
        ...

    @property
    def columns(self) -> Sequence[str]:
        """The columns that `column` can give."""
        ...

    def column(self, name: str) -> polars.Series:
        """A column of theirs, n values. BadInput with the nearest name where there is none."""
        ...

    @property
    def prompts(self) -> np.ndarray:
        """The number of the prompt that each answers, (n,): candidates of one number compete."""
        ...

    @property
    def prompt_texts(self) -> Sequence[str]:
        """The text of the prompt that each answers: n."""
        ...

    @property
    def authors(self) -> np.ndarray:
        """Who wrote each, (n,) of words: human, model, edited, translated, unknown. Where origins are hidden, all are unknown."""
        ...

    @property
    def models(self) -> np.ndarray:
        """The model that wrote each, (n,) of words; empty where none is known."""
        ...

    @property
    def human(self) -> Candidates:
        """Human records to compare with: the reference, never the holdout."""
        ...

    @property
    def detectors(self) -> Mapping[Any, Any]:
        """Detectors that are fitted already, by what a filter's `detectors` asks for; one that is not among them is fitted by the filter."""
        ...


@dataclass(frozen=True, eq=False)
class Selection:
    """How often each candidate is kept, and why not."""

    times: np.ndarray
    """How often each is kept, (chains…, n) of whole numbers; 0 where it is rejected."""
    value: np.ndarray | None = None
    """The number by which each was judged, (chains…, n); NaN where it had none. None where the filter uses no number."""
    reason: np.ndarray | None = None
    """The number of each one's reason in `reasons`, (chains…, n); -1 where it is kept. None: all rejected ones have the first reason."""
    reasons: tuple[str, ...] = ("not chosen",)
    """Why candidates are rejected, in words."""
    match: np.ndarray | None = None
    """The candidate for whose sake each was rejected, (n,), as its human twin; -1 for none."""
    weights: np.ndarray | None = None
    """The weight of each in the fit, (n,)."""
    notes: tuple[str, ...] = ()
    """What the filter found out of itself, a sentence each: its error rates with their intervals, how many fill-ins it took."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The same as numbers, plain data."""

    @property
    def kept(self) -> np.ndarray:
        """Whether each is kept at all, (chains…, n)."""
        return self.times > 0


class Filter:
    """What is kept."""

    page: ClassVar[FilterPage]
    libraries: ClassVar[tuple[str, ...]] = ()
    """Packages whose versions decide what it keeps, beside numpy."""
    chooses: ClassVar[Literal["drawn", "training"]] = "drawn"
    """Among what a filter of a loop chooses: what a model has just written, or all that the next model is about to learn from."""

    def __init_subclass__(cls) -> None:
        needs = vars(cls).get("needs")
        if needs is not None and not isinstance(needs, property) and not issubclass(cls, own_parts.Unimported):
            check_needs(needs, cls.__name__)

    @property
    def samples(self) -> Literal["", "rows", "prompts"]:
        """Of what a sample tells which share of all candidates it keeps: of rows, where it judges each by itself or keeps a share of them; of whole prompts, where
        candidates of one prompt compete; of nothing (empty), where it looks for likeness among all of them, or keeps a fixed number."""
        return ""

    @property
    def needs(self) -> tuple[Need, ...]:
        """What candidates must have for it, so that a loop over other records is refused before it begins."""
        return ()

    @property
    def functions(self) -> tuple[str, ...]:
        """Functions of a user's own that it calls, as `module:function`; what they say is in the key of a step."""
        return ()

    def reads(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The columns that it needs of these, so that no other is held in memory. BadInput where one is lacking."""
        return ()

    @property
    def detectors(self) -> tuple[Any, ...]:
        """The detectors that it asks, each fitted in a step of its own before the filter is asked."""
        return ()

    @property
    def prefers(self) -> str:
        """What it keeps more of, in words, as "texts with the most words"; empty where it prefers nothing.

        A plan warns of it: such a selection collapses data that are selected again and again.
        """
        return ""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that it reads, as a test set."""
        return ()

    def without_paths(self) -> Filter:
        """The same filter without where its files lie; what they hold stands for that in the key of a step."""
        return self

    def bounds(self, candidates: int) -> tuple[int, int]:
        """How many it keeps of so many candidates, at least and at most, before any is looked at."""
        return 0, candidates

    selects_counts: ClassVar[bool] = False
    """Whether it can choose among records of which only the cell is known, as a count for every class and group (`select_counts`)."""

    def select_counts(self, counts: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, Any]]:
        """How many records of every cell are kept, (chains…, classes, groups) as are the counts, and what the filter found out, summed over chains."""
        raise BadInput(
            f"{kind(self)} looks at records one by one, and of these only the counts are known; choose star, reweigh, equalise or oversample"
        )

    def select(self, candidates: Candidates, rng: np.random.Generator) -> Selection:
        """Say of each candidate how often it is kept. NotApplicable where the candidates lack what it judges by."""
        raise NotImplementedError


def check_needs(needs: Any, filter_name: str) -> None:
    """BadInput where a filter needs what no candidate can have."""
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
