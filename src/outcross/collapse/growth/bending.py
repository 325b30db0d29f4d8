from __future__ import annotations

from abc import abstractmethod

import numpy as np

from outcross.collapse.growth import Ahead, GrowthLaw, Observed, fading, step_noise
from outcross.estimate import NotApplicable

RATES = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Candidate ratios of a step to the one before, for a saturating exponential."""
POWERS = (0.5, 1.0, 1.5, 2.0)
"""Candidate powers of the number of fits, for a power law."""
MIDDLES = (1.0, 2.0, 3.0, 4.0)
"""Candidate midpoints of a logistic curve, in fits."""
WIDTHS = (0.5, 0.75, 1.0, 1.5, 2.0)
"""Candidate widths of a logistic curve, in fits. Over one width the odds grow by a factor of e."""
JUMPS = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Candidate shares of a jump that the next step keeps, for a drift after a jump."""
MOST_PERSISTENT = 0.97
"""Maximum rate of a pull to a level. A larger one could not be distinguished from a line."""


class PullToALevel(GrowthLaw):
    """All runs move towards one level. Each generation keeps the same share of the distance to it, errors included: x′ = a + r x."""

    paper = "a first-order autoregression; Hamilton, Time Series Analysis (1994), section 3.4"
    min_generations = 4

    def ahead(self, observed: Observed, generations: int) -> Ahead:
        before, after = observed.values[:, :-1].ravel(), observed.values[:, 1:].ravel()
        spread = float(np.square(before - before.mean()).sum())
        if before.size < 4 or not spread > 0:
            raise NotApplicable("too few different readings to fit a limit and a rate")
        rate = float((before - before.mean()) @ after) / spread
        rate = _less_biased(observed.values[:, :-1].ravel(), after, rate, spread)
        shift = float(after.mean() - rate * before.mean())
        noise = step_noise(observed.values[:, 1:] - shift - rate * observed.values[:, :-1], spent=2)
        location, slope = np.empty((observed.runs, generations)), np.empty((observed.runs, generations))
        at, moved = observed.last, np.zeros(observed.runs)
        for step in range(generations):
            moved = (
                at - before.mean() + rate * moved
            )  # derivative of a location with respect to the rate, at a fixed mean of the readings
            at = shift + rate * at
            location[:, step], slope[:, step] = at, moved
        level = np.cumsum(rate ** np.arange(generations))
        shared = noise.variance * (level**2 / before.size + np.square(slope).mean(axis=0) / spread)
        return Ahead(location, noise.added(observed.generations, generations, rate), shared, noise.freedom, rate)


def _less_biased(before: np.ndarray, after: np.ndarray, rate: float, spread: float) -> float:
    """Return a least-squares rate after correcting its bias.

    In short stationary series the estimate is too small by (1 + 3 r)/n (Kendall 1954). If the readings are spread by a moving mean and not only by
    their noise, the bias is smaller by the ratio of the stationary spread, n σ²/(1 - r²), to the observed spread.
    """
    apart = after - after.mean() - rate * (before - before.mean())
    persistence = float(np.clip(rate, 0.0, MOST_PERSISTENT))
    stationary = float(np.square(apart).sum()) * before.size / (before.size - 2) / (1 - persistence**2)
    bias = (1 + 3 * rate) / before.size * min(1.0, stationary / spread)
    return float(np.clip(rate + bias, 0.0, MOST_PERSISTENT))


class ShrinkingSteps(GrowthLaw):
    """Mean steps follow a shape of unknown size with one or two parameters. The candidate shapes are averaged by their likelihood.

    Only the mean step shrinks; the deviations of a run persist. The misfit of a wrong shape is the same in all runs of an arm, so each generation
    counts once in the likelihood, for any number of runs.
    """

    @abstractmethod
    def shapes(self, first: int, count: int) -> list[np.ndarray]:
        """Return `count` steps of every shape, from the step after the fit T = `first`. The shapes always have the same order."""

    def ahead(self, observed: Observed, generations: int) -> Ahead:
        steps = observed.steps
        if steps.size < 3 or not np.square(steps).sum() > 0:
            raise NotApplicable("too few different steps to fit how they shrink")
        known = self.shapes(1, steps.shape[1])
        to_come = [np.cumsum(shape) for shape in self.shapes(observed.generations, generations)]
        sizes = [float((steps.mean(axis=0) @ shape) / (shape @ shape)) for shape in known]
        leftovers = [steps - size * shape for size, shape in zip(sizes, known, strict=True)]
        squares = np.array([float(np.square(residuals).sum()) for residuals in leftovers])
        likely = np.exp(-0.5 * steps.shape[1] * (np.log(np.maximum(squares, 1e-300)) - np.log(max(squares.min(), 1e-300))))
        likely /= likely.sum()
        noise = step_noise(leftovers[int(np.argmin(squares))], spent=2)
        moves = np.stack([size * shape for size, shape in zip(sizes, to_come, strict=True)])
        move = likely @ moves
        variance = float(squares.min()) / noise.freedom
        of_size = [variance * far**2 / (observed.runs * (shape @ shape)) for far, shape in zip(to_come, known, strict=True)]
        shared = likely @ (np.stack(of_size) + np.square(moves - move))
        own = noise.added(observed.generations, generations)
        return Ahead(observed.last[:, None] + move, own, np.maximum.accumulate(shared), noise.freedom)


