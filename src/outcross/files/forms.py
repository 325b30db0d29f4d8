"""Notations of numbers and times, such as $1,234.50 and 1.234,50, or 31/12/2026 04:46 PM and 20261231, and their values."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars

MULTIPLES: Mapping[str, float] = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "mn": 1e6, "B": 1e9, "bn": 1e9}
"""The factor for each letter after a number. It applies if a column has several such letters."""
CURRENCIES = r"(?:[A-Z]{1,3})?\p{Sc}|USD|EUR|GBP|JPY|CNY|INR|CHF|CAD|AUD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|ZAR|KRW|RUB|TRY"
_NUMBER = (
    r"^(?P<open>\()?[\s\x{a0}]*(?P<sign>[+\-−–])?[\s\x{a0}]*(?P<before>" + CURRENCIES + r")?[\s\x{a0}]*(?P<inner>[+\-−–])?"
    r"(?P<body>[0-9][0-9.,'’ \x{a0}\x{202f}\x{2009}]*|[.,][0-9]+)(?P<unit>[\p{L}\p{Sc}°%‰µ²³/·]{1,12}2?)?[\s\x{a0}]*(?P<close>\))?$"
)
"""A number with a currency before it, or with a unit or a currency after it. In parentheses it is negative."""
_BODIES = {
    decimal: rf"^(?:[0-9]{{1,3}}(?:{group}[0-9]{{3}})+|[0-9]{{1,2}}(?:{group}[0-9]{{2}})+{group}[0-9]{{3}}|[0-9]{{1,3}}(?: [0-9]{{3}})+|[0-9]{{1,3}}(?:'[0-9]{{3}})+|[0-9]+)?(?:{point}[0-9]+)?$"
    for decimal, group, point in ((".", ",", r"\."), (",", r"\.", ","))
}
"""Patterns of digits with or without groups of thousands (or of lakhs), by the decimal separator."""
LONGEST = 40
"""Maximum length of a number or a time, in characters."""

_CLOCK = (
    r"(?P<h>[0-9]{1,2}):(?P<mi>[0-9]{2})(?::(?P<s>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?"
    r"\s*(?P<ap>[AaPp]\.?[Mm]\.?)?\s*(?P<z>Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_THEN = rf"(?:(?:[Tt ]|, ?)\s*{_CLOCK})?$"
_WEEKDAY = r"(?:[A-Za-z]{3,9}\.?,?\s+)?"
LAYOUTS: Mapping[str, str] = {
    "ymd": rf"^(?P<y>[0-9]{{4}})[-/.](?P<m>[0-9]{{1,2}})[-/.](?P<d>[0-9]{{1,2}}){_THEN}",
    "ymd8": r"^(?P<y>(?:19|20)[0-9]{2})(?P<m>[0-9]{2})(?P<d>[0-9]{2})(?:[T ]?(?P<h>[0-9]{2})(?P<mi>[0-9]{2})(?P<s>[0-9]{2})?(?P<z>Z)?)?$",
    "dmy": rf"^(?P<d>[0-9]{{1,2}})[-/.](?P<m>[0-9]{{1,2}})[-/.](?P<y>[0-9]{{4}}|[0-9]{{2}}){_THEN}",
    "mdy": rf"^(?P<m>[0-9]{{1,2}})[-/.](?P<d>[0-9]{{1,2}})[-/.](?P<y>[0-9]{{4}}|[0-9]{{2}}){_THEN}",
    "day month year": rf"^{_WEEKDAY}(?P<d>[0-9]{{1,2}})[\s-](?P<mon>[A-Za-z]{{3}})[A-Za-z]*\.?,?[\s-](?P<y>[0-9]{{4}}|[0-9]{{2}}){_THEN}",
    "month day year": rf"^{_WEEKDAY}(?P<mon>[A-Za-z]{{3}})[A-Za-z]*\.?\s+(?P<d>[0-9]{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>[0-9]{{4}}){_THEN}",
    "year month": r"^(?P<y>[0-9]{4})[-/](?P<m>[0-9]{1,2})$",
    "clock": rf"^{_CLOCK}$",
}
"""The notations of times, each a pattern with named parts."""
SAID = {
    "ymd": "year-month-day", "ymd8": "YYYYMMDD", "dmy": "day/month/year", "mdy": "month/day/year", "clock": "a time of day",
}  # fmt: skip
"""Readable names of these notations."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TWO_DIGITS = r"^(?:[0-9]{2}[-.][0-9]{2}[-.][0-9]{2}|[0-9]{1,2}/[0-9]{1,2}/[0-9]{2})(?:[^0-9]|$)"
"""A date whose year has two digits. 1.2.22 is excluded, since it is more likely a version number."""


