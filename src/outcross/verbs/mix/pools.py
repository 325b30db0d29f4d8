"""The opened pools of a mix: their columns are brought to common types, their rows are counted, and each row is identified by its digest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.errors import BadInput, first_words
from outcross.files.formats import from_file
from outcross.files.lossless import lossless
from outcross.files.names import literal
from outcross.files.reading import files_of, read
from outcross.files.refusals import suffix
from outcross.files.source import TableSource
from outcross.recipe import nearest
from outcross.verbs.mix.asked import MixPool, MixRecipe, Unit
from outcross.verbs.mix.canonical import canonical, digests, scrambled
from outcross.verbs.mix.provenance import PROVENANCE, authors, check_rows

if TYPE_CHECKING:
    import polars

Schema = dict[str, Any]
"""The polars type of each column."""
LABEL = ("_origin", "_model", "_generation")
"""The columns with the origin of a row."""
MOST_LABELS = 100_000
"""The maximum number of combinations of origin, model, generation and groups in a pool."""


@dataclass(frozen=True, eq=False)
class OpenPool:
    """A pool with its sources and its columns."""

    recipe: MixPool
    sources: tuple[TableSource, ...]
    schema: Schema
    """The schema of its own columns, under their new names; empty if it has no rows."""

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[polars.DataFrame]:
        """Yield its rows in batches with the same columns and types. columns: the columns to read; all if left out."""
        former = {new: old for old, new in self.recipe.rename.items()}
        schema = self.schema if columns is None else {name: self.schema[name] for name in columns}
        for source in self.sources:
            wanted = [former.get(name, name) for name in schema]
            there = None if columns is None else [name for name in wanted if name in source.columns] or list(source.columns[:1])
            for batch in source.batches(there):
                if batch.height:
                    yield _alike(_renamed(batch, self.recipe), schema, f"pool {self.recipe.name!r}")

    @cached_property
    def rows(self) -> int:
        """The number of its rows, from the metadata of its files if they have any."""
        return sum(self.sizes) if self.schema else 0

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The number of rows of each of its files."""
        return tuple(rows_of(source) for source in self.sources)

    @property
    def is_delimited(self) -> bool:
        """Whether all its files are .csv or .tsv files, whose fields are text."""
        return bool(self.sources) and all(suffix(Path(source.name))[0] in (".csv", ".tsv") for source in self.sources)

    def number_type(self, column: str) -> polars.DataType | None:
        """Return the numeric type that keeps every field of a column as it is written; None if no type does."""
        import polars as pl

        widest = pl.Int64()
        for batch in self.batches([column]):
            dtype = lossless(batch[column])
            if dtype is None:
                return None
            widest = dtype if widest == pl.Int64 else widest
        return widest

    @property
    def columns(self) -> list[str]:
        """Its columns, without those of provenance."""
        return [name for name in self.schema if name not in PROVENANCE]


@dataclass(frozen=True)
class ContentSize:
    """The size of the canonical text of some rows, in bytes."""

    rows: int = 0
    bytes: int = 0

    def of(self, rows: int) -> int:
        """Estimate the size of another number of such rows, in bytes."""
        return rows * self.bytes // max(self.rows, 1)


@dataclass(frozen=True, eq=False)
class ScannedPool:
    """The properties of every row of a pool that decide whether and where it is drawn, in reading order."""

    of_rows: np.ndarray
    """The digests of content and pool, (n, 2)."""
    occurrences: np.ndarray
    """The number of earlier rows with the same content, (n,)."""
    alike: np.ndarray | None
    """The number of rows with the same content, including the row itself, (n,); None if all rows differ."""
    strata: np.ndarray
    """The number of each row's label, (n,)."""
    labels: tuple[dict[str, Any], ...]
    """The labels (origin, model, generation and groups), in an order that does not depend on the order of reading."""
    amounts: Mapping[Unit, np.ndarray] = field(default_factory=dict)
    """The characters or tokens of each row, (n,)."""
    content: ContentSize = ContentSize()
    """The size of all rows that were read; 0 if only some columns were read."""

    @property
    def rows(self) -> int:
        return len(self.strata)

    def take(self, rows: np.ndarray) -> ScannedPool:
        """Return the scan of some of its rows. `alike` still counts all rows of the pool."""
        return ScannedPool(
            of_rows=self.of_rows[rows],
            occurrences=self.occurrences[rows],
            alike=None if self.alike is None else self.alike[rows],
            strata=self.strata[rows],
            labels=self.labels,
            amounts={unit: amounts[rows] for unit, amounts in self.amounts.items()},
            content=self.content,
        )

    def kept(self, times: np.ndarray) -> tuple[np.ndarray, ScannedPool]:
        """Return the indices of the kept rows, and their scan. A row that is kept several times is repeated. times: how often each row is kept, (n,)."""
        rows = np.repeat(np.arange(self.rows), times)
        copies = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
        steps = 1 if self.alike is None else self.alike[rows]
        return rows, ScannedPool(
            of_rows=self.of_rows[rows],
            occurrences=(self.occurrences[rows] + copies * steps).astype(np.uint32),
            alike=None if self.alike is None else self.alike[rows],
            strata=self.strata[rows],
            labels=self.labels,
            amounts={unit: amounts[rows] for unit, amounts in self.amounts.items()},
            content=self.content,
        )


