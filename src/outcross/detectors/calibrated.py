"""Calibration of any detector on unseen texts: log-odds, thresholds at a false-positive rate, and the numbers for estimates of a set's share.

The calibration texts are assigned to folds by their groups, so that texts of the same document, and near duplicates, are in the same fold. Each fold
is scored by a detector that is fitted to the other folds. A new text is scored by the detectors of all folds. The averages over folds for a set and
for the calibration texts use the same detectors, so an estimate of a share from such averages needs no assumption about the fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from outcross import own_source
from outcross.detectors import Detector, FittedDetector, Reader, features_of, fitted, scores, stacked
from outcross.detectors.lengths import USUAL, cut_words, in_pieces, words_of
from outcross.detectors.records import TypedRecords
from outcross.errors import BadInput
from outcross.runtime import telling

FOLDS = 5
LENGTHS = (10, 25, 50, 100, 200, 400)
"""Lengths in words for which thresholds are computed, if there are human texts of that length."""
LONGEST = 800
"""Maximum number of words that are scored together. A longer text is scored in pieces of this length, and its log-odds are their mean."""
FEWEST = 50
"""Minimum number of groups of texts of each author."""
STEEPEST = 12.0
"""Maximum absolute log-ratio of a text: no text counts as more than e¹² times as likely under one author."""


Content = list[str] | TypedRecords
"""The data that are judged: normalised texts, or records of a table."""


@dataclass(frozen=True, eq=False)
class AuthorSample:
    """Texts or records of one author, with their groups."""

    content: Content
    groups: np.ndarray
    """Group numbers, (n,), which are common to the samples of all authors: a human text and its rewrite by a model are in the same group."""


@dataclass(frozen=True, eq=False)
class LogRatioLine:
    """log A(x)/H(x) as a linear function of the score, with an intercept and a slope that depend linearly on the logarithm of the number of words."""

    weights: np.ndarray
    """Coefficients of intercept, score, log words and score × log words, (4,)."""
    centre: float
    scale: float

    def __call__(self, scores: np.ndarray, words: np.ndarray) -> np.ndarray:
        return np.clip(_design((scores - self.centre) / self.scale, words) @ self.weights, -STEEPEST, STEEPEST)


@dataclass(frozen=True, eq=False)
class CalibratedDetector:
    """A detector that is calibrated on two samples, and gives each text x the log-ratio log A(x)/H(x).

    Posterior odds are prior odds times the exponential of the log-ratio.
    """

    recipe: Detector
    reader: Reader
    fits: tuple[FittedDetector, ...]
    line: LogRatioLine
    human: np.ndarray
    """Log-ratios of the human calibration texts, (n,), each by the detector that did not see the text."""
    ai: np.ndarray
    excerpts: dict[int, tuple[np.ndarray, np.ndarray]]
    """For each length in words: log-ratios of the human texts of at least this length, cut to it, and their rows. Records have only the length
    `USUAL`."""

    def log_ratios(self, content: Content) -> np.ndarray:
        """Return the log-ratios by every fold's detector, (n, folds); NaN if it abstains."""
        return log_ratios_by_all(self.reader, self.fits, self.line, content)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the detector as the arrays that a step would store. Raises BadInput if a detector of the user does not define them."""
        recipe = self.recipe
        if recipe.needs_ai and type(recipe).arrays is Detector.arrays:
            raise BadInput(
                f"{own_source.place_of(type(recipe), 'fit')} does not store its fit, so no other process can use it; define arrays(self, reader, fitted) and "
                "restored(self, arrays), or leave out --workers and --ray"
            )
        arrays = [recipe.arrays(self.reader, fit) for fit in self.fits]
        return _sent, (recipe, arrays, self.line, self.human, self.ai, self.excerpts)


def _sent(
    recipe: Detector, arrays: Sequence[dict[str, np.ndarray]], line: LogRatioLine, human: np.ndarray, ai: np.ndarray, excerpts: Any
) -> CalibratedDetector:
    """Return the calibrated detector that `CalibratedDetector.__reduce__` pickled."""
    parts = [recipe.restored(own) for own in arrays]
    return CalibratedDetector(recipe, parts[0][0], tuple(fit for _, fit in parts), line, human, ai, excerpts)


def sizes_of(content: Content) -> np.ndarray:
    """Return the number of words of each text, (n,); `USUAL` for records, which have no length."""
    return np.full(len(content), USUAL) if isinstance(content, TypedRecords) else words_of(content)


def fold_of(groups: np.ndarray, rng: np.random.Generator, folds: int = FOLDS) -> np.ndarray:
    """Assign the groups evenly to folds at random, and return the fold of each group, (groups,)."""
    fold = np.empty(groups.size, np.int64)
    fold[rng.permutation(groups.size)] = np.arange(groups.size) % folds
    return fold


def calibrated(
    detector: Detector, samples: Sequence[AuthorSample], folds: np.ndarray, reader: Reader, rng: np.random.Generator
) -> tuple[CalibratedDetector, list[np.ndarray]]:
    """Fit and calibrate a detector that distinguishes the author of the second sample from the first (people).

    Also returns the log-ratios of every sample's texts, each by the detector that did not see its group. `folds` is the fold of each group. Raises
    BadInput if the detector scores no text of one of the two samples.
    """
    features = [features_of(detector, reader, sample.content) for sample in samples]
    fold_of_text = [folds[sample.groups] for sample in samples]
    words = [sizes_of(sample.content) for sample in samples]
    fits, unseen_scores = [], [np.full(len(sample.content), np.nan) for sample in samples]
    fold_count = int(folds.max()) + 1
    for fold in range(fold_count):
        telling.get()(fold / fold_count)
        human, ai = (np.flatnonzero(fold_of_text[side] != fold) for side in (0, 1))
        is_ai = np.arange(human.size + ai.size) >= human.size
        groups = np.concatenate((samples[0].groups[human], samples[1].groups[ai]))
        fits.append(fitted(detector, stacked(features[0][human], features[1][ai]), is_ai, groups, rng))
        for side, feature in enumerate(features):
            held_out = np.flatnonzero(fold_of_text[side] == fold)
            if held_out.size:
                unseen_scores[side][held_out] = scores(fits[-1], feature[held_out])
    line = _line(unseen_scores[0], unseen_scores[1], words[0], words[1])
    ratios = [line(score, count) for score, count in zip(unseen_scores, words, strict=True)]
    telling.get()(1.0)
    lengths = (USUAL,) if isinstance(samples[0].content, TypedRecords) else LENGTHS
    excerpts = {length: _cut(samples[0], fold_of_text[0], words[0], length, reader, fits, line) for length in lengths}
    return CalibratedDetector(detector, reader, tuple(fits), line, ratios[0], ratios[1], excerpts), ratios


def _cut(
    sample: AuthorSample,
    fold: np.ndarray,
    words: np.ndarray,
    length: int,
    reader: Reader,
    fits: Sequence[FittedDetector],
    line: LogRatioLine,
) -> tuple[np.ndarray, np.ndarray]:
    """Return log-ratios of a sample's texts of at least `length` words, cut to this length, and their rows.

    Each log-ratio is by the detector that did not see the text.
    """
    rows = np.flatnonzero(words >= length)
    ratios = np.full(rows.size, np.nan)
    if rows.size:
        content = sample.content
        cut = content[rows] if isinstance(content, TypedRecords) else cut_words([content[row] for row in rows.tolist()], length)
        features = reader(cut)
        for number, fit in enumerate(fits):
            held_out = np.flatnonzero(fold[rows] == number)
            if held_out.size:
                ratios[held_out] = line(scores(fit, features[held_out]), np.full(held_out.size, length))
    return ratios, rows


def log_ratios_by_all(reader: Reader, fits: Sequence[FittedDetector], line: LogRatioLine, content: Content) -> np.ndarray:
    """Return the log-ratios of texts or records by every fold's detector, (n, folds); NaN if it abstains. A long text is read in pieces."""
    counts = sizes_of(content)
    pieces, owner, long = content, np.arange(len(content)), []
    if not isinstance(content, TypedRecords) and (long := np.flatnonzero(counts > LONGEST).tolist()):
        cut = [(row, piece) for row in long for piece in in_pieces(content[row], LONGEST)]
        kept = np.flatnonzero(counts <= LONGEST)
        pieces = [content[row] for row in kept.tolist()] + [piece for _, piece in cut]
        owner = np.concatenate((kept, np.array([row for row, _ in cut], np.int64)))
    features, words = reader(pieces), sizes_of(pieces) if long else counts
    ratios = np.stack([line(scores(fit, features), words) for fit in fits], axis=1)
    if not long:
        return ratios
    weights = np.maximum(words, 1).astype(np.float64)
    total = np.bincount(owner, weights, len(content))
    return np.stack([np.bincount(owner, weights * column, len(content)) / total for column in ratios.T], axis=1)


