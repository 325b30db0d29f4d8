"""How well are texts of models told from human texts, and by which features?

The texts are the human and AI texts of ../shared/data (l2r_12domains): 2,400 groups of a human text and its rewrites by three models, in five folds
by group. A detector is fitted and calibrated on four folds and tested on the fifth. If a *generator is held out*, the models' texts of the test are of
that generator, and no text of it is in the other folds. Each row is for the texts as they are, or for *normalised* texts, whose forms of letters, white
space and punctuation are made alike (outcross.text.normalised).

*Area* is that under the ROC curve. *Hits* are the share of models' texts that are found at a threshold which 1 % or 5 % of the human texts of the test
fold exceed, over all domains together. The *gain* is the difference in hits from the baseline on the same texts (TF-IDF of runs of 2 to 4 characters,
logistic regression). Two control detectors read lengths, or punctuation and white space, and no word. The rows *of detect* are the detectors of the
command, as it fits and calibrates them. Intervals are from 1,000 bootstrap samples of groups.

    python benchmarks/detectors.py
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
from figures import DATA, RESULTS, write

from outcross.attributes import ATTRIBUTES
from outcross.detectors import Detector
from outcross.detectors.blend import BlendDetector
from outcross.detectors.calibrated import AuthorSample, calibrated, fold_of
from outcross.detectors.classifier import ClassifierDetector
from outcross.detectors.features import frequent_words
from outcross.detectors.ngram import NgramDetector
from outcross.detectors.pieces import in_runs, pieces_of, spellings
from outcross.ledger import stream
from outcross.recipe import member
from outcross.statistics.prediction import area_under_the_curve
from outcross.text.normalised import normalised
from outcross.verbs.detect.unlike import lengths_alone, signs_alone

FOLDS, SAMPLES, RATES = 5, 1000, (0.01, 0.05)
GENERATORS = ("GPT-3-Turbo", "GPT-4o", "Llama-3-70B")
BASELINE = "character runs (baseline)"
BLEND = "blend of detect: classifier, ngram"
PROGRESS = RESULTS / "detectors.progress.jsonl"
Score = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From training rows, whether each training text is a model's, and test rows to the scores of these."""


def linear(features: Any, strength: float = 10.0) -> Score:
    from sklearn.linear_model import LogisticRegression

    def score(train: np.ndarray, is_model: np.ndarray, test: np.ndarray) -> np.ndarray:
        model = LogisticRegression(C=strength, solver="liblinear", class_weight="balanced", max_iter=300, random_state=0)
        return model.fit(features[train], is_model).decision_function(features[test])

    return score


def trees(features: np.ndarray) -> Score:
    from sklearn.ensemble import HistGradientBoostingClassifier

    def score(train: np.ndarray, is_model: np.ndarray, test: np.ndarray) -> np.ndarray:
        model = HistGradientBoostingClassifier(max_iter=150, learning_rate=0.08, class_weight="balanced", random_state=0)
        return model.fit(features[train], is_model).decision_function(features[test])

    return score


def tfidf(texts: Sequence[str], fitted: int | None = None, **settings: Any) -> Any:
    """Weighted counts of every text; words and weights are those of the first `fitted` texts, of all where left out."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    reader = TfidfVectorizer(sublinear_tf=True, **settings)
    return reader.fit(texts[:fitted]).transform(texts)


def word_rates(texts: Sequence[str], words: np.ndarray) -> np.ndarray:
    """The share of each of some words among the words and signs of each text, (n, words)."""
    pieces, n = pieces_of(texts), len(texts)
    counts = [np.bincount(pieces.owner[pieces.spelling == word], minlength=n) for word in words]
    return np.stack(counts, axis=1) / np.maximum(np.bincount(pieces.owner, minlength=n), 1)[:, None]


def style(texts: list[str]) -> np.ndarray:
    """Attributes, how unevenly sentences are long, how well the text can be compressed, and the rates of the hundred most frequent words."""
    attributes = [member(ATTRIBUTES, name, "attribute")() for name in ATTRIBUTES if name != "perplexity"]
    columns = [np.nan_to_num(attribute(texts), nan=-1.0) for attribute in attributes]
    common, uneven = spellings(frequent_words(texts, 100)), np.zeros((len(texts), 4))
    rates = np.concatenate([word_rates(texts[first:end], common) for first, end in in_runs(texts)])
    for row, text in enumerate(texts):
        lengths = np.array(
            [len(sentence.split()) for sentence in text.replace("!", ".").replace("?", ".").split(".") if sentence.strip()] or [0]
        )
        uneven[row] = (
            lengths.mean(),
            lengths.std(),
            lengths.std() / max(lengths.mean(), 1),
            len(zlib.compress(text.encode())) / max(len(text), 1),
        )
    return np.column_stack([*columns, uneven, rates])


def likelihoods(texts: list[str], groups: np.ndarray) -> Score:
    """How much more probable a byte an n-gram model of models' training texts holds a text than one of human training texts."""
    column = np.array(texts, object)[:, None]
    return lambda train, is_model, test: (
        NgramDetector().fit(column[train], is_model, groups[train], stream("fit")).score(column[test])
    )


