"""What a mix file says, as a checked value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainValidator

from outcross.errors import BadInput
from outcross.filters import FILTERS, Filter
from outcross.recipe import exactly, kind, member, nearest, one_of, read, recipe
from outcross.verbs.mix.aims import Target, targets_of, weights_of, without_paths
from outcross.verbs.mix.search_asked import Search, check_search
from outcross.verbs.mix.wanted import Lineage, Splits, lineage_of, splits_of

Author = Literal["human", "model", "edited", "translated", "unknown"]
Unit = Literal["rows", "characters", "tokens"]
UNITS: tuple[Unit, ...] = ("rows", "characters", "tokens")
AUTHORS = ("human", "unknown", "edited", "translated")
"""Origins that are one word; a model is named, as in {model: gpt-x}."""
MOST_POOLS = 1000
LARGEST = 2**40
"""Rows, characters or tokens of a mix, at most."""


def _paths(value: object) -> tuple[str, ...]:
    """One path, or a list of them."""
    given = [value] if isinstance(value, str | Path) else value
    if not isinstance(given, list | tuple) or not all(isinstance(path, str | Path) and str(path) for path in given):
        raise BadInput(f"path must be a file, a folder, a pattern, or a list of them, got {value!r:.80}")
    return tuple(map(str, given))


def _names(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _decoding(value: object) -> object:
    """How records were sampled, as canonical JSON."""
    import json

    return json.dumps(value, sort_keys=True, ensure_ascii=False) if isinstance(value, Mapping) else value


def _columns(value: object) -> str | tuple[str, ...]:
    """One of two words, or the columns that are kept."""
    if isinstance(value, list | tuple) and value and all(isinstance(column, str) for column in value):
        return tuple(value)
    if value in ("same", "union"):
        return str(value)
    raise BadInput(f"columns must be same, union or a list of columns to keep, got {value!r:.80}")


Paths = Annotated[tuple[str, ...], PlainValidator(_paths)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


@recipe
class MixOrigin:
    """Who wrote the records of a pool."""

    author: Author
    """Who wrote the records."""
    model: str | None = None
    """The model that wrote, edited or translated them."""
    revision: str | None = None
    """The revision of the model."""
    generation: int | None = None
    """The generation of models in which they were written, from 0; people have none."""

    def __post_init__(self):
        if self.author == "human" and (self.model, self.revision, self.generation) != (None, None, None):
            raise BadInput("a human origin has no model, revision or generation; write {model: NAME} for what a model wrote")
        if self.revision is not None and self.model is None:
            raise BadInput("an origin with a revision needs its model; write {model: NAME, revision: …}")
        if self.generation is not None and self.generation < 0:
            raise BadInput(f"origin.generation must be 0 or more, got {self.generation}")

    @property
    def name(self) -> str | None:
        """The model with its revision, as the column `_model` says it."""
        return f"{self.model}@{self.revision}" if self.revision else self.model


def _origin(value: object) -> MixOrigin | None:
    """`human`, `unknown`, or a mapping that names a model; None where nothing is said."""
    if value is None or isinstance(value, MixOrigin):
        return value
    if isinstance(value, str):
        if value not in AUTHORS:
            raise BadInput(
                f"origin must be one of {', '.join(AUTHORS)}, or name a model as in {{model: gpt-x}}, got {value!r:.80}{nearest(value, AUTHORS)}"
            )
        return MixOrigin(author=value)  # pyright: ignore[reportArgumentType]
    if not isinstance(value, Mapping):
        raise BadInput(f"origin must be a word or name a model as in {{model: gpt-x}}, got {value!r:.80}")
    given = {str(key): inner for key, inner in value.items()}
    if given.get("model") is not None:
        given.setdefault("author", "model")
    return MixOrigin(**given)


@recipe
class MixPool:
    """Records that a mix draws from."""

    name: str
    """What the pool is called in this file and in the column `_source`."""
    path: Paths = ()
    """A file, a folder, a pattern, or a list of them; in Python `data` may be given instead."""
    origin: Annotated[MixOrigin | None, PlainValidator(_origin)] = None
    """Who wrote them; where nothing is said, what their columns `_origin` and `_model` say, else unknown."""
    weight: float | None = None
    """How much of the mix it is, relative to the other pools of its side (people, or not) where a human share is asked, else to all."""
    max_repeats: int | None = None
    """How often one of its rows may be drawn; what the mix says if left out."""
    decoding: Annotated[str | None, BeforeValidator(_decoding)] = None
    """How the records were sampled."""
    model_column: str | None = None
    """The column that names the model that wrote a record."""
    generation_column: str | None = None
    """The column that holds the generation of a record."""
    decoding_column: str | None = None
    """The column that says how a record was sampled."""
    prompt_column: str | None = None
    """The column that holds the prompt of a record."""
    parents_column: str | None = None
    """The column that names the records that a record was made from."""
    id_column: str | None = None
    """The column that names a record, by which others name their parents."""
    fresh: bool = False
    """Whether its records are new in every generation; golden weights need that of human pools."""
    rename: dict[str, str] = field(default_factory=dict)
    """Columns under other names: {old: new}."""

    def __post_init__(self):
        if not self.name.strip() or len(self.name) > 200:
            raise BadInput(f"a pool needs a name of at most 200 characters, got {self.name!r:.80}")
        if self.weight is not None and not 0 <= self.weight < math.inf:
            raise BadInput(f"weight of pool {self.name!r} must be 0 or more, got {self.weight}")
        if self.max_repeats is not None and self.max_repeats < 1:
            raise BadInput(f"max_repeats of pool {self.name!r} must be at least 1, got {self.max_repeats}")
        if any(new.startswith("_") for new in self.rename.values()):
            raise BadInput(f"rename of pool {self.name!r}: names that start with _ are of provenance; choose another")

    @property
    def is_human(self) -> bool:
        """Whether people wrote it, as far as is said."""
        return self.origin is not None and self.origin.author == "human"


@recipe
class AtLeast:
    """A floor of the human share."""

    at_least: float


def _share(value: object) -> float | AtLeast | None:
    """A fraction, or a floor of one."""
    floor = exactly(AtLeast, "human_share").read(value) if isinstance(value, Mapping) else value
    number = floor.at_least if isinstance(floor, AtLeast) else floor
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise BadInput(f"human_share must be a fraction in [0, 1] or {{at_least: 0.3}}, got {value!r:.80}")
    if not 0 <= number <= 1:
        raise BadInput(f"human_share must be in [0, 1], got {number}; write 0.3 for thirty percent")
    return floor if isinstance(floor, AtLeast) else float(number)


def _pools(value: object) -> tuple[MixPool, ...]:
    read = exactly(MixPool, "pool").read
    if not isinstance(value, list | tuple):
        raise BadInput(f"pools must be a list of pools, got {value!r:.80}")
    return tuple(read(pool) for pool in value)


@recipe
class MixFilter:
    """A filter, and the pools whose rows it looks at."""

    filter: Annotated[Filter, one_of(FILTERS, "filter")]
    """The filter, by its name or with its settings."""
    pools: Names = ()
    """Their names; all pools if left out."""

    @property
    def name(self) -> str:
        return kind(self.filter)


def _filter(value: object) -> MixFilter:
    """A filter by its name, or a mapping with its settings and `pools` beside them or among them."""
    if isinstance(value, MixFilter):
        return value
    if not isinstance(value, Mapping):
        return MixFilter(filter=_member(value))
    given = {str(key): inner for key, inner in value.items()}
    if "filter" in given:
        return exactly(MixFilter, "filters").read(given)
    pools = given.pop("pools", ())
    if "kind" not in given:
        if len(given) != 1:
            own = next((name for name in given if name in FILTERS), "best_of")
            beside = next((name for name in given if name != own), "nothing")
            raise BadInput(
                f"filters: beside {own} only pools may stand, got {beside!r:.80}{nearest(beside, ['pools'])}; write {{{own}: {{…}}, pools: […]}}"
            )
        ((name, settings),) = given.items()
        if not (settings is None or isinstance(settings, Mapping)):
            raise BadInput(f"filters: {name} must be a mapping of its settings, as in {{{name}: {{…}}}}, got {settings!r:.80}")
        given = {"kind": name} | {str(key): inner for key, inner in (settings or {}).items()}
        pools = given.pop("pools", pools)
    return MixFilter(filter=_member(given), pools=pools)  # pyright: ignore[reportArgumentType]


def _member(value: Any) -> Filter:
    name = value.get("kind") if isinstance(value, Mapping) else value
    if isinstance(name, str) or (isinstance(value, Mapping) and name is not None):
        member(FILTERS, str(name), "filter")  # a name that is not known is refused in these words
    return read(FILTERS, value, "filters")


def _filters(value: object) -> tuple[MixFilter, ...]:
    if not isinstance(value, list | tuple):
        raise BadInput(f"filters must be a list of filters, in their order, got {value!r:.80}")
    return tuple(map(_filter, value))


@recipe
class MixRecipe:
    """A training set to be built out of pools."""

    pools: Annotated[tuple[MixPool, ...], PlainValidator(_pools)]
    """What the mix draws from."""
    rows: int | None = None
    """Records of the mix; with no budget at all as many as the shares allow."""
    characters: int | None = None
    """A budget in characters of text, in place of rows."""
    tokens: int | None = None
    """A budget in tokens of `tokenizer`, in place of rows."""
    tokenizer: str | None = None
    """A tokenizer.json, or a folder that holds one."""
    human_share: Annotated[float | AtLeast | None, PlainValidator(_share)] = None
    """Fraction that people wrote, in [0, 1], of the budget's unit: exact, or {at_least: 0.3}."""
    max_repeats: int = 1
    """How often one row may be drawn. It is a bound: where a share would need more, the mix is refused."""
    order: Literal["even", "shuffled"] = "even"
    """even: every beginning keeps every pool's share to within one row; shuffled: every order is as likely as another."""
    seed: int = 0
    """The seed of every random stream."""
    groups: Names = ()
    """Columns by whose values each pool is sampled in proportion, and by which the manifest counts."""
    columns: Annotated[str | tuple[str, ...], PlainValidator(_columns)] = "same"
    """same: pools must have the same columns; union: what a pool has not is null; or a list of the columns to keep."""
    text_column: str | None = None
    """The column of text that characters and tokens are counted in; `text` or `messages` if left out."""
    shards: int | None = None
    """Files of the mix; one for each 500,000 rows or 256 MB of text if left out."""
    match: Literal["rows", "tokens"] | None = None
    """Write a set of human records alone of as many rows, or tokens, beside the mix."""
    search: Search = None
    """Try small mixes, and take the shares that a mixing law finds best, in the place of weights."""
    splits: Annotated[Splits | None, PlainValidator(splits_of)] = None
    """Parts that are held back from training, as in {train: 0.9, validation: 0.05, test: 0.05}: no family of rows is in two of them."""
    targets: Annotated[tuple[Target, ...], PlainValidator(targets_of)] = ()
    """What the training rows are to be: shares by the values of a column, bounds and means of numbers, like another file, or what an audit found missing."""
    weights: Annotated[str | dict[str, float] | None, PlainValidator(weights_of)] = None
    """`_weight` of the rows of each pool, as in {gpt: 0.5}, beside 1 for all others; or golden, where human data are new in every generation."""
    lineage: Annotated[Lineage, PlainValidator(lineage_of)] = field(default_factory=lambda: Lineage())
    """What makes rows of one family."""
    filters: Annotated[tuple[MixFilter, ...], PlainValidator(_filters)] = ()
    """What is kept of the pools, in this order, before anything is planned."""
    audit: Names = ()
    """Aspects in which the finished mix is audited against its human pools."""

    def __post_init__(self):
        _check_pools(self.pools)
        check_search(self.search, self.pools)
        asked = [unit for unit in UNITS if getattr(self, unit) is not None]
        if len(asked) > 1:
            raise BadInput(f"{asked[0]} and {asked[1]} contradict each other; give one budget")
        for name, smallest in (*((unit, 1) for unit in asked), ("max_repeats", 1), ("seed", 0), ("shards", 1)):
            if (number := getattr(self, name)) is not None and not smallest <= number <= LARGEST:
                raise BadInput(f"{name} must be from {smallest} to {LARGEST:,}, got {number:,}")
        if (self.tokens is not None or self.match == "tokens") and self.tokenizer is None:
            raise BadInput("tokens are counted by a tokenizer; name its file, as in tokenizer: tokenizer.json")
        if self.match is not None and not any(pool.is_human for pool in self.pools):
            raise BadInput("match writes a set of human records alone, and no pool has origin: human; name one, or leave match out")
        _check_weights(self.weights, self.pools)
        names = [pool.name for pool in self.pools]
        for name in (name for mix_filter in self.filters for name in mix_filter.pools):
            if name not in names:
                raise BadInput(f"a filter names the pool {name!r}{nearest(name, names)}; there are {', '.join(names)[:200]}")

    @property
    def unit(self) -> Unit:
        """What the budget and the shares are counted in."""
        asked: list[Unit] = [unit for unit in UNITS if getattr(self, unit) is not None]
        return asked[0] if asked else "rows"

    @property
    def budget(self) -> int | None:
        return getattr(self, self.unit)

    @property
    def counted(self) -> tuple[Unit, ...]:
        """What is counted of every record beside that it is one."""
        wanted = {self.unit} | ({"tokens"} if self.match == "tokens" else set())
        return tuple(unit for unit in UNITS[1:] if unit in wanted)

    def repeats_of(self, pool: MixPool) -> int:
        """How often one row of a pool may be drawn."""
        return self.max_repeats if pool.max_repeats is None else pool.max_repeats

    @property
    def identity(self) -> MixRecipe:
        """The recipe without where its data lie: what they hold stands for that."""
        return replace(
            self,
            pools=tuple(replace(pool, path=()) for pool in self.pools),
            tokenizer=self.tokenizer and "tokenizer",
            search=self.search and self.search.identity,
            targets=tuple(map(without_paths, self.targets)),
            filters=tuple(replace(mix_filter, filter=mix_filter.filter.without_paths()) for mix_filter in self.filters),
        )


