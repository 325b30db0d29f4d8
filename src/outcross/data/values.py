"""The values of one column on every side (data set) that has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from outcross.files import kinds as of_values
from outcross.files.forms import PLAIN, Form

if TYPE_CHECKING:
    import polars


@dataclass(frozen=True, eq=False)
class Side:
    """The records of one side as they were read, with the position of each in its file."""

    records: polars.DataFrame
    places: np.ndarray

    @cached_property
    def columns(self) -> dict[str, polars.Series]:
        """The columns by name."""
        return {series.name: series for series in self.records}

    @cached_property
    def order(self) -> np.ndarray:
        return np.argsort(self.places, kind="stable")

    @cached_property
    def steps(self) -> np.ndarray:
        """The differences of the positions of successive rows in file order, (rows - 1,)."""
        return np.diff(self.places[self.order])


class Values:
    """The values of a column on every side that has it."""

    def __init__(self, name: str, sides: Sequence[Side]):
        self.name = name
        self.sides = sides
        self.raw = [side.columns.get(name) for side in sides]
        self.known = [None if raw is None else without_missing(raw) for raw in self.raw]
        self.there = [column for column in self.known if column is not None and len(column)]
        self._numbers: dict[tuple[int, Form], polars.Series] = {}

    @property
    def lead(self) -> polars.Series:
        """The values of the first side that has any."""
        return self.there[0]

    @property
    def first(self) -> int:
        """The number of the first side that has any value."""
        return next(i for i, column in enumerate(self.known) if column is not None and len(column))

    @cached_property
    def texts(self) -> list[polars.Series | None]:
        """The strings of each side, stripped and without empty ones; None for a side whose values are not strings."""
        return [None if column is None or not is_text(column) else stripped(column) for column in self.known]

    @cached_property
    def pooled(self) -> polars.Series:
        """The strings of all sides."""
        import polars as pl

        return pl.concat([text.alias("") for text in self.texts if text is not None])

    def in_order(self, side: int) -> polars.Series:
        """Return the values of a side in the order of its file."""
        raw = self.raw[side]
        assert raw is not None
        return raw[self.sides[side].order]

    def numbers(self, forms: Sequence[Form]) -> list[polars.Series]:
        """Return the numbers of each side that has values."""
        return [
            self.numbers_of(side, form)
            for side, (column, form) in enumerate(zip(self.known, forms, strict=True))
            if column is not None and len(column)
        ]

    def numbers_of(self, side: int, form: Form = PLAIN) -> polars.Series:
        """Return the numbers of one side, read in this notation. Each notation is read only once."""
        column = self.known[side]
        assert column is not None
        if (side, form) not in self._numbers:
            self._numbers[side, form] = without_missing(of_values.as_number(column, form))
        return self._numbers[side, form]


def without_missing(values: polars.Series) -> polars.Series:
    """Return the values without missing ones."""
    return values.drop_nulls() if values.null_count() else values


def are_whole(numbers: polars.Series) -> bool:
    """Whether all numbers are whole. numbers: Float64 without missing values."""
    values = numbers.to_numpy()
    return bool((np.floor(values) == values).all())


def is_text(values: polars.Series) -> bool:
    """Whether values are strings."""
    import polars as pl

    return values.dtype in (pl.String, pl.Categorical, pl.Enum)


def stripped(values: polars.Series) -> polars.Series:
    import polars as pl

    text = values.cast(pl.String).str.strip_chars()
    return text.filter(text != "")
