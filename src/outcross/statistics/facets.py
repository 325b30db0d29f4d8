"""Columns cut into few codes each, so that a region of records is a short rule about them.

A facet is one column as a code for each record: 0 is a missing value, and the other codes are intervals of numbers or categories. The cuts are made from all
records without regard to the side that they are of: under the hypothesis that nothing is lost they say nothing of the sides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

BINS = 16
"""Intervals of about equal share that a number is cut into."""
CATEGORIES = 24
"""Categories with a code of their own; all others share the last code."""
RARE = 0.002
"""Share of records below which a category has no code of its own."""
NAMED = 4
"""Categories that a condition names in words, at most; it holds all of them as data."""


@dataclass(frozen=True, eq=False)
class Facet:
    """One column of the records of both sides as codes."""

    column: str
    codes: np.ndarray
    """(records,), 0 where the value is missing."""
    levels: int
    """Codes, that of a missing value included."""
    is_ordered: bool
    """Whether a rule about it is an interval of codes; it is a set of codes where not."""
    names: tuple[str, ...] = ()
    """Of a category: what the codes from 1 stand for; the last code stands for all others."""
    values: np.ndarray | None = None
    """Of a number: the values of the records, (records,)."""
    feature: str = ""
    """The feature of the column that it is about: "" its value; "words", "mean" … where that is a number taken from a text or a vector."""
    written: Callable[[float], str] | None = None
    """How people write a value of the column, where that is not the number itself (dates)."""


@dataclass(frozen=True)
class Condition:
    """What a rule says of one column, as data."""

    column: str
    kind: Literal["interval", "among", "none_of", "missing", "like"]
    """interval: a number from `at_least` to below `below`; among: a category that is one of `values`; none_of: one that is none of them; missing: no value."""
    feature: str = ""
    """The feature of the column that it is about: "" its value, "word" whether a text holds the word in `values`, else a number that is taken from a text or a vector."""
    at_least: float | None = None
    below: float | None = None
    values: tuple[str, ...] = ()
    or_missing: bool = False
    """Whether a missing value meets it too."""
    words: str = ""
    """The condition in words, as in "age < 26"."""


def of_numbers(column: str, values: np.ndarray, feature: str = "", written: Callable[[float], str] | None = None) -> Facet | None:
    """A number (NaN where missing) cut at quantiles, a value that many records share apart; None where all values are one."""
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


def of_categories(column: str, places: np.ndarray, names: Sequence[str], feature: str = "") -> Facet | None:
    """Categories, the commonest with codes of their own; None where no two records can be told apart. places: (records,), which name, -1 where missing."""
    counts = np.bincount(places[places >= 0], minlength=len(names))
    ranked = np.argsort(-counts, kind="stable")
    own = ranked[: min(CATEGORIES, int((counts >= max(2, RARE * places.size)).sum()))]
    code_of = np.full(len(names) + 1, own.size + 1, dtype=np.int16)
    code_of[own] = np.arange(1, own.size + 1)
    code_of[-1] = 0
    codes = code_of[places]
    if codes.size == 0 or codes.min() == codes.max():
        return None
    return Facet(column, codes, own.size + 2, is_ordered=False, names=tuple(str(names[i]) for i in own.tolist()), feature=feature)


def condition(facet: Facet, chosen: np.ndarray, worths: np.ndarray, among: np.ndarray) -> tuple[Condition, np.ndarray]:
    """The condition that the chosen codes stand for, and which records meet it, (records,).

    The ends of a number are moved, within the codes on either side, to where the records that meet the other conditions are worth most.
    worths: (records,), 0 for records that say nothing; among: which records meet the other conditions of the rule, (records,).
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
    """Which records meet an interval of numbers, (records,); none where a condition is of another kind, whose records the codes tell apart."""
    if said.kind != "interval" or facet.values is None or said.feature != facet.feature:
        return np.zeros(facet.codes.size, dtype=bool)
    at_least = -math.inf if said.at_least is None else said.at_least
    return (facet.values >= at_least) & (facet.values < (math.inf if said.below is None else said.below))


def _interval(facet: Facet, chosen: np.ndarray, worths: np.ndarray, among: np.ndarray) -> tuple[Condition, np.ndarray]:
    assert facet.values is not None
    distinct, place = np.unique(facet.values[np.isfinite(facet.values)], return_inverse=True)
    low, high = _ends(facet, chosen, place, worths, among)
    # A value that people write in another way (a date) stands as it occurs: a number between two may be none.
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
    """The first distinct value inside and the first one beyond. place: of the values that are there, which distinct value each is."""
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
    """The end that is worth most; the usual one where none is worth more."""
    if ends.size == 0 or usual not in ends:
        return usual
    at = int(value.argmax())
    return int(ends[at]) if value[at] > value[np.flatnonzero(ends == usual)[0]] + 1e-9 else usual


def between(low: float, high: float) -> float:
    """The shortest decimal above `low` and at most `high`.

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
    """A number as people write it, without an exponent where it is of usual size.

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
        return f"{name} {'says' if is_among else 'does not say'} {values[0]}"
    if len(values) == 1:
        return f"{name} {'=' if is_among else '≠'} {values[0]}"
    listed = [*values[:NAMED], f"{len(values) - NAMED} more"] if len(values) > NAMED else values
    return f"{name} {'in' if is_among else 'not in'} ({', '.join(listed)})"


__all__ = ["Condition", "Facet", "between", "condition", "meets", "of_categories", "of_numbers"]
