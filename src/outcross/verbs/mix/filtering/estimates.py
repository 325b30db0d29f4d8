"""Estimates of the number of rows that filters keep, from a sample of each pool. A plan over very many rows uses them.

If every filter judges each row by itself, runs of neighbouring rows are read at random positions. If candidates of one prompt compete, all rows of random prompts
are read. Runs and prompts are the independent units, so that the interval is that of a ratio over them. A filter that compares all rows with each other cannot be
estimated, since a sample contains few of the pairs. From such a filter on there are only bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from outcross.errors import BadInput
from outcross.estimate import Estimate, exact, student_quantile
from outcross.files.reading import read
from outcross.ledger import stream
from outcross.recipe import kind
from outcross.verbs.mix.asked import MixFilter, MixRecipe
from outcross.verbs.mix.filtering.candidates import CandidateStore
from outcross.verbs.mix.filtering.filtered import filter_pools
from outcross.verbs.mix.plan import Supply, planned
from outcross.verbs.mix.pools import OpenPool, Schema, scanned
from outcross.verbs.mix.provenance import prompt_of
from outcross.verbs.mix.samples import runs_of_pool

if TYPE_CHECKING:
    import polars

SAMPLED = 20_000
"""The number of rows that are read of a pool."""
LENGTH = 250
"""The number of rows of a run."""
HALF = 2**63
"""Half of the range of the hashes of prompts."""


@dataclass(frozen=True)
class FilterEstimate:
    """The estimates of what filters keep, from a sample."""

    steps: tuple[Estimate | None, ...]
    """The number of rows after each filter, in order; None if a sample cannot tell."""
    pools: tuple[Estimate, ...] | None
    """The number of rows of each pool after all filters; None if a sample cannot tell."""
    read: int
    """The number of rows of the sample."""
    note: str = ""
    """The filter that cannot be estimated from a sample, with the reason."""


def estimated(asked: MixRecipe, pools: Sequence[OpenPool], schema: Schema) -> FilterEstimate:
    """Estimate from a sample what filters keep of the pools. If they cannot be applied, the note gives the reason."""
    estimable = _estimable(asked, pools)
    note = "" if len(estimable) == len(asked.filters) else _why(asked.filters[len(estimable)])
    if not estimable:
        return FilterEstimate((None,) * len(asked.filters), None, 0, note)
    by_prompt = any(mix_filter.filter.samples == "prompts" for mix_filter in estimable)
    share = min(1.0, SAMPLED / max(1, max(pool.rows for pool in pools)))
    frames = [_of_prompts(pool, share, asked.seed) if by_prompt else _of_runs(pool, asked.seed) for pool in pools]
    samples = [OpenPool(pool.recipe, (read(frame),), pool.schema) for pool, (frame, _) in zip(pools, frames, strict=True)]
    part = _with(asked, estimable)
    try:
        scans = tuple(scanned(pool, part, schema, None) for pool in samples)
        filtered = filter_pools(CandidateStore(part, tuple(samples), scans, schema))
    except BadInput as error:
        return FilterEstimate((None,) * len(asked.filters), None, 0, f"a sample cannot be filtered: {error}")
    clusters = [own for _, own in frames]
    times = [np.ones(len(own), np.int64) for own in clusters]
    steps: list[Estimate | None] = []
    sizes = [pool.rows for pool in pools]
    left = [exact(size) for size in sizes]
    for outcome in filtered.outcomes:
        store = filtered.store
        for place, own in enumerate(times):
            mine = store.pool[outcome.at] == place
            own[store.row[outcome.at[mine]]] *= outcome.selection.times[mine]
        left = [_left(own, cluster, size) for own, cluster, size in zip(times, clusters, sizes, strict=True)]
        looks = [not outcome.recipe.pools or pool.recipe.name in outcome.recipe.pools for pool in pools]
        steps.append(_sum([estimate for estimate, is_seen in zip(left, looks, strict=True) if is_seen]))
    steps += [None] * (len(asked.filters) - len(estimable))
    return FilterEstimate(tuple(steps), tuple(left) if not note else None, sum(map(len, clusters)), note)


def _with(asked: MixRecipe, filters: Sequence[MixFilter]) -> MixRecipe:
    """Return the same mix with only these filters, counted in rows."""
    from dataclasses import replace

    rows = asked.budget if asked.unit == "rows" else None
    return replace(asked, filters=tuple(filters), rows=rows, characters=None, tokens=None, match=None, search=None)


def _estimable(asked: MixRecipe, pools: Sequence[OpenPool]) -> list[MixFilter]:
    """Return the first filters, up to the first one that cannot be estimated from a sample."""
    places = []
    have_prompts = all({"_prompt", pool.recipe.prompt_column} & {*pool.schema} for pool in pools)
    for mix_filter in asked.filters:
        if not mix_filter.filter.samples or (mix_filter.filter.samples == "prompts" and not have_prompts):
            break
        places.append(mix_filter)
    return places


def _why(mix_filter: MixFilter) -> str:
    if mix_filter.filter.samples == "prompts":
        return f"{kind(mix_filter.filter)} cannot be estimated from a sample, because no column of prompts is named"
    return f"{kind(mix_filter.filter)} cannot be estimated from a sample, because it compares all rows or keeps a fixed number"


def _of_runs(pool: OpenPool, seed: int) -> tuple[polars.DataFrame, np.ndarray]:
    """Return rows of a pool in runs, and the run of each row. If the pool is small, return all rows, each as a run of its own."""
    import polars as pl

    if pool.rows <= SAMPLED:
        batches = [*pool.batches()]
        return pl.concat(batches) if batches else pl.DataFrame(schema=pool.schema), np.arange(pool.rows)
    runs = [*runs_of_pool(pool, [*pool.schema], stream(seed, "mix", pool.recipe.name, "filter sample"), SAMPLED // LENGTH, LENGTH)]
    return pl.concat(runs), np.repeat(np.arange(len(runs)), [run.height for run in runs])


def _of_prompts(pool: OpenPool, share: float, seed: int) -> tuple[polars.DataFrame, np.ndarray]:
    """Return the rows of random prompts, which are the same in all pools, and the prompt of each row."""
    import polars as pl

    limit, frames, prompts = int(share * 2 * HALF), [pl.DataFrame(schema=pool.schema)], [np.zeros(0, np.uint64)]
    for batch in pool.batches():
        said = batch.select(prompt_of(batch, pool.recipe).alias("p")).to_series().hash(seed=seed & 0xFFFFFFFF)
        chosen = (said <= limit - 1) if share < 1 else pl.repeat(True, said.len(), eager=True)
        frames.append(batch.filter(chosen))
        prompts.append(said.filter(chosen).to_numpy())
    return pl.concat(frames), np.unique(np.concatenate(prompts), return_inverse=True)[1]


def _left(times: np.ndarray, cluster: np.ndarray, rows: int) -> Estimate:
    """Estimate how many rows of a pool are kept, as a ratio over clusters.

    times: how often each row of the sample is kept, (n,). cluster: the cluster of each row, (n,).
    """
    n = len(times)
    if n >= rows:
        return exact(float(times.sum()))
    many = int(cluster.max(initial=-1)) + 1
    if many < 2:
        return Estimate(0.0, 0.0, float(rows), "no row was sampled", n)
    kept, there = np.bincount(cluster, times, minlength=many), np.bincount(cluster, minlength=many)
    ratio = float(kept.sum()) / n
    error = math.sqrt(float(((kept - ratio * there) ** 2).sum()) * many / (many - 1)) / n
    # If all or none of the sample is kept, the interval follows the rule of three.
    half = max(student_quantile(many - 1) * error, 3 / many if ratio in (0.0, 1.0) else 0.0)
    largest = float(times.max(initial=1)) or 1.0
    return Estimate(
        ratio * rows,
        max(0.0, ratio - half) * rows,
        min(largest, ratio + half) * rows,
        "a ratio over runs or prompts of a sample",
        n,
    )


def _sum(parts: Sequence[Estimate]) -> Estimate:
    """Return the sum of independent estimates."""
    value = sum(part.value for part in parts)
    below = math.sqrt(sum((part.value - part.interval[0]) ** 2 for part in parts))
    above = math.sqrt(sum((part.interval[1] - part.value) ** 2 for part in parts))
    return Estimate(value, value - below, value + above, parts[0].method if parts else "exact", sum(part.n for part in parts))


def notes_of(asked: MixRecipe, estimates: FilterEstimate) -> Iterator[str]:
    """Yield what the sample shows of each pool, as sentences."""
    for pool, left in zip(asked.pools, estimates.pools or (), strict=bool(estimates.pools)):
        low, high = left.interval
        if low < high:
            yield f"the filters leave about {left.value:,.0f} rows [{low:,.0f}, {high:,.0f}] of {pool.name}, estimated from a sample of {left.n:,} of its rows"
    if estimates.note:
        yield estimates.note
    if said := verdict(asked, estimates):
        yield said


def verdict(asked: MixRecipe, estimates: FilterEstimate) -> str:
    """Return a sentence that says whether the mix is possible according to the sample; empty if this is not estimated."""
    if estimates.pools is None or asked.unit != "rows" or asked.targets or asked.splits is not None:
        return ""
    try:
        for end in (0, 1):
            planned(asked, [Supply(round(estimate.interval[end]), round(estimate.interval[end])) for estimate in estimates.pools])
    except BadInput:
        pass
    else:
        return "according to the sample the mix is possible"
    try:
        planned(asked, [Supply(round(pool.interval[1]), round(pool.interval[1])) for pool in estimates.pools])
    except BadInput as error:
        return f"according to the sample the mix is impossible: {error}"
    return "the sample cannot tell whether the mix is possible"
