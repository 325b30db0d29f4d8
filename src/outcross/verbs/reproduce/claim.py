"""A published claim as data: what was said and where, the experiment that looks, and how agreement is decided."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import field
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from outcross.errors import BadInput
from outcross.files import plain_yaml
from outcross.files.whole import read_text
from outcross.recipe import FROM_LIST, exactly, nearest, one_of, plain, recipe, several
from outcross.verbs.reproduce.rules import RULES, Rule

TAGS: Mapping[str, str] = {
    "paper": "read in the paper",
    "code": "read in its code or stored results",
    "figure": "measured off a figure",
    "derived": "derived here",
    "secondary": "read in a secondary source",
    "abstract": "read in the abstract",
    "memory": "from memory, unverified",
}
"""How a published number is known."""
UNVERIFIED = ("secondary", "abstract", "memory")
"""Tags of numbers that can yield no more than `same direction`."""
PROTOCOLS: Mapping[str, str] = {"exact": "exact protocol", "reduced": "reduced scale", "stand_in": "own stand-in"}
Tag = Literal["paper", "code", "figure", "derived", "secondary", "abstract", "memory"]
Protocol = Literal["exact", "reduced", "stand_in"]
SIZES = ("small", "full")


@recipe
class Citation:
    """Where a claim was published."""

    paper: str
    place: str = ""
    """Section, theorem, table or figure."""


@recipe
class ClaimPart:
    """One statement of a claim, which is decided by one rule."""

    what: str
    """What it says, in words."""
    tag: Tag
    """How it is known."""
    rule: Annotated[Rule, one_of(RULES, "rule")]
    error_from: str = ""
    """Where the standard error of the published number is from, or the rule that states one."""


@recipe
class ClaimSize:
    """The experiment of a claim at one size."""

    run: Annotated[str, Field(min_length=1)] | dict[str, Any] | None = None
    """The name of a built-in experiment, or what an experiment file says."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Changes to it, by dotted key."""
    procedure: str | None = None
    """A procedure of the closed list `procedures.PROCEDURES`, where the claim is no reading of a loop: a mix, a detection, a simulation in closed form."""
    minutes: Annotated[float, Field(gt=0)]
    """What it costs: measured for small, estimated for full where `is_measured` is false."""
    is_measured: bool = False
    memory: Annotated[float, Field(gt=0)] = 1.0
    """Gigabytes of memory that it needs."""
    needs: Annotated[tuple[str, ...], FROM_LIST] = ()
    """What the machine must have: `gpu`, or a file of data by its path below --data."""
    protocol: Protocol | None = None
    """Where this size follows the source otherwise than the claim says."""

    @model_validator(mode="after")
    def _has_one_experiment(self):
        if (self.run is None) == (self.procedure is None):
            raise ValueError("a size has either run (an experiment) or procedure (one of the closed list)")
        return self


@recipe
class Claim:
    """What a paper says, and how it is looked at here."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    sentence: str
    source: Annotated[Citation, exactly(Citation, "source")]
    protocol: Protocol
    """Whether the experiment is that of the source, that at a smaller scale, or a stand-in of ours."""
    parts: Annotated[tuple[ClaimPart, ...], several(ClaimPart, "parts")] = ()
    small: Annotated[ClaimSize | None, exactly(ClaimSize, "small", or_none=True)] = None
    full: Annotated[ClaimSize | None, exactly(ClaimSize, "full", or_none=True)] = None
    not_run: str = ""
    """Why it is not run here, whatever the machine; empty where it is."""
    at_most_same_direction: str = ""
    """Why the claim can yield no more than `same direction`; empty where it can."""
    decided_by: str = ""
    """The inequality by which the order or the sign holds whatever the experiment shows, so that its verdict says nothing of the paper; empty where there is none."""
    discussion: str = ""
    """What a reader should know of the result, and why ours may differ."""

    @model_validator(mode="after")
    def _can_be_decided(self):
        if not self.not_run and (self.small is None or not self.parts):
            raise ValueError("a claim needs parts and a small size, or not_run with the reason why there is none")
        return self

    @property
    def digest(self) -> str:
        """Of all that decides its result: not of its costs, nor of what is said about it."""
        content = {
            key: value for key, value in plain(self).items() if key not in ("decided_by", "discussion", "sentence", "not_run")
        }
        for size in SIZES:
            if content[size] is not None:
                content[size] = {
                    key: value for key, value in content[size].items() if key not in ("minutes", "is_measured", "memory")
                }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def of_size(self, size: str) -> ClaimSize | None:
        """The experiment at a size; None where there is none."""
        return self.small if size == "small" else self.full

    def minutes(self, size: str) -> float:
        """What it costs at a size; nothing where it is not run."""
        return 0.0 if (experiment := self.of_size(size)) is None else experiment.minutes

    @property
    def tag(self) -> str:
        """The least certain tag among its parts."""
        return max((part.tag for part in self.parts), key=[*TAGS].index, default="")


def claim_files() -> dict[str, Path]:
    """The files of the claims that are built in, by their ids, in the order of these."""
    paths = (Path(str(entry)) for entry in files("outcross.claims").iterdir())
    return {path.stem: path for path in sorted(paths, key=lambda path: path.stem) if path.suffix == ".yaml"}


def read_claim(path: Path) -> Claim:
    """The claim of a file. BadInput names the file, the key and the rule."""
    content = plain_yaml.read(read_text(path, "give a claim file, which is a page of YAML", 1_000_000), str(path))
    if not isinstance(content, dict):
        raise BadInput(f"{path} holds no claim; it must be a YAML mapping with sentence, source, protocol, parts, small")
    if "id" in content:
        raise BadInput(f"{path}: the id of a claim is the name of its file; leave id out")
    try:
        return Claim(id=path.stem, **{str(key): value for key, value in content.items()})
    except BadInput as why:
        raise BadInput(f"{path.name}: {why}") from None


def claims() -> dict[str, Claim]:
    """Every built-in claim by its id."""
    return {name: read_claim(path) for name, path in claim_files().items()}


def named_claims(names: tuple[str, ...]) -> list[Claim]:
    """The claims of these ids. BadInput names the nearest of one that there is not."""
    known = claim_files()
    for name in names:
        if name not in known:
            raise BadInput(f"there is no claim {name!r:.80}{nearest(name, known)}; outcross reproduce lists all {len(known)}")
    return [read_claim(known[name]) for name in dict.fromkeys(names)]
