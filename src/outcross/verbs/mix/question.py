"""The question of the verb `mix`: the mix file, and the folder to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    Spec = str | Path | Mapping[str, Any]
    Folder = str | Path
    Imports = Sequence[str | Path]
else:  # what the command line gives
    Spec, Folder, Imports = Path, Path, tuple[str, ...]


@Parameter(name="*")
@dataclass(frozen=True)
class MixQuestion:
    """Build a training set out of human and synthetic pools, with exact shares and the origin of every row.

    If the shares are impossible with these pools, nothing is written, and the error names the nearest possible requests.
    """

    spec: Spec
    """A mix file (YAML): pools with their origins, rows (or characters, or tokens of a tokenizer), human_share, max_repeats, order, seed."""
    _: KW_ONLY
    out: Folder | None = None
    """The folder to write. It must be new, empty, or contain the same mix. Needed unless --plan is given."""
    plan: bool = False
    """Write nothing, and show the requested and the possible shares, how often rows repeat, and which rows are not used. With `search` in the mix file and --out, the trials of the search are stored there."""
    workers: int | None = None
    """The number of processes that read the files of the pools; 1 if left out. The result has the same bytes for every number."""
    imports: Annotated[Imports, Parameter(name="--import")] = ()
    """A Python file, or an installed module, whose filters and attributes the mix may use (kind: "my_parts.py:Short"); its code is run. May be repeated."""
    ray: str | None = None
    """The address of a Ray cluster that reads the files, or "local" to start a cluster here. Its machines must share the folder and the files."""
