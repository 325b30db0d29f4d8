"""Detection by a watermark without a human sample: the exact p-value of each text, and the minimum share of watermarked texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from outcross.detectors.samples import batches, opened, text_column
from outcross.detectors.watermark import WatermarkDetector
from outcross.errors import BadInput
from outcross.estimate import Estimate
from outcross.statistics.rates import clopper_pearson
from outcross.verbs.detect.result import Detection, SliceOfData
from outcross.verbs.detect.shares import Shares
from outcross.verbs.detect.slicing import Coded, CodedColumns, check_columns, slices_of, values_of

if TYPE_CHECKING:
    from outcross.verbs.detect.question import DetectQuestion

METHOD = "(flagged − rate)/(1 − rate), Clopper-Pearson; no upper limit, because other models leave no such watermark"
CAVEAT = (
    "Each p-value is exact over keys and not over texts: with one fixed key, runs of tokens that many people write have fixed marks, so texts with many such runs can be flagged more "
    "often than the rate. Give --human to calibrate this."
)


def marked_share(question: DetectQuestion, detector: WatermarkDetector, by: Sequence[str] = ()) -> Detection:
    """Return the p-value of each text, and the minimum share of watermarked texts, overall and for each value of the columns `by`.

    The texts are not normalised, because the marks are in their tokens. Raises BadInput if the data cannot be read.
    """
    source = opened(question.data, "data")
    column = text_column(source, question.text_column, "data")
    check_columns(by, source.columns)
    slicing, parts = CodedColumns(by), [np.empty(0)]
    for batch in batches(source, column, by):
        parts.append(detector.p_values(batch[column].to_list()))
        slicing.add(values_of(batch, by))
    p = np.concatenate(parts)
    if not p.size:
        raise BadInput("the data are empty; give data with at least one text")
    can = np.isfinite(p)
    if not can.any():
        raise BadInput("every text is too short to count the watermark; give longer texts")
    flagged = np.where(can, p <= question.fpr, -1).astype(np.int8)
    nothing = np.full(p.size, np.nan)
    return Detection(
        name="data", share=least_marked(int((flagged == 1).sum()), int(can.sum()), question.fpr), shares=None, in_distribution=None, checks={}, naive=None, adjusted=None,
        flags=None, slices=tuple(_slices(flagged, question.fpr, slicing.coded)), human_slices=(), area=None, hits={}, weights={"kind": "none", "why": "a p-value is not the probability that a model wrote a text; give --human and --ai"},
        warnings=(CAVEAT,), detector={"kind": "watermark", "scheme": detector.scheme, "rate": question.fpr, "flagged": int((flagged == 1).sum()), "judged": int(can.sum())},
        samples={}, states=np.where(can, 0, 2), p_ai=nothing, weight=nothing, is_flagged=flagged, histogram={}, data=question.data, p_value=p,
    )  # fmt: skip


def _slices(flagged: np.ndarray, rate: float, coded: Coded) -> Iterator[SliceOfData]:
    """Yield the minimum share of each slice. flagged: 1 or 0 for each text, and -1 if it cannot be judged, (n,)."""
    for column, value, rows in slices_of(coded):
        judged = flagged[rows] >= 0
        n = int(judged.sum())
        if n:
            share = Shares(n, least_marked(int((flagged[rows] == 1).sum()), n, rate))
            yield SliceOfData(column, value, rows.size, share)
        else:
            yield SliceOfData(column, value, rows.size, None, "every text is too short to count the watermark")


def least_marked(flagged: int, judged: int, rate: float) -> Estimate:
    """Return the minimum share of watermarked texts, if a text without the watermark is flagged at most at this rate.

    >>> share = least_marked(505, 1000, 0.01)
    >>> print(f"{share.value:.3f} {share.low:.3f} {share.high:g}")
    0.500 0.468 1
    """
    counted = clopper_pearson(flagged, judged)
    assert counted is not None and counted.low is not None
    value, low = (min(1.0, max(0.0, (share - rate) / (1 - rate))) for share in (flagged / judged, counted.low))
    return Estimate(value, low, 1.0, METHOD, judged)
