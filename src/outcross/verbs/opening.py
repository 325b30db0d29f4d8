"""The function `open`: what a folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from outcross.verbs.forecast.result import stored_forecast
from outcross.verbs.reproduce.result import stored_reproduction
from outcross.verbs.run.answer import open as open_run


def open(folder: str | Path) -> Any:
    """What a folder holds: the `Run` that the command run wrote there, the `Forecast` that forecast did, or the `Reproduction` of reproduce. BadInput where it is none of them.

    A run that is under way, or that was killed, shows what it has recorded so far.
    """
    return stored_forecast(Path(folder)) or stored_reproduction(Path(folder)) or open_run(folder)
