"""Do the families of experiments improve each other's forecasts?

A forecast takes two things from other runs: the weight of each growth law, and the width of its intervals. Here both are fitted again to one half of
the development experiments and tested on the other half, and the other way round. They are fitted to all five families, to the other four families
alone, and to the family itself alone. The held-out experiments are not used. The weights minimise the CRPS ten generations ahead, relative to that of
a random walk; the widths are from split conformal prediction at 95 %. *Equal weights* is the forecast in which every law has the same weight.
Intervals are from the bootstrap over experiments. A CRPS below 1 is better than that of the random walk.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from figures import write
from forecast import AHEAD, FAMILIES, observed, resampled, specs

from outcross.collapse.calibrated import PRIORS, TEMPER
from outcross.collapse.forecasting import LEAST_SCORE, Outlook, crps_normal, outlook
from outcross.collapse.growth import GROWTH

ABSENT = -1e9
"""The logarithm of the weight of a law that cannot be fitted."""
BOUNDS = (-7.0, 4.0)
"""Of the logarithm of what a law is worth beforehand, against the random walk."""
FITTED_TO = ("all families", "the others", "itself", "equal weights")


@dataclass(frozen=True, eq=False)
class Case:
    """One reading of one development experiment, ten generations ahead: what every law says of it, and how it was weighed by its back-test."""

    family: str
    spec: str
    reading: str
    values: np.ndarray  # (runs,)
    prediction: Outlook
    tested: np.ndarray
    """The logarithm of the weight that the back-test alone gives each law, (laws,)."""
    apart: np.ndarray
    """The expected distance of each law's forecast to what came, over the random walk's CRPS, mean over the runs, (laws,)."""
    between: np.ndarray
    """The expected distance of the forecasts of two laws, over the same, (laws, laws)."""
    half: int
    """Which half of the experiments it is in."""


def cases() -> list[Case]:
    """Every reading of the development experiments."""
    listed = []
    for spec in specs("develop"):
        for name, seen, after in observed(spec):
            listed.append(_case(spec, name, outlook(seen, AHEAD), after[:, -1]))
    return [
        replace(case, apart=case.apart / scale, between=case.between / scale)
        for case, scale in zip(listed, _scales(listed), strict=True)
    ]


def _case(spec: Any, name: str, prediction: Outlook, values: np.ndarray) -> Case:
    names, laws = list(GROWTH), {test.law: part for test, part in zip(prediction.tests, prediction.parts, strict=True)}
    tested = np.full(len(names), ABSENT)
    for test in prediction.tests:
        tested[names.index(test.law)] = -TEMPER * np.sqrt(test.n) * np.log(np.clip(test.crps, LEAST_SCORE, 1 / LEAST_SCORE))
    parts = [laws.get(law, laws["random walk"]) for law in names]
    location = np.stack([part.location[:, -1] for part in parts])
    deviation = np.array([part.deviation[-1] for part in parts])[:, None]
    apart = _distance(values - location, deviation)
    between = _distance(location[:, None] - location[None], np.hypot(deviation[:, None], deviation[None]))
    return Case(
        spec.family,
        spec.settings["name"],
        name,
        values,
        prediction,
        tested,
        apart.mean(axis=-1),
        between.mean(axis=-1),
        _half(spec),
    )


def _half(spec: Any) -> int:
    return int(spec.settings["name"].rpartition("-")[2]) % 2


def _distance(apart: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """E|X| of a normal variable, which its CRPS is made of (Grimit et al. 2006); the distance where it has no width."""
    return crps_normal(np.zeros_like(apart), apart, np.broadcast_to(deviation, apart.shape)) + np.broadcast_to(
        deviation, apart.shape
    ) / np.sqrt(np.pi)


def _scales(several: Sequence[Case]) -> list[float]:
    """The CRPS of the random walk of each case's family and reading, mean over the cases."""
    walk = list(GROWTH).index("random walk")
    own: dict[tuple[str, str], list[float]] = {}
    for case in several:
        own.setdefault((case.family, case.reading), []).append(float(case.apart[walk] - case.between[walk, walk] / 2))
    return [float(np.mean(own[case.family, case.reading])) for case in several]


def weights(worth: np.ndarray, some: Sequence[Case]) -> np.ndarray:
    """The weights of the laws in each case, (cases, laws)."""
    logs = worth + np.stack([case.tested for case in some])
    raw = np.exp(logs - logs.max(axis=1, keepdims=True))
    return raw / raw.sum(axis=1, keepdims=True)


