"""Models fitted on sets of records that each leave out one part, tested on the same human records: what differs between two sources, and how surely."""

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
    """What models are trained on and tested on."""

    task: PredictionTask
    test: Table
    """The human test records whose target is known."""
    tests: EncodedRecords
    own: np.ndarray
    """Which of the human parts each test record is in, -1 where it is in none. (tests,)"""
    parts: tuple[list[EncodedRecords], list[EncodedRecords]]
    """Disjoint sets of records of equal size, human and synthetic; a fit leaves out one of them."""
    note: str

    def tested(self, learner: str, trained_on: Sequence[EncodedRecords], *, by_each: bool) -> Predictions:
        """The predictions of a model for each set of records; where these hold human ones, set k leaves out the human part k.

        Every fit is tested on every record where `by_each` says so and none of them learned from a test record; else each record by one fit
        that it was left out of, those in no part by the fits in turn.
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
        """The records of the human (0) or the synthetic side (1) without each of its parts in turn."""
        parts = self.parts[side]
        return [joined([part for j, part in enumerate(parts) if j != k]) for k in range(len(parts))]


def joined(parts: Sequence[EncodedRecords]) -> EncodedRecords:
    first, *others = parts
    for part in others:
        first = first + part
    return first


@dataclass(frozen=True, eq=False)
class Scores:
    """One number of several fits together, what each test record contributes to its error, and the number of each fit."""

    value: float
    contributions: np.ndarray
    """Of mean 0. (test records,)"""
    fits: np.ndarray | None
    """(fits,); None where no two fits can be tested on the same records."""

    @property
    def variance_of_fits(self) -> float | None:
        """What another training set would change in the mean of the fits: the jackknife over left-out parts.

        It is no smaller on average than the variance of that mean: two fits that share k - 2 of k - 1 parts are correlated by at most
        (k - 2) / (k - 1) (Hoeffding, Ann. Math. Stat. 19:293, 1948), and by so much where the number is a sum over records, as it nearly is for smooth learners. Of learners that jump it is too large.
        """
        if self.fits is None:
            return None
        k = self.fits.size
        return float(np.square(self.fits - self.fits.mean()).sum()) * (k - 1) / k


@dataclass(frozen=True, eq=False)
class Predictions:
    """What several fits predict for the test records."""

    tests: EncodedRecords
    assembled: np.ndarray
    """The prediction for each record by a fit that it was left out of. (records, …)"""
    by_each: tuple[np.ndarray, ...]
    """Those of every fit for every record; none where fits learned from some of them."""

    @property
    def fits(self) -> tuple[np.ndarray, ...]:
        return self.by_each or (self.assembled,)

    @cached_property
    def losses(self) -> np.ndarray:
        """(fits, test records); one row where each record has one fit that may be tested on it."""
        return self._each(losses)

    def _each(self, of_records: Callable[[np.ndarray, EncodedRecords], np.ndarray]) -> np.ndarray:
        return np.stack([of_records(predicted, self.tests) for predicted in self.fits])

    def log_loss(self, mask: np.ndarray | slice = slice(None)) -> Scores:
        """The logarithm of the mean loss over some of the test records."""
        return _log_mean(self.losses[:, mask])

    def log_brier(self) -> Scores:
        """The logarithm of the Brier score: the mean squared distance of the chances of classes from what came true."""
        return _log_mean(self._each(squared_errors))

    def _of_all(self, number: Callable[[np.ndarray, EncodedRecords], tuple[float, np.ndarray]]) -> Scores:
        """A number of all test records together, `number(predicted, records)` with what each contributes to its error."""
        fits = [number(predicted, self.tests) for predicted in self.fits]
        values = np.array([value for value, _ in fits])
        return Scores(float(values.mean()), np.mean([parts for _, parts in fits], axis=0), values if values.size > 1 else None)

    def discrimination(self) -> Scores:
        return self._of_all(discrimination)

    @cached_property
    def log_slope(self) -> Scores:
        """The logarithm of the calibration slope; NotApplicable where predictions say too little of the target to have one."""
        return self._of_all(_log_slope)

    @cached_property
    def chosen(self) -> np.ndarray:
        """Whether each fit predicts the second of two classes, (fits or 1, test records)."""
        return np.stack([predicted.argmax(axis=1) == 1 for predicted in self.fits])


def _log_mean(numbers: np.ndarray) -> Scores:
    """The logarithm of the mean of a number a test record, (fits, records)."""
    means = np.maximum(numbers.mean(axis=1), 1e-12)
    mean = float(means.mean())
    return Scores(math.log(mean), numbers.mean(axis=0) / mean - 1, np.log(means) if len(means) > 1 else None)


def _log_slope(predicted: np.ndarray, records: EncodedRecords) -> tuple[float, np.ndarray]:
    slope, contributions = calibration_slope(predicted, records)
    if slope <= 3 * float(contributions.std(ddof=1)) / math.sqrt(len(records)):
        raise NotApplicable("a model's predictions say too little of the target for a calibration slope")
    return math.log(slope), contributions / slope


def with_t(value: float, variances: tuple[float, int], of_fits: tuple[float, int], worse: Worse) -> tuple[Estimate, Null]:
    """A difference that is 0 where nothing is lost, by Student's t.

    Its variance is that over n test records, `variances` (variance, n), and that over training sets, `of_fits` (variance, degrees of freedom); Welch's and
    Satterthwaite's degrees of freedom of both together.
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
    """The variance of the difference of two scores over training sets, and its degrees of freedom.

    Where the fits of a side cannot be tested on the same records, those of the other side stand for them, or of `like`.
    """
    known = [scores.variance_of_fits for scores in (first, second) if scores.fits is not None]
    stand_in = known[0] if known else like.variance_of_fits if like is not None else None
    if stand_in is None:
        raise NotApplicable("no two fits can be tested on the same records")
    sizes = [scores.fits.size for scores in (first, second, like) if scores is not None and scores.fits is not None]
    variance = sum(scores.variance_of_fits if scores.variance_of_fits is not None else stand_in for scores in (first, second))
    return variance, (sizes[0] - 1) * max(1, len(known))


def gap(first: Scores, second: Scores, worse: Worse, like: Scores | None = None) -> tuple[Estimate, Null]:
    """The difference of two scores over the same test records."""
    n = first.contributions.size
    of_tests = float((first.contributions - second.contributions).var(ddof=1)) / n
    return with_t(first.value - second.value, (of_tests, n), variance_of_fits(first, second, like), worse)


def ratio(top: Scores, bottom: Scores, worse: Worse = "larger", like: Scores | None = None) -> tuple[Estimate, Null]:
    """The ratio of two numbers over the same test records, from the `gap` of their logarithms."""
    return from_logarithms(*gap(top, bottom, worse, like))
