"""Models fitted on several disjoint sets of records, tested on the same ones: what differs between two sources, and how surely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from outcross.data.tables import Table
from outcross.estimate import Estimate, student_quantile
from outcross.statistics.floors import LEVEL, SMALLEST, Null, Worse
from outcross.statistics.prediction import LEARNERS, EncodedRecords, PredictionTask, discrimination, losses
from outcross.statistics.ratios import from_logarithms


@dataclass(frozen=True, eq=False)
class Trial:
    """What models are trained on and tested on."""

    task: PredictionTask
    test: Table
    """The human test records whose target is known."""
    tests: EncodedRecords
    parts: tuple[list[EncodedRecords], list[EncodedRecords]]
    """Disjoint training sets of equal size, human and synthetic."""
    note: str

    def tested(self, learner: str, parts: Sequence[EncodedRecords]) -> Predictions:
        classes = len(self.task.classes)
        return Predictions(self.tests, tuple(LEARNERS[learner](part, classes)(self.tests) for part in parts))


@dataclass(frozen=True, eq=False)
class Scores:
    """One number a fit, and what each test record contributes to the error of their mean."""

    values: np.ndarray
    """(fits,)"""
    contributions: np.ndarray
    """Of mean 0. (test records,)"""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What several fits predict for the test records."""

    tests: EncodedRecords
    predicted: tuple[np.ndarray, ...]

    @cached_property
    def losses(self) -> np.ndarray:
        """(fits, test records)"""
        return np.stack([losses(predicted, self.tests) for predicted in self.predicted])

    def log_loss(self, mask: np.ndarray | slice = slice(None)) -> Scores:
        """The logarithm of the mean loss over some of the test records."""
        some = self.losses[:, mask]
        mean = np.maximum(some.mean(axis=1), 1e-12)
        return Scores(np.log(mean), (some / mean[:, None] - 1).mean(axis=0))

    def discrimination(self) -> Scores:
        pairs = [discrimination(predicted, self.tests) for predicted in self.predicted]
        return Scores(np.array([value for value, _ in pairs]), np.mean([contributions for _, contributions in pairs], axis=0))

    @cached_property
    def chosen(self) -> np.ndarray:
        """Whether each fit predicts the second of two classes, (fits, test records)."""
        return np.stack([predicted.argmax(axis=1) == 1 for predicted in self.predicted])


def apart(first: np.ndarray, second: np.ndarray, variance: float, n: int) -> tuple[float, float, float]:
    """The difference of means over fits (fits,), its standard error and its degrees of freedom; `variance` is that over n test records."""
    from_fits = float(first.var(ddof=1) / first.size + second.var(ddof=1) / second.size)
    whole = from_fits + variance
    freedom = whole**2 / (from_fits**2 / (first.size + second.size - 2) + variance**2 / (n - 1)) if whole > 0 else math.inf
    return float(first.mean() - second.mean()), math.sqrt(whole), freedom


def with_t(value: float, error: float, freedom: float, worse: Worse, n: int) -> tuple[Estimate, Null]:
    """A difference that is 0 where nothing is lost, by Student's t."""
    from scipy.stats import t

    method = "refits and paired test records"
    if error <= 0:
        return Estimate(value, value, value, method, n), Null(
            typical=0.0, floor=0.0, p=1.0 if value == 0 else SMALLEST, method=method
        )
    freedom = min(freedom, 1e9)
    law, sign, reach = t(freedom), 1.0 if worse == "larger" else -1.0, student_quantile(freedom) * error
    p = max(SMALLEST, float(law.sf(sign * value / error)))
    return Estimate(value, value - reach, value + reach, method, n), Null(
        typical=0.0, floor=sign * float(law.ppf(1 - LEVEL)) * error, p=p, method=method
    )


def gap(first: Scores, second: Scores, worse: Worse) -> tuple[Estimate, Null]:
    """The difference of two scores over the same test records."""
    n = first.contributions.size
    return with_t(
        *apart(first.values, second.values, float((first.contributions - second.contributions).var(ddof=1)) / n, n), worse, n
    )


def ratio_of_losses(top: Scores, bottom: Scores) -> tuple[Estimate, Null]:
    """The ratio of two losses over the same test records, from the `gap` of their logarithms; larger is worse."""
    return from_logarithms(*gap(top, bottom, "larger"))
