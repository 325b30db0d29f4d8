"""Records of tables, series and images in the form that detectors read: typed columns, and the points that represent records."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.data.tables import Kind, Table
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.statistics import dynamics
from outcross.statistics.embedding import EMBEDDED, Embedding, embedding

if TYPE_CHECKING:
    import polars

READ = (*EMBEDDED, "series")
"""Kinds of columns that a detector of records reads. Texts have separate detectors."""
LARGEST = 50.0
"""Value that replaces an infinite feature of a series or of a vector's steps."""


@dataclass(frozen=True, eq=False)
class TypedRecords:
    """Records of one table, in a fixed order."""

    table: Table

    def __len__(self) -> int:
        return self.table.frame.height

    def __getitem__(self, rows: Any) -> TypedRecords:
        """Return these rows, given by number or as a slice."""
        return records_of(self.table, self.table.frame[rows])

    @property
    def frame(self) -> polars.DataFrame:
        """The typed columns."""
        return self.table.frame

    @property
    def are_continuous(self) -> bool:
        """Whether equal records must be copies, because they contain vectors, images or series, which do not repeat by chance."""
        return bool(self.table.of_kind("vector", "series"))

    @property
    def digests(self) -> np.ndarray:
        """Return a non-negative number for each record, (n,), which is equal for equal records."""
        return (self.frame.hash_rows(seed=0).to_numpy() >> np.uint64(8)).astype(np.int64)


def records_of(like: Table, frame: polars.DataFrame) -> TypedRecords:
    """Return records of a frame whose columns have the kinds and types of a table."""
    return typed(frame, like.kinds)


def together(*parts: TypedRecords) -> TypedRecords:
    """Concatenate records, all with the same columns."""
    import polars as pl

    return parts[0] if len(parts) == 1 else records_of(parts[0].table, pl.concat([part.frame for part in parts]))


@dataclass(frozen=True, eq=False)
class PointsReader:
    """A reader of records as points, fitted to the records of both authors.

    Numbers, categories and vectors are represented as in an audit (`statistics.embedding`). For a vector the features also include the part outside
    of its principal components, and the size of its steps from one value to the next, because generated vectors are often too smooth. For a series
    they include its length, level, spread, steps, autocorrelations and bands of its spectrum.
    """

    fitted: TypedRecords
    places: Embedding | None
    """The embedding of numbers, categories and vectors; None if records have none of these."""

    def __call__(self, records: TypedRecords) -> np.ndarray:
        """Return the features of records, (n, features), all finite."""
        table, parts = records.table, [np.zeros((len(records), 0))]
        if self.places is not None:
            parts.append(self.places(table))
        parts += [_steps(table.frame[column]) for column in table.of_kind("vector")]
        parts += [_courses(table.frame[column]) for column in table.of_kind("series")]
        return np.clip(np.nan_to_num(np.concatenate(parts, axis=1), nan=0.0, posinf=LARGEST, neginf=-LARGEST), -1e6, 1e6)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the records of its fit as bytes, from which the reader can be fitted again."""
        content = io.BytesIO()
        self.fitted.frame.write_ipc(content)
        return {"records": np.frombuffer(content.getvalue(), np.uint8)}


def points_reader(given: TypedRecords) -> PointsReader:
    """Return a reader that is fitted to these records. Raises BadInput if no column can be read."""
    if not given.table.of_kind(*READ):
        raise BadInput(f"no column has one of the kinds that a detector of records reads: {', '.join(READ)}; add such a column")
    try:
        places = embedding(given.table)
    except NotApplicable:
        places = None
    return PointsReader(given, places)


def points_reader_of(arrays: Mapping[str, np.ndarray]) -> PointsReader:
    """Return the reader that `PointsReader.arrays` stored."""
    import polars as pl

    return points_reader(typed(pl.read_ipc(io.BytesIO(arrays["records"].tobytes()))))


def typed(frame: polars.DataFrame, kinds: Mapping[str, Kind] | None = None) -> TypedRecords:
    """Return the records of a typed frame.

    `kinds` are the kinds of its columns. By default they follow from the types: arrays are vectors, lists are series, strings are categories, and all
    others are numbers.
    """
    own = kinds or {column: _kind(dtype) for column, dtype in frame.schema.items()}
    return TypedRecords(Table("records", frame.height, own, frame, (), frame, np.arange(frame.height), lambda wanted: iter(())))


def _kind(dtype: Any) -> Kind:
    import polars as pl

    if isinstance(dtype, pl.Array):
        return "vector"
    return "series" if isinstance(dtype, pl.List) else "category" if dtype == pl.String else "number"


def _steps(vectors: polars.Series) -> np.ndarray:
    """Return the logs of each vector's spread and of its steps relative to the spread, (n, 2); 0 if the vector is missing.

    A step is the difference between neighbouring values of a vector.
    """
    width = vectors.dtype.shape[0]  # type: ignore[attr-defined]
    is_there = vectors.is_not_null().to_numpy()
    features = np.zeros((len(vectors), 2))
    if width < 2 or not is_there.any():
        return features
    values = vectors.drop_nulls().to_numpy().reshape(-1, width).astype(float)
    spread, steps = values.std(axis=1), np.abs(np.diff(values, axis=1)).mean(axis=1)
    features[is_there] = np.stack([_log(spread), _log(steps) - _log(spread)], axis=1)
    return features


def _courses(series: polars.Series) -> np.ndarray:
    """Return the features of the course of each series, (n, features).

    A series that is shorter than `dynamics.SHORTEST` has zeros for its lags and bands.
    """
    lists = [np.asarray(values, float) if values is not None else np.zeros(0) for values in series.to_list()]
    values = [each[np.isfinite(each)] for each in lists]
    lengths = np.array([each.size for each in values])
    features = np.zeros((len(values), 8 + 3 + len(dynamics.BANDS)))
    for length in np.unique(lengths[lengths > 0]).tolist():
        rows = np.flatnonzero(lengths == length)
        block = np.stack([values[row] for row in rows.tolist()])
        spread = block.std(axis=1)
        steps = np.abs(np.diff(block, axis=1)).mean(axis=1) if length > 1 else np.zeros(rows.size)
        quartiles = np.quantile(block, (0.0, 0.25, 0.75, 1.0), axis=1)
        features[rows, :8] = np.stack(
            [np.full(rows.size, np.log(length)), block.mean(axis=1), _log(spread), _log(steps) - _log(spread), *quartiles], axis=1
        )
        if length >= dynamics.SHORTEST:
            long = block[:, : dynamics.LONGEST]
            lags = [dynamics.autocorrelation(long, lag) for lag in (1, 2)]
            features[rows, 8:] = np.column_stack([*lags, dynamics.spectral_entropy(long), dynamics.bands(long)])
    return features


def _log(values: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(values, 1e-12))
