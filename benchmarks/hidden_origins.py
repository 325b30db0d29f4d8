"""Does a detector prevent collapse where no record says who wrote it?

Every generation learns from a mixture of human text and of the text that the last generation wrote (WikiText-2 of ../shared/data). The arms differ in
what they choose from the mixture: everything (*no selection*); a *random choice* of the same size as a detector's; the choice of a *detector* that is
fitted once, to human text that no model learns from and to text that generation 0 writes for it alone; the choice of an *oracle* that knows the
authors; and the *human part alone*. There are two ways to choose. *Each record once*: half of the mixture, each record at most once. *Published
selector*: 1.5 times as many draws as there are records, each record at most three times (Drayson et al., EMNLP 2025). The human share of the mixture is
.1, .25 or .5. Its human text is the same at every generation (fixed), or text that no generation has seen (fresh).

The n-gram model of words has 800 records, ten generations and five seeds. It is fitted in closed form and takes no steps; the arms of one way to choose
read the same number of records. The transformer has two layers of width 64, 400 records, six generations and two seeds, takes the same number of
optimiser steps in every arm, and is run with the published selector alone.

The tables have the held-out loss at the last generation in nats a token; intervals are t over seeds, which are wide for two. The gain of an arm is the
loss of the random choice of the same size minus that of the arm. The share of the oracle's gain has Fieller's interval; it is not defined where the
interval of the oracle's gain includes 0. The last columns say what the detector's choice holds, as a mean over generations: its human share, the rare
words (at most three times in the mixture) that it keeps, and the different words that it keeps, both relative to random choices of the same size.

The study takes hours: a seed of the n-gram model takes about three minutes, and a seed of the transformer about half an hour. A later call runs only
what is missing.

    python benchmarks/hidden_origins.py [ngram | transformer] [SEED …]
"""

from __future__ import annotations

import argparse
import gzip
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from figures import DATA, RESULTS, machine, restate, today, write
from sessions import stored

from outcross.estimate import NotApplicable, mean
from outcross.experiment import experiment
from outcross.files.whole import write_whole
from outcross.ledger import Ledger
from outcross.loop import run
from outcross.report.charts import STYLE
from outcross.report.figure import Figure, table
from outcross.statistics.ratios import ratio_of_paired_means

PATH = RESULTS / "hidden_origins.json"
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


def main() -> None:
    asked, load = _asked(), os.getloadavg()
    text = Path(tempfile.gettempdir()) / "outcross-wikitext2.txt"
    write_whole(text, b"".join(gzip.decompress(path.read_bytes()) for path in TEXTS))
    for learner in [asked.learner] if asked.learner else LEARNERS:
        for seed in asked.seeds or SEEDS[learner]:
            measure(learner, seed, text, load)
    if PATH.exists():
        measured = stored(PATH)["measured"]
        restate("hidden_origins", __doc__ or "", results_of(measured))
        for way in WAYS if "ngram" in measured else ():
            curves(arms_of(measured["ngram"]), way).save(RESULTS / f"hidden_origins-{way}.svg")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("learner", nargs="?", choices=list(LEARNERS), help="both if left out")
    parser.add_argument("seeds", nargs="*", type=int, metavar="SEED", help="all of the study if left out")
    return parser.parse_args()


def measure(learner: str, seed: int, text: Path, load: tuple[float, float, float]) -> None:
    """Run the arms that are missing of a seed, and write each as it ends."""
    ledger = Ledger(None)
    for name, policy in arms(learner).items():
        measured = stored(PATH).get("measured", {})
        of_seed = measured.setdefault(learner, {}).setdefault(str(seed), {"arms": {}})
        if name in of_seed["arms"]:
            continue
        read: dict[str, list[float | None]] = {}
        for generation in run(experiment(settings(learner, seed, str(text)) | {"policy": policy}), ledger):
            estimates = {(reading.measure, reading.at): reading.estimate for reading in generation.measured if not reading.column}
            for place, word in READ.items():
                estimate = estimates.get(place)
                read.setdefault(word, []).append(None if estimate is None else round(estimate.value, 5))
        print(learner, seed, name, read["loss"][-1], flush=True)
        of_seed |= {"date": today(), "machine": machine()}
        of_seed["arms"][name] = read
        write("hidden_origins", __doc__ or "", load, results_of(measured))


def results_of(measured: dict[str, Any]) -> dict[str, Any]:
    """What has been measured, by learner and seed, and its summary for each learner."""
    summaries = {learner: summarised(arms_of(seeds)) for learner, seeds in measured.items()}
    return {"origins": {learner: rows for learner, rows in summaries.items() if rows}, "measured": measured}


def arms_of(seeds: dict[str, Any]) -> dict[str, Any]:
    """The readings of every arm, by seed."""
    return {seed: of_seed["arms"] for seed, of_seed in seeds.items()}


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


if __name__ == "__main__":
    main()
