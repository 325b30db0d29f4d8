from __future__ import annotations

from outcross.policies import Policy
from outcross.recipe import recipe


@recipe
class Accumulate(Policy):
    """Train on the original human records and on every part that a model wrote since."""

    paper = "Gerstgrasser et al., Is Model Collapse Inevitable?, arXiv 2404.01413"
    reach = None

    def __call__(self, pool, human, rng):
        return pool


@recipe
class AccumulateSubsample(Policy):
    """Train on a uniform subsample of all that has accumulated, as large as the newest part: accumulation at constant compute."""

    paper = "Kazdan et al., Collapse or Thrive?, arXiv 2410.16713"
    reach = None
    takes_whole = False

    def __call__(self, pool, human, rng):
        return pool.some(min(len(pool.newest), len(pool)), rng)
