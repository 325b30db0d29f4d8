"""The columns of provenance that every row of a mix has: its author, its model and the records that it was made from."""

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
    """Return the rows of a pool with the columns of provenance of this mix.

    The provenance that a row already has is kept. Its former `_id` becomes the first of its `_parents`. Its former `_source` is appended to the
    pool's name. Its other columns of provenance stay, and the settings of the pool fill in what is missing.
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
    """Return the names of the columns from which the provenance of a pool is read. A pool need not have all of them."""
    named = (pool.model_column, pool.generation_column, pool.prompt_column, pool.decoding_column, pool.parents_column)
    return (*PROVENANCE, *(name for name in named if name is not None))


def authors(frame: polars.DataFrame, pool: MixPool) -> dict[str, polars.Expr]:
    """Return expressions for `_origin`, `_model` and `_generation` of the rows of a pool."""
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
    """Return the expression for `_prompt` of the rows of a pool."""
    return _text(frame, "_prompt", pool.prompt_column, None)


def parents_of(frame: polars.DataFrame, pool: MixPool) -> polars.Expr:
    """Return the expression for the parents of the rows of a pool, from `_parents` and from the pool's parents_column."""
    return _listed(frame, ("_parents", pool.parents_column))


def check_rows(frame: polars.DataFrame, pool: MixPool) -> None:
    """Raise BadInput if rows contradict the origin of their pool, name an unknown origin, or have a generation that is not a whole number from 0."""
    import polars as pl

    for column in (pool.generation_column, "_generation" if "_generation" in frame.columns else None):
        if column is not None:
            numbers = frame[column].cast(pl.Int64, strict=False)
            bad = frame[column].filter(numbers.is_null() & frame[column].is_not_null())
            if bad.len() or (numbers < 0).any():
                raise BadInput(
                    f"pool {pool.name!r}: column {column!r} must contain generations (0, 1, …), got {(bad.to_list() or [numbers.min()])[0]!r:.80}"
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
            f"pool {pool.name!r} has origin: {pool.origin.author}, and {other.len():,} of its rows have {other[0]!r} in '_origin'; "
            "leave origin out to keep the origins of the rows, or split the pool by origin"
        )


def _filled(own: set[str], name: str, default: float | str | None, dtype: type[polars.DataType]) -> polars.Expr:
    import polars as pl

    said = [pl.col(name).cast(dtype)] if name in own else []
    return pl.coalesce(*said, pl.lit(default, dtype=dtype))


def _text(frame: polars.DataFrame, name: str, column: str | None, constant: str | None) -> polars.Expr:
    """Return the expression for a column of provenance: its own value, else that of the pool's column, else the constant. Lists and structs become JSON."""
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
    """Return the expression for the records that a row was made from, the nearest first."""
    return _listed(frame, ("_id", "_parents", pool.parents_column))


def _listed(frame: polars.DataFrame, columns: tuple[str | None, ...]) -> polars.Expr:
    """Return the expression that joins several columns, of words or of lists of words, into one list."""
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
