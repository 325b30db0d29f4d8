from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PlainValidator

from outcross.filters import Filter, FilterPage, Selection
from outcross.filters.judging import columns_of, functions_of, name_of, needs_of, number, numbers_of
from outcross.recipe import recipe

BASELINES = ("random", "first")
"""What a selection is held against: any candidate of a prompt, or the one that was written first."""
CHOSEN_OTHER, NO_NUMBER, NOT_DRAWN = (
    "another candidate of its prompt was chosen",
    "it has no number",
    "not among the k that were drawn",
)


def _by(value: object) -> Any:
    return value if isinstance(value, str) and value in BASELINES else number(value)


@recipe
class BestOfFilter(Filter):
    """Of the candidates of each prompt keep the one with the most, or the least, of something (active inheritance)."""

    by: Annotated[Any, PlainValidator(_by)]
    """An attribute, {column: NAME}, in Python a function of texts; or random, or first."""
    keep: Literal["most", "least"] = "most"
    """Which end of it."""
    k: Annotated[int, Field(ge=1)] | None = None
    """Candidates of a prompt that are looked at, drawn at random where it has more; all if left out."""
    most_missing: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Fraction of candidates that may have no number, in [0, 1]."""

    page = FilterPage(
        "best of k", "One candidate of each prompt: the one whose number is the greatest (or the least); equals are drawn at random. Of k normal numbers the greatest is .564, 1.163 and 1.539 standard deviations above their mean for k = 2, 5 and 10.",
        "It moves what it is told to move and all that goes with it: the longest of k is also the most repetitive of k. Done again generation after generation it collapses the data.",
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
        # Random marks come last, so that equals are drawn and a constant number is no choice at all.
        marks = np.zeros(n) if self.by == "first" else rng.permutation(n)
        ranks = np.zeros(n) if values is None else -values if self.keep == "most" else values
        order = among[np.lexsort((among, marks[among], ranks[among], prompts[among]))]
        chosen = np.zeros(n, bool)
        chosen[order[np.flatnonzero(np.diff(prompts[order], prepend=-1))]] = True
        reason = np.where(drawn, np.where(usable, 0, 1), 2)
        answered, kept = np.unique(prompts).size, int(chosen.sum())
        notes = [f"{kept:,} prompts have {n / max(answered, 1):.3g} candidates each, on average"]
        if kept < answered:
            notes.append(f"{answered - kept:,} prompts have no candidate with a number, and none is kept")
        return Selection(
            chosen.astype(np.int64),
            value=values,
            reason=np.where(chosen, -1, reason),
            reasons=(CHOSEN_OTHER, NO_NUMBER, NOT_DRAWN),
            notes=tuple(notes),
            facts={"prompts": answered, "kept": kept, "candidates_a_prompt": n / max(answered, 1)},
        )


def first_of_each(groups: np.ndarray, ranks: np.ndarray, count: int) -> np.ndarray:
    """Whether each is among the `count` of the least rank of its group, (n,) of bool."""
    order = np.lexsort((ranks, groups))
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    place = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    is_first = np.zeros(len(order), bool)
    is_first[order[place < count]] = True
    return is_first
