"""Kernel densities: the law of one fit against scipy's, and the loop against K1 and K2 over 10⁴ chains."""

import numpy as np
import pytest
from scipy import stats

from outcross.collapse.closed_forms import law_arguments
from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.experiment import experiment
from outcross.laws import expected, gaussian
from outcross.laws.kde import (
    kde_accumulate,
    kde_accumulate_growth,
    kde_accumulate_subsample,
    kde_mixed,
    kde_replace,
    kde_replace_limit,
)
from outcross.loop import run
from outcross.models.draw import Draw
from outcross.models.kde import Kde, KernelModel

BOUND = 4.5
"""Standard errors: a false alarm in 150,000 comparisons; the file makes about 600."""
FALSE_ALARM = 1e-4


def fitted(bandwidth, points, weights=None):
    return Kde(bandwidth=bandwidth).fit(Vectors(points), weights, None, None, np.random.default_rng(0))


@pytest.mark.parametrize("rule", ["scott", "silverman"])
@pytest.mark.parametrize("weights", [None, np.linspace(0.2, 2.0, 30)])
@pytest.mark.parametrize("d", [1, 3])
def test_a_rules_density_is_scipys(rule, weights, d):
    rng = np.random.default_rng(d)
    points, at = rng.standard_normal((30, d)) @ rng.standard_normal((d, d)), rng.standard_normal((9, d))
    scipys = stats.gaussian_kde(points.T, bw_method=rule, weights=weights)
    assert np.allclose(fitted(rule, points, weights).log_prob(Vectors(at)), scipys.logpdf(at.T), rtol=1e-10)


def test_a_number_is_the_deviation_of_a_round_kernel_in_the_datas_units():
    from sklearn.neighbors import KernelDensity

    rng = np.random.default_rng(0)
    points, at = 5 * rng.standard_normal((40, 2)), 5 * rng.standard_normal((9, 2))
    assert np.allclose(fitted(0.7, points).log_prob(Vectors(at)), KernelDensity(bandwidth=0.7).fit(points).score_samples(at))


def test_chains_and_blocks_give_each_chains_own_density(monkeypatch):
    import outcross.models.kde as kde

    rng = np.random.default_rng(1)
    points, at = rng.standard_normal((7, 20, 2)), rng.standard_normal((7, 11, 2))
    whole = fitted("scott", points).log_prob(Vectors(at))
    assert np.allclose(whole[3], fitted("scott", points[3]).log_prob(Vectors(at[3])))
    for pairs in (25, 450):
        monkeypatch.setattr(kde, "PAIRS", pairs)
        assert np.array_equal(fitted("scott", points).log_prob(Vectors(at)), whole)


def along(model, direction, shares):
    """The distribution function of a kernel density along a direction: a sum of normal ones."""
    centres, deviation = model.points @ direction, np.linalg.norm(model.root.T @ direction)
    return lambda x: stats.norm.cdf(x[:, None], centres, deviation) @ shares


@pytest.mark.parametrize("weights", [None, np.linspace(0.0, 2.0, 12)])
@pytest.mark.parametrize("bandwidth", [0.3, "silverman"])
def test_what_a_kernel_density_writes_follows_its_density(bandwidth, weights):
    rng = np.random.default_rng(2)
    model = fitted(bandwidth, rng.standard_normal((12, 2)) @ np.array([[2.0, 0.0], [1.0, 0.3]]), weights)
    drawn = model.sample(Draw(records=50_000), None, rng)
    shares = np.ones(12) / 12 if weights is None else weights / weights.sum()
    for direction in np.eye(2)[0], np.array([0.6, -0.8]):
        law = along(model, direction, shares)
        assert stats.kstest(drawn.array @ direction, law).pvalue > FALSE_ALARM
    assert np.allclose(np.cov(drawn.array.T), model.covariance, rtol=0.1) and np.allclose(
        drawn.array.mean(axis=0), model.mean, atol=0.05
    )


def test_a_kernel_density_refuses_a_temperature_and_a_rule_without_spread():
    with pytest.raises(BadInput, match="temperature must be 1 for kde"):
        fitted(0.3, np.zeros((4, 1))).sample(Draw(records=2, temperature=0.5), None, np.random.default_rng(0))
    with pytest.raises(BadInput, match="span all 2 dimensions"):
        fitted("scott", np.zeros((4, 2)))
    assert isinstance(fitted(0.3, np.zeros((4, 2))), KernelModel)


