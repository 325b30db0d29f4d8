"""The slopes of collapse against its sources, held to theory: a small version of the experiment `error-sources`, and others."""

import json
import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import digamma

import outcross
from outcross.cli import main
from outcross.collapse.slopes import chief, slopes
from outcross.data.records import Vectors
from outcross.experiment.arms import arms
from outcross.experiment.file import load, override
from outcross.experiment.settings import flat_settings
from outcross.loop import run
from outcross.models.regression import Regression
from outcross.report.numerals import estimated
from outcross.verbs.run.tables import tabulate

BOUND = 4.5
"""Standard errors: a false alarm in 150,000 comparisons; the file makes about 60."""
D, ROWS, FITS, COEFFICIENT = 8, 100, 11, 1.0


def found_slopes(recipe) -> dict[tuple[str, str], Any]:
    swept = arms(recipe)
    ended = [
        (arm.name, arm.experiment.seed, generation.g, generation.measured) for arm in swept for generation in run(arm.experiment)
    ]
    chief_slopes = chief(slopes(tabulate("small", ended), flat_settings(swept)))
    return {(source.setting, source.quantity): source for source in chief_slopes}


@pytest.fixture(scope="module")
def sources():
    return found_slopes(override(load("error-sources"), {"chains": 500}))


def steps_of(rows=ROWS, predictors=D, temperature=1.0, noise=1.0, fits=FITS):
    """Expected risk at generation 0, and what each fit adds to it.

    The predictors that a model does not see are noise to it, of variance coefficient² each. A fit adds σ² k/(n − k − 1), and its fitted
    noise has expectation σ², of which the next one sees temperature times as much.
    """
    unseen = (D - predictors) * COEFFICIENT**2
    each = (noise**2 + unseen) * predictors / (rows - predictors - 1) * temperature ** np.arange(fits)
    return unseen + each[0], each[1:].mean()


def narrowing_of(rows=ROWS, predictors=D, temperature=1.0, noise=1.0):
    """Expected fall of ln σ² a generation: σ² (n − k)/χ² of n − k degrees of freedom, at the temperature."""
    free = rows - predictors
    return math.log(free / 2) - digamma(free / 2) - math.log(temperature)


LAWS = [("human.rows", "rows"), ("human.noise", "noise"), ("learner.predictors", "predictors"), ("draw.temperature", "temperature")]


@pytest.mark.parametrize(("setting", "argument"), LAWS, ids=[setting for setting, _ in LAWS])
@pytest.mark.parametrize("quantity", ["start", "speed", "narrowing"])
def test_the_speed_of_every_arm_and_its_slope_are_those_of_theory(sources, setting, argument, quantity):
    source = sources[setting, quantity]
    values = [point.setting for point in source.points]
    theory = {
        "start": lambda **changed: steps_of(**changed)[0],
        "speed": lambda **changed: steps_of(**changed)[1],
        "narrowing": narrowing_of,
    }
    law = np.array(
        [theory[quantity](**{argument: int(value) if argument in ("rows", "predictors") else value}) for value in values]
    )
    for point, value in zip(source.points, law, strict=True):
        assert abs(point.value - value) < BOUND * (point.high - point.low) / (2 * 1.959964), f"{point} against {value}"
    slope, *_ = np.polyfit(np.log(values), np.log(law) if source.relation.startswith("ln ") else law, 1)
    assert abs(source.slope.value - slope) < BOUND * source.slope.standard_error, (
        f"{source.relation}: {source.slope} against {slope}"
    )


def test_twice_the_label_noise_is_four_times_the_speed(sources):
    source = sources["human.noise", "speed"]
    assert abs(source.slope.value - 2) < BOUND * source.slope.standard_error < 0.1
    assert abs(source.bend.value) < BOUND * source.bend.standard_error


def test_temperature_does_not_touch_generation_0_and_sets_the_speed_at_which_labels_lose_their_spread(sources):
    start, narrowing = sources["draw.temperature", "start"], sources["draw.temperature", "narrowing"]
    assert abs(start.slope.value) < BOUND * start.slope.standard_error
    assert narrowing.relation == "narrowing against ln draw.temperature"  # above 1 labels spread out: the speed is no logarithm's
    assert abs(narrowing.slope.value + 1) < BOUND * narrowing.slope.standard_error < 0.05


def test_a_model_that_is_too_small_errs_at_once_and_is_no_faster_for_it(sources):
    start, speed = sources["learner.predictors", "start"], sources["learner.predictors", "speed"]
    assert start.slope.high < -1  # the smaller, the worse at generation 0
    assert speed.slope.low > 0  # and, on the whole, the slower from there on
    assert speed.bend.high < 0  # as no power law says: the fastest is in between, where many coefficients meet much noise


def test_fewer_steps_of_descent_are_worse_from_the_start_and_faster(sources):
    start, speed = sources["learner.steps", "start"], sources["learner.steps", "speed"]
    assert start.slope.high < 0 and speed.slope.high < 0
    assert speed.bend.low > 0  # the gain ends where the descent has arrived


