"""What a run is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from outcross.experiment import Experiment

    Spec = str | Path | Mapping[str, Any] | Experiment
    Settings = Mapping[str, Any] | Sequence[str]
    Folder = str | Path
    Imports = Sequence[str | Path]
    Names = str | Sequence[str]
else:  # what the command line gives
    Spec, Settings, Folder, Imports, Names = str, tuple[str, ...], Path, tuple[str, ...], str


@Parameter(name="*")
@dataclass(frozen=True)
class RunQuestion:
    """Train models on what models wrote, generation after generation, and measure what is lost."""

    spec: Spec
    """An experiment file, or the name of a built-in experiment (see `outcross list experiments`)."""
    settings: Settings = ()
    """Changes to the experiment, as key.subkey=value (generations=10, human.rows=50)."""
    _: KW_ONLY
    out: Folder | None = None
    """The run's folder; runs/NAME if left out (in Python: the run stays in memory). If the folder holds the same experiment, the run resumes."""
    workers: int | None = None
    """Arms run at a time, one thread each; as many as there are cores if left out (in Python: 1)."""
    fork: bool = False
    """If the folder holds another experiment, run in a new folder beside it, and reuse every step that has not changed."""
    device: str = "cpu"
    """Where networks are trained: cpu, cuda, cuda:1."""
    imports: Annotated[Imports, Parameter(name="--import")] = ()
    """A Python file, or an installed module, whose parts the experiment may use (kind: "my_parts.py:Half"); its code is run. May be repeated."""
    ray: str | None = None
    """A Ray cluster's address to run the arms on, or "local" to start one here; its machines must share the folder."""
    track: Names = ""
    """Log each generation as it ends: mlflow, tensorboard, wandb or trackio, several with commas between. Each writes a folder beside that of the run, as runs/NAME-mlflow."""