def losses(worth: np.ndarray, some: Sequence[Case]) -> np.ndarray:
    """The CRPS of each case over the random walk's, (cases,)."""
    weight = weights(worth, some)
    apart, between = np.stack([case.apart for case in some]), np.stack([case.between for case in some])
    return (weight * apart).sum(axis=1) - np.einsum("ci,cij,cj->c", weight, between, weight) / 2


def fitted(some: Sequence[Case]) -> np.ndarray:
    """What each law is worth beforehand, by the logarithm, so that the CRPS of these cases is least; that of the random walk is 0."""
    from scipy.optimize import minimize

    free = [at for at, law in enumerate(GROWTH) if law != "random walk"]
    worth = np.zeros(len(GROWTH))

    def loss(candidate: np.ndarray) -> float:
        worth[free] = candidate
        return float(losses(worth, some).mean() + 1e-4 * np.square(candidate).mean())  # of laws that never count, the worth is 1

    start = np.log([PRIORS[law] for law in GROWTH])[free]
    worth[free] = minimize(loss, start, method="L-BFGS-B", bounds=[BOUNDS] * len(free)).x
    return worth


def of_half(worth: np.ndarray, some: Sequence[Case]) -> tuple[np.ndarray, np.ndarray]:
    """How far each run came from the median, over half the width of the 95 % interval before it is calibrated, (cases, runs); and whether a closed form leads, (cases,)."""
    errors, known = [], []
    for case, weight in zip(some, weights(worth, some), strict=True):
        own = np.array([weight[list(GROWTH).index(test.law)] for test in case.prediction.tests])
        tests = tuple(replace(test, weight=float(chance)) for test, chance in zip(case.prediction.tests, own, strict=True))
        prediction = replace(case.prediction, weights=own, tests=tests)
        low, middle, high = (prediction.quantile(level)[:, -1] for level in (0.025, 0.5, 0.975))
        half = np.where(case.values > middle, high - middle, middle - low) / prediction.stretch[-1]
        errors.append(np.maximum(np.abs(case.values - middle) - 1e-9 * (1 + np.abs(case.values)), 0.0) / np.maximum(half, 1e-12))
        known.append(any(test.law == "closed form" and test.weight >= 0.5 for test in tests))
    return np.array(errors), np.array(known)


def tried(name: str, family: str, every: Sequence[Case]) -> dict[str, Any]:
    """A family, forecast by what was fitted to others: each half of its experiments by what was fitted to the other half."""
    ratios: dict[str, list[float]] = {}
    inside: dict[str, list[bool]] = {}
    for half in (0, 1):
        to = [case for case in every if case.half != half and name_fits(name, case.family, family)]
        on = [case for case in every if case.half == half and case.family == family]
        worth = np.zeros(len(GROWTH)) if name == "equal weights" else fitted(to)
        of_fit, known_fit = of_half(worth, to)
        of_own, known_own = of_half(worth, on)
        for case, loss, far, is_known in zip(on, losses(worth, on), of_own, known_own, strict=True):
            alike = of_fit[known_fit == is_known]
            alike = (alike if len(alike) else of_fit).ravel()
            limit = np.quantile(alike, min(1.0, np.ceil((alike.size + 1) * 0.95) / alike.size))
            ratios.setdefault(case.spec, []).append(float(loss))
            inside.setdefault(case.spec, []).extend((far <= limit).tolist())
    return {"family": family, "fitted_to": name, "crps": _mean(ratios), "coverage": _mean(inside)}


def name_fits(name: str, other: str, family: str) -> bool:
    """Whether something is fitted to a family, where another is forecast."""
    return {"the others": other != family, "itself": other == family}.get(name, True)


def _mean(of_specs: dict[str, list[Any]]) -> dict[str, Any]:
    counts = np.array([[np.sum(numbers), len(numbers)] for numbers in of_specs.values()], dtype=float)
    share = lambda some: some[:, 0].sum() / some[:, 1].sum()  # noqa: E731
    return {
        "value": round(float(share(counts)), 4),
        "interval": resampled(counts, share),
        "n": int(counts[:, 1].sum()),
        "specs": len(counts),
    }


def main() -> None:
    """Fit, try and write."""
    load, every = os.getloadavg(), cases()
    rows = [tried(name, family, every) for family in FAMILIES for name in FITTED_TO]
    worth = {law: round(float(np.exp(logarithm)), 4) for law, logarithm in zip(GROWTH, fitted(every), strict=True)}
    write("forecast_families", __doc__ or "", load, {"families": rows, "worth": worth})
    for row in rows:
        print(row["family"], row["fitted_to"], row["crps"], row["coverage"])
    print(worth)


if __name__ == "__main__":
    main()
