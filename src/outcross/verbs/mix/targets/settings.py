"""The targets and weights of a mix file, as checked values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from outcross.attributes import ATTRIBUTES, LEARNED
from outcross.attributes.given import GivenAttribute
from outcross.data.shares import exact
from outcross.errors import BadInput
from outcross.files.reading import files_of
from outcross.recipe import exactly, kind, nearest, read, recipe

Among = Literal["human", "synthetic"]
LEAST_TEXT = 100
"""The number of words and punctuation marks below which the n-grams of a text carry too little information (Xie et al., NeurIPS 2023)."""


@recipe
class Between:
    """The bounds of a share, in [0, 1]."""

    at_least: Annotated[float, Field(ge=0, le=1)] | None = None
    at_most: Annotated[float, Field(ge=0, le=1)] | None = None


def _number(value: object) -> object:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _shares(value: object) -> dict[str, float | Between]:
    if not isinstance(value, Mapping):
        raise BadInput(f"shares must be a mapping from values to shares, as in {{male: 0.5, female: 0.5}}, got {value!r:.80}")
    shares: dict[str, float | Between] = {}
    for key, share in value.items():
        name = str(key).lower() if isinstance(key, bool) else str(key)
        if isinstance(share, Mapping):
            shares[name] = exactly(Between, f"shares.{name}").read({str(end): _number(bound) for end, bound in share.items()})
        elif isinstance(share, Between):
            shares[name] = share
        elif isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise BadInput(
                f"shares.{name} must be in [0, 1] or {{at_least: 0.1, at_most: 0.3}}, got {share!r:.80}; write 0.3 for thirty percent"
            )
        else:
            shares[name] = float(share)
    return shares


@recipe
class GroupTarget:
    """A target for the shares of the values of a column."""

    column: str
    """A column of the pools, or one of _origin, _model, _generation, _source, _prompt."""
    shares: Annotated[dict[str, float | Between], PlainValidator(_shares)] = field(default_factory=dict)
    """The share of each value: exact, or between bounds. The rest goes to all other values in their natural proportions."""
    parity: bool = False
    """Give every value the same share. Rows without a value are not drawn."""
    among: Among | None = None
    """The rows that the shares refer to: those that people wrote (human), or all others (synthetic). All rows if left out."""

    def __post_init__(self):
        if self.parity == bool(self.shares):
            raise BadInput(f"a target of {self.column!r} needs either shares or parity: true; write one of them")
        fixed = sum(exact(share) for share in self.shares.values() if not isinstance(share, Between))
        floors = sum(exact(share.at_least) for share in self.shares.values() if isinstance(share, Between) and share.at_least)
        if fixed + floors > 1:
            raise BadInput(
                f"the shares of {self.column!r} add up to {float(fixed + floors):.12g}, which is more than 1; change one of them"
            )
        for value, share in self.shares.items():
            if (
                isinstance(share, Between)
                and share.at_least is not None
                and share.at_most is not None
                and share.at_least > share.at_most
            ):
                raise BadInput(
                    f"shares.{value} of {self.column!r}: at_least {share.at_least:g} is above at_most {share.at_most:g}; change one of them"
                )

    @property
    def name(self) -> str:
        what = f"{'parity' if self.parity else 'shares'} of {self.column}"
        return what if self.among is None else f"{what} among {self.among} rows"


def attribute_of(value: object) -> Any:
    """Read an attribute: its name, a mapping with its settings, an attribute learned from labels, or in Python a function. Raises BadInput for others."""
    if isinstance(value, GivenAttribute):
        return value
    if callable(value) and not is_dataclass(value) and not isinstance(value, type):
        return GivenAttribute(getattr(value, "__qualname__", type(value).__name__), value)
    every = ATTRIBUTES | LEARNED
    if isinstance(value, str) and not every.may_have(value):
        raise BadInput(f"{value!r} is not an attribute{nearest(value, every)}; write one of {', '.join(every)}")
    return read(every, value, "attribute")


@recipe
class NumberTarget:
    """A target for the bounds or the mean of a number, from a column or from an attribute of the texts."""

    column: str | None = None
    """The column that contains the number. With an attribute, the column that contains its texts."""
    attribute: Annotated[Any, PlainValidator(lambda value: None if value is None else attribute_of(value))] = None
    """The attribute of the texts that gives the number. Leave it out if a column contains the number."""
    at_least: Annotated[float | None, BeforeValidator(_number)] = None
    """Rows with a lower number are not drawn."""
    at_most: Annotated[float | None, BeforeValidator(_number)] = None
    """Rows with a higher number are not drawn."""
    mean: Annotated[float | None, BeforeValidator(_number)] = None
    """The mean over the drawn rows."""
    failures: Annotated[Annotated[float, Field(ge=0, le=1)], BeforeValidator(_number)] = 0.1
    """The maximum fraction of all rows that may lack the number, in [0, 1]. If more lack it, the mix is refused."""

    def __post_init__(self):
        if self.at_least is None and self.at_most is None and self.mean is None:
            raise BadInput(f"a target of {self.quantity!r} needs shares, parity, mean, at_least or at_most")
        low, high = (-math.inf if self.at_least is None else self.at_least), (math.inf if self.at_most is None else self.at_most)
        if low > high:
            raise BadInput(f"{self.quantity}: at_least {low:g} is above at_most {high:g}, so that no row fits; change one of them")
        if self.mean is not None and not low <= self.mean <= high:
            raise BadInput(f"{self.quantity}: the mean {self.mean:g} does not lie between at_least and at_most; change one of them")

    @property
    def quantity(self) -> str:
        """The name of the number, in words."""
        if self.attribute is None:
            return str(self.column)
        if isinstance(self.attribute, GivenAttribute):
            return self.attribute.name
        label = getattr(self.attribute, "positive", None) or getattr(self.attribute, "label", None)
        return kind(self.attribute) if label is None else f"{kind(self.attribute)} {label}"

    @property
    def name(self) -> str:
        return f"{'bounds' if self.mean is None else 'mean'} of {self.quantity}"


@recipe
class LikeTarget:
    """A target for rows with the same distribution as the rows of another file."""

    like: str
    """The file with the rows to resemble."""
    method: Literal["dsir", "ulsif"] = "dsir"
    """dsir: by hashed n-grams of the text; ulsif: by the density ratio of numeric columns."""
    column: str | None = None
    """The text column, for dsir; the text column of the mix if left out."""
    columns: Annotated[tuple[str, ...], BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)] = ()
    """The numeric columns, for ulsif."""
    shortest: Annotated[int, Field(ge=0)] = LEAST_TEXT
    """Texts with fewer words and punctuation marks are not drawn (dsir)."""

    def __post_init__(self):
        if self.method == "ulsif" and not self.columns:
            raise BadInput(f"the target like {self.like} with method ulsif needs numeric columns; write columns: [age, income]")
        if self.method == "dsir" and self.columns:
            raise BadInput(
                f"the target like {self.like} with method dsir compares one text column; write column: text, or method: ulsif"
            )

    @property
    def name(self) -> str:
        return f"similarity to {self.like} ({self.method})"


@recipe
class NeedTarget:
    """A target for more rows of the regions and groups of which an audit found too few."""

    need: str
    """The needs.yaml of an audit, or the folder that contains it."""
    rows: Annotated[int, Field(ge=1)] | None = None
    """The maximum number of rows to use for it; the number that the audit reported as missing if left out."""

    @property
    def name(self) -> str:
        return f"needs of {self.need}"


Target = GroupTarget | NumberTarget | LikeTarget | NeedTarget


def _target(value: object) -> Target:
    if isinstance(value, Target):
        return value
    if not isinstance(value, Mapping):
        raise BadInput(f"a target must be a mapping, as in {{column: sex, shares: {{male: 0.5, female: 0.5}}}}, got {value!r:.80}")
    given = {str(key): inner for key, inner in value.items()}
    for key, cls in (("need", NeedTarget), ("like", LikeTarget), ("attribute", NumberTarget)):
        if key in given:
            return exactly(cls, "target").read(given)
    if "column" not in given:
        raise BadInput(f"a target needs column, attribute, like or need, got {', '.join(given)[:80] or 'nothing'}")
    is_number = bool(given.keys() & {"mean", "at_least", "at_most"})
    return exactly(NumberTarget if is_number else GroupTarget, "target").read(given)


def targets_of(value: object) -> tuple[Target, ...]:
    """Read a list of targets. Raises BadInput if two targets are about the same column or number."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise BadInput(f"targets must be a list, as in [{{column: sex, parity: true}}], got {value!r:.80}")
    targets = tuple(map(_target, value))
    names = [target.name.removeprefix("parity of ").removeprefix("shares of ") for target in targets]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadInput(f"two targets are of {twice!r} and contradict each other; keep one")
    return targets