def opened(recipe: MixPool, data: Any) -> OpenPool:
    """Open a pool and read its first rows to find its columns. Raises BadInput if it cannot be read, or lacks a column that it names."""
    sources = _sources(data)
    schema: Schema = {}
    for source in sources:
        own = _renamed(_first(source), recipe).schema
        for name, dtype in own.items():
            shared = common(schema[name], dtype) if name in schema else dtype
            if shared is None:
                raise BadInput(
                    f"pool {recipe.name!r}: column {name!r} is {schema[name]} in one file and {dtype} in {source.name}; give it the same type in all files"
                )
            schema[name] = shared
    for old in recipe.rename:
        if sources and not any(old in source.columns for source in sources):
            raise _no_column(recipe, old, [name for source in sources for name in source.columns], "rename")
    for setting in ("model_column", "generation_column", "decoding_column", "prompt_column", "parents_column", "id_column"):
        column = getattr(recipe, setting)
        if column is not None and schema and column not in schema:
            raise _no_column(recipe, column, list(schema), setting)
    return OpenPool(recipe, tuple(sources), schema)


def shared_schema(asked: MixRecipe, pools: Sequence[OpenPool]) -> Schema:
    """Return the columns of the mix, without provenance. Raises BadInput if pools differ in columns or types and `columns` does not allow it."""
    with_rows = [pool for pool in pools if pool.schema]
    if not with_rows:
        return {}
    names = list(dict.fromkeys(name for pool in with_rows for name in pool.columns))
    if isinstance(asked.columns, tuple):
        for name in asked.columns:
            if name not in names:
                raise BadInput(f"no pool has a column {name!r}{nearest(name, names)} (columns); they have {', '.join(names)[:200]}")
        names = [name for name in asked.columns if name not in PROVENANCE]
    schema: Schema = {}
    dtypes = {(pool, name): pool.schema[name] for pool in with_rows for name in names if name in pool.schema}
    for name in names:
        dtypes |= _as_numbers(name, [pool for pool in with_rows if name in pool.schema])
        for pool in with_rows:
            if name not in pool.schema:
                if asked.columns != "union":
                    other = next(other for other in with_rows if name in other.schema)
                    raise BadInput(
                        f"pool {pool.recipe.name!r} has no column {name!r}, and pool {other.recipe.name!r} has it; write columns: union to fill it with nulls, "
                        "columns: […] to keep some columns, or rename: {old: new} in a pool"
                    )
                continue
            shared = common(schema[name], dtypes[pool, name]) if name in schema else dtypes[pool, name]
            if shared is None:
                other = next(other for other in with_rows if name in other.schema)
                raise BadInput(
                    f"column {name!r} is {schema[name]} in pool {other.recipe.name!r} and {dtypes[pool, name]} in {pool.recipe.name!r}; give it the same type in both "
                    "(fields of a .csv are text unless each of them is a number that can be kept as it is written), or leave it out with columns: […]"
                )
            schema[name] = shared
    for name in (*asked.groups, *([asked.text_column] if asked.text_column else [])):
        if name not in schema:
            raise BadInput(f"the mix has no column {name!r}{nearest(name, schema)}; it has {', '.join(schema)[:200]}")
    return schema


def _as_numbers(name: str, pools: Sequence[OpenPool]) -> dict[tuple[OpenPool, str], Any]:
    """Return the numeric types of a column in the pools of .csv and .tsv files, if it is numeric in all other pools.

    A pool is included only if all fields of its column can be read as numbers without a loss.
    """
    written = [pool for pool in pools if pool.is_delimited and pool.schema[name] == _string()]
    others = [pool.schema[name] for pool in pools if pool not in written]
    if not written or not others or not all(dtype.is_numeric() for dtype in others):
        return {}
    return {(pool, name): dtype for pool in written if (dtype := pool.number_type(name)) is not None}


