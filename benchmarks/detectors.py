"""How well are texts of models told from human texts, and by which features?

The texts are the human and AI texts of ../shared/data (l2r_12domains): 2,400 groups of a human text and its rewrites by three models, in five folds
by group. In-domain: all three generators are in calibration and test. Held-out: the generator of the AI texts of the test is in no calibration text.
The threshold is the order statistic of the human texts of the test fold at 1 % and 5 % false positives, over all domains together. Every row has two
versions: the texts without change, and normalised texts (outcross.text.normalised). Intervals are from 1,000 bootstrap samples of groups. The gain is
the paired difference from the baseline (TF-IDF of character runs of 2 to 4, logistic regression). Likelihoods and blends are fitted to scores by models
that learned from other groups. The two control detectors read lengths, or
punctuation and white space, and no word.

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
from outcross.attributes.perplexity import ngram_reading
from outcross.detectors import Detector
from outcross.detectors.blend import BlendDetector
from outcross.detectors.classifier import ClassifierDetector
from outcross.detectors.features import frequent_words, pieces
from outcross.detectors.ngram import NgramDetector
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


def style(texts: list[str]) -> np.ndarray:
    """Attributes, how unevenly sentences are long, how well the text can be compressed, and the rates of the hundred most frequent words."""
    attributes = [member(ATTRIBUTES, name, "attribute")() for name in ATTRIBUTES if name != "perplexity"]
    columns = [np.nan_to_num(attribute(texts), nan=-1.0) for attribute in attributes]
    common = {word: at for at, word in enumerate(frequent_words(texts, 100))}
    rates, uneven = np.zeros((len(texts), len(common))), np.zeros((len(texts), 4))
    for row, text in enumerate(texts):
        words = [piece.lower() for piece in pieces(text)]
        for word in words:
            if word in common:
                rates[row, common[word]] += 1
        rates[row] /= max(len(words), 1)
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


def halves(groups: np.ndarray, name: str) -> np.ndarray:
    """A half, 0 or 1, of each text; the texts of a group are in one. Halves of two names are independent."""
    return stream("halves", name).permutation(int(groups.max()) + 1)[groups] % 2


def likelihoods(texts: list[str], groups: np.ndarray) -> Score:
    """Logistic regression on ln p a byte under n-gram models of human training texts and of models' training texts, their difference, and the length.

    A training text is read by models of the other half of the groups: a rewrite of it, from which a model learned, would tell who wrote it, and no test text has one.
    """
    from sklearn.linear_model import LogisticRegression

    half, sizes = halves(groups, "likelihoods"), np.array([max(len(text.encode()), 1) for text in texts])

    def score(train: np.ndarray, is_model: np.ndarray, test: np.ndarray) -> np.ndarray:
        def nats(rows: np.ndarray, of_half: int) -> np.ndarray:
            learned = [
                [texts[row] for row in train[(half[train] == of_half) & (is_model == kind)].tolist()] for kind in (False, True)
            ]
            read = [texts[row] for row in rows.tolist()]
            return np.stack([ngram_reading(own, 3).nats(read) / sizes[rows] for own in learned], axis=1)

        def features(rows: np.ndarray, nats_a_byte: np.ndarray) -> np.ndarray:
            return np.column_stack([nats_a_byte, nats_a_byte[:, 0] - nats_a_byte[:, 1], np.log(sizes[rows])])

        own = np.zeros((train.size, 2))
        for number in (0, 1):
            own[half[train] == number] = nats(train[half[train] == number], 1 - number)
        known, new = features(train, own), features(test, (nats(test, 0) + nats(test, 1)) / 2)
        centre, scale = known.mean(axis=0), known.std(axis=0)
        model = LogisticRegression(class_weight="balanced", max_iter=500).fit((known - centre) / scale, is_model)
        return model.decision_function((new - centre) / scale)

    return score


def blend(parts: Sequence[Score], groups: np.ndarray) -> Score:
    """Logistic regression on the scores of several; a training text is scored by fits to the other half of the groups."""
    from sklearn.linear_model import LogisticRegression

    half = halves(groups, "blend")

    def score(train: np.ndarray, is_model: np.ndarray, test: np.ndarray) -> np.ndarray:
        known = np.zeros((train.size, len(parts)))
        for number in (0, 1):
            rest, own = half[train] != number, half[train] == number
            known[own] = np.stack([part(train[rest], is_model[rest], train[own]) for part in parts], axis=1)
        scale = known.std(axis=0)
        model = LogisticRegression(class_weight="balanced", max_iter=500).fit(known / scale, is_model)
        return model.decision_function(np.stack([part(train, is_model, test) for part in parts], axis=1) / scale)

    return score


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


def detector(ours: Detector, texts: list[str], groups: np.ndarray, fitted: int | None = None) -> Score:
    """A detector of detect; the frequent words that it knows are those of the first `fitted` texts, of all where left out."""
    features = ours.reader(texts[:fitted])(texts)
    return lambda train, is_model, test: ours.fit(features[train], is_model, groups[train], stream("fit")).score(features[test])


def families(texts: list[str], raw: list[str], groups: np.ndarray) -> dict[str, Callable[[], Score]]:
    signs = r"\w+|[^\w\s]"
    alone = {
        BASELINE: lambda: linear(tfidf(texts, analyzer="char", ngram_range=(2, 4), min_df=3, max_features=200_000)),
        "classifier of detect": lambda: detector(ClassifierDetector(), texts, groups),
        "words and pairs": lambda: linear(tfidf(texts, ngram_range=(1, 2), min_df=2, token_pattern=signs)),
        "style, function words, burstiness, compression": lambda: trees(style(texts)),
        "likelihood under n-gram models": lambda: likelihoods(texts, groups),
    }
    return alone | {
        "the five above, blended": lambda: blend([make() for make in alone.values()], groups),
        BLEND: lambda: detector(BlendDetector(detectors=(ClassifierDetector(), NgramDetector())), texts, groups),
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