def readings(policy, n, bandwidth, d, generations, chains=10_000):
    recipe = {
        "name": "law", "human": {"distribution": "normal", "rows": n, "dimensions": d}, "learner": {"kind": "kde", "bandwidth": bandwidth},
        "policy": policy, "draw": {"prompts": "none"}, "generations": generations, "chains": chains, "metrics": ["fitted_law"],
    }  # fmt: skip
    estimates = {}
    for generation in run(experiment(recipe)):
        for reading in generation.measured:
            estimates.setdefault(reading.measure, []).append(reading.estimate)
    return estimates


def assert_agrees(estimates, law, d):
    for metric, curve in (("spread_ratio", law.variance), ("mean_error", d * law.mean_error)):
        for g, (estimate, value) in enumerate(zip(estimates[metric], curve, strict=True)):
            assert abs(estimate.value - value) < BOUND * estimate.standard_error, f"{metric} g{g}: {estimate} against {value}"


@pytest.mark.parametrize(("n", "bandwidth", "d"), [(20, 0.5, 1), (10, 0.3, 3), (20, "scott", 1), (20, "silverman", 2)])
def test_replace_of_a_kernel_density_K1(n, bandwidth, d):
    estimates = readings("replace", n, bandwidth, d, generations=10)
    assert_agrees(estimates, kde_replace(n, 10, bandwidth=bandwidth, dimensions=d), d)


@pytest.mark.parametrize(("n", "bandwidth", "d"), [(20, 0.5, 1), (10, 0.3, 3), (20, "scott", 1), (20, "silverman", 2)])
def test_accumulate_of_a_kernel_density_K2(n, bandwidth, d):
    estimates = readings("accumulate", n, bandwidth, d, generations=8)
    assert_agrees(estimates, kde_accumulate(n, 8, bandwidth=bandwidth, dimensions=d), d)


POLICIES = {
    "accumulate_subsample": "accumulate_subsample",
    "augment": "augment",
    "redrawn": {"kind": "human_share", "share": 0.3},
    "fixed": {"kind": "human_share", "share": 0.3, "rows": "fixed"},
    "fresh": {"kind": "fresh", "human": 6},
    "weighted": {"kind": "weighted", "weight": 0.7},
}


@pytest.mark.parametrize(("n", "bandwidth", "d"), [(20, 0.5, 1), (10, 0.3, 3), (20, "scott", 1), (20, "silverman", 2)])
@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_moves_a_kernel_density_as_its_recursion_says(policy, n, bandwidth, d):
    recipe = {
        "name": "law",
        "human": {"distribution": "normal", "rows": n, "dimensions": d},
        "policy": POLICIES[policy],
        "generations": 8,
    }
    arguments = law_arguments(
        experiment(recipe | {"learner": {"kind": "kde", "bandwidth": bandwidth}, "draw": {"prompts": "none"}})
    )
    estimates = readings(POLICIES[policy], n, bandwidth, d, generations=8)
    for metric in ("spread_ratio", "mean_error"):
        curve = expected(measure=metric, **arguments)
        assert curve is not None
        for g, (estimate, value) in enumerate(zip(estimates[metric], curve, strict=True)):
            assert abs(estimate.value - value) < BOUND * estimate.standard_error, f"{metric} g{g}: {estimate} against {value}"


def test_without_a_kernel_the_recursions_are_the_gaussians():
    plan = {"first": 20, "human_rows": "redrawn"}
    assert np.allclose(kde_mixed(6, 14, 9, bandwidth=0.0, **plan), gaussian.mixed(6, 14, 9, **plan))
    assert np.allclose(kde_accumulate_subsample(20, 9, bandwidth=0.0), gaussian.accumulate_subsample(20, 9))


def test_replace_ends_at_n_h_squared_whatever_the_human_variance():
    last = readings("replace", 5, 0.4, 1, generations=40)["spread_ratio"][-1]
    assert abs(last.value - kde_replace_limit(5, 0.4)) < BOUND * last.standard_error + 0.8**40
    for h in (0.05, 3.0):
        assert kde_replace(50, 2000, bandwidth=h).variance[-1] == pytest.approx(kde_replace_limit(50, h), rel=1e-6)


