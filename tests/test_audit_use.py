"""What the use aspect finds, and how seldom it cries wolf."""

from __future__ import annotations

import numpy as np
import pytest

from outcross.data.tables import alike, table
from outcross.estimate import Reading
from outcross.measures import Evidence
from outcross.measures.use import Use, strongest_of, unfairness
from outcross.verbs.audit.judgement import judge

LEVELS = (0.01, 0.05, 0.1)
LINEAR = ("linear model",)
KINDS = {"x": "number", "w": "number", "job": "category", "sex": "category"}


def people(rng: np.random.Generator, n: int, signal: float = 1.0) -> dict:
    """A heavy-tailed number, a job and a sex of which an income hangs, and a number that says nothing; without signal income hangs on nothing."""
    x, w = rng.standard_t(4, size=(2, n))
    job, sex = rng.choice(list("abc"), size=n), np.where(rng.random(n) < 0.4, "f", "m")
    worth = signal * (x + 0.5 * (job == "a") - 0.8 * (sex == "f")) + rng.normal(size=n)
    return {"x": x, "w": w, "job": job, "sex": sex, "income": np.where(worth > 0.5, "high", "low"), "worth": worth}


def compared(synthetic, reference, holdout=None, target: str | None = "income", groups: tuple[str, ...] = ()) -> Evidence:
    kinds = KINDS | {"income": "category", "worth": "number"}
    hidden = {"income", "worth"} - {target}
    without_hidden = [
        {name: values for name, values in side.items() if name not in hidden}
        for side in (reference, synthetic, holdout)
        if side is not None
    ]
    tables = alike(
        [
            table(side, name, kinds={k: v for k, v in kinds.items() if k in side})
            for side, name in zip(without_hidden, ("reference", "synthetic", "holdout"), strict=False)
        ]
    ).tables
    return Evidence(
        drawn=tables[1], reference=tables[0], holdout=tables[2] if holdout is not None else None, groups=groups, target=target
    )


def readings(answers) -> list[Reading]:
    """What is read, without the curves of reliability."""
    return [answer for answer in answers if isinstance(answer, Reading)]


def verdicts(findings: list[Reading], rows: int) -> dict[tuple[str, str, str], str]:
    return {
        (judgement.reading.measure, judgement.reading.at, judgement.reading.group): judgement.verdict
        for judgement in judge({"use": findings}, {}, 0.05, rows, rows)
    }


@pytest.mark.parametrize("target", ["income", "worth"])
def test_real_data_seldom_look_less_useful_than_real_data(target):
    """By an exact binomial test of every check and level that all honest checks together fail once in a thousand times."""
    from scipy.stats import binom

    settings: dict[tuple[str, str, str], list[float]] = {}
    for i in range(36):
        rng = np.random.default_rng([30, i])
        asked = compared(people(rng, 240), people(rng, 300), people(rng, 300), target, ("sex",))
        for reading in readings(Use(learners=LINEAR, fits=2)(asked, rng)):
            if reading.null is not None:
                settings.setdefault((reading.measure, reading.at, reading.group), []).append(reading.null.p)
    assert len(settings) >= 5
    for where, p in settings.items():
        for level in LEVELS:
            assert (np.array(p) <= level).sum() <= binom.isf(0.001 / (len(LEVELS) * len(settings)), len(p), level), (where, level)


@pytest.mark.parametrize("target", ["income", "worth"])
def test_another_draw_is_as_useful_and_one_without_signal_is_not(target):
    rng = np.random.default_rng(1)
    human, more, again, noise = (people(rng, 6000, signal) for signal in (1, 1, 1, 0))
    same = verdicts(readings(Use()(compared(again, human, more, target, ("sex",)), rng)), 6000)
    assert "lost" not in same.values()
    by_place = verdicts(readings(Use()(compared(noise, human, more, target, ("sex",)), rng)), 6000)
    for learner in ("boosted trees", "linear model"):
        assert by_place["loss", learner, ""] == by_place["mixed_loss", learner, ""] == "lost"
    # A line fitted to noise points anywhere, so that its area is sure of little.
    assert by_place["discrimination", "boosted trees", ""] == "lost" and by_place["discrimination", "linear model", ""] != "kept"
    assert by_place["loss_inside", "boosted trees", "sex=f"] == "lost"


def test_models_of_a_wide_table_learn_from_the_columns_that_go_with_the_target_in_both_sets():
    """Eighty columns, of which three tell the target on one side and three others on the other: all six are among the 64."""
    rng = np.random.default_rng(14)
    telling = {"synthetic": ["n1", "n30", "c2"], "reference": ["n7", "n55", "c9"]}
    sides = {}
    for name in telling:
        numbers = {f"n{i}": rng.normal(size=600) for i in range(60)}
        categories = {f"c{i}": rng.integers(0, 4, 600) for i in range(20)}
        worth = sum(
            (column - column.mean()) / column.std() for key, column in (numbers | categories).items() if key in telling[name]
        )
        target = {"target": np.where(worth + rng.normal(size=600) > 0, "yes", "no")}
        sides[name] = numbers | {key: values.astype(str) for key, values in categories.items()} | target
    kinds = {column: "number" if column[0] == "n" else "category" for column in sides["reference"]}
    tables = alike([table(sides[name], name, kinds=kinds) for name in ("reference", "synthetic")]).tables
    evidence = Evidence(drawn=tables[1], reference=tables[0], target="target")
    chosen = strongest_of(evidence, "target", [column for column in kinds if column != "target"])
    assert len(chosen) == 64 and {*telling["synthetic"], *telling["reference"]} <= {*chosen}
    [first, *_] = readings(Use(learners=LINEAR)(evidence, np.random.default_rng(0)))
    assert first.note.endswith("from the 64 of 80 columns with the strongest association with the target in both sets")


