"""The costs of a filter: its effect on spread, tails and groups, compared with a random selection of the same size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from outcross.ledger import stream
from outcross.verbs.mix.filtering.candidates import CandidateStore
from outcross.verbs.mix.filtering.filtered import FilteredPools, FilterOutcome

MOST_COLUMNS = 20
"""The maximum number of numeric columns that are examined."""
REDRAWN, DRAWS = 20_000, 200
"""Up to REDRAWN candidates, the interval comes from DRAWS random selections. For more candidates the large-sample formula is used."""
MOST_TEXTS = 200_000
"""The maximum number of candidates whose words are counted."""
FEWEST_HUMAN = 40
"""The minimum number of human rows for tail bounds from human rows alone."""
MOST_VALUES = 50
"""The maximum number of reported values of a group: those with the most rows."""
LEVEL = 0.95


def costs(filtered: FilteredPools) -> list[list[dict[str, Any]]]:
    """Return the costs of each filter as plain data, one entry for each number.

    `value` is the number of the kept rows. `random` is the 95 % interval of a random selection of the same size from the same candidates. A row
    counts once, however often it is kept.
    """
    store = filtered.store
    measured = {"characters of text": lengths} if (lengths := _lengths(store)) is not None else {}
    measured |= _numbers(store)
    ends = {name: _ends(store, values) for name, values in measured.items()}
    return [[*_of_filter(store, outcome, measured, ends)] for outcome in filtered.outcomes]


def _of_filter(
    store: CandidateStore, outcome: FilterOutcome, measured: dict[str, np.ndarray], ends: dict[str, tuple[float, float, str]]
) -> Iterator[dict[str, Any]]:
    kept = outcome.selection.kept
    if kept.all():
        return
    rng = stream(store.asked.seed, "mix", "cost", outcome.number)
    for name, values in measured.items():
        own = values[outcome.at]
        there = ~np.isnan(own)
        own, chosen = own[there], kept[there]
        yield from _spread(name, own, chosen, rng)
        low, high, among = ends[name]
        for side, beyond in (
            (f"below {low:g}, the lowest 5 % of {among}", own < low),
            (f"above {high:g}, the highest 5 % of {among}", own > high),
        ):
            yield from _counted("tail", f"{name} {side}", beyond, chosen)
    if store.has_texts and 0 < len(outcome.at) <= MOST_TEXTS:
        yield from _own_words(store, outcome)
    for name in ("_origin", "_model", *store.asked.groups):
        labels = store.labels(name)[outcome.at]
        values, counts = np.unique(labels.astype(str), return_counts=True)
        for place in np.argsort(-counts, kind="stable")[:MOST_VALUES].tolist():
            if values[place] or name not in ("_model",):
                yield from _counted("group", f"{name} = {values[place] or 'missing'}", labels == values[place], kept)


def _spread(name: str, values: np.ndarray, kept: np.ndarray, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield the standard deviation of the kept values divided by that of all values."""
    count, n = int(kept.sum()), len(values)
    if count < 2 or not (whole := float(values.std(ddof=1))):
        return
    if n <= REDRAWN:
        ratios = [values[rng.permutation(n)[:count]].std(ddof=1) / whole for _ in range(DRAWS)]
        low, high = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
        method = f"{DRAWS} random selections"
    else:
        squares = (values - values.mean()) ** 2
        error = 1.96 * math.sqrt((1 / count - 1 / n) * float(squares.var(ddof=1))) / (2 * whole**2)
        low, high, method = 1 - error, 1 + error, "large samples without replacement"
    yield _line("spread", f"standard deviation of {name}", float(values[kept].std(ddof=1)) / whole, (low, high), count, method)


