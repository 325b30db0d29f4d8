"""What a column holds and how it is written, inferred from its values on all sides at once; each guess is said with its reason.

A guess from one side alone goes wrong where the other is written otherwise: whole numbers in one and 3.02 in the other, True against 1, a date
of which the other side shows that the day comes first, keys that no two sides share.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.errors import BadInput
from outcross.files import forms as of_forms
from outcross.files import kinds as of_values
from outcross.files.forms import PLAIN, Form
from outcross.files.kinds import KINDS, TRUTHS, Kind
from outcross.recipe import nearest

if TYPE_CHECKING:
    import polars

SAYABLE = (*KINDS, "time", "time:dmy", "time:mdy", "number:comma", "number:point")
"""What a user may say that a column is; a time is a number, counted in days."""
FEW = 20
"""Distinct whole numbers up to which a column of them is a category."""
REPEATS = 5
"""Times that each of them occurs on average, at least: fewer, and the column is too short to tell."""
WORDS = 5
"""Words a value, on average, from which strings are text."""
NEARLY_ALL = 0.95
"""Share of strings that are numbers (or times) from which the others are codes for a missing value."""
CODES = 3
"""Distinct codes for a missing value, at most, among strings that are nearly all numbers."""
LED_BY_ZERO = 0.01
"""Share of strings that a needless zero leads ("01301") from which they are codes, not numbers."""
MISSING = frozenset(["", "?", "-", "--", ".", "n", "na", "n/a", "nan", "nil", "none", "null", "missing", "unknown", "inf", "-inf"])
"""Strings that stand for a missing value among numbers, in any share and any case."""
NO_CATEGORY = frozenset(["nan", "none", "null", "na", "n/a", "<na>", "nat", "nil", "#n/a"])
"""Strings, in small letters, that stand for a missing category where the sides write missing values in different ways."""
MANY = 100_000
"""Distinct categories from which a column's notes say how many there are."""
INDEX = ("", "index", "id", "unnamed: 0")
"""Names (in any case) under which whole numbers that count the rows are nothing to compare."""
KEYED = 50
"""Values a side from which a column without a telling name is taken for a key."""
UNIQUE = 0.95
"""Share of distinct strings from which they name the records."""
EVEN = 1.63
"""√n times the largest distance from an even spread, below which whole numbers that never repeat look drawn as keys are: one in a hundred
such keys passes it (Kolmogorov)."""
PATTERNS = {
    "a UUID": r"(?i)^\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?$",
    "an e-mail address": r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
}
"""What a key looks like, whatever its column is called."""
_NAMED_KEY = re.compile(r"(?:^|[_\W])(?:id|uuid|guid|key|pk|index|rowid)$|[a-z](?:Id|ID|Key)$", re.IGNORECASE)
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
"""Letters of scripts that are written without spaces; two of them are about a word."""


@dataclass(frozen=True)
class Given:
    """What the user says of columns, which goes before all that is inferred."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    """Column → one of `SAYABLE`."""
    texts: tuple[str, ...] = ()
    """Columns that are text by the format of the file."""
    keys: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """Columns that are asked about by name, so that they are never taken for keys."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why a column is what `kinds` says, where somebody else than the user said it."""
    others: tuple[Column, ...] = ()
    """Columns of the file of which these were made."""

    def kind(self, column: str) -> str | None:
        return self.kinds.get(column, "text" if column in self.texts else None)


@dataclass(frozen=True)
class Column:
    """What was understood of a column."""

    name: str
    kind: Kind | None
    """None where it is left out."""
    shown: str
    """What people call it: number, time, category, truth, text, key …"""
    why: str
    example: str = ""
    """A value as it stands, and as it is read."""
    change: str = ""
    """The option that would make something else of it."""
    is_said: bool = False
    """Whether the notes say it: a guess that may be wrong."""
    forms: tuple[Form, ...] = ()
    """How each side writes it."""

    @property
    def note(self) -> str:
        """What the notes say of it; nothing where it is plain."""
        if self.kind is None:
            return f"column {self.name!r} is left out: {self.why}"
        return f"column {self.name!r}: {self.shown}, {self.why}" if self.is_said else ""

    def plain(self) -> dict[str, str]:
        """As JSON."""
        return {"column": self.name, "kind": self.shown, "why": self.why, "example": self.example, "change": self.change}


