"""Comparison of models from two sources of training records.

Each fit leaves out one part of its records, and all are tested on the same human records.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from outcross.data.tables import Table
from outcross.estimate import Estimate, NotApplicable, student_quantile
from outcross.statistics.floors import LEVEL, SMALLEST, Null, Worse
from outcross.statistics.prediction import (
    LEARNERS,
    EncodedRecords,
    PredictionTask,
    calibration_slope,
    discrimination,
    losses,
    squared_errors,
)
from outcross.statistics.ratios import from_logarithms


@dataclass(frozen=True, eq=False)
class Trial:
    """The training and test records of a comparison."""

    task: PredictionTask
    test: Table
    """The human test records with a known target."""
    tests: EncodedRecords
    own: np.ndarray
    """The human training part that each test record belongs to, -1 for none, (tests,)."""
    parts: tuple[list[EncodedRecords], list[EncodedRecords]]
    """Disjoint parts of equal size, human and synthetic. Each fit leaves out one part."""
    note: str

    def tested(self, learner: str, trained_on: Sequence[EncodedRecords], *, by_each: bool) -> Predictions:
        """Fit a model to each set of training records and return the predictions for the test records.

        If the sets contain human records, set k must leave out the human part k. With `by_each`, every fit predicts every test record; no fit may
        then have learned from a test record. Otherwise each test record is predicted by one fit that left it out, and records in no part by the fits
        in turn.
        """
        fits = [LEARNERS[learner](part, len(self.task.classes)) for part in trained_on]
        which = np.where(self.own >= 0, self.own, np.arange(len(self.tests)) % len(fits))
        if by_each:
            predicted = tuple(fit(self.tests) for fit in fits)
            return Predictions(self.tests, np.stack(predicted)[which, np.arange(len(self.tests))], predicted)
        order = np.argsort(which, kind="stable")
        parts = [fit(self.tests.take(np.flatnonzero(which == k))) for k, fit in enumerate(fits)]
        return Predictions(self.tests, np.concatenate(parts)[np.argsort(order)], ())

    @property
    def is_apart(self) -> bool:
        """Whether no model learns from a test record."""
        return bool((self.own < 0).all())

    def without_each(self, side: int) -> list[EncodedRecords]:
        """Return the records of the human (0) or the synthetic side (1) without each of its parts in turn."""
        parts = self.parts[side]
        return [joined([part for j, part in enumerate(parts) if j != k]) for k in range(len(parts))]


def joined(parts: Sequence[EncodedRecords]) -> EncodedRecords:
    first, *others = parts
    for part in others:
        first = first + part
    return first


@dataclass(frozen=True, eq=False)
class Scores:
    """One number of several fits together, the contribution of each test record to its error, and the number of each fit."""

    value: float
    contributions: np.ndarray
    """The contribution of each test record, with mean 0, (test records,)."""
    fits: np.ndarray | None
    """The number of each fit, (fits,). None if no two fits can be tested on the same records."""

    @property
    def variance_of_fits(self) -> float | None:
        """The variance of the mean of the fits over training sets, by the jackknife over left-out parts.

        On average it is not smaller than the true variance: two fits that share k - 2 of k - 1 parts have a correlation of at most (k - 2) / (k - 1)
        (Hoeffding, Ann. Math. Stat. 19:293, 1948). They have exactly this correlation if the number is a sum over records, which is nearly so for
        smooth learners. For discontinuous learners the variance is too large.
        """
        if self.fits is None:
            return None
        k = self.fits.size
        return float(np.square(self.fits - self.fits.mean()).sum()) * (k - 1) / k


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of several fits for the test records."""

    tests: EncodedRecords
    assembled: np.ndarray
    """The prediction for each record by a fit that left it out, (records, …)."""
    by_each: tuple[np.ndarray, ...]
    """The predictions of every fit for every record. Empty if fits learned from some of the test records."""

    @property
    def fits(self) -> tuple[np.ndarray, ...]:
        return self.by_each or (self.assembled,)

    @cached_property
    def losses(self) -> np.ndarray:
        """The loss of each test record, (fits, test records). There is a single row if each record is predicted by one fit only."""
        return self._each(losses)

    def _each(self, of_records: Callable[[np.ndarray, EncodedRecords], np.ndarray]) -> np.ndarray:
        return np.stack([of_records(predicted, self.tests) for predicted in self.fits])

    def log_loss(self, mask: np.ndarray | slice = slice(None)) -> Scores:
        """Return the logarithm of the mean loss over some of the test records."""
        return _log_mean(self.losses[:, mask])

    def log_brier(self) -> Scores:
        """Return the logarithm of the Brier score: the mean squared distance between class probabilities and outcomes."""
        return _log_mean(self._each(squared_errors))

    def _of_all(self, number: Callable[[np.ndarray, EncodedRecords], tuple[float, np.ndarray]]) -> Scores:
        """Return a number of all test records together. `number(predicted, records)` returns it with the contribution of each record to its error."""
        fits = [number(predicted, self.tests) for predicted in self.fits]
        values = np.array([value for value, _ in fits])
        return Scores(float(values.mean()), np.mean([parts for _, parts in fits], axis=0), values if values.size > 1 else None)

    @cached_property
    def discrimination(self) -> Scores:
        """The area under the ROC curve, or R². Raises NotApplicable if it is not defined for these test records."""
        return self._of_all(discrimination)

    @cached_property
    def log_slope(self) -> Scores:
        """The logarithm of the calibration slope. Raises NotApplicable if the slope is not significantly above 0."""
        return self._of_all(_log_slope)

    @cached_property
    def chosen(self) -> np.ndarray:
        """Whether each fit predicts the second of two classes, (fits or 1, test records)."""
        return np.stack([predicted.argmax(axis=1) == 1 for predicted in self.fits])


