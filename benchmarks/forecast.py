"""Do forecasts hold? Runs of five generations are forecast ten generations ahead, and then run.

python benchmarks/forecast.py             # run the held-out specs (resumes) and write results/forecast.json
python benchmarks/forecast.py score       # the same of those specs that were run already
python benchmarks/forecast.py text        # run the development specs of n-gram models and score them
python benchmarks/forecast.py languages   # run the held-out specs of n-gram models and transformers (two hours; resumes), and score nothing
python benchmarks/forecast.py calibrate   # from the development runs alone: coverage, and the stretch of the intervals
python benchmarks/forecast.py shares      # the least share beside brute force
python benchmarks/forecast.py freeze      # list the held-out specs with their digests; refused where runs of them are there already
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from figures import RESULTS, laid_out, write

RUNS = RESULTS / "forecast-runs"
FROZEN = RESULTS / "forecast_held_out.json"
FAMILIES = ("gaussian", "categorical", "kde", "mixture", "regression")
BASELINES = ("random walk", "random walk with drift", "line")
LOGARITHMS = ("log_variance", "entropy")
"""Readings in nats, which laws follow as they are; of the others they follow the logarithm where all values are above 0."""
LEVELS = (np.arange(40) + 0.5) / 40
OBSERVED, AHEAD, RUNS_A_SPEC = 5, 10, 5
GENERATIONS = OBSERVED + AHEAD


@dataclass(frozen=True)
class Spec:
    """An experiment of one arm, whose chains are the runs that are forecast."""

    family: str
    settings: dict[str, Any]

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:16]


TEXT, NETWORK = "n-gram", "transformer"
TEXT_READINGS = ("held_out_perplexity",)
FROZEN_TEXT = {"first": RESULTS / "forecast_held_out_text.json", "second": RESULTS / "forecast_held_out_text_second.json"}
FROZEN_NETWORKS = {
    "first": RESULTS / "forecast_held_out_networks.json",
    "second": RESULTS / "forecast_held_out_networks_second.json",
}
"""Held-out lists of language models. The first were held out until 2026-11-29; what they showed led to a growth law, and they calibrate since."""


TEXTS = {"develop": 60, "first": 40, "second": 75}
"""Specs of n-gram models in each list: those to develop on, and those that were held out first and second. The first four of the first list were run before the others were listed."""


def text_specs(which: str) -> Iterator[Spec]:
    """Specs of n-gram models on the standard library's text, five seeds each, drawn from one distribution by a stream for each list. A longer list begins with the shorter one."""
    rng = np.random.default_rng([2026, {"develop": 3, "first": 4, "second": 6}[which]])
    for at in range(TEXTS[which]):
        policy, rows = _text_policies(rng)[at % 3], int(rng.integers(100, 300))
        learner = {"kind": "ngram", "order": int(rng.integers(2, 4)), "vocabulary": 1024}
        draw = {"temperature": round(float(rng.uniform(0.7, 1.0)), 2)}
        yield Spec(TEXT, _text_settings(f"{TEXT}-{at}", rows, 0.1, learner, draw, policy, RUNS_A_SPEC))


NETWORKS, RUNS_A_NETWORK = {"first": 36, "second": 48}, 3
"""Specs of transformers in each list, and runs of each."""


def network_specs(which: str) -> Iterator[Spec]:
    """Specs of small transformers on the standard library's text, which are fine-tuned from a base model in every generation."""
    rng = np.random.default_rng([2026, {"first": 5, "second": 7}[which]])
    for at in range(NETWORKS[which]):
        policy, rows = _text_policies(rng)[at % 3], int(rng.integers(100, 300))
        learner = {
            "kind": "transformer", "layers": int(rng.integers(1, 3)), "width": int(rng.choice([32, 64])), "heads": 2, "vocabulary": 512,
        }  # fmt: skip
        training = {
            "steps": int(rng.integers(30, 90)), "batch": 16, "learning_rate": 0.003,
            "start": {"pretrained": {"steps": 300, "batch": 16, "learning_rate": 0.004}},
        }  # fmt: skip
        draw = {"temperature": round(float(rng.uniform(0.7, 1.0)), 2)}
        settings = _text_settings(f"{NETWORK}-{at}", rows, 0.03, learner, draw, policy, RUNS_A_NETWORK)
        yield Spec(NETWORK, {**settings, "training": training})


def _text_policies(rng: np.random.Generator) -> tuple[dict[str, Any], ...]:
    return {"kind": "replace"}, {"kind": "human_share", "share": round(float(rng.uniform(0.05, 0.4)), 3)}, {"kind": "accumulate"}


