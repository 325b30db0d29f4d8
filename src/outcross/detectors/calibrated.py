"""Any detector, calibrated on texts that it did not see: log-odds, thresholds at a false-positive rate, and what a set's share is estimated from.

The calibration texts are dealt to folds by their groups, so that texts of one document, and twins, are never on both sides. Each fold is scored by a detector that is
fitted to the others, and a new text by all of them: what is averaged over the folds for a set is averaged over the same folds for the
calibration texts, so that a share that is computed from such averages needs no assumption on how the detectors were fitted.
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
"""Words at which thresholds are taken, as far as there are human texts of that length."""
LONGEST = 800
"""Words of a text that are scored together; a longer one is scored in such pieces, and its log-odds are the mean."""
FEWEST = 50
"""Groups of texts of each author, at least."""
STEEPEST = 12.0
"""The largest log-ratio of a text, in size: a text is never held to be more than e¹² times as likely under one author."""


Content = list[str] | TypedRecords
"""What is judged: texts in the form that detectors read, or records of a table."""


@dataclass(frozen=True, eq=False)
class AuthorSample:
    """Texts or records of one author, and the group of each."""

    content: Content
    groups: np.ndarray
    """(n,), numbers that samples of several authors share: a human text and its rewrite by a model are one group."""


@dataclass(frozen=True, eq=False)
class LogRatioLine:
    """log A(x)/H(x) as a line in the score, whose level and slope change with the logarithm of the words."""

    weights: np.ndarray
    """(4,): level, score, log words, score × log words."""
    centre: float
    scale: float

    def __call__(self, scores: np.ndarray, words: np.ndarray) -> np.ndarray:
        return np.clip(_design((scores - self.centre) / self.scale, words) @ self.weights, -STEEPEST, STEEPEST)


@dataclass(frozen=True, eq=False)
class CalibratedDetector:
    """A detector after two samples. Texts are log-ratios log A(x)/H(x): prior odds times their exponential are posterior odds."""

    recipe: Detector
    reader: Reader
    fits: tuple[FittedDetector, ...]
    line: LogRatioLine
    human: np.ndarray
    """Of the human calibration texts, each by the detector that did not see it, (n,)."""
    ai: np.ndarray
    excerpts: dict[int, tuple[np.ndarray, np.ndarray]]
    """By words: log-ratios of the human texts that are so long, cut there, and the row of each. Records have the one length `USUAL`."""

    def log_ratios(self, content: Content) -> np.ndarray:
        """By every fold's detector, (n, folds); NaN where it abstains."""
        return log_ratios_by_all(self.reader, self.fits, self.line, content)

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to another process as the arrays that a step would store. BadInput where a detector of the user's own has none."""
        recipe = self.recipe
        if recipe.needs_ai and type(recipe).arrays is Detector.arrays:
            raise BadInput(
                f"{own_source.place_of(type(recipe), 'fit')} keeps nothing of a fit, so that no other process can use it; write arrays(self, reader, fitted) and "
                "restored(self, arrays), or leave --workers and --ray out"
            )
        arrays = [recipe.arrays(self.reader, fit) for fit in self.fits]
        return _sent, (recipe, arrays, self.line, self.human, self.ai, self.excerpts)


def _sent(
    recipe: Detector, arrays: Sequence[dict[str, np.ndarray]], line: LogRatioLine, human: np.ndarray, ai: np.ndarray, excerpts: Any
) -> CalibratedDetector:
    """A calibrated detector from what `CalibratedDetector.__reduce__` sent."""
    parts = [recipe.restored(own) for own in arrays]
    return CalibratedDetector(recipe, parts[0][0], tuple(fit for _, fit in parts), line, human, ai, excerpts)


def sizes_of(content: Content) -> np.ndarray:
    """Words of each text, (n,); of each record `USUAL`, as records are not longer or shorter than others."""
    return np.full(len(content), USUAL) if isinstance(content, TypedRecords) else words_of(content)


def fold_of(groups: np.ndarray, rng: np.random.Generator, folds: int = FOLDS) -> np.ndarray:
    """The fold of each group, dealt evenly, (groups,)."""
    fold = np.empty(groups.size, np.int64)
    fold[rng.permutation(groups.size)] = np.arange(groups.size) % folds
    return fold


def calibrated(
    detector: Detector, samples: Sequence[AuthorSample], folds: np.ndarray, reader: Reader, rng: np.random.Generator
) -> tuple[CalibratedDetector, list[np.ndarray]]:
    """A detector of the second sample's author against the first's (people), and the log-ratios of every sample's texts, each by the detector that did not see its group.

    folds: the fold of each group. Raises BadInput where a sample has too few groups.
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
    """The log-ratios of a sample's texts that have so many words, cut there, each by the detector that did not see it; and the row of each."""
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
    """Log-ratios of texts or records by every fold's detector, (n, folds); NaN where it abstains. A long text is read in pieces."""
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
    """Logistic regression on the scores of texts that no fit saw; each author counts a half, so that it is a log-ratio of densities."""
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