def _check_pools(pools: Sequence[MixPool]) -> None:
    if not pools or len(pools) > MOST_POOLS:
        raise BadInput(
            f"a mix needs from 1 to {MOST_POOLS:,} pools, got {len(pools):,}; write pools: [{{name: human, path: h.jsonl, origin: human}}]"
        )
    names = [pool.name for pool in pools]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadInput(f"two pools are called {twice!r}; give each a name of its own")


def _check_weights(weights: str | dict[str, float] | None, pools: Sequence[MixPool]) -> None:
    if isinstance(weights, dict):
        names = [pool.name for pool in pools]
        if odd := next((name for name in weights if name not in names), None):
            raise BadInput(f"weights names the pool {odd!r}{nearest(odd, names)}; there are {', '.join(names)[:200]}")
    if weights == "golden":
        for pool in pools:
            if pool.origin is None or pool.origin.author not in ("human", "model"):
                raise BadInput(
                    f"golden weights are of human and model rows, and pool {pool.name!r} is neither; name its origin, or write a weight for each pool"
                )
            if pool.is_human and not pool.fresh:
                raise BadInput(
                    f"golden weights hold where human data are new in every generation; write fresh: true for pool {pool.name!r} if they are, or a weight for each pool"
                )
        if len({pool.is_human for pool in pools}) < 2:
            raise BadInput("golden weights are of human rows beside a model's; give pools of both, or leave weights out")


