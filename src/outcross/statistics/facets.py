"""Columns divided into few codes, so that a region of records is a short rule about codes.

A facet is one column with a code for each record: 0 is a missing value, and the other codes are intervals of numbers or categories. The cuts are
computed from all records, without regard to their side. If nothing is lost, they are therefore independent of the sides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

BINS = 16
"""Number of intervals, with about equal shares, into which numbers are cut."""
CATEGORIES = 24
"""Maximum number of categories with a code of their own. All others share the last code."""
RARE = 0.002
"""Minimum share of records of a category with a code of its own."""
NAMED = 4
"""Maximum number of categories that the text of a condition names. Its data contain all of them."""


@dataclass(frozen=True, eq=False)
class Facet:
    """One column of the records of both sides as codes."""

    column: str
    codes: np.ndarray
    """The code of each record, (records,). 0 is a missing value."""
    levels: int
    """Number of codes, including that of a missing value."""
    is_ordered: bool
    """Whether a rule is an interval of codes. Otherwise it is a set of codes."""
    names: tuple[str, ...] = ()
    """The names of the codes from 1, for categories. The last code stands for all other categories."""
    values: np.ndarray | None = None
    """The values of the records, (records,), for numbers."""
    feature: str = ""
    """The property of the column: "" for its value; "words", "mean" … for a number computed from a text or a vector."""
    written: Callable[[float], str] | None = None
    """A function that writes a value of the column as people do, if that is not the number itself (dates)."""


@dataclass(frozen=True)
class Condition:
    """The part of a rule about one column, as data."""

    column: str
    kind: Literal["interval", "among", "none_of", "missing", "like"]
    """interval: a number from `at_least` to below `below`. among: a category in `values`. none_of: a category not in `values`. missing: no value.
    like: a record similar to those named in `values`."""
    feature: str = ""
    """The property of the column: "" for its value, "word" for whether a text contains the word in `values`, else a number computed from a text or a
    vector."""
    at_least: float | None = None
    below: float | None = None
    values: tuple[str, ...] = ()
    or_missing: bool = False
    """Whether a missing value also meets the condition."""
    words: str = ""
    """The condition as text, such as "age < 26"."""


def of_numbers(column: str, values: np.ndarray, feature: str = "", written: Callable[[float], str] | None = None) -> Facet | None:
    """Return the facet of a column of numbers (NaN for missing), cut at quantiles. A value that many records share is an interval of its own.

    Returns None if all values are equal.
    """
    is_there = np.isfinite(values)
    distinct, counts = np.unique(values[is_there], return_counts=True)
    if distinct.size == 0 or (distinct.size == 1 and is_there.all()):
        return None
    starts = distinct
    if distinct.size > BINS:
        share = counts.sum() / BINS
        before = np.concatenate(([0], np.cumsum(counts)[:-1]))
        is_full = counts >= share
        starts = distinct[(np.diff(np.floor(before / share), prepend=-1) > 0) | is_full | np.concatenate(([False], is_full[:-1]))]
    codes = np.where(is_there, np.searchsorted(starts, np.where(is_there, values, 0.0), side="right"), 0)
    return Facet(column, codes.astype(np.int16), starts.size + 1, is_ordered=True, values=values, feature=feature, written=written)


def of_categories(column: str, places: np.ndarray, names: Sequence[str]) -> Facet | None:
    """Return the facet of a column of categories. The commonest categories have codes of their own.

    places: the index of each record's name, (records,), -1 for missing. Returns None if all records have the same code.
    """
    counts = np.bincount(places[places >= 0], minlength=len(names))
    ranked = np.argsort(-counts, kind="stable")
    own = ranked[: min(CATEGORIES, int((counts >= max(2, RARE * places.size)).sum()))]
    code_of = np.full(len(names) + 1, own.size + 1, dtype=np.int16)
    code_of[own] = np.arange(1, own.size + 1)
    code_of[-1] = 0
    codes = code_of[places]
    if codes.size == 0 or codes.min() == codes.max():
        return None
    return Facet(column, codes, own.size + 2, is_ordered=False, names=tuple(str(names[i]) for i in own.tolist()))


def condition(facet: Facet, chosen: np.ndarray, worths: np.ndarray, among: np.ndarray) -> tuple[Condition, np.ndarray]:
    """Return the condition for the chosen codes, and whether each record meets it, (records,).

    The ends of an interval are moved, within the neighbouring codes, to where the total worth of the records that meet the other conditions is
    highest. worths: the worth of each record, (records,), 0 for records that do not count. among: whether each record meets the other conditions,
    (records,).
    """
    if not chosen[1:].any():
        return Condition(facet.column, "missing", facet.feature, words=f"{_name(facet)} is missing"), facet.codes == 0
    if facet.is_ordered:
        return _interval(facet, chosen, worths, among)
    kind: Literal["among", "none_of"] = "none_of" if chosen[-1] else "among"
    values = tuple(name for code, name in enumerate(facet.names, start=1) if chosen[code] != chosen[-1])
    has_missing = bool((facet.codes == 0).any())
    words = _category_words(facet, kind, values)
    if values and has_missing and bool(chosen[0]) != (kind == "none_of"):
        words += " or missing" if chosen[0] else ", not missing"
    return Condition(facet.column, kind, facet.feature, values=values, or_missing=bool(chosen[0]), words=words), chosen[facet.codes]


def meets(said: Condition, facet: Facet) -> np.ndarray:
    """Return whether each record meets a condition that is an interval of numbers, (records,).

    It is False for all records if the condition is of another kind, because then the codes alone determine which records meet it.
    """
    if said.kind != "interval" or facet.values is None or said.feature != facet.feature:
        return np.zeros(facet.codes.size, dtype=bool)
    at_least = -math.inf if said.at_least is None else said.at_least
    return (facet.values >= at_least) & (facet.values < (math.inf if said.below is None else said.below))


def _interval(facet: Facet, chosen: np.ndarray, worths: np.ndarray, among: np.ndarray) -> tuple[Condition, np.ndarray]:
    assert facet.values is not None
    distinct, place = np.unique(facet.values[np.isfinite(facet.values)], return_inverse=True)
    low, high = _ends(facet, chosen, place, worths, among)
    # If values are not written as numbers (dates), an end is a value that occurs, because a number between two values may have no such form.
    end = (lambda at: float(distinct[at])) if facet.written else (lambda at: between(float(distinct[at - 1]), float(distinct[at])))
    at_least, below = (None if low <= 0 else end(low)), (None if high >= distinct.size else end(high))
    holds = (facet.values >= (-math.inf if at_least is None else at_least)) & (
        facet.values < (math.inf if below is None else below)
    )
    written = facet.written or _plain
    start, stop = (None if value is None else written(value) for value in (at_least, below))
    name, only = _name(facet), written(float(distinct[low]))
    if start is None and stop is None:
        words = f"{name} is not missing"
    elif high - low == 1:
        words = f"{name} = {only}"
    elif start is None:
        words = f"{name} < {stop}"
    else:
        words = f"{name} ≥ {start}" if stop is None else f"{start} ≤ {name} < {stop}"
    or_missing = bool(chosen[0])
    said = Condition(
        facet.column,
        "interval",
        facet.feature,
        at_least,
        below,
        or_missing=or_missing,
        words=f"{words} or missing" if or_missing else words,
    )
    return said, holds | (or_missing & (facet.codes == 0))


def _ends(facet: Facet, chosen: np.ndarray, place: np.ndarray, worths: np.ndarray, among: np.ndarray) -> tuple[int, int]:
    """Return the index of the first distinct value inside the interval and of the first one beyond it. place: the distinct value of each present
    value."""
    codes = np.flatnonzero(chosen[1:]) + 1
    first, last = int(codes[0]), int(codes[-1])
    is_there = facet.codes > 0
    code_of = np.zeros(int(place.max()) + 1, dtype=int)
    code_of[place] = facet.codes[is_there]
    of_values = np.bincount(place, weights=np.where(among, worths, 0.0)[is_there], minlength=code_of.size)
    sums = np.concatenate(([0.0], np.cumsum(of_values)))
    low, high = int(np.searchsorted(code_of, first)), int(np.searchsorted(code_of, last, side="right"))
    if first > 1:
        ends = np.arange(np.searchsorted(code_of, first - 1), min(high, np.searchsorted(code_of, first, side="right")))
        low = _best_end(ends, -sums[ends], low)
    if last < facet.levels - 1:
        ends = np.arange(max(low, np.searchsorted(code_of, last)) + 1, np.searchsorted(code_of, last + 1, side="right") + 1)
        high = _best_end(ends, sums[ends], high)
    return low, high


def _best_end(ends: np.ndarray, value: np.ndarray, usual: int) -> int:
    """Return the end with the highest worth, or the usual end if no other is worth more."""
    if ends.size == 0 or usual not in ends:
        return usual
    at = int(value.argmax())
    return int(ends[at]) if value[at] > value[np.flatnonzero(ends == usual)[0]] + 1e-9 else usual


def between(low: float, high: float) -> float:
    """Return the shortest decimal above `low` and at most `high`.

    >>> between(25.0, 26.0), between(3.017, 3.152), between(-1250.0, -320.0), between(0.0, 3103.0)
    (26.0, 3.1, -1000.0, 3000.0)
    """
    if low < 0 <= high:
        return 0.0
    if high == math.floor(high) and high - low <= 1:
        return high
    for digits in range(-math.floor(math.log10(high - low)) - 1, 18):
        unit = 10.0**-digits
        candidate = round(math.floor(high / unit) * unit, max(0, digits))
        if low < candidate <= high:
            return candidate
    return high


def _plain(value: float) -> str:
    """Return a number as text, without an exponent if it is of moderate size.

    >>> _plain(26.0), _plain(0.25), _plain(3000000.0)
    ('26', '0.25', '3,000,000')
    """
    return f"{value:,.12g}" if 1e-4 <= abs(value) < 1e12 or value == 0 else f"{value:.6g}"


def _name(facet: Facet) -> str:
    return f"{facet.feature} of {facet.column}" if facet.feature and facet.feature != "word" else facet.column


def _category_words(facet: Facet, kind: Literal["among", "none_of"], values: tuple[str, ...]) -> str:
    name, is_among = _name(facet), kind == "among"
    if not values:
        return f"{name} is not missing"
    if facet.feature == "word":
        return f"{name} {'contains' if is_among else 'does not contain'} {values[0]}"
    if len(values) == 1:
        return f"{name} {'=' if is_among else '≠'} {values[0]}"
    listed = [*values[:NAMED], f"{len(values) - NAMED} more"] if len(values) > NAMED else values
    return f"{name} {'in' if is_among else 'not in'} ({', '.join(listed)})"


__all__ = ["Condition", "Facet", "between", "condition", "meets", "of_categories", "of_numbers"]
