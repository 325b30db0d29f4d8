"""Data mixing laws: the loss as a function of the shares of pools, loss = c + Σ k exp(t · shares).

Ye et al., "Data mixing laws: optimizing data mixtures by predicting language modeling performance" (ICLR 2025, arXiv 2403.16952). There is one term
for the loss in one domain, and several if a validation set has unnamed domains. Shares sum to 1, so k can be absorbed into t: the law is c + Σ exp(u
· shares) with u = t + log k, and it is reported with Σ t = 0. The law is convex in the shares. With one term it decreases towards one corner of the
allowed region. Only with several terms or several domains can the best shares lie inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from outcross.errors import BadInput
from outcross.estimate import NORMAL_QUANTILE, Estimate, NotApplicable, rounding, student_quantile, without_interval
from outcross.statistics.simplex import ShareRegion

MOST_TERMS = 2
"""The largest number of exponential terms of a law."""
REPLICATES = 200
"""Number of resamples for an interval."""
STEPS = 200
"""Maximum number of steps of a fit."""
LARGEST = 50.0
"""The largest exponent in a fit."""
ALPHA = 0.05
"""The level of the test whether shares matter: its false-positive rate."""


@dataclass(frozen=True, eq=False)
class MixingLaw:
    """A law: loss(x) = constant + Σ exp(pulls @ x). Convex in x."""

    constant: float
    """The part of the loss that does not depend on the shares."""
    pulls: np.ndarray
    """u = t + log k of each term, (terms, pools)."""

    def __call__(self, shares: np.ndarray) -> np.ndarray:
        """Return the loss at shares, (…). shares: (…, pools)."""
        return self.constant + np.exp(shares @ self.pulls.T).sum(axis=-1)

    def slope(self, shares: np.ndarray) -> np.ndarray:
        """Return the gradient of the loss at one share vector, (pools,)."""
        return np.exp(self.pulls @ shares) @ self.pulls

    @property
    def scales(self) -> np.ndarray:
        """k of each term, (terms,)."""
        return np.exp(self.pulls.mean(axis=1))

    @property
    def exponents(self) -> np.ndarray:
        """t of each term and pool, (terms, pools). Each term sums to 0."""
        return self.pulls - self.pulls.mean(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class FittedMixingLaw:
    """A law that was fitted to losses, and the laws fitted to resampled residuals."""

    law: MixingLaw
    replicates: tuple[MixingLaw, ...]
    residuals: np.ndarray
    """The residual of each mix, (mixes,)."""

    @property
    def mixes(self) -> int:
        return len(self.residuals)

    def at(self, shares: np.ndarray) -> Estimate:
        """Return the predicted mean loss at one share vector."""
        return self._interval(float(self.law(shares)), [float(law(shares)) for law in self.replicates])

    @cached_property
    def constant(self) -> Estimate:
        return self._interval(self.law.constant, [law.constant for law in self.replicates])

    @cached_property
    def scale(self) -> Estimate:
        """k. If there are several terms, it is that of the first term and has no interval."""
        return self._of_one_term(float(self.law.scales[0]), [float(law.scales[0]) for law in self.replicates])

    @cached_property
    def exponents(self) -> tuple[Estimate, ...]:
        """t of each pool. They sum to 0. Below 0: the pool lowers the loss more than the average pool."""
        return tuple(
            self._of_one_term(float(self.law.exponents[0, pool]), [float(law.exponents[0, pool]) for law in self.replicates])
            for pool in range(self.law.pulls.shape[1])
        )

    def _of_one_term(self, value: float, values: Sequence[float]) -> Estimate:
        if len(self.law.pulls) > 1:
            return without_interval(value, "the order of the terms is arbitrary: no interval", self.mixes)
        return self._interval(value, values)

    def _interval(self, value: float, values: Sequence[float]) -> Estimate:
        low, high = np.quantile(values, [0.025, 0.975]).tolist()
        half = rounding(value)
        return Estimate(value, min(low, value - half), max(high, value + half), "resampled residuals", self.mixes)


def fit_mixing_law(
    shares: np.ndarray, losses: np.ndarray, rng: np.random.Generator, replicates: int = REPLICATES
) -> FittedMixingLaw:
    """Fit a law to losses at shares by least squares. The number of terms, up to MOST_TERMS, minimises AICc.

    shares: (mixes, pools); losses: (mixes,), each a mean over seeds. Raises BadInput for losses that are not above 0, and NotApplicable if there
    are fewer mixes than a law of one term needs.
    """
    mixes, pools = shares.shape
    if not np.isfinite(losses).all() or not (losses > 0).all():
        raise BadInput(f"losses must be above 0, got {float(np.min(losses)):.6g}; give nats, or squared errors")
    if mixes < pools + 3:
        raise NotApplicable(f"a mixing law of {pools} pools needs at least {pools + 3} mixes, got {mixes}")
    one_term = _fitted(shares, losses[None], _starts_of_one(shares, losses[None]))
    fits = [one_term]
    for terms in range(2, MOST_TERMS + 1):
        if mixes > terms * pools + 3:
            fits.append(_fitted(shares, losses[None], _starts_of_more(fits[-1], pools, terms)))
    best = min(fits, key=lambda fit: _aicc(float(fit.errors[0]), mixes, fit.parameters.shape[1], losses))
    law = best.law(0)
    residuals = losses - law(shares)
    drawn = _comparable(shares, best, residuals)[rng.integers(mixes, size=(replicates, mixes))]
    resampled = np.maximum(law(shares) + drawn, losses.min() / 2)
    again = _fitted(shares, resampled, np.repeat(best.parameters[None], replicates, axis=1))
    return FittedMixingLaw(law, tuple(map(again.law, range(replicates))), residuals)


def _comparable(shares: np.ndarray, fit: _Fits, residuals: np.ndarray) -> np.ndarray:
    """Scale residuals to the size of the errors. The residual of a mix with high leverage is smaller than its error.

    Residuals are divided by √(1 − leverage) (Davison & Hinkley, Bootstrap Methods, 1997, §6.2), and widened from the normal law to Student's, because
    the size of the errors is itself estimated.
    """
    slopes = _slopes(shares, fit.constant_limit, fit.parameters)[0]
    leverage = np.einsum("mp,pm->m", slopes, np.linalg.pinv(slopes, rcond=1e-8))
    free = max(len(shares) - fit.parameters.shape[1], 1)
    grown = residuals / np.sqrt(np.maximum(1 - leverage, free / len(shares) / 4))
    return (grown - grown.mean()) * student_quantile(free) / NORMAL_QUANTILE


@dataclass(frozen=True, eq=False)
class LossPlane:
    """The linear model loss = slopes · shares, with which a mixing law is compared."""

    slopes: np.ndarray
    """The slope of each pool, (pools,)."""

    def __call__(self, shares: np.ndarray) -> np.ndarray:
        return shares @ self.slopes


def fit_linear_model(shares: np.ndarray, losses: np.ndarray) -> LossPlane:
    """Fit losses as a linear function of shares by least squares."""
    return LossPlane(np.linalg.lstsq(shares, losses, rcond=None)[0])


def chance_of_no_effect(shares: np.ndarray, losses: np.ndarray) -> float:
    """Return P(losses vary with the shares as much as these | the shares do not matter), by an F test that is exact for normal errors.

    The model is linear in the shares plus a quadratic term, Σ x². The quadratic term detects pools that are equally good alone and better together.

    >>> rng = np.random.default_rng(0)
    >>> shares = rng.dirichlet(np.ones(3), 20)
    >>> chance_of_no_effect(shares, 3 + shares[:, 0] + 0.01 * rng.normal(size=20)) < 1e-6
    True
    """
    from scipy.stats import f

    columns = np.column_stack([np.ones(len(losses)), shares - shares.mean(axis=0), (shares**2).sum(axis=1)])
    columns[:, 1:] -= columns[:, 1:].mean(axis=0)
    rank = int(np.linalg.matrix_rank(columns, tol=1e-8))
    fitted = columns @ np.linalg.lstsq(columns, losses, rcond=1e-8)[0]
    around, left = float(((losses - losses.mean()) ** 2).sum()), float(((losses - fitted) ** 2).sum())
    if rank < 2 or around <= rounding(float(np.abs(losses).max())) ** 2:
        return 1.0
    ratio = (around - left) / (rank - 1) / max(left / (len(losses) - rank), 1e-300)
    return float(f.sf(ratio, rank - 1, len(losses) - rank))


@dataclass(frozen=True, eq=False)
class Objective:
    """A weighted sum of laws, for instance of several domains. It is convex in the shares."""

    laws: tuple[MixingLaw, ...]
    weights: np.ndarray
    """The weights, (laws,). They sum to 1."""

    def __call__(self, shares: np.ndarray) -> float:
        return float(sum(weight * law(shares) for weight, law in zip(self.weights, self.laws, strict=True)))

    def slope(self, shares: np.ndarray) -> np.ndarray:
        return np.sum([weight * law.slope(shares) for weight, law in zip(self.weights, self.laws, strict=True)], axis=0)


def best_shares(objective: Objective, region: ShareRegion) -> np.ndarray:
    """Return the allowed shares that minimise a sum of laws, (pools,). Raises BadInput if no shares are allowed.

    It minimises a convex function over a polytope by away-step Frank-Wolfe (Lacoste-Julien & Jaggi, NeurIPS 2015). The final gap
    bounds the distance of the loss from the minimum.
    """
    corner = least_corner(objective.slope(region.centroid), region)
    if sum(len(law.pulls) for law in objective.laws) == 1:
        return least_corner(objective.laws[0].pulls[0], region)
    active = [corner]
    weights = np.ones(1)
    for _ in range(MOST_CORNERS):
        shares = weights @ np.array(active)
        slope = objective.slope(shares)
        corner = least_corner(slope, region)
        if float(slope @ (shares - corner)) <= GAP * max(1.0, abs(objective(shares))):
            break
        if not any(np.allclose(corner, known, rtol=0, atol=1e-12) for known in active):
            active, weights = [*active, corner], np.append(weights, 0.0)
        active, weights = _corrected(objective, active, weights)
    return np.clip(weights @ np.array(active), 0.0, 1.0)


MOST_CORNERS = 100
"""Maximum number of corners that a search for the smallest loss visits."""
GAP = 1e-7
"""Relative distance from the smallest loss at which the search ends."""


def least_corner(slope: np.ndarray, region: ShareRegion) -> np.ndarray:
    """Return the allowed shares that minimise slope · x, which are a corner, (pools,). Raises BadInput if no shares are allowed."""
    from scipy.optimize import linprog

    bounds, equal, right = [], [np.ones(region.pools)], [1.0]
    if region.floor is not None:
        if region.is_exact:
            equal, right = [*equal, region.floor], [*right, 0.0]
        else:
            bounds.append(-region.floor)
    if region.caps is not None:
        bounds += [-cap for cap in region.caps]
    solution = linprog(
        slope,
        A_ub=np.array(bounds) if bounds else None,
        b_ub=np.zeros(len(bounds)) if bounds else None,
        A_eq=np.array(equal),
        b_eq=np.array(right),
        bounds=(0, 1),
        method="highs",
    )
    if solution.status != 0:
        raise BadInput(
            "no shares meet the human floor and the caps on repeats together; lower the budget or the floor, or raise max_repeats"
        )
    return np.clip(solution.x, 0.0, 1.0)


def _corrected(objective: Objective, active: list[np.ndarray], weights: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the best weights of the visited corners, by pairwise steps with exact line search. Corners without weight are left out."""
    points = np.array(active)
    for _ in range(STEPS):
        shares = weights @ points
        gains = points @ objective.slope(shares)
        towards, away = int(np.argmin(gains)), int(np.argmax(np.where(weights > 0, gains, -np.inf)))
        if gains[away] - gains[towards] <= GAP * max(1.0, abs(objective(shares))) / 10:
            break
        step = _line(objective, shares, points[towards] - points[away], float(weights[away]))
        weights = weights.copy()
        weights[towards] += step
        weights[away] = max(0.0, weights[away] - step)
    kept = weights > 0
    return [point for point, is_kept in zip(active, kept, strict=True) if is_kept], weights[kept] / weights[kept].sum()


