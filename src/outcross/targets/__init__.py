"""The tools that a result can be handed to (`outcross export RESULT --to NAME`).

A target is a recipe. `takes` names the kinds of results that it takes: a `model` of a run, or a whole `run`, `audit`, `mix` or `reproduction`. `files(handed, place, out)`
returns the files of the folder that its tool reads, by name: what each holds, or a file to copy. A target whose tool writes files by itself lets it write
into `place`, an empty folder, and `out` is where the files will lie. The name by which the tool knows the folder comes last. It raises BadInput
where the tool can do nothing with what it was handed, or where it is not installed. The verb writes the folder, whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from outcross.recipe import Family


class Target:
    """A tool, and how a result is written for it."""

    takes: ClassVar[tuple[str, ...]] = ()
    """Of `model`, `run`, `audit`, `mix` and `reproduction` those that the tool can do something with."""

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
"""The targets that can take a run while it goes on (`outcross run SPEC --track NAME`)."""
