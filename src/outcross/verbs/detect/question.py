"""The question of a detection: the data, the samples of known authors and the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    Data = Any
    Pairs = Mapping[str, Any] | Sequence[str]
    Sample = Any
    Words = str | Sequence[str]
    Means = str | Mapping[str, Any] | Callable[[Sequence[str]], Any] | Any
    Folder = str | Path
    Imports = Sequence[str | Path]
else:  # what the command line gives
    Data, Sample, Words, Pairs, Means, Folder, Imports = (
        tuple[str, ...],
        str | None,
        str,
        tuple[str, ...],
        str,
        Path,
        tuple[str, ...],
    )


@Parameter(name="*")
@dataclass(frozen=True)
class DetectQuestion:
    """How much of this did a model write, which texts, and what weight should they get?"""

    data: Data = ()
    """Texts of unknown authors: .csv .tsv .parquet .jsonl .ndjson .txt, also .gz and .zst, or a folder of shards; quote a glob. Data without a column of text are judged as records: tables, series (lists of numbers, or --entity), arrays (.npy .npz .idx) and a folder of pictures."""
    _: KW_ONLY
    human: Sample = None
    """Texts that people wrote, of the same kind as the data. The detector `declared` does not need it, and with the key of a watermark it is optional."""
    ai: Sample = None
    """Texts that a model wrote, of the same kind. Without it only a lower limit of the share is given."""
    edited: Sample = None
    """Human texts that a model edited; with --ai the share then has three parts."""
    detector: Means = "classifier"
    """The detector, by its name in `outcross list detectors`. Records are judged by two_sample."""
    text_column: str | None = None
    """The column of text in the data and in the samples; it may be left out if there is only one. A sample without this column uses its own column of text."""
    group: str | None = None
    """The column with the document or the author of each text. Texts with the same value are not independent: they are never split between fit and calibration, and they count as one text in an interval."""
    kinds: Pairs = ()
    """For tables: the kind of a column, as in audit: column=number, category, vector, series, time …; may be given several times."""
    ignore: Words = ""
    """For tables: columns that no detector reads, for example notes,source."""
    entity: str | None = None
    """For a long table: the column that names the entity of each row, for example patient_id; each entity is then one record."""
    time: str | None = None
    """With --entity: the column by which the rows of an entity are ordered."""
    by: Words = ""
    """Columns for whose values the share and the false-positive rate are also given, for example language,source,year."""
    fpr: float = 0.01
    """The false-positive rate: the share of human texts that may be flagged."""
    weight: Literal["importance", "odds"] = "importance"
    """How _weight is computed from the probability q that a model wrote the text: (1 − q) to the power of --power, or the odds (1 − q)/q."""
    power: float = 10.0
    """With --weight importance: the exponent."""
    most_weight: float = 100.0
    """With --weight odds: the maximum weight."""
    add_columns: bool = False
    """With --out: records.parquet also has the columns of the data, before _p_ai and _weight."""
    seed: int = 0
    """The seed of the random streams, which assign calibration texts to folds."""
    out: Folder | None = None
    """A folder for detection.json, report.html and records.parquet."""
    workers: int | None = None
    """Number of files of the data that are judged at a time, each in a separate process; 1 if left out. It does not change the bytes of the result."""
    ray: str | None = None
    """Address of the Ray cluster that judges the files, or "local" to start one here. Its machines must share the files."""
    imports: Annotated[Imports, Parameter(name="--import")] = ()
    """A Python file or an installed module that defines your own detector; may be repeated. No other option imports code."""
