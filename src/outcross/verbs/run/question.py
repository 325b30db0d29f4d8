"""The arguments of `run`."""

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
else:  # the types on the command line
    Spec, Settings, Folder, Imports, Names = str, tuple[str, ...], Path, tuple[str, ...], str


@Parameter(name="*")
@dataclass(frozen=True)
class RunQuestion:
    """Train models on the output of models, generation after generation, and measure what is lost."""

    spec: Spec
    """An experiment file, or the name of a built-in experiment (see `outcross list experiments`)."""
    settings: Settings = ()
    """Changes to the experiment, written as key.subkey=value (generations=10, human.rows=50)."""
    _: KW_ONLY
    out: Folder | None = None
    """Folder of the run. Default: runs/NAME (in Python: the run stays in memory). If the folder holds the same experiment, the run resumes."""
    workers: int | None = None
    """Number of arms that run at the same time, one thread each. Default: the number of cores, or 1 if the learner has a closed form (in Python: 1)."""
    fork: bool = False
    """If the folder holds another experiment, run in a new folder beside it and reuse every step that has not changed."""
    device: str = "cpu"
    """Device on which networks are trained: cpu, cuda, cuda:1."""
    imports: Annotated[Imports, Parameter(name="--import")] = ()
    """A Python file or an installed module whose parts the experiment may use (kind: "my_parts.py:Half"). Its code is executed. May be repeated."""
    ray: str | None = None
    """Address of a Ray cluster that runs the arms, or "local" to start one on this machine. All its machines must share the folder."""
    track: Names = ""
    """Trackers that log each generation as it ends: mlflow, tensorboard, wandb or trackio, separated by commas. Each writes a folder beside that of the run, for example runs/NAME-mlflow."""
