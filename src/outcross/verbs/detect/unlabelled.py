"""Detection without samples of models: the minimum share of the data that the human sample cannot explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from outcross.detectors import Detector, features_of, fitted, scores
from outcross.detectors.calibrated import FOLDS, USUAL, fold_of
from outcross.detectors.lengths import words_of
from outcross.detectors.records import TypedRecords
from outcross.detectors.samples import LEAST, CalibrationSample, all_of, batches, grouped, opened, text_column
from outcross.errors import BadInput
from outcross.statistics.two_sources import ScoredSample, at_least
from outcross.text.normalised import normalised
from outcross.verbs.detect.result import Detection
from outcross.verbs.detect.work import check_enough

if TYPE_CHECKING:
    import polars

    from outcross.verbs.detect.of_records import RecordSets
    from outcross.verbs.detect.question import DetectQuestion

MOST = 20_000
"""Maximum number of texts or records of the data that are compared with the human sample; a random sample is used if there are more."""
WARNING = (
    "Without {unit} of models the share has only a lower limit (positive and unlabelled): {unit} of models that resemble the human sample cannot be detected, "
    "and human {unit} of another kind count as unlike it. _p_ai is cannot_tell; give --ai."
)


def data_sample(question: DetectQuestion) -> tuple[CalibrationSample, np.ndarray]:
    """Return a sample of the texts of the data that are long enough, and the state of each text as in `Detection.states`.

    It is a random sample if there are many texts. The data are read twice, so that only the sample is in memory.
    """
    source = opened(question.data, "data")
    column = text_column(source, question.text_column, "data")
    others = (question.group,) if question.group in source.columns else ()
    words = np.concatenate(
        [
            np.zeros(0, np.int64),
            *(words_of(normalised(batch[column].to_list()).strings).astype(np.int32) for batch in batches(source, column, ())),
        ]
    )
    rows = _some(np.flatnonzero(words >= LEAST), question.seed)
    texts: list[str] = []
    columns = []
    start = 0
    for batch in batches(source, column, others):
        own = batch[rows[(rows >= start) & (rows < start + batch.height)] - start]
        texts += normalised(own[column].to_list()).strings
        columns.append(own.select(others))
        start += batch.height
    sample = CalibrationSample("data", texts, texts, words[rows], _joined(columns), int((words < LEAST).sum()), 0)
    return sample, np.where(words < LEAST, 1, 2)


def records_sample(question: DetectQuestion, sets: RecordSets) -> tuple[CalibrationSample, np.ndarray]:
    """Return the records of the data, or a random sample if there are many, and the state of each record; no record is too short."""
    import polars as pl

    sizes = [batch.height for shard in sets.shards for batch in shard.opened().batches(None)]
    rows = _some(np.arange(sum(sizes)), question.seed)
    others = (question.group,) if question.group in sets.columns else ()
    parts, columns, start = [], [], 0
    for shard in sets.shards:
        for batch in shard.opened().batches(None):
            own = batch[rows[(rows >= start) & (rows < start + batch.height)] - start]
            parts.append(sets.typed(own))
            columns.append(
                own.select(pl.col(name) if name in own.columns else pl.lit(None, pl.String).alias(name) for name in others)
            )
            start += batch.height
    if not rows.size:
        raise BadInput("the data are empty; give data with at least one record")
    sample = CalibrationSample("data", (), parts[0], np.full(rows.size, USUAL), _joined(columns), 0, 0)
    return replace(sample, content=all_of([replace(sample, content=part) for part in parts])), np.full(start, 2)


def _some(rows: np.ndarray, seed: int) -> np.ndarray:
    return rows if rows.size <= MOST else np.sort(np.random.default_rng([seed, 1]).choice(rows, MOST, replace=False))


def _joined(columns: Sequence[polars.DataFrame]) -> polars.DataFrame:
    """Return the columns of all batches; a batch without a column has missing values in it."""
    import polars as pl

    return pl.concat(columns, how="diagonal_relaxed")


def least_share(
    question: DetectQuestion, detector: Detector, human: CalibrationSample, data: CalibrationSample, states: np.ndarray
) -> Detection:
    """Return the minimum share of other authors, from a detector that distinguishes the data from the human sample.

    Each text or record is scored by a detector that did not see its group. `states` are those of all rows of the data. Raises BadInput if either sample
    is too small.
    """
    own = _with_groups([human, data], question.group)
    for sample, what in zip(own, ("--human", "the data"), strict=True):
        check_enough(sample, what)
    every, groups = all_of(own), np.concatenate([sample.groups for sample in own])
    rng = np.random.default_rng(np.random.SeedSequence([question.seed, 0x0DE7EC7]))
    folds = fold_of(np.arange(int(groups.max()) + 1), rng, FOLDS)[groups]
    features = features_of(detector, detector.reader(every), every)
    is_data = np.arange(len(every)) >= len(human.content)
    score = np.zeros(len(every))
    for number in range(FOLDS):
        held_out = folds == number
        fit = fitted(detector, features[np.flatnonzero(~held_out)], is_data[~held_out], groups[~held_out], rng)
        score[held_out] = scores(fit, features[np.flatnonzero(held_out)])
    human_scores, data_scores = (ScoredSample(score[side], groups[side]) for side in (~is_data, is_data))
    share = at_least(data_scores, human_scores)
    unit = "records" if isinstance(every, TypedRecords) else "texts"
    n = states.size
    nothing = np.full(n, np.nan)
    return Detection(
        name="data", share=share, shares=None, in_distribution=None, checks={}, naive=None, adjusted=None, flags=None, slices=(), human_slices=(), area=None,
        hits={}, weights={"kind": "none", "why": f"no {unit} of models were given"}, warnings=(WARNING.format(unit=unit),), detector={"kind": "human sample against the data"},
        samples={"human": {"texts": len(human.content), "groups": int(np.unique(own[0].groups).size), "too_short": human.too_short, "left_out": human.beyond}},
        states=states, p_ai=nothing, weight=nothing, is_flagged=np.full(n, -1, np.int8), histogram={}, data=question.data, unit=unit,
    )  # fmt: skip


def _with_groups(samples: Sequence[CalibrationSample], column: str | None) -> list[CalibrationSample]:
    groups = np.split(grouped(samples, column), [len(samples[0].content)])
    return [replace(sample, groups=own) for sample, own in zip(samples, groups, strict=True)]
