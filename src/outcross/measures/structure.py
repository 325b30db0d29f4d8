"""Are the associations still there, between columns and between successive values of series?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.data.tables import Table
from outcross.estimate import NORMAL_QUANTILE, Estimate, NotApplicable, Null, Reading, share
from outcross.measures import Evidence, Page, read_with_null, unread
from outcross.measures.of_tables import OfTables
from outcross.measures.series import series
from outcross.recipe import recipe
from outcross.statistics.associations import (
    Classes,
    Strength,
    classes,
    correlation_ratio,
    cramer,
    crossed,
    on_human_categories,
    outermost,
    rank_correlation,
    relabelled,
    standard_error,
    strongest,
)
from outcross.statistics.beyond import fewer
from outcross.statistics.floors import from_draws
from outcross.statistics.ratios import ratio_of_shares
from outcross.wording import amount

FEWEST = 50
"""Minimum number of rows per side with both values of a pair of columns."""
CORNER = 0.05
"""Share of records at each end of a column for which tail dependence is computed."""
ENDS = ("lower", "upper")
ROWS_AT_ONCE = 16_384
FEWEST_IN_CORNER = 20
"""Minimum number of records of both sets together in a corner of two columns."""


@recipe
class Structure(OfTables):
    """Associations of pairs of columns, tail dependence and missing values; autocorrelation, spectrum, variance and transitions of series.

    An association that is stronger than in human data is no loss. Null distributions come from permuted labels of rows or of series. For series the
    unit is a record, and the permuted statistic is studentised. The nulls of tail dependence and of missing values are Fisher's exact test.
    """

    pairs: Annotated[int, Field(ge=1)] = 300
    """Maximum number of pairs of columns compared, those with the strongest association in both sets together first."""

    aspect = "structure"
    pages = {
        "correlation": Page(
            "ST1", "rank correlation", "Spearman's correlation of two columns of numbers (binned by tenths of the values of both sets) less the human correlation, in the direction of the human correlation. Below 0: the correlation is weaker.",
            unit="difference", change="association", range=(-2.0, 1.0), healthy=0.0, collapsed="falls below the healthy value",
            margin=0.05, worse="smaller", margin_kind="difference", role="structure", paper="Spearman, Am. J. Psychol. 15:72, 1904; Shimabucoro et al., arXiv 2407.01490 (what is inherited is a profile)",
        ),
        "correlation_ratio": Page(
            "ST2", "correlation ratio", "The correlation ratio of a column of numbers and a column of categories, less its human value. It is the square root of the share of the variance of the ranks that lies between the categories. The ranks are binned at the deciles of both sets together, and the share is bias-corrected (ε²). Of the categories that human records have, the 12 that are commonest in both sets together are used; all other categories are merged into one. Below 0: the categories explain less.",
            unit="difference", change="association", range=(-1.0, 1.0), healthy=0.0, collapsed="falls below the healthy value",
            margin=0.05, worse="smaller", margin_kind="difference", role="structure", paper="Kelley, PNAS 21:554, 1935",
        ),
        "cramer": Page(
            "ST3", "Cramér's V", "Bias-corrected Cramér's V of two columns of categories less the human value. Of the categories that human records have, the 12 of each column that are commonest in both sets together are used; all other categories are merged into one. Below 0: the association is weaker.",
            unit="difference", change="association", range=(-1.0, 1.0), healthy=0.0, collapsed="falls below the healthy value",
            margin=0.05, worse="smaller", margin_kind="difference", role="structure", paper="Bergsma, J. Korean Stat. Soc. 42:323, 2013",
        ),
        "tail_dependence": Page(
            "ST4", "tail dependence", "Share of records in the outermost 5 % of both of two columns, divided by the human share. Ranks are within each set, and ties are shared evenly (checkerboard copula). A copula without tail dependence loses it although every column keeps its values.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.8, worse="smaller", role="structure", paper="Sibuya, Ann. Inst. Stat. Math. 11:195, 1960; Embrechts, McNeil and Straumann, 2002; Genest, Nešlehová and Rémillard, J. Multivariate Anal. 159:82, 2017",
        ),
        "missing": Page(
            "ST5", "missing values", "Share of missing values of a column less the human share. Below 0: values that people leave out have been filled in.",
            unit="fraction", range=(-1.0, 1.0), healthy=0.0, collapsed="falls below the healthy value",
            margin=0.02, worse="smaller", margin_kind="difference", records=(4_400, "a column of which people leave out 10 %"), role="structure", paper="Little and Rubin, Statistical Analysis with Missing Data, 2019",
        ),
        "gone_missing": Page(
            "ST6", "values gone missing", "Share of missing values of a column less the human share. Above 0: values have gone missing.",
            unit="fraction", range=(-1.0, 1.0), healthy=0.0, collapsed="rises above the healthy value",
            margin=0.02, worse="larger", margin_kind="difference", records=(5_200, "a column of which people leave out 10 %"), role="structure", paper="Little and Rubin, Statistical Analysis with Missing Data, 2019",
        ),
        "autocorrelation": Page(
            "ST7", "autocorrelation", "Mean autocorrelation of the series at a lag less the human value, in the direction of the human value. Below 0: a value predicts later values less well.",
            unit="difference", change="association", range=(-2.0, 1.0), healthy=0.0, collapsed="falls below the healthy value",
            margin=0.1, worse="smaller", margin_kind="difference", role="structure", paper="Box and Jenkins, Time Series Analysis, 1970",
        ),
        "band": Page(
            "ST8", "power in a band", "Mean share of the power of the series in a band of frequencies, divided by the human share. Smoothing removes high frequencies, shuffling removes low ones.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.8, worse="smaller", role="structure", paper="Welch, IEEE Trans. Audio Electroacoust. 15:70, 1967",
        ),
        "spectral_entropy": Page(
            "ST9", "spectral entropy", "Mean entropy of the spectrum of the series, divided by the human value. Below 1: fewer frequencies are left.",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", role="structure", paper="Powell and Percival, J. Phys. A 12:2053, 1979",
        ),
        "series_variance": Page(
            "ST10", "variance along a series", "Geometric mean of the variance within a series, divided by the human value, for its values and for its steps.",
            unit="ratio", change="variance", healthy=1.0, collapsed="towards 0",
            margin=0.9, worse="smaller", role="structure", paper="Shumailov et al., Nature 631:755, 2024",
        ),
        "entropy_rate": Page(
            "ST11", "entropy rate", "Mean entropy of the next state of a series given the present state, divided by the largest possible entropy, less the human value. A state is a fifth of the series' own values. Above 0: the next state is less predictable.",
            unit="fraction", range=(-1.0, 1.0), healthy=0.0, collapsed="rises above the healthy value",
            margin=0.05, worse="larger", margin_kind="difference", role="structure", paper="Shannon, Bell Syst. Tech. J. 27:379, 1948",
        ),
        "transitions": Page(
            "ST12", "transitions", "Total variation distance between the mean shares of transitions in synthetic and in human series. A transition is a step between states, and a state is a fifth of the series' own values.",
            unit="fraction", healthy="the value for real data of this size", collapsed="rises above the healthy value",
            margin=0.05, worse="larger", margin_kind="difference", role="structure", paper="Billingsley, Ann. Math. Stat. 32:12, 1961",
        ),
        "lasting": Page(
            "ST13", "autocorrelation at longer lags", "Mean autocorrelation of the series less the human value, in the direction of the human value, at the lag with the largest loss among lags from 3 to a third of the length. Shuffled stretches lose it although neighbouring values keep their correlation.",
            unit="difference", change="association", range=(-2.0, 1.0), healthy=0.0, collapsed="falls below the healthy value",
            margin=0.1, worse="smaller", margin_kind="difference", role="structure", paper="Box and Jenkins, Time Series Analysis, 1970; Westfall and Young, Resampling-Based Multiple Testing, 1993 (the worst of several)",
        ),
    }  # fmt: skip

    def __call__(self, evidence, rng):
        yield from self._pairs(evidence, rng)
        yield from _corners(evidence)
        yield from _missing(evidence)
        for column in evidence.reference.of_kind("series"):
            yield from series(evidence, column, rng)

    def _pairs(self, evidence: Evidence, rng: np.random.Generator) -> Iterator[Reading]:
        columns = [
            classes(column, evidence.drawn, evidence.reference) for column in evidence.reference.of_kind("number", "category")
        ]
        if len(columns) < 2:
            yield unread("correlation", "an association needs at least 2 columns of numbers or categories")
            return
        chosen, left_out = strongest(columns, self.pairs, rng)
        chosen = [
            (column, other) if column.is_number >= other.is_number else (other, column) for column, other in chosen
        ]  # numbers stand first
        for (column, other), tables in zip(chosen, relabelled(chosen, rng), strict=True):
            check, measure = _measured(column, other)
            levels, number = _association(measure, column, other, tables)
            note = f"{levels[1]:.3f} in the synthetic data and {levels[0]:.3f} in the reference" if levels else ""
            reading = read_with_null(check, number, at=f"with {other.column}", column=column.column, note=note)
            yield replace(reading, before=levels[0], after=levels[1]) if levels else reading
        if left_out:
            yield unread("correlation", f"the weakest {left_out:,} of {left_out + len(chosen):,} pairs of columns are left out")


def _measured(first: Classes, second: Classes) -> tuple[str, Strength]:
    if first.is_number and second.is_number:
        return "correlation", rank_correlation
    return ("correlation_ratio", correlation_ratio) if first.is_number else ("cramer", cramer)


def _association(measure: Strength, first: Classes, second: Classes, tables: np.ndarray):
    """Return the human and the synthetic association of a pair (None if a set has no complete row), and the function that gives its estimate and
    null."""
    counts, of_table, of_tables = crossed(first, second), measure, measure
    if measure is cramer:
        counts, categories = on_human_categories(counts)
        tables, of_draws = on_human_categories(tables)
        of_table, of_tables = partial(cramer, categories=categories), partial(cramer, categories=of_draws)
    n, m = map(int, counts.sum(axis=(1, 2)))

    def number() -> tuple[Estimate, Null]:
        if min(n, m) < FEWEST:
            raise NotApplicable(
                f"{amount(min(n, m), 'row')} with a value in both columns, but an association needs at least {FEWEST}"
            )
        if constant := [
            classes.column for classes, axis in ((first, 2), (second, 1)) if np.count_nonzero(counts[1].sum(axis=axis - 1)) < 2
        ]:
            raise NotApplicable(f"{constant[0]} is constant in the reference")
        value = float(_weakened(*of_table(counts)))
        draws = _weakened(*of_tables(tables))
        error = math.hypot(*(standard_error(of_table, table) for table in counts))
        # Near independence, the jackknife interval of an association that is cut off at 0 is too short. The spread under permuted labels is not.
        by_chance = float(np.quantile(np.abs(draws - np.median(draws)), 0.95))
        reach = max(NORMAL_QUANTILE * error, by_chance)
        return Estimate(value, value - reach, value + reach, "jackknife", n), from_draws(value, draws, "smaller", "permutation")

    if min(n, m) == 0:
        return None, number
    ours, human = (float(strength) for strength in of_table(counts))
    return (human, ours), number


def _weakened(synthetic: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return how much stronger the synthetic association is, in the direction of the reference."""
    return np.where(reference < 0, -1.0, 1.0) * (synthetic - reference)


