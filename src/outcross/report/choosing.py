"""Where nobody says who wrote what: how much of a perfect choice a detector's choice gains, generation by generation, and what choosing does to spread and tails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from outcross.estimate import Estimate, NotApplicable, mean
from outcross.report.numerals import NONE, decimal, estimated
from outcross.report.study import Chooser, Study
from outcross.statistics.ratios import ratio_of_paired_means

LOSS = "held_out_loss"
EFFECTS = {
    ("selected_human", ""): "human share that is left",
    ("selected_spread", "training"): "different tokens kept, over a random choice of as many",
    ("selected_tail", "training"): "rare tokens kept, over a random choice of as many",
}
"""What a choice does to the records, by measure and place."""
MOST_ROWS = 24
"""Generations that the table shows; of more the first, the last and others between them."""

Values = Mapping[tuple[str, str, str, int], Mapping[int, float]]
"""By measure, place, arm and generation: the value of each seed."""


@dataclass(frozen=True)
class GainRow:
    """One generation: the gains over the random choice in nats a token, and the detector's share of the oracle's."""

    generation: int
    detector: str
    oracle: str
    share: str


@dataclass(frozen=True)
class EffectRow:
    """What the choices of two arms do to the records, on average over the generations."""

    what: str
    detector: str
    oracle: str


@dataclass(frozen=True)
class ChoosingPage:
    """All that is said of one chooser."""

    chooser: Chooser
    sentence: str
    gains: tuple[GainRow, ...]
    effects: tuple[EffectRow, ...]
    seeds: int


def choosing_of(study: Study) -> tuple[ChoosingPage, ...]:
    """What is said of every chooser that was measured at some generation."""
    pages = (_page(chooser, _values(study)) for chooser in study.choosers)
    return tuple(page for page in pages if page.gains)


def _values(study: Study) -> Values:
    """The readings that a chooser is judged by."""
    wanted = {(LOSS, ""), *EFFECTS}
    values: dict[tuple[str, str, str, int], dict[int, float]] = {}
    for reading in study.readings:
        if (reading.measure, reading.at) in wanted and reading.value is not None and not reading.is_floor:
            key = (reading.measure, reading.at, reading.arm, reading.generation)
            values.setdefault(key, {})[reading.seed] = reading.value
    return values


def _page(chooser: Chooser, values: Values) -> ChoosingPage:
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
        rows.append(GainRow(generation, _shown(gains[0]), _shown(gains[1]), last[1]))
    step = max(1, -(-len(rows) // MOST_ROWS))
    shown = [row for place, row in enumerate(reversed(rows)) if place % step == 0][::-1]
    return ChoosingPage(chooser, _sentence(rows, last), tuple(shown), tuple(_effects(chooser, values)), seeds)


def share_of_gain(detector: np.ndarray, oracle: np.ndarray) -> tuple[Estimate | None, str]:
    """The detector's share of the oracle's gain with Fieller's interval, and in words; None where it is not defined, because the oracle's gain meets 0, or where one seed gives no interval. Both: (seeds,).

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
        return None, "not defined: the interval of the oracle's gain meets 0"
    return share, estimated(share.value, *share.interval)


def _sentence(rows: Sequence[GainRow], last: tuple[Estimate | None, str] | None) -> str:
    if last is None:
        return ""
    share, words = last
    at = f"At generation {rows[-1].generation}"
    if share is None:
        return f"{at} the detector's share of the oracle's gain over a random choice is {words}."
    return f"{at} the detector has {words} of the oracle's gain over a random choice (95 % interval over {share.n} seeds)."


def _effects(chooser: Chooser, values: Values) -> Iterator[EffectRow]:
    """The mean over generations of what each choice does, with its interval over seeds."""
    for (measure, at), what in EFFECTS.items():
        cells = []
        for arm in (chooser.arm, chooser.oracle):
            by_seed: dict[int, list[float]] = {}
            for (name, place, own, generation), seeds in values.items():
                if (name, place, own) == (measure, at, arm) and generation > 0:
                    for seed, value in seeds.items():
                        by_seed.setdefault(seed, []).append(value)
            cells.append(_shown(np.array([np.mean(own) for own in by_seed.values()])))
        if cells != [NONE, NONE]:
            yield EffectRow(what, *cells)


def _shown(values: np.ndarray) -> str:
    """The mean over seeds with its interval; of one seed, and where all seeds agree, the value alone."""
    if not values.size:
        return NONE
    if np.ptp(values) < 1e-9:
        return f"{float(values[0]):.3f}"
    estimate = mean(values, "seeds")
    return estimated(estimate.value, *estimate.interval)
