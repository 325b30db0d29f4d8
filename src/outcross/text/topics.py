"""Texts as points that represent their topics, by latent semantic analysis of their words."""

from __future__ import annotations

import numpy as np

from outcross.text.words import RunningWords

COMMONEST = 20_000
"""Maximum number of words that are counted; words in the most texts come first."""
FEWEST = 3
"""Minimum number of texts with a word that is counted."""
LARGEST = 0.5
"""Maximum share of texts with a word that is counted."""


def topics(words: RunningWords, dimensions: int, seed: int) -> np.ndarray:
    """Return a point of norm 1 for each text, (n, dimensions), by the leading singular directions of its words.

    The weight of a word depends on the logarithms of its count in the text and of the number of texts with it (Deerwester et al., JASIS 41:391,
    1990). The point of a text without such words is 0.
    """
    from scipy.sparse import csr_array
    from sklearn.utils.extmath import randomized_svd

    inside = words.kinds_inside
    said = np.bincount(inside.ids, minlength=len(words.spellings))
    is_counted = (said >= FEWEST) & (said <= max(FEWEST, LARGEST * words.n))
    chosen = np.flatnonzero(is_counted)
    chosen = np.sort(chosen[np.argsort(-said[chosen], kind="stable")[:COMMONEST]])
    if chosen.size == 0:
        return np.zeros((words.n, 1))
    place = np.full(said.size, -1)
    place[chosen] = np.arange(chosen.size)
    here = place[inside.ids] >= 0
    blocks, ids = inside.blocks[here], place[inside.ids[here]]
    weights = (1 + np.log(inside.counts[here])) * np.log(words.n / said[chosen])[ids]
    matrix = csr_array((weights, (blocks, ids)), shape=(words.n, chosen.size))
    lengths = np.sqrt(np.bincount(blocks, weights=weights**2, minlength=words.n))
    matrix = csr_array(matrix.multiply(1 / np.maximum(lengths, 1e-12)[:, None]))
    kept = min(dimensions, chosen.size, words.n)
    directions, sizes, _ = randomized_svd(matrix, kept, n_iter=2, random_state=seed)  # type: ignore[arg-type]
    points = directions * sizes
    return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)


__all__ = ["topics"]