def _counted(kind: str, what: str, is_of: np.ndarray, kept: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield the share of a part in the kept rows divided by its share in all rows, with the exact interval of a random selection."""
    from scipy.stats import hypergeom

    n, of_part, count = len(kept), int(is_of.sum()), int(kept.sum())
    if not of_part or not count:
        return
    expected = count * of_part / n
    low, high = hypergeom.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2], n, of_part, count).tolist()
    kept_rows = int((is_of & kept).sum())
    line = _line(kind, what, kept_rows / expected, (low / expected, high / expected), count, "hypergeometric, exact")
    yield (
        line
        | {"rows": {"before": of_part, "kept": kept_rows, "random": [int(low), int(high)]}}
        | ({"verdict": "lost"} if not kept_rows and low > 0 else {})
    )


def _own_words(store: CandidateStore, outcome: FilterOutcome) -> Iterator[dict[str, Any]]:
    """Yield the share of words used by only one candidate that are kept. They are the far tail of the vocabulary."""
    from outcross.text.texts import texts

    said = [""] * len(outcome.at)
    for places, own_texts in store.batches_of_texts(outcome.at):
        for place, text in zip(places.tolist(), own_texts, strict=True):
            said[place] = text
    words = texts(said).words.kinds_inside
    of_word = np.bincount(words.ids)
    own = np.bincount(words.blocks[of_word[words.ids] == 1], minlength=len(outcome.at)).astype(float)
    kept, n = outcome.selection.kept, len(outcome.at)
    count, total = int(kept.sum()), float(own.sum())
    if not total or not count or n < 2:
        return
    # The sum over a random selection of `count` rows is a linear statistic, so that its mean and variance are exact.
    error = 1.96 * math.sqrt(count * (1 - count / n) * float(own.var(ddof=1)))
    expected = total * count / n
    yield _line("tail", "words that only one candidate uses", float(own[kept].sum()) / expected, (1 - error / expected, 1 + error / expected), count, "normal, exact variance")  # fmt: skip


def _line(kind: str, what: str, value: float, random: tuple[float, float], n: int, method: str) -> dict[str, Any]:
    low, high = random
    rounding = 1e-9 * max(1.0, abs(high))
    verdict = "less" if value < low - rounding else "more" if value > high + rounding else "as random"
    return {"kind": kind, "what": what, "value": value, "random": [low, high], "n": n, "verdict": verdict, "method": method}


def lost_groups(filtered: FilteredPools) -> Iterator[str]:
    """Yield a sentence for each value of a group of which the filters leave no row. It names the filter that removed the last row."""
    store = filtered.store
    for name in ("_origin", "_model", *store.asked.groups):
        labels = store.labels(name)
        left = set(labels[filtered.times > 0])
        for value in sorted(set(labels[labels != ""]) - left):
            own = np.flatnonzero(labels == value)
            last = max(
                (outcome for outcome in filtered.outcomes if np.isin(own, outcome.rejected).any()),
                key=lambda outcome: outcome.number,
            )
            yield f"no row of {name} = {value!s:.80} is left: filter {last.step} removed the last of {own.size:,}"


def losses(trials: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries where a filter keeps less than a random selection would, sorted by the kept share, so that complete losses come first."""
    return sorted((line for line in trials if line["verdict"] in ("lost", "less")), key=lambda line: line["value"])


def _ends(store: CandidateStore, values: np.ndarray) -> tuple[float, float, str]:
    """Return the 5 % and 95 % quantiles of human rows, or of all rows if too few are human, and the name of these rows."""
    there = ~np.isnan(values)
    people = there & (store.authors == "human")
    among = "human rows" if people.sum() >= FEWEST_HUMAN else "all rows"
    chosen = values[people if people.sum() >= FEWEST_HUMAN else there]
    if not chosen.size:
        return -math.inf, math.inf, among
    low, high = np.quantile(chosen, [0.05, 0.95]).tolist()
    return low, high, among


def _lengths(store: CandidateStore) -> np.ndarray | None:
    """Return the number of characters of each text, (n,), NaN for a missing text; None if it is not clear which column contains the texts."""
    from outcross.verbs.mix.pools import counted

    if store.text_column is None:
        return None
    if store.has_texts:
        lengths = np.zeros(len(store))
        for places, texts in store.batches_of_texts(np.arange(len(store))):
            lengths[places] = [*map(len, texts)]
        return lengths
    name, _ = store.text_column
    return _numbers_of(store, name, lambda values: counted(values, "characters", None).astype(float))


def _numbers(store: CandidateStore) -> dict[str, np.ndarray]:
    """Return the numeric columns, (n,) each, without those that name prompts, parents, generations or models."""
    import polars as pl

    recipes = [pool.recipe for pool in store.pools]
    said = {
        name
        for recipe in recipes
        for name in (recipe.prompt_column, recipe.parents_column, recipe.generation_column, recipe.model_column)
    }
    names = [name for name, dtype in store.schema.items() if dtype.is_numeric() and name not in said][:MOST_COLUMNS]
    return {name: _numbers_of(store, name, lambda values: values.cast(pl.Float64).to_numpy()) for name in names}


def _numbers_of(store: CandidateStore, name: str, read: Any) -> np.ndarray:
    """Return a number of each candidate, read from a column batch by batch, so that the column itself is never in memory as a whole."""
    from outcross.verbs.mix.pools import fitted

    schema, parts = {name: store.schema[name]}, [np.zeros(0)]
    for number, pool in enumerate(store.pools):
        rows = store.row[store.pool == number]
        if name not in pool.schema:
            parts.append(np.full(rows.size, np.nan))
            continue
        own = [read(fitted(batch, schema).to_series()) for batch in pool.batches([name])]
        parts.append(np.concatenate([np.zeros(0), *own])[rows])
    numbers = np.concatenate(parts)
    return np.where(np.isfinite(numbers), numbers, np.nan)
