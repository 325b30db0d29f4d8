"""What the structure aspect finds, and how seldom it cries wolf."""

from __future__ import annotations

import math

import numpy as np
import polars
import pytest

from outcross.data.tables import alike, table
from outcross.estimate import Reading
from outcross.measures import Evidence
from outcross.measures.structure import Structure
from outcross.statistics import dynamics
from outcross.statistics.associations import correlation_ratio, cramer, rank_correlation, standard_error
from outcross.verbs.audit.judgement import judge

LEVELS = (0.01, 0.05, 0.1)


def looked_at(synthetic, reference, seed: int = 0, **kinds) -> list[Reading]:
    human, drawn = alike([table(reference, "reference", kinds=kinds), table(synthetic, "synthetic", kinds=kinds)]).tables
    return list(Structure()(Evidence(drawn=drawn, reference=human), np.random.default_rng(seed)))


def verdicts(findings: list[Reading], rows: int) -> dict[tuple[str, str, str], str]:
    judged = judge({"structure": findings}, {}, 0.05, rows, rows)
    return {(judgement.reading.measure, judgement.reading.column, judgement.reading.at): judgement.verdict for judgement in judged}


def people(rng: np.random.Generator, n: int) -> dict:
    """Two dependent numbers with heavy tails, a category that hangs on them, one that hangs on nothing, and gaps."""
    x = rng.standard_t(3, size=n)
    y = x + rng.standard_t(3, size=n)
    job = np.where(y + rng.normal(size=n) > 1, "a", np.where(rng.random(n) < 0.3, "b", "c"))
    gaps = rng.random(n) < 0.1
    return {
        "x": x,
        "y": [None if is_gap else float(value) for value, is_gap in zip(y, gaps, strict=True)],
        "job": job,
        "town": rng.choice(list("pqrs"), size=n, p=[0.6, 0.3, 0.07, 0.03]),
    }


def waves(rng: np.random.Generator, records: int) -> dict:
    """Autoregressive series of unequal size with a season of eight steps, heavy-tailed."""
    steps = 64
    noise = rng.standard_t(4, size=(records, steps)) * np.exp(rng.normal(size=(records, 1)))
    share = rng.uniform(0.2, 0.9, size=records)
    series = np.zeros((records, steps))
    for t in range(1, steps):
        series[:, t] = share * series[:, t - 1] + noise[:, t]
    series += 2 * np.exp(rng.normal(size=(records, 1))) * np.sin(2 * np.pi * np.arange(steps) / 8)
    return {"load": polars.Series(list(series))}


def false_alarms(draw, n: int, m: int, repeats: int, **kinds) -> dict[tuple[str, str, str], list[float]]:
    """p-values of each check where nothing is lost, one a repeat."""
    settings: dict[tuple[str, str, str], list[float]] = {}
    for i in range(repeats):
        rng = np.random.default_rng([20, i])
        for reading in looked_at(draw(rng, n), draw(rng, m), i, **kinds):
            if reading.null is not None:
                settings.setdefault((reading.measure, reading.column, reading.at), []).append(reading.null.p)
    return settings


def assert_honest(p_values: dict[tuple[str, str, str], list[float]]) -> None:
    """P(p ≤ level) ≤ level, by an exact binomial test of every check and level that all honest checks together fail once in a thousand times."""
    from scipy.stats import binom

    for where, p in p_values.items():
        for level in LEVELS:
            most_alarms = binom.isf(0.001 / (len(LEVELS) * len(p_values)), len(p), level)
            assert (np.array(p) <= level).sum() <= most_alarms, (where, level)


def test_real_tables_seldom_look_worse_than_real_tables():
    assert_honest(false_alarms(people, 60, 90, 60, x="number", y="number", job="category", town="category"))


def test_real_series_seldom_look_worse_than_real_series():
    assert_honest(false_alarms(waves, 30, 40, 60, load="series"))


def test_another_draw_loses_nothing_and_shuffled_columns_lose_their_associations():
    rng = np.random.default_rng(3)
    human, again = people(rng, 6000), people(rng, 6000)
    assert "lost" not in verdicts(looked_at(again, human), 6000).values()
    broken = again | {"x": rng.permutation(again["x"]), "job": rng.permutation(again["job"])}
    by_place = verdicts(looked_at(broken, human), 6000)
    lost = {where for where, verdict in by_place.items() if verdict == "lost"}
    assert {("correlation", "x", "with y"), ("correlation_ratio", "x", "with job"), ("correlation_ratio", "y", "with job")} <= lost
    assert by_place["cramer", "job", "with town"] == "kept"


def test_a_set_is_as_structured_as_itself():
    human = people(np.random.default_rng(4), 3000)
    for reading in looked_at(human, human):
        if reading.estimate is not None:
            assert reading.estimate.value == pytest.approx(
                1.0 if reading.measure == "tail_dependence" else 0.0, abs=0.2 if reading.measure == "tail_dependence" else 1e-12
            )


