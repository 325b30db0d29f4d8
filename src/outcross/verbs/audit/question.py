"""The arguments of an audit."""

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
else:  # the types on the command line
    Data, One, Words, Pairs, File = tuple[str, ...], str | None, str, tuple[str, ...], Path


@Parameter(name="*")
@dataclass(frozen=True)
class AuditQuestion:
    """Compare synthetic data with human data and report what is lost."""

    data: Data = ()
    """Sets to audit: .csv .tsv .parquet .jsonl .ndjson .npz .npy .idx .txt, also .gz and .zst, or a folder of shards. Quote a glob to make its files one set. Or a run folder: each generation of each arm (first seed) is compared with the human data of the run."""
    _: KW_ONLY
    reference: One = None
    """Human data with the same columns."""
    holdout: One = None
    """More human data, which no generator has seen. They show how many copies and near neighbours to expect."""
    before: One = None
    """The data before a filter. Use it with --after, instead of --reference."""
    after: One = None
    """The data that the filter kept. Use it with --before."""
    groups: Words = ""
    """Columns that say to which group a record belongs, for example sex,race."""
    target: str | None = None
    """The column that a model would predict. The aspect `use` needs it."""
    text_column: str | None = None
    """The column that holds text."""
    kinds: Pairs = ()
    """Type of a column: column=number, category, text, vector, series, time, time:dmy, time:mdy, number:comma or number:point. May be repeated."""
    key: Words = ""
    """Columns that identify records (ids, e-mail addresses), for example customer_id,email. They are not compared."""
    ignore: Words = ""
    """Columns that are left out, for example notes,source."""
    entity: str | None = None
    """The column that names the entity of a row in a long table, for example patient_id. All rows of an entity then form one record, a series."""
    time: str | None = None
    """The column by which the rows of an entity are ordered. It needs --entity."""
    plan: bool = False
    """Show how every column is read, without auditing."""
    aspects: Words = ""
    """The aspects to check, for example tails,groups. Default: all."""
    margins: Pairs = ()
    """The tolerance of an aspect or of a check, for example tails=0.9 or groups.share=0.8. May be repeated."""
    thresholds: File | None = None
    """A YAML file with values of these options under the same names (text_column, fail_on …). It cannot give the data, arm, generations, out or workers. An option on the command line takes precedence."""
    fail_on: Words = ""
    """Exit with code 1 if something is lost or invented in the named aspects, for example tails,groups. The words lost, invented and any (both) cover all aspects. A severity sets the smallest share of records that counts, for example any=5%."""
    allow_missing: Words = ""
    """Columns that may be missing or not compared without failing a gate, for example zip,notes."""
    baseline: File | None = None
    """The audit.json of an earlier audit. With --fail-on, the exit code is 1 only for results that are worse than in that audit."""
    github: bool = False
    """Print the losses as annotations of GitHub Actions."""
    write_clean: File | None = None
    """Write the set without its suspect records to this .parquet or .csv file, and report what is lost by dropping them. A record is suspect if fewer than one in a hundred fresh human records are as unusual."""
    shares: str | None = None
    """Shares of synthetic records among the training records to try, as first:last:step (0:0.9:0.1), to find how much synthetic data to train on. It needs --target."""
    generations: bool = False
    """The sets are generations, in order. The audit then reports in which generation each aspect was lost first."""
    arm: str | None = None
    """The only arm of a run folder to audit."""
    rate: float | None = None
    """False-discovery rate. Default: 0.05."""
    seed: int | None = None
    """The seed of the random streams. Default: 0."""
    most_columns: int | None = None
    """How many columns are compared in full; 200 if left out."""
    most_seconds: float | None = None
    """After this many seconds no further aspect is begun; without it all aspects are checked."""
    out: File | None = None
    """A folder for audit.json, report.html, audit.md, junit.xml, the records that checks point out, and the scores of all records."""
    workers: int | None = None
    """Number of sets that are audited at the same time, one thread each. Default: the number of cores (in Python: 1). Each process holds the human data in memory."""

    def settings(self) -> dict[str, Any]:
        """Return the settings of the thresholds file, overridden by those of the question. Raises BadInput, with the word, for one that cannot be read."""
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
"""The fields of the question that a thresholds file may set."""
LISTS = ("groups", "key", "ignore", "aspects", "fail_on", "allow_missing")
"""Settings that are lists of names."""
MOST_BYTES = 1_000_000
"""Maximum size of a thresholds file, in bytes."""


def _is_left_out(value: Any) -> bool:
    return value is None or (isinstance(value, str | Sequence | Mapping) and len(value) == 0)


def _of_file(path: Path) -> dict[str, Any]:
    from outcross.files.plain_yaml import read
    from outcross.files.whole import read_text
    from outcross.recipe import nearest

    settings = read(read_text(path, limit=MOST_BYTES), str(path))
    if not isinstance(settings, dict):
        raise BadInput(f"{path} holds no thresholds; it must be a YAML mapping with keys such as margins and fail_on")
    for key, value in settings.items():
        if key not in SETTINGS:
            raise BadInput(f"{path}: unknown key {key!r}{nearest(key, SETTINGS)}; known: {', '.join(SETTINGS)}")
        if key in ("kinds", "margins") and not isinstance(value, dict):
            raise BadInput(f"{path}: {key} must be a mapping, got {value!r:.80}")
        if key in LISTS:
            settings[key] = words_of(value)
    return settings


def words_of(value: Any) -> tuple[Any, ...]:
    """Return the names in a text such as `a,b` or in a list. Entries of a list that are not text, such as an aspect with settings, are unchanged."""
    if isinstance(value, str):
        return tuple(dict.fromkeys(word.strip() for word in value.split(",") if word.strip()))
    if isinstance(value, list | tuple):
        return tuple(value)
    raise BadInput(f"a list of names must be written as a,b or [a, b], got {value!r:.80}")


def pairs_of(value: Mapping[str, Any] | Sequence[str], flag: str) -> dict[str, Any]:
    """Return pairs written as name=value, or a mapping, as a dict. `flag` is the name of the option in errors."""
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
    """Return a margin that is written as text as a number. Other values are returned unchanged, because `ResolvedQuestion` checks them."""
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadInput(f"--margins {name} must be a number, got {value!r:.80}")
    return number
