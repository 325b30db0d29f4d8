"""Are there fewer different records, kinds of records and values?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data.bits import hashes_of
from outcross.estimate import Estimate, NotApplicable, Null, Reading, around, share
from outcross.measures import Evidence, Page, read_with_null
from outcross.measures.coverage import sample, some
from outcross.measures.groups import INSIDE, is_group, largest, named
from outcross.measures.of_tables import OfTables
from outcross.recipe import recipe
from outcross.statistics.beyond import limit_or_farthest
from outcross.statistics.embedding import embedding
from outcross.statistics.floors import from_draws, larger_share, relabelled, relabelled_together
from outcross.statistics.neighbours import cloud, halves, nearest
from outcross.statistics.ratios import from_logarithms, ratio_of_estimates
from outcross.statistics.repeats import (
    Occurrences,
    Repeats,
    alike,
    distinct_at,
    equal_pairs,
    found_in,
    fresh_in,
    occurrences,
)
from outcross.statistics.variety import OfDistinctThings, OfEntropy, OfEqualPairs
from outcross.wording import amount

HURLBERT = "Hurlbert, Ecology 52:577, 1971 (rarefaction)"
MOST = 50_000
"""Maximum number of records per side for the Vendi score."""
NOTHING = 1e-12
"""Eigenvalues up to this size count as 0, because of rounding."""
ROUNDING = 1e-9
"""A point's component outside the directions of all other points counts as 0 up to this size, because of rounding."""
SHIFTS = (-28.0, 20.0, 0.6)
"""First and last logarithm of the shift of the spectrum in a numerical integral, and the step. The error of the integral is below 1e-8."""
CLOSE = 0.01
"""Share of human records that count as near duplicates by definition."""
MOST_TAKEN_OVER = 0.9
"""Largest share of fresh human values that also occur in the reference. Above it the synthetic share could hardly be larger, so it is not
compared."""
FEWEST_PAIRS = 25
"""Minimum number of pairs of equal records in one of the sets. With fewer, the numbers of pairs are not compared."""
FEWEST = 30
"""Minimum number of records or values per side."""
FEW_RECORDS, FEW_CATEGORIES = 2_000, 64
"""Maximum number of records of both sets together, and of categories of a column, for columns whose labels are permuted together. With more, counts
are drawn faster one by one."""


@recipe
class Diversity(OfTables):
    """Distinct records, near duplicates, effective numbers of records, kinds and categories, and values copied from the reference.

    Counts of distinct things depend on the amount of data. They are compared at equal sizes by rarefaction, which is exact. A bootstrap would repeat
    records and find fewer distinct ones. Inside each group, distinct records, kinds and categories are compared among the records in memory.
    """

    points: Annotated[int, Field(ge=FEWEST, le=5_000)] = 2_500
    """Maximum number of records per side among which near duplicates are searched, drawn at random."""
    draws: Annotated[int, Field(ge=19, le=10_000)] = 499
    """Number of random labellings of human records for the null distribution of near duplicates."""
    max_groups: Annotated[int, Field(ge=0)] = INSIDE
    """Maximum number of groups of a column that are examined, those with the most human records first."""

    aspect = "diversity"
    pages = {
        "distinct_rows": Page(
            "DI1", "distinct records", "Number of distinct synthetic records divided by the number of distinct human records, for equal numbers of records.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.95, worse="smaller", role="diversity", paper=HURLBERT,
        ),
        "near_duplicates": Page(
            "DI2", "near duplicates", "Share of synthetic records whose nearest other synthetic record is as close as for the closest 1 % of human records, for equal numbers of records.",
            unit="fraction", healthy="the value for real data of this size", collapsed="grows",
            margin=0.5, worse="larger", role="diversity", paper="Lee et al., Deduplicating Training Data, ACL 2022, arXiv 2107.06499",
        ),
        "effective_rows": Page(
            "DI3", "effective number of records", "Probability that two human records are equal, divided by the probability that two synthetic records are equal. One pair of equal records is added to each.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.8, worse="smaller", role="diversity", paper="Simpson, Nature 163:688, 1949; Hill, Ecology 54:427, 1973 (order 2)",
        ),
        "vendi": Page(
            "DI4", "effective number of kinds", "Vendi score of the synthetic records divided by that of equally many human records. The Vendi score is the exponential of the entropy of the eigenvalues of the similarity matrix; similarities are cosines of the records as points.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", role="diversity", paper="Friedman and Dieng, TMLR 2023, arXiv 2210.02410",
        ),
        "effective_categories": Page(
            "DI5", "effective number of categories", "Exponential of the entropy of a column of categories, divided by that of the reference. Both entropies are corrected for unseen categories.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", role="diversity", paper="Miller, 1955 (the correction); Hill, Ecology 54:427, 1973 (order 1)",
        ),
        "distinct_values": Page(
            "DI6", "distinct values", "Number of distinct values of a column of numbers, divided by the number of distinct human values, for equal numbers of values.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", role="diversity", paper=HURLBERT,
        ),
        "copied_values": Page(
            "DI7", "copied values", "Share of the values of a column of numbers that also occur in the reference, digit by digit, compared with that of fresh human values. If all synthetic values are copied, the generator does not model the distribution of the column, and no loss of variance can show.",
            unit="fraction", healthy="the value for real data of this size", collapsed="rises above the healthy value",
            margin=0.1, worse="larger", margin_kind="difference", is_invention=True, role="copying", paper="Good, Biometrika 40:237, 1953 (values that fresh human data repeat)",
        ),
    }  # fmt: skip

    def sketches(self, evidence):
        return {"rows": Repeats(list(evidence.reference.kinds))}

    def __call__(self, evidence, rng):
        yield from _rows(*evidence.counted["rows"])
        yield read_with_null(
            "near_duplicates",
            lambda: _near_duplicates(evidence, self.points, self.draws, rng),
            note=f"at most {self.points:,} records a side",
        )
        yield from _kinds(evidence, rng)
        for column in evidence.reference.of_kind("number"):
            yield from _values(evidence, column)
        for column in evidence.groups:
            yield from self._inside(evidence, column, rng)

    def _inside(self, evidence: Evidence, column: str, rng: np.random.Generator) -> Iterator[Reading]:
        for value in largest(evidence, column)[: self.max_groups]:
            inside = evidence.inside(lambda table, value=value: is_group(table, column, value))
            about = inside.reference.frame.height / max(1, evidence.reference.frame.height)
            for reading in _all_inside(inside, column, rng):
                yield replace(reading, group=named((column,), (value,)), about=about * reading.about)


