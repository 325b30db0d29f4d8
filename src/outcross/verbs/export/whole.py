"""Whole runs, audits, mixes and reproductions in the form that targets take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.targets.handed import Handed, Series, metric_name, with_ends
from outcross.verbs.audit.stored import stored
from outcross.verbs.mix.result import Mix, stored_mix
from outcross.verbs.reproduce.result import stored_reproduction
from outcross.verbs.run.answer import open as open_run
from outcross.verbs.run.tracking import points_of
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.verbs.audit.check import Check
    from outcross.verbs.audit.result import Audit, Audits
    from outcross.verbs.reproduce.result import Reproduction
    from outcross.verbs.run.result import Run


def whole(folder: Path) -> tuple[Handed, str]:
    """The result in a folder, and a note about its numbers that are missing. Raises BadInput if the folder contains no result."""
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
    described = f"The run {run.name} of the recursive training loop, made with Outcross: {len(run.arms)} arms and seeds, {amount(ended, 'finished generation')}."
    return Handed("run", run.name, tables, points_of(run.tables), run.report, described), note


def _audits(folder: Path, audits: Audits) -> tuple[Handed, str]:
    checks = audits.frame()
    points: dict[Series, list[tuple[int, Mapping[str, float]]]] = {}
    for arm, of_arm in audits.by_arm.items():
        if audits.are_of_generations(arm):  # one run of a tracker, whose steps are the generations
            name = arm or folder.resolve().name
            points[_series(name, of_arm[0])] = [(step, _checks(audit.every)) for step, audit in enumerate(of_arm)]
        else:
            points |= {_series(audit.name, audit): [(0, _checks(audit.every))] for audit in of_arm}
    absent = checks["value"].null_count()
    described = f"The audit {folder.resolve().name}, made with Outcross: the losses of {amount(len(audits), 'data set')} compared with human data."
    return Handed("audit", folder.resolve().name, {"checks": checks}, points, audits.report, described), _absent(
        absent, "check", "why says"
    )


def _series(name: str, audit: Audit) -> Series:
    """The series of an audited data set. Its settings are the numbers of rows and the kinds of columns that were compared."""
    settings = {f"rows.{side}": rows for side, rows in audit.rows.items()} | {
        f"columns.{column}": kind for column, kind in audit.kinds.items()
    }
    return Series(name, name, {"false_discovery_rate": audit.rate, **settings})


def _checks(checks: Iterable[Check]) -> Mapping[str, float]:
    """The numbers of checks: values with their intervals, and severities."""
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
    """One run of a tracker for every claim that was compared. Its verdict is a setting, and its numbers are the published ones and ours."""
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
    note = f"{absent} claims were not compared and have no numbers; the verdicts say why" if absent else ""
    return Handed(
        "reproduction", folder.resolve().name, {"verdicts": reproduction.frame()}, points, reproduction.report, described
    ), note


def _absent(count: int, what: str, where: str) -> str:
    """A note that some numbers are missing, and where their reasons are."""
    return (
        f"{count:,} {what}{'s do' if count != 1 else ' does'} not apply and {'have' if count != 1 else 'has'} no number; {where} why"
        if count
        else ""
    )
