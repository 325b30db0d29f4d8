"""The golden values of science/collapse.md section 13, to the digits printed there."""

import numpy as np
import pytest

from outcross.laws import LAWS, categorical, gaussian, law

# n, T: E s^2 (n), E sigma (n-1), E W2^2 (n-1), E log s^2 (n-1), E log s^2 (n), its variance, accumulate, its limit
TABLE = [
    (10, 10, "0.348678 0.757892 1.484216 -1.15206 -2.20567 2.48725 0.851502 0.843436"),
    (10, 50, "0.005154 0.250056 6.499889 -5.76032 -11.02835 12.43626 0.845108 0.843436"),
    (100, 10, "0.904382 0.975064 0.149872 -0.10135 -0.20185 0.20407 0.984568 0.983632"),
    (100, 100, "0.366032 0.776840 1.446320 -1.01350 -2.01854 2.04075 0.983730 0.983632"),
    (1000, 100, "0.904792 0.975286 0.149429 -0.10013 -0.20018 0.20040 0.998366 0.998356"),
]


def printed(value: float, like: str) -> str:
    return f"{value:.{len(like.partition('.')[2])}f}"


@pytest.mark.parametrize(("n", "fits", "row"), TABLE)
def test_gaussian_laws_hold_the_table_of_golden_values(n, fits, row):
    values = [
        gaussian.variance_replace(n, fits, divisor="n")[-1],
        gaussian.deviation_replace(n, fits)[-1],
        gaussian.w2_replace(n, fits)[-1],
        gaussian.log_variance_replace(n, fits)[-1],
        gaussian.log_variance_replace(n, fits, divisor="n")[-1],
        gaussian.log_variance_spread_replace(n, fits)[-1],
        gaussian.variance_accumulate(n, fits)[-1],
        gaussian.variance_accumulate_limit(n),
    ]
    expected = row.split()
    assert [printed(value, like) for value, like in zip(values, expected, strict=True)] == expected


@pytest.mark.parametrize(
    ("n", "row"),
    [
        (10, "0.900000 0.831316 0.759780 0.741128 0.739205"),
        (100, "0.990000 0.982563 0.973765 0.971286 0.971026"),
    ],
)
def test_accumulate_subsample_holds_its_golden_values(n, row):
    curve = gaussian.accumulate_subsample(n, 1000).variance
    assert [f"{curve[fits - 1]:.6f}" for fits in (1, 2, 10, 100, 1000)] == row.split()


def test_a_rare_word_is_lost_as_the_golden_values_say():
    curve = categorical.rare_loss(1, 100)
    assert [f"{curve[step - 1]:.6f}" for step in (1, 2, 5, 10, 50, 100)] == (
        ["0.367879", "0.531464", "0.731923", "0.841765", "0.962350", "0.980647"]
    )


@pytest.mark.parametrize(("ratio", "weight"), [(0.25, "0.390388"), (1, "0.618034"), (4, "0.828427")])
def test_the_best_weight_is_the_golden_one(ratio, weight):
    assert f"{gaussian.best_weight(ratio):.6f}" == weight


@pytest.mark.parametrize(("temperature", "row"), [(1.0, "0.981221 0.018779"), (0.8, "0.617612 0.011820")])
def test_the_fresh_loop_ends_at_its_golden_fixed_point(temperature, row):
    assert [f"{value:.6f}" for value in gaussian.fresh_limit(30, 90, temperature=temperature)] == row.split()
    curve = gaussian.mixed(30, 90, 400, first=120, temperature=temperature)
    assert [f"{moment[-1]:.6f}" for moment in curve] == row.split()


def test_collapse_takes_the_golden_number_of_fits():
    assert f"{categorical.absorption_time_diffusion(1, [0.5, 0.5]):.3f}" == "1.386"
    assert f"{categorical.absorption_time_diffusion(1, [0.1] * 10):.4f}" == "1.8965"
    times = [categorical.absorption_time_diffusion(n, [0.1] * 10) for n in (10, 100, 1000, 10_000, 100_000)]
    assert [round(time, 1) for time in times[:2]] == [19.0, 189.6]
    assert [round(time) for time in times[2:]] == [1896, 18_965, 189_649]


def test_exact_collapse_times_agree_with_the_papers_simulations():
    """Kazdan's figure (100 seeds, s.e. about 0.1 n) and our earlier simulation (17.58 +- 0.07, 185.8 +- 1.6)."""
    ten, hundred = (categorical.absorption_time(n, [0.1] * 10) for n in (10, 100))
    assert abs(ten - 17.58) < 3 * 0.07 and abs(hundred - 185.8) < 3 * 1.6
    assert abs(ten - 17.1) < 3 * 1.05 and abs(hundred - 203.9) < 3 * 10.5


def test_accumulate_runs_of_kazdan_are_met():
    """Stored means over about 50-115 runs (section 3.1); the sd of s^2 a run is about sqrt(2/n)."""
    for n, stored in [(10, (0.874, 0.877, 0.873)), (32, (0.956, 0.955, 0.955)), (100, (0.994, 0.997, 0.997))]:
        curve = gaussian.variance_accumulate(n, 100)
        for fits, value in zip((10, 50, 100), stored, strict=True):
            assert abs(curve[fits - 1] - value) < 3 * np.sqrt(2 / n) * 1.3 / np.sqrt(50)


def test_every_law_can_be_imported_by_its_name():
    for name, form in LAWS.items():
        assert callable(law(name)) and law(name).__doc__ and form.id and form.citation
