"""What a mix file says under `search`: how the best shares are looked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from outcross.errors import BadInput
from outcross.models import Learner
from outcross.models.schedule import Schedule
from outcross.recipe import Family, exactly, one_of, recipe

SMALL: Family = Family({"ngram": "outcross.models.ngram:Ngram", "transformer": "outcross.models.transformer:Transformer"})
"""Learners of text that are small enough to be trained some fifty times."""
MOST_POOLS = 12
HELD_OUT = 10
"""Mixes that a law is tested on, at least (science/oracles.md B3)."""
OF_EACH_POOL = "pools"


def least_mixes(pools: int) -> int:
    """The mixes that a law is fitted to, at least (science/oracles.md B3).

    >>> least_mixes(3)
    15
    """
    return 3 * pools + 6


def _validation(value: object) -> tuple[tuple[str, str], ...] | Literal["pools"] | None:
    """Nothing, `pools`, a path, or a path for each domain by its name."""
    if value is None or value == OF_EACH_POOL:
        return value  # pyright: ignore[reportReturnType]
    given = {"human": value} if isinstance(value, str | Path) else dict(value) if isinstance(value, Mapping | tuple) else None
    if not given or not all(isinstance(path, str | Path) and str(path) for path in given.values()):
        raise BadInput(f"validation must be pools, a path, or a path for each domain as in {{news: n.jsonl}}, got {value!r:.80}")
    return tuple((str(name), str(path)) for name, path in given.items())


def _learner(value: object) -> Learner | None:
    if value is None:
        return None
    learner = one_of(SMALL, "learner").read(value)
    return learner


@recipe
class MixSearch:
    """Small mixes are tried, a mixing law is fitted to what they lose, and its best shares are taken."""

    learner: Annotated[Learner | None, PlainValidator(_learner)] = None
    """What is trained on each small mix of text: ngram (if left out) or transformer."""
    training: Annotated[Schedule | None, exactly(Schedule, "training", or_none=True)] = None
    """How long a transformer trains; once over the small mix if left out. Every mix takes the same steps."""
    column: str | None = None
    """The column that a table's other columns predict; then no text is read."""
    predictor: Literal["boosted trees", "linear model"] = "boosted trees"
    """What predicts it."""
    size: Annotated[int, Field(ge=500, le=100_000_000)] | None = None
    """Tokens of a small mix (records of a table); if left out 200,000 (2,000 records), or what the smallest pool holds."""
    block: Annotated[int, Field(ge=8, le=4096)] = 64
    """Tokens of a record of text."""
    mixes: int | None = None
    """Mixes that the law is fitted to; 3 P + 6 for P pools if left out, which is the least."""
    held_out: Annotated[int, Field(ge=HELD_OUT, le=1000)] = HELD_OUT
    """Mixes that the law is tested on."""
    seeds: Annotated[int, Field(ge=2, le=100)] = 2
    """Samples of each mix; the proposal and its rivals are measured on as many new ones."""
    validation: Annotated[tuple[tuple[str, str], ...] | Literal["pools"] | None, PlainValidator(_validation)] = None
    """Human records that losses are measured on: a path, or one for each domain by its name; `pools`: those of each human pool by itself. Left out:
    a tenth of the human pools, which no small mix reads."""
    weights: dict[str, float] = field(default_factory=dict)
    """How much the loss in each domain counts; alike if left out."""

    def __post_init__(self):
        if self.column is not None and self.learner is not None:
            raise BadInput("search.learner is of text and search.column of a table; give one of them")
        if self.training is not None and getattr(self.learner, "trains", False) is False:
            raise BadInput("search.training is how long a transformer trains; write learner: transformer, or leave training out")
        if self.training is not None and not self.training.is_matched:
            raise BadInput("search.training must be steps or tokens, so that every small mix is trained alike; leave epochs out")
        for name, weight in self.weights.items():
            if not 0 <= weight < math.inf:
                raise BadInput(f"search.weights of {name!r} must be 0 or more, got {weight}")

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that files are named for."""
        return tuple(name for name, _ in self.validation) if isinstance(self.validation, tuple) else ()

    @property
    def identity(self) -> MixSearch:
        """The recipe without where its files lie: what they hold stands for that."""
        return replace(self, validation=tuple((name, name) for name in self.domains)) if self.domains else self


def _search(value: object) -> MixSearch | None:
    """A mapping of settings; `true` or nothing behind the key for all that is left out."""
    if value is None or value is False:
        return None
    return MixSearch() if value is True else exactly(MixSearch, "search").read(value)


Search = Annotated[MixSearch | None, PlainValidator(_search)]


def check_search(search: MixSearch | None, pools: Any) -> None:
    """BadInput where these pools cannot be searched so."""
    if search is None:
        return
    count = len(pools)
    if not 2 <= count <= MOST_POOLS:
        raise BadInput(f"search compares shares of 2 to {MOST_POOLS} pools, got {count}; leave search out, or join pools")
    if search.mixes is not None and not least_mixes(count) <= search.mixes <= 10_000:
        raise BadInput(
            f"search.mixes must be from 3 P + 6 = {least_mixes(count)} for {count} pools to 10,000, got {search.mixes:,}; leave it out"
        )
    if not search.domains and not any(pool.is_human for pool in pools):
        raise BadInput(
            "search measures losses on human records, and no pool has origin: human; name one, or give search.validation: FILE"
        )


@dataclass(frozen=True, eq=False)
class Searched:
    """What a search found."""

    plain: dict[str, Any]
    """Design, losses, law, proposal and back-test, as plain data of the manifest."""
    weights: tuple[int, ...] | None
    """The weight of each pool, in millionths of the mix; None where no shares are better than others: then those that were asked for stay."""
    keys: tuple[str, ...]
    """The steps of the ledger that it is made of."""
