"""How many rows filters leave, from a sample of each pool: for a plan over more rows than filters are asked about.

Where a filter judges each row by itself, runs of neighbouring rows are read at random places; where candidates of one prompt compete, all rows of random prompts are. Runs and
prompts are what is independent, so that the interval is that of a ratio over them. What a filter leaves that looks for likeness between rows cannot be told from a sample, which holds few of the
pairs: from such a filter on there are bounds alone.
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
from outcross.verbs.mix.candidates import CandidateStore
from outcross.verbs.mix.filtering import filter_pools
from outcross.verbs.mix.plan import Supply, planned
from outcross.verbs.mix.pools import OpenPool, Schema, scanned
from outcross.verbs.mix.provenance import prompt_of
from outcross.verbs.mix.samples import runs_of_pool

if TYPE_CHECKING:
    import polars

SAMPLED = 20_000
"""Rows that are read of a pool."""
LENGTH = 250
"""Rows of a run."""
HALF = 2**63
"""Hashes of prompts lie below twice this."""


@dataclass(frozen=True)
class FilterEstimate:
    """What a sample says of the filters."""

    steps: tuple[Estimate | None, ...]
    """The rows that each filter leaves, in their order; None where a sample cannot tell."""
    pools: tuple[Estimate, ...] | None
    """The rows of each pool that are left after all of them; None where a sample cannot tell."""
    read: int
    """Rows of the sample."""
    note: str = ""
    """Which filter a sample says nothing of, and why."""


def estimated(asked: MixRecipe, pools: Sequence[OpenPool], schema: Schema) -> FilterEstimate:
    """What filters leave of pools, from a sample. Where they cannot be asked, the note says why."""
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
    """The same mix with these filters alone, of which rows are counted."""
    from dataclasses import replace

    rows = asked.budget if asked.unit == "rows" else None
    return replace(asked, filters=tuple(filters), rows=rows, characters=None, tokens=None, match=None, search=None)


def _estimable(asked: MixRecipe, pools: Sequence[OpenPool]) -> list[MixFilter]:
    """The first filters, as far as a sample says what they leave."""
    places = []
    have_prompts = all({"_prompt", pool.recipe.prompt_column} & {*pool.schema} for pool in pools)
    for mix_filter in asked.filters:
        if not mix_filter.filter.samples or (mix_filter.filter.samples == "prompts" and not have_prompts):
            break
        places.append(mix_filter)
    return places


def _why(mix_filter: MixFilter) -> str:
    if mix_filter.filter.samples == "prompts":
        return f"a sample says nothing of {kind(mix_filter.filter)}: its prompts are in no column that a pool names"
    return f"a sample says nothing of {kind(mix_filter.filter)}, which compares all rows with each other or keeps a fixed number"


def _of_runs(pool: OpenPool, seed: int) -> tuple[polars.DataFrame, np.ndarray]:
    """Rows of a pool in runs, and the run of each; all of them, each a run of its own, where they are few."""
    import polars as pl

    if pool.rows <= SAMPLED:
        batches = [*pool.batches()]
        return pl.concat(batches) if batches else pl.DataFrame(schema=pool.schema), np.arange(pool.rows)
    runs = [*runs_of_pool(pool, [*pool.schema], stream(seed, "mix", pool.recipe.name, "filter sample"), SAMPLED // LENGTH, LENGTH)]
    return pl.concat(runs), np.repeat(np.arange(len(runs)), [run.height for run in runs])


def _of_prompts(pool: OpenPool, share: float, seed: int) -> tuple[polars.DataFrame, np.ndarray]:
    """The rows of random prompts, the same in all pools, and the prompt of each."""
    import polars as pl

    limit, frames, prompts = int(share * 2 * HALF), [pl.DataFrame(schema=pool.schema)], [np.zeros(0, np.uint64)]
    for batch in pool.batches():
        said = batch.select(prompt_of(batch, pool.recipe).alias("p")).to_series().hash(seed=seed & 0xFFFFFFFF)
        chosen = (said <= limit - 1) if share < 1 else pl.repeat(True, said.len(), eager=True)
        frames.append(batch.filter(chosen))
        prompts.append(said.filter(chosen).to_numpy())
    return pl.concat(frames), np.unique(np.concatenate(prompts), return_inverse=True)[1]


def _left(times: np.ndarray, cluster: np.ndarray, rows: int) -> Estimate:
    """How many of all rows of a pool are left: a ratio over clusters. times: how often each row of the sample is kept; cluster: (n,)."""
    n = len(times)
    if n >= rows:
        return exact(float(times.sum()))
    many = int(cluster.max(initial=-1)) + 1
    if many < 2:
        return Estimate(0.0, 0.0, float(rows), "no row was sampled", n)
    kept, there = np.bincount(cluster, times, minlength=many), np.bincount(cluster, minlength=many)
    ratio = float(kept.sum()) / n
    error = math.sqrt(float(((kept - ratio * there) ** 2).sum()) * many / (many - 1)) / n
    # Where every row of the sample has one fate, three in n may have another (the rule of three).
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
    """The sum of independent numbers."""
    value = sum(part.value for part in parts)
    below = math.sqrt(sum((part.value - part.interval[0]) ** 2 for part in parts))
    above = math.sqrt(sum((part.interval[1] - part.value) ** 2 for part in parts))
    return Estimate(value, value - below, value + above, parts[0].method if parts else "exact", sum(part.n for part in parts))


def notes_of(asked: MixRecipe, estimates: FilterEstimate) -> Iterator[str]:
    """What the sample says of each pool, in words."""
    for pool, left in zip(asked.pools, estimates.pools or (), strict=bool(estimates.pools)):
        low, high = left.interval
        if low < high:
            yield f"of {pool.name} about {left.value:,.0f} rows [{low:,.0f}, {high:,.0f}] are left after the filters, estimated from a sample of {left.n:,} of its rows"
    if estimates.note:
        yield estimates.note
    if said := verdict(asked, estimates):
        yield said


def verdict(asked: MixRecipe, estimates: FilterEstimate) -> str:
    """Whether the mix can be had, as far as the sample says, in a sentence; empty where it says nothing of that."""
    if estimates.pools is None or asked.unit != "rows" or asked.targets or asked.splits is not None:
        return ""
    try:
        for end in (0, 1):
            planned(asked, [Supply(round(estimate.interval[end]), round(estimate.interval[end])) for estimate in estimates.pools])
    except BadInput:
        pass
    else:
        return "by the sample the mix can be had"
    try:
        planned(asked, [Supply(round(pool.interval[1]), round(pool.interval[1])) for pool in estimates.pools])
    except BadInput as error:
        return f"by the sample the mix cannot be had: {error}"
    return "the sample cannot tell whether the mix can be had"
