"""Which runs are forecast, or from which experiment they are planned, how far, and within which budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    Runs = Any
    Budgets = Mapping[str, float] | Sequence[str]
    Settings = Mapping[str, Any] | Sequence[str]
    Shares = str | Sequence[float]
    Imports = Sequence[str | Path]
    Folder = str | Path
else:  # what the command line gives
    Runs, Budgets, Settings, Shares, Imports, Folder = tuple[str, ...], tuple[str, ...], tuple[str, ...], str, tuple[str, ...], Path


@Parameter(name="*")
@dataclass(frozen=True)
class ForecastQuestion:
    """For how many generations, and with what human share, do these runs stay within a budget?

    Words with = in them are settings: ahead=20, budget.held_out_perplexity=1.2. A budget is a ratio to generation 0: 1.2 allows a fifth more, 0.8 a fifth less.
    An experiment may be given instead of runs. The command then plans small runs of it, each where the interval is widest, prints what they cost, and makes them.
    """

    runs: Runs = ()
    """Folders of runs that belong together: of one experiment, with several seeds, human shares or policies; or one experiment, a file or the name of a built-in one. In Python also a Run or several, or an experiment as a mapping."""
    _: KW_ONLY
    ahead: int | None = None
    """Generations beyond the last one, 1 to 200; 20 if left out."""
    budgets: Budgets = ()
    """How far readings may go, as ratios to generation 0; if left out, a fifth for the readings that lead a report."""
    shares: Shares = ""
    """For an experiment: the human shares to try, in [0, 1], as first:last:step; 0:0.5:0.1 if left out. In Python also a list."""
    most_runs: int | None = None
    """For an experiment: the largest number of small runs, each of one share and one seed; 24 if left out."""
    width: float | None = None
    """For an experiment: make no more runs when the interval of every least share is at most this wide; 0.1 if left out."""
    settings: Settings = ()
    """For an experiment: changes to it, as key.subkey=value (human.rows=50). The length of each small run is generations=10; if left out, half of ahead and at least 5."""
    plan: bool = False
    """For an experiment: make the first small run, print the plan and its cost, and stop."""
    imports: Annotated[Imports, Parameter(name="--import")] = ()
    """For an experiment: a Python file, or an installed module, whose parts it may use; its code is run. May be repeated."""
    out: Folder | None = None
    """A folder for forecast.json, curves.parquet and report.html, and in runs/ for the small runs. The same command resumes after an interruption. Without a folder small runs stay in memory."""
