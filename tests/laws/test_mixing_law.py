"""Mixing laws are recovered where they are known, their best shares are those of calculus, and designs cover what is allowed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.statistics.mixing_law import (
    MixingLaw,
    Objective,
    best_shares,
    chance_of_no_effect,
    fit_linear_model,
    fit_mixing_law,
    least_corner,
)
from outcross.statistics.simplex import ShareRegion, design, held_out_design

ONE = np.ones(1)


def floor_of(human: list[bool], share: float) -> np.ndarray:
    return np.where(human, 1 - share, -share)


@pytest.mark.parametrize("pools", [2, 3, 8])
def test_a_law_is_recovered_within_its_intervals(pools):
    pulls = np.linspace(-1, 1.2, pools)
    law, region = MixingLaw(2.0, pulls[None]), ShareRegion(pools)
    points = design(region, 3 * pools + 6)
    tests = held_out_design(region, 10, points)
    inside = []
    for seed in range(6):
        rng = np.random.default_rng([pools, seed])
        fitted = fit_mixing_law(points, law(points) + rng.normal(0, 0.02, len(points)), rng)
        inside += [fitted.at(point).low <= law(point) <= fitted.at(point).high for point in tests[::5]]
        if len(fitted.law.pulls) == 1:
            inside += [
                exponent.low <= t <= exponent.high for exponent, t in zip(fitted.exponents, pulls - pulls.mean(), strict=True)
            ]
            inside.append(fitted.constant.low <= 2.0 <= fitted.constant.high)
    # Intervals of one fit lean together; as if a third of them were independent, and 93 % held (LOG.md), a false alarm in 1,000.
    independent = len(inside) // 3
    assert sum(inside) / 3 >= binom.ppf(0.001, independent, 0.93) - 1


def test_without_noise_the_law_is_found_exactly():
    law, points = MixingLaw(1.5, np.array([[0.5, -1.0, 0.2]])), design(ShareRegion(3), 15)
    fitted = fit_mixing_law(points, law(points), np.random.default_rng(0), replicates=2)
    assert len(fitted.law.pulls) == 1
    np.testing.assert_allclose(fitted.law.constant, 1.5, atol=1e-4)
    np.testing.assert_allclose(fitted.law.pulls, law.pulls, atol=1e-3)
    np.testing.assert_allclose(fitted.law.exponents.sum(axis=1), 0, atol=1e-12)


def test_two_pools_that_are_better_together_need_two_terms_and_their_best_share_is_inside():
    law = MixingLaw(1.0, np.array([[1.0, -2.0, 0.3], [-2.0, 1.0, 0.3]]))
    points, rng = design(ShareRegion(3), 15), np.random.default_rng(1)
    losses = law(points) + rng.normal(0, 0.01, 15)
    fitted = fit_mixing_law(points, losses, rng, replicates=2)
    assert len(fitted.law.pulls) == 2
    np.testing.assert_allclose(best_shares(Objective((fitted.law,), ONE), ShareRegion(3)), [0.5, 0.5, 0.0], atol=0.02)
    assert chance_of_no_effect(points, losses) < 0.01


def test_the_best_of_two_domains_is_where_calculus_says():
    # a exp(-4 x) + (1 - a) exp(-4 (1 - x)): equal slopes at x = 1/2 + log(a / (1 - a)) / 8.
    laws = (MixingLaw(1.0, np.array([[-4.0, 0.0]])), MixingLaw(1.0, np.array([[0.0, -4.0]])))
    shares = best_shares(Objective(laws, np.array([0.7, 0.3])), ShareRegion(2))
    np.testing.assert_allclose(shares[0], 0.5 + np.log(0.7 / 0.3) / 8, atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(pools=st.integers(2, 6), seed=st.integers(0, 1000), share=st.sampled_from([0.1, 0.3, 0.9]), is_exact=st.booleans())
def test_no_allowed_shares_lose_less_than_the_best_and_the_law_is_convex(pools, seed, share, is_exact):
    rng = np.random.default_rng(seed)
    law = MixingLaw(1.0, rng.normal(0, 2, (2, pools)))
    region = ShareRegion(pools, floor_of([place == 0 for place in range(pools)], share), is_exact)
    best = best_shares(Objective((law,), ONE), region)
    assert region.holds(best)
    others = rng.dirichlet(np.ones(len(region.corners)), 200) @ region.corners
    assert law(best) <= law(others).min() + 1e-5 * law(best)
    first, second = others[:100], others[100:]
    assert (law((first + second) / 2) <= (law(first) + law(second)) / 2 + 1e-12).all()


def test_caps_bound_the_best_shares():
    region = ShareRegion(3, caps=np.array([0.4 - np.eye(3)[0], 0.5 - np.eye(3)[1]]))
    best = best_shares(Objective((MixingLaw(0.0, np.array([[-3.0, -2.0, 0.0]])),), ONE), region)
    np.testing.assert_allclose(best, [0.4, 0.5, 0.1], atol=1e-6)
    with pytest.raises(BadInput, match="no shares meet"):
        least_corner(np.ones(2), ShareRegion(2, caps=np.array([0.4 - np.eye(2)[0], 0.4 - np.eye(2)[1]])))


def test_equal_pools_are_said_to_matter_no_more_often_than_promised():
    points, false = design(ShareRegion(4), 18), 0
    for seed in range(400):
        false += chance_of_no_effect(points, 3 + np.random.default_rng(seed).normal(0, 0.02, 18)) <= 0.05
    assert binom.ppf(0.0005, 400, 0.05) <= false <= binom.ppf(0.9995, 400, 0.05)  # exact for normal errors
    assert chance_of_no_effect(points, np.full(18, 3.0)) == 1.0


@pytest.mark.parametrize("pools", range(1, 9))
def test_a_design_holds_the_corners_and_the_centroid_keeps_the_floor_and_is_the_same_again(pools):
    human = [place % 2 == 0 for place in range(pools)]
    for region in (
        ShareRegion(pools),
        ShareRegion(pools, floor_of(human, 0.3)),
        ShareRegion(pools, floor_of(human, 0.3), is_exact=pools > 1),
    ):
        count = 3 * pools + 6
        points = design(region, count)
        assert len(points) == max(count, len(region.corners) + 1 if len(region.corners) > 1 else count)
        assert region.holds(points).all()
        for point in (*region.corners, region.centroid):
            assert np.isclose(points, point, atol=1e-12).all(axis=1).any()
        np.testing.assert_array_equal(points, design(region, count))
        tests = held_out_design(region, 10, points)
        assert len(tests) == 10 and region.holds(tests).all()
    if pools > 2:
        spread = np.sqrt(((design(ShareRegion(pools), 3 * pools + 6)[:, None] - np.eye(pools)) ** 2).sum(axis=2))
        assert (np.sort(spread, axis=0)[1] > 0.1).all()


def test_a_floor_that_no_pool_can_meet_leaves_nothing():
    assert len(ShareRegion(2, floor_of([False, False], 0.3)).corners) == 0
    assert len(ShareRegion(2, floor_of([True, True], 0.3), is_exact=True).corners) == 0


def test_what_is_too_little_for_a_law_is_said():
    with pytest.raises(NotApplicable, match="at least 6 mixes"):
        fit_mixing_law(np.eye(3), np.ones(3), np.random.default_rng(0))
    with pytest.raises(BadInput, match="above 0"):
        fit_mixing_law(design(ShareRegion(2), 12), np.zeros(12), np.random.default_rng(0))


def test_the_linear_model_is_the_plane_through_losses_on_a_plane():
    points = design(ShareRegion(3), 15)
    np.testing.assert_allclose(fit_linear_model(points, points @ [1.0, 2.0, 4.0]).slopes, [1.0, 2.0, 4.0])
