"""The lines of a ledger: their content, and the check of their digest.

A line ends with the digest of everything before it (`whole`), so that every change is noticed. Its `type` names one of the classes below, whose
fields define the content. A line that does not match its digest is damaged and counts as absent. So does an entry that does not match its type. The
ledger knows no verbs: the line of a step holds everything that the ledger needs to know about its verb.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter

from outcross.errors import BadInput
from outcross.estimate import NotApplicable, Reading
from outcross.ledger.digests import canonical, digest_of

FORMAT = 4
"""Format number of run folders and ledgers. It is increased when the meaning of a verb or the fields of a line change. Folders of another format are
refused, so that older content is never misread."""
IDENTITY = ("format", "verb", "recipe", "inputs", "stream", "source", "libraries")
"""The fields of a step whose digest is its key."""
WHOLE = ',"whole":"'
"""The text before the digest at the end of a line. In sorted order, no key of an entry comes after `whole`."""
SEAL = len(WHOLE) + 64 + len('"}\n')
"""Number of bytes of the digest at the end of a line."""


def _within(name: str) -> str:
    """Return the name of a file within a folder. Raises ValueError if it points outside of the folder."""
    if not name or "\0" in name or name.startswith("/") or {"", ".", ".."} & set(name.split("/")):
        raise ValueError("a file must lie within its folder")
    return name


Name = Annotated[str, AfterValidator(_within)]
Files = dict[Name, str]
"""The SHA-256 digests of files, by their path in a folder."""
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True)
class StepEntry:
    """A finished step."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    format: Literal[4]
    verb: str
    recipe: Any
    inputs: list[Any]
    """The digest of each input. For a mapping of inputs, a mapping of digests."""
    stream: tuple[int, int, str, str]
    """Seed, generation, verb and part: the names of its random stream."""
    source: str
    libraries: dict[str, str]
    key: str
    """The digest of the fields above."""
    type: Literal["step"] = "step"
    place: int
    """Position of its verb in the order of verbs."""
    reads: list[str]
    """Digests of the outputs of earlier steps and of the user's data that its inputs contain, completely or in part."""
    given: dict[str, str]
    """The digests of all data that it reads and that no step made, by the names that the user gave."""
    acts: bool
    """Whether the output contains code, so that the digest of the output also covers its source and libraries."""
    files: Files
    readings: list[Reading] | None = None
    size: int
    output: str
    """The digest of its output."""

    def __post_init__(self):
        fields_given = vars(self)
        if self.key != key_of(fields_given) or self.output != output_of(fields_given):
            raise ValueError("the key or the output of a step is not the digest of its content")

    @property
    def seed(self) -> int:
        return self.stream[0]

    @property
    def generation(self) -> int:
        return self.stream[1]

    @property
    def part(self) -> str:
        return self.stream[3]

    @property
    def name(self) -> tuple[Any, ...]:
        """The name of the entry. A later entry with the same name replaces it."""
        return "step", self.key

    @property
    def order(self) -> tuple[Any, ...]:
        """Position in the canonical order."""
        return 1, self.seed, self.generation, 0, self.place, self.part, self.key


@dataclass(frozen=True, kw_only=True)
class RunEntry:
    """The first line of a run folder: its experiment, data and environment."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    type: Literal["run"] = "run"
    format: Literal[4] = 4
    experiment: dict[str, Any]
    """The experiment as plain data with every default."""
    human: dict[str, str]
    """The digest of each arm's human data, by the arm's name."""
    environment: dict[str, Any]
    own: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Facts about every user-defined part, by its name in the experiment: the SHA-256 of its source, and its description for pages."""
    lines: int | None
    """Number of other lines in the ledger of the finished run. None while it is unfinished."""

    @property
    def name(self) -> tuple[Any, ...]:
        return (self.type,)

    @property
    def order(self) -> tuple[Any, ...]:
        return (0,)


