"""Prediction of one column from the others: the encoding of records, two learners, and the losses of test records.

The learners are those of scikit-learn. Records are encoded here with polars and NumPy. OrdinalEncoder takes three times as long for the same codes
(24,000 records of Adult), OneHotEncoder 1.3 times as long for the same indicators, and neither gives one encoding for both learners, as
`EncodedRecords` does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from outcross.data.tables import Table
from outcross.estimate import Estimate, NotApplicable

MOST_CLASSES = 30
COMMONEST = 60
"""Maximum number of categories of a column that a learner distinguishes."""
DOUBT = 0.001
"""Share of every prediction that is spread evenly over the classes. Without it, a class that the training data lack would have an infinite loss."""
TREES, FEWEST_TREES = 60, 5
MOST_LOOKED_AT = 8_000
"""Maximum of the number of trees times the number of columns: with 64 columns and 24 classes each class has 5 trees. For 3,750 records of a table
with 19 to 29 classes (benchmarks/audit_cost.py, wide), 10 trees per class predict no better than 5, and 60 overfit."""
LEAVES = 15
A_WEIGHT = 10
"""Number of records per weight of a logistic regression below which its penalty is stronger (Peduzzi et al., J. Clin. Epidemiol. 49:1373, 1996)."""
BINS, FEWEST_BINS = 255, 64
MOST_BINS = 6_400
"""Maximum number of bins of all columns together. The histogram of a node with 64 columns of 255 bins does not fit into the cache of a processor, and
for a few thousand records most of its bins are empty."""


@dataclass(frozen=True, eq=False)
class EncodedRecords:
    """Encoded records for a learner."""

    numbers: np.ndarray
    """Columns of numbers, standardised by the human training data, NaN for missing values, (records, numbers)."""
    codes: np.ndarray
    """Columns of categories as codes, -1 for missing or rare categories, (records, categories)."""
    target: np.ndarray
    """The index of the class, or the standardised number, (records,)."""

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
    """A target to predict, and the encoding of records, which comes from human training data."""

    target: str
    classes: tuple[str, ...]
    """The classes of the target in alphabetical order. Empty if the target is a number."""
    numbers: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    centre: np.ndarray
    scale: np.ndarray
    """The standard deviations of the columns of numbers, followed by that of a numeric target."""

    def records(self, table: Table) -> tuple[EncodedRecords, np.ndarray]:
        """Return the encoded records with a known target, and their rows."""
        target = table.places_of(self.target, self.classes) if self.classes else table.numbers(self.target)
        rows = np.flatnonzero(target >= 0 if self.classes else np.isfinite(target))
        values = np.column_stack([table.numbers(column) for column in self.numbers]) if self.numbers else np.empty((len(target), 0))
        codes = [table.places_of(column, names) for column, names in self.categories.items()]
        numbers = (values - self.centre[: len(self.numbers)]) / self.scale[: len(self.numbers)]
        if not self.classes:
            target = (target - self.centre[-1]) / self.scale[-1]
        stacked = np.stack(codes, axis=1) if codes else np.empty((len(target), 0), int)
        return EncodedRecords(numbers, stacked, target).take(rows), rows


def task(training: Table, target: str | None, columns: Collection[str] | None = None) -> PredictionTask:
    """Return the task of predicting a column from the given columns, or from all others. Raises NotApplicable if the column cannot be predicted."""
    if target is None:
        raise NotApplicable("no target column was named; pass one, for example --target income")
    if target not in training.kinds:
        raise NotApplicable(f"no column {target!r} is in both sets; name one of {', '.join(training.kinds)[:120]}")
    kind = training.kinds[target]
    if kind not in ("number", "category"):
        raise NotApplicable(f"the target {target!r} is a {kind}, but only numbers and categories can be predicted")
    others = [column for column in training.kinds if column != target and (columns is None or column in columns)]
    numbers = tuple(column for column in others if training.kinds[column] == "number")
    categories = {column: tuple(training.counts(column))[:COMMONEST] for column in others if training.kinds[column] == "category"}
    if not numbers and not categories:
        raise NotApplicable(f"there is no other column of numbers or categories to predict {target!r} from")
    classes = tuple(sorted(training.counts(target))) if kind == "category" else ()
    if kind == "category" and not 2 <= len(classes) <= MOST_CLASSES:
        what = "no value" if not classes else "one value" if len(classes) == 1 else f"{len(classes):,} classes"
        raise NotApplicable(
            f"the target {target!r} has {what} in the reference; a target must have 2 to {MOST_CLASSES} classes or be a number"
        )
    scaled = numbers if classes else (*numbers, target)
    values = [training.known_numbers(column) for column in scaled]
    centre, scale = (np.array([statistic(column) if column.size else 0.0 for column in values]) for statistic in (np.mean, np.std))
    if not classes and scale[-1] <= 1e-12 * max(1.0, abs(centre[-1])):
        raise NotApplicable(f"the target {target!r} is constant or missing in the reference")
    return PredictionTask(target, classes, numbers, categories, centre, np.where(scale > 0, scale, 1.0))


Predict = Callable[[EncodedRecords], np.ndarray]
"""Takes records and returns P(class), (records, classes), or predicted numbers, (records,)."""


def boosted_trees(training: EncodedRecords, classes: int) -> Predict:
    """Fit 60 trees of 15 leaves for each class by gradient boosting on histograms (Ke et al., LightGBM, 2017; scikit-learn).

    There are fewer trees, but at least 5, if there are many columns and many classes. `classes` is 0 for a numeric target.
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
    """Fit a logistic or ridge regression on standardised numbers and one indicator per category.

    The penalty of the logistic regression is stronger if there are fewer than ten records per weight.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    sizes = [int(training.codes[:, j].max(initial=-1)) + 1 for j in range(training.codes.shape[1])]
    gaps = np.flatnonzero(~np.isfinite(training.numbers).all(axis=0))
    weights = (training.numbers.shape[1] + gaps.size + sum(sizes)) * (classes if classes > 2 else 1)
    strength = min(1.0, len(training) / (A_WEIGHT * weights))
    model = LogisticRegression(C=strength, max_iter=200, tol=1e-3) if classes else Ridge()
    # The iterative solver needs only single precision, which halves its time. Least squares needs double precision for nearly collinear columns.
    digits = np.float32 if classes else np.float64
    return _fitted(model, lambda records: _for_lines(records, sizes, gaps).astype(digits), training, classes)


def _for_trees(records: EncodedRecords) -> np.ndarray:
    return np.concatenate([records.numbers, np.where(records.codes < 0, np.nan, records.codes)], axis=1)


def _for_lines(records: EncodedRecords, sizes: list[int], gaps: np.ndarray) -> np.ndarray:
    """Return the features of the linear model. gaps: the columns of numbers with missing values in training; each also has an indicator of missing
    values."""
    missing = ~np.isfinite(records.numbers)
    # Values are cut at ten standard deviations, because farther values would only distort the fit.
    numbers = np.where(missing, 0.0, np.clip(np.where(missing, 0.0, records.numbers), -10, 10))
    indicators = [records.codes[:, j, None] == np.arange(size) for j, size in enumerate(sizes)]
    return np.concatenate([numbers, missing[:, gaps], *indicators], axis=1)


def _fitted(model, features: Callable[[EncodedRecords], np.ndarray], training: EncodedRecords, classes: int) -> Predict:
    import warnings

    seen = np.unique(training.target)
    if classes and seen.size < 2:
        return lambda records: _doubting(np.ones((len(records), 1)), seen, classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that has not fully converged is still judged by its predictions
        model.fit(features(training), training.target.astype(int) if classes else training.target)
    if classes:
        return lambda records: _doubting(model.predict_proba(features(records)), seen, classes)
    return lambda records: model.predict(features(records))


def _doubting(chances: np.ndarray, seen: np.ndarray, classes: int) -> np.ndarray:
    """Return the probabilities of all classes, (records, classes), from those of the classes seen in training.

    A small share (`DOUBT`) is spread evenly over all classes, so that unseen classes also have a probability.
    """
    predicted = np.full((len(chances), classes), DOUBT / classes)
    predicted[:, seen.astype(int)] += (1 - DOUBT) * chances
    return predicted


LEARNERS: Mapping[str, Callable[[EncodedRecords, int], Predict]] = {"boosted trees": boosted_trees, "linear model": linear_model}


def losses(predicted: np.ndarray, records: EncodedRecords) -> np.ndarray:
    """Return the log loss in nats, or the squared error in human variances of the target, of each record, (records,)."""
    if predicted.ndim == 2:
        return -np.log(predicted[np.arange(len(records)), records.target.astype(int)])
    return (predicted - records.target) ** 2


def squared_errors(predicted: np.ndarray, records: EncodedRecords) -> np.ndarray:
    """Return the squared distance between the probabilities of all classes and the outcome, for each record, in [0, 2], (records,).

    The Brier score is its mean (Brier, Mon. Weather Rev. 78:1, 1950). Raises NotApplicable for a numeric target.
    """
    if predicted.ndim == 1:
        raise NotApplicable("the target is a number, so its loss is already the squared error")
    came_true = np.zeros_like(predicted)
    came_true[np.arange(len(records)), records.target.astype(int)] = 1.0
    return np.square(predicted - came_true).sum(axis=1)


def calibration_slope(predicted: np.ndarray, records: EncodedRecords) -> tuple[float, np.ndarray]:
    """Return Cox's calibration slope, and the contribution of each record to its error, (records,), with mean 0.

    It is the slope of the logistic regression of the target on the logarithms of the predicted probabilities, with an intercept per class (Cox,
    Biometrika 45:562, 1958). For a numeric target it is the slope of the target on its predictions. It is 1 for calibrated predictions, above 1 for
    underconfident ones, for instance after a symmetric flip of labels, and below 1 for overconfident ones.

    >>> chances = np.repeat([[0.8, 0.2], [0.2, 0.8]], 50, axis=0)
    >>> records = EncodedRecords(np.empty((100, 0)), np.empty((100, 0), int), np.repeat([0, 1, 1, 0], [40, 10, 40, 10]))
    >>> print(f"{calibration_slope(chances, records)[0]:.3f}")
    1.000
    """
    if predicted.ndim == 1:
        apart = predicted - predicted.mean()
        if float(apart @ apart) <= 1e-12 * len(records):
            raise NotApplicable("all predictions are equal")
        slope = float(apart @ records.target / (apart @ apart))
        left = records.target - records.target.mean() - slope * apart
        return slope, apart * left * len(records) / float(apart @ apart)
    return _logistic_slope(np.log(predicted), records.target.astype(int))


def _logistic_slope(logs: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """Fit the slope by Newton's method. logs: logarithms of the class probabilities, (records, classes)."""
    n = len(logs)
    came_true = np.zeros_like(logs)
    came_true[np.arange(n), target] = 1.0
    met = np.flatnonzero(came_true.any(axis=0))
    if met.size < 2:
        raise NotApplicable("all test records have the same class")
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
    raise NotApplicable("the predictions separate the classes without an error, so the calibration slope is infinite")


