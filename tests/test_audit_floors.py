"""Floors are honest: where nothing is lost, a p-value is at most α in at most a share α of samples."""

from __future__ import annotations

import numpy as np
import polars
import pytest
from scipy.stats import binom, multivariate_hypergeom

from outcross.data.tables import table
from outcross.measures import Evidence
from outcross.measures.groups import Groups
from outcross.measures.spread import Spread, variances
from outcross.measures.tails import Tails
from outcross.statistics.beyond import fewer
from outcross.statistics.floors import (
    from_draws,
    larger_share,
    permuted_ranks,
    permuted_sums,
    quantile_of_ordered,
    relabelled_together,
)
from outcross.statistics.ratios import ratio_of_shares
from outcross.statistics.sketches import gather

REPEATS = 120
SURE = 1e-5
"""How seldom a check whose p-values are honest fails here."""


def findings(aspect, columns, repeats=REPEATS, rows=(160, 200)):
    """What an aspect finds in pairs of samples of one law, pair after pair."""
    for repeat in range(repeats):
        rng = np.random.default_rng([20_26, repeat])
        sides = [table(columns(rng, n)) for n in rows]
        compared = Evidence(drawn=sides[0], reference=sides[1], groups=("c",) if "c" in sides[0].kinds else ())
        sketches = [gather(side, aspect.sketches(compared)) for side in sides]
        counted = {name: (sketches[0][name], sketches[1][name]) for name in sketches[0]}
        yield from aspect(compared.but(counted=counted), np.random.default_rng([7, repeat]))


def law(rng, n):
    """A normal column, a heavy-tailed one, one with gaps, and categories of which some are rare."""
    gaps = np.where(rng.random(n) < 0.2, np.nan, rng.exponential(size=n))
    shares = 1 / np.arange(1, 31) ** 1.3
    words = np.array([f"k{i}" for i in range(30)])
    return polars.DataFrame(
        {"x": rng.normal(size=n), "heavy": rng.standard_t(4, n), "gaps": gaps, "c": rng.choice(words, n, p=shares / shares.sum())}
    )


ASPECTS = {"spread": Spread(directions=3), "tails": Tails(rare=0.05), "groups": Groups(max_groups=6)}


@pytest.mark.parametrize("name", ASPECTS)
def test_p_values_are_honest_where_nothing_is_lost(name):
    aspect = ASPECTS[name]
    p: dict[tuple[str, ...], list[float]] = {}
    for finding in findings(aspect, law):
        if finding.null is not None:
            p.setdefault(
                (finding.measure, finding.column, finding.at if finding.measure == "mass" else "", finding.group), []
            ).append(finding.null.p)
    assert p
    for key, values in p.items():
        for level in (0.01, 0.05, 0.1):
            at_most = binom.isf(SURE, len(values), level)
            assert np.sum(np.array(values) <= level) <= at_most, (key, level)


@pytest.mark.parametrize("name", ["spread", "tails"])
def test_intervals_hold_what_is_true(name):
    aspect = ASPECTS[name]
    settings: dict[tuple[str, ...], list[bool]] = {}
    for finding in findings(aspect, law, 150):
        if finding.estimate is not None and finding.measure in ("variance", "interquartile_range", "mass"):
            settings.setdefault((finding.measure, finding.column, finding.at), []).append(
                finding.estimate.low <= 1 <= finding.estimate.high
            )
    for key, values in settings.items():
        # The heavy column's kurtosis is infinite, so that no interval of its variance holds for sure.
        lowest_coverage = 0.9 if key[:2] == ("variance", "heavy") else 0.93
        assert np.mean(values) >= lowest_coverage - 4.5 * np.sqrt(lowest_coverage * (1 - lowest_coverage) / len(values)), key


def test_a_column_that_seldom_varies_is_not_lost_where_by_chance_it_does_not():
    """Of a hundred values one is unlike the others: in half of all pairs it falls to the human side."""

    def ratio_and_p(values):
        seldom = polars.DataFrame({"x": values})
        pair = Evidence(drawn=table({"x": np.zeros(100)}, kinds={"x": "number"}), reference=table(seldom, kinds={"x": "number"}))
        (finding,) = variances(pair, np.random.default_rng(0))
        assert finding.estimate is not None and finding.null is not None
        return finding.estimate.value, finding.null.p

    assert ratio_and_p(np.arange(100) == 0) == (0.0, pytest.approx(0.5))
    assert ratio_and_p(np.arange(100) < 4) == (0.0, pytest.approx(np.prod([(100 - i) / (200 - i) for i in range(4)])))


def test_permuted_sums_are_those_of_random_subsets():
    rng = np.random.default_rng(5)
    features = np.column_stack([np.ones(3000), rng.normal(size=3000), rng.exponential(size=3000)])
    drawn = permuted_sums(features, 1200, rng, 4000)
    n = drawn[:, 0]
    means = drawn[:, 1:] / n[:, None]
    # A random subset without replacement: variance s² / n (1 - n / N).
    spread = features[:, 1:].var(axis=0, ddof=1) / 1200 * (1 - 1200 / 3000)
    assert np.abs(n - 1200).max() <= 205  # blocks differ by one row
    assert np.allclose(means.mean(axis=0), features[:, 1:].mean(axis=0), atol=4.5 * np.sqrt(spread.max() / 4000))
    assert np.allclose(means.var(axis=0), spread, rtol=0.12)


