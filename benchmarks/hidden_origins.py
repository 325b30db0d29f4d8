"""Does a detector prevent collapse where no record says who wrote it?

Every generation learns from a mixture of human text and of the text that the last generation wrote. The arms differ in what they choose from the
mixture: everything; a random choice of the same size as a detector's; the choice of a detector that is fitted once (to human text that no model
learns from, and to text that generation 0 writes for it alone); the choice of an oracle; and the human part alone. There are two ways to choose:

- `once`: half of the mixture, each record at most once.
- `repeated`: the published selector, with 1.5 times as many draws, each record at most three times (Drayson et al., EMNLP 2025).

The human shares of the mixture are .1, .25 and .5. Its human text is the same at every generation (`fixed`), or text that no generation has seen
(`fresh`). An n-gram model is fitted in closed form and takes no steps; there, the arms of one way to choose read the same number of records. A
transformer takes the same number of optimiser steps in every arm.

The gain of an arm is the held-out loss of the random choice of the same size minus that of the arm, at the last generation and over all generations.
The share of the oracle's gain has Fieller's interval over seeds; it is not defined where the interval of the oracle's gain includes 0.

    python benchmarks/hidden_origins.py ngram [seed …]         # five seeds, ten generations; about three minutes each
    python benchmarks/hidden_origins.py transformer [seed …]   # two seeds, six generations, the published selector; half an hour each
    python benchmarks/hidden_origins.py summary
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from figures import DATA

from outcross.estimate import NotApplicable, mean
from outcross.experiment import experiment
from outcross.files.whole import write_whole
from outcross.ledger import Ledger
from outcross.loop import run
from outcross.report.charts import STYLE
from outcross.report.figure import Figure, table
from outcross.statistics.ratios import ratio_of_paired_means

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "hidden_origins.json"
TEXTS = [DATA / "text" / "wikitext2" / name for name in ("test.txt.gz", "valid.txt.gz")]
SHARES, ROWS = (0.5, 0.25, 0.1), ("fixed", "fresh")
LEARNERS: dict[str, dict[str, Any]] = {
    "ngram": {"learner": {"kind": "ngram", "tokens": "words"}, "generations": 10, "human.rows": 800},
    "transformer": {
        "learner": {"kind": "transformer", "layers": 2, "width": 64, "heads": 2, "vocabulary": 1024},
        "training": {"steps": 100, "batch": 32, "learning_rate": 0.001, "start": {"pretrained": {"steps": 600, "batch": 16, "learning_rate": 0.004}}},
        "generations": 6,
        "human.rows": 400,
    },
}  # fmt: skip
SEEDS = {"ngram": (0, 1, 2, 3, 4), "transformer": (0, 1)}
WAYS = {"once": {"draws": 0.5, "max_repeats": 1}, "repeated": {"draws": 1.5, "max_repeats": 3}}
CHOOSERS: dict[str, dict[str, Any]] = {
    "random": {"detector": "oracle", "power": 0},
    "detector": {"detector": "classifier"},
    "oracle": {"detector": "oracle"},
}
COLOURS = {"no selection": "#888888", "random": "#e69f00", "detector": "#d55e00", "oracle": "#0072b2", "human part": "#009e73"}
READ = {
    ("held_out_loss", ""): "loss",
    ("selected_human", ""): "human share learned",
    ("selected_spread", "training"): "spread",
    ("selected_tail", "training"): "tail",
}


def settings(learner: str, seed: int, text: str) -> dict[str, Any]:
    own = dict(LEARNERS[learner])
    return {
        "name": "hidden",
        "human": {"path": text, "rows": own.pop("human.rows"), "held_out": 0.1},
        "block": 64,
        "draw": {"prompts": "human"},
        "metrics": ["held_out", {"kind": "selection", "choices": 19}],
        "seed": seed,
    } | own


def arms(learner: str) -> dict[str, dict[str, Any]]:
    """The policy of every arm by its name: rows, share, way and chooser."""
    policies: dict[str, dict[str, Any]] = {"human_only": {"kind": "human_only"}}
    for rows in ROWS:
        for share in SHARES:
            base = {"kind": "detector_weighted", "share": share, "rows": rows}
            name = f"{rows} {share}"
            policies[f"{name} none"] = base | {"detector": "oracle", "power": 0, "draws": 1.0, "max_repeats": 1}
            policies[f"{name} human part"] = base | {"detector": "oracle", "draws": share, "max_repeats": 1}
            for way, limits in WAYS.items():
                if learner == "transformer" and way == "once":
                    continue  # steps are equal, so that the published selector is compared as it is
                for chooser, asked in CHOOSERS.items():
                    policies[f"{name} {way} {chooser}"] = base | limits | asked
    return policies


def measure(learner: str, seeds: list[int]) -> None:
    text = Path(tempfile.gettempdir()) / "outcross-wikitext2.txt"
    write_whole(text, b"".join(gzip.decompress(path.read_bytes()) for path in TEXTS))
    ledgers = {seed: Ledger(None) for seed in seeds}
    for name, policy in arms(learner).items():
        for seed in seeds:
            if name in stored().get(learner, {}).get(str(seed), {}):
                continue
            curves: dict[str, list[float | None]] = {}
            for generation in run(experiment(settings(learner, seed, str(text)) | {"policy": policy}), ledgers[seed]):
                read = {(reading.measure, reading.at): reading.estimate for reading in generation.measured if not reading.column}
                for place, word in READ.items():
                    estimate = read.get(place)
                    curves.setdefault(word, []).append(None if estimate is None else round(estimate.value, 5))
            print(learner, seed, name, curves["loss"][-1], flush=True)
            results = stored()
            results.setdefault(learner, {}).setdefault(str(seed), {})[name] = curves
            _keep(results)


def stored() -> dict[str, Any]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def _keep(results: dict[str, Any]) -> None:
    write_whole(RESULTS, json.dumps(results, indent=None, separators=(",", ":")).replace('},"', '},\n"') + "\n")


def summary() -> None:
    results = stored()
    results["summary"] = {learner: summarised(results[learner]) for learner in LEARNERS if learner in results}
    _keep(results)
    curves(results["ngram"], "once").save(RESULTS.with_name("hidden_origins-once.svg"))
    curves(results["ngram"], "repeated").save(RESULTS.with_name("hidden_origins-repeated.svg"))
    for learner, rows in results["summary"].items():
        print(f"\n{learner}\n\n{markdown(rows)}")


def summarised(seeds: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for every kind of human text, share and way: the losses at the end, the gains, and the share of the oracle's gain."""
    lines = []
    for rows in ROWS:
        for share in SHARES[::-1]:
            for way in WAYS:
                needed = {f"{rows} {share} {way} {chooser}" for chooser in CHOOSERS} | {
                    f"{rows} {share} {name}" for name in ("none", "human part")
                }
                whole = [done for done in seeds.values() if {*needed, "human_only"} <= set(done)]
                if whole:
                    lines.append(_row(whole, rows, share, way))
    return lines