def _all_inside(inside: Evidence, column: str, rng: np.random.Generator) -> Iterator[Reading]:
    columns = list(inside.reference.kinds)
    counted = (occurrences(hashes_of(side.frame, columns)) for side in (inside.drawn, inside.reference))
    yield from (reading for reading in _rows(*counted) if reading.measure == "distinct_rows")
    yield from _kinds(inside, rng, but=column)


def _rows(synthetic: Occurrences, reference: Occurrences) -> Iterator[Reading]:
    synthetic, reference = alike(synthetic, reference)
    note = "" if synthetic.largest is None else "of records with the smallest hashes, a million distinct ones"
    yield _read("distinct_rows", lambda: _distinct(synthetic.counts, reference.counts), note=note)
    yield _read("effective_rows", lambda: _pairs(synthetic.counts, reference.counts), note=note)


def _kinds(evidence: Evidence, rng: np.random.Generator, but: str = "") -> Iterator[Reading]:
    yield _read("vendi", lambda: _kinds_of_records(evidence, rng))
    columns = [_counted(evidence, column) for column in evidence.reference.of_kind("category") if column != but]
    draws = _drawn_together(columns, rng)
    for column in columns:
        yield _read(
            "effective_categories",
            lambda column=column: _entropy(column.counts, draws.get(column.name), rng),
            column=column.name,
        )


@dataclass(frozen=True, eq=False)
class _CountedColumn:
    """A column of categories of both sets together."""

    name: str
    codes: np.ndarray
    """The category of each synthetic and then of each human record, from 0 in alphabetical order, -1 if it is missing, (records,)."""
    counts: np.ndarray
    """The number of synthetic and of human records of each category, (2, categories)."""


def _counted(evidence: Evidence, column: str) -> _CountedColumn:
    sides = evidence.drawn, evidence.reference
    names = sorted({name for side in sides for name in side.counts(column)})
    codes = [side.places_of(column, names) for side in sides]
    counts = np.stack([np.bincount(of_side + 1, minlength=len(names) + 1)[1:] for of_side in codes])
    return _CountedColumn(column, np.concatenate(codes), counts)


