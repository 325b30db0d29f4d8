"""The readings of `structure` for columns of series: are successive values still associated?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from outcross.estimate import NORMAL_QUANTILE, Estimate, NotApplicable, Null, Reading, student_quantile_over
from outcross.measures import Evidence, read_with_null, unread
from outcross.statistics import dynamics
from outcross.statistics.clusters import resamples
from outcross.statistics.floors import Worse, from_draws, percentile_interval, permuted_sums
from outcross.statistics.ratios import from_logarithms
from outcross.wording import amount

FEWEST_SERIES = 20
MOST_SERIES = 5_000
"""Maximum number of series that are read per side."""
BOOTSTRAPS = 199


def series(evidence: Evidence, column: str, rng: np.random.Generator) -> Iterator[Reading]:
    sides = [_records(side, column, rng) for side in (evidence.drawn, evidence.reference)]
    try:
        courses = dynamics.courses(*sides)
        n, m = len(courses.synthetic), len(courses.reference)
        if min(n, m) < FEWEST_SERIES:
            raise NotApplicable(f"{amount(min(n, m), 'series')} of that length, but at least {FEWEST_SERIES} are needed")
    except NotApplicable as why:
        yield unread("autocorrelation", str(why), column=column)
        return
    both, note = courses.both, courses.note
    if max(side.frame[column].len() for side in (evidence.drawn, evidence.reference)) > MOST_SERIES:
        note += f"; at most {MOST_SERIES:,} series a side"
    lag = dynamics.season(both)
    for at in (1, 2) if lag is None else (1, 2, lag):
        values = dynamics.autocorrelation(both, at)
        where = f"lag {at}" + (" (season)" if at == lag else "")
        yield read_with_null(
            "autocorrelation",
            lambda values=values: _mean_apart(values, n, "smaller", True, rng),
            at=where,
            column=column,
            note=note,
        )
    yield _lasting(both, n, column, note, rng)
    for (name, _, _), values in zip(dynamics.BANDS, dynamics.bands(both).T, strict=True):
        yield read_with_null("band", lambda values=values: mean_ratio(values, n, rng), at=name, column=column, note=note)
    yield read_with_null("spectral_entropy", lambda: mean_ratio(dynamics.spectral_entropy(both), n, rng), column=column, note=note)
    for what, values in (("of the values", both), ("of the steps", np.diff(both, axis=1))):
        yield read_with_null("series_variance", lambda values=values: _variance(values, n, rng), at=what, column=column, note=note)
    moves = dynamics.transitions(both)
    yield read_with_null(
        "entropy_rate", lambda: _mean_apart(dynamics.entropy_rate(moves), n, "larger", False, rng), column=column, note=note
    )
    yield read_with_null("transitions", lambda: distance_of_transitions(moves, n, rng), column=column, note=note)


def _records(side, column: str, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the values of each series without missing ones, for at most 5,000 series."""
    values = side.frame[column].drop_nulls()
    if len(values) > MOST_SERIES:
        values = values[np.sort(rng.choice(len(values), MOST_SERIES, replace=False))]
    numbers = [
        np.asarray([x for x in each if x is not None] if each.null_count() else each.to_numpy(), dtype=float) for each in values
    ]
    return [each[np.isfinite(each)] for each in numbers]


def _sums(values: np.ndarray, n: int, rng: np.random.Generator):
    """Return (mean, variance of the mean) of both sets, with the given labels and with permuted labels, and the number of synthetic values.

    The synthetic set comes first.
    """
    there = np.isfinite(values)
    if min(there[:n].sum(), there[n:].sum()) < FEWEST_SERIES:
        raise NotApplicable(f"fewer than {FEWEST_SERIES} series vary")
    features = np.stack([there, np.where(there, values, 0.0), np.where(there, values, 0.0) ** 2], axis=1).astype(float)
    drawn = permuted_sums(features, n, rng)
    as_is, whole = features[:n].sum(axis=0), features.sum(axis=0)
    return [_mean(sums) for sums in (as_is, whole - as_is, drawn, whole - drawn)], int(there[:n].sum())


