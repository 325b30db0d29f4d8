"""What a column holds: inferred from its values, and its values made so.

A value is made of a kind by itself, whatever its column: so a column read from CSV, Parquet or JSON holds the same values,
and a column of one table can be made of the kind that another table's has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from outcross.errors import BadInput

if TYPE_CHECKING:
    import polars

Kind = Literal["number", "category", "text", "vector", "series"]
KINDS: tuple[Kind, ...] = get_args(Kind)

LARGEST_NUMBER = 1e50
"""Size of a number: fourth powers of much larger ones overflow."""
FEW = 20
"""Distinct whole numbers up to which a column of them is a category."""
REPEATS = 5
"""Times that each of them occurs on average, at least: fewer, and the column is too short to tell."""
WORDS = 5
"""Words a value, on average, from which strings are text."""
NEARLY_ALL = 0.95
"""Share of strings that are numbers (or dates) from which the others are codes for a missing value."""
CODES = 3
"""Distinct codes for a missing value, at most, among strings that are nearly all numbers."""
LED_BY_ZERO = 0.01
"""Share of strings that a needless zero leads ("01301") from which they are codes, not numbers."""
MISSING = frozenset(["", "?", "-", "--", ".", "n", "na", "n/a", "nan", "nil", "none", "null", "missing", "unknown", "inf", "-inf"])
"""Strings that stand for a missing value among numbers, in any share and any case."""
MANY = 100_000
"""Distinct categories from which a column's notes say how many there are."""


def infer(values: polars.Series) -> tuple[Kind | None, str]:
    """The kind of a column, from its values, and a note; None where there is nothing to compare, and why.

    - Truth values are a category; dates and times are numbers (days since 1970), durations too (days).
    - Fractions are numbers. Whole numbers (as integers, or as floats where some are missing) are a category where they are few
      (at most 20 distinct, each five times on average), else numbers. So ages, incomes and most counts are numbers; codes of sex
      or race, ranks, and counts that hardly vary are categories; codes of many values (industry, postal) look like numbers
      and must be overridden, unless a zero leads some of them ("01301").
    - Strings that are all numbers but for the usual signs of a missing value ("?", "N", "NA", ""), or for three codes in one
      value of twenty, are read as numbers; likewise ISO dates. Other strings are text where they have five words on average
      and most are distinct, else a category ("?" is one of them: that a value is unknown is a value).
    - Lists of numbers are vectors where all are of one length, else series.
    """
    import polars as pl

    held = values.drop_nulls()
    if held.is_empty():
        return None, "holds no value"
    dtype = held.dtype
    if dtype == pl.Boolean:
        return "category", ""
    if dtype.is_temporal():
        return "number", "dates and times as days"
    if dtype.is_numeric():
        finite = as_number(held).drop_nulls()
        return (None, "holds no finite number") if finite.is_empty() else (_numbers(finite, len(held)), "")
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return _strings(held.cast(pl.String))
    if _inner(dtype) is not None:
        lengths = _lists(held).list.len()
        if lengths.max() == 0:
            return None, "holds empty lists"
        if lengths.min() == lengths.max():
            return "vector", ""
        return (None, "holds lists of lists of several lengths") if dtype.inner.is_nested() else ("series", "")  # type: ignore[union-attr]
    return None, f"holds {dtype}, which is neither a value nor a list of numbers"


def _numbers(finite: polars.Series, held: int) -> Kind:
    """Numbers, or a category where they are whole and few beside the values held."""
    if not (finite.floor() == finite).all():
        return "number"
    distinct = finite.n_unique()
    return "category" if distinct <= FEW and held >= REPEATS * distinct else "number"


def _strings(held: polars.Series) -> tuple[Kind | None, str]:
    values = held.str.strip_chars()
    values = values.filter(values != "")
    if values.is_empty():
        return None, "holds no value"
    if values.str.contains(r"^[+-]?0[0-9]").mean() < LED_BY_ZERO:  # type: ignore[operator]
        for parse, kind_of, note in (
            (_parsed_number, _numbers, ""),
            (_parsed_day, lambda days, held: "number", "dates as days since 1970"),
        ):
            parsed = parse(values)
            others = values.filter(parsed.is_null())
            if len(others) < len(values) and _are_codes(others, len(values)):
                return kind_of(parsed.drop_nulls(), len(values)), note
    words = values.str.count_matches(r"\S+").mean()
    distinct = values.n_unique()
    if words >= WORDS and 2 * distinct >= len(values):  # type: ignore[operator]
        return "text", ""
    return "category", f"{distinct:,} categories" if distinct > MANY else ""


def _are_codes(others: polars.Series, among: int) -> bool:
    distinct = others.unique()
    if distinct.str.to_lowercase().is_in(list(MISSING)).all():
        return True
    return len(distinct) <= CODES and len(others) <= (1 - NEARLY_ALL) * among


def made(raw: polars.DataFrame, kinds: Mapping[str, Kind], widths: Mapping[str, int]) -> polars.DataFrame:
    """The columns of `raw` as their kinds say; one that it has not is all missing. A value that cannot be made so is missing."""
    import polars as pl

    def column(name: str) -> polars.Series:
        values = raw[name] if name in raw.columns else pl.Series(name, [None] * raw.height, dtype=pl.Null)
        kind = kinds[name]
        return as_vector(values, widths[name]) if kind == "vector" else _MAKERS[kind](values)

    return pl.DataFrame({name: column(name) for name in kinds})


