"""Generators and classifiers that learn from each other: what is sequential in each setting, what reparation keeps, and what is refused."""

from dataclasses import replace

import numpy as np
import polars
import pytest

import outcross
from outcross.cli import main
from outcross.data import HUMAN, Human, part_of
from outcross.data.labelled import LabelledPoints
from outcross.data.records import Vectors
from outcross.errors import BadInput
from outcross.measures import Evidence, measure
from outcross.models.draw import Draw
from outcross.models.gaussian import Gaussian
from outcross.models.labelling import Labelling, star_batch
from outcross.models.trees import Trees

pytestmark = pytest.mark.usefixtures("without_charts")

N = 240


def people(n=N, seed=0):
    """Two classes apart in x, two groups apart in y, the rarest cell 5 % of records."""
    rng = np.random.default_rng(seed)
    cell = np.concatenate([np.arange(4), rng.choice(4, n - 4, p=[0.5, 0.3, 0.15, 0.05])])
    label, group = np.divmod(cell, 2)
    points = rng.normal(size=(n, 2)) * 0.5 + 3 * np.stack([label, group], axis=1)
    return LabelledPoints(points, label, group, ("no", "yes"), ("a", "b"))


def learner(**settings):
    return Labelling(generator={"kind": "gaussian_mixture", "components": 4, "regularisation": 1e-3}, **settings)


@pytest.fixture(scope="module")
def human():
    return Human(training=part_of(HUMAN, people()), reference=part_of(HUMAN, people(seed=9)))


def generations(learner, human, many=3):
    """The models of a chain that replaces its data, and the training set of each."""
    rng = np.random.default_rng(1)
    model, records = learner.begin(human, None, rng), human.training.records
    every = []
    for _ in range(many):
        model = learner.fit(records, None, model, None, rng)
        every.append((model, records))
        records = model.sample(Draw(records=N), None, rng)
    return every


def test_what_is_sequential_is_what_the_setting_says(human):
    point = people(seed=5).array
    settings = {
        setting: generations(learner(setting=setting), human) for setting in ("SeqGenSeqClass", "SeqGenNonSeqClass", "SeqClass")
    }
    for setting, every in settings.items():
        assert (every[1][0].generator is every[0][0].generator) == (setting == "SeqClass")
        last = every[-1][0]
        source = last.of_classes if setting == "SeqGenNonSeqClass" else last.classifier
        assert np.array_equal(last.labelled(point), np.argmax(source.predict(point), axis=1))
        drawn = last.sample(Draw(records=50), None, np.random.default_rng(0))
        assert np.array_equal(drawn.label, last.labelled(drawn.array))
        assert np.array_equal(drawn.group, np.argmax(last.of_groups.predict(drawn.array), axis=1))


def test_a_generator_that_writes_class_and_group_itself_is_believed(human):
    labeller = learner(setting="SeqGenOwnClass", groups="generator")
    model = generations(labeller, human, 1)[0][0]
    drawn = model.sample(Draw(records=300), None, np.random.default_rng(0))
    assert drawn.array.shape == (300, 2) and set(drawn.label) <= {0, 1} and set(drawn.group) <= {0, 1}
    near = (drawn.array[:, 0] > 1.5) == drawn.label  # the class that goes with the place of the point
    assert near.mean() > 0.9 and np.isfinite(model.log_prob(drawn)).all()


def test_the_first_classifier_learns_from_the_annotator_and_the_next_from_the_one_before(human):
    """A classifier that is wrong on purpose is believed by the next generation and by no other."""
    labeller = learner()
    rng = np.random.default_rng(2)
    first = labeller.fit(human.training.records, None, labeller.begin(human, None, rng), None, rng)
    turned = replace(first, classifier=Turned(first.classifier))
    point = human.reference.records
    for setting, is_turned in (("SeqGenSeqClass", True), ("SeqGenNonSeqClass", False)):
        own = learner(setting=setting)
        then = own.fit(human.training.records, None, replace(turned, learner=own), None, np.random.default_rng(3))
        right = np.mean(np.argmax(then.classifier.predict(point.array), axis=1) == point.label)
        assert (right < 0.2) == is_turned and (right > 0.8) != is_turned


class Turned:
    """Says the other class."""

    def __init__(self, classifier):
        self.classifier = classifier

    def predict(self, points):
        return self.classifier.predict(points)[:, ::-1]


