"""The lines of a ledger: what each says, and whether it can be believed.

A line ends with the digest of all that stands before it (`whole`), so that no bit of it changes unnoticed. Its `type` says which of the
classes below it is, and the fields of that class say what it may hold. A line that does not fit its digest is damaged, and counts as absent;
so does an entry that is not what its type holds. The ledger knows no verb: whatever it must know of one stands in the line of a step.
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
"""Of a run folder and of its ledger. It is raised when a verb's own meaning or the shape of a line changes, so that nothing older is
taken for new: a folder of another format is refused."""
IDENTITY = ("format", "verb", "recipe", "inputs", "stream", "source", "libraries")
"""The fields of a step whose digest is its key."""
WHOLE = ',"whole":"'
"""What opens the digest at the end of a line. No key of an entry sorts behind `whole`."""
SEAL = len(WHOLE) + 64 + len('"}\n')
"""Bytes at the end of a line that hold the digest of the rest."""


def _within(name: str) -> str:
    """The name of a file in a folder; ValueError where it leads anywhere else."""
    if not name or "\0" in name or name.startswith("/") or {"", ".", ".."} & set(name.split("/")):
        raise ValueError("a file must lie within its folder")
    return name


Name = Annotated[str, AfterValidator(_within)]
Files = dict[Name, str]
"""The SHA-256 of files, by their path in a folder."""
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True)
class StepEntry:
    """A step that has ended."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    format: Literal[4]
    verb: str
    recipe: Any
    inputs: list[Any]
    """The digest of each input; of an input with names the digest of each."""
    stream: tuple[int, int, str, str]
    """Seed, generation, verb and part: the names of its random stream."""
    source: str
    libraries: dict[str, str]
    key: str
    """The digest of all above."""
    type: Literal["step"] = "step"
    place: int
    """Where its verb stands in the order in which verbs work."""
    reads: list[str]
    """Digests of what its inputs are made of: what earlier steps made, or what people gave. Inputs may hold selections of these."""
    given: dict[str, str]
    """The digest of everything that it reads and no step made, by the name that people gave."""
    acts: bool
    """Whether code acts in what it made, so that its output digest covers its source and libraries."""
    files: Files
    readings: list[Reading] | None = None
    size: int
    output: str
    """The digest of what it made."""

    def __post_init__(self):
        fields_given = vars(self)
        if self.key != key_of(fields_given) or self.output != output_of(fields_given):
            raise ValueError("the key or the output of a step is not the digest of what it says")

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
        """What an entry takes the place of: the one of the same name."""
        return "step", self.key

    @property
    def order(self) -> tuple[Any, ...]:
        """Where it stands in the canonical order."""
        return 1, self.seed, self.generation, 0, self.place, self.part, self.key


@dataclass(frozen=True, kw_only=True)
class RunEntry:
    """What a folder holds: a run."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    type: Literal["run"] = "run"
    format: Literal[4] = 4
    experiment: dict[str, Any]
    """With every default written out."""
    human: dict[str, str]
    """The digest of each arm's human data, by the arm's name."""
    environment: dict[str, Any]
    own: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What is known of every part of the user's own, by the name that stands in the experiment: the SHA-256 of its source, and what pages say of it."""
    lines: int | None
    """How many other lines the ledger of the finished run has; None while it is unfinished."""

    @property
    def name(self) -> tuple[Any, ...]:
        return (self.type,)

    @property
    def order(self) -> tuple[Any, ...]:
        return (0,)


