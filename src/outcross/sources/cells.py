"""Records of which only the class and the group are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from outcross.data import HUMAN, Human, part_of
from outcross.data.records import Counts
from outcross.recipe import FROM_LIST, recipe
from outcross.sources import Source
from outcross.statistics.cells import apportioned, drawn_by_group


def _rows(value: object) -> Any:
    """Lists of lists as YAML has them, as tuples of tuples of floats."""
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
    """Records of which only the class and the group are known: cells of known shares, the simplest population in which fairness can be lost."""

    rows: Annotated[int, Field(ge=1)] = 1000
    shares: Annotated[tuple[tuple[Annotated[float, Field(ge=0, le=1)], ...], ...], BeforeValidator(_rows)] = (
        (0.25, 0.25),
        (0.25, 0.25),
    )
    """The share of every cell: a row a class, a column a group; they sum to 1. The last class is the favourable one."""
    classes: Names = ()
    """What the classes are called; left out: class 0, class 1 …"""
    groups: Names = ()
    """What the groups are called; left out: group 0, group 1 …"""
    fixed_groups: bool = False
    """Whether every sample, of people and of models, has the same number of rows of each group; otherwise the sizes of groups are drawn, too."""

    @model_validator(mode="after")
    def _is_a_table(self):
        widths = {len(row) for row in self.shares}
        if len(self.shares) < 2 or len(widths) != 1 or min(widths) < 2:
            raise ValueError(
                "shares must be a table of two classes and two groups at least, a row a class, because one value alone has no gap; "
                f"write shares: [[0.25, 0.25], [0.25, 0.25]], got {[list(row) for row in self.shares]!r:.80}"
            )
        table = np.array(self.shares)
        if abs(table.sum() - 1) > 1e-9:
            raise ValueError(f"shares must sum to 1, got {table.sum():g}; divide them by their sum")
        for name, given, wanted in (("classes", self.classes, len(table)), ("groups", self.groups, table.shape[1])):
            if given and (len(given) != wanted or len(set(given)) < wanted):
                raise ValueError(f"{name} must be {wanted} different names, as many as shares has, got {list(given)!r:.80}")
        if (table == 0).any():
            row, column = np.argwhere(table == 0)[0]
            raise ValueError(
                f"shares leaves the cell {self.truth.names[row * table.shape[1] + column]} empty, and a cell that is empty at the start can never come "
                "back; give it a share, or leave its class or group out"
            )
        if table.size > self.rows:
            raise ValueError(f"shares has {table.size} cells, more than the {self.rows} records; raise human.rows, or join cells")
        if self.fixed_groups and min(apportioned(table.sum(axis=0), self.rows)) < 1:
            raise ValueError(f"fixed_groups leaves a group of {self.rows} rows without any; raise human.rows")
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
    """Known shares of cells, class by group; a state is a cell, all groups of the first class first."""

    shares: np.ndarray  # (classes, groups)
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    fixed_groups: bool

    @property
    def shape(self) -> tuple[int, int]:
        """How many classes and how many groups there are."""
        return len(self.classes), len(self.groups)

    @property
    def names(self) -> list[str]:
        """The name of every state."""
        return [f"{class_name} × {group}" for class_name in self.classes for group in self.groups]

    @property
    def probabilities(self) -> np.ndarray:
        """The share of every state, (classes × groups,)."""
        return self.shares.ravel()

    def draw(self, n, chains, rng) -> Counts:
        if not self.fixed_groups:
            return Counts(rng.multinomial(n, self.probabilities, size=chains or None))
        return Counts(drawn_by_group(np.broadcast_to(self.shares, (*chains, *self.shape)), self.shares.sum(axis=0), n, rng))
