"""The audit of one set: both sides are read in the same way, every measure is taken, and each reading gets a verdict."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from outcross.data.columns import Given
from outcross.data.entities import Entities
from outcross.data.tables import Alike, Kind, Table, alike, table
from outcross.errors import BadInput
from outcross.escapes import shortened
from outcross.estimate import NotApplicable, Reading, rounded
from outcross.ledger import External
from outcross.measures import MEASURES, Evidence, Measure, Pointed, askers, audit_aspects, measure, pages_of_aspect, unread
from outcross.measures.of_tables import read_tables
from outcross.measures.of_texts import uncut
from outcross.measures.regions import PointedRegion, Regions
from outcross.recipe import kind, nearest, read
from outcross.runtime import telling
from outcross.statistics.portraits import Reliability, portraits
from outcross.statistics.regions import Region
from outcross.statistics.sketches import gather
from outcross.verbs.audit.check import Check, Unseen
from outcross.verbs.audit.gates import gate_of
from outcross.verbs.audit.judgement import NOTE, Judged, judge
from outcross.verbs.audit.needs import needs_file, needs_of, thinned
from outcross.verbs.audit.plan import ColumnPlan, ReadColumn, read_columns
from outcross.verbs.audit.question import AuditQuestion
from outcross.verbs.audit.result import Audit
from outcross.verbs.audit.scored import scored_records
from outcross.verbs.audit.sets import sets_of
from outcross.verbs.share_curve import CURVE_STREAM, ShareCurve, curve_of, shares_of

RATE = 0.05
"""False-discovery rate."""
SKETCHED = 1_000
"""Number of columns that are compared at least by a sketch. A table is read up to twice as many columns; the audit names the columns that are not
read."""


@dataclass(frozen=True)
class ResolvedQuestion:
    """The settings of an audit, with names resolved to parts and texts to numbers. It does not contain the data."""

    groups: tuple[str, ...] = ()
    target: str | None = None
    text_column: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    """Columns that identify records."""
    ignore: tuple[str, ...] = ()
    entity: str | None = None
    """The column that names the entity of each row, for long tables."""
    time: str | None = None
    aspects: tuple[Measure, ...] | None = None
    """The measures to take. None: all measures of an audit."""
    margins: Mapping[str, float] = field(default_factory=dict)
    """The margin by aspect ("tails") or check ("tails.mass"). It is a factor or a distance, as the page of the check says."""
    rate: float = RATE
    seed: int = 0
    most_columns: int = 200
    most_seconds: float = math.inf
    records: bool = False
    """Whether every record is scored."""
    shares: tuple[float, ...] = ()
    """Shares of synthetic training records to try. Empty if `shares` was not given."""
    allow_missing: tuple[str, ...] = ()
    """Columns that may be missing or not compared."""

    def __post_init__(self):
        if not 0 < self.rate < 1:
            raise BadInput(f"the false-discovery rate must be in (0, 1), got {self.rate}; write 0.05 for five percent")
        for name, minimum in (("seed", 0), ("most_columns", 1), ("most_seconds", 0)):
            if not getattr(self, name) >= minimum:
                raise BadInput(f"{name} must be at least {minimum}, got {getattr(self, name)}")
        aspects = audit_aspects()
        known = {f"{aspect}.{check}" for aspect in aspects for check in pages_of_aspect(aspect)} | set(aspects)
        for name, margin in self.margins.items():
            if name not in known:
                raise BadInput(
                    f"margins names the unknown aspect or check {name!r}{nearest(name, known)}; write it as tails or tails.mass"
                )
            if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 < margin < math.inf:
                raise BadInput(f"margins.{name} must be a number above 0, got {margin!r}")


def beside(reference: Any, holdout: Any, asked: ResolvedQuestion) -> Callable[[str, Any], Audit]:
    """Read the human data once, and return a function (name, data) → audit of that set."""
    read = sides_of(reference, holdout, asked)

    def audit(name: str, data: Any) -> Audit:
        human, synthetic, *more = read(name, data)
        return _audit(name, synthetic, human, more[0] if more else None, asked)

    return audit


def sides_of(reference: Any, holdout: Any, asked: ResolvedQuestion) -> Callable[[str, Any], list[Table]]:
    """Read the human data once, and return a function (name, data) → tables of the reference, the set and, if there is one, the holdout."""
    options = {group: "--groups" for group in asked.groups if group not in asked.kinds}
    kinds: dict[str, str] = {**asked.kinds, **dict.fromkeys(options, "category")}
    if asked.text_column is not None:
        kinds[asked.text_column], options[asked.text_column] = "text", "--text-column"
    target = [] if asked.target is None else [asked.target]
    limit = max(asked.most_columns, SKETCHED)
    _check_sides(asked)
    if asked.entity is not None:
        entities = Entities(asked.entity, asked.time, Given(kinds, (), asked.key, asked.ignore, tuple(target), options))
        long = [
            (name, entities.long(data, name)) for name, data in (("reference", reference), ("holdout", holdout)) if data is not None
        ]

        _check_allowed(asked, long[0][1].columns)

        def folded(name: str, data: Any) -> list[Table]:
            return entities.tables([long[0], (name, entities.long(data, name)), *long[1:]])

        return folded
    named = {"kinds": kinds, "keys": asked.key, "ignored": asked.ignore, "kept": target, "options": options}
    human = table(reference, "reference", columns=target, most_columns=limit, **named)
    _check_allowed(asked, [*human.kinds, *human.records.columns, *human.unread])

    def beside_it(data: Any, name: str) -> Table:
        return table(data, name, columns=human.kinds, most_columns=limit)

    more = [] if holdout is None else [beside_it(holdout, "holdout")]
    return lambda name, data: [human, beside_it(data, name), *more]


def planned(question: AuditQuestion) -> ColumnPlan:
    """Return how the columns of every set are read, without auditing. Raises BadInput as an audit does."""
    resolved = resolve(question)
    rows: dict[str, dict[str, int]] = {}
    columns: dict[str, tuple[ReadColumn, ...]] = {}
    notes: dict[str, tuple[str, ...]] = {}
    for sets in sets_of(question):
        asked = replace(resolved, text_column=resolved.text_column or sets.text_column)
        read = sides_of(value_of(sets.reference), value_of(sets.holdout), asked)
        for name, data in sets.synthetic.items():
            comparable = alike(read(name, value_of(data)))
            tables = comparable.tables
            called = f"{sets.arm} {name}" if sets.arm else name
            rows[called] = {table.name: table.rows for table in tables}
            columns[called] = read_columns(tables, comparable.absent)
            notes[called] = tuple(dict.fromkeys([*comparable.notes, *(note for table in tables for note in table.notes)]))
    return ColumnPlan(rows, columns, notes)


def value_of(data: Any) -> Any:
    """Return the data themselves. The data of a run are read from its steps at this point."""
    return data.value if isinstance(data, External) else data


def _check_allowed(asked: ResolvedQuestion, known: Sequence[str]) -> None:
    for column in asked.allow_missing:
        if column not in known:
            raise BadInput(f"--allow-missing {column!r} is not a column of the reference{nearest(column, known)}")


def _check_sides(asked: ResolvedQuestion) -> None:
    """Raise BadInput if a column is both used and left out, or if --time is given without --entity."""
    left_out = [*asked.key, *asked.ignore]
    asked_about = [*asked.groups, asked.target, asked.text_column, asked.entity, asked.time]
    if clash := [column for column in asked_about if column is not None and column in left_out]:
        raise BadInput(f"column {clash[0]!r} is both used and left out; remove it from --key or --ignore")
    if asked.time is not None and asked.entity is None:
        raise BadInput(
            f"--time {asked.time} needs --entity, because it orders the rows of an entity; add for example --entity patient_id"
        )


def resolve(question: AuditQuestion) -> ResolvedQuestion:
    """Resolve a question to the settings of an audit. Raises BadInput for an unknown aspect or check and for an invalid number."""
    settings = question.settings()
    gates_of(question)
    settings.pop("fail_on", None)
    if "shares" in settings:
        settings["shares"] = shares_of(settings["shares"])
        if settings.get("target") is None:
            raise BadInput("--shares needs a column to predict; name it, for example --target income")
    for name in ("groups", "key", "ignore", "allow_missing"):
        if name in settings:
            settings[name] = tuple(dict.fromkeys(settings[name]))
    if "aspects" in settings:
        settings["aspects"] = measures_of(settings["aspects"])
    return ResolvedQuestion(**settings, records=question.out is not None or question.write_clean is not None)


def gates_of(question: AuditQuestion) -> tuple[str, ...]:
    """Return the gates of --fail-on as they are written. Raises BadInput if one cannot be read."""
    gates = question.settings().get("fail_on", ())
    for gate in gates:
        gate_of(gate)
    return gates


def measures_of(aspects: Iterable[Any]) -> tuple[Measure, ...]:
    """Return the measures of the given names. A name is an aspect (all its measures), a measure, or a measure with settings."""
    known, measures = audit_aspects(), []
    of_aspects = {name: (name,) for names in known.values() for name in names} | dict(known)
    for aspect in aspects:
        if isinstance(aspect, str) and aspect not in of_aspects:
            raise BadInput(f"unknown aspect {aspect!r}{nearest(aspect, of_aspects)}; known: {', '.join(known)}")
        measures += (
            [measure(name)() for name in of_aspects[aspect]] if isinstance(aspect, str) else [read(MEASURES, aspect, "aspect")]
        )
    if foreign := [kind(part) for part in measures if "audit" not in askers(type(part))]:
        raise BadInput(f"{foreign[0]} can be measured only in a run; an audit takes {', '.join(sum(known.values(), ()))}")
    return tuple(measures)


def _audit(name: str, synthetic: Table, reference: Table, holdout: Table | None, asked: ResolvedQuestion) -> Audit:
    asked = _without_absent(asked, reference, synthetic)
    comparable = alike([side for side in (reference, synthetic, holdout) if side is not None])
    tables, over_cap = _capped(comparable.tables, asked)
    _check_columns(asked, tables[0])
    reference, synthetic, *more = tables
    holdout = more[0] if more else None
    evidence = Evidence(
        drawn=synthetic, reference=reference, holdout=holdout, groups=asked.groups, target=asked.target,
        absent=tuple(absent_column for absent_column in comparable.absent if absent_column.column not in asked.allow_missing),
        over_cap=Evidence(drawn=over_cap[1], reference=over_cap[0]) if over_cap else None,
    )  # fmt: skip
    measures = asked.aspects if asked.aspects is not None else measures_of(audit_aspects())
    began = time.monotonic()
    look = _look(measures, evidence, asked)
    judged = judge(look.readings, asked.margins, asked.rate, synthetic.rows, reference.rows)
    checks = tuple(map(_check, judged))
    regions = _thinned_regions(look, measures, evidence, asked.seed) if asked.records else []
    scored, unscored = scored_records(evidence, regions, asked.seed) if asked.records else (None, [])
    rows = {side: table.rows for side, table in evidence.sides().items()}
    curve, no_curve = _curve(evidence, asked, time.monotonic() - began)
    notes = [*no_curve, *unscored, *comparable.notes, *(note for table in tables for note in table.notes)]
    return Audit(
        name=name,
        rows=rows,
        every=checks,
        pointed=_frames(look.pointed, evidence),
        kinds=dict(reference.kinds),
        columns=read_columns(tables, comparable.absent),
        notes=tuple(dict.fromkeys(shortened(note, NOTE) for note in notes)),
        rate=asked.rate,
        unseen=Unseen(_unseen_columns(comparable, over_cap, tables, asked), look.left_out),
        seconds=look.seconds,
        scored=scored,
        needs=needs_file(name, rows, needs_of(regions, checks, synthetic.rows)) if asked.records else "",
        portraits=portraits(synthetic, reference),
        calibration=tuple(look.calibration),
        share_curve=curve,
    )


def _curve(evidence: Evidence, asked: ResolvedQuestion, seconds: float) -> tuple[ShareCurve | None, list[str]]:
    """Return how much synthetic data to train on, or None with a note about the reason. `seconds`: duration of the measures."""
    if not asked.shares:
        return None, []
    if asked.target is None:
        return None, ["how much synthetic data to train on: not applicable; the synthetic data lack the target column"]
    if seconds > asked.most_seconds:
        return None, [
            f"how much synthetic data to train on: left out because the time limit of {asked.most_seconds:g} seconds was reached"
        ]
    try:
        return curve_of(evidence, asked.shares, np.random.default_rng([asked.seed, CURVE_STREAM])), []
    except NotApplicable as why:
        return None, [f"how much synthetic data to train on: not applicable; {why}"]


def _without_absent(asked: ResolvedQuestion, reference: Table, synthetic: Table) -> ResolvedQuestion:
    """Return the settings without the groups and the target that the synthetic data lack. A lost column is a loss and not an error of the user."""
    lost = reference.kinds.keys() - set(synthetic.records.columns)
    return replace(
        asked,
        groups=tuple(group for group in asked.groups if group not in lost),
        target=None if asked.target in lost else asked.target,
        text_column=None if asked.text_column in lost else asked.text_column,
    )


def _unseen_columns(comparable: Alike, over_cap: list[Table], tables: Sequence[Table], asked: ResolvedQuestion) -> dict[str, str]:
    """Return the columns that were not compared, or only by a sketch, with the reason. Columns in `allow_missing` are left out."""
    unseen = dict.fromkeys(
        dict.fromkeys(column for table in tables[:2] for column in table.unread), "not read, because there are too many columns"
    )
    unseen |= comparable.uncompared
    if over_cap:
        unseen |= dict.fromkeys(
            over_cap[0].kinds, f"compared only by a sketch, because there are more than {asked.most_columns} columns"
        )
    return {column: why for column, why in unseen.items() if column not in asked.allow_missing}


def _capped(tables: list[Table], asked: ResolvedQuestion) -> tuple[list[Table], list[Table]]:
    """Return the tables with at most `asked.most_columns` columns, and the tables of the other columns (none if all columns fit).

    Columns named in the settings are always in the first. Of the others, the first columns of every kind are taken in proportion to their number.
    """
    kinds = tables[0].kinds
    if len(kinds) <= asked.most_columns:
        return tables, []
    named = [column for column in (*asked.groups, asked.target, asked.text_column) if column is not None and column in kinds]
    kept = set(in_proportion(kinds, dict.fromkeys(named), asked.most_columns))
    chosen, others = ([column for column in kinds if (column in kept) == is_kept] for is_kept in (True, False))
    return [table.select(chosen) for table in tables], [table.select(others) for table in tables]


def in_proportion(kinds: Mapping[str, Kind], named: Iterable[str], limit: int) -> list[str]:
    """Return `limit` columns: the named ones, then the first columns of every kind in proportion to its number of columns.

    >>> in_proportion({"a": "number", "b": "number", "c": "number", "d": "category"}, ["c"], 3)
    ['c', 'a', 'd']
    """
    kept = list(named)[:limit]
    waiting = {
        kind: [column for column in kinds if kinds[column] == kind and column not in kept] for kind in dict.fromkeys(kinds.values())
    }
    sizes = {column_kind: sum(kind_of_column == column_kind for kind_of_column in kinds.values()) for column_kind in waiting}
    while len(kept) < limit and any(waiting.values()):
        # The kind that is farthest behind its share comes next (Webster's method, which has no bias towards large or small kinds).
        behind = min(
            (column_kind for column_kind in waiting if waiting[column_kind]),
            key=lambda column_kind: (sizes[column_kind] - len(waiting[column_kind]) + 0.5) / sizes[column_kind],
        )
        kept.append(waiting[behind].pop(0))
    return kept


def _check_columns(asked: ResolvedQuestion, reference: Table) -> None:
    for field_, column in [
        *(("group", group) for group in asked.groups),
        ("target", asked.target),
        ("text_column", asked.text_column),
    ]:
        if column is not None and column not in reference.kinds:
            raise BadInput(
                f"column {column!r} ({field_}) is not in both sets{nearest(column, reference.kinds)}; they share {', '.join(list(reference.kinds)[:12])}"
            )


@dataclass(frozen=True)
class MeasuredAspects:
    """The results of the measures of every aspect."""

    readings: dict[str, list[Reading]]
    pointed: list[Pointed]
    calibration: list[Reliability]
    seconds: dict[str, float]
    """Duration of each aspect in seconds."""
    left_out: tuple[str, ...]
    """Measures that were left out because the time limit was reached."""


def _look(measures: Sequence[Measure], evidence: Evidence, asked: ResolvedQuestion) -> MeasuredAspects:
    wanted = {kind(measure): measure.sketches(evidence) for measure in measures}
    counted = _counted(evidence, wanted)
    readings: dict[str, list[Reading]] = {}
    pointed: list[Pointed] = []
    calibration: list[Reliability] = []
    seconds: dict[str, float] = {}
    left_out: list[str] = []
    began = time.monotonic()
    for place, part in enumerate(measures):
        telling.get()(place / len(measures))
        name, aspect, start = kind(part), part.aspect, time.monotonic()
        own = evidence.but(counted={sketch: counted[f"{name} {sketch}"] for sketch in wanted[name]})
        if start - began > asked.most_seconds:
            answers: list[Any] = list(_left_out(part, asked.most_seconds))
            left_out.append(name)
        else:
            answers = _answers(part, own, asked.seed)
        readings.setdefault(aspect, []).extend(reading for reading in answers if isinstance(reading, Reading))
        pointed += [records for records in answers if isinstance(records, Pointed)]
        calibration += [curve for curve in answers if isinstance(curve, Reliability)]
        seconds[aspect] = seconds.get(aspect, 0.0) + time.monotonic() - start
    return MeasuredAspects(readings, pointed, calibration, seconds, tuple(left_out))


def _answers(measure: Measure, evidence: Evidence, seed: int) -> list[Any]:
    """Return the readings of a measure. For text columns that cannot be split into words, the readings give the reason instead."""
    columns = uncut(evidence) if measure.reads_words else {}
    if not columns:
        return read_tables(measure, evidence, seed)
    unread_ = [unread(check, why, column=column) for column, why in columns.items() for check in measure.pages]
    sides = {
        side: table.select([column for column in table.kinds if column not in columns]) for side, table in evidence.sides().items()
    }
    if not any(table.of_kind("text") for table in sides.values()):
        return unread_
    others = evidence.but(drawn=sides["synthetic"], reference=sides["reference"], holdout=sides.get("holdout"))
    return [*unread_, *read_tables(measure, others, seed)]


def _thinned_regions(look: MeasuredAspects, measures: Sequence[Measure], evidence: Evidence, seed: int) -> list[Region]:
    """Return the regions that the check of regions reported. They are searched for here only if that check was not taken."""
    if any(isinstance(measure, Regions) and kind(measure) not in look.left_out for measure in measures):
        return [records.region for records in look.pointed if isinstance(records, PointedRegion)]
    return thinned(evidence.drawn, evidence.reference, seed)


def _left_out(measure: Measure, seconds: float) -> Iterable[Reading]:
    return (unread(check, f"left out because the time limit of {seconds:g} seconds was reached") for check in measure.pages)


def _counted(evidence: Evidence, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Any, Any]]:
    """Return every sketch that a measure needs, for both sides. Each side is read once."""
    from copy import deepcopy

    sketches = {f"{measure_name} {name}": sketch for measure_name, named in wanted.items() for name, sketch in named.items()}
    sides = [gather(side, deepcopy(sketches)) for side in (evidence.drawn, evidence.reference)]
    return {name: (sides[0][name], sides[1][name]) for name in sketches}


def _check(judged: Judged) -> Check:
    reading, page = judged.reading, judged.page
    estimate, null = reading.estimate, reading.null
    return Check(
        code=page.code,
        aspect=judged.aspect,
        metric=reading.measure,
        column=reading.column,
        group=reading.group,
        at=reading.at,
        verdict=judged.verdict,
        value=rounded(estimate and estimate.value),
        low=rounded(estimate and estimate.low),
        high=rounded(estimate and estimate.high),
        n=estimate and estimate.n,
        method=estimate.method if estimate else "",
        floor=rounded(null and null.floor),
        real_vs_real=rounded(null and null.typical),
        margin=rounded(judged.limit),
        p=rounded(null and null.p),
        about=reading.about,
        severity=rounded(judged.severity),
        before=rounded(reading.before),
        after=rounded(reading.after),
        differs=judged.differs,
        why=judged.why,
        to_change=rounded(judged.to_change),
        unit=reading.unit,
        explained_by=reading.explained_by,
    )


def _frames(pointed: Iterable[Pointed], evidence: Evidence) -> dict[str, Any]:
    """Return the records that measures point out, as they were read, by side and with the worst first."""
    import polars

    frames_of: dict[str, list[Any]] = {}
    for records in pointed:
        side = evidence.sides()[records.side]
        frame = side.records[records.rows].with_columns(
            polars.Series("_row", side.places[records.rows]),
            polars.lit(records.why).alias("_why"),
            polars.Series("_value", records.values, dtype=polars.Float64),
        )
        frames_of.setdefault(records.side, []).append(frame)
    return {side: polars.concat(frames).sort("_value", descending=True, maintain_order=True) for side, frames in frames_of.items()}
