"""Even order keeps Tijdeman's bound, and largest remainders sum to their total (science/oracles.md, B2)."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcross.data.order import bound, deviation, even_order
from outcross.data.shares import exact, largest_remainder, largest_total, smallest_total, whole


@pytest.mark.parametrize(("pools", "most_rows"), [(2, Fraction(1, 2)), (4, Fraction(5, 6))])
def test_the_bound_of_tijdeman_is_half_a_row_for_two_pools_and_five_sixths_for_four(pools, most_rows):
    assert bound(pools) == most_rows


@given(st.lists(st.integers(0, 40), min_size=1, max_size=7).filter(any))
def test_no_beginning_deviates_by_more_than_the_bound_and_no_stretch_by_two_rows(counts):
    order = even_order(counts)
    assert np.bincount(order, minlength=len(counts)).tolist() == counts
    assert deviation(order, counts) <= bound(sum(count > 0 for count in counts))
    total = len(order)
    for pool, count in enumerate(counts):
        ahead = np.concatenate([[0], np.cumsum(order == pool)]) * total - np.arange(total + 1) * count
        assert (ahead.max() - ahead.min()) < 2 * total


@pytest.mark.parametrize("counts", [(1, 1, 1, 997), (333, 333, 334), (1, 10, 100, 1000), (3000, 7000), (17, 19, 23, 29, 31)])
def test_even_order_holds_for_pools_of_very_different_sizes(counts):
    assert deviation(even_order(counts), counts) <= bound(len(counts))


def test_a_deviation_is_counted_as_it_is_defined():
    assert deviation(np.array([0, 0, 1, 1]), [2, 2]) == 1


weights = st.lists(st.sampled_from([0.0, 1e-6, 0.1, 0.3, 1.0, 7.0]), min_size=1, max_size=6).filter(any)


@given(weights, st.integers(0, 2000))
def test_largest_remainders_sum_to_the_total_and_are_within_one_of_the_exact_share(given_weights, total):
    shares = [exact(weight) for weight in given_weights]
    (counts,) = largest_remainder(shares, [total])
    assert counts.sum() == total
    assert all(abs(int(count) - share / sum(shares) * total) < 1 for count, share in zip(counts, shares, strict=True))
    assert all(count == 0 for count, share in zip(counts, shares, strict=True) if share == 0)


def test_shares_of_many_digits_do_not_overflow():
    weights = [exact(0.123456789012345), exact(0.987654321098765)]
    (counts,) = largest_remainder(weights, [10**12])
    assert counts.sum() == 10**12 and abs(int(counts[0]) - weights[0] / sum(weights) * 10**12) < 1


def test_the_smallest_total_that_serves_every_share_is_found():
    shares = [exact(0.3), exact(0.65), exact(0.05)]
    quotas = lambda totals: largest_remainder(shares, totals)  # noqa: E731
    served = lambda counts: (counts > 0).all(axis=1)  # noqa: E731
    by_hand = next(total for total in range(1, 100) if (largest_remainder(shares, [total]) > 0).all())
    assert smallest_total(quotas, served, 1, 100) == by_hand
    assert largest_total(quotas, lambda counts: (counts <= [3, 99, 99]).all(axis=1), 1, 100) == 11
    assert smallest_total(quotas, lambda counts: counts[:, 0] < 0, 1, 100) is None


def test_weights_are_read_as_they_were_written():
    assert whole([exact(0.3), exact(0.7)]) == (3, 7) and whole([exact(1e-6), 1]) == (1, 10**6)
