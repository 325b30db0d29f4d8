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
    "Arm": "arms",
    "Audit": "audit",
    "arms": "arms",
    "audit": "audit",
    "BadInput": "errors",
    "Draw": "draw",
    "Estimate": "estimate",
    "Evidence": "metrics",
    "Experiment": "experiment",
    "Generation": "loop",
    "Human": "data",
    "Ledger": "ledger",
    "NotApplicable": "estimate",
    "Origin": "data",
    "Part": "data",
    "Pool": "data",
    "Profile": "profile",
    "Reading": "estimate",
    "Schedule": "schedule",
    "experiment": "experiment",
    "profile": "profile",
    "run": "loop",
}

if TYPE_CHECKING:
    from outcross.arms import Arm, arms
    from outcross.audit import Audit, audit
    from outcross.data import Human, Origin, Part, Pool
    from outcross.draw import Draw
    from outcross.errors import BadInput
    from outcross.estimate import Estimate, NotApplicable, Reading
    from outcross.experiment import Experiment, experiment
    from outcross.ledger import Ledger
    from outcross.loop import Generation, run
    from outcross.metrics import Evidence
    from outcross.profile import Profile, profile
    from outcross.schedule import Schedule


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"outcross.{_WHERE[name]}"), name)
    raise AttributeError(f"outcross has no {name!r}")


class _Verbs(ModuleType):
    """`outcross.profile` is the function, always: importing the module of that name must not put it in its place."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, getattr(value, name) if name in _WHERE and isinstance(value, ModuleType) else value)


sys.modules[__name__].__class__ = _Verbs


def __dir__() -> list[str]:
    return sorted(_WHERE)


__all__ = [
    "Arm", "Audit", "BadInput", "Draw", "Estimate", "Evidence", "Experiment", "Generation", "Human", "Ledger", "NotApplicable", "Origin",
    "Part", "Pool", "Profile", "Reading", "Schedule", "arms", "audit", "experiment", "profile", "run",
]  # fmt: skip
