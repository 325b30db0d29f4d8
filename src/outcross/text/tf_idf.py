"""TF-IDF weights of the words and pairs of words in texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from outcross.text.hashed import TOGETHER, words_and_pairs

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

WORDS = r"\b\w\w+\b"
"""Pattern of a word in scikit-learn: at least two letters, digits or underscores."""


def tf_idf(texts: Sequence[str], limit: int) -> csr_matrix:
    """Return the weights of the `limit` most frequent words and pairs of neighbouring words, with rows of norm 1, (n, at most `limit`).

    A weight is (1 + ln count)(1 + ln((1 + n)/(1 + number of texts with the word))), in lower case, as in scikit-learn's `TfidfVectorizer` with
    `sublinear_tf`. All texts are counted together and not one by one. Of equally frequent words those that occur first are kept. Columns are in the
    order of frequency.

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
    columns = totals.head(limit).with_row_index("column")
    kept = every.join(columns, on="gram")
    cells = np.ones(len(kept)), (kept["text"].to_numpy(), kept["column"].to_numpy())  # cells with the same position are summed
    counts = csr_matrix(cells, shape=(len(texts), len(columns)))
    return TfidfTransformer(sublinear_tf=True).fit_transform(counts) if len(columns) else counts