@dataclass(frozen=True, eq=False)
class Side:
    """The records of one side as they were read, and where each stood in its file."""

    records: polars.DataFrame
    places: np.ndarray

    @cached_property
    def order(self) -> np.ndarray:
        return np.argsort(self.places, kind="stable")


def check_given(given: Given, columns: Iterable[str], name: str) -> None:
    """BadInput where the user names a column that is not there, or a kind that there is not."""
    columns = list(columns)
    for column in (*given.kinds, *given.texts, *given.keys, *given.ignored):
        if column not in columns:
            raise BadInput(f"{name} has no column {column!r}{nearest(column, columns)}; it has {', '.join(columns)[:200]}")
    for column, kind in given.kinds.items():
        if kind not in SAYABLE:
            raise BadInput(f"kind of {column!r} must be one of {', '.join(SAYABLE)}, got {kind!r}")


def understood(sides: Sequence[Side], given: Given) -> dict[str, Column]:
    """What the columns of the first side hold (of the others too, where they have them); the first is the reference."""
    names = dict.fromkeys(name for side in sides for name in side.records.columns)
    columns = {name: _understood(_Values(name, sides), given) for name in names}
    columns |= {
        name: _with_comma(_Values(name, sides), column, given) for name, column in columns.items() if _prefer_comma(columns)
    }
    if all(column.kind is None for column in columns.values()):
        # A table of keys alone: what was taken for a key by its values is all that there is to compare.
        unkeyed = replace(given, kept=tuple(names))
        columns = {
            name: _understood(_Values(name, sides), unkeyed) if column.shown == "key" else column
            for name, column in columns.items()
        }
    return columns


class _Values:
    """The values of a column on every side that has it."""

    def __init__(self, name: str, sides: Sequence[Side]):
        self.name = name
        self.sides = sides
        self.raw = [side.records[name] if name in side.records.columns else None for side in sides]
        self.held = [None if raw is None else raw.drop_nulls() for raw in self.raw]
        self.there = [held for held in self.held if held is not None and len(held)]

    @property
    def lead(self) -> polars.Series:
        """Of the first side that holds any."""
        return self.there[0]

    @cached_property
    def texts(self) -> list[polars.Series | None]:
        """The strings of each side, without spaces around and without empty ones; None for a side whose values are no strings."""
        return [None if held is None or not is_text(held) else _stripped(held) for held in self.held]

    @cached_property
    def pooled(self) -> polars.Series:
        """The strings of all sides."""
        import polars as pl

        return pl.concat([text.alias("") for text in self.texts if text is not None])

    def in_order(self, side: int) -> polars.Series:
        """The values of a side in the order of its file."""
        raw = self.raw[side]
        assert raw is not None
        return raw[self.sides[side].order]

    def numbers(self, forms: Sequence[Form]) -> list[polars.Series]:
        """The numbers that each side holds."""
        pairs = zip(self.held, forms, strict=True)
        return [of_values.as_number(held, form).drop_nulls() for held, form in pairs if held is not None and len(held)]


def is_text(values: polars.Series) -> bool:
    """Whether values are strings."""
    import polars as pl

    return values.dtype in (pl.String, pl.Categorical, pl.Enum)


def _stripped(values: polars.Series) -> polars.Series:
    import polars as pl

    text = values.cast(pl.String).str.strip_chars()
    return text.filter(text != "")


def _understood(values: _Values, given: Given) -> Column:
    name = values.name
    plain = (PLAIN,) * len(values.sides)
    told = given.kind(name)
    if name in given.ignored:
        return Column(name, None, "ignored", "--ignore names it", _example(values), "leave it out of --ignore")
    if name in given.keys:
        return Column(name, None, "key", "--key names it", _example(values), "leave it out of --key")
    if name.startswith("_") and told is None:
        return Column(name, None, "provenance", "its name starts with _", _example(values), "rename it")
    if not values.there:
        if told is None:
            return Column(name, None, "empty", "it holds no value")
        return Column(name, _kind_of(told), told, given.reasons.get(name, "--kinds says so"), forms=plain)
    if told is not None:
        why = given.reasons.get(name, "--kinds says so" if name in given.kinds else "the file holds text")
        return _as_told(values, told, why)
    column = _inferred(values)
    if column.kind is not None and name not in given.kept and (why := _key(values, column)):
        kind = "number" if column.kind == "number" else "category"
        return Column(name, None, "key", why, column.example, f"--kinds {name}={kind}")
    return column


