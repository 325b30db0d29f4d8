"""Moments of points, drawn and merged without the points, against the points themselves.

Two-sample Kolmogorov-Smirnov tests over independent chains, each at 1e-6: the file makes 101 of them, so one false alarm in 9,900 choices
of its streams. The streams of the two sides are independent. With 20,000 chains a side a shift of 0.07 standard deviations is seen
every second time.
"""

from itertools import islice

import numpy as np
import pytest
from scipy import stats

from outcross.data import HUMAN, part_of
from outcross.data.records import Moments, Vectors, load_records
from outcross.errors import BadInput
from outcross.experiment import experiment
from outcross.laws.moments import sampled
from outcross.ledger import Ledger
from outcross.loop import run

FALSE_ALARM = 1e-6
CHAINS = 20_000


def chains(records, policy, d=1, divisor="n-1", seed=0, **more):
    settings = {
        "name": "two-sample",
        "human": {"distribution": "normal", "dimensions": d, "rows": 10, "records": records},
        "learner": {"kind": "gaussian", "divisor": divisor},
        "policy": policy,
        "draw": {"prompts": "none"},
        "metrics": ["fitted_law"],
        "chains": CHAINS,
        "generations": 21,
        "seed": seed,
    }
    return experiment(settings | more)


def assert_same_law(first, second, what):
    test = stats.ks_2samp(first, second, method="asymp")
    assert test.pvalue > FALSE_ALARM, f"{what}: KS {test.statistic:.4f}, p = {test.pvalue:.2g}"


def shown(mean, covariance):
    """Numbers of each chain that tell its fitted law: log-variance, mean and correlation, along axes and across them."""
    with np.errstate(divide="ignore"):
        yield "log-variance", np.linalg.slogdet(covariance)[1]
    yield "mean, first axis", mean[:, 0]
    yield "mean, squared length", np.square(mean).sum(axis=-1)
    if mean.shape[-1] > 1:
        yield "variance, last axis", covariance[:, -1, -1]
        yield "covariance of two axes", covariance[:, 0, -1]
        yield "mean times covariance", mean[:, 0] * covariance[:, 0, -1]
    else:
        yield "mean over deviation", mean[:, 0] / np.sqrt(covariance[:, 0, 0])


@pytest.mark.parametrize("policy", ["replace", "accumulate"])
@pytest.mark.parametrize("d", [1, 3])
def test_chains_of_moments_have_the_law_of_chains_of_points(policy, d):
    sides = [run(chains(records, policy, d, seed=seed)) for seed, records in enumerate(("points", "moments"))]
    for points, moments in zip(*sides, strict=True):
        if points.g not in (0, 1, 5, 20):
            continue
        fits = [side.model.value for side in (points, moments)]
        laws = [dict(shown(fit.mean, fit.covariance)) for fit in fits]
        for what in laws[0]:
            assert_same_law(laws[0][what], laws[1][what], f"{policy}, {d} dimensions, g{points.g}, {what}")


@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 1), (1, 3), (2, 3), (3, 3), (4, 3)])
def test_moments_of_few_points_have_the_law_of_the_points_also_where_the_scatter_is_singular(n, d):
    root = np.tril(np.arange(1.0, 1 + d * d).reshape(d, d)) / d
    points = Vectors(np.random.default_rng([n, d, 1]).standard_normal((CHAINS, n, d)) @ root.T).moments
    drawn = sampled(np.zeros((CHAINS, d)), root, n, np.random.default_rng([n, d, 2]))
    rank = min(d, n - 1)
    for moments in (points, drawn):
        assert len(moments) == n and (np.linalg.matrix_rank(moments.scatter, tol=1e-9) <= rank).all()
    assert_same_law(points.mean[:, -1], drawn.mean[:, -1], "mean")
    if rank:
        assert_same_law(points.scatter[:, 0, -1], drawn.scatter[:, 0, -1], "scatter")
        assert_same_law(*(np.trace(moments.scatter, axis1=1, axis2=2) for moments in (points, drawn)), "trace")
        assert_same_law(*(np.linalg.norm(moments.scatter, axis=(1, 2)) for moments in (points, drawn)), "norm")


def test_the_mean_and_the_scatter_of_a_normal_sample_are_not_correlated():
    drawn = sampled(np.zeros((CHAINS, 2)), np.eye(2), 5, np.random.default_rng(5))
    pairs = [(drawn.mean[:, 0], drawn.scatter[:, 0, 0]), (np.abs(drawn.mean[:, 0]), drawn.scatter[:, 0, 0])]
    for mean, scatter in [*pairs, (drawn.mean[:, 0], drawn.scatter[:, 0, 1])]:
        assert abs(np.corrcoef(mean, scatter)[0, 1]) < 5.2 / np.sqrt(CHAINS)  # 5.2 standard errors: a false alarm in 5 million


