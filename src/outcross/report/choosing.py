"""Training sets whose authors are unknown: the share of an oracle's gain that a detector's choice achieves, and the effects of choices on spread and tails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from outcross.estimate import Estimate, NotApplicable
from outcross.measures import Page
from outcross.report.curves import CurvePoint, mean_over_seeds
from outcross.report.numerals import NONE, decimal, estimated
from outcross.report.study import Chooser, Study
from outcross.statistics.ratios import ratio_of_paired_means

LOSS = "held_out_loss"
EFFECTS = {
    ("selected_human", ""): "human share of the chosen records",
    ("selected_spread", "training"): "distinct tokens kept, relative to a random choice of the same size",
    ("selected_tail", "training"): "rare tokens kept, relative to a random choice of the same size",
}
"""The effects of a choice on the records, in words, by measure and place."""
MOST_ROWS = 24
"""Maximum number of generations in the table. If there are more, some of them are left out at regular steps."""

Values = Mapping[tuple[str, str, str, int], Mapping[int, float]]
"""The value of each seed, by measure, place, arm and generation."""


@dataclass(frozen=True)
class GainRow:
    """One generation: the gains over a random choice in nats per token, and the detector's share of the oracle's gain."""

    generation: int
    detector: str
    oracle: str
    share: str


@dataclass(frozen=True)
class EffectRow:
    """An effect of the choices of two arms on the records, averaged over the generations."""

    what: str
    detector: str
    oracle: str


@dataclass(frozen=True)
class ChoosingPage:
    """The results of one chooser on the page."""

    chooser: Chooser
    sentence: str
    gains: tuple[GainRow, ...]
    effects: tuple[EffectRow, ...]
    seeds: int


def choosing_of(study: Study) -> tuple[ChoosingPage, ...]:
    """The results of every chooser that was measured at some generation."""
    choosers = (_page(chooser, _values(study), study.pages) for chooser in study.choosers)
    return tuple(page for page in choosers if page.gains)


def _values(study: Study) -> Values:
    """The values of the readings that a chooser is judged by."""
    wanted = {(LOSS, ""), *EFFECTS}
    values: dict[tuple[str, str, str, int], dict[int, float]] = {}
    for reading in study.readings:
        if (reading.measure, reading.at) in wanted and reading.value is not None and not reading.is_floor:
            key = (reading.measure, reading.at, reading.arm, reading.generation)
            values.setdefault(key, {})[reading.seed] = reading.value
    return values


def _page(chooser: Chooser, values: Values, pages: Mapping[str, Page]) -> ChoosingPage:
    rows, last, seeds = [], None, 0
    generations = sorted({key[3] for key in values if key[:3] == (LOSS, "", chooser.arm) and key[3] > 0})
    for generation in generations:
        losses = {
            name: values.get((LOSS, "", arm, generation), {})
            for name, arm in (("detector", chooser.arm), ("random", chooser.random), ("oracle", chooser.oracle))
        }
        shared = sorted(set.intersection(*(set(own) for own in losses.values())))
        if not shared:
            continue
        seeds = max(seeds, len(shared))
        loss = {name: np.array([own[seed] for seed in shared]) for name, own in losses.items()}
        gains = loss["random"] - loss["detector"], loss["random"] - loss["oracle"]
        last = share_of_gain(*gains)
        rows.append(GainRow(generation, _shown(gains[0].tolist()), _shown(gains[1].tolist()), last[1]))
    step = max(1, -(-len(rows) // MOST_ROWS))
    shown = [row for place, row in enumerate(reversed(rows)) if place % step == 0][::-1]
    return ChoosingPage(chooser, _sentence(rows, last), tuple(shown), tuple(_effects(chooser, values, pages)), seeds)


def share_of_gain(detector: np.ndarray, oracle: np.ndarray) -> tuple[Estimate | None, str]:
    """The detector's share of the oracle's gain with Fieller's interval, and the same in words. Both gains: (seeds,).

    The estimate is None if the share is not defined because the interval of the oracle's gain includes 0, or if a single seed gives no interval.

    >>> share_of_gain(np.array([0.1, 0.12]), np.array([0.2, 0.22]))[1]
    '0.52 [-0.21, 0.70]'
    >>> share_of_gain(np.array([0.1]), np.array([0.2]))[1]
    '0.50 (one seed: no interval)'
    >>> share_of_gain(np.array([0.1]), np.array([-0.2]))[1]
    'not defined: the oracle gains nothing'
    """
    if float(np.mean(oracle)) <= 0:
        return None, "not defined: the oracle gains nothing"
    if oracle.size == 1:
        return None, f"{decimal(float(detector[0] / oracle[0]))} (one seed: no interval)"
    try:
        share = ratio_of_paired_means(detector, oracle, "seeds")
    except NotApplicable:
        return None, "not defined: the interval of the oracle's gain includes 0"
    return share, estimated(share.value, *share.interval)


def _sentence(rows: Sequence[GainRow], last: tuple[Estimate | None, str] | None) -> str:
    if last is None:
        return ""
    share, words = last
    at = f"At generation {rows[-1].generation}"
    if share is None:
        return f"{at} the detector's share of the oracle's gain over a random choice is {words}."
    return f"{at} the detector has {words} of the oracle's gain over a random choice (95 % interval over {share.n} seeds)."


def _effects(chooser: Chooser, values: Values, pages: Mapping[str, Page]) -> Iterator[EffectRow]:
    """Yield the effects of each choice, averaged over generations, with their intervals over seeds."""
    for (measure, at), what in EFFECTS.items():
        cells = []
        for arm in (chooser.arm, chooser.oracle):
            by_seed: dict[int, list[float]] = {}
            for (name, place, own, generation), seeds in values.items():
                if (name, place, own) == (measure, at, arm) and generation > 0:
                    for seed, value in seeds.items():
                        by_seed.setdefault(seed, []).append(value)
            cells.append(_shown([float(np.mean(own)) for own in by_seed.values()], pages.get(measure)))
        if cells != [NONE, NONE]:
            yield EffectRow(what, *cells)


def _shown(values: Sequence[float], page: Page | None = None) -> str:
    """The mean over seeds with its interval in words. For a single seed, or if all seeds agree, only the value."""
    if not values:
        return NONE
    point = mean_over_seeds([CurvePoint(0, value) for value in values], page)
    assert point.value is not None
    return f"{point.value:.3f}" if point.low is None or point.high is None else estimated(point.value, point.low, point.high)