def _kind_of(told: str) -> Kind:
    word = told.partition(":")[0]
    return "number" if word == "time" else word  # type: ignore[return-value]


def _as_told(values: _Values, told: str, why: str) -> Column:
    kind = _kind_of(told)
    forms: Sequence[Form] = (PLAIN,) * len(values.sides)
    if kind == "number":
        forms = _forms_as_told(values, told)
    elif kind == "category":
        forms = _forms_of_categories(values)[0]
    return Column(
        values.name, kind, told, why, _example(values, kind, forms), f"leave {values.name} out of --kinds", forms=tuple(forms)
    )


def _forms_as_told(values: _Values, told: str) -> list[Form]:
    word, _, detail = told.partition(":")
    if word == "number" and detail:
        form = Form(is_decorated=True, decimal="," if detail == "comma" else ".")
        return [PLAIN if text is None else form for text in values.texts]
    if word == "time" and detail:
        layouts = ("ymd", "ymd8", detail, "day month year", "month day year")
        return [PLAIN if text is None else Form(layouts=layouts) for text in values.texts]
    family = _family(values)
    if family is not None:
        return list(family.forms)
    if word == "time":
        return [Form(layouts=("ymd8",)) if text is None else Form(layouts=("ymd", "ymd8", "clock")) for text in values.texts]
    return [PLAIN] * len(values.sides)


def _inferred(values: _Values) -> Column:
    """What a column holds that nobody has said anything about."""
    import polars as pl

    dtype, name = values.lead.dtype, values.name
    plain = (PLAIN,) * len(values.sides)
    if dtype.is_nested() and of_values.inner_type(dtype) is not None:
        return _lists(values)
    if dtype.is_nested() or not (dtype == pl.Boolean or dtype.is_temporal() or dtype.is_numeric() or is_text(values.lead)):
        return Column(name, None, "nested", f"it holds {dtype}, which is neither a value nor a list of numbers")
    forms, is_mixed = _truths(values)
    if is_mixed:
        why = "the sides write true and false in different ways"
        return Column(
            name, "category", "truth", why, _example(values, "category", forms), f"--kinds {name}=number", True, tuple(forms)
        )
    if dtype == pl.Boolean:
        return Column(name, "category", "truth", "true and false", _example(values, "category", plain), "", forms=plain)
    family = _family(values)
    if family is not None:
        return _of_numbers(values, family)
    if is_text(values.lead):
        return _of_words(values)
    if dtype.is_numeric():
        return Column(name, None, "empty", "it holds no finite number")
    return Column(name, None, "empty", "it holds no value")


def _lists(values: _Values) -> Column:
    lengths = [of_values.flat_lists(held).list.len() for held in values.there if of_values.inner_type(held.dtype) is not None]
    dtype, name, plain = values.lead.dtype, values.name, (PLAIN,) * len(values.sides)
    if max(int(side.max()) for side in lengths) == 0:  # type: ignore[arg-type]
        return Column(name, None, "empty", "it holds empty lists")
    if lengths[0].min() == lengths[0].max():
        return Column(
            name, "vector", "vector", f"lists of {lengths[0].max()} numbers", change=f"--kinds {name}=series", forms=plain
        )
    if dtype.inner.is_nested():  # type: ignore[attr-defined]
        return Column(name, None, "nested", "it holds lists of lists of several lengths")
    return Column(name, "series", "series", "lists of numbers of several lengths", forms=plain)


# Numbers and times


@dataclass(frozen=True)
class _Family:
    """How the numbers or times of a column are written on each side."""

    forms: tuple[Form, ...]
    shown: str
    why: str
    is_said: bool = False
    change: str = ""


