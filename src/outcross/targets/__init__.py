"""The targets of exports: tools that can read a result (`outcross export RESULT --to NAME`).

A target is a recipe. `takes` names the kinds of results that it accepts: a `model` of a run, or a whole `run`, `audit`, `mix` or `reproduction`.
`files(handed, place, out)` returns the files of the folder that the tool reads, by name: the content of each, or the path of a file to copy. If the tool
writes its files itself, it writes into the empty folder `place`. `out` is the final folder of the files. The file by which the tool recognises the folder
comes last. `files` raises BadInput if the tool cannot use the result, or is not installed. The verb writes the whole folder or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from outcross.recipe import Family


class Target:
    """A tool, and the way in which a result is written for it."""

    takes: ClassVar[tuple[str, ...]] = ()
    """The kinds of results that the tool accepts, out of `model`, `run`, `audit`, `mix` and `reproduction`."""

    def files(self, handed: Any, place: Path, out: Path) -> Mapping[str, Any]:
        raise NotImplementedError


TARGETS: Family = Family(
    {
        "transformers": "outcross.targets.transformers:Transformers",
        "mlflow": "outcross.targets.mlflow:Mlflow",
        "tensorboard": "outcross.targets.tensorboard:Tensorboard",
        "wandb": "outcross.targets.wandb:Wandb",
        "trackio": "outcross.targets.trackio:Trackio",
        "csv": "outcross.targets.csv:Csv",
        "parquet": "outcross.targets.parquet:Parquet",
        "croissant": "outcross.targets.croissant:Croissant",
    }
)
TRACKERS = ("mlflow", "tensorboard", "wandb", "trackio")
"""The targets that can follow a run in progress (`outcross run SPEC --track NAME`)."""
