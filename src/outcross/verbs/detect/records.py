"""The file of records: one row per text, with the columns of the data if they are requested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outcross.detectors.samples import opened
from outcross.errors import BadInput
from outcross.verbs.detect.result import Detection

if TYPE_CHECKING:
    import polars

    from outcross.verbs.detect.question import DetectQuestion

ADDED = ("_p_value", "_p_ai", "_weight", "_flagged", "_why")


def records(result: Detection, question: DetectQuestion) -> polars.DataFrame:
    """Return `Detection.frame`, with `add_columns` after the columns of the data. Raises BadInput if the data already have one of its columns."""
    import polars as pl

    frame = result.frame()
    if not question.add_columns:
        return frame
    source = opened(question.data, "data")
    if there := next((name for name in ADDED if name in source.columns and name in frame.columns), None):
        raise BadInput(
            f"the data already have a column {there!r}, which --add-columns would write; rename it, or leave --add-columns out"
        )
    whole = pl.concat(list(source.batches(None)), how="diagonal_relaxed")
    return whole.hstack(frame.drop("_row"))
