"""One column predicted from the others: how records become numbers, two learners, and what each test record costs them.

The learners are scikit-learn's. Records are encoded here, by polars and NumPy: OrdinalEncoder gives the same codes in three times the time (24,000 records
of Adult), OneHotEncoder the same indicators in 1.3 times, and neither makes one encoding for both learners as `EncodedRecords` is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from outcross.data.tables import Table
from outcross.data.values import places_in
from outcross.estimate import Estimate, NotApplicable

MOST_CLASSES = 30
COMMONEST = 60
"""Categories of a column that a learner tells apart."""
DOUBT = 0.001
"""Share of every prediction that is spread evenly over the classes: without it, one class that the training data lack costs infinitely much."""
TREES, FEWEST_TREES = 60, 5
MOST_LOOKED_AT = 8_000
"""Columns that all trees together look at, at most: of 64 columns and 24 classes each class has 5 trees. Of 3,750 records of a table with 19 to 29 classes (benchmarks/audit_cost.py, wide) 10 trees a class
predict no better than 5, and 60 of them learn chance."""
LEAVES = 15
A_WEIGHT = 10
"""Records for each weight of a logistic regression, below which its weights are held back the more (Peduzzi et al., J. Clin. Epidemiol. 49:1373, 1996)."""
BINS, FEWEST_BINS = 255, 64
MOST_BINS = 6_400
"""Bins of all columns together, at most: a node's histogram of 64 columns of 255 bins each is larger than what a processor has at hand, and of thousands of records it holds mostly zeros."""


@dataclass(frozen=True, eq=False)
class EncodedRecords:
    """Records as a learner sees them."""

    numbers: np.ndarray
    """Standardised by the human training data, NaN where missing. (records, numbers)"""
    codes: np.ndarray
    """Which of a column's categories, -1 where missing or rare. (records, categories)"""
    target: np.ndarray
    """The number of the class; or the number, in human standard deviations. (records,)"""

    def take(self, rows: np.ndarray) -> EncodedRecords:
        return EncodedRecords(self.numbers[rows], self.codes[rows], self.target[rows])

    def __add__(self, other: EncodedRecords) -> EncodedRecords:
        return EncodedRecords(
            *(np.concatenate([getattr(self, name), getattr(other, name)]) for name in ("numbers", "codes", "target"))
        )

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True, eq=False)
class PredictionTask:
    """What is to be predicted, and how human training data say that records become numbers."""

    target: str
    classes: tuple[str, ...]
    """Of a category, in alphabetical order; none of a number."""
    numbers: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    centre: np.ndarray
    scale: np.ndarray
    """Of the numbers, then of a target that is one."""

    def records(self, table: Table) -> tuple[EncodedRecords, np.ndarray]:
        """The records whose target is known, and their rows."""
        target = _codes(table, self.target, self.classes) if self.classes else table.numbers(self.target)
        rows = np.flatnonzero(target >= 0 if self.classes else np.isfinite(target))
        values = np.column_stack([table.numbers(column) for column in self.numbers]) if self.numbers else np.empty((len(target), 0))
        codes = [_codes(table, column, names) for column, names in self.categories.items()]
        numbers = (values - self.centre[: len(self.numbers)]) / self.scale[: len(self.numbers)]
        if not self.classes:
            target = (target - self.centre[-1]) / self.scale[-1]
        stacked = np.stack(codes, axis=1) if codes else np.empty((len(target), 0), int)
        return EncodedRecords(numbers, stacked, target).take(rows), rows


