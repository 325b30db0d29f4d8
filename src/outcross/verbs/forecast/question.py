"""The arguments of a forecast: the runs or the experiment, the number of generations ahead, and the budgets."""

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
else:  # the types on the command line
    Runs, Budgets, Settings, Shares, Imports, Folder = tuple[str, ...], tuple[str, ...], tuple[str, ...], str, tuple[str, ...], Path


@Parameter(name="*")
@dataclass(frozen=True)
class ForecastQuestion:
    """For how many generations, and with what human share, do these runs stay within a budget?

    Words with = are settings: ahead=20, budget.held_out_perplexity=1.2. A budget is a ratio to generation 0: 1.2 allows a fifth more, 0.8 a fifth less.
    An experiment may be given instead of runs. The command then plans small runs where the interval is widest, prints their cost, and makes them.
    """

    runs: Runs = ()
    """Folders of runs that belong together, that is, runs of one experiment with several seeds, human shares or policies. Or one experiment: a file or the name of a built-in one. In Python also one or several Run objects, or an experiment as a mapping."""
    _: KW_ONLY
    ahead: int | None = None
    """Number of generations ahead of the last one, 1 to 200. Default: 20."""
    budgets: Budgets = ()
    """Limits of readings as ratios to generation 0. Default: a change of a fifth for the readings that lead a report."""
    shares: Shares = ""
    """For an experiment: the human shares to try, in [0, 1], as first:last:step. Default: 0:0.5:0.1. In Python also a list."""
    most_runs: int | None = None
    """For an experiment: the largest number of small runs, each of one share and one seed; 24 if left out."""
    width: float | None = None
    """For an experiment: make no more runs when the interval of every least share is at most this wide; 0.1 if left out."""
    settings: Settings = ()
    """For an experiment: changes to it, as key.subkey=value (human.rows=50). generations=10 sets the length of each small run. Default: half of `ahead`, at least 5."""
    plan: bool = False
    """For an experiment: make only the first small run, and print the plan with its cost."""
    imports: Annotated[Imports, Parameter(name="--import")] = ()
    """For an experiment: a Python file or an installed module whose parts it may use. Its code is executed. May be repeated."""
    out: Folder | None = None
    """A folder for forecast.json, curves.parquet and report.html, and for the small runs in runs/. The same command resumes after an interruption. Without a folder, small runs stay in memory."""