def test_permuted_ranks_are_those_of_random_labels():
    rng = np.random.default_rng(6)
    places = permuted_ranks((0.25, 0.75), 400, 600, rng, 2000)
    quartiles = []
    for _ in range(2000):
        order = rng.permutation(1000)
        quartiles.append(np.quantile(order[:400], [0.25, 0.75]))
    quartiles = np.array(quartiles)
    assert np.allclose(places[0].mean(axis=0), quartiles.mean(axis=0), atol=4.5 * 17 / np.sqrt(1000))
    assert np.allclose(places[0].std(axis=0), quartiles.std(axis=0), rtol=0.12)


def test_columns_relabelled_together_are_each_multivariate_hypergeometric():
    """Every permutation keeps the total of each category and the size of the first set; means and covariances are those of the law."""
    rng = np.random.default_rng(13)
    first, rows = 40, 100
    codes = np.stack([np.arange(rows) % categories for categories in (2, 3, 7)])
    for own, categories in zip(relabelled_together(codes, first, rng), (2, 3, 7), strict=True):
        whole = np.bincount(codes[categories // 3], minlength=categories)
        law = multivariate_hypergeom(whole, first)
        assert own.shape == (2, 999, categories)
        assert (own.sum(axis=0) == whole).all() and (own[0].sum(axis=1) == first).all()
        assert own[0].mean(axis=0) == pytest.approx(law.mean(), abs=5 * np.sqrt(law.cov().max() / 999))
        assert np.cov(own[0], rowvar=False) == pytest.approx(law.cov(), abs=0.25 * law.cov().max())


@pytest.mark.parametrize("count", [1, 2, 19, 249, 500, 999])
def test_quantiles_of_ordered_numbers_are_those_of_numpy_to_the_bit(count):
    rng = np.random.default_rng(14)
    for digits in (0, 2, 12):
        numbers = rng.lognormal(0, 3, count).round(digits)
        for share in (0.025, 0.05, 0.5, 0.95, 0.975):
            assert quantile_of_ordered(np.sort(numbers), share) == np.quantile(numbers, share)
    assert np.isnan(quantile_of_ordered(np.array([1.0, np.nan]), 0.5))


def test_fishers_p_is_scipys():
    from scipy.stats import fisher_exact

    cells = [[7, 93], [19, 81]]
    assert fewer(7, 100, 19, 100).p == pytest.approx(fisher_exact(cells, "less").pvalue, rel=1e-9)
    assert larger_share(19, 100, 7, 100).p == pytest.approx(fisher_exact(cells[::-1], "greater").pvalue, rel=1e-9)


def test_the_floor_of_a_share_is_reached_by_one_real_set_in_twenty():
    """Both counts are drawn. The floor is computed from the human count alone."""
    rng = np.random.default_rng(8)
    human, count = rng.binomial(5000, 0.05, size=(2, 2000))
    reached = [reads / own <= fewer(0, 5000, int(own), 5000).floor for own, reads in zip(human, count, strict=True)]
    assert np.mean(reached) == pytest.approx(0.05, abs=0.02)
    assert fewer(0, 5000, 250, 5000).floor == pytest.approx(
        np.exp(-1.645 * np.sqrt(2 * 0.95 / 250)), abs=0.01
    )  # both counts scatter


def test_the_floor_of_the_worst_of_many_parts_is_reached_by_one_real_set_in_twenty():
    rng = np.random.default_rng(9)
    human, count = rng.binomial(2000, 0.1, size=(2, 400, 20))
    reached = [
        any(reads / own <= fewer(0, 2000, int(own), 2000, 0.05 / 20).floor for own, reads in zip(*some, strict=True))
        for some in zip(human, count, strict=True)
    ]
    assert np.mean(reached) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_the_tail_of_draws_is_extrapolated_to_the_safe_side():
    from scipy.stats import norm

    rng = np.random.default_rng(9)
    p_values = [from_draws(-4.5, rng.normal(size=999), "smaller", "").p for _ in range(200)]
    assert np.quantile(p_values, 0.01) >= norm.cdf(-4.5)
    assert np.median(p_values) <= 1 / 1000


def test_ratio_intervals_hold():
    rng = np.random.default_rng(10)
    for share, n, m in ((0.02, 400, 800), (0.3, 100, 100), (0.005, 5000, 2000)):
        inside = 0
        for _ in range(2000):
            human = rng.binomial(m, share)
            if human == 0:
                inside += 1
                continue
            _, low, high = ratio_of_shares(rng.binomial(n, share), n, human, m)
            inside += low <= 1 <= high
        assert inside / 2000 >= 0.93 - 4.5 * np.sqrt(0.05 * 0.95 / 2000)
