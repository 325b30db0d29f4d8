"""What has this data lost, compared with human data?"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from outcross.data.tables import Kind, Table, alike, table
from outcross.errors import BadInput
from outcross.escapes import shortened
from outcross.estimate import Reading
from outcross.files.names import literal, read_parquet
from outcross.measures import MEASURES, Evidence, Measure, Pointed, askers, audit_aspects, measure, pages_of_aspect, unread
from outcross.measures.of_tables import read_tables
from outcross.recipe import kind, nearest, read
from outcross.statistics.sketches import gather
from outcross.verbs.audit.judgement import NOTE, Judged, Verdict, judge

RATE = 0.05
"""False-discovery rate."""


@dataclass(frozen=True)
class Check:
    """A reading, judged."""

    code: str
    aspect: str
    metric: str
    column: str
    group: str
    at: str
    """Where in the column: an end and a depth, a direction, a lag, a frequency band, the other column of a pair."""
    verdict: Verdict
    value: float | None
    low: float | None
    high: float | None
    n: int | None
    method: str
    floor: float | None
    """The value that one in twenty real sets of this size reaches or passes."""
    real_vs_real: float | None
    """What real data of this size show, in the middle."""
    margin: float | None
    """The value at which a loss becomes worth naming."""
    p: float | None
    """P(real against real is at least as bad), one-sided."""
    depth: float | None
    """How far beyond what is healthy, in margins: 1 at the margin, 0 or less where nothing is lost."""
    why: str


@dataclass(frozen=True, eq=False)
class Audit:
    """What one set of data has lost.

    `checks` holds every check with its interval, floor, margin and verdict; `lost` names the aspects in which something is lost, the
    deepest loss first; `summary` opens with one sentence that says it.
    """

    name: str
    rows: Mapping[str, int]
    """Records of each side."""
    every: tuple[Check, ...]
    pointed: Mapping[str, Any]
    """Frames of records, by side: the record, why it is pointed at, how far it is from what it should be, its row."""
    kinds: Mapping[str, Kind]
    notes: tuple[str, ...]
    rate: float
    """False-discovery rate."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Time each aspect took; no promise covers it."""
    key: str = ""
    """The step that made it; empty where no ledger keeps it."""

    @cached_property
    def checks(self):
        """Every check, a row each (polars)."""
        import polars

        return polars.DataFrame([vars(check) for check in self.every], schema=_SCHEMA, orient="row")

    @property
    def lost(self) -> list[str]:
        """Aspects in which something is lost, the deepest loss first."""
        return self._aspects("lost")

    @property
    def invented(self) -> list[str]:
        """Aspects in which there is what human data do not have."""
        return self._aspects("invented")

    def _aspects(self, verdict: Verdict) -> list[str]:
        return list(dict.fromkeys(check.aspect for check in self.of(verdict)))

    def of(self, *verdicts: Verdict) -> list[Check]:
        """The checks of these verdicts, the deepest first."""
        return sorted((check for check in self.every if check.verdict in verdicts), key=lambda check: -(check.depth or 0.0))

    def worst(self, most: int = 10):
        """The checks that are farthest beyond their margins (polars)."""
        import polars

        return self.checks.filter(polars.col("depth").is_not_null()).sort("depth", descending=True, maintain_order=True).head(most)

    @property
    def summary(self) -> str:
        """One sentence that says what is lost first, and one for what could not be told."""
        from outcross.verbs.audit.sentences import summary

        return summary(self)

    def report(self, path: str | Path = "audit.html") -> Path:
        """Write the audit as one HTML file that opens offline."""
        from outcross.verbs.audit.page import write_audits

        return write_audits([self], Path(path))

    def markdown(self) -> str:
        """The audit for a pull request."""
        from outcross.verbs.audit.sentences import markdown

        return markdown(self)

    def plain(self) -> dict[str, Any]:
        """The audit as design.md's JSON."""
        return {
            "schema": 1,
            "name": self.name,
            "n": dict(self.rows),
            "kinds": dict(self.kinds),
            "checks": [vars(check) for check in self.every],
            "lost": self.lost,
            "invented": self.invented,
            "summary": self.summary,
            "false_discovery_rate": self.rate,
            "notes": list(self.notes),
        }

    @classmethod
    def of_plain(cls, told: Mapping[str, Any]) -> Audit:
        """The audit that `plain` told of; the records pointed at are not in it. BadInput where it is not whole."""
        try:
            every = tuple(map(_stored_check, told["checks"]))
            made = cls(
                name=_as(str, told["name"]),
                rows={str(side): _as(int, rows) for side, rows in told["n"].items()},
                every=every,
                pointed={},
                kinds={str(column): _among(get_args(Kind), kind) for column, kind in told["kinds"].items()},
                notes=tuple(_as(str, note) for note in _as(list, told["notes"])),
                rate=_as(float, told["false_discovery_rate"]),
            )
            if not {"synthetic", "reference"} <= set(made.rows):
                raise ValueError("n must say how many records are synthetic and how many are reference")
        except (BadInput, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BadInput(f"not a whole audit.json ({type(error).__name__}: {str(error)[:120]}); audit the data again") from None
        return made

    def save(self, folder: Path) -> None:
        """Write what was found, and the records pointed at, as `load` reads them back."""
        told = {name: value for name, value in self.plain().items() if name not in ("lost", "invented", "summary")}
        (folder / "audit.json").write_text(json.dumps(told | {"pointed": [*self.pointed]}, allow_nan=False))
        for side, frame in self.pointed.items():
            frame.write_parquet(literal(folder / f"{side}-records.parquet"))

    @classmethod
    def load(cls, folder: Path) -> Audit:
        """The audit that was saved in a folder."""
        told = json.loads((folder / "audit.json").read_text())
        pointed = {side: read_parquet(folder / f"{side}-records.parquet") for side in told["pointed"]}
        return replace(cls.of_plain(told), pointed=pointed)

    def _repr_html_(self) -> str:
        from outcross.verbs.audit.page import fragment

        return fragment(self)


READERS: dict[str, Any] = {"float | None": float, "int | None": int}
_SCHEMA = {name: READERS.get(kind_, str) for name, kind_ in Check.__annotations__.items()}  # as polars reads Python's types


@dataclass(frozen=True)
class Question:
    """How to look: everything but the data."""

    groups: tuple[str, ...] = ()
    target: str | None = None
    text_column: str | None = None
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    aspects: tuple[Measure, ...] | None = None
    """What to measure; all that an audit can take, if None."""
    margins: Mapping[str, float] = field(default_factory=dict)
    """By aspect ("tails") or check ("tails.mass"): a factor or a distance, as the check's page says."""
    rate: float = RATE
    seed: int = 0
    most_columns: int = 200
    most_seconds: float = math.inf

    def __post_init__(self):
        if not 0 < self.rate < 1:
            raise BadInput(f"the false-discovery rate must be in (0, 1), got {self.rate}; write 0.05 for five percent")
        for name, least in (("seed", 0), ("most_columns", 1), ("most_seconds", 0)):
            if not getattr(self, name) >= least:
                raise BadInput(f"{name} must be at least {least}, got {getattr(self, name)}")
        aspects = audit_aspects()
        known = {f"{aspect}.{check}" for aspect in aspects for check in pages_of_aspect(aspect)} | set(aspects)
        for name, margin in self.margins.items():
            if name not in known:
                raise BadInput(f"no aspect or check {name!r} has a margin{nearest(name, known)}")
            if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 < margin < math.inf:
                raise BadInput(f"margins.{name} must be a number above 0, got {margin!r}")


def audit(data: Any, *, reference: Any, holdout: Any = None, name: str = "", **question: Any) -> Audit:
    """What `data` has lost, compared with the human `reference`.

    Data are a path, a glob, a list of paths, a frame (pandas, polars, Arrow), a Hugging Face dataset or an array. `holdout` is more
    human data that no generator has seen. The rest is a `Question`: `groups=("sex", "race")`, `target="income"`, `text_column=`, `kinds={"zip": "category"}`,
    `aspects=("tails", "groups")`, `margins={"groups.share": 0.9}`, `rate=0.05`, `seed=0`. Raises BadInput where data cannot be read.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> human, narrow = rng.normal(size=(2000, 2)), 0.8 * rng.normal(size=(2000, 2))
    >>> outcross_audit = audit(narrow, reference=human, aspects=("spread",))
    >>> outcross_audit.lost
    ['spread']
    """
    return audits({name or "synthetic": data}, reference=reference, holdout=holdout, **question)[0]


def audits(data: Mapping[str, Any], *, reference: Any, holdout: Any = None, **question: Any) -> list[Audit]:
    """An audit of each of several sets against one reference, which is read once."""
    audit_of = beside(reference, holdout, asked_for(**question))
    return [audit_of(name, one) for name, one in data.items()]


def beside(reference: Any, holdout: Any, asked: Question) -> Callable[[str, Any], Audit]:
    """What audits a set, by its name and its data, against human data; those are read once, here."""
    kinds: dict[str, Kind] = dict(asked.kinds)
    for group in asked.groups:
        kinds.setdefault(group, "category")
    if asked.text_column is not None:
        kinds[asked.text_column] = "text"
    target = [] if asked.target is None else [asked.target]
    human = table(reference, "reference", kinds=kinds, columns=target, most_columns=asked.most_columns)

    def beside_it(data: Any, name: str) -> Table:
        return table(data, name, columns=human.kinds, most_columns=asked.most_columns)

    more = None if holdout is None else beside_it(holdout, "holdout")
    return lambda name, data: _audit(name, beside_it(data, name), human, more, asked)


def asked_for(**question: Any) -> Question:
    """A Question from keywords; names and lists become what they name."""
    known = Question.__dataclass_fields__
    if unknown := set(question) - set(known):
        word = sorted(unknown)[0]
        raise BadInput(f"audit has no {word!r}{nearest(word, known)}; known: {', '.join(known)}")
    groups = question.get("groups") or ()
    question["groups"] = (groups,) if isinstance(groups, str) else tuple(dict.fromkeys(groups))
    if (aspects := question.get("aspects")) is not None:
        question["aspects"] = measures_of([aspects] if isinstance(aspects, str) else aspects)
    return Question(**question)


def measures_of(aspects: Iterable[Any]) -> tuple[Measure, ...]:
    """What is measured: all measures of an aspect that is named, or one measure with its settings."""
    known, measures = audit_aspects(), []
    for one in aspects:
        if isinstance(one, str) and one not in known:
            raise BadInput(f"unknown aspect {one!r}{nearest(one, known)}; known: {', '.join(known)}")
        measures += [measure(name)() for name in known[one]] if isinstance(one, str) else [read(MEASURES, one, "aspect")]
    if foreign := [kind(one) for one in measures if "audit" not in askers(type(one))]:
        raise BadInput(f"{foreign[0]} reads what only a run has; an audit takes {', '.join(sum(known.values(), ()))}")
    return tuple(measures)


def _audit(name: str, synthetic: Table, reference: Table, holdout: Table | None, asked: Question) -> Audit:
    tables, notes = alike([one for one in (reference, synthetic, holdout) if one is not None])
    tables, skipped = _capped(tables, asked)
    _check_columns(asked, tables[0])
    reference, synthetic, *more = tables
    holdout = more[0] if more else None
    evidence = Evidence(drawn=synthetic, reference=reference, holdout=holdout, groups=asked.groups, target=asked.target)
    measures = asked.aspects if asked.aspects is not None else measures_of(audit_aspects())
    readings, pointed, seconds = _look(measures, evidence, asked)
    judged = judge(readings, asked.margins, asked.rate, synthetic.rows, reference.rows)
    return Audit(
        name=name,
        rows={side: one.rows for side, one in evidence.sides().items()},
        every=tuple(map(_check, judged)),
        pointed=_frames(pointed, evidence),
        kinds=dict(reference.kinds),
        notes=tuple(
            dict.fromkeys(shortened(note, NOTE) for note in [*notes, *skipped, *(note for one in tables for note in one.notes)])
        ),
        rate=asked.rate,
        seconds=seconds,
    )


def _capped(tables: list[Table], asked: Question) -> tuple[list[Table], list[str]]:
    """At most so many columns; those asked about by name are always among them."""
    columns = list(tables[0].kinds)
    if len(columns) <= asked.most_columns:
        return tables, []
    named = [column for column in (*asked.groups, asked.target, asked.text_column) if column in columns]
    kept = list(dict.fromkeys([*named, *columns]))[: asked.most_columns]
    kept = [column for column in columns if column in set(kept)]
    return [one.select(kept) for one in tables], [
        f"{len(columns) - len(kept)} of {len(columns)} columns are left out (at most {asked.most_columns})"
    ]


def _check_columns(asked: Question, reference: Table) -> None:
    for field_, column in [*(("group", one) for one in asked.groups), ("target", asked.target), ("text_column", asked.text_column)]:
        if column is not None and column not in reference.kinds:
            raise BadInput(
                f"no column {column!r} is in both sets ({field_}){nearest(column, reference.kinds)}; they share {', '.join(list(reference.kinds)[:12])}"
            )


def _look(measures: Sequence[Measure], evidence: Evidence, asked: Question):
    """What the measures of every aspect find, {aspect: [Reading]}, what they point at, and how long each aspect took."""
    wanted = {kind(one): one.sketches(evidence) for one in measures}
    counted = _counted(evidence, wanted)
    readings: dict[str, list[Reading]] = {}
    pointed: list[Pointed] = []
    seconds: dict[str, float] = {}
    began = time.monotonic()
    for one in measures:
        name, aspect, start = kind(one), one.aspect, time.monotonic()
        own = evidence.but(counted={sketch: counted[f"{name} {sketch}"] for sketch in wanted[name]})
        if start - began > asked.most_seconds:
            told: list[Any] = list(_left_out(one, asked.most_seconds))
        else:
            told = read_tables(one, own, asked.seed)
        readings.setdefault(aspect, []).extend(reading for reading in told if isinstance(reading, Reading))
        pointed += [records for records in told if isinstance(records, Pointed)]
        seconds[aspect] = seconds.get(aspect, 0.0) + time.monotonic() - start
    return readings, pointed, seconds


def _left_out(one: Measure, seconds: float) -> Iterable[Reading]:
    return (unread(check, f"left out: {seconds:g} seconds were over") for check in one.pages)


def _counted(evidence: Evidence, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Any, Any]]:
    """Every sketch that a measure wants, of both sides, in one pass over each."""
    from copy import deepcopy

    sketches = {f"{one} {name}": sketch for one, named in wanted.items() for name, sketch in named.items()}
    sides = [gather(side, deepcopy(sketches)) for side in (evidence.drawn, evidence.reference)]
    return {name: (sides[0][name], sides[1][name]) for name in sketches}


