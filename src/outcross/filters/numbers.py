"""The numbers by which filters judge candidates: their points, columns of theirs, or attributes of their texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outcross.attributes import Attribute
from outcross.errors import BadInput
from outcross.filters import Candidates


def numbers(candidates: Candidates, columns: Sequence[str], attributes: Sequence[Attribute]) -> np.ndarray:
    """What is asked of every candidate as numbers, (chains…, n, d): its point where no column and no attribute is named. NaN where it has none."""
    if not columns and not attributes:
        return candidates.points
    return np.column_stack(
        [
            *(numeric(candidates, column) for column in columns),
            *(attribute_of(candidates, attribute) for attribute in attributes),
        ]
    )


def numeric(candidates: Candidates, name: str) -> np.ndarray:
    """A column of numbers, (n,), NaN where a value is missing. BadInput where it holds something else."""
    import polars

    column = candidates.column(name)
    if not (column.dtype.is_numeric() or column.dtype == polars.Boolean):
        raise BadInput(f"column {name!r} holds {column.dtype}, numbers are needed; name a column of numbers")
    return column.cast(polars.Float64).fill_null(float("nan")).to_numpy()


def attribute_of(candidates: Candidates, attribute: Attribute) -> np.ndarray:
    """An attribute of every text, (n,); one that compares is fitted to the human texts."""
    read = attribute.fit(candidates.human.texts) if attribute.compares else attribute
    return np.asarray(read(candidates.texts), dtype=np.float64)
