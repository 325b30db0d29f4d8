"""Sources of records from objects in memory: arrays, columns, and frames of other libraries, which need not be installed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.errors import BadInput
from outcross.files import inputs
from outcross.files.arrays import ArrayFile
from outcross.files.source import BATCH, TableSource, in_memory, rows_of

if TYPE_CHECKING:
    import polars

WIDEST = 64
"""Maximum number of columns of a matrix that is read as columns of numbers. A wider matrix is read as a column of vectors."""


def from_array(array: np.ndarray | ArrayFile, name: str) -> TableSource:
    """The columns x0, x1, … of an array (n,) or (n, d) with d up to 64; for other arrays (n, …) the column `vector`, flattened."""
    import polars as pl

    if array.dtype.kind not in "fiub" or array.ndim == 0:
        raise BadInput(f"{name or 'the array'} must hold numbers of shape (n, …), got {array.dtype} {array.shape}")
    width = math.prod(array.shape[1:])
    is_wide = array.ndim > 2 or width > WIDEST
    columns = ["vector"] if is_wide else [f"x{i}" for i in range(width)]
    inputs.check_memory(Path(name or "the array"), width * _precision(array.dtype).itemsize, "holds a record that takes")

    def frame(rows: np.ndarray) -> polars.DataFrame:
        if is_wide:
            return pl.DataFrame({"vector": _vectors(rows)})
        flat = rows.reshape(len(rows), width)  # (n, d)
        return pl.DataFrame({column: np.ascontiguousarray(flat[:, i]) for i, column in enumerate(columns)})

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        step = rows_of(4 * width)
        for start in range(0, len(array) if width else 0, step):
            batch = frame(array[start : start + step])
            yield batch if wanted is None else batch.select(wanted)

    return TableSource(name, tuple(columns), batches, record=tuple(array.shape[1:]))


def _vectors(array: np.ndarray) -> polars.Series:
    import polars as pl

    precision = _precision(array.dtype)
    flat = np.ascontiguousarray(array.reshape(len(array), math.prod(array.shape[1:])), dtype=precision)  # (n, d)
    inner = pl.Float32 if precision == np.float32 else pl.Float64
    return pl.Series(flat, dtype=pl.Array(inner, flat.shape[1])) if flat.size else pl.Series([], dtype=pl.Array(inner, 1))


def _precision(dtype: np.dtype) -> np.dtype:
    """Single precision if it represents every number of a type exactly, otherwise double precision."""
    return np.dtype(np.float32 if np.can_cast(dtype, np.float32) else np.float64)


def from_columns(columns: Mapping[Any, Any], what: str) -> polars.DataFrame:
    """A frame of named columns. Each is an array or a list, and all have the same length."""
    import polars as pl

    series: dict[str, polars.Series] = {}
    for name, values in columns.items():
        try:
            if isinstance(values, np.ndarray) and values.dtype.kind in "fiub" and values.ndim > 1:
                series[str(name)] = _vectors(values)
            else:
                plain = values.tolist() if isinstance(values, np.ndarray) and values.dtype.kind == "O" else values
                series[str(name)] = pl.Series(plain, strict=False)
        except Exception as error:
            raise BadInput(f"{what}: column {name!r} is not a list of values: {' '.join(str(error).split())[:120]}") from None
    if len(lengths := {len(values) for values in series.values()}) > 1:
        raise BadInput(f"{what} has columns of {', '.join(map(str, sorted(lengths)))} rows; make them of one length")
    return pl.DataFrame(series)


def from_pandas(frame: Any) -> TableSource:
    """A source of the columns of a pandas frame, without its index. It is read column by column, so neither pandas nor pyarrow is imported."""
    names: list[str] = []
    seen: Counter[str] = Counter()
    for name in map(str, frame.columns):
        names.append(f"{name}_duplicated_{seen[name] - 1}" if seen[name] else name)  # as polars names them
        seen[name] += 1
    twice = [f"a column name occurs twice: {name!r}" for name, times in seen.items() if times > 1]

    def values(column: Any) -> Any:
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "fiubmM":
            return column.to_numpy()
        missing = column.isna().tolist()
        return [None if is_missing else value for value, is_missing in zip(column.tolist(), missing, strict=True)]

    return in_memory(
        from_columns({name: values(frame.iloc[:, i]) for i, name in enumerate(names)}, "the frame"), "DataFrame", twice
    )


def from_hugging_face(data: Any) -> TableSource:
    """A source of a Hugging Face Dataset, which is read from the disk in batches."""

    def batches(wanted: Sequence[str] | None) -> Iterator[polars.DataFrame]:
        return (data if wanted is None else data.select_columns(list(wanted))).to_polars(batch_size=BATCH, batched=True)

    return TableSource("Dataset", tuple(data.column_names or ()), batches)
