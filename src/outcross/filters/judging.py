"""The numbers by which filters judge candidates: their points, an attribute of their texts, a column, or the result of a user's function."""

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
"""This number of candidates without a number is always accepted."""


@recipe
class ColumnNumber:
    """The number in a column."""

    column: str


Number = Attribute | ColumnNumber | GivenAttribute


def number(value: object) -> Any:
    """Read the number that candidates are compared by: the name of an attribute, {column: NAME}, or in Python a function. Raises BadInput for others."""
    if isinstance(value, ColumnNumber | GivenAttribute):
        return value
    if isinstance(value, Mapping) and [*value] == ["column"]:
        return ColumnNumber(column=value["column"])
    if callable(value) and not is_dataclass(value) and not isinstance(value, type):
        return GivenAttribute(getattr(value, "__qualname__", type(value).__name__), value)
    if isinstance(value, str) and not ATTRIBUTES.may_have(value):
        raise BadInput(
            f"{value!r} is not an attribute{nearest(value, ATTRIBUTES)}; write one of {', '.join(ATTRIBUTES)}, or {{column: NAME}}"
        )
    return read(ATTRIBUTES, value, "attribute")


def number_or_none(value: object) -> Any:
    """Read the number that candidates are compared by, or None."""
    return None if value is None else number(value)


ByNumber = Annotated[Any, PlainValidator(number_or_none)]
"""The type of a field with the number that candidates are compared by, or None."""


def name_of(by: Any) -> str:
    """Return the name of a number, as the user wrote it."""
    if isinstance(by, ColumnNumber):
        return by.column
    return by.name if isinstance(by, GivenAttribute) else kind(by)


def needs_of(by: Any) -> tuple[Literal["texts"], ...]:
    """Return the properties that candidates must have so that the number can be computed."""
    return () if by is None or isinstance(by, str | ColumnNumber) else ("texts",)


def functions_of(by: Any) -> tuple[str, ...]:
    """Return the user's functions that compute the number."""
    return (by.place,) if isinstance(by, GivenAttribute) else ()


def columns_of(by: Any, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that the number is read from. Raises BadInput if one is missing."""
    if not isinstance(by, ColumnNumber):
        return ()
    check_column(by.column, columns)
    return (by.column,)


def check_column(name: str, columns: Sequence[str]) -> None:
    if name not in columns:
        raise BadInput(f"there is no column {name!r}{nearest(name, columns)}; there are {', '.join(columns)[:200]}")


def numbers_of(by: Any, candidates: Candidates, most_missing: float) -> np.ndarray:
    """Return the number of each candidate, (n,), NaN if it has none.

    Raises BadInput if no candidate has a number, or if more than ten candidates and more than the fraction `most_missing` of them have none.
    So many failures mean that the column or the function is wrong.
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
            f"{name_of(by)} has no number for {missing:,} of {len(values):,} candidates, more than the fraction {most_missing:g}"
            + (f" ({complaint})" if complaint else "")
            + ("; correct it, or raise most_missing" if missing < len(values) else "; correct it, or judge by something else")
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
        raise BadInput(f"column {name!r} is {values.dtype}, which cannot be read as numbers: {first_words(error)}") from None
    bad = values.filter(numbers.is_null() & values.is_not_null())
    return numbers.to_numpy().astype(np.float64), f"as {bad[0]!r:.40}" if bad.len() else ""


def numbers(candidates: Candidates, columns: Sequence[str], attributes: Sequence[Attribute]) -> np.ndarray:
    """Return the named columns and attributes of every candidate as numbers, (chains…, n, d); its point if none is named. NaN for a missing value."""
    if not columns and not attributes:
        return candidates.points
    return np.column_stack(
        [
            *(numeric(candidates, column) for column in columns),
            *(attribute_of(candidates, attribute) for attribute in attributes),
        ]
    )


def numeric(candidates: Candidates, name: str) -> np.ndarray:
    """Return a numeric column, (n,), NaN if a value is missing. Raises BadInput if the column is not numeric."""
    import polars as pl

    column = candidates.column(name)
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise BadInput(f"column {name!r} is {column.dtype}, and numbers are needed; name a column of numbers")
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def attribute_of(candidates: Candidates, attribute: Attribute) -> np.ndarray:
    """Return an attribute of every text, (n,). An attribute that compares texts is first fitted to the human texts."""
    read = attribute.fit(candidates.human.texts) if attribute.compares else attribute
    values = np.asarray(read(candidates.texts), dtype=np.float64)
    if values.shape != (len(candidates),):
        raise BadInput(
            f"{own_source.place_of(type(attribute), '__call__')} must return one number per text: {len(candidates)} for {len(candidates)} texts, got shape {values.shape}"
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
