"""The content of a mix file, as a checked value."""

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
from outcross.verbs.mix.search.settings import Search, check_search
from outcross.verbs.mix.splits.settings import Lineage, Splits, lineage_of, splits_of
from outcross.verbs.mix.targets.settings import Target, targets_of, weights_of, without_paths

Author = Literal["human", "model", "edited", "translated", "unknown"]
Unit = Literal["rows", "characters", "tokens"]
UNITS: tuple[Unit, ...] = ("rows", "characters", "tokens")
AUTHORS = ("human", "unknown", "edited", "translated")
"""The origins that are written as one word. A model is written as a mapping, as in {model: gpt-x}."""
MOST_POOLS = 1000
LARGEST = 2**40
"""The maximum number of rows, characters or tokens of a mix."""


def _paths(value: object) -> tuple[str, ...]:
    """Read one path, or a list of paths."""
    given = [value] if isinstance(value, str | Path) else value
    if not isinstance(given, list | tuple) or not all(isinstance(path, str | Path) and str(path) for path in given):
        raise BadInput(f"path must be a file, a folder, a pattern, or a list of them, got {value!r:.80}")
    return tuple(map(str, given))


def _names(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _decoding(value: object) -> object:
    """Return the decoding settings as canonical JSON."""
    import json

    return json.dumps(value, sort_keys=True, ensure_ascii=False) if isinstance(value, Mapping) else value


def _columns(value: object) -> str | tuple[str, ...]:
    """Read the setting `columns`: same, union, or a list of the columns to keep."""
    if isinstance(value, list | tuple) and value and all(isinstance(column, str) for column in value):
        return tuple(value)
    if value in ("same", "union"):
        return str(value)
    raise BadInput(f"columns must be same, union or a list of columns to keep, got {value!r:.80}")


Paths = Annotated[tuple[str, ...], PlainValidator(_paths)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


@recipe
class MixOrigin:
    """The origin of the records of a pool."""

    author: Author
    """Who wrote the records."""
    model: str | None = None
    """The model that wrote, edited or translated them."""
    revision: str | None = None
    """The revision of the model."""
    generation: int | None = None
    """The generation of models that wrote them, from 0. Human records have none."""

    def __post_init__(self):
        if self.author == "human" and (self.model, self.revision, self.generation) != (None, None, None):
            raise BadInput(
                "a human origin has no model, revision or generation; write {model: NAME} for records that a model wrote"
            )
        if self.revision is not None and self.model is None:
            raise BadInput("an origin with a revision needs its model; write {model: NAME, revision: …}")
        if self.generation is not None and self.generation < 0:
            raise BadInput(f"origin.generation must be 0 or more, got {self.generation}")

    @property
    def name(self) -> str | None:
        """The model with its revision, as in the column `_model`."""
        return f"{self.model}@{self.revision}" if self.revision else self.model


def _origin(value: object) -> MixOrigin | None:
    """Read an origin: a word such as `human` or `unknown`, or a mapping that names a model; None if it is not given."""
    if value is None or isinstance(value, MixOrigin):
        return value
    if isinstance(value, str):
        if value not in AUTHORS:
            raise BadInput(
                f"origin must be one of {', '.join(AUTHORS)}, or name a model, as in {{model: gpt-x}}, got {value!r:.80}{nearest(value, AUTHORS)}"
            )
        return MixOrigin(author=value)  # pyright: ignore[reportArgumentType]
    if not isinstance(value, Mapping):
        raise BadInput(f"origin must be one of {', '.join(AUTHORS)}, or name a model, as in {{model: gpt-x}}, got {value!r:.80}")
    given = {str(key): inner for key, inner in value.items()}
    if given.get("model") is not None:
        given.setdefault("author", "model")
    return MixOrigin(**given)


@recipe
class MixPool:
    """A pool: records that a mix draws from."""

    name: str
    """The name of the pool in this file and in the column `_source`."""
    path: Paths = ()
    """A file, a folder, a pattern, or a list of them; in Python `data` may be given instead."""
    origin: Annotated[MixOrigin | None, PlainValidator(_origin)] = None
    """Who wrote the records. If left out, the columns `_origin` and `_model` of the pool decide; without these columns it is unknown."""
    weight: float | None = None
    """The share of the pool in the mix, relative to the other pools. If human_share is given, the weight is relative to the pools of the same side (human, or all others)."""
    max_repeats: int | None = None
    """The maximum number of times that one of its rows is drawn; the value of the mix if left out."""
    decoding: Annotated[str | None, BeforeValidator(_decoding)] = None
    """How the records were sampled."""
    model_column: str | None = None
    """The column that names the model that wrote a record."""
    generation_column: str | None = None
    """The column with the generation of a record."""
    decoding_column: str | None = None
    """The column that says how a record was sampled."""
    prompt_column: str | None = None
    """The column with the prompt of a record."""
    parents_column: str | None = None
    """The column that names the records that a record was made from."""
    id_column: str | None = None
    """The column with the name of a record, which other records use to name their parents."""
    fresh: bool = False
    """Whether its records are new in every generation. Golden weights require this of human pools."""
    rename: dict[str, str] = field(default_factory=dict)
    """New names of columns: {old: new}."""

    def __post_init__(self):
        if not self.name.strip() or len(self.name) > 200:
            raise BadInput(f"a pool needs a name of at most 200 characters, got {self.name!r:.80}")
        if self.weight is not None and not 0 <= self.weight < math.inf:
            raise BadInput(f"weight of pool {self.name!r} must be 0 or more, got {self.weight}")
        if self.max_repeats is not None and self.max_repeats < 1:
            raise BadInput(f"max_repeats of pool {self.name!r} must be at least 1, got {self.max_repeats}")
        if any(new.startswith("_") for new in self.rename.values()):
            raise BadInput(f"rename of pool {self.name!r}: names that start with _ are reserved for provenance; choose another")

    @property
    def is_human(self) -> bool:
        """Whether the setting `origin` is human."""
        return self.origin is not None and self.origin.author == "human"


@recipe
class AtLeast:
    """A minimum of the human share."""

    at_least: float


def _share(value: object) -> float | AtLeast | None:
    """Read the setting `human_share`: a fraction, or a minimum."""
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
    """A filter, and the pools that it is applied to."""

    filter: Annotated[Filter, one_of(FILTERS, "filter")]
    """The name of the filter, or a mapping with its settings."""
    pools: Names = ()
    """The names of the pools; all pools if left out."""

    @property
    def name(self) -> str:
        return kind(self.filter)


def _filter(value: object) -> MixFilter:
    """Read a filter: its name, or a mapping with its settings and optionally `pools`."""
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
                f"filters: only pools is allowed beside {own}, got {beside!r:.80}{nearest(beside, ['pools'])}; write {{{own}: {{…}}, pools: […]}}"
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
        member(FILTERS, str(name), "filter")  # raises the error for an unknown name
    return read(FILTERS, value, "filters")


def _filters(value: object) -> tuple[MixFilter, ...]:
    if not isinstance(value, list | tuple):
        raise BadInput(f"filters must be a list of filters, as in [drop_duplicates], got {value!r:.80}")
    return tuple(map(_filter, value))


@recipe
class MixRecipe:
    """The settings of a training set that is built out of pools."""

    pools: Annotated[tuple[MixPool, ...], PlainValidator(_pools)]
    """The pools that the mix draws from."""
    rows: int | None = None
    """The number of rows of the mix. Without any budget, the mix is as large as the shares allow."""
    characters: int | None = None
    """A budget in characters of text, in place of rows."""
    tokens: int | None = None
    """A budget in tokens of `tokenizer`, in place of rows."""
    tokenizer: str | None = None
    """A tokenizer.json, or a folder that contains one."""
    human_share: Annotated[float | AtLeast | None, PlainValidator(_share)] = None
    """The human fraction of the budget, in [0, 1], in the budget's unit: exact, or {at_least: 0.3}."""
    max_repeats: int = 1
    """The maximum number of times that one row is drawn. If a share needs more repeats, the mix is refused."""
    order: Literal["even", "shuffled"] = "even"
    """even: every beginning of the mix has the share of every pool to within one row; shuffled: all orders are equally likely."""
    seed: int = 0
    """The seed of every random stream."""
    groups: Names = ()
    """Columns of groups. Each pool is sampled in proportion to its groups, and the manifest counts the rows of each group."""
    columns: Annotated[str | tuple[str, ...], PlainValidator(_columns)] = "same"
    """same: all pools must have the same columns; union: a column that a pool lacks is null in its rows; or a list of the columns to keep."""
    text_column: str | None = None
    """The text column in which characters and tokens are counted; `text` or `messages` if left out."""
    shards: int | None = None
    """The number of files of the mix; one for each 500,000 rows or 256 MB of text if left out."""
    match: Literal["rows", "tokens"] | None = None
    """Also write a set of human records alone, with the same number of rows or tokens as the mix."""
    search: Search = None
    """Train on small mixes, and use the shares that a mixing law predicts to be best, in place of weights."""
    splits: Annotated[Splits | None, PlainValidator(splits_of)] = None
    """The shares of the splits, as in {train: 0.9, validation: 0.05, test: 0.05}. A family of related rows is never in two splits."""
    targets: Annotated[tuple[Target, ...], PlainValidator(targets_of)] = ()
    """Requirements on the training rows: shares of the values of a column, bounds and means of numbers, similarity to another file, or rows that an audit found missing."""
    weights: Annotated[str | dict[str, float] | None, PlainValidator(weights_of)] = None
    """The `_weight` of the rows of each pool, as in {gpt: 0.5}; 1 for pools that are not named. Or golden, if human data are new in every generation."""
    lineage: Annotated[Lineage, PlainValidator(lineage_of)] = field(default_factory=lambda: Lineage())
    """The columns that link rows into one family."""
    filters: Annotated[tuple[MixFilter, ...], PlainValidator(_filters)] = ()
    """The filters that the pools go through, in this order, before the mix is planned."""
    audit: Names = ()
    """The aspects in which the finished mix is audited against its human pools."""

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
            raise BadInput("match needs a human pool, and no pool has origin: human; name one, or leave match out")
        _check_weights(self.weights, self.pools)
        names = [pool.name for pool in self.pools]
        for name in (name for mix_filter in self.filters for name in mix_filter.pools):
            if name not in names:
                raise BadInput(f"a filter names the pool {name!r}{nearest(name, names)}; there are {', '.join(names)[:200]}")

    @property
    def unit(self) -> Unit:
        """The unit of the budget and of the shares."""
        asked: list[Unit] = [unit for unit in UNITS if getattr(self, unit) is not None]
        return asked[0] if asked else "rows"

    @property
    def budget(self) -> int | None:
        return getattr(self, self.unit)

    @property
    def counted(self) -> tuple[Unit, ...]:
        """The units other than rows in which every record is counted."""
        wanted = {self.unit} | ({"tokens"} if self.match == "tokens" else set())
        return tuple(unit for unit in UNITS[1:] if unit in wanted)

    def repeats_of(self, pool: MixPool) -> int:
        """Return the maximum number of times that one row of a pool is drawn."""
        return self.max_repeats if pool.max_repeats is None else pool.max_repeats

    @property
    def identity(self) -> MixRecipe:
        """The recipe without the paths of its data. In a step key, the digests of their content stand in place of the paths."""
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
            f"a mix needs 1 to {MOST_POOLS:,} pools, got {len(pools):,}; write pools: [{{name: human, path: h.jsonl, origin: human}}]"
        )
    names = [pool.name for pool in pools]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadInput(f"two pools are called {twice!r}; give each pool its own name")


def _check_weights(weights: str | dict[str, float] | None, pools: Sequence[MixPool]) -> None:
    if isinstance(weights, dict):
        names = [pool.name for pool in pools]
        if odd := next((name for name in weights if name not in names), None):
            raise BadInput(f"weights names the pool {odd!r}{nearest(odd, names)}; there are {', '.join(names)[:200]}")
    if weights == "golden":
        for pool in pools:
            if pool.origin is None or pool.origin.author not in ("human", "model"):
                raise BadInput(
                    f"golden weights need pools of human or model origin, and pool {pool.name!r} has neither; name its origin, or write a weight for each pool"
                )
            if pool.is_human and not pool.fresh:
                raise BadInput(
                    f"golden weights are valid only if human data are new in every generation; write fresh: true for pool {pool.name!r} if they are, or a weight for each pool"
                )
        if len({pool.is_human for pool in pools}) < 2:
            raise BadInput("golden weights need both human and model pools; give pools of both, or leave weights out")


def read_asked(spec: Any) -> tuple[MixRecipe, tuple[Any, ...]]:
    """Read a mix file or a mapping. Returns the recipe, and the data of each pool: its paths, or the value of `data`. Raises BadInput in one line."""
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
"""The maximum size of a mix file, in bytes."""


def _of_file(path: Path) -> dict[str, Any]:
    from outcross.files import plain_yaml
    from outcross.files.whole import read_text

    given = plain_yaml.read(read_text(path, "give a mix file, which is a page of YAML", MOST_BYTES), str(path))
    if not isinstance(given, dict):
        raise BadInput(f"{path} is not a mix file; it must be a YAML mapping with pools, rows, human_share, …")
    return given
