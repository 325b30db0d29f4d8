"""Declared authors of texts, and contradictions by a detector. Declared authors are counted and never changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from outcross.detectors.declared import DeclaredDetector, phrases_of
from outcross.detectors.samples import batches, opened, text_column, words_of_column
from outcross.errors import BadInput
from outcross.estimate import Estimate
from outcross.recipe import nearest
from outcross.verbs.detect.origins import COLUMNS, Declarations, Declaring
from outcross.verbs.detect.reading import JudgedData
from outcross.verbs.detect.result import Detection, SliceOfData
from outcross.verbs.detect.shares import Shares
from outcross.verbs.detect.slicing import Coded, CodedColumns, check_columns, slices_of, values_of
from outcross.verbs.detect.weights import weights
from outcross.verbs.detect.work import Calibration

if TYPE_CHECKING:
    import polars

    from outcross.verbs.detect.question import DetectQuestion

COUNTED = "exact counts of declared authors; the interval covers all possible authors of the unknown texts"
DATES = ("_date", "date", "year", "created", "published", "timestamp")


def contradicted(
    declared: Declarations, calibrated: Calibration, data: JudgedData, is_flagged: np.ndarray, rate: float
) -> dict[str, Any]:
    """Return the counts of declared authors, and of texts for which the detector contradicts them, with the number that its errors explain.

    A text that is declared human is contradicted if it is flagged. A text that is declared a model's is contradicted if it looks more human than all
    but a share `rate` of the models' calibration texts, judged by the detector of each fold.
    """
    human, model = declared.of("human"), declared.of("model")
    can = is_flagged >= 0
    facts = declared.plain()
    facts["human_but_flagged"] = {
        "texts": int((human & (is_flagged == 1)).sum()), "judged": int((human & can).sum()), "by_chance": round(rate * int((human & can).sum()), 2),
    }  # fmt: skip
    judged = model & data.is_judged
    rows = np.flatnonzero(judged)
    sample, own = calibrated.samples[1], calibrated.ratios[0][1]
    fold = calibrated.fold_of(1)
    ratios = data.ratios[rows, 0]
    below = sum(np.searchsorted(np.sort(own[fold == number]), ratios[:, number], side="right") for number in range(ratios.shape[1]))
    tail = (np.asarray(below) + 1.0) / (len(sample.content) + 1.0) <= rate
    facts["model_but_in_the_human_tail"] = {
        "texts": int(tail.sum()) if rows.size else 0, "judged": int(rows.size), "by_chance": round(rate * rows.size, 2),
    }  # fmt: skip
    return facts


def declared_share(question: DetectQuestion, detector: DeclaredDetector, by: Sequence[str] = ()) -> Detection:
    """Return the share of models by the declared authors, overall and for each value of the columns `by`.

    It is an exact count, and the texts of unknown authors make the interval. Raises BadInput if nothing declares an author.
    """
    source = opened(question.data, "data")
    if detector.date is not None and detector.date not in source.columns:
        raise BadInput(
            f"detector.date: the data have no column {detector.date!r}{nearest(detector.date, source.columns)}; they have {', '.join(source.columns)[:200]}"
        )
    date = detector.date or next((name for name in DATES if name in source.columns), None)
    text = text_column(source, question.text_column, "data")
    columns = [name for name in (*COLUMNS, date) if name is not None and name in source.columns]
    check_columns(by, source.columns)
    slicing = CodedColumns(by)
    declaring, has_phrase, is_early = Declaring(), [np.empty(0, bool)], [np.empty(0, bool)]
    for batch in batches(source, text, (*columns, *by)):
        declaring.add(batch)
        slicing.add(values_of(batch, by))
        has_phrase.append(phrases_of(batch[text].to_list())[:, 0] > 0)
        is_early.append(_early(batch, date, detector.before))
    declared = declaring.whole
    n = declared.authors.size
    if not n:
        raise BadInput("the data are empty; give data with at least one text")
    phrase, early = np.concatenate(has_phrase), np.concatenate(is_early)
    unknown, human, model = (declared.of(author) for author in ("unknown", "human", "model"))
    if unknown.all() and not phrase.any() and not early.any():
        raise BadInput(
            f"the data declare no author: no column _origin or _model, no phrase of an assistant, no date before {detector.before}; give --human and another --detector"
        )
    as_model, as_human = unknown & phrase & ~early, unknown & early & ~phrase
    share = bounded(int(model.sum()), int(unknown.sum()), n, COUNTED)
    assumed = bounded(
        int((model | as_model).sum()), int((unknown & ~as_model & ~as_human).sum()), n,
        "the same counts, with phrases of assistants counted as models and earlier dates as people",
    )  # fmt: skip
    p = np.select([model, human | declared.of("edited") | declared.of("translated")], [1.0, 0.0], np.nan)
    weight, described_weights = weights(question, p)
    return Detection(
        name="data", share=share, shares=None, in_distribution=None, checks={}, naive=None, adjusted=None, flags=None, slices=tuple(_slices(model, unknown, slicing.coded)), human_slices=(), area=None, hits={},
        weights=described_weights, warnings=_assumed(detector, date, phrase, unknown),
        detector={"kind": "declared"}, samples={}, states=np.where(unknown, 3, 0), p_ai=p, weight=weight, is_flagged=np.full(n, -1, np.int8), histogram={}, data=question.data,
        declared=declared.plain() | {
            "unknown_with_a_phrase": int((unknown & phrase).sum()), "unknown_and_early": int((unknown & early).sum()),
            "human_with_a_phrase": int((human & phrase).sum()), "model_and_early": int((model & early).sum()),
            "assumed_share": assumed.plain(),
        },
    )  # fmt: skip


def _slices(model: np.ndarray, unknown: np.ndarray, coded: Coded) -> Iterator[SliceOfData]:
    """Yield the declared share of each slice. `model` and `unknown` are truth values, (n,)."""
    for column, value, rows in slices_of(coded):
        share = bounded(int(model[rows].sum()), int(unknown[rows].sum()), rows.size, COUNTED)
        yield SliceOfData(column, value, rows.size, Shares(rows.size, share))


def bounded(known: int, unknown: int, n: int, method: str) -> Estimate:
    """Return a share of n texts, some of which are unknown.

    The interval reaches from none to all of the unknown texts, and the value is the share among the known texts.
    """
    return Estimate(known / max(n - unknown, 1), known / n, (known + unknown) / n, method, n)


def _assumed(detector: DeclaredDetector, date: str | None, phrase: np.ndarray, unknown: np.ndarray) -> tuple[str, ...]:
    """Return sentences on the assumptions of the numbers."""
    assumptions = [
        "The share trusts the columns _origin and _model. A text without them is unknown and is not assigned to any author."
    ]
    if (unknown & phrase).any():
        assumptions.append(
            "Only assumed_share counts a text with a phrase of an assistant as a model's; people who quote such a phrase are then counted as models."
        )
    if date is not None:
        assumptions.append(
            f"Only assumed_share counts a text as human if column {date!r} is before {detector.before}; this assumes that the date is when the text was written."
        )
    return tuple(assumptions)


def _early(batch: polars.DataFrame, date: str | None, before: int) -> np.ndarray:
    """Whether the column of dates contains a year before this one, (n,)."""
    import polars as pl

    if date is None:
        return np.zeros(batch.height, bool)
    year = pl.Series(words_of_column(batch[date]), dtype=pl.String).str.extract(r"\b(1[5-9]\d\d|20\d\d)", 1).cast(pl.Int64)
    return (year < before).fill_null(False).to_numpy()