def pairs(features: Any, groups: np.ndarray, strength: float = 10.0) -> Score:
    """Logistic regression without a level on the differences between a model's text and the human one that it rewrote."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    def score(train: np.ndarray, is_model: np.ndarray, test: np.ndarray) -> np.ndarray:
        human = {groups[row]: row for row in train[~is_model].tolist()}
        own = [row for row in train[is_model].tolist() if groups[row] in human]
        sign = np.where(np.arange(len(own)) % 2, -1, 1)
        difference = csr_matrix((features[own] - features[[human[groups[row]] for row in own]]).multiply(sign[:, None]))
        model = LogisticRegression(C=strength, solver="liblinear", fit_intercept=False, max_iter=300, random_state=0).fit(
            difference, sign > 0
        )
        return features[test] @ model.coef_[0]

    return score


def detector(ours: Detector, texts: list[str], groups: np.ndarray) -> Score:
    """A detector as detect calibrates it on the training texts: the mean log-ratio of five fits, each of which leaves out a fifth of the groups, by a line in score and length."""

    def score(train: np.ndarray, is_model: np.ndarray, test: np.ndarray) -> np.ndarray:
        sides = [train[is_model == side] for side in (False, True)]
        read = [[texts[row] for row in rows.tolist()] for rows in sides]
        samples = [AuthorSample(own, groups[rows]) for own, rows in zip(read, sides, strict=True)]
        folds = fold_of(np.arange(int(groups.max()) + 1), stream("calibration"))
        reader = ours.reader([*read[0], *read[1]])
        return (
            calibrated(ours, samples, folds, reader, stream("fit"))[0]
            .log_ratios([texts[row] for row in test.tolist()])
            .mean(axis=1)
        )

    return score


def families(texts: list[str], raw: list[str], groups: np.ndarray) -> dict[str, Callable[[], Score]]:
    signs = r"\w+|[^\w\s]"
    return {
        BASELINE: lambda: linear(tfidf(texts, analyzer="char", ngram_range=(2, 4), min_df=3, max_features=200_000)),
        "classifier of detect": lambda: detector(ClassifierDetector(), texts, groups),
        BLEND: lambda: detector(BlendDetector(detectors=(ClassifierDetector(), NgramDetector())), texts, groups),
        "words and pairs": lambda: linear(tfidf(texts, ngram_range=(1, 2), min_df=2, token_pattern=signs)),
        "style, function words, burstiness, compression": lambda: trees(style(texts)),
        "likelihood under n-gram models": lambda: likelihoods(texts, groups),
        "differences of pairs, words": lambda: pairs(tfidf(texts, ngram_range=(1, 2), min_df=2, token_pattern=signs), groups),
        "control: length alone": lambda: linear(lengths_alone(raw)),
        "control: punctuation and white space alone": lambda: trees(signs_alone(raw)),
    }


def scores(frame: pl.DataFrame, score: Score, held_out: str) -> tuple[np.ndarray, np.ndarray]:
    """The score of each test text, folds one after another, and its row."""
    is_model, generator = (frame["label"] == "ai").to_numpy(), frame["model"].to_numpy()
    _, groups = np.unique(frame["group_id"].to_numpy(), return_inverse=True)
    fold = stream("folds").permutation(int(groups.max()) + 1)[groups] % FOLDS
    scored, rows = [], []
    for number in range(FOLDS):
        train = np.flatnonzero((fold != number) & (generator != held_out))
        test = np.flatnonzero((fold == number) & (~is_model | (generator == held_out) | (not held_out)))
        scored.append(score(train, is_model[train], test))
        rows.append(test)
    return np.concatenate(scored), np.concatenate(rows)


def hits(score: np.ndarray, is_model: np.ndarray, rate: float) -> float:
    human = np.sort(score[~is_model])
    return float((score[is_model] > human[int(np.ceil((human.size + 1) * (1 - rate))) - 1]).mean())


def line(frame: pl.DataFrame, score: np.ndarray, rows: np.ndarray, baseline: np.ndarray | None) -> dict[str, Any]:
    is_model = (frame["label"] == "ai").to_numpy()[rows]
    _, groups = np.unique(frame["group_id"].to_numpy()[rows], return_inverse=True)
    order = np.argsort(groups, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(groups))))
    row: dict[str, Any] = {"area": area_under_the_curve(score, is_model).value} | {
        f"hits at {rate:g}": hits(score, is_model, rate) for rate in RATES
    }
    draws, gains = [], []
    for sample in range(SAMPLES):
        chosen = stream("bootstrap", sample).integers(starts.size - 1, size=starts.size - 1)
        own = np.concatenate([order[starts[group] : starts[group + 1]] for group in chosen.tolist()])
        draws.append(hits(score[own], is_model[own], 0.05))
        if baseline is not None:
            gains.append(draws[-1] - hits(baseline[own], is_model[own], 0.05))
    row["interval at 0.05"] = np.quantile(draws, (0.025, 0.975)).tolist()
    if baseline is not None:
        row["gain at 0.05"] = [row["hits at 0.05"] - hits(baseline, is_model, 0.05), *np.quantile(gains, (0.025, 0.975)).tolist()]
    return row


def by_domain(frame: pl.DataFrame, score: np.ndarray, rows: np.ndarray) -> dict[str, float]:
    """Hits at 5 % false positives of each domain's own human texts."""
    domain, is_model = frame["domain"].to_numpy()[rows], (frame["label"] == "ai").to_numpy()[rows]
    return {name: hits(score[domain == name], is_model[domain == name], 0.05) for name in sorted(set(domain.tolist()))}