def _log_mean(numbers: np.ndarray) -> Scores:
    """Return the logarithm of the mean over test records of a number, (fits, records)."""
    means = np.maximum(numbers.mean(axis=1), 1e-12)
    mean = float(means.mean())
    return Scores(math.log(mean), numbers.mean(axis=0) / mean - 1, np.log(means) if len(means) > 1 else None)


def _log_slope(predicted: np.ndarray, records: EncodedRecords) -> tuple[float, np.ndarray]:
    slope, contributions = calibration_slope(predicted, records)
    if slope <= 3 * float(contributions.std(ddof=1)) / math.sqrt(len(records)):
        raise NotApplicable("a model's predictions have too little information about the target for a calibration slope")
    return math.log(slope), contributions / slope


def with_t(value: float, variances: tuple[float, int], of_fits: tuple[float, int], worse: Worse) -> tuple[Estimate, Null]:
    """Return the estimate and the null of a difference that is 0 if nothing is lost, by Student's t.

    Its variance is the sum of that over n test records, `variances` (variance, n), and that over training sets, `of_fits` (variance, degrees of
    freedom). The degrees of freedom of the sum are those of Welch and Satterthwaite.
    """
    from scipy.stats import t

    (of_tests, n), (of_training, degrees) = variances, of_fits
    whole, method = of_tests + of_training, "left-out parts and paired test records"
    if whole <= 0:
        return Estimate(value, value, value, method, n), Null(
            typical=0.0, floor=0.0, p=1.0 if value == 0 else SMALLEST, method=method
        )
    error = math.sqrt(whole)
    freedom = min(1e9, whole**2 / (of_training**2 / max(1, degrees) + of_tests**2 / (n - 1)))
    law, sign, reach = t(freedom), 1.0 if worse == "larger" else -1.0, student_quantile(freedom) * error
    p = max(SMALLEST, float(law.sf(sign * value / error)))
    return Estimate(value, value - reach, value + reach, method, n), Null(
        typical=0.0, floor=sign * float(law.ppf(1 - LEVEL)) * error, p=p, method=method
    )


def variance_of_fits(first: Scores, second: Scores, like: Scores | None = None) -> tuple[float, int]:
    """Return the variance over training sets of the difference of two scores, and its degrees of freedom.

    If the fits of one side cannot be tested on the same records, the variance of the other side, or of `like`, is used instead.
    """
    known = [scores.variance_of_fits for scores in (first, second) if scores.fits is not None]
    stand_in = known[0] if known else like.variance_of_fits if like is not None else None
    if stand_in is None:
        raise NotApplicable("no two fits can be tested on the same records")
    sizes = [scores.fits.size for scores in (first, second, like) if scores is not None and scores.fits is not None]
    variance = sum(scores.variance_of_fits if scores.variance_of_fits is not None else stand_in for scores in (first, second))
    return variance, (sizes[0] - 1) * max(1, len(known))


def gap(first: Scores, second: Scores, worse: Worse, like: Scores | None = None) -> tuple[Estimate, Null]:
    """Return the difference of two scores over the same test records."""
    n = first.contributions.size
    of_tests = float((first.contributions - second.contributions).var(ddof=1)) / n
    return with_t(first.value - second.value, (of_tests, n), variance_of_fits(first, second, like), worse)


def ratio(top: Scores, bottom: Scores, worse: Worse = "larger", like: Scores | None = None) -> tuple[Estimate, Null]:
    """Return the ratio of two numbers over the same test records, from the `gap` of their logarithms."""
    return from_logarithms(*gap(top, bottom, worse, like))
