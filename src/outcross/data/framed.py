"""Records in a polars frame, one record per row: rows of a table, and series by entity."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from outcross.data.columns import Given, understood
from outcross.data.records import Reference, digest_of_frame, row_numbers
from outcross.data.values import Side
from outcross.errors import BadInput
from outcross.files import kinds as of_values
from outcross.files.kinds import KINDS, Kind
from outcross.files.names import literal, read_parquet
from outcross.recipe import nearest

if TYPE_CHECKING:
    import polars

PROVENANCE = ("_id", "_source", "_model", "_generation", "_parents", "_weight")
"""The columns of provenance, in addition to the user's columns: the id of a record, its source, its model, its generation, the records that it
was made from, and its weight. Unknown values are missing."""


@dataclass(frozen=True, eq=False)
class Framed:
    """Records of a frame, one record per row, with the user's columns and those of provenance. There are no chains."""

    frame: Any
    kind: ClassVar[str]

    @property
    def described(self) -> dict[str, Any]:
        """The description that the frame does not contain, as plain data. It is equal for records that can be joined."""
        raise NotImplementedError

    @classmethod
    def of_frame(cls, frame: Any, described: Mapping[str, Any]) -> Self:
        """Return the records of a stored frame. Raises BadInput if a column is missing or unexpected."""
        records = cls(frame, **described)
        missing = set(records.columns) | set(PROVENANCE)
        if missing != set(frame.columns):
            raise BadInput(f"the columns must be {', '.join(sorted(missing))[:200]}, got {', '.join(frame.columns)[:200]}")
        return records

    @property
    def columns(self) -> list[str]:
        """The user's columns."""
        return [name for name in self.frame.columns if name not in PROVENANCE]

    def __len__(self) -> int:
        return self.frame.height

    @property
    def chains(self) -> tuple[int, ...]:
        return ()

    @property
    def digest(self) -> str:
        """The SHA-256 of every column and of the description."""
        return digest_of_frame(f"{self.kind} {json.dumps(self.described, sort_keys=True)}", self.frame)

    def column(self, name: str) -> np.ndarray:
        return self.frame[name].to_numpy()

    def some(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(len(self))[:n]

    def take(self, rows: Reference | None) -> Self:
        return self if rows is None else replace(self, frame=self.frame[row_numbers(rows, self.kind)])

    def blinded(self) -> Self:
        """Return the records without provenance, in an order that depends only on their content."""
        own = self.frame.select(self.columns)
        order = own.hash_rows(seed=0).arg_sort()
        return replace(self, frame=with_provenance(own[order]))

    @classmethod
    def concat(cls, many: Sequence[Self]) -> Self:
        """Join records, one after the other. Raises BadInput if they differ in columns, types or descriptions."""
        import polars as pl

        first = many[0]
        for other in many[1:]:
            if other.frame.schema != first.frame.schema or other.described != first.described:
                ours, theirs = ({**side.frame.schema, **side.described} for side in (first, other))
                unlike = sorted(str(name) for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
                raise BadInput(
                    f"{cls.kind} that differ in {', '.join(unlike)[:200]} cannot be joined; give them the same columns and kinds"
                )
        return first if len(many) == 1 else replace(first, frame=pl.concat([part.frame for part in many]))

    def save(self, folder: Path) -> None:
        self.frame.write_parquet(literal(folder / f"{self.kind}.parquet"), compression="zstd", statistics=False)
        (folder / f"{self.kind}.json").write_text(json.dumps(self.described, sort_keys=True))

    @classmethod
    def load(cls, folder: Path) -> Self:
        described = json.loads((folder / f"{cls.kind}.json").read_text())
        return cls.of_frame(read_parquet(folder / f"{cls.kind}.parquet"), described)


@dataclass(frozen=True, eq=False)
class TableRows(Framed):
    """Rows of a table, with the kind of every column of the user and optionally the target, the column that others predict."""

    frame: Any
    kinds: Mapping[str, Kind]
    """{column: kind}: number (Float64), category or text (String), vector (Array of Float32), series (List of Float64)."""
    target: str | None = None
    kind: ClassVar[str] = "rows"

    @property
    def described(self) -> dict[str, Any]:
        return {"kinds": dict(self.kinds), "target": self.target}

    @property
    def columns(self) -> list[str]:
        return list(self.kinds)


@dataclass(frozen=True, eq=False)
class EntitySeries(Framed):
    """Series by entity. A record is an entity, with one list of numbers per variable. All lists of an entity have the same length."""

    frame: Any
    entity: str
    """The column that names the entity."""
    time: str | None = None
    """The column of times, ascending within an entity; None if only the order of the values is known."""
    kind: ClassVar[str] = "series"

    @property
    def described(self) -> dict[str, Any]:
        return {"entity": self.entity, "time": self.time}

    @classmethod
    def of_frame(cls, frame: Any, described: Mapping[str, Any]) -> Self:
        if described["entity"] not in frame.columns:
            raise BadInput(
                f"there is no column {described['entity']!r} of entities; the columns are {', '.join(frame.columns)[:200]}"
            )
        return super().of_frame(frame, described)

    def long(self) -> polars.DataFrame:
        """Return a frame with one row per point in time: the entity and its variables. Entities without a value have no row."""
        import polars as pl

        lists = [name for name in self.columns if name != self.entity]
        return self.frame.select(self.columns).filter(pl.col(lists[0]).list.len() > 0).explode(lists)


def table_rows(data: polars.DataFrame, kinds: Mapping[str, Kind] | None = None, target: str | None = None) -> TableRows:
    """Return rows of a table from a frame. The kind of a column is inferred unless `kinds` gives it (as in `data.tables.table`).

    Existing columns of provenance are kept, and the others are filled with missing values. Raises BadInput if another column starts with `_`, if no
    column can be compared, or if the target is not a column.

    >>> import polars
    >>> table_rows(polars.DataFrame({"age": [31.5, 47.0, None], "sex": ["f", "m", "f"]}), target="sex").described
    {'kinds': {'age': 'number', 'sex': 'category'}, 'target': 'sex'}
    """
    kinds = kinds or {}
    for column, kind in kinds.items():
        if column not in data.columns:
            raise BadInput(
                f"there is no column {column!r}{nearest(column, data.columns)}; there are {', '.join(data.columns)[:200]}"
            )
        if kind not in KINDS:
            raise BadInput(f"kind of {column!r} must be one of {', '.join(KINDS)}, got {kind!r}")
    columns = understood([Side(data.select(_own(data)), np.arange(data.height))], Given(dict(kinds), kept=tuple(data.columns)))
    chosen: dict[str, Kind] = {name: column.kind for name, column in columns.items() if column.kind is not None}
    forms = {name: columns[name].forms[0] for name in chosen if columns[name].forms}
    if not chosen:
        raise BadInput("no column has a value; give a table with records")
    if target is not None and target not in chosen:
        raise BadInput(f"the target {target!r} is not a column{nearest(target, chosen)}; there are {', '.join(chosen)[:200]}")
    widths = {column: of_values.width(data[column]) for column, kind in chosen.items() if kind == "vector"}
    return TableRows(with_provenance(of_values.typed(data, chosen, widths, forms), data), chosen, target)


def entity_series(data: polars.DataFrame, entity: str, time: str | None = None) -> EntitySeries:
    """Return series by entity from a frame with one row per point in time. Every column except the entity is converted to numbers.

    Entities are in the order of their first occurrence. Values are sorted by time; without a time they stay in their order. An entity keeps the first
    value of each column of provenance. Raises BadInput if a column is missing.
    """
    import polars as pl

    for column in (entity, *([] if time is None else [time])):
        if column not in data.columns:
            raise BadInput(
                f"there is no column {column!r}{nearest(column, data.columns)}; there are {', '.join(data.columns)[:200]}"
            )
    variables = [column for column in _own(data) if column != entity]
    if not variables:
        raise BadInput(f"there is no column of values except {entity!r}; give one")
    typed = of_values.typed(data, {entity: "category", **dict.fromkeys(variables, "number")}, {})
    if typed[entity].null_count():
        raise BadInput(f"{typed[entity].null_count():,} rows have no entity in {entity!r}; leave them out")
    typed = typed.with_columns(data[column] for column in data.columns if column in PROVENANCE)
    if time is not None:
        typed = typed.sort(time, maintain_order=True)
    order = data.select(of_values.as_category(data[entity]).alias(entity)).unique(maintain_order=True)
    firsts = [pl.col(column).first() for column in typed.columns if column in PROVENANCE]
    grouped = order.join(
        typed.group_by(entity, maintain_order=True).agg(pl.col(variables), *firsts), on=entity, how="left", maintain_order="left"
    )
    return EntitySeries(with_provenance(grouped.select(entity, *variables), grouped), entity, time)


def with_provenance(own: polars.DataFrame, known: polars.DataFrame | None = None) -> polars.DataFrame:
    """Return the user's columns with every column of provenance, from `known` or filled with missing values."""
    import polars as pl

    types = (pl.String, pl.String, pl.String, pl.Int32, pl.List(pl.String), pl.Float64)
    columns = []
    for name, dtype in zip(PROVENANCE, types, strict=True):
        if known is None or name not in known.columns:
            columns.append(pl.Series(name, [None] * own.height, dtype=dtype))
            continue
        try:
            columns.append(known[name].cast(dtype))
        except pl.exceptions.PolarsError:
            raise BadInput(f"column {name!r} must be {dtype}, got {known[name].dtype}; rename it if it is not provenance") from None
    return own.with_columns(columns)


def _own(data: polars.DataFrame) -> list[str]:
    """Return the names of the user's columns. Raises BadInput if one of them is reserved for provenance."""
    own = [column for column in data.columns if column not in PROVENANCE]
    if reserved := [column for column in own if column.startswith("_")]:
        raise BadInput(
            f"column {reserved[0]!r} starts with _, which is reserved for provenance ({', '.join(PROVENANCE)}); rename it"
        )
    return own
