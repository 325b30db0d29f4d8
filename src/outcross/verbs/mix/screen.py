"""What a person sees of a mix, or of its plan, in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from outcross.escapes import escaped, shortened
from outcross.verbs.mix.plan import MixPlan
from outcross.verbs.mix.result import Mix
from outcross.verbs.mix.wanted import SPLITS
from outcross.verbs.terminal import wrapped

NAME = 20
"""Characters of a pool's name or a model's."""
MOST = 12
"""Values of a group that are shown."""


def mix_lines(mix: Mix, width: int) -> Iterator[str]:
    """What was asked and what is in it, a line a pool."""
    yield from plan_lines(mix.plan, width) if mix.is_plan else manifest_lines(mix.manifest, width)
    if mix.folder is not None:
        yield f"written: {escaped(str(mix.folder))}"


def plan_lines(plan: MixPlan, width: int) -> Iterator[str]:
    """The plan of a mix; nothing is written yet."""
    human = f", human share {float(plan.human):.4g}" + (f" (asked {plan.human_share:g})" if plan.human_share is not None else "")
    unsaid = f", {float(plan.unknown):.4g} of unknown origin" if plan.unknown else ""
    yield from wrapped(f"plan: {plan.total:,} {plan.unit}{human}{unsaid}, order {plan.order}; nothing is written", width)
    cells = [("pool", "origin", "asked", plan.unit, "unique", "repeats", "unused", "ends")]
    cells += [
        (
            pool.name,
            pool.origin,
            f"{float(pool.share):.4g}",
            f"{pool.target:,}",
            f"{pool.unique:,}",
            f"{pool.repeats:,}",
            f"{pool.unused:,}",
            "–" if pool.ends is None else f"{pool.ends[1]:,}" if pool.ends[0] == pool.ends[1] else f"{pool.ends[0]:,}+",
        )
        for pool in plan.pools
    ]
    yield from table_lines(cells)
    if plan.splits is not None:
        yield from split_lines(plan.splits, width)
    if plan.twin is not None:
        yield from wrapped(f"beside it: {sum(plan.twin):,} human rows alone (match)", width)
    for warning in plan.warnings:
        yield from wrapped(f"warning: {warning}", width)


def manifest_lines(told: dict[str, Any], width: int) -> Iterator[str]:
    """What a manifest says. It may have been written by others, so that what it says is shown as words."""
    realised, order = told["realised"], told["order"]
    yield from wrapped(
        f"{_number(told['rows'])} rows, human share {_number(realised.get('human_share'))} of {realised.get('unit')}, unknown "
        f"{_number(realised.get('unknown_share'))}, repeated rows {_number(realised.get('repeated_rows'))}, sha256 {told['sha256'][:16]}",
        width,
    )
    cells: list[tuple[str, ...]] = [("pool", "origin", "share", "rows", "unique", "repeats", "unused", "ends")]
    shares = realised.get("shares")
    for pool in told["pools"]:
        share = shares.get(pool["name"]) if isinstance(shares, dict) else None
        found = [pool.get(key) for key in ("used", "unique", "max_repeats", "unused", "ends")]
        cells.append((pool["name"], str(pool.get("origin")), _number(share), *map(_number, found)))
    yield from table_lines(cells)
    yield from wrapped(
        f"order {order.get('kind')}: no beginning is more than {_number(order.get('largest_in_a_beginning'))} rows from the shares, no shard more than "
        f"{_number(order.get('largest_in_a_shard'))}",
        width,
    )
    for name in ("origins", "teachers", "generations"):
        yield from _counted(name, told.get(name), width)
    groups = told.get("groups")
    for name, counts in groups.items() if isinstance(groups, dict) else ():
        yield from _counted(f"group {name}", counts, width)
    if isinstance(told.get("splits"), dict):
        yield from split_lines(told["splits"], width)
    for warning in told["warnings"]:
        yield from wrapped(f"warning: {warning}", width)


def split_lines(told: Mapping[str, Any], width: int) -> Iterator[str]:
    """How the pools are cut. It may have been written by others."""
    unit, families = str(told.get("unit")), told.get("families")
    if isinstance(families, dict):
        yield from wrapped(
            f"splits of {_number(told.get(unit))} {escaped(unit)}: {_number(families.get('count'))} families, the largest of {_number(families.get('largest'))} rows; "
            f"{_number(told.get('left_out'))} rows belong to no split",
            width,
        )
    for name in SPLITS:
        if isinstance(one := told.get(name), dict):
            human = "" if one.get("synthetic") else ", human rows alone"
            yield from wrapped(
                f"{name}: {_number(one.get(unit))} {escaped(unit)}, share {_number(one.get('share'))} (asked {_number(one.get('requested_share'))}){human}",
                width,
            )


def _counted(name: str, counts: Any, width: int) -> Iterator[str]:
    if not isinstance(counts, dict) or not counts:
        return
    said = [
        f"{shortened(str(value), NAME)} {_number(one.get('rows'))} ({_number(one.get('share'))})"
        for value, one in list(counts.items())[:MOST]
        if isinstance(one, dict)
    ]
    more = f", and {len(counts) - MOST} more" if len(counts) > MOST else ""
    yield from wrapped(f"{name}: {', '.join(said)}{more}", width, hang=4)


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def table_lines(cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows in columns: words to the left, numbers to the right."""
    cells = [[shortened(escaped(cell), NAME) for cell in row] for row in cells]
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    for row in cells:
        yield "  ".join(
            f"{cell:<{size}}" if place < 2 else f"{cell:>{size}}"
            for place, (cell, size) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
