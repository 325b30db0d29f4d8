"""Are the rare things still there?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from outcross.estimate import Estimate, NotApplicable, Null, Reading, around, share
from outcross.measures import Evidence, Page, read_with_null, unread
from outcross.measures.of_tables import OfTables
from outcross.recipe import FROM_LIST, recipe
from outcross.statistics.beyond import End, Honest, fewer_beyond, limit
from outcross.statistics.categories import require_categories
from outcross.statistics.floors import LEVEL, SMALLEST, from_draws, relabelled
from outcross.statistics.ratios import ratio_of_shares
from outcross.statistics.sketches import Beyond, Tally
from outcross.statistics.tail_index import DEPTH, HEAVIEST, LIGHTEST, index_difference
from outcross.wording import amount

DEPTHS = (0.05, 0.01, 0.005)
FEWEST = 5
"""Minimum number of human values beyond a quantile. With fewer, the mass there is not compared."""
FEWEST_DRAWS = 100
"""Minimum number of permutations in which some category is rare. With fewer, there is no null distribution."""
ENDS: tuple[End, ...] = ("lower", "upper")
MOST_CATEGORIES = 20_000
NAMED = 12
"""Maximum number of missing categories that a note names."""


@recipe
class Tails(OfTables):
    """Mass beyond human quantiles, the tail index, and the survival of rare categories."""

    depths: Annotated[tuple[Annotated[float, Field(gt=0, lt=0.5)], ...], FROM_LIST] = DEPTHS
    """Shares of human mass beyond the quantiles that are compared, at either end."""
    rare: Annotated[float, Field(gt=0, le=1)] = 0.01
    """The share of human records below which a category is rare."""

    aspect = "tails"
    pages = {
        "mass": Page(
            "TA1", "mass beyond human quantiles", "Share of synthetic records beyond a human quantile (5 %, 1 % or 0.5 %, at either end), divided by the expected share of fresh human records there. The quantile is the k-th farthest of m human values, so the expected share is k / (m + 1).",
            unit="ratio", healthy=1.0, collapsed="towards 0",
            margin=0.8, worse="smaller", records=(46_000, "the outer 1 %; 8,700 for 5 %"), role="tail", paper="Shumailov et al., Nature 631:755, 2024; Dohmatob et al., A Tale of Tails, ICML 2024, arXiv 2402.07043",
        ),
        "tail_index": Page(
            "TA2", "tail index", "Tail index of the synthetic data beyond the human 95 % quantile less that of the reference beyond the same point. The tail index is that of the generalised Pareto law with the largest likelihood, at least -½. Below 0: the far tail is cut or lighter.",
            unit="difference", range=(LIGHTEST - HEAVIEST, HEAVIEST - LIGHTEST), healthy=0.0, collapsed="falls below the healthy value",
            margin=0.25, worse="smaller", margin_kind="difference", role="tail", paper="Davison and Smith, J. R. Stat. Soc. B 52:393, 1990; Janssen, Stat. Probab. Lett. 36:9, 1997 (studentised permutation)",
        ),
        "rare_categories": Page(
            "TA3", "rare categories", "Share of the rare human categories (each below 1 % of human records) that occur in the synthetic data.",
            unit="fraction", healthy="the value for real data of this size", collapsed="towards 0",
            margin=0.9, worse="smaller", role="tail", paper="Shumailov et al., 2024; Suresh et al., arXiv 2412.17646",
        ),
        "rare_mass": Page(
            "TA4", "mass of rare categories", "Share of synthetic records in the rare human categories (each below 1 % of human records), divided by the human share.",
            unit="ratio", healthy="the value for real data of this size", collapsed="towards 0",
            margin=0.8, worse="smaller", role="tail", paper="Shumailov et al., 2024; Suresh et al., arXiv 2412.17646",
        ),
        "beyond_range": Page(
            "TA5", "beyond the human range", "Share of synthetic records below the smallest or above the largest human value.",
            unit="fraction", healthy=0.0, collapsed="rises above the healthy value",
            margin=0.01, worse="larger", records=(1_000, "any numbers"), margin_kind="difference", is_invention=True, role="tail", paper="Schaeffer et al., Position: Model Collapse Does Not Mean What You Think, arXiv 2503.03150",
        ),
        "unseen_categories": Page(
            "TA6", "unseen categories", "Share of synthetic records in categories that no human record has.",
            unit="fraction", healthy="the value for real data of this size", collapsed="rises above the healthy value",
            margin=0.01, worse="larger", records=(930, "a column without rare categories"), margin_kind="difference", is_invention=True, role="tail", paper="Good, Biometrika 40:237, 1953 (the unseen share that human data themselves show)",
        ),
    }  # fmt: skip

    def sketches(self, evidence):
        limits = {column: self._limits(evidence.reference.numbers(column)) for column in evidence.reference.of_kind("number")}
        asked = {column: np.array(sorted(set(thresholds))) for column, thresholds in limits.items() if thresholds}
        tallies = {f"tally {column}": Tally([column]) for column in evidence.reference.of_kind("category")}
        return tallies | ({"beyond": Beyond(asked)} if asked else {})

    def _limits(self, values: np.ndarray) -> list[float]:
        """Return the thresholds of a column: the ends of the human range and the quantiles."""
        there = np.sort(values[np.isfinite(values)])
        if not there.size:
            return []
        return [
            there[0],
            there[-1],
            *(at for depth in self.depths for end in ENDS if (at := _limit(there, depth, end)) is not None),
        ]

    def __call__(self, evidence, rng):
        for column in evidence.reference.of_kind("number"):
            yield from self._numbers(evidence, column, rng)
        for column in evidence.reference.of_kind("category"):
            synthetic, reference = (_shares(tally, column) for tally in evidence.counted[f"tally {column}"])
            yield from self._categories(column, synthetic, reference, rng)

    def _numbers(self, evidence: Evidence, column: str, rng: np.random.Generator) -> Iterator[Reading]:
        values = [np.sort(side.known_numbers(column)) for side in (evidence.drawn, evidence.reference)]
        for depth in self.depths:
            for end in ENDS:
                reading = read_with_null(
                    "mass",
                    lambda depth=depth, end=end: _mass(evidence, column, values, depth, end),
                    at=f"{end} {depth * 100:g} %",
                    column=column,
                )
                yield replace(reading, about=_share_beyond(evidence, column, values[1], depth, end))
        yield _tail_index(column, values[0], values[1], rng)
        yield read_with_null("beyond_range", lambda: _beyond_range(evidence, column, values), column=column)

    def _categories(
        self, column: str, synthetic: dict[str, int], reference: dict[str, int], rng: np.random.Generator
    ) -> Iterator[Reading]:
        names = sorted(reference | synthetic)
        if len(names) > MOST_CATEGORIES:
            kept = sorted(names, key=lambda name: (-reference.get(name, 0) - synthetic.get(name, 0), name))[:MOST_CATEGORIES]
            names = sorted(kept)
        counts = np.array([[side.get(name, 0) for name in names] for side in (synthetic, reference)], dtype=np.int64)
        if why := _why_no_categories(counts):
            yield from (unread(check, why, column=column) for check in ("rare_categories", "rare_mass", "unseen_categories"))
            return
        draws = relabelled(counts, rng)
        rare = self._is_rare(counts[1])
        gone = [name for name, is_rare, count in zip(names, rare, counts[0], strict=True) if is_rare and not count]
        note = f"missing: {', '.join(gone[:NAMED])}{f' and {len(gone) - NAMED} more' if len(gone) > NAMED else ''}" if gone else ""
        about = float(counts[1][rare].sum() / counts[1].sum())
        survival = read_with_null("rare_categories", lambda: self._survival(counts, draws), column=column, note=note)
        mass = read_with_null("rare_mass", lambda: self._rare_mass(counts, draws), column=column)
        yield from (replace(reading, about=about) if rare.any() else reading for reading in (survival, mass))
        new = [name for name, (count, human) in zip(names, counts.T, strict=True) if count and not human]
        note = f"unseen: {', '.join(sorted(new, key=lambda name: -synthetic[name])[:NAMED])}" if new else ""
        yield read_with_null("unseen_categories", lambda: _unseen(counts, draws), column=column, note=note)

    def _is_rare(self, human: np.ndarray) -> np.ndarray:
        """Return whether each category is rare among human records, (…, categories) of bool."""
        return (human > 0) & (human < self.rare * human.sum(axis=-1, keepdims=True))

    def _survival(self, counts: np.ndarray, draws: np.ndarray) -> tuple[Estimate, Null]:
        rare = self._is_rare(counts[1])
        if not rare.any():
            raise NotApplicable(f"no category has less than {self.rare:.0%} of human records")
        if rare.sum() == 1:
            # The survival of a single category cannot be distinguished from chance, even if it should seldom be missing.
            raise NotApplicable(
                f"only one category has less than {self.rare:.0%} of human records; see the mass of rare categories"
            )
        survived = counts[0][rare] > 0
        # A category with this count occurs in another set of this size with probability 1 - exp(-count). A count of 0 is replaced by one half.
        chance = np.exp(-(counts[0][rare] + np.where(survived, 0.0, 0.5)))
        error = math.sqrt((chance * (1 - chance)).sum()) / survived.size
        value = float(survived.mean())
        estimate = around(value, error, "Poisson over categories", int(rare.sum()), minimum=0.0, maximum=1.0)
        are_rare = self._is_rare(draws[1])
        with np.errstate(invalid="ignore"):
            share = (are_rare & (draws[0] > 0)).sum(axis=1) / are_rare.sum(axis=1)
        return estimate, from_draws(value, _known(share), "smaller", "permutation")

    def _rare_mass(self, counts: np.ndarray, draws: np.ndarray) -> tuple[Estimate, Null]:
        rare = self._is_rare(counts[1])
        if not rare.any():
            raise NotApplicable(f"no category has less than {self.rare:.0%} of human records")
        (n, m), (count, human) = counts.sum(axis=1), counts[:, rare].sum(axis=1)
        if human < FEWEST:
            raise NotApplicable(f"{human} human records in rare categories, but at least {FEWEST} are needed")
        are_rare = self._is_rare(draws[1])
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = (draws[0] * are_rare).sum(axis=1) / n / ((draws[1] * are_rare).sum(axis=1) / m)
        estimate = Estimate(*ratio_of_shares(int(count), int(n), int(human), int(m)), "Wilson of both shares", int(n))
        return estimate, from_draws(estimate.value, _known(ratios), "smaller", "permutation")


def _why_no_categories(counts: np.ndarray) -> str:
    """Return why counts (2, categories) of synthetic and human records cannot be compared. Empty if they can."""
    if not counts.sum(axis=1).all():
        return f"no values in {'the reference' if counts[0].sum() else 'the synthetic data'}"
    try:
        require_categories(counts[1])
    except NotApplicable as why:
        return str(why)
    return ""


def _known(draws: np.ndarray) -> np.ndarray:
    """Return the permutations in which some category is rare among the records labelled human."""
    known = draws[np.isfinite(draws)]
    if known.size < FEWEST_DRAWS:
        raise NotApplicable("the categories that are rare in the reference are common in both sets together")
    return known


def _beyond(evidence: Evidence, column: str, at: float, end: End) -> list[tuple[int, int]]:
    """Return (number of values at least as far out as `at`, number of values) of the synthetic and of the human set, over all their rows."""
    sides = []
    for side in evidence.counted["beyond"]:
        below, above = side[column].at(at)
        sides.append((side[column].count - (above if end == "lower" else below), side[column].count))
    return sides


def _limit(ordered: np.ndarray, depth: float, end: End) -> float | None:
    """Return the human value beyond which mass is compared. None if too few human values lie beyond it."""
    try:
        return limit(ordered, depth, end, FEWEST, ties="out")
    except NotApplicable:
        return None


def _mass(evidence: Evidence, column: str, values: list[np.ndarray], depth: float, end: End) -> tuple[Estimate, Null]:
    (count, n), (human, m) = _beyond(evidence, column, limit(values[1], depth, end, FEWEST, ties="out"), end)
    if n == 0:
        raise NotApplicable("no synthetic values")
    return fewer_beyond(count, n, human, m)


def _share_beyond(evidence: Evidence, column: str, human: np.ndarray, depth: float, end: End) -> float:
    """Return the share of human records beyond the limit, or the requested depth if there is no limit."""
    at = _limit(human, depth, end)
    count, rows = (0, 0) if at is None else _beyond(evidence, column, at, end)[1]
    return count / rows if rows else depth


def _tail_index(column: str, synthetic: np.ndarray, reference: np.ndarray, rng: np.random.Generator) -> Reading:
    try:
        estimate, null, (ours, human) = index_difference(synthetic, reference, rng)
    except NotApplicable as why:
        return unread("tail_index", str(why), column=column)
    note = f"{ours:.2f} in the synthetic data and {human:.2f} in the reference, beyond the human 95 % quantile"
    return Reading("tail_index", estimate, null, column=column, note=note, about=DEPTH)


def _beyond_range(evidence: Evidence, column: str, values: list[np.ndarray]) -> tuple[Estimate, Null]:
    """Return the share of synthetic values outside the human range, and its null distribution.

    The expected mass outside both ends of the range of m human values equals the mass beyond the second farthest value at one end. With ties it is
    smaller.
    """
    human = values[1]
    if min(human.size, values[0].size) < 2:
        raise NotApplicable(f"{amount(min(human.size, values[0].size), 'value')}, a range needs 2")
    synthetic, reference = (side[column] for side in evidence.counted["beyond"])
    n, count = synthetic.count, synthetic.at(float(human[0]))[0] + synthetic.at(float(human[-1]))[1]
    law = Honest(k=2, human=reference.count, rows=n)
    return share(count, n), Null(
        typical=law.quantile(0.5) / n,
        floor=law.quantile(1 - LEVEL) / n,
        p=max(SMALLEST, law.at_least(count)),
        method="exact law of the human range",
    )


def _shares(tally, column: str) -> dict[str, int]:
    """Return the number of records of each category. Missing values are left out."""
    return {str(name): int(count) for name, count in tally.frame.select(column, "count").iter_rows() if name is not None}


def _unseen(counts: np.ndarray, draws: np.ndarray) -> tuple[Estimate, Null]:
    n = int(counts[0].sum())
    estimate = share(int(counts[0][counts[1] == 0].sum()), n)
    return estimate, from_draws(estimate.value, (draws[0] * (draws[1] == 0)).sum(axis=1) / n, "larger", "permutation")