def task(training: Table, target: str | None, columns: Collection[str] | None = None) -> PredictionTask:
    """What human training data say about predicting a column from these, or from all others; raises NotApplicable where it cannot be predicted."""
    if target is None:
        raise NotApplicable("name a target column: --target income")
    if target not in training.kinds:
        raise NotApplicable(f"no column {target!r} is in both sets; name one of {', '.join(training.kinds)[:120]}")
    kind = training.kinds[target]
    if kind not in ("number", "category"):
        raise NotApplicable(f"the target {target!r} is a {kind}; only numbers and categories are predicted")
    others = [column for column in training.kinds if column != target and (columns is None or column in columns)]
    numbers = tuple(column for column in others if training.kinds[column] == "number")
    categories = {column: _names(training, column)[:COMMONEST] for column in others if training.kinds[column] == "category"}
    if not numbers and not categories:
        raise NotApplicable(f"no other column of numbers or categories predicts {target!r}")
    classes = tuple(sorted(_names(training, target))) if kind == "category" else ()
    if kind == "category" and not 2 <= len(classes) <= MOST_CLASSES:
        what = "no value" if not classes else "one value" if len(classes) == 1 else f"{len(classes):,} classes"
        raise NotApplicable(
            f"the target {target!r} has {what} in the reference; a target has 2 to {MOST_CLASSES} classes, or is a number"
        )
    scaled = numbers if classes else (*numbers, target)
    values = [column[np.isfinite(column)] for column in map(training.numbers, scaled)]
    centre, scale = (np.array([statistic(column) if column.size else 0.0 for column in values]) for statistic in (np.mean, np.std))
    if not classes and scale[-1] <= 1e-12 * max(1.0, abs(centre[-1])):
        raise NotApplicable(f"the target {target!r} is constant or missing in the reference")
    return PredictionTask(target, classes, numbers, categories, centre, np.where(scale > 0, scale, 1.0))


def _names(table: Table, column: str) -> tuple[str, ...]:
    """The categories of a column, the commonest first."""
    counted = table.frame[column].drop_nulls().value_counts(name="_count").sort(["_count", column], descending=[True, False])
    return tuple(counted[column].to_list())


def _codes(table: Table, column: str, names: tuple[str, ...]) -> np.ndarray:
    return places_in(table.frame[column], names)


Predict = Callable[[EncodedRecords], np.ndarray]
"""Records → P(class), (records, classes); or numbers, (records,)."""


