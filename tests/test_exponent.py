"""The speed of collapse goes with n as the theory says, its interval is what the errors give, and what cannot be fitted is refused."""

import json
import math

import hypothesis
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcross.exponent import exponents, power

from outcross.cli import main
from outcross.course import Interval
from outcross.estimate import NotApplicable
from outcross.settings import Setting

DRIFT = """
name: drift
human: {distribution: normal, rows: 10}
learner: gaussian
draw: {prompts: none}
generations: 12
chains: 3000
store: readings
metrics: [spread]
sweep: {policy: [replace, human_only], human.rows: [10, 20, 40, 80]}
"""


def exactly(value):
    return Interval(value, value, value)


def unknown(value):
    return Interval(value, -math.inf, math.inf)


@hypothesis.settings(deadline=None)  # the first call imports scipy
@given(
    st.floats(-3, 3),
    st.floats(1e-6, 1e6),
    st.sampled_from([-1, 1]),
    st.lists(st.integers(1, 10_000), min_size=3, max_size=8, unique=True),
)
def test_a_power_law_is_recovered(exponent, factor, sign, at):
    found = power(at, [exactly(sign * factor * n**exponent) for n in at], "chains")
    assert found.value == pytest.approx(exponent, abs=1e-6) and found.n == len(at)


def test_the_interval_of_repeats_is_the_errors_carried_through():
    # By hand: x = 0, 1, 2 has weights -1/2, 0, 1/2; a half interval of 10 % and of 20 % at the ends: sqrt(0.05² + 0.1²).
    at = [1, math.e, math.e**2]
    found = power(at, [Interval(1, 0.9, 1.1), Interval(1, 0.5, 1.5), Interval(1, 0.8, 1.2)], "seeds")
    assert found.value == pytest.approx(0) and found.high == pytest.approx(math.hypot(0.05, 0.1))
    assert found.method == "seeds"


def test_without_repeats_the_scatter_about_the_line_counts():
    # By hand: heights 0, 1, 1 over x = 0, 1, 2: slope 1/2, residuals -1/6, 1/3, -1/6, s² = 1/6, s / sqrt(2) × t(1) = 12.7062.
    at, heights = [1, math.e, math.e**2], [1, math.e, math.e]
    half = 12.7062 * math.sqrt(1 / 6 / 2)
    for sizes in ([unknown(height) for height in heights], [exactly(height) for height in heights]):
        found = power(at, sizes)
        assert found.value == pytest.approx(0.5) and found.high - found.value == pytest.approx(half, rel=1e-4)
        assert "scatter" in found.method


@pytest.mark.parametrize(
    ("at", "sizes", "why"),
    [
        ([10, 20], [exactly(1), exactly(2)], "2 values of the setting, an exponent needs 3"),
        ([10, 10, 10], [exactly(1), exactly(2), exactly(3)], "1 value of the setting"),
        ([0, 1, 2], [exactly(1), exactly(2), exactly(3)], "value 0 has no logarithm"),
        ([1, 2, 3], [exactly(1), Interval(0.1, -0.1, 0.3), exactly(3)], "the change at 2 may be 0"),
        ([1, 2, 3], [exactly(1), exactly(0), exactly(3)], "the change at 2 may be 0"),
        ([1, 2, 3], [exactly(1), exactly(-1), exactly(3)], "rises at some values and falls at others"),
    ],
)
def test_what_has_no_exponent_says_why(at, sizes, why):
    with pytest.raises(NotApplicable, match=why):
        power(at, sizes, "chains")


def frame(speeds, seeds=1):
    """Readings of one arm a speed, that fall by it every generation."""
    rows = [
        ("r", f"rows={n}", seed, g, "risk", "", *[math.exp(speed * g * (1 + 0.01 * seed))] * 3, "bootstrap over documents", 9, "")
        for n, speed in speeds.items()
        for seed in range(seeds)
        for g in range(6)
    ]
    columns = ["run", "arm", "seed", "generation", "metric", "aspect", "value", "low", "high", "method", "n", "note"]
    return polars.DataFrame(rows, schema=columns, orient="row")


def rows_of(speeds):
    return (Setting("human.rows", {f"rows={n}": n for n in speeds}),)


def test_a_reading_on_a_logarithmic_axis_is_followed_by_its_logarithm():
    speeds = {n: 1 / n for n in (10, 20, 40)}
    (found,) = exponents(frame(speeds), rows_of(speeds), {}, frozenset({"risk"}))
    assert found.is_log and found.estimate is not None
    assert found.estimate.value == pytest.approx(-1) and found.estimate.n == 3
    assert [place.speed.value for place in found.places] == pytest.approx([0.1, 0.05, 0.025])


def test_several_seeds_give_the_interval():
    speeds = {n: 1 / n for n in (10, 20, 40)}
    (found,) = exponents(frame(speeds, seeds=3), rows_of(speeds), {}, frozenset({"risk"}))
    assert found.estimate is not None and found.estimate.method == "seeds"
    assert found.estimate.low < -1 < found.estimate.high


def test_two_sizes_are_refused_and_two_temperatures_not_asked():
    speeds = {n: 1 / n for n in (10, 20)}
    (found,) = exponents(frame(speeds), rows_of(speeds), {})
    assert found.estimate is None and "an exponent needs 3" in found.note
    assert exponents(frame(speeds), (Setting("draw.temperature", {"rows=10": 0.7, "rows=20": 1.0}),), {}) == []


def test_the_log_variance_of_replace_drifts_as_one_over_n_beside_its_closed_form(tmp_path, capsys):
    (tmp_path / "drift.yaml").write_text(DRIFT)
    for command in (
        ["run", str(tmp_path / "drift.yaml"), "--out", str(tmp_path / "run"), "--quiet"],
        ["show", str(tmp_path / "run"), "--json"],
    ):
        with pytest.raises(SystemExit) as stopped:
            main(command)
        assert stopped.value.code == 0
    told = json.loads(capsys.readouterr().out)["exponents"]
    by_arm = {one["among"]: one for one in told if one["metric"] == "log_variance"}
    replace = by_arm["replace"]
    # E of the log of a chi-squared of n - 1 over n - 1 is about -1/n: a little steeper than -1 at small n.
    assert -1.1 < replace["closed_form"] < -1
    assert replace["method"] == "chains" and replace["n"] == 4 and len(replace["points"]) == 4
    error = (replace["high"] - replace["low"]) / 2 / 1.96
    assert abs(replace["value"] - replace["closed_form"]) < 4 * error  # a false alarm in 16,000, the errors being overstated
    assert error < 0.1
    assert by_arm["human_only"]["value"] is None and "may be 0" in by_arm["human_only"]["note"]
