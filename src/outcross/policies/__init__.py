"""Policies, which decide the training set of each generation.

A policy says how many records of each kind a generation is trained on. Its `plan(inventory)` maps the numbers of available records to a Plan.
It is called from generation 1 on, because generation 0 always trains on the original human records. It is a pure function of the inventory and
draws nothing; `mix` draws the records. The plans show how far back a policy reads, which human records it needs and which closed form applies
to it. Therefore every generation is checked before the run starts.
"""

from __future__ import annotations

from typing import Any, ClassVar

from outcross.data import Inventory, Plan
from outcross.recipe import Family


class Policy:
    """The choice of the records on which the next model is trained."""

    paper: ClassVar[str] = ""
    """The paper that the policy comes from; empty if it was not published."""

    @property
    def selects(self) -> tuple[Any, ...]:
        """Filters that choose among the records of the plan, like `select` of an experiment. Most policies have none."""
        return ()

    def plan(self, inventory: Inventory) -> Plan:
        """Return how many records of each kind the generation of this inventory is trained on."""
        raise NotImplementedError


POLICIES: Family = Family({
    "replace": "outcross.policies.replace:Replace",
    "human_only": "outcross.policies.human_only:HumanOnly",
    "accumulate": "outcross.policies.accumulate:Accumulate",
    "accumulate_subsample": "outcross.policies.accumulate:AccumulateSubsample",
    "human_share": "outcross.policies.human_share:HumanShare",
    "fresh": "outcross.policies.fresh:Fresh",
    "fresh_only": "outcross.policies.fresh_only:FreshOnly",
    "augment": "outcross.policies.augment:Augment",
    "crawl": "outcross.policies.crawl:Crawl",
    "detector_weighted": "outcross.policies.detector_weighted:DetectorWeighted",
    "weighted": "outcross.policies.weighted:Weighted",
}, name="policies", protocol=Policy)  # fmt: skip