def _string() -> Any:
    import polars as pl

    return pl.String


def read_as_numbers(pool: OpenPool, schema: Schema) -> list[str]:
    """Return the columns of a pool whose fields are text and are read as numbers in the mix."""
    return [name for name, dtype in schema.items() if dtype.is_numeric() and pool.schema.get(name) == _string()]


def text_column(asked: MixRecipe, schema: Schema) -> tuple[str, Any]:
    """Return the text column, in which characters and tokens are counted, and its type. Raises BadInput if it is not clear which column that is."""
    import polars as pl

    texts = [name for name, dtype in schema.items() if dtype == pl.String]
    column = asked.text_column or next(
        (name for name in ("text", "messages") if name in schema), texts[0] if len(texts) == 1 else None
    )
    if column is None:
        raise BadInput(f"it is not clear which column contains the text; name it as text_column, one of {', '.join(schema)[:200]}")
    if schema[column] != pl.String and not _is_chat(schema[column]):
        raise BadInput(
            f"text_column {column!r} is {schema[column]}; it must be text, or messages (a list of {{role, content}}); name another"
        )
    return column, schema[column]


def scanned(pool: OpenPool, asked: MixRecipe, schema: Schema, tokenizer: Any) -> ScannedPool:
    """Read a pool once and return the digest, the label and the amounts of every row. Raises BadInput if a row contradicts its pool.

    `schema` is that of the mix.
    """
    text = text_column(asked, schema) if asked.counted else None
    of_rows, strata, codes = [np.zeros((0, 2), np.uint64)], [np.zeros(0, np.int32)], {}
    amounts: dict[Unit, list[np.ndarray]] = {unit: [np.zeros(0, np.int64)] for unit in asked.counted}
    size = 0
    for batch in pool.batches():
        check_rows(batch, pool.recipe)
        rows = canonical(batch)
        of_rows.append(digests(rows, pool.recipe.name))
        size += int(rows.str.len_bytes().sum())
        strata.append(_coded(batch, pool.recipe, {name: schema[name] for name in asked.groups}, codes))
        for unit, parts in amounts.items():
            assert text is not None
            parts.append(counted(fitted(batch, dict([text])).to_series(), unit, tokenizer))
    digest, label = np.concatenate(of_rows), np.concatenate(strata)
    names, order = _in_order(codes)
    occurrences, alike = occurrences_of(digest)
    return ScannedPool(
        of_rows=digest,
        occurrences=occurrences,
        alike=alike,
        strata=order[label] if names else label,
        labels=tuple(map(json.loads, names)),
        amounts={unit: np.concatenate(parts) for unit, parts in amounts.items()},
        content=ContentSize(len(label), size),
    )


def counted_pool(pool: OpenPool, asked: MixRecipe, schema: Schema, place: int, tokens_a_character: float = 0.0) -> ScannedPool:
    """Return the label and the amounts of every row, which is all that a plan needs, from the columns that are named.

    In place of a digest a row gets a pseudo-random number. In place of its tokens it gets its characters times `tokens_a_character`.
    """
    text = text_column(asked, schema) if asked.counted else None
    recipe = pool.recipe
    named = [recipe.model_column, recipe.generation_column, *LABEL, *asked.groups, *([text[0]] if text else [])]
    names = [name for name in dict.fromkeys(named) if name in pool.schema] or [*pool.schema][:1]
    strata, codes = [np.zeros(0, np.int32)], {}
    amounts: dict[Unit, list[np.ndarray]] = {unit: [np.zeros(0, np.int64)] for unit in asked.counted}
    for batch in pool.batches(names) if pool.schema else ():
        check_rows(batch, recipe)
        strata.append(_coded(batch, recipe, {name: schema[name] for name in asked.groups}, codes))
        for unit, parts in amounts.items():
            assert text is not None
            own = counted(fitted(batch, dict([text])).to_series(), "characters", None)
            parts.append(np.rint(own * tokens_a_character).astype(np.int64) if unit == "tokens" else own)
    label = np.concatenate(strata)
    names, order = _in_order(codes)
    numbers = np.arange(len(label), dtype=np.uint64)
    return ScannedPool(
        of_rows=np.stack([scrambled(numbers + np.uint64(place << 48)), numbers], axis=1),
        occurrences=np.zeros(len(label), np.uint32),
        alike=None,
        strata=order[label] if names else label,
        labels=tuple(map(json.loads, names)),
        amounts={unit: np.concatenate(parts) for unit, parts in amounts.items()},
    )


