"""What is to be handed to which tool."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Parameter

if TYPE_CHECKING:
    Folder = str | Path
else:  # what the command line gives
    Folder = Path


@Parameter(name="*")
@dataclass(frozen=True)
class ExportQuestion:
    """Hand a model of a run to other tools, with a card that says what it was trained on."""

    run: Folder
    """The folder of a run, finished or not."""
    _: KW_ONLY
    to: str
    """The tool: transformers writes a folder that AutoModelForCausalLM and AutoTokenizer load."""
    out: Folder
    """The folder to write; it must be new, empty, or hold a former export and nothing else."""
    arm: str | None = None
    """The arm; may be left out where the run has one."""
    generation: int | None = None
    """The generation; the newest that has ended if left out."""
    seed: int | None = None
    """The seed; the first that has ended if left out."""
