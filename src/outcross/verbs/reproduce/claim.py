"""Published claims as data: the statement and its source, the experiment that tests it, and the rule that decides agreement."""

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
"""Tags for the source of a published number, in words."""
UNVERIFIED = ("secondary", "abstract", "memory")
"""Tags of numbers whose best possible verdict is `same direction`."""
PROTOCOLS: Mapping[str, str] = {"exact": "exact protocol", "reduced": "reduced scale", "stand_in": "own stand-in"}
Tag = Literal["paper", "code", "figure", "derived", "secondary", "abstract", "memory"]
Protocol = Literal["exact", "reduced", "stand_in"]
SIZES = ("small", "full")


@recipe
class Citation:
    """The publication of a claim."""

    paper: str
    place: str = ""
    """The section, theorem, table or figure."""


@recipe
class ClaimPart:
    """One statement of a claim, which is decided by one rule."""

    what: str
    """The statement in words."""
    tag: Tag
    """The source of the published number (`TAGS`)."""
    rule: Annotated[Rule, one_of(RULES, "rule")]
    error_from: str = ""
    """The source of the standard error of the published number, or the rule that gives one."""


@recipe
class ClaimSize:
    """The experiment of a claim at one size."""

    run: Annotated[str, Field(min_length=1)] | dict[str, Any] | None = None
    """The name of a built-in experiment, or the content of an experiment file."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Changes to the experiment, by dotted key."""
    procedure: str | None = None
    """A procedure of the closed list `procedures.PROCEDURES`, for a claim that is not about a run: a mix, a detection, or a simulation of its own."""
    minutes: Annotated[float, Field(gt=0)]
    """The duration in minutes. It is an estimate if `is_measured` is false."""
    is_measured: bool = False
    memory: Annotated[float, Field(gt=0)] = 1.0
    """The memory that is needed, in gigabytes."""
    needs: Annotated[tuple[str, ...], FROM_LIST] = ()
    """Requirements: `gpu`, or a data file by its path within --data."""
    protocol: Protocol | None = None
    """The protocol of this size if it differs from that of the claim."""

    @model_validator(mode="after")
    def _has_one_experiment(self):
        if (self.run is None) == (self.procedure is None):
            raise ValueError("a size needs either run (an experiment) or procedure (one of the closed list); give one of them")
        return self


@recipe
class Claim:
    """A statement of a paper, and the experiment that tests it."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    sentence: str
    source: Annotated[Citation, exactly(Citation, "source")]
    protocol: Protocol
    """Whether the experiment is that of the source, the same at a smaller scale, or a stand-in of our own."""
    parts: Annotated[tuple[ClaimPart, ...], several(ClaimPart, "parts")] = ()
    small: Annotated[ClaimSize | None, exactly(ClaimSize, "small", or_none=True)] = None
    full: Annotated[ClaimSize | None, exactly(ClaimSize, "full", or_none=True)] = None
    not_run: str = ""
    """The reason why it is not run on any machine; empty if it is run."""
    at_most_same_direction: str = ""
    """The reason why the best possible verdict of the claim is `same direction`; empty if it can agree."""
    decided_by: str = ""
    """The inequality that implies the claimed order or sign in every experiment, so that the verdict says nothing about the paper; empty if there is none."""
    discussion: str = ""
    """Remarks on the result, and reasons why our number may differ."""

    @model_validator(mode="after")
    def _can_be_decided(self):
        if not self.not_run and (self.small is None or not self.parts):
            raise ValueError("a claim needs parts and a small size, or not_run with the reason why there is none")
        return self

    @property
    def digest(self) -> str:
        """The digest of everything that decides the result of the claim. Costs and remarks are not part of it."""
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
        """The experiment at a size; None if there is none."""
        return self.small if size == "small" else self.full

    def minutes(self, size: str) -> float:
        """The duration at a size, in minutes; 0 if there is no such size."""
        return 0.0 if (experiment := self.of_size(size)) is None else experiment.minutes

    @property
    def tag(self) -> str:
        """The least certain tag among the parts; empty if there are no parts."""
        return max((part.tag for part in self.parts), key=[*TAGS].index, default="")


def claim_files() -> dict[str, Path]:
    """The files of the built-in claims by their ids, in the order of the ids."""
    paths = (Path(str(entry)) for entry in files("outcross.claims").iterdir())
    return {path.stem: path for path in sorted(paths, key=lambda path: path.stem) if path.suffix == ".yaml"}


def read_claim(path: Path) -> Claim:
    """Read the claim of a file. BadInput names the file, the key and the rule."""
    content = plain_yaml.read(read_text(path, "give a claim file in YAML", 1_000_000), str(path))
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
    """The claims with these ids. Raises BadInput with the nearest id if there is no such claim."""
    known = claim_files()
    for name in names:
        if name not in known:
            raise BadInput(f"there is no claim {name!r:.80}{nearest(name, known)}; outcross reproduce lists all {len(known)}")
    return [read_claim(known[name]) for name in dict.fromkeys(names)]