def _row(whole: list[dict[str, Any]], rows: str, share: float, way: str) -> dict[str, Any]:
    base = f"{rows} {share}"

    def over(name: str, word: str, at: slice) -> np.ndarray:
        return np.array([np.mean([value for value in done[name][word][at] if value is not None]) for done in whole])

    line: dict[str, Any] = {"human text": rows, "share": share, "way": way, "seeds": len(whole)}
    for when, at in (("at the end", slice(-1, None)), ("over all", slice(1, None))):
        losses = {name: over(f"{base} {way} {name}", "loss", at) for name in CHOOSERS}
        losses |= {name: over(f"{base} {name}", "loss", at) for name in ("none", "human part")}
        losses["human only"] = over("human_only", "loss", at)
        line[when] = {"loss": {name: _interval(values) for name, values in losses.items()}}
        gains = {name: losses["random"] - losses[name] for name in ("detector", "oracle")}
        line[when]["gain"] = {name: _interval(values) for name, values in gains.items()}
        line[when]["gain over no selection"] = {name: _interval(losses["none"] - losses[name]) for name in CHOOSERS}
        try:
            if (line[when]["gain"]["oracle"].get("high") or 0.0) <= 0:
                raise NotApplicable("the oracle gains nothing over a random choice, so that there is no share of it")
            ratio = ratio_of_paired_means(gains["detector"], gains["oracle"], "seeds")
            line[when]["share of the oracle's gain"] = {"value": ratio.value, "low": ratio.low, "high": ratio.high}
        except NotApplicable as why:
            line[when]["share of the oracle's gain"] = {"not defined": str(why)}
    every = slice(1, None)
    line["selection"] = {
        name: {word: _interval(over(f"{base} {way} {name}", word, every)) for word in ("human share learned", "spread", "tail")}
        for name in CHOOSERS
    }
    return line


