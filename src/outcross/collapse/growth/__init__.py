"""How a reading goes on over the generations that have not been run yet.

A growth law looks at one reading of all runs of an arm (`Observed`) and says, for every generation ahead, where each run goes (`Ahead`): a location for
each run, how far a run strays from it by itself, and how far all of them stray together because the law's own numbers were estimated. The runs of an arm share
these numbers, and each goes on from its own last reading.

The contract: the same readings give the same answer; adding a constant to all readings adds it to every location, except for laws that read the scale
(`reads_the_level`); the two variances are finite and not negative, and do not shrink where the generations go on, but for laws that near a level or a floor, where
all runs end alike; where there are too few generations or the law does not apply, `NotApplicable("why")`.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np


@dataclass(frozen=True, eq=False)
class Observed:
    """One reading of all runs of an arm, on the scale on which laws work."""

    values: np.ndarray  # (runs, generations)
    errors: (
        np.ndarray
    )  # (runs, generations): standard errors that a reading has by itself, anew at every generation; 0 where it has none
    closed_form: np.ndarray | None = None
    """The closed form on this scale, for the generations observed and those ahead, (generations + ahead,); None where none is known."""
    floor: float | None = None
    """The least value that the reading can take, on this scale; None where there is none."""
    ceiling: float | None = None
    closed_form_is_log_of_mean: bool = False
    """Whether the closed form is the logarithm of an expectation, while readings are logarithms: their expectation is lower, the more they scatter."""

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return self.values.shape[0]

    @property
    def generations(self) -> int:
        """How many generations were observed."""
        return self.values.shape[1]

    @property
    def last(self) -> np.ndarray:
        """The last reading of each run, (runs,)."""
        return self.values[:, -1]

    @property
    def steps(self) -> np.ndarray:
        """How far each generation is from the one before, (runs, generations - 1)."""
        return np.diff(self.values, axis=1)

    def until(self, generations: int) -> Observed:
        """What was observed of the first so many generations."""
        return replace(self, values=self.values[:, :generations], errors=self.errors[:, :generations])


@dataclass(frozen=True, eq=False)
class Ahead:
    """Where a law expects each run in the generations ahead, on the scale of the readings."""

    location: np.ndarray  # (runs, ahead)
    own: np.ndarray
    """The variance of a run about its location, independent of the other runs', (ahead,)."""
    shared: np.ndarray
    """The variance that all runs have in common, because the law's numbers were estimated, (ahead,)."""
    freedom: float
    """Degrees of freedom behind the variances."""
    left: float = 1.0
    """How much of what a run has strayed is still there after the next step: 1 where steps add up."""
    anew: float = 0.0
    """The part of a run's own variance that is drawn anew at every generation, as an error of reading."""

    def mean(self) -> Ahead:
        """The same of the mean over the runs, as if it were one run."""
        runs = len(self.location)
        return replace(self, location=self.location.mean(axis=0, keepdims=True), own=self.own / runs, anew=self.anew / runs)

    def paths(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """So many courses of the first run, each a step after the other, (count, ahead). At one generation they have the law's Student distribution."""
        lasting = np.maximum(self.own - self.anew, 0.0)
        before = np.concatenate([[0.0], lasting[:-1]])
        with np.errstate(divide="ignore", invalid="ignore"):
            damping = np.where(before > 0, np.sqrt(lasting / before), 0.0)  # a variance that shrinks pulls the paths together
        kept = np.minimum(self.left, damping)
        steps = rng.standard_normal((count, lasting.size)) * np.sqrt(np.maximum(lasting - kept**2 * before, 0.0))
        strayed, so_far = np.empty_like(steps), np.zeros(count)
        for at in range(lasting.size):
            so_far = kept[at] * so_far + steps[:, at]
            strayed[:, at] = so_far
        strayed += rng.standard_normal(strayed.shape) * np.sqrt(np.minimum(self.own, self.anew))
        strayed += rng.standard_normal((count, 1)) * np.sqrt(self.shared)
        scale = np.sqrt(self.freedom / rng.chisquare(self.freedom, (count, 1)))
        return self.location[0] + scale * strayed

    @property
    def deviation(self) -> np.ndarray:
        """The standard deviation of a run about its location, (ahead,)."""
        return np.sqrt(self.own + self.shared)


class GrowthLaw(ABC):
    """How a reading goes on."""

    paper: ClassVar[str] = ""
    min_generations: ClassVar[int] = 3
    """Fewest generations that it can be fitted to."""
    reads_the_level: ClassVar[bool] = False
    """Whether a constant added to all readings changes more than the locations by that constant."""
    is_baseline: ClassVar[bool] = False
    """Whether forecasts are compared with it."""

    @abstractmethod
    def ahead(self, observed: Observed, generations: int) -> Ahead:
        """So many generations ahead. NotApplicable where the law cannot be fitted."""


GROWTH: dict[str, str] = {
    "random walk": "outcross.collapse.growth.walks:RandomWalk",
    "random walk with drift": "outcross.collapse.growth.walks:DriftingWalk",
    "line": "outcross.collapse.growth.walks:StraightLine",
    "level plus drift": "outcross.collapse.growth.walks:LevelPlusDrift",
    "pull to a level": "outcross.collapse.growth.bending:PullToALevel",
    "saturating exponential": "outcross.collapse.growth.bending:SaturatingExponential",
    "power law": "outcross.collapse.growth.bending:PowerLaw",
    "logistic between levels": "outcross.collapse.growth.bending:LogisticBetweenLevels",
    "logistic to a floor": "outcross.collapse.growth.bending:LogisticToFloor",
    "closed form": "outcross.collapse.growth.known:KnownCurve",
}
"""Every growth law by its name, as "module:Class"."""


def growth_law(name: str) -> GrowthLaw:
    """The law of a name, imported now.

    >>> growth_law("random walk").is_baseline
    True
    """
    module, _, attr = GROWTH[name].partition(":")
    return getattr(importlib.import_module(module), attr)()


def fading(count: int, exponent: float, first: int = 1) -> np.ndarray:
    """The powers (first)^-exponent, (first + 1)^-exponent, …, so many: how steps shrink where every generation is a smaller part of what is learned from.

    >>> fading(3, 1.0).round(2).tolist()
    [1.0, 0.5, 0.33]
    """
    return np.arange(first, first + count, dtype=float) ** -exponent


@dataclass(frozen=True)
class StepNoise:
    """How far steps scatter: a variance that fades as a power of the fits, T = g + 1."""

    variance: float
    exponent: float
    freedom: float

    def added(self, observed: int, ahead: int, persistence: float = 1.0) -> np.ndarray:
        """The variance that so many further steps add up to, where a share `persistence` of what a step brought is still there after the next, (ahead,)."""
        each = self.variance * fading(ahead, self.exponent, observed)
        total, so_far = np.empty(ahead), 0.0
        for step in range(ahead):
            so_far = persistence**2 * so_far + each[step]
            total[step] = so_far
        return total


EXPONENTS = (0.0, 1.0, 2.0)
"""Of the variance of steps: as it was; and as where a generation is one of T that are learned from (2)."""
GAIN = 2.0
"""How much more likely, in nats, the scatter must be with a fading variance than with a constant one."""


def step_noise(residuals: np.ndarray, spent: float = 0.0) -> StepNoise:
    """The noise behind what a law leaves unexplained of the steps, (runs, steps); `spent` is how many numbers the law fitted to them."""
    count = residuals.size
    freedom = max(count - spent, 1.0)
    best, likeliest = StepNoise(float(np.square(residuals).sum()) / freedom, 0.0, freedom), -np.inf
    for exponent in EXPONENTS:
        weights = fading(residuals.shape[1], exponent)
        variance = float((np.square(residuals) / weights).sum()) / freedom
        if variance <= 0:
            return StepNoise(0.0, 0.0, freedom)
        likelihood = -0.5 * count * np.log(variance) - 0.5 * len(residuals) * float(np.log(weights).sum())
        if likelihood > likeliest + (GAIN if exponent else 0.0):
            best, likeliest = StepNoise(variance, exponent, freedom), likelihood
    return best
