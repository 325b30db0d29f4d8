"""The terminal output of a mix, a plan, a composition, a trace and of changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from outcross.escapes import escaped, shortened
from outcross.verbs.mix.filtering.costs import losses
from outcross.verbs.mix.finished.changes import CENSUS, Changes
from outcross.verbs.mix.finished.composition import Composition
from outcross.verbs.mix.finished.trace import Trace
from outcross.verbs.mix.plan import MixPlan
from outcross.verbs.mix.result import Mix
from outcross.verbs.mix.search.screen import search_lines
from outcross.verbs.mix.splits.settings import SPLITS
from outcross.verbs.terminal import wrapped
from outcross.wording import amount

NAME = 20
"""The maximum number of characters of a cell, such as the name of a pool or a model."""
MOST_COSTS = 6
"""The maximum number of costs of a filter that are shown."""
MOST = 12
"""The maximum number of values of a group that are shown."""


def mix_lines(mix: Mix, width: int) -> Iterator[str]:
    """Yield the lines of a mix or of its plan: the request and the content, with one line per pool."""
    yield from plan_lines(mix.plan, width) if mix.is_plan else manifest_lines(mix.manifest, width)
    if mix.is_plan and mix.mixing is not None and mix.mixing.searched is not None:
        yield from search_lines(mix.mixing.searched.plain, width)


def plan_lines(plan: MixPlan, width: int) -> Iterator[str]:
    """Yield the lines of a plan."""
    human = f", human share {float(plan.human):.4g}" + (
        f" (requested {plan.human_share:g})" if plan.human_share is not None else ""
    )
    unsaid = f", {float(plan.unknown):.4g} of unknown origin" if plan.unknown else ""
    yield from wrapped(f"plan: {plan.total:,} {plan.unit}{human}{unsaid}, order {plan.order}; nothing is written", width)
    cells = [("pool", "origin", "requested", plan.unit, "unique", "repeats", "unused", "ends")]
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
    yield from target_lines(plan.targets, plan.unit, width)
    if plan.splits is not None:
        yield from split_lines(plan.splits, width)
    for mix_filter in plan.filters:
        left = (
            f"leaves {mix_filter.high:,}"
            if mix_filter.low == mix_filter.high
            else f"leaves {mix_filter.low:,} to {mix_filter.high:,}"
        )
        if mix_filter.estimate is not None:
            low, high = mix_filter.estimate.interval
            left += f" (about {mix_filter.estimate.value:,.0f} [{low:,.0f}, {high:,.0f}], from a sample of {mix_filter.estimate.n:,} rows)"
        yield from wrapped(
            f"filter {mix_filter.step}: sees {'at most ' if mix_filter.low != mix_filter.high else ''}{amount(mix_filter.seen, 'row')}, {left}",
            width,
        )
    if plan.twin is not None:
        yield from wrapped(f"in addition: a set of {sum(plan.twin):,} human rows alone (match)", width)
    for pool, columns in plan.read_as_numbers.items():
        yield from wrapped(f"read as numbers, as in the other pools: {', '.join(map(escaped, columns))} of {escaped(pool)}", width)
    for warning in plan.warnings:
        yield from wrapped(f"warning: {warning}", width)


def manifest_lines(manifest: dict[str, Any], width: int) -> Iterator[str]:
    """Yield the lines of a manifest. Others may have written it, so that its content is escaped."""
    realised, order = manifest["realised"], manifest["order"]
    yield from wrapped(
        f"{_number(manifest['rows'])} rows, human share {_number(realised.get('human_share'))} of {realised.get('unit')}, unknown "
        f"{_number(realised.get('unknown_share'))}, repeated rows {_number(realised.get('repeated_rows'))}, sha256 {manifest['sha256'][:16]}",
        width,
    )
    cells: list[tuple[str, ...]] = [("pool", "origin", "share", "rows", "unique", "repeats", "unused", "ends")]
    shares = realised.get("shares")
    for pool in manifest["pools"]:
        share = shares.get(pool["name"]) if isinstance(shares, dict) else None
        facts_of_pool = [pool.get(key) for key in ("used", "unique", "max_repeats", "unused", "ends")]
        cells.append((pool["name"], str(pool.get("origin")), _number(share), *map(_number, facts_of_pool)))
    yield from table_lines(cells)
    yield from wrapped(
        f"order {order.get('kind')}: the shares of every beginning are exact to within {_number(order.get('largest_in_a_beginning'))} rows, those of every "
        f"shard to within {_number(order.get('largest_in_a_shard'))}",
        width,
    )
    for name in ("origins", "teachers", "generations"):
        yield from _counted(name, manifest.get(name), width)
    groups = manifest.get("groups")
    for name, counts in groups.items() if isinstance(groups, dict) else ():
        yield from _counted(f"group {name}", counts, width)
    yield from search_lines(manifest.get("search"), width)
    yield from target_lines(manifest.get("targets"), str(realised.get("unit")), width)
    if isinstance(manifest.get("splits"), dict):
        yield from split_lines(manifest["splits"], width)
    yield from filter_lines(manifest, width)
    audit = manifest.get("audit")
    if isinstance(audit, dict):
        yield from wrapped(f"audit against the human pools: {escaped(str(audit.get('summary')))}", width)
    for warning in manifest["warnings"]:
        yield from wrapped(f"warning: {warning}", width)


def target_lines(targets: Any, unit: str, width: int) -> Iterator[str]:
    """Yield the requested and the realised values of each target. Others may have written them, so that they are escaped."""
    for target in targets if isinstance(targets, list | tuple) else ():
        if isinstance(target, dict):
            yield from wrapped(
                f"{escaped(str(target.get('target')))}: {escaped('; '.join(_of_target(target, unit)))}", width, hang=4
            )


def _of_target(target: Mapping[str, Any], unit: str) -> Iterator[str]:
    """Yield the parts of the text about one target."""
    values, rules, realised = target.get("values"), target.get("rules"), target.get("realised")
    for value, facts in list(values.items())[:MOST] if isinstance(values, dict) else ():
        if isinstance(facts, dict):
            yield f"{shortened(str(value), NAME)} {_number(facts.get('realised'))} (without targets {_number(facts.get('usual'))}, {_number(facts.get('available'))} {unit} available)"
    if isinstance(realised, dict):
        available = target.get("available")
        usual = _number(available.get("mean")) if isinstance(available, dict) else "–"
        yield f"mean {_number(realised.get('mean'))} (of all {usual}), from {_number(realised.get('lowest'))} to {_number(realised.get('highest'))}"
    if "effective_rows" in target:
        yield f"{_number(target.get('rows'))} weighted rows are worth {_number(target.get('effective_rows'))} rows of equal weight"
    if isinstance(apart := target.get("divergence_from_the_target"), dict):
        yield f"divergence from the target {_number(apart.get('realised'))} nats per n-gram (random selection of the same size {_number(apart.get('random'))}, all rows {_number(apart.get('available'))})"
    for facts in rules[:MOST] if isinstance(rules, list) else ():
        if isinstance(facts, dict):
            yield f"{shortened(str(facts.get('rule')), 60)} {_number(facts.get(unit))} {unit} (without targets {_number(facts.get('usual'))}, lacking {_number(facts.get('lacking'))})"
    yield from map(str, target.get("notes") or ())


def split_lines(splits: Mapping[str, Any], width: int) -> Iterator[str]:
    """Yield the lines of the splits. Others may have written them, so that they are escaped."""
    unit, families = str(splits.get("unit")), splits.get("families")
    if isinstance(families, dict):
        yield from wrapped(
            f"splits of {_number(splits.get(unit))} {escaped(unit)}: {_number(families.get('count'))} families, the largest of {_number(families.get('largest'))} rows; "
            f"{_number(splits.get('left_out'))} rows belong to no split",
            width,
        )
    for name in SPLITS:
        if isinstance(split := splits.get(name), dict):
            human = "" if split.get("synthetic") else ", human rows alone"
            yield from wrapped(
                f"{name}: {_number(split.get(unit))} {escaped(unit)}, share {_number(split.get('share'))} (requested {_number(split.get('requested_share'))}){human}",
                width,
            )


def filter_lines(manifest: dict[str, Any], width: int) -> Iterator[str]:
    """Yield the result of each filter, its costs compared with a random selection of the same size, and a table of the rows that each keeps of every group."""
    filters, steps = manifest.get("filters"), manifest.get("funnel")
    if not isinstance(filters, list) or not filters or not isinstance(steps, list):
        return
    for mix_filter in filters:
        if not isinstance(mix_filter, dict):
            continue
        yield from wrapped(
            f"filter {escaped(str(mix_filter.get('filter')))}: kept {_number(mix_filter.get('kept'))} of {_number(mix_filter.get('seen'))}",
            width,
        )
        for note in mix_filter.get("notes") or ():
            yield from wrapped(f"  {escaped(str(note))}", width, hang=4)
        lines = [
            line for line in mix_filter.get("costs") or () if isinstance(line, dict) and isinstance(line.get("value"), int | float)
        ]
        dear = losses(lines)
        for line in dear[:MOST_COSTS]:
            low, high = (line.get("random") or [None, None])[:2]
            yield from wrapped(
                f"  {line.get('verdict')}: {escaped(str(line.get('what')))}: {_number(line.get('value'))} times the value before (random selection of the same size: {_number(low)} to {_number(high)})",
                width,
                hang=4,
            )
        if len(dear) > MOST_COSTS:
            yield f"  and {len(dear) - MOST_COSTS} more"
        elif lines and not dear:
            yield "  no cost is larger than that of a random selection of the same size"
    yield from _funnel_table([step for step in steps if isinstance(step, dict)])


def _funnel_table(steps: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a table of the rows that each step keeps, with one line for each pool and each value of a group."""
    cells: list[tuple[str, ...]] = [("rows left", "", *(str(step.get("step")) for step in steps), "lost at")]
    cells.append(("all", "", *(_number(step.get("rows")) for step in steps), ""))
    first = steps[0] if steps else {}
    parts = [("pool", "pools", None)] + [(str(name), "groups", name) for name in (first.get("groups") or {})]
    for word, key, group in parts:
        tables = [(step.get(key) or {}) if group is None else (step.get(key) or {}).get(group) or {} for step in steps]
        for value in list(tables[0] if tables else ())[:MOST]:
            counts = [table.get(value) for table in tables]
            lost_at = str(steps[counts.index(0)].get("step")) if counts[0] and 0 in counts else ""
            cells.append((word, str(value), *map(_number, counts), lost_at))
    if not any(row[-1] for row in cells[1:]):
        cells = [row[:-1] for row in cells]
    yield from table_lines(cells)


