"""Does the interval of the tail index cover the true index, and how often does an honest pair look lighter?

There are nine distributions; three are those of real columns, and four have ties. In pairs of one distribution the true difference is 0. In pairs of
two distributions it is the difference of the indices of the likeliest generalised Pareto distributions beyond the 95 % quantile of the first one,
from ten times 300,000 values of each. The interval can cover only that index. It cannot cover the index at infinity, which no sample of these sizes
shows (a normal distribution has 0 there, and -.11 here), and no index below -½, which is read as -½.

    python benchmarks/tail_index.py [repeats]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars

from outcross.estimate import NotApplicable, share
from outcross.statistics.tail_index import INDICES, MOST, beyond_threshold, index_difference, profile

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "shared" / "data"
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


def row(human: Law, synthetic: Law, true: float, n: int, repeats: int, rng: np.random.Generator) -> dict:
    holds, widths, p, without = 0, [], [], 0
    for _ in range(repeats):
        try:
            estimate, null, _ = index_difference(synthetic(rng, n), human(rng, n), rng)
        except NotApplicable:
            without += 1
            continue
        low, high = estimate.interval
        holds += low <= true <= high
        widths.append(high - low)
        p.append(null.p)
    known = repeats - without
    if known < repeats / 4:
        return {"n": n, "not applicable": without, "samples": repeats}
    settings = {
        "n": n,
        "difference": round(true, 3),
        "not applicable": without,
        "samples": repeats,
        "width": round(float(np.mean(widths)), 3),
    }
    settings |= {
        "coverage": _share(holds, known),
        "p <= .01": _share(sum(p_value <= 0.01 for p_value in p), known),
        "p <= .05": _share(sum(p_value <= 0.05 for p_value in p), known),
    }
    return settings


def _share(count: int, n: int) -> list[float]:
    estimate = share(count, n)
    return [round(float(number), 4) for number in (estimate.value, *estimate.interval)]


def main(repeats: int) -> None:
    rng = np.random.default_rng([20_26, 11, 28])
    results = {"repeats": repeats, "values beyond the threshold, at most": MOST, "honest": {}, "different": {}}
    for name, law in laws().items():
        results["honest"][name] = [row(law, law, 0.0, n, repeats // (4 if n > 10_000 else 1), rng) for n in SIZES]
        print(name, results["honest"][name], flush=True)
    rng = np.random.default_rng([20_26, 11, 29])
    for name, (human, synthetic) in pairs().items():
        true = truth(human, synthetic, rng)
        results["different"][name] = [row(human, synthetic, true, n, repeats // (4 if n > 10_000 else 1), rng) for n in SIZES]
        print(name, results["different"][name], flush=True)
    (HERE / "results" / "tail_index.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