def _family(values: _Values) -> _Family | None:
    """Numbers or times, and how each side writes them; None where the first side holds neither."""
    import polars as pl

    dtype = values.lead.dtype
    if is_text(values.lead):
        return _family_of_texts(values)
    if dtype == pl.Boolean:
        return _Family((PLAIN,) * len(values.sides), "number", "truth as 1 and 0")
    if not (dtype.is_numeric() or dtype.is_temporal()):
        return None
    if dtype.is_numeric() and all(
        _are_dates(held) if held.dtype.is_numeric() else is_text(held) or held.dtype.is_temporal() for held in values.there
    ):
        form = Form(layouts=("ymd8",))
        texts = [PLAIN if text is None else (_form_of(text, False) or _Found(form)).form for text in values.texts]
        forms = [form if text is None else texts[i] for i, text in enumerate(values.texts)]
        return _Family(tuple(forms), "time", "each is a day of 1900 to 2100 written YYYYMMDD", True, "number")
    if not any(len(of_values.as_number(held).drop_nulls()) for held in values.there[:1]):
        return None
    shown, why = ("time", "dates and times, as days since 1970") if dtype.is_temporal() else ("number", "numbers")
    strings = [text for text in values.texts if text is not None and len(text)]
    found = _form_of(pl.concat([text.alias("") for text in strings]), False) if strings else None
    form = PLAIN if found is None else found.form
    return _Family(tuple(PLAIN if text is None else form for text in values.texts), shown, why)


def _are_dates(numbers: polars.Series) -> bool:
    """Whether all whole numbers of eight digits are days of 1900 to 2100."""
    import polars as pl

    finite = of_values.as_number(numbers).drop_nulls()
    if finite.is_empty() or float(finite.min()) < 19_000_101 or float(finite.max()) > 21_001_231:  # type: ignore[arg-type]
        return False
    days = of_forms.days_of(of_values.whole_as_text(finite.unique()).cast(pl.String), "ymd8")
    return days.null_count() == 0


@dataclass(frozen=True)
class _Found:
    form: Form
    shown: str = "number"
    why: str = ""
    is_said: bool = False
    change: str = ""


def _family_of_texts(values: _Values) -> _Family | None:
    pooled = _form_of(values.pooled, False)
    own = _form_of(values.texts[_first(values)], False) if pooled is None else pooled  # type: ignore[arg-type]
    if own is None:
        return None
    if pooled is not None:
        lead = of_values.as_number(values.lead, pooled.form)
        if lead.null_count() == len(lead):
            return None
        return _Family(tuple(pooled.form for _ in values.sides), pooled.shown, pooled.why, pooled.is_said, pooled.change)
    # Each side is written in its own way: the first says what they are, another how it writes that.
    forms = []
    for text in values.texts:
        found = None if text is None or text.is_empty() else _form_of(text, False)
        forms.append(found.form if found is not None and bool(found.form.layouts) == bool(own.form.layouts) else own.form)
    differ = len({form for form, text in zip(forms, values.texts, strict=True) if text is not None}) > 1
    why = f"{own.why}; the sides write it in different ways" if differ else own.why
    return _Family(tuple(forms), own.shown, why, own.is_said or differ, own.change)


def _first(values: _Values) -> int:
    return next(i for i, held in enumerate(values.held) if held is not None and len(held))


def _form_of(text: polars.Series, prefer_comma: bool) -> _Found | None:
    """How strings are written that are all numbers or all times, but for codes for a missing value; None where they are not."""
    if text.is_empty() or text.str.contains(r"^[+-]?0[0-9]+(?:[.,][0-9]+)?$").mean() >= LED_BY_ZERO:  # type: ignore[operator]
        return None
    numbers = of_values.parsed_number(text)
    if _is_read(text, numbers):
        compact = text.filter(numbers.is_not_null())
        if compact.str.contains(r"^(?:19|20)[0-9]{6}(?:[0-9]{4}(?:[0-9]{2})?)?$").all() and _is_read(
            text, of_forms.days_of(text, "ymd8")
        ):
            return _Found(Form(layouts=("ymd8",)), "time", "each is a day of 1900 to 2100 written YYYYMMDD", True, "number")
        return _Found(PLAIN, "number", "numbers")
    distinct = text.unique(maintain_order=True)
    if not _may_be_written(distinct):
        return None
    return _times(text) or _decorated(text, prefer_comma)


