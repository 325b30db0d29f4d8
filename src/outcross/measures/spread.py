"""Do the numbers vary less?"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data.tables import Table
from outcross.estimate import NORMAL_QUANTILE, Estimate, NotApplicable, Null
from outcross.measures import Evidence, Page, read_with_null, unread
from outcross.measures.of_tables import OfTables
from outcross.recipe import recipe
from outcross.statistics.beyond import fewer
from outcross.statistics.floors import (
    LEVEL,
    from_draws,
    percentile_interval,
    permuted_ranks,
    permuted_sums,
)
from outcross.statistics.grouped import Cells, cells_of
from outcross.statistics.ratios import from_logarithms
from outcross.statistics.sketches import MomentSketch
from outcross.statistics.variety import OfOneValue
from outcross.wording import amount

SHUMAILOV = "Shumailov et al., Nature 631:755, 2024 (the variance of a recursively fitted law falls to 0)"
MOST_PERMUTED = 25_000
"""Maximum number of rows per side for permutations. More rows would not change the shape of the null distribution."""
FEWEST = 20
"""Minimum number of values per side."""
CONSTANT = "constant"
"""The method of the estimate if all synthetic values are equal."""
QUARTILES = (0.25, 0.75)
RANGES_PERMUTED = 499
"""Number of permutations for interquartile ranges."""
MOST_CELLS = 1024
"""Columns with at most this many different values have permutations of their own. Columns with more share the permutations of ranks."""


Places = Callable[[int, int], np.ndarray]
"""Returns the ranks of the quartiles of two sets of these sizes under permuted labels (`permuted_ranks`)."""


@recipe
class Spread(OfTables):
    """Variance, interquartile range and variance along principal directions, compared with human data.

    The log ratio of variances is divided by its standard error, log(v / v') / √((κ - 1) / n + (κ' - 1) / n') with κ the kurtosis, so that heavy tails
    are not mistaken for a change. The null distribution of this quotient comes from permuted labels (studentised permutation: Janssen 1997; Chung and
    Romano, Ann. Stat. 41:484, 2013). The ends of the interval also come from it. Labels are permuted over at most 25,000 rows per side; variances are
    those of all rows.
    """

    directions: Annotated[int, Field(ge=0)] = 8
    """Maximum number of principal directions. They are those of both sets together, so that neither is favoured."""

    aspect = "spread"
    pages = {
        "variance": Page(
            "SP1", "variance", "Variance of a column divided by that of the reference.",
            unit="ratio", change="variance", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", records=(3_800, "normal numbers"), role="spread", paper=SHUMAILOV,
        ),
        "interquartile_range": Page(
            "SP2", "interquartile range", "Third quartile minus first quartile of a column, divided by that of the reference. It is the width of the middle half and does not depend on the tails. Tied values count as spread evenly over an interval that reaches half-way to the neighbouring values in either set (quartiles of grouped data).",
            unit="ratio", change="scale", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", records=(2_600, "normal numbers"), role="spread", paper="Tukey, Exploratory Data Analysis, 1977",
        ),
        "direction": Page(
            "SP3", "variance along a principal direction", "Variance along a principal direction of the standardised numbers of both sets, divided by that of the reference. The direction is named by the columns with the largest loadings.",
            unit="ratio", change="variance", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", records=(3_800, "normal numbers"), role="spread", paper="Alemohammad et al., Self-Consuming Generative Models Go MAD, ICLR 2024, arXiv 2307.01850",
        ),
    }  # fmt: skip

    def sketches(self, evidence):
        columns = evidence.reference.of_kind("number")
        return {"moments": MomentSketch(columns)} if columns else {}

    def __call__(self, evidence, rng):
        yield from variances(evidence, rng)
        places = functools.cache(lambda n, m: permuted_ranks(QUARTILES, n, m, rng, RANGES_PERMUTED))
        for column in evidence.reference.of_kind("number"):
            ours, theirs = (side.known_numbers(column) for side in (evidence.drawn, evidence.reference))
            yield read_with_null(
                "interquartile_range", lambda ours=ours, theirs=theirs: _range_ratio(ours, theirs, places, rng), column=column
            )
        yield from self._along_directions(evidence, rng)

    def _along_directions(self, evidence: Evidence, rng: np.random.Generator):
        try:
            names, synthetic, reference = principal(evidence, self.directions, rng)
        except NotApplicable as why:
            yield unread("direction", str(why))
            return
        for reading in variance_ratios("direction", names, synthetic, reference, None, rng):
            yield replace(reading, column="", at=reading.column)


def variances(evidence: Evidence, rng: np.random.Generator, check: str = "variance", group: str = ""):
    """Yield the variance ratio of every column of numbers."""
    columns = evidence.reference.of_kind("number")
    if not columns:
        yield unread(check, "no column of numbers", group=group)
        return
    counted = evidence.counted.get("moments")
    yield from variance_ratios(check, columns, numbers_of(evidence.drawn), numbers_of(evidence.reference), counted, rng, group)


def numbers_of(side: Table) -> np.ndarray:
    """Return the columns of numbers of a table as an array, (rows, columns)."""
    columns = side.of_kind("number")
    return np.column_stack([side.numbers(column) for column in columns]) if columns else np.empty((side.frame.height, 0))


def variance_ratios(check, columns, synthetic, reference, counted, rng, group=""):
    """Yield the variance ratio of each column. synthetic, reference: (n, columns), NaN for missing values.

    If the arrays are a sample of the rows, `counted` holds the moments of all rows.
    """
    pooled = np.concatenate([synthetic, reference])
    centre, scale = _standard(pooled)
    synthetic, reference = (synthetic - centre) / scale, (reference - centre) / scale
    quotients = _permuted(_some(synthetic, rng), _some(reference, rng), rng)
    if counted is None:
        sides = [_moments(_powers(values).sum(axis=0), len(columns)) for values in (synthetic, reference)]
    else:
        sides = [_from_sketch(result) for result in counted]
    for i, column in enumerate(columns):
        ours, theirs = ([moment[i] for moment in side] for side in sides)
        values = synthetic[:, i], reference[:, i]
        reading = read_with_null(
            check,
            lambda ours=ours, theirs=theirs, i=i, values=values: _variance_ratio(ours, theirs, quotients[:, i], *values),
            column=column,
            group=group,
        )
        if reading.estimate is not None and reading.estimate.method == CONSTANT:
            others = _there(values[1]) != _there(values[0])[0]
            reading = replace(reading, change=OfOneValue(float(others.mean())))
        yield reading


def _variance_ratio(
    of_synthetic, of_human, quotients: np.ndarray, synthetic: np.ndarray, reference: np.ndarray
) -> tuple[Estimate, Null]:
    """Return the variance ratio and its null.

    `of_synthetic` and `of_human` are (count, variance, kurtosis) of all synthetic and all human values. `synthetic` and `reference` are the values in
    memory, NaN for missing values.
    """
    (n, variance, kurtosis), (m, human_variance, human_kurtosis) = of_synthetic, of_human
    if min(n, m) < FEWEST:
        raise NotApplicable(f"{amount(int(min(n, m)), 'value')}, but a variance needs at least {FEWEST}")
    if human_variance <= 0:
        raise NotApplicable("constant in the reference")
    quotients = quotients[np.isfinite(quotients)]
    if variance <= 0:
        return Estimate(0.0, 0.0, 0.0, CONSTANT, int(n)), _constant(_there(synthetic), _there(reference))
    if quotients.size < 100:
        raise NotApplicable("too few distinct values for a permutation")
    error = math.sqrt((kurtosis - 1) / n + (human_kurtosis - 1) / m)
    difference = math.log(variance / human_variance)
    low, high = percentile_interval(quotients)
    below, above = error * max(high, NORMAL_QUANTILE), error * max(-low, NORMAL_QUANTILE)
    logarithm = Estimate(difference, difference - below, difference + above, "studentised permutation", int(n))
    null = from_draws(difference / error, quotients, "smaller", "studentised permutation")
    return from_logarithms(logarithm, null.on_scale(lambda quotient: quotient * error))


def _constant(synthetic: np.ndarray, reference: np.ndarray) -> Null:
    """Return the null for synthetic values that are all equal: Fisher's probability that all other values are on the human side."""
    if not min(synthetic.size, reference.size):
        raise NotApplicable("no values among the records in memory")
    p = fewer(0, synthetic.size, int((reference != synthetic[0]).sum()), reference.size).p or 0.0
    return Null(typical=1.0, floor=1.0 if p <= LEVEL else 0.0, p=p, method="Fisher's exact test")


