"""Recognise keys, columns that only identify records, by their values on all sides (data sets) at once."""

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
"""Names, in any case, of columns whose whole numbers count the rows and are not compared."""
KEYED = 50
"""The minimum number of values per side for which a column without the name of a key is read as a key."""
UNIQUE = 0.95
"""The minimum share of strings that are distinct, or match a pattern, so that they identify records."""
ENTITIES = 20
"""The minimum number of different values per side for names of entities."""
EVEN = 1.63
"""The limit of √n times the largest distance from an even spread. Below it, whole numbers that never repeat are read as keys. One in a hundred
keys that are drawn evenly exceeds it (Kolmogorov)."""
NEVER_REPEATED = "whole numbers that never repeat, in a column with the name of a key"
"""The reason why such numbers are a key."""
PATTERNS = {
    "a UUID": r"(?i)^\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?$",
    "an e-mail address": r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
}
"""Patterns of keys, which are recognised whatever the name of the column."""
_NAMED_KEY = re.compile(r"(?:^|[_\W])(?i:id|uuid|guid|key|pk|index|rowid)$|[a-z](?:Id|ID|Key)$")


def key(values: Values, forms: Sequence[Form], is_number: bool) -> str:
    """Return the reason why values (numbers or categories) are keys; empty if they may be ordinary values."""
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
        return f"nearly every value is different {where}, so that the values identify records"
    return _entities(values, [side.alias("") for side in sides])


def _look_like(text: polars.Series, pattern: str) -> bool:
    """Whether nearly all strings match a pattern, and at least half of them are different."""
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
        return NEVER_REPEATED if len(lead) >= 10 else ""
    is_key = all(len(side) >= KEYED and side.n_unique() == len(side) and are_whole(side) for side in read)
    if not is_key or len(read) < 2:
        return ""
    if all(float(side.max() - side.min()) < 1.5 * len(side) for side in read):  # type: ignore[operator]
        return "whole numbers on all sides that never repeat and have few gaps, so that they number the records"
    if all(_is_even(side) for side in read):
        return "whole numbers on all sides that never repeat, spread evenly over a wide range as keys are"
    return ""


def _is_even(numbers: polars.Series) -> bool:
    """Whether whole numbers, the largest with at least five digits, are spread evenly over a range at least ten times their number."""
    low, high = float(numbers.min()), float(numbers.max())  # type: ignore[arg-type]
    if high < 10_000 or high - low < 10 * len(numbers):
        return False
    n, places = len(numbers), (np.sort(numbers.to_numpy()) - low) / (high - low)
    return float(np.abs(places - (np.arange(n) + 0.5) / n).max()) * math.sqrt(n) < EVEN


def _index(values: Values, forms: Sequence[Form]) -> str:
    """Return the reason why whole numbers are an index; empty if they are not. An index may restart, as when shards were joined."""
    is_named = values.name.strip().lower() in INDEX
    if not is_named and (len(values.there) < 2 or min(map(len, values.there)) < 2 * KEYED):
        return ""
    filled = [side for side, column in enumerate(values.known) if column is not None and len(column)]
    counts = (_counts_rows(values, side, forms[side], is_named) for side in filled)
    if any(counts) if is_named else all(counts):
        return "it numbers the rows"
    return NEVER_REPEATED if is_named and any(_is_full_and_unique(values, side, forms[side]) for side in filled) else ""


def _is_full_and_unique(values: Values, side: int, form: Form) -> bool:
    """Whether each record of a side has a whole number, and no two have the same."""
    numbers = values.numbers_of(side, form)
    return len(numbers) >= max(2, values.sides[side].places.size) and are_whole(numbers) and numbers.n_unique() == len(numbers)


def _counts_rows(values: Values, side: int, form: Form, is_named: bool) -> bool:
    """Whether the numbers of a side count its rows."""
    numbers, rows = values.numbers_of(side, form), values.sides[side]
    if len(numbers) < max(2, rows.places.size) or not are_whole(numbers):
        return False
    changes = np.diff(numbers.to_numpy()[rows.order])
    is_next = changes == rows.steps
    is_count = bool((is_next | (changes < 0)).all()) and float(np.mean(is_next)) >= 0.99
    return is_count and (is_named or numbers.min() in (0, 1))


def _entities(values: Values, read: Sequence[polars.Series]) -> str:
    """Return the reason why repeated values name entities; empty if they do not.

    The first side must share no value with another. In addition, each value must form one block of rows, or the column must have the name of a key.
    """
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
    return f"it names {len(distinct[0]):,} entities with about {rows:.0f} rows each, and no side shares any of them; --entity {values.name} audits them as series"


def _is_blocked(in_order: polars.Series) -> bool:
    """Whether equal values are always in adjacent rows, and some value repeats."""
    blocks = int((in_order != in_order.shift(1)).fill_null(True).sum())
    return blocks == in_order.n_unique() < len(in_order)
