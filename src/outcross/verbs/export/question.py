"""The question of an export: the result, the tool and the folder to write."""

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
    """Write a result for other tools: a model of a run with a card that says what it was trained on, or a whole run, audit or mix."""

    result: Folder
    """The folder of a run (finished or not), of an audit, of a mix, or of a reproduction."""
    _: KW_ONLY
    to: str
    """The tool. transformers takes a model of a run; mlflow, tensorboard, wandb, trackio and croissant take a run or an audit; csv and parquet also take a mix."""
    out: Folder
    """The folder to write. It must be new or empty, or contain only an earlier export."""
    arm: str | None = None
    """For transformers: the arm; may be left out if the run has only one."""
    generation: int | None = None
    """For transformers: the generation; the newest finished one if left out."""
    seed: int | None = None
    """For transformers: the seed; the first one with a finished generation if left out."""
