"""A whole run, audit, mix or reproduction as targets take it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.targets.handed import Handed, Series, metric_name, with_ends
from outcross.verbs.audit.result import stored
from outcross.verbs.mix.result import Mix, stored_mix
from outcross.verbs.reproduce.result import stored_reproduction
from outcross.verbs.run.answer import open as open_run
from outcross.verbs.run.tracking import points_of
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.verbs.audit.result import Audit, Audits, Check
    from outcross.verbs.reproduce.result import Reproduction
    from outcross.verbs.run.result import Run


def whole(folder: Path) -> tuple[Handed, str]:
    """What a folder holds, and what of it has no number. BadInput where it holds no result."""
    if (audits := stored(folder)) is not None:
        return _audits(folder, audits)
    if (mix := stored_mix(folder)) is not None:
        return _mix(folder, mix), ""
    if (reproduction := stored_reproduction(folder)) is not None:
        return _reproduction(folder, reproduction)
    return _run(open_run(folder))


def _run(run: Run) -> tuple[Handed, str]:
    tables: dict[str, Any] = {"readings": run.readings}
    for name, table in (("samples", run.samples), ("profile", run.profile), ("laws", run.laws)):
        if table is not None and len(table):
            tables[name] = table
    absent = run.readings["value"].null_count()
    note = "; ".join(filter(None, [run.unfinished.rstrip("."), _absent(absent, "reading", "their notes say")]))
    ended = len(run.tables.ended)
    described = f"The run {run.name} of the recursive training loop, made with Outcross: {len(run.arms)} arms and seeds, {amount(ended, 'generation')} that have ended."
    return Handed("run", run.name, tables, points_of(run.tables), run.report, described), note


def _audits(folder: Path, audits: Audits) -> tuple[Handed, str]:
    checks = audits.frame()
    points: dict[Series, list[tuple[int, Mapping[str, float]]]] = {}
    for arm, of_arm in audits.by_arm.items():
        if audits.are_of_generations(arm):  # one run of a tracker, the generations its steps
            name = arm or folder.resolve().name
            points[_series(name, of_arm[0])] = [(step, _checks(audit.every)) for step, audit in enumerate(of_arm)]
        else:
            points |= {_series(audit.name, audit): [(0, _checks(audit.every))] for audit in of_arm}
    absent = checks["value"].null_count()
    described = f"The audit {folder.resolve().name}, made with Outcross: what {amount(len(audits), 'set')} of data have lost, compared with human data."
    return Handed("audit", folder.resolve().name, {"checks": checks}, points, audits.report, described), _absent(
        absent, "check", "why says"
    )


def _series(name: str, audit: Audit) -> Series:
    """An audited set, with what was compared as its settings."""
    settings = {f"rows.{side}": rows for side, rows in audit.rows.items()} | {
        f"columns.{column}": kind for column, kind in audit.kinds.items()
    }
    return Series(name, name, {"false_discovery_rate": audit.rate, **settings})


def _checks(checks: Iterable[Check]) -> Mapping[str, float]:
    """The numbers of checks: the value of each with its interval, and its severity."""
    numbers: dict[str, float] = {}
    for check in checks:
        if check.value is not None:
            name = f"{check.aspect}/{metric_name(check.metric, check.column, check.at, check.group)}"
            numbers |= with_ends(name, check.value, check.low, check.high)
            if check.severity is not None:
                numbers[f"{name}_severity"] = check.severity
    return numbers


def _mix(folder: Path, mix: Mix) -> Handed:
    splits = [
        name
        for name, description in mix.manifest.get("splits", {}).items()
        if name != "train" and isinstance(description, dict) and "shards" in description
    ]
    tables = {"train": mix.frame(), **{name: mix.frame(name) for name in splits}}
    return Handed("mix", folder.resolve().name, tables)


def _reproduction(folder: Path, reproduction: Reproduction) -> tuple[Handed, str]:
    """A run of a tracker for every claim that was compared: its verdict is a setting, its numbers the published ones and ours."""
    points: dict[Series, list[tuple[int, Mapping[str, float]]]] = {}
    for entry in reproduction.entries:
        claim, said = entry.claim, reproduction.verdicts[entry.claim.id]
        if entry.result is None or not (compared := [*entry.verdicts(reproduction.factors.get(claim.id, 1))]):
            continue
        settings = {
            "verdict": said,
            "protocol": entry.protocol,
            "claim": claim.sentence,
            "paper": claim.source.paper,
            "size": entry.result.size,
        }
        numbers: dict[str, float] = {}
        for place, (_, comparison, _) in enumerate(compared, 1):
            numbers |= with_ends(f"ours_{place}", comparison.ours.value, comparison.ours.low, comparison.ours.high)
            numbers |= {} if comparison.published is None else {f"published_{place}": comparison.published}
        points[Series(claim.id, str(said), settings)] = [(0, numbers)]
    described = f"{reproduction.short}, made with Outcross."
    absent = len(reproduction.entries) - len(points)
    note = f"{absent} claims were not compared and have no run in a tracker; verdicts say why" if absent else ""
    return Handed(
        "reproduction", folder.resolve().name, {"verdicts": reproduction.frame()}, points, reproduction.report, described
    ), note


def _absent(count: int, what: str, where: str) -> str:
    """That some numbers could not be had, and where the reason stands."""
    return (
        f"{count:,} {what}{'s do' if count != 1 else ' does'} not apply and {'have' if count != 1 else 'has'} no number in a tracker; {where} why"
        if count
        else ""
    )
