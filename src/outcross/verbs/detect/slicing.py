"""The values of the columns of --by, which divide the data into slices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from outcross.detectors.samples import words_of_column
from outcross.errors import BadInput
from outcross.recipe import nearest

if TYPE_CHECKING:
    import polars

MOST_VALUES = 200
"""Maximum number of different values in a column of --by."""

Coded = Mapping[str, tuple[np.ndarray, list[str]]]
"""For each column: the code of each row's value, (n,), and the values in the order of their codes."""


def check_columns(by: Sequence[str], there: Sequence[str]) -> None:
    """Raise BadInput if the data, whose columns are `there`, lack one of the columns of --by."""
    for name in by:
        if name not in there:
            raise BadInput(f"--by: the data have no column {name!r}{nearest(name, there)}; they have {', '.join(there)[:200]}")


def values_of(frame: polars.DataFrame, by: Sequence[str]) -> dict[str, list[str]]:
    """Return the value of each row in each of these columns, as words."""
    return {name: ["missing" if value is None else value for value in words_of_column(frame[name])] for name in by}


def slices_of(coded: Coded) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield the column, the value and the rows of each slice."""
    for column, (codes, values) in coded.items():
        for code, value in enumerate(values):
            yield column, value, np.flatnonzero(codes == code)


@dataclass
class CodedColumns:
    """The values of some columns, which are collected batch by batch and numbered in the order of their first occurrence."""

    columns: Sequence[str]
    _numbers: dict[str, dict[str, int]] = field(default_factory=dict)
    _codes: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def add(self, values: Mapping[str, Sequence[str]]) -> None:
        """Add the values of the next rows. Raises BadInput if a column has more than `MOST_VALUES` different values."""
        for column in self.columns:
            numbers = self._numbers.setdefault(column, {})
            for value in values[column]:
                if value not in numbers:
                    if len(numbers) == MOST_VALUES:
                        raise BadInput(
                            f"--by {column}: the column has more than {MOST_VALUES} different values; give a column with fewer"
                        )
                    numbers[value] = len(numbers)
            self._codes.setdefault(column, []).append(np.array([numbers[value] for value in values[column]], np.int32))

    @property
    def coded(self) -> Coded:
        """The codes and values of each column."""
        return {column: (np.concatenate(self._codes[column]), [*self._numbers[column]]) for column in self.columns if self._codes}
