"""Estimates of the share of each author, from log-ratios of the data and of the calibration samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from outcross.detectors.records import TypedRecords
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
from outcross.verbs.detect.work import STYLE, Calibration

METHOD = "moments of the likeliest share, Fieller over groups of texts"
SEVERAL = "moments of the likeliest shares, delta over groups of texts"
RATE = 0.05
"""Level of the test that the data are a mixture of the calibration kinds; a smaller p-value means that they are not."""
BINS = 10
"""Number of bins of the log-ratio in the test of its histogram."""
TOGETHER = 1 << 17
"""Number of rows of ratios that are processed together."""
SMALLEST_SHARE = 0.1
"""Minimum share of models by which texts are weighted in the test of their words. With a smaller one the weighted means would come from a few texts."""
LARGEST_SUM = 0.96
"""Maximum sum of the shares of all sources but the first. Larger sums are scaled down to it before moments and weights are computed."""
FEWEST = 30
"""Minimum number of texts for an estimate of a share."""


@dataclass(frozen=True)
class Shares:
    """Shares of the authors of a set of texts."""

    n: int
    """Number of texts that are long enough to be judged."""
    model: Estimate
    """Share written by a model."""
    edited: Estimate | None = None
    """Share written by people and edited by a model; None without a sample of such texts."""
    human: Estimate | None = None
    """Share written by people; None if it is 1 minus the share of models."""

    @property
    def people(self) -> Estimate:
        """Share written by people."""
        if self.human is not None:
            return self.human
        assert self.model.low is not None and self.model.high is not None
        return Estimate(1 - self.model.value, 1 - self.model.high, 1 - self.model.low, self.model.method, self.model.n)


def shares(calibrated: Calibration, data: JudgedData, rows: np.ndarray) -> Shares:
    """Return the shares for these rows of the data. Raises NotApplicable if there are too few rows, or if the samples do not differ."""
    return MixtureRows.of(calibrated, data, rows).shares()


@dataclass(frozen=True, eq=False)
class MixtureRows:
    """Rows of the data that can be judged. What does not depend on the sample of models is computed once."""

    calibrated: Calibration
    data: JudgedData
    rows: np.ndarray

    @classmethod
    def of(cls, calibrated: Calibration, data: JudgedData, rows: np.ndarray) -> MixtureRows:
        """Return those of these rows that can be judged. Raises NotApplicable if there are too few."""
        judged = rows[data.is_judged[rows]]
        if judged.size < FEWEST:
            unit = "records" if isinstance(calibrated.human.content, TypedRecords) else "texts"
            raise NotApplicable(f"a share needs at least {FEWEST} {unit} that can be judged, got {judged.size}")
        return cls(calibrated, data, judged)

    @property
    def groups(self) -> np.ndarray:
        """The group of each row, (n,)."""
        return self.data.groups[self.rows]

    def shares(self, models_rows: np.ndarray | None = None) -> Shares:
        """Return the shares. Raises NotApplicable if the samples do not differ.

        With `models_rows` the shares are those that result if all texts of models in the data are like these rows of the sample of models.
        """
        sources = _sources(self.calibrated)
        if models_rows is not None:
            sources[1] = SourceRatios(sources[1].ratios[models_rows], sources[1].groups[models_rows])
        if len(sources) > 2:
            return _of_several(sources, self.data.ratios[self.rows].astype(np.float64), self.groups)
        human, ai = (ScoredSample(efficient_moment(source.ratios[:, 0], self._start), source.groups) for source in sources)
        return Shares(self.rows.size, share_by_moments(self._moments, human, ai, METHOD))

    @cached_property
    def _start(self) -> float:
        """The likeliest share of models."""
        return most_likely_share(_by_rows(lambda some: np.exp(some).mean(axis=1), self.data.ratios[:, 0], self.rows))

    @cached_property
    def _moments(self) -> ScoredSample:
        """The moment of each row at the likeliest share."""
        moment = _by_rows(lambda some: efficient_moment(some, self._start).mean(axis=1), self.data.ratios[:, 0], self.rows)
        return ScoredSample(moment, self.groups)


@dataclass(frozen=True, eq=False)
class SourceRatios:
    """The log-ratios of the calibration texts of one author."""

    ratios: np.ndarray
    """(n, detectors)"""
    groups: np.ndarray
    """The group of each text, (n,). Texts of different authors may belong to one group."""


def _sources(calibrated: Calibration) -> list[SourceRatios]:
    return [
        SourceRatios(np.stack([detector[number] for detector in calibrated.ratios], axis=1), sample.groups)
        for number, sample in enumerate(calibrated.samples)
    ]


def _by_rows(function: Callable[[np.ndarray], np.ndarray], ratios: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Apply a function to rows of `ratios` (n, folds) and return its results, (rows,). It works in batches of rows to limit the memory."""
    runs = [function(ratios[rows[at : at + TOGETHER]].astype(np.float64)) for at in range(0, len(rows), TOGETHER)]
    return np.concatenate([np.zeros(0), *runs])


