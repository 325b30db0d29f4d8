"""Can a student beat its best teacher? Closed forms, the theorem's own classifier, the loop, and what is refused."""

import re

import numpy as np
import polars
import pytest

import outcross
from outcross.collapse.closed_forms import answers_of, law_arguments
from outcross.data.framed import TableRows
from outcross.errors import BadInput
from outcross.experiment.arms import arms
from outcross.experiment.file import load
from outcross.experiment.settings import families, flat_settings
from outcross.filters.noisy_check import NoisyCheckFilter
from outcross.laws import expected
from outcross.laws.verifier import linear_accuracy, plurality_accuracy, self_selected_error, verifier_breakdown
from outcross.models import LEARNERS
from outcross.models.draw import Draw
from outcross.models.panel import TeacherPanel
from outcross.recipe import read
from outcross.report.crossings import crossed, crossing
from outcross.report.curves import Curve, CurvePoint, Measured
from outcross.report.response import Response, dealt_to_charts
from outcross.sources.tasks import Halfspace, Sums

pytestmark = pytest.mark.usefixtures("without_charts")

ERRORS = 3
"""Standard errors within which one classifier must lie, as science/mitigation.md §6.5 asks."""
RATES = ((1.0, 1.0), (0.9, 0.3), (0.7, 0.05))
PUBLISHED = {
    (1.0, 1.0): (0.955, 0.790, 0.218, 0.045),
    (0.9, 0.3): (0.954, 0.774, 0.225, 0.049),
    (0.7, 0.05): (0.961, 0.834, 0.157, 0.038),
}
"""Accuracies of one classifier each at p* − .1, − .02, + .02 and + .1 (d = 50, n = 100,000)."""
VERIFIED = {"kind": "noisy_check", "truth": "answer = right", "keeps_correct": 0.9, "keeps_wrong": 0.3}


def small(**more):
    return {
        "name": "small",
        "human": {"kind": "sums", "answers": 5, "rows": 2500},
        "learner": {"kind": "panel", "error": 0.6},
        "generations": 2,
        "metrics": ["answers"],
        "store": "readings",
    } | more


def readings(recipe, generation=1):
    measured = list(outcross.run(outcross.experiment(recipe)))[generation].measured
    return {reading.measure: reading.estimate.value for reading in measured if reading.estimate is not None}


def at_first(measure, arguments):
    """What a closed form says of generation 1."""
    curve = expected(measure=measure, **arguments)
    assert curve is not None
    return curve[1]


@pytest.fixture(scope="module")
def labels():
    """100,000 points of the theorem, with a uniform mark for the teacher's error and one for the verifier's."""
    rng = np.random.default_rng(20261128)
    points = rng.standard_normal((100_000, 50))
    return points, np.where(points[:, 0] > 0, 1.0, -1.0), rng.random(100_000), rng.random(100_000)


@pytest.mark.parametrize("rates", RATES)
def test_the_classifier_of_the_theorem_flips_at_the_breakdown_of_its_verifier(labels, rates):
    points, right, teacher, verifier = labels
    breakdown = verifier_breakdown(*rates)
    for offset, published in zip((-0.1, -0.02, 0.02, 0.1), PUBLISHED[rates], strict=True):
        wrong = min(breakdown + offset, 1.0)
        errs = teacher < wrong
        kept = verifier < np.where(errs, rates[1], rates[0])
        direction = (np.where(errs, -right, right) * kept) @ points
        accuracy = 1 - np.arccos(direction[0] / np.linalg.norm(direction)) / np.pi
        law = linear_accuracy(100_000, 50, wrong, *rates)
        assert (accuracy > 0.5) == (offset < 0) == (law.mean > 0.5)
        assert abs(accuracy - law.mean) < ERRORS * law.spread
        assert abs(published - law.mean) < ERRORS * law.spread
        assert abs(accuracy - published) < ERRORS * np.sqrt(2) * law.spread


def test_a_vote_wins_as_often_as_drawn_counts_say():
    rng = np.random.default_rng(0)
    for right, wrong, rivals, silent in ((12.0, 9.0, 9, 0), (5.0, 6.0, 1, 8), (0.3, 0.2, 3, 2)):
        counts = np.concatenate(
            [rng.poisson(right, (20_000, 1)), rng.poisson(wrong, (20_000, rivals)), np.zeros((20_000, silent))], axis=1
        )
        share = np.mean(np.argmax(counts + 0.5 * rng.random(counts.shape), axis=1) == 0)
        law = plurality_accuracy(right, wrong, rivals, silent)
        assert abs(share - law) < 4 * np.sqrt(law * (1 - law) / 20_000)


