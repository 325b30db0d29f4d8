from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PlainValidator

from outcross.filters import Filter, FilterPage, Selection
from outcross.filters.judging import columns_of, functions_of, name_of, needs_of, number, numbers_of
from outcross.recipe import recipe

BASELINES = ("random", "first")
"""The baselines of a selection: a random candidate of each prompt, or the candidate that was written first."""
CHOSEN_OTHER, NO_NUMBER, NOT_DRAWN = (
    "another candidate of its prompt was chosen",
    "it has no number",
    "not among the k drawn candidates",
)


def _by(value: object) -> Any:
    return value if isinstance(value, str) and value in BASELINES else number(value)


@recipe
class BestOfFilter(Filter):
    """Keep the candidate of each prompt that has the highest (or the lowest) value of an attribute or a column (active inheritance)."""

    by: Annotated[Any, PlainValidator(_by)]
    """The number to compare by: an attribute, {column: NAME}, or in Python a function of texts. `random` and `first` are baselines without a number."""
    keep: Literal["most", "least"] = "most"
    """Whether the candidate with the highest number (most) or with the lowest (least) is kept."""
    k: Annotated[int, Field(ge=1)] | None = None
    """The number of candidates of a prompt to compare, drawn at random if it has more; all if left out."""
    most_missing: Annotated[float, Field(ge=0, le=1)] = 0.1
    """The maximum fraction of candidates without a number, in [0, 1]."""

    page = FilterPage(
        "best of k", "The candidate of each prompt with the highest (or the lowest) number is kept. Ties are broken at random. The highest of k normal numbers is on average .564, 1.163 and 1.539 standard deviations above the mean for k = 2, 5 and 10.",
        "It changes the chosen attribute and everything that is correlated with it: the longest of k texts is also the most repetitive. Repeated over generations, it collapses the data.",
        "Shimabucoro et al., EMNLP 2024, arXiv 2407.01490",
    )  # fmt: skip

    libraries = ("polars",)

    @property
    def samples(self):
        return "prompts"

    @property
    def needs(self):
        return needs_of(self.by)

    @property
    def functions(self):
        return functions_of(self.by)

    def reads(self, columns):
        return () if self.by in BASELINES else columns_of(self.by, columns)

    @property
    def prefers(self):
        return "" if self.by in BASELINES else f"of each prompt the candidate with the {self.keep} {name_of(self.by)}"

    def bounds(self, candidates):
        return min(candidates, 1), candidates

    def select(self, candidates, rng):
        n, prompts = len(candidates), np.asarray(candidates.prompts)
        drawn = first_of_each(prompts, rng.permutation(n), n if self.k is None else self.k)
        values = None if self.by in BASELINES else numbers_of(self.by, candidates, self.most_missing)
        usable = drawn if values is None else drawn & ~np.isnan(values)
        among = np.flatnonzero(usable)
        # Random marks break ties. A constant number therefore gives a random choice.
        marks = np.zeros(n) if self.by == "first" else rng.permutation(n)
        ranks = np.zeros(n) if values is None else -values if self.keep == "most" else values
        order = among[np.lexsort((among, marks[among], ranks[among], prompts[among]))]
        chosen = np.zeros(n, bool)
        chosen[order[np.flatnonzero(np.diff(prompts[order], prepend=-1))]] = True
        reason = np.where(drawn, np.where(usable, 0, 1), 2)
        answered, kept = np.unique(prompts).size, int(chosen.sum())
        notes = [f"{kept:,} prompts have {n / max(answered, 1):.3g} candidates each, on average"]
        if kept < answered:
            notes.append(f"{answered - kept:,} prompts have no candidate with a number, so that none of theirs is kept")
        return Selection(
            chosen.astype(np.int64),
            value=values,
            reason=np.where(chosen, -1, reason),
            reasons=(CHOSEN_OTHER, NO_NUMBER, NOT_DRAWN),
            notes=tuple(notes),
            facts={"prompts": answered, "kept": kept, "candidates_a_prompt": n / max(answered, 1)},
        )


def first_of_each(groups: np.ndarray, ranks: np.ndarray, count: int) -> np.ndarray:
    """Whether each item is among the `count` items with the lowest ranks in its group, (n,) of bool."""
    order = np.lexsort((ranks, groups))
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    place = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    is_first = np.zeros(len(order), bool)
    is_first[order[place < count]] = True
    return is_first
