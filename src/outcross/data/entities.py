"""Read long tables, with one row per point in time, as one record per entity. A column that stays constant becomes a value, and one that changes a series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.data.columns import Column, Given, check_given, understood
from outcross.data.tables import Table, table_of
from outcross.data.values import Side
from outcross.errors import BadInput
from outcross.files import kinds as of_values
from outcross.files.chats import unfolded
from outcross.files.inputs import check_memory
from outcross.files.reading import read
from outcross.files.source import in_memory
from outcross.recipe import nearest

if TYPE_CHECKING:
    import polars

STEADY = 0.99
"""The minimum share of entities of the first set in which a column is constant, so that it is a value of the entity and not a series."""


@dataclass(frozen=True)
class Entities:
    """The settings for long tables: the column that names the entity, and the column that orders its rows."""

    entity: str
    time: str | None
    given: Given

    def long(self, data: Any, name: str) -> polars.DataFrame:
        """Read all rows of a long table, since a sample of rows would break series. Raises BadInput if they do not fit into memory, or a column is missing."""
        from pathlib import Path

        source, batches, size = unfolded(read(data)), [], 0
        for batch in source.batches(None):
            batches.append(batch)
            size += int(batch.estimated_size())
            check_memory(Path(name), size, "has series, which are read as a whole, of")
        rows = of_values.stacked(batches) if batches else None
        if rows is None or not rows.height:
            raise BadInput(f"{name} has no rows; give a table with records")
        for option, column in (("--entity", self.entity), ("--time", self.time)):
            if column is not None and column not in rows.columns:
                raise BadInput(
                    f"{name} has no column {column!r} ({option}){nearest(column, rows.columns)}; it has {', '.join(rows.columns)[:200]}"
                )
        return rows

    def tables(self, sides: Sequence[tuple[str, polars.DataFrame]]) -> list[Table]:
        """Return one table per side, with one record per entity. The kinds of columns are inferred from all sides at once.

        A number that changes in time becomes a series, and a second column with its mean over the rows. A category that changes becomes the most common value of
        the entity. If entities have different numbers of rows, that number becomes a column.
        """
        kinds = {self.entity: "category", **({} if self.time is None else {self.time: "number"})}
        given = replace(
            self.given, kinds={**kinds, **self.given.kinds}, kept=tuple({name for _, rows in sides for name in rows.columns})
        )
        check_given(given, sides[0][1].columns, sides[0][0])
        columns = understood([Side(rows, np.arange(rows.height)) for _, rows in sides], given)
        folds = _Folding(self, columns, sides)
        return [folds.table(name, rows, i) for i, (name, rows) in enumerate(sides)]


class _Folding:
    """Converts the columns of long tables to columns of entities."""

    def __init__(self, entities: Entities, columns: dict[str, Column], sides: Sequence[tuple[str, polars.DataFrame]]):
        self.entities, self.columns = entities, columns
        first = sides[0][1]
        self.kinds = {
            name: column.kind for name, column in columns.items() if column.kind in ("number", "category") and name in first.columns
        }
        typed = self._typed(first, 0)
        if entities.time is not None and (
            self.kinds.get(entities.time) != "number" or typed[entities.time].null_count() == typed.height
        ):
            raise BadInput(
                f"--time {entities.time!r} contains no times or numbers; name the column that orders the rows of {entities.entity!r}"
            )
        import polars as pl

        own = [name for name in self.kinds if name not in (entities.entity, entities.time)]
        changes = typed.group_by(entities.entity).agg(pl.col(own).drop_nulls().n_unique() <= 1) if own else None
        self.steady = {name for name in own if changes is not None and float(changes[name].mean() or 0) >= STEADY}  # type: ignore[arg-type]
        lengths = {length for _, rows in sides for length in rows[entities.entity].value_counts()["count"].unique()}
        self.are_of_one_length = len(lengths) == 1
        if typed.height == typed[entities.entity].n_unique():
            raise BadInput(f"no value of {entities.entity!r} has two rows, so there is no series; leave out --entity")

    def _typed(self, rows: polars.DataFrame, side: int) -> polars.DataFrame:
        forms = {name: self.columns[name].forms[side] for name in self.kinds if self.columns[name].forms}
        typed = of_values.typed(rows, self.kinds, {}, forms)  # type: ignore[arg-type]
        if missing := typed[self.entities.entity].null_count():
            raise BadInput(f"{missing:,} rows have no entity in {self.entities.entity!r}; leave them out")
        return typed

    def table(self, name: str, rows: polars.DataFrame, side: int) -> Table:
        """Return the table of the entities of a side."""

        entity, time = self.entities.entity, self.entities.time
        typed = self._typed(rows, side)
        if time is not None:
            typed = typed.sort(time, maintain_order=True, nulls_last=True)
        folds, given = self._folds(rows.columns)
        folded = typed.group_by(entity, maintain_order=True).agg(*folds)
        return table_of(in_memory(folded.drop(entity)), name, given)

    def _folds(self, there: Sequence[str]) -> tuple[list[polars.Expr], Given]:
        """Return the expressions that convert the present columns, and the kinds and reasons of the results."""
        import polars as pl

        entity, time = self.entities.entity, self.entities.time
        order = "" if time is None else f" in the order of {time}"
        folds: list[pl.Expr] = []
        kinds: dict[str, str] = {}
        reasons: dict[str, str] = {}
        others = [
            replace(
                self.columns[entity], kind=None, shown="entity", why="names the entity of a record", change="leave out --entity"
            )
        ]
        if time is not None:
            others.append(
                replace(
                    self.columns[time], kind=None, shown="time", why=f"orders the rows of each {entity}", change="leave out --time"
                )
            )
        for name, column in self.columns.items():
            if name in (entity, time) or name not in there:
                continue
            if name not in self.kinds:
                why = column.why if column.kind is None else f"a {column.kind} that may change in time is not compared"
                others.append(replace(column, kind=None, why=why))
            elif name in self.steady:
                folds.append(pl.col(name).drop_nulls().first())
                kinds[name], reasons[name] = self.kinds[name], f"one value for each {entity}"  # type: ignore[assignment]
            elif self.kinds[name] == "number":
                folds += [pl.col(name), pl.col(name).mean().alias(f"{name} (mean)")]
                kinds |= {name: "series", f"{name} (mean)": "number"}
                reasons |= {name: f"changes within {entity}{order}", f"{name} (mean)": f"mean over the rows of each {entity}"}
            else:
                common = f"{name} (commonest)"
                folds.append(pl.col(name).drop_nulls().mode().sort().first().alias(common))
                kinds[common], reasons[common] = "category", f"the most common value of each {entity}"
        if not self.are_of_one_length:
            rows = f"rows of {entity}"
            folds.append(pl.len().cast(pl.Float64).alias(rows))
            reasons[rows] = f"the number of rows of each {entity}"
            kinds[rows] = "number"
        return folds, Given(kinds, reasons=reasons, others=tuple(others))
