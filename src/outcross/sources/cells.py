"""Records that have only a class and a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from outcross.data import HUMAN, Human, part_of
from outcross.data.labelled import cell_names
from outcross.data.records import Counts
from outcross.recipe import FROM_LIST, recipe
from outcross.sources import Source
from outcross.statistics.cells import apportioned, drawn_by_group


def _rows(value: object) -> Any:
    """Convert lists of lists, as in YAML, to tuples of tuples of floats."""
    if not isinstance(value, list | tuple):
        return value
    return tuple(
        tuple(float(number) if isinstance(number, int) and not isinstance(number, bool) else number for number in row)
        if isinstance(row, list | tuple)
        else row
        for row in value
    )


Names = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=100)], ...], FROM_LIST]


@recipe
class CellsSource(Source):
    """Records that have only a class and a group: cells with known shares, the simplest population in which fairness can be lost."""

    rows: Annotated[int, Field(ge=1)] = 1000
    shares: Annotated[tuple[tuple[Annotated[float, Field(ge=0, le=1)], ...], ...], BeforeValidator(_rows)] = (
        (0.25, 0.25),
        (0.25, 0.25),
    )
    """The share of every cell, with one row per class and one column per group; the shares sum to 1. The last class is the favourable one."""
    classes: Names = ()
    """Names of the classes; class 0, class 1 … if left out."""
    groups: Names = ()
    """Names of the groups; group 0, group 1 … if left out."""
    fixed_groups: bool = False
    """Whether every human or generated sample has the same number of rows of each group. Otherwise the sizes of groups are random."""

    @model_validator(mode="after")
    def _is_a_table(self):
        widths = {len(row) for row in self.shares}
        if len(self.shares) < 2 or len(widths) != 1 or min(widths) < 2:
            raise ValueError(
                "shares must be a table of at least two classes (rows) and two groups (columns), because a single one has no gap; "
                f"write shares: [[0.25, 0.25], [0.25, 0.25]], got {[list(row) for row in self.shares]!r:.80}"
            )
        table = np.array(self.shares)
        if abs(table.sum() - 1) > 1e-9:
            raise ValueError(f"shares must sum to 1, got {table.sum():g}; divide them by their sum")
        for name, given, wanted in (("classes", self.classes, len(table)), ("groups", self.groups, table.shape[1])):
            if given and (len(given) != wanted or len(set(given)) < wanted):
                raise ValueError(f"{name} must be {wanted} different names, one for each in shares, got {list(given)!r:.80}")
        if (table == 0).any():
            row, column = np.argwhere(table == 0)[0]
            raise ValueError(
                f"shares leaves the cell {self.truth.names[row * table.shape[1] + column]} empty, and a cell that is empty at the start stays empty; "
                "give it a share, or leave its class or group out"
            )
        if table.size > self.rows:
            raise ValueError(
                f"shares has {table.size} cells, which is more than the {self.rows} records; raise human.rows, or merge cells"
            )
        if self.fixed_groups and min(apportioned(table.sum(axis=0), self.rows)) < 1:
            raise ValueError(f"fixed_groups leaves a group without any of the {self.rows} rows; raise human.rows")
        return self

    @property
    def truth(self):
        table = np.array(self.shares)
        classes = self.classes or tuple(f"class {i}" for i in range(table.shape[0]))
        groups = self.groups or tuple(f"group {i}" for i in range(table.shape[1]))
        return CellShares(table, classes, groups, self.fixed_groups)

    def open(self, form, chains, rng):
        return Human(training=part_of(HUMAN, self.truth.draw(self.rows, chains, rng)), truth=self.truth, chains=chains)


@dataclass(frozen=True, eq=False)
class CellShares:
    """Known shares of cells (class by group). Every cell is a state; the states begin with all groups of the first class."""

    shares: np.ndarray  # (classes, groups)
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    fixed_groups: bool

    @property
    def shape(self) -> tuple[int, int]:
        """The number of classes and the number of groups."""
        return len(self.classes), len(self.groups)

    @property
    def names(self) -> list[str]:
        """The name of every state."""
        return cell_names(self.classes, self.groups)

    @property
    def probabilities(self) -> np.ndarray:
        """The share of every state, (classes × groups,)."""
        return self.shares.ravel()

    def draw(self, n, chains, rng) -> Counts:
        if not self.fixed_groups:
            return Counts(rng.multinomial(n, self.probabilities, size=chains or None))
        return Counts(drawn_by_group(np.broadcast_to(self.shares, (*chains, *self.shape)), self.shares.sum(axis=0), n, rng))
