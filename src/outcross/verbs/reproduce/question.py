"""Which published claims are run, and how large."""

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
    """Run published claims, and say whether each holds, by a rule that was fixed beforehand.

    Without a claim it lists them: what each says, where that was published, what it costs, and its verdict where --out holds one.
    """

    claims: Names = ()
    """Claims by their ids, as `outcross reproduce` lists them."""
    _: KW_ONLY
    size: str = "small"
    """small (minutes on two cores) or full (as published, where that can be)."""
    all: bool = False
    """Run every claim that this machine can run; the others say why they are not run."""
    minutes: float | None = None
    """With --all: leave out claims that take more than this many minutes each."""
    out: Folder | None = None
    """The folder of the results and of the runs; runs/reproduce if left out (in Python: nothing is kept). An interrupted run resumes."""
    data: Folder | None = None
    """A folder with the data that claims need, such as human_ai/l2r_12domains.parquet; claims without their data are not run."""
    anew: bool = False
    """Run a claim again if it was changed after its result. The runs of the former claim are kept."""
