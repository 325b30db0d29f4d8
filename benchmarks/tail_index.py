"""Does the interval of the tail index cover the true index, and how often is a tail called lighter that is not?

An audit compares the tails of two sets by the difference of their tail indices beyond the human 95 % quantile; below 0, the synthetic tail is lighter.
In the first table both sets are drawn from one distribution, so that the true difference is 0. There are nine distributions; three are those of real
columns (of UCI Adult and COMPAS in ../shared/data), and four have ties. In the second table the sets are from two distributions. The true difference
is then that of the likeliest generalised Pareto distributions beyond the 95 % quantile of the first one, from ten pairs of 300,000 values. The interval
can cover only that difference. It cannot cover that of the indices at infinity, which no sample of these sizes shows (a normal distribution has 0 there,
and -.11 here), and no index below -½, which is read as -½.

*Covered* is the share of samples whose 95 % interval holds the true difference. *p ≤ .05* is the share in which the test says that the tail is lighter:
a false alarm in the first table, a finding in the second. Where the sets have too few different values in the tail, the index is not applicable, and
the table says in how many samples; it then counts the others. Intervals of shares are Wilson's. At most 5,000 values of a set beyond the quantile are
read.

    python benchmarks/tail_index.py [repeats]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import polars
from figures import DATA, write

from outcross.estimate import NotApplicable, share
from outcross.statistics.tail_index import INDICES, beyond_threshold, index_difference, profile

SIZES = (1_000, 5_000, 24_000)
TRUTH = 300_000
Law = Callable[[np.random.Generator, int], np.ndarray]


def _real(path: str, column: str) -> Law:
    values = polars.read_parquet(DATA / path)[column].drop_nulls().to_numpy().astype(float)
    return lambda rng, n: rng.choice(values, n)


def laws() -> dict[str, Law]:
    adult = "tabular_synthetic/adult/real_train.parquet"
    return {
        "normal": lambda rng, n: rng.normal(size=n),
        "exponential": lambda rng, n: rng.exponential(size=n),
        "lognormal": lambda rng, n: np.exp(rng.normal(size=n)),
        "Student t, 3": lambda rng, n: rng.standard_t(3, size=n),
        "Pareto, 1": lambda rng, n: rng.pareto(1, size=n),
        "exponential, rounded": lambda rng, n: np.round(5 * rng.exponential(size=n)),
        "fnlwgt of Adult": _real(adult, "fnlwgt"),
        "age of Adult": _real(adult, "age"),
        "priors of COMPAS": _real("tabular/compas_two_years_deidentified.parquet", "priors_count"),
    }


def pairs() -> dict[str, tuple[Law, Law]]:
    """(human, synthetic)"""
    every = laws()
    return {
        "exponential, normal": (every["exponential"], lambda rng, n: 1.3 * rng.normal(size=n) + 0.5),
        "lognormal, exponential": (every["lognormal"], lambda rng, n: 2 * rng.exponential(size=n)),
        "Student t, 3, cut at its 99 %": (
            every["Student t, 3"],
            lambda rng, n: np.minimum(rng.standard_t(3, size=n), 4.54 + rng.random(n) / 10),
        ),
    }


def truth(human: Law, synthetic: Law, rng: np.random.Generator) -> float:
    """The mean over ten pairs of sets."""
    differences = []
    for _ in range(10):
        sides = beyond_threshold(synthetic(rng, TRUTH), human(rng, TRUTH))
        scale = float(np.concatenate(sides).mean())
        ours, theirs = (float(INDICES[np.argmax(profile(side / scale))]) for side in sides)
        differences.append(ours - theirs)
    return float(np.mean(differences))


def row(human: Law, synthetic: Law, true: float, n: int, repeats: int, rng: np.random.Generator) -> dict[str, Any]:
    """Samples of n values a side: how many intervals hold the true difference, and how many p are small."""
    covered, widths, p, without = 0, [], [], 0
    for _ in range(repeats):
        try:
            estimate, null, _ = index_difference(synthetic(rng, n), human(rng, n), rng)
        except NotApplicable:
            without += 1
            continue
        low, high = estimate.interval
        covered += low <= true <= high
        widths.append(high - low)
        p.append(null.p)
    known = repeats - without
    facts = {"n": n, "difference": round(true, 3), "samples": repeats, "not_applicable": without}
    if known < repeats / 4:
        return facts
    return facts | {
        "width": round(float(np.mean(widths)), 3),
        "covered": _share(covered, known),
        "p_01": _share(sum(p_value <= 0.01 for p_value in p), known),
        "p_05": _share(sum(p_value <= 0.05 for p_value in p), known),
    }


def _share(count: int, n: int) -> dict[str, float | int]:
    estimate = share(count, n)
    low, high = estimate.interval
    return {"value": round(float(estimate.value), 4), "low": round(float(low), 4), "high": round(float(high), 4), "n": n}


def main(repeats: int) -> None:
    load = os.getloadavg()
    rng = np.random.default_rng([20_26, 11, 28])
    alike, different = [], []
    for name, law in laws().items():
        alike += [{"pair": name} | row(law, law, 0.0, n, _repeats(repeats, n), rng) for n in SIZES]
        print(alike[-1], flush=True)
    rng = np.random.default_rng([20_26, 11, 29])
    for name, (human, synthetic) in pairs().items():
        true = truth(human, synthetic, rng)
        different += [{"pair": name} | row(human, synthetic, true, n, _repeats(repeats, n), rng) for n in SIZES]
        print(different[-1], flush=True)
    write("tail_index", __doc__ or "", load, {"tails": {"alike": alike, "different": different}})


def _repeats(repeats: int, n: int) -> int:
    return repeats // (4 if n > 10_000 else 1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