def _is_read(text: polars.Series, parsed: polars.Series) -> bool:
    """Whether all but codes for a missing value could be read."""
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
    """Whether the first thousand distinct strings look like numbers or times: most hold a digit and are short."""
    some = distinct.head(1_000)
    is_short = (some.str.len_chars() <= of_forms.LONGEST) & some.str.contains("[0-9]")
    return float(is_short.mean()) >= 0.5  # type: ignore[arg-type]


def _times(text: polars.Series) -> _Found | None:
    days = {layout: of_forms.days_of(text, layout) for layout in of_forms.LAYOUTS if _may_be(text, layout)}
    read = {layout: int(values.is_not_null().sum()) for layout, values in days.items()}
    named = [layout for layout in days if layout not in ("dmy", "mdy", "clock") and read[layout]]
    day_first, month_first = read.get("dmy", 0), read.get("mdy", 0)
    why, change, slashed = "dates and times, as days since 1970", "category", []
    if day_first or month_first:
        is_american = bool(text.head(1_000).str.contains(r"(?i)[0-9]\s*[ap]\.?m").any())
        slashed = ["mdy" if month_first > day_first or (month_first == day_first and is_american) else "dmy"]
        if day_first == month_first:
            other, change = ("dmy", "time:dmy") if slashed == ["mdy"] else ("mdy", "time:mdy")
            why = f"no day is above 12; taken as {of_forms.SAID[slashed[0]]}, it could be {of_forms.SAID[other]}"
        else:
            why = f"{of_forms.SAID[slashed[0]]}, as days above 12 show; as days since 1970"
    for layouts in (tuple(named + slashed), ("clock",) if read.get("clock") else ()):
        if layouts and _is_read(text, of_forms.days(text, layouts)):
            if layouts == ("clock",):
                return _Found(Form(layouts=layouts), "time", "times of day, as a part of the day", True, change)
            return _Found(Form(layouts=layouts), "time", why, True, change)
    return None


def _may_be(text: polars.Series, layout: str) -> bool:
    return bool(
        of_forms.days_of(text.head(200), layout).is_not_null().any() or of_forms.days_of(text.tail(200), layout).is_not_null().any()
    )


def _decorated(text: polars.Series, prefer_comma: bool) -> _Found | None:
    """Numbers with a currency, a unit, groups of thousands or a decimal comma."""
    import polars as pl

    parts = of_forms.parts_of_numbers(text)
    body = parts["body"]
    if body.null_count() == len(body):
        return None
    point, comma = (of_forms.fits(body, decimal).fill_null(False) for decimal in ".,")
    is_comma = comma.sum() > point.sum() or (prefer_comma and comma.sum() == point.sum())
    read = comma if is_comma else point
    held = parts.filter(read)
    if held.is_empty() or not (len(read) == read.sum() or _are_codes(text.filter(~read), len(text))):
        return None
    grouped = held["body"].str.contains(r"[ ']")
    if grouped.any() and bool((held["body"].filter(grouped).str.contains(r"^[0-9]{3}[ '][0-9]{3}(?:[ '][0-9]{3})*$")).all()):
        return None  # 555 123 456 is rather the number of a telephone
    units, currencies = (sorted({unit for unit in held[name].unique() if unit}) for name in ("unit", "before"))
    money = currencies + [unit for unit in units if re.fullmatch(r"[A-Z]{3}", unit) or _is_sign_of_money(unit)]
    plain_units = [unit for unit in units if unit not in money]
    multiples = bool(plain_units) and set(plain_units) <= of_forms.MULTIPLES.keys() and (len(plain_units) > 1 or bool(money))
    if len(set(money)) > 1 or (len(plain_units) > 1 and not multiples):
        return None
    form = Form(is_decorated=True, decimal="," if is_comma else ".", are_multiples=multiples)
    why = [f"written with {' and '.join(map(repr, [*dict.fromkeys(money), *plain_units]))}"] if money or plain_units else []
    if is_comma:
        why.append("a comma before the decimals")
    if held["body"].str.contains(r"[ ']|,[0-9]{3}[.,]|\.[0-9]{3}[.,]").any() or (
        not is_comma and held["body"].str.contains(",").any()
    ):
        why.append("thousands in groups")
    if plain_units == ["%"]:
        bare = held.filter(held["unit"] == "")["body"].str.replace(",", ".").cast(pl.Float64, strict=False)
        if len(bare) and bool((bare <= 1).all()):
            form = replace(form, percent=0.01)
            why.append("12 % is read as 0.12, as others are written as shares")
        else:
            why.append("read in percent")
    return _Found(form, "number", "; ".join(why) or "numbers", True, f"number:{'point' if is_comma else 'comma'}")


