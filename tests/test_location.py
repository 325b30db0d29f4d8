"""Whether numbers moved: held against SciPy, against the power that is promised, and against shifts planted in real columns."""

from __future__ import annotations

import math
import os
from pathlib import Path

import damage
import numpy as np
import pytest
from scipy.stats import binom, brunnermunzel, norm

import outcross
from outcross.estimate import Estimate, NotApplicable
from outcross.measures.location import Location
from outcross.statistics.location import median_shift, records_for_power, superiority

DATA = Path(os.environ.get("OUTCROSS_DATA") or Path(__file__).parents[2] / "shared" / "data")
PAGE = Location.pages["location"]
TENTH = norm.cdf(0.1 / math.sqrt(2)) - 0.5
"""How far from a half the probability is where a normal column moved by a tenth of its standard deviation."""


def check_of(synthetic, human):
    audit = outcross.audit({"x": synthetic}, reference={"x": human}, aspects="location", kinds={"x": "number"})
    (check,) = audit.every
    return check


@pytest.mark.parametrize("law", ["continuous", "ties", "unequal"])
def test_the_interval_and_its_chance_are_those_of_brunner_and_munzel(law):
    rng = np.random.default_rng(1)
    synthetic, human = rng.normal(0.2, 1, 150), rng.normal(0, 3, 220)
    if law != "continuous":
        synthetic, human = (
            values.round() if law == "ties" else values for values in (synthetic, human[: 220 if law == "ties" else 40])
        )
    estimate, null = superiority(synthetic, human)
    statistic, p = brunnermunzel(human, synthetic)
    assert null.p == pytest.approx(p, rel=1e-9)
    pairs = np.sign(synthetic[:, None] - human[None, :])
    assert estimate.value == pytest.approx(0.5 + pairs.mean() / 2, rel=1e-12)
    # The interval leaves out a half exactly where the test rejects it, and is as wide as the statistic's standard error says.
    assert (estimate.low > 0.5 or estimate.high < 0.5) == (p < 0.05)
    assert (estimate.value - 0.5) / statistic == pytest.approx(
        estimate.standard_error * norm.ppf(0.975) / _quantile(p, statistic), rel=1e-6
    )


def _quantile(p, statistic):
    """The 97.5 % quantile of the Student law of whose two tails beyond the statistic p is the chance."""
    from scipy.optimize import brentq
    from scipy.stats import t

    freedom = brentq(lambda degrees: 2 * t.sf(abs(statistic), degrees) - p, 2, 1e4)
    return t.ppf(0.975, freedom)


def test_sets_that_do_not_meet_have_an_interval_and_equal_constants_have_none():
    estimate, null = superiority(np.arange(30.0) + 100, np.arange(50.0))
    assert estimate.value == 1 and 0.85 < estimate.low < 0.95 and estimate.high == 1 and null.p <= 1e-12
    estimate, _ = superiority(np.zeros(40), np.ones(40))
    assert estimate.value == 0 and estimate.low == 0 and estimate.high > 0
    with pytest.raises(NotApplicable, match="all values of both sets are equal"):
        superiority(np.ones(40), np.ones(40))
    with pytest.raises(NotApplicable, match="19 values"):
        superiority(np.arange(19.0), np.arange(40.0))


def test_the_probability_has_no_scale_and_turns_around_with_the_sides():
    rng = np.random.default_rng(2)
    first, second = rng.lognormal(size=80), rng.lognormal(0.3, 1, 60)
    estimate, null = superiority(first, second)
    same, _ = superiority(np.log(first), np.log(second))
    turned, turned_null = superiority(second, first)
    assert estimate == same
    assert (1 - turned.value, 1 - turned.high, 1 - turned.low) == pytest.approx((estimate.value, estimate.low, estimate.high))
    assert turned_null.p == pytest.approx(null.p)


