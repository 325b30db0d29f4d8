"""The training weights of the rows of each pool, as an alternative to repeated rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from outcross.verbs.mix.asked import MixRecipe


def golden(human: int, synthetic: int) -> float:
    """Return the share of the total weight for human rows that minimises the error of the learned model, if human data are new in every generation.

    It is (√(k² + 4k) − k)/2 for k = human / synthetic rows. For equal numbers this is the golden ratio .618 (He, Xu & Cheng, arXiv 2502.18049).
    The error is then this fraction of the error with human rows alone.

    >>> [round(golden(*rows), 4) for rows in ((100, 100), (100, 400), (100, 50))]
    [0.618, 0.3904, 0.7321]
    """
    k = human / synthetic
    return (math.sqrt(k * k + 4 * k) - k) / 2


def weights_of_pools(asked: MixRecipe, rows: Sequence[int]) -> tuple[float, ...]:
    """Return the factor for the `_weight` of each pool's rows. rows: the number of drawn rows of each pool.

    Golden weights have a mean of 1 over all rows.
    """
    if asked.weights is None or not sum(rows):
        return (1.0,) * len(rows)
    if isinstance(asked.weights, dict):
        return tuple(asked.weights.get(pool.name, 1.0) for pool in asked.pools)
    human = sum(count for pool, count in zip(asked.pools, rows, strict=True) if pool.is_human)
    synthetic = sum(rows) - human
    if not human or not synthetic:
        return (1.0,) * len(rows)
    share = golden(human, synthetic)
    of_human, of_others = share * sum(rows) / human, (1 - share) * sum(rows) / synthetic
    return tuple(of_human if pool.is_human else of_others for pool in asked.pools)
