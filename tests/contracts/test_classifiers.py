"""What classifiers say beyond the promises of their family, which tests/contracts/test_promises.py holds every member to."""

import numpy as np
import pytest

from outcross.classifiers import CLASSIFIERS
from outcross.errors import BadInput
from outcross.recipe import read
from outcross.testing.classifiers import examples, fitted


def test_boosting_and_logistic_say_what_scikit_learn_says():
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    boosting, logistic = (
        read(CLASSIFIERS, settings, "classifier")
        for settings in ({"kind": "boosting", "trees": 8, "min_records_per_leaf": 5}, "logistic")
    )
    for classes in (2, 3):
        rows, new = examples(classes), examples(classes, seed=9).points
        theirs = GradientBoostingClassifier(n_estimators=8, min_samples_leaf=5, random_state=0).fit(rows.points, rows.labels)
        assert np.abs(fitted(boosting, rows).predict(new) - theirs.predict_proba(new)).max() < 1e-9
        centre, scale = rows.points.mean(axis=0), rows.points.std(axis=0)
        theirs = LogisticRegression(max_iter=200).fit((rows.points - centre) / scale, rows.labels)
        assert np.abs(fitted(logistic, rows).predict(new) - theirs.predict_proba((new - centre) / scale)).max() < 1e-9


def test_pictures_that_are_no_squares_are_refused_with_the_setting():
    with pytest.raises(BadInput, match=r"square pictures of 2 colours.*classifier\.channels"):
        read(CLASSIFIERS, "convolutional", "classifier").fit(examples(), None, None, np.random.default_rng(0))
