"""The records of a source as one array of numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from outcross.errors import BadInput
from outcross.files import inputs
from outcross.files.kinds import LARGEST_NUMBER
from outcross.files.source import TableSource

if TYPE_CHECKING:
    import polars


def points(source: TableSource) -> np.ndarray:
    """All records as points, (n, d) of float64: the columns of numbers and the numbers of the columns of vectors, side by side.

    Columns of provenance, whose names start with `_`, are left out. Raises BadInput if another value is not a finite number, if its size is
    over 1e50, if vectors differ in length, or if the array exceeds the memory limit for one input.
    """
    columns = [column for column in source.columns if not column.startswith("_")]
    batches: list[np.ndarray] = []
    rows = 0
    for batch in source.batches(columns) if columns else ():
        numbers = [_numbers(batch, column, source.name, rows) for column in columns]
        points = np.concatenate(numbers, axis=1)  # (rows of the batch, d)
        if batches and points.shape[1] != batches[0].shape[1]:
            raise BadInput(
                f"{source.name} holds records of {batches[0].shape[1]} and of {points.shape[1]} numbers; give all the same columns"
            )
        _check(points, source.name, rows)
        batches.append(points)
        rows += len(points)
        inputs.check_memory(Path(source.name), rows * points.shape[1] * points.itemsize, "holds numbers that take")
    if rows == 0:
        raise BadInput(f"{source.name} must hold numbers of shape (n, d), but has no record of numbers; give a file with some")
    return np.concatenate(batches)


def _numbers(batch: polars.DataFrame, column: str, name: str, before: int) -> np.ndarray:
    """The numbers of a column, (rows, 1), or of its vectors, (rows, d). A missing number is NaN."""
    import polars as pl

    if column not in batch.columns:
        raise BadInput(f"{name} holds records without a column {column!r}, which others have; give all of them the same columns")
    values = batch[column]
    if values.dtype == pl.String:
        values = _parsed(values, name, before)
    elif isinstance(values.dtype, pl.List):
        values = _of_one_length(values, name)
    innermost = values.dtype
    while isinstance(innermost, pl.Array):
        innermost = innermost.inner
    if not (innermost.is_numeric() or innermost == pl.Boolean):
        raise BadInput(f"{name} must hold numbers, but its column {column!r} holds {values.dtype}; leave that column out")
    width = math.prod(values.dtype.shape) if isinstance(values.dtype, pl.Array) else 1
    inputs.check_memory(Path(name), (before + len(values)) * width * np.dtype(float).itemsize, "holds numbers that take")
    return values.to_numpy().astype(float).reshape(len(values), width)


def _parsed(values: polars.Series, name: str, before: int) -> polars.Series:
    """Convert strings, such as those of a .csv file, to numbers."""
    import polars as pl

    numbers = values.str.strip_chars().cast(pl.Float64, strict=False)
    wrong = (numbers.is_null() & (values != "")).arg_true()
    if len(wrong):
        raise BadInput(
            f"{name} must hold numbers, got {values[wrong[0]]!r:.40} at row {before + wrong[0]}, column {values.name!r}; "
            "leave that column out, or mend it"
        )
    return numbers


def _of_one_length(values: polars.Series, name: str) -> polars.Series:
    """Convert lists to arrays. Raises BadInput if the lists differ in length."""
    lengths = values.list.len().drop_nulls().unique().sort().to_list()
    if len(lengths) != 1 or not lengths[0]:
        raise BadInput(f"{name} holds lists of {lengths[:5]} numbers in its column {values.name!r}; make them of one length")
    return values.list.to_array(lengths[0])


def _check(points: np.ndarray, name: str, before: int) -> None:
    """Raise BadInput if a number is not finite, or is too large to be squared and added."""
    if not np.isfinite(points).all():
        row, column = np.argwhere(~np.isfinite(points))[0]
        raise BadInput(f"{name} holds {points[row, column]} at row {before + row}, column {column}; give finite numbers")
    if points.size and (largest := np.abs(points).max()) > LARGEST_NUMBER:
        raise BadInput(f"{name} holds numbers of size {largest:.3g}, and the maximum is {LARGEST_NUMBER:g}; change the unit")