@dataclass(frozen=True, kw_only=True)
class GenerationEntry:
    """A finished generation of one arm."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    type: Literal["generation"] = "generation"
    format: Literal[4] = 4
    arm: str
    seed: int
    generation: Annotated[int, Field(ge=0)]
    steps: dict[str, str]
    """The keys of its steps, by their readable name in the run folder."""
    measured: list[str]
    """The keys of the steps that hold its readings."""
    samples: list[tuple[Annotated[int, Field(ge=0, lt=2**31)], str, str]]
    """Samples as (prompt number, prompt, text)."""
    pictures: list[
        tuple[Literal["human", "model"], Annotated[int, Field(ge=1, le=4096)], Annotated[int, Field(ge=1, le=4096)], str]
    ] = field(default_factory=list)
    """Pictures as (author, height, width, pixels). The grey pixels of all pictures are concatenated, one byte each, in base64."""

    @property
    def name(self) -> tuple[Any, ...]:
        return self.type, self.arm, self.seed, self.generation

    @property
    def order(self) -> tuple[Any, ...]:
        """Position in the canonical order, after the steps of the generation."""
        return 1, self.seed, self.generation, 1, 0, self.arm, ""


@dataclass(frozen=True, kw_only=True)
class ResultEntry:
    """The first line of the folder of a result: its files, and the steps from which they are made."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    type: Literal["result"] = "result"
    format: Literal[4] = 4
    kind: str
    """Name of the command."""
    steps: list[str]
    """The keys of the steps from which the result is made, in the order in which it shows them."""
    files: list[tuple[Name, str]]
    """Every file with its SHA-256, in the order of writing. Empty if the result is not written yet."""

    @property
    def name(self) -> tuple[Any, ...]:
        return (self.type,)

    @property
    def order(self) -> tuple[Any, ...]:
        return (0,)


Entry = StepEntry | RunEntry | GenerationEntry | ResultEntry
_ADAPTER: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="type")])


def sealed(fields: Mapping[str, Any]) -> bytes:
    """Return the line of these fields: canonical JSON with its own SHA-256 as the last value, and a newline."""
    content = canonical(fields)
    return f'{content[:-1]}{WHOLE}{hashlib.sha256(content.encode()).hexdigest()}"}}\n'.encode()


def line_of(entry: Entry) -> bytes:
    """Return the line of an entry. Absent readings, pictures and user-defined parts are left out."""
    fields_given = vars(entry)
    absent = {name for name, empty in (("readings", None), ("pictures", []), ("own", {})) if fields_given.get(name, ()) == empty}
    return sealed({name: value for name, value in fields_given.items() if name not in absent})


def entry_of(line: bytes) -> Entry | None:
    """Return the entry of a line. None if the line is damaged or forged, that is, if it does not match its digest or is not an entry."""
    if not _is_whole(line):
        return None
    try:
        return _ADAPTER.validate_json(line[:-SEAL] + b"}")
    except (ValueError, TypeError, BadInput, NotApplicable, RecursionError):
        return None


def other_format(line: bytes) -> int | None:
    """Return the format of an intact line that was written in another format. None for every other line.

    Lines of format 1 had no digest of their own. They count as intact if their key matches their identity.
    """
    try:
        entry = json.loads(line)
        number = entry["format"]
        if type(number) is not int or number == FORMAT:
            return None
        is_whole = (
            _is_whole(line)
            if "whole" in entry
            else entry["key"] == digest_of({name: entry[name] for name in IDENTITY if name != "libraries"})
        )
        return number if is_whole else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def is_cut_off(tail: bytes) -> bool:
    """Whether bytes without a newline may be the beginning of a line of a killed process. A complete entry followed by more bytes is damage."""
    try:
        json.loads(tail.decode("latin-1"))
        return True
    except RecursionError:
        return False
    except ValueError as error:
        return not str(error).startswith("Extra data")


def _is_whole(line: bytes) -> bool:
    """Whether a line ends with the digest of its content."""
    content, seal = line[:-SEAL], line[-SEAL:]
    return seal == f'{WHOLE}{hashlib.sha256(content + b"}").hexdigest()}"}}\n'.encode()


def key_of(fields: Mapping[str, Any]) -> str:
    """Return the key of a step, the digest of its identity."""
    return digest_of({name: fields[name] for name in IDENTITY})


def output_of(fields: Mapping[str, Any]) -> str:
    """Return the digest of the output of a step.

    If the output contains code, the digest includes the source and libraries, because they determine its effect on later steps. A model samples and
    scores, and a known distribution of human data computes quantiles, and neither is in a file.
    """
    if fields.get("readings") is not None:
        return digest_of(fields["readings"])
    if not fields["files"]:
        return fields["key"]
    return digest_of([fields["files"], [fields["source"], fields["libraries"]] if fields["acts"] else []])


def as_kept(reading: Reading) -> Reading:
    """Return a reading with Python's own number types, as a line stores them."""
    estimate, null = reading.estimate, reading.null
    if estimate is not None:
        low, high = _number(estimate.low), _number(estimate.high)
        estimate = replace(estimate, value=float(estimate.value), low=low, high=high, n=int(estimate.n))
    if null is not None:
        null = replace(
            null, typical=float(null.typical), **{name: _number(getattr(null, name)) for name in ("low", "high", "floor", "p")}
        )
    return replace(reading, estimate=estimate, null=null)


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
