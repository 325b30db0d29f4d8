"""The promises of classifiers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from outcross.classifiers import Examples, OneClass
from outcross.errors import BadInput
from outcross.testing.promises import Broken, promise, require, unchanged

N, SIDE = 120, 4


def examples(classes: int = 2, seed: int = 0) -> Examples:
    """Pictures of 4 by 4 pixels with one bright row, whose index is their class. For classifiers of points they are points of 16 numbers."""
    rng = np.random.default_rng(seed)
    labels = np.arange(N) % classes
    points = rng.random((N, SIDE, SIDE)) * 0.5
    points[np.arange(N), labels] += 0.8
    return Examples(points.reshape(N, -1), labels, classes)


def fitted(classifier: Any, rows: Examples, weights: np.ndarray | None = None, start: Any = None, seed: int = 1) -> Any:
    """A classifier after a fit to some examples."""
    return classifier.fit(rows, weights, start, np.random.default_rng(seed))


def chances(classifier: Any, fit: Any, points: np.ndarray, classes: int) -> np.ndarray:
    """The probabilities that a fitted classifier gives. Raises Broken if they are not probabilities."""
    values = np.asarray(fit.predict(points))
    name = type(fit).__name__
    require(
        values.shape == (len(points), classes),
        f"{name}.predict must give ({len(points)}, {classes}) numbers for {len(points)} points of {classes} classes, got {values.shape}",
        "learn",
    )
    require(np.isfinite(values).all(), f"{name}.predict gives a number that is not finite", "learn")
    sums = values.sum(axis=1)
    require(
        (values >= 0).all() and np.allclose(sums, 1, atol=1e-9),
        f"{name}.predict gives no probabilities: values must be at least 0 and each row must sum to 1, but a row sums to {sums[np.argmax(np.abs(sums - 1))]:g}",
        "learn",
    )
    return values


def right(values: np.ndarray, labels: np.ndarray) -> float:
    """The share of points whose most likely class is their label."""
    return float(np.mean(np.argmax(values, axis=1) == labels))


@promise("It names the paper or the library that it comes from.")
def names_its_paper(classifier: Any) -> None:
    paper = type(classifier).paper
    require(isinstance(paper, str) and paper, 'paper must name the source of the method; write paper = "…"')


@promise("It learns two and three classes that lie far apart, gives a probability for every class, and changes no record.")
def learns_what_is_there(classifier: Any) -> None:
    for classes in (2, 3):
        rows, others = examples(classes), examples(classes, seed=5)
        is_same = unchanged([rows.points, rows.labels])
        values = chances(classifier, fitted(classifier, rows), others.points, classes)
        require(is_same(), "it changes the records that it learns from", "learn")
        share = right(values, others.labels)
        require(
            share > 0.8,
            f"it gives only {share:.0%} of {N} new records of {classes} classes that lie far apart their class",
            "learn",
        )


@promise("Equal streams give equal fits, a saved and loaded fit gives the same probabilities, and no saved file is a pickle.")
def keeps_without_pickle(classifier: Any) -> None:
    rows = examples(3)
    first, again = fitted(classifier, rows), fitted(classifier, rows)
    values = chances(classifier, first, rows.points, 3)
    require(
        np.array_equal(values, again.predict(rows.points)),
        "the same records and stream gave another fit; draw from the rng that you are given",
        "learn",
    )
    with tempfile.TemporaryDirectory() as folder:
        first.save(Path(folder))
        for path in sorted(Path(folder).rglob("*")):
            _check_no_pickle(path, first)
        stored = classifier.load(Path(folder))
        require(
            np.array_equal(values, stored.predict(rows.points)), "the loaded classifier gives other probabilities", "load_learned"
        )


def _check_no_pickle(path: Path, fit: Any) -> None:
    """Raise Broken if a file that a classifier saved contains a pickle."""
    advice = "which runs code when it is read; write .npz of numbers and words, .json or .safetensors"
    if path.suffix in (".pkl", ".pickle", ".pt", ".joblib"):
        raise Broken(f"{type(fit).__name__}.save writes {path.name}, a pickle, {advice}", "learn")
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as stored:
            for name in stored.files:
                try:
                    _ = stored[name]
                except ValueError:
                    raise Broken(
                        f"{type(fit).__name__}.save writes {path.name} with Python objects in it, a pickle, {advice}", "learn"
                    ) from None


@promise("A record of weight 0 is ignored.")
def heeds_weights(classifier: Any) -> None:
    rows = examples()
    wrong = Examples(np.concatenate([rows.points] * 3), np.concatenate([rows.labels, 1 - rows.labels, 1 - rows.labels]), 2)
    weights = np.concatenate([np.ones(N), np.zeros(2 * N)])
    is_same = unchanged([weights])
    share = right(chances(classifier, fitted(classifier, wrong, weights), rows.points, 2), rows.labels)
    require(
        share > 0.8,
        f"it does not ignore records of weight 0: when two wrongly labelled records of weight 0 were added for each rightly labelled one, it gave the right class to only {share:.0%} of the rightly labelled ones",
        "learn",
    )
    require(is_same(), "it changes the weights", "learn")


@promise("A class without records gets probability 0.")
def never_names_an_absent_class(classifier: Any) -> None:
    rows = examples()
    values = chances(classifier, fitted(classifier, Examples(rows.points, rows.labels, 3)), rows.points, 3)
    require((values[:, 2] == 0).all(), f"a class without a record gets probability {values[:, 2].max():g}", "learn")
    alone = fitted(classifier, Examples(rows.points, np.ones(N, dtype=int), 3))
    require(
        isinstance(alone, OneClass) and (alone.predict(rows.points) == [0, 1, 0]).all(),
        "after a fit to records of one class it must always give that class; override learn, and leave fit as it is",
        "fit",
    )
    with tempfile.TemporaryDirectory() as folder:
        alone.save(Path(folder))
        require(
            classifier.load(Path(folder)) == alone,
            "a classifier of one class is not read back; override load_learned, and leave load as it is",
            "load",
        )


@promise("It continues another fit if its class says that it starts from one, and otherwise ignores it.")
def starts_as_it_says(classifier: Any) -> None:
    rows = examples()
    first = fitted(classifier, rows)
    started, fresh = (chances(classifier, fitted(classifier, rows, start=start, seed=2), rows.points, 2) for start in (first, None))
    require(right(started, rows.labels) > 0.8, "after a start it has not learned the records", "learn")
    if not type(classifier).starts:
        require(np.array_equal(started, fresh), "a start changes its fit; write starts = True in the class", "learn")


@promise("No records, and numbers that are not finite, are refused in one line.")
def refuses_what_it_cannot_learn(classifier: Any) -> None:
    rows = examples()
    rows.points[0, 0] = np.nan
    for what, refused in (("no records", examples().take(np.zeros(0, dtype=int))), ("NaN", rows)):
        try:
            fitted(classifier, refused)
        except BadInput as error:
            require("\n" not in str(error), f"its refusal of {what} has several lines", "fit")
            continue
        raise Broken(f"it takes {what}; override learn, and leave fit as it is", "fit")


def outcome(classifier: Any) -> str:
    """The probabilities of a classifier, to be compared with those in another process."""
    rows = examples(3)
    return np.asarray(fitted(classifier, rows).predict(rows.points)).tobytes().hex()


PROMISES = (
    names_its_paper,
    learns_what_is_there,
    keeps_without_pickle,
    heeds_weights,
    never_names_an_absent_class,
    starts_as_it_says,
    refuses_what_it_cannot_learn,
)
