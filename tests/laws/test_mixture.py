"""Mixtures of normals: the fit against scikit-learn's, the distance M1 against integrals, and Shumailov's loop."""

import numpy as np
import pytest
from scipy import stats

from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.experiment import experiment
from outcross.laws.mixture import NormalMixture, l2_squared
from outcross.loop import run
from outcross.models.draw import Draw
from outcross.models.gaussian_mixture import GaussianMixture, MixtureModel, seeds
from outcross.sources.blobs import Blobs

FALSE_ALARM = 1e-4


def scikit(points, start, learner):
    """What scikit-learn's EM makes of the same start: (weights, means, covariances)."""
    from sklearn.mixture import GaussianMixture as Scikit
    from threadpoolctl import threadpool_limits

    fitting = Scikit(
        learner.components,
        tol=learner.tolerance,
        max_iter=learner.iterations,
        reg_covar=learner.regularisation,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=np.linalg.inv(start.covariances),
    )
    with threadpool_limits(1):  # small products are slower with more
        fitted = fitting.fit(points)
    return fitted.weights_, fitted.means_, fitted.covariances_


@pytest.mark.parametrize(("grid", "components", "n"), [(1, 2, 100), (3, 9, 300), (2, 5, 200)])
def test_em_in_chains_gives_scikit_learns_numbers_from_the_same_start(grid, components, n):
    rng = np.random.default_rng(0)
    learner = GaussianMixture(components=components, tolerance=1e-5)
    points = Blobs(grid=grid, deviation=0.2).truth.draw(n, (2,), rng).array
    starts = learner.seeded(points, np.full(n, 1 / n), rng)
    fitted, _ = learner.maximise(points, np.full(n, 1 / n), starts)
    for chain, own in enumerate(points):
        start = NormalMixture(starts.weights[chain], starts.means[chain], starts.covariances[chain])
        for ours, theirs in zip((fitted.weights, fitted.means, fitted.covariances), scikit(own, start, learner), strict=True):
            assert np.abs(ours[chain] - theirs).max() < 1e-6


def test_a_weight_of_three_is_a_record_three_times():
    rng = np.random.default_rng(1)
    learner = GaussianMixture(components=3, tolerance=1e-9)
    points = Blobs(grid=2, deviation=0.2).truth.draw(60, (2,), rng).array
    times = np.repeat([1, 3], 30)
    start = learner.seeded(points, np.full(60, 1 / 60), rng)
    weighted, _ = learner.maximise(points, times / times.sum(), start)
    repeated, _ = learner.maximise(np.repeat(points, times, axis=1), np.full(120, 1 / 120), start)
    assert np.allclose(weighted.means, repeated.means, atol=1e-9) and np.allclose(
        weighted.covariances, repeated.covariances, atol=1e-9
    )
    from_weights = learner.fit(Vectors(points), times.astype(float), None, None, np.random.default_rng(2))
    assert np.allclose(from_weights.weights.sum(axis=-1), 1)


def test_one_component_is_the_gaussian_of_maximum_likelihood():
    points = np.random.default_rng(0).standard_normal((3, 50, 2))
    fitted = GaussianMixture(components=1, regularisation=0).fit(Vectors(points), None, None, None, np.random.default_rng(0))
    assert np.allclose(fitted.mean, points.mean(axis=1))
    assert np.allclose(fitted.covariance, [np.cov(point.T, bias=True) for point in points])


def test_greedy_seeds_find_every_far_mode():
    truth = Blobs(grid=5, deviation=0.01).truth
    points = truth.draw(500, (20,), np.random.default_rng(3)).array
    centres = seeds(points, np.full(500, 1 / 500), 25, np.random.default_rng(4))
    nearest = np.linalg.norm(centres[:, :, None] - truth.means, axis=-1).argmin(axis=-1)
    assert np.mean([len(set(modes)) for modes in nearest]) > 24.5


def test_the_likeliest_of_several_starts_is_at_least_as_likely():
    points = Vectors(Blobs(grid=4, deviation=0.1).truth.draw(300, (10,), np.random.default_rng(5)).array)
    single, several = (
        GaussianMixture(components=16, starts=starts).fit(points, None, None, None, np.random.default_rng(6)) for starts in (1, 5)
    )
    assert (several.log_prob(points).mean(axis=-1) >= single.log_prob(points).mean(axis=-1) - 1e-9).all()


def some_mixture(seed, d, chains=()):
    rng = np.random.default_rng(seed)
    roots = rng.standard_normal((*chains, 3, d, d))
    weights = rng.dirichlet(np.ones(3), size=chains or None)
    return MixtureModel(weights, rng.standard_normal((*chains, 3, d)), roots @ np.swapaxes(roots, -1, -2) + 0.2 * np.eye(d))


