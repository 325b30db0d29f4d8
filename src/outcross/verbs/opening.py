"""The function `open`, which reads a result from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from outcross.verbs.audit.stored import stored
from outcross.verbs.detect.result import stored_detection
from outcross.verbs.forecast.result import stored_forecast
from outcross.verbs.mix.result import stored_mix
from outcross.verbs.reproduce.result import stored_reproduction
from outcross.verbs.run.answer import open as open_run


def open(folder: str | Path) -> Any:
    """Read the result in a folder: a `Run`, a `Forecast`, a `Reproduction`, `Audits`, a `Mix` or a `Detection`.

    A run that is still under way, or that was killed, contains what it has recorded so far. Raises BadInput if the folder contains no result or is damaged.
    """
    for read in (stored_forecast, stored_reproduction, stored, stored_mix, stored_detection):
        if (result := read(Path(folder))) is not None:
            return result
    return open_run(folder)