def _text_settings(
    name: str, rows: int, held_out: float, learner: dict[str, Any], draw: dict[str, Any], policy: dict[str, Any], runs: int
) -> dict[str, Any]:
    return {
        "name": name, "human": {"text": "stdlib", "held_out": held_out, "rows": rows}, "block": 32, "learner": learner, "draw": draw, "policy": policy,
        "generations": GENERATIONS, "store": "readings", "metrics": ["held_out"], "sweep": {"seed": list(range(runs))},
    }  # fmt: skip


POLICIES = (
    {"kind": "replace"}, {"kind": "accumulate"}, {"kind": "accumulate_subsample"}, {"kind": "human_share", "share": 0.1},
    {"kind": "human_share", "share": 0.3}, {"kind": "human_share", "share": 0.2, "rows": "fixed"}, {"kind": "fresh", "human": 20}, {"kind": "augment"},
)  # fmt: skip


def specs(which: str, count: int = 40) -> Iterator[Spec]:
    """Specs of every family, drawn from one distribution by two streams: those to develop on, and those that are held out."""
    rng = np.random.default_rng([2026, {"develop": 1, "held out": 2}[which]])
    for family in FAMILIES:
        for at in range(count):
            rows = int(np.exp(rng.uniform(np.log(20), np.log(200))))
            policy = dict(POLICIES[rng.integers(len(POLICIES))])
            human, learner, more = _parts(family, rows, rng)
            if policy["kind"] == "fresh":
                policy["human"] = max(1, rows // 5)
            settings = {
                "name": f"{family}-{at}", "human": human, "learner": learner, "policy": policy, "generations": GENERATIONS,
                "chains": RUNS_A_SPEC, "seed": int(rng.integers(1 << 30)), "store": "readings", **more,
            }  # fmt: skip
            yield Spec(family, settings)


def _parts(family: str, rows: int, rng: np.random.Generator) -> tuple[dict, dict, dict]:
    draws = {"draw": {"prompts": "none"}}
    if family in ("gaussian", "kde"):
        human = {"distribution": "normal", "dimensions": int(rng.integers(1, 3)), "rows": rows}
        if family == "gaussian":
            return human, {"kind": "gaussian", "divisor": str(rng.choice(["n-1", "n"]))}, draws
        bandwidth = str(rng.choice(["scott", "silverman"])) if rng.random() < 0.3 else round(float(rng.uniform(0.05, 0.4)), 3)
        return human, {"kind": "kde", "bandwidth": bandwidth}, draws
    if family == "categorical":
        return (
            {"distribution": "categorical", "law": "zipf", "states": int(rng.integers(10, 200)), "rows": rows},
            {"kind": "categorical"},
            draws,
        )
    if family == "mixture":
        human = {
            "distribution": "blobs",
            "grid": 2,
            "spacing": 1.0,
            "deviation": round(float(rng.uniform(0.08, 0.3)), 3),
            "rows": 2 * rows,
        }
        learner = {"kind": "gaussian_mixture", "components": 4, "tolerance": 0.001}
        return human, learner, {**draws, "metrics": ["mixture_distance", "fitted_law"]}
    dimensions = int(rng.integers(2, 6))
    return (
        {"distribution": "regression", "dimensions": dimensions, "rows": rows, "noise": 1.0},
        {"kind": "regression", "noise": 1.0},
        {},
    )


def readings(generation, family: str) -> dict[str, np.ndarray]:
    """The readings of each chain by itself, (chains,); a run gives the mean of its chains."""
    from outcross.laws.mixture import l2_squared
    from outcross.measures.fitted_law import FittedLaw  # noqa: F401  (the definitions that these follow)

    model, truth = generation.model.value, generation.human.truth
    if family == "categorical":
        p = model.probabilities
        with np.errstate(divide="ignore", invalid="ignore"):
            entropy = -np.where(p > 0, p * np.log(p), 0.0).sum(axis=-1)
        return {
            "entropy": entropy,
            "support": (p > 0).sum(axis=-1).astype(float),
            "excess_risk": np.square(p - truth.probabilities).sum(axis=-1),
        }
    if family == "regression":
        return {"coefficient_error": np.square(model.coefficients - truth.coefficients).sum(axis=-1)}
    if family == "mixture":
        drawn = generation.drawn.records.moments
        covariance = drawn.scatter / (len(drawn) - 1)
        return {"l2_squared": np.maximum(l2_squared(model, truth), 0.0), "log_variance": _log_variance(covariance, truth)}
    mean_error = np.square(model.mean - truth.mean).sum(axis=-1)
    return {"log_variance": _log_variance(model.covariance, truth), "mean_error": mean_error}


def _log_variance(covariance: np.ndarray, truth) -> np.ndarray:
    return np.linalg.slogdet(covariance)[1] - np.linalg.slogdet(truth.covariance)[1]


def run(spec: Spec) -> dict[str, np.ndarray]:
    """Every reading of every run of a spec, (runs, generations), loaded where it was run before; `law NAME` is its closed form, (generations,)."""
    import outcross
    from outcross.collapse.closed_forms import law_arguments
    from outcross.laws import expected

    path = RUNS / f"{spec.digest}.npz"
    if path.is_file():
        with np.load(path) as stored:
            return dict(stored)
    if spec.family in (TEXT, NETWORK):
        return _stored(path, text_readings(spec))
    rows: dict[str, list[np.ndarray]] = {}
    for generation in outcross.run(spec.settings):
        for name, values in readings(generation, spec.family).items():
            rows.setdefault(name, []).append(values)
    courses = {name: np.array(values).T for name, values in rows.items()}
    arguments = law_arguments(outcross.experiment(spec.settings))
    curves = {name: expected(measure=name, **arguments) if arguments else None for name in courses}
    courses |= {f"law {name}": curve for name, curve in curves.items() if curve is not None}
    return _stored(path, courses)


def text_readings(spec: Spec) -> dict[str, np.ndarray]:
    """The readings of a spec of language models, (seeds, generations). They have no errors of their own: each seed reads all its generations on one set of held-out text."""
    import outcross
    from outcross.collapse.course import Readings

    read_text_once()
    done = outcross.run(spec.settings).finish()
    frame = done.readings
    readings = Readings(frame, frame["arm"][0])
    return {name: readings.course(name, "").values for name in TEXT_READINGS}


@cache
def read_text_once() -> None:
    """Keep what runs of language models share, for as long as this process lasts: the documents, and of each split its vocabulary and its tokens.

    Reading the standard library, learning a vocabulary and encoding take nine tenths of such a run, and are the same in every spec. The readings stay the same to the digit.
    """
    from outcross.sources.text import Stdlib
    from outcross.text.vocabulary import Vocabulary

    documents, train, encode = Stdlib.documents, Vocabulary.train, Vocabulary.encode
    read = cache(lambda blank_lines: documents(Stdlib(), blank_lines))
    learned = cache(lambda texts, size: train(texts, size))
    encoded = cache(encode)
    Stdlib.documents = lambda self, blank_lines=False: read(blank_lines)
    Vocabulary.train = lambda texts, size: learned(tuple(texts), size)
    Vocabulary.encode = lambda self, texts: encoded(self, tuple(texts))


def _stored(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    RUNS.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return arrays


def observed(spec: Spec) -> Iterator[tuple[str, Any, np.ndarray]]:
    """Each reading of a spec: its name, what was observed of it, and what came after, (runs, ahead), both on the scale of the laws."""
    import outcross
    from outcross.collapse.growth import Observed
    from outcross.verbs.forecast.arms import dose_of

    arrays, settings = run(spec), {key: value for key, value in spec.settings.items() if key != "sweep"}
    experiment = outcross.experiment(settings)
    dose = dose_of(experiment)
    for name, values in arrays.items():
        if name.startswith("law "):
            continue
        law, values = arrays.get(f"law {name}"), values.astype(float)
        is_log = name not in LOGARITHMS and bool((values[:, :OBSERVED] > 0).all()) and (law is None or bool((law > 0).all()))
        with np.errstate(divide="ignore"):
            scaled = np.maximum(np.log(values), -700.0) if is_log else values
            curve = None if law is None else np.log(law) if is_log else law
        seen = Observed(
            scaled[:, :OBSERVED],
            np.zeros((len(scaled), OBSERVED)),
            curve,
            closed_form_is_log_of_mean=is_log,
            human_share=None if dose is None else dose.share,
            is_trained=experiment.training is not None,
        )
        yield name, seen, scaled[:, OBSERVED:]


def quantile_score(values: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """The CRPS of forecasts that are given by their quantiles at LEVELS, (levels, runs), (runs,)."""
    apart = values - quantiles
    return 2 * np.where(apart >= 0, LEVELS[:, None] * apart, (LEVELS[:, None] - 1) * apart).mean(axis=0)


def scored(specs: Sequence[Spec]) -> list[dict[str, Any]]:
    """A row for each spec and reading: what was inside of the intervals, and the CRPS of the forecast, of the baselines and of the true law, at the last generation."""
    from scipy.special import stdtrit

    from outcross.collapse.forecasting import crps_normal, outlook, turning_point
    from outcross.collapse.growth import growth_law

    rows = []
    for spec in specs:
        for name, seen, after in observed(spec):
            prediction = outlook(seen, AHEAD)
            quantiles = prediction.quantiles([*LEVELS, 0.025, 0.975])
            low, high = quantiles[-2:]
            middle = prediction.quantile(0.5)
            half = np.where(after > middle, high - middle, middle - low)
            mean, at = prediction.mean().quantiles([0.025, 0.975])[:, 0], prediction.mean().quantile(0.5)[0]
            slack = 1e-9 * (1 + np.abs(after))
            losses = {"forecast": quantile_score(after[:, -1], quantiles[:-2, :, -1])}
            for baseline in BASELINES:
                ahead = growth_law(baseline).ahead(seen, AHEAD)
                spread = stdtrit(ahead.freedom, LEVELS)[:, None] * ahead.deviation[-1]
                losses[baseline] = quantile_score(after[:, -1], ahead.location[:, -1] + spread)
            if spec.family == "gaussian" and name == "log_variance" and spec.settings["policy"]["kind"] == "replace":
                move, variance = walk_of_log_variance(spec)
                losses["true law"] = crps_normal(after[:, -1], seen.last + move, np.full(len(after), variance**0.5))
            average = after.mean(axis=0)
            mean_half = np.where(average > at, mean[1] - at, at - mean[0])
            within = generations_within(seen, prediction, after)
            rows.append(
                {
                    "family": spec.family, "spec": spec.digest, "policy": spec.settings["policy"]["kind"], "reading": name,
                    "inside": ((after >= low - slack) & (after <= high + slack)).T.astype(int).tolist(),
                    "mean_inside": ((average >= mean[0] - 1e-9) & (average <= mean[1] + 1e-9)).astype(int).tolist(),
                    "of_half": (np.maximum(np.abs(after - middle) - slack, 0.0) / np.maximum(half / prediction.stretch, 1e-12)).T.round(4).tolist(),
                    "mean_of_half": (np.maximum(np.abs(average - at) - 1e-9, 0.0) / np.maximum(mean_half / prediction.mean().stretch, 1e-12)).round(4)[:, None].tolist(),
                    "width": float(np.median(high[:, -1] - low[:, -1])),
                    "within": [[inside for inside, _ in within]],
                    "within_said": [said for _, said in within],
                    "calibrated_as": prediction.calibrated_as,
                    "turns": turning_point(seen) is not None,
                    "losses": {law: float(loss.mean()) for law, loss in losses.items()},
                }
            )  # fmt: skip
    return rows


def generations_within(seen: Any, prediction: Any, after: np.ndarray) -> list[tuple[int, float]]:
    """Whether the generations for which the mean over the runs keeps a budget of a fifth, either way, lie in their interval, and the share of the forecast's own paths that does; none where
    it was left in what was observed, and none where it is kept to the end both in the forecast and in truth."""
    from outcross.verbs.forecast.budgets import Budget
    from outcross.verbs.forecast.work import DRAWS, horizon_of

    known, course = (np.exp(np.clip(values.mean(axis=0), -700.0, 700.0)) for values in (seen.values, after))
    paths = np.exp(np.clip(prediction.paths(DRAWS, np.random.default_rng(16)), -700.0, 700.0))
    inside = []
    for ratio in (1.2, 0.8):
        budget = Budget("", ratio)
        predicted, truth = (horizon_of(known, ahead, budget, known[0]) for ahead in (paths, course[None]))
        if predicted.is_observed or (predicted.low is None and truth.median is None):
            continue
        low, end, high = (GENERATIONS if bound is None else bound for bound in (predicted.low, truth.median, predicted.high))
        beyond = np.array([[budget.limit(known[0])]])
        outside = paths > beyond if budget.is_upper else paths < beyond
        drawn = np.where(outside.any(axis=1), OBSERVED - 1 + outside.argmax(axis=1), GENERATIONS)
        inside.append((int(low <= end <= high), float(((drawn >= low) & (drawn <= high)).mean())))
    return inside


def walk_of_log_variance(spec: Spec) -> tuple[float, float]:
    """How far the log-variance of one chain moves in AHEAD generations under replace, in the mean, and its variance: exact (science/oracles.md E1)."""
    from scipy.special import digamma, polygamma

    n, dimensions = spec.settings["human"]["rows"], spec.settings["human"]["dimensions"]
    divisor = n - 1 if spec.settings["learner"]["divisor"] == "n-1" else n
    halves = (n - 1 - np.arange(dimensions)) / 2
    return AHEAD * float((digamma(halves) - np.log(divisor / 2)).sum()), AHEAD * float(polygamma(1, halves).sum())


def resampled(values: np.ndarray, statistic: Any, draws: int = 2000) -> list[float]:
    """The 95 % interval of a statistic of specs, by the bootstrap over specs."""
    rng = np.random.default_rng(16)
    drawn = [statistic(values[rng.integers(0, len(values), len(values))]) for _ in range(draws)]
    return [round(float(end), 4) for end in np.quantile(drawn, [0.025, 0.975])]


def all_inside(specs: int) -> list[float]:
    """The exact 95 % interval of a share where every case of every spec is inside, each spec counted as one case. A bootstrap has no width there."""
    return [round(0.025 ** (1 / specs), 4), 1.0]


def coverage(rows: Sequence[dict[str, Any]], step: int = -1, key: str = "inside") -> dict[str, Any]:
    """The share of runs and readings inside their intervals, its 95 % interval by the bootstrap over specs (exact where all are inside), and how many there are; None where there are none. Specs without a case do not count."""
    specs: dict[str, list[int]] = {}
    for row in rows:
        inside = row[key][step]
        hits = inside if isinstance(inside, list) else [inside]
        specs.setdefault(row["spec"], []).extend(hits)
    counts = np.array([[sum(hits), len(hits)] for hits in specs.values() if hits], dtype=float)
    if not counts.size:
        return {"value": None, "interval": None, "n": 0, "specs": 0}
    share = lambda some: some[:, 0].sum() / some[:, 1].sum()  # noqa: E731
    return {
        "value": round(float(share(counts)), 4),
        "interval": all_inside(len(counts)) if (counts[:, 0] == counts[:, 1]).all() else resampled(counts, share),
        "n": int(counts[:, 1].sum()),
        "specs": len(counts),
    }


def mean_of(values: Sequence[float]) -> float | None:
    """The mean, rounded; None of no values."""
    return round(float(np.mean(values)), 4) if values else None


def against(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The CRPS over that of each baseline: each reading's losses are divided by the random walk's of that reading, and readings count alike; intervals by the paired bootstrap over specs."""
    laws = ("forecast", *BASELINES)
    names = sorted({(row["family"], row["reading"]) for row in rows})
    scale = {
        name: np.mean([row["losses"]["random walk"] for row in rows if (row["family"], row["reading"]) == name]) for name in names
    }
    specs: dict[str, list[float]] = {}
    for row in rows:
        own = specs.setdefault(row["spec"], [0.0] * len(laws))
        for at, law in enumerate(laws):
            own[at] += min(row["losses"][law] / scale[row["family"], row["reading"]], 1e6)
    totals = np.array(list(specs.values()))
    ratios = {}
    for at, law in enumerate(laws[1:], 1):
        ratio = lambda some, at=at: some[:, 0].sum() / some[:, at].sum()  # noqa: E731
        ratios[law] = {"value": round(float(ratio(totals)), 4), "interval": resampled(totals, ratio)}
    return ratios


def text() -> None:
    """Run the specs of n-gram models to develop on and print how they do; no held-out one is among them."""
    rows = []
    for spec in text_specs("develop"):
        rows += scored([spec])
        print(
            spec.settings["name"],
            coverage(rows),
            coverage(rows, step=0),
            coverage(rows, key="mean_inside"),
            against(rows),
            flush=True,
        )


def calibrate() -> None:
    """Print, from experiments that are not held out, coverage and the factors of `STRETCH`."""
    of_text = [*text_specs("develop"), *text_specs("first"), *network_specs("first")]
    rows = scored([*specs("develop"), *of_text])
    for group in sorted({row["calibrated_as"] for row in rows}):
        own = [row for row in rows if row["calibrated_as"] == group]
        for key, kind in (("of_half", group), ("mean_of_half", f"{group}, mean")):
            print(kind, len({row["spec"] for row in own}), stretches(own, key))
    for family in (*FAMILIES, TEXT, NETWORK):
        own = [row for row in rows if row["family"] == family]
        print(family, coverage(own), coverage(own, key="mean_inside"), against(own), f"median width {median_width(own)}")
    print("pooled", coverage(rows), coverage(rows, key="mean_inside"), coverage(rows, key="within"), against(rows))
    law = [row["losses"] for row in rows if "true law" in row["losses"]]
    print("true law", sum(losses["forecast"] for losses in law) / sum(losses["true law"] for losses in law), len(law))
    print("turning points", sum(row["turns"] for row in rows), "of", len(rows))


def stretches(rows: Sequence[dict[str, Any]], key: str) -> dict[float, float]:
    """The factor by which intervals are widened at each ratio of RATIOS, rounded up to a twentieth.

    Split conformal prediction of a run of a new experiment (Lee, Barber and Willett, arXiv 2306.06342): every experiment weighs 1/(experiments + 1),
    however many runs and readings it has, because what a law gets wrong is wrong in all runs of an experiment. A generation counts at the ratio that
    is next to it on the logarithmic scale.
    """
    from outcross.collapse.calibrated import RATIOS

    logs = np.log(np.arange(1, AHEAD + 1) / OBSERVED)
    nearest = np.abs(logs[:, None] - np.log(RATIOS)).argmin(axis=1)
    widened = {}
    for at, ratio in enumerate(RATIOS):
        experiments: dict[str, list[float]] = {}
        for row in rows:
            experiments.setdefault(row["spec"], []).extend(np.array(row[key])[nearest == at].ravel().tolist())
        needed = np.concatenate([np.array(errors) for errors in experiments.values()])
        weights = np.concatenate([np.full(len(errors), 1 / len(errors)) for errors in experiments.values()])
        order = needed.argsort()
        reached = np.cumsum(weights[order]) / (len(experiments) + 1) >= 0.95 - 1e-9
        widened[ratio] = float(np.ceil(20 * needed[order][reached.argmax()] - 1e-9) / 20) if reached.any() else float("inf")
    return widened


def median_width(rows: Sequence[dict[str, Any]]) -> float:
    """The median over readings of the median width of their intervals ten generations ahead, on the scale of the laws."""
    return round(float(np.median([row["width"] for row in rows])), 4)


def freeze() -> None:
    """Write the lists of held-out specs with their digests. What is listed stays, and specs are added after it; refused where one of these was run before."""
    for path, listed in _lists():
        _freeze(path, listed)


def _lists() -> tuple[tuple[Path, list[Spec]], ...]:
    """The files of all lists that are or were held out, and the specs of each: of numbers, and of n-gram models and transformers the second and the first."""
    text = [(FROZEN_TEXT[which], list(text_specs(which))) for which in ("second", "first")]
    networks = [(FROZEN_NETWORKS[which], list(network_specs(which))) for which in ("second", "first")]
    return (FROZEN, list(specs("held out"))), text[0], networks[0], text[1], networks[1]


def _freeze(path: Path, several: Sequence[Spec]) -> None:
    listed = [{"family": spec.family, "digest": spec.digest, "settings": spec.settings} for spec in several]
    there = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    if listed[: len(there)] != there:
        raise SystemExit(f"{path.name} lists other specs; what was frozen stays")
    if len(there) == len(listed):
        return
    if any((RUNS / f"{row['digest']}.npz").is_file() for row in listed[len(there) :]):
        raise SystemExit("a held-out spec was run already, so that the list can no longer be frozen")
    path.write_text(laid_out(listed) + "\n", encoding="utf-8")
    print(f"{len(listed)} specs, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


def held_out() -> tuple[list[Spec], ...]:
    """The frozen lists that no forecast was fitted to: of numbers, of n-gram models, of transformers. Stops where a list of today is another."""
    for path, listed in _lists():
        if [row["digest"] for row in json.loads(path.read_text(encoding="utf-8"))] != [spec.digest for spec in listed]:
            raise SystemExit(f"the held-out specs are not those that were frozen in {path.name}")
    return tuple(listed for _, listed in _lists()[:3])


def languages() -> None:
    """Run the held-out specs of language models; what is finished stays, and no reading is printed."""
    _, of_text, of_networks = held_out()
    for spec in [*of_text, *of_networks]:
        run(spec)
        print(spec.settings["name"], flush=True)


SHARES = tuple(round(0.05 * at, 2) for at in range(11))
"""Human shares of the runs that are forecast."""
SHARE_SEEDS = (1, 2, 3, 4, 5, 6)
"""Seeds of each of these shares."""
FINE = tuple(round(0.02 * at, 2) for at in range(26))
"""Human shares that are tried by brute force."""
CHAINS, BRUTE_CHAINS = 200, 1000
OF_SHARES: dict[str, tuple[dict[str, Any], str, tuple[float, ...]]] = {
    "gaussian of 30 rows": ({"human": {"distribution": "normal", "rows": 30}, "learner": "gaussian", "metrics": ["fitted_law"]}, "log_variance", (0.8, 0.85, 0.9)),
    "gaussian of 60 rows": ({"human": {"distribution": "normal", "rows": 60}, "learner": "gaussian", "metrics": ["fitted_law"]}, "log_variance", (0.9, 0.93, 0.95)),
    "gaussian of 100 rows, w2": ({"human": {"distribution": "normal", "rows": 100}, "learner": "gaussian", "metrics": ["fitted_law"]}, "w2", (2.5, 3.0, 4.0, 5.0)),
    "categorical of 50 states": ({"human": {"distribution": "categorical", "law": "zipf", "states": 50, "rows": 150}, "learner": "categorical"}, "excess_risk", (2.0, 2.5, 3.0, 4.0)),
    "categorical of 100 states": ({"human": {"distribution": "categorical", "law": "zipf", "states": 100, "rows": 200}, "learner": "categorical"}, "entropy", (0.9, 0.93, 0.95)),
    "categorical of 80 states": ({"human": {"distribution": "categorical", "law": "zipf", "states": 80, "rows": 120}, "learner": "categorical"}, "support", (0.5, 0.6, 0.7)),
    "kde of 50 rows": ({"human": {"distribution": "normal", "rows": 50}, "learner": {"kind": "kde", "bandwidth": 0.2}, "metrics": ["fitted_law"]}, "mean_error", (2.5, 3.0, 4.0, 5.0)),
}  # fmt: skip
"""What is run for the shares: the experiment, the reading, its budgets."""


def share_spec(
    settings: dict[str, Any], shares: Sequence[float], chains: int, generations: int, seeds: Sequence[int]
) -> dict[str, Any]:
    """A sweep over human shares."""
    policies = [{"kind": "human_share", "share": share} if share else "replace" for share in shares]
    return {
        "name": "shares", "draw": {"prompts": "none"}, "store": "readings", "generations": generations, "chains": chains, **settings,
        "sweep": {"policy": policies, "seed": list(seeds)},
    }  # fmt: skip


def share_pairs() -> list[dict[str, Any]]:
    """A row for each pair of spec and budget: the least share that was forecast from five generations of the shares SHARES, and that found by running every share to the end.

    What was worked out for a spec is kept beside its runs.
    """
    rows = []
    for name, asked in OF_SHARES.items():
        path = RUNS / f"shares-{hashlib.sha256(json.dumps([name, asked], sort_keys=True).encode()).hexdigest()[:16]}.npz"
        if not path.is_file():
            _stored(path, {"courses": _brute(*asked[:2])})
        with np.load(path) as stored:
            rows += _pairs(name, stored["courses"], *asked)
    return rows


def _brute(settings: dict[str, Any], reading: str) -> np.ndarray:
    """A reading of every share of FINE to the end, (shares, seeds, generations)."""
    import outcross
    from outcross.collapse.course import Readings

    brute = outcross.run(share_spec(settings, FINE, BRUTE_CHAINS, GENERATIONS, (100, 101, 102, 103))).finish()
    arms = list(dict.fromkeys(brute.readings["arm"].to_list()))
    return np.stack([Readings(brute.readings, arm).course(reading).values for arm in arms])


def doses(settings: dict[str, Any]) -> np.ndarray:
    """The human shares that the shares of FINE come to in whole records."""
    rows = settings["human"]["rows"]
    return np.array([round(share * rows) / rows for share in FINE])


def _pairs(
    name: str, courses: np.ndarray, settings: dict[str, Any], reading: str, ratios: Sequence[float]
) -> Iterator[dict[str, Any]]:
    import outcross

    run = outcross.run(share_spec(settings, SHARES, CHAINS, OBSERVED, SHARE_SEEDS)).finish()
    for ratio in ratios:
        (estimate,) = outcross.forecast(run, ahead=AHEAD, budgets={reading: ratio}).shares
        brute = brute_share(courses, doses(settings), reading, ratio)
        is_known = None not in (estimate.low, estimate.high, brute[0])
        yield {
            "spec": name,
            "reading": reading,
            "budget": ratio,
            "forecast": [estimate.value, estimate.low, estimate.high],
            "brute": brute,
            "holds": bool(estimate.low <= brute[0] <= estimate.high) if is_known else None,
            "width": None if None in (estimate.low, estimate.high) else round(estimate.high - estimate.low, 4),
        }


def brute_share(courses: np.ndarray, shares: np.ndarray, reading: str, ratio: float) -> list[float | None]:
    """The least share from which on the mean over seeds keeps the budget in every generation, with an interval by the bootstrap over seeds; None where none does."""
    rng = np.random.default_rng(17)
    seeds = courses.shape[1]
    kept_shares = [_least(courses.mean(axis=1), shares, reading, ratio)]
    kept_shares += [_least(courses[:, rng.integers(0, seeds, seeds)].mean(axis=1), shares, reading, ratio) for _ in range(400)]
    if any(share is None for share in kept_shares):
        return [kept_shares[0], None, None]
    return [kept_shares[0], *np.quantile(np.array(kept_shares[1:], dtype=float), [0.025, 0.975]).round(4).tolist()]


def _least(means: np.ndarray, shares: np.ndarray, reading: str, ratio: float) -> float | None:
    gone = means - means[:, :1] if reading in ("log_variance",) else np.log(means / means[:, :1])
    sides = 1.0 if ratio > 1 else -1.0
    beyond = (sides * (gone - np.log(ratio))).max(axis=1)
    outside = np.flatnonzero(beyond > 0)
    if not outside.size:
        return 0.0
    last = int(outside[-1])
    if last + 1 == len(shares):
        return None
    part = beyond[last] / (beyond[last] - beyond[last + 1])
    return round(float(shares[last] + part * (shares[last + 1] - shares[last])), 4)


def main() -> None:
    """Run what is missing of the held-out lists, and score all."""
    for listed in held_out():
        for spec in listed:
            run(spec)
    score()


def score() -> None:
    """Score the held-out specs that were run: the families in which a run takes seconds, then the shares, then language models; what is there is written after each."""
    load = os.getloadavg()
    missing = [spec.family for listed in held_out() for spec in listed if not (RUNS / f"{spec.digest}.npz").is_file()]
    not_run = {family: missing.count(family) for family in dict.fromkeys(missing)}
    numbers, *languages = ([spec for spec in listed if (RUNS / f"{spec.digest}.npz").is_file()] for listed in held_out())
    rows = scored(numbers)
    _write(load, rows, [], not_run)
    pairs = share_pairs()
    _write(load, rows, pairs, not_run)
    _write(load, [*rows, *scored([spec for listed in languages for spec in listed])], pairs, not_run)


def _write(
    load: tuple[float, float, float], rows: Sequence[dict[str, Any]], pairs: Sequence[dict[str, Any]], not_run: dict[str, int]
) -> None:
    known = [row["losses"] for row in rows if "true law" in row["losses"]]
    families = [(family, [row for row in rows if row["family"] == family]) for family in (*FAMILIES, TEXT, NETWORK)]
    results: dict[str, Any] = {
        "forecasts": [
            {
                "family": family, "coverage": coverage(own), "of_means": coverage(own, key="mean_inside"), "next": coverage(own, step=0), "within": coverage(own, key="within"),
                "within_said": mean_of([said for row in own for said in row["within_said"]]), "against": against(own), "turns": sum(row["turns"] for row in own), "readings": len(own), "width": median_width(own),
            }
            for family, own in [*families, ("pooled", rows)]
            if own
        ],
        "true_law": {"ratio": round(sum(losses["forecast"] for losses in known) / sum(losses["true law"] for losses in known), 4), "specs": len(known)},
        "frozen": hashlib.sha256(b"".join(path.read_bytes() for path, _ in _lists())).hexdigest(),
        "not_run": not_run,
        "share_pairs": list(pairs),
    }  # fmt: skip
    write("forecast", PAGE, load, results)
    for row in results["forecasts"]:
        print(row["family"], row["coverage"], row["of_means"], row["against"], row["width"], flush=True)


PAGE = """Do forecasts hold on runs that they were not made for?

Runs are observed for five generations (g0 to g4) and forecast for ten more generations. Then they are run, and one reading of one run counts as one number. Five runs of one experiment (three of a
transformer) are forecast together, as seeds are. The experiments are drawn at random (rows, dimensions, states, bandwidth, learner, one of eight policies). The held-out experiments were listed with
their digests (results/forecast_held_out*.json) before the first of them was run. Everything that the forecast takes from other runs (the weights of the laws, the widths of the intervals) comes from
other lists. The experiments with n-gram models and transformers are from second lists: the intervals missed too many readings of the first lists, and these calibrate the forecasts since. Intervals
are from the bootstrap over experiments. *CRPS over* is the continuous ranked probability score of the forecast ten generations ahead, divided by that of a baseline which is given the same runs; below
1 the forecast is better. *Median width* is that of the intervals of runs, on the scale of the laws: nats, for readings above 0 of their logarithm. *Generations within a fifth* is the number of
generations for which the mean over the runs stays within 1.2 times generation 0, and within .8 times (in nats where the reading is a logarithm). The column shows how often its interval holds the true
number, and the next column how many of the forecast's own paths lie in that interval on average. The number is whole and the interval may have an open end, so that more than 95 % are expected. A case
counts where the observed generations do not decide it, and where the budget is left in truth or may be left by the forecast.
"""


if __name__ == "__main__":
    {
        "": main,
        "calibrate": calibrate,
        "freeze": freeze,
        "languages": languages,
        "score": score,
        "shares": share_pairs,
        "text": text,
    }[sys.argv[1] if sys.argv[1:] else ""]()
