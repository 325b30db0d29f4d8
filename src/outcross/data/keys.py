"""Columns that name records and say nothing of them: keys, recognised by what they hold on all sides at once."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from outcross.data.values import Values, are_whole, is_text
from outcross.files.forms import Form

if TYPE_CHECKING:
    import polars

INDEX = ("", "index", "id", "unnamed: 0")
"""Names (in any case) under which whole numbers that count the rows are nothing to compare."""
KEYED = 50
"""Values a side from which a column without a telling name is taken for a key."""
UNIQUE = 0.95
"""Share of strings that are distinct, or of one pattern, from which they name the records."""
ENTITIES = 20
"""Different values a side, at least, that name entities."""
EVEN = 1.63
"""√n times the largest distance from an even spread, below which whole numbers that never repeat look drawn as keys are: one in a hundred
such keys passes it (Kolmogorov)."""
PATTERNS = {
    "a UUID": r"(?i)^\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?$",
    "an e-mail address": r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
}
"""What a key looks like, whatever its column is called."""
_NAMED_KEY = re.compile(r"(?:^|[_\W])(?i:id|uuid|guid|key|pk|index|rowid)$|[a-z](?:Id|ID|Key)$")


def key(values: Values, forms: Sequence[Form], is_number: bool) -> str:
    """Why values (numbers, or categories) name records and are nothing to compare; nothing where they may be values."""
    if is_number:
        return _key_of_numbers(values, forms)
    return _key_of_words(values) if is_text(values.lead) else _index(values, forms)


def _key_of_words(values: Values) -> str:
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
    return float(text.str.contains(pattern).mean()) >= UNIQUE  # type: ignore[arg-type]


def _key_of_numbers(values: Values, forms: Sequence[Form]) -> str:
    read = values.numbers(forms)
    lead, is_named = read[0], bool(_NAMED_KEY.search(values.name.strip())) or values.name.strip().lower() in INDEX
    if not are_whole(lead):
        return ""
    if why := _index(values, forms):
        return why
    if lead.n_unique() < len(lead):
        return _entities(values, read)
    if is_named and len(lead) >= 2 and lead.n_unique() == len(lead):
        return "whole numbers that never repeat, under the name of a key" if len(lead) >= 10 else ""
    is_key = all(len(side) >= KEYED and side.n_unique() == len(side) and are_whole(side) for side in read)
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


def _index(values: Values, forms: Sequence[Form]) -> str:
    """Why whole numbers count the rows; nothing where they do not. An index may begin anew, as where shards were put together."""
    is_named = values.name.strip().lower() in INDEX
    if not is_named and (len(values.there) < 2 or min(map(len, values.there)) < 2 * KEYED):
        return ""
    counts = (
        _counts_rows(values, side, forms[side], is_named)
        for side, column in enumerate(values.known)
        if column is not None and len(column)
    )
    return "it numbers the rows" if (any(counts) if is_named else all(counts)) else ""


def _counts_rows(values: Values, side: int, form: Form, is_named: bool) -> bool:
    """Whether the numbers of a side count its rows, or never repeat under the name of an index."""
    numbers, rows = values.numbers_of(side, form), values.sides[side]
    if len(numbers) < max(2, rows.places.size) or not are_whole(numbers):
        return False
    if is_named and numbers.n_unique() == len(numbers):
        return True
    changes = np.diff(numbers.to_numpy()[rows.order])
    is_next = changes == rows.steps
    is_count = bool((is_next | (changes < 0)).all()) and float(np.mean(is_next)) >= 0.99
    return is_count and (is_named or numbers.min() in (0, 1))


def _entities(values: Values, read: Sequence[polars.Series]) -> str:
    """Why values that repeat name entities: each stands in one block of rows, or the name says so, and no two sides share one."""
    if len(read) < 2:
        return ""
    distinct = [side.unique() for side in read]
    if min(map(len, distinct)) < ENTITIES or any(distinct[0].is_in(other.implode()).any() for other in distinct[1:]):
        return ""
    is_named = bool(_NAMED_KEY.search(values.name.strip()))
    if not is_named and not all(
        _is_blocked(values.in_order(side)) for side, column in enumerate(values.known) if column is not None and len(column)
    ):
        return ""
    rows = len(read[0]) / len(distinct[0])
    return f"names {len(distinct[0]):,} entities of about {rows:.0f} rows, and the sides share none; --entity {values.name} audits them as series"


def _is_blocked(in_order: polars.Series) -> bool:
    """Whether equal values stand together."""
    blocks = int((in_order != in_order.shift(1)).fill_null(True).sum())
    return blocks == in_order.n_unique() < len(in_order)
