"""Answers to questions with an exact check: rows of a table with a column for the question, the right answer and the answer given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from outcross.data.framed import TableRows, with_provenance
from outcross.errors import BadInput

GIVEN = ("answer", "log_prob")
"""The columns that whoever answers fills in: the number of the answer, and its log-probability in nats under his own law."""


def questions(numbers: Mapping[str, np.ndarray], topic: np.ndarray, right: np.ndarray) -> TableRows:
    """Questions with their right answers, answered rightly: by people. `numbers` are columns that describe a question, `topic` its kind, both (n,)."""
    import polars as pl

    frame = pl.DataFrame({name: np.asarray(values, dtype=np.float64) for name, values in numbers.items()}).with_columns(
        pl.Series("topic", [f"topic {number}" for number in topic.tolist()], dtype=pl.String),
        pl.Series("right", np.asarray(right, dtype=np.float64)),
        pl.Series("answer", np.asarray(right, dtype=np.float64)),
        pl.Series("log_prob", np.zeros(len(right))),
    )
    kinds = {name: "category" if name == "topic" else "number" for name in frame.columns}
    return TableRows(with_provenance(frame), kinds)  # type: ignore[arg-type]


def answered(asked: TableRows, answer: np.ndarray, log_prob: np.ndarray, writers: list[str] | None = None) -> TableRows:
    """The same questions with other answers, the log-probability of each, and who gave it; all (n,)."""
    import polars as pl

    columns: list[Any] = [pl.Series("answer", np.asarray(answer, dtype=np.float64)), pl.Series("log_prob", log_prob)]
    if writers is not None:
        columns.append(pl.Series("_model", writers, dtype=pl.String))
    return TableRows(asked.frame.with_columns(columns), asked.kinds, asked.target)


def repeated(asked: Any, n: int, who: str) -> TableRows:
    """n questions: those asked, from the top again where more answers are wanted. BadInput where none is asked."""
    if asked is None:
        raise BadInput(f"{who} answers questions, and none is asked; write draw.prompts: human")
    return asked.take(np.arange(n) % len(asked))


def whole(records: TableRows, name: str) -> np.ndarray:
    """A column of whole numbers, (n,)."""
    return records.column(name).astype(np.int64)
