"""The choice of the next small run. Runs are made where the interval of the least human share is widest, so that few runs narrow it most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outcross.errors import BadInput
from outcross.verbs.forecast.result import LeastShare, SharePlace

MOST_RUNS, WIDTH = 24, 0.1
"""Defaults of the maximum number of small runs, and of the width at which an interval is narrow enough."""
FEWEST_RUNS, LIMIT_OF_RUNS = 4, 1000
SEEDS = 2
"""Number of seeds with which a share is first run. One seed says nothing about the scatter between runs."""


@dataclass(frozen=True)
class SmallRun:
    """A small run: one human share with one seed, and the reason for it."""

    share: float
    seed: int
    """Offset of the seed from that of the experiment."""
    why: str


@dataclass(frozen=True)
class DesignEnd:
    """The end of the small runs, with the reason."""

    why: str


@dataclass(frozen=True)
class RunDesign:
    """The shares that may be tried, and the two conditions that end the small runs: their maximum number, or a sufficiently narrow interval."""

    shares: tuple[float, ...]
    most_runs: int = MOST_RUNS
    width: float = WIDTH

    def __post_init__(self):
        if len(self.shares) < 2:
            only = f"got {self.shares[0]:g} alone" if self.shares else "got none"
            raise BadInput(f"shares must be at least two different human shares, {only}; write shares=0:0.5:0.1")
        if not FEWEST_RUNS <= self.most_runs <= LIMIT_OF_RUNS:
            raise BadInput(
                f"most_runs must be from {FEWEST_RUNS} (two shares with {SEEDS} seeds) to {LIMIT_OF_RUNS}, got {self.most_runs}; write most_runs={MOST_RUNS}"
            )
        if not 0 < self.width <= 1:
            raise BadInput(f"width must be above 0 and at most 1, got {self.width:g}; write width={WIDTH:g}")

    @property
    def first(self) -> tuple[SmallRun, ...]:
        """The runs before there is an interval: the smallest, the largest and the middle share, with two seeds each.

        >>> [(run.share, run.seed) for run in RunDesign((0.0, 0.1, 0.2)).first][:4]
        [(0.0, 0), (0.0, 1), (0.2, 0), (0.2, 1)]
        """
        ends = dict.fromkeys((self.shares[0], self.shares[-1], self.shares[len(self.shares) // 2]))
        runs = [SmallRun(share, seed, "one of the first shares") for share in ends for seed in range(SEEDS)]
        return tuple(runs[: self.most_runs])

    def after(self, seeds: Mapping[float, int], least_shares: Sequence[LeastShare]) -> tuple[SmallRun, ...] | DesignEnd:
        """Return the next runs, given the number of seeds of each share that was run and the current least shares.

        The next run is the share closest to the crossing that lies inside the widest interval and was not run yet, with two seeds. If there is no
        such share, it is one more seed of the share on that interval whose own interval would shrink most.
        """
        if not least_shares:
            return DesignEnd("no reading has a least share")
        left = self.most_runs - sum(seeds.values())
        widest = max(least_shares, key=width_of)
        if width_of(widest) <= self.width + 1e-9:  # .4 − .3 is more than .1 in the last bit
            return DesignEnd(f"the interval of every least share is at most {self.width:g} wide")
        if left <= 0:
            return DesignEnd(f"{self.most_runs} runs were made, which is the maximum")
        below, middle, above = _bracket(widest, tuple(seeds))
        unseen = [share for share in self.shares if share not in seeds and below < share < above]
        where = f"the interval of {widest.name} is widest"
        if unseen:
            share = min(unseen, key=lambda candidate: (abs(candidate - middle), candidate))
            why = f"{where}, and this share is next to its crossing"
            return tuple(SmallRun(share, seed, why) for seed in range(min(SEEDS, left)))
        places = [place for place in widest.places if below <= place.share <= above]
        place = max(places, key=lambda candidate: (_gain(candidate, seeds[candidate.share]), -candidate.share))
        return (SmallRun(place.share, seeds[place.share], f"{where}, and another seed of this share narrows it most"),)


def width_of(least_share: LeastShare) -> float:
    """Return the width of the interval of a least share.

    It is infinite if only the upper end is beyond the largest share that was run, and 0 if the whole interval is.
    """
    if least_share.low is None:
        return 0.0
    return math.inf if least_share.high is None else least_share.high - least_share.low


def _bracket(least_share: LeastShare, seen: Sequence[float]) -> tuple[float, float, float]:
    """Return the closest shares that were run below and above an interval, with the estimate between them: (below, value, above)."""
    smallest, largest = min(seen), max(seen)
    low, value, high = (largest if end is None else end for end in (least_share.low, least_share.value, least_share.high))
    below = max((share for share in seen if share <= low), default=smallest)
    above = min((share for share in seen if share >= high), default=largest)
    return below, value, above


def _gain(place: SharePlace, seeds: int) -> float:
    """Return by how much one more seed would narrow the interval of a share, if its width is proportional to 1/√seeds."""
    wide = math.log(max(place.high, 1e-300)) - math.log(max(place.low, 1e-300))
    return wide * (1 - math.sqrt(seeds / (seeds + 1)))


__all__ = ["DesignEnd", "RunDesign", "SmallRun", "width_of"]
