"""Interquartile ranges of counts: they move with the shares of values, and chance moves them by a width."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, ks_2samp

from outcross.data.tables import alike, table
from outcross.estimate import Reading
from outcross.measures import Evidence
from outcross.measures.spread import Spread
from outcross.statistics.floors import relabelled
from outcross.statistics.grouped import cells_of


def ranges(synthetic: np.ndarray, reference: np.ndarray, seed: int) -> Reading:
    sides = [
        table({"x": values}, name, kinds={"x": "number"}) for values, name in ((reference, "reference"), (synthetic, "synthetic"))
    ]
    human, drawn = alike(sides).tables
    measured = Spread(directions=0)(Evidence(drawn=drawn, reference=human), np.random.default_rng(seed))
    return next(reading for reading in measured if reading.measure == "interquartile_range")


def test_quartiles_are_those_of_grouped_data():
    """Yule's textbook form: the lower border of the cell, and the part of it that is left to the quartile."""
    numbers = np.repeat([1.0, 2.0, 3.0, 4.0], [3, 5, 8, 4])
    cells = cells_of(numbers)
    quartiles = cells.quantiles(cells.counts(numbers), (0.25, 0.5, 0.75))
    assert quartiles == pytest.approx([1.5 + 2 / 5, 2.5 + 2 / 8, 2.5 + 7 / 8], abs=1e-12)
    assert np.quantile(cells.filled(cells.counts(numbers)), 0.5) == pytest.approx(quartiles[1], abs=0.05)


def test_where_all_values_differ_they_are_the_usual_ones():
    values = np.random.default_rng(1).normal(size=4001)
    cells = cells_of(values)
    assert cells.quantiles(cells.counts(values), (0.25, 0.75)) == pytest.approx(np.quantile(values, [0.25, 0.75]), abs=2e-3)


def test_interquartile_ranges_of_counts_have_a_width_and_hold_what_is_true():
    """Two Poisson laws, whose quartiles nearly always fall on the same two numbers; 95 % intervals, by an exact binomial test at one in a thousand."""
    rng = np.random.default_rng(2)
    counts = np.arange(40.0)
    cells = cells_of(counts)
    whole = {mean: rng.poisson(mean, 2_000_000) for mean in (4, 2.5)}
    quartiles = {mean: cells.quantiles(cells.counts(np.minimum(drawn, 39)), (0.25, 0.75)) for mean, drawn in whole.items()}
    truth = float(np.ptp(quartiles[2.5]) / np.ptp(quartiles[4]))
    for mean, healthy in ((4, 1.0), (2.5, truth)):
        estimates = [ranges(rng.poisson(mean, 300), rng.poisson(4, 300), seed).estimate for seed in range(60)]
        assert min(estimate.high - estimate.low for estimate in estimates) > 0.05
        holds = sum(estimate.low <= healthy <= estimate.high for estimate in estimates)
        assert holds >= binom.ppf(0.001, 60, 0.95), (mean, holds)


@pytest.mark.parametrize(("decimals", "first", "second"), [(0, 60, 40), (1, 300, 500)])
def test_quartiles_under_random_labels_are_those_of_random_counts(decimals, first, second):
    """Two ways to draw one law: where quartiles lie alone, and the counts of all cells; Kolmogorov and Smirnov at one in a thousand over eight comparisons."""
    rng = np.random.default_rng(3)
    sets = [np.round(rng.normal(size=size), decimals) for size in (first, second)]
    cells = cells_of(np.concatenate(sets))
    counts = np.stack([cells.counts(numbers) for numbers in sets])
    quartiles = cells.permuted_quantiles(counts, (0.25, 0.75), rng, 2000)
    expected = cells.quantiles(relabelled(counts, rng, 2000), (0.25, 0.75))
    assert quartiles.shape == expected.shape == (2, 2000, 2)
    for side in range(2):
        for quartile in range(2):
            assert ks_2samp(quartiles[side, :, quartile], expected[side, :, quartile]).pvalue > 0.001 / 8
    # A set's own quartile moves against the other set's, in either way.
    assert np.corrcoef(quartiles[:, :, 0])[0, 1] < -0.5 > np.corrcoef(expected[:, :, 0])[0, 1]