def read_asked(spec: Any) -> tuple[MixRecipe, tuple[Any, ...]]:
    """What a mix file or a mapping asks for, and the data of each pool: its paths, or what was given as `data`. BadInput in one line."""
    given, where = (dict(spec), "the mix") if isinstance(spec, Mapping) else (_of_file(Path(str(spec))), str(spec))
    pools = given.get("pools")
    if isinstance(pools, Mapping):
        pools = [{"name": name, **(pool if isinstance(pool, Mapping) else {"data": pool})} for name, pool in pools.items()]
    if not isinstance(pools, list | tuple):
        raise BadInput(f"{where} names no pools; write pools: [{{name: human, path: h.jsonl, origin: human}}, …]")
    plain, data = [], []
    for number, pool in enumerate(pools, 1):
        if not isinstance(pool, Mapping):
            raise BadInput(f"{where}: pool {number} must be a mapping with name, path and origin, got {pool!r:.80}")
        own = {str(key): value for key, value in pool.items()}
        in_memory = own.pop("data", None)
        if (in_memory is None) == (own.get("path") is None):
            raise BadInput(
                f"{where}: pool {own.get('name', number)!r} needs a path"
                + (", not data and a path" if in_memory is not None else "")
            )
        plain.append(own)
        data.append(in_memory)
    said: dict[str, Any] = {str(key): value for key, value in given.items()} | {"pools": plain}
    try:
        asked = MixRecipe(**said)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None
    return asked, tuple(pool.path if in_memory is None else in_memory for pool, in_memory in zip(asked.pools, data, strict=True))


MOST_BYTES = 1_000_000
"""Bytes of a mix file."""


def _of_file(path: Path) -> dict[str, Any]:
    from outcross.files import plain_yaml
    from outcross.files.whole import read_text

    given = plain_yaml.read(read_text(path, "give a mix file, which is a page of YAML", MOST_BYTES), str(path))
    if not isinstance(given, dict):
        raise BadInput(f"{path} holds no mix; it must be a YAML mapping with pools, rows, human_share, …")
    return given
