"""The numbers by which filters judge candidates: their points, an attribute of their texts, a column, or what a function of yours gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import PlainValidator

from outcross import own_source
from outcross.attributes import ATTRIBUTES, Attribute
from outcross.attributes.given import GivenAttribute
from outcross.errors import BadInput, first_words
from outcross.filters import Candidates
from outcross.recipe import kind, nearest, read, recipe

FEWEST = 10
"""Candidates without a number that are always borne."""


@recipe
class ColumnNumber:
    """The number that stands in a column."""

    column: str


Number = Attribute | ColumnNumber | GivenAttribute


def number(value: object) -> Any:
    """What candidates are compared by: the name of an attribute, {column: NAME}, or in Python a function. BadInput where it is none."""
    if isinstance(value, ColumnNumber | GivenAttribute):
        return value
    if isinstance(value, Mapping) and [*value] == ["column"]:
        return ColumnNumber(column=value["column"])
    if callable(value) and not is_dataclass(value) and not isinstance(value, type):
        return GivenAttribute(getattr(value, "__qualname__", type(value).__name__), value)
    if isinstance(value, str) and not ATTRIBUTES.may_have(value):
        raise BadInput(
            f"{value!r} is no attribute{nearest(value, ATTRIBUTES)}; it must be one of {', '.join(ATTRIBUTES)}, or {{column: NAME}}"
        )
    return read(ATTRIBUTES, value, "attribute")


def number_or_none(value: object) -> Any:
    """The same, or nothing."""
    return None if value is None else number(value)


ByNumber = Annotated[Any, PlainValidator(number_or_none)]
"""A field that says by which number candidates are compared; None where by none."""


def name_of(by: Any) -> str:
    """A number in words, as people wrote it."""
    if isinstance(by, ColumnNumber):
        return by.column
    return by.name if isinstance(by, GivenAttribute) else kind(by)


def needs_of(by: Any) -> tuple[Literal["texts"], ...]:
    """What candidates must have for a number to be read."""
    return () if by is None or isinstance(by, str | ColumnNumber) else ("texts",)


def functions_of(by: Any) -> tuple[str, ...]:
    """The functions of a user's own that a number is read by."""
    return (by.place,) if isinstance(by, GivenAttribute) else ()


def columns_of(by: Any, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that a number is read from. BadInput where one is not there."""
    if not isinstance(by, ColumnNumber):
        return ()
    check_column(by.column, columns)
    return (by.column,)


def check_column(name: str, columns: Sequence[str]) -> None:
    if name not in columns:
        raise BadInput(f"there is no column {name!r}{nearest(name, columns)}; there are {', '.join(columns)[:200]}")


def numbers_of(by: Any, candidates: Candidates, most_missing: float) -> np.ndarray:
    """The number of each candidate, (n,), NaN where it has none.

    BadInput where none has one, or where more than ten candidates and more than this fraction of them have none: then it is not the candidates
    that are wrong.
    """
    complaint = ""
    if isinstance(by, ColumnNumber):
        values, complaint = _of_column(candidates, by.column)
    elif isinstance(by, GivenAttribute):
        values, complaint = by.with_complaint(candidates.texts)
    else:
        values = attribute_of(candidates, by)
    values = np.where(np.isfinite(values), values, np.nan)
    missing = int(np.isnan(values).sum())
    if missing and (missing == len(values) or (missing > FEWEST and missing > most_missing * len(values))):
        raise BadInput(
            f"{name_of(by)} has no number for {missing:,} of {len(values):,} candidates, more than {most_missing:g} of them"
            + (f" ({complaint})" if complaint else "")
            + ("; mend it, or raise most_missing" if missing < len(values) else "; mend it, or judge by something else")
        )
    return values


def _of_column(candidates: Candidates, name: str) -> tuple[np.ndarray, str]:
    import polars as pl

    values = candidates.column(name)
    if values.dtype.is_nested() or values.dtype.is_temporal():
        raise BadInput(f"column {name!r} is {values.dtype}; name a column of numbers")
    try:
        numbers = values.cast(pl.Float64, strict=False)
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"column {name!r} is {values.dtype}, which is no number: {first_words(error)}") from None
    bad = values.filter(numbers.is_null() & values.is_not_null())
    return numbers.to_numpy().astype(np.float64), f"as {bad[0]!r:.40}" if bad.len() else ""


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
    import polars as pl

    column = candidates.column(name)
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise BadInput(f"column {name!r} holds {column.dtype}, numbers are needed; name a column of numbers")
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def attribute_of(candidates: Candidates, attribute: Attribute) -> np.ndarray:
    """An attribute of every text, (n,); one that compares is fitted to the human texts."""
    read = attribute.fit(candidates.human.texts) if attribute.compares else attribute
    values = np.asarray(read(candidates.texts), dtype=np.float64)
    if values.shape != (len(candidates),):
        raise BadInput(
            f"{own_source.place_of(type(attribute), '__call__')} must give a number a text: {len(candidates)} for {len(candidates)} texts, got shape {values.shape}"
        )
    return values


__all__ = [
    "ByNumber",
    "ColumnNumber",
    "GivenAttribute",
    "Number",
    "attribute_of",
    "check_column",
    "columns_of",
    "functions_of",
    "name_of",
    "needs_of",
    "number",
    "number_or_none",
    "numbers",
    "numbers_of",
    "numeric",
]
