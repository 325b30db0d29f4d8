"""What an audit has found: the checks of one set, and the audits of several."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError

from outcross.data.tables import Kind
from outcross.errors import BadInput, GateFailed
from outcross.escapes import shortened
from outcross.files import names
from outcross.files.names import literal, read_parquet
from outcross.files.whole import read_text
from outcross.ledger import Ledger, results
from outcross.measures import audit_aspects, measure, pages_of_aspect
from outcross.recipe import explain
from outcross.statistics.portraits import Portrait, Reliability
from outcross.verbs.audit.gates import Gate, failing, gate_of
from outcross.verbs.audit.judgement import NOTE, Verdict
from outcross.verbs.audit.losses import Losses, as_pandas
from outcross.verbs.audit.plan import ReadColumn
from outcross.verbs.audit.rankings import onsets, ranking
from outcross.verbs.audit.scored import Cleaned
from outcross.verbs.results import WIDTH, Result, named_figure
from outcross.verbs.share_curve import ShareCurve
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.report.figure import Figure

STRICT = ConfigDict(strict=True, allow_inf_nan=False)
"""JSON is read as it was written: no text for a number, no number that is not finite."""
SCHEMA = 2
"""Of audit.json. 2: checks have `about`, `before`, `after`, `differs`, and `severity` in place of `depth`; `not_looked_at` and `is_human` are there."""
Count = Annotated[int, Field(ge=0, lt=2**63)]


@dataclass(frozen=True)
class Check:
    """A reading, judged."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

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
    n: Count | None
    method: str
    floor: float | None
    """The value that 5 % of real samples of this size reach or exceed, on the side of a loss."""
    real_vs_real: float | None
    """What real data of this size show, in the middle."""
    margin: float | None
    """The tolerance as a value: beyond it the check reports a loss."""
    p: float | None
    """P(real against real is at least as bad), one-sided."""
    about: float
    """The share of human records that it is about, in [0, 1]."""
    severity: float | None
    """The lower confidence bound of the share of records that would have to change to bring the check inside its tolerance, in [0, 1]; 0 where that may be none."""
    before: float | None
    """What human data show in plain units: a median, an association, an area under a curve, a number of categories; None where the value says it."""
    after: float | None
    """What these data show of it."""
    differs: bool
    """Whether a check that is kept differs detectably from what is healthy, inside the tolerance."""
    why: str
    to_change: float | None = None
    """The share of records that would have to change if the value is exact, in [0, 1]; `severity` is its lower bound."""
    explained_by: str = ""
    """Of a region: the column whose own change explains it; "" where none does."""


@dataclass(frozen=True)
class Unseen:
    """What an audit did not look at. A gate fails on it."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns that were not looked at, or by a sketch alone, with the reason; but for those that `--allow-missing` names."""
    measures: tuple[str, ...] = ()
    """Measures for which no time was left."""


