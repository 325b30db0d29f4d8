"""What a mix file says of splits and lineage, as checked values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, PlainValidator

from outcross.data.shares import exact
from outcross.errors import BadInput
from outcross.recipe import exactly, nearest, recipe

SPLITS = ("train", "validation", "test")
EVALUATED = SPLITS[1:]
"""The splits that are not trained on: no row of theirs is repeated."""


@recipe
class SplitShare:
    """How much of a mix a split is."""

    share: float
    """Of the budget, in [0, 1]."""
    synthetic: bool = False
    """Whether it may hold rows that people did not write."""


def _split(value: object, name: str) -> SplitShare | None:
    """A share, or a mapping that says more. A test split is of human rows alone unless it says otherwise; the others hold what the mix does."""
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
    """The parts of a mix: what is trained on, and what is held back."""

    train: Annotated[SplitShare, PlainValidator(lambda value: _split(value, "train"))]
    """The share that is trained on."""
    validation: Annotated[SplitShare | None, PlainValidator(lambda value: _split(value, "validation"))] = None
    """The share that is held back for choosing a model."""
    test: Annotated[SplitShare | None, PlainValidator(lambda value: _split(value, "test"))] = None
    """The share that is held back for the final test; of human rows alone unless it says otherwise."""

    def __post_init__(self):
        total = sum(exact(split.share) for split in self.each.values())
        if total != 1:
            raise BadInput(f"the shares of splits must add up to 1, they add up to {float(total):.12g}; change one of them")
        if self.train.share == 0:
            raise BadInput("splits.train must be above 0; a mix is what is trained on")
        if not self.train.synthetic:
            raise BadInput("splits.train holds what the mix does; leave synthetic out of it, or write human_share: 1")

    @property
    def each(self) -> dict[str, SplitShare]:
        """The splits that are asked for, by name."""
        return {name: split for name in SPLITS if (split := getattr(self, name)) is not None}

    @property
    def held_back(self) -> dict[str, SplitShare]:
        """Those that are not trained on and get something."""
        return {name: split for name, split in self.each.items() if name in EVALUATED and split.share > 0}


def splits_of(value: object) -> Splits | None:
    """`{train: 0.9, validation: 0.05, test: 0.05}`; None where nothing is said."""
    if value is None or isinstance(value, Splits):
        return value
    if not isinstance(value, Mapping):
        raise BadInput(f"splits must be a mapping as {{train: 0.9, validation: 0.05, test: 0.05}}, got {value!r:.80}")
    for name in map(str, value):
        if name not in SPLITS:
            raise BadInput(f"splits knows {', '.join(SPLITS)}, got {name!r}{nearest(name, SPLITS)}")
    if value.get("train") is None:
        raise BadInput("splits needs train, as in {train: 0.9, validation: 0.05, test: 0.05}")
    return Splits(**{str(name): inner for name, inner in value.items()})


@recipe
class Lineage:
    """What makes two rows of one family, which no split parts."""

    parents: bool = True
    """A row is of the family of the records that it was made from, and of all that were made from them."""
    twins: bool = True
    """Rows of the same text are of one family; without a column of text, rows of the same columns."""
    near: Annotated[float, Field(gt=0, le=1)] | None = 0.8
    """Texts whose runs of five words have this Jaccard similarity are of one family; None where near twins do not count."""
    prompts: bool = False
    """Rows that answer the same prompt are of one family."""


def lineage_of(value: object) -> Lineage:
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, Mapping) and isinstance(value.get("near"), int) and not isinstance(value.get("near"), bool):
        value = {**value, "near": float(value["near"])}
    return Lineage() if value is None else exactly(Lineage, "lineage").read(value)