def _check(told: Judged) -> Check:
    reading, page = told.reading, told.page
    estimate, null = reading.estimate, reading.null
    return Check(
        code=page.code,
        aspect=told.aspect,
        metric=reading.measure,
        column=reading.column,
        group=reading.group,
        at=reading.at,
        verdict=told.verdict,
        value=_kept(estimate and estimate.value),
        low=_kept(estimate and estimate.low),
        high=_kept(estimate and estimate.high),
        n=estimate and estimate.n,
        method=estimate.method if estimate else "",
        floor=_kept(null and null.floor),
        real_vs_real=_kept(null and null.typical),
        margin=_kept(told.limit),
        p=_kept(null and null.p),
        depth=_kept(told.depth),
        why=told.why,
    )


def _stored_check(told: Mapping[str, Any]) -> Check:
    """A check as it was written, of a kind that there is."""
    values: dict[str, Any] = {name: told[name] for name in Check.__dataclass_fields__}
    typed: dict[str, Any] = {
        name: None if value is None and name in _MISSING else _as(_SCHEMA[name], value) for name, value in values.items()
    }
    check = Check(**typed)
    page = pages_of_aspect(check.aspect)[check.metric]
    if check.code != page.code:
        raise ValueError(f"the code of {check.aspect}.{check.metric} is {page.code}, not {check.code!r:.40}")
    _among(get_args(Verdict), check.verdict)
    return check


