"""Which small run is made next, so that the least human share is known as well as so many runs can say: where the interval is widest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outcross.errors import BadInput
from outcross.verbs.forecast.result import LeastShare, SharePlace

MOST_RUNS, WIDTH = 24, 0.1
"""Where none are given: the most small runs, and how wide an interval may stay."""
FEWEST_RUNS, LIMIT_OF_RUNS = 4, 1000
SEEDS = 2
"""Seeds with which a share is run first: how runs scatter is not known from one."""


@dataclass(frozen=True)
class SmallRun:
    """One human share with one seed, and why it is run."""

    share: float
    seed: int
    """The number of the seed, counted from that of the experiment."""
    why: str


@dataclass(frozen=True)
class DesignEnd:
    """No more runs are made, and why."""

    why: str


@dataclass(frozen=True)
class RunDesign:
    """Shares that may be tried, and the rule by which small runs end: at most so many, or sooner once every interval is narrow enough."""

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
        """The runs that are made before there is an interval: the smallest and the largest share and the middle one, with two seeds each.

        >>> [(run.share, run.seed) for run in RunDesign((0.0, 0.1, 0.2)).first][:4]
        [(0.0, 0), (0.0, 1), (0.2, 0), (0.2, 1)]
        """
        ends = dict.fromkeys((self.shares[0], self.shares[-1], self.shares[len(self.shares) // 2]))
        runs = [SmallRun(share, seed, "one of the first shares") for share in ends for seed in range(SEEDS)]
        return tuple(runs[: self.most_runs])

    def after(self, seeds: Mapping[float, int], least_shares: Sequence[LeastShare]) -> tuple[SmallRun, ...] | DesignEnd:
        """What is run next, given how many seeds each share was run with and the least shares that are known by then.

        A share next to the crossing that was not run yet, inside the widest interval, with two seeds; where there is none, one more seed of the share on that interval whose own
        interval would shrink most.
        """
        if not least_shares:
            return DesignEnd("no reading has a least share")
        left = self.most_runs - sum(seeds.values())
        widest = max(least_shares, key=width_of)
        if width_of(widest) <= self.width + 1e-9:  # .4 − .3 is more than .1 in the last bit
            return DesignEnd(f"the interval of every least share is at most {self.width:g} wide")
        if left <= 0:
            return DesignEnd(f"{self.most_runs} runs were made, the most that were allowed")
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
    """The width of the interval of a least share: infinite where only its upper end is beyond the largest share that was run, and 0 where all of it is."""
    if least_share.low is None:
        return 0.0
    return math.inf if least_share.high is None else least_share.high - least_share.low


def _bracket(least_share: LeastShare, seen: Sequence[float]) -> tuple[float, float, float]:
    """The shares that were run on both sides of an interval, and its middle."""
    smallest, largest = min(seen), max(seen)
    low, value, high = (largest if end is None else end for end in (least_share.low, least_share.value, least_share.high))
    below = max((share for share in seen if share <= low), default=smallest)
    above = min((share for share in seen if share >= high), default=largest)
    return below, value, above


def _gain(place: SharePlace, seeds: int) -> float:
    """By how much one more seed would narrow the interval of a share, if that goes with one over the root of the seeds."""
    wide = math.log(max(place.high, 1e-300)) - math.log(max(place.low, 1e-300))
    return wide * (1 - math.sqrt(seeds / (seeds + 1)))


__all__ = ["DesignEnd", "RunDesign", "SmallRun", "width_of"]
