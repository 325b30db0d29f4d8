"""Does a check give a verdict with as many records as it asks for?

The study runs over a grid of checks, distributions and losses. For every cell it draws samples of n records a side. Where the check cannot tell and
asks for N records, it draws fresh samples of N records a side from the same distribution, and counts how many of them give a verdict. Beside this it
gives the true N, at which 80 % of fresh samples give one. Writes benchmarks/results/records_for_a_verdict.json.

    python benchmarks/records_for_a_verdict.py [samples a cell]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from outcross.estimate import NORMAL_QUANTILE, share
from outcross.verbs.audit.enough import times_the_records

SIZES = {"chosen": (300, 1000, 3000), "held out": (200, 500, 2000, 6000)}
"""Records a side, of the grid on which the predicted chance was chosen, and of the other, which was looked at once, afterwards."""
Interval = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Value, low and high, on the scale on which the limit is compared."""


@dataclass(frozen=True)
class Cell:
    """A check, a law and a loss."""

    check: str
    law: str
    loss: float
    """The true value."""
    limit: float
    sample: Callable[[np.random.Generator, np.ndarray], Interval]
    """The check in samples of these sizes a side, (samples,)."""


def wilson(count: np.ndarray, n: np.ndarray) -> Interval:
    z2 = NORMAL_QUANTILE**2
    centre = (count + z2 / 2) / (n + z2)
    half = np.sqrt(z2 * (count * (n - count) / n + z2 / 4)) / (n + z2)
    return count / n, np.maximum(centre - half, 0), np.minimum(centre + half, 1)


def ratio_of_shares(p: float, ratio: float) -> Callable[[np.random.Generator, np.ndarray], Interval]:
    """log of the ratio of two shares, Wilson's intervals of both by MOVER-R, as `share of a group` is."""

    def sample(rng, n):
        top, bottom = wilson(rng.binomial(n, ratio * p), n), wilson(np.maximum(1, rng.binomial(n, p)), n)
        product = top[0] * bottom[0]
        low_top, low_bottom = top[1] * (2 * top[0] - top[1]), bottom[2] * (2 * bottom[0] - bottom[2])
        high_top, high_bottom = top[2] * (2 * top[0] - top[2]), bottom[1] * (2 * bottom[0] - bottom[1])
        low = low_top / np.maximum(product + np.sqrt(np.maximum(0, product**2 - low_top * low_bottom)), 1e-12)
        high = (product + np.sqrt(np.maximum(0, product**2 - high_top * high_bottom))) / np.maximum(high_bottom, 1e-12)
        value, low, high = (np.log(np.maximum(values, 1e-6)) for values in (top[0] / bottom[0], low, high))
        return value, low, high

    return sample


def difference_of_shares(p: float, difference: float) -> Callable[[np.random.Generator, np.ndarray], Interval]:
    """Newcombe's interval, as `values gone missing` is."""

    def sample(rng, n):
        first, second = wilson(rng.binomial(n, p + difference), n), wilson(rng.binomial(n, p), n)
        value = first[0] - second[0]
        low = value - np.hypot(first[0] - first[1], second[2] - second[0])
        return value, low, value + np.hypot(first[2] - first[0], second[0] - second[1])

    return sample


def one_share(p: float) -> Callable[[np.random.Generator, np.ndarray], Interval]:
    """Wilson's interval of one share, as `unseen categories` is."""
    return lambda rng, n: wilson(rng.binomial(n, p), n)


def variances(ratio: float, kurtosis: float) -> Callable[[np.random.Generator, np.ndarray], Interval]:
    """log of the ratio of two variances of laws of this kurtosis, as `variance` is; to first order normal."""

    def sample(rng, n):
        error = np.sqrt(2 * (kurtosis - 1) / n)
        value = np.log(ratio) + error * rng.normal(size=n.shape)
        return value, value - NORMAL_QUANTILE * error, value + NORMAL_QUANTILE * error

    return sample


def correlations(human: float, loss: float) -> Callable[[np.random.Generator, np.ndarray], Interval]:
    """The difference of two correlations of normal pairs, as `rank correlation` is; Fisher's z of each is normal."""

    def sample(rng, n):
        values = [np.tanh(np.arctanh(r) + rng.normal(size=n.shape) / np.sqrt(n - 3)) for r in (human - loss, human)]
        error = np.hypot(*((1 - value**2) / np.sqrt(n - 1) for value in values))
        value = values[0] - values[1]
        return value, value - NORMAL_QUANTILE * error, value + NORMAL_QUANTILE * error

    return sample


