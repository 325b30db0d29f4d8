"""The content of a mix, counted from the drawn rows by pool, origin, model, generation and group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from outcross.data.order import bound, deviation
from outcross.recipe import plain
from outcross.verbs.mix.asked import MixRecipe, Unit
from outcross.verbs.mix.draws import Draws
from outcross.verbs.mix.filtering.costs import costs
from outcross.verbs.mix.filtering.filtered import FilteredPools
from outcross.verbs.mix.filtering.funnel import funnel
from outcross.verbs.mix.plan import origin_word
from outcross.verbs.mix.rows import RowSet


def realised(rows: RowSet) -> dict[str, Any]:
    """Return the content of a set as plain data of the manifest (design.md), without its files and their digests."""
    asked, draws, scans = rows.asked, rows.draws, rows.scans
    total = len(draws)
    weight = _amounts_of(rows, asked.unit)
    whole = sum(map(float, weight))
    human = _share(rows, lambda label: label["_origin"] == "human", weight)
    unknown = _share(rows, lambda label: label["_origin"] == "unknown", weight)
    said = {"rows": total} | {
        unit: int(sum(scan.amounts[unit][own.rows].sum() for scan, own in zip(scans, draws.pools, strict=True)))
        for unit in asked.counted
    }
    return {
        "rows": total,
        "seed": asked.seed,
        "realised": said
        | {
            "unit": asked.unit,
            "human_share": human,
            "unknown_share": unknown,
            "shares": {pool.name: float(part) / whole if whole else 0.0 for pool, part in zip(asked.pools, weight, strict=True)},
            "repeated_rows": total - sum(_unique(own.rows) for own in draws.pools),
        },
        "order": _order(rows),
        "pools": [_pool(rows, place) for place in range(len(scans))],
        "origins": _by(rows, "_origin"),
        "teachers": _by(rows, "_model"),
        "generations": _by(rows, "_generation"),
        "groups": {group: _by(rows, group) for group in asked.groups},
        "funnel": funnel(asked, scans, rows.filtered, draws, rows.passed_over),
        "filters": [] if rows.filtered is None else filters_in(rows.filtered),
        "targets": [],
    }  # fmt: skip


def _pool(rows: RowSet, place: int) -> dict[str, Any]:
    recipe, scan, own = rows.asked.pools[place], rows.scans[place], rows.draws.pools[place]
    places, unique = rows.draws.places(place), _unique(own.rows)
    times = np.ones(scan.rows, np.int64) if rows.filtered is None else rows.filtered.times_of(place)
    available = int(np.count_nonzero(times))
    return {
        "name": recipe.name,
        "origin": origin_word(recipe),
        "author": recipe.origin.author if recipe.origin else "unknown",
        "available": available,
        "rejected": scan.rows - available,
        "used": len(own),
        "unique": unique,
        "max_repeats": int(own.passes.max(initial=-1)) + 1,
        "max_repeats_allowed": rows.asked.repeats_of(recipe) * int(times.max(initial=1)),
        "unused": available - unique,
        "starts": int(places[0]) + 1 if places.size else None,
        "ends": int(places[-1]) + 1 if places.size else None,
    } | {unit: {"available": int(amounts.sum()), "used": int(amounts[own.rows].sum())} for unit, amounts in scan.amounts.items()}


def filters_in(filtered: FilteredPools) -> list[dict[str, Any]]:
    """Return the result and the costs of each filter as plain data."""
    return [
        {
            "filter": outcome.step,
            "pools": list(outcome.recipe.pools) or [pool.name for pool in filtered.store.asked.pools],
            "seen": len(outcome.at),
            "kept": len(outcome.kept),
            "rejected": len(outcome.rejected),
            "copies": int(outcome.selection.times.sum()) - len(outcome.kept),
            "prefers": outcome.recipe.filter.prefers,
            "notes": list(outcome.selection.notes),
            "facts": finite(outcome.selection.facts),
            "costs": finite(lines),
        }
        for outcome, lines in zip(filtered.outcomes, costs(filtered), strict=True)
    ]


def finite(value: Any) -> Any:
    """Return plain data in which NaN and infinity are replaced by null."""
    if isinstance(value, dict):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _unique(drawn: np.ndarray) -> int:
    """Return the number of different drawn rows."""
    return int(np.count_nonzero(np.bincount(drawn)))


def _order(rows: RowSet) -> dict[str, Any]:
    """Return the largest deviation of a pool's share from its share of the whole, in rows, over all beginnings and over all shards."""
    asked, draws = rows.asked, rows.draws
    counts = [len(own) for own in draws.pools]
    present = sum(count > 0 for count in counts)
    begins = np.array([0, *rows.ends])
    in_shards = 0.0
    for served, count in zip(rows.bounds, counts, strict=True):
        expected = begins * (count / max(len(draws), 1))
        in_shards = max(in_shards, float(np.abs(np.diff(served) - np.diff(expected)).max(initial=0.0)))
    return {
        "kind": asked.order,
        "bound": float(bound(present)) if asked.order == "even" else None,
        "largest_in_a_beginning": float(deviation(draws.order, counts)),
        "largest_of_the_human_share_in_a_beginning": _human_deviation(asked, draws),
        "largest_in_a_shard": in_shards,
    }


def _human_deviation(asked: MixRecipe, draws: Draws) -> float:
    """Return the largest deviation of the share of all human pools from their share of the whole, in rows, over all beginnings."""
    is_human = np.array([pool.is_human for pool in asked.pools])
    order = (~is_human[draws.order]).astype(np.int32)
    return float(deviation(order, np.bincount(order, minlength=2).tolist()))


def _amounts_of(rows: RowSet, unit: Unit) -> list[int]:
    """Return the amount that each pool contributes, in this unit."""
    return [
        len(own) if unit == "rows" else int(scan.amounts[unit][own.rows].sum())
        for scan, own in zip(rows.scans, rows.draws.pools, strict=True)
    ]


def _share(rows: RowSet, is_counted: Callable[[dict[str, Any]], bool], weight: Sequence[int]) -> float:
    """Return the fraction of the set, in the budget's unit, whose labels satisfy `is_counted`."""
    unit, counted = rows.asked.unit, 0
    for scan, own in zip(rows.scans, rows.draws.pools, strict=True):
        chosen = np.array([is_counted(label) for label in scan.labels], dtype=bool)
        if own.rows.size:
            is_so = chosen[scan.strata[own.rows]]
            counted += int(is_so.sum()) if unit == "rows" else int(scan.amounts[unit][own.rows][is_so].sum())
    return counted / sum(weight) if sum(weight) else 0.0


def _by(rows: RowSet, name: str) -> dict[str, Any]:
    """Return rows and their share by a part of the label. A missing group counts as `missing`; a missing model or generation is left out."""
    counts: dict[str, int] = {}
    for scan, own in zip(rows.scans, rows.draws.pools, strict=True):
        for label, count in zip(scan.labels, np.bincount(scan.strata[own.rows], minlength=len(scan.labels)).tolist(), strict=True):
            value = label[name]
            if count and not (value is None and name in ("_model", "_generation")):
                key = "missing" if value is None else str(value)
                counts[key] = counts.get(key, 0) + count
    total = len(rows.draws)
    return {value: {"rows": count, "share": count / total} for value, count in sorted(counts.items())}


def requested(asked: MixRecipe) -> dict[str, Any]:
    """Return the request as plain data, without the paths of the data."""
    pools = [{key: value for key, value in plain(pool).items() if value not in (None, [], {})} for pool in asked.identity.pools]
    return {name: value for name, value in plain(asked.identity).items() if name != "pools"} | {"pools": pools}
