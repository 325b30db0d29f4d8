"""What can be said without texts of models: the least share of the data that the human sample cannot explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from outcross.detectors import Detector, features_of, fitted, scores
from outcross.detectors.calibrated import FEWEST, FOLDS, fold_of
from outcross.detectors.lengths import words_of
from outcross.detectors.samples import LEAST, CalibrationSample, batches, grouped, opened, text_column
from outcross.errors import BadInput
from outcross.statistics.two_sources import ScoredSample, at_least
from outcross.text.normalised import normalised
from outcross.verbs.detect.result import Detection

if TYPE_CHECKING:
    from outcross.verbs.detect.question import DetectQuestion

MOST = 20_000
"""Texts of the data that are held against the human sample; of more a random sample."""
WARNING = (
    "Without texts of models the share has a lower limit alone (positive and unlabelled): texts of models that look like the human sample cannot be seen, "
    "and texts of people of another kind count as unlike it. _p_ai is cannot_tell; give --ai."
)


def least_share(question: DetectQuestion, detector: Detector, human: CalibrationSample) -> Detection:
    """The least share of other texts, from a detector that tells the data from the human sample, each text scored by one that did not see its group. BadInput where either is too small."""
    source = opened(question.data, "data")
    column = text_column(source, question.text_column, "data")
    raw = [text for batch in batches(source, column, ()) for text in batch[column].to_list()]
    form = normalised(raw).strings
    words = words_of(form)
    rows = np.flatnonzero(words >= LEAST)
    if rows.size > MOST:
        rows = np.sort(np.random.default_rng([question.seed, 1]).choice(rows, MOST, replace=False))
    texts = [form[row] for row in rows.tolist()]
    from dataclasses import replace

    data = CalibrationSample("data", texts, texts, words[rows], human.table.clear(), int((words < LEAST).sum()), 0)
    groups = grouped([human, data], None)
    own = [replace(human, groups=groups[: len(human.texts)]), replace(data, groups=groups[len(human.texts) :])]
    for sample, what in zip(own, ("--human", "the data"), strict=True):
        if (count := int(np.unique(sample.groups).size)) < FEWEST:
            raise BadInput(
                f"{what} has {count:,} independent texts of {LEAST} words or more, and at least {FEWEST} are needed; add texts"
            )
    rng = np.random.default_rng(np.random.SeedSequence([question.seed, 0x0DE7EC7]))
    folds = fold_of(np.arange(int(groups.max()) + 1), rng, FOLDS)[groups]
    every = [*human.texts, *texts]
    features = features_of(detector, detector.reader(every), every)
    is_data = np.arange(len(every)) >= len(human.texts)
    score = np.zeros(len(every))
    for number in range(FOLDS):
        held_out = folds == number
        fit = fitted(detector, features[np.flatnonzero(~held_out)], is_data[~held_out], rng)
        score[held_out] = scores(fit, features[np.flatnonzero(held_out)])
    share = at_least(score[is_data], ScoredSample(score[~is_data], np.unique(own[0].groups, return_inverse=True)[1]))
    n = len(raw)
    nothing = np.full(n, np.nan)
    return Detection(
        name="data", share=share, shares=None, in_distribution=None, checks={}, naive=None, adjusted=None, flags=None, slices=(), human_slices=(), area=None,
        hits={}, weights={"kind": "none", "why": "no texts of models were given"}, warnings=(WARNING,), detector={"kind": "human sample against the data"},
        samples={"human": {"texts": len(human.texts), "groups": int(np.unique(own[0].groups).size), "too_short": human.too_short, "left_out": human.beyond}},
        states=np.where(words < LEAST, 1, 2), p_ai=nothing, weight=nothing, is_flagged=np.full(n, -1, np.int8), histogram={}, data=question.data,
    )  # fmt: skip