@pytest.mark.parametrize("setting", ["SeqGenSeqClass", "SeqGenOwnClass"])
@pytest.mark.parametrize("reparation", ["none", "star", "reweigh", "equalise", "oversample"])
def test_a_model_is_kept_without_pickle_and_the_same_stream_gives_the_same_bytes(human, setting, reparation, tmp_path):
    labeller = learner(setting=setting, reparation=reparation)
    (model, _), (again, _) = generations(labeller, human, 1) + generations(labeller, human, 1)
    model.save(tmp_path)
    assert not list(tmp_path.rglob("*.pkl"))
    loaded = labeller.load(tmp_path)
    draws = [each.sample(Draw(records=20), None, np.random.default_rng(4)) for each in (model, again, loaded)]
    assert draws[0].digest == draws[1].digest == draws[2].digest and loaded.facts == model.facts
    assert np.array_equal(model.classifier.predict(draws[0].array), loaded.classifier.predict(draws[0].array))
    base = labeller.begin(human, None, np.random.default_rng(0))
    (tmp_path / "base").mkdir()
    base.save(tmp_path / "base")
    assert labeller.load(tmp_path / "base").generator is None


def test_star_keeps_its_quota_and_logs_what_it_filled_in():
    written = []

    def write(n):
        written.append(people(n, len(written)))
        return written[-1]

    batch, missing = star_batch(write, 100, 60)
    kept = np.minimum(written[0].counts, 25)
    assert [len(records) for records in written] == [160, missing] and missing == 100 - kept.sum() > 0
    assert np.array_equal(batch.counts, kept + written[1].counts)


def test_star_is_made_batch_by_batch_where_the_classifier_trains_in_batches(human):
    in_batches = learner(reparation="star", classifier={"kind": "convolutional", "batch": 64, "channels": 1, "epochs": 1})
    squares = LabelledPoints(np.tile(people().array, (1, 8)), people().label, people().group, ("no", "yes"), ("a", "b"))
    facts = generations(in_batches, Human(training=part_of(HUMAN, squares)), 1)[0][0].facts
    assert facts["batches"] == 4 and facts["batch"] == 64 and facts["kept"] == N
    assert generations(learner(reparation="star"), human, 1)[0][0].facts["batches"] == 1


def test_representation_and_fairness_read_what_a_model_says(human):
    labeller = learner(reparation="star")
    model = generations(labeller, human, 1)[0][0]
    drawn = model.sample(Draw(records=200), None, np.random.default_rng(0))
    evidence = Evidence(drawn=drawn, human=human, model=model)
    for name in ("fairness", "representation"):
        readings = list(measure(name)()(evidence, np.random.default_rng(0)))
        assert {reading.measure for reading in readings} == set(measure(name).pages) - {"kept_representation"}
        assert all(reading.estimate is not None for reading in readings)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"groups": ("a",), "group": np.zeros(N, dtype=int)},
            "the group of all 240 records is 'a', but fairness needs at least two values",
        ),
        ({"classes": ("no",), "label": np.zeros(N, dtype=int)}, "the label of all 240 records is 'no'"),
        ({"groups": ("a", "b", "c")}, "the cell no × c has no record at the start, so it can never have any later"),
        (
            {"groups": tuple(f"g{i}" for i in range(200))},
            "there are more cells of class and group \\(400\\) than records \\(240\\)",
        ),
    ],
)
def test_groups_and_classes_that_make_no_sense_are_refused_in_one_line(change, says):
    wrong = replace(people(), **change)
    with pytest.raises(BadInput, match=says) as refused:
        learner().begin(Human(training=part_of(HUMAN, wrong)), None, np.random.default_rng(0))
    assert "\n" not in str(refused.value)


def test_a_generator_that_learns_no_points_is_refused():
    with pytest.raises(BadInput, match="generator must learn vectors, but Ngram learns text"):
        Labelling(generator="ngram")