def _drawn_together(columns: list[_CountedColumn], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the counts of columns under permuted labels, by column, (2, permutations, categories) each.

    They are those of columns with few categories and without missing values, if both sets together have few records.
    """
    chosen = [column for column in columns if 0 < column.counts.shape[1] <= FEW_CATEGORIES and column.codes.min(initial=0) >= 0]
    if not chosen or chosen[0].codes.size > FEW_RECORDS or chosen[0].counts.sum(axis=1).min() < FEWEST:
        return {}
    draws = relabelled_together(np.stack([column.codes for column in chosen]), int(chosen[0].counts[0].sum()), rng)
    return {column.name: own for column, own in zip(chosen, draws, strict=True)}


def _values(evidence: Evidence, column: str) -> Iterator[Reading]:
    occurring = {side: occurrences(table.known_numbers(column)) for side, table in evidence.sides().items()}
    synthetic, reference, holdout = occurring["synthetic"], occurring["reference"], occurring.get("holdout")
    yield _read("distinct_values", lambda: _distinct(synthetic.counts, reference.counts), column=column)
    yield read_with_null("copied_values", lambda: _copied(synthetic, reference, holdout), column=column)


@dataclass(frozen=True)
class _Compared:
    """A ratio with its null, the rule for the smallest share of records that would have to change, and the human and synthetic numbers themselves."""

    estimate: Estimate
    null: Null
    change: Callable[[float, float], float]
    before: float | None = None
    after: float | None = None


def _read(check: str, number: Callable[[], _Compared], column: str = "", note: str = "") -> Reading:
    """Return the reading of a comparison, or of the reason why it cannot be computed."""
    compared = cache(number)
    reading = read_with_null(check, lambda: (compared().estimate, compared().null), column=column, note=note)
    if reading.estimate is None:
        return reading
    return replace(reading, change=compared().change, before=compared().before, after=compared().after)


def _distinct(synthetic: np.ndarray, reference: np.ndarray) -> _Compared:
    """Compare the numbers of distinct things at equal sizes, from the counts of each, (distinct,) per side."""
    size = _enough(synthetic, reference) - 1
    sides = (distinct_at(counts, size) for counts in (synthetic, reference))
    # If (nearly) all records are distinct, the jackknife has (nearly) no width. The error is then at least 1, since one record might have been a
    # repeat.
    ours, theirs = ((value, error if value <= size - 1 else max(error, 1.0)) for value, error in sides)
    ratio = _ratio(ours, theirs, "jackknife over records", int(synthetic.sum()))
    return _Compared(*ratio, OfDistinctThings(theirs[0] / size))


def _pairs(synthetic: np.ndarray, reference: np.ndarray) -> _Compared:
    n = _enough(synthetic, reference)
    one_more = 2 / (n * (n - 1))
    pairs = [int(np.sum(counts * (counts - 1)) / 2) for counts in (synthetic, reference)]
    if max(pairs) < FEWEST_PAIRS:
        raise NotApplicable(
            f"{pairs[0]} pairs of equal synthetic records and {pairs[1]} of equal human records, but at least {FEWEST_PAIRS} in one set are needed"
        )
    sides = []
    for counts in (synthetic, reference):
        value, error = equal_pairs(counts)
        # With the added pair the error is at least that of a Poisson count.
        sides.append((value + one_more, max(error, math.sqrt((value + one_more) * one_more))))
    ratio = _ratio(sides[1], sides[0], "jackknife over records", int(synthetic.sum()))
    return _Compared(*ratio, OfEqualPairs.of(synthetic))


def _enough(*counts: np.ndarray) -> int:
    n = min(int(side.sum()) for side in counts)
    if n < FEWEST:
        raise NotApplicable(f"{amount(n, 'value')}, but distinct ones are compared only from {FEWEST} on")
    return n


def _ratio(top: tuple[float, float], bottom: tuple[float, float], method: str, n: int) -> tuple[Estimate, Null]:
    """Return the ratio of two values, each given with its standard error, and its null."""
    return ratio_of_estimates(around(*top, method, n), around(*bottom, method, n), "smaller")


def _near_duplicates(evidence: Evidence, limit: int, draws: int, rng: np.random.Generator) -> tuple[Estimate, Null]:
    human, other, synthetic = sample(evidence, limit, rng)
    taken = evidence.reference.take(human), other, evidence.drawn.take(synthetic)
    embed = embedding(*taken)
    (points, others, drawn), kinds = map(embed, taken), embed.categories(taken[0])
    n = len(points)
    value, usual = _closer(nearest(drawn, drawn, 2, kinds)[0][:, 1], nearest(points, points, 2, kinds)[0][:, 1])
    neighbours = cloud(np.concatenate([points, others]), kinds=kinds)
    shares = [_closer(neighbours.alone(is_first), neighbours.alone(~is_first)) for is_first in halves(2 * n, draws, rng)]
    # The null is that of the excess over the human share, not of the share itself, because with tied values both shares vary together.
    null = from_draws(value - usual, np.array([first - second for first, second in shares]), "larger", "labels of human neighbours")
    # Near duplicates come in pairs, so half as many are independent.
    pairs = share(min(round(value * n / 2), n // 2), n // 2)
    low, high = pairs.interval
    estimate = Estimate(value, min(low, value), max(high, value), "Wilson over pairs", n)
    return estimate, null.on_scale(lambda excess: usual + excess)


def _closer(distances: np.ndarray, human: np.ndarray) -> tuple[float, float]:
    """Return the share of distances that are at most the human 1 % quantile, and the human share.

    The null is not beta-binomial, because the distances within one set depend on each other: near duplicates come in pairs.
    """
    at = limit_or_farthest(np.sort(human), CLOSE, "lower")
    return float((distances <= at).mean()), float((human <= at).mean())


def _kinds_of_records(evidence: Evidence, rng: np.random.Generator) -> _Compared:
    n = min(MOST, evidence.drawn.frame.height, evidence.reference.frame.height)
    if n < FEWEST:
        raise NotApplicable(f"{amount(n, 'record')} per side, but kinds are compared only from {FEWEST} on")
    taken = [some(side, n, rng) for side in (evidence.drawn, evidence.reference)]
    embed = embedding(*taken)
    # With a dimension of ones, records near the centre are similar, and not only records in the same direction from it.
    points = [np.column_stack([np.ones(n), embed(side)]) for side in taken]
    spectra = [spectrum(side) for side in points]
    synthetic, human = ((score, score * error) for score, error in map(_vendi, spectra))
    ratio = _ratio(synthetic, human, "jackknife over records", n)
    return _Compared(*ratio, OfEntropy(tuple(spectra[0].values.tolist())), human[0], synthetic[0])


def vendi(points: np.ndarray) -> tuple[float, float]:
    """Return the Vendi score of points (n, d), with cosines as similarities, and the standard error of its logarithm.

    The score is exp(−Σ λ ln λ) over the eigenvalues of XᵀX / n, where the rows of X have length 1. These d × d eigenvalues are those of the n × n
    similarity matrix divided by n (Friedman and Dieng 2023, §3.2). The error is the jackknife error over records. The error by the influence function
    of the score, −xᵀ ln(XᵀX / n) x, is too small if there are few records compared with dimensions, since each record is then nearly alone in its
    direction.

    >>> print(f"{vendi(np.eye(4))[0]:.6f}")
    4.000000
    """
    return _vendi(spectrum(points))


def _vendi(of_points: Spectrum) -> tuple[float, float]:
    values = of_points.values[of_points.values > NOTHING]
    n = len(of_points.squares)
    error = 0.0 if n < 2 else math.sqrt((n - 1) * float(np.var(_entropies_without_each(of_points))))
    return math.exp(-float(values @ np.log(values))), error


def _entropies_without_each(of_points: Spectrum) -> np.ndarray:
    """Return the entropy of the spectrum without each of the points in turn, (n,).

    Without x the matrix A = XᵀX / (n − 1) becomes A − c xxᵀ with c = 1 / (n − 1). Since x ln x = ∫ (x / (1 + s) − x / (x + s)) ds over s > 0, the
    trace of (A − c xxᵀ) ln(A − c xxᵀ) is the trace of A ln A plus c ∫ (s x'(A + s)⁻²x / (1 − c x'(A + s)⁻¹x) − x'x / (1 + s)) ds (Sherman and
    Morrison, Ann. Math. Stat. 21:124, 1950). This is a smooth integral over ln s, so no matrix has to be decomposed again.
    """
    squares = of_points.squares
    n = len(squares)
    is_there = of_points.values > NOTHING
    values, squares = of_points.values[is_there] * n / (n - 1), squares[:, is_there[: squares.shape[1]]]
    logs = np.arange(*SHIFTS)
    shift = np.exp(logs)
    inverse = 1 / (values[:, None] + shift)
    # `left` is 1 − c x'(A + s)⁻¹x. Its part 1 − c x'A⁻¹x is 0 if x is the only point with a component in some direction.
    alone = 1 - squares @ (1 / values) / (n - 1)
    left = np.where(alone > ROUNDING, alone, 0.0)[:, None] + squares @ (inverse * shift / values[:, None]) / (n - 1)
    integrand = shift * (squares @ np.square(inverse)) / left - squares.sum(axis=1)[:, None] / (1 + shift)
    more = (integrand @ shift) * SHIFTS[2] / (n - 1)
    return -float(values @ np.log(values)) - more


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The spectrum of n points in d dimensions that are scaled to length 1."""

    values: np.ndarray
    """Eigenvalues of XᵀX / n, (d,). They are 0 in directions in which no point has a component."""
    squares: np.ndarray
    """The square of each point's coordinate in the first of these directions, those that may be nonzero; (n, at most d)."""


