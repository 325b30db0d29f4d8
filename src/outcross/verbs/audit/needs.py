"""The records that a generator would have to add: regions and categories of human data that are thinned out, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.data.tables import Table
from outcross.estimate import Estimate, NotApplicable, Null
from outcross.files.plain_yaml import dump
from outcross.measures.regions import MissingRegion, as_data, regions_of, surely_thinned
from outcross.statistics.facets import Condition
from outcross.statistics.regions import Region

if TYPE_CHECKING:
    from outcross.verbs.audit.check import Check

SCHEMA = 1
STREAM = 0x2EED
"""The random stream of the search for regions."""
CATEGORIES = ("category_share", "share")
"""Checks whose lost categories are added to the needs: those of any column, and those of group columns."""


def thinned(drawn: Table, human: Table, seed: int) -> list[Region]:
    """Return the regions of the human data that are significantly thinned out, the most certain first. Empty if the search is not applicable."""
    try:
        return surely_thinned(regions_of(drawn, human, np.random.default_rng([STREAM, seed])))
    except NotApplicable:
        return []


def needs_of(regions: Iterable[Region], checks: Sequence[Check], rows: int) -> list[MissingRegion]:
    """Return the records that are missing among `rows` synthetic records, the largest need first: regions, and categories that a check found lost."""
    needs = [as_data(region, rows) for region in regions]
    needs += [
        as_data(_of_category(check), rows)
        for check in checks
        if check.metric in CATEGORIES and check.verdict == "lost" and check.group.startswith(f"{check.column}=")
    ]
    return sorted(needs, key=lambda need: -need.missing_records)


def _of_category(check: Check) -> Region:
    """Return a lost category as the region of its records."""
    assert check.value is not None and check.n is not None
    value = check.group.removeprefix(f"{check.column}=")
    condition = Condition(check.column, "among", values=(value,), words=f"{check.column} = {value}")
    ratio = Estimate(check.value, check.low, check.high, check.method, check.n)
    return Region((condition,), np.zeros(0, dtype=bool), check.about, ratio, Null(1.0, p=check.p))


def needs_file(name: str, rows: Mapping[str, int], needs: Iterable[MissingRegion]) -> str:
    """Return the content of needs.yaml, the records that are missing in a set."""
    return dump({"schema": SCHEMA, "set": name, "records": dict(rows), "needs": list(map(_plain, needs))})


def _plain(need: MissingRegion) -> dict[str, Any]:
    return {
        "rule": need.rule,
        "conditions": list(map(_plain_condition, need.conditions)),
        "human_share": round(need.human_share, 6),
        "synthetic_share": round(need.human_share - need.missing_share, 6),
        "missing_records": need.missing_records,
        "weight": None if need.weight is None else round(need.weight, 6),
    }


def _plain_condition(condition: Condition) -> dict[str, Any]:
    """Return the fields of a condition without those that are unset. A bound of 0 counts as set."""
    said = {field.name: getattr(condition, field.name) for field in fields(condition)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in said.items()
        if value is not None and value is not False and value not in ("", ())
    }


__all__ = ["needs_file", "needs_of", "thinned"]