def test_without_a_holdout_all_of_the_reference_is_the_test():
    rng = np.random.default_rng(2)
    first = next(iter(Use(learners=LINEAR)(compared(people(rng, 900), people(rng, 1000)), rng)))
    assert first.estimate is not None and first.estimate.n == 1000
    assert first.note.endswith(
        "; 4 fits per side of 675 records each, tested on 1,000 of the reference by fits that left them out; the generator may have seen them"
    )


def test_each_reading_says_which_loss_would_be_found():
    """A loss as far beyond the tolerance as the interval reaches and .84 standard errors more, which chance reaches in four of five audits."""
    rng = np.random.default_rng(2)
    first = next(iter(Use(learners=LINEAR)(compared(people(rng, 900), people(rng, 1000)), rng)))
    low, high = first.estimate.interval
    expected = np.exp(np.log(1 / 0.9) + (1 + 0.8416 / 1.95996) * np.log(high / low) / 2)
    assert first.note.startswith(f"a value of {expected:.3g} would be detected; ")


def test_a_model_of_prejudiced_records_is_less_fair():
    rng = np.random.default_rng(3)
    human, more, unfair = (people(rng, 6000) for _ in range(3))
    unfair = unfair | {"income": np.where(unfair["sex"] == "f", "low", unfair["income"])}
    by_place = verdicts(readings(Use()(compared(unfair, human, more, "income", ("sex",)), rng)), 6000)
    assert by_place["parity", "boosted trees, by sex", ""] == by_place["equalized_odds", "boosted trees, by sex", ""] == "lost"


def test_differences_of_parity_and_odds_are_those_of_fairlearn():
    metrics = pytest.importorskip("fairlearn.metrics")
    rng = np.random.default_rng(8)
    groups, target = rng.integers(0, 3, 600), rng.integers(0, 2, 600)
    chosen = (rng.random(600) < 0.3 + 0.1 * groups + 0.2 * target).astype(int)
    weights = np.concatenate([np.ones((1, 600)), rng.multinomial(600, np.full(600, 1 / 600), 3)])
    for is_odds, theirs in ((False, metrics.demographic_parity_difference), (True, metrics.equalized_odds_difference)):
        ours = unfairness(chosen, target, groups, weights, is_odds)
        repeated = [np.repeat(np.arange(600), weight.astype(int)) for weight in weights]
        assert ours == pytest.approx([theirs(target[rows], chosen[rows], sensitive_features=groups[rows]) for rows in repeated])


def test_a_class_that_is_gone_costs_much_but_not_infinitely_much():
    rng = np.random.default_rng(4)
    human, more, one_class = people(rng, 2000), people(rng, 2000), people(rng, 2000)
    one_class = one_class | {"income": np.full(2000, "low")}
    settings = {
        (reading.measure, reading.at): reading.estimate for reading in readings(Use()(compared(one_class, human, more), rng))
    }
    assert settings["loss", "boosted trees"].value > 2
    assert settings["discrimination", "linear model"].value < -0.2


@pytest.mark.parametrize(
    ("change", "target", "why"),
    [
        ({}, None, "no target column was named; pass one, for example --target income"),
        ({}, "wealth", "no column 'wealth' is in both sets"),
        ({"income": ["low"] * 300}, "income", "the target 'income' has one value in the reference"),
        ({"income": [f"class {i}" for i in range(300)]}, "income", "classes in the reference; a target must have 2 to 30"),
        ({"worth": [1.5] * 300}, "worth", "the target 'worth' is constant"),
        ({"income": [None] * 299 + ["low"]}, "income", "the target 'income' has one value"),
    ],
)
def test_a_target_that_cannot_be_predicted_is_said_to_be_one(change, target, why):
    rng = np.random.default_rng(5)
    human = people(rng, 300) | change
    (reading,) = list(Use()(compared(people(rng, 300), human, people(rng, 300), target), rng))
    assert reading.estimate is None and why in reading.note


def test_few_records_are_said_to_be_few():
    rng = np.random.default_rng(6)
    (reading,) = list(Use()(compared(people(rng, 66), people(rng, 300)), rng))
    assert "48 records for training" in reading.note


def test_fairness_of_many_classes_is_not_applicable():
    rng = np.random.default_rng(7)
    sets = [
        persons | {"income": rng.choice(["low", "middle", "high"], size=900)} for persons in (people(rng, 900) for _ in range(3))
    ]
    parity = [
        reading for reading in readings(Use(learners=LINEAR)(compared(*sets, groups=("sex",)), rng)) if reading.measure == "parity"
    ]
    assert [reading.note for reading in parity] == ["fairness needs a target with two classes; the target 'income' has 3"]


def test_the_area_and_its_error_are_those_of_the_textbook():
    from sklearn.metrics import roc_auc_score

    from outcross.statistics.prediction import EncodedRecords, discrimination

    rng = np.random.default_rng(8)

    def drawn(n: int) -> tuple[float, np.ndarray]:
        target = (rng.random(n) < 0.3).astype(int)
        score = np.round(1 / (1 + np.exp(-target - rng.normal(size=n))), 2)
        records = EncodedRecords(np.empty((n, 0)), np.empty((n, 0), int), target)
        area, parts = discrimination(np.stack([1 - score, score], axis=1), records)
        assert area == pytest.approx(roc_auc_score(target, score), abs=1e-12)
        return area, parts

    areas = [drawn(300) for _ in range(400)]
    mean_error = np.mean([parts.std(ddof=1) / np.sqrt(300) for _, parts in areas])
    # The standard error of a standard deviation of 400 repeats is 3.5 %.
    assert mean_error == pytest.approx(np.std([area for area, _ in areas], ddof=1), rel=0.11)