@dataclass(frozen=True, eq=False, repr=False)
class Audit(Result):
    """What one set of data has lost.

    `checks` holds every check with its interval, floor, margin and verdict; `lost` names the aspects in which something is lost, the
    most severe loss first; `summary` opens with one sentence that says it.
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
    unseen: Unseen = field(default_factory=Unseen)
    """What was not looked at."""
    is_human: bool = False
    """Whether the set is the human holdout, which is shown beside others as what no loss looks like; no gate looks at it."""
    columns: tuple[ReadColumn, ...] = ()
    """How every column was read, those that are left out too."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Time each aspect took; no promise covers it."""
    key: str = ""
    """The step that made it; empty where no ledger keeps it."""
    scored: Any = None
    """Every record of both sides as it was read (polars): `_side`, `_row`, of synthetic ones `_score` and `_reason` (`statistics.suspects`), of human ones
    `_region` and `_weight` where a region is lost; None where nobody asked for them."""
    needs: str = ""
    """What a generator would have to add, as YAML (`verbs.audit.needs`); empty where nobody asked for it."""
    portraits: Mapping[str, Portrait] = field(default_factory=dict)
    """The shape of each column of numbers or categories on both sides, by the column's name."""
    calibration: tuple[Reliability, ...] = ()
    """How predictions of the target came true, a learner each; none where no target was named."""
    share_curve: ShareCurve | None = None
    """How much of the set to train on; None where nobody asked (`shares`), or where a note says why it cannot be told."""

    @cached_property
    def checks(self):
        """Every check, a row each (polars)."""
        return frame_of(self.every)

    def frame(self) -> Any:
        """Every check, a row each (polars)."""
        return self.checks

    def to_pandas(self) -> Any:
        """Every check, a row each (pandas)."""
        return as_pandas(self.frame())

    @property
    def short(self) -> str:
        """What is lost first, and how many records were looked at."""
        from outcross.verbs.audit.sentences import first_sentence

        counts = ", ".join(f"{rows:,} {side}" for side, rows in self.rows.items())
        return f"Audit {shortened(self.name)}: {counts} records, {amount(len(self.every), 'check')}\n{shortened(first_sentence(self), 300)}"

    def lines(self, width: int = WIDTH) -> list[str]:
        """What a terminal shows."""
        from outcross.verbs.audit.screen import audit_lines

        return audit_lines(self, width)

    def figures(self) -> tuple[Figure, ...]:
        """The figures of the page: the worst checks, the columns in which something is lost, how predictions came true."""
        from outcross.verbs.audit.figures import figures_of

        return tuple(figures_of(self))

    def plot(self, name: str = "") -> Figure:
        """A column on both sides (`age`), or one of `figures()` by its name (`checks`, `quantiles-age`, `regions`); the worst checks if no name is
        given. BadInput names the nearest."""
        from outcross.report.sides import column_figure

        if name in self.portraits:
            return column_figure(name, self.portraits[name])
        return named_figure(
            [*self.figures(), *(column_figure(*named_portrait) for named_portrait in self.portraits.items() if name)],
            name,
            self.short,
        )

    @property
    def lost(self) -> list[str]:
        """Aspects in which something is lost, the most severe loss first."""
        return self._aspects("lost")

    @property
    def invented(self) -> list[str]:
        """Aspects in which there is what human data do not have."""
        return self._aspects("invented")

    def _aspects(self, verdict: Verdict) -> list[str]:
        return list(dict.fromkeys(check.aspect for check in self.of(verdict)))

    def of(self, *verdicts: Verdict) -> list[Check]:
        """The checks of these verdicts, the most severe first; columns that are gone come before all."""
        chosen = (check for check in self.every if check.verdict in verdicts)
        return sorted(chosen, key=lambda check: (check.metric != "column", -(check.severity or 0.0)))

    def worst(self, rows: int = 10) -> Losses:
        """What is lost, the most severe first: `.frame()` and `.to_pandas()` give it as a table, a notebook shows it with pictures."""
        return Losses(self, tuple(self.of("lost")[:rows]))

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
            "schema": SCHEMA,
            "name": self.name,
            "is_human": self.is_human,
            "n": dict(self.rows),
            "kinds": dict(self.kinds),
            "columns": [vars(column) for column in self.columns],
            "checks": [vars(check) for check in self.every],
            "lost": self.lost,
            "invented": self.invented,
            "summary": self.summary,
            "false_discovery_rate": self.rate,
            "not_looked_at": {"columns": dict(self.unseen.columns), "measures": list(self.unseen.measures)},
            "notes": list(self.notes),
            "portraits": {column: vars(portrait) for column, portrait in self.portraits.items()},
            "calibration": [vars(reliability) for reliability in self.calibration],
            **({} if self.share_curve is None else {"share_curve": self.share_curve.plain()}),
        }

    def save(self, folder: Path) -> None:
        """Write what was found, and the records pointed at, as `load` reads them back."""
        stored_audit = {name: value for name, value in self.plain().items() if name not in ("lost", "invented", "summary")}
        (folder / "audit.json").write_text(json.dumps(stored_audit | {"pointed": [*self.pointed]}, allow_nan=False))
        for side, frame in self.pointed.items():
            frame.write_parquet(literal(folder / f"{side}-records.parquet"))
        if self.scored is not None:
            self.scored.write_parquet(literal(folder / "records.parquet"))
        if self.needs:
            (folder / "needs.yaml").write_text(self.needs, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Audit:
        """The audit that was saved in a folder."""
        (stored_audit,) = _read(folder / "audit.json").audits
        pointed = {side: read_parquet(folder / f"{side}-records.parquet") for side in stored_audit.pointed}
        scored = read_parquet(folder / "records.parquet") if names.kind_at(folder / "records.parquet") == "file" else None
        needs = read_text(folder / "needs.yaml") if names.kind_at(folder / "needs.yaml") == "file" else ""
        return replace(stored_audit.audit, pointed=pointed, scored=scored, needs=needs)

    def _repr_html_(self) -> str:
        from outcross.verbs.audit.page import fragment

        return fragment(self)


def frame_of(checks: Sequence[Check]) -> Any:
    """Checks, a row each (polars)."""
    import polars

    return polars.DataFrame([vars(check) for check in checks], schema=_SCHEMA, orient="row")


SIDES = ("reference", "synthetic")
"""Whose records an audit points at."""
READERS: dict[str, Any] = {"float | None": float, "Count | None": int, "bool": bool}
_SCHEMA = {field.name: READERS.get(str(field.type), str) for field in fields(Check)}  # as polars reads Python's types


def _of_a_page(check: Check) -> Check:
    """A check, which has the code of a page; ValueError where it has not."""
    pages = pages_of_aspect(check.aspect) if check.aspect in audit_aspects() else {}
    if check.metric not in pages or pages[check.metric].code != check.code:
        raise ValueError(f"{check.aspect}.{check.metric} has no code {check.code!r:.40}")
    return check


@dataclass(frozen=True, kw_only=True)
class StoredUnseen:
    """What an audit did not look at, as audit.json holds it."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    columns: dict[str, str]
    measures: list[str]


@dataclass(frozen=True, kw_only=True)
class StoredAudit:
    """One audit as audit.json holds it. What is worked out from this (verdicts in words, rankings) is not read."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: str
    is_human: bool
    n: dict[str, Count]
    kinds: dict[str, Kind]
    checks: list[Annotated[Check, AfterValidator(_of_a_page)]]
    notes: list[str]
    not_looked_at: StoredUnseen
    false_discovery_rate: float
    portraits: dict[str, Portrait] = field(default_factory=dict)
    calibration: list[Reliability] = field(default_factory=list)
    pointed: list[str] = field(default_factory=list)
    columns: list[ReadColumn] = field(default_factory=list)
    share_curve: ShareCurve | None = None

    @property
    def audits(self) -> list[StoredAudit]:
        return [self]

    @property
    def are_generations(self) -> bool:
        return False

    @property
    def audit(self) -> Audit:
        """The audit, without the records pointed at."""
        return Audit(
            name=self.name,
            is_human=self.is_human,
            rows=self.n,
            every=tuple(self.checks),
            pointed={},
            kinds=self.kinds,
            notes=tuple(self.notes),
            rate=self.false_discovery_rate,
            unseen=Unseen(self.not_looked_at.columns, tuple(self.not_looked_at.measures)),
            portraits=self.portraits,
            calibration=tuple(self.calibration),
            columns=tuple(self.columns),
            share_curve=self.share_curve,
        )

    def __post_init__(self):
        if not {"synthetic", "reference"} <= self.n.keys():
            raise ValueError("n must say how many records are synthetic and how many are reference")


@dataclass(frozen=True, kw_only=True)
class StoredAudits:
    """Several audits as audit.json holds them."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    audits: Annotated[list[StoredAudit], Field(min_length=1)]
    onsets: list[Any] | None = None

    @property
    def are_generations(self) -> bool:
        return self.onsets is not None


Stored = StoredAudit | StoredAudits


@cache
def _adapter() -> TypeAdapter[Stored]:
    how_many = Discriminator(lambda value: "several" if isinstance(value, dict) and "audits" in value else "one")
    return TypeAdapter(Annotated[Annotated[StoredAudit, Tag("one")] | Annotated[StoredAudits, Tag("several")], how_many])


def _read(path: Path) -> Stored:
    """What an audit.json says. BadInput where it is not whole."""
    try:
        return _adapter().validate_json(read_text(path))
    except ValidationError as error:
        why = explain(error, []).removeprefix("one.").removeprefix("several.")
        raise BadInput(f"{path} is not a whole audit.json ({why[:120]}); audit the data again") from None


@dataclass(frozen=True, eq=False, repr=False)
class Audits(Result):
    """What each of several sets has lost, in the order in which they were given: sets of their own, or the generations of a run, arm by arm."""

    by_arm: Mapping[str, tuple[Audit, ...]]
    """The audits of every arm of a run, by its name; under the empty name those of sets that are no run's."""
    are_generations: bool = False
    """Whether the sets are generations in order, so that each aspect has one in which it was first lost."""
    cleaned: Cleaned | None = None
    """The set without its suspect records, where one was asked for."""

    @cached_property
    def every(self) -> tuple[Audit, ...]:
        return tuple(audit for audits in self.by_arm.values() for audit in audits)

    def __iter__(self) -> Iterator[Audit]:
        return iter(self.every)

    def __len__(self) -> int:
        return len(self.every)

    def __getitem__(self, place: int) -> Audit:
        return self.every[place]

    def are_of_generations(self, arm: str) -> bool:
        """Whether the audits of an arm are of generations; those of a run always are."""
        return self.are_generations or bool(arm)

    def frame(self) -> Any:
        """Every check of every set as a polars frame: arm, set and the columns of `Audit.checks`."""
        import polars

        frames = [
            audit.checks.select(polars.lit(arm).alias("arm"), polars.lit(audit.name).alias("set"), polars.all())
            for arm, audits in self.by_arm.items()
            for audit in audits
        ]
        return polars.concat(frames)

    def to_pandas(self) -> Any:
        """Every check of every set as a pandas frame: arm, set and the columns of `Audit.checks`."""
        return as_pandas(self.frame())

    @property
    def short(self) -> str:
        """What each set lost, in one to three lines."""
        if len(self) == 1:
            return self[0].short
        names = [audit.name for audit in self if not audit.is_human]
        lost = sum(bool(audit.lost) for audit in self if not audit.is_human)
        arms = f" of {len(self.by_arm)} arms" if len(self.by_arm) > 1 else ""
        return f"Audits of {len(names)} sets{arms}: {shortened(', '.join(names), 200)}\n{lost} of {len(names)} have lost something"

    def lines(self, width: int = WIDTH) -> list[str]:
        """What a terminal shows: a screen a set, or a comparison of sets; of a run, arm by arm."""
        from outcross.verbs.audit.screen import audit_lines, comparison_lines

        lines: list[str] = []
        for arm, audits in self.by_arm.items():
            lines += [f"arm {arm}"] if arm else []
            lines += audit_lines(audits[0], width) if len(audits) == 1 else comparison_lines(audits, width)
        return lines

    def figures(self) -> tuple[Figure, ...]:
        """The figures of the page: of one set all of its own, of several what each lost in each aspect and the checks of each."""
        from outcross.verbs.audit.figures import figures_of_several

        return tuple(
            figure
            for arm, audits in self.by_arm.items()
            for figure in figures_of_several(audits, self.are_of_generations(arm), arm)
        )

    def plot(self, name: str = "") -> Figure:
        """One of `figures()` by its name, the first if no name is given; of one set as `Audit.plot`. BadInput names the nearest."""
        return self[0].plot(name) if len(self) == 1 else super().plot(name)

    def plain(self) -> dict[str, Any]:
        """What was found as plain data; of a run, arm by arm."""
        if "" in self.by_arm:
            plain = _plain_of_several(self.by_arm[""], self.are_generations)
            return plain if self.cleaned is None else plain | {"cleaned": self.cleaned.plain()}
        return {"schema": SCHEMA, "arms": [{"arm": arm, **_plain_of_several(audits, True)} for arm, audits in self.by_arm.items()]}

    def report(self, path: str | Path = "audit.html") -> Path:
        """Write the audits as one HTML file that opens offline. Those of a run stand side by side under the names of their arms."""
        from outcross.verbs.audit.page import write_audits

        named = [
            replace(audit, name=f"{arm} {audit.name}") if len(self.by_arm) > 1 else audit
            for arm, audits in self.by_arm.items()
            for audit in audits
        ]
        return write_audits(named, Path(path), len(self.by_arm) == 1 and self.are_of_generations(next(iter(self.by_arm))))

    def write(self, ledger: Ledger) -> None:
        """Write the files of the audits, of a run a folder an arm, in place of a former audit: all of them or none."""
        folders = self.folders()
        files: dict[str, Any] = {}
        for arm, audits in self.by_arm.items():
            opening = f"{folders[arm]}/" if arm else ""
            files |= {opening + name: content for name, content in _files(audits, self.are_of_generations(arm)).items()}
        results.write(ledger, files, [audit.key for audit in self.every])

    def folders(self) -> dict[str, str]:
        """The folder of each arm of a run."""
        return names.file_names(arm for arm in self.by_arm if arm)

    def check_gates(self, gates: Sequence[str]) -> None:
        """GateFailed where something is lost, or invented, in an aspect that was named, from the severity on that was named with it (`tails=5%`); where a column is absent or was
        not looked at; and where no check could answer. BadInput where a gate cannot be read."""
        read = [gate_of(gate) for gate in gates]
        if not read:
            return
        failed: dict[str, list[str]] = {}
        for arm, audits in self.by_arm.items():
            for audit in audits:
                name = " ".join(filter(None, (arm, audit.name)))
                for what, why in _failures(audit, read):
                    failed.setdefault(what, []).append(f"{name} {why}")
        if failed:
            reasons = "; ".join(f"{what}: {', '.join(whys)}" for what, whys in failed.items())
            raise GateFailed(f"{reasons} (--fail-on {','.join(gates)})")

    def _repr_html_(self) -> str:
        return "".join(audit._repr_html_() for audit in self)


def _failures(audit: Audit, gates: Sequence[Gate]) -> Iterator[tuple[str, str]]:
    """Why an audit fails its gates: what is wrong, and where."""
    if audit.is_human:
        return

    def is_asked(aspect: str) -> bool:
        return any(gate.what in ("any", "lost", "invented", aspect) for gate in gates)

    yield from failing(audit, gates)
    absent = [check.column for check in audit.of("lost") if check.metric == "column"]
    if absent:
        yield "columns that are gone", _some(absent)
    if audit.unseen.columns:
        yield "not looked at in full (raise --most-columns, or name them in --allow-missing)", _some([*audit.unseen.columns])
    if measures := [name for name in audit.unseen.measures if is_asked(measure(name).aspect)]:
        yield "left out, as time was over (raise --most-seconds)", _some(measures)
    asked = [check for check in audit.every if is_asked(check.aspect)]
    if not any(check.verdict in ("lost", "invented", "kept") for check in asked):
        untold = [check for check in asked if check.verdict == "cannot_tell"] or asked
        whys = [shortened(check.why, NOTE) for check in untold if check.why]
        yield "no check could answer", f"({max(whys, key=whys.count) if whys else 'nothing was asked of these aspects'})"


def _some(words: Sequence[str], limit: int = 5) -> str:
    """
    >>> _some(["a", "b", "c"], 2)
    'a b and 1 more'
    """
    return " ".join(map(shortened, words[:limit])) + (f" and {len(words) - limit:,} more" if len(words) > limit else "")


def stored(folder: Path) -> Audits | None:
    """The audits that a folder holds, with the records pointed at where their files are there; None where it holds none. BadInput where a file is not whole."""
    path = folder / "audit.json"
    if names.kind_at(path) != "file":
        return None
    read = _read(path)
    audits = _audits_of(read)
    openings = _openings(audits)
    return Audits(
        {"": tuple(replace(audit, pointed=_stored_records(folder, openings[audit.name])) for audit in audits)}, read.are_generations
    )


def _stored_records(folder: Path, opening: str) -> dict[str, Any]:
    """The records of each side that an audit points at, from its folder."""
    from polars.exceptions import PolarsError

    frames = {}
    for side in SIDES:
        path = folder / f"{opening}{side}-records.parquet"
        if names.kind_at(path) == "file":
            try:
                frames[side] = read_parquet(path)
            except PolarsError:
                raise BadInput(f"{path} is not a whole Parquet file; audit the data again") from None
            if not {"_why", "_value"} <= {*frames[side].columns}:
                raise BadInput(f"{path} has no columns _why and _value, which an audit writes; audit the data again")
    return frames


def _openings(audits: Sequence[Audit]) -> dict[str, str]:
    """What the names of the files of each audit begin with: nothing where it is the only one."""
    return {name: f"{word}-" * (len(audits) > 1) for name, word in names.file_names(audit.name for audit in audits).items()}


def read_audits(path: Path) -> list[Audit]:
    """The audits that an audit.json holds. BadInput where it is not whole."""
    return _audits_of(_read(path))


def _audits_of(read: Stored) -> list[Audit]:
    return [stored_audit.audit for stored_audit in read.audits]


def joined(by_folder: Mapping[Path, Audits]) -> Audits:
    """The audits of several folders as one, by the names of their sets; where two are alike, the folder comes before the name."""
    if len(by_folder) == 1:
        return next(iter(by_folder.values()))
    every = [(folder, audit) for folder, audits in by_folder.items() for audit in audits]
    are_alike = len({audit.name for _, audit in every}) < len(every)
    return Audits({"": tuple(replace(audit, name=f"{folder} {audit.name}") if are_alike else audit for folder, audit in every)})


def _plain_of_several(audits: Sequence[Audit], are_generations: bool) -> dict[str, Any]:
    """One audit as it is; several with their ranking, and with the generation that lost each aspect first."""
    if len(audits) == 1:
        return audits[0].plain()
    plain: dict[str, Any] = {
        "schema": SCHEMA,
        "audits": [audit.plain() for audit in audits],
        "ranking": [vars(place) for place in ranking(audits)],
    }
    if are_generations:
        plain["onsets"] = [
            {
                "aspect": onset.aspect,
                "generation": onset.generation,
                "name": onset.name,
                "code": onset.check.code if onset.check else None,
            }
            for onset in onsets(audits)
        ]
    return plain


def _files(audits: Sequence[Audit], are_generations: bool) -> dict[str, Any]:
    """The records pointed at, audit.md, report.html, and last audit.json, by which an audit is known."""
    from outcross.verbs.audit.notices import junit
    from outcross.verbs.audit.page import page
    from outcross.verbs.audit.sentences import markdown

    openings = _openings(audits)
    files: dict[str, Any] = {}
    for audit in audits:
        opening = openings[audit.name]
        files |= {f"{opening}{side}-records.parquet": frame for side, frame in audit.pointed.items()}
        files |= {} if audit.scored is None else {f"{opening}records.parquet": audit.scored}
        files |= {f"{opening}needs.yaml": audit.needs} if audit.needs else {}
    files["audit.md"] = "\n".join(map(markdown, audits))
    files["junit.xml"] = junit(audits)
    files["report.html"] = page(audits, are_generations)
    plain = _plain_of_several(audits, are_generations)
    files["audit.json"] = json.dumps(plain, allow_nan=False, ensure_ascii=False, indent=1) + "\n"
    return files
