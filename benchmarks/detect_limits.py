"""How well could any test see that a part of the texts is by a generator that is in no sample?

The setting is that of the held-out generator in `detect_shares`: the samples of detect have human texts and texts of two generators, and mixtures of
1,000 texts hold a share by a third generator. The three tests of the table know what detect does not, namely texts of the third generator, from the
groups of the calibration half. They show what is possible at best; how often detect itself says "unlike" is in `detect_shares`.

From these texts a test has, for every text, how likely it is under the generators of the samples and under the third one, relative to people. These
densities are from a multinomial regression on the scores of three classifiers of detect, each calibrated on two of the three kinds of texts. *Knows
generator and share*: the sum of the log-ratios of the true mixture and of the nearest mixture of the samples' kinds is compared with its distribution
in 1,000 mixtures of the samples' kinds. *Knows generator*: the likelihood ratio of a mixture of three kinds against one of two kinds is compared with
its distribution in 200 such mixtures. Both thresholds are 95 % quantiles of mixtures from the test half, so that both tests know these distributions
without error, which no real test does. *Knows generator and share, samples with errors*: the mean of the same log-ratio in a mixture is compared with
that in the two samples, with the errors of all three, as detect tests its features. Mixtures are drawn with
replacement, so that the texts of the test half stand for all texts. Intervals are Student's over splits; there is none where all splits agree. If a number of groups is
given, each split has as many of the 2,400, drawn at random.

    python benchmarks/detect_limits.py [splits] [groups]
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from detect_shares import TEXTS, split
from figures import DATA, RESULTS, write

from outcross.detectors.calibrated import AuthorSample, calibrated
from outcross.detectors.classifier import ClassifierDetector
from outcross.detectors.samples import CalibrationSample
from outcross.detectors.samples import calibration as sample_of
from outcross.estimate import mean
from outcross.ledger import stream
from outcross.statistics.mixture_fit import mixture_fit
from outcross.statistics.two_sources import efficient_moment
from outcross.text.normalised import normalised
from outcross.verbs.detect.shares import RATE
from outcross.verbs.detect.work import calibration

SHARES, SPLITS, MIXTURES, NULLS, FEWER = (0.05, 0.1, 0.25, 0.5), 6, 60, 1000, 200
KIND = "held-out generator"
TESTS = ("knows generator and share", "knows generator", "knows generator and share, samples with errors")
PROGRESS = RESULTS / "detect_limits.progress.jsonl"


@dataclass(frozen=True)
class Ratios:
    """The densities of texts of the samples' generators and of the third one, divided by that of people."""

    of_test: np.ndarray
    """(n, 2)"""
    of_samples: list[np.ndarray]
    """For people and for the samples' generators, each text by the classifiers that did not see it, (n, 2)."""
    groups: list[np.ndarray]
    """The groups of the samples' texts."""

    def log_ratios(self, share: float, other: float) -> list[np.ndarray]:
        """The log of the density of the mixture with the third generator, divided by that of the nearest mixture; for the test and the samples."""
        return [
            np.log(1 - share + share * own[:, 1]) - np.log(1 - other + other * own[:, 0])
            for own in (self.of_test, *self.of_samples)
        ]

    def moments(self, other: float) -> list[np.ndarray]:
        """The efficient moment of the share at the nearest mixture, for the test and the samples."""
        return [efficient_moment(np.log(own[:, 0]), other) for own in (self.of_test, *self.of_samples)]


def ratios(frames: list[pl.DataFrame], test: pl.DataFrame, number: int) -> Ratios:
    """Calibrate on human texts, texts of the samples' generators and texts of the third generator, and read the texts of the test."""
    samples = [sample_of(author, frame, "", "text", 0) for author, frame in zip(("human", "model", "edited"), frames, strict=True)]
    detector, together = ClassifierDetector(), calibration(ClassifierDetector(), samples, "group_id", number)
    people, seen, third = together.samples
    texts = normalised(test["text"].to_list()).strings
    reader = together.detectors[0].reader
    between, own = calibrated(detector, [_of(seen), _of(third), _of(people)], together.folds, reader, stream("between", number))
    unseen = [*(list(detector_ratios) for detector_ratios in together.ratios), [own[2], own[0], own[1]]]
    scores = [np.stack([each[kind] for each in unseen], axis=1) for kind in range(3)]
    of_test = np.stack([each.log_ratios(texts).mean(axis=1) for each in (*together.detectors, between)], axis=1)
    of_test, of_people, of_seen = _densities(scores, [of_test, *scores[:2]])
    return Ratios(of_test, [of_people, of_seen], [people.groups, seen.groups])


def _of(sample: CalibrationSample) -> AuthorSample:
    return AuthorSample(sample.content, sample.groups)


def _densities(scores: list[np.ndarray], texts: list[np.ndarray]) -> list[np.ndarray]:
    from sklearn.linear_model import LogisticRegression

    kinds = np.repeat(np.arange(3), [len(own) for own in scores])
    model = LogisticRegression(C=10, class_weight="balanced", max_iter=500).fit(np.concatenate(scores), kinds)
    logs = [model.predict_log_proba(own) for own in texts]
    return [np.exp(np.clip(log[:, 1:] - log[:, :1], -30, 30)) for log in logs]