def _mean(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (mean, variance of the mean) from (…, count and sums of powers 1 and 2)."""
    mean, variance = _means(sums, 1)
    return mean[..., 0], variance[..., 0]


def _mean_apart(values: np.ndarray, n: int, worse: Worse, is_signed: bool, rng: np.random.Generator) -> tuple[Estimate, Null]:
    """Return the mean of the first n values less the mean of the rest, and its null. If signed, the direction is the sign of the mean of the rest."""
    (ours, theirs, *drawn), count = _sums(values, n, rng)

    def quotient(first, second):
        sign = np.where(second[0] < 0, -1.0, 1.0) if is_signed else 1.0
        error = np.sqrt(first[1] + second[1])
        return sign * (first[0] - second[0]) / error, error

    return _studentised(quotient(ours, theirs), quotient(*drawn)[0], worse, count)


def mean_ratio(values: np.ndarray, n: int, rng: np.random.Generator) -> tuple[Estimate, Null]:
    """Return the mean of the first n values divided by the mean of the rest. All values are above 0. The null is a studentised permutation of the
    series.

    NaN values are left out. Raises NotApplicable if a side has fewer than 20 values or if the mean of the rest is 0.
    """
    (ours, theirs, *drawn), count = _sums(values, n, rng)
    if float(theirs[0]) <= 1e-9:
        raise NotApplicable("the human mean is 0")

    def quotient(first, second):
        first, second = ((np.maximum(mean, 1e-12), variance) for mean, variance in (first, second))
        error = np.sqrt(first[1] / first[0] ** 2 + second[1] / second[0] ** 2)
        return np.log(first[0] / second[0]) / error, error

    return from_logarithms(*_studentised(quotient(ours, theirs), quotient(*drawn)[0], "smaller", count))


def _lasting(series: np.ndarray, n: int, column: str, note: str, rng: np.random.Generator) -> Reading:
    """Return the autocorrelation of the first n series less that of the rest, at the longer lag with the largest loss.

    It is the smallest of several differences. Its interval reaches from the smallest lower end to the smallest upper end of simultaneous intervals of
    all differences. The common width of these intervals in standard errors comes from the largest of all studentised differences under permuted
    labels of the series, and so does the null.
    """
    lags = dynamics.longer_lags(series.shape[1])
    if not lags:
        return unread("lasting", f"series of {series.shape[1]} values are too short for longer lags", column=column)
    values = np.stack([dynamics.autocorrelation(series, lag) for lag in lags], axis=1)  # (series, lags)
    features = np.concatenate([np.ones((len(values), 1)), values, values**2], axis=1)
    drawn, whole, as_is = permuted_sums(features, n, rng), features.sum(axis=0), features[:n].sum(axis=0)

    def quotients(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        (mean, variance), (human, human_variance) = (_means(sums, len(lags)) for sums in (first, second))
        error = np.sqrt(variance + human_variance)
        return np.where(human < 0, -1.0, 1.0) * (mean - human) / error, error

    (quotient, error), (draws, _) = quotients(as_is, whole - as_is), quotients(drawn, whole - drawn)
    reach = error * max(NORMAL_QUANTILE, float(np.quantile(np.abs(draws).max(axis=1), 0.95)))
    differences = quotient * error
    worst = int(np.argmin(differences))
    value = float(differences[worst])
    estimate = Estimate(
        value, float((differences - reach).min()), float((differences + reach).min()), "simultaneous studentised permutation", n
    )
    null = from_draws(float(quotient[worst]), draws.min(axis=1), "smaller", "simultaneous studentised permutation")
    ours, human = values[:n, worst].mean(), values[n:, worst].mean()
    levels = f"{ours:.3f} in the synthetic data and {human:.3f} in the reference; the worst of {len(lags)} lags from {lags[0]} to {lags[-1]}"
    scale = float(error[worst])
    return Reading("lasting", estimate, null.on_scale(lambda q: q * scale), f"lag {lags[worst]}", column, note=f"{levels}; {note}")


def _means(sums: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (means, variances of the means), (…, columns) each, from the count and the sums of powers 1 and 2 of columns, (…, 1 + 2 columns)."""
    n, linear, squared = np.maximum(sums[..., :1], 2.0), sums[..., 1 : 1 + columns], sums[..., 1 + columns :]
    mean = linear / n
    return mean, np.maximum(squared / n - mean**2, 1e-18) / (n - 1)


def _variance(series: np.ndarray, n: int, rng: np.random.Generator) -> tuple[Estimate, Null]:
    variances = series.var(axis=1)
    # A constant series counts as a series with a millionth of the median variance.
    values = dynamics.log_variance(
        series, max(1e-300, 1e-6 * float(np.median(variances[variances > 0]))) if (variances > 0).any() else 1.0
    )
    return from_logarithms(*_mean_apart(values, n, "smaller", False, rng))


def _studentised(
    quotient_and_error: tuple[np.ndarray, np.ndarray], draws: np.ndarray, worse: Worse, n: int
) -> tuple[Estimate, Null]:
    """Return the estimate and the null of a difference, from its quotient by its standard error and these quotients under permuted labels."""
    quotient, error = map(float, quotient_and_error)
    value = quotient * error
    low, high = percentile_interval(draws)
    null = from_draws(quotient, draws, worse, "studentised permutation")
    estimate = Estimate(
        value, value - max(high, NORMAL_QUANTILE) * error, value + max(-low, NORMAL_QUANTILE) * error, "studentised permutation", n
    )
    return estimate, null.on_scale(lambda quotient: quotient * error)


def distance_of_transitions(moves: np.ndarray, n: int, rng: np.random.Generator) -> tuple[Estimate, Null]:
    """Return the total variation distance, in [0, 1], between the mean shares of transitions of the first n series and of the rest, with its null.

    moves: the share of each cell among the transitions of a series, (series, cells), NaN if the series is constant. The distance is above 0 even for
    samples of the same law. The interval covers the mean distance of samples of these sizes, and the null is a permutation of the series.
    """
    there = np.isfinite(moves[:, 0])
    moves, n = moves[there], int(there[:n].sum())
    m = len(moves) - n
    if min(n, m) < FEWEST_SERIES:
        raise NotApplicable(f"fewer than {FEWEST_SERIES} series vary")
    whole = moves.sum(axis=0)
    counted = np.concatenate([moves, np.ones((n + m, 1))], axis=1)
    drawn = permuted_sums(counted, n, rng)
    draws = _apart(drawn[:, :-1] / drawn[:, -1:], (whole - drawn[:, :-1]) / (n + m - drawn[:, -1:]))
    value = float(_apart(moves[:n].mean(axis=0), moves[n:].mean(axis=0)))
    resampled = [resamples(len(side), BOOTSTRAPS, rng) @ side / len(side) for side in (moves[:n], moves[n:])]
    # The variance of a resample of n is smaller than that of a sample by (n - 1) / n. Without this factor the coverage below a hundred series is 92
    # to 93 %.
    reach = (
        student_quantile_over(min(n, m), "series") * math.sqrt(min(n, m) / (min(n, m) - 1)) * float(_apart(*resampled).std(ddof=1))
    )
    return Estimate(value, max(0.0, value - reach), min(1.0, value + reach), "bootstrap over series", n), from_draws(
        value, draws, "larger", "permutation"
    )


def _apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the total variation distance between shares (…, cells)."""
    return np.abs(first - second).sum(axis=-1) / 2
