"""The least share of records that would have to change so that a set is varied enough, against every other way to change them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import entr

import outcross
from outcross.statistics.variety import WORKED_VARIETY, OfDistinctThings, OfEntropy, OfEqualPairs, OfWordsSaidOnce


def test_no_other_change_of_three_kinds_needs_fewer_records():
    """Every distribution on a fine grid that reaches the entropy asked for moves at least as many records."""
    grid = np.array([(i, j, 150 - i - j) for i in range(151) for j in range(151 - i)]) / 150
    entropies = entr(grid).sum(axis=1)
    for shares in ((0.9, 0.1, 0.0), (0.7, 0.2, 0.1), (0.5, 0.5, 0.0)):
        for value, limit in ((0.6, 0.9), (0.85, 0.9)):
            fewest = OfEntropy(shares)(value, limit)
            target = min(float(entr(shares).sum()) + np.log(limit / value), np.log(3))
            moved = np.abs(grid - shares).sum(axis=1)[entropies >= target - 1e-9] / 2
            assert moved.min() >= fewest - 1e-6 and moved.min() - fewest < 0.03


def test_two_equally_common_kinds_of_four_need_the_records_that_a_sum_by_hand_gives():
    """Half of the effective number of 4 kinds is left; to reach 4 every kind must have a quarter: half of all records move."""
    assert OfEntropy((0.5, 0.5, 0.0, 0.0))(0.5, 1.0) == pytest.approx(0.5)
    assert OfEntropy((1.0, 0.0))(0.5, 0.9) == pytest.approx(0.2746, abs=1e-4)  # e to the entropy of (.7254, .2746) is 1.8


def test_fewest_records_that_stop_being_equal_are_those_of_the_greatest_heap():
    counts, limit = np.array([6, 4, 3, 1, 1]), 0.8
    pairs = lambda kept: sum(c * (c - 1) / 2 for c in kept)  # noqa: E731
    for value in (0.1, 0.3, 0.6):
        allowed = (pairs(counts) + 1) * value / limit - 1
        every = itertools.product(range(7), range(5), range(4))
        fewest = min(13 - sum(kept) for kept in every if pairs(kept) <= max(0.0, allowed))
        assert OfEqualPairs.of(counts)(value, limit) * counts.sum() == pytest.approx(fewest)


def test_fewest_words_that_become_new_ones_are_those_said_twice():
    counts, limit = np.array([5, 3, 2, 2, 1]), 0.9
    for value in (0.3, 0.5, 0.8):
        wanted = 1 / 5 * limit / value
        said_once = lambda kept: (sum(c == 1 for c in kept) + 13 - sum(kept)) / (sum(c > 0 for c in kept) + 13 - sum(kept))  # noqa: E731
        every = itertools.product(range(6), range(4), range(3), range(3), range(2))
        fewest = min(13 - sum(kept) for kept in every if said_once(kept) >= wanted - 1e-12)
        assert OfWordsSaidOnce.of(counts)(value, limit) * 13 == pytest.approx(fewest)


def test_nothing_has_to_change_within_the_limit_and_more_the_farther_a_value_is_from_it():
    for rule in (
        OfEntropy((0.6, 0.3, 0.1)),
        OfEqualPairs.of(np.array([9, 5, 2])),
        OfDistinctThings(0.4),
        OfWordsSaidOnce(((1, 4), (2, 6))),
    ):
        shares = [rule(value, 0.8) for value in (0.9, 0.8, 0.7, 0.4, 0.1, 0.0)]
        assert shares[:2] == [0.0, 0.0] and shares == sorted(shares) and shares[-1] <= 1


def test_rare_categories_that_are_cut_do_not_lead_before_the_true_loss():
    """Countries of 2 % in all are gone and men fell from 60 % to 20 %: the effective number of countries fell by more than its margin, and 1 % of records would mend it."""
    import polars

    rng = np.random.default_rng([20_26, 11, 28])

    def people(rows, men, rare):
        country = np.where(rng.random(rows) < rare, rng.integers(1, 30, rows).astype(str), "home")
        return polars.DataFrame({"country": country, "sex": np.where(rng.random(rows) < men, "man", "woman")})

    audit = outcross.audit(people(3000, 0.2, 0.0), reference=people(3000, 0.6, 0.04), aspects=("diversity", "groups"))
    (variety,) = [check for check in audit.of("lost") if check.metric == "effective_categories" and check.column == "country"]
    assert variety.value < 0.9 and 0 < variety.severity <= variety.to_change < 0.05
    assert audit.of("lost")[0].column == "sex"


@pytest.mark.parametrize(("rule", "end", "limit", "severe"), [(*numbers, severe) for _, _, *numbers, _, severe in WORKED_VARIETY])
def test_every_worked_example_is_as_the_page_of_checks_says(rule, end, limit, severe):
    assert rule(end, limit) == pytest.approx(severe, abs=6e-4)
