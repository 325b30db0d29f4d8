"""The speed of collapse goes with a setting as the theory says, its interval is what the errors give, and what cannot be fitted is refused."""

import json
import math
from typing import Any

import hypothesis
import numpy as np
import polars as pl
import pytest
import reading_frames
from hypothesis import given
from hypothesis import strategies as st

from outcross.cli import main
from outcross.collapse.course import Interval
from outcross.collapse.slopes import slopes
from outcross.experiment.arms import arms
from outcross.experiment.file import load, override
from outcross.experiment.settings import flat_settings
from outcross.loop import run
from outcross.verbs.run.tables import tabulate

pytestmark = pytest.mark.usefixtures("without_charts")

BOUND = 4.5
"""Standard errors: a false alarm in 150,000 comparisons."""
DRIFT = """
name: drift
human: {distribution: normal, rows: 10}
learner: gaussian
draw: {prompts: none}
generations: 12
chains: 3000
store: readings
metrics: [fitted_law]
sweep: {policy: [replace, human_only], human.rows: [10, 20, 40, 80]}
"""


def read_at(run, arm, seed, generation, measure, value, low, high, method):
    """One row of readings."""
    where = {"run": run, "arm": arm, "seed": seed, "generation": generation, "measure": measure, "at": ""}
    return where | {"value": value, "low": low, "high": high, "method": method, "n": 9}


def exactly(value):
    return Interval(value, value, value)


def changes(at, sizes, method="chains"):
    """The slope of a reading that changes so much in one generation, in arms that differ in their rows."""
    rows = [
        read_at("made", f"arm{i}", i, g, "gap", *(size[:3] if g else (0.0, 0.0, 0.0)), method)
        for i, size in enumerate(sizes)
        for g in (0, 1)
    ]
    (fitted,) = slopes(reading_frames.frame(rows), {f"arm{i}": {"human.rows": n} for i, n in enumerate(at)})
    return fitted


@hypothesis.settings(deadline=None)  # the first call imports scipy
@given(
    st.floats(-3, 3),
    st.floats(1e-6, 1e6),
    st.sampled_from([-1, 1]),
    st.lists(st.integers(1, 10_000), min_size=3, max_size=8, unique=True),
)
def test_a_power_law_is_recovered(exponent, factor, sign, at):
    fitted = changes(at, [exactly(sign * factor * n**exponent) for n in at])
    assert fitted.is_exponent and fitted.relation == "ln |change| against ln human.rows"
    assert fitted.slope.value == pytest.approx(exponent, abs=1e-6) and fitted.slope.n == len(at)


def test_the_interval_of_repeats_is_the_errors_carried_through():
    # By hand: x = 0, 1, 2 has weights -1/2, 0, 1/2; a half interval of 10 % and of 20 % at the ends: sqrt(0.05² + 0.1²).
    at = [1, math.e, math.e**2]
    fitted = changes(at, [Interval(1, 0.9, 1.1), Interval(1, 0.5, 1.5), Interval(1, 0.8, 1.2)])
    assert fitted.slope.value == pytest.approx(0) and fitted.slope.high == pytest.approx(math.hypot(0.05, 0.1))
    assert fitted.slope.method == "errors of independent arms"


def test_without_repeats_the_scatter_about_the_line_counts():
    # By hand: heights 0, 1, 1 over x = 0, 1, 2: slope 1/2, residuals -1/6, 1/3, -1/6, s² = 1/6, s / sqrt(2) × t(1) = 12.7062.
    at, heights = [1, math.e, math.e**2], [1, math.e, math.e]
    half = 12.7062 * math.sqrt(1 / 6 / 2)
    fitted = changes(at, [exactly(height) for height in heights], "bootstrap over documents")
    assert fitted.slope.value == pytest.approx(0.5) and fitted.slope.high - fitted.slope.value == pytest.approx(half, rel=1e-4)
    assert "scatter" in fitted.slope.method


