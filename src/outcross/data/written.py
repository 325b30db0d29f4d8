"""Infer the notation of the numbers and times of a column, from all sides together, or for each side if they differ."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from outcross.data.values import Values, is_text
from outcross.files import forms as of_forms
from outcross.files import kinds as of_values
from outcross.files.forms import PLAIN, Form

if TYPE_CHECKING:
    import polars

NEARLY_ALL = 0.95
"""The minimum share of strings that are numbers (or times), so that the others are read as codes for a missing value."""
CODES = 3
"""The maximum number of distinct codes for a missing value among strings that are nearly all numbers."""
LED_BY_ZERO = 0.01
"""The minimum share of strings with a leading zero ("01301") for which they are read as codes and not as numbers."""
FEW = 10
"""The minimum count of numbers with a point from which a doubt about its meaning is said."""
ENOUGH = 44
"""The minimum count of numbers with a point from which the point may separate thousands. Of decimals that are rounded to three places, a tenth show
fewer digits; the chance that none of 44 does is below 1 %."""
FIRST = 50
"""The number of values that are looked at before all are."""
MISSING = frozenset(["", "?", "-", "--", ".", "n", "na", "n/a", "nan", "nil", "none", "null", "missing", "unknown", "inf", "-inf"])
"""Strings that mean a missing value among numbers, in any share and any case."""


BEGINS = r"^[^\p{L}0-9]*(?:[A-Z]{0,3}\p{Sc}|[A-Z]{3}|[A-Za-z]{3,9}\.?,?)?[\s\x{a0}]*[+\-−–]?[0-9.,]"
"""Matches the beginning of a number or a time. A string with another beginning is a word and is not examined further."""


@dataclass(frozen=True)
class WrittenNumbers:
    """The notation of the numbers or times of a column on each side."""

    forms: tuple[Form, ...]
    shown: str
    why: str
    is_said: bool = False
    change: str = ""


def family_of(values: Values) -> WrittenNumbers | None:
    """Infer whether a column has numbers or times, and the notation of each side; None if the first side has neither."""
    import polars as pl

    dtype = values.lead.dtype
    if is_text(values.lead):
        return _family_of_texts(values)
    if dtype == pl.Boolean:
        return WrittenNumbers((PLAIN,) * len(values.sides), "number", "booleans as 1 and 0")
    if not (dtype.is_numeric() or dtype.is_temporal()):
        return None
    if dtype.is_numeric() and all(
        _are_dates(values.numbers_of(side)) if column.dtype.is_numeric() else is_text(column) or column.dtype.is_temporal()
        for side, column in enumerate(values.known)
        if column is not None and len(column)
    ):
        form = Form(layouts=("ymd8",))
        texts = [PLAIN if text is None else (_form_of(text) or _WrittenForm(form)).form for text in values.texts]
        forms = [form if text is None else texts[i] for i, text in enumerate(values.texts)]
        return WrittenNumbers(tuple(forms), "time", "each is a day from 1900 to 2100, written YYYYMMDD", True, "number")
    if not len(values.numbers_of(values.first)):
        return None
    if dtype == pl.Duration:
        shown, why = "number", "durations, in days"
    else:
        shown, why = ("time", "dates and times, as days since 1970") if dtype.is_temporal() else ("number", "numbers")
    strings = [text for text in values.texts if text is not None and len(text)]
    shared = _form_of(pl.concat([text.alias("") for text in strings])) if strings else None
    form = PLAIN if shared is None else shared.form
    return WrittenNumbers(tuple(PLAIN if text is None else form for text in values.texts), shown, why)


def _are_dates(finite: polars.Series) -> bool:
    """Whether all numbers are days from 1900 to 2100, written as whole numbers with eight digits."""
    import polars as pl

    if finite.is_empty() or float(finite.min()) < 19_000_101 or float(finite.max()) > 21_001_231:  # type: ignore[arg-type]
        return False
    days = of_forms.days_of(of_values.whole_as_text(finite.unique()).cast(pl.String), "ymd8")
    return days.null_count() == 0


@dataclass(frozen=True)
class _WrittenForm:
    form: Form
    shown: str = "number"
    why: str = ""
    is_said: bool = False
    change: str = ""
    units: tuple[str, ...] = ()
    """The currencies and units that are written with the numbers."""


def _family_of_texts(values: Values) -> WrittenNumbers | None:
    may_be = values.pooled.head(1).str.contains(BEGINS).any() or values.pooled.unique().str.contains(BEGINS).any()
    if not may_be:
        return None
    pooled = _form_of(values.pooled)
    is_alone = sum(text is not None for text in values.texts) == 1  # then the strings of the first side are all there are
    own = _form_of(values.texts[values.first]) if pooled is None and not is_alone else pooled  # type: ignore[arg-type]
    if own is None:
        return None
    if pooled is not None:
        if not len(values.numbers_of(values.first, pooled.form)):
            return None
        return WrittenNumbers(tuple(pooled.form for _ in values.sides), pooled.shown, pooled.why, pooled.is_said, pooled.change)
    # The sides use different notations. The first side decides whether these are numbers or times, and each side has its own notation.
    forms, units = [], []
    for text in values.texts:
        read = None if text is None or text.is_empty() else _form_of(text)
        is_alike = read is not None and bool(read.form.layouts) == bool(own.form.layouts)
        forms.append(read.form if is_alike else own.form)  # type: ignore[union-attr]
        units += [unit for unit in read.units if unit not in units] if is_alike else []  # type: ignore[union-attr]
    if len(units) > 1:
        said = (
            f"written with {' on one side and '.join(map(repr, units[:2]))} on another; the numbers are compared without conversion"
        )
        return WrittenNumbers(tuple(forms), own.shown, said, True, own.change)
    differ = len({form for form, text in zip(forms, values.texts, strict=True) if text is not None}) > 1
    why = f"{own.why}; the sides write it in different ways" if differ else own.why
    return WrittenNumbers(tuple(forms), own.shown, why, own.is_said or differ, own.change)


def _form_of(text: polars.Series) -> _WrittenForm | None:
    """Infer the notation of strings that are all numbers or all times, except codes for a missing value; None if they are not."""
    distinct = text.unique(maintain_order=True)
    if text.is_empty() or not _hold_any(text, distinct):
        return None
    if text.str.contains(r"^[+-]?0[0-9]+(?:[.,][0-9]+)?$").mean() >= LED_BY_ZERO:  # type: ignore[operator]
        return None
    numbers = of_values.parsed_number(text)
    if _is_read(text, numbers):
        compact = text.filter(numbers.is_not_null())
        if compact.str.contains(r"^(?:19|20)[0-9]{6}(?:[0-9]{4}(?:[0-9]{2})?)?$").all() and _is_read(
            text, of_forms.days_of(text, "ymd8")
        ):
            return _WrittenForm(
                Form(layouts=("ymd8",)), "time", "each is a day from 1900 to 2100, written YYYYMMDD", True, "number"
            )
        return _with_points(compact)
    if not _may_be_written(distinct):
        return None
    return _times(text) or _decorated(text)


def _with_points(text: polars.Series) -> _WrittenForm:
    """Return the notation of plain numbers. 1.234 is 1234 if every point has three digits after it, and numbers without a point have at most three.

    Decimals that were rounded to three places would show fewer digits in some numbers, or a point in all of them. If no number is without a point, or
    there are fewer than `ENOUGH` with one, either reading is possible, and the numbers are read as decimals.
    """
    grouped = r"^[+-]?[1-9][0-9]{0,2}\.[0-9]{3}$"
    has_point = text.head(FIRST).str.contains(".", literal=True)
    plain = _WrittenForm(PLAIN, "number", "numbers")
    if not text.head(FIRST).filter(has_point).str.contains(grouped).all():
        return plain
    has_point = text.str.contains(".", literal=True)
    if not has_point.any():
        return plain
    dotted, others = text.filter(has_point), text.filter(~has_point)
    if len(dotted) < FEW or not dotted.str.contains(grouped).all() or not others.str.contains(r"^[+-]?[0-9]{1,3}$").all():
        return plain
    if others.is_empty() or len(dotted) < ENOUGH:
        return _WrittenForm(PLAIN, "number", "numbers with three decimals; they could be groups of thousands", True, "number:comma")
    return _WrittenForm(Form(is_decorated=True, decimal=","), "number", "groups of thousands", True, "number:point")


def _hold_any(text: polars.Series, distinct: polars.Series) -> bool:
    """Whether any of the strings may be a number or a time. For categories this is fast, since they have few distinct words."""
    if of_values.parsed_number(distinct).is_not_null().any():
        return True
    return _may_be_written(distinct) and bool(_layouts_of(text) or of_forms.parts_of_numbers(distinct)["body"].is_not_null().any())


def _is_read(text: polars.Series, parsed: polars.Series) -> bool:
    """Whether all strings except codes for a missing value could be read."""
    missing = parsed.is_null()
    if missing.all():
        return False
    return not missing.any() or _are_codes(text.filter(missing), len(text))


def _are_codes(others: polars.Series, among: int) -> bool:
    distinct = others.unique()
    if distinct.str.to_lowercase().is_in(list(MISSING)).all():
        return True
    return len(distinct) <= CODES and len(others) <= (1 - NEARLY_ALL) * among


def _may_be_written(distinct: polars.Series) -> bool:
    """Whether at least half of the first thousand distinct strings contain a digit and are short, like numbers or times."""
    some = distinct.head(1_000)
    is_short = (some.str.len_chars() <= of_forms.LONGEST) & some.str.contains("[0-9]")
    return float(is_short.mean()) >= 0.5  # type: ignore[arg-type]


def _times(text: polars.Series) -> _WrittenForm | None:
    days = {layout: of_forms.days_of(text, layout) for layout in _layouts_of(text)}
    read = {layout: int(values.is_not_null().sum()) for layout, values in days.items()}
    named = [layout for layout in days if layout not in ("dmy", "mdy", "clock") and read[layout]]
    day_first, month_first = read.get("dmy", 0), read.get("mdy", 0)
    why, change, slashed = "dates and times, as days since 1970", "category", []
    if day_first or month_first:
        is_american = bool(text.head(1_000).str.contains(r"(?i)[0-9]\s*[ap]\.?m").any())
        slashed = ["mdy" if month_first > day_first or (month_first == day_first and is_american) else "dmy"]
        if day_first == month_first:
            other, change = ("dmy", "time:dmy") if slashed == ["mdy"] else ("mdy", "time:mdy")
            why = f"no day is above 12; read as {of_forms.SAID[slashed[0]]}, but it could be {of_forms.SAID[other]}"
        else:
            why = f"{of_forms.SAID[slashed[0]]}, as days above 12 show; as days since 1970"
    for layouts in (tuple(named + slashed), ("clock",) if read.get("clock") else ()):
        if layouts and _is_read(text, of_forms.days(text, layouts)):
            if layouts == ("clock",):
                return _WrittenForm(Form(layouts=layouts), "time", "times of day, as a part of the day", True, change)
            return _WrittenForm(Form(layouts=layouts), "time", why, True, change)
    return None


def _layouts_of(text: polars.Series) -> list[str]:
    """Return the layouts that match any of the first or the last hundred strings."""
    import polars as pl

    some = pl.DataFrame({"t": pl.concat([text.head(100), text.tail(100)])})
    is_there = some.select(pl.col("t").str.contains(pattern).any().alias(layout) for layout, pattern in of_forms.LAYOUTS.items())
    return [layout for layout, (is_any,) in zip(is_there.columns, is_there.iter_columns(), strict=True) if is_any]


def _decorated(text: polars.Series) -> _WrittenForm | None:
    """Infer the notation of numbers with a currency, a unit, groups of thousands or a decimal comma; None if there is none."""
    import polars as pl

    parts = of_forms.parts_of_numbers(text)
    body = parts["body"]
    if body.null_count() == len(body):
        return None
    point, comma = (of_forms.fits(body, decimal).fill_null(False) for decimal in ".,")
    is_comma = comma.sum() > point.sum()
    read = comma if is_comma else point
    present = parts.filter(read)
    if present.is_empty() or not (len(read) == read.sum() or _are_codes(text.filter(~read), len(text))):
        return None
    grouped = present["body"].str.contains(r"[ ']")
    if grouped.any() and bool((present["body"].filter(grouped).str.contains(r"^[0-9]{3}[ '][0-9]{3}(?:[ '][0-9]{3})*$")).all()):
        return None  # 555 123 456 is more likely a telephone number
    units, currencies = (sorted({unit for unit in present[name].unique() if unit}) for name in ("unit", "before"))
    money = currencies + [unit for unit in units if re.fullmatch(r"[A-Z]{3}", unit) or _is_sign_of_money(unit)]
    plain_units = [unit for unit in units if unit not in money]
    multiples = bool(plain_units) and set(plain_units) <= of_forms.MULTIPLES.keys() and (len(plain_units) > 1 or bool(money))
    if len(set(money)) > 1 or (len(plain_units) > 1 and not multiples):
        return None
    form = Form(is_decorated=True, decimal="," if is_comma else ".", are_multiples=multiples)
    why = [f"written with {' and '.join(map(repr, [*dict.fromkeys(money), *plain_units]))}"] if money or plain_units else []
    if is_comma:
        why.append("a decimal comma")
    if present["body"].str.contains(r"[ ']|,[0-9]{3}[.,]|\.[0-9]{3}[.,]").any() or (
        not is_comma and present["body"].str.contains(",").any()
    ):
        why.append("groups of thousands")
    if plain_units == ["%"]:
        bare = present.filter(present["unit"] == "")["body"].str.replace(",", ".").cast(pl.Float64, strict=False)
        if len(bare) and bool((bare <= 1).all()):
            form = replace(form, percent=0.01)
            why.append("12 % is read as 0.12, because other values are written as shares")
        else:
            why.append("read in percent")
    change = f"number:{'point' if is_comma else 'comma'}"
    return _WrittenForm(form, "number", "; ".join(why) or "numbers", True, change, (*dict.fromkeys(money), *plain_units))


def _is_sign_of_money(unit: str) -> bool:
    return all(unicodedata.category(letter) == "Sc" for letter in unit)
