"""Growth laws against what they say of exact curves and walks, and the verb forecast from runs to the number of safe generations."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, special, stats

import outcross
from outcross.cli import main
from outcross.collapse.forecasting import LEAST, BackTest, Outlook, crps_normal, outlook, tried_on, turning_point
from outcross.collapse.growth import GROWTH, Ahead, Observed, fading, growth_law
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.laws.gaussian import log_variance_replace
from outcross.verbs.forecast.arms import ForecastArm, dose_of
from outcross.verbs.forecast.budgets import Budget
from outcross.verbs.forecast.result import Forecast
from outcross.verbs.forecast.work import forecasts, horizon_of

FALSE_ALARM = 1e-4


def seen(values, closed_form=None, errors=0.0, human_share=0.0):
    values = np.atleast_2d(np.asarray(values, dtype=float))
    return Observed(values, np.full(values.shape, errors), closed_form, floor=-50.0, ceiling=50.0, human_share=human_share)


def walks(seed, runs=6, generations=6, drift=0.1):
    rng = np.random.default_rng([2026, seed])
    return np.cumsum(drift + 0.2 * rng.standard_normal((runs, generations)), axis=1)


CURVE = np.linspace(0.0, 1.5, 40)


@pytest.mark.parametrize("name", GROWTH)
def test_a_law_gives_the_same_twice_moves_with_the_readings_and_is_never_surer_farther_off(name):
    law, values = growth_law(name), walks(1)
    ahead = law.ahead(seen(values, CURVE, errors=0.1), 12)
    again = law.ahead(seen(values, CURVE, errors=0.1), 12)
    assert (ahead.location == again.location).all() and (ahead.own == again.own).all()
    assert ahead.location.shape == (6, 12) and ahead.own.shape == ahead.shared.shape == (12,) and ahead.freedom >= 1
    assert (np.diff(ahead.own) >= -1e-12).all() or name == "logistic to a floor"
    assert (np.diff(ahead.shared) >= -1e-12).all() or name in ("logistic to a floor", "pull to a level")
    assert min(ahead.own.min(), ahead.shared.min()) >= 0 and np.isfinite(ahead.location).all()
    if not law.reads_the_level:
        moved = law.ahead(seen(values + 7.0, CURVE, errors=0.1), 12)
        assert moved.location == pytest.approx(ahead.location + 7.0) and moved.own == pytest.approx(ahead.own)


@pytest.mark.parametrize("name", GROWTH)
def test_a_law_refuses_one_step_of_one_run_in_words_or_stays_finite(name):
    try:
        ahead = growth_law(name).ahead(seen([[1.0, 1.1]]), 3)
    except NotApplicable as why:
        assert str(why)
    else:
        assert np.isfinite(ahead.location).all() and np.isfinite(ahead.own + ahead.shared).all()


def test_walks_have_the_textbook_intervals():
    values = np.array([[0.0, 1.0, 3.0, 4.0], [0.0, 2.0, 2.0, 4.0]])
    steps = np.diff(values)
    walk = growth_law("random walk").ahead(seen(values), 5)
    assert walk.location.tolist() == [[4.0] * 5] * 2
    assert walk.own == pytest.approx((steps**2).mean() * np.arange(1, 6))
    drift = growth_law("random walk with drift").ahead(seen(values), 5)
    variance = steps.var(ddof=1)
    assert drift.location[0] == pytest.approx(4.0 + steps.mean() * np.arange(1, 6))
    assert drift.own + drift.shared == pytest.approx(variance * (np.arange(1, 6) + np.arange(1, 6) ** 2 / steps.size))


def test_a_line_has_the_prediction_interval_of_least_squares():
    x, y = np.arange(6.0), np.array([0.1, 0.9, 2.2, 2.8, 4.1, 5.2])
    line = growth_law("line").ahead(seen(y), 4)
    fit = stats.linregress(x, y)
    left = y - fit.intercept - fit.slope * x
    later = np.arange(6.0, 10.0)
    variance = (left @ left) / 4 * (1 + 1 / 6 + (later - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
    assert line.location[0] == pytest.approx(fit.intercept + fit.slope * later)
    assert line.own + line.shared == pytest.approx(variance) and line.freedom == 4


@pytest.mark.parametrize(
    "name, steps",
    [
        ("saturating exponential", 0.7 ** np.arange(30)),
        ("power law", fading(30, 1.0)),
        ("power law", fading(30, 0.5)),
        ("logistic between levels", np.diff(special.expit((np.arange(31) - 3) / 1.5))),
        ("drift after a jump", 0.05 + 0.5 * 0.3 ** np.arange(30)),
        ("drift after a jump", 0.5 * 0.3 ** np.arange(30)),
    ],
)
def test_a_law_of_shrinking_steps_finds_its_own_curve(name, steps):
    curve = np.concatenate([[0.0], np.cumsum(steps)])
    rng = np.random.default_rng(3)
    values = curve[:8] + 1e-4 * rng.standard_normal((3, 8))
    ahead = growth_law(name).ahead(seen(values), 20)
    assert ahead.location[0] == pytest.approx(curve[8:28], abs=0.05)


@pytest.mark.parametrize("human_share", [0.1, None])
def test_a_drift_after_a_jump_lasts_only_where_no_human_data_come_in(human_share):
    with pytest.raises(NotApplicable, match="only if hardly any human data"):
        growth_law("drift after a jump").ahead(seen(walks(1), human_share=human_share), 10)


def test_a_drift_against_the_jump_is_none():
    steps = -0.02 + 0.5 * 0.3 ** np.arange(5)
    ahead = growth_law("drift after a jump").ahead(seen([np.cumsum(steps), 0.1 + np.cumsum(steps)]), 20)
    assert (np.diff(ahead.location[0]) >= 0).all() and ahead.location[0, -1] < 1


def test_with_a_constant_human_share_no_law_that_moves_without_limit_has_a_part():
    endless = {name for name in GROWTH if growth_law(name).is_endless}
    assert {"random walk with drift", "line", "power law", "drift after a jump"} <= endless
    assert not endless & {"random walk", "pull to a level", "saturating exponential", "logistic between levels", "closed form"}
    drifting = walks(2, drift=0.4)
    laws = {share: {test.law for test in outlook(seen(drifting, human_share=share), 20).tests} for share in (0.0, 0.01, 0.1, None)}
    assert laws[0.1] == laws[0.0] - endless and endless - {"level plus drift"} <= laws[0.0] == laws[0.01]
    assert laws[None] == laws[0.0] - {"drift after a jump"}


def test_readings_of_networks_have_a_calibration_of_their_own():
    observed = seen(walks(4, generations=5))
    plain, network = (outlook(replace(observed, is_trained=is_trained), 10) for is_trained in (False, True))
    assert plain.calibrated_as == "growth laws" and network.calibrated_as == "growth laws, networks"
    assert (network.quantile(0.5) == plain.quantile(0.5)).all()
    width = [np.ptp(fan.quantiles([0.025, 0.975]), axis=0)[:, -1] for fan in (network, plain)]
    assert width[0] / width[1] == pytest.approx(network.stretch[-1] / plain.stretch[-1])
    low, high = network.quantiles([0.025, 0.975]).mean(axis=1)
    low_of_mean, high_of_mean = network.mean().quantiles([0.025, 0.975])[:, 0]
    assert (high_of_mean - low_of_mean <= high - low).all()


def test_an_experiment_counts_once_in_the_calibration_however_many_runs_it_has():
    """Of 39 experiments the 95 % quantile with the (n + 1) of split conformal prediction is the second largest error: .95 · 40 = 38."""
    sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
    from forecast import AHEAD, stretches

    rows = [{"spec": str(at), "errors": [[0.05 * at] * (100 if at == 39 else 1)] * AHEAD} for at in range(1, 40)]
    assert set(stretches(rows, "errors").values()) == {1.9}
    assert stretches(rows[:18], "errors")[2.0] == float("inf")


@pytest.mark.parametrize("name", ["saturating exponential", "power law", "logistic between levels"])
def test_runs_that_share_a_wrong_shape_are_no_more_evidence_for_it_than_one(name):
    """Steps that no shape of these laws has: the same course in ten runs instead of two leaves the same doubt about what is to come."""
    course = np.array([[0.0, 0.44, 0.89, 1.21, 1.52], [0.1, 0.54, 0.97, 1.33, 1.6]])
    few, many = (growth_law(name).ahead(seen(np.tile(course, (times, 1))), 10) for times in (1, 5))
    assert many.location[0] == pytest.approx(few.location[0])
    assert many.shared[-1] > few.shared[-1] / 2


def test_a_pull_to_a_level_finds_the_level_and_the_rate():
    rng = np.random.default_rng(5)
    values = np.zeros((400, 10))
    for g in range(1, 10):
        values[:, g] = 0.6 + 0.7 * values[:, g - 1] + 0.1 * rng.standard_normal(400)
    ahead = growth_law("pull to a level").ahead(seen(values), 40)
    assert ahead.location[:, -1] == pytest.approx(2.0, abs=0.05)
    assert ahead.own[-1] == pytest.approx(0.01 / (1 - 0.49), rel=0.15)


def test_the_closed_form_is_followed_at_the_distance_that_runs_keep():
    curve = log_variance_replace(20, 20)
    values = curve[:6] + np.array([[0.3], [-0.2]])
    ahead = growth_law("closed form").ahead(seen(values, curve), 14)
    assert ahead.location - curve[6:] == pytest.approx(np.repeat([[0.3], [-0.2]], 14, axis=1))
    with pytest.raises(NotApplicable, match="no closed form"):
        growth_law("closed form").ahead(seen(values), 14)


@pytest.mark.parametrize("value", [-1.0, 0.3, 2.5])
def test_the_score_of_a_normal_forecast_is_the_integral_that_defines_it(value):
    area, _ = integrate.quad(lambda x: (stats.norm.cdf(x, 0.5, 0.8) - (x >= value)) ** 2, -8, 8, points=[value], limit=200)
    assert crps_normal(np.array(value), np.array(0.5), np.array(0.8)) == pytest.approx(area, abs=1e-6)


def test_ninety_five_of_a_hundred_walks_end_in_their_interval():
    inside, n = 0, 0
    for seed in range(120):
        values = walks(seed, runs=5, generations=15, drift=0.0)
        fan = outlook(seen(values[:, :5]), 10)
        low, high = fan.quantiles([0.025, 0.975])[:, :, -1]
        inside, n = inside + int(((values[:, -1] >= low) & (values[:, -1] <= high)).sum()), n + 5
    # Runs of one spec share the law's numbers: as if a third of them were independent.
    assert stats.binom.cdf(inside // 3, n // 3, 0.95) > FALSE_ALARM
    assert inside / n < 0.995


def test_a_steady_rise_is_predicted_as_one_and_its_weights_add_up_to_one():
    rng = np.random.default_rng(8)
    values = 0.3 * np.arange(6) + 0.01 * rng.standard_normal((3, 6))
    fan = outlook(seen(values), 5)
    assert sum(test.weight for test in fan.tests) == pytest.approx(1.0)
    assert {test.law: test.crps for test in fan.tests}["random walk with drift"] < 0.3
    assert fan.mean().quantile(0.5)[0, -1] > values[:, -1].mean() + 0.7


def test_other_arms_of_the_same_policy_count_in_the_back_test():
    fan = outlook(seen(walks(1)), 5)
    more = outlook(seen(walks(1)), 5, others=[tried_on(seen(walks(2)))])
    assert more.tests[0].n == 2 * fan.tests[0].n


def test_too_few_generations_are_refused_with_how_many_more_would_do():
    with pytest.raises(NotApplicable, match=f"needs {LEAST} generations, but there are 3; 2 more are enough"):
        outlook(seen(walks(1)[:, :3]), 5)


def test_a_rise_and_a_fall_are_recognised_and_noise_is_not():
    rng = np.random.default_rng(9)
    hill = np.array([0.0, 1.0, 2.0, 1.2, 0.3])
    assert turning_point(seen(hill + 0.05 * rng.standard_normal((4, 5)))) == 2
    assert turning_point(seen(hill[None])) is None  # one run cannot tell
    alarms = sum(turning_point(seen(rng.standard_normal((5, 6)))) is not None for _ in range(300))
    assert stats.binom.sf(alarms - 1, 300, 0.05) > FALSE_ALARM


def test_paths_have_the_quantiles_of_the_fan_at_every_generation():
    fan = outlook(seen(walks(3), CURVE, errors=0.05), 6)
    paths = fan.paths(20_000, np.random.default_rng(1))
    levels = (0.1, 0.5, 0.9)
    below = [(paths <= edge).mean(axis=0) for edge in fan.mean().quantiles(levels)[:, 0]]
    for level, share in zip(levels, below, strict=True):
        assert share == pytest.approx(level, abs=5 * (level * (1 - level) / 20_000) ** 0.5)


def test_what_the_calibration_widens_moves_a_course_as_a_whole():
    """Runs share what their law got wrong, so that it does not average out: a course of their mean is farther off for it, and does not stray more from step to step."""
    own, ahead = 0.04 * np.arange(1, 9), 8
    law = Ahead(np.zeros((4, ahead)), own, np.zeros(ahead), 1e9)
    test = BackTest("closed form", 1.0, 9, 1.0)
    fan = Outlook((law,), np.ones(1), (test,), observed=4)
    assert fan.mean().stretch[-1] > 1.1
    rng = np.random.default_rng(5)
    steps = np.diff(fan.paths(20_000, rng), axis=1).std(axis=0)
    widened = np.sqrt((fan.mean().stretch ** 2 - 1) * own / 4)  # by so much all steps up to a generation, of one sign
    assert steps == pytest.approx(np.sqrt(0.04 / 4 + np.diff(widened) ** 2), rel=0.02)
    low, high = fan.mean().quantiles([0.025, 0.975])[:, 0]
    for paths in (fan.paths(20_000, rng), fan.expected_paths(20_000, rng)):
        assert ((paths >= low) & (paths <= high)).mean(axis=0) == pytest.approx(0.95, abs=0.002)


def test_an_expectation_stays_at_its_level_of_the_fan():
    paths = outlook(seen(walks(3)), 6).expected_paths(500, np.random.default_rng(1))
    order = paths.argsort(axis=0)
    assert (order == order[:, :1]).all()


def test_the_least_share_is_of_the_expectation_which_noise_alone_does_not_carry_over_a_budget():
    """A reading that scatters and does not move: half of all walks of its steps leave the budget within 15 generations, and its expectation stays."""
    recipe = {key: value for key, value in SPEC.items() if key != "sweep"}
    arms = []
    for share in (0.1, 0.5):
        rng = np.random.default_rng([2, int(10 * share)])
        values = np.exp(np.cumsum(np.hstack([np.zeros((2, 1)), 0.1 * rng.standard_normal((2, 7))]), axis=1))
        values /= values.mean(axis=1, keepdims=True)
        policy = {"kind": "human_share", "share": share}
        arms.append(ForecastArm(str(share), outcross.experiment(recipe | {"policy": policy}), rows_of(values, str(share))))
    curves, (share,), _ = forecasts(arms, 15, [Budget("vocabulary_ratio", 0.75)])
    for place, curve in zip(share.places, curves, strict=True):
        assert place.value == pytest.approx(min(point.value for point in curve.points) / curve.points[0].value, rel=0.02)


@pytest.mark.parametrize("name, left", [("random walk", 1.0), ("line", 1 / 13), ("pull to a level", 0.5)])
def test_paths_stray_from_step_to_step_as_their_law_says(name, left):
    rng = np.random.default_rng(2)
    values = np.zeros((60, 12))
    for g in range(1, 12):
        values[:, g] = (left if left > 0.1 else 0.0) * values[:, g - 1] + rng.standard_normal(60)
    ahead = growth_law(name).ahead(seen(values), 30)
    paths = replace(ahead, shared=0 * ahead.shared).paths(20_000, rng)  # of a line the height stays, one part of 13 of the variance
    apart = paths - paths.mean(axis=0)
    kept = (apart[:, 20] @ apart[:, 21]) / (apart[:, 20] @ apart[:, 20])
    assert kept == pytest.approx(left, abs=0.1)


def test_the_generations_within_a_budget_are_those_before_a_path_is_outside_for_the_first_time():
    perplexity = Budget("held_out_perplexity", 1.2)
    paths = np.array([[110.0, 121.0, 100.0], [110.0, 115.0, 119.0], [125.0, 100.0, 100.0]])
    horizon = horizon_of(np.array([100.0, 105.0]), paths, perplexity, 100.0)
    assert (horizon.low, horizon.median, horizon.high) == (1, 2, None)
    assert str(horizon) == "2 [1, more than 4]"
    assert "more than 3" in str(horizon_of(np.array([100.0]), paths, Budget("held_out_perplexity", 2.0), 100.0))
    assert horizon_of(np.array([1.0, 0.9]), np.array([[0.7]]), Budget("tail_survival", 0.8), 1.0).median == 1


def test_a_budget_that_was_left_in_what_was_observed_has_no_interval():
    horizon = horizon_of(np.array([100.0, 105.0, 123.0]), np.full((4, 2), 100.0), Budget("held_out_perplexity", 1.2), 100.0)
    assert horizon.is_observed and str(horizon) == "1 (as observed, without an interval)"


def test_a_walk_without_drift_leaves_its_budget_as_soon_as_walks_do():
    """First passage of a walk of steps .1 over ln 1.2: 59 % are over it by generation 20, half by generation 13."""
    rng = np.random.default_rng(3)
    law = Ahead(np.zeros((1, 20)), 0.01 * np.arange(1, 21), np.zeros(20), 1e9)
    horizon = horizon_of(np.ones(1), np.exp(law.paths(20_000, rng)), Budget("held_out_perplexity", 1.2), 1.0)
    walk = np.cumsum(0.1 * rng.standard_normal((20_000, 20)), axis=1) > np.log(1.2)
    first = np.where(walk.any(axis=1), walk.argmax(axis=1), 20)
    assert abs(horizon.median - np.median(first)) <= 1 and horizon.low == np.quantile(first, 0.025) and horizon.high is None


def test_a_curve_that_nears_its_limit_without_noise_is_not_pulled_beyond_it():
    rng = np.random.default_rng(7)
    values = 5 * 0.7 ** np.arange(8) + 1e-6 * rng.standard_normal((2, 8))
    assert growth_law("pull to a level").ahead(seen(values), 30).location[:, -1] == pytest.approx(0.0, abs=1e-3)


SPEC = {
    "name": "shares", "human": {"distribution": "normal", "rows": 40}, "learner": "gaussian", "draw": {"prompts": "none"}, "generations": 6, "chains": 200,
    "store": "readings", "metrics": ["fitted_law"],
    "sweep": {"policy": ["replace", {"kind": "human_share", "share": 0.2}, {"kind": "human_share", "share": 0.5}, "accumulate"], "seed": [0, 1]},
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forecast")
    outcross.run(SPEC, out=folder / "run").finish()
    outcross.run({**SPEC, "generations": 3}, out=folder / "short").finish()
    outcross.run({**SPEC, "human": {"distribution": "normal", "rows": 50}}, out=folder / "larger").finish()
    return folder


@pytest.fixture(scope="module")
def forecast(place):
    return outcross.forecast(place / "run", ahead=10, budgets={"log_variance": 0.8, "w2": 12.0}, out=place / "forecast")


def test_an_arm_that_does_not_move_stays_within_its_budget_however_far_apart_its_runs_are():
    experiment = outcross.experiment({key: value for key, value in SPEC.items() if key != "sweep"} | {"policy": "replace"})
    rng = np.random.default_rng(11)
    flat = np.exp(np.array([[-1.0], [0.0], [1.0], [0.7], [-0.7]]) + 0.002 * rng.standard_normal((5, 8)))
    (curve,), _, _ = forecasts([ForecastArm("replace", experiment, rows_of(flat))], 3, [Budget("vocabulary_ratio", 0.8)])
    assert curve.horizon.low is None and curve.limit == pytest.approx(0.8 * curve.points[0].value)
    assert all(point.low < point.value < point.high for point in curve.points)


def test_runs_of_one_chain_follow_the_mean_of_their_logarithm_and_not_the_logarithm_of_their_mean():
    rng = np.random.default_rng(12)
    n, observed, ahead = 20, 8, 16
    logs = np.log(np.cumprod(rng.chisquare(n - 1, (400, observed + ahead)) / n, axis=1))
    of_means = np.arange(1, observed + ahead + 1) * np.log(1 - 1 / n)
    observations = Observed(logs[:, :observed], np.zeros((400, observed)), of_means, closed_form_is_log_of_mean=True)
    move = (growth_law("closed form").ahead(observations, ahead).location - logs[:, observed - 1 : observed]).mean(axis=0)
    exact = (special.digamma((n - 1) / 2) - np.log(n / 2)) * np.arange(1, ahead + 1)
    assert move == pytest.approx(exact, rel=0.1)
    anew = np.log(rng.chisquare(1, (400, observed)))  # of a squared error that is made anew, the mean logarithm is -1.27
    observations = Observed(anew, 0 * anew, np.zeros(observed + ahead), closed_form_is_log_of_mean=True)
    location = growth_law("closed form").ahead(observations, ahead).location[:, -1].mean()
    lost = special.digamma(0.5) + np.log(2)
    assert abs(location - lost) < abs(lost) / 2


def test_a_forecast_finds_the_generation_at_which_the_closed_form_leaves_the_budget(forecast):
    curve = log_variance_replace(40, 16, divisor="n-1")
    outside = int(np.argmax(curve - curve[0] < np.log(0.8)))
    horizon = forecast.horizon("log_variance")["replace"]
    assert horizon.low <= outside - 1 <= horizon.high and horizon.high - horizon.low <= 6
    assert forecast.horizon("log_variance")["accumulate"].low is None
    assert "log_variance of replace is the first to leave its budget (0.8 times generation 0)" in forecast.summary


def test_the_curve_ahead_holds_the_closed_form(forecast):
    curve = log_variance_replace(40, 16, divisor="n-1")
    own = next(curve for curve in forecast.curves if curve.measure == "log_variance" and curve.arm == "replace")
    assert [point.generation for point in own.points] == list(range(16)) and own.runs == 2
    assert all(point.low <= curve[point.generation] <= point.high for point in own.ahead)
    assert own.best_test.law == "closed form"


def test_the_least_share_is_told_for_each_reading_and_policy_with_an_interval(forecast):
    (smallest,) = [share for share in forecast.shares if share.measure == "log_variance"]
    assert smallest.policy == "redrawn rows" and [place.share for place in smallest.places] == [0.0, 0.2, 0.5]
    # Between shares that were run nothing is known, so that the interval ends at shares that were run.
    assert (
        {smallest.low, smallest.high} <= {0.0, 0.2, 0.5}
        and smallest.low <= smallest.value <= smallest.high
        and not smallest.is_at_most
    )
    assert smallest.generations == 15


def test_a_forecast_is_a_result_like_any_other(forecast, place):
    assert forecast.frame().height == sum(len(curve.points) for curve in forecast.curves)
    assert repr(forecast).startswith("Forecast of ") and repr(forecast).count("\n") < 3
    assert "<pre>" in forecast._repr_html_() and forecast.lines(40)
    assert max(map(len, forecast.lines(60))) <= 60
    names = [figure.name for figure in forecast.figures()]
    assert "forecast-log_variance" in names and any(name.startswith("share-log_variance") for name in names)
    assert forecast.plot("log_variance").data.height > 0
    again = outcross.open(place / "forecast")
    assert isinstance(again, Forecast) and again.plain() == forecast.plain() == outcross.show(place / "forecast").plain()
    assert {path.name for path in (place / "forecast").iterdir()} >= {"forecast.json", "curves.parquet", "report.html"}
    page = (place / "forecast" / "report.html").read_text()
    assert "The back-test" in page and "minimum human share" in page and "<script" not in page
    # A chart for each arm, which stand below each other where the screen is narrow.
    assert page.count('<figure class="panel">') == len(forecast.curves)
    before = (place / "forecast" / "report.html").read_bytes()
    outcross.report(place / "forecast")
    assert (place / "forecast" / "report.html").read_bytes() == before


def test_the_command_prints_what_the_function_gives(forecast, place, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["forecast", str(place / "run"), "ahead=10", "budget.log_variance=0.8", "budget.w2=12", "--json"])
    assert stopped.value.code == 0 and json.loads(capsys.readouterr().out) == json.loads(json.dumps(forecast.plain()))


def test_seeds_of_two_runs_are_one_arm(place, tmp_path):
    recipe = {**SPEC, "sweep": {**SPEC["sweep"], "seed": [7, 8]}}
    outcross.run(recipe, out=tmp_path / "more").finish()
    both = outcross.forecast([place / "run", tmp_path / "more"], ahead=5, budgets={"log_variance": 0.8})
    assert {curve.runs for curve in both.curves} == {4}


BAD = {
    "short ahead=5": "needs 5 generations, but there are 3; 2 more are enough: continue the run, outcross run SPEC generations=5",
    "run larger": "do not belong together: human.rows is 40 in one and 50 in the other; forecast them separately",
    "run run": "is given twice",
    "run budget.log_varience=0.8": "budget.log_varience is not a reading of this experiment; did you mean 'log_variance'?",
    "run budget.log_variance=many": "budget.log_variance must be a number, a ratio to generation 0, got 'many'",
    "run budget.log_variance=1": "budget.log_variance must be a positive number other than 1",
    "run budget.log_variance=1.2": "budget.log_variance must be below 1, got 1.2",
    "run budget.log_variance=0.8 budget.log_variance=0.9": "given twice",
    "run ahead=0": "ahead must be a whole number from 1 to 200, got 0",
    "run ahead=many": "ahead must be a whole number of generations",
    "run budgets.w2=5": "forecast has no setting 'budgets.w2'",
    "nothing": "is neither the folder of a run nor an experiment",
    "": "forecast needs the folder of a run",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_line(words, place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    with pytest.raises(SystemExit) as stopped:
        main(["forecast", *words.split()])
    printed = capsys.readouterr()
    assert stopped.value.code == 2 and printed.out == "" and printed.err.count("\n") == 1
    assert BAD[words] in printed.err


def test_a_damaged_forecast_is_refused(forecast, place, tmp_path):
    (tmp_path / "forecast.json").write_text("{}")
    with pytest.raises(BadInput, match="is damaged"):
        outcross.open(tmp_path)


def rows_of(curves, arm="replace"):
    """Readings of one arm, a row a seed and generation; each of the curves is a seed."""
    import polars

    rows = [
        ("", arm, seed, g, "vocabulary_ratio", "", "", "", float(value), None, None, "", 1, "")
        for seed, curve in enumerate(curves)
        for g, value in enumerate(curve)
    ]
    columns = (
        "run",
        "arm",
        "seed",
        "generation",
        "measure",
        "at",
        "column",
        "group",
        "value",
        "low",
        "high",
        "method",
        "n",
        "note",
    )
    kinds = {"seed": int, "generation": int, "value": float, "low": float, "high": float, "n": int}
    return polars.DataFrame(rows, schema={name: kinds.get(name, str) for name in columns}, orient="row")


def test_a_reading_that_rises_and_falls_is_refused_with_the_generation_and_one_that_is_zero_has_no_ratio():
    experiment = outcross.experiment({key: value for key, value in SPEC.items() if key != "sweep"} | {"policy": "replace"})
    rng = np.random.default_rng(4)
    hill = np.array([1.0, 1.5, 2.0, 1.4, 1.1]) + 0.01 * rng.standard_normal((3, 5))
    budgets = [Budget("vocabulary_ratio", 0.8)]
    curves, _, refused = forecasts([ForecastArm("replace", experiment, rows_of(hill))], 5, budgets)
    assert not curves and "rises until generation 2 and falls after it" in refused[0].why
    _, _, refused = forecasts([ForecastArm("replace", experiment, rows_of(0 * hill))], 5, budgets)
    assert "because the reading is 0" in refused[0].why


def test_arms_that_learn_from_different_numbers_of_records_are_not_compared():
    """`augment` keeps the human records and adds as many of the model: half of twice as many records is no share of one half."""
    recipe = {"name": "x", "human": {"distribution": "normal", "rows": 40}, "learner": "gaussian", "generations": 5}
    augmented, shared = (
        dose_of(outcross.experiment(recipe | {"policy": policy})) for policy in ("augment", {"kind": "human_share", "share": 0.5})
    )
    assert (augmented.share, augmented.rows) == (0.5, 80) and (shared.share, shared.rows) == (0.5, 40)
