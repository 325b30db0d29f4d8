"""The share of texts of each author, from log-ratios of the data and of the calibration samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from outcross.errors import BadInput
from outcross.estimate import NORMAL_QUANTILE, Estimate, NotApplicable
from outcross.statistics.clusters import covariance_of_means
from outcross.statistics.mixture_fit import mixture_fit
from outcross.statistics.two_sources import (
    ScoredSample,
    adjusted_count,
    efficient_moment,
    inside_unit,
    most_likely_share,
    share_by_moments,
)
from outcross.verbs.detect.reading import JudgedData
from outcross.verbs.detect.work import Calibration

METHOD = "moments of the likeliest share, Fieller over groups of texts"
SEVERAL = "moments of the likeliest shares, delta over groups of texts"
RATE = 0.05
"""A mixture that fits as badly as that in so few of all sets is held to be none."""
BINS = 10
"""Bins of the log-ratio in the test of its histogram."""
TOGETHER = 1 << 17
"""Rows of ratios that are computed with together."""
FEWEST = 30
"""Texts of a set whose share is estimated, at least."""


@dataclass(frozen=True)
class Shares:
    """What is known of the authors of some texts."""

    n: int
    """Texts that are long enough to be judged."""
    model: Estimate
    """Written by a model."""
    edited: Estimate | None = None
    """Written by people and edited by a model; None where no sample of such texts is given."""
    human: Estimate | None = None
    """Written by people; None where the share of models says it (1 less)."""

    @property
    def people(self) -> Estimate:
        """Written by people."""
        if self.human is not None:
            return self.human
        assert self.model.low is not None and self.model.high is not None
        return Estimate(1 - self.model.value, 1 - self.model.high, 1 - self.model.low, self.model.method, self.model.n)


def shares(calibrated: Calibration, data: JudgedData, rows: np.ndarray) -> Shares:
    """The shares of some rows of the data. NotApplicable where they are too few, or where the samples do not differ."""
    rows = rows[data.is_judged[rows]]
    if rows.size < FEWEST:
        raise NotApplicable(f"a share needs at least {FEWEST} that can be judged, there are {rows.size}")
    _, groups = np.unique(data.groups[rows], return_inverse=True)
    if len(calibrated.detectors) == 1:
        return Shares(rows.size, _of_one(calibrated, data.ratios[rows, 0], groups))
    return _of_several(calibrated, data.ratios[rows].astype(np.float64), groups)


def _of_one(calibrated: Calibration, ratios: np.ndarray, groups: np.ndarray) -> Estimate:
    """The share of models. ratios: (n, folds), in single precision."""
    start = most_likely_share(_by_rows(lambda some: np.exp(some).mean(axis=1), ratios))
    human, ai = calibrated.ratios[0][:2]
    return share_by_moments(
        ScoredSample(_by_rows(lambda some: efficient_moment(some, start).mean(axis=1), ratios), groups),
        ScoredSample(efficient_moment(human, start), calibrated.samples[0].groups),
        ScoredSample(efficient_moment(ai, start), calibrated.samples[1].groups),
        METHOD,
    )


def _by_rows(function: Callable[[np.ndarray], np.ndarray], ratios: np.ndarray) -> np.ndarray:
    """What a function makes of each row, (n,); of many rows in runs, so that memory holds one number a row. ratios: (n, folds) in single precision."""
    runs = [function(ratios[at : at + TOGETHER].astype(np.float64)) for at in range(0, len(ratios), TOGETHER)]
    return np.concatenate([np.zeros(0), *runs])


def _of_several(calibrated: Calibration, ratios: np.ndarray, groups: np.ndarray) -> Shares:
    """The shares of models and of editors: two moments, those of the likelihood's slopes at the likeliest shares, and the delta interval. ratios: (n, detectors, folds)."""
    ratio = np.exp(ratios)
    start = _likeliest(ratio.mean(axis=2))
    mixed = _slopes(ratio, start).mean(axis=2)
    sources = []
    for number in range(len(calibrated.samples)):
        own = np.stack([detector[number] for detector in calibrated.ratios], axis=1)
        sources.append(_slopes(np.exp(own)[:, :, None], start)[:, :, 0])
    means = [values.mean(axis=0) for values in (mixed, *sources)]
    own_error = covariance_of_means([mixed], [groups])[0, 0]
    errors = covariance_of_means(sources, [sample.groups for sample in calibrated.samples])
    across = np.stack([mean - means[1] for mean in means[2:]], axis=1)  # (moments, sources)
    if np.linalg.cond(across) > 1e8:
        raise NotApplicable("the samples of models and of edited texts cannot be told apart")
    inverse = np.linalg.inv(across)
    unclipped = inverse @ (means[0] - means[1])
    share = np.clip(unclipped, 0, 1)
    weights = np.concatenate(([1 - share.sum()], share))
    spread = own_error + np.einsum("k,klij,l->ij", weights, errors, weights)
    covariance = inverse @ spread @ inverse.T

    def estimate(value: float, variance: float) -> Estimate:
        half = NORMAL_QUANTILE * math.sqrt(max(variance, 0.0))
        return inside_unit(value, value - half, value + half, SEVERAL, len(ratios))

    model, edited = (estimate(float(unclipped[at]), float(covariance[at, at])) for at in (0, 1))
    return Shares(len(ratios), model, edited, estimate(1 - float(unclipped.sum()), float(covariance.sum())))