def grid(name: str) -> list[Cell]:
    """Losses on both sides of every limit: as people have them, none, far inside, near the limit and far beyond."""
    is_chosen = name == "chosen"
    shares, ratios = (
        ((0.05, 0.2, 0.4), (0.4, 0.6, 0.7, 0.75, 0.85, 0.9, 1.0))
        if is_chosen
        else ((0.02, 0.1, 0.3), (0.3, 0.5, 0.65, 0.72, 0.87, 0.95, 1.1))
    )
    cells = [
        Cell("share of a group", f"{p:.0%} of records", ratio, float(np.log(0.8)), ratio_of_shares(p, ratio))
        for p in shares
        for ratio in ratios
    ]
    laws = {"uniform": 1.8, "normal": 3.0, "exponential": 9.0} if is_chosen else {"arcsine": 1.5, "logistic": 4.2, "Laplace": 6.0}
    cells += [
        Cell("variance", law, ratio, float(np.log(0.9)), variances(ratio, kurtosis))
        for law, kurtosis in laws.items()
        for ratio in ((0.6, 0.75, 0.8, 0.85, 0.95, 1.0) if is_chosen else (0.5, 0.7, 0.82, 0.94, 0.97, 1.05))
    ]
    cells += [
        Cell("rank correlation", f"{human:g} in people", -loss, -0.05, correlations(human, loss))
        for human in ((0.2, 0.5, 0.8) if is_chosen else (0.1, 0.4, 0.7))
        for loss in ((0.0, 0.02, 0.03, 0.08, 0.12, 0.2) if is_chosen else (-0.02, 0.01, 0.025, 0.07, 0.1, 0.25))
    ]
    cells += [
        Cell("values gone missing", f"{p:.0%} in people", difference, 0.02, difference_of_shares(p, difference))
        for p in ((0.02, 0.1, 0.3) if is_chosen else (0.05, 0.2, 0.5))
        for difference in ((0.0, 0.01, 0.03, 0.05, 0.08) if is_chosen else (-0.01, 0.008, 0.035, 0.06, 0.1))
    ]
    unseen = (0.002, 0.005, 0.015, 0.02, 0.04) if is_chosen else (0.001, 0.004, 0.017, 0.03)
    return cells + [Cell("unseen categories", "none in people", p, 0.01, one_share(p)) for p in unseen]


def is_decided(interval: Interval, limit: float) -> np.ndarray:
    """Whether the interval does not hold the limit."""
    _, low, high = interval
    return (low > limit) | (high < limit)


def true_records(cell: Cell, rng: np.random.Generator, samples: int = 2000) -> float:
    """Records a side at which 80 % of samples give a verdict, by bisection on its logarithm."""
    low, high = np.log(20), np.log(1e9)
    for _ in range(22):
        middle = (low + high) / 2
        rate = is_decided(cell.sample(rng, np.full(samples, int(np.exp(middle)))), cell.limit).mean()
        low, high = (low, middle) if rate >= 0.8 else (middle, high)
    return float(np.exp(high))


def named(interval: Interval, limit: float, n: int) -> np.ndarray:
    """The records named in each sample that cannot tell, as an audit names them; NaN where it names none."""
    value, low, high = interval
    end = np.where(value < limit, high, low)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.abs(value - limit) / (np.abs(end - value) / NORMAL_QUANTILE)
    needed = n * np.vectorize(times_the_records)(np.maximum(z, 1.0))
    return np.where(~is_decided(interval, limit) & (z > 1), np.minimum(needed, 1e9), np.nan)


def study(samples: int, rng: np.random.Generator, cells: list[Cell], sizes: tuple[int, ...]) -> dict[str, Any]:
    """What a grid shows, cell by cell and over all of them."""
    rows, detected_by_cell, ratios = [], [], []
    for cell in cells:
        truth = true_records(cell, rng)
        for n in sizes:
            records = named(cell.sample(rng, np.full(samples, n)), cell.limit, n)
            records = records[np.isfinite(records)]
            if not records.size:
                continue
            detected = is_decided(cell.sample(rng, np.ceil(records).astype(np.int64)), cell.limit)
            detected_by_cell.append(detected)
            ratios.append(records / truth)
            rows.append(
                {
                    "check": cell.check, "law": cell.law, "value": cell.loss, "n": n, "samples": samples, "named": int(records.size),
                    "answered": round(float(detected.mean()), 4), "true_records": round(truth),
                    "median_named": round(float(np.median(records))), "median_over_true": round(float(np.median(records) / truth), 3),
                }
            )  # fmt: skip
    detected, ratio = np.concatenate(detected_by_cell), np.concatenate(ratios)
    by_cell = np.array([[of_cell.sum(), of_cell.size] for of_cell in detected_by_cell], dtype=float)
    drawn = by_cell[rng.integers(0, len(by_cell), (2000, len(by_cell)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    of_samples = share(float(detected.sum()), detected.size)
    return {
        "samples_that_name_a_number": int(detected.size),
        "answered": round(float(detected.mean()), 4),
        "answered_interval_over_samples": [round(float(end), 4) for end in of_samples.interval],
        "answered_interval_over_cells": [round(float(low), 4), round(float(high), 4)],
        "median_named_over_true": round(float(np.median(ratio)), 3),
        "cells": rows,
    }


if __name__ == "__main__":
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    studies = {
        name: study(samples, np.random.default_rng([20_26, 80, place]), grid(name), sizes)
        for place, (name, sizes) in enumerate(SIZES.items())
    }
    path = Path(__file__).parent / "results" / "records_for_a_verdict.json"
    path.write_text(json.dumps(studies, indent=1) + "\n", encoding="utf-8")
    for name, of_grid in studies.items():
        print(name, {what: value for what, value in of_grid.items() if what != "cells"})