def test_trees_write_values_of_people_alone_and_keep_what_goes_together():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 3, 2000)
    rows = np.stack([first, 2 * first + rng.integers(0, 2, 2000), rng.random(2000).round(2)], axis=1).astype(float)
    model = Trees().fit(Vectors(rows), None, None, None, np.random.default_rng(1))
    drawn = model.sample(Draw(records=3000), None, np.random.default_rng(2)).array
    assert all(set(drawn[:, j]) <= set(rows[:, j]) for j in range(3))
    assert (np.abs(drawn[:, 1] - 2 * drawn[:, 0] - 0.5) == 0.5).all()  # the tree has learned what goes with what
    assert np.abs(np.bincount(drawn[:, 0].astype(int)) / 3000 - np.bincount(first) / 2000).max() < 0.05


def test_the_generator_of_principal_components_is_the_learner_itself_where_there_are_no_more():
    points = np.random.default_rng(0).normal(size=(500, 3)) @ np.diag([3.0, 1.0, 0.2])
    from outcross.models.principal import Principal

    whole = Principal(components=3, learner="gaussian").fit(Vectors(points), None, None, None, np.random.default_rng(0))
    plain = Gaussian().fit(Vectors(points), None, None, None, np.random.default_rng(0))
    assert whole.log_prob(Vectors(points)) == pytest.approx(plain.log_prob(Vectors(points)), rel=1e-6)
    few = Principal(components=1, learner="gaussian").fit(Vectors(points), None, None, None, np.random.default_rng(0))
    assert np.linalg.matrix_rank(few.sample(Draw(records=50), None, np.random.default_rng(0)).array - few.centre, tol=1e-6) == 1


def recipe(**more):
    human = {"kind": "coloured_digits", "rows": 150}
    generator = {"kind": "principal", "components": 5, "learner": "gaussian"}
    settings = {"name": "small", "human": human, "learner": {"kind": "labelling", "generator": generator}, "generations": 2}
    return settings | {"draw": {"prompts": "none"}} | more


def test_a_run_resumes_to_the_same_readings_and_star_chooses_by_predicted_cells(tmp_path):
    star = {"draw": {"prompts": "none", "candidates": 3}, "select": [{"kind": "star", "columns": ["label", "group"], "cells": 4}]}
    whole = outcross.run(recipe(**star), out=tmp_path / "whole").finish()
    outcross.run(recipe(**star, generations=1), out=tmp_path / "parts").finish()
    parts = outcross.run(recipe(**star), out=tmp_path / "parts").finish()
    assert parts.readings.equals(whole.readings)
    kept = whole.readings.filter(measure="kept_representation", generation=0)["value"].to_numpy()
    assert len(kept) == 4 and kept.sum() == pytest.approx(1)
    assert whole.readings.filter(measure="fill_in").height == 2


def test_a_run_of_labelled_points_can_be_audited_group_by_group(tmp_path):
    human = {"kind": "coloured_digits", "rows": 300, "side": 4}
    outcross.run(recipe(human=human, generations=1), out=tmp_path / "run").finish()
    (audit,) = outcross.audits([str(tmp_path / "run")], groups=("group",), target="label", aspects=("groups",)).every
    assert audit.rows["reference"] == 300 and any("group" in str(check) for check in audit.lost)


def test_digits_of_two_colours_are_as_biased_as_they_are_asked_to_be():
    source = outcross.experiment(recipe(human={"kind": "coloured_digits", "rows": 1198})).human
    human = source.open(None, (), np.random.default_rng(0))
    train, test = human.training.records, human.reference.records
    green = [train.group[train.label == label].mean() for label in (0, 1)]
    flipped = [0.95 * 0.3 + 0.05 * 0.7, 0.95 * 0.7 + 0.05 * 0.3]  # a twentieth of labels is wrong
    assert np.abs(np.array(green) - flipped).max() < 4 * 0.5 / np.sqrt(590)
    counts = test.counts
    assert np.abs(counts[:, 0] - counts[:, 1]).max() <= 1
    assert (train.array.reshape(-1, 2, 64)[np.arange(1198), 1 - train.group] == 0).all()
    assert source.open(None, (), np.random.default_rng(0)).training.records.digest == train.digest


def test_pictures_are_averaged_to_the_side_that_is_asked_for():
    source = outcross.experiment(recipe(human={"kind": "coloured_digits", "rows": 50, "side": 4})).human
    records = source.open(None, (), np.random.default_rng(0)).training.records
    assert records.array.shape == (50, 32)


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    frame = polars.DataFrame(
        {
            "age": [None if i == 3 else float(i % 50) for i in range(200)],
            "charge": rng.choice(["felony", "misdemeanour"], 200),
            "race": rng.choice(["a", "b", "c"], 200),
            "again": rng.integers(0, 2, 200),
        }
    )
    frame.write_csv(tmp_path / "people.csv")
    return str(tmp_path / "people.csv")


