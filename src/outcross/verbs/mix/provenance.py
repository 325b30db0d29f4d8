"""Who wrote each row, by which model, from what: the columns that every row of a mix carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outcross.errors import BadInput
from outcross.verbs.mix.asked import MixPool

if TYPE_CHECKING:
    import polars

AUTHORS = ("human", "model", "edited", "translated", "unknown")
PROVENANCE = ("_id", "_origin", "_source", "_model", "_generation", "_parents", "_prompt", "_decoding", "_weight", "_p_ai")
"""The columns of provenance, in their order (design.md)."""


def with_provenance(frame: polars.DataFrame, pool: MixPool, ids: polars.Series) -> polars.DataFrame:
    """The rows of a pool with their columns of provenance in the place of those that they came with.

    What a row said of itself is kept: its former `_id` leads its `_parents`, its former `_source` stands behind the pool's name, and its
    other columns stay; the pool fills in what it did not say.
    """
    import polars as pl

    columns = authors(frame, pool)
    own = set(frame.columns)
    columns |= {
        "_id": ids,
        "_source": _filled(own, "_source", None, pl.String)
        .pipe(lambda former: pl.concat_str(pl.lit(f"{pool.name}/"), former))
        .fill_null(pool.name),
        "_parents": _parents(frame, pool),
        "_prompt": _text(frame, "_prompt", pool.prompt_column, None),
        "_decoding": _text(frame, "_decoding", pool.decoding_column, pool.decoding),
        "_weight": _filled(own, "_weight", 1.0, pl.Float64),
        "_p_ai": _filled(own, "_p_ai", None, pl.Float64),
    }
    return frame.with_columns(**columns).select([*(name for name in frame.columns if name not in PROVENANCE), *PROVENANCE])


def columns_read(pool: MixPool) -> tuple[str, ...]:
    """The columns of a pool that its provenance is read from, where it has them."""
    named = (pool.model_column, pool.generation_column, pool.prompt_column, pool.decoding_column, pool.parents_column)
    return (*PROVENANCE, *(name for name in named if name is not None))


def authors(frame: polars.DataFrame, pool: MixPool) -> dict[str, polars.Expr]:
    """`_origin`, `_model` and `_generation` of each row of a pool, as expressions over it."""
    import polars as pl

    origin = pool.origin
    model = _text(frame, "_model", pool.model_column, None if origin is None else origin.name)
    generation = None if origin is None else origin.generation
    of_column = [pl.col(pool.generation_column).cast(pl.Int64)] if pool.generation_column else []
    own = [pl.col("_generation").cast(pl.Int64)] if "_generation" in frame.columns else []
    unsaid = pl.when(model.is_not_null()).then(pl.lit("model")).otherwise(pl.lit("unknown"))
    said = [pl.col("_origin").cast(pl.String)] if "_origin" in frame.columns else []
    return {
        "_origin": pl.coalesce(*said, unsaid if origin is None else pl.lit(origin.author)),
        "_model": model,
        "_generation": pl.coalesce(*own, *of_column, pl.lit(generation, dtype=pl.Int64)),
    }


def prompt_of(frame: polars.DataFrame, pool: MixPool) -> polars.Expr:
    """`_prompt` of each row of a pool, as an expression over it."""
    return _text(frame, "_prompt", pool.prompt_column, None)


def parents_of(frame: polars.DataFrame, pool: MixPool) -> polars.Expr:
    """The records that each row of a pool was made from, as an expression over it: what it says of itself, and the column that the pool names."""
    return _listed(frame, ("_parents", pool.parents_column))


def check_rows(frame: polars.DataFrame, pool: MixPool) -> None:
    """BadInput where rows say that another wrote them than their pool says, or a generation that is no whole number."""
    import polars as pl

    for column in (pool.generation_column, "_generation" if "_generation" in frame.columns else None):
        if column is not None:
            numbers = frame[column].cast(pl.Int64, strict=False)
            bad = frame[column].filter(numbers.is_null() & frame[column].is_not_null())
            if bad.len() or (numbers < 0).any():
                raise BadInput(
                    f"pool {pool.name!r}: column {column!r} must hold generations (0, 1, …), got {(bad.to_list() or [numbers.min()])[0]!r:.80}"
                )
    if "_origin" not in frame.columns:
        return
    said = frame["_origin"].cast(pl.String).drop_nulls()
    odd = said.filter(~said.is_in(AUTHORS))
    if odd.len():
        raise BadInput(
            f"pool {pool.name!r}: column '_origin' must be one of {', '.join(AUTHORS)}, got {odd[0]!r:.80}; rename the column"
        )
    if pool.origin is None:
        return
    other = said.filter((said != pool.origin.author) & (said != "unknown"))
    if other.len():
        raise BadInput(
            f"pool {pool.name!r} is said to be of origin {pool.origin.author}, and {other.len():,} of its rows say {other[0]!r} in '_origin'; "
            "leave origin out to keep what rows say, or part the pool by origin"
        )


def _filled(own: set[str], name: str, default: float | str | None, dtype: type[polars.DataType]) -> polars.Expr:
    import polars as pl

    said = [pl.col(name).cast(dtype)] if name in own else []
    return pl.coalesce(*said, pl.lit(default, dtype=dtype))


def _text(frame: polars.DataFrame, name: str, column: str | None, constant: str | None) -> polars.Expr:
    """What a row says of itself, else the column that the pool names, else what the pool says; lists and structs as JSON."""
    import polars as pl

    said = [name] if name in frame.columns else []
    texts = [_as_text(column, frame.schema[column]) for column in [*said, *([column] if column else [])]]
    return pl.coalesce(*texts, pl.lit(constant, dtype=pl.String))


def _as_text(column: str, dtype: polars.DataType) -> polars.Expr:
    import polars as pl

    if dtype.is_nested():
        written = pl.struct(pl.col(column).alias("a")).struct.json_encode()  # {"a":…}
        return pl.when(pl.col(column).is_not_null()).then(written.str.slice(len('{"a":')).str.head(-1))
    return pl.col(column).cast(pl.String)


def _parents(frame: polars.DataFrame, pool: MixPool) -> polars.Expr:
    """The records that a row comes from, the nearest first."""
    return _listed(frame, ("_id", "_parents", pool.parents_column))


def _listed(frame: polars.DataFrame, columns: tuple[str | None, ...]) -> polars.Expr:
    """What stands in several columns, words or lists of them, as one list."""
    import polars as pl

    pieces = []
    for column in dict.fromkeys(columns):
        if column is None or column not in frame.columns:
            continue
        dtype = frame.schema[column]
        piece = (
            pl.col(column).cast(pl.List(pl.String))
            if isinstance(dtype, pl.List)
            else pl.concat_list(pl.col(column).cast(pl.String))
        )
        pieces.append(piece.fill_null(pl.lit([], dtype=pl.List(pl.String))).list.drop_nulls())
    return pl.concat_list(pieces) if pieces else pl.lit([], dtype=pl.List(pl.String))
