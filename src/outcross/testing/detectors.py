"""The promises of detectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from outcross.detectors import DetectorPage, features_of, fitted, scores, stacked
from outcross.detectors.records import TypedRecords, records_of, together, typed
from outcross.statistics.prediction import area_under_the_curve
from outcross.testing.attributes import HOSTILE
from outcross.testing.promises import promise, require, require_page, unchanged

N, LENGTH = 40, 48
"""Number of texts of each author, and number of words of a text."""
WORDS = [f"w{number}" for number in range(32)]
"""The words of the texts. A tokenizer with the words w0, w1 … can read them."""


def texts(seed: int = 0) -> tuple[list[str], list[str]]:
    """Human texts and a model's texts. The model uses only a quarter of the words and sometimes writes commas between them."""
    rng = np.random.default_rng(seed)
    human = [" ".join(rng.choice(WORDS, LENGTH)) + " ." for _ in range(N)]
    model = [" ".join(rng.choice(WORDS[:8], LENGTH)).replace(" w1 ", " w1 , ") + " ." for _ in range(N)]
    return human, model


def records(seed: int = 0) -> tuple[TypedRecords, TypedRecords]:
    """Human records and a model's records. The model's numbers are larger, and it has only half of the categories."""
    import polars as pl

    rng = np.random.default_rng(seed)

    def drawn(shift: float, categories: int) -> TypedRecords:
        numbers, words = rng.normal(size=(N, LENGTH)) + shift, rng.choice(WORDS[:categories], N)
        series = pl.Series("course", numbers.tolist(), dtype=pl.List(pl.Float64))
        vector = pl.Series("vector", numbers.astype(np.float32), dtype=pl.Array(pl.Float32, LENGTH))
        return typed(pl.DataFrame([pl.Series("number", numbers[:, 0]), pl.Series("word", words), series, vector]))

    return drawn(0.0, 8), drawn(1.0, 4)


class DetectorBench:
    """A detector with features of known texts or records, and a fit to them."""

    def __init__(self, detector: Any):
        self.detector = detector
        self.human, self.model = self.authors()
        self.reader = detector.reader(self.joined(self.human, self.model))
        self.features = stacked(self.read(self.human), self.read(self.model))
        self.is_model = np.arange(2 * N) >= N
        self.fit = self.fitted(self.is_model)

    @property
    def are_records(self) -> bool:
        """Whether the detector reads records instead of texts."""
        return type(self.detector).reads == "records"

    def authors(self, seed: int = 0) -> tuple[Any, Any]:
        """The human texts or records, and those of a model."""
        return records(seed) if self.are_records else texts(seed)

    def joined(self, first: Any, second: Any) -> Any:
        """All texts or records of both, those of `first` first."""
        return together(first, second) if self.are_records else [*first, *second]

    def hostile(self) -> Any:
        """Hostile texts without lone surrogates, which `detect` removes, or records whose values are all missing."""
        if not self.are_records:
            return [text for text in HOSTILE if "\ud800" not in text]
        import polars as pl

        frame = self.human.frame[:3]
        return records_of(self.human.table, frame.select(pl.lit(None, dtype).alias(name) for name, dtype in frame.schema.items()))

    def read(self, given: Any) -> Any:
        """The features of some texts or records."""
        return features_of(self.detector, self.reader, given)

    def fitted(self, is_model: np.ndarray) -> Any:
        """The detector after a fit to all texts or records with these authors."""
        return fitted(self.detector, self.features, is_model, np.arange(2 * N), np.random.default_rng(1))

    def scores(self, given: Any) -> np.ndarray:
        """The scores of some texts or records."""
        return scores(self.fit, self.read(given))


@promise("It has a page: a title, a definition, what it misleads about, and its paper.")
def has_a_page(detector: Any) -> None:
    require_page(type(detector).page, DetectorPage, ("title", "definition", "misleads", "paper"))


@promise("Its features have a row for every text, whatever the text, and rows can be selected and stacked.")
def reads_any_text(detector: Any) -> None:
    bench = DetectorBench(detector)
    for given in (bench.hostile(), bench.human[:3], bench.human[:0]):
        copy = None if bench.are_records else list(given)
        features = bench.read(given)
        require(copy is None or given == copy, "it changes the list of texts", "reader")
    features = bench.read(bench.human[:5])
    order = np.array([4, 0, 2])
    taken = scores(bench.fit, features[order])
    together = scores(bench.fit, stacked(features, bench.read(bench.model[:3])))
    require(
        np.array_equal(taken, scores(bench.fit, features)[order], equal_nan=True)
        and np.array_equal(together, bench.scores(bench.joined(bench.human[:5], bench.model[:3])), equal_nan=True),
        "rows that are selected or stacked have other scores",
        "reader",
    )


