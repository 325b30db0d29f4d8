"""What is to be mixed, and where it goes."""

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

    Where the shares cannot be had from these pools, nothing is written, and the error names requests near it that are possible.
    """

    spec: Spec
    """A mix file (YAML): pools with their origins, rows (or characters, or tokens of a tokenizer), human_share, max_repeats, order, seed."""
    _: KW_ONLY
    out: Folder | None = None
    """The folder to write; it must be new, empty, or hold this very mix. Needed unless --plan is given."""
    plan: bool = False
    """Write nothing: say what was asked, what is possible, how often rows repeat and what stays unused. With `search` in the mix file and --out, the small mixes that are tried are kept there."""
    workers: int | None = None
    """Files of pools that are read at a time, a process each; 1 if left out. The result has the same bytes for every number."""
    imports: Annotated[Imports, Parameter(name="--import")] = ()
    """A Python file, or an installed module, whose filters and attributes the mix may use (kind: "my_parts.py:Short"); its code is run. May be repeated."""
    ray: str | None = None
    """A Ray cluster's address to read the files on, or "local" to start one here; its machines must share the folder and the files."""
