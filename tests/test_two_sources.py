"""Shares of two sources, against closed forms, another library, and their own coverage."""

import numpy as np
import pytest

from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.statistics.false_alarms import least_sample, rank_of, realised, weight_above
from outcross.statistics.mixture_fit import mixture_fit
from outcross.statistics.two_sources import (
    ScoredSample,
    adjusted_count,
    at_least,
    count_and_classify,
    effective_size,
    efficient_moment,
    expected_share,
    independent,
    most_likely_share,
    share_by_moments,
)

DISTANCE = 2 / 1.5


def gaussian_chances(rng, share, n):
    """Two normal laws 2/1.5 apart: the chances of the second where both are as frequent (science/mitigation.md §5.6 b)."""
    values = rng.normal(size=n) + DISTANCE * (np.arange(n) < share * n)
    return 1 / (1 + np.exp(-(DISTANCE * values - DISTANCE**2 / 2)))


@pytest.mark.parametrize(("share", "naive"), [(0.05, 0.275), (0.2, 0.353), (0.5, 0.5)])
def test_em_finds_the_share_where_counting_does_not(share, naive):
    chances = gaussian_chances(np.random.default_rng(0), share, 10_000)
    assert abs(expected_share(chances, 0.5) - share) < 0.02
    assert count_and_classify(chances) == pytest.approx(naive, abs=0.015)


def test_em_and_adjusted_count_are_those_of_a_quantification_library():
    mlquantify = pytest.importorskip("mlquantify.likelihood", reason="mlquantify is not installed")
    counting = pytest.importorskip("mlquantify.counting")
    rng = np.random.default_rng(1)
    train, test = gaussian_chances(rng, 0.5, 4000), gaussian_chances(rng, 0.15, 3000)
    labels = (np.arange(4000) < 2000).astype(int)
    both = [np.stack((1 - chances, chances), axis=1) for chances in (test, train)]
    theirs = mlquantify.EMQ(max_iter=10_000, tol=1e-10).aggregate(*both, labels)
    assert expected_share(test, 0.5) == pytest.approx(theirs[1], abs=1e-4)
    flagged, false_alarms, hits = (float((own > 0.5).mean()) for own in (test, train[labels == 0], train[labels == 1]))
    counted = counting.TAC(threshold=0.5).aggregate(*both, labels)
    assert adjusted_count(flagged, false_alarms, hits) == pytest.approx(counted[1], abs=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 1.0])
def test_moments_cover_the_share_and_lose_little_to_the_likelihood(share):
    """Over 200 sets of 1,000: 95 % intervals, and inside (0, 1) a standard deviation within a quarter of the maximum likelihood's, which knows both densities."""
    rng = np.random.default_rng(2)
    covered, values, likeliest, widths = [], [], [], []
    for _ in range(200):
        mixed, human, model = (
            DISTANCE * (rng.normal(size=n) + DISTANCE * is_model) - DISTANCE**2 / 2
            for n, is_model in ((1000, rng.random(1000) < share), (1500, 0), (1500, 1))
        )
        start = most_likely_share(np.exp(mixed))
        estimate = share_by_moments(*independent(*(efficient_moment(own, start) for own in (mixed, human, model))), "moments")
        covered.append(estimate.low <= share <= estimate.high)
        values.append(estimate.value)
        widths.append(estimate.high - estimate.low)
        likeliest.append(start)
    assert np.mean(covered) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 200)
    assert min(widths) > 0.01  # no interval is without length, at the ends neither
    assert abs(np.mean(values) - share) < 0.012  # cut to [0, 1] at the ends
    if 0 < share < 1:
        assert np.std(values) < 1.25 * np.std(likeliest)


def test_moments_need_no_right_densities():
    """Log-ratios that are twice too large and shifted give the same share, within its interval: all three means are of one function."""
    rng = np.random.default_rng(3)
    mixed = rng.normal(size=20_000) + DISTANCE * (np.arange(20_000) < 4000)
    sides = (mixed, rng.normal(size=20_000), rng.normal(size=20_000) + DISTANCE)
    estimate = share_by_moments(*independent(*(efficient_moment(3 * own + 1, 0.4) for own in sides)), "moments")
    assert estimate.low <= 0.2 <= estimate.high
    assert abs(estimate.value - 0.2) < 0.02


