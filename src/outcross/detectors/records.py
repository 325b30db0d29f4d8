"""Records of tables, series and images, as detectors read them: typed columns, and the points that a record becomes."""

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
"""Kinds of columns that a detector of records reads; texts have detectors of their own."""
LARGEST = 50.0
"""Size up to which a feature of a series or of a vector's steps is told apart."""


@dataclass(frozen=True, eq=False)
class TypedRecords:
    """Records of one table, in an order that means something to whoever holds them."""

    table: Table

    def __len__(self) -> int:
        return self.table.frame.height

    def __getitem__(self, rows: Any) -> TypedRecords:
        """These rows, by number or as a slice."""
        return records_of(self.table, self.table.frame[rows])

    @property
    def frame(self) -> polars.DataFrame:
        """The typed columns."""
        return self.table.frame

    @property
    def are_continuous(self) -> bool:
        """Whether equal records are copies: they hold vectors, images or series, which do not repeat by chance."""
        return bool(self.table.of_kind("vector", "series"))

    @property
    def digests(self) -> np.ndarray:
        """A number of each record that is equal for equal ones, (n,), at least 0."""
        return (self.frame.hash_rows(seed=0).to_numpy() >> np.uint64(8)).astype(np.int64)


def records_of(like: Table, frame: polars.DataFrame) -> TypedRecords:
    """Records with the kinds of columns of a table. frame: its columns, typed as in it."""
    return typed(frame, like.kinds)


def together(*parts: TypedRecords) -> TypedRecords:
    """Records one below the other; all have the same columns."""
    import polars as pl

    return parts[0] if len(parts) == 1 else records_of(parts[0].table, pl.concat([part.frame for part in parts]))


@dataclass(frozen=True, eq=False)
class PointsReader:
    """Reads records as points, after the records of both authors.

    Numbers, categories and vectors are those of an audit (`statistics.embedding`). A vector adds how much of it lies outside of its principal components and how large its steps are from one value to the
    next, where what a model draws is often too smooth. A series adds its length, level, spread, steps, autocorrelations and bands of its spectrum.
    """

    fitted: TypedRecords
    places: Embedding | None
    """None where records have no numbers, categories or vectors."""

    def __call__(self, records: TypedRecords) -> np.ndarray:
        """(n, features), all finite."""
        table, parts = records.table, [np.zeros((len(records), 0))]
        if self.places is not None:
            parts.append(self.places(table))
        parts += [_steps(table.frame[column]) for column in table.of_kind("vector")]
        parts += [_courses(table.frame[column]) for column in table.of_kind("series")]
        return np.clip(np.nan_to_num(np.concatenate(parts, axis=1), nan=0.0, posinf=LARGEST, neginf=-LARGEST), -1e6, 1e6)

    def arrays(self) -> dict[str, np.ndarray]:
        """The records that it was fitted to, as bytes, from which it is made again."""
        content = io.BytesIO()
        self.fitted.frame.write_ipc(content)
        return {"records": np.frombuffer(content.getvalue(), np.uint8)}


def points_reader(given: TypedRecords) -> PointsReader:
    """What reads records like these. BadInput where they have no column that is read."""
    if not given.table.of_kind(*READ):
        raise BadInput(f"no column holds {', '.join(READ)}; a detector of records reads those")
    try:
        places = embedding(given.table)
    except NotApplicable:
        places = None
    return PointsReader(given, places)


def points_reader_of(arrays: Mapping[str, np.ndarray]) -> PointsReader:
    """The reader that `PointsReader.arrays` kept."""
    import polars as pl

    return points_reader(typed(pl.read_ipc(io.BytesIO(arrays["records"].tobytes()))))


def typed(frame: polars.DataFrame, kinds: Mapping[str, Kind] | None = None) -> TypedRecords:
    """The records of a frame that is typed as tables are. kinds: of its columns; left out, what its types say: arrays are vectors, lists series, strings categories."""
    own = kinds or {column: _kind(dtype) for column, dtype in frame.schema.items()}
    return TypedRecords(Table("records", frame.height, own, frame, (), frame, np.arange(frame.height), lambda wanted: iter(())))


def _kind(dtype: Any) -> Kind:
    import polars as pl

    if isinstance(dtype, pl.Array):
        return "vector"
    return "series" if isinstance(dtype, pl.List) else "category" if dtype == pl.String else "number"


def _steps(vectors: polars.Series) -> np.ndarray:
    """The logs of a vector's own spread and of its steps from one value to the next over it, (n, 2); 0 where it is missing."""
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
    """What each series says of its course, (n, features); a series says nothing of lags and bands where it is shorter than `dynamics.SHORTEST`, and then has zeros."""
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
