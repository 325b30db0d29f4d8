"""What a mix file says of targets and weights, as checked values."""

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
"""Words and signs of a text below which its n-grams say too little (Xie et al., NeurIPS 2023)."""


@recipe
class Between:
    """Bounds of a share."""

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
    """Shares by the values of a column."""

    column: str
    """A column of the pools, or one of _origin, _model, _generation, _source, _prompt."""
    shares: Annotated[dict[str, float | Between], PlainValidator(_shares)] = field(default_factory=dict)
    """The share of each value, exact, or between bounds. What is left of 1 goes to all other values as they come."""
    parity: bool = False
    """Every value has the same share; rows without a value are not drawn."""
    among: Among | None = None
    """The rows of which these are shares: those that people wrote, or all others. All rows if left out."""

    def __post_init__(self):
        if self.parity == bool(self.shares):
            raise BadInput(f"a target of {self.column!r} needs shares or parity: true, and not both")
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
    """An attribute by its name, with its settings, one that is learned from labels, or in Python a function. BadInput where it is none."""
    if isinstance(value, GivenAttribute):
        return value
    if callable(value) and not is_dataclass(value) and not isinstance(value, type):
        return GivenAttribute(getattr(value, "__qualname__", type(value).__name__), value)
    every = ATTRIBUTES | LEARNED
    if isinstance(value, str) and not every.may_have(value):
        raise BadInput(f"{value!r} is no attribute{nearest(value, every)}; it must be one of {', '.join(every)}")
    return read(every, value, "attribute")


@recipe
class NumberTarget:
    """Bounds or a mean of a number: of a column, or of an attribute of the texts."""

    column: str | None = None
    """The column that holds the number; beside an attribute the column of its texts."""
    attribute: Annotated[Any, PlainValidator(lambda value: None if value is None else attribute_of(value))] = None
    """The attribute of the texts that gives the number; left out where the column holds the number."""
    at_least: Annotated[float | None, BeforeValidator(_number)] = None
    """Rows below are not drawn."""
    at_most: Annotated[float | None, BeforeValidator(_number)] = None
    """Rows above are not drawn."""
    mean: Annotated[float | None, BeforeValidator(_number)] = None
    """The mean over the rows that are drawn."""
    failures: Annotated[Annotated[float, Field(ge=0, le=1)], BeforeValidator(_number)] = 0.1
    """Fraction of all rows that may have no such number; of more nothing is mixed."""

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
        """What the number is, in words."""
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
    """Rows that are distributed as those of another file are."""

    like: str
    """A table of the target's rows."""
    method: Literal["dsir", "ulsif"] = "dsir"
    """dsir: by hashed n-grams of the text; ulsif: by a ratio of densities of numbers."""
    column: str | None = None
    """The column of text, for dsir; the text of the mix if left out."""
    columns: Annotated[tuple[str, ...], BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)] = ()
    """The columns of numbers, for ulsif."""
    shortest: Annotated[int, Field(ge=0)] = LEAST_TEXT
    """Texts of fewer words and signs are not drawn (dsir)."""

    def __post_init__(self):
        if self.method == "ulsif" and not self.columns:
            raise BadInput(f"a target like {self.like} by ulsif needs columns of numbers; write columns: [age, income]")
        if self.method == "dsir" and self.columns:
            raise BadInput(f"a target like {self.like} by dsir compares one column of text; write column: text, or method: ulsif")

    @property
    def name(self) -> str:
        return f"likeness to {self.like} ({self.method})"


@recipe
class NeedTarget:
    """More rows of the regions and groups that an audit found too few of."""

    need: str
    """The needs.yaml of an audit, or the folder that it lies in."""
    rows: Annotated[int, Field(ge=1)] | None = None
    """How many rows are spent on it at most; as many as the audit said are missing if left out."""

    @property
    def name(self) -> str:
        return f"needs of {self.need}"


Target = GroupTarget | NumberTarget | LikeTarget | NeedTarget


def _target(value: object) -> Target:
    if isinstance(value, Target):
        return value
    if not isinstance(value, Mapping):
        raise BadInput(f"a target must be a mapping as {{column: sex, shares: {{male: 0.5, female: 0.5}}}}, got {value!r:.80}")
    given = {str(key): inner for key, inner in value.items()}
    for key, cls in (("need", NeedTarget), ("like", LikeTarget), ("attribute", NumberTarget)):
        if key in given:
            return exactly(cls, "target").read(given)
    if "column" not in given:
        raise BadInput(f"a target needs column, attribute, like or need, got {', '.join(given)[:80] or 'nothing'}")
    is_number = bool(given.keys() & {"mean", "at_least", "at_most"})
    return exactly(NumberTarget if is_number else GroupTarget, "target").read(given)


def targets_of(value: object) -> tuple[Target, ...]:
    """A list of targets. BadInput where two contradict each other by what they say."""
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
    """A target without where its files lie; what they hold stands for that in the key of a step."""
    if isinstance(target, LikeTarget):
        return replace(target, like="like")
    if isinstance(target, NeedTarget):
        return replace(target, need="need")
    if isinstance(target, NumberTarget) and hasattr(target.attribute, "paths"):
        where = "file" if hasattr(target.attribute, "file") else "folder"
        return replace(target, attribute=replace(target.attribute, **{where: where}))
    return target


def paths_of(target: Target) -> tuple[str, ...]:
    """The files that a target reads."""
    if isinstance(target, LikeTarget):
        return (target.like,)
    if isinstance(target, NeedTarget):
        return (target.need,)
    return tuple(getattr(target.attribute, "paths", ())) if isinstance(target, NumberTarget) else ()


def files_of_target(target: Target) -> list[Path]:
    """Every file that a target reads. BadInput where there is none."""
    if isinstance(target, NeedTarget):
        return [needs_place(target)]
    return (
        [file for path in paths_of(target) for file in files_of(path)]
        if isinstance(target, LikeTarget)
        else [Path(path) for path in paths_of(target)]
    )


def needs_place(target: NeedTarget) -> Path:
    """The needs.yaml itself, or that in the folder of an audit."""
    place = Path(target.need)
    return place / "needs.yaml" if place.is_dir() else place


def weights_of(value: object) -> str | dict[str, float] | None:
    """`golden`, or a weight for each pool."""
    if value is None or value == "golden":
        return value  # pyright: ignore[reportReturnType]
    if not isinstance(value, Mapping):
        raise BadInput(f"weights must be golden, or a mapping from pools to weights as {{gpt: 0.5}}, got {value!r:.80}")
    weights: dict[str, float] = {}
    for name, weight in value.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise BadInput(f"weights.{name} must be a number of 0 or more, got {weight!r:.80}")
        weights[str(name)] = float(weight)
    return weights
