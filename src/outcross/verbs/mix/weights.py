"""The training weights of the rows of each pool, as an alternative to repeated rows."""

from __future__ import annotations

from collections.abc import Sequence

from outcross.laws.gaussian import best_weight
from outcross.verbs.mix.asked import MixRecipe


def weights_of_pools(asked: MixRecipe, rows: Sequence[int]) -> tuple[float, ...]:
    """Return the factor for the `_weight` of each pool's rows. rows: the number of drawn rows of each pool.

    Golden weights have a mean of 1 over all rows. They minimise the error of the learned model if human data are new in every generation
    (`laws.gaussian.best_weight`).
    """
    if asked.weights is None or not sum(rows):
        return (1.0,) * len(rows)
    if isinstance(asked.weights, dict):
        return tuple(asked.weights.get(pool.name, 1.0) for pool in asked.pools)
    human = sum(count for pool, count in zip(asked.pools, rows, strict=True) if pool.is_human)
    synthetic = sum(rows) - human
    if not human or not synthetic:
        return (1.0,) * len(rows)
    share = best_weight(human / synthetic)
    of_human, of_others = share * sum(rows) / human, (1 - share) * sum(rows) / synthetic
    return tuple(of_human if pool.is_human else of_others for pool in asked.pools)
