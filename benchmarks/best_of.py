"""What does choosing among many answers change, and what does it cost?

The AlpacaEval pool of ../shared/data has 805 prompts and one answer of each of thirteen models (phi-2 lacks two). `outcross.mix` keeps one answer to
each prompt: a random one, the answer of the best fixed source (the source with the best mean in these same prompts, so known only afterwards), or the
best answer of k sources (best_of). The comparison is thus of the best of thirteen sources with one source, and not of thirteen answers of one model.
Every percentage is relative to the mean over all answers, which is what random choice gives on average. phi-2 often writes far too long answers, and
one such source decides the longest of many answers; so the last row is of the other twelve models, relative to their own mean. For toxicity one
classifier chooses (TF-IDF and logistic regression; hate or offence against neither, Davidson et al. 2017), and another one, which was fitted on other
tweets, measures; the last column shows what the choosing classifier says of its own choice. Intervals are from 2,000 bootstrap samples of prompts.
Routing shows the gain of a router that sees only the prompt, cross-fitted over prompts; its table names the best teacher of each of the five sources
of prompts, which is known only afterwards.

    python benchmarks/best_of.py [folder of the data]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from figures import DATA, write

import outcross
from outcross.attributes.length import Words
from outcross.attributes.variety import Mtld
from outcross.ledger import stream

"""Beside the checkout."""
HUMAN, ODD = "human_reference", "phi-2"
SAMPLES = 2_000
Score = Callable[[list[str]], np.ndarray]


def answers(data: Path) -> pl.DataFrame:
    prompts = pl.read_parquet(data / "instructions" / "alpacaeval_prompts.parquet")
    outputs = pl.read_parquet(data / "instructions" / "alpacaeval_outputs.parquet")
    return outputs.filter(pl.col("model") != HUMAN).join(prompts, on="prompt_id").rename({"output": "text"})


def tweets_of(data: Path) -> pl.DataFrame:
    """The tweets of Davidson et al., each once."""
    return pl.read_parquet(data / "toxicity" / "davidson_tweets.parquet").unique("tweet", maintain_order=True)


def classifiers(data: Path, without: Sequence[str] = ()) -> tuple[list[Score], list[tuple[float, float, float]]]:
    """Two classifiers of toxic tweets that share no tweet, and the AUROC of each on the tweets of the other, with its interval. without: tweets that neither sees."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    tweets = tweets_of(data).filter(~pl.col("tweet").is_in([*without]))
    is_toxic, half = (tweets["class"] != 2).to_numpy(), stream("halves").permutation(tweets.height) % 2
    texts = tweets["tweet"].to_numpy()
    models = []
    for part in (0, 1):
        model = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True),
            LogisticRegression(C=10, max_iter=1000, class_weight="balanced"),
        )
        models.append(model.fit(texts[half == part], is_toxic[half == part]))
    scores = [lambda given, model=model: model.predict_proba(given)[:, 1] for model in models]
    return scores, [auroc(scores[part](texts[half != part]), is_toxic[half != part]) for part in (0, 1)]


def auroc(scores: np.ndarray, is_one: np.ndarray) -> tuple[float, float, float]:
    """With the interval of DeLong et al. (1988)."""
    from scipy.stats import rankdata

    ones, others = scores[is_one], scores[~is_one]
    ranks = rankdata(np.concatenate([ones, others]))
    above = (ranks[: ones.size] - rankdata(ones)) / others.size
    below = 1 - (ranks[ones.size :] - rankdata(others)) / ones.size
    error = 1.96 * np.sqrt(above.var(ddof=1) / ones.size + below.var(ddof=1) / others.size)
    return float(above.mean()), float(above.mean() - error), float(above.mean() + error)


def remembered(score: Score) -> Score:
    """A score that is worked out once a text."""
    known: dict[str, float] = {}

    def scored(texts: list[str]) -> np.ndarray:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, score(new).tolist() if new else (), strict=True))
        return np.array([known[text] for text in texts])

    return scored


def kept(frame: pl.DataFrame, filters: list[Any], seed: int = 0) -> outcross.Mix:
    """The answers of all sources after filters."""
    pools = [
        {"name": model, "data": frame.filter(pl.col("model") == model), "origin": {"model": model}, "prompt_column": "prompt_id"}
        for model in frame["model"].unique().sort()
    ]
    return outcross.mix(pools=pools, filters=filters, groups=["source"], text_column="text", seed=seed)


def of_prompts(frame: pl.DataFrame, values: np.ndarray) -> np.ndarray:
    """The mean of each prompt, prompts in their order; NaN where no answer has a number, as a variety of words without words."""
    means = (
        frame.select("prompt_id")
        .with_columns(value=pl.Series(values).fill_nan(None))
        .group_by("prompt_id")
        .agg(pl.col("value").mean())
    )
    return means.sort("prompt_id")["value"].fill_null(np.nan).to_numpy()