def _in_order(codes: Mapping[str, int]) -> tuple[list[str], np.ndarray]:
    """Return the labels sorted by name, so that they do not depend on the order of reading, and the index of each code among them."""
    names = sorted(codes)
    order = np.empty(len(names), dtype=np.int32)
    order[[codes[name] for name in names]] = np.arange(len(names))
    return names, order


def tokenizer_of(path: str | None) -> Any:
    """Load the tokenizer from a file, or from the folder that contains it. Raises BadInput if it cannot be read."""
    if path is None:
        return None
    try:
        from tokenizers import Tokenizer
    except ImportError:
        from outcross.errors import missing_extra

        raise missing_extra("tokenizers", "torch") from None
    from outcross.files import inputs

    content = inputs.read(tokenizer_file(path))
    try:
        tokenizer = Tokenizer.from_str(content.decode())
    except Exception as error:  # tokenizers raises plain Exception
        raise BadInput(f"tokenizer {path} cannot be read ({first_words(error)}); give its complete tokenizer.json") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def tokenizer_file(path: str) -> Path:
    """Return the file of a tokenizer: the path itself, or tokenizer.json in it."""
    place = Path(path)
    return place / "tokenizer.json" if place.is_dir() else place


def common(first: polars.DataType, second: polars.DataType) -> polars.DataType | None:
    """Return the common type of two types, which keeps the values of both; None if there is none, as for text and numbers."""
    import polars as pl

    if first == second or second == pl.Null:
        return first
    if first == pl.Null:
        return second
    if first.is_numeric() and second.is_numeric():
        return pl.concat([pl.DataFrame(schema={"a": first}), pl.DataFrame(schema={"a": second})], how="vertical_relaxed").schema[
            "a"
        ]
    words = (pl.String, pl.Categorical, pl.Enum)
    if first in words and second in words:
        return pl.String()
    if isinstance(first, pl.List | pl.Array) and isinstance(second, pl.List | pl.Array):
        inner = common(first.inner, second.inner)  # pyright: ignore[reportArgumentType]
        return None if inner is None else pl.List(inner)
    if isinstance(first, pl.Struct) and isinstance(second, pl.Struct):
        fields = {part.name: part.dtype for part in first.fields}
        for part in second.fields:
            shared = common(fields[part.name], part.dtype) if part.name in fields else part.dtype  # pyright: ignore[reportArgumentType]
            if shared is None:
                return None
            fields[part.name] = shared
        return pl.Struct(fields)
    return None


def fitted(frame: polars.DataFrame, schema: Schema) -> polars.DataFrame:
    """Return rows with the columns and types of this schema. A missing column is filled with nulls."""
    return _alike(frame, schema, "the mix")


def _sources(data: Any) -> list[TableSource]:
    if isinstance(data, str | Path):
        data = [data]
    if isinstance(data, list | tuple) and data and all(isinstance(item, str | Path) for item in data):
        return [from_file(file) for item in data for file in files_of(str(item))]
    return [read(data)]


def _first(source: TableSource) -> polars.DataFrame:
    """Return the first rows of a source; a frame without columns if it has no rows."""
    import polars as pl

    return next((batch for batch in source.batches(None) if batch.height), pl.DataFrame())


def rows_of(source: TableSource) -> int:
    """Return the number of rows of a source, from the metadata of a Parquet file, otherwise by reading it."""
    import polars as pl

    path = Path(source.name)
    if suffix(path) == (".parquet", "") and path.is_file():
        return pl.scan_parquet(literal(path), glob=False, hive_partitioning=False).select(pl.len()).collect().item()
    return sum(batch.height for batch in source.batches(source.columns[:1]))


def _renamed(batch: polars.DataFrame, recipe: MixPool) -> polars.DataFrame:
    rename = {old: new for old, new in recipe.rename.items() if old in batch.columns}
    if clash := [new for new in rename.values() if new in batch.columns and new not in rename]:
        raise BadInput(f"pool {recipe.name!r}: rename would give two columns the name {clash[0]!r}; choose another")
    return batch.rename(rename) if rename else batch


