"""Estimates of the characters or tokens of a pool from a sample of its rows, for a plan, which should take only seconds.

Runs of neighbouring rows are read at random positions. Each run's mean is an unbiased estimate of the mean of all rows. Therefore the scatter of these means gives the error,
however similar neighbouring rows are (Hansen & Hurwitz, Annals of Mathematical Statistics 14:333, 1943).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from outcross.errors import BadInput
from outcross.estimate import Estimate, exact, mean, student_quantile
from outcross.files.names import literal
from outcross.files.refusals import suffix
from outcross.files.source import TableSource
from outcross.ledger import stream
from outcross.verbs.mix.asked import MixRecipe
from outcross.verbs.mix.plan import MixPlan, Supply, planned
from outcross.verbs.mix.pools import OpenPool, counted, fitted, text_column, tokenizer_of
from outcross.wording import amount

RUNS, LENGTH = 40, 250
"""The number of runs that are read of a pool, and the number of rows of each."""
CANNOT_TELL = "the sample cannot tell whether the mix is possible; the mix itself counts every text and may be refused"


@dataclass(frozen=True)
class PoolSample:
    """The estimate of a pool's amount from a sample."""

    rows: int
    """The number of all rows of the pool."""
    read: int
    """The number of rows in the sample."""
    amount: Estimate
    """The number of all characters or tokens of the pool. It is exact if every row was read."""


def sampled_plan(asked: MixRecipe, pools: Sequence[OpenPool], schema: dict[str, Any], is_last: bool = False) -> MixPlan | None:
    """Return the plan of a mix whose budget is in characters or tokens, from samples; None if they cannot tell whether the mix is possible.

    The mix is possible if it is possible both with the lower and with the upper ends of the pools' intervals. is_last: the pools will not be counted afterwards. The
    plan is then made from the estimates and warns that the sample cannot tell. In this case BadInput is raised if even the upper ends are too small.
    """
    text = text_column(asked, schema)
    tokenizer = tokenizer_of(asked.tokenizer) if asked.unit == "tokens" else None
    samples = [pool_sample(pool, asked, text, tokenizer) for pool in pools]
    fewest, largest = ([max(0, round(sample.amount.interval[end])) for sample in samples] for end in (0, 1))
    usual = [round(sample.amount.value) for sample in samples]

    def plan_of(amounts: Sequence[int]) -> MixPlan | BadInput:
        try:
            return planned(asked, [Supply(sample.rows, amount) for sample, amount in zip(samples, amounts, strict=True)])
        except BadInput as error:
            return error

    plan, is_sure = plan_of(usual), not isinstance(plan_of(fewest), BadInput) and not isinstance(plan_of(largest), BadInput)
    if isinstance(plan, BadInput) and is_last:
        plan = plan_of(largest)
    if isinstance(plan, BadInput):
        if is_last:
            raise BadInput(f"according to a sample of the pools, {plan}") from None
        return None
    if not is_sure and not is_last:
        return None
    unsure = () if is_sure else (CANNOT_TELL,)
    return replace(plan, samples=tuple(samples), warnings=(*plan.warnings, *_notes(asked, samples), *unsure))


def _notes(asked: MixRecipe, samples: Sequence[PoolSample]) -> Iterator[str]:
    for pool, sample in zip(asked.pools, samples, strict=True):
        if sample.read < sample.rows:
            low, high = sample.amount.interval
            yield (
                f"{pool.name} has about {sample.amount.value:,.0f} {asked.unit} [{low:,.0f}, {high:,.0f}], estimated from a sample of "
                f"{sample.read:,} of its {amount(sample.rows, 'row')}; the mix itself counts every row"
            )


