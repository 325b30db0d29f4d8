"""How well are texts of models found when their generators and domains are new?

Detectors are fitted to all of l2r_12domains (three generators, twelve domains) and read fastdetect_squad_pubmed of ../shared/data: continuations and
answers by eight other generators in two other domains. No feature, setting or threshold was chosen on these texts, and they are read once. *Area*,
*hits* and *gain* are those of the question `detectors`, with the threshold of a domain's own human texts. Each row is for the texts as they are, or for
normalised texts. Intervals are from 1,000 bootstrap samples of groups.

    python benchmarks/lock_box.py
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import polars as pl
from detectors import BASELINE, BLEND, detector, linear, tfidf
from figures import DATA, RESULTS, write

from outcross.detectors.blend import BlendDetector
from outcross.detectors.classifier import ClassifierDetector
from outcross.detectors.ngram import NgramDetector
from outcross.ledger import stream
from outcross.statistics.prediction import area_under_the_curve
from outcross.text.normalised import normalised

RATES, SAMPLES = (0.01, 0.05), 1000
PROGRESS = RESULTS / "lock_box.progress.jsonl"
OURS = {
    "classifier of detect": ClassifierDetector(),
    BLEND: BlendDetector(detectors=(ClassifierDetector(), NgramDetector())),
}


def read() -> tuple[pl.DataFrame, pl.DataFrame]:
    """The texts to be fitted to, and those of the lock-box: every human text once, with its models' texts beside it."""
    known = pl.read_parquet(DATA / "human_ai" / "l2r_12domains.parquet").select("text", "model", "domain", "group_id", "label")
    pairs = pl.read_parquet(DATA / "human_ai" / "fastdetect_squad_pubmed.parquet")
    common = ("domain", "group_id")
    people = pairs.select(pl.col("human_text").alias("text"), pl.lit("human").alias("model"), *common).unique(
        "text", maintain_order=True
    )
    models = pairs.select(pl.col("ai_text").alias("text"), "model", *common)
    locked = pl.concat([people, models]).with_columns(
        label=pl.when(pl.col("model") == "human").then(pl.lit("human")).otherwise(pl.lit("ai"))
    )
    return known, locked


def scores(known: pl.DataFrame, locked: pl.DataFrame, form: str) -> dict[str, np.ndarray]:
    """By detector: the score of every text of the lock-box."""
    texts = [*known["text"].to_list(), *locked["text"].to_list()]
    texts = normalised(texts).strings if form == "normalised" else texts
    train, test = np.arange(known.height), np.arange(known.height, len(texts))
    is_model = (known["label"] == "ai").to_numpy()
    _, groups = np.unique(known["group_id"].to_numpy(), return_inverse=True)
    characters = tfidf(texts, fitted=known.height, analyzer="char", ngram_range=(2, 4), min_df=3, max_features=200_000)
    ours = {name: detector(own, texts, groups)(train, is_model, test) for name, own in OURS.items()}
    return {BASELINE: linear(characters)(train, is_model, test)} | ours


def hits(score: np.ndarray, is_model: np.ndarray, rate: float) -> float:
    human = np.sort(score[~is_model])
    return float((score[is_model] > human[int(np.ceil((human.size + 1) * (1 - rate))) - 1]).mean())


def line(locked: pl.DataFrame, by_detector: dict[str, np.ndarray], rows: np.ndarray) -> list[dict[str, Any]]:
    """A row a detector: areas and hits of some texts of one domain, with intervals over groups."""
    is_model = (locked["label"] == "ai").to_numpy()[rows]
    _, groups = np.unique(locked["group_id"].to_numpy()[rows], return_inverse=True)
    members = [np.flatnonzero(groups == group) for group in range(int(groups.max()) + 1)]
    samples = [
        np.concatenate([members[group] for group in stream("lock box", number).integers(len(members), size=len(members)).tolist()])
        for number in range(SAMPLES)
    ]
    table = []
    for name, whole in by_detector.items():
        score = whole[rows]
        row: dict[str, Any] = {"features": name, "human": int((~is_model).sum()), "model texts": int(is_model.sum())}
        row["area"] = area_under_the_curve(score, is_model).value
        for rate in RATES:
            row[f"hits at {rate:g}"] = hits(score, is_model, rate)
        draws = np.array([hits(score[own], is_model[own], 0.05) for own in samples])
        row["interval at 0.05"] = np.quantile(draws, (0.025, 0.975)).tolist()
        if name == BASELINE:
            baseline, at = draws, row["hits at 0.05"]
        else:
            row["gain at 0.05"] = [row["hits at 0.05"] - at, *np.quantile(draws - baseline, (0.025, 0.975)).tolist()]
        table.append(row)
    return table


def main() -> None:
    load = os.getloadavg()
    known, locked = read()
    done = [json.loads(row) for row in PROGRESS.read_text().splitlines()] if PROGRESS.exists() else []
    for form in ("normalised", "raw"):
        if any(row["form"] == form for row in done):
            continue
        by_detector = scores(known, locked, form)
        new = []
        for domain in locked["domain"].unique().sort().to_list():
            own = (locked["domain"] == domain).to_numpy()
            for generator in ["all", *locked.filter(own)["model"].unique().sort().to_list()]:
                if generator == "human":
                    continue
                chosen = own & locked["model"].is_in(["human", generator]).to_numpy() if generator != "all" else own
                where = {"form": form, "domain": domain, "generator": generator}
                new += [where | row for row in line(locked, by_detector, np.flatnonzero(chosen))]
        done += new
        with PROGRESS.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in new)
        write("lock_box", __doc__ or "", load, {"lock_box": done})
        print(*new, sep="\n", flush=True)
    PROGRESS.unlink()


if __name__ == "__main__":
    main()
