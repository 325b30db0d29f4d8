"""Tied values and categories that only one side finds rare: what real tables showed, as tests."""

from __future__ import annotations

import numpy as np
import polars
import pytest

import outcross
from outcross.estimate import NotApplicable
from outcross.statistics.tail_index import index_difference


def test_quartiles_that_fall_among_ties_raise_no_alarm():
    rng = np.random.default_rng([20_26, 41])
    lost = 0
    for _ in range(20):
        # A quarter of the values, but for chance, is 2 or more: the middle half is now one value, now not.
        human, other = (np.where(rng.random(2000) < 0.25, 2.0, 1.0) + np.where(rng.random(2000) < 0.01, 0.5, 0.0) for _ in range(2))
        audit = outcross.audit({"x": other}, reference={"x": human}, aspects="spread", kinds={"x": "number"})
        lost += any(check.metric == "interquartile_range" for check in audit.of("lost"))
    assert lost == 0


def test_a_middle_half_that_became_one_value_is_lost():
    rng = np.random.default_rng([20_26, 42])
    human = rng.normal(size=2000)
    narrow = np.where(rng.random(2000) < 0.8, 0.0, rng.normal(size=2000))
    audit = outcross.audit({"x": narrow}, reference={"x": human}, aspects="spread", kinds={"x": "number"})
    assert any(check.metric == "interquartile_range" for check in audit.of("lost"))


def test_a_tail_of_a_few_tied_values_has_no_index():
    rng = np.random.default_rng([20_26, 43])
    days, other = (
        np.where(rng.random(4000) < 0.93, rng.choice([-1.0, 0.0, 1.0], 4000), rng.choice([30.0, 60.0, 90.0], 4000))
        for _ in range(2)
    )
    with pytest.raises(NotApplicable, match="tied"):
        index_difference(other, days, rng)


def test_a_category_that_is_rare_in_the_reference_alone_has_not_been_lost():
    human = polars.DataFrame({"c": ["a"] * 1980 + ["b"] * 20}).with_columns(x=polars.int_range(2000) * 0.5)
    many = polars.DataFrame({"c": ["a"] * 1500 + ["b"] * 500}).with_columns(x=polars.int_range(2000) * 0.5)
    few = human[:-1]
    audit = outcross.audit(many, reference=few, aspects="tails")
    assert audit.lost == []
