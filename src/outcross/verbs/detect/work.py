"""Calibration of a detector on samples of known authors. `reading` then judges the data by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from outcross.detectors import Detector
from outcross.detectors.calibrated import FEWEST, FOLDS, AuthorSample, CalibratedDetector, Content, calibrated, fold_of
from outcross.detectors.features import frequent_words
from outcross.detectors.records import TypedRecords
from outcross.detectors.samples import LEAST, CalibrationSample, all_of, grouped, linking_column, telling_columns
from outcross.errors import BadInput
from outcross.statistics.false_alarms import least_sample, weight_above
from outcross.verbs.detect.unlike import (
    PLAIN,
    common_shares,
    control_area,
    lengths_alone,
    marks_of_style,
    plain_features,
    signs_alone,
    word_rates,
)

ENOUGH_WORDS = 25
"""Minimum number of words of a text for a check of its language."""
UNUSUAL = 0.01
"""Share of calibration texts with so few frequent words that they would count as texts of another language."""
SUBJECTS, STYLE = "letters, lengths and subjects", "frequent words and signs of punctuation"
"""The names of two of the tests that texts are a mixture of the samples. The second is weighted by the chance that a person did not write the text."""
COLUMNS = "means of the columns"
"""The name of the test for records."""
LENGTHS_ALONE, SIGNS_ALONE = "length alone", "punctuation and white space alone"
"""The names of the control detectors."""


@dataclass(frozen=True, eq=False)
class Judging:
    """The calibrated detectors with all data for judging texts or records. It can be sent to another process."""

    detectors: tuple[CalibratedDetector, ...]
    """Detectors that distinguish models (and editors) from people."""
    weights: dict[int, np.ndarray]
    """For each length in words: one over the size of the group of each human excerpt."""
    folds: dict[int, np.ndarray]
    """For each length in words: the fold of each human excerpt."""
    frequent: tuple[str, ...]
    """The frequent words of the samples; empty for records."""
    style: tuple[str, ...]
    """The words and signs whose rates show the style (`marks_of_style`); empty for records."""
    least_common: float
    """Share of frequent words below which a text counts as text of another language; only the share `UNUSUAL` of calibration texts is below it."""

    def chances(self, ratios: np.ndarray, length: int) -> np.ndarray:
        """Return the share of human excerpts of this length that look at least as much like a model's as each text, (n,).

        `ratios` are (n, folds), and excerpts of a fold are compared by the detector of this fold. A group of texts counts as one text.
        """
        excerpts, _ = self.detectors[0].excerpts[length]
        weights, fold = self.weights[length], self.folds[length]
        above = np.zeros(len(ratios))
        for number in range(ratios.shape[1]):
            own = fold == number
            above += weight_above(ratios[:, number], excerpts[own], weights[own])
        return (above + 1.0) / (float(weights.sum()) + 1.0)

    def plain(self, content: Content) -> np.ndarray:
        """Return features that show whether content is of the calibrated kind, (n, features).

        For texts these are `PLAIN` features that the detector does not use, and the rates of `style`; for records they are their points.
        """
        if isinstance(content, TypedRecords):
            return self.detectors[0].reader(content)
        return np.concatenate([plain_features(content, self.frequent), word_rates(content, self.style)], axis=1)

    @property
    def plain_columns(self) -> dict[str, slice]:
        """The columns of `plain` that are tested together, by the name of the test."""
        return {SUBJECTS: slice(PLAIN), STYLE: slice(PLAIN, None)} if self.style else {COLUMNS: slice(None)}


@dataclass(frozen=True, eq=False)
class Calibration:
    """Detectors that distinguish models (and editors) from people, calibrated on samples."""

    samples: tuple[CalibrationSample, ...]
    """The samples; the first is the human sample."""
    folds: np.ndarray
    """The fold of each group."""
    judging: Judging
    """The detectors, one for each sample but the first, with all data for judging."""
    ratios: tuple[tuple[np.ndarray, ...], ...]
    """For each detector and sample: the log-ratio of each text, by a detector that did not see its group."""
    plain: tuple[np.ndarray, ...]
    """The result of `Judging.plain` for each sample."""
    controls: dict[str, float]
    """Areas under the ROC curve of the control detectors, which read no words; empty for records."""
    telling: tuple[str, ...]
    """Columns that reveal the author perfectly."""
    linking: str
    """A column whose values seem to link both samples, if no column of groups was given; empty if there is none."""

    @property
    def human(self) -> CalibrationSample:
        return self.samples[0]

    @property
    def detectors(self) -> tuple[CalibratedDetector, ...]:
        return self.judging.detectors

    def fold_of(self, sample: int) -> np.ndarray:
        return self.folds[self.samples[sample].groups]

    def human_groups(self, rows: np.ndarray) -> int:
        """Return the number of groups of these human texts."""
        return int(np.unique(self.human.groups[rows]).size)

    def lengths(self, rate: float) -> tuple[int, ...]:
        """Return the lengths at which the human sample allows a threshold at this rate."""
        excerpts = self.detectors[0].excerpts
        return tuple(length for length in excerpts if self.human_groups(excerpts[length][1]) >= least_sample(rate))


def calibration(detector: Detector, samples: Sequence[CalibrationSample], group: str | None, seed: int) -> Calibration:
    """Calibrate detectors on samples of people and of other authors. Raises BadInput if a sample is too small."""
    groups = grouped(samples, group)
    bounds = np.cumsum([0, *(len(sample.content) for sample in samples)])
    own = [replace(sample, groups=groups[first:end]) for sample, first, end in zip(samples, bounds[:-1], bounds[1:], strict=True)]
    for sample, flag in zip(own, ("--human", "--ai", "--edited"), strict=False):
        check_enough(sample, flag)
    streams = np.random.default_rng(np.random.SeedSequence([seed, 0x0DE7EC7])).spawn(1 + len(own))
    folds = fold_of(np.arange(int(groups.max()) + 1), streams[0], FOLDS)
    every = all_of(own)
    reader = detector.reader(every)
    detectors, ratios = [], []
    for number in range(1, len(own)):
        order = [own[0], own[number], *(sample for other, sample in enumerate(own) if other not in (0, number))]
        fitted, own_ratios = calibrated(
            detector, [AuthorSample(sample.content, sample.groups) for sample in order], folds, reader, streams[number]
        )
        back = [next(at for at, sample in enumerate(order) if sample is wanted) for wanted in own]
        detectors.append(fitted)
        ratios.append(tuple(own_ratios[at] for at in back))
    human = own[0].groups
    excerpts = detectors[0].excerpts.items()
    are_texts = not isinstance(every, TypedRecords)
    frequent = frequent_words(every) if are_texts else ()
    judging = Judging(
        tuple(detectors), {length: _group_weights(human[rows]) for length, (_, rows) in excerpts},
        {length: folds[human[rows]] for length, (_, rows) in excerpts}, frequent, marks_of_style(frequent) if are_texts else (), _least_common(own, frequent) if are_texts else 0.0,
    )  # fmt: skip
    return Calibration(
        tuple(own), folds, judging, tuple(ratios), tuple(judging.plain(sample.content) for sample in own),
        _controls(own, folds) if are_texts else {}, tuple(telling_columns(own)) if are_texts else (), "" if group else linking_column(own),
    )  # fmt: skip


def check_enough(sample: CalibrationSample, flag: str) -> None:
    """Raise BadInput if a sample has fewer than `FEWEST` groups."""
    if (count := int(np.unique(sample.groups).size)) < FEWEST:
        what, more = (
            ("records", "records") if isinstance(sample.content, TypedRecords) else (f"texts of at least {LEAST} words", "texts")
        )
        raise BadInput(f"{flag} has {count:,} independent {what}, but {FEWEST} are needed; add {more}")


def _group_weights(groups: np.ndarray) -> np.ndarray:
    """Return one over the size of each text's group."""
    _, own, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return 1.0 / sizes[own]


def _controls(samples: Sequence[CalibrationSample], folds: np.ndarray) -> dict[str, float]:
    """Return the areas of the control detectors on the first two samples, which must be texts."""
    raw = [text for sample in samples[:2] for text in sample.raw]
    is_model = np.arange(len(raw)) >= len(samples[0].raw)
    fold = folds[np.concatenate([sample.groups for sample in samples[:2]])]
    return {
        LENGTHS_ALONE: control_area(lengths_alone(raw), is_model, fold),
        SIGNS_ALONE: control_area(signs_alone(raw), is_model, fold),
    }


def _least_common(samples: Sequence[CalibrationSample], frequent: Sequence[str]) -> float:
    """Return the quantile `UNUSUAL` of the share of frequent words, over calibration texts that are long enough."""
    long = [
        text
        for sample in samples
        for text, words in zip(sample.content, sample.words.tolist(), strict=True)  # type: ignore[arg-type]  # texts
        if words >= ENOUGH_WORDS
    ]
    return float(np.quantile(common_shares(long, frequent), UNUSUAL)) if long else 0.0