def _permuted(synthetic: np.ndarray, reference: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the log variance ratio divided by its standard error, under permuted labels, (permutations, columns)."""
    columns = synthetic.shape[1]
    powers = _powers(np.concatenate([synthetic, reference]))
    sums = permuted_sums(powers, len(synthetic), rng)
    with np.errstate(divide="ignore", invalid="ignore"):
        (n, v, k), (m, w, j) = _moments(sums, columns), _moments(powers.sum(axis=0) - sums, columns)
        return np.log(v / w) / np.sqrt((k - 1) / n + (j - 1) / m)


def _powers(values: np.ndarray) -> np.ndarray:
    """Return presence and powers 1 to 4 of standardised values (n, columns) side by side, (n, 5 columns). Missing values are 0.

    If no value is missing, presence is a single column of ones, (n, 1 + 4 columns).
    """
    there = np.isfinite(values)
    is_whole = bool(there.all())
    present = values if is_whole else np.where(there, values, 0.0)
    square = present * present
    return np.concatenate(
        [there[:, :1] if is_whole else there, present, square, square * present, square * square], axis=1, dtype=float
    )


def _moments(sums: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return count, variance (divisor n - 1) and kurtosis of each column, (…, columns) each, from sums of powers as `_powers` orders them."""
    n, powers = sums[..., : -4 * columns], sums[..., -4 * columns :]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, raw_2, raw_3, raw_4 = (powers[..., i * columns : (i + 1) * columns] / n for i in range(4))
        square = mean * mean
        second = raw_2 - square
        fourth = raw_4 - 4 * mean * raw_3 + 6 * square * raw_2 - 3 * square * square
        # By rounding, a constant column has a variance of about 1e-17 of its squares instead of 0.
        second = np.where(second <= 1e-13 * np.maximum(1.0, raw_2), 0.0, second)
        return np.broadcast_to(n, mean.shape), second * (n / (n - 1)), np.maximum(fourth / (second * second), 1.0 + 1e-9)


def _from_sketch(result) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return result.count, result.variance, np.maximum(result.kurtosis, 1.0 + 1e-9)


def _standard(pooled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the standard deviation of each column, with which values are standardised for accurate sums of powers."""
    there = np.isfinite(pooled)
    ordered = np.sort(np.where(there, pooled, 0.0), axis=0)  # sorted, so that the order of rows does not change the rounding
    n = np.maximum(there.sum(axis=0), 1)
    centre = ordered.sum(axis=0) / n
    deviation = np.sqrt(np.square(np.where(there, pooled - centre, 0.0)).sum(axis=0) / n)
    return centre, np.where(deviation > 0, deviation, 1.0)


def _some(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return values if len(values) <= MOST_PERMUTED else values[rng.choice(len(values), MOST_PERMUTED, replace=False)]


def _there(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def _range_ratio(synthetic: np.ndarray, reference: np.ndarray, places: Places, rng: np.random.Generator) -> tuple[Estimate, Null]:
    n = synthetic.size
    if min(n, reference.size) < FEWEST:
        raise NotApplicable(f"{amount(min(n, reference.size), 'value')}, but quartiles need at least {FEWEST}")
    if np.ptp(np.quantile(reference, QUARTILES)) <= 0:
        raise NotApplicable("the middle half of the reference is a single value")
    cells = cells_of(np.concatenate([synthetic, reference]))
    counts = np.stack([cells.counts(side) for side in (synthetic, reference)])
    difference = float(_log_ratio_of_ranges(cells.quantiles(counts, QUARTILES)))
    draws = _permuted_ranges(cells, counts, places, rng)
    low, high = percentile_interval(draws)
    logarithm = Estimate(difference, difference - max(0.0, high), difference - min(0.0, low), "permutation", n)
    return from_logarithms(logarithm, from_draws(difference, draws, "smaller", "permutation"))


def _log_ratio_of_ranges(quartiles: np.ndarray) -> np.ndarray:
    """Return the log ratio of interquartile ranges, from the quartiles of the synthetic and the human set, (2, …, quartiles)."""
    ranges = quartiles[..., 1] - quartiles[..., 0]
    return np.log(ranges[0] / ranges[1])


def _permuted_ranges(cells: Cells, counts: np.ndarray, places: Places, rng: np.random.Generator) -> np.ndarray:
    """Return the log ratio of interquartile ranges under permuted labels, (permutations,)."""
    if cells.values.size <= MOST_CELLS:
        return _log_ratio_of_ranges(cells.permuted_quantiles(counts, QUARTILES, rng, RANGES_PERMUTED))
    n, m = map(int, counts.sum(axis=1))
    return _log_ratio_of_ranges(cells.filled(counts.sum(axis=0))[places(n, m)])


def principal(evidence: Evidence, limit: int, rng: np.random.Generator) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the names of the principal directions, and the coordinates of both sets along them, (n, directions).

    The directions are those of the first column of vectors, if there is one, or else of the columns of numbers, standardised. Both sets have equal
    weight. Rows with a missing value are left out.
    """
    names, synthetic, reference = _points(evidence)
    if len(names) < 2:
        raise NotApplicable("directions need at least 2 columns of numbers")
    synthetic, reference = (values[np.isfinite(values).all(axis=1)] for values in (synthetic, reference))
    if min(len(synthetic), len(reference)) < max(FEWEST, 2 * len(names) if len(names) <= 64 else FEWEST):
        raise NotApplicable(
            f"{min(len(synthetic), len(reference))} rows without missing values are too few for {len(names)} columns"
        )
    centre, scale = _standard(np.concatenate([synthetic, reference]))
    synthetic, reference = (synthetic - centre) / scale, (reference - centre) / scale
    both = sum(np.cov(_some(values, rng), rowvar=False) for values in (synthetic, reference)) / 2
    values, vectors = np.linalg.eigh(both)
    order = [i for i in np.argsort(values)[::-1][:limit] if values[i] > 1e-9]
    vectors = vectors[:, order]
    return (
        [_named(f"direction {i + 1}", names, vector) for i, vector in enumerate(vectors.T)],
        synthetic @ vectors,
        reference @ vectors,
    )


def _points(evidence: Evidence) -> tuple[list[str], np.ndarray, np.ndarray]:
    sides = evidence.drawn, evidence.reference
    if vectors := evidence.reference.of_kind("vector"):
        synthetic, reference = (side.frame[vectors[0]].to_numpy().reshape(side.frame.height, -1).astype(float) for side in sides)
        return [f"{vectors[0]} {i}" for i in range(reference.shape[1])], synthetic, reference
    columns = evidence.reference.of_kind("number")
    if not columns:
        raise NotApplicable("no column of numbers")
    return columns, numbers_of(evidence.drawn), numbers_of(evidence.reference)


def _named(what: str, names: list[str], vector: np.ndarray) -> str:
    if len(names) > 64:
        return what
    first = np.argsort(-np.abs(vector))[:2]
    sign = np.sign(vector[first[0]])
    return f"{what} ({', '.join(('+' if vector[i] * sign > 0 else '-') + names[i] for i in first)})"
