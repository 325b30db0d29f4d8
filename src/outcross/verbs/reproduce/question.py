"""The question of a reproduction: the claims to run, and their size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Parameter

if TYPE_CHECKING:
    Folder = str | Path
    Names = str | Sequence[str]
else:  # what the command line gives
    Folder = Path
    Names = tuple[str, ...]


@Parameter(name="*")
@dataclass(frozen=True)
class ReproduceQuestion:
    """Run published claims, and decide whether each holds, by a rule that was fixed beforehand.

    Without a claim, all claims are listed: each with its statement, its source, its duration, and its verdict if --out contains one.
    """

    claims: Names = ()
    """Claims by their ids, which `outcross reproduce` lists."""
    _: KW_ONLY
    size: str = "small"
    """small (minutes on two cores) or full (as published, if possible)."""
    all: bool = False
    """Run every claim that this machine can run. For the others, the reason is given."""
    minutes: float | None = None
    """With --all: leave out claims that take more than this number of minutes."""
    out: Folder | None = None
    """The folder of the results and of the runs; runs/reproduce if left out (in Python: nothing is kept). An interrupted run resumes."""
    data: Folder | None = None
    """A folder with the data that claims need, such as human_ai/l2r_12domains.parquet. Claims without their data are not run."""
    anew: bool = False
    """Run a claim again if it was changed after its result. The runs of the earlier version are kept."""