def spectrum(points: np.ndarray) -> Spectrum:
    """Compute the spectrum of points (n, d).

    XᵀX and XXᵀ have the same nonzero eigenvalues, so the smaller of the two matrices is decomposed: XXᵀ for few records with many columns.
    """
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    rows = (points / np.where(lengths > 0, lengths, 1.0))[:, points.any(axis=0)]
    n, used = rows.shape
    if used <= n:
        values, vectors = np.linalg.eigh(rows.T @ rows / n)
        squares = np.square(rows @ vectors)
    else:
        values, vectors = np.linalg.eigh(rows @ rows.T / n)
        squares = np.square(vectors) * (n * values)
    every = np.zeros(points.shape[1])
    every[: values.size] = np.clip(values, 0.0, None)
    return Spectrum(every, squares)


def _entropy(counts: np.ndarray, draws: np.ndarray | None, rng: np.random.Generator) -> _Compared:
    """Compare the entropies of a column. counts: (2, categories). draws: the counts under permuted labels, drawn here if they are None."""
    n = counts.sum(axis=1)
    if min(n) < FEWEST:
        raise NotApplicable(f"{amount(min(n), 'value')}, but an entropy is compared only from {FEWEST} on")
    if (counts[1] > 0).sum() < 2:
        raise NotApplicable("the reference has only one category")
    entropies = [float(corrected_entropy(side)) for side in counts]
    difference = entropies[0] - entropies[1]
    error = math.sqrt(sum(_entropy_variance(side) for side in counts))
    draws = relabelled(counts, rng) if draws is None else draws
    null = from_draws(difference, corrected_entropy(draws[0]) - corrected_entropy(draws[1]), "smaller", "permutation")
    ratio = from_logarithms(around(difference, error, "normal", int(n[0])), null)
    return _Compared(*ratio, OfEntropy(tuple((counts[0] / n[0]).tolist())), math.exp(entropies[1]), math.exp(entropies[0]))