@dataclass(frozen=True)
class Form:
    """The notation of the values of a column. The same text may be another number in another notation."""

    layouts: tuple[str, ...] = ()
    """The notations of times (`LAYOUTS`) that occur in the column; empty if it holds no times."""
    is_decorated: bool = False
    """Whether numbers are written with a currency, a unit, groups of thousands, or a decimal comma."""
    decimal: str = "."
    percent: float = 1.0
    """The factor for numbers with a percent sign: 1 if all numbers have one (12.3 % is 12.3), or 0.01 if the other numbers are shares."""
    are_multiples: bool = False
    """Whether k, M and B after a number multiply it. If not, they are units."""
    is_truth: bool = False
    """Whether yes and no, t and f, or 1 and 0 are converted to true and false."""
    missing: tuple[str, ...] = ()
    """Words of a category, in lower case, that mean a missing value."""


PLAIN = Form()


def parts_of_numbers(text: polars.Series) -> polars.DataFrame:
    """The parts of each written number: `body` (digits and separators), `before`, `unit` (after the number) and `is_negative`.

    `body` is null for a text that is not a number.
    """
    import polars as pl

    short = pl.when(pl.col("t").str.len_chars() <= LONGEST).then(pl.col("t"))
    parts = pl.DataFrame({"t": text}).select(short.str.extract_groups(_NUMBER).alias("g")).unnest("g")
    space = r"[ \x{a0}\x{202f}\x{2009}]"
    body = pl.col("body").str.replace_all(space, " ").str.strip_chars(" ").str.replace_all("’", "'", literal=True)
    minus = pl.coalesce("sign", "inner").is_in(["-", "−", "–"]).fill_null(False)
    in_brackets = pl.col("open").is_not_null() & pl.col("close").is_not_null()
    return parts.select(
        body.alias("body"),
        pl.col("before").fill_null("").alias("before"),
        pl.col("unit").fill_null("").alias("unit"),
        (minus | in_brackets).alias("is_negative"),
    )


def fits(body: polars.Series, decimal: str) -> polars.Series:
    """Whether digits and separators can be a number with this decimal separator; missing if there are no digits."""
    return (body != "") & body.str.contains(_BODIES[decimal])


def decorated_numbers(text: polars.Series, form: Form) -> polars.Series:
    """The numbers of a column in this notation, Float64; missing if a value is not a number."""
    import polars as pl

    parts = parts_of_numbers(text)
    digits = parts["body"].str.replace_all(r"[ ',]" if form.decimal == "." else r"[ '.]", "")
    if form.decimal == ",":
        digits = digits.str.replace(",", ".", literal=True)
    sizes = digits.cast(pl.Float64, strict=False).set(~fits(parts["body"], form.decimal).fill_null(False), None)
    units = parts["unit"]
    if form.percent != 1.0:
        sizes = sizes * pl.select(pl.when(units == "%").then(form.percent).otherwise(1.0)).to_series()
    if form.are_multiples:
        sizes = sizes * units.replace_strict(dict(MULTIPLES), default=None, return_dtype=pl.Float64)
    signs = pl.select(pl.when(parts["is_negative"]).then(-1.0).otherwise(1.0)).to_series()
    return (sizes * signs).alias(text.name)