def test_either_way_is_beyond_the_tolerance():
    rng = np.random.default_rng(3)
    human = rng.normal(size=4000)
    up, down, still, few = (
        check_of(rng.normal(shift, 1, rows), human) for shift, rows in ((0.3, 4000), (-0.3, 4000), (0, 9000), (0, 100))
    )
    assert [check.verdict for check in (up, down, still, few)] == ["lost", "lost", "kept", "cannot_tell"]
    assert up.value > 0.5 > down.value and (up.margin, down.margin) == (0.528, 0.472)
    assert "a shift of +0.2777 [+0.2174, +0.3323]" in up.why and "a shift of -" in down.why


@pytest.mark.parametrize(
    ("interval", "worse"), [((0.49, 0.52), "larger"), ((0.46, 0.51), "smaller"), ((0.6, 0.7), "larger"), ((0.3, 0.4), "smaller")]
)
def test_a_page_with_two_sides_is_judged_where_the_interval_reaches_farther(interval, worse):
    page = PAGE.on_side_of(Estimate(sum(interval) / 2, *interval, "given", 100), None)
    assert page.worse == worse and page.limit(None, 0.028) == (0.528 if worse == "larger" else 0.472)


def test_the_records_that_are_said_to_tell_a_tenth_of_a_deviation_do():
    """2,203 a side; means of normal numbers need 2,101 (3 / π as many), which here see it in 88.8 % of sets."""
    rows, sets, rng = records_for_power(TENTH), 400, np.random.default_rng(4)
    assert rows == pytest.approx(2203, abs=3)
    assert math.ceil(2 * (norm.ppf(0.975) + norm.ppf(0.9)) ** 2 / 0.1**2) == pytest.approx(2101, abs=1)
    seen = sum(superiority(rng.normal(0.1, 1, rows), rng.normal(0, 1, rows))[1].p <= 0.05 for _ in range(sets))
    assert binom.ppf(1e-4, sets, 0.9) <= seen <= binom.isf(1e-4, sets, 0.9)


@pytest.mark.parametrize("law", ["normal", "counts", "mostly zero"])
def test_honest_columns_seldom_look_moved_and_intervals_hold(law):
    rng, sets = np.random.default_rng(5), 400
    draw = {
        "normal": lambda: rng.normal(size=60),
        "counts": lambda: rng.poisson(1.0, 60).astype(float),
        "mostly zero": lambda: np.where(rng.random(200) < 0.9, 0.0, rng.exponential(size=200)),
    }[law]
    superiorities = [superiority(draw(), draw()) for _ in range(sets)]
    assert sum(null.p <= 0.05 for _, null in superiorities) <= binom.isf(1e-4, sets, 0.05)
    shifts = [median_shift(rng.normal(1, 2, 51), rng.normal(0, 1, 80))[2] for _ in range(sets)]
    assert sum(shift.low <= 1 <= shift.high for shift in shifts) >= binom.ppf(1e-4, sets, 0.95)


def test_the_order_of_rows_moves_nothing_and_twice_the_records_narrow_the_interval():
    rng = np.random.default_rng(6)
    moved, human = rng.normal(0.2, 1, 300), rng.normal(size=300)
    first = superiority(moved, human)
    assert superiority(rng.permutation(moved), rng.permutation(human)) == first
    twice = superiority(np.tile(moved, 2), np.tile(human, 2))[0]
    assert twice.value == pytest.approx(first[0].value) and first[0].low < twice.low < twice.high < first[0].high


@pytest.mark.skipif(not (DATA / "tabular_synthetic" / "adult").exists(), reason=f"there is no Adult in {DATA}")
def test_ages_of_adult_that_moved_and_columns_that_changed_places_are_lost():
    frame = damage.real("adult", DATA).select("age", "hours-per-week", "fnlwgt")
    frame = frame[np.random.default_rng(7).permutation(frame.height)[:6000]]
    reference, other = frame[:3000], frame[3000:]

    def moved(synthetic):
        return {check.column for check in outcross.audit(synthetic, reference=reference, aspects="location").of("lost")}

    assert moved(other) == set()
    assert moved(other.with_columns(other["age"] + 3)) == {"age"}
    assert moved(other.rename({"age": "hours-per-week", "hours-per-week": "age"})) == {"age", "hours-per-week"}