def as_number(values: polars.Series) -> polars.Series:
    """Float64; missing where a value is no finite number. Truth is 1, a date or time its days since 1970, a duration its days."""
    import polars as pl

    dtype = values.dtype
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        text = values.cast(pl.String).str.strip_chars()
        numbers = _parsed_number(text)
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
    return _finite(values.cast(pl.Float64))


def as_category(values: polars.Series) -> polars.Series:
    """String, without spaces around; empty is missing. A whole number is written without its point, truth as `true` or `false`."""
    import polars as pl

    dtype = values.dtype
    if dtype.is_float() or dtype.is_decimal():
        values = _finite(values.cast(pl.Float64)).cast(pl.String)
    elif dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        return pl.Series(values.name, [None] * len(values), dtype=pl.String)
    text = values.cast(pl.String)
    written = text.unique(maintain_order=True)  # what to write is found once for each, since categories are few
    plain = _plain(written)
    return text if written.equals(plain, null_equal=True) else text.replace_strict(written, plain, return_dtype=pl.String)


def _plain(text: polars.Series) -> polars.Series:
    import polars as pl

    stripped = text.str.strip_chars().str.replace(r"^([+-]?[0-9]+)\.0+$", "$1")
    lower = stripped.str.to_lowercase()
    is_truth = lower.is_in(["true", "false"])
    return pl.select(pl.when(is_truth).then(lower).when(stripped != "").then(stripped)).to_series().alias(text.name)


def as_text(values: polars.Series) -> polars.Series:
    """String as it stands; missing where nothing but white space is written."""
    import polars as pl

    if values.dtype.is_nested() or values.dtype in (pl.Binary, pl.Object):
        return pl.Series(values.name, [None] * len(values), dtype=pl.String)
    text = values.cast(pl.String)
    return text.set(text.str.strip_chars() == "", None)


def as_vector(values: polars.Series, width: int) -> polars.Series:
    """Array(Float32, width); missing where a list is of another length, or one of its numbers is missing or not finite."""
    import polars as pl

    if _inner(values.dtype) is None:
        return pl.Series(values.name, [None] * len(values), dtype=pl.Array(pl.Float32, width))
    lists = _lists(values).cast(pl.List(pl.Float32))
    return lists.set(~_is_whole(lists, width), None).list.to_array(width)


def _is_whole(lists: polars.Series, width: int) -> polars.Series:
    """True where a list has `width` finite numbers; False where it has not; null where there is none."""
    import polars as pl

    finite = pl.element().is_finite().fill_null(False).all()
    return (lists.list.len() == width) & lists.list.eval(finite).list.first()


def as_series(values: polars.Series) -> polars.Series:
    """List(Float64); a number in it that is not finite is missing."""
    import polars as pl

    if _inner(values.dtype) is None:
        return pl.Series(values.name, [None] * len(values), dtype=pl.List(pl.Float64))
    lists = _lists(values).cast(pl.List(pl.Float64))
    return lists.list.eval(pl.when(pl.element().is_finite()).then(pl.element()))


_MAKERS: Mapping[str, Callable[[polars.Series], polars.Series]] = {
    "number": as_number,
    "category": as_category,
    "text": as_text,
    "series": as_series,
}


def is_empty(values: polars.Series) -> polars.Series:
    """Where a column as read holds nothing: null, or a string of white space."""
    import polars as pl

    return (values.fill_null("").str.strip_chars() == "") if values.dtype == pl.String else values.is_null()


def stacked(frames: Sequence[polars.DataFrame]) -> polars.DataFrame:
    """Frames one under another; a column that one has not is missing there, one of unlike types becomes strings."""
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
    """The commonest length of the lists of a column (the smallest where several are); BadInput where it holds no lists of numbers."""
    held = values.drop_nulls()
    if held.is_empty() or _inner(held.dtype) is None:
        raise BadInput(f"column {values.name!r} holds {values.dtype}, not lists of numbers; it cannot be a vector")
    return max(1, int(_lists(held).list.len().mode().min()))  # type: ignore[arg-type]


def _inner(dtype: polars.DataType) -> polars.DataType | None:
    """The type of the numbers in lists or arrays of any depth; None for another type."""
    import polars as pl

    inner = dtype
    while isinstance(inner, pl.Array | pl.List):
        inner = inner.inner
    return inner if inner is not dtype and (inner.is_numeric() or inner in (pl.Boolean, pl.Null)) else None  # type: ignore[return-value, union-attr]


def _lists(values: polars.Series) -> polars.Series:
    """Lists or arrays of any shape, flattened to lists of numbers."""
    import polars as pl

    if isinstance(values.dtype, pl.Array):
        return _lists(values.arr.to_list())
    if isinstance(values.dtype.inner, pl.Array):  # type: ignore[attr-defined]
        return _lists(values.list.eval(pl.element().arr.to_list()))
    if isinstance(values.dtype.inner, pl.List):  # type: ignore[attr-defined]
        return _lists(values.list.eval(pl.element().explode()))
    return values


def _finite(numbers: polars.Series) -> polars.Series:
    """Missing where no number, infinite, or too large for its fourth power; a negative zero is zero."""
    return numbers.set(~(numbers.abs() <= LARGEST_NUMBER) | numbers.is_nan(), None) + 0.0


def _parsed_number(text: polars.Series) -> polars.Series:
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