def _likeliest(ratio: np.ndarray) -> np.ndarray:
    """The shares of each source but the first that maximise the likelihood, by expectation and maximisation, kept inside. ratio: (n, sources)."""
    share = np.full(ratio.shape[1], 1 / (ratio.shape[1] + 1))
    for _ in range(500):
        weights = share * ratio
        now = (weights / (1 - share.sum() + weights.sum(axis=1, keepdims=True))).mean(axis=0)
        if np.abs(now - share).max() < 1e-6:
            break
        share = now
    return np.clip(share, 0.02, 0.9) / max(1.0, float(np.clip(share, 0.02, 0.9).sum()) / 0.96)


def _slopes(ratio: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(r − 1)/(1 + Σ α (r − 1)) of each source. ratio: (n, sources, folds)."""
    excess = ratio - 1
    return excess / (1 + (share[None, :, None] * excess).sum(axis=1, keepdims=True))


def posteriors(calibrated: Calibration, data: JudgedData, share: float) -> np.ndarray:
    """P(a model wrote it) of each text where models wrote this share, (n,); NaN where a text cannot be judged."""
    inside = min(max(share, 1e-6), 1 - 1e-6)
    log_ratio = _by_rows(lambda some: some.mean(axis=1), data.ratios[:, 0])
    return 1 / (1 + np.exp(-(log_ratio + math.log(inside / (1 - inside)))))


def counted(calibrated: Calibration, data: JudgedData) -> tuple[float, float | None]:
    """The naive count of texts that look more like a model's than like people's, and that count adjusted for false alarms and misses (Forman 2008); None where there are as many false alarms as hits."""
    judged = data.is_judged
    flagged = float((data.ratios[judged, 0] > 0).mean())
    human, ai = (float((own > 0).mean()) for own in calibrated.ratios[0][:2])
    return flagged, adjusted_count(flagged, human, ai) if ai > human else None


def fits(calibrated: Calibration, data: JudgedData) -> tuple[float, dict[str, float]]:
    """P that a mixture of the two kinds of calibration texts looks as unlike them as the data, and by test: what the detector reads, and what it does not. NotApplicable where there are too few."""
    rows = data.plain_rows[data.is_judged[data.plain_rows]]
    where = data.is_judged[data.plain_rows]
    if rows.size < FEWEST:
        raise NotApplicable("too few can be judged")
    _, groups = np.unique(data.groups[rows], return_inverse=True)
    of_groups = [groups, *(sample.groups for sample in calibrated.samples)]
    plain = [data.plain[where], *calibrated.plain]
    steps: list[list[np.ndarray]] = [[] for _ in plain]
    for number, own in enumerate(calibrated.ratios):
        edges = np.quantile(np.concatenate(own), np.arange(1, BINS) / BINS)
        steps[0].append((data.ratios[rows, number][:, :, None] > edges).mean(axis=1))
        for sample, ratios in enumerate(own):
            steps[sample + 1].append(ratios[:, None] > edges)
    histograms = [np.concatenate(step, axis=1).astype(np.float64) for step in steps]
    p_values = {"histogram of the log-ratio": mixture_fit(histograms, of_groups).p}
    for name, columns in calibrated.judging.plain_columns.items():
        p_values[name] = mixture_fit([side[:, columns] for side in plain], of_groups).p
    return min(1.0, len(p_values) * min(p_values.values())), p_values


def checked_rate(rate: float) -> None:
    """BadInput for a false-positive rate that is none."""
    if not 0 < rate <= 0.5:
        raise BadInput(f"--fpr must be above 0 and at most 0.5, got {rate:g}; write 0.01 for one human text in a hundred")
