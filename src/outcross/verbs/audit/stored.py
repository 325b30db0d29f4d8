"""Audits as stored in a folder: audit.json, which is read strictly, and the records that checks point out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError

from outcross.data.tables import Kind
from outcross.errors import BadInput
from outcross.files import names
from outcross.files.names import read_parquet
from outcross.files.whole import read_text
from outcross.measures import audit_aspects, pages_of_aspect
from outcross.recipe import explain
from outcross.statistics.portraits import Portrait, Reliability
from outcross.verbs.audit.check import STRICT, Check, Count, Unseen
from outcross.verbs.audit.plan import ReadColumn
from outcross.verbs.audit.result import SIDES, Audit, Audits, openings_of
from outcross.verbs.share_curve import ShareCurve


def _of_a_page(check: Check) -> Check:
    """Return the check if it has the code of its page. Raises ValueError otherwise."""
    pages = pages_of_aspect(check.aspect) if check.aspect in audit_aspects() else {}
    if check.metric not in pages or pages[check.metric].code != check.code:
        raise ValueError(f"{check.aspect}.{check.metric} does not have the code {check.code!r:.40}")
    return check


@dataclass(frozen=True, kw_only=True)
class StoredUnseen:
    """Columns and measures that were not examined in full, as stored in audit.json."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    columns: dict[str, str]
    measures: list[str]


@dataclass(frozen=True, kw_only=True)
class StoredAudit:
    """One audit as stored in audit.json. Derived values (verdicts in words, rankings) are not read back."""

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
        """The audit, without the records that its checks point out."""
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
            raise ValueError("n must hold the numbers of records named synthetic and reference")


@dataclass(frozen=True, kw_only=True)
class StoredAudits:
    """Several audits as stored in audit.json."""

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


def read_stored(path: Path) -> Stored:
    """Read an audit.json. Raises BadInput if it is incomplete or invalid."""
    try:
        return _adapter().validate_json(read_text(path))
    except ValidationError as error:
        why = explain(error, []).removeprefix("one.").removeprefix("several.")
        raise BadInput(f"{path} is not a valid audit.json ({why[:120]}); audit the data again") from None


def stored(folder: Path) -> Audits | None:
    """Return the audits in a folder, with the records that they point out if their files exist.

    None if there are none. Raises BadInput if a file is invalid.
    """
    path = folder / "audit.json"
    if names.kind_at(path) != "file":
        return None
    read = read_stored(path)
    audits = _audits_of(read)
    openings = openings_of(audits)
    return Audits(
        {"": tuple(replace(audit, pointed=_stored_records(folder, openings[audit.name])) for audit in audits)}, read.are_generations
    )


def _stored_records(folder: Path, opening: str) -> dict[str, Any]:
    """Read the records that an audit points out, by side, from its folder."""
    from polars.exceptions import PolarsError

    frames = {}
    for side in SIDES:
        path = folder / f"{opening}{side}-records.parquet"
        if names.kind_at(path) == "file":
            try:
                frames[side] = read_parquet(path)
            except PolarsError:
                raise BadInput(f"{path} is not a valid Parquet file; audit the data again") from None
            if not {"_why", "_value"} <= {*frames[side].columns}:
                raise BadInput(f"{path} lacks the columns _why and _value of an audit; audit the data again")
    return frames


def read_audits(path: Path) -> list[Audit]:
    """Return the audits in an audit.json. Raises BadInput if it is invalid."""
    return _audits_of(read_stored(path))


def _audits_of(read: Stored) -> list[Audit]:
    return [stored_audit.audit for stored_audit in read.audits]


def joined(by_folder: Mapping[Path, Audits]) -> Audits:
    """Return the audits of several folders as one result. If two sets have the same name, the folder is put before the names."""
    if len(by_folder) == 1:
        return next(iter(by_folder.values()))
    every = [(folder, audit) for folder, audits in by_folder.items() for audit in audits]
    are_alike = len({audit.name for _, audit in every}) < len(every)
    return Audits({"": tuple(replace(audit, name=f"{folder} {audit.name}") if are_alike else audit for folder, audit in every)})
