"""What to train on.

A policy maps a pool, the human data and a random stream to the next training set: a Pool of row references, with
weights on its parts when the policy weighs. It is called from generation 1 on (generation 0 always trains on the
original human records), is a pure function of its arguments, never empties the pool silently, and touches parts only through
`len`, `some` and `take`. `reach` says how many of the newest model-written parts it reads (None: all), `fresh_rows` how
many unseen human records it uses up for a generation that draws so many records, `human_rows` how many of the original ones it needs, `takes_whole` whether whole parts are enough for it.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from outcross.data import Human, Pool
from outcross.recipe import Family


class Policy:
    """What the next model is trained on."""

    paper: ClassVar[str]
    """Where the policy is from."""
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    """Packages of others, as the package index names them, whose versions decide what it takes."""
    reach: ClassVar[int | None] = 1
    takes_whole: ClassVar[bool] = True
    """Whether it takes parts whole and weighs none of them, so that the moments of a part do."""

    def __call__(self, pool: Pool, human: Human, rng: np.random.Generator) -> Pool:
        raise NotImplementedError

    def human_rows(self, records: int) -> int:
        """Original human records that one generation needs at once, given how many records a generation draws."""
        return 0

    def fresh_rows(self, records: int) -> int:
        """Unseen human records that one generation uses up, given how many records a generation draws."""
        return 0


POLICIES: Family = {
    "replace": "outcross.policies.replace:Replace",
    "human_only": "outcross.policies.human_only:HumanOnly",
    "accumulate": "outcross.policies.accumulate:Accumulate",
    "accumulate_subsample": "outcross.policies.accumulate:AccumulateSubsample",
    "human_share": "outcross.policies.human_share:HumanShare",
    "fresh": "outcross.policies.fresh:Fresh",
    "augment": "outcross.policies.augment:Augment",
    "crawl": "outcross.policies.crawl:Crawl",
    "weighted": "outcross.policies.weighted:Weighted",
}