def test_likelihood_finds_random_errors_and_confirms_those_that_the_teacher_believes_in():
    assert self_selected_error(0.8, 9, 4) == pytest.approx(0.8**4) and self_selected_error(0.95, 9, 4) == pytest.approx(1 - 0.05**4)
    assert self_selected_error(0.4, 1, 4) == pytest.approx(0.4**4) and self_selected_error(0.5, 1, 4) == 0.5


@pytest.mark.parametrize(("wrong", "ways"), [(0.9, 9), (0.75, 3), (0.8, 4), (0.5, 1), (2 / 3, 2)])
def test_a_teacher_who_holds_all_answers_equally_likely_chooses_by_chance(wrong, ways):
    """1 − .9 and .9/9 differ in the last bits, which must not decide."""
    assert self_selected_error(wrong, ways, 4) == wrong
    panel = TeacherPanel(np.full((1, 1), wrong), np.zeros((1, 0), int), np.zeros((1, 0), bool), ways + 1)
    answers = np.arange(ways + 1)
    columns = {"question": 0 * answers, "right": 0 * answers, "answer": answers, "topic": ["topic 0"] * len(answers)}
    likelihood = panel.likelihood(TableRows(polars.DataFrame(columns), {}), 0 * answers)
    assert (likelihood == likelihood[0]).all()


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"select": [VERIFIED]},
        {"learner": {"kind": "panel", "error": 0.6, "mistakes": "same_answer"}, "select": [VERIFIED]},
        {
            "learner": {"kind": "panel", "error": 0.6, "mistakes": "same_answer"},
            "draw": {"candidates": 2},
            "select": [{"kind": "best_of", "by": {"column": "log_prob"}}],
        },
        {
            "human": {"kind": "halfspace", "dimensions": 10, "rows": 4000},
            "learner": {"kind": "panel", "error": 0.7, "student": "linear_answers"},
            "select": [VERIFIED],
        },
    ],
)
def test_the_loop_obeys_the_closed_forms_over_seeds(more):
    recipe = small(**more)
    runs = [readings(recipe | {"seed": seed}) for seed in range(8)]
    arguments = law_arguments(outcross.experiment(recipe))
    for measure in ("student_gain", "taught_wrong", "taught_correct"):
        values, law = np.array([run[measure] for run in runs]), at_first(measure, arguments)
        spread = values.std(ddof=1)
        if measure == "student_gain" and "human" not in more:  # 25 questions, each answered rightly or not
            accuracy = at_first("answer_accuracy", arguments)
            spread = np.sqrt(accuracy * (1 - accuracy) / 25)
        assert abs(values.mean() - law) <= 6 * spread / np.sqrt(len(runs)), (
            measure,
            values.mean(),
            law,
        )  # t of 7: a false alarm in 2,000


def test_the_control_keeps_the_same_correct_examples_and_no_wrong_one():
    verified, control = (readings(small(select=[VERIFIED | {"keeps_wrong": wrong}])) for wrong in (0.3, 0.0))
    assert verified["taught_correct"] == control["taught_correct"] > 0
    assert control["taught_wrong"] == 0 < verified["taught_wrong"] and control["student_gain"] >= verified["student_gain"]


def test_errors_that_sit_on_the_same_questions_are_copied_by_a_table_and_outvoted_by_a_student_who_sees_the_sum():
    blind = {"kind": "panel", "error": 0.3, "mistakes": "same_questions"}
    sums = {"human": {"kind": "sums", "answers": 10, "rows": 10_000}}
    assert readings(small(learner=blind, **sums))["student_gain"] == 0
    assert readings(small(learner=blind | {"student": {"kind": "plurality", "sees": "sum"}}, **sums))["student_gain"] > 0.1


def test_a_table_of_competence_routes_each_topic_to_its_own_teacher():
    panel = {"kind": "panel", "error": 0.6, "teachers": 2, "specialised": 0.8}
    routed = {"kind": "route", "rule": "table", "by": "topic", "table": {"topic 0": "teacher 0", "topic 1": "teacher 1"}}
    recipe = small(human={"kind": "sums", "answers": 10, "topics": 2, "rows": 4000}, learner=panel, draw={"candidates": 2})
    by_table, by_chance = (readings(recipe | {"select": [route]}) for route in (routed, {"kind": "route", "rule": "random"}))
    half = np.sqrt(0.12 * 0.88 / 4000)
    assert abs(by_table["taught_wrong"] - 0.6 * 0.2) < 4 * half  # p(1 − s)
    assert abs(by_chance["taught_wrong"] - (0.12 + 1.0) / 2) < 4 * np.sqrt(0.25 / 4000)  # min(1, p(1 + s)) on the other topic