_MISSING = {name for name, kind_ in Check.__annotations__.items() if kind_.endswith("| None")}


def _as(kind_: type, value: Any) -> Any:
    """A value of JSON that is of this type; a number is finite. ValueError where it is another."""
    if kind_ is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind_) or isinstance(value, bool) or (kind_ is float and not math.isfinite(value)):
        raise ValueError(f"{value!r:.40} is no finite {kind_.__name__}")
    if kind_ is int and not 0 <= value <= 2**63:
        raise ValueError(f"{value!r:.40} is no count")
    return value


def _among(known: Sequence[Any], value: Any) -> Any:
    if value not in known:
        raise ValueError(f"{value!r:.40} is none of {', '.join(map(str, known))}")
    return value


def _kept(value: float | None) -> float | None:
    """To 10 digits: what is below moves with the order of sums."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.10g}")


def _frames(pointed: Iterable[Pointed], evidence: Evidence) -> dict[str, Any]:
    """The records pointed at, as they were read, by side, the worst first."""
    import polars

    told: dict[str, list[Any]] = {}
    for one in pointed:
        side = evidence.sides()[one.side]
        frame = side.records[one.rows].with_columns(
            polars.Series("_row", side.places[one.rows]),
            polars.lit(one.why).alias("_why"),
            polars.Series("_value", one.values, dtype=polars.Float64),
        )
        told.setdefault(one.side, []).append(frame)
    return {side: polars.concat(frames).sort("_value", descending=True, maintain_order=True) for side, frames in told.items()}


__all__ = ["Audit", "Check", "Question", "audit", "audits"]