def pool_sample(pool: OpenPool, asked: MixRecipe, text: tuple[str, Any], tokenizer: Any) -> PoolSample:
    """Estimate the number of characters or tokens of a pool, with a 95 % interval. A small pool is read completely."""
    assert asked.unit != "rows"
    if pool.rows <= RUNS * LENGTH:
        batches = pool.batches([text[0]] if text[0] in pool.schema else [])
        amounts = [int(counted(fitted(batch, dict([text])).to_series(), asked.unit, tokenizer).sum()) for batch in batches]
        return PoolSample(pool.rows, pool.rows, exact(sum(amounts)))
    means, read = [], 0
    for run in runs_of_pool(pool, [text[0]], stream(asked.seed, "mix", pool.recipe.name, "sample"), RUNS, LENGTH):
        amounts = counted(fitted(run, dict([text])).to_series(), asked.unit, tokenizer)
        means.append(float(amounts.mean()))
        read += len(amounts)
    estimate = mean(np.array(means), "runs of neighbouring rows").on_scale(lambda value: max(0.0, value) * pool.rows)
    return PoolSample(pool.rows, read, replace(estimate, n=read))


def tokens_a_character(pool: OpenPool, asked: MixRecipe, text: tuple[str, Any], tokenizer: Any) -> Estimate:
    """Estimate the tokens per character of a pool's texts, as a ratio over runs of neighbouring rows, with a 95 % interval. A small pool is read completely."""
    is_whole = pool.rows <= RUNS * LENGTH
    rng = stream(asked.seed, "mix", pool.recipe.name, "tokens")
    runs = (
        pool.batches([text[0]] if text[0] in pool.schema else []) if is_whole else runs_of_pool(pool, [text[0]], rng, RUNS, LENGTH)
    )
    tokens, characters, read = [0], [0], 0
    for run in runs:
        texts = fitted(run, dict([text])).to_series()
        tokens.append(int(counted(texts, "tokens", tokenizer).sum()))
        characters.append(int(counted(texts, "characters", None).sum()))
        read += run.height
    counts, lengths = np.array(tokens[1:], float), np.array(characters[1:], float)
    if not lengths.sum():
        return Estimate(0.0, 0.0, 0.0, "no character was sampled", read)
    ratio = float(counts.sum() / lengths.sum())
    if is_whole:
        return exact(ratio, read)
    error = float(np.sqrt(((counts - ratio * lengths) ** 2).sum() * RUNS / (RUNS - 1))) / float(lengths.sum())
    half = student_quantile(RUNS - 1) * error
    return Estimate(ratio, max(0.0, ratio - half), ratio + half, "a ratio over runs of neighbouring rows", read)


def runs_of_pool(pool: OpenPool, names: Sequence[str], rng: np.random.Generator, runs: int, length: int) -> Iterator[Any]:
    """Yield runs of neighbouring rows at random positions of a pool, with those of the named columns that it has."""
    bounds = np.concatenate([[0], np.cumsum(pool.sizes)])
    places = np.sort(rng.integers(bounds[-1], size=runs))
    for source, (start, end) in zip(pool.sources, pairwise(bounds.tolist()), strict=True):
        own = [int(place) - start for place in places[(places >= start) & (places < end)]]
        yield from _runs(source, pool, names, [min(place, max(0, end - start - length)) for place in own], length)


def _runs(source: TableSource, pool: OpenPool, names: Sequence[str], starts: Sequence[int], length: int) -> Iterator[Any]:
    """Yield runs of rows of a source that start at these ascending positions. In a Parquet file the rows between runs are not read."""
    import polars as pl

    former = {new: old for old, new in pool.recipe.rename.items()}
    columns = {former.get(name, name): name for name in names}
    there = [column for column in columns if column in source.columns]
    if not starts:
        return
    if not there:
        yield from (pl.DataFrame({"": [None] * length}) for _ in starts)
        return
    path = Path(source.name)
    if suffix(path) == (".parquet", "") and path.is_file():
        query = (
            pl.scan_parquet(literal(path), glob=False, hive_partitioning=False)
            .select(pl.col(there))
            .rename({column: columns[column] for column in there})
        )
        yield from (query.slice(start, length).collect() for start in starts)
        return
    waiting, first, before = list(starts), 0, None
    for batch in source.batches(there):
        rows = batch.select(pl.col(there)).rename({column: columns[column] for column in there})
        # A run may start in the previous batch, whose last rows are kept.
        rows = rows if before is None else pl.concat([before, rows], how="vertical_relaxed")
        while waiting and waiting[0] + length <= first + rows.height:
            yield rows[waiting[0] - first : waiting.pop(0) - first + length]
        before = rows.tail(length)
        first += rows.height - before.height
    assert before is not None
    yield from (before for _ in waiting)
