"""The kinds of columns, and the conversion of values to them.

The conversion of a value depends only on the value, the kind, and the notation of its column. So a column has the same values whether it is read
from CSV, Parquet or JSON, and a column of one table can be converted to the kind of the same column in another table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from outcross.errors import BadInput
from outcross.files.forms import PLAIN, Form, days, decorated_numbers

if TYPE_CHECKING:
    import polars

Kind = Literal["number", "category", "text", "vector", "series"]
KINDS: tuple[Kind, ...] = get_args(Kind)

LARGEST_NUMBER = 1e50
"""Maximum absolute value of a number. Fourth powers of much larger numbers overflow."""


def typed(
    raw: polars.DataFrame, kinds: Mapping[str, Kind], widths: Mapping[str, int], forms: Mapping[str, Form] | None = None
) -> polars.DataFrame:
    """The columns of `raw`, converted to their kinds from their notations. An absent column, and a value that cannot be converted, is missing."""
    import polars as pl

    there = {series.name: series for series in raw}

    def column(name: str) -> polars.Series:
        values = there[name] if name in there else pl.Series(name, [None] * raw.height, dtype=pl.Null)
        kind, form = kinds[name], (forms or {}).get(name, PLAIN)
        return as_vector(values, widths[name]) if kind == "vector" else _MAKERS[kind](values, form)

    return pl.DataFrame({name: column(name) for name in kinds})


def as_number(values: polars.Series, form: Form = PLAIN) -> polars.Series:
    """Convert to Float64. A value that is not a finite number is missing. True is 1, a date or time is days since 1970, a duration is in days."""
    import polars as pl

    dtype = values.dtype
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        text = values.cast(pl.String).str.strip_chars()
        if form.layouts:
            return days(text, form.layouts)
        if form.is_decorated:
            return _finite(decorated_numbers(text, form))
        numbers = parsed_number(text)
        if numbers.null_count() == text.null_count() or not text.str.contains(r"^[0-9]{4}-[0-9]{2}-").any():
            return numbers
        return pl.select(pl.coalesce(numbers, _parsed_day(text))).to_series().alias(values.name)
    if dtype == pl.Time:
        return values.cast(pl.Int64) / 86_400e9
    if dtype == pl.Date:
        return values.cast(pl.Int32).cast(pl.Float64)
    if dtype == pl.Datetime:
        return values.dt.epoch("us") / 86_400e6
    if dtype == pl.Duration:
        return values.dt.total_microseconds() / 86_400e6
    if not (dtype.is_numeric() or dtype == pl.Boolean):
        return pl.Series(values.name, [None] * len(values), dtype=pl.Float64)
    if "ymd8" in form.layouts and dtype != pl.Boolean:
        return days(whole_as_text(values), ("ymd8",))
    return _finite(values.cast(pl.Float64))


def whole_as_text(numbers: polars.Series) -> polars.Series:
    """Whole numbers as text; missing if a number has a fraction or is missing."""
    import polars as pl

    finite = _finite(numbers.cast(pl.Float64))
    return finite.set((finite.floor() != finite) | (finite.abs() > 2**53), None).cast(pl.Int64).cast(pl.String)


TRUTHS = {
    "true": "true", "t": "true", "yes": "true", "y": "true", "on": "true", "1": "true",
    "false": "false", "f": "false", "no": "false", "n": "false", "off": "false", "0": "false",
}  # fmt: skip
"""Words for true and false, in lower case."""


def as_category(values: polars.Series, form: Form = PLAIN) -> polars.Series:
    """Convert to String without surrounding spaces. An empty one is missing. Whole numbers have no decimal point, booleans are `true` or `false`."""
    import polars as pl

    dtype = values.dtype
    if dtype.is_float() or dtype.is_decimal():
        values = _finite(values.cast(pl.Float64)).cast(pl.String)
    elif dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        return pl.Series(values.name, [None] * len(values), dtype=pl.String)
    text = values.cast(pl.String)
    written = text.unique(maintain_order=True)  # each distinct value is converted once, since there are few
    plain = _plain(written)
    if form.is_truth:
        plain = plain.str.to_lowercase().replace_strict(TRUTHS, default=None, return_dtype=pl.String)
    if form.missing:
        plain = plain.set(plain.str.to_lowercase().is_in(list(form.missing)).fill_null(False), None)
    return text if written.equals(plain, null_equal=True) else text.replace_strict(written, plain, return_dtype=pl.String)


def _plain(text: polars.Series) -> polars.Series:
    import polars as pl

    stripped = pl.col("t").str.strip_chars().str.replace(r"^([+-]?[0-9]+)\.0+$", "$1")
    lower = stripped.str.to_lowercase()
    written = pl.when(lower.is_in(["true", "false"])).then(lower).when(stripped != "").then(stripped)
    return pl.DataFrame({"t": text}).select(written.alias(text.name)).to_series()


def as_text(values: polars.Series, form: Form = PLAIN) -> polars.Series:
    """Convert to String without changes. A text that is only white space is missing."""
    import polars as pl

    if values.dtype.is_nested() or values.dtype in (pl.Binary, pl.Object):
        return pl.Series(values.name, [None] * len(values), dtype=pl.String)
    text = values.cast(pl.String)
    return text.set(text.str.strip_chars() == "", None)


def as_vector(values: polars.Series, width: int) -> polars.Series:
    """Convert to Array(Float32, width). A list of another length, or with a number that is missing or not finite, is missing."""
    import polars as pl

    if inner_type(values.dtype) is None:
        return pl.Series(values.name, [None] * len(values), dtype=pl.Array(pl.Float32, width))
    lists = flat_lists(values).cast(pl.List(pl.Float32))
    return lists.set(~_is_whole(lists, width), None).list.to_array(width)


def _is_whole(lists: polars.Series, width: int) -> polars.Series:
    """Whether each list has `width` finite numbers; null for a missing list."""
    import polars as pl

    finite = pl.element().is_finite().fill_null(False).all()
    return (lists.list.len() == width) & lists.list.eval(finite).list.first()


def as_series(values: polars.Series, form: Form = PLAIN) -> polars.Series:
    """Convert to List(Float64). A number in a list that is not finite is missing."""
    import polars as pl

    if inner_type(values.dtype) is None:
        return pl.Series(values.name, [None] * len(values), dtype=pl.List(pl.Float64))
    lists = flat_lists(values).cast(pl.List(pl.Float64))
    return lists.list.eval(pl.when(pl.element().is_finite()).then(pl.element()))


_MAKERS: Mapping[str, Callable[[polars.Series, Form], polars.Series]] = {
    "number": as_number,
    "category": as_category,
    "text": as_text,
    "series": as_series,
}


def is_empty(values: polars.Series) -> polars.Series:
    """Whether each value of a column as read is null or only white space."""
    import polars as pl

    return (values.fill_null("").str.strip_chars() == "") if values.dtype == pl.String else values.is_null()


def stacked(frames: Sequence[polars.DataFrame]) -> polars.DataFrame:
    """Concatenate frames by rows. A column that a frame lacks is missing in its rows. A column with incompatible types becomes strings."""
    import polars as pl

    try:
        return pl.concat(frames, how="diagonal_relaxed", rechunk=True)
    except pl.exceptions.PolarsError:
        return pl.concat([_unlike_as_strings(frame, frames) for frame in frames], how="diagonal_relaxed", rechunk=True)


def _unlike_as_strings(frame: polars.DataFrame, frames: Sequence[polars.DataFrame]) -> polars.DataFrame:
    import polars as pl

    unlike = [name for name in frame.columns if len({other.schema[name] for other in frames if name in other.columns}) > 1]
    return frame.with_columns(as_text(frame[name]) if frame[name].dtype != pl.String else frame[name] for name in unlike)


def width(values: polars.Series) -> int:
    """The commonest length of the lists of a column; the smallest one in case of a tie. Raises BadInput if it holds no lists of numbers."""
    present = values.drop_nulls()
    if present.is_empty() or inner_type(present.dtype) is None:
        raise BadInput(f"column {values.name!r} holds {values.dtype}, not lists of numbers; it cannot be a vector")
    return max(1, int(flat_lists(present).list.len().mode().min()))  # type: ignore[arg-type]


def inner_type(dtype: polars.DataType) -> polars.DataType | None:
    """The type of the numbers in lists or arrays of any depth; None for a column of another type."""
    import polars as pl

    inner = dtype
    while isinstance(inner, pl.Array | pl.List):
        inner = inner.inner
    return inner if inner is not dtype and (inner.is_numeric() or inner in (pl.Boolean, pl.Null)) else None  # type: ignore[return-value, union-attr]


def flat_lists(values: polars.Series) -> polars.Series:
    """Lists or arrays of any shape, flattened to lists of numbers."""
    import polars as pl

    if isinstance(values.dtype, pl.Array):
        return flat_lists(values.arr.to_list())
    if isinstance(values.dtype.inner, pl.Array):  # type: ignore[attr-defined]
        return flat_lists(values.list.eval(pl.element().arr.to_list()))
    if isinstance(values.dtype.inner, pl.List):  # type: ignore[attr-defined]
        return flat_lists(values.list.eval(pl.element().explode()))
    return values


def _finite(numbers: polars.Series) -> polars.Series:
    """Numbers (Float64) that are missing if they are infinite or too large for their fourth power. A negative zero becomes zero."""
    import polars as pl

    values = numbers.to_numpy() + 0.0  # NaN where missing
    is_number = np.abs(values) <= LARGEST_NUMBER
    if is_number.all():
        return pl.Series(numbers.name, values)
    values[~is_number] = np.nan
    return pl.Series(numbers.name, values, nan_to_null=True)


def parsed_number(text: polars.Series) -> polars.Series:
    import polars as pl

    return _finite(text.cast(pl.Float64, strict=False))


def _parsed_day(text: polars.Series) -> polars.Series:
    """Days since 1970 of ISO dates (2026-01-31) and times (2026-01-31T12:00:00, with fractions, a space for the T, or a final Z)."""
    import polars as pl

    plain = text.str.strip_suffix("Z").str.replace("T", " ", literal=True)
    days = plain.str.to_date("%Y-%m-%d", strict=False, exact=True).cast(pl.Int32).cast(pl.Float64)
    if days.null_count() == 0:
        return days
    times = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, exact=True, time_unit="us").dt.epoch("us") / 86_400e6
    return pl.select(pl.coalesce(days, times)).to_series().alias(text.name)