def main() -> None:
    load = os.getloadavg()
    frame = pl.read_parquet(DATA / "human_ai" / "l2r_12domains.parquet")
    raw = frame["text"].to_list()
    _, groups = np.unique(frame["group_id"].to_numpy(), return_inverse=True)
    done = [json.loads(row) for row in PROGRESS.read_text().splitlines()] if PROGRESS.exists() else []
    for form, texts in (("normalised", normalised(raw).strings), ("raw", raw)):
        baselines: dict[str, np.ndarray] = {}
        for name, make in families(texts, raw, groups).items():
            if form == "normalised" and name.startswith("control"):
                continue
            finished = [row for row in done if row["form"] == form and row["features"] == name]
            if len(finished) == 4 and name != BASELINE:
                continue
            scorer = make()
            for held_out in ("", *GENERATORS):
                score, rows = scores(frame, scorer, held_out)
                if name == BASELINE:
                    baselines[held_out] = score
                if any(row["held_out"] == held_out for row in finished):
                    continue
                new = {"form": form, "features": name, "held_out": held_out} | line(
                    frame, score, rows, None if name == BASELINE else baselines[held_out]
                )
                if name == "classifier of detect":
                    new["domains"] = by_domain(frame, score, rows)
                done.append(new)
                with PROGRESS.open("a") as file:
                    file.write(json.dumps(new) + "\n")
                write("detectors", __doc__ or "", load, {"detectors": done})
                print({key: value for key, value in new.items() if key != "domains"}, flush=True)
    write("detectors", __doc__ or "", load, {"detectors": done})
    PROGRESS.unlink()


if __name__ == "__main__":
    main()