def beside(values: np.ndarray, reference: np.ndarray, name: str) -> dict[str, float]:
    """The mean over prompts, and how far it is from the reference as a fraction, with the interval over prompts."""
    there = ~np.isnan(values) & ~np.isnan(reference)
    values, reference = values[there], reference[there]
    draws = stream("prompts", name).integers(len(values), size=(SAMPLES, len(values)))
    ratios = values[draws].mean(axis=1) / reference[draws].mean(axis=1) - 1
    low, high = np.quantile(ratios, [0.025, 0.975]).tolist()
    return {
        "mean": float(values.mean()),
        "change": float(values.mean() / reference.mean() - 1),
        "low": low,
        "high": high,
        "n": len(values),
    }


def arms(frame: pl.DataFrame, name: str, by: Any, keep: str, measure: Score, own: Score) -> dict[str, Any]:
    """Random, the best fixed source, the best of k sources, and the best of all but the odd one."""
    best, without_odd = {"by": by, "keep": keep}, frame.filter(pl.col("model") != ODD)
    source = best_source(frame, measure, keep)
    fixed, others = frame.filter(pl.col("model") == source), frame["model"].n_unique()
    choices = [
        ("random, one draw", frame, *one_of(frame, {"best_of": {"by": "random"}})),
        (f"best fixed source ({source})", frame, fixed, None),
        ("best of 2 random sources", frame, *one_of(frame, {"best_of": best | {"k": 2}})),
        ("best of 5 random sources", frame, *one_of(frame, {"best_of": best | {"k": 5}})),
        (f"best of {others} sources", frame, *one_of(frame, {"best_of": best})),
        (f"best of {others - 1} sources, without {ODD}", without_odd, *one_of(without_odd, {"best_of": best})),
    ]
    rows = []
    for arm, every, chosen, filtered in choices:
        line = {"arm": arm} | beside(
            *(of_prompts(some, measure(some["text"].to_list())) for some in (chosen, every)), f"{name} {arm}"
        )
        itself = beside(*(of_prompts(some, own(some["text"].to_list())) for some in (chosen, every)), f"{name} {arm} own")
        is_whole = arm == f"best of {others} sources"
        rows.append(
            line | {"by_own": itself["change"]} | ({"costs": worth_saying(filtered["costs"])} if filtered and is_whole else {})
        )
    return {"name": name, "keep": keep, "rows": rows}


def worth_saying(costs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Spread and tails, and the groups that differ from a random selection."""
    return [line for line in costs if line["kind"] != "group" or line["verdict"] != "as random"]


def best_source(frame: pl.DataFrame, measure: Score, keep: str) -> str:
    values = pl.Series(measure(frame["text"].to_list())).fill_nan(None)
    means = frame.select("model").with_columns(value=values).group_by("model").agg(pl.col("value").mean())
    return means.sort("value", "model", descending=keep == "most")["model"][0]


def one_of(frame: pl.DataFrame, settings: dict[str, Any]) -> tuple[pl.DataFrame, dict[str, Any]]:
    mix = kept(frame, [settings])
    return mix.frame().sort("prompt_id"), mix.manifest["filters"][0]


def routed(frame: pl.DataFrame, reward: Score, name: str) -> list[dict[str, Any]]:
    values = reward(frame["text"].to_list())
    every = of_prompts(frame, values)
    by_source = (
        frame.with_columns(value=pl.Series(values).fill_nan(None))
        .group_by("source", "model")
        .agg(pl.col("value").mean())
        .sort("value", "model", descending=True)
    )
    table = {source: rows["model"][0] for (source,), rows in by_source.group_by("source", maintain_order=True)}
    rules = {
        "random": {"rule": "random"},
        "single": {"rule": "single", "reward": reward},
        "table": {"rule": "table", "by": "source", "table": table},
        "learned": {"rule": "learned", "reward": reward, "columns": ["source"]},
        "reward": {"rule": "reward", "reward": reward},
    }
    rows = []
    for rule, settings in rules.items():
        mix = kept(frame, [{"route": settings}])
        chosen = mix.frame().sort("prompt_id")
        facts = mix.manifest["filters"][0]["facts"]
        rows.append(
            {"rule": rule}
            | beside(of_prompts(chosen, reward(chosen["text"].to_list())), every, f"{name} {rule}")
            | {key: facts[key] for key in ("kl", "kl_without_prompts", "gain") if key in facts}
        )
    return rows


def main(data: Path = DATA) -> None:
    load = os.getloadavg()
    frame = answers(data)
    (chooses, measures), held_out = classifiers(data)
    chooses, measures, words, mtld = map(remembered, (chooses, measures, Words(), Mtld()))
    chosen = [
        arms(frame, "words", words, "most", words, words),
        arms(frame, "MTLD", mtld, "most", mtld, mtld),
        arms(frame, "toxicity", chooses, "least", measures, chooses),
    ]
    write(
        "best_of",
        __doc__ or "",
        load,
        {
            "chosen": chosen,
            "auroc": {"of the classifier that chooses": held_out[0], "of the one that measures": held_out[1]},
            "routed": {"words": routed(frame, words, "words"), "mtld": routed(frame, mtld, "mtld")},
            "prompts": frame["prompt_id"].n_unique(),
            "sources": frame["model"].unique().sort().to_list(),
        },
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