@pytest.mark.parametrize("temperature", [0.0, 0.5, 2.0])
def test_a_panel_errs_as_its_law_says_at_every_temperature(temperature):
    source = Sums(answers=4, rows=20_000)
    human = source.open(None, (), np.random.default_rng(0))
    learner = read(LEARNERS, {"kind": "panel", "error": 0.6}, "learner")
    start = learner.begin(human, None, np.random.default_rng(1))
    panel = learner.fit(human.training.records, None, start, None, np.random.default_rng(2))
    drawn = panel.sample(Draw(records=20_000, temperature=temperature), human.training.records, np.random.default_rng(3))
    wrong = np.mean(drawn.column("answer") != drawn.column("right"))
    law = np.array([0.4, 0.2, 0.2, 0.2])
    sharpened = np.where(law == law.max(), 1.0, 0.0) if temperature == 0 else law ** (1 / temperature)
    share = 1 - sharpened[0] / sharpened.sum()
    assert abs(wrong - share) <= 4 * np.sqrt(share * (1 - share) / 20_000)


def test_students_are_saved_and_a_run_that_was_stopped_resumes_to_the_same_readings(tmp_path):
    recipe = small(human={"kind": "sums", "answers": 4, "rows": 300}, generations=3, store="all", select=[VERIFIED])
    whole = outcross.run(recipe, out=tmp_path / "whole").finish()
    begun = outcross.run(recipe, out=tmp_path / "begun")
    next(iter(begun))
    again = outcross.run(recipe, out=tmp_path / "begun").finish()
    assert whole.readings.equals(again.readings)


def test_a_crossing_has_its_interval_over_seeds_and_says_where_there_is_none():
    def line(arm, *values):
        threads = tuple((CurvePoint(1, value),) for value in values)
        return Curve(arm, (CurvePoint(1, float(np.mean(values))),), threads, tuple(range(len(values))))

    curves = [(0.4, line("a", 0.2, 0.1)), (0.6, line("b", -0.2, -0.3))]
    threshold = crossing("same", curves, {"a": 0.5}, [0.2, -0.2])
    assert (
        threshold.measured is not None and threshold.measured.value == pytest.approx((0.5 + 0.45) / 2) and threshold.measured.n == 2
    )
    assert (
        threshold.closed_form == pytest.approx(0.5)
        and "threshold p* = 0.5" in threshold.words
        and "between 0.4 and 0.6" in threshold.words
    )
    never = crossing("control", [*curves[:1], (0.6, line("b", 0.3, 0.1))], {})
    assert never.measured is None and "never below 0 after it was above between 0.4 and 0.6" in never.words
    some = crossing("some", [*curves[:1], (0.6, line("b", -0.3, 0.1))], {})
    assert "1 of 2 seeds cross 0" in some.words
    assert crossed([[threshold], [never]])[0].startswith(
        "A student beats its best teacher if the error rate of the teachers is below 0.475"
    )


