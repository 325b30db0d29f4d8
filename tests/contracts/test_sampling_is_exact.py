"""A model writes what its own law says, at every setting of a draw."""

import numpy as np
import pytest
from scipy import stats

from outcross.models.categorical import CategoricalModel
from outcross.models.draw import Draw
from outcross.models.gaussian import NormalModel

FALSE_ALARM = 1e-4
DRAWS = [
    Draw(records=100_000, **settings)
    for settings in (
        {},
        {"temperature": 0.7},
        {"temperature": 2.0},
        {"top_k": 3},
        {"top_p": 0.8},
        {"temperature": 0.7, "top_k": 4, "top_p": 0.9},
    )
]


@pytest.mark.parametrize("draw", DRAWS, ids=str)
def test_categorical_draws_follow_the_law_that_the_draw_names(draw):
    model = CategoricalModel(np.array([0.4, 0.25, 0.15, 0.1, 0.07, 0.03, 0.0]))
    law = model.law(draw)
    drawn = model.sample(draw, None, np.random.default_rng(1)).array
    assert law.sum() == pytest.approx(1) and drawn[law == 0].sum() == 0
    assert stats.chisquare(drawn[law > 0], 100_000 * law[law > 0]).pvalue > FALSE_ALARM


def test_top_k_keeps_k_top_p_the_fewest_that_reach_p_and_greedy_the_likeliest():
    p = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]])
    model = CategoricalModel(p)
    assert np.allclose(model.law(Draw(top_k=2)), [[4 / 7, 3 / 7, 0, 0], [0, 0, 3 / 7, 4 / 7]])
    assert np.allclose(model.law(Draw(top_p=0.7)), [[4 / 7, 3 / 7, 0, 0], [0, 0, 3 / 7, 4 / 7]])
    assert np.allclose(model.law(Draw(top_p=0.71)), [[4 / 9, 3 / 9, 2 / 9, 0], [0, 2 / 9, 3 / 9, 4 / 9]])
    assert np.array_equal(model.law(Draw(temperature=0)), [[1, 0, 0, 0], [0, 0, 0, 1]])
    assert np.allclose(model.law(Draw(temperature=0.5)), p**2 / (p**2).sum(axis=-1, keepdims=True))


def test_gaussian_draws_have_the_mean_and_temperature_times_the_covariance():
    covariance = np.array([[2.0, 0.6], [0.6, 0.5]])
    model = NormalModel(np.array([1.0, -2.0]), covariance)
    points = model.sample(Draw(records=200_000, temperature=0.5), None, np.random.default_rng(2)).array
    whitened = (points - model.mean) @ np.linalg.inv(np.linalg.cholesky(0.5 * covariance)).T
    for axis in whitened.T:
        assert stats.kstest(axis, "norm").pvalue > FALSE_ALARM
    assert abs(stats.pearsonr(*whitened.T).statistic) < 4 / np.sqrt(200_000)


def test_minus_log_density_of_what_a_gaussian_writes_averages_to_its_entropy():
    covariance = np.array([[2.0, 0.6], [0.6, 0.5]])
    model = NormalModel(np.array([1.0, -2.0]), covariance)
    nats = -model.log_prob(model.sample(Draw(records=100_000), None, np.random.default_rng(3)))
    entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
    assert abs(nats.mean() - entropy) < 4 * nats.std() / np.sqrt(nats.size)