def test_joined_moments_are_those_of_all_points():
    rng = np.random.default_rng(1)
    parts = [Vectors(rng.normal(shift, 1 + shift, (7, n, 2))) for shift, n in enumerate((5, 1, 30))]
    joined, whole = Moments.concat([part.moments for part in parts]), Vectors.concat(parts)
    at_once = Vectors(whole.array).moments
    assert len(joined) == len(whole.moments) == 36
    for moments in (joined, whole.moments):
        np.testing.assert_allclose(moments.mean, at_once.mean, rtol=1e-12)
        np.testing.assert_allclose(moments.scatter, at_once.scatter, rtol=1e-12)


def test_a_pool_that_grows_is_joined_once_a_generation():
    parts = [Moments(2, np.full((3, 1), float(i)), np.ones((3, 1, 1))) for i in range(4)]
    before = Moments.concat(parts[:3])
    assert Moments.concat(parts[:3]) is before
    np.testing.assert_array_equal(Moments.concat(parts).mean, Moments.concat([before, parts[3]]).mean)


def test_moments_are_kept_to_the_bit(tmp_path):
    kept = sampled(np.zeros((4, 3)), np.eye(3), 6, np.random.default_rng(0))
    kept.save(tmp_path)
    loaded = load_records(tmp_path)
    assert isinstance(loaded, Moments) and len(loaded) == 6
    assert np.array_equal(loaded.mean, kept.mean) and np.array_equal(loaded.scatter, kept.scatter)


def test_points_cannot_be_taken_out_of_their_moments():
    part = part_of(HUMAN, sampled(np.zeros((4, 1)), np.eye(1), 6, np.random.default_rng(0)))
    assert part.some(6, np.random.default_rng(0)) is part
    for taken in (lambda: part.some(3, np.random.default_rng(0)), lambda: part.take(np.arange(2)).records):
        with pytest.raises(BadInput, match=r"of 6 points cannot be taken, .* human\.records: points"):
            taken()


@pytest.mark.parametrize(
    "policy",
    ["accumulate_subsample", "crawl", {"kind": "human_share", "share": 0.1}, {"kind": "weighted", "weight": 0.3}],
)
def test_a_policy_that_tells_records_apart_is_refused_before_the_run(policy):
    with pytest.raises(BadInput, match=r"single records, but human\.records is moments; write human\.records: points"):
        chains("moments", policy)


def test_a_learner_that_needs_points_is_refused():
    with pytest.raises(BadInput, match="kde learns vectors, but the human data are moments"):
        list(run(chains("moments", "replace", learner="kde")))


def test_a_metric_that_looks_at_points_says_that_it_needs_them():
    metrics = ["fitted_law", "tail_mass", "neighbours", "w1", "sliced_w2", "energy_distance", "held_out_nats", "modes"]
    first, *_ = run(chains("moments", "replace", metrics=metrics, generations=1, chains=50))
    settings = {name: measured.value for name, measured in first.readings.items()}
    assert all(reading.estimate is not None for reading in settings.pop("fitted_law"))
    assert {reading.note for readings in settings.values() for reading in readings} >= {
        "needs points, and only their moments are stored; write human.records: points"
    }
    assert all(reading.estimate is None for readings in settings.values() for reading in readings)


def test_the_size_of_a_part_costs_nothing(tmp_path):
    arm = chains("moments", "accumulate", human={"distribution": "normal", "rows": 10**9, "records": "moments"}, chains=2)
    *_, last = run(arm, Ledger(tmp_path))
    assert len(last.training.value) == 21 * 10**9
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 1_000_000


@pytest.mark.parametrize("policy", ["replace", "accumulate", {"kind": "fresh", "human": 4}])
@pytest.mark.parametrize("store", ["all", "readings"])
def test_a_run_of_moments_goes_on_where_it_was_stopped(tmp_path, policy, store):
    arm = chains("moments", policy, d=2, generations=7, chains=30, store=store)
    for folder, stops in (("whole", (7,)), ("stopped", (1, 2, 5, 7))):
        for stop in stops:
            ledger = Ledger(tmp_path / folder)
            for _ in islice(run(arm, ledger), stop):
                pass
            ledger.close()
    whole, stopped = ((tmp_path / folder / "ledger.jsonl").read_bytes() for folder in ("whole", "stopped"))
    assert whole == stopped  # every step with the digests of its files
    assert any(path.name == "moments.npz" for path in (tmp_path / "whole").rglob("*")) == (store == "all")
