"""Infer the kind and the notation of each column from its values on all sides (data sets) at once. Each guess comes with its reason.

A guess from one side alone fails if another side is written differently: whole numbers on one side and 3.02 on the other, True and 1, a date
whose order of day and month only the other side shows, or keys that no two sides share.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from outcross.data.keys import key
from outcross.data.values import Side, Values, are_whole, is_text
from outcross.data.written import WrittenNumbers, family_of
from outcross.errors import BadInput
from outcross.files import forms as of_forms
from outcross.files import kinds as of_values
from outcross.files.forms import PLAIN, Form
from outcross.files.kinds import KINDS, TRUTHS, Kind
from outcross.recipe import nearest
from outcross.wording import amount

if TYPE_CHECKING:
    import polars

TimeUnit = Literal["", "day", "clock"]
"""The unit of a column that is read as numbers: "day" for days since 1970, "clock" for parts of a day, "" if it has no times."""
SAYABLE = (*KINDS, "time", "time:dmy", "time:mdy", "number:comma", "number:point")
"""The kinds that a user may give to a column. A time is a number, counted in days."""
FEW = 20
"""The maximum number of distinct whole numbers of a column that is read as a category."""
REPEATS = 5
"""The minimum mean number of occurrences of each of these numbers. With fewer, the column is too short to tell."""
WORDS = 5
"""The minimum mean number of words of a value for which strings are text."""
NO_CATEGORY = frozenset(["nan", "none", "null", "na", "n/a", "<na>", "nat", "nil", "#n/a"])
"""Strings, in lower case, that mean a missing category if the sides write missing values in different ways."""
MANY = 100_000
"""The number of distinct categories above which the notes give their number."""
FIRST = 50
"""The number of values that are checked first, since they often show that a column does not contain truth values."""
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
"""Letters of scripts without spaces. Two of them count as about one word."""


@dataclass(frozen=True)
class Given:
    """The user's statements about columns, which override everything that is inferred."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    """{column: kind}, with kinds out of `SAYABLE`."""
    texts: tuple[str, ...] = ()
    """Columns that are text because of the format of the file."""
    keys: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """Columns that other options name, so that they are never read as keys."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The option that gives a column its kind, by column, if it is not --kinds: --groups, --text-column."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """The reasons for kinds that were not given by the user, by column."""
    others: tuple[Column, ...] = ()
    """Columns of the original file that are not columns of this table."""

    def kind(self, column: str) -> str | None:
        return self.kinds.get(column, "text" if column in self.texts else None)

    def why(self, column: str) -> str:
        """Return the reason for the kind of a column."""
        if column in self.reasons:
            return self.reasons[column]
        return f"{self.options.get(column, '--kinds')} names it" if column in self.kinds else "the file contains text"

    def way_out(self, column: str) -> str:
        """Return how to have the kind of a column inferred; empty if no option gave it."""
        return f"leave {column} out of {self.options.get(column, '--kinds')}" if column in self.kinds.keys() - self.reasons else ""


@dataclass(frozen=True)
class Column:
    """The inferred kind and notation of a column."""

    name: str
    kind: Kind | None
    """The kind of the column; None if it is left out."""
    shown: str
    """The word for the kind that users see: number, time, category, boolean, text, key …"""
    why: str
    """The reason for the kind."""
    example: str = ""
    """A value as it is written, and as it is read."""
    change: str = ""
    """The option that changes the kind."""
    is_said: bool = False
    """Whether the notes mention the column, because the guess may be wrong."""
    forms: tuple[Form, ...] = ()
    """The notation of the column on each side."""

    @property
    def note(self) -> str:
        """The note about the column; empty if the guess is certain."""
        if self.kind is None:
            return f"column {self.name!r} is left out: {self.why}"
        return f"column {self.name!r}: {self.shown}, {self.why}" if self.is_said else ""

    def plain(self) -> dict[str, str]:
        """Return the column as plain data."""
        return {"column": self.name, "kind": self.shown, "why": self.why, "example": self.example, "change": self.change}


def check_given(given: Given, columns: Iterable[str], name: str) -> None:
    """Raise BadInput if the user names a column or a kind that does not exist."""
    columns = list(columns)
    for column in (*given.kinds, *given.texts, *given.keys, *given.ignored):
        if column not in columns:
            raise BadInput(f"{name} has no column {column!r}{nearest(column, columns)}; it has {', '.join(columns)[:200]}")
    for column, kind in given.kinds.items():
        if kind not in SAYABLE:
            raise BadInput(f"kind of {column!r} must be one of {', '.join(SAYABLE)}, got {kind!r}")


def understood(sides: Sequence[Side], given: Given) -> dict[str, Column]:
    """Infer the columns of all sides, by name. The first side is the reference."""
    names = dict.fromkeys(name for side in sides for name in side.records.columns)
    columns = {name: _understood(Values(name, sides), given) for name in names}
    if _prefer_comma(columns):
        columns = {name: _with_comma(Values(name, sides), column, given) for name, column in columns.items()}
    if all(column.kind is None for column in columns.values()):
        # If all columns look like keys, those that were recognised by their values are compared after all.
        unkeyed = replace(given, kept=tuple(names))
        columns = {
            name: _understood(Values(name, sides), unkeyed) if column.shown == "key" else column for name, column in columns.items()
        }
    return columns


def _understood(values: Values, given: Given) -> Column:
    name = values.name
    plain = (PLAIN,) * len(values.sides)
    named_kind = given.kind(name)
    if name in given.ignored:
        return Column(name, None, "ignored", "--ignore names it", _example(values), "leave it out of --ignore")
    if name in given.keys:
        return Column(name, None, "key", "--key names it", _example(values), "leave it out of --key")
    if name.startswith("_") and named_kind is None:
        return Column(name, None, "provenance", "its name starts with _", _example(values), "rename it")
    if not values.there:
        if named_kind is None:
            return Column(name, None, "empty", "it has no value")
        return Column(name, _kind_of(named_kind), named_kind, given.why(name), forms=plain)
    if named_kind is not None:
        return replace(_of_named_kind(values, named_kind, given.why(name)), change=given.way_out(name))
    column = _inferred(values)
    may_be_key = column.shown in ("number", "category") and name not in given.kept
    if may_be_key and (why := key(values, column.forms, column.kind == "number")):
        kind = "number" if column.kind == "number" else "category"
        return Column(name, None, "key", why, column.example, _kinds(name, f"{kind}"))
    return column


def _kinds(name: str, kind: str) -> str:
    """Return the option that gives a column this kind, quoted for a shell."""
    return f"--kinds {shlex.quote(f'{name}={kind}')}"


def _kind_of(name: str) -> Kind:
    word = name.partition(":")[0]
    return "number" if word == "time" else word  # type: ignore[return-value]


def _of_named_kind(values: Values, kind_name: str, why: str) -> Column:
    kind = _kind_of(kind_name)
    forms: Sequence[Form] = (PLAIN,) * len(values.sides)
    if kind == "number":
        forms = _forms_of_named_kind(values, kind_name)
    elif kind == "category" and (truths := _truths(values))[1]:
        forms = truths[0]
    elif kind == "category":
        forms, writings = _forms_of_categories(values)
        if writings:
            return Column(
                values.name,
                kind,
                kind_name,
                f"{why}; {_missing_as(writings)}",
                _example(values, kind, forms),
                "",
                True,
                tuple(forms),
            )
    return Column(values.name, kind, kind_name, why, _example(values, kind, forms), forms=tuple(forms))


def _forms_of_named_kind(values: Values, kind_name: str) -> list[Form]:
    word, _, detail = kind_name.partition(":")
    if word == "number" and detail:
        form = Form(is_decorated=True, decimal="," if detail == "comma" else ".")
        return [PLAIN if text is None else form for text in values.texts]
    if word == "time" and detail:
        layouts = ("ymd", "ymd8", detail, "day month year", "month day year")
        return [PLAIN if text is None else Form(layouts=layouts) for text in values.texts]
    family = family_of(values)
    if family is not None:
        return list(family.forms)
    if word == "time":
        return [Form(layouts=("ymd8",)) if text is None else Form(layouts=("ymd", "ymd8", "clock")) for text in values.texts]
    return [PLAIN] * len(values.sides)


def _inferred(values: Values) -> Column:
    """Infer the kind of a column for which the user gave none."""
    import polars as pl

    dtype, name = values.lead.dtype, values.name
    plain = (PLAIN,) * len(values.sides)
    if dtype.is_nested() and of_values.inner_type(dtype) is not None:
        return _lists(values)
    if dtype.is_nested() or not (dtype == pl.Boolean or dtype.is_temporal() or dtype.is_numeric() or is_text(values.lead)):
        return Column(name, None, "nested", f"its type is {dtype}, which is neither a value nor a list of numbers")
    forms, is_mixed = _truths(values)
    if is_mixed:
        why = "the sides write true and false in different ways"
        return Column(
            name, "category", "boolean", why, _example(values, "category", forms), _kinds(name, "number"), True, tuple(forms)
        )
    if dtype == pl.Boolean:
        return Column(name, "category", "boolean", "true and false", _example(values, "category", plain), "", forms=plain)
    family = family_of(values)
    if family is not None:
        return _of_numbers(values, family)
    if is_text(values.lead):
        return _of_words(values)
    if dtype.is_numeric():
        return Column(name, None, "empty", "it has no finite number")
    return Column(name, None, "empty", "it has no value")


def _lists(values: Values) -> Column:
    lengths = [of_values.flat_lists(column).list.len() for column in values.there if of_values.inner_type(column.dtype) is not None]
    dtype, name, plain = values.lead.dtype, values.name, (PLAIN,) * len(values.sides)
    if max(int(side.max()) for side in lengths) == 0:  # type: ignore[arg-type]
        return Column(name, None, "empty", "all its lists are empty")
    if lengths[0].min() == lengths[0].max():
        return Column(name, "vector", "vector", f"lists of {lengths[0].max()} numbers", change=_kinds(name, "series"), forms=plain)
    if dtype.inner.is_nested():  # type: ignore[attr-defined]
        return Column(name, None, "nested", "its values are lists of lists of different lengths")
    return Column(name, "series", "series", "lists of numbers of different lengths", forms=plain)


def _prefer_comma(columns: Mapping[str, Column]) -> bool:
    """Whether a column of the table shows that the decimal mark is a comma."""
    return any(form.decimal == "," for column in columns.values() for form in column.forms)


def _with_comma(values: Values, column: Column, given: Given) -> Column:
    """Return the column as read in a table whose decimal mark is a comma, where 1.234 means 1234."""
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
    why = "read with a decimal comma, because other columns have one"
    return replace(
        _of_numbers(values, WrittenNumbers(forms, "number", why, True)), change=_kinds(values.name, "number:point"), is_said=True
    )


def _of_numbers(values: Values, family: WrittenNumbers) -> Column:
    """Return a column of numbers, or a category if they are whole and few on all sides together."""
    import polars as pl

    name = values.name
    example = _example(values, "number", family.forms)
    change = _kinds(name, f"{family.change or 'category'}")
    if family.shown == "time":
        return Column(name, "number", "time", family.why, example, change, True, family.forms)
    read = values.numbers(family.forms)
    may_be_few = are_whole(read[0]) and read[0].n_unique() <= FEW
    pooled = pl.concat([side.alias("") for side in read]) if may_be_few else read[0]
    is_few, is_lead_few = (
        may_be_few and _are_few(numbers, present)
        for numbers, present in ((pooled, sum(map(len, values.there))), (read[0], len(values.lead)))
    )
    if is_few:
        why = f"{pooled.n_unique()} distinct whole numbers that repeat"
        is_plain = all(form == PLAIN for form in family.forms)
        forms = family.forms if is_plain else (PLAIN,) * len(values.sides)
        return Column(name, "category", "category", why, _example(values, "category", forms), _kinds(name, "number"), False, forms)
    if is_lead_few and len(read) > 1:
        why = "few whole numbers in one set, and other numbers or fractions in another"
        return Column(name, "number", "number", why, example, change, True, family.forms)
    return Column(name, "number", family.shown, family.why, example, change, family.is_said, family.forms)


def _are_few(finite: polars.Series, present: int) -> bool:
    """Whether numbers are whole, and few compared with the number of values."""
    if finite.is_empty() or not are_whole(finite):
        return False
    distinct = finite.n_unique()
    return distinct <= FEW and present >= REPEATS * distinct


# Words


def _of_words(values: Values) -> Column:
    name, plain = values.name, (PLAIN,) * len(values.sides)
    texts = [text for text in values.texts if text is not None and len(text)]
    if not texts:
        return Column(name, None, "empty", "it has no value")
    if any(map(_are_text, texts)):
        return Column(
            name,
            "text",
            "text",
            "at least five words per value on average, and most values are different",
            _example(values),
            _kinds(name, "category"),
            forms=plain,
        )
    forms, writings = _forms_of_categories(values)
    distinct = texts[0].n_unique()
    why = amount(distinct, "category")
    if writings:
        why += f"; {_missing_as(writings)}"
    change = _kinds(name, "text")
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
    """Whether strings have at least five words on average, and at least half of them are distinct. Two letters of a script without spaces count as a word."""
    distinct = text.alias("").value_counts(name="count")
    if 2 * distinct.height < len(text):
        return False
    strings = distinct.to_series(0)
    words = strings.str.count_matches(r"\S+") + strings.str.count_matches(UNSPACED) / 2
    return float((words * distinct["count"]).sum()) >= WORDS * len(text)


def _truths(values: Values) -> tuple[list[Form], bool]:
    """Return the notation of truth values on each side, and whether the sides write them in different ways."""
    forms = [PLAIN] * len(values.sides)
    if len(values.there) < 2 or any(column.dtype.is_nested() for column in values.there):
        return forms, False
    written: list[set[str]] = []
    for column in values.there:
        if column.head(FIRST).n_unique() > 6:
            return forms, False
        some = column.unique()
        if len(some) > 6:
            return forms, False
        words = {word.lower() for word in of_values.as_category(some).drop_nulls().to_list()} - NO_CATEGORY
        if len(words) > 2 or not words <= TRUTHS.keys():
            return forms, False
        written.append(words)
    if len(set.union(*written)) <= 2:
        return forms, False
    return [Form(is_truth=True, missing=tuple(sorted(NO_CATEGORY)))] * len(values.sides), True


def _missing_as(writings: Sequence[str]) -> str:
    return f"a missing value is written {' or '.join(writings)}"


def _forms_of_categories(values: Values) -> tuple[list[Form], list[str]]:
    """Return the notation of categories on each side, and the ways in which missing values are written; none if all sides write them in the same way."""
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


# Examples


def _example(values: Values, kind: Kind | None = None, forms: Sequence[Form] = ()) -> str:
    """Return a value as it is written, and as it is read if that differs."""

    if not values.there:
        return ""
    first = values.lead.head(1)
    written = str(first.to_list()[0])
    if kind not in ("number", "category"):
        return _short(written)
    side = values.first
    makers: Mapping[str, Callable[[Any, Form], Any]] = {"number": of_values.as_number, "category": of_values.as_category}
    (read,) = makers[kind](first, forms[side]).to_list()
    if read is None:
        return f"{_short(written)} (missing)"
    unit = time_unit(first.dtype, forms[side]) if kind == "number" else ""
    said = moment(read, unit) if unit else read
    said = f"{said:.10g}" if isinstance(said, float) else str(said)
    return _short(written) if written in (said, f"{said}.0") else f"{_short(written)} → {_short(said)}"


def time_unit(dtype: polars.DataType, form: Form) -> TimeUnit:
    """Return the unit of a column that is read as numbers, from the type and the notation of its values."""
    import polars as pl

    if form.layouts == ("clock",) or dtype == pl.Time:
        return "clock"
    return "day" if form.layouts or (dtype.is_temporal() and dtype != pl.Duration) else ""


def moment(days: float, unit: str) -> str:
    """Return a time that was read as a number as people write it. `unit`: "day" or "clock".

    >>> moment(19_360.5, "day"), moment(19_360.0, "day"), moment(0.6875, "clock")
    ('2023-01-03 12:00', '2023-01-03', '16:30')
    """
    from datetime import UTC, datetime, timedelta

    if not math.isfinite(days) or abs(days) > 700_000:
        return f"{days:.6g} days"
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=round(days * 86_400) / 86_400)
    if unit == "clock":
        return f"{when:%H:%M}"
    return f"{when:%Y-%m-%d}" if days == math.floor(days) else f"{when:%Y-%m-%d %H:%M}"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 32 else f"{text[:31]}…"
