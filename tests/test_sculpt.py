"""Students of several sizes on data that were chosen for a goal: the teacher and the student, the skill that is checked, and who equals whom."""

import numpy as np
import pytest

import outcross
from outcross.errors import BadInput
from outcross.estimate import NotApplicable
from outcross.filters.of_records import RecordCandidates
from outcross.measures.sculpted import sums_right
from outcross.models import LEARNERS
from outcross.models.draw import Draw
from outcross.models.ngram import Ngram
from outcross.recipe import read
from outcross.report.curves import Curve, CurvePoint, Measured
from outcross.report.frontier import frontier_sentences
from outcross.sources.sums_in_text import drill, line, with_sums
from outcross.statistics.frontier import equal_size, judged_students
from outcross.text.gathering import Document

NGRAM = {"kind": "ngram", "order": 3, "vocabulary": 300}
WORDS = ["the", "old", "fox", "walks", "over", "a", "green", "hill", "and", "sleeps", "under", "snow", "by", "night"]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("text") / "texts.txt"
    path.write_text("\n\n".join(" ".join(rng.choice(WORDS, 60)) + "." for _ in range(40)))
    return str(path)


def small(text, **more):
    return {
        "name": "small",
        "human": {"path": text, "rows": 40, "held_out": 0.2},
        "block": 16,
        "learner": {"kind": "apprentice", "teacher": NGRAM | {"order": 4}, "student": NGRAM | {"order": 2}},
        "draw": {"prompts": "human", "candidates": 2},
        "select": [{"kind": "best_of", "by": "type_token"}],
        "generations": 2,
        "metrics": ["sculpted", "held_out"],
    } | more


def values(readings):
    return {reading.measure: reading.estimate.value for reading in readings if reading.estimate is not None and not reading.at}


def test_every_document_of_sums_holds_right_sums_and_they_have_their_share_of_the_text():
    for number in range(19):
        lines = drill(number).splitlines()
        assert len(set(lines)) == 40 and set(lines) <= {line(number) for number in range(100)}
    assert all((int(sum_line[0]) + int(sum_line[4])) % 10 == int(sum_line[8]) for sum_line in map(line, range(100)))
    documents = with_sums([Document("word " * 20_000)], 0.2)
    assert sum(len(document.text) for document in documents[1:]) / sum(
        len(document.text) for document in documents
    ) == pytest.approx(0.2, abs=0.002)


def test_a_model_that_reads_whole_sums_answers_all_of_them_and_one_that_reads_no_context_answers_by_chance():
    documents, rng = [Document(drill(number)) for number in range(40)], np.random.default_rng(0)
    for order, right in ((5, 100), (1, 10)):
        learner = Ngram(order=order, vocabulary=300)
        human = learner.form(32).cut(documents, 240, 0.1, rng)
        model = learner.fit(human.training.records, None, learner.begin(human, None, rng), None, rng)
        assert sums_right(model).sum() == right


def test_a_teacher_writes_first_and_then_a_smaller_student_begun_anew(text):
    generations = list(outcross.run(outcross.experiment(small(text))))
    teacher, student = (values(generation.measured) for generation in generations)
    assert teacher["parameters"] > student["parameters"]
    alone = Ngram(order=2, vocabulary=300)
    human, kept = generations[0].human, generations[0].kept.records
    assert human.reference is not None
    held_out = human.reference.records
    rng = np.random.default_rng(0)
    again = alone.fit(kept, None, alone.begin(human, None, rng), None, rng)
    assert again.log_prob(held_out) == pytest.approx(generations[1].model.value.log_prob(held_out), abs=1e-12)


def test_two_teachers_read_documents_of_their_own_and_their_blocks_say_who_wrote_them(text, tmp_path):
    learner = read(LEARNERS, {"kind": "apprentice", "teacher": NGRAM, "student": NGRAM | {"order": 2}, "teachers": 2}, "learner")
    source = outcross.experiment(small(text)).human
    human = source.open(learner.form(16), (), np.random.default_rng(0))
    people, rng = human.training.records, np.random.default_rng(1)
    panel = learner.fit(people, None, learner.begin(human, None, rng), None, rng)
    drawn = panel.sample(Draw(records=2 * len(people)), people, np.random.default_rng(2))
    models = RecordCandidates(drawn).models
    assert (models[: len(people)] == "written by teacher 0").all() and (models[len(people) :] == "written by teacher 1").all()
    own = people.column("_document")
    first = people.take(np.flatnonzero(np.unique(own, return_inverse=True)[1] % 2 == 0))
    by_own_reader, by_other = (model.log_prob(first).sum() for model in panel.taught)
    assert by_own_reader > by_other  # each has read its own documents
    panel.save(tmp_path)
    again = learner.load(tmp_path).sample(Draw(records=2 * len(people)), people, np.random.default_rng(2))
    assert again.digest == drawn.digest
    routed = small(text, learner={"kind": "apprentice", "teacher": NGRAM, "student": NGRAM, "teachers": 2})
    generations = list(
        outcross.run(outcross.experiment(routed | {"select": [{"kind": "route", "rule": "reward", "reward": "type_token"}]}))
    )
    assert len(generations[0].kept) == 40


