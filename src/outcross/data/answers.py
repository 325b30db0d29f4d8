"""Answers to questions with an exact check: rows of a table with columns for the question, the right answer and the given answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from outcross.data.framed import TableRows, with_provenance
from outcross.errors import BadInput


def questions(numbers: Mapping[str, np.ndarray], topic: np.ndarray, right: np.ndarray) -> TableRows:
    """Return questions with correct answers, as people give them.

    numbers: columns that describe a question, (n,) each. topic: the number of its topic, (n,). right: the right answer, (n,).
    """
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
    """Return the same questions with other answers, their log-probabilities in nats, and the models that gave them, (n,) each."""
    import polars as pl

    columns: list[Any] = [pl.Series("answer", np.asarray(answer, dtype=np.float64)), pl.Series("log_prob", log_prob)]
    if writers is not None:
        columns.append(pl.Series("_model", writers, dtype=pl.String))
    return TableRows(asked.frame.with_columns(columns), asked.kinds, asked.target)


def repeated(asked: Any, n: int, who: str) -> TableRows:
    """Return n questions. If n is larger than the number of questions, they are repeated in order. Raises BadInput if there are none."""
    if asked is None:
        raise BadInput(f"{who} answers questions, and there are none; write draw.prompts: human")
    return asked.take(np.arange(n) % len(asked))


def whole(records: TableRows, name: str) -> np.ndarray:
    """Return a column as whole numbers, (n,)."""
    return records.column(name).astype(np.int64)
