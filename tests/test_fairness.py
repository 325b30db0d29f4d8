"""Rates and gaps of a classifier against fairlearn's, and what fairlearn has not: signed differences, intervals at 0, and the floor of a gap."""

import numpy as np
import pytest

from outcross.data.labelled import LabelledPoints
from outcross.estimate import NotApplicable
from outcross.measures.fairness import of_groups
from outcross.statistics.holm import holm
from outcross.statistics.rates import difference, gap, gap_null
from outcross.statistics.sign_flip import sign_flip


def people(n=400, groups=("a", "b", "c"), seed=0):
    rng = np.random.default_rng(seed)
    label, group = rng.integers(0, 2, n), rng.integers(0, len(groups), n)
    return LabelledPoints(rng.random((n, 2)), label, group, ("no", "yes"), groups)


def said_of(points, seed=1):
    """Classes that are right more often in one group than in another."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(points)) < 0.6 + 0.1 * points.group, points.label, 1 - points.label)


def test_rates_and_gaps_are_fairlearns_to_the_last_digits():
    fairlearn = pytest.importorskip("fairlearn.metrics")
    from sklearn.metrics import accuracy_score

    for groups in (("a", "b"), ("a", "b", "c")):
        points = people(groups=groups)
        said = said_of(points)
        own = {(reading.measure, reading.at): reading.estimate.value for reading in of_groups(said, points) if reading.estimate}
        names = np.array(groups)[points.group]
        frame = fairlearn.MetricFrame(
            metrics={
                "group_accuracy": accuracy_score,
                "selection_rate": fairlearn.selection_rate,
                "true_positive_rate": fairlearn.true_positive_rate,
                "false_positive_rate": fairlearn.false_positive_rate,
            },
            y_true=points.label,
            y_pred=said,
            sensitive_features=names,
        )
        for measure in ("group_accuracy", "selection_rate", "true_positive_rate", "false_positive_rate"):
            for group in groups:
                assert own[measure, group] == pytest.approx(frame.by_group[measure][group], abs=1e-12)
        theirs = {
            "accuracy": frame.overall["group_accuracy"],
            "accuracy_gap": frame.difference()["group_accuracy"],
            "worst_group_accuracy": frame.group_min()["group_accuracy"],
            "demographic_parity_gap": fairlearn.demographic_parity_difference(points.label, said, sensitive_features=names),
            "equalised_odds_gap": fairlearn.equalized_odds_difference(points.label, said, sensitive_features=names),
        }
        for measure, value in theirs.items():
            assert own[measure, ""] == pytest.approx(value, abs=1e-12), measure


def test_the_floor_of_a_gap_holds_its_golden_value_and_a_simulation():
    assert round(gap_null([[5000, 5000]], [0.5]).typical, 4) == 0.0080
    rng = np.random.default_rng(0)
    sizes = [200, 300, 500]
    drawn = np.ptp(rng.binomial(sizes, 0.3, (20_000, 3)) / sizes, axis=1)
    null = gap_null([sizes], [0.3])
    assert null.typical == pytest.approx(drawn.mean(), rel=0.03) and null.floor == pytest.approx(np.quantile(drawn, 0.95), rel=0.04)


@pytest.mark.parametrize("rates", [(0.5, 0.5), (0.3, 0.3), (0.4, 0.5), (0.5, 0.5, 0.5)])
def test_the_interval_of_a_gap_holds_it_at_zero_too(rates):
    """3,000 sets: of a 95 % interval 93.8 % at least hold the truth (three standard errors below)."""
    rng, n, truth = np.random.default_rng(2), 200, max(rates) - min(rates)
    counts = rng.binomial(n, rates, (3000, len(rates)))
    inside = [
        (interval := gap([(int(count), n) for count in row])).low <= truth + 1e-12 and truth <= interval.high for row in counts
    ]
    assert np.mean(inside) > 0.938


def test_a_signed_difference_is_newcombes():
    interval = difference((56, 70), (48, 80))  # his example: .2, and .0524 to .3339
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.0524, 0.3339)
    assert gap([(56, 70), (48, 80)]).value == pytest.approx(0.2)
    with pytest.raises(NotApplicable, match="no record of this kind"):
        difference((0, 0), (1, 2))


def test_a_classifier_that_never_says_a_class_has_no_rates_and_says_so():
    points = people()
    readings = {reading.measure: reading for reading in of_groups(np.zeros(len(points), dtype=int), points)}
    for measure in ("demographic_parity_gap", "equalised_odds_gap", "selection_rate"):
        assert readings[measure].estimate is None and "never predicts the class 'yes'" in readings[measure].note
    assert readings["accuracy"].estimate is not None and readings["accuracy_gap"].estimate is not None


def test_a_group_without_a_record_has_a_reason_in_place_of_a_rate():
    points = people(groups=("a", "b"))
    alone = LabelledPoints(points.array, points.label, np.zeros(len(points), dtype=int), points.classes, points.groups)
    readings = {(reading.measure, reading.at): reading for reading in of_groups(said_of(alone), alone)}
    assert (
        "no record of this kind" in readings["selection_rate", "b"].note
        and "no record of this kind" in readings["demographic_parity_gap", ""].note
    )


def test_the_sign_flip_test_counts_flips_and_holm_corrects():
    assert sign_flip([1.0] * 10) == 2 / 1024
    assert sign_flip([1, -1]) == 1.0 and holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