def test_the_log_variance_of_a_gaussian_falls_as_one_over_the_rows_G5():
    recipe = override(load("gaussian"), {"arms": None, "chains": 40_000, "generations": 10, "metrics": ["fitted_law"]})
    source = found_slopes(recipe | {"arms": [{"human.rows": n, "seed": n} for n in (20, 40, 80, 160)]})["human.rows", "narrowing"]
    rows = np.array([20, 40, 80, 160])
    law = np.polyfit(np.log(rows), np.log(np.log((rows - 1) / 2) - digamma((rows - 1) / 2)), 1)[0]
    assert abs(source.slope.value - law) < BOUND * source.slope.standard_error < 0.1
    assert law == pytest.approx(-1, abs=0.06)


def test_the_concentration_of_words_grows_as_one_over_the_rows_C1():
    recipe = override(load("categorical"), {"arms": None, "chains": 2000, "generations": 2})
    source = found_slopes(recipe | {"arms": [{"human.rows": n, "seed": n} for n in (100, 200, 400, 800)]})["human.rows", "speed"]
    rows = np.array([100, 200, 400, 800])
    law = np.polyfit(np.log(rows), np.log((1 - 1 / rows) / rows), 1)[0]  # (1 − Σp²)/n (1 − 1/n) a generation
    assert source.measure == "excess_risk" and abs(source.slope.value - law) < BOUND * source.slope.standard_error < 0.1


def test_a_descent_of_many_steps_ends_where_least_squares_does():
    rng = np.random.default_rng(0)
    records = Vectors(rng.standard_normal((3, 40, 5)))
    exact, far, near = (
        Regression(noise="fitted", steps=steps, rate=1.0).fit(records, None, None, None, rng) for steps in (None, 2_000, 1)
    )
    assert np.allclose(exact.coefficients, far.coefficients) and np.allclose(exact.noise, far.noise)
    assert not np.allclose(exact.coefficients, near.coefficients)


def test_a_regression_that_sees_some_predictors_is_one_on_those_alone():
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((3, 40, 5))
    some = Regression(noise="fitted", predictors=2).fit(Vectors(rows), None, None, None, rng)
    alone = Regression(noise="fitted").fit(Vectors(rows[..., [0, 1, 4]]), None, None, None, rng)
    assert np.allclose(some.coefficients, np.pad(alone.coefficients, ((0, 0), (0, 2)))) and np.allclose(some.noise, alone.noise)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    recipe = override(load("error-sources"), {"chains": 50, "generations": 4})
    return outcross.run(recipe, out=tmp_path_factory.mktemp("sources") / "run").finish().folder


def test_show_and_its_json_tell_the_slopes(folder, capsys):
    with pytest.raises(SystemExit):
        main(["show", str(folder), "--json"])
    slopes_told = json.loads(capsys.readouterr().out)["slopes"]
    assert {entry["setting"] for entry in slopes_told} == {
        "human.rows", "human.noise", "learner.predictors", "learner.steps", "draw.temperature",
    }  # fmt: skip
    assert all(
        {"value", "low", "high", "method", "n"} == set(entry["slope"]) for entry in slopes_told if entry["quantity"] != "change"
    )
    with pytest.raises(SystemExit):
        main(["show", str(folder)])
    assert "ln speed against ln human.rows" in capsys.readouterr().out


def test_the_report_draws_every_slope_and_tells_its_interval(folder):
    page = outcross.open(folder).report().read_text()
    section = page[page.index('id="slopes"') : page.index('id="metrics"')]
    for source in chief(outcross.open(folder).slopes):
        assert source.relation in section and source.slope is not None
        assert estimated(source.slope.value, source.slope.low, source.slope.high) in section
    assert len(chief(outcross.open(folder).slopes)) == section.count("<svg") == 15


def test_the_closed_form_of_a_slope_is_the_slope_of_the_closed_form(folder):
    spec = {(source.setting, source.quantity): source for source in chief(outcross.open(folder).slopes)}
    for setting, argument in [("human.rows", "rows"), ("human.noise", "noise"), ("draw.temperature", "temperature")]:
        source = spec[setting, "speed"]
        law = [steps_of(**{argument: point.setting}, fits=4)[1] for point in source.points]
        assert [point.closed_form for point in source.points] == pytest.approx(law)
        settings = np.log([point.setting for point in source.points])
        assert source.is_exponent and source.closed_form == pytest.approx(np.polyfit(settings, np.log(law), 1)[0])
    assert spec["learner.steps", "speed"].closed_form is None and spec["learner.predictors", "speed"].closed_form is None


def test_the_closed_form_beside_a_run_is_that_of_a_noise_that_is_fitted(folder):
    laws = pl.read_parquet(folder / "laws.parquet").filter(measure="coefficient_error")
    warm = laws.filter(arm="replace,temperature=1.4").sort("generation")["value"]
    start, step = steps_of(temperature=1.4, fits=4)
    assert warm[0] == pytest.approx(start) and (warm[3] - warm[0]) / 3 == pytest.approx(step)
    assert not laws["arm"].str.contains("steps|predictors").any()  # no law is known of those