@promise("The score of a text does not depend on the texts beside it.")
def reads_each_text_alone(detector: Any) -> None:
    bench = DetectorBench(detector)
    given = bench.joined(bench.human[:4], bench.model[:4])
    beside = bench.scores(given)
    alone = np.array([bench.scores(given[row : row + 1])[0] for row in range(len(given))])
    wrong = np.flatnonzero(~np.isclose(beside, alone, rtol=1e-5, atol=1e-6, equal_nan=True))
    if wrong.size:
        row = wrong[0]
        require(False, f"a text has the score {beside[row]:g} beside others and {alone[row]:g} alone", "reader")


@promise("It gives a finite number for every text, or NaN if it abstains, and does not abstain from every plain text.")
def scores_plain_texts(detector: Any) -> None:
    bench = DetectorBench(detector)
    values = bench.scores(bench.joined(bench.human, bench.model))
    require(np.isfinite(values).any(), f"it abstains from {2 * N} texts of {LENGTH} words", "fit")
    require(bench.scores(bench.human[:0]).shape == (0,), "an empty list of texts must give no scores", "fit")


@promise("Equal texts, authors and streams give equal scores, and a fit changes neither the features nor the authors.")
def is_pure(detector: Any) -> None:
    bench = DetectorBench(detector)
    arrays = [bench.features] if isinstance(bench.features, np.ndarray) else []
    is_same = unchanged([*arrays, bench.is_model])
    given = bench.joined(bench.human, bench.model)
    before = bench.scores(given)
    bench.fit = bench.fitted(bench.is_model)
    require(is_same(), "it changes the features or the authors", "fit")
    require(
        np.array_equal(before, bench.scores(given), equal_nan=True),
        "the same texts and stream gave other scores; draw from the rng that you are given",
        "fit",
    )


@promise(
    "If it learns from authors, a model's texts do not get lower scores than human texts; if it does not, the authors change no score."
)
def looks_the_right_way(detector: Any) -> None:
    bench = DetectorBench(detector)
    given = bench.joined(*bench.authors(seed=5))
    values = bench.scores(given)
    if not type(detector).needs_ai:
        bench.fit = bench.fitted(~bench.is_model)
        require(
            np.array_equal(values, bench.scores(given), equal_nan=True),
            "the authors of the texts change its scores; write needs_ai = True in the class",
            "fit",
        )
        return
    area = area_under_the_curve(np.nan_to_num(values), np.arange(2 * N) >= N).value
    require(
        area > 0.3,
        f"on new texts of two different authors, the area under its ROC curve is {area:.2f}; scores must be higher for a model's texts",
        "fit",
    )


@promise("A fit is stored as plain arrays, and a fit that is read back from them gives the same scores.")
def keeps_what_it_learned(detector: Any) -> None:
    bench = DetectorBench(detector)
    given = bench.joined(bench.human, bench.model)
    before = bench.scores(given)
    arrays = detector.arrays(bench.reader, bench.fit)
    bad = [name for name, array in arrays.items() if not isinstance(array, np.ndarray) or array.dtype.hasobject]
    require(not bad, f"arrays must give arrays of numbers or words, which {', '.join(bad)} is not", "arrays")
    bench.reader, bench.fit = detector.restored(arrays)
    require(
        np.array_equal(before, bench.scores(given), equal_nan=True),
        "the fit that is read back gives other scores; write arrays(self, reader, fitted) and restored(self, arrays), which a loop needs",
        "fit",
    )


@promise("It names the files that it reads.")
def names_its_files(detector: Any) -> None:
    paths = detector.paths
    require(
        isinstance(paths, tuple) and all(isinstance(path, str) for path in paths),
        f"paths must be a tuple of words, got {paths!r:.80}",
        "paths",
    )


def outcome(detector: Any) -> str:
    """The scores of a detector, to be compared with those in another process."""
    bench = DetectorBench(detector)
    return bench.scores(bench.joined(bench.human, bench.model)).tobytes().hex()


PROMISES = (
    has_a_page,
    reads_any_text,
    reads_each_text_alone,
    scores_plain_texts,
    is_pure,
    looks_the_right_way,
    keeps_what_it_learned,
    names_its_files,
)
