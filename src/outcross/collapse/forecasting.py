"""A reading some generations ahead: growth laws weighed by how well they would have predicted what is known, and intervals that were calibrated on other runs."""

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
"""Generations that a forecast needs: three to fit a law, two more to see how well it predicts."""
NEGLIGIBLE = 1e-4
"""A law of a smaller weight moves no quantile that is asked for."""
HALVINGS = 26
"""Of the width that the laws' own quantiles span: to a hundred-millionth of it."""
FINE = 400
"""Levels between which the quantiles of drawn courses are read."""
LEAST_SCORE = 0.02
"""A score below this one counts as this one."""
FIRST_ORIGIN = 3
"""Generations that a law is given first when it is tried on what is known."""


@dataclass(frozen=True)
class BackTest:
    """How well a law would have predicted the generations that are known."""

    law: str
    crps: float
    """The mean continuous ranked probability score over runs, origins and generations ahead, over that of the random walk; smaller is better."""
    n: int
    """How many readings it predicted."""
    weight: float
    """Its weight in the forecast, in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Outlook:
    """A reading ahead on the scale of the laws: a weighted mixture of what the laws say, each a Student distribution."""

    parts: tuple[Ahead, ...]
    weights: np.ndarray  # (laws,)
    tests: tuple[BackTest, ...]
    observed: int
    """Generations that were observed."""
    is_mean: bool = False
    """Whether it is of the mean over several runs."""

    @cached_property
    def stretch(self) -> np.ndarray:
        """By how much intervals are widened: the calibration, at each generation ahead, (ahead,)."""
        ahead = self.parts[0].own.size
        kind = "closed form" if self._is_known else "growth laws"
        if self.is_mean:
            kind = f"{kind}, mean"
        return np.interp(np.log(np.arange(1, ahead + 1) / self.observed), np.log(RATIOS), STRETCH[kind])

    @property
    def _is_known(self) -> bool:
        return any(test.law == "closed form" and test.weight >= 0.5 for test in self.tests)

    def mean(self) -> Outlook:
        """The same of the mean over the runs, which scatter independently of each other: what a law takes for a run's own, averages out."""
        several = len(self.parts[0].location) > 1
        return replace(self, parts=tuple(part.mean() for part in self.parts), is_mean=several)

    def quantile(self, level: float) -> np.ndarray:
        """The quantile of a level at each generation ahead, calibrated, (runs, ahead)."""
        return self.quantiles([level])[0]

    def quantiles(self, levels: Sequence[float]) -> np.ndarray:
        """The quantiles of these levels, calibrated, (levels, runs, ahead)."""
        uncalibrated = self._of_the_mixture(np.array([0.5, *levels]))
        return uncalibrated[0] + self.stretch * (uncalibrated[1:] - uncalibrated[0])

    def paths(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """So many courses of the mean over the runs, calibrated, (count, ahead): each follows one law, drawn by its weight. At one generation their quantiles are those of
        `mean().quantiles`.

        What the calibration widens is an error that all runs share, so that it moves a course as a whole and does not make it stray more from step to step.
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
        """So many courses that the expectation may take, calibrated, (count, ahead): each stays at one level of `mean().quantiles`, since an expectation does not stray from
        step to step."""
        mean = self.mean()
        levels = rng.permutation((np.arange(count) + 0.5) / count)
        return mean._at(np.repeat(levels[:, None], mean.parts[0].own.size, axis=1))

    def _at(self, levels: np.ndarray) -> np.ndarray:
        """The quantiles of the first run at a level for each course and generation, read between `FINE` of them, (courses, ahead)."""
        known = (np.arange(FINE) + 0.5) / FINE
        ends = self.quantiles(known.tolist())[:, 0]
        return np.stack([np.interp(level, known, end) for level, end in zip(levels.T, ends.T, strict=True)], axis=1)

    def _of_the_mixture(self, levels: np.ndarray) -> np.ndarray:
        """The quantiles of the mixture, by bisection, (levels, runs, ahead)."""
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
    """So many generations ahead of the runs of an arm. `tried` is how laws did on these runs (`tried_on`), worked out where it is not given; `others` how they
    did on the same reading of arms that go on alike.

    NotApplicable with the reason where there are too few generations.
    """
    if observed.generations < LEAST:
        raise NotApplicable(too_few(observed.generations))
    predictions: dict[str, Ahead] = {}
    for name in GROWTH:
        try:
            predictions[name] = growth_law(name).ahead(observed, ahead)
        except NotApplicable:
            continue
    own = tried_on(observed) if tried is None else tried
    scores = {name: _score(name, (own, *others)) for name in predictions}
    weights = _weights({name: scores[name] for name in predictions})
    tests = tuple(BackTest(name, *scores[name], weights[name]) for name in predictions)
    return Outlook(tuple(predictions.values()), np.array([weights[name] for name in predictions]), tests, observed.generations)


def too_few(generations: int) -> str:
    """Why so few generations cannot be forecast, and how many more would do."""
    count = f"there {'is' if generations == 1 else 'are'} {generations}"
    return f"a forecast needs {LEAST} generations, {count}; {LEAST - generations} more would do"


Tried = Mapping[str, Mapping[int, np.ndarray]]
"""By law and by how many generations it was given: the CRPS of what it predicted of the others, (runs, generations)."""


def tried_on(observed: Observed) -> Tried:
    """Every law, tried on what is known: it is given the first three generations or more, and predicts the rest of them."""
    losses: dict[str, dict[int, np.ndarray]] = {}
    for name in GROWTH:
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
    """The CRPS of a law over that of the random walk, where both predicted, and how many readings that is of."""
    loss = walk = 0.0
    count = 0
    for losses in tried:
        for origin in losses.get(name, {}).keys() & losses.get("random walk", {}).keys():
            loss, walk = loss + float(losses[name][origin].sum()), walk + float(losses["random walk"][origin].sum())
            count += losses[name][origin].size
    return (loss / walk if walk > 0 else 1.0), count


def _weights(scores: Mapping[str, tuple[float, int]]) -> dict[str, float]:
    """Weights that add up to 1: what a law is worth beforehand, times how much better than others it predicted what is known."""
    logs = {
        name: math.log(PRIORS[name]) - TEMPER * math.sqrt(count) * math.log(min(max(score, LEAST_SCORE), 1 / LEAST_SCORE))
        for name, (score, count) in scores.items()
    }
    largest = max(logs.values())
    raw = {name: math.exp(value - largest) for name, value in logs.items()}
    total = sum(raw.values())
    return {name: value / total for name, value in raw.items()}


def crps_normal(values: np.ndarray, location: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """The continuous ranked probability score of a normal forecast (Gneiting and Raftery, JASA 102:359, 2007); the distance where it has no width.

    >>> round(float(crps_normal(np.array([0.0]), np.array([0.0]), np.array([1.0]))[0]), 4)
    0.2337
    """
    from scipy.special import ndtr

    width = np.where(deviation > 0, deviation, 1.0)
    z = np.clip((values - location) / width, -1e150, 1e150)  # beyond, the square has no number; the score is the distance there
    score = width * (z * (2 * ndtr(z) - 1) + 2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) - 1 / np.sqrt(np.pi))
    return np.where(deviation > 0, score, np.abs(values - location))


def turning_point(observed: Observed) -> int | None:
    """The generation at which readings turn from a sure rise to a sure fall, or the other way; None where they do not turn for sure.

    Both the way there and the way back are tested over the runs with Student's t, at 5 % for all generations together (Bonferroni). One run cannot tell.
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
