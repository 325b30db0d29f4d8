"""The result of an audit: the checks of one set, and the audits of several sets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcross.data.tables import Kind
from outcross.errors import GateFailed
from outcross.escapes import shortened
from outcross.files import names
from outcross.files.names import literal, read_parquet
from outcross.files.whole import read_text
from outcross.ledger import Ledger, results
from outcross.statistics.portraits import Portrait, Reliability
from outcross.verbs.audit.check import Check, Unseen, frame_of
from outcross.verbs.audit.gates import failures, gate_of
from outcross.verbs.audit.judgement import Verdict
from outcross.verbs.audit.losses import Losses, as_pandas
from outcross.verbs.audit.plan import ReadColumn
from outcross.verbs.audit.rankings import onsets, ranking
from outcross.verbs.audit.scored import Cleaned
from outcross.verbs.results import WIDTH, Result, named_figure
from outcross.verbs.share_curve import ShareCurve
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.report.figure import Figure

SIDES = ("reference", "synthetic")
"""The sides of which an audit points out records."""
SCHEMA = 2
"""Schema number of audit.json. In schema 2, checks have `about`, `before`, `after`, `differs` and `severity` instead of `depth`, and `not_looked_at`
and `is_human` were added."""


@dataclass(frozen=True, eq=False, repr=False)
class Audit(Result):
    """The audit of one set: what it has lost, compared with human data.

    `checks` holds every check with its interval, floor, margin and verdict. `lost` names the aspects in which something is lost, the
    most severe loss first. The first sentence of `summary` names the most severe losses.
    """

    name: str
    rows: Mapping[str, int]
    """Number of records of each side: synthetic, reference and, if there is one, holdout."""
    every: tuple[Check, ...]
    pointed: Mapping[str, Any]
    """The records that checks point out, as a frame for each side: the record, the reason (`_why`), the value by which they are sorted (`_value`),
    and the row."""
    kinds: Mapping[str, Kind]
    notes: tuple[str, ...]
    rate: float
    """False-discovery rate."""
    unseen: Unseen = field(default_factory=Unseen)
    """Columns and measures that were not examined in full."""
    is_human: bool = False
    """Whether the set is the human holdout. It is shown beside the other sets as an example without loss, and gates ignore it."""
    columns: tuple[ReadColumn, ...] = ()
    """How every column was read, including the columns that are left out."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Duration of each aspect in seconds. It varies between identical audits."""
    key: str = ""
    """Key of the step that made the audit. Empty if no ledger keeps it."""
    scored: Any = None
    """Every record of both sides as it was read (polars), with `_side` and `_row`. Synthetic records have `_score` and `_reason` (`statistics.suspects`).
    Human records have `_region` and `_missing`, if they lie in a region that is thinned out. None if scores were not requested."""
    needs: str = ""
    """What a generator would have to add, as YAML (`verbs.audit.needs`). Empty if it was not requested."""
    portraits: Mapping[str, Portrait] = field(default_factory=dict)
    """The distribution of each column of numbers or categories on both sides, by the name of the column."""
    calibration: tuple[Reliability, ...] = ()
    """Calibration of the predictions of the target, one entry per learner. Empty without a target."""
    share_curve: ShareCurve | None = None
    """How much of the set to train on. None if `shares` was not given, or if there is no answer; then a note gives the reason."""

    @cached_property
    def checks(self):
        """Every check, as a polars frame with one row per check."""
        return frame_of(self.every)

    def frame(self) -> Any:
        """Return every check, as a polars frame with one row per check."""
        return self.checks

    def to_pandas(self) -> Any:
        """Return every check, as a pandas frame with one row per check."""
        return as_pandas(self.frame())

    @property
    def short(self) -> str:
        """Two lines: the numbers of records and checks, and the most severe losses."""
        from outcross.verbs.audit.sentences import first_sentence

        counts = ", ".join(f"{rows:,} {side}" for side, rows in self.rows.items())
        return f"Audit {shortened(self.name)}: {counts} records, {amount(len(self.every), 'check')}\n{shortened(first_sentence(self), 300)}"

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return the lines for a terminal."""
        from outcross.verbs.audit.screen import audit_lines

        return audit_lines(self, width)

    def figures(self) -> tuple[Figure, ...]:
        """Return the figures of the page: the worst checks, the columns in which something is lost, and the calibration of predictions."""
        from outcross.verbs.audit.figures import figures_of

        return tuple(figures_of(self))

    def plot(self, name: str = "") -> Figure:
        """Return the figure of a column on both sides (`age`), or one of `figures()` by its name (`checks`, `quantiles-age`, `regions`).

        Without a name, it is the figure of the worst checks. Raises BadInput, with the nearest known name, for an unknown name.
        """
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
        """Aspects in which the data have something that human data do not have, the most severe first."""
        return self._aspects("invented")

    def _aspects(self, verdict: Verdict) -> list[str]:
        return list(dict.fromkeys(check.aspect for check in self.of(verdict)))

    def of(self, *verdicts: Verdict) -> list[Check]:
        """Return the checks with these verdicts, the most severe first. Checks of missing columns come before all others."""
        chosen = (check for check in self.every if check.verdict in verdicts)
        return sorted(chosen, key=lambda check: (check.metric != "column", -(check.severity or 0.0)))

    def worst(self, rows: int = 10) -> Losses:
        """Return the most severe losses, at most `rows` of them.

        `.frame()` and `.to_pandas()` return them as a table; a notebook shows them with pictures.
        """
        return Losses(self, tuple(self.of("lost")[:rows]))

    @property
    def summary(self) -> str:
        """A sentence with the most severe losses, followed by what is invented and how many checks cannot tell."""
        from outcross.verbs.audit.sentences import summary

        return summary(self)

    def report(self, path: str | Path = "audit.html") -> Path:
        """Write the audit as one HTML file that opens offline."""
        from outcross.verbs.audit.page import write_audits

        return write_audits([self], Path(path))

    def markdown(self) -> str:
        """Return the audit as a Markdown comment for a pull request."""
        from outcross.verbs.audit.sentences import markdown

        return markdown(self)

    def plain(self) -> dict[str, Any]:
        """Return the audit as plain data, as in audit.json."""
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
        """Write the audit and its records to a folder, in the form that `load` reads."""
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
        """Return the audit that was saved in a folder."""
        from outcross.verbs.audit.stored import read_stored

        (stored_audit,) = read_stored(folder / "audit.json").audits
        pointed = {side: read_parquet(folder / f"{side}-records.parquet") for side in stored_audit.pointed}
        scored = read_parquet(folder / "records.parquet") if names.kind_at(folder / "records.parquet") == "file" else None
        needs = read_text(folder / "needs.yaml") if names.kind_at(folder / "needs.yaml") == "file" else ""
        return replace(stored_audit.audit, pointed=pointed, scored=scored, needs=needs)

    def _repr_html_(self) -> str:
        from outcross.verbs.audit.page import fragment

        return fragment(self)


@dataclass(frozen=True, eq=False, repr=False)
class Audits(Result):
    """The audits of several sets in the order in which they were given, or of the generations of a run, arm by arm."""

    by_arm: Mapping[str, tuple[Audit, ...]]
    """The audits of every arm of a run, by the name of the arm. The audits of sets that are not from a run have the empty name."""
    are_generations: bool = False
    """Whether the sets are generations, in order. Then each aspect has a generation in which it was first lost."""
    cleaned: Cleaned | None = None
    """The set without its suspect records, if it was requested."""

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
        """Whether the audits of an arm are audits of generations. Those of a run always are."""
        return self.are_generations or bool(arm)

    def frame(self) -> Any:
        """Return every check of every set as a polars frame: arm, set and the columns of `Audit.checks`."""
        import polars

        frames = [
            audit.checks.select(polars.lit(arm).alias("arm"), polars.lit(audit.name).alias("set"), polars.all())
            for arm, audits in self.by_arm.items()
            for audit in audits
        ]
        return polars.concat(frames)

    def to_pandas(self) -> Any:
        """Return every check of every set as a pandas frame: arm, set and the columns of `Audit.checks`."""
        return as_pandas(self.frame())

    @property
    def short(self) -> str:
        """Two lines: the sets, and how many of them have lost something. For one set, the lines of its audit."""
        if len(self) == 1:
            return self[0].short
        names = [audit.name for audit in self if not audit.is_human]
        lost = sum(bool(audit.lost) for audit in self if not audit.is_human)
        arms = f" of {len(self.by_arm)} arms" if len(self.by_arm) > 1 else ""
        return f"Audits of {len(names)} sets{arms}: {shortened(', '.join(names), 200)}\n{lost} of {len(names)} have lost something"

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return the lines for a terminal: one audit, or a comparison of several sets. For a run, arm by arm."""
        from outcross.verbs.audit.screen import audit_lines, comparison_lines

        lines: list[str] = []
        for arm, audits in self.by_arm.items():
            lines += [f"arm {arm}"] if arm else []
            lines += audit_lines(audits[0], width) if len(audits) == 1 else comparison_lines(audits, width)
        return lines

    def figures(self) -> tuple[Figure, ...]:
        """Return the figures of the page. For several sets, they are the losses of each set in each aspect, and the checks of each set."""
        from outcross.verbs.audit.figures import figures_of_several

        return tuple(
            figure
            for arm, audits in self.by_arm.items()
            for figure in figures_of_several(audits, self.are_of_generations(arm), arm)
        )

    def plot(self, name: str = "") -> Figure:
        """Return one of `figures()` by its name, or the first without a name.

        For one set, it is `Audit.plot`. Raises BadInput, with the nearest name, for an unknown one.
        """
        return self[0].plot(name) if len(self) == 1 else super().plot(name)

    def plain(self) -> dict[str, Any]:
        """Return the audits as plain data. For a run, arm by arm."""
        if "" in self.by_arm:
            plain = _plain_of_several(self.by_arm[""], self.are_generations)
            return plain if self.cleaned is None else plain | {"cleaned": self.cleaned.plain()}
        return {"schema": SCHEMA, "arms": [{"arm": arm, **_plain_of_several(audits, True)} for arm, audits in self.by_arm.items()]}

    def report(self, path: str | Path = "audit.html") -> Path:
        """Write the audits as one HTML file that opens offline. The sets of a run with several arms are named by arm and generation."""
        from outcross.verbs.audit.page import write_audits

        named = [
            replace(audit, name=f"{arm} {audit.name}") if len(self.by_arm) > 1 else audit
            for arm, audits in self.by_arm.items()
            for audit in audits
        ]
        return write_audits(named, Path(path), len(self.by_arm) == 1 and self.are_of_generations(next(iter(self.by_arm))))

    def write(self, ledger: Ledger) -> None:
        """Write all files of the audits, or none if that fails. They replace those of an earlier audit. A run has one folder per arm."""
        folders = self.folders()
        files: dict[str, Any] = {}
        for arm, audits in self.by_arm.items():
            opening = f"{folders[arm]}/" if arm else ""
            files |= {opening + name: content for name, content in _files(audits, self.are_of_generations(arm)).items()}
        results.write(ledger, files, [audit.key for audit in self.every])

    def folders(self) -> dict[str, str]:
        """Return the name of the folder of each arm of a run."""
        return names.file_names(arm for arm in self.by_arm if arm)

    def check_gates(self, gates: Sequence[str]) -> None:
        """Raise GateFailed if the sets fail a gate.

        A gate fails if something is lost or invented in its aspect with at least its severity (`tails=5%`), if a column is missing, if a column or
        a measure was not examined in full, or if no check gave an answer. Raises BadInput if a gate cannot be read.
        """
        read = [gate_of(gate) for gate in gates]
        if not read:
            return
        failed: dict[tuple[str, str], list[str]] = {}
        for arm, audits in self.by_arm.items():
            for audit in audits:
                name = " ".join(filter(None, (arm, audit.name)))
                for what, why in failures(audit, read):
                    failed.setdefault((what, name), []).append(why)
        if failed:
            reasons = "; ".join(f"{what} in {name}: {', '.join(whys)}" for (what, name), whys in failed.items())
            raise GateFailed(f"{reasons} (--fail-on {','.join(gates)})")

    def _repr_html_(self) -> str:
        return "".join(audit._repr_html_() for audit in self)


def openings_of(audits: Sequence[Audit]) -> dict[str, str]:
    """Return the beginning of the file names of each audit. It is empty if there is only one audit."""
    return {name: f"{word}-" * (len(audits) > 1) for name, word in names.file_names(audit.name for audit in audits).items()}


def _plain_of_several(audits: Sequence[Audit], are_generations: bool) -> dict[str, Any]:
    """Return one audit as plain data, or several with their ranking and, for generations, the generation in which each aspect was lost first."""
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
    """Return the content of each file of the audits by its name. audit.json is last, because a folder with it counts as an audit."""
    from outcross.verbs.audit.notices import junit
    from outcross.verbs.audit.page import page
    from outcross.verbs.audit.sentences import markdown

    openings = openings_of(audits)
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
