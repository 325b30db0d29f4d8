"""What a generator would have to add: the regions and categories of human data that are thinned out, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.data.tables import Table
from outcross.estimate import NotApplicable
from outcross.files.plain_yaml import dump
from outcross.measures.regions import as_data, regions_of
from outcross.statistics.facets import Condition
from outcross.statistics.floors import LEVEL
from outcross.statistics.regions import Region

if TYPE_CHECKING:
    from outcross.verbs.audit.result import Check

SCHEMA = 1
STREAM = 0x2EED
"""The random stream of the regions."""
CATEGORY = "category_share"
"""The check whose lost categories are to be filled too."""


@dataclass(frozen=True)
class Need:
    """Records that are missing, by a rule."""

    rule: str
    """As in "age < 26 and job = student"."""
    conditions: tuple[Condition, ...]
    """The rule, column by column; all of them hold."""
    human_share: float
    """Share of human records to which the rule applies, in [0, 1]."""
    synthetic_share: float
    missing_records: int
    """Records that are to be added to the synthetic ones so that their share is the human one."""
    weight: float | None
    """By how much each synthetic record there would have to count instead; None where there is none."""

    def plain(self) -> dict[str, Any]:
        conditions = [
            {key: value for key, value in _plain(one).items() if value not in (None, "", [], False)} for one in self.conditions
        ]
        return _plain(self) | {"conditions": conditions}


def _plain(one: Any) -> dict[str, Any]:
    values = {field.name: getattr(one, field.name) for field in fields(one)}
    return {
        name: list(value) if isinstance(value, tuple) else round(value, 6) if isinstance(value, float) else value
        for name, value in values.items()
    }


def thinned(drawn: Table, human: Table, seed: int) -> list[Region]:
    """The regions of the human data that are surely thinned out, the surest first; none where none can be looked for."""
    try:
        every = regions_of(drawn, human, np.random.default_rng([STREAM, seed]))
    except NotApplicable:
        return []
    return [region for region in every if (region.null.p or 1.0) <= LEVEL]


def needs_of(regions: Iterable[Region], checks: Sequence[Check], rows: int) -> tuple[Need, ...]:
    """What is missing of `rows` synthetic records: regions, and categories that are lost by their check. The largest need comes first."""
    needs = [_of_region(region, rows) for region in regions]
    needs += [_of_category(check, rows) for check in checks if check.metric == CATEGORY and check.verdict == "lost"]
    return tuple(sorted(needs, key=lambda need: -need.missing_records))


def _of_region(region: Region, rows: int) -> Need:
    found = as_data(region, rows)
    left = max(0.0, found.human_share - found.missing_share)
    return Need(found.rule, found.conditions, found.human_share, left, found.missing_records, found.weight)


def _of_category(check: Check, rows: int) -> Need:
    assert check.value is not None
    column, value = check.column, check.group.removeprefix(f"{check.column}=")
    share, left = check.about, check.value * check.about
    condition = Condition(column, "among", values=(value,), words=f"{column} = {value}")
    missing = round(max(0.0, share - left) * rows / max(1 - share, 1e-9))
    return Need(condition.words, (condition,), share, left, missing, 1 / check.value if check.value > 0 else None)


def needs_file(name: str, rows: Mapping[str, int], needs: Iterable[Need]) -> str:
    """What is missing of a set, as needs.yaml says it."""
    return dump({"schema": SCHEMA, "set": name, "records": dict(rows), "needs": [need.plain() for need in needs]})


__all__ = ["Need", "needs_file", "needs_of", "thinned"]
