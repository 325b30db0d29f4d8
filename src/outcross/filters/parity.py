"""What stratified reparation is compared with: reweighing, equalised targets, plain oversampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from outcross.errors import BadInput
from outcross.filters import Candidates, Filter, FilterPage, Selection
from outcross.recipe import recipe
from outcross.statistics.cells import equalised, oversampled, reweighed, spread_over


class CellFilter(Filter):
    """Says how many records of every cell, class by group, are kept; which ones is chance."""

    selects_counts = True
    label: str
    group: str

    def wanted(self, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """How many records of every cell are kept, (chains…, classes, groups), as many as there are."""
        raise NotImplementedError

    def bounds(self, candidates):
        return candidates, candidates

    def reads(self, columns):
        return self.label, self.group

    def select_counts(self, counts, rng):
        return self.wanted(counts, rng), {}

    def select(self, candidates, rng):
        if not len(candidates):
            return Selection(np.zeros(0, dtype=np.int64))
        (label, classes), (group, groups) = (_numbered(candidates, name) for name in (self.label, self.group))
        counts = np.zeros((len(classes), len(groups)), dtype=np.int64)
        np.add.at(counts, (label, group), 1)
        wanted = self.wanted(counts, rng)
        times = spread_over(label * len(groups) + group, wanted.ravel(), rng)
        facts: dict[str, Any] = {
            "offered": _by_name(counts, classes, groups),
            "wanted": _by_name(wanted, classes, groups),
        }
        return Selection(times, reasons=("its cell has too many",), facts=facts)


def _numbered(candidates: Candidates, name: str) -> tuple[np.ndarray, list[str]]:
    """The number of every candidate's value in a column, and the values in alphabetical order; BadInput where there is only one."""
    import polars

    values, number = np.unique(candidates.column(name).cast(polars.String).fill_null("missing").to_numpy(), return_inverse=True)
    if len(values) < 2 <= len(candidates):
        raise BadInput(
            f"column {name!r} has one value alone, {str(values[0])!r:.80}, of {len(candidates)}; name a column that differs"
        )
    return number, [str(value) for value in values]


def _by_name(counts: np.ndarray, classes: Sequence[str], groups: Sequence[str]) -> dict[str, int]:
    return {
        f"{class_name} × {group_name}": int(counts[i, j])
        for i, class_name in enumerate(classes)
        for j, group_name in enumerate(groups)
    }


Column = Annotated[str, Field(min_length=1, max_length=200)]


@recipe
class ReweighFilter(CellFilter):
    """Draw as many records as there are, with the weights that make class and group independent.

    A record of class y and group a weighs P(y) P(a) / P(y, a). Shares of classes and of groups stay what they are.
    """

    page = FilterPage(
        "reweighing",
        "As many records, drawn with replacement in proportion to P(y) P(a) / P(y, a).",
        "A cell that has died out stays dead, and a group that is small stays small. Few records of a cell that weigh much are repeated often.",
        "Kamiran and Calders, Data preprocessing techniques for classification without discrimination, KAIS 33:1 (2012)",
    )

    label: Column = "label"
    group: Column = "group"

    def wanted(self, counts, rng):
        return reweighed(counts, rng)


@recipe
class EqualiseFilter(CellFilter):
    """Keep every group at its size, and give each the classes of all records: strong statistical parity of what is learned from.

    Records of a cell that has too few are repeated, of one that has too many some are left out.
    """

    page = FilterPage(
        "equalised targets (strong parity)",
        "Of every group as many records as there are, in each the classes in the shares of all records.",
        "A cell that has died out stays dead, and then the group keeps fewer classes. The shares of groups are left as they are.",
        "Strong statistical parity through fair synthetic data, arXiv 2311.03000",
    )

    label: Column = "label"
    group: Column = "group"

    def wanted(self, counts, rng):
        return equalised(counts)


@recipe
class OversampleFilter(CellFilter):
    """Keep as many records of every cell, class by group, and repeat those of cells that have too few.

    Unlike stratified reparation it draws nothing new.
    """

    page = FilterPage(
        "plain oversampling",
        "As many records as there are, the same number in every cell: the records of small cells are repeated, of large cells some are left out.",
        "A cell that has died out stays dead. Repeated records are learned by heart: of a small cell there is no more variety than before.",
        "Chawla et al., SMOTE, JAIR 16:321 (2002), the baseline with replacement",
    )

    label: Column = "label"
    group: Column = "group"

    def wanted(self, counts, rng):
        return oversampled(counts)