@pytest.mark.parametrize(
    ("at", "sizes", "why"),
    [
        ([10, 20], [exactly(1), exactly(2)], "2 arms have a change, but a slope needs 3"),
        ([1, 2, 3], [exactly(1), Interval(0.1, -0.1, 0.3), exactly(3)], "the change at 2 may be zero"),
        ([1, 2, 3], [exactly(1), exactly(0), exactly(3)], "the change at 2 may be zero"),
        ([1, 2, 3], [exactly(1), exactly(-1), exactly(3)], "rises at some values and falls at others"),
    ],
)
def test_what_has_no_exponent_says_why(at, sizes, why):
    fitted = changes(at, sizes)
    assert fitted.slope is None and why in fitted.note


def test_a_setting_of_0_has_no_exponent_and_still_a_slope():
    fitted = changes([0, 1, 2], [exactly(1), exactly(2), exactly(4)])
    assert fitted.relation == "ln |change| against human.rows" and "human.rows = 0 has no logarithm" in fitted.note
    assert not fitted.is_exponent and fitted.slope.value == pytest.approx(math.log(2))


def frame(speeds, seeds=1):
    """Readings of one arm a speed, that rise by it every generation."""
    rows = [
        read_at("r", f"rows={n}", seed, g, "gap", *[math.exp(speed * g * (1 + 0.01 * seed))] * 3, "bootstrap over documents")
        for n, speed in speeds.items()
        for seed in range(seeds)
        for g in range(6)
    ]
    return reading_frames.frame(rows)


def rows_of(speeds):
    return {f"rows={n}": {"human.rows": n} for n in speeds}


def test_a_reading_on_a_logarithmic_axis_is_followed_by_its_logarithm():
    speeds = {n: 1 / n for n in (10, 20, 40)}
    (fitted,) = slopes(frame(speeds), rows_of(speeds), {}, frozenset({"gap"}))
    assert fitted.measure == "log gap" and fitted.slope is not None
    assert fitted.slope.value == pytest.approx(-1) and fitted.slope.n == 3
    assert [point.value for point in fitted.points] == pytest.approx([0.1, 0.05, 0.025])


def test_several_seeds_give_the_interval():
    speeds = {n: 1 / n for n in (10, 20, 40)}
    (fitted,) = slopes(frame(speeds, seeds=3), rows_of(speeds), {}, frozenset({"gap"}))
    assert fitted.slope is not None and fitted.slope.method == "jackknife over seeds" and fitted.slope.n == 3
    # Every seed's slope is -1: the scatter over seeds is rounding alone, and the interval is as wide as that.
    assert fitted.slope.low <= -1 <= fitted.slope.high and fitted.slope.high - fitted.slope.low < 1e-11


def test_two_sizes_are_refused_and_two_temperatures_not_asked():
    speeds = {n: 1 / n for n in (10, 20)}
    (fitted,) = slopes(frame(speeds), rows_of(speeds))
    assert fitted.slope is None and "a slope needs 3" in fitted.note
    assert slopes(frame(speeds), {"rows=10": {"draw.temperature": 0.7}, "rows=20": {"draw.temperature": 1.0}}) == ()


def test_the_closed_form_is_fitted_as_the_readings_are():
    speeds = {n: 1 / n for n in (10, 20, 40)}
    laws = {(f"rows={n}", "gap"): {g: math.exp(2 * g / n) for g in range(6)} for n in speeds}
    (fitted,) = slopes(frame(speeds), rows_of(speeds), laws, frozenset({"gap"}))
    assert fitted.closed_form == pytest.approx(-1) and [point.closed_form for point in fitted.points] == pytest.approx(
        [0.2, 0.1, 0.05]
    )
    laws.popitem()
    assert slopes(frame(speeds), rows_of(speeds), laws, frozenset({"gap"}))[0].closed_form is None


