"""Which runs are forecast, how far, and within which budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    Runs = Any
    Budgets = Mapping[str, float] | Sequence[str]
    Folder = str | Path
else:  # what the command line gives
    Runs, Budgets, Folder = tuple[str, ...], tuple[str, ...], Path


@Parameter(name="*")
@dataclass(frozen=True)
class ForecastQuestion:
    """For how many generations, and with what human share, do these runs stay within a budget?

    Words with = in them are settings: ahead=20, budget.held_out_perplexity=1.2. A budget is a ratio to generation 0: 1.2 allows a fifth more, 0.8 a fifth less.
    """

    runs: Runs = ()
    """Folders of runs that belong together: of one experiment, with several seeds, human shares or policies. In Python also a Run, or several."""
    _: KW_ONLY
    ahead: int = 20
    """Generations beyond the last one, 1 to 200."""
    budgets: Budgets = ()
    """Readings and how far they may go, as ratios to generation 0; the readings that lead a report, by a fifth, if left out."""
    out: Folder | None = None
    """A folder for forecast.json, curves.parquet and report.html."""
