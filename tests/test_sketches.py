"""Sketches: what is seen in any order, in any number of parts, is what is seen at once."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from outcross.data.tables import table
from outcross.statistics.sketches import Beyond, Distinct, Missing, MomentSketch, Tally, gather

numbers = st.one_of(st.none(), st.integers(-50, 50).map(lambda value: value / 4), st.floats(-1e6, 1e6))
rows = st.lists(st.tuples(numbers, numbers, st.sampled_from([None, "a", "b", "c"])), max_size=40)


def frame(records: list[tuple]) -> pl.DataFrame:
    return pl.DataFrame(records, schema={"x": pl.Float64, "y": pl.Float64, "c": pl.String}, orient="row")


def seen(sketch, *frames):
    for each in frames:
        sketch.update(each)
    return sketch


def merged(make, first, second):
    first_sketch, second_sketch = seen(make(), first), seen(make(), second)
    first_sketch.merge(second_sketch)
    return first_sketch.result()


def moments() -> MomentSketch:
    return MomentSketch(["x", "y"])


def beyond() -> Beyond:
    return Beyond({"x": np.array([3.0, -1.25, 0.0, 3.0]), "y": np.array([0.5])})


def tally() -> Tally:
    return Tally(["c", "x"], cap=8)


def distinct() -> Distinct:
    return Distinct(["x", "c"], cap=8)


def missing() -> Missing:
    return Missing(["x", "c"])


def plain_values(result) -> list:
    """A result as plain values, which can be compared."""
    if isinstance(result, dict):
        return [(name, plain_values(value)) for name, value in result.items()]
    if hasattr(result, "frame"):
        return [result.frame.rows(), result.is_capped, result.others]
    if hasattr(result, "above"):
        return [result.above.tolist(), result.below.tolist(), result.count]
    return result


@pytest.mark.parametrize("make", [beyond, tally, distinct, missing])
@settings(deadline=None)
@given(first=rows, second=rows, order=st.randoms(use_true_random=False))
def test_a_merged_sketch_is_that_of_all_rows_in_any_order(make, first, second, order):
    shuffled = order.sample(first + second, len(first) + len(second))
    at_once = plain_values(seen(make(), frame(shuffled)).result())
    assert plain_values(merged(make, frame(first), frame(second))) == at_once
    assert plain_values(seen(make(), frame(second), frame(first)).result()) == at_once


@settings(deadline=None)
@given(first=rows, second=rows)
def test_merged_moments_are_those_of_all_values(first, second):
    result = merged(moments, frame(first), frame(second))
    for i, column in enumerate(["x", "y"]):
        values = frame(first + second)[column].drop_nulls().to_numpy()
        assert result.count[i] == values.size
        if values.size == 0:
            continue
        largest = max(1.0, np.abs(values).max())  # errors are relative to the powers of the values, not to what is left of them
        assert result.mean[i] == pytest.approx(values.mean(), abs=1e-12 * largest)
        for power, sums in ((2, result.m2), (3, result.m3), (4, result.m4)):
            assert sums[i] == pytest.approx(((values - values.mean()) ** power).sum(), abs=1e-11 * values.size * largest**power)


@settings(deadline=None)
@given(first=rows, second=rows)
def test_merging_leaves_the_other_as_it_was(first, second):
    for make in (beyond, tally, distinct, missing):
        first_sketch, second_sketch = seen(make(), frame(first)), seen(make(), frame(second))
        before = plain_values(second_sketch.result())
        first_sketch.merge(second_sketch)
        seen(first_sketch, frame(second))
        assert plain_values(second_sketch.result()) == before


@settings(deadline=None)
@given(rows)
def test_what_lies_beyond_is_counted_strictly(records):
    values = frame(records)["x"].drop_nulls().to_numpy()
    counts = seen(beyond(), frame(records)).result()["x"]
    assert counts.above.tolist() == [(values > threshold).sum() for threshold in (3.0, -1.25, 0.0, 3.0)]
    assert counts.below.tolist() == [(values < threshold).sum() for threshold in (3.0, -1.25, 0.0, 3.0)]
    assert counts.count == values.size


@settings(deadline=None)
@given(rows)
def test_a_tally_below_its_cap_counts_every_combination(records):
    tallied = seen(Tally(["c", "x"]), frame(records)).result()
    assert not tallied.is_capped
    assert tallied.others == 0
    assert dict(zip(zip(tallied.frame["c"], tallied.frame["x"], strict=True), tallied.frame["count"], strict=True)) == {
        key: sum((c, x) == key for x, _, c in records) for key in {(c, x) for x, _, c in records}
    }


def test_moments_agree_with_scipy():
    values = np.random.default_rng(0).lognormal(size=5_000)
    sample_moments = seen(MomentSketch(["x"]), pl.DataFrame({"x": values})).result()
    assert sample_moments.variance[0] == pytest.approx(values.var(ddof=1), rel=1e-12)
    assert sample_moments.kurtosis[0] == pytest.approx(stats.kurtosis(values, fisher=False), rel=1e-12)


def test_moments_keep_their_digits_far_from_zero():
    values = 1e9 + np.random.default_rng(1).normal(size=30_000)
    sample_moments = seen(MomentSketch(["x"]), *(pl.DataFrame({"x": part}) for part in np.split(values, 30))).result()
    assert sample_moments.variance[0] == pytest.approx((values - 1e9).var(ddof=1), rel=1e-6)


def test_the_largest_numbers_that_a_table_holds_do_not_overflow():
    data = {"x": [1e50, -1e50, 1e51, 0.5] * 500}
    sample_moments = gather(table(data), {"moments": MomentSketch(["x"])})["moments"]
    assert sample_moments.count[0] == 1500
    assert np.isfinite([sample_moments.variance[0], sample_moments.m3[0], sample_moments.m4[0]]).all()
    assert sample_moments.kurtosis[0] == pytest.approx(1.5)


def test_a_capped_tally_keeps_exact_counts_and_says_what_is_left():
    names = pl.Series("c", np.random.default_rng(2).zipf(1.3, 20_000) % 5_000).cast(pl.String)
    counted = seen(Tally(["c"], cap=100), *pl.DataFrame({"c": names}).iter_slices(1_000)).result()
    exact = dict(names.value_counts().iter_rows())
    assert counted.is_capped
    assert counted.frame.height == 100
    assert all(exact[name] == count for name, count in counted.frame.iter_rows())
    assert counted.others + counted.frame["count"].sum() == 20_000


def test_distinct_rows_above_the_cap_lie_within_four_standard_errors():
    """One fixed stream of 200 tables: beyond four standard errors, 1 in 16,000 by chance; at most 1 in 200 has a chance of 1 - 7e-5."""
    beyond_four = 0
    for i in range(200):
        distinct_rows = seen(Distinct(["x"], cap=400), pl.DataFrame({"x": np.arange(6_000.0) + 6_000 * i})).result()
        assert not distinct_rows.is_exact
        beyond_four += abs(distinct_rows.value - 6_000) > 4 * distinct_rows.standard_error
    assert beyond_four <= 1


def test_tallies_of_the_same_columns_are_counted_once():
    frame = table({"a": ["x", "y", "x"], "b": ["u", "u", "v"]}, kinds={"a": "category", "b": "category"})
    results = gather(frame, {"one": Tally(["a"]), "two": Tally(["a"]), "other": Tally(["b"]), "capped": Tally(["a"], cap=1)})
    assert results["one"] is results["two"] and results["one"].frame["count"].to_list() == [2, 1]
    assert results["other"].frame.columns == ["b", "count"] and results["capped"].is_capped


def test_gathered_in_one_pass_over_the_columns_that_are_needed():
    data = {"x": np.arange(1000.0) / 3, "c": ["a", "b"] * 500, "unused": ["z"] * 1000}
    gathered = gather(table(data), {"moments": MomentSketch(["x"]), "tally": Tally(["c"]), "distinct": Distinct(["x", "c"])})
    assert gathered["moments"].count[0] == 1000
    assert gathered["tally"].frame.rows() == [("a", 500), ("b", 500)]
    assert gathered["distinct"].value == 1000