def _information(chances: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Return Fisher's information on the slope and on the intercepts of all classes but the first, (classes, classes), summed over records."""
    apart = chances * (logs - (chances * logs).sum(axis=1, keepdims=True))
    information = np.empty((chances.shape[1], chances.shape[1]))
    information[:-1, :-1] = np.diag(chances.sum(axis=0)[1:]) - chances[:, 1:].T @ chances[:, 1:]
    information[:-1, -1] = information[-1, :-1] = apart.sum(axis=0)[1:]
    information[-1, -1] = (apart * logs).sum()
    return information


def discrimination(predicted: np.ndarray, records: EncodedRecords) -> tuple[float, np.ndarray]:
    """Return the area under the ROC curve (the mean over classes of one class against the rest) or R², and each record's contribution to its error,
    (records,).

    The contributions have mean 0. Their variance divided by n is that of the area (DeLong, DeLong and Clarke-Pearson, Biometrics 44:837, 1988).
    """
    if predicted.ndim == 1:
        return _explained((predicted - records.target) ** 2, records.target)
    classes = [k for k in range(predicted.shape[1]) if 5 <= (records.target == k).sum() <= len(records) - 5]
    if not classes:
        raise NotApplicable("no class has at least 5 test records inside and 5 outside")
    areas = [_area(predicted[:, k], records.target == k) for k in (classes[:1] if predicted.shape[1] == 2 else classes)]
    return float(np.mean([area for area, _ in areas])), np.mean([parts for _, parts in areas], axis=0)


def area_under_the_curve(score: np.ndarray, is_class: np.ndarray) -> Estimate:
    """Return the probability that a record of the class has a higher score than another record, with its 95 % interval (DeLong et al. 1988).

    Ties count half. score: (records,); is_class: (records,) of bool. Raises NotApplicable if all records have the same class.
    """
    if is_class.all() or not is_class.any():
        raise NotApplicable("all records have the same class")
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