def _is_sign_of_money(unit: str) -> bool:
    import unicodedata

    return all(unicodedata.category(letter) == "Sc" for letter in unit)


def _prefer_comma(columns: Mapping[str, Column]) -> bool:
    """Whether a column of the table shows that it has a comma before the decimals."""
    return any(form.decimal == "," for column in columns.values() for form in column.forms)


def _with_comma(values: _Values, column: Column, given: Given) -> Column:
    """The same column in a table that has a comma before the decimals: 1.234 is then a thousand and more."""
    has_texts = any(text is not None for text in values.texts)
    if (
        column.kind != "number"
        or values.name in given.kinds
        or not has_texts
        or any(form.layouts or form.decimal == "," for form in column.forms)
    ):
        return column
    text = values.pooled
    body = of_forms.parts_of_numbers(text)["body"]
    is_grouped = text.str.contains(r"[.,]")
    if (
        not is_grouped.any()
        or not of_forms.fits(body, ",").fill_null(False).all()
        or text.filter(~is_grouped).str.contains("[0-9]{4}").any()
    ):
        return column
    forms = tuple(Form(is_decorated=True, decimal=",") for _ in values.sides)
    why = "read with a comma before the decimals, as other columns are written"
    return replace(
        _of_numbers(values, _Family(forms, "number", why, True)), change=f"--kinds {values.name}=number:point", is_said=True
    )


def _of_numbers(values: _Values, family: _Family) -> Column:
    """Numbers, or a category where they are whole and few on all sides together."""
    import polars as pl

    name = values.name
    read = values.numbers(family.forms)
    pooled = pl.concat([side.alias("") for side in read])
    example = _example(values, "number", family.forms)
    change = f"--kinds {name}={family.change or 'category'}"
    if family.shown == "time":
        return Column(name, "number", "time", family.why, example, change, True, family.forms)
    is_few, is_lead_few = _are_few(pooled, sum(map(len, values.there))), _are_few(read[0], len(values.lead))
    if is_few:
        why = f"{pooled.n_unique()} distinct whole numbers that repeat"
        is_plain = all(form == PLAIN for form in family.forms)
        forms = family.forms if is_plain else (PLAIN,) * len(values.sides)
        return Column(
            name, "category", "category", why, _example(values, "category", forms), f"--kinds {name}=number", False, forms
        )
    if is_lead_few and len(read) > 1:
        why = "few whole numbers in the first set, and others or fractions in another"
        return Column(name, "number", "number", why, example, change, True, family.forms)
    return Column(name, "number", family.shown, family.why, example, change, family.is_said, family.forms)


def _are_few(finite: polars.Series, held: int) -> bool:
    """Whether numbers are whole, and few beside the values held."""
    if finite.is_empty() or not (finite.floor() == finite).all():
        return False
    distinct = finite.n_unique()
    return distinct <= FEW and held >= REPEATS * distinct


# Words


def _of_words(values: _Values) -> Column:
    name, plain = values.name, (PLAIN,) * len(values.sides)
    texts = [text for text in values.texts if text is not None and len(text)]
    if not texts:
        return Column(name, None, "empty", "it holds no value")
    if any(map(_are_text, texts)):
        return Column(
            name,
            "text",
            "text",
            "five words and more a value, most of them different",
            _example(values),
            f"--kinds {name}=category",
            forms=plain,
        )
    forms, writings = _forms_of_categories(values)
    distinct = texts[0].n_unique()
    why = f"{distinct:,} categories"
    if writings:
        why += f"; a missing value is written {' or '.join(writings)}"
    change = f"--kinds {name}=text"
    return Column(
        name,
        "category",
        "category",
        why,
        _example(values, "category", forms),
        change,
        bool(writings) or distinct > MANY,
        tuple(forms),
    )


def _are_text(text: polars.Series) -> bool:
    """Whether strings have five words on average, and most are distinct. Two letters of a script without spaces are about a word."""
    words = text.str.count_matches(r"\S+") + text.str.count_matches(UNSPACED) / 2
    return float(words.mean()) >= WORDS and 2 * text.n_unique() >= len(text)  # type: ignore[arg-type]