def without_paths(target: Target) -> Target:
    """Return the target without the paths of its files. In a step key, the digests of their content stand in place of the paths."""
    if isinstance(target, LikeTarget):
        return replace(target, like="like")
    if isinstance(target, NeedTarget):
        return replace(target, need="need")
    if isinstance(target, NumberTarget) and hasattr(target.attribute, "paths"):
        where = "file" if hasattr(target.attribute, "file") else "folder"
        return replace(target, attribute=replace(target.attribute, **{where: where}))
    return target


def paths_of(target: Target) -> tuple[str, ...]:
    """Return the paths that a target reads."""
    if isinstance(target, LikeTarget):
        return (target.like,)
    if isinstance(target, NeedTarget):
        return (target.need,)
    return tuple(getattr(target.attribute, "paths", ())) if isinstance(target, NumberTarget) else ()


def files_of_target(target: Target) -> list[Path]:
    """Return every file that a target reads. Raises BadInput if there is no such file."""
    if isinstance(target, NeedTarget):
        return [needs_place(target)]
    return (
        [file for path in paths_of(target) for file in files_of(path)]
        if isinstance(target, LikeTarget)
        else [Path(path) for path in paths_of(target)]
    )


def needs_place(target: NeedTarget) -> Path:
    """Return the path of the needs.yaml: the given file, or the one in the given folder of an audit."""
    place = Path(target.need)
    return place / "needs.yaml" if place.is_dir() else place


def weights_of(value: object) -> str | dict[str, float] | None:
    """Read the setting `weights`: `golden`, or a weight for each pool."""
    if value is None or value == "golden":
        return value  # pyright: ignore[reportReturnType]
    if not isinstance(value, Mapping):
        raise BadInput(f"weights must be golden, or a mapping from pools to weights, as in {{gpt: 0.5}}, got {value!r:.80}")
    weights: dict[str, float] = {}
    for name, weight in value.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise BadInput(f"weights.{name} must be a number of 0 or more, got {weight!r:.80}")
        weights[str(name)] = float(weight)
    return weights