def _of_several(sources: Sequence[SourceRatios], ratios: np.ndarray, groups: np.ndarray) -> Shares:
    """Return the shares of models and of editors, from two moments with delta intervals. `ratios` are (n, detectors, folds).

    The moments are the slopes of the likelihood at the likeliest shares.
    """
    ratio = np.exp(ratios)
    start = _likeliest(ratio.mean(axis=2))
    mixed = _slopes(ratio, start).mean(axis=2)
    slopes = [_slopes(np.exp(source.ratios)[:, :, None], start)[:, :, 0] for source in sources]
    means = [values.mean(axis=0) for values in (mixed, *slopes)]
    own_error = covariance_of_means([mixed], [groups])[0, 0]
    errors = covariance_of_means(slopes, [source.groups for source in sources])
    across = np.stack([mean - means[1] for mean in means[2:]], axis=1)  # (moments, sources)
    if np.linalg.cond(across) > 1e8:
        raise NotApplicable("the samples of models and of edited texts cannot be distinguished")
    inverse = np.linalg.inv(across)
    unclipped = inverse @ (means[0] - means[1])
    share = np.clip(unclipped, 0, 1)
    weights = np.concatenate(([1 - share.sum()], share))
    spread = own_error + np.einsum("k,klij,l->ij", weights, errors, weights)
    covariance = inverse @ spread @ inverse.T

    def estimate(value: float, variance: float) -> Estimate:
        half = NORMAL_QUANTILE * math.sqrt(max(variance, 0.0))
        return inside_unit(value, value - half, value + half, SEVERAL, ScoredSample(mixed, groups))

    model, edited = (estimate(float(unclipped[at]), float(covariance[at, at])) for at in (0, 1))
    return Shares(len(ratios), model, edited, estimate(1 - float(unclipped.sum()), float(covariance.sum())))


def _likeliest(ratio: np.ndarray) -> np.ndarray:
    """Return the maximum-likelihood shares of all sources but the first, by expectation-maximisation. `ratio` is (n, sources).

    The shares are limited to the inside of their range.
    """
    share = np.full(ratio.shape[1], 1 / (ratio.shape[1] + 1))
    for _ in range(500):
        weights = share * ratio
        now = (weights / (1 - share.sum() + weights.sum(axis=1, keepdims=True))).mean(axis=0)
        if np.abs(now - share).max() < 1e-6:
            break
        share = now
    inside = np.clip(share, 0.02, 0.9)
    return inside * min(1.0, LARGEST_SUM / float(inside.sum()))


def _slopes(ratio: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return (r − 1)/(1 + Σ α (r − 1)) for each source. `ratio` is (n, sources, folds)."""
    excess = ratio - 1
    return excess / (1 + (share[None, :, None] * excess).sum(axis=1, keepdims=True))


def posteriors(calibrated: Calibration, data: JudgedData, share: float) -> np.ndarray:
    """Return P(a model wrote the text) for each text, (n,), if models wrote this share of texts; NaN if a text cannot be judged."""
    inside = min(max(share, 1e-6), 1 - 1e-6)
    prior = math.log(inside / (1 - inside))
    return _by_rows(lambda some: 1 / (1 + np.exp(-(some.mean(axis=1) + prior))), data.ratios[:, 0], np.arange(len(data)))


def counted(calibrated: Calibration, data: JudgedData) -> tuple[float, float | None]:
    """Return the share of texts that look more like a model's than a human text, and this share adjusted for false alarms and misses (Forman 2008).

    The adjusted share is None if the rate of false alarms is at least the rate of hits.
    """
    judged = data.is_judged
    flagged = float((data.ratios[judged, 0] > 0).mean())
    human, ai = (float((own > 0).mean()) for own in calibrated.ratios[0][:2])
    return flagged, adjusted_count(flagged, human, ai) if ai > human else None


def fits(calibrated: Calibration, data: JudgedData) -> tuple[float, dict[str, float]]:
    """Return the p-value of the hypothesis that the data are a mixture of the kinds of calibration texts, and the p-value of each test.

    The first test uses the log-ratios of the detector, and the others use features that it does not read. The rates of words and signs are weighted by the chance
    that a person did not write the text. If a part of the models' texts comes from another generator, the likelihood changes by this chance times a
    function of the text (it is the derivative of log((1 − α) H + α ((1 − ε) A + ε B)) in ε), and the words of people only add noise. Raises
    NotApplicable if there are too few texts.
    """
    rows = data.plain_rows[data.is_judged[data.plain_rows]]
    where = data.is_judged[data.plain_rows]
    if rows.size < FEWEST:
        raise NotApplicable("too few texts or records can be judged")
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
        sides = [side[:, columns] for side in plain]
        if name == STYLE:
            chances = _not_by_people(calibrated, data.ratios[rows].astype(np.float64))
            sides = [chance[:, None] * side for chance, side in zip(chances, sides, strict=True)]
        p_values[name] = mixture_fit(sides, of_groups).p
    return min(1.0, len(p_values) * min(p_values.values())), p_values


def _not_by_people(calibrated: Calibration, ratios: np.ndarray) -> list[np.ndarray]:
    """Return the chance that a person did not write each text, at the likeliest shares, for the data and for each calibration sample, (n,) each.

    `ratios` are (n, detectors, folds).
    """
    share = np.maximum(_likeliest(np.exp(ratios).mean(axis=2)), SMALLEST_SHARE)
    share = (share * min(1.0, LARGEST_SUM / float(share.sum())))[None, :, None]
    odds = [(share * np.exp(own)).sum(axis=1) for own in (ratios, *(source.ratios[:, :, None] for source in _sources(calibrated)))]
    return [(own / (1 - share.sum() + own)).mean(axis=1) for own in odds]


def checked_rate(rate: float) -> None:
    """Raise BadInput for a false-positive rate outside (0, 0.5]."""
    if not 0 < rate <= 0.5:
        raise BadInput(f"--fpr must be above 0 and at most 0.5, got {rate:g}; write 0.01 for one human text in a hundred")