def test_the_laws_are_the_recursions_of_section_13():
    n, h, fits = 10, 0.5, 200
    variance, pooled = 1 - 1 / n + h * h, 1 - 1 / n
    for t in range(1, fits + 1):
        assert kde_replace(n, t, bandwidth=h).variance[-1] == pytest.approx(variance)
        assert kde_accumulate(n, t, bandwidth=h).variance[-1] == pytest.approx(pooled + h * h)
        variance = (1 - 1 / n) * variance + h * h
        pooled = (t * pooled + (pooled + h * h) * (1 - 1 / n)) / (t + 1) + t / (t + 1) ** 2 * (pooled + h * h) / n


def test_accumulate_grows_as_h_squared_ln_t_and_without_a_kernel_as_the_gaussian():
    from outcross.laws.gaussian import variance_accumulate

    long = kde_accumulate(10, 20_000, bandwidth=0.5).variance
    growth = kde_accumulate_growth(0.5, 20_000)
    assert long[-1] - long[1_999] == pytest.approx(growth[-1] - growth[1_999], rel=2e-3)
    assert np.allclose(kde_accumulate(10, 50, bandwidth=0.0).variance, variance_accumulate(10, 50))


def test_a_weighted_kernel_density_is_kept_whole(tmp_path):
    points, weights = np.random.default_rng(3).standard_normal((6, 20, 2)), np.linspace(0.5, 1.5, 20)
    model = fitted("scott", points, weights)
    model.save(tmp_path)
    again = Kde().load(tmp_path)
    assert np.array_equal(again.log_prob(Vectors(points)), model.log_prob(Vectors(points)))
    assert again.weights is not None and np.array_equal(again.weights, weights)


def laws(learner, source, policy="replace", **settings):
    """The law curves that a run of this experiment draws, by metric."""
    from outcross.collapse.closed_forms import law_arguments
    from outcross.laws import expected

    common = {"name": "law", "human": source, "learner": learner, "policy": policy, "generations": 5}
    arguments = law_arguments(experiment(common | settings))
    curves = (
        {metric: expected(measure=metric, **arguments) for metric in ("spread_ratio", "coefficient_error")} if arguments else {}
    )
    return {metric: curve.tolist() for metric, curve in curves.items() if curve is not None}


def test_a_run_draws_the_law_that_is_its_own_and_none_that_is_not():
    from outcross.laws import regression

    normal, pairs = {"distribution": "normal", "rows": 20}, {"distribution": "regression", "rows": 30}
    kernel = {"kind": "kde", "bandwidth": 0.5}
    assert laws(kernel, normal) == {"spread_ratio": kde_replace(20, 5, bandwidth=0.5).variance.tolist()}
    assert laws(kernel, normal, "accumulate") == {"spread_ratio": kde_accumulate(20, 5, bandwidth=0.5).variance.tolist()}
    assert laws("regression", pairs) == {"coefficient_error": regression.coefficient_error_replace(30, 5, dimensions=5).tolist()}
    kept = regression.coefficient_error_accumulate(30, 5, dimensions=5).tolist()
    assert laws("regression", pairs, "accumulate") == {"coefficient_error": kept}
    assert laws({"kind": "regression", "design": "fresh"}, pairs, "accumulate") == {}
    for unknown in ({"kind": "regression", "ridge": 1.0}, {"kind": "regression", "noise": 2.0}):
        assert laws(unknown, pairs) == {}
    assert laws("gaussian", {"distribution": "blobs"}) == {} and laws("spike", {"distribution": "uniform"}) == {}


@pytest.mark.parametrize(
    "fresh, synthetic, golden, limit", [(10, 30, 1.290411, 1.36), (30, 90, 1.336150, 1.36), (10, 90, 1.809045, 1.90)]
)
def test_a_fresh_share_ends_below_the_limit_of_many_rows_at_finite_n(fresh, synthetic, golden, limit):
    """science/oracles.md E6: bandwidth 0.3; the limit is 1 + h²/α, α the fresh share."""
    end = kde_mixed(fresh, synthetic, 3000, first=fresh, bandwidth=0.3, human_rows="fresh").variance[-1]
    assert end == pytest.approx(golden, abs=1e-6) and end < limit == pytest.approx(1 + 0.09 * (fresh + synthetic) / fresh)
    many = kde_mixed(fresh * 10**6, synthetic * 10**6, 3000, first=fresh, bandwidth=0.3, human_rows="fresh").variance[-1]
    assert many == pytest.approx(limit, abs=1e-4)
