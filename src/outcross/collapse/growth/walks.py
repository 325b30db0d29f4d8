from __future__ import annotations

import numpy as np

from outcross.collapse.growth import Ahead, GrowthLaw, Observed, step_noise
from outcross.estimate import NotApplicable

DURBIN = "Durbin and Koopman, Time Series Analysis by State Space Methods (2012), chapter 2"


class RandomWalk(GrowthLaw):
    """The reading has no trend: each generation adds a random step like those observed."""

    paper = "Hyndman and Athanasopoulos, Forecasting: Principles and Practice (2021), section 5.2"
    is_baseline = True

    def ahead(self, observed: Observed, generations: int) -> Ahead:
        noise = step_noise(observed.steps)
        location = np.repeat(observed.last[:, None], generations, axis=1)
        return Ahead(location, noise.added(observed.generations, generations), np.zeros(generations), noise.freedom)


class DriftingWalk(GrowthLaw):
    """Each generation adds the mean of the observed steps, and a random step like those observed."""

    paper = "Hyndman and Athanasopoulos, Forecasting: Principles and Practice (2021), section 5.2"
    is_baseline = True
    is_endless = True

    def ahead(self, observed: Observed, generations: int) -> Ahead:
        steps = observed.steps
        if steps.size < 2:
            raise NotApplicable("a single step has no scatter about its mean")
        drift = float(steps.mean())
        noise = step_noise(steps - drift, spent=1)
        far = np.arange(1, generations + 1)
        location = observed.last[:, None] + drift * far
        shared = far**2 * float(np.square(steps - drift).sum()) / noise.freedom / steps.size
        return Ahead(location, noise.added(observed.generations, generations), shared, noise.freedom)


class StraightLine(GrowthLaw):
    """Readings scatter about a straight line. All runs have one slope, and each run has its own height."""

    paper = "least squares; the prediction interval of a line"
    is_baseline = True
    is_endless = True

    def ahead(self, observed: Observed, generations: int) -> Ahead:
        runs, count = observed.values.shape
        times = np.arange(count) - (count - 1) / 2
        spread = float(times @ times)
        centred = observed.values - observed.values.mean(axis=1, keepdims=True)
        slope = float((centred @ times).mean()) / spread
        freedom = runs * (count - 1) - 1
        if freedom < 1:
            raise NotApplicable("two readings have no scatter about a line")
        variance = float(np.square(centred - slope * times).sum()) / freedom
        later = (count - 1) / 2 + np.arange(1, generations + 1)
        location = observed.values.mean(axis=1, keepdims=True) + slope * later
        own = np.full(generations, variance * (1 + 1 / count))
        return Ahead(location, own, variance * later**2 / (spread * runs), freedom, anew=variance)


class LevelPlusDrift(GrowthLaw):
    """A level drifts, and each generation reads it with a new error. Part of every observed step is therefore error, which the next generations do not inherit."""

    paper = DURBIN
    is_endless = True

    def ahead(self, observed: Observed, generations: int) -> Ahead:
        error = float(np.square(observed.errors).mean())
        if not error > 0:
            raise NotApplicable("the readings have no errors that are independent between generations")
        steps, count = observed.steps, observed.generations
        drift = float((observed.values[:, -1] - observed.values[:, 0]).mean()) / (count - 1)
        freedom = max(steps.size - 1, 1)
        moves = max(0.0, float(np.square(steps - drift).sum()) / freedom - 2 * error)
        level, doubt = observed.values[:, 0], error
        for g in range(1, count):
            before = doubt + moves
            gain = before / (before + error)
            level = level + drift + gain * (observed.values[:, g] - level - drift)
            doubt = before * (1 - gain)
        far = np.arange(1, generations + 1)
        of_drift = (moves * (count - 1) + 2 * error) / (count - 1) ** 2 / observed.runs
        return Ahead(level[:, None] + drift * far, doubt + far * moves + error, far**2 * of_drift, freedom, anew=error)
