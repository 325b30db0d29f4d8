"""Texts as weights of their words and pairs of words (TF-IDF)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from outcross.text.hashed import TOGETHER, words_and_pairs

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

WORDS = r"\b\w\w+\b"
"""Two letters, digits or underscores at least: scikit-learn's words."""


def tf_idf(texts: Sequence[str], most: int) -> csr_matrix:
    """The weights of the `most` words and pairs of neighbouring words that occur most often, rows of length 1, (n, at most `most`).

    (1 + ln count)(1 + ln((1 + n)/(1 + texts that have it))), in lower case: scikit-learn's `TfidfVectorizer` with `sublinear_tf`. It counts
    all texts at once and not one by one. Of those that occur equally often, the ones that come first are kept; columns are in the order of
    how often they occur.

    >>> tf_idf(["one dog", "one cat", ""], 3).toarray().round(2).tolist()
    [[0.61, 0.8, 0.0], [0.61, 0.0, 0.8], [0.0, 0.0, 0.0]]
    """
    import polars as pl
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfTransformer

    read = []
    for low in range(0, len(texts), TOGETHER):
        grams, owner, _ = words_and_pairs(texts[low : low + TOGETHER], WORDS)
        read.append(pl.DataFrame({"gram": grams.hash(), "text": pl.Series(owner + low, dtype=pl.UInt32)}))
    every = pl.concat(read) if read else pl.DataFrame(schema={"gram": pl.UInt64, "text": pl.UInt32})
    totals = every.group_by("gram", maintain_order=True).len("total").sort("total", descending=True, maintain_order=True)
    columns = totals.head(most).with_row_index("column")
    kept = every.join(columns, on="gram")
    cells = np.ones(len(kept)), (kept["text"].to_numpy(), kept["column"].to_numpy())  # those of one place are added up
    counts = csr_matrix(cells, shape=(len(texts), len(columns)))
    return TfidfTransformer(sublinear_tf=True).fit_transform(counts) if len(columns) else counts