def _alike(batch: polars.DataFrame, schema: Schema, where: str) -> polars.DataFrame:
    import polars as pl

    if batch.schema == schema:
        return batch
    cells = [
        pl.lit(None, dtype=dtype).alias(name)
        if name not in batch.columns
        else pl.col(name).cast(dtype)
        if batch.schema[name] != dtype
        else pl.col(name)
        for name, dtype in schema.items()
    ]
    try:
        return batch.select(cells) if cells else batch.select([])
    except pl.exceptions.PolarsError as error:
        raise BadInput(
            f"{where}: the type of a column changes between rows: {first_words(error)}; give it the same type in all files"
        ) from None


def _no_column(recipe: MixPool, column: str, there: list[str], setting: str) -> BadInput:
    return BadInput(
        f"pool {recipe.name!r} has no column {column!r}{nearest(column, there)} ({setting}); it has {', '.join(dict.fromkeys(there))[:200]}"
    )


def _coded(batch: polars.DataFrame, recipe: MixPool, groups: Schema, codes: dict[str, int]) -> np.ndarray:
    """Return the code of each row's label, and add new labels to `codes` in the order in which they occur. groups: columns with their types in the mix."""
    import polars as pl

    varies = bool(groups) or any(name in batch.columns for name in (recipe.model_column, recipe.generation_column, *LABEL))
    if not varies and batch.height > 1:
        return np.repeat(_coded(batch.head(1), recipe, groups, codes), batch.height)
    said = authors(batch, recipe)
    parts = [
        *said,
        *(
            (pl.col(name) if name in batch.columns else pl.lit(None)).cast(dtype).cast(pl.String).alias(name)
            for name, dtype in groups.items()
        ),
    ]
    try:
        label = batch.with_columns(**said).select(pl.struct(parts).struct.json_encode().alias("label")).to_series()
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"pool {recipe.name!r}: groups must be columns of plain values: {first_words(error)}") from None
    for name in label.unique(maintain_order=True).to_list():
        codes.setdefault(name, len(codes))
    if len(codes) > MOST_LABELS:
        raise BadInput(
            f"pool {recipe.name!r} has more than {MOST_LABELS:,} combinations of model, generation and groups; name columns with fewer values"
        )
    return label.replace_strict(list(codes), list(codes.values()), return_dtype=pl.Int32).to_numpy()


def counted(texts: polars.Series, unit: Unit, tokenizer: Any) -> np.ndarray:
    """Return the number of characters or tokens of each text, or of the contents of its messages; 0 for a missing text."""
    texts = contents(texts)
    if unit == "characters":
        return texts.str.len_chars().to_numpy().astype(np.int64)
    words = texts.to_list()
    encoded = (
        tokenizer.encode_batch_fast(words[start : start + 1000], add_special_tokens=False) for start in range(0, len(words), 1000)
    )
    return np.array([len(encoding.ids) for some in encoded for encoding in some], dtype=np.int64)


def contents(texts: polars.Series) -> polars.Series:
    """Return the texts, or the contents of messages joined by line breaks; empty for a missing text."""
    import polars as pl

    if texts.dtype != pl.String:
        messages = pl.col("m").list.eval(pl.element().struct.field("content").cast(pl.String))
        texts = texts.alias("m").to_frame().select(messages.list.join("\n", ignore_nulls=True)).to_series()
    return texts.fill_null("")


def _is_chat(dtype: Any) -> bool:
    import polars as pl

    return (
        isinstance(dtype, pl.List)
        and isinstance(dtype.inner, pl.Struct)
        and "content" in {part.name for part in dtype.inner.fields}
    )


def occurrences_of(digest: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the number of earlier rows with the same digest, (n,), and of all rows with the same digest, (n,), or None if all digests differ."""
    occurrences = np.zeros(len(digest), dtype=np.uint32)
    first = np.sort(digest[:, 0])
    if not (first[1:] == first[:-1]).any():
        return occurrences, None
    order = np.lexsort((digest[:, 1], digest[:, 0]))
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = (digest[order][1:] != digest[order][:-1]).any(axis=1)
    starts = np.flatnonzero(is_new)
    sizes = np.diff(starts, append=len(order))
    occurrences[order] = np.arange(len(order)) - np.repeat(starts, sizes)
    alike = np.empty(len(order), dtype=np.uint32)
    alike[order] = np.repeat(sizes, sizes)
    return occurrences, alike
