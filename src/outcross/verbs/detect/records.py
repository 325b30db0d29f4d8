"""The file of records: a row a text, with the columns of the data where they are asked for."""

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
    """`Detection.frame`, behind the columns of the data where `add_columns` asks for it. BadInput where the data have such a column already."""
    import polars as pl

    frame = result.frame()
    if not question.add_columns:
        return frame
    source = opened(question.data, "data")
    if there := next((name for name in ADDED if name in source.columns and name in frame.columns), None):
        raise BadInput(
            f"the data have a column {there!r} already, which --add-columns would write; rename it, or leave --add-columns out"
        )
    whole = pl.concat(list(source.batches(None)), how="diagonal_relaxed")
    return whole.hstack(frame.drop("_row"))
