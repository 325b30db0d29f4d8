"""Outcross: train on AI-generated data without model collapse.

The public names, loaded on first use: `import outcross` costs nothing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "Arm": "experiment.arms",
    "Audit": "verbs.audit",
    "arms": "experiment.arms",
    "audit": "verbs.audit",
    "BadInput": "errors",
    "Draw": "models.draw",
    "Estimate": "estimate",
    "Evidence": "measures",
    "Experiment": "experiment",
    "Generation": "loop",
    "Human": "data",
    "Ledger": "ledger",
    "NotApplicable": "estimate",
    "Origin": "data",
    "Part": "data",
    "Pool": "data",
    "Profile": "collapse.profile",
    "Reading": "estimate",
    "Schedule": "models.schedule",
    "experiment": "experiment",
    "profile": "collapse.profile",
    "Run": "verbs.run",
    "open": "verbs.run",
    "run": "verbs.run",
}

if TYPE_CHECKING:
    from outcross.collapse.profile import Profile, profile
    from outcross.data import Human, Origin, Part, Pool
    from outcross.errors import BadInput
    from outcross.estimate import Estimate, NotApplicable, Reading
    from outcross.experiment import Experiment, experiment
    from outcross.experiment.arms import Arm, arms
    from outcross.ledger import Ledger
    from outcross.loop import Generation
    from outcross.measures import Evidence
    from outcross.models.draw import Draw
    from outcross.models.schedule import Schedule
    from outcross.verbs.audit import Audit, audit
    from outcross.verbs.run import Run, open, run


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"outcross.{_WHERE[name]}"), name)
    raise AttributeError(f"outcross has no {name!r}")


class _Verbs(ModuleType):
    """`outcross.experiment` is the function, always: importing the module of that name must not put it in its place."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, getattr(value, name) if name in _WHERE and isinstance(value, ModuleType) else value)


sys.modules[__name__].__class__ = _Verbs


def __dir__() -> list[str]:
    return sorted(_WHERE)


__all__ = [
    "Arm", "Audit", "BadInput", "Draw", "Estimate", "Evidence", "Experiment", "Generation", "Human", "Ledger", "NotApplicable", "Origin",
    "Part", "Pool", "Profile", "Reading", "Run", "Schedule", "arms", "audit", "experiment", "open", "profile", "run",
]  # fmt: skip
