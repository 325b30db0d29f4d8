"""The settings `splits` and `lineage` of a mix file, as checked values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, PlainValidator

from outcross.data.shares import exact
from outcross.errors import BadInput
from outcross.recipe import exactly, nearest, recipe

SPLITS = ("train", "validation", "test")
EVALUATED = SPLITS[1:]
"""The splits that are not used for training. None of their rows is repeated."""


@recipe
class SplitShare:
    """The settings of one split."""

    share: float
    """The share of the budget, in [0, 1]."""
    synthetic: bool = False
    """Whether the split may contain rows that are not human."""


def _split(value: object, name: str) -> SplitShare | None:
    """Read a split: a share, or a mapping. By default a test split has human rows alone, and the other splits have all rows."""
    if value is None or isinstance(value, SplitShare):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | Mapping):
        raise BadInput(f"splits.{name} must be a share in [0, 1] or {{share: 0.05, synthetic: true}}, got {value!r:.80}")
    given = {str(key): inner for key, inner in value.items()} if isinstance(value, Mapping) else {"share": float(value)}
    if isinstance(given.get("share"), int) and not isinstance(given["share"], bool):
        given["share"] = float(given["share"])
    split = exactly(SplitShare, f"splits.{name}").read({"synthetic": name != "test"} | given)
    if not 0 <= split.share <= 1:
        raise BadInput(f"splits.{name} must be in [0, 1], got {split.share:g}; write 0.05 for five percent")
    return split


@recipe
class Splits:
    """The splits of a mix."""

    train: Annotated[SplitShare, PlainValidator(lambda value: _split(value, "train"))]
    """The share for training."""
    validation: Annotated[SplitShare | None, PlainValidator(lambda value: _split(value, "validation"))] = None
    """The share for choosing a model. It is not used for training."""
    test: Annotated[SplitShare | None, PlainValidator(lambda value: _split(value, "test"))] = None
    """The share for the final test, not used for training. It has human rows alone unless `synthetic: true` is given."""

    def __post_init__(self):
        total = sum(exact(split.share) for split in self.each.values())
        if total != 1:
            raise BadInput(f"the shares of splits must add up to 1, got {float(total):.12g}; change one of them")
        if self.train.share == 0:
            raise BadInput("splits.train must be above 0, got 0; a mix needs training rows")
        if not self.train.synthetic:
            raise BadInput("splits.train cannot have synthetic: false; leave synthetic out, or write human_share: 1")

    @property
    def each(self) -> dict[str, SplitShare]:
        """The requested splits, by name."""
        return {name: split for name in SPLITS if (split := getattr(self, name)) is not None}

    @property
    def held_back(self) -> dict[str, SplitShare]:
        """The splits with a positive share that are not used for training, by name."""
        return {name: split for name, split in self.each.items() if name in EVALUATED and split.share > 0}


def splits_of(value: object) -> Splits | None:
    """Read the setting `splits`, such as `{train: 0.9, validation: 0.05, test: 0.05}`; None if it is not given."""
    if value is None or isinstance(value, Splits):
        return value
    if not isinstance(value, Mapping):
        raise BadInput(f"splits must be a mapping, as in {{train: 0.9, validation: 0.05, test: 0.05}}, got {value!r:.80}")
    for name in map(str, value):
        if name not in SPLITS:
            raise BadInput(f"splits must be named {', '.join(SPLITS)}, got {name!r}{nearest(name, SPLITS)}")
    if value.get("train") is None:
        raise BadInput("splits needs train, as in {train: 0.9, validation: 0.05, test: 0.05}")
    return Splits(**{str(name): inner for name, inner in value.items()})


@recipe
class Lineage:
    """The relations that put two rows into one family. All rows of a family go into the same split."""

    parents: bool = True
    """A row belongs to the family of its parents, and therefore to that of all other records made from them."""
    twins: bool = True
    """Rows with the same text form a family. Without a text column, rows with the same values in all columns do."""
    near: Annotated[float, Field(gt=0, le=1)] | None = 0.8
    """Texts whose runs of five words have at least this Jaccard similarity form a family; None to ignore near twins."""
    prompts: bool = False
    """Rows that answer the same prompt form a family."""


def lineage_of(value: object) -> Lineage:
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, Mapping) and isinstance(value.get("near"), int) and not isinstance(value.get("near"), bool):
        value = {**value, "near": float(value["near"])}
    return Lineage() if value is None else exactly(Lineage, "lineage").read(value)
