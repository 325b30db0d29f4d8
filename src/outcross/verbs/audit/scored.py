"""Scores of all records of an audit, and the set without its suspect records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.data.tables import Table
from outcross.errors import BadInput, first_words
from outcross.estimate import NotApplicable
from outcross.files.names import kind_at
from outcross.files.outputs import check_name
from outcross.files.whole import write_whole
from outcross.measures import Evidence
from outcross.statistics.regions import Region
from outcross.statistics.suspects import suspects
from outcross.wording import amount

if TYPE_CHECKING:
    from outcross.verbs.audit.question import AuditQuestion
    from outcross.verbs.audit.result import Audit

SUSPECT = 2.0
"""The score from which a record is suspect: fewer than one in a hundred fresh human records are as unusual."""
OWN = ("_side", "_row", "_score", "_reason", "_region", "_missing")
STREAM = 0x5C0
"""The random stream of the scores."""


def scored_records(evidence: Evidence, regions: Sequence[Region], seed: int) -> tuple[Any, list[str]]:
    """Return every record of both sides as it was read, and notes about the rules by which records could not be scored.

    A synthetic record has a score and a reason. A human record has the rule of the emptiest region that contains it, and the share of records that
    are missing in that region (0 outside of all regions). The records are those in memory, a uniform sample of a larger set.
    """
    drawn, human = evidence.drawn, evidence.reference
    try:
        suspected = suspects(drawn, human, evidence.sides().get("holdout"), np.random.default_rng([STREAM, seed]))
    except NotApplicable as why:
        scored, notes = _with(drawn, "synthetic"), [f"no record is scored: {why}"]
    else:
        reasons = [reason or None for reason in suspected.reasons]
        scored = _with(drawn, "synthetic", scores=suspected.scores, reasons=reasons)
        notes = [f"records could not be scored by one of the rules, {note}" for note in suspected.notes]
    rules, missing = _emptiest(regions, human.frame.height)
    return _together([scored, _with(human, "reference", rules=rules, missing=missing)]), notes


def _emptiest(regions: Sequence[Region], humans: int) -> tuple[list[str | None], np.ndarray]:
    """Return for each human record the rule of the emptiest region that contains it, and the share of records that are missing there."""
    rules: list[str | None] = [None] * humans
    missing = np.zeros(humans)
    for region in regions:
        gap = max(0.0, 1 - region.ratio.value)
        for row in np.flatnonzero(region.inside[:humans] & (missing < gap)).tolist():
            rules[row], missing[row] = region.rule, gap
    return rules, missing


def _with(
    side: Table,
    name: str,
    scores: np.ndarray | None = None,
    reasons: list[str | None] | None = None,
    rules: list[str | None] | None = None,
    missing: np.ndarray | None = None,
) -> Any:
    """Return the records of a side in the order in which they were read, with the columns of their scores."""
    import polars as pl

    nothing = [None] * len(side.places)
    own = [
        pl.lit(name).alias("_side"),
        pl.Series("_row", side.places),
        pl.Series("_score", nothing if scores is None else scores, dtype=pl.Float64),
        pl.Series("_reason", reasons or nothing, dtype=pl.String),
        pl.Series("_region", rules or nothing, dtype=pl.String),
        pl.Series("_missing", nothing if missing is None else missing, dtype=pl.Float64),
    ]
    return side.records.with_columns(own).sort("_row")


def _together(sides: list[Any]) -> Any:
    """Return both sides in one frame. A column that has incompatible types on the two sides becomes text."""
    import polars as pl

    first, second = sides
    for column in set(first.columns) & set(second.columns):
        if first[column].dtype != second[column].dtype:
            try:
                pl.concat([first.select(column).clear(), second.select(column).clear()], how="vertical_relaxed")
            except pl.exceptions.PolarsError:
                first, second = (side.with_columns(pl.col(column).cast(pl.String, strict=False)) for side in (first, second))
    frame = pl.concat([first, second], how="diagonal_relaxed")
    return frame.select(*OWN, pl.exclude(OWN))


@dataclass(frozen=True)
class Cleaned:
    """A set without its suspect records, and the checks that are lost by dropping them."""

    path: Path
    records: int
    dropped: int
    reasons: dict[str, int]
    """Number of dropped records by their first reason."""
    lost: list[str]
    """Checks that are lost only after dropping the records, in words."""

    def plain(self) -> dict[str, Any]:
        return vars(self) | {"path": str(self.path)}

    def lines(self) -> list[str]:
        """Return the line for a terminal."""
        why = ", ".join(f"{count:,} ({reason})" for reason, count in self.reasons.items())
        cost = f"Lost only after dropping them: {'; '.join(self.lost)}." if self.lost else "No further check is lost."
        return [
            f"clean: {self.path} holds {self.records - self.dropped:,} of {self.records:,} records; dropped: {why or 'none'}. {cost}"
        ]


def clean_frame(audit: Audit) -> tuple[Any, dict[str, int]]:
    """Return the synthetic records that are not suspect, as they were read, and the numbers of suspect records by their first reason.

    Raises BadInput if some records could not be scored, or if only a sample of them was read.
    """
    import polars as pl

    if audit.scored is None or audit.scored.filter(_side="synthetic")["_score"].null_count():
        raise BadInput("--write-clean needs scored records, but these could not be scored; the notes of the audit give the reason")
    synthetic = audit.scored.filter(_side="synthetic")
    if synthetic.height < audit.rows["synthetic"]:
        raise BadInput(
            f"--write-clean can read {amount(synthetic.height, 'record')}, but {audit.name} has {audit.rows['synthetic']:,}; split it into parts"
        )
    suspect = synthetic.filter(pl.col("_score") >= SUSPECT)
    reasons = suspect["_reason"].str.split(":").list.first().value_counts(sort=True)
    kept = synthetic.filter(pl.col("_score") < SUSPECT).select(pl.exclude(OWN))
    return kept, dict(reasons.iter_rows())


def check_clean(question: AuditQuestion) -> None:
    """Raise BadInput if the name of the clean file does not end with .parquet or .csv, or if the file exists."""
    if question.write_clean is None:
        return
    path = Path(question.write_clean)
    if path.suffix not in (".parquet", ".csv"):
        raise BadInput(f"--write-clean {path} must end with .parquet or .csv")
    if kind_at(path):
        raise BadInput(f"--write-clean {path} exists; name a new file")
    check_name(path)


def write_clean(path: Path, frame: Any) -> None:
    """Write the clean set completely or not at all."""
    import polars as pl

    content = BytesIO()
    try:
        (frame.write_parquet if path.suffix == ".parquet" else frame.write_csv)(content)
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"--write-clean {path}: {first_words(error)}; write a .parquet file, which can also hold lists") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content.getvalue())


__all__ = ["SUSPECT", "Cleaned", "check_clean", "clean_frame", "scored_records", "write_clean"]
