"""What to train on.

A policy says how many of what: `plan(inventory)` maps the numbers of records that there are to a Plan. It is asked from generation 1
on (generation 0 always trains on the original human records), is a pure function of the inventory, and draws nothing: `mix` draws. How
far back it reads, which human records it needs and which closed form applies to it follow from its plans, so that every generation is
checked before the work begins.
"""

from __future__ import annotations

from typing import Any, ClassVar

from outcross.data import Inventory, Plan
from outcross.recipe import Family


class Policy:
    """What the next model is trained on."""

    paper: ClassVar[str] = ""
    """Where the policy is from; empty for one that is not published."""

    @property
    def selects(self) -> tuple[Any, ...]:
        """Filters that choose among the records that the plan takes, as `select` of an experiment does; none as a rule."""
        return ()

    def plan(self, inventory: Inventory) -> Plan:
        """How many of what the generation of this inventory learns from."""
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
