"""The baselines of stratified reparation: reweighing, equalised targets, plain oversampling."""

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
    """Keep a given number of records of every cell (class and group), chosen at random within the cell."""

    selects_counts = True
    label: str
    group: str

    def wanted(self, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return how many records of every cell are kept, (chains…, classes, groups). The total stays the same."""
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
    """Return the index of every candidate's value in a column, and the values in alphabetical order. Raises BadInput if there is only one value."""
    import polars

    values, number = np.unique(candidates.column(name).cast(polars.String).fill_null("missing").to_numpy(), return_inverse=True)
    if len(values) < 2 <= len(candidates):
        raise BadInput(
            f"column {name!r} has the same value, {str(values[0])!r:.80}, in all {len(candidates)} records; name a column with at least two values"
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
    """Draw as many records as there are candidates, with the weights that make class and group independent.

    A record of class y and group a has the weight P(y) P(a) / P(y, a). The shares of classes and of groups do not change.
    """

    page = FilterPage(
        "reweighing",
        "As many records as there are candidates are drawn with replacement, in proportion to P(y) P(a) / P(y, a).",
        "A cell without records stays empty, and a small group stays small. In a cell with few records and a large weight, records are repeated often.",
        "Kamiran and Calders, Data preprocessing techniques for classification without discrimination, KAIS 33:1 (2012)",
    )

    label: Column = "label"
    group: Column = "group"

    def wanted(self, counts, rng):
        return reweighed(counts, rng)


@recipe
class EqualiseFilter(CellFilter):
    """Keep the size of every group, and give each group the class shares of all records: strong statistical parity in the training data.

    In a cell with too few records some are repeated. In a cell with too many some are left out.
    """

    page = FilterPage(
        "equalised targets (strong parity)",
        "Every group keeps its number of records and gets the class shares of all records.",
        "A cell without records stays empty, and the group then has fewer classes. The shares of groups do not change.",
        "Strong statistical parity through fair synthetic data, arXiv 2311.03000",
    )

    label: Column = "label"
    group: Column = "group"

    def wanted(self, counts, rng):
        return equalised(counts)


@recipe
class OversampleFilter(CellFilter):
    """Keep the same number of records in every cell (class and group), and repeat records of cells that have too few.

    Unlike stratified reparation it uses no new records.
    """

    page = FilterPage(
        "plain oversampling",
        "The total stays the same, with the same number of records in every cell. Records of small cells are repeated, and some of large cells are left out.",
        "A cell without records stays empty. Models memorise repeated records, and a small cell gets no more variety than before.",
        "Chawla et al., SMOTE, JAIR 16:321 (2002), the baseline with replacement",
    )

    label: Column = "label"
    group: Column = "group"

    def wanted(self, counts, rng):
        return oversampled(counts)