@pytest.mark.parametrize(("d", "steps"), [(1, 20_001), (2, 801)])
def test_l2_squared_is_the_integral_M1(d, steps):
    """On a regular grid the sum converges faster than any power of the step, since the densities are smooth and vanish at its ends."""
    first, second = some_mixture(2 * d - 1, d), some_mixture(2 * d, d)
    side = np.linspace(-14, 14, steps)
    grid = np.stack(np.meshgrid(*[side] * d), axis=-1).reshape(-1, d)
    apart = np.exp(first.log_density(grid)) - np.exp(second.log_density(grid))
    assert float(l2_squared(first, second)) == pytest.approx(np.square(apart).sum() * (side[1] - side[0]) ** d, rel=1e-6)


def test_l2_squared_acts_on_chains_and_is_zero_of_a_mixture_from_itself():
    many, single = some_mixture(5, 2, (6,)), some_mixture(6, 2)
    distances = l2_squared(many, single)
    for chain in range(6):
        own = NormalMixture(many.weights[chain], many.means[chain], many.covariances[chain])
        assert distances[chain] == pytest.approx(float(l2_squared(own, single)), rel=1e-12)
    assert np.abs(l2_squared(many, many)).max() < 1e-15
    shrunk = NormalMixture(np.ones(1), np.zeros((1, 2)), np.zeros((1, 2, 2)))
    assert l2_squared(shrunk, single) == np.inf


def test_what_a_mixture_writes_follows_its_density():
    model = some_mixture(7, 2)
    points = model.sample(Draw(records=50_000), None, np.random.default_rng(8))
    direction = np.array([0.6, -0.8])
    along = points.array @ direction
    centres, deviations = model.means @ direction, np.sqrt(np.einsum("d,kde,e->k", direction, model.covariances, direction))
    law = lambda x: (model.weights * stats.norm.cdf(np.asarray(x)[..., None], centres, deviations)).sum(axis=-1)  # noqa: E731
    assert stats.kstest(along, law).pvalue > FALSE_ALARM
    components = [stats.multivariate_normal(m, c).pdf(points.array) for m, c in zip(model.means, model.covariances, strict=True)]
    assert np.allclose(model.log_prob(points), np.log(model.weights @ components))
    assert np.allclose(np.cov(points.array.T), model.covariance, atol=0.1) and np.allclose(
        points.array.mean(axis=0), model.mean, atol=0.05
    )


def test_chains_of_mixtures_write_each_their_own():
    model = some_mixture(9, 2, (5,))
    points = model.sample(Draw(records=40_000), None, np.random.default_rng(10))
    errors = np.sqrt(np.diagonal(model.covariance, axis1=-2, axis2=-1) / 40_000)
    assert (np.abs(points.array.mean(axis=1) - model.mean) < 4.5 * errors).all()
    assert np.allclose(
        model.log_prob(points)[2], MixtureModel(model.weights[2], model.means[2], model.covariances[2]).log_density(points.array[2])
    )


def test_a_mixture_refuses_what_it_cannot_sample_or_fit():
    with pytest.raises(BadInput, match="temperature must be 1"):
        some_mixture(0, 2).sample(Draw(records=3, temperature=0.5), None, np.random.default_rng(0))
    with pytest.raises(BadInput, match="raise regularisation"):
        points = Vectors(np.repeat(np.arange(4.0), 5).reshape(1, 20, 1))
        GaussianMixture(components=4, regularisation=0).fit(points, None, None, None, np.random.default_rng(0))
    with pytest.raises(BadInput, match="needs at least 4 records"):
        GaussianMixture(components=4).fit(Vectors(np.zeros((3, 1))), None, None, None, np.random.default_rng(0))
    with pytest.raises(BadInput, match="modes"):
        Blobs(grid=50, dimensions=3)


def shumailov(policy, generations):
    """Metric and aspect → estimates over generations, for two components on one blob."""
    arm = experiment({
        "name": "law", "human": {"distribution": "blobs", "grid": 1, "deviation": 1, "rows": 60},
        "learner": {"kind": "gaussian_mixture", "tolerance": 1e-3}, "policy": policy, "draw": {"prompts": "none"},
        "generations": generations, "chains": 40, "metrics": ["mixture_distance", "fitted_law"],
    })  # fmt: skip
    settings = {}
    for generation in run(arm):
        for reading in generation.measured:
            settings.setdefault((reading.measure, reading.at), []).append(reading.estimate)
    return settings


def test_two_components_on_one_blob_shrink_under_replace_and_hardly_under_accumulate():
    """Shumailov et al. in small (§1.4): the distance from the truth grows without end, with the old data it stays near the first."""
    replaced, kept = shumailov("replace", 20), shumailov("accumulate", 10)
    distance = replaced["l2_squared", ""]
    assert distance[-1].low > distance[0].high and distance[-1].low > kept["l2_squared", ""][-1].high
    assert replaced["log_variance", ""][-1].high < kept["log_variance", ""][-1].low < 0
    since = replaced["l2_squared", "generation 0"]
    assert since[0].value == pytest.approx(0, abs=1e-12) and since[-1].low > since[1].high > 0