def boosted_trees(training: EncodedRecords, classes: int) -> Predict:
    """60 trees of 15 leaves for each class, fewer where there are many columns and many classes, gradient boosted on histograms (Ke et al., LightGBM, 2017; scikit-learn).

    `classes` is 0 where the target is a number.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    p = training.numbers.shape[1]
    columns = p + training.codes.shape[1]
    trees_a_round = classes if classes > 2 else 1
    settings: dict[str, Any] = {
        "max_iter": min(TREES, max(FEWEST_TREES, MOST_LOOKED_AT // (columns * trees_a_round))),
        "max_bins": min(BINS, max(FEWEST_BINS, MOST_BINS // columns)),
        "max_leaf_nodes": LEAVES,
        "learning_rate": 0.15,
        "early_stopping": False,
        "categorical_features": [i >= p for i in range(columns)],
        "random_state": 0,
    }
    return _fitted(kind(**settings), _for_trees, training, classes)


def linear_model(training: EncodedRecords, classes: int) -> Predict:
    """Logistic or ridge regression on standardised numbers and an indicator a category; where there are fewer than ten records a weight, weights are held back the more."""
    from sklearn.linear_model import LogisticRegression, Ridge

    sizes = [int(training.codes[:, j].max(initial=-1)) + 1 for j in range(training.codes.shape[1])]
    gaps = np.flatnonzero(~np.isfinite(training.numbers).all(axis=0))
    weights = (training.numbers.shape[1] + gaps.size + sum(sizes)) * (classes if classes > 2 else 1)
    strength = min(1.0, len(training) / (A_WEIGHT * weights))
    model = LogisticRegression(C=strength, max_iter=200, tol=1e-3) if classes else Ridge()
    # A solver of steps does with half the digits, in half the time; that of least squares would lose those that tell columns which are nearly the same apart.
    digits = np.float32 if classes else np.float64
    return _fitted(model, lambda records: _for_lines(records, sizes, gaps).astype(digits), training, classes)


def _for_trees(records: EncodedRecords) -> np.ndarray:
    return np.concatenate([records.numbers, np.where(records.codes < 0, np.nan, records.codes)], axis=1)


def _for_lines(records: EncodedRecords, sizes: list[int], gaps: np.ndarray) -> np.ndarray:
    """gaps: the numbers of which the training records lack some, each with an indicator of that."""
    missing = ~np.isfinite(records.numbers)
    # A line has no use for values ten deviations out but to be bent by them.
    numbers = np.where(missing, 0.0, np.clip(np.where(missing, 0.0, records.numbers), -10, 10))
    indicators = [records.codes[:, j, None] == np.arange(size) for j, size in enumerate(sizes)]
    return np.concatenate([numbers, missing[:, gaps], *indicators], axis=1)


def _fitted(model, features: Callable[[EncodedRecords], np.ndarray], training: EncodedRecords, classes: int) -> Predict:
    import warnings

    from threadpoolctl import threadpool_limits

    seen = np.unique(training.target)
    if classes and seen.size < 2:
        return lambda records: _doubting(np.ones((len(records), 1)), seen, classes)
    # One thread: sets of some thousand records are done before threads have met, and no digit hangs on how many there are.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # a fit that has not quite converged is measured by what it predicts
        model.fit(features(training), training.target.astype(int) if classes else training.target)
    if classes:
        return lambda records: _doubting(model.predict_proba(features(records)), seen, classes)
    return lambda records: model.predict(features(records))


def _doubting(chances: np.ndarray, seen: np.ndarray, classes: int) -> np.ndarray:
    """The chances of all classes, (records, classes), from those of the classes that were seen: a little is shared out among all classes, for those that were not."""
    predicted = np.full((len(chances), classes), DOUBT / classes)
    predicted[:, seen.astype(int)] += (1 - DOUBT) * chances
    return predicted


LEARNERS: Mapping[str, Callable[[EncodedRecords, int], Predict]] = {"boosted trees": boosted_trees, "linear model": linear_model}


def losses(predicted: np.ndarray, records: EncodedRecords) -> np.ndarray:
    """Log loss in nats, or squared error in human variances of the target, of each record, (records,)."""
    if predicted.ndim == 2:
        return -np.log(predicted[np.arange(len(records)), records.target.astype(int)])
    return (predicted - records.target) ** 2


def squared_errors(predicted: np.ndarray, records: EncodedRecords) -> np.ndarray:
    """Squared distance of the chances of all classes from what came true, of each record, in [0, 2] (records,): the Brier score is its mean (Brier, Mon. Weather Rev. 78:1, 1950)."""
    if predicted.ndim == 1:
        raise NotApplicable("the target is a number, and its loss is the squared error already")
    came_true = np.zeros_like(predicted)
    came_true[np.arange(len(records)), records.target.astype(int)] = 1.0
    return np.square(predicted - came_true).sum(axis=1)


def calibration_slope(predicted: np.ndarray, records: EncodedRecords) -> tuple[float, np.ndarray]:
    """Cox's calibration slope, and what each record contributes to its error, of mean 0, (records,).

    The slope b of the logistic regression of the target on the logarithms of the predicted chances, with an intercept a class (Cox, Biometrika 45:562, 1958), and of the straight
    line of a number on its predictions. 1 where predictions are as sure as they may be, above 1 where they are too timid, as after a symmetric flip of labels, and below 1 where they are too sure.

    >>> chances = np.repeat([[0.8, 0.2], [0.2, 0.8]], 50, axis=0)
    >>> records = EncodedRecords(np.empty((100, 0)), np.empty((100, 0), int), np.repeat([0, 1, 1, 0], [40, 10, 40, 10]))
    >>> print(f"{calibration_slope(chances, records)[0]:.3f}")
    1.000
    """
    if predicted.ndim == 1:
        apart = predicted - predicted.mean()
        if float(apart @ apart) <= 1e-12 * len(records):
            raise NotApplicable("all predictions are the same")
        slope = float(apart @ records.target / (apart @ apart))
        left = records.target - records.target.mean() - slope * apart
        return slope, apart * left * len(records) / float(apart @ apart)
    return _logistic_slope(np.log(predicted), records.target.astype(int))


def _logistic_slope(logs: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """By Newton's method; logs: of the chances of classes, (records, classes)."""
    n = len(logs)
    came_true = np.zeros_like(logs)
    came_true[np.arange(n), target] = 1.0
    met = np.flatnonzero(came_true.any(axis=0))
    if met.size < 2:
        raise NotApplicable("the test records are of one class")
    logs, came_true = logs[:, met], came_true[:, met]
    # The parameters are an intercept for each class but the first, and the slope.
    parameters = np.zeros(met.size)
    parameters[-1] = 1.0
    for _ in range(50):
        logits = parameters[-1] * logs
        logits[:, 1:] += parameters[:-1]
        logits -= logits.max(axis=1, keepdims=True)
        chances = np.exp(logits)
        chances /= chances.sum(axis=1, keepdims=True)
        left = came_true - chances
        scores = np.column_stack([left[:, 1:], (left * logs).sum(axis=1)])
        information = _information(chances, logs)
        try:
            inverse = np.linalg.inv(information)
        except np.linalg.LinAlgError:
            raise NotApplicable("the predictions do not vary enough for a calibration slope") from None
        step = inverse @ scores.sum(axis=0)
        parameters = parameters + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            return float(parameters[-1]), n * scores @ inverse[-1]
    raise NotApplicable("the classes are told apart without an error, so that no calibration slope is the best")