def _line(human: np.ndarray, ai: np.ndarray, human_words: np.ndarray, ai_words: np.ndarray) -> LogRatioLine:
    """Fit a logistic regression to scores of unseen texts. Both authors have the same total weight, so the result is a log-ratio of densities."""
    from scipy.optimize import minimize

    values, words = np.concatenate((human, ai)), np.concatenate((human_words, ai_words))
    is_ai = np.arange(values.size) >= human.size
    is_scored = np.isfinite(values)
    if not (is_scored & is_ai).any() or not (is_scored & ~is_ai).any():
        raise BadInput("the detector scores no text of one of the samples; give longer texts")
    values, words, is_ai = values[is_scored], words[is_scored], is_ai[is_scored]
    centre, scale = float(values.mean()), float(values.std()) or 1.0
    design = _design((values - centre) / scale, words)
    weights = np.where(is_ai, 0.5 / is_ai.sum(), 0.5 / (~is_ai).sum())
    sign = np.where(is_ai, 1.0, -1.0)

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (design @ line)
        slope = -weights * sign / (1 + np.exp(np.clip(margin, -700, 700)))
        return float((weights * np.logaddexp(0, -margin)).sum() + 1e-6 * line @ line), design.T @ slope + 2e-6 * line

    return LogRatioLine(minimize(loss, np.zeros(4), jac=True, method="BFGS").x, centre, scale)


def _design(scores: np.ndarray, words: np.ndarray) -> np.ndarray:
    length = np.log(np.maximum(words, 1)) - np.log(USUAL)
    return np.stack((np.ones(scores.size), scores, length, scores * length), axis=1)
