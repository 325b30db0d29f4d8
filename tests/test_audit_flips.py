"""Labels that were flipped: what the order of predictions does not show, their loss and their calibration do."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from outcross.data.tables import alike, table
from outcross.estimate import Reading
from outcross.measures import Evidence
from outcross.measures.use import Use
from outcross.statistics.prediction import EncodedRecords, calibration_slope, losses, squared_errors
from outcross.verbs.audit.judgement import judge

ADULT = Path(os.environ.get("OUTCROSS_DATA") or Path(__file__).parents[2] / "shared" / "data") / "tabular_synthetic" / "adult"
LINEAR = ("linear model",)
KL = 0.9 * math.log(0.9 / 0.82) + 0.1 * math.log(0.1 / 0.18)


def only_readings(answers) -> list[Reading]:
    """What is read, without the curves of reliability."""
    return [answer for answer in answers if isinstance(answer, Reading)]


def readings(synthetic: pl.DataFrame, reference: pl.DataFrame, target: str, seed: int = 0, learners=LINEAR) -> dict:
    human, drawn = alike([table(reference, "reference"), table(synthetic, "synthetic")]).tables
    measured = only_readings(
        Use(learners=learners)(Evidence(drawn=drawn, reference=human, target=target), np.random.default_rng(seed))
    )
    judged = judge({"use": measured}, {}, 0.05, synthetic.height, reference.height)
    return {
        (judgement.reading.measure, judgement.reading.at): (judgement.verdict, judgement.reading.estimate) for judgement in judged
    }


def flipped(frame: pl.DataFrame, target: str, share: float, rng: np.random.Generator) -> pl.DataFrame:
    first, second = sorted(frame[target].unique().to_list())
    labels = frame[target].to_numpy()
    other = np.where(labels == first, second, first)
    return frame.with_columns(pl.Series(target, np.where(rng.random(frame.height) < share, other, labels)))


def of_classes(chance: float, n: int) -> tuple[np.ndarray, EncodedRecords]:
    target = np.repeat([0, 1], [round(n * (1 - chance)), round(n * chance)])
    return np.tile([1 - chance, chance], (n, 1)), EncodedRecords(np.empty((n, 0)), np.empty((n, 0), int), target)


def test_the_excess_log_loss_of_a_tenth_of_flips_is_its_divergence():
    """At η = .9 flips of 10 % make .82 of it: KL(.9 ‖ .82) = .02500."""
    right, records = of_classes(0.9, 1000)
    timid = np.tile([0.18, 0.82], (1000, 1))
    assert pytest.approx(0.02500, abs=5e-6) == KL
    assert float((losses(timid, records) - losses(right, records)).mean()) == pytest.approx(KL, abs=1e-12)
    assert float((squared_errors(timid, records) - squared_errors(right, records)).mean()) == pytest.approx(2 * 0.08**2, abs=1e-12)


def test_the_slope_is_coxs():
    """By scikit-learn's logistic regression without a penalty; its error is the spread over repeats."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)

    def drawn(n: int, classes: int) -> tuple[np.ndarray, EncodedRecords]:
        logits = rng.normal(size=(n, classes))
        truth = np.exp(1.5 * logits) / np.exp(1.5 * logits).sum(axis=1, keepdims=True)
        target = (rng.random((n, 1)) > np.cumsum(truth, axis=1)).sum(axis=1)
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), EncodedRecords(
            np.empty((n, 0)), np.empty((n, 0), int), target
        )

    chances, records = drawn(2000, 2)
    slope, _ = calibration_slope(chances, records)
    logit = np.log(chances[:, 1] / chances[:, 0])[:, None]
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit, records.target)
    assert slope == pytest.approx(float(fitted.coef_[0, 0]), rel=1e-5)
    many = [calibration_slope(*drawn(400, 3)) for _ in range(200)]
    slopes = np.array([slope for slope, _ in many])
    assert slopes.mean() == pytest.approx(1.5, abs=4 * slopes.std() / math.sqrt(200) + 0.03)
    assert np.mean([parts.std(ddof=1) / math.sqrt(400) for _, parts in many]) == pytest.approx(slopes.std(ddof=1), rel=0.2)


def test_the_slope_of_numbers_is_that_of_their_line():
    rng = np.random.default_rng(2)
    predicted = rng.normal(size=500)
    records = EncodedRecords(np.empty((500, 0)), np.empty((500, 0), int), 0.7 * predicted + rng.normal(size=500))
    slope, parts = calibration_slope(predicted, records)
    assert slope == pytest.approx(float(np.polyfit(predicted, records.target, 1)[0]), abs=1e-12)
    assert parts.mean() == pytest.approx(0.0, abs=1e-12)


def test_flips_cost_the_log_loss_of_the_closed_form():
    """A label that is .9 whatever the record: the ratio of losses is 1 + KL(.9 ‖ .82) / H(.9)."""
    rng = np.random.default_rng(3)
    sets = [pl.DataFrame({"x": rng.normal(size=6000), "label": np.where(rng.random(6000) < 0.9, "yes", "no")}) for _ in range(2)]
    _, estimate = readings(flipped(sets[1], "label", 0.1, rng), sets[0], "label")["loss", "linear model"]
    truth = 1 + KL / -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert estimate.low <= truth <= estimate.high and estimate.low > 1


adult = pytest.mark.skipif(not ADULT.exists(), reason=f"there is no {ADULT}; set OUTCROSS_DATA to the folder that holds it")


@pytest.fixture(scope="module")
def people() -> pl.DataFrame:
    return pl.concat([pl.read_parquet(ADULT / f"real_{side}.parquet") for side in ("train", "holdout")])


@adult
@pytest.mark.parametrize("seed", range(3))
def test_a_tenth_of_flips_is_found_in_5000_records(people, seed):
    rng = np.random.default_rng([4, seed])
    order = rng.permutation(people.height)
    reference, other = people[order[:5000]], people[order[5000:10_000]]
    values = readings(flipped(other, "income", 0.1, rng), reference, "income", seed)
    assert values["timid", "linear model"][0] == "lost"
    assert values["loss", "linear model"][1].low > 1
    # The order of predictions hardly changes: what a symmetric flip does is not to be seen there.
    assert values["discrimination", "linear model"][0] in ("kept", "cannot_tell")


@adult
def test_honest_splits_raise_no_alarm(people):
    """60 pairs of 500 records: 0 of 60 shows at most 4.9 % (95 %). Levels by exact binomial tests at one in a thousand over all checks."""
    repeats, alarms, p = 60, 0, {}
    rng, some = np.random.default_rng(5), people.select("age", "education-num", "marital-status", "hours-per-week", "income")
    for seed in range(repeats):
        order = rng.permutation(some.height)
        human, drawn = alike([table(some[order[:500]], "reference"), table(some[order[500:1000]], "synthetic")]).tables
        measured = only_readings(
            Use(learners=LINEAR)(Evidence(drawn=drawn, reference=human, target="income"), np.random.default_rng(seed))
        )
        alarms += any(judgement.verdict == "lost" for judgement in judge({"use": measured}, {}, 0.05, 500, 500))
        for reading in measured:
            if reading.null is not None:
                p.setdefault(reading.measure, []).append(reading.null.p)
    assert alarms == 0
    for measure, values in p.items():
        for level in (0.01, 0.05, 0.1):
            most_alarms = binom.isf(0.001 / (3 * len(p)), len(values), level)
            assert (np.array(values) <= level).sum() <= most_alarms, (measure, level)