def _corners(evidence: Evidence) -> Iterator[Reading]:
    columns = evidence.reference.of_kind("number")
    if len(columns) < 2:
        return
    (inside, rows), (human, human_rows) = (_in_corners(side, columns) for side in (evidence.drawn, evidence.reference))
    compared_any = False
    for i, j in combinations(range(len(columns)), 2):
        n, m = int(rows[i, j]), int(human_rows[i, j])
        for first, second in ((1, 1), (0, 0), (1, 0), (0, 1)):
            count, of_human = float(inside[i, first, j, second]), float(human[i, first, j, second])
            # Corners are chosen by both sets together, so that the choice favours neither.
            if count + of_human < max(FEWEST_IN_CORNER, 2 * CORNER**2 * (n + m)) or min(n, m) < FEWEST:
                continue
            compared_any = True
            reading = read_with_null(
                "tail_dependence",
                lambda counts=(count, n, of_human, m): _corner(*counts),
                at=f"{ENDS[first]} 5 % with {ENDS[second]} 5 % of {columns[j]}",
                column=columns[i],
            )
            yield replace(reading, about=of_human / m)
    if not compared_any:
        yield unread(
            "tail_dependence",
            f"no two columns have at least {FEWEST_IN_CORNER} records, and twice the number expected by chance, in a corner of their tails",
        )


