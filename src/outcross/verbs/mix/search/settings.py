"""The settings under `search` in a mix file, and the result of a search."""

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
"""The learners of text that are small enough to be trained about fifty times."""
MOST_POOLS = 12
HELD_OUT = 10
"""The minimum number of mixes for testing a law (science/oracles.md B3)."""
OF_EACH_POOL = "pools"


def least_mixes(pools: int) -> int:
    """Return the minimum number of mixes for fitting a law (science/oracles.md B3).

    >>> least_mixes(3)
    15
    """
    return 3 * pools + 6


def _validation(value: object) -> tuple[tuple[str, str], ...] | Literal["pools"] | None:
    """Read the setting `validation`: None, `pools`, a path, or a path for each domain by its name."""
    if value is None or value == OF_EACH_POOL:
        return value  # pyright: ignore[reportReturnType]
    given = {"human": value} if isinstance(value, str | Path) else dict(value) if isinstance(value, Mapping | tuple) else None
    if not given or not all(isinstance(path, str | Path) and str(path) for path in given.values()):
        raise BadInput(f"validation must be pools, a path, or a path for each domain, as in {{news: n.jsonl}}, got {value!r:.80}")
    return tuple((str(name), str(path)) for name, path in given.items())


def _learner(value: object) -> Learner | None:
    if value is None:
        return None
    learner = one_of(SMALL, "learner").read(value)
    return learner


@recipe
class MixSearch:
    """The settings of a search: small mixes are tried, a mixing law is fitted to their losses, and its best shares are used."""

    learner: Annotated[Learner | None, PlainValidator(_learner)] = None
    """The learner that is trained on each small mix of text: ngram (if left out) or transformer."""
    training: Annotated[Schedule | None, exactly(Schedule, "training", or_none=True)] = None
    """The training length of a transformer; one pass over the small mix if left out. Every mix is trained with the same number of steps."""
    column: str | None = None
    """For tables: the column that is predicted from the other columns. No text is read then."""
    predictor: Literal["boosted trees", "linear model"] = "boosted trees"
    """The model that predicts `column`."""
    size: Annotated[int, Field(ge=500, le=100_000_000)] | None = None
    """The size of a small mix in tokens, or in records for a table; if left out 200,000 tokens (2,000 records), or the size of the smallest pool if that is less."""
    block: Annotated[int, Field(ge=8, le=4096)] = 64
    """The length of a record of text, in tokens."""
    mixes: int | None = None
    """The number of mixes that the law is fitted to, at least 3 P + 6 for P pools; this minimum if left out."""
    held_out: Annotated[int, Field(ge=HELD_OUT, le=1000)] = HELD_OUT
    """The number of mixes that the law is tested on."""
    seeds: Annotated[int, Field(ge=2, le=100)] = 2
    """The number of samples of each mix. The proposal and its rivals are measured on as many new samples."""
    validation: Annotated[tuple[tuple[str, str], ...] | Literal["pools"] | None, PlainValidator(_validation)] = None
    """The human records on which losses are measured: a path, or {domain: path}; `pools`: records of each human pool, as a domain of its own. If left
    out: a tenth of the human pools, which no small mix reads."""
    weights: dict[str, float] = field(default_factory=dict)
    """The weight of the loss in each domain; equal weights if left out."""

    def __post_init__(self):
        if self.column is not None and self.learner is not None:
            raise BadInput("learner is for text and column for tables; give only one of them")
        if self.training is not None and getattr(self.learner, "trains", False) is False:
            raise BadInput("training is only for a transformer; write learner: transformer, or leave training out")
        if self.training is not None and not self.training.is_matched:
            raise BadInput("training must be in steps or tokens, so that every small mix is trained equally; leave epochs out")
        for name, weight in self.weights.items():
            if not 0 <= weight < math.inf:
                raise BadInput(f"weights of {name!r} must be 0 or more, got {weight}")

    @property
    def domains(self) -> tuple[str, ...]:
        """The names of the domains for which files are given."""
        return tuple(name for name, _ in self.validation) if isinstance(self.validation, tuple) else ()

    @property
    def identity(self) -> MixSearch:
        """The recipe without the paths of its files. In a step key, the digests of their content stand in place of the paths."""
        return replace(self, validation=tuple((name, name) for name in self.domains)) if self.domains else self


def _search(value: object) -> MixSearch | None:
    """Read the setting `search`: a mapping of settings, `true` for the defaults, or None or `false` for no search."""
    if value is None or value is False:
        return None
    return MixSearch() if value is True else exactly(MixSearch, "search").read(value)


Search = Annotated[MixSearch | None, PlainValidator(_search)]


def check_search(search: MixSearch | None, pools: Any) -> None:
    """Raise BadInput if these pools cannot be searched with these settings."""
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
            "search needs human records to measure losses, and no pool has origin: human; name one, or give search.validation: FILE"
        )


@dataclass(frozen=True, eq=False)
class Searched:
    """The result of a search."""

    plain: dict[str, Any]
    """Design, losses, law, proposal and back-test, as plain data for the manifest."""
    weights: tuple[int, ...] | None
    """The weight of each pool, in millionths of the mix. None if no shares are better than others, so that the requested shares stay."""
    keys: tuple[str, ...]
    """The keys of its steps in the ledger."""
