"""The number of rows that each step keeps and rejects, by pool and by group. Every row that enters a step is either kept or rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.draws import Draws
from outcross.verbs.mix.filtering.filtered import FilteredPools, reasons_of
from outcross.verbs.mix.pools import ScannedPool


def funnel(
    asked: MixRecipe,
    scans: Sequence[ScannedPool],
    filtered: FilteredPools | None,
    draws: Draws,
    passed_over: Sequence[tuple[str, Sequence[np.ndarray]]] = (),
) -> list[dict[str, Any]]:
    """Return the steps from the available rows to the written rows. For each step `rows` counts the kept rows and `rejected` the others.

    passed_over: reasons why rows that passed the filters are not drawn, with the indices of these rows in each pool.
    """
    names = [pool.name for pool in asked.pools]
    counts = [np.ones(scan.rows, np.uint32) for scan in scans]
    steps = [_step("available", _by(names, scans, asked.groups, counts))]
    for outcome in filtered.outcomes if filtered is not None else ():
        assert filtered is not None
        store = filtered.store
        gone = [store.row[outcome.rejected[store.pool[outcome.rejected] == pool]] for pool in range(len(scans))]
        for left, rows in zip(counts, gone, strict=True):
            left[rows] = 0
        steps.append(_step(outcome.step, _by(names, scans, asked.groups, counts), steps[-1]) | {"reasons": reasons_of(outcome)})
    for step, of_pools in passed_over:
        for left, rows in zip(counts, of_pools, strict=True):
            left[rows] = 0
        steps.append(_step(step, _by(names, scans, asked.groups, counts), steps[-1]))
    times = [np.bincount(own.rows, minlength=scan.rows).astype(np.uint32) for own, scan in zip(draws.pools, scans, strict=True)]
    steps.append(_step("drawn at least once", _by(names, scans, asked.groups, [some > 0 for some in times]), steps[-1]))
    return [*steps, _step("written", _by(names, scans, asked.groups, times))]


def _by(names: Sequence[str], scans: Sequence[ScannedPool], groups: Sequence[str], counts: Sequence[np.ndarray]) -> dict[str, Any]:
    """Count rows by pool and by the values of each group. counts: how often each row of each pool counts."""
    of_groups: dict[str, dict[str, int]] = {name: {} for name in groups}
    for scan, own in zip(scans, counts, strict=True):
        of_strata = (
            np.bincount(scan.strata, own, minlength=len(scan.labels)).astype(np.int64)
            if len(scan.labels)
            else np.zeros(0, np.int64)
        )
        for label, count in zip(scan.labels, of_strata.tolist(), strict=True):
            for name, values in of_groups.items():
                value = "missing" if label[name] is None else str(label[name])
                values[value] = values.get(value, 0) + count
    sums = [int(own.sum()) for own in counts]
    return {
        "rows": sum(sums),
        "pools": dict(zip(names, sums, strict=True)),
        "groups": {name: dict(sorted(values.items())) for name, values in of_groups.items()},
    }


def _step(name: str, left: dict[str, Any], before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    if before is None:
        return {"step": name} | left
    rejected = {
        "rows": before["rows"] - left["rows"],
        "pools": {pool: before["pools"][pool] - count for pool, count in left["pools"].items()},
        "groups": {
            group: {value: before["groups"][group][value] - count for value, count in values.items()}
            for group, values in left["groups"].items()
        },
    }
    return {"step": name} | left | {"rejected": rejected}