def _counted(name: str, counts: Any, width: int) -> Iterator[str]:
    if not isinstance(counts, dict) or not counts:
        return
    said = [
        f"{shortened(str(value), NAME)} {_number(facts.get('rows'))} ({_number(facts.get('share'))})"
        for value, facts in list(counts.items())[:MOST]
        if isinstance(facts, dict)
    ]
    more = f", and {len(counts) - MOST} more" if len(counts) > MOST else ""
    yield from wrapped(f"{name}: {', '.join(said)}{more}", width, hang=4)


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def table_lines(cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table, with the first two columns aligned to the left and the others to the right."""
    cells = [[shortened(escaped(cell), NAME) for cell in row] for row in cells]
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    for row in cells:
        yield "  ".join(
            f"{cell:<{size}}" if place < 2 else f"{cell:>{size}}"
            for place, (cell, size) in enumerate(zip(row, widths, strict=True))
        ).rstrip()


def composition_lines(composition: Composition, width: int) -> Iterator[str]:
    """Yield the lines of a composition: a table each by origin, teacher, generation, pool and group."""
    of_mix = "" if composition.manifest is not None else ", not from a mix: counted from their columns of provenance"
    yield from wrapped(f"{amount(composition.rows, 'row')} in {escaped(str(composition.folder))}{of_mix}", width)
    for by, counts in composition.tables.items():
        shown = list(counts.items())[:MOST]
        yield from table_lines(
            [(by, "", "rows", "share"), *((value, "", f"{rows:,}", f"{composition.share(rows):.6g}") for value, rows in shown)]
        )
        if len(counts) > MOST:
            yield f"… and {len(counts) - MOST:,} more"


def trace_lines(trace: Trace, width: int, depth: int = 0) -> Iterator[str]:
    """Yield the lines of a trace: where a record comes from, with its parents indented."""
    for inner, line in _of_record(trace):
        indent = 2 * (depth + inner)
        yield from wrapped(escaped(line), max(width, indent + 40), indent=indent, hang=indent + 2)
    for parent in trace.parents:
        yield f"{' ' * (2 * depth + 2)}from"
        yield from trace_lines(parent, width, depth + 2)


def _of_record(trace: Trace) -> Iterator[tuple[int, str]]:
    yield 0, f"{trace.id}{_author(trace)}"
    if trace.shard is not None and trace.row is not None:
        yield 1, f"in the mix {trace.mix}: row {trace.row:,} of {trace.shard}"
    elif trace.mix is not None and trace.source is not None:
        yield 1, f"not in the rows of the mix {trace.mix}, because it was not drawn"
    if trace.pool is not None:
        yield 1, f"pool {trace.pool}" + (f" (_source {trace.source})" if trace.source not in (None, trace.pool) else "")
    if trace.decoding is not None:
        yield 1, f"decoding {trace.decoding}"
    if trace.file is not None:
        yield 1, f"read from {trace.file.file}, row {trace.file.row:,}; SHA-256 of the file {trace.file.sha256[:16]}…"
    if trace.digest is not None:
        yield 1, f"digest of its content and its pool {trace.digest}"
    if trace.ends:
        yield 1, f"the chain ends here: {trace.ends}"


def _author(trace: Trace) -> str:
    """Return the author of a record in words, as far as it is known."""
    if trace.origin is None:
        return ""
    by = trace.model or "an unnamed model"
    words = {"model": by, "edited": f"edited by {by}", "translated": f"translated by {by}", "unknown": "of unknown origin"}
    return f": {words.get(trace.origin, trace.origin)}" + ("" if trace.generation is None else f", generation {trace.generation}")


def changes_lines(difference: Changes, width: int) -> Iterator[str]:
    """Yield the lines of the changes from one mix to another: a table each by origin, teacher, generation, pool, group and category, and the tails."""
    yield from wrapped(
        f"{escaped(str(difference.before.folder))} → {escaped(str(difference.after.folder))}: {escaped(difference.summary)}", width
    )
    yield from wrapped(f"{difference.before.rows:,} and {amount(difference.after.rows, 'row')}. {CENSUS}", width)
    for by, changes in difference.tables.items():
        cells: list[tuple[str, ...]] = [(by, "", "before", "share", "after", "share", "change")]
        for change in changes[:MOST]:
            mark = "gone" if change.is_lost else "new" if change.is_new else ""
            shares = f"{change.before:,}", f"{change.share_before:.4g}", f"{change.after:,}", f"{change.share_after:.4g}"
            cells.append((change.value, mark, *shares, f"{change.difference:+.4g}"))
        yield from table_lines(cells)
        if len(changes) > MOST:
            yield f"… and {len(changes) - MOST:,} more"
    if difference.tails:
        cells: list[tuple[str, ...]] = [("tail", "beyond", "human", "n", "before", "n", "after", "n")]
        for tail in difference.tails:
            shares = [
                text
                for share, n in (
                    (tail.human.share_before, tail.human.total_before),
                    (tail.rows.share_before, tail.rows.total_before),
                    (tail.rows.share_after, tail.rows.total_after),
                )
                for text in (f"{share:.4g}", f"{n:,}")
            ]
            cells.append((tail.column, f"{tail.side} {tail.bound:.4g}", *shares))
        yield from table_lines(cells)
    for note in difference.notes:
        yield from wrapped(f"not compared: {escaped(note)}", width)