def test_a_normal_copula_that_keeps_every_value_loses_tail_dependence():
    """Numbers of a t copula, and the same numbers rearranged to a normal copula of the same rank correlation: variances are equal to the bit."""
    rng = np.random.default_rng(5)
    n, correlation = 20_000, 0.5
    root = np.linalg.cholesky(np.array([[1, correlation], [correlation, 1]]))
    heavy = rng.normal(size=(n, 2)) @ root.T / np.sqrt(rng.chisquare(2, size=(n, 1)) / 2)
    smooth = rng.normal(size=(n, 2)) @ root.T
    copied = np.stack([np.sort(heavy[:, j])[np.argsort(np.argsort(smooth[:, j]))] for j in (0, 1)], axis=1)
    by_place = verdicts(looked_at({"x": copied[:, 0], "y": copied[:, 1]}, {"x": heavy[:, 0], "y": heavy[:, 1]}), n)
    assert by_place["tail_dependence", "x", "upper 5 % with upper 5 % of y"] == "lost"
    assert by_place["tail_dependence", "x", "lower 5 % with lower 5 % of y"] == "lost"
    assert by_place["correlation", "x", "with y"] == "kept"


def test_filled_gaps_and_new_gaps_are_found():
    rng = np.random.default_rng(6)
    human, full, gappy = (
        {
            "x": [None if gap else float(v) for v, gap in zip(rng.normal(size=3000), rng.random(3000) < share, strict=True)],
            "y": rng.normal(size=3000),
        }
        for share in (0.1, 0.0, 0.3)
    )
    assert verdicts(looked_at(full, human), 3000)["missing", "x", ""] == "lost"
    assert verdicts(looked_at(gappy, human), 3000)["gone_missing", "x", ""] == "lost"


def test_shuffled_series_lose_their_course_and_smoothed_ones_their_fast_power():
    rng = np.random.default_rng(7)
    human, again = waves(rng, 300), waves(rng, 300)
    series = np.array(again["load"].to_list())
    same = verdicts(looked_at(again, human, load="series"), 300)
    assert "lost" not in same.values() and ("autocorrelation", "load", "lag 8 (season)") in same
    shuffled = verdicts(looked_at({"load": polars.Series(list(rng.permuted(series, axis=1)))}, human, load="series"), 300)
    assert {shuffled[where] for where in shuffled if where[0] in ("autocorrelation", "entropy_rate", "transitions")} == {"lost"}
    smooth = np.stack([np.convolve(course, np.ones(4) / 4, "same") for course in series])
    assert verdicts(looked_at({"load": polars.Series(list(smooth))}, human, load="series"), 300)["band", "load", "fast"] == "lost"


def test_associations_are_those_of_the_textbook():
    from scipy.stats import spearmanr
    from scipy.stats.contingency import association

    rng = np.random.default_rng(8)
    first = rng.integers(0, 5, size=500)
    second = np.clip(first + rng.integers(-1, 3, size=500), 0, 5)
    counts = np.zeros((5, 6), dtype=np.int64)
    np.add.at(counts, (first, second), 1)
    assert float(rank_correlation(counts)) == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)
    square = association(counts, "cramer") ** 2 * 4
    chance, shape = 4 * 5 / 499, min(5 - 16 / 499, 6 - 25 / 499) - 1
    assert float(cramer(counts)) == pytest.approx(math.sqrt((square - chance) / shape), abs=1e-12)
    ranks = np.array([np.mean(np.flatnonzero(np.sort(first) == value)) for value in first])
    between = (
        sum((second == k).sum() * (ranks[second == k].mean() - ranks.mean()) ** 2 for k in range(6))
        / ((ranks - ranks.mean()) ** 2).sum()
    )
    assert float(correlation_ratio(counts)) == pytest.approx(math.sqrt(1 - (1 - between) * 499 / 494), abs=1e-12)


def test_the_standard_error_of_an_association_is_the_spread_of_its_repeats():
    rng = np.random.default_rng(9)
    law = np.array([[0.3, 0.1, 0.05], [0.05, 0.1, 0.4]])
    tables = rng.multinomial(400, law.ravel(), size=800).reshape(800, 2, 3)
    for measure in (rank_correlation, correlation_ratio, cramer):
        spread = float(measure(tables).std(ddof=1))
        # The standard error of a standard deviation of 800 repeats is 2.5 %; the jackknife's own is of like size.
        assert standard_error(measure, tables[0]) == pytest.approx(spread, rel=0.15)


def test_an_alternating_series_is_wholly_determined():
    series = np.tile([0.0, 1.0], (3, 32))
    moves = dynamics.transitions(series)
    assert moves.sum(axis=1) == pytest.approx(np.ones(3))
    assert dynamics.entropy_rate(moves) == pytest.approx(np.zeros(3), abs=1e-12)
    assert dynamics.autocorrelation(series, 1) == pytest.approx(-63 / 64 * np.ones(3))


@pytest.mark.parametrize(
    "values",
    [
        {"x": [1.0] * 60, "y": [2.0] * 60},
        {"x": [None] * 59 + [1.0], "y": list(range(60))},
        {"x": list("ab") * 30},
        {"load": [[1.0, 2.0]] * 60},
    ],
    ids=["constant", "missing", "one column", "short series"],
)
def test_what_has_no_structure_is_said_and_not_judged(values):
    kinds = {"load": "series"} if "load" in values else {"x": "number", "y": "number"} if "y" in values else {"x": "category"}
    measured = looked_at(values, values, **kinds)
    assert measured
    assert all(reading.note for reading in measured if reading.estimate is None)