def curves(seeds: dict[str, Any], way: str) -> Figure:
    """The held-out loss by generation, a panel for every kind of human text and share: the mean over seeds with its 95 % interval."""
    rows = []
    for text in ROWS:
        for share in SHARES[::-1]:
            base = f"{text} {share}"
            arms_of = {name: f"{base} {way} {name}" for name in CHOOSERS} | {
                "no selection": f"{base} none",
                "human part": f"{base} human part",
            }
            for arm, name in arms_of.items():
                losses = np.array([done[name]["loss"] for done in seeds.values() if name in done])
                for generation, values in enumerate(losses.T if len(losses) else []):
                    estimate = _interval(values)
                    rows.append((text, share, arm, generation, estimate["value"], estimate.get("low"), estimate.get("high")))
    data = table(
        rows, {"human text": str, "share": float, "arm": str, "generation": int, "loss": float, "low": float, "high": float}
    )
    x = {"field": "generation", "type": "quantitative", "title": "generation"}
    y = {"type": "quantitative", "scale": {"zero": False}, "title": "held-out loss, nats a token"}
    colour = {"field": "arm", "type": "nominal", "title": None, "scale": {"domain": list(COLOURS), "range": list(COLOURS.values())}}
    layers = [
        {"mark": {"type": "area", "opacity": 0.2}, "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": colour}},
        {"mark": {"type": "line"}, "encoding": {"x": x, "y": y | {"field": "loss"}, "color": colour}},
    ]  # fmt: skip
    facet = {"column": {"field": "share", "title": "human share"}, "row": {"field": "human text", "title": "human text"}}
    spec = {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "config": STYLE, "data": {"values": data.to_dicts()}, "facet": facet, "spec": {"width": 220, "height": 160, "layer": layers}}  # fmt: skip
    return Figure(
        f"hidden_origins-{way}", "Held-out loss where nobody says who wrote what", spec, data, "Bands: 95 % intervals over seeds."
    )


def _interval(values: np.ndarray) -> dict[str, float]:
    try:
        estimate = mean(values, "seeds")
    except NotApplicable:
        return {"value": round(float(values.mean()), 5)}
    assert estimate.low is not None and estimate.high is not None
    return {"value": round(estimate.value, 5), "low": round(estimate.low, 5), "high": round(estimate.high, 5)}


def markdown(rows: list[dict[str, Any]]) -> str:
    """The summary as Markdown."""
    heads = [
        "human text",
        "share",
        "way",
        "loss at random",
        "detector",
        "oracle",
        "human part",
        "share of the oracle's gain",
        "human share learned",
        "tail kept",
        "spread kept",
    ]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        end = row["at the end"]
        selected = row["selection"]["detector"]
        cells = [
            row["human text"], row["share"], row["way"], *(_in_words(end["loss"][name]) for name in ("random", "detector", "oracle", "human part")),
            _in_words(end["share of the oracle's gain"]), *(_in_words(selected[word]) for word in ("human share learned", "tail", "spread")),
        ]  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _in_words(estimate: dict[str, Any]) -> str:
    if "not defined" in estimate:
        return "not defined"
    if "low" not in estimate:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


if __name__ == "__main__":
    asked = sys.argv[1] if len(sys.argv) > 1 else "ngram"
    if asked != "summary":
        measure(asked, [int(word) for word in sys.argv[2:]] or list(SEEDS[asked]))
    summary()