@dataclass(frozen=True, kw_only=True)
class GenerationEntry:
    """One generation of one arm has ended."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    type: Literal["generation"] = "generation"
    format: Literal[4] = 4
    arm: str
    seed: int
    generation: Annotated[int, Field(ge=0)]
    steps: dict[str, str]
    """The keys of the steps that a run folder has names for, by that name."""
    measured: list[str]
    """The keys of the steps that hold its readings."""
    samples: list[tuple[Annotated[int, Field(ge=0, lt=2**31)], str, str]]
    """Prompt number, prompt, text."""
    pictures: list[
        tuple[Literal["human", "model"], Annotated[int, Field(ge=1, le=4096)], Annotated[int, Field(ge=1, le=4096)], str]
    ] = field(default_factory=list)
    """Who made them, rows and columns of pixels of each, and their grey pixels one after the other, a byte each, in base64."""

    @property
    def name(self) -> tuple[Any, ...]:
        return self.type, self.arm, self.seed, self.generation

    @property
    def order(self) -> tuple[Any, ...]:
        """Behind the steps of its generation."""
        return 1, self.seed, self.generation, 1, 0, self.arm, ""


@dataclass(frozen=True, kw_only=True)
class ResultEntry:
    """What a folder holds: the result that a command wrote there for people, and what it is made of."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    type: Literal["result"] = "result"
    format: Literal[4] = 4
    kind: str
    """The command."""
    steps: list[str]
    """The keys of the steps that it is made of, in the order in which it shows them."""
    files: list[tuple[Name, str]]
    """Every file with its SHA-256, in the order in which they are written; of a result that is not written yet, none."""

    @property
    def name(self) -> tuple[Any, ...]:
        return (self.type,)

    @property
    def order(self) -> tuple[Any, ...]:
        return (0,)


Entry = StepEntry | RunEntry | GenerationEntry | ResultEntry
_ADAPTER: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="type")])


def sealed(fields: Mapping[str, Any]) -> bytes:
    """The line of what an entry says: canonical JSON, the SHA-256 of that JSON as its last value, and a newline."""
    content = canonical(fields)
    return f'{content[:-1]}{WHOLE}{hashlib.sha256(content.encode()).hexdigest()}"}}\n'.encode()


def line_of(entry: Entry) -> bytes:
    """The line of an entry; the readings of a step that has none are left out, and so are pictures and parts of the user's own where there are none."""
    fields_given = vars(entry)
    absent = {name for name, empty in (("readings", None), ("pictures", []), ("own", {})) if fields_given.get(name, ()) == empty}
    return sealed({name: value for name, value in fields_given.items() if name not in absent})


def entry_of(line: bytes) -> Entry | None:
    """The entry of a line, or None where the line is damaged or forged: it does not fit its digest, or it is no entry."""
    if not _is_whole(line):
        return None
    try:
        return _ADAPTER.validate_json(line[:-SEAL] + b"}")
    except (ValueError, TypeError, BadInput, NotApplicable, RecursionError):
        return None


def other_format(line: bytes) -> int | None:
    """The format of a line that is whole and was written in another format than today's; None for every other line.

    Lines of format 1 had no digest of their own; what is believed of them is that their key fits their identity.
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
    """Whether bytes without a newline are what a killed process leaves of a line; a whole entry with more behind it is damage."""
    try:
        json.loads(tail.decode("latin-1"))
        return True
    except RecursionError:
        return False
    except ValueError as error:
        return not str(error).startswith("Extra data")


def _is_whole(line: bytes) -> bool:
    """Whether a line ends with the digest of what stands before it."""
    content, seal = line[:-SEAL], line[-SEAL:]
    return seal == f'{WHOLE}{hashlib.sha256(content + b"}").hexdigest()}"}}\n'.encode()


def key_of(fields: Mapping[str, Any]) -> str:
    """The key of a step: the digest of its identity."""
    return digest_of({name: fields[name] for name in IDENTITY})


def output_of(fields: Mapping[str, Any]) -> str:
    """The digest of what a step made. Where code acts in it, the digest includes what decides how that code acts on the steps after: a
    model samples and scores, and the known distribution of human data is asked for its quantiles, neither of which is in a file."""
    if fields.get("readings") is not None:
        return digest_of(fields["readings"])
    if not fields["files"]:
        return fields["key"]
    return digest_of([fields["files"], [fields["source"], fields["libraries"]] if fields["acts"] else []])


def as_kept(reading: Reading) -> Reading:
    """A reading with numbers of Python's own, as a line holds them."""
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