def test_records_of_a_group_count_as_one():
    rng = np.random.default_rng(4)
    once = rng.normal(size=300)
    copied = ScoredSample(np.repeat(once, 10), np.repeat(np.arange(300), 10))
    sides = rng.normal(size=300), rng.normal(size=300) + 3
    whole, repeated = (share_by_moments(own, *independent(*sides), "moments") for own in (*independent(once), copied))
    assert (repeated.value, repeated.low, repeated.high) == pytest.approx((whole.value, whole.low, whole.high))


@pytest.mark.parametrize("are_paired", [False, True])
def test_samples_that_share_their_groups_are_not_independent(are_paired):
    """Human texts and their rewrites share subjects: the means of both samples move together, so the share is less sure. 400 sets, a share of a half."""
    rng = np.random.default_rng(11)
    covered = []
    for _ in range(400):
        subject = rng.normal(size=(3, 300))
        mixed = ScoredSample(subject[0] + rng.normal(size=300) + 3 * (rng.random(300) < 0.5), np.arange(300))
        human = ScoredSample(subject[1] + rng.normal(size=300), np.arange(300))
        own = subject[1] if are_paired else subject[2]
        model = ScoredSample(own + 3 + rng.normal(size=300), np.arange(300) + (0 if are_paired else 300))
        estimate = share_by_moments(mixed, human, model, "moments")
        covered.append(estimate.low <= 0.5 <= estimate.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 400))


def test_sources_that_do_not_differ_give_no_share():
    rng = np.random.default_rng(5)
    with pytest.raises(NotApplicable, match="do not differ"):
        share_by_moments(*independent(*rng.normal(size=(3, 200))), "moments")
    with pytest.raises(NotApplicable, match="has no information"):
        adjusted_count(0.5, 0.6, 0.5)
    with pytest.raises(BadInput, match="calibration"):
        expected_share(np.array([0.5]), 0.0)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_least_share_is_a_lower_limit(share):
    """Of 200 sets at most a few have a limit above the truth, whatever the other source is; far from the known one it comes near to it."""
    rng = np.random.default_rng(6)
    above, lows = 0, []
    for _ in range(200):
        mixed = rng.normal(size=1000) + 4 * (rng.random(1000) < share)
        limit = at_least(*independent(mixed, rng.normal(size=1000)))
        above += limit.low > share
        lows.append(limit.low)
    assert above <= 10
    assert limit.high == 1.0
    assert np.mean(lows) > share - 0.15


def test_a_share_of_records_that_are_told_apart_perfectly_has_the_interval_of_a_count():
    """300 records of which .5 % are of the second source: none is among them in 22 of 100 sets, and 0 is not known without error then either."""
    rng = np.random.default_rng(8)
    human, model = np.full(200, -1.0), np.full(200, 1.0)
    inside = 0
    for _ in range(200):
        mixed = np.where(rng.random(300) < 0.005, 1.0, -1.0)
        estimate = share_by_moments(*independent(mixed, human, model), "moments")
        inside += estimate.low <= 0.005 <= estimate.high
    assert inside >= 190


def test_a_group_of_the_set_counts_as_one_record_in_a_lower_limit():
    """100 records of the known source, each of them 20 times: nothing is unlike it, in at least 95 of 100 sets. As 2,000 records they seem to be."""
    rng = np.random.default_rng(5)
    above = np.zeros(2)
    for _ in range(100):
        mixed, human = np.repeat(rng.normal(size=100), 20), rng.normal(size=2000)
        for place, groups in enumerate((np.repeat(np.arange(100), 20), np.arange(2000))):
            above[place] += at_least(ScoredSample(mixed, groups), ScoredSample(human, np.arange(2000))).low > 0
    assert above[0] <= 5 < above[1]


