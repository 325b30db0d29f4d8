"""Growth laws: how a reading continues over generations that have not been run.

A growth law takes one reading of all runs of an arm (`Observed`) and predicts every run in the coming generations (`Ahead`): a location for each run,
the variance of a run about it, and the variance that all runs share because the parameters of the law were estimated. The runs of an arm share these
parameters, and each run continues from its own last reading.

The contract: the same readings give the same answer. Adding a constant to all readings adds it to every location, except for laws that depend on the
level (`reads_the_level`). The two variances are finite and not negative. They do not shrink over the generations, except for laws that approach a
level or a floor, where all runs end at the same value. If there are too few generations or the law does not apply, it raises `NotApplicable("why")`.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

SETTLING_SHARE = 0.05
"""Human share from which readings approach a limit within the generations of a forecast: errors add up over 1/share = 20 generations. It is also the
smallest share in the experiments that calibrated forecasts."""


@dataclass(frozen=True, eq=False)
class Observed:
    """One reading of all runs of an arm, on the scale of the laws."""

    values: np.ndarray  # (runs, generations)
    errors: np.ndarray  # (runs, generations): standard errors of readings that are independent between generations, or 0
    closed_form: np.ndarray | None = None
    """The closed form on this scale, for the observed generations and those ahead, (generations + ahead,). None if none is known."""
    floor: float | None = None
    """Minimum of the reading on this scale. None if there is none."""
    ceiling: float | None = None
    closed_form_is_log_of_mean: bool = False
    """Whether the closed form is the logarithm of an expectation. The expectation of logarithmic readings is then lower, depending on their
    scatter."""
    human_share: float | None = None
    """Share of human records in the training data of every generation after the first, in [0, 1]. None if it changes or is unknown."""
    is_trained: bool = False
    """Whether the learner is trained in steps, as networks are. Such readings have a calibration of their own."""

    @property
    def settles(self) -> bool:
        """Whether human records come in at a constant share of at least SETTLING_SHARE, so that readings approach a limit."""
        return self.human_share is not None and self.human_share >= SETTLING_SHARE

    @property
    def runs(self) -> int:
        """Number of runs."""
        return self.values.shape[0]

    @property
    def generations(self) -> int:
        """Number of observed generations."""
        return self.values.shape[1]

    @property
    def last(self) -> np.ndarray:
        """The last reading of each run, (runs,)."""
        return self.values[:, -1]

    @property
    def steps(self) -> np.ndarray:
        """Difference of each generation from the one before, (runs, generations - 1)."""
        return np.diff(self.values, axis=1)

    def until(self, generations: int) -> Observed:
        """Return only the first generations."""
        return replace(self, values=self.values[:, :generations], errors=self.errors[:, :generations])


@dataclass(frozen=True, eq=False)
class Ahead:
    """The prediction of a law for each run in the generations ahead, on the scale of the readings."""

    location: np.ndarray  # (runs, ahead)
    own: np.ndarray
    """Variance of a run about its location, independent between runs, (ahead,)."""
    shared: np.ndarray
    """Variance that all runs share, because the parameters of the law were estimated, (ahead,)."""
    freedom: float
    """Degrees of freedom of the variances."""
    left: float = 1.0
    """Share of the deviation of a run that remains after the next step. It is 1 if steps accumulate."""
    anew: float = 0.0
    """The part of a run's own variance that is independent between generations, like a measurement error."""

    def mean(self) -> Ahead:
        """Return the prediction of the mean over the runs, as one run."""
        runs = len(self.location)
        return replace(self, location=self.location.mean(axis=0, keepdims=True), own=self.own / runs, anew=self.anew / runs)

    def paths(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `count` courses of the first run step by step, (count, ahead). In each generation they have the Student distribution of the law."""
        lasting = np.maximum(self.own - self.anew, 0.0)
        before = np.concatenate([[0.0], lasting[:-1]])
        with np.errstate(divide="ignore", invalid="ignore"):
            damping = np.where(before > 0, np.sqrt(lasting / before), 0.0)  # a shrinking variance pulls the paths together
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
        """Standard deviation of a run about its location, (ahead,)."""
        return np.sqrt(self.own + self.shared)


class GrowthLaw(ABC):
    """A law that predicts how a reading continues."""

    paper: ClassVar[str] = ""
    min_generations: ClassVar[int] = 3
    """Minimum number of generations."""
    reads_the_level: ClassVar[bool] = False
    """Whether adding a constant to all readings changes more than adding it to the locations."""
    is_baseline: ClassVar[bool] = False
    """Whether forecasts are compared with it."""
    is_endless: ClassVar[bool] = False
    """Whether the mean reading moves without limit. Such a law has no part in a forecast if the human share settles the readings (`Observed.settles`)."""

    @abstractmethod
    def ahead(self, observed: Observed, generations: int) -> Ahead:
        """Return the prediction over `generations` generations. Raises NotApplicable if the law cannot be fitted."""


GROWTH: dict[str, str] = {
    "random walk": "outcross.collapse.growth.walks:RandomWalk",
    "random walk with drift": "outcross.collapse.growth.walks:DriftingWalk",
    "line": "outcross.collapse.growth.walks:StraightLine",
    "level plus drift": "outcross.collapse.growth.walks:LevelPlusDrift",
    "pull to a level": "outcross.collapse.growth.bending:PullToALevel",
    "saturating exponential": "outcross.collapse.growth.bending:SaturatingExponential",
    "power law": "outcross.collapse.growth.bending:PowerLaw",
    "logistic between levels": "outcross.collapse.growth.bending:LogisticBetweenLevels",
    "drift after a jump": "outcross.collapse.growth.bending:DriftAfterAJump",
    "logistic to a floor": "outcross.collapse.growth.bending:LogisticToFloor",
    "closed form": "outcross.collapse.growth.known:KnownCurve",
}
"""Every growth law by its name, as "module:Class"."""


def growth_law(name: str) -> GrowthLaw:
    """Import and return the law of a name.

    >>> growth_law("random walk").is_baseline
    True
    """
    module, _, attr = GROWTH[name].partition(":")
    return getattr(importlib.import_module(module), attr)()


def fading(count: int, exponent: float, first: int = 1) -> np.ndarray:
    """Return `count` powers first^-exponent, (first + 1)^-exponent, …

    Steps shrink in this way if every generation is a smaller part of the training data.

    >>> fading(3, 1.0).round(2).tolist()
    [1.0, 0.5, 0.33]
    """
    return np.arange(first, first + count, dtype=float) ** -exponent


@dataclass(frozen=True)
class StepNoise:
    """The scatter of steps: a variance that decreases as a power of the number of fits, T = g + 1."""

    variance: float
    exponent: float
    freedom: float

    def added(self, observed: int, ahead: int, persistence: float = 1.0) -> np.ndarray:
        """Return the accumulated variance of `ahead` further steps, (ahead,). The share `persistence` of a deviation remains after each step."""
        each = self.variance * fading(ahead, self.exponent, observed)
        total, so_far = np.empty(ahead), 0.0
        for step in range(ahead):
            so_far = persistence**2 * so_far + each[step]
            total[step] = so_far
        return total


EXPONENTS = (0.0, 1.0, 2.0)
"""Candidate exponents of the variance of steps. 0 is a constant variance, and 2 is expected if a generation is one of T parts of the training
data."""
GAIN = 2.0
"""Log-likelihood in nats by which a decreasing variance must exceed a constant one to be chosen."""


def step_noise(residuals: np.ndarray, spent: float = 0.0) -> StepNoise:
    """Estimate the noise of steps from the residuals of a law, (runs, steps).

    `spent` is the number of parameters that the law fitted to the steps.
    """
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
