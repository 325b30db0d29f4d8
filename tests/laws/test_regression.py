"""Least squares on its own labels: the loop against R1 and R2, and simulations of R3, V1 and S1."""

import numpy as np
import pytest
from scipy import stats

from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.experiment import experiment
from outcross.laws.regression import (
    coefficient_error_accumulate,
    coefficient_error_accumulate_limit,
    coefficient_error_after,
    coefficient_error_replace,
    label_shift_error,
)
from outcross.laws.stability import is_locally_stable, largest_stable_weight
from outcross.laws.verifier import verifier_breakdown
from outcross.loop import run
from outcross.models.draw import Draw
from outcross.models.regression import LinearModel, Regression

BOUND = 4.5
"""Standard errors: a false alarm in 150,000 comparisons; the file makes about 60."""
FALSE_ALARM = 1e-4


def errors(policy, generations, n=30, d=5, rows="constant", noise=1.0, chains=10_000, learner=()):
    settings = {
        "name": "law", "human": {"distribution": "regression", "rows": n, "dimensions": d, "noise": noise},
        "learner": {"kind": "regression", "noise": noise, "design": "same"} | dict(learner), "policy": policy, "generations": generations,
        "chains": chains, "rows": rows, "metrics": ["coefficient_error"],
    }  # fmt: skip
    return [generation.measured[0].estimate for generation in run(experiment(settings))]


def assert_agrees(estimates, curve):
    for g, (estimate, value) in enumerate(zip(estimates, curve, strict=True)):
        assert abs(estimate.value - value) < BOUND * estimate.standard_error, f"g{g}: {estimate} against {value}"


@pytest.mark.parametrize("learner", [{"design": "same"}, {"design": "fresh"}, {"design": "fresh", "noise": "fitted"}], ids=str)
def test_replace_adds_the_same_error_at_every_fit_R1(learner):
    assert_agrees(errors("replace", 6, learner=learner), coefficient_error_replace(30, 6, dimensions=5))


def test_accumulate_on_the_same_design_stays_below_pi_squared_over_six_R1():
    curve = coefficient_error_accumulate(30, 6, dimensions=5)
    assert_agrees(errors("accumulate", 6), curve)
    assert coefficient_error_accumulate(30, 10**6, dimensions=5)[-1] == pytest.approx(
        coefficient_error_accumulate_limit(30, dimensions=5), rel=1e-6
    )
    assert (curve < coefficient_error_accumulate_limit(30, dimensions=5)).all()


def test_a_chain_of_teachers_with_other_sizes_adds_up_R2():
    estimates = errors("replace", 4, rows=60, noise=2.0, learner={"design": "fresh"})
    assert_agrees(estimates, coefficient_error_replace([30, 60, 60, 60], 4, dimensions=5, noise=2.0))
    last = estimates[1]  # one teacher on 30 rows, then the fit to 60
    law = coefficient_error_after(1, 60, teacher_rows=30, dimensions=5, noise=2.0, teacher_noise=2.0)
    assert abs(last.value - law) < BOUND * last.standard_error


def ridge_errors(ridge, chains=10_000, n=20, d=3):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((chains, n, d))
    y = x.sum(axis=-1) + rng.standard_normal((chains, n))
    model = Regression(ridge=ridge).fit(Vectors(np.concatenate([x, y[..., None]], axis=-1)), None, None, None, rng)
    return x, y, model.coefficients


def test_least_squares_is_numpys_and_a_ridge_scikit_learns():
    from sklearn.linear_model import Ridge

    for ridge in (0.0, 2.5):
        x, y, coefficients = ridge_errors(ridge, chains=5)
        for chain in range(5):
            theirs = (
                Ridge(ridge, fit_intercept=False).fit(x[chain], y[chain]).coef_ if ridge else np.linalg.lstsq(x[chain], y[chain])[0]
            )
            assert np.allclose(coefficients[chain], theirs)


def test_a_weight_of_two_is_a_record_twice():
    rng = np.random.default_rng(1)
    rows, times = rng.standard_normal((2, 10, 4)), np.repeat([1, 2], 5)
    learner = Regression(ridge=0.0)
    weighted = learner.fit(Vectors(rows), times.astype(float), None, None, rng)
    assert np.allclose(
        weighted.coefficients, learner.fit(Vectors(np.repeat(rows, times, axis=1)), None, None, None, rng).coefficients
    )


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize(("n", "d"), [(24, 4), (60, 20)])
def test_the_exact_form_of_the_label_shift_R3(share, n, d):
    rng, chains, shift = np.random.default_rng(2), 20_000 if d == 4 else 4_000, 3.0
    x = rng.standard_normal((chains, n, d))
    wrong = np.zeros(d)
    wrong[0] = np.sqrt(shift)
    y = rng.standard_normal((chains, n))
    y[:, : round(share * n)] += x[:, : round(share * n)] @ wrong
    gram = np.swapaxes(x, 1, 2) @ x
    squares = np.square(np.linalg.solve(gram, np.swapaxes(x, 1, 2) @ y[..., None])).sum(axis=(1, 2))
    law = label_shift_error(n, synthetic_share=share, shift=shift, dimensions=d)
    assert abs(squares.mean() - law) < BOUND * squares.std() / np.sqrt(chains)