def days(text: polars.Series, layouts: Iterable[str]) -> polars.Series:
    """Days since 1970, Float64; missing if no notation fits. A time of day is a fraction of a day. Times with an offset are converted to UTC."""
    import polars as pl

    read = [days_of(text, layout) for layout in layouts]
    return pl.select(pl.coalesce(read)).to_series().alias(text.name)


def days_of(text: polars.Series, layout: str) -> polars.Series:
    """Days since 1970 of times in one notation; missing if a time has another notation or if there is no such day."""
    import polars as pl

    pattern = LAYOUTS[layout]
    short = pl.when(pl.col("t").str.len_chars() <= LONGEST).then(pl.col("t"))
    parts = pl.DataFrame({"t": text}).with_columns(short.str.extract_groups(pattern).alias("g")).unnest("g")

    def number(name: str) -> pl.Expr:
        return pl.col(name).cast(pl.Int64, strict=False) if f"(?P<{name}>" in pattern else pl.lit(None, dtype=pl.Int64)

    hour, is_noon = number("h"), pl.lit(None, dtype=pl.Boolean)
    if "(?P<ap>" in pattern:
        is_noon = pl.col("ap").str.to_lowercase().str.starts_with("p")
        is_twelve = is_noon.is_not_null()
        hour = pl.when(is_twelve & hour.is_between(1, 12)).then(hour % 12 + 12 * is_noon.cast(pl.Int64)).when(~is_twelve).then(hour)
    fraction = pl.col("f").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64) if "(?P<f>" in pattern else pl.lit(0)
    minute, second = number("mi"), number("s").fill_null(0)
    clock = ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction.fill_null(0)
    is_clock = hour.is_between(0, 23) & minute.is_between(0, 59) & second.is_between(0, 60)
    has_clock = pl.col("h").is_not_null() if "(?P<h>" in pattern else pl.lit(False)
    clock = pl.when(has_clock & is_clock).then(clock).when(~has_clock).then(0)
    if layout == "clock":
        return parts.select(pl.when(has_clock).then(clock) / 86_400e6).to_series().alias(text.name)
    if "(?P<z>" in pattern:
        zone = pl.col("z").str.replace(":", "", literal=True)
        minutes = zone.str.slice(1, 2).cast(pl.Int64, strict=False) * 60 + zone.str.slice(3, 2).cast(
            pl.Int64, strict=False
        ).fill_null(0)
        offset = pl.when(zone.str.starts_with("+")).then(minutes).when(zone.str.starts_with("-")).then(-minutes).otherwise(0)
        clock = clock - offset * 60_000_000
    year = pl.col("y")
    if "{2})" in pattern and layout != "ymd8":  # 70 to 99 mean 1970 to 1999
        short_year = year.cast(pl.Int64, strict=False)
        full = pl.when(short_year < 70).then(short_year + 2000).otherwise(short_year + 1900).cast(pl.String)
        is_short = year.str.len_chars() == 2
        is_date = pl.col("t").str.contains(_TWO_DIGITS) | pl.lit("mon" in pattern)
        year = pl.when(~is_short).then(year).when(is_date).then(full)
    if "(?P<mon>" in pattern:
        month = (
            pl.col("mon").str.to_lowercase().replace_strict({name: f"{i + 1:02}" for i, name in enumerate(_MONTHS)}, default=None)
        )
    else:
        month = pl.col("m").str.pad_start(2, "0")
    day = pl.col("d").str.pad_start(2, "0") if "(?P<d>" in pattern else pl.lit("01")
    date = pl.concat_str([year, month, day], separator="-").str.to_date("%Y-%m-%d", strict=False)
    microseconds = date.cast(pl.Int32).cast(pl.Int64) * 86_400_000_000 + clock
    return parts.select(microseconds / 86_400e6).to_series().alias(text.name)


@functools.cache
def example(form: Form) -> str:
    """The readable name of a notation of times: `day/month/year`."""
    return " or ".join(SAID.get(layout, layout) for layout in form.layouts)
