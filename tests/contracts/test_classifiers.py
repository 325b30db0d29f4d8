"""Promises of every classifier; members are found by themselves."""

import numpy as np
import pytest

from outcross.classifiers import CLASSIFIERS, Examples, OneClass
from outcross.errors import BadInput
from outcross.recipe import member, read

SMALL = {"boosting": {"trees": 8, "least": 5}, "convolutional": {"channels": 1, "epochs": 25, "batch": 16}}
"""Settings by which a member learns these examples in little time; {} where its own will do."""
N, SIDE = 120, 4


def made(name):
    return read(CLASSIFIERS, {"kind": name} | SMALL.get(name, {}), "classifier")


def examples(classes=2, seed=0):
    """Pictures of which one row is bright, the class; points as good as any for members that know no pictures."""
    rng = np.random.default_rng(seed)
    labels = np.arange(N) % classes
    points = rng.random((N, SIDE, SIDE)) * 0.5
    points[np.arange(N), labels] += 0.8
    return Examples(points.reshape(N, -1), labels, classes)


def fitted(name, rows, weights=None, start=None, seed=1):
    return made(name).fit(rows, weights, start, np.random.default_rng(seed))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_it_learns_what_is_there_and_says_probabilities(name, classes):
    rows = examples(classes)
    before = rows.points.copy(), rows.labels.copy()
    said = fitted(name, rows).predict(examples(classes, seed=5).points)
    assert said.shape == (N, classes) and (said >= 0).all() and np.allclose(said.sum(axis=1), 1, atol=1e-9)
    assert np.mean(np.argmax(said, axis=1) == rows.labels) > 0.8
    assert np.array_equal(rows.points, before[0]) and np.array_equal(rows.labels, before[1])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_same_stream_gives_the_same_bytes_and_it_is_kept_without_pickle(name, tmp_path):
    rows = examples(3)
    one, again = fitted(name, rows), fitted(name, rows)
    one.save(tmp_path)
    assert not list(tmp_path.glob("*.pkl"))
    for other in (again, made(name).load(tmp_path)):
        assert np.array_equal(one.predict(rows.points), other.predict(rows.points))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_record_of_no_weight_is_as_good_as_none(name):
    rows = examples()
    wrong = Examples(np.concatenate([rows.points, rows.points]), np.concatenate([rows.labels, 1 - rows.labels]), 2)
    weights = np.concatenate([np.ones(N), np.zeros(N)])
    said = fitted(name, wrong, weights).predict(rows.points)
    assert np.mean(np.argmax(said, axis=1) == rows.labels) > 0.8


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_class_without_a_record_is_never_said(name, tmp_path):
    two_of_three = Examples(examples().points, examples().labels, 3)
    assert (fitted(name, two_of_three).predict(examples().points)[:, 2] == 0).all()
    alone = fitted(name, Examples(examples().points, np.ones(N, dtype=int), 3))
    assert isinstance(alone, OneClass) and (alone.predict(examples().points) == [0, 1, 0]).all()
    alone.save(tmp_path)
    assert made(name).load(tmp_path) == alone


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_start_is_gone_on_from_where_the_member_says_so(name):
    rows = examples()
    first = fitted(name, rows)
    said, fresh = (fitted(name, rows, start=start, seed=2).predict(rows.points) for start in (first, None))
    if not member(CLASSIFIERS, name, "classifier").starts:
        assert np.array_equal(said, fresh)
    assert np.mean(np.argmax(said, axis=1) == rows.labels) > 0.8


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_no_records_and_numbers_that_are_none_are_one_line(name):
    with pytest.raises(BadInput, match="there are none"):
        fitted(name, examples().take(np.zeros(0, dtype=int)))
    with pytest.raises(BadInput, match="1 are not; fill in"):
        rows = examples()
        rows.points[0, 0] = np.nan
        fitted(name, rows)


def test_boosting_and_logistic_say_what_scikit_learn_says():
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    for classes in (2, 3):
        rows, new = examples(classes), examples(classes, seed=9).points
        theirs = GradientBoostingClassifier(n_estimators=8, min_samples_leaf=5, random_state=0).fit(rows.points, rows.labels)
        assert np.abs(fitted("boosting", rows).predict(new) - theirs.predict_proba(new)).max() < 1e-9
        centre, scale = rows.points.mean(axis=0), rows.points.std(axis=0)
        theirs = LogisticRegression(max_iter=200).fit((rows.points - centre) / scale, rows.labels)
        assert np.abs(fitted("logistic", rows).predict(new) - theirs.predict_proba((new - centre) / scale)).max() < 1e-9


def test_pictures_that_are_no_squares_are_refused_with_the_setting():
    with pytest.raises(BadInput, match=r"square pictures of 2 colours.*classifier\.channels"):
        read(CLASSIFIERS, "convolutional", "classifier").fit(examples(), None, None, np.random.default_rng(0))