def corrected_entropy(counts: np.ndarray) -> np.ndarray:
    """Return −Σ p ln p in nats of counts (…, categories), plus the correction (categories seen − 1) / 2n (Miller 1955; Madow 1948)."""
    n = counts.sum(axis=-1)
    return np.log(n) - _times_logarithm(counts).sum(axis=-1) / n + ((counts > 0).sum(axis=-1) - 1) / (2 * n)


def _times_logarithm(counts: np.ndarray) -> np.ndarray:
    """Return k ln k of each count k. The logarithm of each number is computed once if there are more counts than numbers."""
    from scipy.special import xlogy

    largest = int(counts.max(initial=0))
    if counts.size <= largest:
        return xlogy(counts, counts)
    every = np.arange(largest + 1)
    return xlogy(every, every)[counts]


def _entropy_variance(counts: np.ndarray) -> float:
    """Return the variance of the entropy of counts: the variance of −ln p, divided by n, plus a second term.

    If all categories are equally common, the first term is 0.
    """
    n = counts.sum()
    there = counts[counts > 0]
    logs = np.log(there / n)
    first = float(there @ np.square(logs) / n - (there @ logs / n) ** 2) / n
    return first + (there.size - 1) / (2 * n**2)


def _copied(synthetic: Occurrences, reference: Occurrences, holdout: Occurrences | None) -> tuple[Estimate, Null]:
    _enough(synthetic.counts, reference.counts)
    count, n, estimate = found_in(synthetic, reference)
    human, size = fresh_in(reference, holdout)
    if human > MOST_TAKEN_OVER * size:
        raise NotApplicable(
            f"{human / size:.0%} of fresh human values also occur in the reference: the column has few distinct values"
        )
    return estimate, larger_share(count, n, human, size)