def nearest(ratio: np.ndarray, human: np.ndarray, third: np.ndarray, share: float) -> float:
    """The share of the samples' generators whose mixture with people is nearest to the mixture with the third generator."""
    from scipy.optimize import minimize_scalar

    def loss(other: float) -> float:
        log = np.log(1 - other + other * ratio[:, 0])
        return -float((1 - share) * log[human].mean() + share * log[third].mean())

    return float(minimize_scalar(loss, bounds=(0, 1), method="bounded").x)  # type: ignore[attr-defined]  # scipy has no types


def likelihood_ratio(ratio: np.ndarray) -> float:
    """Twice the log of the likelihood of the best mixture of three kinds, divided by that of the best one of two. ratio: (n, 2)."""

    def best(own: np.ndarray) -> float:
        weights = np.full(own.shape[1], 0.1)
        for _ in range(100):
            parts = weights * own
            weights = (parts / (1 - weights.sum() + parts.sum(axis=1, keepdims=True))).mean(axis=0)
        return float(np.log(1 - weights.sum() + own @ weights).sum())

    return 2 * (best(ratio) - best(ratio[:, :1]))


def of_split(frame: pl.DataFrame, number: int) -> list[dict[str, Any]]:
    """The power of each test in one split, for each share."""
    known, test = split(frame, KIND, number)
    _, every = split(frame, "in-domain", number)
    generators = set(known["model"].to_list()) - {"human"}
    groups = known["group_id"].unique()
    (generator,) = set(test["model"].to_list()) - {"human"}
    third = frame.filter((pl.col("model") == generator) & pl.col("group_id").is_in(groups.implode()))
    of_people, of_seen = (known.filter(pl.col("label") == label) for label in ("human", "ai"))
    known_ratios = ratios([of_people, of_seen, third], every, number)
    ratio, groups_of_test = known_ratios.of_test, every["group_id"].rank("dense").to_numpy()
    model = every["model"].to_numpy()
    human, seen, unseen = (np.flatnonzero(np.isin(model, list(names))) for names in ({"human"}, generators, {generator}))
    rows = []
    for share in SHARES:
        rng = stream("limits", number, share)

        def draws(source: np.ndarray, chance: float, rng: np.random.Generator = rng) -> np.ndarray:
            many = int(rng.binomial(TEXTS, chance))
            return np.concatenate([rng.choice(human, TEXTS - many), rng.choice(source, many)])

        other = nearest(ratio, human, unseen, share)
        features = [
            np.stack(pair, axis=1) for pair in zip(known_ratios.log_ratios(share, other), known_ratios.moments(other), strict=True)
        ]
        value = features[0][:, 0]
        mixtures = [draws(unseen, share) for _ in range(MIXTURES)]
        nulls = [draws(seen, other) for _ in range(NULLS)]
        limits = (
            np.quantile([value[drawn].sum() for drawn in nulls], 1 - RATE),
            np.quantile([likelihood_ratio(ratio[drawn]) for drawn in nulls[:FEWER]], 1 - RATE),
        )
        alarms = (
            [value[drawn].sum() > limits[0] for drawn in mixtures],
            [likelihood_ratio(ratio[drawn]) > limits[1] for drawn in mixtures],
            [
                mixture_fit([features[0][drawn], *features[1:]], [groups_of_test[drawn], *known_ratios.groups]).p <= RATE
                for drawn in mixtures
            ],
        )
        power = {name: float(np.mean(own)) for name, own in zip(TESTS, alarms, strict=True)}
        rows.append({"split": number, "generator": generator, "share": share, "nearest": other} | power)
    return rows


def summaries(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a share: the power of each test with its interval over splits."""
    rows: list[dict[str, Any]] = []
    for share in SHARES:
        own = [line for line in lines if line["share"] == share]
        powers: dict[str, dict[str, float | None]] = {}
        for name in TESTS:
            power = np.array([line[name] for line in own])
            over_splits = mean(power, "splits")
            half = None if over_splits.high is None or np.ptp(power) == 0 else over_splits.high - over_splits.value
            powers[name] = {"value": over_splits.value, "half": half}
        rows.append({"share": share, "splits": len(own), "mixtures": MIXTURES * len(own), "powers": powers})
    return rows


def some(frame: pl.DataFrame, groups: int | None, number: int) -> pl.DataFrame:
    """The texts of so many groups at random; all if no number is given."""
    if groups is None:
        return frame
    every = frame["group_id"].unique().sort()
    chosen = every.gather(np.sort(stream("limits", "groups", number).permutation(len(every))[:groups]))
    return frame.filter(pl.col("group_id").is_in(chosen.implode()))


def main(splits: int = SPLITS, groups: int | None = None) -> None:
    frame, load = pl.read_parquet(DATA / "human_ai" / "l2r_12domains.parquet"), os.getloadavg()
    lines = [json.loads(line) for line in PROGRESS.read_text().splitlines()] if PROGRESS.exists() else []
    for number in range(splits):
        if not any(line["split"] == number for line in lines):
            new = of_split(some(frame, groups, number), number)
            lines += new
            with PROGRESS.open("a") as file:
                file.writelines(json.dumps(line) + "\n" for line in new)
            print(json.dumps(new), flush=True)
    rows = summaries(lines)
    write("detect_limits", __doc__ or "", load, {"groups": groups, "powers": rows, "splits": lines})
    print(json.dumps(rows, indent=1))
    PROGRESS.unlink(missing_ok=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