def test_the_log_variance_of_replace_drifts_as_one_over_n_beside_its_closed_form(tmp_path, capsys):
    (tmp_path / "drift.yaml").write_text(DRIFT)
    for command in (
        ["run", str(tmp_path / "drift.yaml"), "--out", str(tmp_path / "run"), "--quiet"],
        ["show", str(tmp_path / "run"), "--json"],
    ):
        with pytest.raises(SystemExit) as stopped:
            main(command)
        assert stopped.value.code == 0
    stored = json.loads(capsys.readouterr().out)["slopes"]
    by_arm = {entry["among"]: entry for entry in stored if entry["quantity"] == "narrowing"}
    replace, slope = by_arm["replace"], by_arm["replace"]["slope"]
    # E of the log of a chi-squared of n - 1 over n - 1 is about -1/n: a little steeper than -1 at small n.
    assert -1.1 < replace["closed_form"] < -1 and replace["is_exponent"]
    assert slope["n"] == 4 and len(replace["points"]) == 4
    error = (slope["high"] - slope["low"]) / 2 / 1.96
    assert abs(slope["value"] - replace["closed_form"]) < 4 * error  # a false alarm in 16,000, the errors being overstated
    assert error < 0.1
    assert not by_arm["human_only"]["is_exponent"] and "may be zero" in by_arm["human_only"]["note"]


def made_up(values, seeds=1):
    """Readings of a risk that grows by so much a generation in each arm, and the arms' settings."""
    noise = np.random.default_rng(2).normal(1, 0.05, (len(values), seeds))
    rows = [
        read_at("made", f"rows={n}", seed, g, "coefficient_error", 1 + g * speed * noise[i, seed], 0.9, 1.1, "chains")
        for i, (n, speed) in enumerate(values.items())
        for seed in range(seeds)
        for g in range(4)
    ]
    return reading_frames.frame(rows), {f"rows={n}": {"human.rows": n, "policy.kind": "x"} for n in values}


def by_quantity(frame, settings) -> dict[str, Any]:
    return {slope.quantity: slope for slope in slopes(frame, settings)}


def test_seeds_that_arms_share_are_compared_within_each_seed():
    speed = by_quantity(*made_up({10: 0.4, 20: 0.2, 40: 0.1, 80: 0.05}, seeds=30))["speed"]
    assert speed.slope.method == "jackknife over seeds" and speed.slope.n == 30
    assert abs(speed.slope.value + 1) < BOUND * speed.slope.standard_error


def test_a_speed_that_is_not_surely_above_0_has_no_logarithm():
    speed = by_quantity(*made_up({10: 0.4, 20: 0.2, 40: 0.0001}))["speed"]
    assert speed.relation == "speed against ln human.rows" and speed.bend is None  # three points have no bend of their own
    assert not speed.is_exponent and "the speed at 40 may be zero" in speed.note


def test_one_chain_has_values_and_no_slope():
    frame, settings = made_up({10: 0.4, 20: 0.2, 40: 0.1})
    frame = frame.with_columns(low=None, high=None, method=pl.lit("one chain: no interval"))
    start = by_quantity(frame, settings)["start"]
    assert start.slope is None and "has no interval (one chain); give more chains or seeds" in start.note
    assert [(point.value, point.low, point.high) for point in start.points] == [(1.0, None, None)] * 3


def test_the_same_setting_under_two_policies_is_two_families_told_apart():
    recipe = override(load("gaussian"), {"arms": None, "chains": 20, "generations": 3})
    swept = arms(recipe | {"sweep": {"policy": ["replace", "accumulate"], "human.rows": [10, 20, 40]}})
    ended = [(arm.name, 0, generation.g, generation.measured) for arm in swept for generation in run(arm.experiment)]
    many = slopes(tabulate("two", ended), flat_settings(swept))
    assert {slope.among for slope in many} == {"replace", "accumulate"}
    assert {slope.slope.method for slope in many if slope.slope} == {
        "errors of arms that share random numbers, added as if independent"
    }


def test_speeds_are_compared_over_the_generations_that_all_arms_have():
    frame, settings = made_up({10: 0.4, 20: 0.2, 40: 0.1})
    cut = frame.filter((pl.col("arm") != "rows=20") | (pl.col("generation") < 3))
    assert by_quantity(cut, settings)["speed"].note == "over the first 3 of 4 generations"
    without = frame.filter((pl.col("arm") != "rows=20") | (pl.col("generation") < 1))
    assert by_quantity(without, settings)["speed"].slope is None and by_quantity(without, settings)["start"].slope is not None
    assert by_quantity(without, settings)["speed"].note == "not measured in rows=20; 2 arms have a speed, but a slope needs 3"