def test_the_size_that_equals_the_largest_has_its_interval_or_says_why_there_is_none():
    sizes, line_of_sizes = [10, 100, 1000], np.array([0.0, 1.0, 2.0])
    chosen = np.stack([line_of_sizes, line_of_sizes + 0.1, line_of_sizes - 0.1])
    equal = equal_size(sizes, chosen, np.full(3, 1.5))
    assert equal.size is not None and equal.size.value == pytest.approx(10**2.5, rel=1e-9) and equal.size.n == 3
    assert equal.size.low is not None and equal.size.high is not None and equal.size.low < 10**2.5 < equal.size.high
    assert "already reaches" in equal_size(sizes, chosen, np.full(3, -1.0)).note
    assert "in 3 of 3 seeds not even the largest" in equal_size(sizes, chosen, np.full(3, 9.0)).note
    assert "in 1 of 3 seeds the smallest" in equal_size(sizes, chosen, np.array([1.5, 0.05, 1.5])).note
    with pytest.raises(NotApplicable, match="two sizes"):
        equal_size([10], chosen[:, :1], np.full(3, 1.0))


def test_a_student_is_judged_on_goal_loss_and_skill_by_the_ends_of_its_intervals():
    three = np.ones((3, 1)) + np.array([[-0.001], [0.0], [0.001]])
    same = (np.ones(3) - 0.1, np.ones(3), np.ones(3) - 0.1)
    (judged,) = judged_students([10], three, three, three, same)
    assert judged.not_shown == () and judged.loss.value == pytest.approx(0)
    (worse,) = judged_students([10], three - 0.2, 1.03 * three, three - 0.2, same)
    assert worse.not_shown == ("goal", "held-out loss", "sums")


def test_the_page_says_of_each_way_to_choose_data_what_the_smallest_student_is():
    def place(measure, numbers):
        curves = {
            arm: Curve(
                arm, (CurvePoint(1, value),), tuple((CurvePoint(1, value + shift),) for shift in (-1e-4, 0.0, 1e-4)), (0, 1, 2)
            )
            for arm, value in numbers.items()
        }
        return Measured(measure, "", curves, {})

    arms = ("random,1", "random,2", "best,1", "best,2")
    frontiers = [
        place(measure, dict(zip(arms, numbers, strict=True)))
        for measure, numbers in {
            "goal": (0.1, 0.3, 0.5, 0.7),
            "held_out_loss": (5.0, 4.0, 5.0, 4.01),
            "sums_right": (0.1, 0.5, 0.1, 0.9),
            "parameters": (10, 100, 10, 100),
        }.items()
    ]
    kinds = {name: [(1.0, f"{name},1"), (2.0, f"{name},2")] for name in ("random", "best")}
    (said,) = frontier_sentences(kinds, frontiers)
    assert "the smallest model, 10, already reaches it" in said and "the smallest is that of 100 parameters" in said
    assert "size 1 not shown: held-out loss and sums" in said and "size 2 holds all" in said
    assert frontier_sentences({"best": kinds["best"]}, frontiers) == () and frontier_sentences(kinds, frontiers[:2]) == ()


@pytest.mark.parametrize(
    ("learner", "more", "why"),
    [
        ({"student": {"kind": "ngram", "vocabulary": 400}}, {}, "must cut text in the same way"),
        (
            {"teacher": {"kind": "server", "url": "http://localhost:9/v1", "model": "x"}},
            {},
            "teacher must be a language model that is trained",
        ),
        ({"student": "gaussian"}, {}, "student must be a language model that is trained locally"),
        ({"teachers": 0}, {}, "teachers must be at least 1"),
        ({}, {"metrics": [{"sculpted": {"goal": "wrods"}}]}, "did you mean 'words'"),
        ({}, {"training": {"steps": 5}}, "training has no meaning for apprentice"),
        (
            {"student": {"kind": "transformer", "vocabulary": 300}},
            {"training": {"start": "pretrained"}},
            "must be scratch for apprentice",
        ),
    ],
)
def test_an_apprentice_that_is_written_wrongly_is_refused_in_one_line(text, learner, more, why):
    with pytest.raises(BadInput, match=why) as refused:
        recipe = small(text, **more)
        list(outcross.run(outcross.experiment(recipe | {"learner": recipe["learner"] | learner})))
    assert "\n" not in str(refused.value)


def test_teachers_without_a_document_of_their_own_are_refused(tmp_path):
    (tmp_path / "two.txt").write_text("\n\n".join(" ".join(WORDS * 8) for _ in range(2)))
    recipe = small(str(tmp_path / "two.txt"), learner={"kind": "apprentice", "teacher": NGRAM, "student": NGRAM, "teachers": 16})
    with pytest.raises(BadInput, match=r"16 teachers need at least 16 documents|needs at least|too little|hold"):
        list(outcross.run(outcross.experiment(recipe | {"human": {"path": str(tmp_path / "two.txt"), "rows": 8, "held_out": 0.5}})))
