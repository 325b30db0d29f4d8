"""Accumulating does not save every family (Barzilai and Shamir, Theorem 5.1): n = 1000, a thousand chains."""

import itertools

import numpy as np
import pytest
from scipy import stats

from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.experiment import experiment
from outcross.loop import run
from outcross.models.draw import Draw
from outcross.models.spike import WIDTH, Spike, SpikeModel

BOUND, FALSE_ALARM = 4.5, 1e-4
N, CHAINS = 1000, 1000


def fits(policy, generations, rows=N, chains=CHAINS):
    settings = {
        "name": "law", "human": {"distribution": "uniform", "rows": rows}, "learner": "spike", "policy": policy,
        "draw": {"prompts": "none"}, "generations": generations, "chains": chains, "metrics": ["fitted_law"],
    }  # fmt: skip
    return [generation.model.value for generation in run(experiment(settings))]


def exactly_one(n):
    """P(one of n records is in the spike), α = (1 - max)/2 of n human records: goes to 2/9."""
    gap, step = np.linspace(0, 1, 2_000_001, retstep=True)
    return np.sum(n * (1 - gap) ** (n - 1) * stats.binom.pmf(1, n, gap / 2)) * step


def test_the_first_fit_is_excellent_and_the_second_is_bad_in_two_of_nine_chains_though_all_data_are_kept():
    first, second = (model.total_variation for model in fits("accumulate", 2))
    assert (first < 2 * np.log(N) / N).all()  # fails once in a thousand: 1 - max is exponential of mean 1/n
    assert exactly_one(N) == pytest.approx(2 / 9, abs=1e-3)
    bad = second > 0.4
    assert abs(bad.mean() - exactly_one(N)) < BOUND * np.sqrt(2 / 9 * 7 / 9 / CHAINS)
    assert second[bad] == pytest.approx(0.4863, abs=1e-4) and (second[~bad] < 2 * np.log(N) / N).all()


def test_more_data_do_not_help_and_no_chain_comes_back():
    small, large = ([model.total_variation > 0.4 for model in fits("accumulate", 4, rows=n, chains=500)] for n in (100, 2000))
    for share in (small[1].mean(), large[1].mean()):
        assert abs(share - 2 / 9) < BOUND * np.sqrt(2 / 9 * 7 / 9 / 500) + 0.01  # 0.01: n = 100 is not infinite
    for before, after in itertools.pairwise(large[1:]):
        assert (after >= before).all() and after.sum() > before.sum()


def fitted(x, weights=None):
    return Spike().fit(Vectors(np.asarray(x)[..., None]), weights, None, None, np.random.default_rng(0))


def likelihood(x, alpha, mu):
    return SpikeModel(np.asarray(alpha), np.asarray(mu)).log_prob(Vectors(x[:, None])).sum(axis=-1)


@pytest.mark.parametrize("n", [1, 3, 40, 400])
@pytest.mark.parametrize("apart", [(), (0.2, 0.7)])
def test_no_member_of_a_fine_grid_is_likelier_than_the_fit(n, apart):
    rng = np.random.default_rng(n)
    for _ in range(5):
        x = np.concatenate([rng.random(n), [2.5 + WIDTH * place for place in apart]])
        model = fitted(x)
        alpha = np.concatenate([np.geomspace(1e-6, 0.25, 4000), np.linspace(0, 0.25, 1000)])
        grid = [likelihood(x, weight, 2.5 + 0.19 * WIDTH if apart else 2.0) for weight in alpha]
        assert likelihood(x, model.alpha, model.mu) >= max(grid)


def test_the_first_fit_is_half_the_gap_to_one_and_one_record_in_two_to_three_takes_a_quarter():
    x = np.random.default_rng(0).random((50, 200))
    assert np.allclose(fitted(x).alpha, (1 - x.max(axis=-1)) / 2)
    x[:, 0] = 2.7
    model = fitted(x)
    assert np.array_equal(model.alpha, np.full(50, 0.25)) and np.array_equal(model.mu, np.full(50, 2.7))


def test_a_weight_of_two_is_a_record_twice():
    x = np.random.default_rng(1).random((20, 12))
    times = np.repeat([1, 2], 6)
    assert np.allclose(fitted(x, times.astype(float)).alpha, fitted(np.repeat(x, times, axis=1)).alpha)


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.2])
def test_what_a_spike_writes_follows_its_density(alpha):
    model = SpikeModel(np.array(alpha), np.array(2.5))
    x = model.sample(Draw(records=100_000), None, np.random.default_rng(2)).array[:, 0]
    edges = np.concatenate([np.linspace(0, 1, 21), [2.5, 2.5 + WIDTH]])
    middles, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    widths[-1] = WIDTH * (1 - 4 * alpha)
    middles[-1] = 2.5 + widths[-1] / 2
    law = np.exp(model.log_prob(Vectors(middles[:, None]))) * widths
    assert law.sum() == pytest.approx(1)
    counts = np.histogram(x, edges)[0]
    assert counts.sum() == 100_000 and counts[law == 0].sum() == 0
    assert stats.chisquare(counts[law > 0], 100_000 * law[law > 0]).pvalue > FALSE_ALARM
    assert model.total_variation == pytest.approx(np.maximum(0.05 - law[:20], 0).sum(), abs=1e-12)


def test_spike_refuses_records_that_no_member_could_have_written():
    with pytest.raises(BadInput, match="distribution: uniform"):
        fitted([0.5, 1.5])
    with pytest.raises(BadInput, match="spike of width"):
        fitted([0.5, 2.1, 2.9])
    with pytest.raises(BadInput, match="records of one number"):
        Spike().fit(Vectors(np.zeros((3, 2))), None, None, None, np.random.default_rng(0))