def test_thresholds_at_a_rate():
    assert rank_of(0.01, 1000) == 991
    rate = realised(0.01, 1000)
    assert (round(100 * rate.low, 2), round(100 * rate.high, 2)) == (0.48, 1.70)
    with pytest.raises(NotApplicable, match="at least 99"):
        rank_of(0.01, least_sample(0.01) - 1)


def test_the_realised_rate_is_its_beta_law():
    """Normal scores: the rate above the threshold of 199 human ones, over 2,000 samples, has the mean and the central 95 % that are stated."""
    from scipy.special import ndtr

    rng = np.random.default_rng(7)
    samples = np.sort(rng.normal(size=(2000, 199)), axis=1)
    rates = 1 - ndtr(samples[:, rank_of(0.05, 199) - 1])
    rate = realised(0.05, 199)
    assert rates.mean() == pytest.approx(rate.expected, abs=3 * rates.std() / np.sqrt(2000))
    assert np.mean((rates >= rate.low) & (rates <= rate.high)) == pytest.approx(0.95, abs=0.015)


def test_weights_above_are_ranks():
    rng = np.random.default_rng(8)
    human, scores = rng.normal(size=199), rng.normal(size=500)
    is_flagged = (1 + weight_above(scores, human, np.ones(199))) / 200 <= 0.05
    assert (is_flagged == (scores > np.sort(human)[rank_of(0.05, 199) - 1])).all()


def test_a_mixture_fits_and_another_set_does_not():
    rng = np.random.default_rng(9)
    first, second = rng.normal(size=(800, 12)), rng.normal(size=(800, 12)) + np.linspace(0, 1, 12)
    groups = (np.arange(600), np.arange(800), np.arange(800, 1600))
    chances = []
    for _ in range(200):
        mixed = rng.normal(size=(600, 12)) + np.linspace(0, 1, 12) * (rng.random((600, 1)) < 0.3)
        chances.append(mixture_fit([mixed, first, second], groups).p)
    assert np.mean(np.array(chances) <= 0.05) < 0.2  # the calibration samples are the same ones in all 200
    strange = rng.normal(size=(600, 12))
    strange[:, 0] += 0.5  # the sources do not differ there
    assert mixture_fit([strange, first, second], groups).p < 1e-4
    groups = (np.arange(300), np.arange(300), np.arange(300, 600))
    fresh = [mixture_fit([*rng.normal(size=(2, 300, 5)), rng.normal(size=(300, 5)) + 0.5], groups).p for _ in range(400)]
    assert np.mean(np.array(fresh) <= 0.05) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 400))


def test_the_level_holds_for_as_many_features_as_words_of_style():
    """Of 34 features and 300 groups on each side. With the degrees of freedom of the smallest side alone, 2 % of true mixtures would be refused."""
    rng, groups = np.random.default_rng(11), (np.arange(300), np.arange(300), np.arange(300, 600))
    fresh = [mixture_fit([*rng.normal(size=(2, 300, 34)), rng.normal(size=(300, 34)) + 0.5], groups).p for _ in range(1000)]
    assert np.mean(np.array(fresh) <= 0.05) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 1000))


def test_a_mixture_of_samples_that_share_their_subjects_fits():
    """Human texts and their rewrites have a subject in common. Where the two samples are taken for independent, a true mixture is refused in 14 % of sets."""
    rng = np.random.default_rng(10)
    chances = []
    for _ in range(400):
        subject, own = rng.normal(size=(300, 5)), rng.normal(size=(300, 5))
        first, second = (subject + 0.3 * rng.normal(size=(300, 5)) + shift for shift in (0, 0.5))
        mixed = own + 0.3 * rng.normal(size=(300, 5)) + 0.5 * (rng.random((300, 1)) < 0.5)
        chances.append(
            [mixture_fit([mixed, first, second], (np.arange(300), np.arange(300), np.arange(300) + start)).p for start in (0, 300)]
        )
    paired, apart = (np.array(chances) <= 0.05).mean(axis=0)
    assert paired == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 400))
    assert apart > 0.1


def test_effective_size():
    assert effective_size(np.full(7, 0.3)) == pytest.approx(7)
    with pytest.raises(NotApplicable):
        effective_size(np.zeros(3))
