"""The forecast of a reading. Growth laws are weighted by how well they would have predicted the observed generations, and intervals are calibrated on
other runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from outcross.collapse.calibrated import PRIORS, RATIOS, STRETCH, TEMPER
from outcross.collapse.growth import GROWTH, Ahead, Observed, growth_law
from outcross.estimate import NORMAL_QUANTILE, NotApplicable

LEAST = 5
"""Minimum number of generations for a forecast: three to fit a law, and two to see how well it predicts."""
NEGLIGIBLE = 1e-4
"""A law with a smaller weight changes no quantile in use."""
HALVINGS = 26
"""Number of bisections of the range of the laws' quantiles. They reduce it to a hundred-millionth."""
FINE = 400
"""Number of levels between which the quantiles of drawn courses are interpolated."""
LEAST_SCORE = 0.02
"""Lower limit of a score. Smaller scores count as this one."""
FIRST_ORIGIN = 3
"""Number of generations from which a law is fitted in its first back-test."""


@dataclass(frozen=True)
class BackTest:
    """How well a law would have predicted the observed generations."""

    law: str
    crps: float
    """Mean continuous ranked probability score over runs, origins and generations ahead, divided by that of the random walk. Smaller is better."""
    n: int
    """Number of readings that it predicted."""
    weight: float
    """Weight of the law in the forecast, in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Outlook:
    """The forecast of a reading on the scale of the laws: a weighted mixture of the laws' Student distributions."""

    parts: tuple[Ahead, ...]
    weights: np.ndarray  # (laws,)
    tests: tuple[BackTest, ...]
    observed: int
    """Number of observed generations."""
    is_mean: bool = False
    """Whether it is the forecast of the mean over several runs."""
    is_trained: bool = False
    """Whether the learner is trained in steps, as networks are. Such readings have a calibration of their own."""

    @cached_property
    def stretch(self) -> np.ndarray:
        """The calibration: the factor by which intervals are widened at each generation ahead, (ahead,)."""
        ahead = self.parts[0].own.size
        kind = f"{self.calibrated_as}, mean" if self.is_mean else self.calibrated_as
        return np.interp(np.log(np.arange(1, ahead + 1) / self.observed), np.log(RATIOS), STRETCH[kind])

    @property
    def calibrated_as(self) -> str:
        """The group of forecasts with which it shares its calibration, a key of STRETCH."""
        if any(test.law == "closed form" and test.weight >= 0.5 for test in self.tests):
            return "closed form"
        return "growth laws, networks" if self.is_trained else "growth laws"

    def mean(self) -> Outlook:
        """Return the forecast of the mean over the runs. The runs scatter independently, so their own variances average out."""
        several = len(self.parts[0].location) > 1
        return replace(self, parts=tuple(part.mean() for part in self.parts), is_mean=several)

    def quantile(self, level: float) -> np.ndarray:
        """Return the calibrated quantile of a level at each generation ahead, (runs, ahead)."""
        return self.quantiles([level])[0]

    def quantiles(self, levels: Sequence[float]) -> np.ndarray:
        """Return the calibrated quantiles of these levels, (levels, runs, ahead)."""
        uncalibrated = self._of_the_mixture(np.array([0.5, *levels]))
        return uncalibrated[0] + self.stretch * (uncalibrated[1:] - uncalibrated[0])

    def paths(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `count` calibrated courses of the mean over the runs, (count, ahead). Each follows one law, chosen by its weight.

        In each generation, their quantiles are those of `mean().quantiles`. The calibration adds an error that all runs share, so it shifts a course
        as a whole and does not add scatter from step to step.
        """
        mean = self.mean()
        which = rng.choice(len(self.parts), size=count, p=self.weights / self.weights.sum())
        drawn = np.empty((count, mean.parts[0].own.size))
        for law, part in enumerate(mean.parts):
            if (own := which == law).any():
                drawn[own] = part.paths(int(own.sum()), rng)
        low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
        more = np.sqrt(np.maximum(mean.stretch**2 - 1, 0.0)) * (high - low) / 2 / NORMAL_QUANTILE
        drawn += rng.standard_normal((count, 1)) * more
        return mean._at((drawn.argsort(axis=0).argsort(axis=0) + 0.5) / count)

    def expected_paths(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `count` calibrated courses of the expectation, (count, ahead).

        Each stays at one level of `mean().quantiles`, because an expectation has no scatter from step to step.
        """
        mean = self.mean()
        levels = rng.permutation((np.arange(count) + 0.5) / count)
        return mean._at(np.repeat(levels[:, None], mean.parts[0].own.size, axis=1))

    def _at(self, levels: np.ndarray) -> np.ndarray:
        """Return the quantiles of the first run at a level for each course and generation, interpolated between `FINE` levels, (courses, ahead)."""
        known = (np.arange(FINE) + 0.5) / FINE
        ends = self.quantiles(known.tolist())[:, 0]
        return np.stack([np.interp(level, known, end) for level, end in zip(levels.T, ends.T, strict=True)], axis=1)

    def _of_the_mixture(self, levels: np.ndarray) -> np.ndarray:
        """Return the quantiles of the mixture, computed by bisection, (levels, runs, ahead)."""
        from scipy.special import stdtr, stdtrit

        kept = [(weight, part) for weight, part in zip(self.weights, self.parts, strict=True) if weight > NEGLIGIBLE]
        at = levels[:, None, None]
        widths = [np.maximum(part.deviation, 1e-12 * (1 + np.abs(part.location))) for _, part in kept]
        ends = np.stack([part.location + stdtrit(part.freedom, at) * width for (_, part), width in zip(kept, widths, strict=True)])
        low, high = ends.min(axis=0), ends.max(axis=0)
        total = sum(weight for weight, _ in kept)
        for _ in range(HALVINGS if len(kept) > 1 else 0):
            middle = (low + high) / 2
            below = sum(
                weight / total * stdtr(part.freedom, (middle - part.location) / width)
                for (weight, part), width in zip(kept, widths, strict=True)
            )
            low, high = np.where(below < at, middle, low), np.where(below < at, high, middle)
        return (low + high) / 2


def outlook(observed: Observed, ahead: int, tried: Tried | None = None, others: Sequence[Tried] = ()) -> Outlook:
    """Return the forecast of the runs of an arm over `ahead` generations.

    `tried` is the result of `tried_on` for these runs, which is computed if it is not given. `others` are the results for the same reading of
    similar arms. Raises NotApplicable, with the reason, if there are too few generations.
    """
    if observed.generations < LEAST:
        raise NotApplicable(too_few(observed.generations))
    predictions: dict[str, Ahead] = {}
    for name in _possible(observed):
        try:
            predictions[name] = growth_law(name).ahead(observed, ahead)
        except NotApplicable:
            continue
    own = tried_on(observed) if tried is None else tried
    scores = {name: _score(name, (own, *others)) for name in predictions}
    weights = _weights({name: scores[name] for name in predictions})
    tests = tuple(BackTest(name, *scores[name], weights[name]) for name in predictions)
    return Outlook(
        tuple(predictions.values()),
        np.array([weights[name] for name in predictions]),
        tests,
        observed.generations,
        is_trained=observed.is_trained,
    )


def _possible(observed: Observed) -> list[str]:
    """Return the names of the laws that a forecast may follow: none of those that move without limit if the human share settles the readings."""
    return [name for name in GROWTH if not (observed.settles and growth_law(name).is_endless)]


def too_few(generations: int) -> str:
    """Return the message that there are too few generations for a forecast, with the number of missing ones."""
    count = f"there {'is' if generations == 1 else 'are'} {generations}"
    return f"a forecast needs {LEAST} generations, but {count}; {LEAST - generations} more are enough"


Tried = Mapping[str, Mapping[int, np.ndarray]]
"""The CRPS of the predictions of each law, by law and by the number of generations to which it was fitted, (runs, predicted generations)."""


def tried_on(observed: Observed) -> Tried:
    """Back-test every law on the observed generations. It is fitted to the first generations, at least three, and predicts the others."""
    losses: dict[str, dict[int, np.ndarray]] = {}
    for name in _possible(observed):
        law = growth_law(name)
        for origin in range(max(FIRST_ORIGIN, law.min_generations), observed.generations):
            try:
                prediction = law.ahead(observed.until(origin), observed.generations - origin)
            except NotApplicable:
                continue
            losses.setdefault(name, {})[origin] = crps_normal(
                observed.values[:, origin:], prediction.location, prediction.deviation
            )
    return losses


def _score(name: str, tried: Sequence[Tried]) -> tuple[float, int]:
    """Return the CRPS of a law divided by that of the random walk, for the origins of both, and the number of predicted readings."""
    loss = walk = 0.0
    count = 0
    for losses in tried:
        for origin in losses.get(name, {}).keys() & losses.get("random walk", {}).keys():
            loss, walk = loss + float(losses[name][origin].sum()), walk + float(losses["random walk"][origin].sum())
            count += losses[name][origin].size
    return (loss / walk if walk > 0 else 1.0), count


def _weights(scores: Mapping[str, tuple[float, int]]) -> dict[str, float]:
    """Return weights that add up to 1. Each is the prior weight of the law times a factor for its back-test score."""
    logs = {
        name: math.log(PRIORS[name]) - TEMPER * math.sqrt(count) * math.log(min(max(score, LEAST_SCORE), 1 / LEAST_SCORE))
        for name, (score, count) in scores.items()
    }
    largest = max(logs.values())
    raw = {name: math.exp(value - largest) for name, value in logs.items()}
    total = sum(raw.values())
    return {name: value / total for name, value in raw.items()}


def crps_normal(values: np.ndarray, location: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return the continuous ranked probability score of a normal forecast (Gneiting and Raftery, JASA 102:359, 2007). It is the distance if the deviation is 0.

    >>> round(float(crps_normal(np.array([0.0]), np.array([0.0]), np.array([1.0]))[0]), 4)
    0.2337
    """
    from scipy.special import ndtr

    width = np.where(deviation > 0, deviation, 1.0)
    z = np.clip((values - location) / width, -1e150, 1e150)  # larger values overflow when squared, and their score is the distance
    score = width * (z * (2 * ndtr(z) - 1) + 2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) - 1 / np.sqrt(np.pi))
    return np.where(deviation > 0, score, np.abs(values - location))


def turning_point(observed: Observed) -> int | None:
    """Return the generation at which readings turn from a significant rise to a significant fall, or the reverse. None if there is none.

    The changes before and after it are tested over the runs with Student's t, at 5 % for all generations together (Bonferroni). One run is not enough.
    """
    from scipy.special import stdtrit

    runs, count = observed.values.shape
    places = count - 2
    if runs < 2 or places < 1:
        return None
    limit = float(stdtrit(runs - 1, 1 - 0.025 / places))
    sure: list[tuple[float, int]] = []
    for turn in range(1, count - 1):
        ways = [observed.values[:, turn] - observed.values[:, 0], observed.last - observed.values[:, turn]]
        means = [float(way.mean()) for way in ways]
        errors = [float(way.std(ddof=1)) / math.sqrt(runs) for way in ways]
        if means[0] * means[1] < 0 and all(abs(mean) > limit * error for mean, error in zip(means, errors, strict=True)):
            sure.append((min(map(abs, means)), turn))
    return max(sure)[1] if sure else None