def test_the_label_shift_is_the_papers_to_leading_order_R3():
    for share in (0.01, 0.1, 0.5):
        exact = label_shift_error(2_000, synthetic_share=share, shift=1.0, dimensions=20)
        assert exact == pytest.approx(20 / 2000 + share**2 + share * (1 - share) * 20 / 2000, rel=0.02)
    assert label_shift_error(10**8, synthetic_share=0.3, shift=2.0, dimensions=20) == pytest.approx(0.09 * 2.0, rel=1e-5)


@pytest.mark.parametrize(("phi", "psi"), [(1.0, 1.0), (0.9, 0.3), (0.5, 0.1)])
def test_a_classifier_on_kept_data_turns_round_at_the_breakdown_V1(phi, psi):
    rng, n, threshold = np.random.default_rng(3), 200_000, verifier_breakdown(phi, psi)
    x = rng.standard_normal((n, 3))
    true = np.sign(x[:, 0])
    for wrong, right in ((threshold - 0.05, True), (threshold + 0.05, False)):
        is_wrong = rng.random(n) < wrong
        kept = rng.random(n) < np.where(is_wrong, psi, phi)
        label = np.where(is_wrong, -true, true)[kept]
        w = np.linalg.lstsq(x[kept], label)[0]
        accuracy = np.mean(np.sign(x @ w) == true)
        assert accuracy > 0.95 if right else accuracy < 0.05


def test_retraining_is_stable_below_the_largest_weight_S1():
    assert largest_stable_weight(distance=0.0, lipschitz=7.0, concavity=1.0) == 0.5
    assert is_locally_stable(0.49, distance=0.0, lipschitz=7.0, concavity=1.0)
    assert not is_locally_stable(0.5, distance=0.0, lipschitz=7.0, concavity=1.0)
    assert largest_stable_weight(distance=0.1, lipschitz=7.0, concavity=1.0) < 0.5
    error, weight = 1.0, 2.0  # the condition is sufficient, not necessary: the mean of a normal comes back at any weight
    for _ in range(100):
        error *= weight / (1 + weight)
    assert not is_locally_stable(weight, distance=0.0, lipschitz=0.0, concavity=1.0) and error < 1e-15
    with pytest.raises(BadInput, match="concavity"):
        largest_stable_weight(distance=0.1, lipschitz=7.0, concavity=0.0)


@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_what_a_regression_writes_follows_its_density(temperature):
    model = LinearModel(np.array([1.0, -2.0]), np.array(0.7), "fresh")
    rows = model.sample(Draw(records=50_000, temperature=temperature), None, np.random.default_rng(4))
    residual = rows.array[:, 2] - rows.array[:, :2] @ model.coefficients
    assert stats.kstest(residual / (0.7 * np.sqrt(temperature)), "norm").pvalue > FALSE_ALARM
    for axis in rows.array.T[:2]:
        assert stats.kstest(axis, "norm").pvalue > FALSE_ALARM
    assert np.allclose(model.log_prob(rows), stats.norm.logpdf(residual, scale=0.7))


def test_the_same_design_relabels_the_prompts_in_their_order():
    prompts = Vectors(np.random.default_rng(5).standard_normal((4, 6, 3)))
    model = LinearModel(np.zeros((4, 2)), np.ones(4), "same")
    rows = model.sample(Draw(records=8), prompts, np.random.default_rng(6)).array
    assert np.array_equal(rows[:, :6, :2], prompts.array[..., :2]) and np.array_equal(rows[:, 6:, :2], prompts.array[:, :2, :2])
    with pytest.raises(BadInput, match="design: fresh"):
        model.sample(Draw(records=8), None, np.random.default_rng(6))


def test_regression_refuses_too_few_records():
    with pytest.raises(BadInput, match="at least 4 records"):
        Regression().fit(Vectors(np.zeros((3, 5))), None, None, None, np.random.default_rng(0))
    with pytest.raises(BadInput, match="at least two columns"):
        Regression().fit(Vectors(np.zeros((3, 1))), None, None, None, np.random.default_rng(0))