def _in_corners(side: Table, columns: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Count the records in each corner of two columns, (columns, 2 ends, columns, 2 ends), and the records with both values, (columns, columns)."""
    values = [side.numbers(column) for column in columns]
    ends = [outermost(numbers, CORNER) for numbers in values]
    inside, rows = np.zeros((2 * len(columns), 2 * len(columns))), np.zeros((len(columns), len(columns)))
    for start in range(0, side.frame.height, ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        far = np.concatenate([end[some] for end in ends], axis=1)
        there = np.stack([np.isfinite(numbers[some]) for numbers in values], axis=1).astype(float)
        inside += far.T @ far
        rows += there.T @ there
    return inside.reshape(len(columns), 2, len(columns), 2), rows


def _corner(count: float, n: int, human: float, m: int) -> tuple[Estimate, Null]:
    if human < 1:
        raise NotApplicable("no human record is in this corner")
    # Shared ties make fractional counts. Fisher's test takes the neighbouring whole numbers that are least surprising.
    null = fewer(math.ceil(count - 1e-9), n, math.floor(human + 1e-9), m)
    return Estimate(*ratio_of_shares(count, n, human, m), "Wilson of both shares", n), null


def _missing(evidence: Evidence) -> Iterator[Reading]:
    n, m = evidence.drawn.frame.height, evidence.reference.frame.height
    some = False
    for column in evidence.reference.kinds:
        count, human = (int(side.frame[column].null_count()) for side in (evidence.drawn, evidence.reference))
        if count + human == 0:
            continue
        some = True
        reach = (-human / m, 1 - human / m) if m else None
        yield read_with_null(
            "missing", lambda count=count, human=human: _apart_in_share(count, n, human, m), column=column, range=reach
        )
        yield read_with_null("gone_missing", lambda count=count, human=human: _gone(count, n, human, m), column=column, range=reach)
    if not some:
        yield unread("missing", "no value is missing on either side")


def _apart_in_share(count: int, n: int, human: int, m: int) -> tuple[Estimate, Null]:
    """Return the difference of two shares and its null. Smaller is worse."""
    ours, theirs = share(count, n), share(human, m)
    value, (ours_low, ours_high), (theirs_low, theirs_high) = ours.value - theirs.value, ours.interval, theirs.interval
    # Newcombe's interval, Stat. Med. 17:873, 1998, method 10.
    low = value - math.hypot(ours.value - ours_low, theirs_high - theirs.value)
    high = value + math.hypot(ours_high - ours.value, theirs.value - theirs_low)
    null = fewer(count, n, human, m)
    return Estimate(value, low, high, "Newcombe", n), null.on_scale(lambda ratio: (ratio - 1) * theirs.value)


def _gone(count: int, n: int, human: int, m: int) -> tuple[Estimate, Null]:
    """Return how much larger the share of missing values is, computed from the shares of present values."""
    difference, null = _apart_in_share(n - count, n, m - human, m)
    low, high = difference.interval
    return Estimate(-difference.value, -high, -low, difference.method, n), null.on_scale(lambda value: 0.0 - value)