def _truths(values: _Values) -> tuple[list[Form], bool]:
    """The forms of truth values where the sides write them in different ways, and whether they do."""
    forms = [PLAIN] * len(values.sides)
    if len(values.there) < 2 or any(held.dtype.is_nested() for held in values.there):
        return forms, False
    written: list[set[str]] = []
    for held in values.there:
        some = held.unique()
        if len(some) > 6:
            return forms, False
        words = {word.lower() for word in of_values.as_category(some).drop_nulls().to_list()} - NO_CATEGORY
        if len(words) > 2 or not words <= TRUTHS.keys():
            return forms, False
        written.append(words)
    if len(set.union(*written)) <= 2:
        return forms, False
    return [Form(is_truth=True, missing=tuple(sorted(NO_CATEGORY)))] * len(values.sides), True


def _forms_of_categories(values: _Values) -> tuple[list[Form], list[str]]:
    """Which words stand for a missing category, and how missing values are written; none where the sides write them alike."""
    plain = [PLAIN] * len(values.sides)
    writings: list[set[str]] = []
    for raw, text in zip(values.raw, values.texts, strict=True):
        if raw is None:
            continue
        distinct = set() if text is None else {word for word in text.unique().to_list() if word.lower() in NO_CATEGORY}
        is_empty = bool(of_values.is_empty(raw).any())
        writings.append(distinct | ({""} if is_empty else set()))
    if len(writings) < 2 or not any(words - {""} for words in writings):
        return plain, []
    first = writings[0]
    if all(not other or not first or not (other - first) for other in writings[1:]):
        return plain, []
    words = set.union(*writings)
    form = Form(missing=tuple(sorted({word.lower() for word in words if word})))
    return [form] * len(values.sides), [repr(word) if word else "as nothing" for word in sorted(words)]


# Keys


def _key(values: _Values, column: Column) -> str:
    """Why the values name records and are nothing to compare; nothing where they may be values."""
    if column.kind == "number" and column.shown == "number":
        return _key_of_numbers(values, column)
    if column.kind == "category" and column.shown == "category":
        if is_text(values.lead):
            return _key_of_words(values)
        return _index(values, column)
    return ""


def _key_of_words(values: _Values) -> str:
    sides = [text for text in values.texts if text is not None and len(text)]
    for what, pattern in PATTERNS.items():
        if len(sides[0]) >= 10 and _look_like(sides[0], pattern):
            return f"each value is {what}"
    are_strings = len(sides) == len(values.there) and min(map(len, sides)) >= KEYED
    if are_strings and all(side.n_unique() >= UNIQUE * len(side) for side in sides):
        where = "on all sides" if len(sides) > 1 else "in this set"
        return f"nearly every value is different {where}: they name the records"
    return _entities(values, [side.alias("") for side in sides])


def _look_like(text: polars.Series, pattern: str) -> bool:
    """Whether strings are nearly all of a pattern, and half of them different."""
    if not text.head(200).str.contains(pattern).all() or 2 * text.n_unique() < len(text):
        return False
    return float(text.str.contains(pattern).mean()) >= NEARLY_ALL  # type: ignore[arg-type]


def _key_of_numbers(values: _Values, column: Column) -> str:
    read = values.numbers(column.forms)
    lead, is_named = read[0], bool(_NAMED_KEY.search(values.name.strip())) or values.name.strip().lower() in INDEX
    if not (lead.floor() == lead).all():
        return ""
    if why := _index(values, column):
        return why
    if lead.n_unique() < len(lead):
        return _entities(values, read)
    if is_named and len(lead) >= 2 and lead.n_unique() == len(lead):
        return "whole numbers that never repeat, under the name of a key" if len(lead) >= 10 else ""
    is_key = all(len(side) >= KEYED and side.n_unique() == len(side) and bool((side.floor() == side).all()) for side in read)
    if not is_key or len(read) < 2:
        return ""
    if all(float(side.max() - side.min()) < 1.5 * len(side) for side in read):  # type: ignore[operator]
        return "whole numbers on all sides that never repeat and leave few gaps: they number the records"
    if all(_is_even(side) for side in read):
        return "whole numbers on all sides that never repeat, spread evenly over a wide range as keys are"
    return ""


