"""Outcross: train on AI-generated data without model collapse.

Public names are loaded on first use, so `import outcross` itself is fast.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "Arm": "experiment.arms",
    "Audit": "verbs.audit.result",
    "Audits": "verbs.audit.result",
    "arms": "experiment.arms",
    "audit": "verbs.audit.answer",
    "audits": "verbs.audit.answer",
    "BadInput": "errors",
    "Card": "verbs.card.result",
    "card": "verbs.card.answer",
    "Detection": "verbs.detect.result",
    "detect": "verbs.detect.answer",
    "Draw": "models.draw",
    "Estimate": "estimate",
    "Evidence": "measures",
    "Experiment": "experiment",
    "Forecast": "verbs.forecast.result",
    "Generation": "loop",
    "Human": "data",
    "Ledger": "ledger",
    "Mix": "verbs.mix.result",
    "NotApplicable": "estimate",
    "Origin": "data",
    "Part": "data",
    "Pool": "data",
    "Profile": "collapse.profile",
    "Reading": "estimate",
    "Schedule": "models.schedule",
    "ShareCurve": "verbs.share_curve",
    "Export": "verbs.export.result",
    "Figure": "report.figure",
    "experiment": "experiment",
    "forecast": "verbs.forecast.answer",
    "export": "verbs.export.answer",
    "mix": "verbs.mix.answer",
    "profile": "collapse.profile",
    "Run": "verbs.run.result",
    "open": "verbs.opening",
    "parts": "verbs.list",
    "report": "verbs.report",
    "Reproduction": "verbs.reproduce.result",
    "reproduce": "verbs.reproduce.answer",
    "run": "verbs.run.answer",
    "share_curve": "verbs.share_curve",
    "show": "verbs.show",
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
    from outcross.report.figure import Figure
    from outcross.verbs.audit.answer import audit, audits
    from outcross.verbs.audit.result import Audit, Audits
    from outcross.verbs.card.answer import card
    from outcross.verbs.card.result import Card
    from outcross.verbs.detect.answer import detect
    from outcross.verbs.detect.result import Detection
    from outcross.verbs.export.answer import export
    from outcross.verbs.export.result import Export
    from outcross.verbs.forecast.answer import forecast
    from outcross.verbs.forecast.result import Forecast
    from outcross.verbs.list import parts
    from outcross.verbs.mix.answer import mix
    from outcross.verbs.mix.result import Mix
    from outcross.verbs.opening import open
    from outcross.verbs.report import report
    from outcross.verbs.reproduce.answer import reproduce
    from outcross.verbs.reproduce.result import Reproduction
    from outcross.verbs.run.answer import run
    from outcross.verbs.run.result import Run
    from outcross.verbs.share_curve import ShareCurve, share_curve
    from outcross.verbs.show import show


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"outcross.{_WHERE[name]}"), name)
    raise AttributeError(f"outcross has no {name!r}")


class _Verbs(ModuleType):
    """Keeps `outcross.experiment` and `outcross.report` functions: importing a module of the same name must not replace them."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _WHERE or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Verbs


def __dir__() -> list[str]:
    return sorted(_WHERE)


__all__ = [
    "Arm", "Audit", "Audits", "BadInput", "Card", "Detection", "Draw", "Estimate", "Evidence", "Experiment", "Export", "Figure", "Forecast", "Generation", "Human", "Ledger", "Mix", "NotApplicable", "Origin",
    "Part", "Pool", "Profile", "Reading", "Reproduction", "Run", "Schedule", "ShareCurve", "arms", "audit", "audits", "card", "detect", "experiment", "export", "forecast", "mix", "open", "parts", "profile", "report", "reproduce",
    "run", "share_curve", "show",
]  # fmt: skip
