"""What an audit is asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

from outcross.errors import BadInput

if TYPE_CHECKING:
    Data = Mapping[str, Any] | Sequence[Any]
    One = Any
    Words = str | Sequence[Any]
    Pairs = Mapping[str, Any] | Sequence[str]
    File = str | Path
else:  # what the command line gives
    Data, One, Words, Pairs, File = tuple[str, ...], str | None, str, tuple[str, ...], Path


@Parameter(name="*")
@dataclass(frozen=True)
class AuditQuestion:
    """Compare synthetic data with human data, and say what is lost."""

    data: Data = ()
    """A run folder, of which each generation of each arm (of the first seed) is compared with the human data of the run; or sets to audit: .csv .tsv .parquet .jsonl .ndjson .npz .npy .idx .txt, also .gz and .zst, or a folder of shards; quote a glob to make its files one set."""
    _: KW_ONLY
    reference: One = None
    """Human data with the same columns."""
    holdout: One = None
    """More human data, which no generator has seen; copies and neighbours are compared with it."""
    before: One = None
    """With --after, in place of --reference: the data before a filter."""
    after: One = None
    """With --before: the data that the filter kept."""
    groups: Words = ""
    """Columns that say which group a record belongs to, as in sex,race."""
    target: str | None = None
    """The column that people would predict, for the aspect `use`."""
    text_column: str | None = None
    """The column that holds text."""
    kinds: Pairs = ()
    """What a column is, as column=number, category, text, vector, series, time, time:dmy, time:mdy, number:comma or number:point; may be given several times."""
    key: Words = ""
    """Columns that name records (ids, e-mail addresses), as in customer_id,email: they are not compared."""
    ignore: Words = ""
    """Columns that are left out, as in notes,source."""
    entity: str | None = None
    """Of a long table, the column that names what a series is of, as in patient_id: each entity is then one record."""
    time: str | None = None
    """With --entity: the column by which the rows of an entity are ordered."""
    plan: bool = False
    """Show how every column is read, and stop."""
    aspects: Words = ""
    """The aspects to check, as in tails,groups; all if left out."""
    margins: Pairs = ()
    """The tolerance of an aspect or of a check, as in tails=0.9 or groups.share=0.8; may be given several times."""
    thresholds: File | None = None
    """A YAML file with values of these options under the same names (text_column, fail_on …). It cannot give the data, arm, generations, out or workers. An option on the command line takes precedence."""
    fail_on: Words = ""
    """Exit with code 1 if something is lost or invented in the named aspects, as in tails,groups; or anywhere: lost, invented, or any for both. With a severity, only from that share of records on, as in any=5%."""
    allow_missing: Words = ""
    """Columns that may be missing, or not compared, without a gate failing, as in zip,notes."""
    baseline: File | None = None
    """A former audit.json; with --fail-on, only what became worse since then makes the exit code 1."""
    github: bool = False
    """Print what is lost as annotations of GitHub Actions."""
    write_clean: File | None = None
    """Write the set into this .parquet or .csv file without its suspect records, and say what that costs. A record is suspect if fewer than one in a hundred fresh human records are as unusual."""
    shares: str | None = None
    """With --target: find out how much synthetic data to train on, by trying these shares of the training records, as first:last:step (0:0.9:0.1)."""
    generations: bool = False
    """The sets are generations, in order; the audit says which of them lost each aspect first."""
    arm: str | None = None
    """With a run folder: audit this arm only."""
    rate: float | None = None
    """False-discovery rate, 0.05 if left out."""
    seed: int | None = None
    """The seed of the random streams; 0 if left out."""
    most_columns: int | None = None
    """How many columns are compared in full; 200 if left out."""
    most_seconds: float | None = None
    """After this many seconds no further aspect is begun; without it all aspects are checked."""
    out: File | None = None
    """A folder for audit.json, report.html, audit.md, junit.xml and the records that are pointed at and scored."""
    workers: int | None = None
    """Sets audited at a time, one thread each; as many as there are cores if left out (in Python: 1). Each of them holds the human data in memory."""

    def settings(self) -> dict[str, Any]:
        """What a file of thresholds may say: that file, and over it what the question says itself. BadInput names the word that cannot be read."""
        from_file = {} if self.thresholds is None else _of_file(Path(self.thresholds))
        said = {name: getattr(self, name) for name in SETTINGS if not _is_left_out(getattr(self, name))}
        said |= {name: words_of(said[name]) for name in LISTS if name in said}
        if "kinds" in said:
            said["kinds"] = pairs_of(said["kinds"], "--kinds")
        if "margins" in said:
            said["margins"] = {name: _number(name, value) for name, value in pairs_of(said["margins"], "--margins").items()}
        for name in ("kinds", "margins"):
            if name in said and name in from_file:
                said[name] = {**from_file[name], **said[name]}
        return from_file | said


SETTINGS = (
    "groups", "target", "text_column", "kinds", "key", "ignore", "entity", "time", "aspects", "margins", "fail_on", "allow_missing", "shares", "rate", "seed", "most_columns", "most_seconds",
)  # fmt: skip
"""The fields of the question that a file of thresholds may say."""
LISTS = ("groups", "key", "ignore", "aspects", "fail_on", "allow_missing")
"""Settings that are several names."""
MOST_BYTES = 1_000_000
"""Bytes of a file of thresholds."""


def _is_left_out(value: Any) -> bool:
    return value is None or (isinstance(value, str | Sequence | Mapping) and len(value) == 0)


def _of_file(path: Path) -> dict[str, Any]:
    from outcross.files.plain_yaml import read
    from outcross.files.whole import read_text
    from outcross.recipe import nearest

    settings = read(read_text(path, limit=MOST_BYTES), str(path))
    if not isinstance(settings, dict):
        raise BadInput(f"{path} holds no thresholds; it must be a YAML mapping with margins, fail_on, …")
    for key, value in settings.items():
        if key not in SETTINGS:
            raise BadInput(f"{path}: {key!r} is not known{nearest(key, SETTINGS)}; known: {', '.join(SETTINGS)}")
        if key in ("kinds", "margins") and not isinstance(value, dict):
            raise BadInput(f"{path}: {key} must be a mapping, got {value!r:.80}")
        if key in LISTS:
            settings[key] = words_of(value)
    return settings


def words_of(value: Any) -> tuple[Any, ...]:
    """Several names, written as `a,b` or as a list; what is no word, as an aspect with settings, stays as it is."""
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    if isinstance(value, list | tuple):
        return tuple(value)
    raise BadInput(f"a list of names must be written as a,b or [a, b], got {value!r:.80}")


def pairs_of(value: Mapping[str, Any] | Sequence[str], flag: str) -> dict[str, Any]:
    """Pairs of names and values, written as name=value; the flag is what errors call them."""
    if isinstance(value, Mapping):
        return dict(value)
    pairs = {}
    for word in (value,) if isinstance(value, str) else value:
        name, equals, level = word.rpartition("=")
        if not equals or not name or not level:
            raise BadInput(f"{flag} must be written as name=value, got {word!r:.80}")
        pairs[name] = level
    return pairs


def _number(name: str, value: Any) -> Any:
    """A margin in words as a number; what is no word is checked where margins are."""
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadInput(f"--margins {name} must be a number, got {value!r:.80}")
    return number