def _information(chances: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Fisher's information on the intercepts of all classes but the first and on the slope, (classes, classes): the covariance, under the chances, of what each moves, summed over records."""
    apart = chances * (logs - (chances * logs).sum(axis=1, keepdims=True))
    information = np.empty((chances.shape[1], chances.shape[1]))
    information[:-1, :-1] = np.diag(chances.sum(axis=0)[1:]) - chances[:, 1:].T @ chances[:, 1:]
    information[:-1, -1] = information[-1, :-1] = apart.sum(axis=0)[1:]
    information[-1, -1] = (apart * logs).sum()
    return information


def discrimination(predicted: np.ndarray, records: EncodedRecords) -> tuple[float, np.ndarray]:
    """The area under the ROC curve (of each class against the rest, averaged) or R², and what each record contributes to its error, (records,).

    The contributions have mean 0; their variance over n is that of the area (DeLong, DeLong and Clarke-Pearson, Biometrics 44:837, 1988).
    """
    if predicted.ndim == 1:
        return _explained((predicted - records.target) ** 2, records.target)
    classes = [k for k in range(predicted.shape[1]) if 5 <= (records.target == k).sum() <= len(records) - 5]
    if not classes:
        raise NotApplicable("the test records are of one class")
    areas = [_area(predicted[:, k], records.target == k) for k in (classes[:1] if predicted.shape[1] == 2 else classes)]
    return float(np.mean([area for area, _ in areas])), np.mean([parts for _, parts in areas], axis=0)


def area_under_the_curve(score: np.ndarray, is_class: np.ndarray) -> Estimate:
    """The chance that a record of a class has a higher score than another, ties count half, with its 95 % interval (DeLong et al. 1988).

    score: (records,); is_class: (records,) of bool. NotApplicable where all records are of one class.
    """
    if is_class.all() or not is_class.any():
        raise NotApplicable("all records are of one class")
    area, contributions = _area(score, is_class)
    error = 1.959964 * float(np.sqrt((contributions**2).mean() / score.size))
    return Estimate(area, max(0.0, area - error), min(1.0, area + error), "DeLong, normal interval", score.size)


def _explained(squares: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    apart = (target - target.mean()) ** 2
    left, whole = squares.mean(), apart.mean()
    if whole <= 0:
        raise NotApplicable("the target is constant in the test records")
    return float(1 - left / whole), -(squares - left) / whole + left * (apart - whole) / whole**2


def _area(score: np.ndarray, is_class: np.ndarray) -> tuple[float, np.ndarray]:
    from scipy.stats import rankdata

    ranks, n, m = rankdata(score), int(is_class.sum()), int((~is_class).sum())
    above = np.empty(score.size)
    above[is_class] = (ranks[is_class] - rankdata(score[is_class])) / m
    above[~is_class] = 1 - (ranks[~is_class] - rankdata(score[~is_class])) / n
    area = float(above[is_class].mean())
    return area, (above - area) * np.where(is_class, score.size / n, score.size / m)
