"""The tail index beyond the human 95 % quantile: SciPy's likelihood, levels and intervals over nine laws, and cut tails."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, genpareto

import outcross
from outcross.estimate import NotApplicable
from outcross.statistics.tail_index import INDICES, beyond_threshold, index_difference, profile

LAWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "lognormal": lambda rng, n: np.exp(rng.normal(size=n)),
    "t": lambda rng, n: rng.standard_t(3, size=n),
    "Pareto": lambda rng, n: rng.pareto(1, size=n),
    "uniform": lambda rng, n: rng.random(n),
    "Weibull": lambda rng, n: rng.weibull(0.5, size=n),
    "rounded": lambda rng, n: np.round(5 * rng.exponential(size=n)),
    "counts": lambda rng, n: rng.negative_binomial(1, 0.1, size=n).astype(float),
}


@pytest.mark.parametrize("index", [0.7, 0.2, -0.2, -0.4])
def test_the_profile_is_that_of_scipys_likelihood(index):
    excesses = genpareto.rvs(index, size=600, random_state=1)
    excesses /= excesses.mean()
    heights = profile(excesses)
    shape, _, scale = genpareto.fit(excesses, floc=0)
    assert INDICES[heights.argmax()] == pytest.approx(shape, abs=0.011)
    assert heights.max() == pytest.approx(genpareto.logpdf(excesses, shape, 0, scale).sum(), abs=0.1)
    # A quarter farther on, at the scale that fits best there.
    far = int(np.argmin(np.abs(INDICES - INDICES[heights.argmax()] - 0.25)))
    scales = np.geomspace(scale / 3, 3 * scale, 2001)[:, None]
    best = genpareto.logpdf(excesses, INDICES[far], 0, scales).sum(axis=1).max()
    assert heights[far] == pytest.approx(best, abs=0.1)


@pytest.mark.parametrize("law", LAWS)
def test_a_law_against_itself_differs_by_nothing(law):
    """Coverage and p ≤ level, by exact binomial tests that all nine laws together fail once in a thousand times each. benchmarks/tail_index.py does more."""
    rng, repeats = np.random.default_rng([1, len(law)]), 80
    differences = [index_difference(LAWS[law](rng, 1500), LAWS[law](rng, 1500), rng) for _ in range(repeats)]
    assert sum(estimate.low <= 0 <= estimate.high for estimate, _, _ in differences) >= binom.ppf(0.001 / 9, repeats, 0.95)
    for level in (0.01, 0.05, 0.1):
        assert sum(null.p <= level for _, null, _ in differences) <= binom.isf(0.001 / 27, repeats, level)


def test_the_index_is_that_beyond_the_human_quantile():
    """Pareto laws have the index 1/α beyond any point: 1 less ½ is what intervals hold."""
    rng, repeats = np.random.default_rng(2), 60
    estimates = [index_difference(20 * rng.pareto(2, size=2000), rng.pareto(1, size=2000), rng)[0] for _ in range(repeats)]
    assert sum(estimate.low <= -0.5 <= estimate.high for estimate in estimates) >= binom.ppf(0.001, repeats, 0.95)


def test_a_heavy_tail_that_was_cut_is_lost():
    rng = np.random.default_rng(3)
    human, other = (rng.standard_t(3, size=12_000) for _ in range(2))
    cut = np.minimum(other, np.quantile(other, 0.98) + 0.05 * rng.random(12_000))
    audit = outcross.audit({"x": cut}, reference={"x": human}, aspects="tails")
    check = next(finding for finding in audit.every if finding.metric == "tail_index")
    assert check.verdict == "lost" and "in the reference, beyond the human 95 % quantile" in check.why


def test_what_has_no_index_says_so():
    rng = np.random.default_rng(4)
    values = rng.normal(size=2000)
    with pytest.raises(NotApplicable, match="49 human values in the upper 5%, but a tail index needs 50; give 1000 human records"):
        index_difference(values, values[:998], rng)
    with pytest.raises(NotApplicable, match="0 synthetic values lie beyond"):
        index_difference(np.minimum(values, 1.0), values, rng)


def test_the_threshold_is_one_point_for_both_sets():
    human, synthetic = np.arange(2000.0), np.arange(0.5, 4000.5)
    ours, theirs = beyond_threshold(synthetic, human)
    assert theirs.size == 100 and theirs.min() == 0.75 and ours.min() == 0.25 and ours.size == 2101