def _line(objective: Objective, shares: np.ndarray, direction: np.ndarray, longest: float) -> float:
    """Return the step in [0, longest] along a direction that minimises a convex function, by bisection of its slope."""
    low, high = 0.0, longest
    if objective.slope(shares + high * direction) @ direction <= 0:
        return high
    for _ in range(50):
        middle = (low + high) / 2
        if objective.slope(shares + middle * direction) @ direction <= 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@dataclass(frozen=True, eq=False)
class _Fits:
    """Laws fitted to several sets of losses at once, each from its best start."""

    parameters: np.ndarray
    """The constant on its unbounded scale, then the pulls, (sets, 1 + terms × pools)."""
    errors: np.ndarray
    """Sum of squared errors, (sets,)."""
    constant_limit: np.ndarray
    """Upper bound of the constant, (sets,)."""
    pools: int

    def law(self, place: int) -> MixingLaw:
        constant = float(_constant(self.parameters[place, 0], self.constant_limit[place]))
        return MixingLaw(constant, self.parameters[place, 1:].reshape(-1, self.pools))


def _constant(free: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Map any number to a constant in (0, largest)."""
    return largest / (1 + np.exp(-np.clip(free, -LARGEST, LARGEST)))


def _starts_of_one(shares: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Return starts of fits with one term: constants from nearly 0 to nearly the smallest loss, and a linear fit to the logarithm of the rest.

    losses: (sets, mixes). Returns (starts, sets, 1 + pools).
    """
    lowest, mean = losses.min(axis=1), losses.mean(axis=1)
    starts = []
    for part in (0.02, 0.5, 0.9, 0.99):
        constant = part * lowest
        rest = np.log(losses - constant[:, None])  # (sets, mixes)
        pulls = np.linalg.lstsq(shares, rest.T, rcond=None)[0].T
        starts.append(np.column_stack([np.log(constant / (mean - constant + 1e-12 * mean)), pulls]))
    return np.array(starts)


def _starts_of_more(fewer: _Fits, pools: int, terms: int) -> np.ndarray:
    """Return starts of fits with one more term, (starts, sets, 1 + terms × pools): the last term of the earlier fit is split into two that differ in
    a pool."""
    before = fewer.parameters
    last = before[:, -pools:] - np.log(2)
    starts = []
    for pool in range(pools):
        for size in (0.5, 2.0):
            moved = size * (np.eye(pools)[pool] - 1 / pools)
            starts.append(np.column_stack([before[:, :1], before[:, 1:-pools], last + moved, last - moved]))
    return np.array(starts)


def _fitted(shares: np.ndarray, losses: np.ndarray, starts: np.ndarray) -> _Fits:
    """Fit every set from every start at once by Levenberg-Marquardt, and keep the best fit of each set.

    losses: (sets, mixes); starts: (starts, sets, parameters).
    """
    begun, sets, size = starts.shape
    pools, mean = shares.shape[1], losses.mean(axis=1)
    wanted, limit = np.tile(losses, (begun, 1)), np.tile(mean, begun)
    parameters = starts.reshape(begun * sets, size).copy()
    damping = np.full(len(parameters), 1e-2)
    misses, errors = _misses(shares, wanted, limit, parameters)
    for _ in range(STEPS):
        slopes = _slopes(shares, limit, parameters)
        products = np.einsum("smp,smq->spq", slopes, slopes)
        diagonal = np.einsum("spp->sp", products)
        damped = (
            products + np.eye(size) * (damping[:, None] * (diagonal + 1e-9 * diagonal.max(axis=1, keepdims=True) + 1e-300))[:, None]
        )
        step = np.linalg.solve(damped, np.einsum("smp,sm->sp", slopes, misses)[..., None])[..., 0]
        tried = parameters + np.clip(step, -5.0, 5.0)
        new_misses, new_errors = _misses(shares, wanted, limit, tried)
        is_better = new_errors < errors
        gain = np.max(np.where(is_better, (errors - new_errors) / np.maximum(errors, 1e-300), 0.0))
        parameters = np.where(is_better[:, None], tried, parameters)
        misses, errors = np.where(is_better[:, None], new_misses, misses), np.where(is_better, new_errors, errors)
        damping = np.clip(np.where(is_better, damping / 4, damping * 4), 1e-12, 1e12)
        if gain < 1e-9 and (is_better.any() or damping.min() > 1e6):
            break
    best = errors.reshape(begun, sets).argmin(axis=0)
    chosen = best * sets + np.arange(sets)
    return _Fits(parameters[chosen], errors[chosen], mean, pools)


def _misses(shares: np.ndarray, losses: np.ndarray, largest: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the residuals of a law, (sets, mixes), and their sum of squares, (sets,)."""
    missed = losses - _constant(parameters[:, :1], largest[:, None]) - _terms(shares, parameters).sum(axis=1)
    return missed, (missed**2).sum(axis=1)


def _terms(shares: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """Return the value of each term at each mix, (sets, terms, mixes)."""
    pulls = parameters[:, 1:].reshape(len(parameters), -1, shares.shape[1])
    return np.exp(np.minimum(pulls @ shares.T, LARGEST))


def _slopes(shares: np.ndarray, largest: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """Return the derivatives of the predictions by the parameters, (sets, mixes, parameters)."""
    part = _constant(parameters[:, :1], largest[:, None]) / largest[:, None]
    of_constant = np.broadcast_to((largest[:, None] * part * (1 - part))[:, :, None], (len(parameters), len(shares), 1))
    of_pulls = np.einsum("skm,mp->smkp", _terms(shares, parameters), shares).reshape(len(parameters), len(shares), -1)
    return np.concatenate([of_constant, of_pulls], axis=2)


def _aicc(error: float, mixes: int, parameters: int, losses: np.ndarray) -> float:
    """Return Akaike's criterion for small samples, AICc (Hurvich & Tsai, Biometrika 76:297, 1989), for normal errors."""
    count = parameters + 1
    if mixes <= count + 1:
        return np.inf
    smallest = mixes * rounding(float(np.abs(losses).max())) ** 2
    return mixes * np.log(max(error, smallest) / mixes) + 2 * count + 2 * count * (count + 1) / (mixes - count - 1)