class SaturatingExponential(ShrinkingSteps):
    """The mean reading approaches a limit: every step is the same share of the step before it."""

    paper = "Gardner and McKenzie, Management Science 31:1237 (1985), the damped trend"

    def shapes(self, first: int, count: int) -> list[np.ndarray]:
        return [rate ** np.arange(first - 1, first - 1 + count) for rate in RATES]


class PowerLaw(ShrinkingSteps):
    """The mean step shrinks as a power of the number of fits, T = g + 1. This is the case where all data are kept, so that each generation is one part of T."""

    paper = "Gerstgrasser et al., arXiv 2404.01413 (errors that add up as 1/T²); Hutter, arXiv 2102.04074"
    is_endless = True

    def shapes(self, first: int, count: int) -> list[np.ndarray]:
        return [fading(count, power, first) for power in POWERS]


class LogisticBetweenLevels(ShrinkingSteps):
    """The mean reading moves along a logistic curve from one unknown level to another: steps are equal for a while and then soon become small."""

    paper = "Verhulst (1838); Richards, Journal of Experimental Botany 10:290 (1959)"

    def shapes(self, first: int, count: int) -> list[np.ndarray]:
        times = np.arange(first - 1, first + count)
        curves = [1 / (1 + np.exp(-(times - middle) / width)) for middle in MIDDLES for width in WIDTHS]
        return [np.diff(curve) for curve in curves]


class DriftAfterAJump(GrowthLaw):
    """The mean step falls from a jump to a steady drift in the same direction. In each generation the same share of the step's excess over the drift remains.

    It applies if less than 5 % of the data of every later generation are human. Candidate shares are averaged by their likelihood, in which each generation
    counts once.
    """

    paper = "Golub and Pereyra, SIAM Journal on Numerical Analysis 10:413 (1973), separable least squares"
    min_generations = 4
    is_endless = True

    def ahead(self, observed: Observed, generations: int) -> Ahead:
        if observed.human_share is None or observed.settles:
            raise NotApplicable("a steady drift lasts only if hardly any human data are learned after generation 0")
        steps, far = observed.steps, np.arange(1, generations + 1)
        if steps.shape[1] < 3 or not np.square(steps).sum() > 0:
            raise NotApplicable("too few different steps to fit a jump and a drift")
        count, mean = steps.shape[1], steps.mean(axis=0)
        moves, squares, doubts, leftovers = [], [], [], []
        for share in JUMPS:
            shape = share ** np.arange(count)
            to_come = share**count * (1 - share**far) / (1 - share)
            both, later = np.stack([np.ones(count), shape], axis=1), np.stack([far, to_come], axis=1)
            drift, jump = np.linalg.lstsq(both, mean, rcond=None)[0]
            if drift * jump < 0:
                drift, jump = 0.0, float(mean @ shape) / float(shape @ shape)
            residuals = steps - drift - jump * shape
            leftovers.append(residuals)
            squares.append(float(np.square(residuals).sum()))
            moves.append(drift * far + jump * to_come)
            doubts.append(np.einsum("ij,jk,ik->i", later, np.linalg.inv(both.T @ both), later))
        smallest = max(min(squares), 1e-300)
        likely = np.exp(-0.5 * count * np.log(np.maximum(squares, 1e-300) / smallest))
        likely /= likely.sum()
        best = int(np.argmin(squares))
        noise = step_noise(leftovers[best], spent=3)
        move = likely @ np.stack(moves)
        shared = likely @ (squares[best] / noise.freedom / observed.runs * np.stack(doubts) + np.square(np.stack(moves) - move))
        own = noise.added(observed.generations, generations)
        return Ahead(observed.last[:, None] + move, own, np.maximum.accumulate(shared), noise.freedom)


class LogisticToFloor(GrowthLaw):
    """The reading falls from a ceiling to a floor, slowly at both ends: its logit has a constant drift."""

    paper = "Verhulst (1838)"
    reads_the_level = True

    def ahead(self, observed: Observed, generations: int) -> Ahead:
        floor, ceiling = observed.floor, observed.ceiling
        if floor is None or ceiling is None or not np.isfinite([floor, ceiling]).all():
            raise NotApplicable("the reading has no floor and ceiling")
        if observed.values.min() <= floor or observed.values.max() >= ceiling:
            raise NotApplicable("the reading has reached its floor or its ceiling")
        logits = np.log((observed.values - floor) / (ceiling - observed.values))
        steps = np.diff(logits, axis=1)
        drift = float(steps.mean())
        noise = step_noise(steps - drift, spent=1)
        far = np.arange(1, generations + 1)
        share = 1 / (1 + np.exp(-(logits[:, -1:] + drift * far)))
        steep = np.square((ceiling - floor) * share * (1 - share)).mean(axis=0)
        shared = far**2 * noise.variance / steps.size
        own = noise.added(observed.generations, generations)
        return Ahead(floor + (ceiling - floor) * share, own * steep, shared * steep, noise.freedom)