def _is_even(numbers: polars.Series) -> bool:
    """Whether whole numbers of five digits and more are spread evenly over a range far wider than they are many."""
    low, high = float(numbers.min()), float(numbers.max())  # type: ignore[arg-type]
    if high < 10_000 or high - low < 10 * len(numbers):
        return False
    n, places = len(numbers), (np.sort(numbers.to_numpy()) - low) / (high - low)
    return float(np.abs(places - (np.arange(n) + 0.5) / n).max()) * math.sqrt(n) < EVEN


def _index(values: _Values, column: Column) -> str:
    """Why whole numbers count the rows; nothing where they do not. An index may begin anew, as where shards were put together."""
    is_named = values.name.strip().lower() in INDEX
    counts = []
    for side, held in enumerate(values.held):
        if held is None or not len(held):
            continue
        numbers = of_values.as_number(values.in_order(side), column.forms[side])
        places = np.sort(values.sides[side].places)
        if numbers.null_count() or len(numbers) < 2:
            counts.append(False)
            continue
        is_whole = bool((numbers.floor() == numbers).all())
        steps = np.diff(numbers.to_numpy()) == np.diff(places)
        is_new = np.diff(numbers.to_numpy()) < 0
        is_count = (
            is_whole and bool((steps | is_new).all()) and float(np.mean(steps)) >= 0.99 and (is_named or numbers.min() in (0, 1))
        )
        is_unique = is_whole and is_named and numbers.n_unique() == len(numbers)
        counts.append(is_count or is_unique)
    if not counts or not (
        any(counts) if is_named else all(counts) and len(counts) > 1 and min(map(len, values.there)) >= 2 * KEYED
    ):
        return ""
    return "it numbers the rows"


def _entities(values: _Values, read: Sequence[polars.Series]) -> str:
    """Why values that repeat name entities: each stands in one block of rows, or the name says so, and no two sides share one."""
    if len(read) < 2:
        return ""
    distinct = [side.unique() for side in read]
    if min(map(len, distinct)) < FEW or any(distinct[0].is_in(other.implode()).any() for other in distinct[1:]):
        return ""
    is_named = bool(_NAMED_KEY.search(values.name.strip()))
    if not is_named and not all(
        _is_blocked(values.in_order(side)) for side, held in enumerate(values.held) if held is not None and len(held)
    ):
        return ""
    rows = len(read[0]) / len(distinct[0])
    return f"names {len(distinct[0]):,} entities of about {rows:.0f} rows, and the sides share none; --entity {values.name} audits them as series"


def _is_blocked(in_order: polars.Series) -> bool:
    """Whether equal values stand together."""
    blocks = int((in_order != in_order.shift(1)).fill_null(True).sum())
    return blocks == in_order.n_unique() < len(in_order)


# Examples


def _example(values: _Values, kind: Kind | None = None, forms: Sequence[Form] = ()) -> str:
    """A value as it stands, and as it is read where that differs."""
    if not values.there:
        return ""
    first = values.lead.head(1)
    written = str(first.to_list()[0])
    if kind not in ("number", "category"):
        return _short(written)
    side = _first(values)
    makers: Mapping[str, Callable[[Any, Form], Any]] = {"number": of_values.as_number, "category": of_values.as_category}
    (read,) = makers[kind](first, forms[side]).to_list()
    if read is None:
        return f"{_short(written)} (missing)"
    said = _moment(read, forms[side]) if kind == "number" and (forms[side].layouts or first.dtype.is_temporal()) else read
    said = f"{said:.10g}" if isinstance(said, float) else str(said)
    return _short(written) if written in (said, f"{said}.0") else f"{_short(written)} → {_short(said)}"


def _moment(days: float, form: Form) -> str:
    """A number of days since 1970 as a date and time."""
    from datetime import UTC, datetime, timedelta

    if form.layouts == ("clock",) or not math.isfinite(days) or abs(days) > 700_000:
        return f"{days:.6g} of a day"
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=round(days * 86_400) / 86_400)
    return f"{moment:%Y-%m-%d}" if days == math.floor(days) else f"{moment:%Y-%m-%d %H:%M}"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 32 else f"{text[:31]}…"