def test_no_law_is_told_where_none_is_known():
    for learner in ({"mistakes": "same_questions"}, {"student": {"kind": "plurality", "sees": "sum"}}):
        assert answers_of(outcross.experiment(small(learner={"kind": "panel"} | learner))) is None
    two = small(select=[VERIFIED, {"kind": "random", "share": 0.5}])
    assert law_arguments(outcross.experiment(two)) == {}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"learner": {"kind": "panel", "error": 30}}, r"error must be at most 1, got 30"),
        ({"learner": {"kind": "panel", "mistakes": "often"}}, "mistakes must be 'random', 'same_answer' or 'same_questions'"),
        ({"learner": {"kind": "panel", "student": "gaussian"}}, "student must be plurality or linear_answers"),
        ({"learner": {"kind": "panel", "specialised": 0.5}}, "specialised needs at least two teachers"),
        ({"human": {"kind": "sums", "answers": 1}}, "answers must be at least 2"),
        (
            {"human": {"kind": "sums", "answers": 3, "topics": 4}},
            "topics must be at most 3, the number of values of the first digit, got 4",
        ),
        ({"select": [{"kind": "noisy_check", "truth": "answer ="}]}, "is not a condition"),
        (
            {"select": [{"kind": "noisy_check", "truth": "answer = right", "keeps_correct": 0.0}]},
            "keeps_correct must be above 0",
        ),
        ({"select": ["star"]}, "columns are needed"),
    ],
)
def test_an_experiment_that_is_written_wrongly_is_refused_in_one_line(more, why):
    with pytest.raises(BadInput, match=why) as refused:
        outcross.experiment(small(**more))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (
            {"learner": {"kind": "panel", "teachers": 3, "specialised": 0.5}},
            "3 specialised teachers need the same number of topics each, but there are 1 in all; make human.topics a multiple of 3",
        ),
        (
            {"human": {"kind": "sums", "topics": 4}, "learner": {"kind": "panel", "teachers": 3, "specialised": 0.5}},
            "there are 4 in all; make human.topics a multiple of 3",
        ),
        ({"human": {"kind": "halfspace", "rows": 50}}, "plurality learns questions from a finite list"),
        ({"learner": {"kind": "panel", "student": "linear_answers"}}, "linear_answers learns points with two answers"),
        (
            {
                "human": {"kind": "halfspace", "rows": 50},
                "learner": {"kind": "panel", "student": "linear_answers", "mistakes": "same_questions"},
            },
            "same_questions needs a finite list of questions",
        ),
        ({"human": {"distribution": "normal", "rows": 50}}, "panel learns rows or answers, but the human data are vectors"),
        ({"draw": {"prompts": "none"}}, "panel answers questions, and there are none"),
        ({"draw": {"top_k": 2}}, "top_k and top_p do not apply to panel"),
        ({"chains": 2}, "write chains: 1"),
        ({"select": [{"kind": "noisy_check", "truth": "anwser = right"}]}, "no column 'anwser'; did you mean 'answer'"),
        ({"learner": {"kind": "panel", "error": 1.0}, "select": [VERIFIED | {"keeps_wrong": 0.0}]}, "keeps none of 2,500 records"),
    ],
)
def test_a_run_that_cannot_be_is_refused_in_one_line(more, why):
    with pytest.raises(BadInput, match=why) as refused:
        list(outcross.run(outcross.experiment(small(**more))))
    assert "\n" not in str(refused.value)


def test_points_of_the_theorem_have_two_answers_by_the_side_of_a_plane():
    records = Halfspace(rows=500, dimensions=3).open(None, (), np.random.default_rng(0)).training.records
    assert ((records.column("x0") > 0) == records.column("right")).all() and (
        records.column("answer") == records.column("right")
    ).all()


def test_named_arms_that_are_swept_are_called_by_their_point_and_drawn_by_their_name():
    recipe = small(
        arms=[{"name": "plain"}, {"name": "checked", "select": [VERIFIED]}], sweep={"learner.error": [0.2, 0.5], "seed": [0, 1]}
    )
    swept = arms(recipe)
    assert [arm.name for arm in swept[::2]] == ["plain,error=0.2", "plain,error=0.5", "checked,error=0.2", "checked,error=0.5"]
    kinds = families(flat_settings(swept))
    assert [(kind.setting, kind.among) for kind in kinds] == [("learner.error", "plain"), ("learner.error", "checked")]


def test_many_kinds_of_arms_are_dealt_to_charts_by_the_first_word_of_their_names():
    kinds = [
        Response("learner.error", name, Measured("student_gain", "", {}, {}), ())
        for name in ("a", "a-b", "a,φ=0.9,ψ=0", "b", "b-a", "c", "c-a")
    ]
    assert [[kind.among for kind in chart] for chart in dealt_to_charts(kinds)] == [
        ["a", "a-b", "a,φ=0.9,ψ=0"],
        ["b", "b-a"],
        ["c", "c-a"],
    ]
    assert len(dealt_to_charts(kinds[:6])) == 1


def test_built_in_arms_behind_a_verifier_say_how_often_it_keeps_right_and_wrong_answers():
    for name in ("surpass", "surpass-theorem"):
        for arm in arms(load(name, ())):
            rates = [(part.keeps_correct, part.keeps_wrong) for part in arm.experiment.select if isinstance(part, NoisyCheckFilter)]
            words = [f"φ={correct:g},ψ={wrong:g}" for correct, wrong in rates]
            assert re.findall(r"φ=[\d.]+,ψ=[\d.]+", arm.name) == words and ("φ" in arm.name) == bool(rates)
            assert arm.name.endswith(f",error={arm.experiment.learner.error}")
