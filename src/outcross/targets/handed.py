"""A whole result in the form that targets accept: the runs of a tracker with their numbers, and tables."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outcross.estimate import Reading

LONGEST = 240
"""The maximum number of characters of the name of a metric. MLflow accepts 250, and `_high` may be appended."""


@dataclass(frozen=True, eq=False)
class Series:
    """One run of a tracker: an arm with a seed, an audited data set, or a claim."""

    name: str
    group: str
    """The arm, which all its seeds share."""
    settings: Mapping[str, Any]
    """Every setting by its dotted key."""
    varied: tuple[str, ...] = ()
    """The keys of the settings in which the arms differ."""


@dataclass(frozen=True, eq=False)
class Handed:
    """A whole result."""

    kind: str
    """`run`, `audit`, `mix` or `reproduction`."""
    name: str
    tables: Mapping[str, Any]
    """The polars frames by name, the main frame first."""
    points: Mapping[Series, Iterable[tuple[int, Mapping[str, float]]]] = field(default_factory=dict)
    """The steps of each series, in order, with their numbers by the names of metrics. Steps are the generations of a run, or 0 for an audited set."""
    report: Callable[[Path], Path] | None = None
    """Writes the page of the result to a file."""
    description: str = ""
    """The description of the result, in a sentence."""


def metrics(readings: Iterable[Reading]) -> dict[str, float]:
    """Return the numbers of readings by the names of their metrics, each with the ends of its interval under `NAME_low` and `NAME_high`.

    Readings that do not apply have no number and are left out.

    >>> from outcross.estimate import Estimate
    >>> metrics([Reading("tail_mass", Estimate(0.02, 0.01, 0.03, "documents", 40), at="upper 1 %")])
    {'tail_mass/at upper 1 percent': 0.02, 'tail_mass/at upper 1 percent_low': 0.01, 'tail_mass/at upper 1 percent_high': 0.03}
    """
    numbers: dict[str, float] = {}
    for reading in readings:
        if reading.estimate is not None:
            name = metric_name(reading.measure, reading.column, reading.at, reading.group)
            numbers |= with_ends(name, reading.estimate.value, reading.estimate.low, reading.estimate.high)
    return numbers


def with_ends(name: str, value: float, low: float | None, high: float | None) -> dict[str, float]:
    """Return a number and the ends of its interval, if it has one, by the names of their metrics."""
    ends = {} if low is None or high is None else {f"{name}_low": low, f"{name}_high": high}
    return {name: value} | ends


def metric_name(measure: str, column: str = "", at: str = "", group: str = "") -> str:
    """Return the name of a metric: the measure, then the column, the place and the group if it has them. It depends only on its own reading.

    Trackers accept letters, digits, spaces and `_ - . : /`. `%` is written as a word, and any other character becomes `_`. In the latter case a digest of
    the whole name is appended, so that two readings never share a name.

    >>> metric_name("group_spread", "age", "upper 1 %", "sex: Female")
    'group_spread/column age/at upper 1 percent/group sex: Female'
    >>> metric_name("rare_words", at="3–5 × a"), metric_name("rare_words", at="3_5 _ a")
    ('rare_words/at 3_5 _ a-604f31', 'rare_words/at 3_5 _ a')
    """
    places = (("column", column), ("at", at), ("group", group))
    parts = [plain_name(measure), *(f"{what} {plain_name(where)}" for what, where in places if where)]
    name = "/".join(parts)
    return name if len(name) <= LONGEST else _marked(name[: LONGEST - 7], name)


def plain_name(text: str) -> str:
    """Return a name made of the characters that every tracker accepts. Equal texts give equal names, and different texts give different names.

    >>> plain_name("a/b"), plain_name("50 %")
    ('a_b-c14cdd', '50 percent')
    """
    written = text.replace("%", "percent")
    plain = re.sub(r"[^A-Za-z0-9 _.:-]", "_", written).strip()
    is_same = plain == written and plain.strip(".") != ""
    return plain if is_same else _marked(plain, text)


def _marked(short: str, whole: str) -> str:
    return f"{short}-{hashlib.sha256(whole.encode(errors='surrogatepass')).hexdigest()[:6]}"


def folder_name(text: str) -> str:
    """Return a name that is valid for a folder: without separators and colons, and short."""
    plain = re.sub(r"[^\w=.,+ -]", "_", text)[:100]
    return plain if plain == text and not plain.startswith(".") else _marked(f"_{plain}" if plain.startswith(".") else plain, text)