def of_table(path, **more):
    names = {"kind": "labelled_table", "path": path, "label_column": "again", "group_column": "race", "rows": 100}
    return recipe(human=names | more)


def test_a_table_becomes_labelled_records(table):
    source = outcross.experiment(of_table(table, favourable="0", only_groups=["a", "b"], rows=60)).human
    human = source.open(None, (), np.random.default_rng(0))
    records = human.training.records
    assert records.classes == ("1", "0") and records.groups == ("a", "b") and records.columns == ("age", "charge")
    assert set(records.array[:, 1]) <= {0.0, 1.0} and np.isfinite(records.array).all() and len(records) == 60


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"label_column": "agian"}, "has no column 'agian'; did you mean 'again'"),
        ({"rows": 190}, r"holds 200 rows with a class and a group, and 60 of them are held out, but human\.rows=190 needs more"),
        ({"favourable": 2}, r"human\.favourable '2' is not a class"),
        ({"only_groups": ["z"]}, r"check human\.only_groups"),
        (
            {"only_groups": ["a"], "rows": 30},
            r"the group of all 30 records is 'a', but fairness needs at least two values; name another column",
        ),
        ({"columns": ["again"]}, "must name columns other than the label and the group"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_in_one_line(table, more, says):
    with pytest.raises(BadInput, match=says) as refused:
        list(outcross.run(of_table(table, **more)))
    assert "\n" not in str(refused.value)


def test_a_class_and_groups_that_are_numbers_may_be_written_as_numbers(table):
    by_number, by_word = (outcross.experiment(of_table(table, favourable=favourable)).human for favourable in (1, "1"))
    assert by_number == by_word and by_number.favourable == "1"
    assert outcross.experiment(of_table(table, only_groups=[3, "a"])).human.only_groups == ("3", "a")


def test_a_folder_without_mnist_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "a.txt").write_text("none")
    with pytest.raises(BadInput, match=r"one file train-images-idx.*leave human\.path out"):
        list(outcross.run(recipe(human={"kind": "coloured_digits", "rows": 50, "path": str(tmp_path)})))


def test_a_share_of_the_training_set_is_human_where_the_policy_says_so():
    policy = {"kind": "human_share", "share": 0.4}
    every = list(outcross.run(recipe(policy=policy)))
    training = every[1].training.value
    assert len(training) == 150 and len(training.pool.human) == 60 and training.records.classes == ("below 5", "5 or above")


def test_an_autoencoder_is_a_generator_too():
    learner_ = {"kind": "labelling", "generator": {"kind": "vae", "height": 16, "latents": 2}}
    training = {"epochs": 1, "batch": 64, "start": "scratch"}
    (first,) = outcross.run(
        recipe(learner=learner_, training=training, generations=1, human={"kind": "coloured_digits", "rows": 64})
    )
    assert first.drawn.records.array.shape == (64, 128) and first.model.value.classifier is not None
    with pytest.raises(BadInput, match=r"training\.start must be scratch for labelling"):
        outcross.run(recipe(learner=learner_, training=training | {"start": "previous"}))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (("fairness-compas",), "human must say where the data come from; add human.path=FILE"),
        (("fairness-categorical", "arms=null", "human.shares=[[0.5,0.5],[0,0]]"), "the cell chosen × majority empty"),
        (("fairness-categorical", "arms=null", "human.rows=3"), "4 cells, which is more than the 3 records"),
        (("fairness-mnist", "human.rows=5000", "generations=1", "arms=null"), "fewer than human.rows=5000; lower human.rows"),
        (("fairness-mnist", "arms=null", "learner.reparation=start"), "learner.reparation must be"),
        (("fairness-mnist", "arms=null", "learner.generator=ngram"), "generator must learn vectors"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line_and_ends_with_2(settings, says, capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        main(["run", *settings, "--out", str(tmp_path / "run"), "--workers", "1", "--quiet"])
    message = capsys.readouterr().err.strip()
    assert ended.value.code == 2 and "\n" not in message and says in message
